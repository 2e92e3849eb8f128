//! The smallest examples we know on which the types of leptos-sync-core 0.9.0 break a law or an intent. Each
//! test asserts that the peer does break it; what ours do is in `crdt/tests/intents.rs`, under the same names.

use leptos_sync_core::crdt::*;
use serde_json::json;
use uuid::Uuid;

fn replica(n: u64) -> ReplicaId {
    ReplicaId::from(Uuid::from_u64_pair(0, n))
}

fn merge<T: Mergeable>(one: &mut T, other: &T) {
    assert!(one.merge(other).is_ok(), "the merge itself succeeds");
}

/// Commutativity: two writes of one replica in one tick of the clock.
#[test]
fn a_register_agrees_on_two_writes_of_one_tick() {
    let mut one = LwwRegister::new("a", replica(1));
    let mut two = LwwRegister::new("b", replica(1)).with_timestamp(one.timestamp());
    let (first, second) = (one.clone(), two.clone());
    merge(&mut one, &second);
    merge(&mut two, &first);
    assert_ne!(one.value(), two.value(), "each keeps its own");
}

/// No law is broken by the counter, but the builder's counter is a maximum.
#[test]
fn a_counter_counts_everything() {
    let (mut one, mut two) = (GCounter::new(), GCounter::new());
    (0..10).for_each(|_| one.increment(replica(1)));
    (0..10).for_each(|_| two.increment(replica(2)));
    merge(&mut one, &two);
    assert_eq!(one.value(), 20, "this one holds");
    let custom = |n| {
        let builder = CrdtBuilder::new("c".into()).add_field("n".into(), CrdtStrategy::GCounter);
        let mut custom = builder.build_on(n);
        custom.set_field("n", json!(10)).unwrap();
        custom
    };
    let (mut one, two) = (custom(1), custom(2));
    merge(&mut one, &two);
    assert_eq!(one.get_field("n"), Some(&json!(10)), "10 + 10 is 10");
}

trait BuildOn {
    fn build_on(self, n: u64) -> CustomCrdt;
}

impl BuildOn for CrdtBuilder {
    fn build_on(self, n: u64) -> CustomCrdt {
        self.create_crdt(replica(n))
    }
}

/// Intent: what was removed stays removed.
#[test]
fn a_removed_key_of_a_map_stays_removed() {
    let mut one = LwwMap::new();
    one.insert("k", 1, replica(1));
    let two = one.clone();
    one.remove(&"k");
    merge(&mut one, &two);
    assert!(one.contains_key(&"k"), "the removal is undone");
}

/// Intent: a list has an order.
#[test]
fn a_list_keeps_the_order_of_its_elements() {
    let orders: std::collections::BTreeSet<Vec<u32>> = (0..20)
        .map(|_| {
            let mut list = AddWinsList::new(replica(1));
            (0..20_u32).for_each(|n| {
                list.add(n, u64::from(n));
            });
            list.visible_elements().iter().map(|element| element.value).collect()
        })
        .collect();
    assert!(orders.len() > 1, "the order is that of a hash table");
}

/// Commutativity: two updates of one element with one timestamp.
#[test]
fn a_latest_writer_list_agrees_on_updates_of_one_tick() {
    let mut one = LwwList::new(replica(1));
    let element = one.add("x", 1);
    let mut two = one.clone();
    one.update(&element, "a", 5).unwrap();
    two.update(&element, "b", 5).unwrap();
    let (first, second) = (one.clone(), two.clone());
    merge(&mut one, &second);
    merge(&mut two, &first);
    assert_ne!(one.get(&element).unwrap().value, two.get(&element).unwrap().value);
}

/// Intent: a removal wins.
#[test]
fn a_removal_wins_over_what_is_older() {
    let mut one = RemoveWinsList::new(replica(1));
    let element = one.add("x", 1);
    let stale = one.clone();
    one.remove(&element).unwrap();
    merge(&mut one, &stale);
    assert!(one.contains(&element), "the removal is undone by a stale replica");
}

/// Convergence: a deletion reaches the other replica.
#[test]
fn a_deletion_in_a_sequence_travels() {
    let mut one = Rga::new(replica(1));
    let x = one.insert_after('x', None).unwrap();
    let mut two = Rga::new(replica(2));
    merge(&mut two, &one);
    one.delete(&x).unwrap();
    merge(&mut two, &one);
    assert_eq!((one.to_vec(), two.to_vec()), (vec![], vec!['x']), "it never arrives");
}

