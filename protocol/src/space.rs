//! One shared space on this device: its members, keys, logs and objects.
//!
//! Verified runs and own edits in → rows to persist and visible changes out. An entry is stored as soon as
//! it is verified and applied as soon as everything it builds on has been applied and its key is here; what
//! waits, waits in the store, so a peer cannot make it grow in memory. Deliberately not here: links.

use std::collections::{BTreeMap, BTreeSet};

use meshwork_crdt::{HybridTime, Value};
use zeroize::Zeroizing;

use crate::body::{Body, Voice};
use crate::effect::Refusal;
use crate::entry::{Bytes, Head, LogOpening, Opened, Opening, SealedRun, Under, VerifiedRun};
use crate::ids::{DeviceId, EntryHash, EpochId, LogId, ObjectId, Pseudonym, SpaceId, Time};
use crate::keyring::{EpochKey, Keyring, first16};
use crate::layout::{self, LogRow, PeerRow, RunRow, SpaceRow};
use crate::limits;
use crate::membership::{Limit, Membership, Op, Role};
use crate::planted::{self, Bug};
use crate::rejection::Rejection;
use crate::session::Base;
use crate::turn::{Turn, damaged};

mod apply;
mod bounds;
mod checkpoints;
mod epochs;
mod forks;
mod ground;
pub(crate) mod held;
mod history;
pub(crate) mod objects;
mod snapshot;
mod waits;
mod write;

use held::Held;
pub(crate) use history::Gap;
use objects::Objects;

/// How far ahead of this device's clock an entry's time may pull its own, in milliseconds. Times beyond
/// are used as they are where values are ordered, so that all devices agree.
const CLOCK_AHEAD_MS_MAX: u64 = 24 * 60 * 60 * 1000;

/// One log of a space, as far as held here.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub opening: LogOpening,
    pub head: Head,
    pub applied: u64,
    /// How far the log counts.
    bound: Limit,
    /// Up to where the stored object states contain this log.
    checkpointed: u64,
    /// What the head is sealed under, and since which entry.
    under: Option<(Under, u64)>,
    /// The change of the space's frontier that brought the head.
    changed: u64,
    /// Earlier heads that some peer may remember: the change that brought each, its number.
    marks: Vec<(u64, u64)>,
    /// What the entry after the last applied one can lean on.
    voice: Voice,
    /// Entries that are in the objects and not here.
    pub gap: Option<Gap>,
    /// Entries in the gap or after it that were the head before somebody's word went further: the history must contain
    /// them.
    told: Vec<Head>,
    /// What follows the gap may be of another branch than what is before it: up to where that was compared with what
    /// others hold.
    doubt: Option<u64>,
}

impl Log {
    fn new(opening: LogOpening) -> Self {
        Self {
            opening,
            head: Head::NONE,
            applied: 0,
            bound: Limit::Free,
            checkpointed: 0,
            under: None,
            changed: 0,
            marks: Vec::new(),
            voice: Voice::default(),
            gap: None,
            told: Vec::new(),
            doubt: None,
        }
    }

    /// How far the log was after some change of the frontier, if that is still known.
    fn seq_at(&self, change: u64) -> Option<u64> {
        if self.changed <= change {
            return Some(self.head.seq);
        }
        self.marks.iter().rev().find(|(changed, _)| *changed <= change).map(|(_, seq)| *seq)
    }

    /// What entry `seq` is sealed under, if so is the one before it.
    pub(crate) fn under_next(&self, seq: u64) -> Option<Under> {
        let (under, since) = self.under?;
        (since < seq && seq <= self.head.seq + 1).then_some(under)
    }

    fn row(&self) -> LogRow {
        LogRow {
            opening: self.opening,
            head: self.head,
            applied: self.checkpointed,
            under: self.under,
            changed: self.changed,
            marks: self.marks.clone(),
            gap: self.gap,
            told: self.told.clone(),
        }
    }
}

/// Something that became visible by applying entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Visible {
    pub object: ObjectId,
    pub author: DeviceId,
}

