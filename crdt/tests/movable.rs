//! The list with moves: what shows follows from the state alone, however it came together.

use meshwork_crdt::types::sequences::MovableList;
use meshwork_crdt::{
    AwSet, Causal, Crdt, HybridTime, Lattice, LogId, LwwMap, Writer, from_bytes, to_bytes,
};
use proptest::prelude::*;

type List<S> = Causal<MovableList<S>>;

/// A step of one of three replicas: an edit, or the arrival of somebody's delta, be it for the second time.
#[derive(Clone, Debug)]
enum Step {
    Insert(usize),
    Move(usize, usize),
    Remove(usize),
    Change(usize, i64),
    Clear,
    Receive(usize),
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let place = 0..8_usize;
    let step = prop_oneof![
        4 => place.clone().prop_map(Step::Insert),
        4 => (place.clone(), place.clone()).prop_map(|(from, to)| Step::Move(from, to)),
        2 => place.clone().prop_map(Step::Remove),
        3 => (place.clone(), 0..5_i64).prop_map(|(at, value)| Step::Change(at, value)),
        1 => Just(Step::Clear),
        8 => (0..64_usize).prop_map(Step::Receive),
    ];
    prop::collection::vec((0..3_usize, step), 1..60)
}

/// Lets three replicas take the steps, checks each time that what shows is what the state says when it is read
/// anew, and at last that all who know the same show the same.
fn play<S: Crdt>(
    steps: Vec<(usize, Step)>,
    order: &[usize],
    change: impl Fn(&S, &mut meshwork_crdt::Change, i64) -> S,
) -> Result<(), TestCaseError> {
    let mut replicas: Vec<List<S>> = vec![List::default(); 3];
    let mut deltas: Vec<List<S>> = Vec::new();
    for (time, (who, step)) in (1..).zip(steps) {
        let writer = Writer { log: LogId([who as u8 + 1; 16]), time: HybridTime::at(time / 2) };
        let list = &mut replicas[who];
        let len = list.len();
        let made =
            match step {
                Step::Insert(at) => Some(
                    list.edit(&writer, |list, change| list.insert(change, at % (len + 1)).unwrap()),
                ),
                Step::Clear => Some(list.edit(&writer, MovableList::clear)),
                Step::Receive(which) => {
                    if !deltas.is_empty() {
                        list.join(deltas[which % deltas.len()].clone());
                    }
                    None
                }
                _ if len == 0 => None,
                Step::Move(from, to) => Some(list.edit(&writer, |list, change| {
                    list.move_to(change, from % len, to % len).unwrap()
                })),
                Step::Remove(at) => {
                    Some(list.edit(&writer, |list, change| list.remove(change, at % len).unwrap()))
                }
                Step::Change(at, value) => Some(list.edit(&writer, |list, made| {
                    list.update(made, at % len, |part, made| change(part, made, value)).unwrap()
                })),
            };
        deltas.extend(made);
        let list = &replicas[who];
        let again: List<S> = from_bytes(&to_bytes(list)).unwrap();
        prop_assert!(again == *list);
        prop_assert_eq!(again.value(), list.value());
        prop_assert_eq!(again.len(), list.iter().count());
    }
    let mut late = List::<S>::default();
    let mut rest: Vec<usize> = (0..deltas.len()).collect();
    for n in order.iter().chain(std::iter::repeat(&0)).take(deltas.len()) {
        late.join(deltas[rest.swap_remove(n % rest.len())].clone());
    }
    let mut whole = replicas[0].clone();
    replicas.iter().skip(1).for_each(|other| {
        whole.join(other.clone());
    });
    prop_assert!(late == whole);
    prop_assert_eq!(late.value(), whole.value());
    let mut lacking = replicas[1].clone();
    lacking.join(whole.since(lacking.seen()));
    prop_assert!(lacking == whole);
    prop_assert_eq!(lacking.value(), whole.value());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn lists_of_sets_show_what_their_state_says(
        steps in steps(),
        order in prop::collection::vec(0..64_usize, 0..60),
    ) {
        play::<AwSet<i64>>(steps, &order, |set, change, value| set.add(change, value))?;
    }

    #[test]
    fn lists_of_maps_show_what_their_state_says(
        steps in steps(),
        order in prop::collection::vec(0..64_usize, 0..60),
    ) {
        play::<LwwMap<i64, i64>>(steps, &order, |map, change, value| map.put(change, value, value))?;
    }
}
