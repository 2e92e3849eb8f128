//! Queues: what becomes of things that are put in, raised and taken at the same time, and that one
//! replica alone does what a plain queue and a plain sorted list do.

use std::collections::{BTreeMap, VecDeque};

use meshwork_crdt::types::queues::{PriorityQueue, Queue};
use meshwork_crdt::{Causal, Crdt, DotStore, Encode, HybridTime, Lattice, LogId, Writer, digest};
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

fn push(queue: &mut Causal<Queue<i64>>, writer: &Writer, item: i64) {
    queue.edit(writer, |queue, change| queue.push(change, item));
}

#[test]
fn things_put_in_concurrently_wait_in_the_order_of_their_times() {
    let (mut one, mut two) = (Causal::<Queue<i64>>::default(), Causal::<Queue<i64>>::default());
    push(&mut one, &at(1, 1), 1);
    push(&mut one, &at(1, 3), 3);
    push(&mut two, &at(2, 2), 2);
    push(&mut two, &at(2, 3), 4);
    assert_eq!(meet(&one, &two).waiting(), [&1, &2, &3, &4]);
}

#[test]
fn two_who_take_at_the_same_time_take_the_same_thing_once() {
    let mut one = Causal::<Queue<i64>>::default();
    push(&mut one, &at(1, 1), 1);
    push(&mut one, &at(1, 2), 2);
    let mut two = one.clone();
    assert_eq!(one.peek(), two.peek());
    one.edit(&at(1, 3), Queue::pop);
    two.edit(&at(2, 3), Queue::pop);
    assert_eq!(meet(&one, &two).waiting(), [&2]);
}

#[test]
fn taking_what_was_seen_leaves_a_thing_put_in_earlier_by_somebody_else() {
    let mut one = Causal::<Queue<i64>>::default();
    push(&mut one, &at(1, 5), 5);
    let mut two = Causal::<Queue<i64>>::default();
    push(&mut two, &at(2, 1), 1);
    one.edit(&at(1, 6), Queue::pop);
    assert_eq!(meet(&one, &two).waiting(), [&1]);
}

#[test]
fn a_thing_that_arrives_after_its_taking_is_not_there() {
    let mut one = Causal::<Queue<i64>>::default();
    let put = one.edit(&at(1, 1), |queue, change| queue.push(change, 1));
    let mut two = one.clone();
    let taken = two.edit(&at(2, 2), Queue::pop);
    let mut three = Causal::<Queue<i64>>::default();
    three.join(taken);
    three.join(put);
    assert!(three.is_empty());
    assert_eq!(three, two);
}

#[test]
fn the_same_thing_put_in_twice_waits_twice() {
    let mut one = Causal::<Queue<i64>>::default();
    push(&mut one, &at(1, 1), 7);
    push(&mut one, &at(1, 1), 7);
    assert_eq!(one.len(), 2);
    one.edit(&at(1, 2), Queue::pop);
    assert_eq!(one.waiting(), [&7]);
}

type Jobs = PriorityQueue<String>;

fn set(jobs: &mut Causal<Jobs>, writer: &Writer, item: &str, priority: i64) {
    jobs.edit(writer, |jobs, change| jobs.put(change, item.into(), priority));
}

fn raise(jobs: &mut Causal<Jobs>, writer: &Writer, item: &str, by: i64) {
    jobs.edit(writer, |jobs, change| jobs.raise(change, item.into(), by));
}

#[test]
fn concurrent_raises_add_up() {
    let mut one = Causal::<Jobs>::default();
    set(&mut one, &at(1, 1), "wash", 1);
    let mut two = one.clone();
    raise(&mut one, &at(1, 2), "wash", 2);
    raise(&mut two, &at(2, 2), "wash", -5);
    assert_eq!(meet(&one, &two).priority(&"wash".into()), Some(-2));
}

#[test]
fn a_raise_that_a_setting_has_not_seen_counts_on_top_of_it() {
    let mut one = Causal::<Jobs>::default();
    set(&mut one, &at(1, 1), "wash", 1);
    let mut two = one.clone();
    set(&mut one, &at(1, 2), "wash", 10);
    raise(&mut two, &at(2, 2), "wash", 3);
    assert_eq!(meet(&one, &two).priority(&"wash".into()), Some(13));
}

#[test]
fn a_raise_that_a_setting_has_seen_does_not_count_though_its_author_raises_again() {
    let mut one = Causal::<Jobs>::default();
    raise(&mut one, &at(1, 1), "wash", 2);
    let mut two = one.clone();
    set(&mut two, &at(2, 2), "wash", 10);
    raise(&mut one, &at(1, 2), "wash", 3);
    assert_eq!(meet(&one, &two).priority(&"wash".into()), Some(13));
}

#[test]
fn a_raise_that_a_removal_has_seen_does_not_come_back_with_a_later_one() {
    let mut one = Causal::<Jobs>::default();
    raise(&mut one, &at(1, 1), "wash", 2);
    let mut two = one.clone();
    two.edit(&at(2, 2), |jobs, change| jobs.remove(change, &"wash".into()));
    raise(&mut one, &at(1, 2), "wash", 3);
    assert_eq!(meet(&one, &two).priority(&"wash".into()), Some(3));
}

