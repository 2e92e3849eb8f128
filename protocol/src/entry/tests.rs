use meshwork_crdt::HybridTime;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::*;
use crate::keyring::EpochKey;

const SPACE: Pseudonym = Pseudonym([1; 16]);
const EPOCH: EpochId = EpochId([2; 16]);

struct Author {
    identity: Identity,
    opening: LogOpening,
    key: EpochKey,
    head: Head,
    voice: Voice,
}

impl Author {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let identity = Identity::generate(&mut rng);
        let opening = LogOpening { device: identity.device(), incarnation: seed };
        Self {
            identity,
            opening,
            key: EpochKey::generate(&mut rng),
            head: Head::NONE,
            voice: Voice::default(),
        }
    }

    fn log(&self) -> LogId {
        self.opening.log(SPACE)
    }

    fn write(&mut self) -> SealedRun {
        let body =
            Body { logs: vec![], deps: vec![], time: HybridTime(self.head.seq), parts: vec![] };
        let key = self.key.sender(self.log());
        let (plain, voice) = body.to_padded_bytes(EPOCH, &self.voice);
        self.voice = voice;
        let run = VerifiedRun::seal(
            SPACE,
            self.opening,
            self.head,
            EPOCH,
            AuthRef([3; 8]),
            &plain,
            &key,
            &self.identity,
        );
        self.head = run.head();
        SealedRun::decode(&run.to_bytes()).unwrap()
    }

    /// One run of several entries.
    fn write_run(&mut self, entries: usize) -> SealedRun {
        let mut run = self.write();
        for _ in 1..entries {
            run.extend(self.write()).unwrap();
        }
        run
    }
}

/// A well-formed run of one entry that nobody signed.
pub(crate) fn unsigned(log: LogId, first: u64) -> Vec<u8> {
    let entry =
        SealedEntry { under: Some((EPOCH, AuthRef([0; 8]))), ciphertext: Bytes(vec![1; 20]) };
    let signature = Signature::new([0; 64]);
    SealedRun { log, opening: None, first, entries: vec![entry], signature }.to_bytes()
}

#[test]
fn one_signature_proves_a_whole_run() {
    let mut author = Author::new(1);
    let run = author.write_run(20);
    let bytes = run.to_bytes();
    let received = SealedRun::decode(&bytes).unwrap();
    let verified = received.verify(SPACE, Head::NONE, author.opening.device).unwrap();
    assert_eq!(verified.head(), author.head);
    assert_eq!(verified.to_bytes(), bytes);
    let mut keys = Keyring::default();
    assert!(matches!(verified.open(SPACE, 5, &mut keys, &Voice::default()), Opening::NoKey));
    keys.insert(EPOCH, author.key.clone());
    let mut voice = Voice::default();
    for seq in 1..=20 {
        let Opening::Opened(opened) = verified.open(SPACE, seq, &mut keys, &voice) else {
            panic!("entry {seq} does not open");
        };
        voice = opened.voice;
        assert_eq!((opened.seq, opened.body.time), (seq, HybridTime(seq - 1)));
    }
    assert!(matches!(verified.open(SPACE, 21, &mut keys, &voice), Opening::Unreadable));
}

#[test]
fn a_run_is_refused_out_of_place_or_in_anothers_name() {
    let mut author = Author::new(1);
    let first = author.write_run(2);
    let before = author.head;
    let second = author.write_run(2);
    let device = author.opening.device;
    assert!(second.clone().verify(SPACE, before, device).is_ok());
    assert!(second.clone().verify(SPACE, Head::NONE, device).is_err());
    let elsewhere = Head { seq: before.seq, hash: EntryHash([9; 32]) };
    assert!(second.clone().verify(SPACE, elsewhere, device).is_err());
    assert!(second.clone().verify(Pseudonym([8; 16]), before, device).is_err());
    assert!(second.verify(SPACE, before, Author::new(2).opening.device).is_err());
    assert!(first.verify(SPACE, Head::NONE, device).is_ok());
}

#[test]
fn a_later_part_of_a_run_stands_on_its_own() {
    let mut author = Author::new(1);
    let run = author.write_run(10);
    let whole = run.clone().verify(SPACE, Head::NONE, author.opening.device).unwrap();
    for seq in 2..=10 {
        let part = run.clone().starting_at(seq).unwrap();
        let before = Head { seq: seq - 1, hash: whole.hash_at(seq - 1).unwrap() };
        let part = SealedRun::decode(&part.to_bytes()).unwrap();
        let part = part.verify(SPACE, before, author.opening.device).unwrap();
        assert_eq!(part.head(), author.head);
    }
    assert!(run.starting_at(11).is_none());
}

proptest! {
    /// Whatever single byte of a run is changed, it is not accepted as the author's.
    #[test]
    fn a_changed_byte_is_never_accepted(at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        let mut author = Author::new(1);
        let mut bytes = author.write_run(3).to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let accepted = SealedRun::decode(&bytes)
            .and_then(|run| run.verify(SPACE, Head::NONE, author.opening.device));
        prop_assert!(accepted.is_err());
    }

    #[test]
    fn any_bytes_decode_to_a_run_or_a_rejection(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = SealedRun::decode(&bytes);
        prop_assert!(Body::from_padded_bytes(&bytes, EPOCH, &Voice::default()).is_none() || bytes.len() > 3);
    }
}

#[test]
fn bodies_are_padded_to_buckets() {
    let body = |name: usize| Body {
        logs: vec![],
        deps: vec![],
        time: HybridTime(1),
        parts: vec![crate::body::Part {
            object: crate::ids::ObjectId([0; 16]),
            change: crate::body::Change::Rename { name: "x".repeat(name), time: HybridTime(1) },
        }],
    };
    let mut sizes = std::collections::BTreeSet::new();
    for name in 0..500 {
        let (padded, voice) = body(name).to_padded_bytes(EPOCH, &Voice::default());
        let read = Body::from_padded_bytes(&padded, EPOCH, &Voice::default());
        assert_eq!(read, Some((body(name), voice)));
        let (again, _) = body(name).to_padded_bytes(EPOCH, &voice);
        assert!(again.len() <= padded.len());
        let read = Body::from_padded_bytes(&again, EPOCH, &voice);
        assert_eq!(read.map(|(body, _)| body), Some(body(name)));
        sizes.insert(padded.len());
    }
    assert!(sizes.len() < 16, "{sizes:?}");
}
