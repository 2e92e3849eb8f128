//! The parts of the algebra on their own: the laws on random and on all small values, what each of them means,
//! and that the law functions catch what is no lattice.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use meshwork_crdt::algebra::{
    Anti, Lex, Max, Min, Or, Own, Pair, Partial, Point, Ranges, UnionFind, WithBottom, WithTop,
};
use meshwork_crdt::{
    Candidate, CausalContext, Change, Datum, Decode, DecodeError, Decoder, Dot, DotRange, Encode,
    Encoder, Float, HybridTime, Lattice, LogId, Policy, Resolver, Stamp, Value, VersionVector,
    Writer, laws,
};
use proptest::prelude::*;

fn stamp(time: u8, log: u8) -> Stamp {
    Stamp { time: HybridTime::at(u64::from(time)), log: LogId([log; 16]) }
}

#[test]
fn primitives_are_lattices_on_all_small_values() {
    let numbers = || [None, Some(-1_i64), Some(0), Some(2)];
    laws::exhaustive(&numbers().map(Max));
    laws::exhaustive(&numbers().map(Min));
    laws::exhaustive(&[false, true].map(Or));
    laws::exhaustive(&[Point::Unknown, Point::Agreed(1_i64), Point::Agreed(2), Point::Conflict]);
    laws::exhaustive(&[()]);
    let sets: Vec<BTreeSet<u8>> =
        (0..8_u8).map(|bits| (0..3).filter(|bit| bits >> bit & 1 == 1).collect()).collect();
    laws::exhaustive(&sets);
    let ranges = [(0, 0), (0, 1), (1, 2), (0, 3), (5, 6), (i64::MIN, i64::MAX)];
    let mut all: Vec<Ranges> = ranges.map(|(start, end)| Ranges::of(start, end)).to_vec();
    let mut apart = Ranges::of(0, 1);
    apart.join(Ranges::of(5, 6));
    all.push(apart);
    laws::exhaustive(&all);
    let pairs = [(1, 1), (1, 2), (2, 3), (4, 5)].map(|(one, two)| UnionFind::of(one, two));
    let mut partitions = pairs.to_vec();
    for pair in pairs {
        let mut both = UnionFind::of(1_u8, 4);
        both.join(pair);
        partitions.push(both);
    }
    laws::exhaustive(&partitions);
}

#[test]
fn combinators_are_lattices_on_all_small_values() {
    let max = || [None, Some(1_i64), Some(2)].map(Max);
    laws::exhaustive(&max().map(|one| Pair(one, Or(one.0 == Some(2)))));
    let ranked = [None, Some(1_u64), Some(2)]
        .into_iter()
        .flat_map(|rank| max().map(|value| Lex(rank.map(|rank| (rank, value)))));
    laws::exhaustive(&ranked.collect::<Vec<_>>());
    let first = [stamp(1, 1), stamp(1, 2), stamp(2, 1)];
    laws::exhaustive(&first.map(|stamp| Lex(Some((Reverse(stamp), Max(Some(1_i64)))))));
    laws::exhaustive(&[
        WithBottom(None),
        WithBottom(Some(Max(None))),
        WithBottom(Some(Max(Some(1_i64)))),
    ]);
    laws::exhaustive(&[WithTop::Open(Max(None)), WithTop::Open(Max(Some(1_i64))), WithTop::Closed]);
    let maps = [vec![], vec![(1_u8, 1)], vec![(1, 2)], vec![(2, 1)], vec![(1, 1), (2, 2)]];
    let maps = maps.map(|entries| {
        entries.into_iter().map(|(key, n)| (key, Max(Some(n)))).collect::<BTreeMap<u8, Max<i64>>>()
    });
    laws::exhaustive(&maps);
    let versions = [(0, 1), (1, 0), (1, 1), (2, 0)].map(|(a, b)| Anti::of(Version(a, b)));
    let mut frontier = versions[0].clone();
    frontier.join(versions[1].clone());
    laws::exhaustive(&[&versions[..], &[frontier, Anti::default()]].concat());
    let own: Vec<Own<i64>> = (1..3_u8)
        .flat_map(|log| (1..3_u64).map(move |events| (log, events)))
        .map(|(log, events)| {
            let writer = Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
            let mut own = Own::default();
            let mut seen = CausalContext::default();
            for event in 1..=events {
                let mut change = Change::new(&writer, &seen);
                let delta = own.contribute(&mut change, |sum| *sum += 10);
                own.join(delta);
                seen.insert(Dot { log: writer.log, seq: event });
            }
            own
        })
        .collect();
    laws::exhaustive(&own);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u8, u8);

