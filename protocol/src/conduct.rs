//! How peers behave: what each sent wrong, what that has come to, and who is shut out for a while.
//!
//! Refusals and accepted frames in → whether the link goes on. A score grows with what is wrong and shrinks with
//! time and with every frame that is right, so a peer behind a link that damages three frames in ten does not
//! get anywhere near the limit, and one that sends nothing but rubbish meets it after two dozen frames. What may
//! come of lost frames, or of knowing less than the other end, costs nothing. Who meets the limit is shut out, for
//! twice as long each time. Nothing of this outlives the process. Deliberately not here: how fast frames may come.

use std::collections::BTreeMap;

use crate::ids::{DeviceId, Time};
use crate::limits;
use crate::planted::{self, Bug};
use crate::rejection::Rejection;

/// What is known of the conduct of all peers.
#[derive(Debug, Default)]
pub(crate) struct Conduct {
    by: BTreeMap<DeviceId, Record>,
}

/// What one device has done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub score: u32,
    /// Up to when the score has been paid down.
    paid: Time,
    /// Refusals so far.
    pub times: u64,
    pub last: Rejection,
    pub last_at: Time,
    /// Until when it is shut out, and for how long it was the last time.
    shut: Option<(Time, u64)>,
}

impl Record {
    fn new(rejection: Rejection, now: Time) -> Self {
        Self { score: 0, paid: now, times: 0, last: rejection, last_at: now, shut: None }
    }

    /// Lets time pay. A clock that was set back pays nothing and starts from there.
    fn pay(&mut self, now: Time) {
        let points = now.0.saturating_sub(self.paid.0) / limits::PENALTY_PAID_EVERY_MS;
        self.score = self.score.saturating_sub(u32::try_from(points).unwrap_or(u32::MAX));
        self.paid = match self.score {
            0 => now,
            _ => self.paid.plus_ms(points * limits::PENALTY_PAID_EVERY_MS).min(now),
        };
    }

    /// Until when the device is shut out. Nobody is for longer than the longest time, whatever clocks say.
    fn shut_until(&self, now: Time) -> Option<Time> {
        let (until, _) = self.shut?;
        let left = until.0.saturating_sub(now.0);
        (1..=limits::GREY_MS_MAX).contains(&left).then_some(until)
    }

    /// Shuts the device out: for twice as long as the last time, if that is not long ago.
    fn shut_out(&mut self, now: Time) -> Time {
        let recent = self.shut.filter(|(until, ms)| now <= until.plus_ms(*ms));
        let ms = recent.map_or(limits::GREY_MS, |(_, ms)| (ms * 2).min(limits::GREY_MS_MAX));
        let until = now.plus_ms(ms);
        self.shut = Some((until, ms));
        self.score = 0;
        until
    }
}

impl Conduct {
    /// Notes a refusal; tells until when the device is shut out, if that was too much.
    pub(crate) fn refused(
        &mut self,
        device: DeviceId,
        rejection: Rejection,
        now: Time,
    ) -> Option<Time> {
        if !self.by.contains_key(&device) {
            self.make_room(now);
        }
        let record = self.by.entry(device).or_insert_with(|| Record::new(rejection, now));
        record.pay(now);
        (record.last, record.last_at) = (rejection, now);
        record.times += 1;
        let penalty = if planted::is(Bug::PenaltyNever) { 0 } else { rejection.penalty() };
        record.score = record.score.saturating_add(penalty);
        (record.score >= limits::PENALTY_MAX).then(|| record.shut_out(now))
    }

    /// Notes that a frame of the device was as it should be.
    pub(crate) fn accepted(&mut self, device: DeviceId) {
        if let Some(record) = self.by.get_mut(&device) {
            record.score = record.score.saturating_sub(limits::PENALTY_PAID_PER_FRAME);
        }
    }

    /// Until when a device is shut out, if it is.
    pub(crate) fn shut_until(&self, device: DeviceId, now: Time) -> Option<Time> {
        self.by.get(&device)?.shut_until(now)
    }