/// Intent: an insertion lands where it was made.
#[test]
fn an_insertion_in_a_sequence_lands_where_it_was_made() {
    let mut list = Rga::new(replica(1));
    let a = list.insert_after('a', None).unwrap();
    list.insert_after('c', Some(a.clone())).unwrap();
    list.insert_after('b', Some(a)).unwrap();
    assert_eq!(list.to_vec(), ['a', 'c', 'b'], "b was inserted after a");
}

/// Convergence, as above.
#[test]
fn a_deletion_in_a_dense_sequence_travels() {
    let mut one = Lseq::new(replica(1));
    let x = one.insert('x', None).unwrap();
    let mut two = Lseq::new(replica(2));
    merge(&mut two, &one);
    one.delete(&x).unwrap();
    merge(&mut two, &one);
    assert_eq!((one.to_vec(), two.to_vec()), (vec![], vec!['x']));
}

/// Convergence: a child added elsewhere is reachable.
#[test]
fn a_child_added_elsewhere_is_reachable() {
    let mut one = YjsTree::new(replica(1));
    let root = one.add_root("r").unwrap();
    let mut two = YjsTree::new(replica(2));
    merge(&mut two, &one);
    two.add_child(&root, "c").unwrap();
    merge(&mut one, &two);
    assert_eq!(one.len(), 2, "the child is known");
    assert!(one.to_tree().unwrap().children.is_empty(), "and is not in the tree");
}

/// Convergence: an edge added elsewhere arrives.
#[test]
fn an_edge_added_elsewhere_arrives() {
    let mut one = Dag::new(replica(1));
    let (a, b) = (one.add_node("a").unwrap(), one.add_node("b").unwrap());
    let mut two = Dag::new(replica(2));
    merge(&mut two, &one);
    one.add_edge(&a, &b).unwrap();
    merge(&mut two, &one);
    assert_eq!(one.get_nodes()[&a].outgoing.len(), 1);
    assert_eq!(two.get_nodes()[&a].outgoing.len(), 0, "it never arrives");
}

/// Convergence: children added concurrently are seen by all.
#[test]
fn children_added_concurrently_are_seen_by_all() {
    let mut one = AddWinsTree::new(replica(1));
    let root = one.add_root("r", 1);
    let mut two = AddWinsTree::new(replica(2));
    merge(&mut two, &one);
    one.add_child(&root, "a", 2).unwrap();
    two.add_child(&root, "b", 2).unwrap();
    let first = one.clone();
    merge(&mut one, &two);
    merge(&mut two, &first);
    let children = |tree: &AddWinsTree<&'static str>| {
        tree.children(&root).iter().map(|node| node.value).collect::<Vec<_>>()
    };
    assert_eq!((children(&one), children(&two)), (vec!["a"], vec!["b"]));
}

/// Intent: a removal wins.
#[test]
fn a_removed_node_of_a_tree_stays_removed() {
    let mut one = RemoveWinsTree::new(replica(1));
    let root = one.add_root("r", 1);
    let child = one.add_child(&root, "c", 2).unwrap();
    let stale = one.clone();
    one.remove(&child).unwrap();
    merge(&mut one, &stale);
    assert!(one.contains(&child), "the removal is undone");
}

/// Invariant: an edge that shows has two ends that show.
#[test]
fn no_edge_dangles() {
    let mut one = AddWinsGraph::new(replica(1));
    let (a, b) = (one.add_vertex("a", 1), one.add_vertex("b", 1));
    let mut two = one.clone();
    one.remove_vertex(&b, 2).unwrap();
    two.add_edge(&a, &b, 2, None).unwrap();
    merge(&mut one, &two);
    let shown = one.visible_vertices().len();
    assert_eq!((shown, one.visible_edges().len()), (1, 1), "one vertex, and an edge to nothing");
}

/// Intent: a removal wins.
#[test]
fn a_removed_vertex_stays_removed() {
    let mut one = RemoveWinsGraph::new(replica(1));
    let a = one.add_vertex("a", 1);
    let stale = one.clone();
    one.remove_vertex(&a).unwrap();
    merge(&mut one, &stale);
    assert!(one.contains_vertex(&a), "the removal is undone");
}
