//! Whom to dial, where, and when: what the host asked for and what the local network showed.
//!
//! In: addresses, outcomes of dials, the time. Out: what to dial now, and when to look again. Pure; the
//! driver dials. Waiting times double from 200 ms to 30 s, with jitter, and start over after a success
//! that lasted. Invariants: at most one dial per target is under way; every list has a named bound.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use super::{PeerKey, socket_address};

/// Dials under way at a time.
pub(super) const DIALS_MAX: usize = 64;
/// Targets the host may ask for.
pub(super) const ASKED_MAX: usize = 512;
/// Peers the local network may show.
pub(super) const DISCOVERED_MAX: usize = 256;
/// Addresses kept per peer, of those asked for and of those seen.
pub(super) const ADDRESSES_MAX: usize = 8;
/// Shortest time between two dials of a target.
const BACKOFF_MIN: Duration = Duration::from_millis(200);
/// Longest time between two dials of a target.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// The time to wait after `failures` failures in a row, between half of it and all of it by `jitter`.
pub(super) fn backoff(failures: u32, jitter: u32) -> Duration {
    let full = BACKOFF_MIN.saturating_mul(1 << failures.min(16)).min(BACKOFF_MAX);
    let share = 0.5 + 0.5 * f64::from(jitter) / f64::from(u32::MAX);
    full.mul_f64(share).max(BACKOFF_MIN)
}

/// What names a target.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum TargetKey {
    Peer(PeerId),
    /// Whoever answers there.
    Address(Multiaddr),
}

/// One dial to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dial {
    pub(super) key: TargetKey,
    pub(super) addresses: Vec<Multiaddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Due(Instant),
    Dialling,
    Connected,
}

#[derive(Debug)]
struct Target {
    asked: Vec<Multiaddr>,
    seen: Vec<Multiaddr>,
    state: State,
    failures: u32,
    /// Whether it is to be dialled once and then forgotten.
    once: bool,
}

impl Target {
    fn new(due: Instant) -> Self {
        let state = State::Due(due);
        Self { asked: Vec::new(), seen: Vec::new(), state, failures: 0, once: false }
    }

    fn hurry(&mut self, now: Instant) {
        self.failures = 0;
        if let State::Due(_) = self.state {
            self.state = State::Due(now);
        }
    }
}

/// Newest last; the oldest makes room.
fn remember(addresses: &mut Vec<Multiaddr>, address: Multiaddr) {
    addresses.retain(|other| *other != address);
    if addresses.len() >= ADDRESSES_MAX {
        addresses.remove(0);
    }
    addresses.push(address);
}

/// Everyone this node wants to be connected to.
#[derive(Debug, Default)]
pub(super) struct Targets(HashMap<TargetKey, Target>);

impl Targets {
    /// Adds what the host asked for, due at once; `false` if it cannot be dialled or there are too many.
    pub(super) fn ask(&mut self, mut address: Multiaddr, own: PeerId, now: Instant) -> bool {
        let key = match address.iter().last() {
            Some(Protocol::P2p(peer)) if peer == own || PeerKey::of(&peer).is_none() => {
                return false;
            }
            Some(Protocol::P2p(peer)) => {
                address.pop();
                TargetKey::Peer(peer)
            }
            _ => TargetKey::Address(address.clone()),
        };
        let asked = self.0.values().filter(|target| !target.asked.is_empty()).count();
        let known = self.0.get(&key).is_some_and(|target| !target.asked.is_empty());
        if socket_address(&address).is_none() || (!known && asked >= ASKED_MAX) {
            return false;
        }
        let target = self.0.entry(key).or_insert_with(|| Target::new(now));
        target.once = false;
        remember(&mut target.asked, address);
        target.hurry(now);
        true
    }

