//! Lies: what devices with the right keys and wrong intentions send.
//!
//! A liar runs the production replica, which handles what it is told as it should; what it says is changed on its way
//! out. Wrong keys for a new epoch, which only a replica of its own could make, are tested beside the replica
//! (`protocol/src/replica/tests.rs`).

use meshwork_protocol::LinkId;
use rand_core::Rng as _;

use super::{Part, World};
use crate::bytes::forged_note;
use crate::plan::Lie;

/// Kinds of frames that carry entries.
const KINDS_OF_ENTRIES: [u8; 2] = [5, 10];
/// The kind that carries operations about members.
const KIND_OF_OPERATIONS: u8 = 3;
/// The kind that carries a note of presence.
const KIND_OF_PRESENCE: u8 = 16;
/// What a liar remembers to say again.
const SAID_MAX: usize = 64;
/// How often a liar that floods sends one frame at a time.
const FLOOD: usize = 300;

impl World {
    /// Lets a device say something: truly, or as it lies.
    pub(super) fn say(&mut self, n: usize, link: LinkId, bytes: Vec<u8>) {
        if self.devices[n].lies.is_empty() {
            self.transmit(n, link, bytes);
            return;
        }
        let Some((to, _)) = self.devices[n].links.get(&link).copied() else { return };
        // What a member tells a stranger of its own will is no secret that the replica gave away.
        if self.devices[to].part == Part::Stranger {
            self.transmit(n, link, bytes);
            return;
        }
        for lie in self.devices[n].lies.clone() {
            if !self.lie(n, link, to, lie, &bytes) {
                return;
            }
        }
        self.transmit(n, link, bytes);
    }

    /// Lies in one way; whether the truth is to be told as well.
    fn lie(&mut self, n: usize, link: LinkId, to: usize, lie: Lie, bytes: &[u8]) -> bool {
        let kind = bytes.get(1).copied().unwrap_or(0);
        let entries = KINDS_OF_ENTRIES.contains(&kind);
        let drawn = self.fate.next_u32() as usize;
        match lie {
            Lie::Withhold => !(entries && to.is_multiple_of(2)),
            Lie::HideOperations => kind != KIND_OF_OPERATIONS || drawn.is_multiple_of(2),
            Lie::Corrupt if entries && drawn.is_multiple_of(4) => {
                let mut changed = bytes.to_vec();
                let at = drawn / 4 % changed.len().max(1);
                if let Some(byte) = changed.get_mut(at) {
                    *byte ^= 1 << (drawn / 64 % 8);
                }
                self.transmit(n, link, changed);
                false
            }
            Lie::Garbage if drawn.is_multiple_of(8) => {
                let mut garbage = vec![0; drawn / 8 % 200];
                self.fate.fill_bytes(&mut garbage);
                self.transmit(n, link, garbage);
                true
            }
            Lie::Flood if drawn.is_multiple_of(200) => {
                for _ in 0..FLOOD {
                    self.transmit(n, link, bytes.to_vec());
                }
                true
            }
            Lie::Replay => {
                let said = &mut self.devices[n].said;
                if said.len() < SAID_MAX {
                    said.push(bytes.to_vec());
                } else if let Some(place) = said.get_mut(drawn % SAID_MAX) {
                    *place = bytes.to_vec();
                }
                if drawn.is_multiple_of(4) {
                    let again = self.devices[n].said.get(drawn / 4 % SAID_MAX).cloned();
                    if let Some(again) = again {
                        self.transmit(n, link, again);
                    }
                }
                true
            }
            Lie::Forge if kind == KIND_OF_PRESENCE => {
                let own = self.id(n).0;
                let Some(forged) = forged_note(bytes, own) else { return true };
                self.transmit(n, link, forged);
                false
            }
            Lie::Corrupt | Lie::Garbage | Lie::Flood | Lie::Fork | Lie::Forge => true,
        }
    }
}
