//! How far logs count, as the roster says: cuts of removed writers, forks, adoption.
//!
//! What lies beyond the bound of a log is kept, passed on and shown as quarantined, but not applied. When a bound
//! falls below what has been applied, the objects are built anew from the entries that count. Of a forked log
//! nothing beyond the fork is told to anybody, unless a checkpoint has settled one branch: then all go over to that.
//! Deliberately not here: the rules that set bounds.

use std::collections::{BTreeMap, BTreeSet};

use super::objects::Objects;
use super::{Log, Space, Visible};
use crate::body::Voice;
use crate::entry::{Head, LogOpening, VerifiedRun};
use crate::ids::{DeviceId, LogId, MemberId};
use crate::layout;
use crate::membership::{Cut, Limit, Role, Subject};
use crate::planted::{self, Bug};
use crate::rejection::Rejection;
use crate::turn::Turn;

impl Log {
    /// Up to where the log counts.
    pub(crate) fn limit(&self) -> u64 {
        match self.bound {
            Limit::Free => u64::MAX,
            Limit::UpTo(_) if planted::is(Bug::CutIgnored) => u64::MAX,
            Limit::UpTo(head) => head.seq + u64::from(planted::is(Bug::CutOffByOne)),
        }
    }

    /// Entries that are here and do not count.
    pub(crate) fn quarantined(&self) -> u64 {
        self.head.seq.saturating_sub(self.limit())
    }
}

impl Space {
    /// Brings logs and objects in line with the roster, after it has changed.
    pub(crate) fn follow_roster(&mut self, turn: &mut Turn<'_>) -> Vec<Visible> {
        let mut anew = false;
        for id in self.logs.keys().copied().collect::<Vec<LogId>>() {
            anew |= self.bind(id, turn);
        }
        self.leave_bounded_log(turn);
        let anew = anew && !planted::is(Bug::CutNotApplied);
        if anew && self.is_whole() && self.brought_by.is_none() {
            return self.build_anew(turn).unwrap_or_default();
        }
        if anew && !std::mem::replace(&mut self.overdue, true) {
            self.write_row(turn);
        }
        let mut visible = self.apply_ready(turn);
        visible.extend(self.audit(turn));
        self.acknowledge_checkpoints(turn);
        self.drop_history(turn);
        visible
    }

    /// Takes in the bound of one log; tells whether more of it has been applied than counts.
    pub(super) fn bind(&mut self, id: LogId, turn: &mut Turn<'_>) -> bool {
        let Some(log) = self.logs.get(&id) else { return false };
        let (opening, head) = (log.opening, log.head);
        let roster = self.membership.roster();
        let place = (opening.device, opening.incarnation);
        let fork = roster.forks.get(&place).copied();
        let parted = roster.parted.get(&place).copied();
        let mut bound = roster.limit(opening);
        if let (Some(fork), Some(parted)) = (fork, parted) {
            let here = self.hash_at(id, fork.seq.min(head.seq), turn);
            let other = fork.seq > 0 && here.is_some_and(|hash| hash != fork.hash);
            if head.seq < fork.seq {
                self.come_forward(id, fork, parted, turn);
            } else if other {
                self.go_back(id, parted, true, turn);
            } else if fork.seq < head.seq {
                self.go_back(id, fork, false, turn);
            }
        }
        if let Limit::UpTo(last) = bound
            && last.seq > 0
            && last.seq <= self.head(id).seq
            && !self.logs.get(&id).is_some_and(|log| log.lacks(last.seq))
            && self.hash_at(id, last.seq, turn) != Some(last.hash)
        {
            // Another branch was meant; a proof of the fork is on its way.
            bound = Limit::UpTo(Head::NONE);
        }
        let Some(log) = self.logs.get_mut(&id) else { return false };
        log.bound = bound;
        if log.applied < log.head.seq.min(log.limit()) {
            self.blocked.insert(id);
        }
        log.applied > log.limit().min(log.head.seq)
    }

