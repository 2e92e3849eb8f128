//! Content keys of a space: which epoch to write under, when to start another, whom to hand keys to.
//!
//! A device writes under an epoch only while everybody who was handed its key may still read; else it starts
//! another first, so what was removed concurrently is shut out by the next write. An epoch carries the keys of
//! those before it, so one wrap opens the past; unless the space hides it from newcomers: then a key is handed out when
//! its epoch begins and to nobody afterwards, and who has come since makes the next writer begin another. Deliberately
//! not here: how keys are wrapped.

use std::collections::BTreeSet;

use super::Space;
use crate::card::DeviceCard;
use crate::entry::Bytes;
use crate::ids::{DeviceId, EpochId};
use crate::keyring::{EpochBirth, EpochKey};
use crate::limits;
use crate::membership::{Epoch, History, Op, OpBody, Role};
use crate::planted::{self, Bug};
use crate::turn::Turn;

impl Space {
    /// The newest epoch whose key is here and that may be written under: nobody was handed it, or a later one that
    /// carries it, who may not read.
    pub(crate) fn writing_epoch(&self) -> Option<EpochId> {
        let roster = self.membership.roster();
        let mut carried = BTreeSet::new();
        for id in roster.epoch_order.iter().rev() {
            let Some(epoch) = roster.epochs.get(id) else { continue };
            let leaks = carried.contains(id) || roster.leaks(epoch);
            if !leaks && epoch.valid && self.reaches_all(epoch) && self.keyring.get(*id).is_some() {
                return Some(*id);
            }
            if leaks && !planted::is(Bug::CarriedKeysTrusted) {
                carried.extend(epoch.earlier.iter().map(|(earlier, _)| *earlier));
            }
        }
        None
    }

    /// Whether everybody who may read was handed an epoch's key, where nobody is handed those of before.
    fn reaches_all(&self, epoch: &Epoch) -> bool {
        let handed = |card: &DeviceCard| epoch.wraps.contains_key(&card.device);
        self.opens_the_past() || self.membership.roster().devices_who_may(Role::Read).all(handed)
    }

    /// Whether who is let in is given the keys to what was written before.
    pub(crate) fn opens_the_past(&self) -> bool {
        self.membership.history() == History::All
    }

    /// The epoch to write under now, started if need be.
    pub(super) fn epoch(&mut self, turn: &mut Turn<'_>) -> Option<EpochId> {
        match self.writing_epoch().filter(|epoch| !self.worn(*epoch, turn)) {
            Some(epoch) => Some(epoch),
            None => self.start_epoch(turn),
        }
    }

    /// Whether an epoch has been in use for as long as one should be.
    fn worn(&self, epoch: EpochId, turn: &Turn<'_>) -> bool {
        let made = self.membership.roster().epochs.get(&epoch).map_or(0, |epoch| epoch.made.0);
        let entries = self.logs.get(&self.own_log).map_or(0, |log| match log.under {
            Some(((under, _), since)) if under == epoch => log.head.seq.saturating_sub(since),
            _ => 0,
        });
        turn.now.0.saturating_sub(made) > limits::EPOCH_MS_MAX
            || entries > limits::EPOCH_ENTRIES_MAX
    }

