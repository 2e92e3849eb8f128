//! Cola keeps neither text nor history: a crop rope stands beside it.

use cola::{Deletion, EncodedReplica, Insertion, Replica};
use crop::Rope;
use serde::{Deserialize, Serialize};

use super::Engine;
use crate::traces::Edit;

pub struct Cola {
    replica: Replica,
    rope: Rope,
    last: Vec<Change>,
}

#[derive(Serialize, Deserialize)]
enum Change {
    Insert(Insertion, String),
    Delete(Deletion),
}

impl Engine for Cola {
    const NAME: &'static str = "cola";
    const SYNCS: bool = false;
    type Version = ();

    fn new(agent: u64) -> Self {
        // All replicas have to come from one.
        let replica = Replica::new(u64::MAX, 0).fork(agent + 1);
        Self { replica, rope: Rope::new(), last: Vec::new() }
    }

    fn commit(&mut self, edits: &[Edit]) {
        for (at, gone, text) in edits {
            if *gone > 0 {
                self.rope.delete(*at..*at + *gone);
                let _ = self.replica.deleted(*at..*at + *gone);
            }
            if !text.is_empty() {
                self.rope.insert(*at, text);
                let _ = self.replica.inserted(*at, text.len());
            }
        }
    }

    fn commit_told(&mut self, edits: &[Edit]) -> Vec<u8> {
        for (at, gone, text) in edits {
            if *gone > 0 {
                self.rope.delete(*at..*at + *gone);
                self.last.push(Change::Delete(self.replica.deleted(*at..*at + *gone)));
            }
            if !text.is_empty() {
                self.rope.insert(*at, text);
                let insertion = self.replica.inserted(*at, text.len());
                self.last.push(Change::Insert(insertion, text.clone()));
            }
        }
        self.update()
    }

    fn text(&self) -> String {
        self.rope.to_string()
    }

    fn update(&mut self) -> Vec<u8> {
        let mut update = Vec::new();
        for change in self.last.drain(..) {
            update = postcard::to_extend(&change, update).expect("it encodes");
        }
        update
    }

    fn apply(&mut self, update: &[u8]) {
        let mut rest = update;
        while !rest.is_empty() {
            let (change, left) =
                postcard::take_from_bytes(rest).expect("the update is well formed");
            rest = left;
            match change {
                Change::Insert(insertion, text) => {
                    if let Some(at) = self.replica.integrate_insertion(&insertion) {
                        self.rope.insert(at, text);
                    }
                }
                Change::Delete(deletion) => {
                    for range in self.replica.integrate_deletion(&deletion).into_iter().rev() {
                        self.rope.delete(range);
                    }
                }
            }
        }
    }

    fn save(&mut self) -> Vec<u8> {
        let text = self.rope.to_string();
        postcard::to_stdvec(&(self.replica.encode(), text)).expect("it encodes")
    }

    fn load(file: &[u8], agent: u64) -> Self {
        let (replica, text): (EncodedReplica<'_>, String) =
            postcard::from_bytes(file).expect("the file is whole");
        let replica = Replica::decode(agent + 1, &replica).expect("the replica is whole");
        Self { replica, rope: Rope::from(text), last: Vec::new() }
    }

    fn version(&self) {}

    /// It has no protocol.
    fn meet(&mut self, _: &mut Self, (): &()) -> usize {
        0
    }
}