    /// Forgets what follows an entry of a forked log. The rows stay in the store, unless other entries are to come in
    /// place of theirs.
    fn go_back(&mut self, id: LogId, to: Head, replaced: bool, turn: &mut Turn<'_>) {
        let gap = self.logs.get(&id).and_then(|log| log.gap);
        let mut to = match gap.filter(|gap| to.seq < gap.base.seq) {
            Some(gap) if to.seq > gap.after => self.fall_back(id, gap, turn),
            gap => {
                if let Some(gap) = gap {
                    self.fall_back(id, gap, turn);
                }
                let known = to.seq == 0 || self.hash_at(id, to.seq, turn) == Some(to.hash);
                if known { to } else { Head::NONE }
            }
        };
        if replaced {
            to = self.drop_after(id, to, turn);
        }
        self.move_head(id, to, turn);
    }

    /// A checkpoint has settled one branch of a forked log further than it is held here: what was kept is taken up again
    /// if it is that branch, and makes room for it if it may be another.
    fn come_forward(&mut self, id: LogId, fork: Head, parted: Head, turn: &mut Turn<'_>) {
        let mut last = self.head(id);
        let rows = self.run_rows(id, last.seq + 1, usize::MAX, turn);
        let stale = !rows.is_empty();
        for (_, row) in rows {
            let run = VerifiedRun::from_stored(self.pseudonym, row.before, &row.run.0);
            let Some(run) = run.filter(|run| run.hash_at(last.seq) == Some(last.hash)) else {
                break;
            };
            if run.hash_at(fork.seq) == Some(fork.hash) {
                return self.move_head(id, fork, turn);
            }
            last = run.head();
        }
        let here = self.head(id);
        if here.seq > parted.seq {
            self.go_back(id, parted, true, turn);
        } else if stale {
            let left = self.drop_after(id, here, turn);
            self.move_head(id, left, turn);
        }
    }

    pub(super) fn move_head(&mut self, id: LogId, to: Head, turn: &mut Turn<'_>) {
        self.change += 1;
        let Some(log) = self.logs.get_mut(&id) else { return };
        log.head = to;
        log.under = None;
        log.changed = self.change;
        log.marks.clear();
        self.shortened.push(id);
        self.frontier = None;
        self.write_log(id, turn);
        turn.effects.batch.require_durable();
    }

    /// Deletes the runs of a log that end after an entry; the entry that is the last then.
    fn drop_after(&self, id: LogId, to: Head, turn: &mut Turn<'_>) -> Head {
        let rows = self.run_rows(id, to.seq + 1, usize::MAX, turn);
        let first = rows.first().and_then(|(_, row)| {
            Some(VerifiedRun::from_stored(self.pseudonym, row.before, &row.run.0)?.first())
        });
        let left = first.map_or(to.seq, |first| to.seq.min(first.saturating_sub(1)));
        let last = if left == to.seq { Some(to) } else { self.head_at(id, left, turn) };
        for (key, _) in rows {
            turn.effects.batch.delete(key);
        }
        last.unwrap_or(Head::NONE)
    }

    /// Whether an incoming run may follow: it does not contradict a cut or run past a fork.
    pub(super) fn within_bounds(
        &self,
        opening: LogOpening,
        run: &crate::entry::VerifiedRun,
    ) -> Result<(), Rejection> {
        let roster = self.membership.roster();
        let place = (opening.device, opening.incarnation);
        for pinned in [roster.limits.get(&place), roster.forks.get(&place)].into_iter().flatten() {
            if run.hash_at(pinned.seq).is_some_and(|hash| pinned.seq > 0 && hash != pinned.hash) {
                return Err(Rejection::Forked);
            }
        }
        Ok(())
    }

    /// The last entry of a forked log that is told to anybody.
    pub(super) fn fork_of(&self, opening: LogOpening) -> Option<Head> {
        self.membership.roster().forks.get(&(opening.device, opening.incarnation)).copied()
    }