impl Partial for Version {
    fn covers(&self, other: &Self) -> bool {
        self.0 >= other.0 && self.1 >= other.1
    }
}

impl Encode for Version {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.byte(self.0);
        out.byte(self.1);
    }
}

impl Decode for Version {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self(from.byte()?, from.byte()?))
    }
}

/// A sum is no lattice: joining twice counts twice.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sum(u64);

impl Lattice for Sum {
    fn join(&mut self, other: Self) -> bool {
        self.0 += other.0;
        other.0 > 0
    }
}

/// The last one joined stays: the order matters.
#[derive(Clone, Debug, Default, PartialEq)]
struct Last(u64);

impl Lattice for Last {
    fn join(&mut self, other: Self) -> bool {
        let grew = self.0 != other.0;
        self.0 = other.0;
        grew
    }
}

/// A maximum that always says it grew.
#[derive(Clone, Debug, Default, PartialEq)]
struct Boaster(u64);

impl Lattice for Boaster {
    fn join(&mut self, other: Self) -> bool {
        self.0 = self.0.max(other.0);
        true
    }
}

fn breaks(check: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(check)).is_err()
}

#[test]
fn what_is_no_lattice_is_caught() {
    assert!(breaks(|| laws::lattice_triple(&Sum(1), &Sum(2), &Sum(3))), "not idempotent");
    assert!(breaks(|| laws::lattice_triple(&Last(1), &Last(2), &Last(3))), "not commutative");
    assert!(breaks(|| laws::lattice_triple(&Boaster(1), &Boaster(2), &Boaster(3))), "boasts");
    assert!(breaks(|| laws::convergence(&Sum(3), &[Sum(1), Sum(2)], &[0, 1])), "counts twice");
    assert!(!breaks(|| laws::lattice_triple(&Max(Some(1)), &Max(Some(2)), &Max(None))));
    assert!(!breaks(|| laws::convergence(
        &Max(Some(2)),
        &[Max(Some(1)), Max(Some(2))],
        &[1, 0, 1]
    )));
}

/// A code with two forms of one value.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sloppy(u8);

impl Encode for Sloppy {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.byte(self.0);
    }
}

impl Decode for Sloppy {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self(from.byte()? & 0x0f))
    }
}

