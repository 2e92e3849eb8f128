//! Who links with whom in one space.
//!
//! What happens to links and what peers tell → whom to dial, whom to tell what, whom to part with. Up to
//! [`limits::FULL_MESH_MAX`] devices online everybody links with everybody. Beyond, each device keeps a few
//! links, some random and some of short round trip, and knows some more devices to replace them by: the active
//! and passive views, forward joins and shuffles of HyParView (Leitão, Pereira, Rodrigues, DSN 2007), with
//! exchanges for nearer neighbours in the manner of X-BOT (Leitão, Marques, Pereira, Rodrigues, TPDS 2012).
//! Invariants: no clock and no randomness of its own; what one peer tells fills no more than its share of what
//! is known; every map has a bound. Not here: how entries go along links (`branch`), how a device is reached,
//! whether a link serves other spaces too.

use std::collections::BTreeMap;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::ids::{DeviceId, Time};
use crate::limits;

mod choose;

/// How long a dial may take before it counts as failed.
const DIAL_FOR_MS: u64 = 5_000;
/// How often a device tells one neighbour whom it knows, about.
const SHUFFLE_EVERY_MS: u64 = 15_000;
/// How often it looks whether anything is to be done while something is.
const LOOK_EVERY_MS: u64 = 1_000;
/// How long nobody is asked again who was parted with.
const COOL_MS: u64 = 60_000;
/// How long nobody is dialled again whose link broke.
const BROKEN_MS: u64 = 2_000;
/// How long the other end of a parted link may take to hear of it.
const PART_WITHIN_MS: u64 = 3_000;
/// How long a device counts as online since somebody was linked with it.
const ONLINE_FOR_MS: u64 = 120_000;
/// How long a device is known since somebody was linked with it.
const KNOWN_FOR_MS: u64 = 900_000;
/// Shortest and longest time between two attempts to find a nearer neighbour.
const NEARER_EVERY_MS: (u64, u64) = (10_000, 640_000);
/// Neighbours that a newcomer's word is passed on to, and how many hops it goes.
const WALKS: usize = 3;
const WALK_HOPS: u8 = 5;
/// Shortest time between two newcomers whose word one neighbour has passed on from here.
const WALK_EVERY_MS: u64 = 20;
/// Links with which a device is in need of more.
const NEEDY: usize = limits::OVERLAY_LINKS / 2;

/// A device that may be linked with, as somebody tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Which device.
    pub device: DeviceId,
    /// Seconds since somebody was linked with it.
    pub age_s: u16,
    /// How many more devices are to be told of it, one after the other.
    pub walk: u8,
    /// Where it is reached, as it has said itself.
    pub addresses: Vec<String>,
}

/// What neighbours tell each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// How many links the sender keeps in the space.
    pub degree: u8,
    /// Where the sender is reached.
    pub addresses: Vec<String>,
    /// Others that it knows.
    pub samples: Vec<Sample>,
}

impl Told {
    /// Whether it is within the limits of a frame.
    #[must_use]
    pub(crate) fn bounded(&self) -> bool {
        let addresses = |addresses: &[String]| {
            addresses.len() <= limits::ADDRESSES_PER_SAMPLE_MAX
                && addresses.iter().all(|address| address.len() <= limits::ADDRESS_BYTES_MAX)
        };
        self.samples.len() <= limits::SAMPLES_PER_FRAME_MAX
            && addresses(&self.addresses)
            && self.samples.iter().all(|sample| addresses(&sample.addresses))
    }
}

/// One input of [`Overlay::handle`].
#[derive(Clone, Debug)]
pub enum Happening {
    /// A link with a member is up, on which both ends have proven the space.
    Linked(DeviceId),
    /// The last link with a device is gone.
    Gone(DeviceId),
    /// A linked device tells.
    Told(DeviceId, Told),
    /// A linked device needs the link no more.
    Parted(DeviceId),
    /// A round trip over a link took this long, in milliseconds.
    Trip(DeviceId, u64),
    /// Time has passed.
    Woken,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// Make a link with a device. That it is not there in time counts as a failure.
    Dial(DeviceId, Vec<String>),
    /// Tell a linked device.
    Tell(DeviceId, Told),
    /// Tell a linked device that the space needs the link no more.
    Part(DeviceId),
    /// End the link with a device, unless another space needs it.
    Release(DeviceId),
}

