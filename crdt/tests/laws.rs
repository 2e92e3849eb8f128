//! The laws, on every type of the catalogue: random histories of three replicas, exhaustive small scopes,
//! hostile bytes. Every type is driven by its own table of operations, so a new one is tested by being there.

use std::collections::BTreeSet;

use meshwork_crdt::{
    Arg, Causal, DeltaError, Edit, HybridTime, Kind, LogId, LogTable, Node, Object, Operation,
    Shape, Value, Writer, laws,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// One step of a history: who, which operation, two small numbers, a place, and whom to hear from afterwards.
type Step = (u8, u8, u8, u8, u8, u8);

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = (0..3_u8, any::<u8>(), any::<u8>(), any::<u8>(), any::<u8>(), 0..7_u8);
    prop::collection::vec(step, 0..most)
}

/// The shapes under test: every kind; containers also with parts that count, that are text, that nest.
fn shapes() -> Vec<Shape> {
    let mut shapes: Vec<Shape> = Kind::ALL.into_iter().map(Shape::new).collect();
    for kind in Kind::ALL.into_iter().filter(|kind| kind.is_container()) {
        for part in [Kind::Counter, Kind::Text, Kind::Set, Kind::LwwMap, Kind::Record] {
            shapes.push(Shape::of(kind, Shape::new(part)));
        }
        shapes.push(Shape::of(kind, Shape::of(Kind::Map, Shape::new(Kind::MvRegister))));
    }
    shapes
}

/// An argument from a small domain, so that histories collide.
fn argument(arg: Arg, one: u8, two: u8) -> Value {
    match arg {
        Arg::Value => match one % 5 {
            0 => Value::Null,
            1 => Value::Bool(two.is_multiple_of(2)),
            2 => Value::from(f64::from(two % 3) / 2.0),
            3 => Value::Text(format!("v{}", two % 3)),
            _ => Value::Int(i64::from(two % 7) - 3),
        },
        Arg::Key => Value::Text(format!("k{}", one % 3)),
        Arg::Int => Value::Int(i64::from(one % 9) - i64::from(two % 5)),
        Arg::Count => Value::Int(i64::from(one % 4)),
        Arg::Index => Value::Int(i64::from(one % 6)),
        Arg::Text => Value::Text(["a", "bc", "déf", ""][usize::from(one % 4)].to_owned()),
        Arg::Time => Value::Int(i64::from(one % 16)),
    }
}

/// An edit of an object of a shape, as small numbers choose it.
fn edit(shape: &Shape, which: u8, one: u8, two: u8, place: u8) -> Edit {
    let mut path = Vec::new();
    let mut here = shape.clone();
    let mut place = place;
    loop {
        let inside = match (here.part(), here.kind()) {
            (Some(part), _) => Some(part.clone()),
            (None, Kind::Record) => {
                let kinds = [Kind::Register, Kind::Counter, Kind::Set, Kind::Text, Kind::Record];
                Some(Shape::new(kinds[usize::from(place / 4) % kinds.len()]))
            }
            _ => None,
        };
        let Some(inside) = inside.filter(|_| !place.is_multiple_of(4) && path.len() < 3) else {
            break;
        };
        path.push(match here.kind() {
            Kind::MovableList => Value::Int(i64::from(place % 2)),
            _ => Value::Text(format!("k{}", place % 2)),
        });
        here = inside;
        place /= 2;
    }
    let operations = here.kind().about().operations;
    let operation: &Operation = &operations[usize::from(which) % operations.len()];
    let arguments = operation.arguments.iter().enumerate().map(|(index, arg)| {
        let shift = u8::try_from(index).unwrap();
        argument(*arg, one.rotate_left(u32::from(shift)), two.wrapping_add(shift))
    });
    Edit::call(path, operation.name, arguments)
}

fn writer(who: u8, moment: usize, jitter: u8) -> Writer {
    let time = 1 + moment as u64 / 2 * 10 + u64::from(jitter % 3);
    Writer { log: LogId([who + 1; 16]), time: HybridTime(time) }
}

/// Three replicas, and every delta that was made, each by its writer.
struct History {
    replicas: [Object; 3],
    deltas: Vec<(Vec<u8>, LogTable)>,
}

