//! What a note proves, and to whom it says anything.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::*;

const SPACE: Pseudonym = Pseudonym([3; 16]);

fn note(value: Option<&[u8]>) -> (Note, EpochKey) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let identity = Identity::generate(&mut rng);
    let key = EpochKey::from_bytes([5; 32]);
    let note = Note::seal(SPACE, &identity, (EpochId([2; 16]), &key), 7, value, &mut rng);
    (note, key)
}

#[test]
fn a_note_says_what_was_said_to_those_with_the_key_alone() {
    for value in [None, Some(b"".as_slice()), Some(b"here"), Some(&[9; 4_096])] {
        let (note, key) = note(value);
        assert!(note.verify(SPACE));
        assert_eq!(note.open(SPACE, &key), Some(value.map(<[u8]>::to_vec)));
        assert_eq!(note.open(SPACE, &EpochKey::from_bytes([6; 32])), None);
        assert!(note.ciphertext.0.len() <= limits::PRESENCE_CIPHERTEXT_BYTES_MAX);
    }
}

#[test]
fn a_note_is_bound_to_its_space_its_device_its_epoch_and_its_number() {
    let (note, key) = note(Some(b"here"));
    let other = Identity::generate(&mut ChaCha20Rng::seed_from_u64(2)).device();
    let changed = [
        Note { device: other, ..note.clone() },
        Note { epoch: EpochId([9; 16]), ..note.clone() },
        Note { number: 8, ..note.clone() },
        Note { nonce: [0; 24], ..note.clone() },
    ];
    for changed in changed {
        assert!(!changed.verify(SPACE));
        assert_eq!(changed.open(SPACE, &key), None);
    }
    assert!(!note.verify(Pseudonym([4; 16])));
    assert_eq!(note.open(Pseudonym([4; 16]), &key), None);
}

#[test]
fn sizes_of_notes_come_in_steps() {
    let sizes: std::collections::BTreeSet<usize> = (0..4_096_usize)
        .step_by(7)
        .map(|len| note(Some(&vec![1; len])).0.ciphertext.0.len())
        .collect();
    assert!(sizes.len() < 30, "{sizes:?}");
}

#[test]
fn a_number_that_is_known_is_never_news_again() {
    let (note, _) = note(Some(b"here"));
    let mut presences = Presences::default();
    assert!(presences.is_news(&note));
    assert!(presences.take(note.clone(), Some(b"here".to_vec()), Time(100), None));
    assert!(!presences.is_news(&note));
    assert_eq!(presences.expire(Time(99)), []);
    assert_eq!(presences.expire(Time(100)), [note.device]);
    assert_eq!(presences.expire(Time(100)), []);
    assert!(!presences.is_news(&note));
}
