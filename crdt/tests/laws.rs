//! The laws, on every type: random histories of three writers, exhaustive small scopes, hostile bytes.

use meshwork_crdt::laws;
use meshwork_crdt::{
    AwSet, CausalContext, Decode, DotRange, Encode, HybridTime, Lattice, LogId, LwwMap,
    LwwRegister, Max, PnCounter, Text, Value, VersionVector, Writer,
};
use proptest::prelude::*;

/// One step of a history: who, what (two small numbers), and whom to hear from afterwards.
type Step = (u8, u8, u8, u8);

/// Three replicas, what they are now, and every delta that was made.
type History<L> = ([L; 3], Vec<L>);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0..3_u8, any::<u8>(), any::<u8>(), 0..6_u8), 0..24)
}

/// Plays steps on three replicas that sometimes hear from each other.
fn play<L: Lattice + Clone + Default>(
    steps: &[Step],
    edit: impl Fn(&mut L, &Writer, u8, u8) -> Option<L>,
) -> History<L> {
    let mut replicas = [L::default(), L::default(), L::default()];
    let mut deltas = Vec::new();
    for (moment, (who, a, b, hear)) in steps.iter().enumerate() {
        let writer = Writer {
            log: LogId([who + 1; 16]),
            time: HybridTime(1 + moment as u64 / 2 * 10 + u64::from(*a) % 3),
        };
        deltas.extend(edit(&mut replicas[usize::from(*who)], &writer, *a, *b));
        if *hear < 3 {
            let heard = replicas[usize::from(*hear)].clone();
            replicas[usize::from(*who)].join(heard);
        }
    }
    (replicas, deltas)
}

fn check<L>(edit: impl Fn(&mut L, &Writer, u8, u8) -> Option<L> + Copy + 'static)
where
    L: Lattice + Encode + Decode + Clone + Default + PartialEq + std::fmt::Debug + 'static,
{
    let triples = steps().prop_map(move |steps| {
        let ([a, b, c], _) = play(&steps, edit);
        (a, b, c)
    });
    laws::random(256, triples);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(256));
    let histories = (steps(), prop::collection::vec(0..64_usize, 0..64));
    runner
        .run(&histories, |(steps, order)| {
            let ([mut state, b, c], deltas) = play(&steps, edit);
            state.join(b);
            state.join(c);
            laws::convergence(&state, &deltas, &order);
            Ok(())
        })
        .unwrap();
    let few: Vec<L> = (0..3_u8)
        .flat_map(|who| {
            (0..2_u8).map(move |what| {
                let log = LogId([who * 2 + what + 1; 16]);
                let writer = Writer { log, time: HybridTime(u64::from(who / 2)) };
                let mut state = L::default();
                edit(&mut state, &writer, what, who);
                edit(&mut state, &writer, what * 128, 1);
                state
            })
        })
        .chain([L::default()])
        .collect();
    laws::exhaustive(&few);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(2_000));
    runner
        .run(&prop::collection::vec(any::<u8>(), 0..80), |bytes| {
            laws::hostile_bytes::<L>(&bytes);
            Ok(())
        })
        .unwrap();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(256));
    runner
        .run(&(steps(), any::<prop::sample::Index>(), any::<u8>()), |(steps, at, flip)| {
            let ([state, ..], _) = play(&steps, edit);
            let mut bytes = meshwork_crdt::to_bytes(&state);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            laws::hostile_bytes::<L>(&bytes);
            laws::hostile_bytes::<L>(&bytes[..at]);
            Ok(())
        })
        .unwrap();
}

#[test]
fn last_writer_wins_register_is_lawful() {
    check::<LwwRegister<Value>>(|register, writer, a, _| {
        Some(register.set(writer, Value::Int(i64::from(a % 5))))
    });
}

#[test]
fn last_writer_wins_map_is_lawful() {
    check::<LwwMap<String, Value>>(|map, writer, a, b| {
        let key = format!("k{}", a % 3);
        Some(if b % 4 == 0 {
            map.remove(writer, &key)
        } else {
            map.put(writer, key, Value::from(i64::from(b)))
        })
    });
}

#[test]
fn counter_is_lawful_and_every_change_counts() {
    check::<PnCounter>(|counter, writer, a, b| {
        Some(counter.add(writer, i64::from(a) - i64::from(b)))
    });
    let mut runner = proptest::test_runner::TestRunner::default();
    runner
        .run(&steps(), |steps| {
            let expected: i64 =
                steps.iter().map(|(_, a, b, _)| i64::from(*a) - i64::from(*b)).sum();
            let ([mut all, b, c], _) = play(&steps, |counter: &mut PnCounter, writer, a, b| {
                Some(counter.add(writer, i64::from(a) - i64::from(b)))
            });
            all.join(b);
            all.join(c);
            prop_assert_eq!(all.value(), expected);
            Ok(())
        })
        .unwrap();
}

#[test]
fn add_wins_set_is_lawful() {
    check::<AwSet<Value>>(|set, writer, a, b| {
        let item = Value::Int(i64::from(a % 4));
        Some(if b % 3 == 0 { set.remove(&item) } else { set.add(writer, item) })
    });
}

#[test]
fn text_is_lawful() {
    check::<Text>(edit_text);
}