    /// Starts another log if this device may write but what it writes in the old one would not count.
    fn leave_bounded_log(&mut self, turn: &mut Turn<'_>) {
        let bound = self.membership.roster().limit(self.own);
        let may = self.membership.roster().may(self.own.device, Role::Write);
        if may && bound != Limit::Free && !planted::is(Bug::CutLogKept) {
            self.start_another_log(turn);
        }
    }

    /// Writes on in a log that nobody has written in.
    pub(super) fn start_another_log(&mut self, turn: &mut Turn<'_>) {
        let incarnation = rand_core::Rng::next_u64(&mut *turn.rng);
        self.own = LogOpening { device: self.own.device, incarnation };
        self.own_log = self.own.log(self.pseudonym);
        self.unsaid =
            self.logs.iter().filter(|(_, log)| log.applied > 0).map(|(id, _)| *id).collect();
        self.write_row(turn);
    }

    /// Builds all objects from the entries that count, and from what is kept in place of those that are not here;
    /// `None`, with all as it was, if some of that does not count.
    pub(super) fn build_anew(&mut self, turn: &mut Turn<'_>) -> Option<Vec<Visible>> {
        let ground = if self.stands_on_ground() { Some(self.ground(turn)?) } else { None };
        let author = self.own.device;
        let before = self.objects.all_ids().into_iter();
        let mut visible: BTreeSet<Visible> =
            before.map(|object| Visible { object, author }).collect();
        for letter in [b'd', b'v', b'w', b'c'] {
            let (from, to) = layout::rows(letter, self.pseudonym);
            for (key, _) in turn.scan(&from, &to, usize::MAX) {
                turn.effects.batch.delete(key);
            }
        }
        self.objects = Objects::default();
        self.about.clear();
        self.unparked.clear();
        self.unsaid.clear();
        for (id, log) in &mut self.logs {
            (log.applied, log.checkpointed, log.voice) = (0, 0, Voice::default());
            if log.head.seq > 0 {
                self.blocked.insert(*id);
            }
        }
        if let Some(ground) = ground {
            self.start_from(ground, turn);
        }
        for id in self.logs.keys().copied().collect::<Vec<LogId>>() {
            self.write_log(id, turn);
        }
        visible.extend(self.apply_ready(turn));
        self.refresh_about(turn);
        self.checkpoint(turn);
        Some(visible.into_iter().collect())
    }

    /// The logs of which entries are here that do not count, and how many, by device.
    pub(crate) fn quarantine(&self) -> BTreeMap<DeviceId, (Vec<LogId>, u64)> {
        let mut held: BTreeMap<DeviceId, (Vec<LogId>, u64)> = BTreeMap::new();
        for (id, log) in self.logs.iter().filter(|(_, log)| log.quarantined() > 0) {
            let (logs, entries) = held.entry(log.opening.device).or_default();
            logs.push(*id);
            *entries += log.quarantined();
        }
        held
    }

    /// Where the logs of a member or a device stand here: up to there they are to count.
    pub(crate) fn cut_of(&self, subject: Subject) -> Vec<Cut> {
        let roster = self.membership.roster();
        let owner = |device: DeviceId| -> Option<MemberId> {
            roster.devices.get(&device).map(|known| known.card.member)
        };
        let about = |device: DeviceId| match subject {
            Subject::Member(member) => owner(device) == Some(member),
            Subject::Device(target) => device == target,
        };
        let logs = self.logs.values().filter(|log| about(log.opening.device) && log.head.seq > 0);
        let counted = logs.map(|log| match log.bound {
            Limit::UpTo(head) if head.seq < log.head.seq => Cut { log: log.opening, head },
            _ => Cut { log: log.opening, head: log.head },
        });
        let mut cut: Vec<Cut> = counted.filter(|cut| cut.head.seq > 0).collect();
        cut.sort_unstable_by_key(|cut| (cut.log.device, cut.log.incarnation));
        cut
    }
}