/// Plays steps on three replicas that sometimes hear from each other.
fn play(shape: &Shape, steps: &[Step]) -> History {
    let mut replicas = [0, 1, 2].map(|_| Object::new(shape.clone()));
    let mut made = Vec::new();
    for (moment, (who, which, one, two, place, hear)) in steps.iter().enumerate() {
        let writer = writer(*who, moment, *one);
        let mut logs = LogTable::new(writer.log);
        let replica = &mut replicas[usize::from(*who)];
        let before = replica.clone();
        match replica.edit(&writer, &edit(shape, *which, *one, *two, *place), &mut logs) {
            Ok(deltas) => made.extend(deltas.into_iter().map(|delta| (delta, logs.clone()))),
            Err(_) => assert_eq!(*replica, before, "an edit that fails changes nothing"),
        }
        if *hear < 3 {
            let heard = replicas[usize::from(*hear)].clone();
            replicas[usize::from(*who)].join(heard);
        }
    }
    History { replicas, deltas: made }
}

/// What a value shows by key or index.
fn parts(value: &Value) -> Vec<(Value, Value)> {
    match value {
        Value::Map(map) => {
            map.iter().map(|(key, part)| (key.as_str().into(), part.clone())).collect()
        }
        Value::List(items) => (0..).map(Value::Int).zip(items.iter().cloned()).collect(),
        _ => Vec::new(),
    }
}

fn check_bytes(shape: &Shape, bytes: &[u8]) {
    if let Ok(object) = Object::decode_state(shape, bytes) {
        assert_eq!(
            object.encode_state(),
            bytes,
            "{shape}: a form that is not canonical is accepted"
        );
    }
}

/// A replica as a lattice of its own.
fn state(object: &Object) -> &Causal<Node> {
    object.state()
}

fn cases(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    })
}

#[test]
fn every_type_is_a_lattice_with_a_canonical_form() {
    for shape in shapes() {
        cases(96)
            .run(&steps(20), |steps| {
                let History { replicas: [a, b, c], .. } = play(&shape, &steps);
                let again = |object: &Object| {
                    let back = Object::decode_state(&shape, &object.encode_state());
                    assert_eq!(back.as_ref(), Ok(object), "{shape}: the state does not come back");
                    assert_eq!(back.map(|back| back.value()), Ok(object.value()), "{shape}");
                };
                let (x, y, z) = (state(&a), state(&b), state(&c));
                laws::lattice_triple(x, y, z);
                laws::digest_pair(x, y);
                for (here, there) in [(x, y), (y, z), (z, x)] {
                    laws::delta_since(here, there);
                }
                [&a, &b, &c].into_iter().for_each(again);
                let mut all = a.clone();
                all.join(b.clone());
                all.join(c.clone());
                again(&all);
                let told = all.explain(&[]).expect("the whole can be explained");
                assert_eq!(told.value, all.value(), "{shape}");
                for (key, part) in parts(&told.value) {
                    if let Some(found) = all.value_at(std::slice::from_ref(&key)) {
                        assert_eq!(found, part, "{shape}: {key} is found where it shows");
                        let _ = all.explain(&[key]);
                    }
                }
                Ok(())
            })
            .unwrap_or_else(|failure| panic!("{shape}: {failure}"));
    }
}

#[test]
fn replicas_converge_whatever_the_order_of_deltas_and_however_often_they_come() {
    for shape in shapes() {
        let history = (steps(20), prop::collection::vec(any::<u16>(), 0..48));
        cases(96)
            .run(&history, |(steps, order)| {
                let History { replicas: [a, b, c], deltas } = play(&shape, &steps);
                let mut all = a.clone();
                all.join(b);
                all.join(c);
                let mut other = Object::new(shape.clone());
                let some = order
                    .iter()
                    .filter_map(|at| deltas.get(usize::from(*at) % deltas.len().max(1)));
                for (delta, logs) in some.chain(deltas.iter().rev()) {
                    other.join_delta(delta, logs).expect("what a writer made is valid");
                }
                assert_eq!(
                    other, all,
                    "{shape}: deltas in the order {order:?} give something else"
                );
                assert_eq!(other.value(), all.value(), "{shape}");
                assert_eq!(other.digest(), all.digest(), "{shape}");
                for (delta, logs) in &deltas {
                    assert_eq!(other.join_delta(delta, logs), Ok(false), "{shape}: no news twice");
                }
                Ok(())
            })
            .unwrap_or_else(|failure| panic!("{shape}: {failure}"));
    }
}

