use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::*;

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

const SPACE: SpaceId = SpaceId([5; 32]);
const BIRTH: EpochBirth = EpochBirth { log: LogId([6; 16]), seq: 1 };

#[test]
fn a_wrapped_key_opens_for_its_device_alone() {
    let (ann, bob) = (Identity::generate(&mut rng(1)), Identity::generate(&mut rng(2)));
    let key = EpochKey::generate(&mut rng(3));
    let epoch = key.id(SPACE, BIRTH);
    let wrap = key.wrap(SPACE, epoch, &ann.kem_public(), &mut rng(4)).unwrap();
    assert_eq!(wrap.len(), WRAP_BYTES);
    let opened = EpochKey::unwrap(&wrap, SPACE, epoch, BIRTH, &ann).unwrap();
    assert_eq!(opened.to_bytes(), key.to_bytes());
    assert!(EpochKey::unwrap(&wrap, SPACE, epoch, BIRTH, &bob).is_none());
    assert!(EpochKey::unwrap(&wrap, SpaceId([0; 32]), epoch, BIRTH, &ann).is_none());
}

/// Handing different keys to different members under one epoch id must fail for one of them.
#[test]
fn a_wrap_of_another_key_does_not_pass_for_the_epoch() {
    let ann = Identity::generate(&mut rng(1));
    let (real, other) = (EpochKey::generate(&mut rng(3)), EpochKey::generate(&mut rng(4)));
    let epoch = real.id(SPACE, BIRTH);
    let wrap = other.wrap(SPACE, epoch, &ann.kem_public(), &mut rng(5)).unwrap();
    assert!(EpochKey::unwrap(&wrap, SPACE, epoch, BIRTH, &ann).is_none());
}

#[test]
fn a_sealed_entry_opens_only_in_its_place() {
    let key = EpochKey::generate(&mut rng(3));
    let sender = key.sender(LogId([1; 16]));
    let sealed = sender.seal(7, b"words", b"here");
    assert_eq!(sender.open(7, &sealed, b"here").unwrap(), b"words");
    assert!(sender.open(8, &sealed, b"here").is_none());
    assert!(sender.open(7, &sealed, b"there").is_none());
    assert!(key.sender(LogId([2; 16])).open(7, &sealed, b"here").is_none());
}

#[test]
fn a_row_at_rest_opens_only_under_its_key_and_on_its_device() {
    let (ann, bob) = (Identity::generate(&mut rng(1)), Identity::generate(&mut rng(2)));
    let sealed = AtRest::new(&ann).seal(b"row", b"content", &mut rng(3));
    assert_eq!(AtRest::new(&ann).open(b"row", &sealed).unwrap().as_slice(), b"content");
    assert!(AtRest::new(&ann).open(b"other", &sealed).is_none());
    assert!(AtRest::new(&bob).open(b"row", &sealed).is_none());
    assert!(AtRest::new(&ann).open(b"row", &sealed[..10]).is_none());
}

/// Derivations, pinned: `docs/wire-format.md` says how they come about.
#[test]
fn derivations_give_what_they_always_gave() {
    let key = EpochKey::from_bytes([1; 32]);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let sealed = key.sender(LogId([2; 16])).seal(1, b"", b"");
    assert_eq!(hex(&sealed), "fa2cbdc57991053c1a8fe7ce08192224");
    assert_eq!(hex(&key.id(SPACE, BIRTH).0), "d4d5e5c15fa08e8aa532f1911657330f");
}

#[test]
fn an_identity_comes_back_from_its_bytes_and_from_no_others() {
    let identity = Identity::generate(&mut rng(1));
    let bytes = identity.to_bytes();
    let again = Identity::from_bytes(&bytes).unwrap();
    assert_eq!(again.device(), identity.device());
    assert_eq!(again.kem_public(), identity.kem_public());
    assert!(Identity::from_bytes(&bytes[1..]).is_none());
    assert!(Identity::from_bytes(&[]).is_none());
    let mut newer = bytes.to_vec();
    newer[0] = 9;
    assert!(Identity::from_bytes(&newer).is_none());
}