pub(crate) struct Space {
    pub id: SpaceId,
    pub pseudonym: Pseudonym,
    pub secret: Zeroizing<[u8; 32]>,
    pub membership: Membership,
    pub logs: BTreeMap<LogId, Log>,
    pub own: LogOpening,
    pub own_log: LogId,
    /// The join operation this device waits with, while it waits.
    pub joining: Option<Op>,
    /// Operations made here that peers have not been told of.
    pub fresh: Vec<Op>,
    /// Logs that have been shown to be forked and now end earlier.
    pub shortened: Vec<LogId>,
    pub keyring: Keyring,
    pub objects: Objects,
    /// What members call the space and themselves.
    pub about: BTreeMap<String, Value>,
    /// What other members are known to hold durably.
    pub held: Held,
    /// Who signed the snapshot that these objects began with, until its history has proven it.
    pub brought_by: Option<DeviceId>,
    /// Whether older entries are kept, or asked for, though the objects can do without.
    pub keeps_history: bool,
    /// What came of comparing a snapshot with its history, until listeners have been told.
    pub audited: Option<(DeviceId, bool)>,
    /// Objects contain entries that do not count any more, and cannot be built anew before all history is here.
    overdue: bool,
    /// Whether a peer lacks entries that are in the objects and not here.
    pub needed_by_others: bool,
    /// When entries last came that are in the objects and were not here.
    pub history_moved: Option<Time>,
    /// What the ticket or the creator called it.
    hint: String,
    time: HybridTime,
    /// Other logs of which more is applied than this device's own entries have named since it started.
    unsaid: BTreeSet<LogId>,
    /// Logs with entries that are stored but not applied.
    blocked: BTreeSet<LogId>,
    frontier: Option<[u8; 32]>,
    /// How often some head has changed.
    change: u64,
    /// The last change that some peer may remember.
    marked: u64,
    /// Rows of changes that came before their objects and have been applied since the last checkpoint.
    unparked: Vec<Vec<u8>>,
    applied_since_checkpoint: u64,
    bytes_since_checkpoint: usize,
}

impl Space {
    pub(crate) fn new(
        id: SpaceId,
        secret: [u8; 32],
        hint: String,
        device: DeviceId,
        incarnation: u64,
    ) -> Self {
        let pseudonym =
            Pseudonym(first16(&blake3::derive_key("meshwork space pseudonym 1", &secret)));
        let own = LogOpening { device, incarnation };
        Self {
            id,
            pseudonym,
            secret: Zeroizing::new(secret),
            membership: Membership::default(),
            logs: BTreeMap::new(),
            own,
            own_log: own.log(pseudonym),
            joining: None,
            fresh: Vec::new(),
            shortened: Vec::new(),
            keyring: Keyring::default(),
            objects: Objects::default(),
            about: BTreeMap::new(),
            held: Held::default(),
            brought_by: None,
            keeps_history: true,
            audited: None,
            overdue: false,
            needed_by_others: false,
            history_moved: None,
            hint,
            time: HybridTime::default(),
            unsaid: BTreeSet::new(),
            blocked: BTreeSet::new(),
            frontier: None,
            change: 0,
            marked: 0,
            unparked: Vec::new(),
            applied_since_checkpoint: 0,
            bytes_since_checkpoint: 0,
        }
    }

    /// Opens a space from the store: what the last checkpoint wrote, then every entry after it.
    pub(crate) fn open(pseudonym: Pseudonym, turn: &mut Turn<'_>) -> Option<Self> {
        let key = layout::space_key(pseudonym);
        let row: SpaceRow = turn.sealed_row(&key, layout::KIND_SPACE)?;
        let device = turn.identity.device();
        let mut space = Self::new(row.space, row.secret, row.name.clone(), device, row.incarnation);
        for (epoch, key) in &row.epochs {
            space.keyring.insert(*epoch, EpochKey::from_bytes(*key));
        }
        space.brought_by = row.brought_by;
        space.keeps_history = row.keeps_history;
        space.overdue = row.overdue;
        space.read_operations(row.joining.as_ref(), turn);
        space.read_logs(turn);
        space.read_held(turn);
        space.objects.open(pseudonym, turn);
        space.refresh_about(turn);
        space.follow_roster(turn);
        Some(space)
    }

    fn read_operations(&mut self, joining: Option<&Bytes>, turn: &mut Turn<'_>) {
        let (from, to) = layout::rows(b'o', self.pseudonym);
        let mut ops = Vec::new();
        for (key, bytes) in turn.scan(&from, &to, limits::OPS_PER_SPACE_MAX) {
            match Op::verify(self.id, self.pseudonym, &bytes) {
                Ok(op) => ops.push(op),
                Err(_) => turn.halt(damaged(&key)),
            }
        }
        self.membership.insert(self.id, ops);
        self.joining = joining.and_then(|bytes| Op::verify(self.id, self.pseudonym, &bytes.0).ok());
    }

