//! Why two devices do not hold the same of a space: computed from links, receipts and conduct when asked.

use super::Replica;
use crate::effect::{Effects, Event};
use crate::ids::{DeviceId, LinkId, SpaceId, Time};
use crate::limits;
use crate::membership::Role;
use crate::session::{Session, Shared};
use crate::space::Space;
use crate::store::StoreError;
use crate::turn::Turn;
use crate::view::GreyView;
use crate::why::{Cause, Here, Lacks, PeerWhy, SyncView, Why};

impl Replica {
    /// Why a space is not the same on all its devices; `None` if this device does not have it.
    ///
    /// # Errors
    /// What the store reports while entries that wait are looked at; the caller must stop.
    pub fn why(&mut self, id: SpaceId, now: Time) -> Result<Option<Why>, StoreError> {
        let waits = self.reading(|spaces, turn: &mut Turn<'_>| {
            let space = spaces.get_mut(&id)?;
            Some(here(space, turn))
        })?;
        let (Some(mut here), Some(space)) = (waits, self.spaces.get(&id)) else { return Ok(None) };
        for waits in &mut here {
            if let Here::Waits { lacks: Lacks::Entry { log, seq, here: false, holders }, .. } =
                waits
            {
                for session in self.sessions.values() {
                    let shared = session.shared.get(&id);
                    let progress = shared.and_then(|shared| shared.progress.get(log));
                    if progress.is_some_and(|progress| progress.acked >= *seq)
                        && !holders.contains(&session.peer)
                    {
                        holders.push(session.peer);
                    }
                }
            }
        }
        let peers = self.others(space).into_iter();
        let peers: Vec<PeerWhy> = peers.map(|device| self.why_not(space, device, now)).collect();
        let level = |peer: &PeerWhy| peer.missing == 0 && peer.ahead == 0;
        let synced = space.ready() && here.is_empty() && peers.iter().all(level);
        Ok(Some(Why { space: id, name: space.name(), synced, here, peers }))
    }

    /// The devices that matter to a space: its members, who has proven it, and while this device waits to be
    /// let in, everybody it is linked with.
    fn others(&self, space: &Space) -> Vec<DeviceId> {
        let linked = self
            .sessions
            .values()
            .filter(|session| space.joining.is_some() || session.shared.contains_key(&space.id));
        let members = space.membership.roster().devices_in();
        let mut others: Vec<DeviceId> = members.chain(linked.map(|session| session.peer)).collect();
        others.sort_unstable();
        others.dedup();
        others.retain(|device| *device != self.device());
        others
    }

    fn why_not(&self, space: &Space, device: DeviceId, now: Time) -> PeerWhy {
        let sessions = || self.sessions.values().filter(|session| session.peer == device);
        let shared = sessions().find_map(|session| Some((session, session.shared.get(&space.id)?)));
        let member = space.membership.roster().role(device).is_some();
        let missing = if member { space.missing(device) } else { 0 };
        let last_seen = space.held.seen(device);
        let mut causes = Vec::new();
        let shut = self.conduct.shut_until(device, now);
        if let (Some(until), Some(record)) = (shut, self.conduct.of(device)) {
            causes.push(Cause::GreyListed { until, rejection: record.last });
        } else if let Some((session, shared)) = shared {
            causes.extend(apart(space, session, shared));
        } else if let Some(session) = sessions().next() {
            let greeted = session.their_nonce.is_some() && !session.claims.is_empty();
            causes.push(if greeted { Cause::NotProven } else { Cause::Greeting });
        } else if missing > 0 {
            causes.push(if last_seen.is_none() { Cause::NeverMet } else { Cause::NotConnected });
        }
        if let Some(record) = self.conduct.of(device).filter(|_| shut.is_none())
            && (!causes.is_empty() || record.score > 0)
        {
            let (rejection, times, at) = (record.last, record.times, record.last_at);
            causes.push(Cause::Rejected { rejection, times, at });
        }
        PeerWhy {
            device,
            name: space.device_name(device),
            linked: sessions().next().is_some(),
            last_seen,
            missing,
            ahead: shared.map_or(0, |(_, shared)| ahead(space, shared)),
            causes,
        }
    }

    /// The devices that are shut out.
    #[must_use]
    pub fn grey_listed(&self, now: Time) -> Vec<GreyView> {
        let view = |(device, until, rejection)| GreyView { device, until, rejection };
        self.conduct.shut(now).map(view).collect()
    }

    /// What came of the last sessions that have ended: when, with whom, about which space.
    #[must_use]
    pub fn ended_sessions(&self) -> Vec<(Time, DeviceId, SyncView)> {
        self.ended.iter().map(|((device, _), (at, sync))| (*at, *device, sync.clone())).collect()
    }

    /// What has come so far of syncing each space over a link.
    pub(super) fn syncs(&self, session: &Session) -> Vec<SyncView> {
        let sync = |(id, shared)| Some(sync_of(self.spaces.get(id)?, session, shared));
        session.shared.iter().map(|(id, shared)| (id, &**shared)).filter_map(sync).collect()
    }

    /// Tells, and remembers, what came of a link that is over.
    pub(super) fn close_books(
        &mut self,
        link: LinkId,
        session: &Session,
        now: Time,
        effects: &mut Effects,
    ) {
        for sync in self.syncs(session) {
            let peer = session.peer;
            let place = (peer, sync.space);
            if !self.ended.contains_key(&place) && self.ended.len() >= limits::SESSIONS_ENDED_MAX {
                let oldest = self.ended.iter().min_by_key(|(_, (at, _))| *at);
                if let Some(oldest) = oldest.map(|(place, _)| *place) {
                    self.ended.remove(&oldest);
                }
            }
            self.ended.insert(place, (now, sync.clone()));
            effects.events.push(Event::SessionEnded { link, peer, sync: Box::new(sync) });
        }
    }
}