    /// Starts an epoch of which everybody who may read is handed the key.
    pub(crate) fn start_epoch(&mut self, turn: &mut Turn<'_>) -> Option<EpochId> {
        let roster = self.membership.roster();
        if !roster.may(self.own.device, Role::Write) {
            return None;
        }
        let key = EpochKey::generate(turn.rng);
        let birth = EpochBirth { log: self.own_log, seq: self.head(self.own_log).seq + 1 };
        let epoch = key.id(self.id, birth);
        let least = if planted::is(Bug::RelaysGetKeys) { Role::Relay } else { Role::Read };
        let mut readers: Vec<DeviceCard> = roster.devices_who_may(least).cloned().collect();
        if planted::is(Bug::RemovedGetKeys) {
            readers = roster.devices.values().map(|known| known.card.clone()).collect();
        }
        let earlier = if self.opens_the_past() { self.latest_epochs() } else { Vec::new() };
        let earlier = earlier.into_iter().filter_map(|id| {
            let sealed = key.carry(self.id, id, self.keyring.get(id)?);
            Some((id, Bytes(sealed)))
        });
        let mut earlier: Vec<(EpochId, Bytes)> = earlier.collect();
        for readers in readers.chunks(limits::WRAPS_PER_OP_MAX) {
            let wraps = readers.iter().filter_map(|card| {
                let wrap = key.wrap(self.id, epoch, &card.kem, turn.rng)?;
                Some((card.device, Bytes(wrap)))
            });
            let wraps = wraps.collect();
            let (log, seq, made) = (birth.log, birth.seq, turn.now);
            let earlier = std::mem::take(&mut earlier);
            self.operate(OpBody::Epoch { epoch, log, seq, made, earlier, wraps }, turn);
        }
        self.keyring.insert(epoch, key);
        self.write_row(turn);
        Some(epoch)
    }

    /// Epochs whose keys are here and that no other such epoch carries; the latest ones if they are many.
    fn latest_epochs(&self) -> Vec<EpochId> {
        let roster = self.membership.roster();
        let held = |id: &&EpochId| self.keyring.get(**id).is_some();
        let carried: BTreeSet<EpochId> = roster
            .epoch_order
            .iter()
            .filter(held)
            .filter_map(|id| roster.epochs.get(id))
            .flat_map(|epoch| epoch.earlier.iter().map(|(id, _)| *id))
            .collect();
        let latest = roster.epoch_order.iter().rev().filter(held);
        let latest = latest.filter(|id| !carried.contains(*id)).copied();
        latest.take(limits::EARLIER_EPOCHS_MAX).collect()
    }

    /// Opens every epoch key that has been handed to this device, or that one of those carries. Says so if one
    /// was handed over that does not open.
    pub(crate) fn take_keys(&mut self, turn: &mut Turn<'_>) {
        let device = self.own.device;
        let mut found = Vec::new();
        let mut useless = Vec::new();
        let roster = self.membership.roster();
        for (epoch, known) in &roster.epochs {
            let wraps = known.wraps.get(&device).map_or(&[][..], Vec::as_slice);
            if self.keyring.get(*epoch).is_some() || wraps.is_empty() {
                continue;
            }
            let opened = wraps.iter().find_map(|wrap| {
                EpochKey::unwrap(&wrap.bytes, self.id, *epoch, known.birth, turn.identity)
            });
            let pleas = known.pleas.get(&device).copied().unwrap_or(0);
            match opened {
                Some(key) => found.push((*epoch, key)),
                None if pleas < wraps.len().min(limits::PLEAS_MAX) => useless.push(*epoch),
                None => {}
            }
        }
        let new = !found.is_empty();
        for (epoch, key) in found {
            self.keyring.insert(epoch, key);
        }
        if self.take_carried() || new {
            self.write_row(turn);
        }
        useless.retain(|epoch| self.keyring.get(*epoch).is_none());
        if self.membership.roster().may(device, Role::Read) {
            for epoch in useless {
                self.operate(OpBody::Plea { epoch }, turn);
            }
        }
    }

    /// Opens the keys of earlier epochs that those here carry; tells whether there were any.
    fn take_carried(&mut self) -> bool {
        if planted::is(Bug::CarriedKeysLeft) {
            return false;
        }
        let roster = self.membership.roster();
        let mut todo: Vec<EpochId> = self.keyring.iter().map(|(id, _)| id).collect();
        let mut any = false;
        while let Some(id) = todo.pop() {
            let Some(epoch) = roster.epochs.get(&id) else { continue };
            for (earlier, sealed) in &epoch.earlier {
                let birth = roster.epochs.get(earlier).map(|known| known.birth);
                let (None, Some(birth)) = (self.keyring.get(*earlier), birth) else { continue };
                let key = self.keyring.get(id);
                let key = key.and_then(|key| key.carried(self.id, *earlier, birth, sealed));
                if let Some(key) = key {
                    self.keyring.insert(*earlier, key);
                    todo.push(*earlier);
                    any = true;
                }
            }
        }
        any
    }

