//! What of a log is not here: entries before the place that a snapshot brought this device to.
//!
//! A log is held up to `gap.after`, and from `gap.base` on; the entries in between are in the objects already, and
//! come later, oldest first, as any other run. Whoever asks for them is sent what is held. When the last has
//! come, the objects are built once more from entries alone: what a snapshot said is then proven or refuted.
//! Invariants: `after < base`, and the objects contain the log up to `base` at least, as far as it counts. Deliberately not here: when to
//! ask whom.

use serde::{Deserialize, Serialize};

use super::{Ingested, Log, Space, Visible};
use crate::entry::{Bytes, Head, LogOpening, SealedRun, VerifiedRun};
use crate::ids::LogId;
use crate::layout::{self, RunRow};
use crate::limits;
use crate::rejection::Rejection;
use crate::turn::Turn;

/// Entries of a log that are not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gap {
    /// The last entry before them that is here.
    pub after: u64,
    /// The last of them.
    pub base: Head,
}

impl Log {
    /// Whether an entry is one of those that are not here, though later ones are.
    pub(crate) fn lacks(&self, seq: u64) -> bool {
        self.gap.is_some_and(|gap| gap.after < seq && seq <= gap.base.seq)
    }

    /// The last entry of those that are here from `seq` on without a gap.
    pub(super) fn held_from(&self, seq: u64) -> u64 {
        match self.gap {
            Some(gap) if seq <= gap.after => gap.after,
            _ => self.head.seq,
        }
    }
}

