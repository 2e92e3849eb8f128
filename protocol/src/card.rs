//! Whom a device belongs to: a member's root key certifies devices, and certified devices certify others.
//!
//! A [`DeviceCard`] shows by a chain of signatures, from the root down, that a device is one of a member's.
//! The root key lives in the recovery phrase alone. Deliberately not here: what a member may do, and which
//! devices have been revoked; a space's roster says so.

use serde::{Deserialize, Serialize};

use crate::entry::Signature;
use crate::identity;
use crate::ids::{DeviceId, MemberId};
use crate::limits;

const DEVICE_SIGNED: &[u8] = b"meshwork device 1";

/// A device's public keys and whose it is, as others see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeviceCard {
    pub device: DeviceId,
    /// X25519 key that epoch keys are wrapped to.
    pub kem: [u8; 32],
    pub member: MemberId,
    pub certificate: Certificate,
}

/// How the member's root vouches for a device: by itself, or by way of other devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Certificate {
    /// The devices between the root and this one, the one certified by the root first.
    pub via: Vec<Voucher>,
    /// By the last of `via`, or by the root.
    pub signature: Signature,
}

/// One certified device in between.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Voucher {
    pub device: DeviceId,
    pub kem: [u8; 32],
    pub signature: Signature,
}

impl DeviceCard {
    /// The card of a device that `signer` vouches for. With `by` none the signer is the member's root.
    pub(crate) fn certify(
        member: MemberId,
        by: Option<&Self>,
        device: DeviceId,
        kem: [u8; 32],
        sign: impl FnOnce(&[u8]) -> [u8; 64],
    ) -> Self {
        let via = by.map_or_else(Vec::new, |by| {
            let mut via = by.certificate.via.clone();
            let signature = by.certificate.signature;
            via.push(Voucher { device: by.device, kem: by.kem, signature });
            via
        });
        let signer = by.map_or(member.0, |by| by.device.0);
        let signature = Signature::new(sign(&statement(member, &signer, device, &kem)));
        Self { device, kem, member, certificate: Certificate { via, signature } }
    }

    /// The device that vouches for this one; none if the member's root does.
    pub(crate) fn certifier(&self) -> Option<DeviceId> {
        self.certificate.via.last().map(|voucher| voucher.device)
    }

    /// Whether the chain of signatures leads from the member's root to this device.
    pub(crate) fn certified(&self) -> bool {
        if self.certificate.via.len() > limits::VOUCHERS_MAX {
            return false;
        }
        let mut signer = self.member.0;
        let via = self.certificate.via.iter().map(|v| (v.device, v.kem, v.signature));
        let own = (self.device, self.kem, self.certificate.signature);
        via.chain([own]).all(|(device, kem, signature)| {
            let message = statement(self.member, &signer, device, &kem);
            let proven = identity::verify(&signer, &message, &signature.bytes());
            signer = device.0;
            proven
        })
    }
}

fn statement(member: MemberId, signer: &[u8; 32], device: DeviceId, kem: &[u8; 32]) -> Vec<u8> {
    let mut message = DEVICE_SIGNED.to_vec();
    message.extend_from_slice(&member.0);
    message.extend_from_slice(signer);
    message.extend_from_slice(&device.0);
    message.extend_from_slice(kem);
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    fn identity(seed: u64) -> Identity {
        Identity::generate(&mut ChaCha20Rng::seed_from_u64(seed))
    }

    #[test]
    fn a_chain_from_the_root_is_believed_and_no_other() {
        let (one, two, three) = (identity(1), identity(2), identity(3));
        let first = one.card();
        assert!(first.certified());
        let second = one.certify(two.device(), two.kem_public());
        assert!(second.certified());
        assert_eq!((second.member, second.certificate.via.len()), (first.member, 1));
        let third = DeviceCard::certify(
            first.member,
            Some(&second),
            three.device(),
            three.kem_public(),
            |message| two.sign(message),
        );
        assert!(third.certified());

        let mut stolen = third.clone();
        stolen.device = identity(4).device();
        assert!(!stolen.certified());
        let mut other_key = third.clone();
        other_key.kem = [9; 32];
        assert!(!other_key.certified());
        let mut shortened = third.clone();
        shortened.certificate.via.remove(0);
        assert!(!shortened.certified());
        let mut foreign = first;
        foreign.member = two.card().member;
        assert!(!foreign.certified());
    }
}