#[test]
fn priorities_saturate_at_the_end_only() {
    let mut one = Causal::<Jobs>::default();
    set(&mut one, &at(1, 1), "wash", i64::MAX);
    raise(&mut one, &at(1, 1), "wash", i64::MAX);
    assert_eq!(one.priority(&"wash".into()), Some(i64::MAX));
    raise(&mut one, &at(1, 1), "wash", -i64::MAX);
    assert_eq!(one.priority(&"wash".into()), Some(i64::MAX));
    raise(&mut one, &at(1, 1), "wash", -1);
    assert_eq!(one.priority(&"wash".into()), Some(i64::MAX - 1));
}

#[test]
fn it_is_told_who_set_and_who_raised() {
    let (mut one, mut two) = (Causal::<Jobs>::default(), Causal::<Jobs>::default());
    set(&mut one, &at(1, 2), "wash", 9);
    set(&mut two, &at(2, 3), "wash", 4);
    raise(&mut two, &at(2, 3), "wash", 1);
    let claims = meet(&one, &two).claims();
    let stands: Vec<_> = claims.iter().map(|claim| (claim.by, claim.stands)).collect();
    let (ann, bob) = (Some(LogId([1; 16])), Some(LogId([2; 16])));
    assert_eq!(stands, [(ann, false), (bob, true), (bob, true)]);
}

#[test]
fn a_raise_wins_over_a_concurrent_removal_and_a_removal_over_what_it_has_seen() {
    let mut one = Causal::<Jobs>::default();
    set(&mut one, &at(1, 1), "wash", 1);
    let mut two = one.clone();
    one.edit(&at(1, 2), |jobs, change| jobs.remove(change, &"wash".into()));
    assert_eq!(meet(&one, &two).peek(), None);
    raise(&mut two, &at(2, 2), "wash", 3);
    assert_eq!(meet(&one, &two).priority(&"wash".into()), Some(3));
}

#[test]
fn of_two_concurrent_settings_the_later_counts() {
    let (mut one, mut two) = (Causal::<Jobs>::default(), Causal::<Jobs>::default());
    set(&mut one, &at(1, 2), "wash", 9);
    set(&mut two, &at(2, 3), "wash", 4);
    assert_eq!(meet(&one, &two).priority(&"wash".into()), Some(4));
}

#[test]
fn the_same_thing_taken_twice_concurrently_is_taken_once() {
    let mut one = Causal::<Jobs>::default();
    set(&mut one, &at(1, 1), "wash", 1);
    set(&mut one, &at(1, 1), "cook", 2);
    let mut two = one.clone();
    one.edit(&at(1, 2), PriorityQueue::pop);
    two.edit(&at(2, 2), PriorityQueue::pop);
    assert_eq!(meet(&one, &two).waiting(), [(&"wash".to_owned(), 1)]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_queue_on_one_replica_is_first_in_first_out(
        steps in prop::collection::vec(any::<Option<i64>>(), 0..60),
    ) {
        let mut queue = Causal::<Queue<i64>>::default();
        let mut oracle = VecDeque::new();
        for (moment, step) in (1..).zip(steps) {
            match step {
                Some(item) => {
                    push(&mut queue, &at(1, moment / 3), item);
                    oracle.push_back(item);
                }
                None => {
                    queue.edit(&at(1, moment / 3), Queue::pop);
                    oracle.pop_front();
                }
            }
            prop_assert_eq!(queue.peek(), oracle.front());
            prop_assert_eq!(queue.waiting(), oracle.iter().collect::<Vec<_>>());
            prop_assert_eq!(queue.len(), oracle.len());
        }
    }

    #[test]
    fn a_priority_queue_on_one_replica_is_a_sorted_list(
        steps in prop::collection::vec((0..4_u8, "[abcd]", -20..20_i64), 0..60),
    ) {
        let mut jobs = Causal::<Jobs>::default();
        let mut oracle = BTreeMap::<String, i64>::new();
        let first = |oracle: &BTreeMap<String, i64>| {
            let mut all: Vec<_> = oracle.iter().map(|(item, it)| (item.clone(), *it)).collect();
            all.sort_by_key(|(item, priority)| (-priority, item.clone()));
            all
        };
        for (step, item, by) in steps {
            match step {
                0 => {
                    set(&mut jobs, &at(1, 1), &item, by);
                    oracle.insert(item, by);
                }
                1 => {
                    raise(&mut jobs, &at(1, 1), &item, by);
                    if by != 0 {
                        *oracle.entry(item).or_default() += by;
                    }
                }
                2 => {
                    jobs.edit(&at(1, 1), |jobs, change| jobs.remove(change, &item));
                    oracle.remove(&item);
                }
                _ => {
                    jobs.edit(&at(1, 1), PriorityQueue::pop);
                    if let Some((item, _)) = first(&oracle).first() {
                        oracle.remove(item);
                    }
                }
            }
            let expected = first(&oracle);
            let shown = jobs.waiting().into_iter().map(|(item, it)| (item.clone(), it));
            let shown: Vec<_> = shown.collect();
            let first = jobs.peek().map(|(item, it)| (item.clone(), it));
            prop_assert_eq!(first, expected.first().cloned());
            prop_assert_eq!(shown, expected);
        }
    }
}
