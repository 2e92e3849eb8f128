//! Time: what becomes of values and totals that are recorded at the same time, and that one replica
//! alone does what plain maps do.

use std::collections::BTreeMap;

use meshwork_crdt::types::time::{Series, Windows};
use meshwork_crdt::{
    Causal, Crdt, DotStore, Encode, HybridTime, Lattice, LogId, Value, Writer, digest,
};
use proptest::prelude::*;

fn at(log: u8, ms: u64) -> Writer {
    Writer { log: LogId([log; 16]), time: HybridTime::at(ms) }
}

/// What two replicas come to, whoever hears from whom.
fn meet<S: DotStore + Encode + std::fmt::Debug>(one: &Causal<S>, two: &Causal<S>) -> Causal<S> {
    let (mut here, mut there) = (one.clone(), two.clone());
    here.join(two.clone());
    there.join(one.clone());
    assert_eq!(here, there);
    assert_eq!(digest(&here), digest(&there));
    here
}

fn record(series: &mut Causal<Series<String>>, writer: &Writer, name: &str, ms: i64, value: i64) {
    series.edit(writer, |series, change| series.record(change, name.into(), ms, value.into()));
}

fn all(series: &Series<String>, name: &str) -> Vec<(i64, Value)> {
    let name = name.to_owned();
    series.range(&name, i64::MIN, i64::MAX).map(|(ms, value)| (ms, value.clone())).collect()
}

#[test]
fn of_two_values_recorded_for_one_moment_the_later_record_counts() {
    let (mut one, mut two) = (Causal::default(), Causal::default());
    record(&mut one, &at(1, 9), "room", 1000, 20);
    record(&mut two, &at(2, 8), "room", 1000, 21);
    record(&mut two, &at(2, 8), "room", 2000, 22);
    assert_eq!(all(&meet(&one, &two), "room"), [(1000, 20.into()), (2000, 22.into())]);
}

#[test]
fn records_of_one_time_by_two_authors_are_settled_by_the_greater_log() {
    let (mut one, mut two) = (Causal::default(), Causal::default());
    record(&mut one, &at(1, 5), "room", 1000, 20);
    record(&mut two, &at(2, 5), "room", 1000, 10);
    assert_eq!(all(&meet(&one, &two), "room"), [(1000, 10.into())]);
}

#[test]
fn a_value_recorded_late_takes_its_place_in_its_series_only() {
    let mut one = Causal::default();
    record(&mut one, &at(1, 1), "room", 3000, 3);
    record(&mut one, &at(1, 2), "hall", 2000, 9);
    record(&mut one, &at(1, 3), "room", 1000, 1);
    assert_eq!(all(&one, "room"), [(1000, 1.into()), (3000, 3.into())]);
    assert_eq!(one.latest(&"room".into()), Some((3000, &3.into())));
    assert_eq!(one.range(&"room".into(), 1000, 3000).count(), 1, "the end is not in the range");
    assert_eq!(one.range(&"room".into(), 3000, 1000).count(), 0);
    assert_eq!(one.names(), ["hall", "room"]);
}

#[test]
fn a_record_at_the_end_of_time_shows() {
    let mut one = Causal::default();
    record(&mut one, &at(1, 1), "room", i64::MAX, 1);
    record(&mut one, &at(1, 1), "room", i64::MIN, 2);
    let expected = Value::List(vec![
        Value::List(vec![i64::MIN.into(), 2.into()]),
        Value::List(vec![i64::MAX.into(), 1.into()]),
    ]);
    assert_eq!(one.value_at(&["room".into()]), Some(expected));
}

#[test]
fn intervals_of_a_series_sum_up_its_numbers_and_nothing_else() {
    let mut one = Causal::<Series<String>>::default();
    let room = || "room".to_owned();
    let values = [(-1, 5.into()), (0, 1.into()), (5, 2.0.into()), (9, "broken".into())];
    for (ms, value) in values.into_iter().chain([(10, 6.into()), (30, f64::NAN.into())]) {
        one.edit(&at(1, 1), |series, change| series.record(change, room(), ms, value));
    }
    record(&mut one, &at(1, 1), "hall", 3, 99);
    let shown = one.downsample(&room(), -5, 40, 10);
    let numbers = shown.iter().map(|it| (it.start, it.count, it.mean, it.least, it.most));
    let expected = [(-10, 1, 5.0, 5.0, 5.0), (0, 2, 1.5, 1.0, 2.0), (10, 1, 6.0, 6.0, 6.0)];
    assert_eq!(numbers.collect::<Vec<_>>(), expected);
    assert_eq!(one.downsample(&room(), 0, 10, 0).len(), 2, "the shortest interval is 1 ms");
}

fn add(windows: &mut Causal<Windows>, writer: &Writer, ms: i64, length_ms: u32, number: i64) {
    windows.edit(writer, |windows, change| windows.add(change, ms, length_ms, number));
}

#[test]
fn every_number_counts_once_whoever_added_it_and_however_often_it_is_heard() {
    let (mut one, mut two) = (Causal::default(), Causal::default());
    add(&mut one, &at(1, 1), 10, 60, 5);
    add(&mut one, &at(1, 1), 59, 60, 5);
    add(&mut two, &at(2, 1), 0, 60, -3);
    let all = meet(&meet(&one, &two), &one);
    let window = all.window(0, 60).unwrap();
    assert_eq!((window.count, window.sum, window.least, window.most), (3, 7, -3, 5));
}

