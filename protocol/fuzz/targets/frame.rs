//! Any bytes as a frame: they are refused, or are the one form of what they say.

#![no_main]

use libfuzzer_sys::fuzz_target;
use meshwork_protocol::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    // Most kinds and lengths are wrong at once, so a well-formed envelope is tried as well.
    let mut framed = vec![1];
    if let Some((kind, body)) = bytes.split_first() {
        framed.push(match kind % 13 {
            12 => 20,
            kind => 1 + kind,
        });
        let mut length = body.len();
        while length >= 0x80 {
            framed.push(length as u8 | 0x80);
            length >>= 7;
        }
        framed.push(length as u8);
        framed.extend(body);
    }
    for candidate in [bytes, &framed] {
        if let Some(again) = fuzzing::frame_again(candidate) {
            assert_eq!(again, candidate, "a second form is accepted");
        }
    }
});
