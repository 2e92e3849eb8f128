use proptest::prelude::*;

use super::*;

fn one_of_each() -> Vec<(&'static str, Frame)> {
    let (tag, log) = (Tag(7), LogId([9; 16]));
    let head = LogHead { log, seq: 300, hash: [3; 4] };
    let digest = [4; 8];
    let since = Detail::Since {
        base: [6; 4],
        membership: None,
        changed: vec![ChangedHead { number: 2, grown: 5, hash: [3; 4] }],
        new: vec![head],
    };
    let ranges = vec![
        Range { until: Some(LogId([8; 16])), holds: Holds::Unsaid },
        Range { until: Some(log), holds: Holds::Digest([1; 8]) },
        Range { until: None, holds: Holds::Heads { heads: vec![head], answer: true } },
    ];
    let ranges = Detail::Ranges { membership: [5; 8], ranges };
    let heads = |detail| Frame::Heads(Heads { tag, digest, detail });
    let (ciphertext, signature) = (Bytes(vec![1; 48]), Signature::new([2; 64]));
    vec![
        ("010110" /* nonce */, Frame::Hello(Hello { nonce: [1; 16] })),
        ("010211", Frame::Claims(Claims { claims: vec![Claim([2; 16])] })),
        ("010306", Frame::Operations(Operations { tag, ops: vec![Bytes(vec![1, 2, 3])] })),
        ("01040a", heads(Detail::None)),
        ("01042d", heads(since)),
        ("010459", heads(ranges)),
        (
            "010508",
            Frame::Entries(Entries { tag, number: 3, sent: 1 << 14, run: Bytes(vec![8, 9]) }),
        ),
        ("010618", Frame::Ack(Ack { tag, numbered: vec![(2, 300)], named: vec![(log, 300)] })),
        ("010704", Frame::Credit(Credit { granted: 1 << 14, sent: 9 })),
        ("010803", Frame::Spread(Spread { tag, number: 3, eager: true })),
        ("010902", Frame::Refused(Refused { tag, reason: JoinRefusal::UsedUp })),
        (
            "011208",
            Frame::Snapshot(Snapshot {
                tag,
                about: Bringing::Part { sent: 1 << 14, part: Bytes(vec![8, 9]) },
            }),
        ),
        ("011302", Frame::History(History { tag, wants: Vec::new() })),
        ("010a74", Frame::Next(Next { tag, number: 3, low: 255, ciphertext, signature })),
        ("01040a", heads(Detail::Unchanged)),
    ]
}

/// The bytes of every frame, pinned: a change here is a change of the protocol.
#[test]
fn frames_have_the_bytes_they_always_had() {
    for (start, frame) in one_of_each() {
        let bytes = frame.encode();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(hex.starts_with(start), "{frame:?} is {hex}");
        assert_eq!(Frame::decode(&bytes), Ok(Some(frame)));
    }
    let hex = |frame: &Frame| -> String {
        frame.encode().iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let all = one_of_each();
    let since = format!(
        "01042d07{}0106060606000102050303030301{}ac0203030303",
        "04".repeat(8),
        "09".repeat(16)
    );
    assert_eq!(hex(&all[4].1), since);
    assert_eq!(hex(&all[7].1), format!("010618070102ac0201{}ac02", "09".repeat(16)));
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
    let head = |log| LogHead { log: LogId([log; 16]), seq: 1, hash: [0; 4] };
    let ranges = |parts: Vec<(Option<u8>, Vec<LogHead>)>| {
        let ranges = parts.into_iter().map(|(until, heads)| Range {
            until: until.map(|until| LogId([until; 16])),
            holds: Holds::Heads { heads, answer: false },
        });
        let detail = Detail::Ranges { membership: [0; 8], ranges: ranges.collect() };
        Frame::Heads(Heads { tag: Tag(0), digest: [0; 8], detail })
    };
    let right = ranges(vec![(Some(2), vec![head(0), head(1)]), (None, vec![head(2), head(9)])]);
    assert!(Frame::decode(&right.encode()).is_ok());
    for wrong in [
        ranges(vec![(None, vec![head(2), head(1)])]),
        ranges(vec![(None, vec![head(1), head(1)])]),
        ranges(vec![(Some(2), vec![head(2)])]),
        ranges(vec![(Some(2), vec![]), (None, vec![head(1)])]),
        ranges(vec![(Some(2), vec![]), (Some(2), vec![])]),
        ranges(vec![(None, vec![]), (None, vec![])]),
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