    /// Hands the keys here to a device that may read and has no way to them; tells whether there were any.
    pub(crate) fn hand_keys_to(&mut self, peer: DeviceId, turn: &mut Turn<'_>) -> bool {
        let roster = self.membership.roster();
        let may = roster.may(self.own.device, Role::Write) && roster.may(peer, Role::Read);
        let Some(card) = roster.devices.get(&peer).map(|known| known.card.clone()) else {
            return false;
        };
        if !may || !self.ready() || planted::is(Bug::KeysNotHanded) {
            return false;
        }
        if self.writing_epoch().is_none() {
            return self.start_epoch(turn).is_some();
        }
        let mut reached = self.reached_by(peer);
        let roster = self.membership.roster();
        let order = roster.epoch_order.iter().rev().copied();
        let lacking: Vec<EpochId> =
            order.filter(|id| self.keyring.get(*id).is_some() && !reached.contains(id)).collect();
        let mut any = false;
        for epoch in lacking {
            if reached.contains(&epoch) {
                continue;
            }
            let Some(body) = self.wrap_for(epoch, &card, turn) else { continue };
            self.operate(body, turn);
            any = true;
            reached = self.reached_by(peer);
        }
        any
    }

    fn wrap_for(&self, epoch: EpochId, card: &DeviceCard, turn: &mut Turn<'_>) -> Option<OpBody> {
        let roster = self.membership.roster();
        let known = roster.epochs.get(&epoch)?;
        let wraps = known.wraps.get(&card.device);
        let own = roster.devices.get(&self.own.device).map(|own| own.card.member);
        if wraps.is_none() && !self.opens_the_past() && own != Some(card.member) {
            return None;
        }
        if wraps.is_some_and(|wraps| wraps.iter().any(|wrap| wrap.by == self.own.device)) {
            return None;
        }
        let wrap = self.keyring.get(epoch)?.wrap(self.id, epoch, &card.kem, turn.rng)?;
        let (log, seq, made) = (known.birth.log, known.birth.seq, known.made);
        let wraps = vec![(card.device, Bytes(wrap))];
        Some(OpBody::Epoch { epoch, log, seq, made, earlier: Vec::new(), wraps })
    }

    /// The epochs whose keys a device can open, as far as it has not said otherwise.
    pub(crate) fn reached_by(&self, device: DeviceId) -> BTreeSet<EpochId> {
        let roster = self.membership.roster();
        let handed = roster.epochs.iter().filter(|(_, epoch)| {
            let wraps = epoch.wraps.get(&device).map_or(0, Vec::len);
            wraps > epoch.pleas.get(&device).copied().unwrap_or(0)
        });
        let mut todo: Vec<EpochId> = handed.map(|(id, _)| *id).collect();
        let mut reached = BTreeSet::new();
        while let Some(id) = todo.pop() {
            if reached.insert(id) {
                let epoch = roster.epochs.get(&id);
                todo.extend(epoch.into_iter().flat_map(|e| e.earlier.iter().map(|(id, _)| *id)));
            }
        }
        reached
    }

    /// Makes an operation of this device's own and keeps it; peers are told at the end of the turn.
    pub(crate) fn operate(&mut self, body: OpBody, turn: &mut Turn<'_>) -> Op {
        let op = Op::sign(Some(self.id), self.membership.heads(), body, turn.identity);
        self.keep_operation(op.clone(), turn);
        op
    }

    /// Keeps an operation of this device's own.
    pub(crate) fn keep_operation(&mut self, op: Op, turn: &mut Turn<'_>) {
        let key = crate::layout::op_key(self.pseudonym, op.id);
        turn.effects.batch.put(key, op.bytes.clone());
        if !planted::is(Bug::DecisionsNotDurable) {
            turn.effects.batch.require_durable();
        }
        self.fresh.push(op.clone());
        self.membership.insert(self.id, vec![op]);
    }
}
