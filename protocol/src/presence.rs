//! What devices of a space let each other know for the moment: who is there, where their cursors are.
//!
//! A value → a [`Note`], encrypted under a key of the space's epoch and signed by its device → the value again, for
//! whoever holds the epoch's key. Of each device only the latest note counts; it ends by itself. Nothing here
//! is stored. Invariants: a note is passed on only if its signature is right; the number of a note only grows.
//! Not here: over which links notes go (`replica/presence`).

use std::collections::BTreeMap;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::entry::{Bytes, Signature};
use crate::identity::{self, Identity};
use crate::ids::{DeviceId, EpochId, LinkId, Pseudonym, Time};
use crate::keyring::EpochKey;
use crate::limits;
use crate::planted::{self, Bug};

/// What one device says, as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub device: DeviceId,
    pub epoch: EpochId,
    /// Grows with each note of the device, and from start to start.
    pub number: u64,
    pub nonce: [u8; 24],
    pub ciphertext: Bytes,
    pub signature: Signature,
}

impl Note {
    /// Says `value`, or that there is nothing to say any more.
    pub(crate) fn seal(
        space: Pseudonym,
        identity: &Identity,
        (epoch, key): (EpochId, &EpochKey),
        number: u64,
        value: Option<&[u8]>,
        rng: &mut dyn CryptoRng,
    ) -> Self {
        let device = identity.device();
        let mut nonce = [0; 24];
        rng.fill_bytes(&mut nonce);
        let mut plain = postcard::to_allocvec(&value).expect("writing to a Vec cannot fail");
        plain.resize(bucket(plain.len()), 0);
        let bound = bound(space, device, epoch, number);
        let ciphertext = cipher(key)
            .encrypt(&XNonce::from(nonce), Payload { msg: &plain, aad: &bound })
            .expect("a note is far below the cipher's limit");
        let signature = identity.sign(&signed(&bound, &nonce, &ciphertext));
        let (ciphertext, signature) = (Bytes(ciphertext), Signature::new(signature));
        Self { device, epoch, number, nonce, ciphertext, signature }
    }

    /// Whether its device has signed it for this space.
    pub(crate) fn verify(&self, space: Pseudonym) -> bool {
        let bound = bound(space, self.device, self.epoch, self.number);
        let message = signed(&bound, &self.nonce, &self.ciphertext.0);
        identity::verify(&self.device.0, &message, &self.signature.bytes())
    }

    /// What it says; none if it is not what a device would say.
    pub(crate) fn open(&self, space: Pseudonym, key: &EpochKey) -> Option<Option<Vec<u8>>> {
        let bound = bound(space, self.device, self.epoch, self.number);
        let sealed = Payload { msg: self.ciphertext.0.as_slice(), aad: &bound };
        let plain = cipher(key).decrypt(&XNonce::from(self.nonce), sealed).ok()?;
        let (value, padding) = postcard::take_from_bytes::<Option<Vec<u8>>>(&plain).ok()?;
        let fits = value.as_ref().is_none_or(|value| value.len() <= limits::PRESENCE_BYTES_MAX);
        (fits && padding.iter().all(|byte| *byte == 0)).then_some(value)
    }
}

/// Sizes tell a relay no more than a quarter of the truth.
fn bucket(len: usize) -> usize {
    let mut size = 32;
    while size < len {
        size += size / 4;
    }
    size
}

/// What a note is bound to.
fn bound(space: Pseudonym, device: DeviceId, epoch: EpochId, number: u64) -> Vec<u8> {
    let mut bound = b"meshwork presence 1".to_vec();
    bound.extend_from_slice(&space.0);
    bound.extend_from_slice(&device.0);
    bound.extend_from_slice(&epoch.0);
    bound.extend_from_slice(&number.to_le_bytes());
    bound
}

fn signed(bound: &[u8], nonce: &[u8; 24], ciphertext: &[u8]) -> Vec<u8> {
    let mut message = bound.to_vec();
    message.extend_from_slice(nonce);
    message.extend_from_slice(blake3::hash(ciphertext).as_bytes());
    message
}