/// Every state that some of a history's deltas amount to.
fn subsets(shape: &Shape, deltas: &[(Vec<u8>, LogTable)]) -> Vec<Object> {
    let mut states = vec![Object::new(shape.clone())];
    for (delta, logs) in deltas {
        for known in states.clone() {
            let mut state = known;
            state.join_delta(delta, logs).expect("what a writer made is valid");
            states.push(state);
        }
    }
    let mut known = BTreeSet::new();
    states.retain(|state| known.insert(state.digest()));
    states
}

#[test]
fn every_type_is_a_lattice_on_every_triple_of_a_small_scope() {
    for shape in shapes() {
        let mut seen = 0;
        let count = u8::try_from(shape.kind().about().operations.len()).unwrap();
        for (first, second) in (0..count).flat_map(|one| (0..count).map(move |two| (one, two))) {
            let place = second % 2;
            let steps = [
                (0, first, 1, 3, place, 6),
                (1, second, 1, 8, place, 0),
                (0, second, 6, 4, place, 6),
                (1, first, 1, 5, place, 6),
            ];
            let states = subsets(&shape, &play(&shape, &steps).deltas);
            seen = seen.max(states.len());
            for a in &states {
                for b in &states {
                    laws::digest_pair(state(a), state(b));
                    for c in &states {
                        laws::lattice_triple(state(a), state(b), state(c));
                    }
                }
            }
        }
        assert!(seen > 1, "{shape}: operations change something");
    }
}

#[test]
fn hostile_bytes_neither_panic_nor_pass_for_a_second_form() {
    for shape in shapes() {
        let hostile = (steps(12), any::<prop::sample::Index>(), any::<u8>(), any::<bool>());
        cases(160)
            .run(&hostile, |(steps, at, flip, longer)| {
                let History { replicas: [a, ..], deltas } = play(&shape, &steps);
                let mut bytes = a.encode_state();
                let at = at.index(bytes.len());
                check_bytes(&shape, &bytes[..at]);
                bytes[at] ^= flip;
                if longer {
                    bytes.insert(at, flip);
                }
                check_bytes(&shape, &bytes);
                if let Some((delta, logs)) = deltas.last() {
                    let mut delta = delta.clone();
                    let at = at % delta.len();
                    delta[at] ^= flip;
                    let mut victim = a.clone();
                    if victim.join_delta(&delta, logs).is_err() {
                        assert_eq!(victim, a, "{shape}: a void delta changes nothing");
                    }
                    let back = Object::decode_state(&shape, &victim.encode_state());
                    assert_eq!(back.as_ref(), Ok(&victim), "{shape}: a delta spoils the state");
                }
                Ok(())
            })
            .unwrap_or_else(|failure| panic!("{shape}: {failure}"));
        cases(256)
            .run(&prop::collection::vec(any::<u8>(), 0..80), |bytes| {
                check_bytes(&shape, &bytes);
                Ok(())
            })
            .unwrap();
    }
}

#[test]
fn a_delta_in_somebody_elses_name_is_void() {
    let (honest, forger) = (writer(0, 0, 0), LogId([9; 16]));
    for shape in shapes() {
        for which in 0..u8::try_from(shape.kind().about().operations.len()).unwrap() {
            for place in 0..4 {
                let mut logs = LogTable::new(forger);
                let edit = edit(&shape, which, 1, 3, place);
                let made = Object::new(shape.clone()).edit(&honest, &edit, &mut logs);
                for delta in made.unwrap_or_default() {
                    let mut victim = Object::new(shape.clone());
                    let result = victim.join_delta(&delta, &logs);
                    if logs.others().is_empty() {
                        assert_eq!(result, Ok(true), "{shape}: the delta names nobody");
                    } else {
                        assert_eq!(result, Err(DeltaError::NotTheAuthors), "{shape}: {edit:?}");
                        assert_eq!(victim, Object::new(shape.clone()), "{shape}");
                    }
                }
            }
        }
    }
}
