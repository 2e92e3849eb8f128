use meshwork_crdt::{CausalContext, LogId, TextDoc};

use super::Engine;
use crate::report::OURS;
use crate::traces::Edit;

pub struct Ours(TextDoc);

fn log(agent: u64) -> LogId {
    let mut id = [0x5a; 16];
    id[..8].copy_from_slice(&(agent + 1).to_be_bytes());
    LogId(id)
}

impl Engine for Ours {
    const NAME: &'static str = OURS;
    type Version = CausalContext;

    fn new(agent: u64) -> Self {
        Self(TextDoc::new(log(agent)))
    }

    fn commit(&mut self, edits: &[Edit]) {
        for (at, gone, text) in edits {
            if *gone > 0 {
                self.0.delete(*at, *gone).expect("the range is inside");
            }
            if !text.is_empty() {
                self.0.insert(*at, text).expect("the place is inside");
            }
        }
    }

    fn text(&self) -> String {
        self.0.to_string()
    }

    fn update(&mut self) -> Vec<u8> {
        self.0.update()
    }

    fn apply(&mut self, update: &[u8]) {
        self.0.apply(update).expect("the update is well formed");
    }

    fn save(&mut self) -> Vec<u8> {
        self.0.save().expect("the history is there")
    }

    fn load(file: &[u8], agent: u64) -> Self {
        Self(TextDoc::load(log(agent), file).expect("the file is whole"))
    }

    fn version(&self) -> CausalContext {
        self.0.version()
    }

    /// Versions both ways, then what the other lacks.
    fn meet(&mut self, other: &mut Self, _: &CausalContext) -> usize {
        let (mine, theirs) = (self.0.version(), other.0.version());
        let mut bytes = meshwork_crdt::to_bytes(&mine).len();
        if mine == theirs {
            return bytes;
        }
        bytes += meshwork_crdt::to_bytes(&theirs).len();
        let to_them = self.0.update_since(&theirs).expect("the history is there");
        let to_me = other.0.update_since(&mine).expect("the history is there");
        other.apply(&to_them);
        self.apply(&to_me);
        bytes + to_them.len() + to_me.len()
    }
}