fn cipher(key: &EpochKey) -> XChaCha20Poly1305 {
    let mut derived = Zeroizing::new([0; 32]);
    key.derive(b"meshwork presence 1", &mut derived);
    XChaCha20Poly1305::new(derived.as_slice().try_into().expect("32 bytes"))
}

/// The latest of one device.
#[derive(Clone, Debug)]
pub(crate) struct Present {
    pub number: u64,
    /// Until when it holds; none once it is gone. The number stays known, so that no older note comes back.
    pub held: Option<(Note, Time)>,
    /// What it says, to who can read it.
    pub value: Option<Vec<u8>>,
    /// Who brought it.
    pub from: Option<LinkId>,
    /// Not before this does another go over links.
    pub next: Time,
    /// Whether a later note waits for that.
    pub waits: bool,
    /// When everybody was last asked for the next note, as it did not come.
    pub asked: Option<Time>,
}

/// Everybody's latest, in one space.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presences {
    pub devices: BTreeMap<DeviceId, Present>,
    /// What this device says, and when it says so again.
    pub own: Option<(Vec<u8>, Time)>,
    /// The last number used here.
    pub number: u64,
}

impl Presences {
    /// Whether a note is later than what is known of its device, and there is room for it.
    pub(crate) fn is_news(&self, note: &Note) -> bool {
        match self.devices.get(&note.device) {
            Some(known) => note.number > known.number || planted::is(Bug::NoteStale),
            None => self.devices.len() < limits::PRESENCE_DEVICES_MAX,
        }
    }

    /// Takes in a note that is news; tells whether what its device says has changed, as far as it is read here.
    pub(crate) fn take(
        &mut self,
        note: Note,
        value: Option<Vec<u8>>,
        until: Time,
        from: Option<LinkId>,
    ) -> bool {
        let known = self.devices.entry(note.device).or_insert_with(|| Present {
            number: 0,
            held: None,
            value: None,
            from: None,
            next: Time(0),
            waits: false,
            asked: None,
        });
        let changed = known.value != value;
        known.number = note.number;
        known.held = Some((note, until));
        known.value = value;
        known.from = from;
        known.asked = None;
        changed
    }

    /// Drops what has ended; the devices that are gone.
    pub(crate) fn expire(&mut self, now: Time) -> Vec<DeviceId> {
        let mut gone = Vec::new();
        for (device, present) in &mut self.devices {
            if present.held.take_if(|(_, until)| *until <= now).is_some()
                && present.value.take().is_some()
            {
                gone.push(*device);
            }
        }
        gone
    }

    /// The devices whose next note should have come; each now and then until what it says ends.
    pub(crate) fn overdue(&mut self, now: Time) -> Vec<DeviceId> {
        let mut overdue = Vec::new();
        for (device, present) in &mut self.devices {
            if present.ask_at().is_some_and(|at| at <= now) {
                present.asked = Some(now);
                overdue.push(*device);
            }
        }
        overdue
    }

    /// When something is to be done: renew, pass on what waits, ask for what is overdue, drop what ends.
    pub(crate) fn wake_at(&self) -> Option<Time> {
        let devices = self.devices.values().flat_map(|present| {
            let waits = present.waits.then_some(present.next);
            let ends = present.held.as_ref().map(|(_, until)| *until);
            let held = ends.into_iter().chain(present.ask_at()).min();
            [held, waits].into_iter().flatten()
        });
        devices.chain(self.own.as_ref().map(|(_, at)| *at)).min()
    }
}

impl Present {
    /// When everybody is asked for the next note, of a device that others bring.
    fn ask_at(&self) -> Option<Time> {
        let (_, until) = self.held.as_ref().filter(|_| self.from.is_some())?;
        let overdue = Time(until.0.saturating_sub(limits::PRESENCE_FOR_MS / 2));
        Some(self.asked.map_or(overdue, |at| at.plus_ms(limits::PRESENCE_ASK_EVERY_MS)))
    }
}

#[cfg(test)]
mod tests;
