use automerge::sync::{State, SyncDoc};
use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, ObjId, ObjType, ROOT, ReadDoc};

use super::Engine;
use crate::traces::Edit;

pub struct Automerge {
    doc: std::cell::RefCell<AutoCommit>,
    text: ObjId,
}

impl Automerge {
    fn of(mut doc: AutoCommit, agent: u64) -> Self {
        doc.set_actor(ActorId::from((agent + 1).to_be_bytes().as_slice()));
        let (_, text) = doc.get(ROOT, "text").expect("the root is there").expect("it has a text");
        Self { doc: doc.into(), text }
    }
}

impl Engine for Automerge {
    const NAME: &'static str = "automerge";
    type Version = ();

    fn new(agent: u64) -> Self {
        let mut doc = AutoCommit::new().with_actor(ActorId::from([0_u8; 8].as_slice()));
        doc.put_object(ROOT, "text", ObjType::Text).expect("the root is a map");
        doc.commit();
        Self::of(doc, agent)
    }

    fn commit(&mut self, edits: &[Edit]) {
        let doc = self.doc.get_mut();
        for (at, gone, text) in edits {
            doc.splice_text(&self.text, *at, *gone as isize, text).expect("the range is inside");
        }
        doc.commit();
    }

    fn text(&self) -> String {
        self.doc.borrow().text(&self.text).expect("it is a text")
    }

    fn update(&mut self) -> Vec<u8> {
        let change = self.doc.get_mut().get_last_local_change().expect("there is one");
        change.raw_bytes().to_vec()
    }

    fn apply(&mut self, update: &[u8]) {
        self.doc.get_mut().load_incremental(update).expect("the update is well formed");
    }

    fn apply_all(&mut self, updates: &[Vec<u8>]) {
        self.apply(&updates.concat());
    }

    fn save(&mut self) -> Vec<u8> {
        self.doc.get_mut().save()
    }

    fn load(file: &[u8], agent: u64) -> Self {
        Self::of(AutoCommit::load(file).expect("the file is whole"), agent)
    }

    fn version(&self) {}

    fn meet(&mut self, other: &mut Self, (): &()) -> usize {
        let (mut mine, mut theirs) = (State::new(), State::new());
        let mut bytes = 0;
        loop {
            let to_them = self.doc.get_mut().sync().generate_sync_message(&mut mine);
            let quiet = to_them.is_none();
            if let Some(message) = to_them {
                let message = message.encode();
                bytes += message.len();
                let message = automerge::sync::Message::decode(&message).expect("it decodes");
                let mut doc = other.doc.get_mut().sync();
                doc.receive_sync_message(&mut theirs, message).expect("it applies");
            }
            let to_me = other.doc.get_mut().sync().generate_sync_message(&mut theirs);
            let done = quiet && to_me.is_none();
            if let Some(message) = to_me {
                let message = message.encode();
                bytes += message.len();
                let message = automerge::sync::Message::decode(&message).expect("it decodes");
                let mut doc = self.doc.get_mut().sync();
                doc.receive_sync_message(&mut mine, message).expect("it applies");
            }
            if done {
                return bytes;
            }
        }
    }
}