/// A linked device.
#[derive(Clone, Debug, Default)]
struct Neighbour {
    /// Since when the space needs the link no more.
    parted: Option<Time>,
    /// Whether it was dialled to see how near it is.
    probe: bool,
    /// How many links it keeps, once it has said so.
    degree: Option<u8>,
    trip_ms: Option<u64>,
    addresses: Vec<String>,
    /// Not before this is a newcomer it tells of passed on.
    walk_at: Time,
}

/// A device without a link.
#[derive(Clone, Debug)]
struct Known {
    addresses: Vec<String>,
    /// When somebody was linked with it last.
    heard: Time,
    /// Who told.
    by: DeviceId,
    not_before: Time,
    /// The round trip, if it was linked with to see.
    trip_ms: Option<u64>,
}

/// The links of one device in one space, and the devices it knows besides.
#[derive(Clone, Debug)]
pub struct Overlay {
    own: DeviceId,
    addresses: Vec<String>,
    links: BTreeMap<DeviceId, Neighbour>,
    known: BTreeMap<DeviceId, Known>,
    /// Until when, and whether to see how near it is.
    dialling: BTreeMap<DeviceId, (Time, bool)>,
    /// Whether there are too many devices for everybody to link with everybody.
    crowded: bool,
    shuffle_at: Time,
    nearer_at: Time,
    nearer_every_ms: u64,
}

impl Overlay {
    /// The overlay of a device that has no link yet.
    #[must_use]
    pub fn new(own: DeviceId) -> Self {
        Self {
            own,
            addresses: Vec::new(),
            links: BTreeMap::new(),
            known: BTreeMap::new(),
            dialling: BTreeMap::new(),
            crowded: false,
            shuffle_at: Time(0),
            nearer_at: Time(0),
            nearer_every_ms: NEARER_EVERY_MS.0,
        }
    }

    /// Where this device is reached, to be told to others.
    pub fn reachable_at(&mut self, addresses: Vec<String>) {
        self.addresses = bounded(addresses);
    }

    /// Takes in what happened; what is to be done about it is added to `moves`.
    pub fn handle(
        &mut self,
        what: Happening,
        now: Time,
        rng: &mut dyn CryptoRng,
        moves: &mut Vec<Move>,
    ) {
        if self.shuffle_at == Time(0) {
            self.shuffle_at = now.plus_ms(rng.next_u64() % SHUFFLE_EVERY_MS);
            self.nearer_at = now.plus_ms(NEARER_EVERY_MS.0 + rng.next_u64() % NEARER_EVERY_MS.0);
        }
        match what {
            Happening::Linked(peer) => self.on_linked(peer, now, rng, moves),
            Happening::Gone(peer) => self.on_gone(peer, now),
            Happening::Told(peer, told) => self.on_told(peer, told, now, rng, moves),
            Happening::Parted(peer) => self.on_parted(peer, now, moves),
            Happening::Trip(peer, ms) => self.on_trip(peer, ms, now, moves),
            Happening::Woken => self.on_woken(now, rng, moves),
        }
        self.look(now, rng, moves);
    }

    /// Whether a device is linked with.
    #[must_use]
    pub fn is_linked(&self, peer: DeviceId) -> bool {
        self.links.contains_key(&peer)
    }

    /// Whether the space needs the link with a device.
    #[must_use]
    pub fn needs(&self, peer: DeviceId) -> bool {
        self.links.get(&peer).is_some_and(|link| link.parted.is_none())
    }