    fn read_logs(&mut self, turn: &mut Turn<'_>) {
        let (from, to) = layout::rows(b'l', self.pseudonym);
        for (key, _) in turn.scan(&from, &to, limits::LOGS_PER_SPACE_MAX) {
            let Some(row) = turn.row::<LogRow>(&key, layout::KIND_LOG) else { return };
            let id = row.opening.log(self.pseudonym);
            let LogRow { opening, head, applied, under, changed, marks, gap, told } = row;
            self.change = self.change.max(changed);
            self.marked = self.change;
            let forgets = planted::is(Bug::BlockedForgottenAtRestart);
            let applied = if forgets { head.seq } else { applied };
            let checkpointed = applied;
            let voice = match turn.get(&layout::voice_key(self.pseudonym, id)) {
                Some(_) => turn
                    .sealed_row(&layout::voice_key(self.pseudonym, id), layout::KIND_VOICE)
                    .unwrap_or_default(),
                None => Voice::default(),
            };
            let bound = Limit::Free;
            self.observe(voice.time(), turn);
            let log = Log {
                opening,
                head,
                applied,
                bound,
                checkpointed,
                under,
                changed,
                marks,
                voice,
                gap,
                told,
                doubt: None,
            };
            self.logs.insert(id, log);
            if applied > 0 && id != self.own_log && !planted::is(Bug::PastForgottenAtRestart) {
                self.unsaid.insert(id);
            }
            if applied < head.seq {
                self.blocked.insert(id);
            }
        }
    }

    /// Writes the space's own row: secret, keys, own log.
    pub(crate) fn write_row(&self, turn: &mut Turn<'_>) {
        let row = SpaceRow {
            space: self.id,
            secret: *self.secret,
            name: self.hint.clone(),
            incarnation: self.own.incarnation,
            epochs: self.keyring.iter().map(|(id, key)| (id, key.to_bytes())).collect(),
            joining: self.joining.as_ref().map(|op| Bytes(op.bytes.clone())),
            brought_by: self.brought_by,
            keeps_history: self.keeps_history,
            overdue: self.overdue,
        };
        turn.put_sealed_row(layout::space_key(self.pseudonym), layout::KIND_SPACE, &row);
        turn.effects.batch.require_durable();
    }

    /// The name to show.
    pub(crate) fn name(&self) -> String {
        match self.about.get("name") {
            Some(Value::Text(name)) => name.clone(),
            _ => self.hint.clone(),
        }
    }

    /// What a member device calls itself.
    pub(crate) fn device_name(&self, device: DeviceId) -> String {
        match self.about.get(&device_key(device)) {
            Some(Value::Text(name)) => name.clone(),
            _ => String::new(),
        }
    }

    pub(crate) fn head(&self, log: LogId) -> Head {
        self.logs.get(&log).map_or(Head::NONE, |log| log.head)
    }

    /// Whether this device is a member and can read.
    pub(crate) fn ready(&self) -> bool {
        match self.membership.roster().role(self.own.device) {
            None => false,
            // It is given no key.
            Some(Role::Relay) => true,
            Some(_) => self.keyring.iter().next().is_some(),
        }
    }

    /// Why a space that is not ready refuses what is wished of it.
    pub(crate) fn not_ready(&self) -> Refusal {
        match self.membership.removed_by(self.own.device) {
            Some(by) if self.joining.is_none() => Refusal::Removed { by },
            _ => Refusal::NotReady,
        }
    }

    /// A hash of all heads; equal on two devices exactly when they hold the same entries.
    pub(crate) fn frontier(&mut self) -> [u8; 32] {
        let logs = &self.logs;
        *self.frontier.get_or_insert_with(|| {
            let mut hasher = blake3::Hasher::new_derive_key("meshwork frontier 1");
            for (id, log) in logs {
                hasher.update(&id.0);
                hasher.update(&log.head.seq.to_le_bytes());
                if !planted::is(Bug::DigestWithoutHashes) {
                    hasher.update(&log.head.hash.0);
                }
            }
            *hasher.finalize().as_bytes()
        })
    }

