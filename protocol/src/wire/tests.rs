use proptest::prelude::*;

use super::*;

fn one_of_each() -> Vec<(&'static str, Frame)> {
    let (tag, log) = (Tag([7; 8]), LogId([9; 16]));
    let head = LogHead { log, seq: 300, hash: [3; 8] };
    let list = HeadList { from: LogId([0; 16]), to: LogId([255; 16]), heads: vec![head] };
    vec![
        ("010110" /* nonce */, Frame::Hello(Hello { nonce: [1; 16] })),
        ("010211", Frame::Claims(Claims { claims: vec![Claim([2; 16])] })),
        ("01030d", Frame::Operations(Operations { tag, ops: vec![Bytes(vec![1, 2, 3])] })),
        (
            "01045c",
            Frame::Heads(Heads { tag, frontier: [4; 16], membership: [5; 8], list: Some(list) }),
        ),
        ("01050e", Frame::Entries(Entries { tag, sent: 1 << 14, run: Bytes(vec![8, 9]) })),
        ("010623", Frame::Ack(Ack { tag, heads: vec![head] })),
        ("010703", Frame::Credit(Credit { granted: 1 << 14 })),
        ("010819", Frame::Spread(Spread { tag, log, eager: true })),
        ("010909", Frame::Refused(Refused { tag, reason: JoinRefusal::UsedUp })),
    ]
}

/// The bytes of every frame, pinned: a change here is a change of the protocol.
#[test]
fn frames_have_the_bytes_they_always_had() {
    let mut all = blake3::Hasher::new();
    for (start, frame) in one_of_each() {
        let bytes = frame.encode();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(hex.starts_with(start), "{frame:?} is {hex}");
        assert_eq!(Frame::decode(&bytes), Ok(Some(frame)));
        all.update(&bytes);
    }
    let ack = one_of_each().swap_remove(5).1.encode();
    let hex: String = ack.iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = format!("010623{}01{}ac02{}", "07".repeat(8), "09".repeat(16), "03".repeat(8));
    assert_eq!(hex, expected);
}

#[test]
fn every_shortened_or_lengthened_frame_is_malformed() {
    for (_, frame) in one_of_each() {
        let mut bytes = frame.encode();
        for end in 0..bytes.len() {
            assert!(Frame::decode(&bytes[..end]).is_err(), "{frame:?} cut at {end}");
        }
        bytes.push(0);
        assert_eq!(Frame::decode(&bytes), Err(Rejection::Malformed));
    }
}

#[test]
fn unknown_kinds_are_skipped_and_other_versions_refused() {
    assert_eq!(Frame::decode(&[1, 200, 2, 0, 0]), Ok(None));
    assert_eq!(Frame::decode(&[2, 1, 0]), Err(Rejection::WrongVersion));
    assert_eq!(Frame::decode(&[]), Err(Rejection::Malformed));
    assert_eq!(Frame::decode(&[1, 7, 0x81, 0x00, 5]), Err(Rejection::Malformed));
    assert_eq!(Frame::decode(&[1, 7, 2, 0x85, 0x00]), Err(Rejection::Malformed));
    let huge = vec![1; limits::FRAME_BYTES_MAX + 1];
    assert_eq!(Frame::decode(&huge), Err(Rejection::OverLimit));
}

#[test]
fn heads_out_of_order_or_out_of_bounds_are_refused() {
    let head = |log| LogHead { log: LogId([log; 16]), seq: 1, hash: [0; 8] };
    let frame = |from: u8, to: u8, heads| {
        let list = Some(HeadList { from: LogId([from; 16]), to: LogId([to; 16]), heads });
        Frame::Heads(Heads { tag: Tag([0; 8]), frontier: [0; 16], membership: [0; 8], list })
    };
    assert!(Frame::decode(&frame(0, 9, vec![head(1), head(2)]).encode()).is_ok());
    for wrong in [
        frame(0, 9, vec![head(2), head(1)]),
        frame(0, 9, vec![head(1), head(1)]),
        frame(2, 9, vec![head(1)]),
        frame(9, 0, vec![]),
    ] {
        assert_eq!(Frame::decode(&wrong.encode()), Err(Rejection::OverLimit));
    }
}

proptest! {
    #[test]
    fn any_bytes_decode_to_a_frame_or_a_rejection(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0..12_u8) {
        let mut framed = vec![1, kind];
        framed.push(u8::try_from(bytes.len() & 0x7f).unwrap());
        framed.extend_from_slice(&bytes);
        for candidate in [&bytes, &framed] {
            if let Ok(Some(frame)) = Frame::decode(candidate) {
                prop_assert_eq!(&frame.encode(), candidate);
            }
        }
    }
}