/// What keeps this device itself.
fn here(space: &mut Space, turn: &mut Turn<'_>) -> Vec<Here> {
    let member = space.membership.roster().role(space.own.device).is_some();
    if space.joining.is_some() || !member {
        return vec![Here::NotAdmitted];
    }
    let no_key = (!space.ready()).then_some(Here::NoKey);
    no_key.into_iter().chain(space.waits(turn)).collect()
}

fn sync_of(space: &Space, session: &Session, shared: &Shared) -> SyncView {
    let causes = apart(space, session, shared);
    let level = space.missing(session.peer) == 0 && ahead(space, shared) == 0;
    SyncView {
        space: space.id,
        entries_sent: shared.tally.entries_sent,
        entries_received: shared.tally.entries_received,
        run_bytes_sent: shared.tally.run_bytes_sent,
        run_bytes_received: shared.tally.run_bytes_received,
        agreed: shared.known && level && causes.is_empty(),
        causes,
    }
}

/// What keeps the two ends of a link apart in a space that both have proven.
fn apart(space: &Space, session: &Session, shared: &Shared) -> Vec<Cause> {
    let peer = session.peer;
    if space.joining.is_some() {
        return Vec::new();
    }
    if space.membership.roster().role(peer).is_none() {
        return vec![Cause::UnknownHere];
    }
    let mut causes = Vec::new();
    if shared.estranged {
        causes.push(Cause::UnknownThere);
    }
    if lacks_key(space, peer) {
        causes.push(Cause::NoKey);
    }
    let parted = shared.progress.iter().find(|(_, progress)| progress.parted);
    causes.extend(parted.map(|(log, _)| Cause::Parted { log: *log }));
    if space.missing(peer) > 0 {
        causes.extend(on_its_way(space, session, shared));
    }
    match ahead(space, shared) {
        0 => {}
        entries => causes.push(Cause::Ahead { entries }),
    }
    causes
}

/// Why a peer lacks entries that are here.
fn on_its_way(space: &Space, session: &Session, shared: &Shared) -> Vec<Cause> {
    if !shared.known {
        return vec![Cause::NotTold];
    }
    let (mut flying, mut lazy, mut held_up) = (0, 0, false);
    for (log, known) in &space.logs {
        let Some(progress) = shared.progress.get(log).filter(|progress| !progress.parted) else {
            continue;
        };
        let (head, holds) = (known.head.seq, space.holds(session.peer, *log));
        let sent = progress.sent.clamp(holds, head);
        flying += sent - holds;
        if sent < head && progress.branch.eager() {
            held_up = true;
        } else {
            lazy += head - sent;
        }
    }
    let causes = [
        (flying > 0).then_some(Cause::InFlight { entries: flying }),
        (held_up && session.credit() < limits::RUN_BYTES_MAX as u64).then_some(Cause::NoCredit),
        (lazy > 0).then_some(Cause::Lazy { entries: lazy }),
    ];
    causes.into_iter().flatten().collect()
}

/// Entries that a peer says it holds and that are not here.
fn ahead(space: &Space, shared: &Shared) -> u64 {
    let more = shared.progress.iter().map(|(log, progress)| {
        let parted = if progress.parted { 0 } else { u64::MAX };
        progress.acked.saturating_sub(space.head(*log).seq).min(parted)
    });
    more.fold(0, u64::saturating_add)
}

/// Whether a member that may read has not been given the key under which this device writes.
fn lacks_key(space: &Space, peer: DeviceId) -> bool {
    let roster = space.membership.roster();
    let epoch = space.writing_epoch();
    roster.may(peer, Role::Read) && epoch.is_some_and(|e| !space.reached_by(peer).contains(&e))
}
