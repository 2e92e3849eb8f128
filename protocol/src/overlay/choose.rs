//! The choices an overlay makes: whom it knows, whom it would dial, whom it can do without, whom it tells of.

use rand_core::CryptoRng;

use super::{KNOWN_FOR_MS, Known, Neighbour, ONLINE_FOR_MS, Overlay, Sample, Told};
use crate::ids::{DeviceId, Time};
use crate::limits;

/// Neighbours, and others known, that one frame tells of.
const NEIGHBOURS_TOLD: usize = 4;
const KNOWN_TOLD: usize = 6;

/// One of some, each as likely.
pub(super) fn one<'a, T>(from: &'a [T], rng: &mut dyn CryptoRng) -> Option<&'a T> {
    let count = u64::try_from(from.len()).unwrap_or(u64::MAX).max(1);
    usize::try_from(rng.next_u64() % count).ok().and_then(|at| from.get(at))
}

/// At most so many of some, each as likely.
pub(super) fn some<T>(mut from: Vec<T>, most: usize, rng: &mut dyn CryptoRng) -> Vec<T> {
    let mut chosen = Vec::new();
    while chosen.len() < most && !from.is_empty() {
        let at = usize::try_from(rng.next_u64() % from.len() as u64).unwrap_or(0);
        chosen.push(from.swap_remove(at));
    }
    chosen
}

impl Overlay {
    /// Takes in what somebody tells of a device.
    pub(super) fn learn(&mut self, sample: Sample, by: DeviceId, now: Time) {
        let device = sample.device;
        let age_ms = u64::from(sample.age_s) * 1_000;
        if device == self.own || self.links.contains_key(&device) || age_ms >= KNOWN_FOR_MS {
            return;
        }
        let heard = Time(now.0.saturating_sub(age_ms));
        let addresses = sample.addresses;
        if let Some(known) = self.known.get_mut(&device) {
            known.heard = known.heard.max(heard);
            if known.addresses.is_empty() {
                known.addresses = addresses;
            }
            return;
        }
        let by_peer = self.known.iter().filter(|(_, known)| known.by == by);
        let full = self.known.len() >= limits::OVERLAY_KNOWN_MAX;
        let longest = |(_, known): &(&DeviceId, &Known)| known.heard;
        let displaced = if by_peer.clone().count() >= limits::OVERLAY_KNOWN_PER_PEER_MAX {
            by_peer.min_by_key(longest).map(|(device, _)| *device)
        } else if full {
            self.known.iter().min_by_key(longest).map(|(device, _)| *device)
        } else {
            None
        };
        if let Some(displaced) = displaced {
            self.known.remove(&displaced);
        }
        let known = Known { addresses, heard, by, not_before: Time(0), trip_ms: None };
        self.known.insert(device, known);
    }

    /// Sees whether there are too many devices online for everybody to link with everybody. That few are
    /// left shows only by and by, so it takes fewer to go back.
    pub(super) fn count(&mut self, now: Time) {
        let online = |known: &&Known| known.heard.plus_ms(ONLINE_FOR_MS) > now;
        let others = self.links.len() + self.known.values().filter(online).count();
        let most = if self.crowded { limits::FULL_MESH_MAX * 3 / 4 } else { limits::FULL_MESH_MAX };
        self.crowded = others >= most;
    }

    /// Whom a link may be made with.
    pub(super) fn candidates(&self, now: Time) -> Vec<DeviceId> {
        let free = |(device, known): &(&DeviceId, &Known)| {
            known.not_before <= now && !self.dialling.contains_key(device)
        };
        self.known.iter().filter(free).map(|(device, _)| *device).collect()
    }

    /// The neighbours in order of their round trips, those known.
    fn nearest(&self) -> Vec<(u64, DeviceId)> {
        let needed = self.links.iter().filter(|(_, link)| link.parted.is_none());
        let mut trips: Vec<(u64, DeviceId)> =
            needed.filter_map(|(peer, link)| Some((link.trip_ms?, *peer))).collect();
        trips.sort_unstable();
        trips
    }

    /// Which of the near neighbours makes room for a device as near as this.
    pub(super) fn displaced_by(&self, peer: DeviceId, ms: u64) -> Option<DeviceId> {
        let others = self.nearest().into_iter().filter(|(_, other)| *other != peer);
        let (furthest, other) = others.take(limits::OVERLAY_LINKS_NEAR).last()?;
        (ms < furthest).then_some(other)
    }

    /// A neighbour that can do without the link: it keeps more than so many, as far as known, and is none of
    /// the near ones.
    pub(super) fn spare(
        &self,
        but: Option<DeviceId>,
        more_than: usize,
        rng: &mut dyn CryptoRng,
    ) -> Option<DeviceId> {
        let near: Vec<DeviceId> = self
            .nearest()
            .into_iter()
            .take(limits::OVERLAY_LINKS_NEAR)
            .map(|(_, peer)| peer)
            .collect();
        let degree = |link: &Neighbour| link.degree.map_or(0, usize::from);
        let spare = self.links.iter().filter(|(peer, link)| {
            let needed = link.parted.is_none() && degree(link) > more_than;
            needed && but != Some(**peer) && !near.contains(peer)
        });
        let most = spare.clone().map(|(_, link)| degree(link)).max()?;
        let spare = spare.filter(|(_, link)| degree(link) == most).map(|(peer, _)| *peer);
        one(&spare.collect::<Vec<_>>(), rng).copied()
    }

    /// What a device is told: some neighbours, and some others.
    pub(super) fn told_to(&self, to: DeviceId, now: Time, rng: &mut dyn CryptoRng) -> Told {
        let has_told =
            |peer: &DeviceId| self.links.get(peer).is_some_and(|link| link.degree.is_some());
        let neighbours = self.neighbours().filter(|peer| *peer != to && has_told(peer)).collect();
        let mut samples = Vec::new();
        for device in some(neighbours, NEIGHBOURS_TOLD, rng) {
            let addresses = self.links.get(&device).map(|link| link.addresses.clone());
            let addresses = addresses.unwrap_or_default();
            samples.push(Sample { device, age_s: 0, walk: 0, addresses });
        }
        let known = self.known.keys().filter(|device| **device != to).copied().collect();
        for device in some(known, KNOWN_TOLD, rng) {
            let Some(known) = self.known.get(&device) else { continue };
            let age_s = now.0.saturating_sub(known.heard.0).div_ceil(1_000);
            let age_s = u16::try_from(age_s).unwrap_or(u16::MAX);
            samples.push(Sample { device, age_s, walk: 0, addresses: known.addresses.clone() });
        }
        Told { degree: self.degree_told(), addresses: self.addresses.clone(), samples }
    }
}