    /// What a peer and this device held when they last agreed, if that is still known.
    pub(crate) fn base(&mut self, peer: DeviceId, turn: &mut Turn<'_>) -> Option<Base> {
        let key = layout::peer_key(self.pseudonym, peer);
        let PeerRow { root, members, at } = turn.row(&key, layout::KIND_PEER)?;
        let mut logs = Vec::with_capacity(self.logs.len());
        for (id, log) in &self.logs {
            let seq = log.seq_at(at)?;
            if seq > 0 {
                logs.push((*id, seq));
            }
        }
        Some(Base { root, members, logs })
    }

    /// Remembers that a peer holds just what is held here, so that the next link can start from it.
    pub(crate) fn agreed(&mut self, peer: DeviceId, turn: &mut Turn<'_>) {
        let key = layout::peer_key(self.pseudonym, peer);
        let row =
            PeerRow { root: self.frontier(), members: self.membership.digest(), at: self.change };
        self.marked = self.change;
        if turn.row(&key, layout::KIND_PEER) != Some(row) {
            turn.put_row(key, layout::KIND_PEER, &row);
        }
    }

    /// Takes a run from a peer: proves it, stores it, applies what can be applied. Nothing comes of one
    /// that is here already, or that does not follow what is here.
    pub(crate) fn ingest(
        &mut self,
        run: SealedRun,
        turn: &mut Turn<'_>,
    ) -> Result<Option<Ingested>, Rejection> {
        let head = self.head(run.log);
        let last = run.last();
        if let Some(log) = self.logs.get(&run.log)
            && let Some(gap) = log.gap
            && run.first <= gap.base.seq
        {
            let opening = log.opening;
            return self.ingest_history(run, opening, gap, turn);
        }
        if last <= head.seq {
            turn.counters.entries_duplicate += last - run.first + 1;
            return Ok(None);
        }
        if run.first > head.seq + 1 {
            return Ok(None);
        }
        let writer = self.writer_of(&run)?;
        if self.fork_of(writer).is_some_and(|fork| head.seq >= fork.seq) {
            return Ok(None);
        }
        let before = self.before(&run, head, turn)?;
        let run = run.verify(self.pseudonym, before, writer.device)?;
        turn.counters.signatures_verified += 1;
        if run.hash_at(head.seq) != Some(head.hash) && !planted::is(Bug::ForkAccepted) {
            self.fork_between(&run, turn);
            return Err(Rejection::Forked);
        }
        self.within_bounds(writer, &run)?;
        self.store(&run, writer, turn);
        if run.log() == self.own_log {
            // This disk is an older one, or there is a second: what else was written in the log may not be here yet.
            self.start_another_log(turn);
        }
        turn.counters.entries_received += last - head.seq;
        turn.counters.entries_duplicate += (head.seq + 1) - run.first();
        let mut visible = self.apply_run(&run, turn);
        if self.logs.get(&run.log()).is_some_and(|log| log.bound != Limit::Free) || run.first() == 1
        {
            // What was built on it may have waited for it, though nothing of it counts.
            visible.extend(self.apply_ready(turn));
            visible.extend(self.audit(turn));
        }
        Ok(Some(Ingested { run, visible, history: false }))
    }

    /// Whose log the run belongs to, if that device may write.
    fn writer_of(&self, run: &SealedRun) -> Result<LogOpening, Rejection> {
        let known = self.logs.get(&run.log).map(|log| log.opening);
        let opening = known.or(run.opening).ok_or(Rejection::BadRun)?;
        if opening.log(self.pseudonym) != run.log {
            return Err(Rejection::BadRun);
        }
        let roster = self.membership.roster();
        if !roster.has_written(opening.device) {
            return Err(Rejection::NotWriter);
        }
        if known.is_none() && self.logs.len() >= limits::LOGS_PER_SPACE_MAX {
            return Err(Rejection::OverLimit);
        }
        Ok(opening)
    }

    /// The entry right before the run, which reaches back into what is here when they overlap.
    fn before(&self, run: &SealedRun, head: Head, turn: &mut Turn<'_>) -> Result<Head, Rejection> {
        let seq = run.first - 1;
        if seq == head.seq {
            return Ok(head);
        }
        if seq == 0 {
            return Ok(Head::NONE);
        }
        let hash = self.hash_at(run.log, seq, turn).ok_or(Rejection::BadRun)?;
        Ok(Head { seq, hash })
    }

