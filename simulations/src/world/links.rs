//! Links: how frames get from one device to another, or do not; who may link with whom.

use meshwork_protocol::{Input, LinkId};
use rand_core::Rng as _;

use super::{IN_FLIGHT_PER_DEVICE_MAX, NEVER, Part, What, World};
use crate::plan::Version;

/// Kinds of frames that an older version does not know: whom to send what, presence, who wants which.
const NEWEST_KINDS: [u8; 3] = [8, 16, 17];
/// A kind of frame that nobody knows yet.
const KIND_OF_TOMORROW: u8 = 200;
/// A newer version sends such a frame after each so many others.
const TOMORROW_EVERY: u64 = 7;
/// What TCP and QUIC wait at least before they send a packet again, in milliseconds (RFC 6298, RFC 9002).
const RESEND_MS_MIN: u64 = 200;
/// Bytes of a packet.
const PACKET_BYTES: usize = 1_200;
/// Ways that making a link takes: transport, handshake, streams.
const DIAL_WAYS: u64 = 6;
/// After how long a contact that is not there is looked for again.
const RETRY_MS: u64 = 1_000;

impl World {
    /// Puts a frame on its way, as kindly as the plan has it.
    pub(super) fn transmit(&mut self, from: usize, link: LinkId, bytes: Vec<u8>) {
        let Some((to, far)) = self.devices[from].links.get(&link).copied() else {
            self.told_to_pest(from, link, &bytes);
            return;
        };
        self.see_told(from, to, &bytes);
        if self.under_way > IN_FLIGHT_PER_DEVICE_MAX * self.devices.len().max(4) {
            self.fail("bounds", format!("too many frames on their way, from device {from} too"));
            return;
        }
        let kind = bytes.get(1).copied().unwrap_or(0);
        let sender = &mut self.devices[from];
        if sender.version == Version::Older && NEWEST_KINDS.contains(&kind) {
            return;
        }
        sender.sent_frames += 1;
        sender.sent_bytes += bytes.len() as u64;
        if sender.version == Version::Newer && sender.sent_frames.is_multiple_of(TOMORROW_EVERY) {
            let body = [1, 2, 3, 4];
            let tomorrow = [&[1, KIND_OF_TOMORROW, body.len() as u8][..], &body].concat();
            self.carry(from, link, to, far, tomorrow);
        }
        self.overhear(from, to, &bytes);
        self.carry(from, link, to, far, bytes);
    }

    /// Lets a frame go over a link, with all that may happen to it there.
    pub(super) fn carry(
        &mut self,
        from: usize,
        link: LinkId,
        to: usize,
        far: LinkId,
        mut bytes: Vec<u8>,
    ) {
        if self.blocked(from, to) {
            return;
        }
        if self.chance(self.faults.loss_percent * 10) {
            return;
        }
        let damaged = self.chance(self.faults.corruption_per_mille);
        if damaged && !bytes.is_empty() {
            let at = self.rng.next_u32() as usize % bytes.len();
            bytes[at] ^= 1 << (self.rng.next_u32() % 8);
        }
        let mut delay = match self.scene.as_ref().and_then(|scene| scene.way(from, to)) {
            Some(way) => self.streamed(link, way, bytes.len()),
            None => self.passed(link, bytes.len()),
        };
        if self.scene.is_some() && self.chance(self.faults.reorder_percent * 10) {
            let (least, most) = self.faults.latency_ms;
            delay += least + self.rng.next_u64() % (most - least + 1);
        }
        let copies = if self.chance(self.faults.duplication_percent * 10) { 2 } else { 1 };
        for copy in 1..copies {
            let bytes = bytes.clone();
            self.after(delay + copy * 5, What::Arrive { to, link: far, bytes, damaged });
        }
        self.after(delay, What::Arrive { to, link: far, bytes, damaged });
    }

    /// The way of a frame in a storm: any that the plan allows, a link's own unless it is reordered.
    fn passed(&mut self, link: LinkId, bytes: usize) -> u64 {
        let (least, most) = self.faults.latency_ms;
        let ordered = least + (link.0 * 7 + 13) % (most - least + 1);
        let delay = if self.chance(self.faults.reorder_percent * 10) {
            least + self.rng.next_u64() % (most - least + 1)
        } else {
            ordered
        };
        delay + self.queued(link, self.faults.bandwidth_kbit_per_s, bytes)
    }

    /// The way of a frame in a stream: none overtakes another, and what is lost is sent again by the transport.
    fn streamed(&mut self, link: LinkId, way: crate::plan::Way, bytes: usize) -> u64 {
        let (least, most) = way.latency_ms;
        let mut delay = least + self.rng.next_u64() % (most - least + 1);
        if way.loss_per_100_000 > 0 {
            for _ in 0..bytes.div_ceil(PACKET_BYTES) {
                while self.rng.next_u32() % 100_000 < way.loss_per_100_000.min(90_000) {
                    delay += (2 * most).max(RESEND_MS_MIN);
                }
            }
        }
        delay += self.queued(link, way.bandwidth_kbit_per_s, bytes);
        let arrives = self.busy_until.entry(LinkId(link.0 | 1 << 63)).or_default();
        *arrives = (*arrives).max(self.now_ms + delay);
        *arrives - self.now_ms
    }