    /// Adds a peer to be dialled once, due at once; one that is wanted anyhow is only hurried. `false` if no
    /// address can be dialled or there are too many.
    pub(super) fn try_once(
        &mut self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        own: PeerId,
        now: Instant,
    ) -> bool {
        let key = TargetKey::Peer(peer);
        let wanted = self.0.contains_key(&key);
        let asked = |target: &mut Self| {
            let ask = |address: Multiaddr| {
                let leading = super::without_peer(address).with(Protocol::P2p(peer));
                target.ask(leading, own, now)
            };
            addresses.into_iter().map(ask).fold(false, |any, asked| any | asked)
        };
        let asked = asked(self);
        if let Some(target) = self.0.get_mut(&key) {
            target.once = !wanted;
            target.hurry(now);
        }
        asked || wanted
    }

    /// Adds what the local network showed, due at `due` at the latest; `false` if there are too many.
    pub(super) fn see(&mut self, peer: PeerId, address: Multiaddr, due: Instant) -> bool {
        let seen = self.0.values().filter(|target| !target.seen.is_empty()).count();
        let key = TargetKey::Peer(peer);
        let known = self.0.get(&key).is_some_and(|target| !target.seen.is_empty());
        if !known && seen >= DISCOVERED_MAX {
            return false;
        }
        let target = self.0.entry(key).or_insert_with(|| Target::new(due));
        target.once = false;
        remember(&mut target.seen, address);
        if let State::Due(at) = target.state {
            target.state = State::Due(at.min(due));
        }
        true
    }

    /// Drops what the local network no longer shows.
    pub(super) fn unsee(&mut self, peer: PeerId, address: &Multiaddr) {
        let key = TargetKey::Peer(peer);
        if let Some(target) = self.0.get_mut(&key) {
            target.seen.retain(|other| other != address);
            if target.seen.is_empty() && target.asked.is_empty() {
                self.0.remove(&key);
            }
        }
    }

    /// Drops a target, whoever asked for it.
    pub(super) fn forget(&mut self, key: &TargetKey) {
        self.0.remove(key);
    }