impl Space {
    /// Logs of which entries are missing, with the entry after which they are to come.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = (LogId, u64)> {
        self.logs.iter().filter_map(|(id, log)| {
            let gap = log.gap?;
            Some((*id, log.doubt.unwrap_or(gap.after)))
        })
    }

    /// Whether entries that are in the objects and not here are to be asked for.
    pub(crate) fn wants_history(&self) -> bool {
        (self.keeps_history || self.overdue || self.needed_by_others) && !self.is_whole()
    }

    /// Whether entries of a log are missing that no checkpoint lets anybody give up.
    pub(crate) fn lacks_what_nobody_lets_go(&self, log: LogId) -> bool {
        let Some(log) = self.logs.get(&log) else { return false };
        let place = (log.opening.device, log.opening.incarnation);
        let settled = self.membership.roster().checkpoints.get(&place).map_or(0, |head| head.seq);
        log.gap.is_some_and(|gap| gap.base.seq > settled)
    }

    /// Whether all entries that are in the objects are here.
    pub(super) fn is_whole(&self) -> bool {
        self.logs.values().all(|log| log.gap.is_none())
    }

    /// Entries that are in the objects and not here.
    pub(crate) fn history_lacking(&self) -> u64 {
        self.logs.values().filter_map(|log| log.gap).map(|gap| gap.base.seq - gap.after).sum()
    }

    /// Takes a run that may fill a gap.
    pub(super) fn ingest_history(
        &mut self,
        run: SealedRun,
        writer: LogOpening,
        gap: Gap,
        turn: &mut Turn<'_>,
    ) -> Result<Option<Ingested>, Rejection> {
        let doubt = self.logs.get(&run.log).and_then(|log| log.doubt);
        let compared = doubt.unwrap_or(gap.after);
        if run.first > compared + 1 || run.last() <= compared {
            return Ok(None);
        }
        let here = self.head_at(run.log, gap.after.min(run.last()), turn);
        let here = here.ok_or(Rejection::BadRun)?;
        let before = self.before(&run, here, turn)?;
        let id = run.log;
        let run = match run.verify(self.pseudonym, before, writer.device) {
            // What others hold does not follow from what is here: it is compared from the beginning on.
            Err(Rejection::BadRun) if before.seq > 0 && doubt.is_none() => {
                self.doubt(id, Some(0));
                return Err(Rejection::Unchained);
            }
            verified => verified?,
        };
        turn.counters.signatures_verified += 1;
        if run.hash_at(here.seq) != Some(here.hash) {
            self.doubt(id, None);
            self.fork_between(&run, turn);
            return Err(Rejection::Forked);
        }
        if run.head().seq <= gap.after {
            self.doubt(id, Some(run.head().seq));
            return Ok(Some(Ingested { run, visible: Vec::new(), history: true }));
        }
        // Where the run reaches beyond the gap it must be what is there: one entry that is the same shows it for all
        // before.
        let contradicts = |head: Head| run.hash_at(head.seq).is_some_and(|hash| hash != head.hash);
        let last = run.head().seq.min(self.head(id).seq);
        let known = (last > gap.base.seq).then(|| self.head_at(id, last, turn)).flatten();
        if contradicts(gap.base) {
            // Of the branch that somebody told of nothing is here, and nothing may be anywhere: entries go before words.
            let left = self.fall_back(id, gap, turn);
            self.move_head(id, left, turn);
            self.doubt_objects(turn);
            return Err(Rejection::Forked);
        }
        if known.is_some_and(contradicts) {
            self.fork_between(&run, turn);
            return Err(Rejection::Forked);
        }
        self.within_bounds(writer, &run)?;
        turn.counters.entries_received += run.head().seq.min(gap.base.seq) - gap.after;
        self.compare_told(&run, turn);
        let visible = self.fill(&run, writer, gap, turn);
        Ok(Some(Ingested { run, visible, history: true }))
    }

    /// Compares history with what members told of it before: it may be another branch.
    fn compare_told(&mut self, run: &VerifiedRun, turn: &mut Turn<'_>) {
        let Some(log) = self.logs.get_mut(&run.log()) else { return };
        let before = log.told.len();
        let other = |head: &Head| run.hash_at(head.seq).is_some_and(|hash| hash != head.hash);
        let contradicts = log.told.iter().any(other);
        log.told.retain(|head| run.hash_at(head.seq).is_none());
        if contradicts {
            self.doubt_objects(turn);
        }
        if before > 0 {
            self.write_log(run.log(), turn);
        }
    }

    /// The objects contain entries of a branch that does not count, and so does what they would be built from.
    fn doubt_objects(&mut self, turn: &mut Turn<'_>) {
        self.overdue = true;
        self.drop_ground(turn);
        self.write_row(turn);
    }

    fn doubt(&mut self, id: LogId, compared: Option<u64>) {
        if let Some(log) = self.logs.get_mut(&id) {
            log.doubt = compared;
        }
    }

    /// Puts a proven run into a gap.
    fn fill(
        &mut self,
        run: &VerifiedRun,
        writer: LogOpening,
        gap: Gap,
        turn: &mut Turn<'_>,
    ) -> Vec<Visible> {
        let (id, last) = (run.log(), run.head().seq);
        let filled = last >= gap.base.seq;
        let Some(log) = self.logs.get_mut(&id) else { return Vec::new() };
        log.gap = (!filled).then_some(Gap { after: last, ..gap });
        log.doubt = None;
        let further = last > log.head.seq;
        // Rows are found by their last entry: one inside the run would stand for what is before it.
        let from = layout::run_key(self.pseudonym, id, gap.after + 1);
        let to = layout::run_key(self.pseudonym, id, last);
        for (key, _) in turn.scan(&from, &to, usize::MAX) {
            turn.effects.batch.delete(key);
        }
        if filled {
            turn.effects.batch.delete(layout::proof_key(self.pseudonym, id));
        }
        let mut visible = if further {
            self.store(run, writer, turn);
            self.apply_run(run, turn)
        } else {
            let row = RunRow { before: run.before(), run: Bytes(run.to_bytes()) };
            turn.put_row(layout::run_key(self.pseudonym, id, last), layout::KIND_RUN, &row);
            self.write_log(id, turn);
            // What did not count when the objects were built may count again.
            self.apply_ready(turn)
        };
        if self.is_whole() {
            self.needed_by_others = false;
            if !self.stands_on_ground() {
                self.drop_ground(turn);
            }
            visible.extend(self.audit(turn));
        }
        visible
    }

    /// An entry that is here, by its number.
    pub(super) fn head_at(&self, log: LogId, seq: u64, turn: &mut Turn<'_>) -> Option<Head> {
        if seq == 0 {
            return Some(Head::NONE);
        }
        Some(Head { seq, hash: self.hash_at(log, seq, turn)? })
    }

    /// Gives up what lies after a gap: the log is held up to the gap only.
    pub(super) fn fall_back(&mut self, id: LogId, gap: Gap, turn: &mut Turn<'_>) -> Head {
        let from = layout::run_key(self.pseudonym, id, gap.base.seq + 1);
        let (_, to) = layout::prefix_range(from.get(..33).unwrap_or_default().to_vec());
        for (key, _) in turn.scan(&from, &to, usize::MAX) {
            turn.effects.batch.delete(key);
        }
        turn.effects.batch.delete(layout::proof_key(self.pseudonym, id));
        let to = self.head_at(id, gap.after, turn).unwrap_or(Head::NONE);
        if let Some(log) = self.logs.get_mut(&id) {
            (log.gap, log.doubt) = (None, None);
            log.told.clear();
        }
        to
    }

    /// The runs that a peer asks for to fill gaps of its own, of few bytes in all.
    pub(crate) fn history(
        &self,
        wants: &[(LogId, u64)],
        bytes_max: usize,
        turn: &mut Turn<'_>,
    ) -> Vec<SealedRun> {
        let (mut runs, mut bytes) = (Vec::new(), 0);
        for (log, after) in wants {
            if bytes >= bytes_max {
                break;
            }
            let found = self.runs_from(*log, after.saturating_add(1), bytes_max - bytes, turn);
            bytes += found.len() * limits::RUN_BYTES_MAX;
            runs.extend(found);
        }
        runs
    }
}