    /// The hash of an entry that is here.
    pub(crate) fn hash_at(&self, log: LogId, seq: u64, turn: &mut Turn<'_>) -> Option<EntryHash> {
        let head = self.head(log);
        let base = self.logs.get(&log).and_then(|log| log.gap).map(|gap| gap.base);
        if let Some(known) = [Some(head), base].into_iter().flatten().find(|head| head.seq == seq) {
            return Some(known.hash);
        }
        self.stored_run(log, seq, turn)?.hash_at(seq)
    }

    /// The stored run that holds entry `seq` of a log.
    fn stored_run(&self, log: LogId, seq: u64, turn: &mut Turn<'_>) -> Option<VerifiedRun> {
        if self.logs.get(&log).is_some_and(|log| log.lacks(seq)) {
            return None;
        }
        let (key, row) = self.run_rows(log, seq, 1, turn).pop()?;
        let run = VerifiedRun::from_stored(self.pseudonym, row.before, &row.run.0);
        if run.is_none() {
            turn.halt(damaged(&key));
        }
        run
    }

    /// The rows of the runs of a log from the one that holds `seq` on.
    fn run_rows(
        &self,
        log: LogId,
        seq: u64,
        most: usize,
        turn: &mut Turn<'_>,
    ) -> Vec<(Vec<u8>, RunRow)> {
        let from = layout::run_key(self.pseudonym, log, seq);
        let (_, to) = layout::prefix_range(from.get(..33).unwrap_or_default().to_vec());
        let mut rows = Vec::new();
        for (key, bytes) in turn.scan(&from, &to, most) {
            match crate::envelope::open(layout::ROW_VERSION, layout::KIND_RUN, &bytes) {
                Some(row) => rows.push((key, row)),
                None => {
                    turn.halt(damaged(&key));
                    break;
                }
            }
        }
        rows
    }

    /// The longest runs to send from entry `seq` of a log on, up to about `bytes_max` bytes.
    pub(crate) fn runs_from(
        &self,
        log: LogId,
        seq: u64,
        bytes_max: usize,
        turn: &mut Turn<'_>,
    ) -> Vec<SealedRun> {
        let mut runs: Vec<SealedRun> = Vec::new();
        let (mut next, mut bytes) = (seq, 0);
        let Some(known) = self.logs.get(&log).filter(|known| !known.lacks(seq)) else {
            return runs;
        };
        let end = known.held_from(seq);
        while bytes < bytes_max && next <= end {
            let rows = self.run_rows(log, next, 64, turn);
            if rows.is_empty() {
                break;
            }
            for (key, row) in rows {
                bytes += row.run.0.len();
                let run = SealedRun::decode(&row.run.0).ok().and_then(|run| run.starting_at(next));
                let Some(run) = run else {
                    turn.halt(damaged(&key));
                    return Vec::new();
                };
                next = run.last() + 1;
                let left = match runs.last_mut() {
                    Some(last) => last.extend(run).err(),
                    None => Some(Box::new(run)),
                };
                runs.extend(left.map(|run| *run));
                if bytes >= bytes_max || next > end {
                    break;
                }
            }
        }
        runs
    }

    /// Puts a run after the log's head.
    fn store(&mut self, run: &VerifiedRun, opening: LogOpening, turn: &mut Turn<'_>) {
        let id = run.log();
        let fork = self.fork_of(opening);
        let bound = self.membership.roster().limit(opening);
        let log = self.logs.entry(id).or_insert_with(|| Log { bound, ..Log::new(opening) });
        if log.changed <= self.marked {
            log.marks.push((log.changed, log.head.seq));
            if log.marks.len() > limits::MARKS_PER_LOG_MAX {
                log.marks.remove(0);
            }
        }
        self.change += 1;
        log.changed = self.change;
        log.under = match (run.under(), log.under) {
            (Some((new, from)), Some((old, since))) if new == old && from <= log.head.seq + 1 => {
                Some((old, since.min(from)))
            }
            (new, _) => new,
        };
        log.head = run.head();
        if let Some(fork) = fork
            && fork.seq < log.head.seq
        {
            log.head = fork;
        }
        self.frontier = None;
        let row = RunRow { before: run.before(), run: Bytes(run.to_bytes()) };
        let key = layout::run_key(self.pseudonym, id, run.head().seq);
        turn.put_row(key, layout::KIND_RUN, &row);
        if !planted::is(Bug::LogRowLate) {
            self.write_log(id, turn);
        }
        if !planted::is(Bug::EntriesNotDurable) {
            turn.effects.batch.require_durable();
        }
    }

