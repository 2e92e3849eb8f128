use loro::{ExportMode, LoroDoc, LoroText, VersionVector};

use super::Engine;
use crate::traces::Edit;

pub struct Loro {
    doc: LoroDoc,
    text: LoroText,
    told: VersionVector,
}

impl Loro {
    fn of(doc: LoroDoc, agent: u64) -> Self {
        doc.set_peer_id(agent + 1).expect("nothing is uncommitted");
        let text = doc.get_text("text");
        let told = doc.oplog_vv();
        Self { doc, text, told }
    }
}

impl Engine for Loro {
    const NAME: &'static str = "loro";
    type Version = VersionVector;

    fn new(agent: u64) -> Self {
        Self::of(LoroDoc::new(), agent)
    }

    fn commit(&mut self, edits: &[Edit]) {
        for (at, gone, text) in edits {
            if *gone > 0 {
                self.text.delete(*at, *gone).expect("the range is inside");
            }
            if !text.is_empty() {
                self.text.insert(*at, text).expect("the place is inside");
            }
        }
        self.doc.commit();
    }

    fn text(&self) -> String {
        self.text.to_string()
    }

    fn update(&mut self) -> Vec<u8> {
        let update = self.doc.export(ExportMode::updates(&self.told)).expect("it exports");
        self.told = self.doc.oplog_vv();
        update
    }

    fn apply(&mut self, update: &[u8]) {
        self.doc.import(update).expect("the update is well formed");
        self.told = self.doc.oplog_vv();
    }

    fn apply_all(&mut self, updates: &[Vec<u8>]) {
        self.doc.import_batch(updates).expect("the updates are well formed");
    }

    fn save(&mut self) -> Vec<u8> {
        self.doc.export(ExportMode::Snapshot).expect("it exports")
    }

    fn load(file: &[u8], agent: u64) -> Self {
        Self::of(LoroDoc::from_snapshot(file).expect("the file is whole"), agent)
    }

    fn version(&self) -> VersionVector {
        self.doc.oplog_vv()
    }

    fn meet(&mut self, other: &mut Self, _: &VersionVector) -> usize {
        let (mine, theirs) = (self.doc.oplog_vv(), other.doc.oplog_vv());
        let mut bytes = mine.encode().len();
        if mine == theirs {
            return bytes;
        }
        bytes += theirs.encode().len();
        let to_them = self.doc.export(ExportMode::updates(&theirs)).expect("it exports");
        let to_me = other.doc.export(ExportMode::updates(&mine)).expect("it exports");
        other.apply(&to_them);
        self.apply(&to_me);
        bytes + to_them.len() + to_me.len()
    }
}
