//! Any bytes as a run, the plaintext of an entry, a ticket and an operation: they are refused, or are the one form
//! of what they say. And whatever is changed in what a member signed, it is not the member's any more.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use meshwork_protocol::fuzzing::{self, Script};
use meshwork_protocol::{DeviceId, Identity, LinkCode, Pseudonym, SpaceId, Ticket};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

const PSEUDONYM: Pseudonym = Pseudonym([1; 16]);

struct Samples {
    device: DeviceId,
    run: Vec<u8>,
    space: SpaceId,
    operations: Vec<Vec<u8>>,
}

static SAMPLES: LazyLock<Samples> = LazyLock::new(|| {
    let identity = Identity::generate(&mut ChaCha20Rng::seed_from_u64(1));
    let (space, operations) = fuzzing::signed_operations(&identity);
    let run = fuzzing::signed_run(PSEUDONYM, &identity, 5);
    let samples = Samples { device: identity.device(), run, space, operations };
    assert!(fuzzing::run_verifies(PSEUDONYM, samples.device, &samples.run));
    for operation in &samples.operations {
        assert!(fuzzing::operation_verifies(space, operation));
    }
    samples
});

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    match which % 6 {
        0 => arbitrary(bytes),
        1 => {
            for kind in 1..=4 {
                let mut framed = vec![1, kind];
                let mut length = bytes.len();
                while length >= 0x80 {
                    framed.push(length as u8 | 0x80);
                    length >>= 7;
                }
                framed.push(length as u8);
                framed.extend(bytes);
                arbitrary(&framed);
            }
        }
        2 => {
            let mut run = SAMPLES.run.clone();
            Script(bytes).mutate(&mut run);
            let accepted = fuzzing::run_verifies(PSEUDONYM, SAMPLES.device, &run);
            assert_eq!(accepted, run == SAMPLES.run);
            arbitrary(&run);
        }
        other => {
            let signed = &SAMPLES.operations;
            let mut operation = signed[usize::from(which / 6) % signed.len()].clone();
            // Cut and joined with another of the same author.
            if other == 3 && !bytes.is_empty() {
                let at = usize::from(bytes[0]) % operation.len();
                let from = &signed[usize::from(which / 24) % signed.len()];
                operation.truncate(at);
                operation.extend(from.get(at..).unwrap_or_default());
            } else {
                Script(bytes).mutate(&mut operation);
            }
            let accepted = fuzzing::operation_verifies(SAMPLES.space, &operation);
            assert_eq!(accepted, signed.contains(&operation));
            arbitrary(&operation);
        }
    }
});

fn arbitrary(bytes: &[u8]) {
    if let Some(again) = fuzzing::run_again(bytes) {
        assert_eq!(again, bytes, "a second form of a run is accepted");
    }
    if let Some(again) = fuzzing::body_again(bytes) {
        // Any number of zeros may follow: how many tells nothing.
        let (short, long) =
            if again.len() < bytes.len() { (&again[..], bytes) } else { (bytes, &again[..]) };
        let zeros = long[short.len()..].iter().all(|byte| *byte == 0);
        assert!(long.starts_with(short) && zeros, "a second form of a body is accepted");
    }
    if let Ok(ticket) = fuzzing::ticket_text(bytes).parse::<Ticket>() {
        assert_eq!(ticket.to_string(), fuzzing::ticket_text(bytes), "a second form of a ticket");
    }
    if let Ok(code) = fuzzing::code_text(bytes).parse::<LinkCode>() {
        assert_eq!(code.to_string(), fuzzing::code_text(bytes), "a second form of a code");
    }
    let _ = String::from_utf8_lossy(bytes).parse::<Ticket>();
    let _ = String::from_utf8_lossy(bytes).parse::<LinkCode>();
    let known = SAMPLES.operations.iter().any(|operation| operation == bytes);
    assert_eq!(fuzzing::operation_verifies(SAMPLES.space, bytes), known);
}
