//! The engines that race in text, behind one face.

mod automerge;
mod cola;
mod diamond;
mod loro;
mod ours;
mod yrs;

pub use automerge::Automerge;
pub use cola::Cola;
pub use diamond::Diamond;
pub use loro::Loro;
pub use ours::Ours;
pub use yrs::Yrs;

use crate::traces::Edit;

/// A text of one writer. Positions are bytes of ASCII.
pub trait Engine: Sized {
    const NAME: &'static str;
    /// Whether it can tell another what that lacks.
    const SYNCS: bool = true;
    /// Whether many edits can be one commit in reasonable time.
    const BATCHES: bool = true;
    fn new(agent: u64) -> Self;
    /// Makes edits and commits them as one.
    fn commit(&mut self, edits: &[Edit]);
    /// The same, with what it has to say to others.
    fn commit_told(&mut self, edits: &[Edit]) -> Vec<u8> {
        self.commit(edits);
        self.update()
    }
    fn text(&self) -> String;
    /// What the last commit has to say to others.
    fn update(&mut self) -> Vec<u8>;
    fn apply(&mut self, update: &[u8]);
    /// All of some updates at once.
    fn apply_all(&mut self, updates: &[Vec<u8>]) {
        updates.iter().for_each(|update| self.apply(update));
    }
    /// A file with all history.
    fn save(&mut self) -> Vec<u8>;
    fn load(file: &[u8], agent: u64) -> Self;
    /// A message to a peer that has what `file` had, and what comes back; both have more by now. Returns the
    /// bytes of the exchange.
    fn meet(&mut self, other: &mut Self, common: &Self::Version) -> usize;
    type Version;
    fn version(&self) -> Self::Version;
}

/// Calls a macro with every engine, ours first.
macro_rules! each_engine {
    ($each:ident) => {
        $each!($crate::engines::Ours);
        $each!($crate::engines::Diamond);
        $each!($crate::engines::Loro);
        $each!($crate::engines::Yrs);
        $each!($crate::engines::Cola);
        $each!($crate::engines::Automerge);
    };
}
pub(crate) use each_engine;