    fn write_log(&self, id: LogId, turn: &mut Turn<'_>) {
        let Some(log) = self.logs.get(&id) else { return };
        turn.put_row(layout::log_key(self.pseudonym, id), layout::KIND_LOG, &log.row());
    }

    /// Applies a run that was just stored, then whatever it unblocked.
    fn apply_run(&mut self, run: &VerifiedRun, turn: &mut Turn<'_>) -> Vec<Visible> {
        let id = run.log();
        let mut visible = BTreeSet::new();
        let progressed = self.apply_entries(run, turn, &mut visible);
        if self.logs.get(&id).is_some_and(|log| log.applied < log.head.seq.min(log.limit())) {
            self.blocked.insert(id);
        }
        if progressed && !planted::is(Bug::UnblockForgotten) {
            visible.extend(self.apply_ready(turn));
        }
        self.checkpoint_if_due(turn);
        visible.into_iter().collect()
    }

    /// Applies the entries of a run that come next in their log, as far as possible.
    fn apply_entries(
        &mut self,
        run: &VerifiedRun,
        turn: &mut Turn<'_>,
        visible: &mut BTreeSet<Visible>,
    ) -> bool {
        let Some(log) = self.logs.get(&run.log()) else { return false };
        let (device, start, mut voice) = (log.opening.device, log.applied, log.voice);
        let mut applied = start;
        let end = run.head().seq.min(log.head.seq).min(log.limit());
        while applied < end && applied + 1 >= run.first() {
            let seq = applied + 1;
            match run.open(self.pseudonym, seq, &mut self.keyring, &voice) {
                Opening::NoKey => break,
                Opening::Unreadable => {}
                Opening::Opened(opened) => {
                    if !self.builds_on_applied(&opened) && !planted::is(Bug::PastIgnored) {
                        break;
                    }
                    self.apply(&opened, device, turn, visible);
                    self.note_past(&opened, device, turn.effects);
                    voice = opened.voice;
                }
            }
            applied = seq;
            self.applied_since_checkpoint += 1;
            if let Some(known) = self.logs.get_mut(&run.log()) {
                (known.applied, known.voice) = (seq, voice);
            }
        }
        if applied > start && run.log() != self.own_log {
            self.unsaid.insert(run.log());
        }
        applied > start
    }

    /// Whether everything an entry names as its causal past has been applied here, as far as it counts. A
    /// dependency on a log that no table names, or on the future of its own log, is void: all readers agree.
    fn builds_on_applied(&self, opened: &Opened) -> bool {
        opened.body.deps.iter().all(|(index, seq)| {
            let log = usize::try_from(*index)
                .ok()
                .and_then(|index| index.checked_sub(1))
                .and_then(|index| opened.body.logs.get(index));
            log.is_none_or(|log| *log == opened.log || self.has_applied(*log, *seq))
        })
    }

    /// Whether what counts of a log has been applied up to an entry.
    fn has_applied(&self, log: LogId, seq: u64) -> bool {
        match self.logs.get(&log) {
            Some(known) => known.applied >= seq.min(known.limit()),
            None => self.void_from_the_start(log),
        }
    }

    /// Whether nothing of a log counts that is not here, since it is forked at its first entry: nobody will send it.
    fn void_from_the_start(&self, log: LogId) -> bool {
        let places = self.membership.roster().limits.iter();
        places.filter(|(_, head)| head.seq == 0).any(|((device, incarnation), _)| {
            LogOpening { device: *device, incarnation: *incarnation }.log(self.pseudonym) == log
        })
    }

    /// Applies stored entries of blocked logs until nothing moves.
    pub(crate) fn apply_ready(&mut self, turn: &mut Turn<'_>) -> Vec<Visible> {
        let mut visible = BTreeSet::new();
        loop {
            let mut progressed = false;
            for id in self.blocked.clone() {
                while let Some(log) = self.logs.get(&id) {
                    let applied = log.applied;
                    if applied >= log.head.seq.min(log.limit()) {
                        self.blocked.remove(&id);
                        break;
                    }
                    let Some(run) = self.stored_run(id, applied + 1, turn) else { break };
                    if !self.apply_entries(&run, turn, &mut visible) {
                        break;
                    }
                    progressed = true;
                    self.checkpoint_if_due(turn);
                }
            }
            if !progressed || turn.effects.halt.is_some() {
                break;
            }
        }
        visible.into_iter().collect()
    }

