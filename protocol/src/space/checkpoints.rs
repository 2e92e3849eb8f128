//! Letting the past go: what a checkpoint made here would say, saying that one is known, and giving up what lies before
//! one that stands.
//!
//! Deliberately not here: when a checkpoint stands, which is decided by `membership`; how the objects are built without
//! what was given up, which is `ground`.

use super::history::Gap;
use super::{Space, held};
use crate::entry::{Head, LogOpening};
use crate::ids::{LogId, Time};
use crate::layout;
use crate::limits;
use crate::membership::{Cut, Limit, OpBody, Role};
use crate::snapshot::{Contents, HeadProof, Stand};
use crate::turn::Turn;

impl Space {
    /// Whether a log ends before a checkpoint that stands.
    pub(crate) fn is_behind_checkpoints(&self) -> bool {
        self.membership.roster().checkpoints.iter().any(|((device, incarnation), head)| {
            let opening = LogOpening { device: *device, incarnation: *incarnation };
            self.head(opening.log(self.pseudonym)).seq < head.seq
        })
    }

    /// What a checkpoint made here would say: up to where every member device is known to hold each log, but for
    /// those that were last seen longer ago than `away_ms`, or never.
    pub(crate) fn stable_cut(&self, away_ms: u64, turn: &mut Turn<'_>) -> Vec<Cut> {
        let here = |seen: Time| seen.plus_ms(away_ms) >= turn.now;
        let members: Vec<_> = self
            .membership
            .roster()
            .devices_in()
            .filter(|device| {
                *device == self.own.device
                    || away_ms == u64::MAX
                    || self.held.seen(*device).is_some_and(here)
            })
            .collect();
        let stable = held::stable(&members, self.logs.keys().copied(), |device, log| {
            self.holds(device, log)
        });
        let settled = &self.membership.roster().checkpoints;
        let mut cut = Vec::new();
        for (id, seq) in stable {
            let Some(log) = self.logs.get(&id) else { continue };
            let seq = seq.min(log.applied).min(log.limit());
            let place = (log.opening.device, log.opening.incarnation);
            let done = settled.get(&place).map_or(0, |head| head.seq);
            if seq > done
                && let Some(head) = self.head_at(id, seq, turn)
            {
                cut.push(Cut { log: log.opening, head });
            }
        }
        // Where there are too many logs, those that save most come first.
        cut.sort_unstable_by_key(|cut| std::cmp::Reverse(cut.head.seq));
        cut.truncate(limits::CUT_LOGS_MAX);
        cut.sort_unstable_by_key(|cut| (cut.log.device, cut.log.incarnation));
        cut
    }

    /// Says, if this device is an admin's, that it knows of the checkpoints that fit what is here.
    pub(crate) fn acknowledge_checkpoints(&mut self, turn: &mut Turn<'_>) {
        if !self.membership.roster().may(self.own.device, Role::Admin) {
            return;
        }
        let open = self.membership.checkpoints_unknown_to(self.own.device);
        let fits = open.iter().any(|cut| cut.iter().all(|cut| self.agrees_with(cut, turn)));
        if fits {
            self.operate(OpBody::Checkpoint { cut: Vec::new() }, turn);
        }
    }

    /// Whether an entry that a cut names is here.
    fn agrees_with(&self, cut: &Cut, turn: &mut Turn<'_>) -> bool {
        let id = cut.log.log(self.pseudonym);
        let applied = self.logs.get(&id).map_or(0, |log| log.applied);
        applied >= cut.head.seq && self.hash_at(id, cut.head.seq, turn) == Some(cut.head.hash)
    }

    /// Gives up the entries that a checkpoint lets go, if older entries are not to be kept. The objects as they were
    /// there are kept instead.
    pub(crate) fn drop_history(&mut self, turn: &mut Turn<'_>) {
        if self.keeps_history || self.overdue {
            return;
        }
        let cuts: Vec<(LogId, Head)> = self.droppable(turn);
        if cuts.is_empty() {
            return;
        }
        let Some((contents, proofs)) = self.contents_at(&cuts, turn) else { return };
        self.write_ground(&contents, turn);
        self.checkpoint(turn);
        for ((id, base), proof) in cuts.into_iter().zip(proofs) {
            let from = layout::run_key(self.pseudonym, id, 0);
            let to = layout::run_key(self.pseudonym, id, base.seq + 1);
            for (key, _) in turn.scan(&from, &to, usize::MAX) {
                turn.effects.batch.delete(key);
            }
            turn.put_row(layout::proof_key(self.pseudonym, id), layout::KIND_PROOF, &proof);
            if let Some(log) = self.logs.get_mut(&id) {
                log.gap = Some(Gap { after: 0, base });
            }
            self.write_log(id, turn);
        }
    }

    /// Where checkpoints let logs begin, of which earlier entries are here.
    fn droppable(&self, turn: &mut Turn<'_>) -> Vec<(LogId, Head)> {
        let mut cuts = Vec::new();
        for ((device, incarnation), head) in &self.membership.roster().checkpoints {
            let id = LogOpening { device: *device, incarnation: *incarnation }.log(self.pseudonym);
            let Some(log) = self.logs.get(&id) else { continue };
            let cut = Cut { log: log.opening, head: *head };
            let begins = log.gap.is_some_and(|gap| gap.after == 0 && gap.base.seq >= head.seq);
            // Entries that are missing from the middle come first.
            let follows = log.gap.is_none_or(|gap| head.seq >= gap.base.seq);
            if follows && !begins && log.limit() >= head.seq && self.agrees_with(&cut, turn) {
                cuts.push((id, *head));
            }
        }
        cuts
    }

    /// The objects as of some place of some logs, and proof of those places.
    fn contents_at(
        &mut self,
        cuts: &[(LogId, Head)],
        turn: &mut Turn<'_>,
    ) -> Option<(Contents, Vec<HeadProof>)> {
        let before = self.set_aside(turn);
        for (id, log) in &mut self.logs {
            let cut = cuts.iter().find(|(cut, _)| cut == id).map(|(_, head)| *head);
            let base = log.gap.map(|gap| gap.base);
            let to = [cut, base].into_iter().flatten().max_by_key(|head| head.seq);
            log.bound = Limit::UpTo(to.unwrap_or(Head::NONE));
        }
        let built = self.build_anew(turn).is_some()
            && cuts
                .iter()
                .all(|(id, head)| self.logs.get(id).is_some_and(|log| log.applied >= head.seq));
        let found = if built { self.contents(turn) } else { None };
        let proofs = found.as_ref().and_then(|contents| {
            let proof = |(id, head): &(LogId, Head)| {
                let of = |stand: &&Stand| {
                    stand.opening.log(self.pseudonym) == *id && stand.proof.seq == head.seq
                };
                contents.logs.iter().find(of).map(|stand| stand.proof.clone())
            };
            cuts.iter().map(proof).collect::<Option<Vec<_>>>()
        });
        self.put_back(before, turn);
        found.zip(proofs)
    }
}
