use proptest::prelude::*;

use super::*;

fn device(n: u8) -> DeviceId {
    DeviceId([n; 32])
}

fn log(n: u8) -> LogId {
    LogId([n; 16])
}

/// Something that is learnt about a device, or a device that is no member any more.
#[derive(Clone, Copy, Debug)]
enum Learnt {
    Said(u8, u8, u64, Word),
    Removed(u8),
}

fn learnt() -> impl Strategy<Value = Learnt> {
    let word = prop_oneof![Just(Word::AtLeast), Just(Word::Exactly), Just(Word::Past)];
    prop_oneof![
        20 => (0..5_u8, 0..4_u8, 0..30_u64, word)
            .prop_map(|(device, log, seq, word)| Learnt::Said(device, log, seq, word)),
        1 => (0..5_u8).prop_map(Learnt::Removed),
    ]
}

/// What a device holds of a log by everything that was said: the last word that told all, and whatever more
/// was said after it.
fn by_the_book(history: &[Learnt], device: u8, log: u8) -> u64 {
    let mut held = 0;
    for learnt in history {
        match learnt {
            Learnt::Said(d, l, seq, Word::Exactly) if (*d, *l) == (device, log) => held = *seq,
            Learnt::Said(d, l, seq, _) if (*d, *l) == (device, log) => held = held.max(*seq),
            Learnt::Removed(d) if *d == device => held = 0,
            _ => {}
        }
    }
    held
}

proptest! {
    #[test]
    fn what_is_stable_is_what_the_slowest_member_is_known_to_hold(
        history in proptest::collection::vec(learnt(), 0..120),
    ) {
        let mut held = Held::default();
        let mut members: Vec<u8> = (0..5).collect();
        for learnt in &history {
            match learnt {
                Learnt::Said(d, l, seq, word) => {
                    held.note(device(*d), log(*l), *seq, *word);
                }
                Learnt::Removed(d) => {
                    members.retain(|member| member != d);
                    let gone = device(*d);
                    held.keep(|device| device != gone);
                }
            }
        }
        let ids: Vec<DeviceId> = members.iter().map(|n| device(*n)).collect();
        let found = stable(&ids, (0..4).map(log), |device, log| held.get(device, log));
        for l in 0..4 {
            let least = members.iter().map(|d| by_the_book(&history, *d, l)).min().unwrap_or(0);
            prop_assert_eq!(found[&log(l)], least);
        }
        let counted = held.by.values().map(BTreeMap::len).sum::<usize>();
        prop_assert_eq!(held.len(), counted);
    }

    /// Devices write, and pass what they hold to one another; one of them watches. What it takes for stable is
    /// held by every device, whatever it has heard and in whatever order it heard it.
    #[test]
    fn nothing_is_taken_for_stable_that_some_member_lacks(
        steps in proptest::collection::vec((0..4_usize, 0..4_usize, 0..3_u8), 1..200),
    ) {
        let mut truth = [[0_u64; 4]; 4];
        let mut held = Held::default();
        let mut on_their_way: Vec<(usize, usize, u64, Word)> = Vec::new();
        for (a, b, what) in steps {
            match what {
                // Writes an entry that names all it holds.
                0 => {
                    truth[a][a] += 1;
                    let past = (0..4).map(|l| (a, l, truth[a][l], Word::Past));
                    on_their_way.extend(past);
                }
                // Takes over what another holds, and says so.
                1 => {
                    let other = truth[b];
                    for (l, (mine, theirs)) in truth[a].iter_mut().zip(other).enumerate() {
                        *mine = theirs.max(*mine);
                        on_their_way.push((a, l, *mine, Word::AtLeast));
                    }
                }
                // Something that was said reaches the one who watches.
                _ if !on_their_way.is_empty() => {
                    let place = (a * 4 + b) % on_their_way.len();
                    let (d, l, seq, word) = on_their_way.swap_remove(place);
                    held.note(device(d as u8), log(l as u8), seq, word);
                }
                _ => {}
            }
            let all: Vec<DeviceId> = (0..4).map(device).collect();
            let found = stable(&all, (0..4).map(log), |device, log| held.get(device, log));
            for l in 0..4_u8 {
                let least = truth.iter().map(|holds| holds[usize::from(l)]).min().unwrap_or(0);
                prop_assert!(found[&log(l)] <= least);
            }
        }
    }
}

#[test]
fn no_more_is_remembered_than_the_limit_allows() {
    let mut held = Held::default();
    let mut id = LogId([0; 16]);
    for n in 0..=limits::HELD_HEADS_MAX as u64 {
        id.0[..8].copy_from_slice(&n.to_be_bytes());
        held.note(device(1), id, 1, Word::AtLeast);
    }
    assert_eq!(held.len(), limits::HELD_HEADS_MAX);
    assert_eq!(held.get(device(1), id), 0, "there was no room for the last");
    assert!(held.note(device(1), LogId([0; 16]), 2, Word::AtLeast), "what is there still grows");
    held.keep(|_| false);
    assert_eq!(held.len(), 0);
}
