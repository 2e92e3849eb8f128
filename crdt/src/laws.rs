//! What must hold of every type, as functions to call from tests: of ours, and of yours.
//!
//! Random: give a strategy of states (and deltas) and each law is checked by proptest. Exhaustive: give a few
//! items and every pair and triple of them is checked. A law that fails panics with the values that break it.

use std::fmt::Debug;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::codec::{Decode, Encode, digest, from_bytes, to_bytes};
use crate::datum::Datum;
use crate::lattice::Lattice;
use crate::policy::{Candidate, Resolver};
use crate::store::{Causal, DotStore};

fn joined<L: Lattice>(one: &L, other: &L) -> L {
    let mut result = one.clone();
    result.join(other.clone());
    result
}

/// Checks associativity, commutativity, idempotence and honest growth on one triple.
///
/// # Panics
/// If a law is broken.
pub fn lattice_triple<L: Lattice + Debug>(a: &L, b: &L, c: &L) {
    assert_eq!(joined(a, b), joined(b, a), "join is not commutative on {a:?} and {b:?}");
    assert_eq!(
        joined(&joined(a, b), c),
        joined(a, &joined(b, c)),
        "join is not associative on {a:?}, {b:?} and {c:?}"
    );
    let mut same = a.clone();
    assert!(!same.join(a.clone()), "joining {a:?} with itself reports growth");
    assert_eq!(&same, a, "join is not idempotent on {a:?}");
    let mut grown = a.clone();
    let grew = grown.join(b.clone());
    assert_eq!(grew, grown != *a, "growth is misreported joining {b:?} into {a:?}");
    assert!(!grown.join(b.clone()), "join does not keep {b:?} in {a:?}");
}

/// Checks that the canonical form comes back, and is the only one, on one value.
///
/// # Panics
/// If a law is broken.
pub fn codec_value<T: Encode + Decode + PartialEq + Debug>(value: &T) {
    let bytes = to_bytes(value);
    let back = from_bytes::<T>(&bytes).expect("what was encoded decodes");
    assert_eq!(&back, value, "decoding does not give the value back");
    assert_eq!(to_bytes(&back), bytes, "the encoding is not canonical");
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(from_bytes::<T>(&longer).is_err(), "trailing bytes are accepted after {value:?}");
    // The same with one more log in the table than the value mentions.
    if let Some((count, rest)) = bytes.split_first().filter(|(count, _)| **count < 0x7f) {
        let (table, body) = rest.split_at(usize::from(*count) * 16);
        let unused = [&[count + 1], table, &[0xfe; 16], body].concat();
        assert!(from_bytes::<T>(&unused).is_err(), "a log nobody mentions is accepted: {value:?}");
    }
}

/// Checks that equal values have equal digests, and different ones different digests.
///
/// # Panics
/// If a law is broken.
pub fn digest_pair<T: Encode + PartialEq + Debug>(a: &T, b: &T) {
    assert_eq!(a == b, digest(a) == digest(b), "digests of {a:?} and {b:?} mislead");
}

/// Checks every law on every triple of a few items.
///
/// # Panics
/// If a law is broken.
pub fn exhaustive<L>(items: &[L])
where
    L: Lattice + Encode + Decode + Debug,
{
    for a in items {
        codec_value(a);
        for b in items {
            digest_pair(a, b);
            for c in items {
                lattice_triple(a, b, c);
            }
        }
    }
}

/// Checks every law on `cases` random triples of states.
///
/// # Panics
/// If a law is broken; proptest shrinks what breaks it.
pub fn random<L>(cases: u32, states: impl Strategy<Value = (L, L, L)>)
where
    L: Lattice + Encode + Decode + Debug,
{
    let mut runner = TestRunner::new(ProptestConfig::with_cases(cases));
    runner
        .run(&states, |(a, b, c)| {
            lattice_triple(&a, &b, &c);
            codec_value(&a);
            digest_pair(&joined(&a, &b), &joined(&b, &a));
            digest_pair(&a, &b);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

/// Checks that `state`, the sum of `deltas` as their writers made them, is what anyone gets who joins the
/// deltas in the order of `order`, some of them twice.
///
/// # Panics
/// If a replica ends up elsewhere.
pub fn convergence<L>(state: &L, deltas: &[L], order: &[usize])
where
    L: Lattice + Debug,
{
    let mut replica = L::default();
    for index in order {
        if let Some(delta) = deltas.get(index % deltas.len().max(1)) {
            replica.join(delta.clone());
        }
    }
    for delta in deltas.iter().rev() {
        replica.join(delta.clone());
    }
    assert_eq!(&replica, state, "deltas in the order {order:?} do not give the state");
}

/// Checks that decoding any bytes neither panics nor accepts a form that is not canonical.
///
/// # Panics
/// If a law is broken.
pub fn hostile_bytes<T: Encode + Decode>(bytes: &[u8]) {
    if let Ok(value) = from_bytes::<T>(bytes) {
        assert_eq!(to_bytes(&value), bytes, "a form that is not canonical is accepted");
    }
}

/// Checks that a delta since what another replica has seen brings it as far as the whole state would. Both
/// must be replicas of one history, each of which has taken in all it has seen.
///
/// # Panics
/// If the law is broken.
pub fn delta_since<S>(here: &Causal<S>, there: &Causal<S>)
where
    S: DotStore + Debug,
{
    let mut by_delta = there.clone();
    by_delta.join(here.since(there.seen()));
    let by_state = joined(there, here);
    assert_eq!(by_delta, by_state, "the delta of {here:?} since {there:?} says something else");
}

/// Checks that a datum comes back from its value, and that the order of two data is that of their values.
///
/// # Panics
/// If a law is broken.
pub fn datum_pair<T: Datum>(a: &T, b: &T) {
    for datum in [a, b] {
        let back = T::from_value(&datum.to_value());
        assert_eq!(back.as_ref(), Some(datum), "{datum:?} does not come back from its value");
    }
    let (one, two) = (a.to_value(), b.to_value());
    assert_eq!(a.cmp(b), one.cmp(&two), "{a:?} and {b:?} are in another order than their values");
}

/// Checks that a resolver's answer does not depend on the order of the candidates, and that one candidate
/// alone is the answer.
///
/// # Panics
/// If a law is broken.
pub fn resolver<T: Datum>(resolver: &impl Resolver<T>, candidates: &[Candidate<'_, T>]) {
    let Some(first) = candidates.first() else { return };
    let answer = resolver.resolve(candidates);
    let mut turned = candidates.to_vec();
    for _ in candidates {
        turned.rotate_left(1);
        assert_eq!(resolver.resolve(&turned), answer, "the order of {candidates:?} matters");
        let mut swapped = turned.clone();
        swapped.reverse();
        assert_eq!(resolver.resolve(&swapped), answer, "the order of {candidates:?} matters");
    }
    let alone = resolver.resolve(std::slice::from_ref(first));
    assert_eq!(&alone, first.value, "one candidate alone is not the answer");
}
