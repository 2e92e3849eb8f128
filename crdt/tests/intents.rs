//! What people mean by these types, on the smallest examples that other implementations get wrong. The peer
//! workspace (`crdt/peers`) shows the same examples failing there, under the same names.

use std::fmt::Debug;

use meshwork_crdt::types::counters::PnCounter;
use meshwork_crdt::types::graphs::{Dag, Graph};
use meshwork_crdt::types::maps::RwMap;
use meshwork_crdt::types::registers::LwwRegister;
use meshwork_crdt::types::sequences::{List, Lseq, MovableList, Rga};
use meshwork_crdt::types::sets::RwSet;
use meshwork_crdt::types::trees::MoveTree;
use meshwork_crdt::{AwMap, Causal, DotStore, HybridTime, Lattice, LogId, Writer};

fn at(log: u8, ms: u64) -> Writer {
    Writer { log: LogId([log; 16]), time: HybridTime::at(ms) }
}

/// Joins both ways; both must end up the same.
fn exchange<S: DotStore + Debug>(one: &mut Causal<S>, two: &mut Causal<S>) {
    one.join(two.clone());
    two.join(one.clone());
    assert_eq!(one, two);
}

#[test]
fn a_register_agrees_on_two_writes_of_one_tick() {
    let mut one = Causal::<LwwRegister<i64>>::default();
    let mut two = one.clone();
    one.edit(&at(1, 5), |register, change| register.set(change, 1));
    two.edit(&at(2, 5), |register, change| register.set(change, 2));
    exchange(&mut one, &mut two);
    assert_eq!(one.get(), Some(&2));
    two.edit(&at(2, 1), |register, change| register.set(change, 3));
    exchange(&mut one, &mut two);
    assert_eq!(one.get(), Some(&3), "a later edit wins whatever its clock says");
}

#[test]
fn a_counter_counts_everything() {
    let mut one = Causal::<PnCounter>::default();
    let mut two = one.clone();
    one.edit(&at(1, 1), |counter, change| counter.add(change, 10));
    two.edit(&at(2, 1), |counter, change| counter.add(change, 10));
    exchange(&mut one, &mut two);
    assert_eq!(one.total(), 20);
}

#[test]
fn a_removed_key_of_a_map_stays_removed() {
    let mut one = Causal::<AwMap<String, LwwRegister<i64>>>::default();
    let key = || "k".to_owned();
    one.edit(&at(1, 1), |map, change| {
        map.update(change, key(), |register, change| register.set(change, 1))
    });
    let mut stale = one.clone();
    one.edit(&at(1, 2), |map, change| map.remove(change, &key()));
    exchange(&mut one, &mut stale);
    assert!(one.get(&key()).is_none());
}

