//! Snapshots and requests for history by a member that lies.

use meshwork_crdt::{HybridTime, Kind, Object, Shape};
use rand_core::CryptoRng;

use super::{Member, Script};
use crate::body::{Change, Voice};
use crate::entry::{Bytes, LogOpening, VerifiedRun};
use crate::ids::{EntryHash, ObjectId};
use crate::keyring::EpochKey;
use crate::layout::ParkedRow;
use crate::snapshot::{Contents, HeadProof, ObjectState, Snapshot, Stand};
use crate::wire::{Bringing, Frame, History, Snapshot as Bringings, Tag};

impl Member {
    pub(super) fn history(&mut self, tag: Tag, script: &mut Script<'_>) -> Frame {
        let wants = (0..script.below(4)).map(|_| (self.log(script), script.number())).collect();
        Frame::History(History { tag, wants })
    }

    /// One of the frames by which a snapshot comes; the parts are those of the manifest told last.
    pub(super) fn snapshot(
        &mut self,
        tag: Tag,
        script: &mut Script<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Frame {
        let sent = if script.below(8) == 7 { script.number() } else { 0 };
        let about = match script.below(8) {
            0 => Bringing::Wanted,
            1 => Bringing::Declined,
            2 => Bringing::Offered,
            3 => Bringing::Manifest(Bytes(script.bytes(200))),
            4 | 5 => match self.sealed_snapshot(script, rng) {
                Some(snapshot) => {
                    let manifest = snapshot.manifest.to_bytes();
                    self.parts = snapshot.parts.into_iter().map(|part| part.0).collect();
                    Bringing::Manifest(Bytes(manifest))
                }
                None => Bringing::Offered,
            },
            _ if script.below(8) == 7 => Bringing::Part { sent, part: Bytes(script.bytes(100)) },
            _ => Bringing::Part { sent, part: Bytes(self.parts.pop().unwrap_or_default()) },
        };
        Frame::Snapshot(Bringings { tag, about })
    }

    fn sealed_snapshot(
        &mut self,
        script: &mut Script<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Option<Snapshot> {
        let (epoch, key) = *self.epochs.get(script.below(self.epochs.len()))?;
        let key = EpochKey::from_bytes(key);
        let logs = (0..script.below(4)).filter_map(|_| self.stand(script)).collect();
        let mut objects: Vec<ObjectState> =
            (0..script.below(4)).map(|_| self.object_state(script)).collect();
        if script.below(4) > 0 {
            objects.sort_by_key(|known| known.object);
            objects.dedup_by_key(|known| known.object);
        }
        let log = self.log(script);
        let row = ParkedRow {
            log,
            seq: script.number(),
            logs: Vec::new(),
            change: Change::Delta(Bytes(script.bytes(40))),
        };
        let parked = vec![(ObjectId(script.array()), script.below(4) as u32, row)];
        let contents = Contents { time: HybridTime(script.number()), logs, objects, parked };
        let entries = script.number();
        Snapshot::seal(self.pseudonym, &contents, entries, (epoch, &key), &self.identity, rng)
    }

    /// Where a log of its own stands, truly or not.
    fn stand(&mut self, script: &mut Script<'_>) -> Option<Stand> {
        let run = self.write(script);
        let run = VerifiedRun::from_stored(self.pseudonym, EntryHash(script.array()), &run)?;
        let (seq, before) = (run.head().seq, run.hash_at(run.head().seq - 1)?);
        let branch = run.branch_after(seq - 1)?;
        let incarnation = script.below(4) as u64;
        let opening = LogOpening { device: self.device(), incarnation };
        Some(Stand { opening, proof: HeadProof { seq, before, branch }, voice: Voice::default() })
    }

    fn object_state(&mut self, script: &mut Script<'_>) -> ObjectState {
        let kind = Kind::ALL.get(script.below(Kind::ALL.len())).copied().unwrap_or(Kind::Map);
        let shape: Shape = kind.into();
        let name = String::from_utf8_lossy(&script.bytes(8)).into_owned();
        let known = self.objects.get(script.below(self.objects.len() + 1)).copied();
        let object = known.unwrap_or_else(|| ObjectId::derive(&name, &shape, None));
        let state = match script.below(3) {
            0 => script.bytes(64),
            _ => Object::new(shape.clone()).encode_state(),
        };
        let versions = |member: &Self, script: &mut Script<'_>| {
            (0..script.below(3)).map(|_| (member.log(script), script.number())).collect()
        };
        let named = (script.below(2) == 1).then(|| (HybridTime(script.number()), self.log(script)));
        ObjectState {
            object,
            shape: Bytes(shape.to_bytes()),
            name,
            named,
            touched: versions(self, script),
            deleted: versions(self, script),
            state: Bytes(state),
        }
    }
}
