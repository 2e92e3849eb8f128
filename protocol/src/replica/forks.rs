//! Proving forks: two devices that hold different branches of a log find where they part, show each other their
//! branches, and either can then prove it to everybody.
//!
//! Marks narrow the place down, a few dozen at a time; evidence is a run from there on. The proof is a membership
//! operation like any other. Deliberately not here: what becomes of a forked log (`space/bounds`).

use rand_core::CryptoRng;

use super::heads::ANSWER_EVERY_MS;
use super::{Replica, turn};
use crate::effect::Effects;
use crate::entry::{Bytes, Head, SealedRun};
use crate::ids::{LinkId, LogId, SpaceId, Time};
use crate::limits;
use crate::rejection::Rejection;
use crate::space::Space;
use crate::turn::Turn;
use crate::wire::{Evidence, Frame, Marks};

impl Replica {
    /// Shows a peer that holds another branch of some logs where this device's branches are.
    pub(super) fn send_marks(
        &mut self,
        link: LinkId,
        id: SpaceId,
        logs: &[(LogId, u64)],
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        let (Some(space), Some(session)) = (self.spaces.get(&id), self.sessions.get_mut(&link))
        else {
            return;
        };
        let Some(shared) = session.shared.get_mut(&id) else { return };
        if logs.is_empty() || shared.marked.is_some_and(|at| at.plus_ms(ANSWER_EVERY_MS) > now) {
            return;
        }
        shared.marked = Some(now);
        let tag = shared.tag_out;
        let mut frames = Vec::new();
        // The peer compares only what it has: where its branch ends they differ for certain.
        for (log, end) in logs.iter().take(limits::FORKS_AT_ONCE_MAX) {
            let mut turn = turn!(self, now, rng, effects);
            let marks = marks(space, *log, 0, *end, &mut turn);
            frames.push(Frame::Marks(Marks { tag, log: *log, marks }));
        }
        for frame in frames {
            self.send(link, &frame, effects);
        }
    }

    pub(super) fn on_marks(
        &mut self,
        link: LinkId,
        frame: &Marks,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let id = self.proven(link, frame.tag)?;
        let (Some(space), Some(session)) = (self.spaces.get(&id), self.sessions.get(&link)) else {
            return Ok(());
        };
        let Some(tag) = session.shared.get(&id).map(|shared| shared.tag_out) else { return Ok(()) };
        let Some(head) = space.logs.get(&frame.log).map(|log| log.head.seq) else { return Ok(()) };
        let mut turn = turn!(self, now, rng, effects);
        let (mut same, mut parted) = (0, None);
        let lacks = |seq: u64| space.logs.get(&frame.log).is_some_and(|log| log.lacks(seq));
        for mark in frame.marks.iter().filter(|mark| mark.seq <= head && !lacks(mark.seq)) {
            if space.hash_at(frame.log, mark.seq, &mut turn) == Some(mark.hash) {
                same = mark.seq;
            } else {
                parted = Some(mark.seq);
                break;
            }
        }
        let Some(parted) = parted else { return Ok(()) };
        let answer = if parted == same + 1 {
            let run = space.runs_from(frame.log, same + 1, 1, &mut turn).into_iter().next();
            run.map(|run| Frame::Evidence(Evidence { tag, run: Bytes(run.to_bytes()) }))
        } else {
            let marks = marks(space, frame.log, same, parted, &mut turn);
            Some(Frame::Marks(Marks { tag, log: frame.log, marks }))
        };
        if let Some(answer) = answer {
            self.send(link, &answer, effects);
        }
        Ok(())
    }

    pub(super) fn on_evidence(
        &mut self,
        link: LinkId,
        frame: &Evidence,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let id = self.proven(link, frame.tag)?;
        let run = SealedRun::decode(&frame.run.0)?;
        let Some(space) = self.spaces.get_mut(&id) else { return Ok(()) };
        let mut turn = turn!(self, now, rng, effects);
        space.examine(run, &mut turn)
    }
}

/// Hashes of a log after entry `from` up to `to`, evenly spread and with the last.
fn marks(space: &Space, log: LogId, from: u64, to: u64, turn: &mut Turn<'_>) -> Vec<Head> {
    let steps = limits::MARKS_PER_FRAME_MAX as u64;
    let step = (to - from).div_ceil(steps).max(1);
    let mut places: Vec<u64> = (1..=steps).map(|n| from + n * step).filter(|at| *at < to).collect();
    places.push(to);
    let hash = |seq: u64| space.hash_at(log, seq, turn).map(|hash| Head { seq, hash });
    places.into_iter().filter(|seq| *seq > 0).filter_map(hash).collect()
}