#[test]
fn a_code_with_two_forms_and_data_out_of_order_are_caught() {
    assert!(breaks(|| laws::hostile_bytes::<Sloppy>(&[0, 0x1f])));
    assert!(breaks(|| laws::codec_value(&Sloppy(0x1f))));
    assert!(!breaks(|| laws::hostile_bytes::<Sloppy>(&[0, 0x0f])));
    assert!(breaks(|| laws::datum_pair(&Shout("b".into()), &Shout("a".into()))));
    let stamps = [stamp(1, 1), stamp(2, 2)];
    let candidates: Vec<_> = stamps
        .iter()
        .zip(&[7_i64, 8])
        .map(|(stamp, value)| Candidate { stamp: *stamp, value })
        .collect();
    let first = |candidates: &[Candidate<'_, i64>]| *candidates[0].value;
    assert!(
        breaks(|| laws::resolver(&first, &candidates)),
        "the order of candidates matters to it"
    );
}

/// Text that is ordered the wrong way round.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shout(String);

impl PartialOrd for Shout {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Shout {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.0.cmp(&self.0)
    }
}

impl Datum for Shout {
    fn to_value(&self) -> Value {
        Value::Text(self.0.clone())
    }

    fn from_value(value: &Value) -> Option<Self> {
        String::from_value(value).map(Self)
    }
}

#[test]
fn policies_pick_as_they_say_whatever_the_order() {
    let written = [(stamp(3, 1), 5_i64), (stamp(1, 2), 9), (stamp(2, 3), 1)];
    let candidates: Vec<_> =
        written.iter().map(|(stamp, value)| Candidate { stamp: *stamp, value }).collect();
    for (policy, answer) in [
        (Policy::Latest, 5),
        (Policy::Earliest, 9),
        (Policy::Greatest, 9),
        (Policy::Smallest, 1),
        (Policy::Prefer(vec![LogId([3; 16]), LogId([2; 16])]), 1),
        (Policy::Prefer(vec![]), 5),
    ] {
        laws::resolver(&policy, &candidates);
        assert_eq!(policy.resolve(&candidates), answer, "{policy:?}");
    }
    let sum =
        |candidates: &[Candidate<'_, i64>]| candidates.iter().map(|one| one.value).sum::<i64>();
    laws::resolver(&sum, &candidates);
    assert_eq!(sum.resolve(&candidates), 15);
}

#[test]
fn data_come_back_from_their_values_in_their_order() {
    fn all<T: Datum>(data: &[T]) {
        for a in data {
            data.iter().for_each(|b| laws::datum_pair(a, b));
        }
        assert_eq!(T::from_value(&Value::Map([("no".to_owned(), Value::Null)].into())), None);
    }
    all(&[false, true]);
    all(&[i64::MIN, -1, 0, i64::MAX]);
    all(&[i32::MIN, 0, i32::MAX]);
    all(&[0_u32, u32::MAX]);
    all(&[0_u16, u16::MAX]);
    all(&[0_u8, u8::MAX]);
    all(&[-1.5, 0.0, 2.0, f64::INFINITY].map(Float::new));
    all(&["", "a", "ab", "é"].map(str::to_owned));
    all(&[vec![], vec![0_u8], vec![1]]);
    all(&[()]);
    all(&['a', 'z', 'é']);
    all(&[None, Some(1_i64), Some(2)]);
    all(&[(1_i64, "a".to_owned()), (1, "b".to_owned()), (2, String::new())]);
    all(&[(1_i64, 2_i64, true), (1, 3, false)]);
    let map = |key: &str| BTreeMap::from([(key.to_owned(), 1_i64)]);
    laws::datum_pair(&map("a"), &map("b"));
    laws::datum_pair(&Value::Null, &Value::Int(1));
    assert_eq!(char::from_value(&"ab".into()), None);
    assert_eq!(u8::from_value(&Value::Int(256)), None);
    assert_eq!(<(i64, i64)>::from_value(&Value::List(vec![1.into()])), None);
    assert_eq!(<(i64, i64, i64)>::from_value(&Value::List(vec![])), None);
}

#[test]
fn ranges_know_what_is_covered_and_what_is_not() {
    let mut ranges = Ranges::of(0, 5);
    assert!(ranges.join(Ranges::of(10, 12)) && !ranges.join(Ranges::of(2, 3)));
    assert_eq!(ranges.gaps(-2, 20), [(-2, 0), (5, 10), (12, 20)]);
    assert_eq!((ranges.len(), ranges.contains(4), ranges.contains(5)), (7, true, false));
    ranges.join(Ranges::of(5, 10));
    assert_eq!(ranges.iter().collect::<Vec<_>>(), [(0, 12)]);
    assert!(Ranges::of(3, 3).is_empty());
}

#[test]
fn classes_that_share_a_member_are_one() {
    let mut same = UnionFind::of('a', 'b');
    same.join(UnionFind::of('c', 'd'));
    assert_eq!(same.classes().len(), 2);
    assert!(same.join(UnionFind::of('b', 'd')));
    assert_eq!((same.find(&'d'), same.find(&'x')), (&'a', &'x'));
    assert!(!same.join(UnionFind::of('a', 'c')));
}

fn context(ranges: &[(u8, u64, u64)]) -> CausalContext {
    let mut context = CausalContext::default();
    for (log, start, len) in ranges {
        context.insert_range(DotRange { log: LogId([*log; 16]), start: *start, len: *len });
    }
    context
}

proptest! {
    /// Against a plain set of dots.
    #[test]
    fn a_context_is_a_set_of_dots(
        steps in prop::collection::vec((any::<bool>(), 0..2_u8, 1..30_u64, 0..8_u64), 0..40),
        look in (0..2_u8, 1..30_u64, 0..12_u64),
    ) {
        let mut context = CausalContext::default();
        let mut plain = BTreeSet::new();
        for (insert, log, start, len) in steps {
            let range = DotRange { log: LogId([log; 16]), start, len };
            if insert {
                context.insert_range(range);
                plain.extend((start..start + len).map(|seq| (log, seq)));
            } else {
                context.remove_range(range);
                (start..start + len).for_each(|seq| { plain.remove(&(log, seq)); });
            }
        }
        let (log, start, len) = look;
        let range = DotRange { log: LogId([log; 16]), start, len };
        let dots = |ranges: &mut dyn Iterator<Item = DotRange>| -> Vec<u64> {
            ranges.flat_map(|range| range.start..range.end()).collect()
        };
        let (inside, outside): (Vec<u64>, Vec<u64>) =
            (start..start + len).partition(|seq| plain.contains(&(log, *seq)));
        prop_assert_eq!(dots(&mut context.overlap(range)), inside);
        prop_assert_eq!(dots(&mut context.gaps(range)), outside);
        let all: BTreeSet<(u8, u64)> = context
            .ranges()
            .flat_map(|range| (range.start..range.end()).map(move |seq| (range.log.0[0], seq)))
            .collect();
        prop_assert_eq!(&all, &plain);
        prop_assert_eq!(context.is_empty(), plain.is_empty());
        laws::codec_value(&context);
    }

    #[test]
    fn contexts_and_vectors_are_lattices(
        ranges in prop::collection::vec((0..3_u8, 1..12_u64, 1..4_u64), 9)
    ) {
        let contexts: Vec<_> = ranges.chunks(3).map(context).collect();
        laws::lattice_triple(&contexts[0], &contexts[1], &contexts[2]);
        let vectors: Vec<VersionVector> = ranges
            .chunks(3)
            .map(|ranges| {
                let mut vector = VersionVector::default();
                for (log, seq, _) in ranges {
                    vector.raise(LogId([*log; 16]), *seq);
                }
                vector
            })
            .collect();
        laws::lattice_triple(&vectors[0], &vectors[1], &vectors[2]);
        let mut all = vectors[0].clone();
        all.join(vectors[1].clone());
        prop_assert!(all.covers(&vectors[0]) && all.covers(&vectors[1]));
        laws::codec_value(&all);
    }

    #[test]
    fn values_come_back_from_json_and_from_bytes(value in values()) {
        let json = value.to_string();
        prop_assert_eq!(&serde_json::from_str::<Value>(&json).unwrap(), &value);
        prop_assert_eq!(&serde_json::to_value(&value).unwrap().to_string().parse::<serde_json::Value>().unwrap(),
            &json.parse::<serde_json::Value>().unwrap());
        laws::codec_value(&value);
    }

    #[test]
    fn hostile_bytes_are_no_second_form_of_parts(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        laws::hostile_bytes::<Value>(&bytes);
        laws::hostile_bytes::<CausalContext>(&bytes);
        laws::hostile_bytes::<VersionVector>(&bytes);
        laws::hostile_bytes::<Ranges>(&bytes);
        laws::hostile_bytes::<UnionFind<u8>>(&bytes);
        laws::hostile_bytes::<Anti<Version>>(&bytes);
        laws::hostile_bytes::<Own<i64>>(&bytes);
        laws::hostile_bytes::<Lex<Stamp, Max<i64>>>(&bytes);
        laws::hostile_bytes::<WithTop<Point<bool>>>(&bytes);
        laws::hostile_bytes::<(char, DotRange, Option<String>)>(&bytes);
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-1e9..1e9).prop_map(|number: f64| Value::from(number + 0.5)),
        ".{0,12}".prop_map(Value::Text),
        prop::collection::vec(any::<u8>(), 0..12).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::btree_map("[a-z]{1,4}", inner, 0..4).prop_map(Value::Map),
        ]
    })
}