#[test]
fn a_number_that_comes_late_still_counts_in_its_window() {
    let mut one = Causal::default();
    add(&mut one, &at(1, 1), 10, 60, 5);
    let mut two = one.clone();
    assert_eq!(one.closed(60).count(), 1);
    add(&mut two, &at(2, 9), 20, 60, 7);
    assert_eq!(meet(&one, &two).closed(60).next().unwrap().2.sum, 12);
}

#[test]
fn windows_close_when_they_end_not_before() {
    let mut one = Causal::default();
    add(&mut one, &at(1, 1), -1, 60, 1);
    add(&mut one, &at(1, 1), 0, 60, 2);
    add(&mut one, &at(1, 1), 60, 60, 3);
    let closed = |watermark| one.closed(watermark).map(|(start, ..)| start).collect::<Vec<_>>();
    assert_eq!((closed(-1), closed(0)), (vec![], vec![-60]));
    assert_eq!((closed(119), closed(120)), (vec![-60, 0], vec![-60, 0, 60]));
}

#[test]
fn the_watermark_waits_for_the_slowest_author() {
    let (mut one, mut two) = (Causal::<Windows>::default(), Causal::<Windows>::default());
    assert_eq!(one.watermark(60), None);
    for ms in [0, 70, 130] {
        add(&mut one, &at(1, 1), ms, 60, 1);
    }
    add(&mut two, &at(2, 1), 65, 60, 1);
    add(&mut two, &at(2, 1), 500, 7, 1);
    assert_eq!((one.watermark(60), two.watermark(60)), (Some(120), Some(60)));
    let all = meet(&one, &two);
    let watermark = all.watermark(60).unwrap();
    assert_eq!(watermark, 60);
    let closed = all.closed(watermark).filter(|(_, length, _)| *length == 60);
    assert_eq!(closed.map(|(start, ..)| start).collect::<Vec<_>>(), [0]);
}

#[test]
fn moments_at_the_ends_of_time_neither_overflow_nor_vanish() {
    let mut windows = Causal::<Windows>::default();
    for (ms, length) in [(i64::MAX, u32::MAX), (i64::MIN, u32::MAX), (i64::MIN, 7), (0, 0)] {
        add(&mut windows, &at(1, 1), ms, length, i64::MAX);
        add(&mut windows, &at(1, 1), ms, length, i64::MAX);
    }
    let Value::Map(shown) = windows.value() else { panic!("windows are a map") };
    assert_eq!(shown.len(), 4);
    assert!(windows.closed(i64::MAX).all(|(.., totals)| totals.sum == i64::MAX));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_series_on_one_replica_is_a_map_of_maps(
        steps in prop::collection::vec(("[ab]", -9..9_i64, any::<i64>()), 0..40),
        from in -9..9_i64,
        to in -9..9_i64,
    ) {
        let mut series = Causal::<Series<String>>::default();
        let mut oracle = BTreeMap::<String, BTreeMap<i64, i64>>::new();
        for (moment, (name, ms, value)) in (1..).zip(steps) {
            record(&mut series, &at(1, moment), &name, ms, value);
            oracle.entry(name).or_default().insert(ms, value);
        }
        prop_assert_eq!(series.names(), oracle.keys().collect::<Vec<_>>());
        for (name, values) in &oracle {
            let range = series.range(name, from, to).map(|(ms, value)| (ms, value.clone()));
            let expected = values.range(from..to.max(from));
            let expected = expected.map(|(ms, value)| (*ms, Value::Int(*value)));
            prop_assert_eq!(range.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
            let last = values.last_key_value().map(|(ms, value)| (*ms, Value::Int(*value)));
            prop_assert_eq!(series.latest(name).map(|(ms, value)| (ms, value.clone())), last);
        }
    }

    #[test]
    fn windows_on_three_replicas_total_what_was_added(
        numbers in prop::collection::vec((1..4_u8, -300..300_i64, 1..100_u32, -9..9_i64), 0..40),
    ) {
        let mut replicas = [1, 2, 3].map(|_| Causal::<Windows>::default());
        let mut oracle = BTreeMap::<(i64, i64), Vec<i64>>::new();
        for (log, ms, length, number) in numbers {
            add(&mut replicas[usize::from(log) - 1], &at(log, 1), ms, length, number);
            let length = i64::from(length);
            oracle.entry((ms.div_euclid(length) * length, length)).or_default().push(number);
        }
        let all = meet(&meet(&replicas[0], &replicas[1]), &replicas[2]);
        for ((start, length), numbers) in &oracle {
            let window = all.window(*start, *length).unwrap();
            prop_assert_eq!(window.count, numbers.len() as u64);
            prop_assert_eq!(window.sum, numbers.iter().sum::<i64>());
            prop_assert_eq!(Some(&window.least), numbers.iter().min());
            prop_assert_eq!(Some(&window.most), numbers.iter().max());
        }
        prop_assert_eq!(all.closed(i64::MAX).count(), oracle.len());
    }
}