    /// Makes everything due: the way may be free now.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.0.values_mut().for_each(|target| target.hurry(now));
    }

    /// What to dial now; the targets count as under way from here on.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Dial> {
        let mut free = self.free();
        let mut dials = Vec::new();
        for (key, target) in &mut self.0 {
            let State::Due(at) = target.state else { continue };
            if at > now || free == 0 {
                continue;
            }
            free -= 1;
            target.state = State::Dialling;
            let mut addresses = target.asked.clone();
            addresses.extend(target.seen.iter().filter(|one| !target.asked.contains(one)).cloned());
            dials.push(Dial { key: key.clone(), addresses });
        }
        dials
    }

    /// When [`take_due`](Self::take_due) has something to give; `None`: not before something happens.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let due = |target: &Target| match target.state {
            State::Due(at) => Some(at),
            State::Dialling | State::Connected => None,
        };
        (self.free() > 0).then(|| self.0.values().filter_map(due).min()).flatten()
    }

    fn free(&self) -> usize {
        let under_way = |target: &&Target| target.state == State::Dialling;
        DIALS_MAX.saturating_sub(self.0.values().filter(under_way).count())
    }

    /// Notes that a dial failed.
    pub(super) fn failed(&mut self, key: &TargetKey, now: Instant, jitter: u32) {
        if self.0.get(key).is_some_and(|target| target.once) {
            self.0.remove(key);
        }
        if let Some(target) = self.0.get_mut(key) {
            target.state = State::Due(now + backoff(target.failures, jitter));
            target.failures = target.failures.saturating_add(1);
        }
    }

    /// Notes a connection to `peer`; `dialled` is the target whose dial this was.
    ///
    /// An address that was asked for without a peer belongs to the peer from here on.
    pub(super) fn connected(&mut self, peer: PeerId, dialled: Option<&TargetKey>) {
        let resolved = match dialled {
            Some(key @ TargetKey::Address(_)) => self.0.remove(key),
            _ => None,
        };
        let key = TargetKey::Peer(peer);
        if let Some(resolved) = resolved {
            let target = self.0.entry(key.clone()).or_insert_with(|| Target {
                failures: resolved.failures,
                ..Target::new(Instant::now())
            });
            for address in resolved.asked {
                remember(&mut target.asked, address);
            }
        }
        if let Some(target) = self.0.get_mut(&key) {
            target.state = State::Connected;
        }
    }

    /// Notes that the link to `peer` has proven itself, so that its loss is met with haste.
    pub(super) fn proven(&mut self, peer: PeerId) {
        if let Some(target) = self.0.get_mut(&TargetKey::Peer(peer)) {
            target.failures = 0;
        }
    }

    /// Notes that the last connection to `peer` is gone.
    pub(super) fn lost(&mut self, peer: PeerId, now: Instant, jitter: u32) {
        self.failed(&TargetKey::Peer(peer), now, jitter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u16) -> PeerId {
        let mut seed = [7; 32];
        seed[..2].copy_from_slice(&number.to_le_bytes());
        let key = libp2p::identity::Keypair::ed25519_from_bytes(seed).unwrap();
        key.public().to_peer_id()
    }

    fn address(port: u16) -> Multiaddr {
        format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
    }

    fn of_peer(number: u16, port: u16) -> Multiaddr {
        address(port).with(Protocol::P2p(peer(number)))
    }

    #[test]
    fn waiting_times_grow_to_a_limit() {
        for jitter in [0, 1, u32::MAX / 2, u32::MAX] {
            let waits: Vec<Duration> = (0..40).map(|failures| backoff(failures, jitter)).collect();
            assert!(waits.is_sorted());
            assert!(waits.iter().all(|wait| (BACKOFF_MIN..=BACKOFF_MAX).contains(wait)));
        }
        assert_eq!(backoff(0, u32::MAX), BACKOFF_MIN);
        assert_eq!(backoff(u32::MAX, u32::MAX), BACKOFF_MAX);
        assert_eq!(backoff(u32::MAX, 0), BACKOFF_MAX / 2);
    }

    #[test]
    fn all_addresses_of_a_peer_are_dialled_together() {
        let now = Instant::now();
        let mut targets = Targets::default();
        assert!(targets.ask(of_peer(1, 1), peer(0), now));
        assert!(targets.ask(of_peer(1, 2), peer(0), now));
        assert!(targets.see(peer(1), address(2), now));
        assert!(targets.see(peer(1), address(3), now));
        let key = TargetKey::Peer(peer(1));
        let addresses = vec![address(1), address(2), address(3)];
        assert_eq!(targets.take_due(now), [Dial { key, addresses }]);
        assert_eq!(targets.take_due(now), [], "one dial at a time");
    }

    #[test]
    fn a_failed_dial_is_due_again_later_and_a_new_wish_hurries_it() {
        let now = Instant::now();
        let mut targets = Targets::default();
        targets.ask(of_peer(1, 1), peer(0), now);
        let key = TargetKey::Peer(peer(1));
        for failures in 0..5 {
            let due = targets.next_due().unwrap();
            assert_eq!(targets.take_due(due).len(), 1);
            targets.failed(&key, now, u32::MAX);
            assert_eq!(targets.next_due(), Some(now + BACKOFF_MIN * (1 << failures)));
        }
        targets.ask(of_peer(1, 1), peer(0), now);
        assert_eq!(targets.next_due(), Some(now));
    }

    #[test]
    fn who_is_to_be_tried_once_is_forgotten_when_that_fails_or_its_link_is_lost() {
        let now = Instant::now();
        let key = TargetKey::Peer(peer(1));
        for connects in [false, true] {
            let mut targets = Targets::default();
            assert!(targets.try_once(peer(1), vec![address(1), of_peer(1, 2)], peer(0), now));
            let addresses = vec![address(1), address(2)];
            assert_eq!(targets.take_due(now), [Dial { key: key.clone(), addresses }]);
            if connects {
                targets.connected(peer(1), Some(&key));
                targets.lost(peer(1), now, 0);
            } else {
                targets.failed(&key, now, 0);
            }
            assert_eq!(targets.next_due(), None);
        }
        let mut targets = Targets::default();
        targets.ask(of_peer(1, 1), peer(0), now);
        assert!(targets.try_once(peer(1), vec![], peer(0), now));
        assert_eq!(targets.take_due(now).len(), 1);
        targets.failed(&key, now, 0);
        assert!(targets.next_due().is_some(), "the host had asked for it");
        assert!(!targets.try_once(peer(2), vec![], peer(0), now));
        assert!(!targets.try_once(peer(0), vec![address(1)], peer(0), now), "the node itself");
    }

    #[test]
    fn a_connected_peer_is_dialled_only_after_its_loss() {
        let now = Instant::now();
        let mut targets = Targets::default();
        targets.ask(address(1), peer(0), now);
        let dial = targets.take_due(now).remove(0);
        assert_eq!(dial.key, TargetKey::Address(address(1)));
        targets.connected(peer(1), Some(&dial.key));
        assert_eq!(targets.next_due(), None);
        targets.lost(peer(1), now, u32::MAX);
        assert_eq!(targets.next_due(), Some(now + BACKOFF_MIN));
        let key = TargetKey::Peer(peer(1));
        let addresses = vec![address(1)];
        assert_eq!(targets.take_due(now + BACKOFF_MIN), [Dial { key, addresses }]);
    }

    #[test]
    fn what_the_local_network_no_longer_shows_is_dropped_unless_it_was_asked_for() {
        let now = Instant::now();
        let mut targets = Targets::default();
        targets.see(peer(1), address(1), now);
        targets.see(peer(2), address(2), now);
        targets.ask(of_peer(2, 3), peer(0), now);
        targets.unsee(peer(1), &address(1));
        targets.unsee(peer(2), &address(2));
        let key = TargetKey::Peer(peer(2));
        assert_eq!(targets.take_due(now), [Dial { key, addresses: vec![address(3)] }]);
    }

    #[test]
    fn every_list_is_bounded() {
        let now = Instant::now();
        let mut targets = Targets::default();
        for number in 1..=u16::try_from(ASKED_MAX).unwrap() {
            assert!(targets.ask(of_peer(number, 1), peer(0), now));
        }
        assert!(!targets.ask(of_peer(5000, 1), peer(0), now));
        for number in 6000..6000 + u16::try_from(DISCOVERED_MAX).unwrap() {
            assert!(targets.see(peer(number), address(1), now));
        }
        assert!(!targets.see(peer(5000), address(1), now));
        for port in 1..100 {
            assert!(targets.ask(of_peer(1, port), peer(0), now));
            assert!(targets.see(peer(6000), address(port), now));
        }
        let mut dials = targets.take_due(now);
        assert_eq!(dials.len(), DIALS_MAX);
        assert_eq!(targets.next_due(), None, "nothing more is under way");
        while let Some(dial) = dials.pop() {
            assert!(dial.addresses.len() <= ADDRESSES_MAX);
            targets.forget(&dial.key);
            dials.extend(targets.take_due(now));
        }
        assert_eq!(targets.0.len(), 0);
    }

    #[test]
    fn what_cannot_be_dialled_is_refused() {
        let now = Instant::now();
        let mut targets = Targets::default();
        let own = peer(0);
        assert!(!targets.ask(of_peer(0, 1), own, now), "the node itself");
        for bad in ["/dns4/example.org/tcp/1", "/ip4/127.0.0.1", "/memory/1"] {
            assert!(!targets.ask(bad.parse().unwrap(), own, now), "{bad}");
        }
        assert_eq!(targets.next_due(), None);
    }
}