    /// Devices remembered.
    pub(crate) fn len(&self) -> usize {
        self.by.len()
    }

    pub(crate) fn of(&self, device: DeviceId) -> Option<&Record> {
        self.by.get(&device)
    }

    /// Everybody who is shut out.
    pub(crate) fn shut(&self, now: Time) -> impl Iterator<Item = (DeviceId, Time, Rejection)> {
        self.by.iter().filter_map(move |(device, record)| {
            Some((*device, record.shut_until(now)?, record.last))
        })
    }

    /// Forgets the least of all offenders when there are too many.
    fn make_room(&mut self, now: Time) {
        if self.by.len() < limits::CONDUCT_MAX {
            return;
        }
        let weight = |record: &Record| (record.shut_until(now), record.score, record.last_at);
        let least = self.by.iter().min_by_key(|(_, record)| weight(record));
        if let Some(device) = least.map(|(device, _)| *device) {
            self.by.remove(&device);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(n: u16) -> DeviceId {
        let mut id = [0; 32];
        id[..2].copy_from_slice(&n.to_be_bytes());
        DeviceId(id)
    }

    /// Refusals until a device is shut out, and until when.
    fn until_shut(conduct: &mut Conduct, now: Time) -> (u32, Time) {
        for n in 1.. {
            if let Some(until) = conduct.refused(device(1), Rejection::Malformed, now) {
                return (n, until);
            }
        }
        unreachable!("a device that is refused for ever is shut out");
    }

    #[test]
    fn a_device_is_shut_out_for_twice_as_long_each_time_and_forgiven_in_the_end() {
        let mut conduct = Conduct::default();
        let mut now = Time(1_000_000);
        let mut expected = limits::GREY_MS;
        for _ in 0..20 {
            let (refusals, until) = until_shut(&mut conduct, now);
            assert_eq!(refusals, limits::PENALTY_MAX / Rejection::Malformed.penalty());
            assert_eq!(until, now.plus_ms(expected));
            assert_eq!(conduct.shut_until(device(1), now), Some(until));
            assert_eq!(conduct.shut_until(device(1), until), None);
            expected = (expected * 2).min(limits::GREY_MS_MAX);
            now = until;
        }
        now = now.plus_ms(limits::GREY_MS_MAX + 1);
        assert_eq!(until_shut(&mut conduct, now).1, now.plus_ms(limits::GREY_MS));
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nobody_out_for_ever() {
        let mut conduct = Conduct::default();
        let now = Time(10 * limits::GREY_MS_MAX);
        until_shut(&mut conduct, now);
        assert!(conduct.shut_until(device(1), now).is_some());
        assert_eq!(conduct.shut_until(device(1), Time(0)), None);
    }

    #[test]
    fn time_and_good_frames_pay_for_bad_ones() {
        let mut conduct = Conduct::default();
        let mut now = Time(0);
        for _ in 0..1_000 {
            now = now.plus_ms(4 * limits::PENALTY_PAID_EVERY_MS);
            assert_eq!(conduct.refused(device(1), Rejection::BadRun, now), None);
            conduct.refused(device(2), Rejection::BadRun, Time(0));
            conduct.accepted(device(2));
        }
        assert_eq!(conduct.of(device(2)).unwrap().score, 0);
        assert_eq!(conduct.of(device(2)).unwrap().times, 1_000);
    }

    #[test]
    fn the_worst_are_remembered_when_there_are_too_many() {
        let mut conduct = Conduct::default();
        let (_, until) = until_shut(&mut conduct, Time(0));
        for n in 2..3_000 {
            conduct.refused(device(n), Rejection::Malformed, Time(1));
        }
        assert_eq!(conduct.by.len(), limits::CONDUCT_MAX);
        assert_eq!(conduct.shut_until(device(1), Time(1)), Some(until));
    }
}