    /// The devices whose links the space needs.
    pub fn neighbours(&self) -> impl Iterator<Item = DeviceId> + '_ {
        self.links.iter().filter(|(_, link)| link.parted.is_none()).map(|(peer, _)| *peer)
    }

    /// How many they are.
    #[must_use]
    pub fn degree(&self) -> usize {
        self.neighbours().count()
    }

    /// How many devices are known without a link.
    #[must_use]
    pub fn known(&self) -> usize {
        self.known.len()
    }

    /// When [`Happening::Woken`] is due.
    #[must_use]
    pub fn wake_at(&self, now: Time) -> Time {
        let parting = self.links.values().any(|link| link.parted.is_some());
        let busy = parting || !self.dialling.is_empty() || self.lacking() > 0;
        let soon = if busy { now.plus_ms(LOOK_EVERY_MS) } else { self.shuffle_at };
        soon.min(self.shuffle_at).min(self.nearer_at).max(now.plus_ms(1))
    }

    fn on_linked(
        &mut self,
        peer: DeviceId,
        now: Time,
        rng: &mut dyn CryptoRng,
        moves: &mut Vec<Move>,
    ) {
        if peer == self.own || self.links.contains_key(&peer) {
            return;
        }
        let probe = self.dialling.remove(&peer).is_some_and(|(_, probe)| probe);
        let known = self.known.remove(&peer);
        let addresses = known.map(|known| known.addresses).unwrap_or_default();
        let room = self.degree() < limits::OVERLAY_LINKS_MAX;
        self.links.insert(peer, Neighbour { probe, addresses, ..Neighbour::default() });
        let told = self.told_to(peer, now, rng);
        moves.push(Move::Tell(peer, told));
        if !room {
            self.part(peer, now, moves);
        }
    }

    fn on_gone(&mut self, peer: DeviceId, now: Time) {
        let Some(link) = self.links.remove(&peer) else { return };
        let wait_ms = if link.parted.is_some() { COOL_MS } else { BROKEN_MS };
        let sample = Sample { device: peer, age_s: 0, walk: 0, addresses: link.addresses };
        self.learn(sample, peer, now);
        if let Some(known) = self.known.get_mut(&peer) {
            known.not_before = now.plus_ms(wait_ms);
            known.trip_ms = link.trip_ms;
        }
    }

    fn on_told(
        &mut self,
        peer: DeviceId,
        told: Told,
        now: Time,
        rng: &mut dyn CryptoRng,
        moves: &mut Vec<Move>,
    ) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        let first = link.degree.replace(told.degree).is_none();
        link.addresses = bounded(told.addresses);
        let needs = link.parted.is_none();
        let newcomer = first && needs && usize::from(told.degree) < NEEDY;
        let walks_on = link.walk_at <= now;
        let newcomer = newcomer.then(|| (link.addresses.clone(), WALK_HOPS));
        if let Some((addresses, walk)) = newcomer {
            let sample = Sample { device: peer, age_s: 0, walk, addresses };
            self.walk_on(&sample, peer, WALKS, rng, moves);
        }
        let mut walker = None;
        for mut sample in told.samples.into_iter().take(limits::SAMPLES_PER_FRAME_MAX) {
            sample.addresses = bounded(sample.addresses);
            if sample.walk > 0 && walks_on && walker.is_none() {
                walker = Some(sample.clone());
            }
            self.learn(sample, peer, now);
        }
        if let Some(mut walker) = walker {
            if let Some(link) = self.links.get_mut(&peer) {
                link.walk_at = now.plus_ms(WALK_EVERY_MS);
            }
            walker.walk = walker.walk.min(WALK_HOPS) - 1;
            if walker.walk > 0 && walker.device != self.own {
                self.walk_on(&walker, peer, 1, rng, moves);
            } else if self.degree() < limits::OVERLAY_LINKS_CAP {
                self.dial(walker.device, false, now, moves);
            }
        }
        if needs && first {
            self.make_room(peer, now, rng, moves);
        }
    }

    fn on_parted(&mut self, peer: DeviceId, now: Time, moves: &mut Vec<Move>) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        link.parted.get_or_insert(now);
        if std::mem::take(&mut link.probe) {
            self.nearer_every_ms = (self.nearer_every_ms * 2).min(NEARER_EVERY_MS.1);
        }
        moves.push(Move::Release(peer));
    }

    fn on_trip(&mut self, peer: DeviceId, ms: u64, now: Time, moves: &mut Vec<Move>) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        // A trip is lengthened by what else goes on; the shortest is the nearest to the truth.
        let known = link.trip_ms.map_or(ms, |known| known.saturating_add(known / 8 + 1));
        link.trip_ms = Some(ms.min(known));
        if std::mem::take(&mut link.probe) && link.parted.is_none() {
            self.judge(peer, ms, now, moves);
        }
    }

    /// Keeps a device dialled to see how near it is in the place of one that is further, or parts with it.
    fn judge(&mut self, peer: DeviceId, ms: u64, now: Time, moves: &mut Vec<Move>) {
        if self.degree() <= limits::OVERLAY_LINKS {
            return;
        }
        let displaced = self.displaced_by(peer, ms);
        self.nearer_every_ms = match displaced {
            Some(_) => NEARER_EVERY_MS.0,
            None => (self.nearer_every_ms * 2).min(NEARER_EVERY_MS.1),
        };
        self.part(displaced.unwrap_or(peer), now, moves);
    }

    fn on_woken(&mut self, now: Time, rng: &mut dyn CryptoRng, moves: &mut Vec<Move>) {
        let late: Vec<DeviceId> = self
            .dialling
            .iter()
            .filter(|(_, (end, _))| *end <= now)
            .map(|(peer, _)| *peer)
            .collect();
        for peer in late {
            self.dialling.remove(&peer);
            self.known.remove(&peer);
        }
        for (peer, link) in &mut self.links {
            if let Some(since) = link.parted.filter(|since| since.plus_ms(PART_WITHIN_MS) <= now) {
                // Looked at again later, as the link may serve a space that stops needing it.
                link.parted = Some(since.plus_ms(SHUFFLE_EVERY_MS));
                moves.push(Move::Release(*peer));
            }
        }
        self.known.retain(|_, known| known.heard.plus_ms(KNOWN_FOR_MS) > now);
        if self.shuffle_at <= now {
            self.shuffle_at = now.plus_ms(SHUFFLE_EVERY_MS / 2 + rng.next_u64() % SHUFFLE_EVERY_MS);
            let neighbours: Vec<DeviceId> = self.neighbours().collect();
            if let Some(peer) = choose::one(&neighbours, rng).copied() {
                let told = self.told_to(peer, now, rng);
                moves.push(Move::Tell(peer, told));
            }
            self.trim(now, rng, moves);
        }
        if self.nearer_at <= now {
            self.nearer_at =
                now.plus_ms(self.nearer_every_ms / 2 + rng.next_u64() % self.nearer_every_ms);
            self.look_nearer(now, rng, moves);
        }
    }

    /// Dials as many as are lacking.
    fn look(&mut self, now: Time, rng: &mut dyn CryptoRng, moves: &mut Vec<Move>) {
        self.count(now);
        let room = limits::OVERLAY_DIALS_MAX.saturating_sub(self.dialling.len());
        let most = self.lacking().min(room);
        if most == 0 {
            return;
        }
        for peer in choose::some(self.candidates(now), most, rng) {
            self.dial(peer, false, now, moves);
        }
    }

    /// Tells whether a device would be dialled, and does so.
    fn dial(&mut self, peer: DeviceId, probe: bool, now: Time, moves: &mut Vec<Move>) {
        let Some(known) = self.known.get(&peer) else { return };
        let room = self.dialling.len() < limits::OVERLAY_DIALS_MAX;
        if room && !self.dialling.contains_key(&peer) && known.not_before <= now {
            self.dialling.insert(peer, (now.plus_ms(DIAL_FOR_MS), probe));
            moves.push(Move::Dial(peer, known.addresses.clone()));
        }
    }

    /// Tries whether a device that is known is nearer than the neighbours chosen for being near.
    fn look_nearer(&mut self, now: Time, rng: &mut dyn CryptoRng, moves: &mut Vec<Move>) {
        let settled = limits::OVERLAY_LINKS..limits::OVERLAY_LINKS_CAP;
        if !self.crowded || !self.dialling.is_empty() || !settled.contains(&self.degree()) {
            return;
        }
        let mut unknown = self.candidates(now);
        unknown.retain(|peer| self.known.get(peer).is_some_and(|known| known.trip_ms.is_none()));
        if let Some(peer) = choose::one(&unknown, rng) {
            self.dial(*peer, true, now, moves);
        }
    }

    /// Parts with a device: the space needs the link no more.
    fn part(&mut self, peer: DeviceId, now: Time, moves: &mut Vec<Move>) {
        if let Some(link) = self.links.get_mut(&peer)
            && link.parted.is_none()
        {
            link.parted = Some(now);
            moves.push(Move::Part(peer));
        }
    }

    /// Parts with neighbours that need a link less than the one that has come, or with that one.
    fn make_room(
        &mut self,
        newcomer: DeviceId,
        now: Time,
        rng: &mut dyn CryptoRng,
        moves: &mut Vec<Move>,
    ) {
        if !self.crowded || self.degree() <= limits::OVERLAY_LINKS_CAP {
            return;
        }
        let needy = self.links.get(&newcomer).and_then(|link| link.degree);
        let needy = needy.is_some_and(|degree| usize::from(degree) < NEEDY);
        let other = if needy { self.spare(Some(newcomer), NEEDY, rng) } else { Some(newcomer) };
        if let Some(other) = other {
            self.part(other, now, moves);
        }
    }

    /// Parts with a neighbour when both ends have more than enough links.
    fn trim(&mut self, now: Time, rng: &mut dyn CryptoRng, moves: &mut Vec<Move>) {
        if !self.crowded {
            return;
        }
        let enough =
            if self.degree() > limits::OVERLAY_LINKS_CAP { NEEDY } else { limits::OVERLAY_LINKS };
        if self.degree() > limits::OVERLAY_LINKS
            && let Some(peer) = self.spare(None, enough, rng)
        {
            self.part(peer, now, moves);
        }
    }

    /// Passes a newcomer's word on to some neighbours.
    fn walk_on(
        &self,
        sample: &Sample,
        from: DeviceId,
        most: usize,
        rng: &mut dyn CryptoRng,
        moves: &mut Vec<Move>,
    ) {
        let others = self.neighbours().filter(|peer| *peer != from && *peer != sample.device);
        for peer in choose::some(others.collect(), most, rng) {
            let degree = self.degree_told();
            let addresses = self.addresses.clone();
            moves.push(Move::Tell(peer, Told { degree, addresses, samples: vec![sample.clone()] }));
        }
    }

    /// How many links are lacking, dials under way counted as if they were made.
    fn lacking(&self) -> usize {
        let aim = if self.crowded { limits::OVERLAY_LINKS } else { limits::FULL_MESH_MAX - 1 };
        let dialling = self.dialling.values().filter(|(_, probe)| !probe).count();
        let lacking = aim.saturating_sub(self.degree() + dialling);
        if self.crowded { lacking } else { lacking.min(self.known.len()) }
    }

    fn degree_told(&self) -> u8 {
        u8::try_from(self.degree()).unwrap_or(u8::MAX)
    }
}

/// As many addresses as are kept of one device, none of them too long.
fn bounded(mut addresses: Vec<String>) -> Vec<String> {
    addresses.retain(|address| address.len() <= limits::ADDRESS_BYTES_MAX);
    addresses.truncate(limits::ADDRESSES_PER_SAMPLE_MAX);
    addresses
}

#[cfg(test)]
mod tests;
