use diamond_types::AgentId;
use diamond_types::list::ListCRDT;
use diamond_types::list::encoding::{ENCODE_FULL, ENCODE_PATCH};
use diamond_types::list::remote_ids::RemoteId;

use super::Engine;
use crate::traces::Edit;

pub struct Diamond {
    doc: ListCRDT,
    agent: AgentId,
    before: Vec<usize>,
}

fn name(agent: u64) -> String {
    format!("agent{agent}")
}

impl Engine for Diamond {
    const NAME: &'static str = "diamond-types";
    type Version = Vec<RemoteId>;

    fn new(agent: u64) -> Self {
        let mut doc = ListCRDT::new();
        let agent = doc.get_or_create_agent_id(&name(agent));
        Self { doc, agent, before: Vec::new() }
    }

    fn commit(&mut self, edits: &[Edit]) {
        self.before.clear();
        self.before.extend_from_slice(self.doc.oplog.local_version_ref());
        for (at, gone, text) in edits {
            if *gone > 0 {
                self.doc.delete_without_content(self.agent, *at..*at + *gone);
            }
            if !text.is_empty() {
                self.doc.insert(self.agent, *at, text);
            }
        }
    }

    fn text(&self) -> String {
        self.doc.branch.content().to_string()
    }

    fn update(&mut self) -> Vec<u8> {
        self.doc.oplog.encode_from(ENCODE_PATCH, &self.before)
    }

    fn apply(&mut self, update: &[u8]) {
        self.doc.merge_data_and_ff(update).expect("the update is well formed");
    }

    fn apply_all(&mut self, updates: &[Vec<u8>]) {
        for update in updates {
            self.doc.oplog.decode_and_add(update).expect("the update is well formed");
        }
        let tip = self.doc.oplog.local_version();
        self.doc.branch.merge(&self.doc.oplog, &tip);
    }

    fn save(&mut self) -> Vec<u8> {
        self.doc.oplog.encode(ENCODE_FULL)
    }

    fn load(file: &[u8], agent: u64) -> Self {
        let mut doc = ListCRDT::load_from(file).expect("the file is whole");
        let agent = doc.get_or_create_agent_id(&name(agent));
        Self { doc, agent, before: Vec::new() }
    }

    fn version(&self) -> Vec<RemoteId> {
        self.doc.oplog.remote_version().to_vec()
    }

    /// It has no protocol: both are given the last common version.
    fn meet(&mut self, other: &mut Self, common: &Vec<RemoteId>) -> usize {
        let mine = self.doc.oplog.remote_to_local_version(common.iter());
        let theirs = other.doc.oplog.remote_to_local_version(common.iter());
        let to_them = self.doc.oplog.encode_from(ENCODE_PATCH, &mine);
        let to_me = other.doc.oplog.encode_from(ENCODE_PATCH, &theirs);
        other.apply(&to_them);
        self.apply(&to_me);
        to_them.len() + to_me.len()
    }
}
