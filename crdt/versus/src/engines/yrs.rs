use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{Doc, GetString, ReadTxn, StateVector, Text, TextRef, Transact, Update};

use super::Engine;
use crate::traces::Edit;

pub struct Yrs {
    doc: Doc,
    text: TextRef,
}

impl Engine for Yrs {
    const NAME: &'static str = "yrs";
    const BATCHES: bool = false;
    type Version = StateVector;

    fn new(agent: u64) -> Self {
        let doc = Doc::with_client_id(agent + 1);
        let text = doc.get_or_insert_text("text");
        Self { doc, text }
    }

    fn commit(&mut self, edits: &[Edit]) {
        let mut txn = self.doc.transact_mut();
        for (at, gone, text) in edits {
            if *gone > 0 {
                self.text.remove_range(&mut txn, *at as u32, *gone as u32);
            }
            if !text.is_empty() {
                self.text.insert(&mut txn, *at as u32, text);
            }
        }
    }

    fn text(&self) -> String {
        self.text.get_string(&self.doc.transact())
    }

    /// Updates are made along with the commit.
    fn update(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn apply(&mut self, update: &[u8]) {
        let update = Update::decode_v1(update).expect("the update is well formed");
        self.doc.transact_mut().apply_update(update).expect("the update applies");
    }

    fn apply_all(&mut self, updates: &[Vec<u8>]) {
        let mut txn = self.doc.transact_mut();
        for update in updates {
            let update = Update::decode_v1(update).expect("the update is well formed");
            txn.apply_update(update).expect("the update applies");
        }
    }

    fn save(&mut self) -> Vec<u8> {
        self.doc.transact().encode_state_as_update_v1(&StateVector::default())
    }

    fn load(file: &[u8], agent: u64) -> Self {
        let mut loaded = Self::new(agent);
        loaded.apply(file);
        loaded
    }

    fn version(&self) -> StateVector {
        self.doc.transact().state_vector()
    }

    fn meet(&mut self, other: &mut Self, _: &StateVector) -> usize {
        let (mine, theirs) = (self.version(), other.version());
        let to_them = self.doc.transact().encode_diff_v1(&theirs);
        let to_me = other.doc.transact().encode_diff_v1(&mine);
        let bytes = mine.encode_v1().len() + theirs.encode_v1().len();
        other.apply(&to_them);
        self.apply(&to_me);
        bytes + to_them.len() + to_me.len()
    }

    fn commit_told(&mut self, edits: &[Edit]) -> Vec<u8> {
        let mut txn = self.doc.transact_mut();
        for (at, gone, text) in edits {
            if *gone > 0 {
                self.text.remove_range(&mut txn, *at as u32, *gone as u32);
            }
            if !text.is_empty() {
                self.text.insert(&mut txn, *at as u32, text);
            }
        }
        txn.encode_update_v1()
    }
}