    /// How long a frame takes to leave, what is before it on the link included.
    fn queued(&mut self, link: LinkId, kbit_per_s: u64, bytes: usize) -> u64 {
        if kbit_per_s == 0 {
            return 0;
        }
        // In microseconds, so that small frames take their time too.
        let takes = bytes as u64 * 8_000 / kbit_per_s;
        let now = self.now_ms * 1_000;
        let until = self.busy_until.entry(link).or_default();
        *until = (*until).max(now) + takes;
        (*until - now) / 1_000
    }

    pub(super) fn arrive(&mut self, to: usize, link: LinkId, bytes: Vec<u8>, damaged: bool) {
        self.under_way -= 1;
        let Some((from, _)) = self.devices[to].links.get(&link).copied() else { return };
        let kind = bytes.get(1).copied().unwrap_or(0);
        if self.devices[to].version == Version::Older && NEWEST_KINDS.contains(&kind) {
            return;
        }
        self.damaged |= damaged;
        self.devices[to].received_bytes += bytes.len() as u64;
        if self.devices[to].part == Part::Stranger {
            self.heard_by_stranger.push(bytes.clone());
        }
        self.tell(|| {
            format!("{from} → {to}: {} of {} B", super::story::frame(&bytes), bytes.len())
        });
        self.input(to, Input::Received { link, bytes });
        if self.measure.is_some() {
            self.watch_arrivals(to);
        }
    }

    pub(super) fn linked(&self, a: usize, b: usize) -> bool {
        let sees = |a: usize, b: usize| self.devices[a].links.values().any(|(far, _)| *far == b);
        sees(a, b) || sees(b, a)
    }

    /// Links two contacts, now or when that is possible.
    pub(super) fn connect(&mut self, a: usize, b: usize) {
        if self.linked(a, b) {
            return;
        }
        let away = |n: usize| self.devices[n].away_until > self.now_ms;
        if away(a) || away(b) || self.parted(a, b) {
            self.waiting.insert((a, b));
            return;
        }
        let up = |n: usize| self.devices[n].replica.is_some();
        if !up(a) || !up(b) {
            self.after(RETRY_MS, What::Connect { a, b });
            return;
        }
        self.link(a, b);
    }

    fn link(&mut self, a: usize, b: usize) {
        let (near, far) = (LinkId(self.links), LinkId(self.links + 1));
        self.links += 2;
        self.devices[a].links.insert(near, (b, far));
        self.devices[b].links.insert(far, (a, near));
        self.tell(|| format!("{a} and {b} are linked"));
        let (id_a, id_b) = (self.id(a), self.id(b));
        self.input(a, Input::PeerConnected { link: near, peer: id_b });
        self.input(b, Input::PeerConnected { link: far, peer: id_a });
    }

    /// Lets contacts of a device look for each other again, of whom one was not there.
    pub(super) fn reconnect(&mut self, n: Option<usize>) {
        let wanted = |(a, b): &(usize, usize)| n.is_none_or(|n| *a == n || *b == n);
        let due: Vec<(usize, usize)> = self.waiting.iter().copied().filter(wanted).collect();
        for (a, b) in due {
            self.waiting.remove(&(a, b));
            self.after(1, What::Connect { a, b });
        }
    }

    /// The overlay of a large space wants a link.
    pub(super) fn dial(&mut self, from: usize, to: usize) {
        let Some(scene) = &self.scene else { return };
        let way = scene.way(from, to).map_or(0, |way| way.latency_ms.1);
        if scene.reachable(from, to) {
            self.after(way * DIAL_WAYS, What::Dial { from, to });
        }
    }

    pub(super) fn dialled(&mut self, from: usize, to: usize) {
        let up = |n: usize| self.devices[n].replica.is_some();
        if up(from) && up(to) && !self.linked(from, to) && !self.parted(from, to) {
            self.link(from, to);
        }
    }

    /// Ends a link on both sides; contacts look for each other again after a while.
    pub(super) fn unlink(&mut self, n: usize, link: LinkId) {
        let Some(far) = self.cut(n, link) else { return };
        let delay = 50 + self.about(self.faults.down_ms_max) / 2;
        let (a, b) = (n.min(far), n.max(far));
        if self.contacts.contains(&(a, b)) {
            self.after(delay, What::Connect { a, b });
        }
    }

    /// Ends a link on both sides; the far device.
    pub(super) fn cut(&mut self, n: usize, link: LinkId) -> Option<usize> {
        let (far, far_link) = self.devices[n].links.remove(&link)?;
        self.devices[far].links.remove(&far_link);
        for end in [link, far_link] {
            self.busy_until.remove(&end);
            self.busy_until.remove(&LinkId(end.0 | 1 << 63));
        }
        self.tell(|| format!("{n} and {far} are linked no more"));
        self.input(n, Input::PeerGone { link });
        self.input(far, Input::PeerGone { link: far_link });
        Some(far)
    }

    pub(super) fn break_some_link(&mut self) {
        let delay = self.about(self.faults.break_every_ms);
        self.after(delay, What::BreakLink);
        let all: Vec<(usize, LinkId)> = (0..self.devices.len())
            .flat_map(|n| self.devices[n].links.keys().map(move |link| (n, *link)))
            .collect();
        if !all.is_empty() && self.storming() && self.faults.break_every_ms != NEVER {
            let (n, link) = all[self.rng.next_u32() as usize % all.len()];
            self.unlink(n, link);
        }
    }
}