fn edit_text(text: &mut Text, writer: &Writer, a: u8, b: u8) -> Option<Text> {
    let at = usize::from(a) % (text.len() + 1);
    if b.is_multiple_of(4) && text.len() > at {
        text.delete(at, (text.len() - at).min(1 + usize::from(b) % 3))
    } else {
        let letters = ["x", "yz", "abc", "é"];
        text.insert(writer, at, letters[usize::from(b) % letters.len()])
    }
}

#[test]
fn version_vectors_and_contexts_are_lawful() {
    check::<VersionVector>(|versions, writer, a, _| {
        let mut delta = VersionVector::default();
        delta.raise(writer.log, u64::from(a) + 1);
        versions.join(delta.clone());
        Some(delta)
    });
    check::<CausalContext>(|context, writer, a, b| {
        let mut delta = CausalContext::default();
        let range =
            DotRange { log: writer.log, start: u64::from(a) % 20 + 1, len: u64::from(b) % 4 + 1 };
        delta.insert_range(range);
        context.join(delta.clone());
        Some(delta)
    });
}

/// Edits of a single writer give what the same edits give on a plain string; edits of several keep every
/// writer's characters in the writer's order.
#[test]
fn text_keeps_what_each_writer_meant() {
    let mut runner = proptest::test_runner::TestRunner::default();
    runner
        .run(&steps(), |steps| {
            let mut text = Text::default();
            let mut plain: Vec<char> = Vec::new();
            for (moment, (_, a, b, _)) in steps.iter().enumerate() {
                let writer = Writer { log: LogId([1; 16]), time: HybridTime(moment as u64) };
                let at = usize::from(*a) % (plain.len() + 1);
                let delete = (usize::from(*b) % 3).min(plain.len() - at);
                let insert: Vec<char> = format!("{b}").chars().collect();
                text.delete(at, delete).expect("the range is inside");
                let word: String = insert.iter().collect();
                text.insert(&writer, at, &word).expect("the place is inside");
                plain.splice(at..at + delete, insert);
                prop_assert_eq!(text.to_string(), plain.iter().collect::<String>());
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn concurrent_words_never_interleave_forwards_or_backwards() {
    let at = |log: u8| Writer { log: LogId([log; 16]), time: HybridTime(1) };
    let mut base = Text::default();
    base.insert(&at(9), 0, "[]");
    for backwards in [false, true] {
        let (mut one, mut two) = (base.clone(), base.clone());
        for (text, log, word) in [(&mut one, 1, "hello"), (&mut two, 2, "WORLD")] {
            for (n, c) in word.chars().enumerate() {
                let (index, c) =
                    if backwards { (1, word.chars().rev().nth(n).unwrap()) } else { (1 + n, c) };
                text.insert(&at(log), index, &c.to_string());
            }
        }
        let mut both = one.clone();
        both.join(two.clone());
        two.join(one);
        assert_eq!(both, two);
        assert_eq!(both.to_string(), two.to_string());
        let text = both.to_string();
        assert!(text == "[helloWORLD]" || text == "[WORLDhello]", "{text}");
    }
}

/// The display order is a function of the state, whatever way the state came about.
#[test]
fn the_order_of_a_text_does_not_depend_on_how_it_arrived() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(1_000));
    let histories = (steps(), prop::collection::vec(0..64_usize, 0..64));
    runner
        .run(&histories, |(steps, order)| {
            let ([mut all, b, c], deltas) = play(&steps, edit_text);
            all.join(b);
            all.join(c);
            let mut shuffled = Text::default();
            for index in order {
                if let Some(delta) = deltas.get(index % deltas.len().max(1)) {
                    shuffled.join(delta.clone());
                }
            }
            for delta in &deltas {
                shuffled.join(delta.clone());
            }
            prop_assert_eq!(shuffled.to_string(), all.to_string());
            let stored: Text = meshwork_crdt::from_bytes(&meshwork_crdt::to_bytes(&all)).unwrap();
            prop_assert_eq!(stored.to_string(), all.to_string());
            Ok(())
        })
        .unwrap();
}

#[test]
fn imports_of_one_content_are_one_and_a_long_one_is_quick() {
    let content: String = (0..200_000).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
    let (mut one, mut two) = (Text::default(), Text::default());
    one.import(&content);
    two.import(&content);
    assert!(!one.join(two));
    assert_eq!(one.to_string(), content);
    assert!(one.import("again").is_empty());
}

/// A register that keeps whatever comes last, without stamps, is no lattice; the laws say so.
#[test]
fn the_laws_reject_what_is_no_lattice() {
    #[derive(Clone, Debug, PartialEq)]
    struct LastHeard(u8);
    impl Lattice for LastHeard {
        fn join(&mut self, other: Self) -> bool {
            let grew = *self != other;
            *self = other;
            grew
        }
    }
    #[derive(Clone, Debug, PartialEq)]
    struct Sum(u64);
    impl Lattice for Sum {
        fn join(&mut self, other: Self) -> bool {
            self.0 += other.0;
            other.0 > 0
        }
    }
    let broken =
        |check: Box<dyn Fn() + std::panic::UnwindSafe>| std::panic::catch_unwind(check).is_err();
    assert!(broken(Box::new(|| {
        laws::lattice_triple(&LastHeard(1), &LastHeard(2), &LastHeard(3));
    })));
    assert!(broken(Box::new(|| laws::lattice_triple(&Sum(1), &Sum(2), &Sum(3)))));
    laws::lattice_triple(&Max(1), &Max(2), &Max(3));
}