#[test]
fn a_list_keeps_the_order_of_its_elements() {
    let mut list = Causal::<List<i64>>::default();
    for n in 0..20 {
        list.edit(&at(1, 1), |list, change| list.push(change, n));
    }
    assert_eq!(list.iter().collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
}

#[test]
fn a_latest_writer_list_agrees_on_updates_of_one_tick() {
    let mut one = Causal::<MovableList<LwwRegister<i64>>>::default();
    one.edit(&at(1, 1), |list, change| list.insert(change, 0).unwrap());
    let mut two = one.clone();
    for (replica, log) in [(&mut one, 1), (&mut two, 2)] {
        replica.edit(&at(log, 5), |list, change| {
            let value = i64::from(log);
            list.update(change, 0, |register, change| register.set(change, value)).unwrap()
        });
    }
    exchange(&mut one, &mut two);
    assert_eq!(one.get(0).and_then(LwwRegister::get), Some(&2));
}

#[test]
fn a_removal_wins_over_what_is_older() {
    let mut one = Causal::<RwSet<i64>>::default();
    one.edit(&at(1, 1), |set, change| set.add(change, 7));
    let mut stale = one.clone();
    one.edit(&at(1, 2), |set, change| set.remove(change, &7));
    exchange(&mut one, &mut stale);
    assert!(!one.contains(&7));
}

#[test]
fn a_deletion_in_a_sequence_travels() {
    let mut one = Causal::<Rga<char>>::default();
    one.edit(&at(1, 1), |list, change| list.insert(change, 0, 'x').unwrap());
    let mut two = one.clone();
    one.edit(&at(1, 2), |list, change| list.delete(change, 0).unwrap());
    exchange(&mut one, &mut two);
    assert!(two.is_empty());
}

#[test]
fn an_insertion_in_a_sequence_lands_where_it_was_made() {
    let mut rga = Causal::<Rga<char>>::default();
    let mut list = Causal::<List<char>>::default();
    for (index, value) in [(0, 'a'), (1, 'c'), (1, 'b')] {
        rga.edit(&at(1, 1), |list, change| list.insert(change, index, value).unwrap());
        list.edit(&at(1, 1), |list, change| list.insert(change, index, value).unwrap());
    }
    assert_eq!(rga.iter().collect::<String>(), "abc");
    assert_eq!(list.iter().collect::<String>(), "abc");
}

#[test]
fn a_deletion_in_a_dense_sequence_travels() {
    let mut one = Causal::<Lseq<char>>::default();
    one.edit(&at(1, 1), |list, change| list.insert(change, 0, 'x').unwrap());
    let mut two = one.clone();
    one.edit(&at(1, 2), |list, change| list.delete(change, 0).unwrap());
    exchange(&mut one, &mut two);
    assert!(two.is_empty());
}

fn tree() -> [Causal<MoveTree<i64>>; 2] {
    let mut one = Causal::<MoveTree<i64>>::default();
    one.edit(&at(1, 1), |tree, change| tree.move_to(change, 0, None));
    [one.clone(), one]
}

#[test]
fn a_child_added_elsewhere_is_reachable() {
    let [mut one, mut two] = tree();
    two.edit(&at(2, 2), |tree, change| tree.move_to(change, 1, Some(0)));
    exchange(&mut one, &mut two);
    assert_eq!(one.descendants(&0), [&1]);
}

#[test]
fn an_edge_added_elsewhere_arrives() {
    let mut one = Causal::<Dag<i64>>::default();
    for n in [1, 2] {
        one.edit(&at(1, 1), |dag, change| dag.add_vertex(change, n));
    }
    let mut two = one.clone();
    one.edit(&at(1, 2), |dag, change| dag.add_edge(change, 1, 2));
    exchange(&mut one, &mut two);
    assert_eq!(two.edges(), [(&1, &2)]);
}

#[test]
fn children_added_concurrently_are_seen_by_all() {
    let [mut one, mut two] = tree();
    one.edit(&at(1, 2), |tree, change| tree.move_to(change, 1, Some(0)));
    two.edit(&at(2, 2), |tree, change| tree.move_to(change, 2, Some(0)));
    exchange(&mut one, &mut two);
    assert_eq!(one.children(Some(&0)), [&1, &2]);
    one.edit(&at(1, 3), |tree, change| tree.move_to(change, 1, Some(2)));
    two.edit(&at(2, 4), |tree, change| tree.move_to(change, 2, Some(1)));
    exchange(&mut one, &mut two);
    assert_eq!(one.path(&1), [&1, &2, &0], "of two moves that make a circle the earlier stands");
}

#[test]
fn a_removed_node_of_a_tree_stays_removed() {
    let [mut one, mut stale] = tree();
    one.edit(&at(1, 2), |tree, change| tree.remove(change, 0));
    exchange(&mut one, &mut stale);
    assert!(!one.is_in(&0));
}

#[test]
fn no_edge_dangles() {
    let mut one = Causal::<Graph<i64>>::default();
    for n in [1, 2] {
        one.edit(&at(1, 1), |graph, change| graph.add_vertex(change, n));
    }
    let mut two = one.clone();
    one.edit(&at(1, 2), |graph, change| graph.remove_vertex(change, &2));
    two.edit(&at(2, 2), |graph, change| graph.add_edge(change, 1, 2));
    exchange(&mut one, &mut two);
    assert_eq!((one.vertices().count(), one.edges().len()), (1, 0));
}

#[test]
fn a_removed_vertex_stays_removed() {
    let mut one = Causal::<RwMap<i64, LwwRegister<i64>>>::default();
    one.edit(&at(1, 1), |graph, change| graph.insert(change, 1));
    let mut stale = one.clone();
    one.edit(&at(1, 2), |graph, change| graph.remove(change, &1));
    exchange(&mut one, &mut stale);
    assert!(one.get(&1).is_none());
}