    fn checkpoint_if_due(&mut self, turn: &mut Turn<'_>) {
        if self.applied_since_checkpoint >= turn.checkpoint_entries
            || self.bytes_since_checkpoint >= limits::CHECKPOINT_BYTES
            || self.objects.crowded()
        {
            self.checkpoint(turn);
        }
    }

    /// Writes object states and how much of each log they contain, in one batch.
    fn checkpoint(&mut self, turn: &mut Turn<'_>) {
        self.applied_since_checkpoint = 0;
        self.bytes_since_checkpoint = 0;
        turn.counters.checkpoints += 1;
        self.objects.checkpoint(self.pseudonym, turn);
        self.write_derived(turn);
        for key in self.unparked.drain(..) {
            turn.effects.batch.delete(key);
        }
        for (id, log) in &mut self.logs {
            if log.checkpointed == log.applied {
                continue;
            }
            log.checkpointed = log.applied;
            if planted::is(Bug::CheckpointAhead) {
                log.checkpointed = log.head.seq;
            }
            turn.put_row(layout::log_key(self.pseudonym, *id), layout::KIND_LOG, &log.row());
            let key = layout::voice_key(self.pseudonym, *id);
            if !planted::is(Bug::VoiceForgotten) {
                turn.put_sealed_row(key, layout::KIND_VOICE, &log.voice);
            }
        }
    }

    /// A canonical digest of everything visible: equal entries give equal digests.
    pub(crate) fn digest(&mut self, turn: &mut Turn<'_>) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("meshwork space digest 1");
        for id in self.objects.all_ids() {
            let Some(meta) = self.objects.meta(id).cloned() else { continue };
            hasher.update(&id.0);
            hasher.update(&(meta.name.len() as u64).to_le_bytes());
            hasher.update(meta.name.as_bytes());
            for versions in [&meta.touched, &meta.deleted] {
                for (log, seq) in versions.iter() {
                    hasher.update(&log.0);
                    hasher.update(&seq.to_le_bytes());
                }
                hasher.update(&[0]);
            }
            if let Some(object) = self.objects.load(self.pseudonym, id, turn) {
                hasher.update(&object.digest());
            }
            self.objects.evict();
        }
        *hasher.finalize().as_bytes()
    }

    /// Takes an entry's time into this device's own clock.
    fn observe(&mut self, time: HybridTime, turn: &Turn<'_>) {
        if planted::is(Bug::ClockNotObserved) {
            return;
        }
        if time.millis() <= turn.now.0.saturating_add(CLOCK_AHEAD_MS_MAX) {
            self.time = self.time.max(time);
        }
    }

    fn seal_own(
        &mut self,
        body: &Body,
        epoch: EpochId,
        turn: &mut Turn<'_>,
    ) -> Option<VerifiedRun> {
        let before = self.head(self.own_log);
        let auth = self.membership.auth_ref();
        let key = self.keyring.sender(epoch, self.own_log)?;
        let voice = self.logs.get(&self.own_log).map_or_else(Voice::default, |log| log.voice);
        let (body, voice) = body.to_padded_bytes(epoch, &voice);
        let run = VerifiedRun::seal(
            self.pseudonym,
            self.own,
            before,
            epoch,
            auth,
            &body,
            key,
            turn.identity,
        );
        self.logs.entry(self.own_log).or_insert_with(|| Log::new(self.own)).voice = voice;
        Some(run)
    }
}

/// Where a device's name is kept in the object about the space.
pub(crate) fn device_key(device: DeviceId) -> String {
    format!("device/{device}")
}

/// What came of a run from a peer.
pub(crate) struct Ingested {
    pub run: VerifiedRun,
    pub visible: Vec<Visible>,
    /// Whether it filled a gap.
    pub history: bool,
}

/// The session-keyed short form of an entry's hash.
pub(crate) fn short_hash(key: &[u8; 32], hash: EntryHash) -> [u8; 4] {
    let keyed = blake3::keyed_hash(key, &hash.0);
    *keyed.as_bytes().first_chunk::<4>().expect("a hash has 32 bytes")
}
