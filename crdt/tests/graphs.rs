//! Graphs: what becomes of vertices, arrows and statements that come and go at the same time, and that they
//! come to what plain sets, a plain search and plain sorting come to.

use std::collections::{BTreeMap, BTreeSet};

use meshwork_crdt::types::graphs::{Classes, Dag, Graph, PartialOrder, Triples, TwoPhaseGraph};
use meshwork_crdt::{
    Causal, Crdt, DotStore, EditError, Encode, HybridTime, Lattice, LogId, Writer, digest,
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

/// Steps on one replica: which, and what on.
fn steps() -> impl Strategy<Value = Vec<(u8, i64, i64)>> {
    prop::collection::vec((0..6_u8, 0..5_i64, 0..5_i64), 0..50)
}

/// The edges of an oracle whose ends are there.
fn between(vertices: &BTreeSet<i64>, edges: &BTreeSet<(i64, i64)>) -> Vec<(i64, i64)> {
    let there = |(from, to): &&(i64, i64)| vertices.contains(from) && vertices.contains(to);
    edges.iter().filter(there).copied().collect()
}

fn plain(edges: Vec<(&i64, &i64)>) -> Vec<(i64, i64)> {
    edges.into_iter().map(|(from, to)| (*from, *to)).collect()
}

/// Two replicas of a graph 1 → 2.
fn graphs() -> [Causal<Graph<i64>>; 2] {
    let mut graph = Causal::<Graph<i64>>::default();
    for vertex in [1, 2] {
        graph.edit(&at(1, 1), |graph, change| graph.add_vertex(change, vertex));
    }
    graph.edit(&at(1, 1), |graph, change| graph.add_edge(change, 1, 2));
    [graph.clone(), graph]
}

#[test]
fn a_vertex_added_again_while_it_is_removed_stays_with_its_edges() {
    let [mut one, mut two] = graphs();
    one.edit(&at(1, 2), |graph, change| graph.remove_vertex(change, &2));
    two.edit(&at(2, 2), |graph, change| graph.add_vertex(change, 2));
    let all = meet(&one, &two);
    assert!(all.contains(&2));
    assert_eq!(all.neighbours(&1), [&2]);
}

#[test]
fn an_edge_added_while_its_end_is_removed_shows_when_the_end_is_back() {
    let [mut one, mut two] = graphs();
    one.edit(&at(1, 2), |graph, change| graph.remove_vertex(change, &2));
    two.edit(&at(2, 2), |graph, change| graph.add_edge(change, 2, 1));
    let mut all = meet(&one, &two);
    assert!(all.edges().is_empty());
    all.edit(&at(1, 3), |graph, change| graph.add_vertex(change, 2));
    assert_eq!(all.edges(), [(&1, &2), (&2, &1)]);
}

#[test]
fn an_edge_added_again_while_it_is_removed_stays() {
    let [mut one, mut two] = graphs();
    one.edit(&at(1, 2), |graph, change| graph.remove_edge(change, &1, &2));
    two.edit(&at(2, 2), |graph, change| graph.add_edge(change, 1, 2));
    assert_eq!(meet(&one, &two).edges(), [(&1, &2)]);
    let [_, unaware] = graphs();
    assert!(meet(&one, &unaware).edges().is_empty(), "what was seen goes");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_graph_on_one_replica_is_two_sets(steps in steps()) {
        let mut graph = Causal::<Graph<i64>>::default();
        let (mut vertices, mut edges) = (BTreeSet::new(), BTreeSet::new());
        for (step, from, to) in steps {
            graph.edit(&at(1, 1), |graph, change| match step {
                0 | 1 => graph.add_vertex(change, from),
                2 => graph.remove_vertex(change, &from),
                3 => graph.remove_edge(change, &from, &to),
                _ => graph.add_edge(change, from, to),
            });
            match step {
                0 | 1 => vertices.insert(from),
                2 => vertices.remove(&from),
                3 => edges.remove(&(from, to)),
                _ => edges.insert((from, to)),
            };
            prop_assert!(graph.vertices().eq(&vertices));
            prop_assert_eq!(plain(graph.edges()), between(&vertices, &edges));
            let leads = between(&vertices, &edges).into_iter().filter(|(one, _)| *one == from);
            let leads: Vec<_> = leads.map(|(_, two)| two).collect();
            prop_assert!(graph.neighbours(&from).into_iter().eq(&leads));
        }
    }

    #[test]
    fn a_graph_with_final_removals_on_one_replica_is_four_sets(steps in steps()) {
        let mut graph = Causal::<TwoPhaseGraph<i64>>::default();
        let (mut vertices, mut edges) = (BTreeSet::new(), BTreeSet::new());
        let (mut dead, mut cut) = (BTreeSet::new(), BTreeSet::new());
        for (step, from, to) in steps {
            graph.edit(&at(1, 1), |graph, change| match step {
                0 | 1 => graph.add_vertex(change, from),
                2 => graph.remove_vertex(change, &from),
                3 => graph.remove_edge(change, &from, &to),
                _ => graph.add_edge(change, from, to),
            });
            match step {
                0 | 1 => _ = !dead.contains(&from) && vertices.insert(from),
                2 => _ = vertices.remove(&from) && dead.insert(from),
                3 => _ = edges.remove(&(from, to)) && cut.insert((from, to)),
                _ => _ = !cut.contains(&(from, to)) && edges.insert((from, to)),
            }
            prop_assert!(graph.vertices().eq(&vertices));
            prop_assert!((0..5).all(|vertex| graph.contains(&vertex) == vertices.contains(&vertex)));
            prop_assert_eq!(plain(graph.edges()), between(&vertices, &edges));
        }
    }
}

#[test]
fn a_vertex_removed_stays_removed_whoever_adds_it_again() {
    let mut one = Causal::<TwoPhaseGraph<i64>>::default();
    for vertex in [1, 2] {
        one.edit(&at(1, 1), |graph, change| graph.add_vertex(change, vertex));
    }
    let mut two = one.clone();
    one.edit(&at(1, 2), |graph, change| graph.remove_vertex(change, &2));
    two.edit(&at(2, 3), |graph, change| graph.add_vertex(change, 2));
    two.edit(&at(2, 3), |graph, change| graph.add_edge(change, 1, 2));
    let mut all = meet(&one, &two);
    all.edit(&at(1, 4), |graph, change| graph.add_vertex(change, 2));
    assert!(all.vertices().eq([&1]) && all.edges().is_empty());
}

#[test]
fn an_edge_removed_stays_removed_while_another_between_the_same_ends_may_come() {
    let mut one = Causal::<TwoPhaseGraph<i64>>::default();
    for vertex in [1, 2] {
        one.edit(&at(1, 1), |graph, change| graph.add_vertex(change, vertex));
    }
    one.edit(&at(1, 1), |graph, change| graph.add_edge(change, 1, 2));
    let mut two = one.clone();
    one.edit(&at(1, 2), |graph, change| graph.remove_edge(change, &1, &2));
    two.edit(&at(2, 3), |graph, change| graph.add_edge(change, 1, 2));
    two.edit(&at(2, 3), |graph, change| graph.add_edge(change, 2, 1));
    assert_eq!(meet(&one, &two).edges(), [(&2, &1)]);
}

type Arrows = Causal<Dag<i64>>;

/// Two replicas of vertices without arrows.
fn vertices(vertices: std::ops::Range<i64>) -> [Arrows; 2] {
    let mut dag = Arrows::default();
    for vertex in vertices {
        dag.edit(&at(1, 1), |dag, change| dag.add_vertex(change, vertex));
    }
    [dag.clone(), dag]
}

fn arrow(dag: &mut Arrows, writer: &Writer, from: i64, to: i64) {
    dag.edit(writer, |dag, change| dag.add_edge(change, from, to));
}

#[test]
fn of_arrows_that_close_a_cycle_together_the_latest_does_not_show() {
    let [mut one, mut two] = vertices(1..4);
    arrow(&mut one, &at(1, 4), 1, 2);
    arrow(&mut one, &at(1, 2), 2, 3);
    arrow(&mut two, &at(2, 3), 3, 1);
    let all = meet(&one, &two);
    assert_eq!(all.edges(), [(&2, &3), (&3, &1)], "in the order of their times");
    assert_eq!(all.topological_order(), [&2, &3, &1]);
}

#[test]
fn an_arrow_that_did_not_show_comes_back_when_the_earlier_one_or_its_vertex_goes() {
    let [mut one, mut two] = vertices(1..4);
    arrow(&mut one, &at(1, 2), 1, 2);
    arrow(&mut one, &at(1, 2), 2, 3);
    arrow(&mut two, &at(2, 3), 3, 1);
    let all = meet(&one, &two);
    assert_eq!(all.edges(), [(&1, &2), (&2, &3)]);
    let mut cut = all.clone();
    cut.edit(&at(1, 4), |dag, change| dag.remove_edge(change, &1, &2));
    assert_eq!(cut.edges(), [(&2, &3), (&3, &1)]);
    let mut without = all.clone();
    without.edit(&at(1, 4), |dag, change| dag.remove_vertex(change, &2));
    assert_eq!(without.edges(), [(&3, &1)]);
}

#[test]
fn an_arrow_to_itself_never_shows_and_ties_are_settled_by_the_log() {
    let [mut one, mut two] = vertices(1..3);
    arrow(&mut one, &at(1, 2), 1, 1);
    arrow(&mut one, &at(1, 2), 2, 1);
    arrow(&mut two, &at(2, 2), 1, 2);
    assert_eq!(meet(&one, &two).edges(), [(&2, &1)]);
}

/// Whether arrows lead from one to another, in any number of steps but none.
fn leads(arrows: &[(i64, i64)], from: i64, to: i64) -> bool {
    let mut reached = BTreeSet::new();
    let mut next = vec![from];
    while let Some(here) = next.pop() {
        for (_, there) in arrows.iter().filter(|(start, _)| *start == here) {
            if reached.insert(*there) {
                next.push(*there);
            }
        }
    }
    reached.contains(&to)
}

/// Takes arrows one after another, if they close no cycle.
fn greedy(arrows: impl IntoIterator<Item = (i64, i64)>) -> Vec<(i64, i64)> {
    let mut kept = Vec::new();
    for (from, to) in arrows {
        if from != to && !leads(&kept, to, from) {
            kept.push((from, to));
        }
    }
    kept
}

/// Takes the least that nothing left comes before, again and again.
fn sorted(vertices: impl IntoIterator<Item = i64>, arrows: &[(i64, i64)]) -> Vec<i64> {
    let mut left: BTreeSet<i64> = vertices.into_iter().collect();
    let mut order = Vec::new();
    while !left.is_empty() {
        let is_free = |item: &&i64| !arrows.iter().any(|(a, b)| left.contains(a) && b == *item);
        let item = *left.iter().find(is_free).expect("no cycle");
        left.remove(&item);
        order.push(item);
    }
    order
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_arrows_that_show_are_those_taken_one_by_one_in_the_order_of_time(
        arrows in prop::collection::btree_map((0..6_i64, 0..6_i64), (1..3_u8, 0..9_u64), 0..24),
        gone in 0..12_i64,
    ) {
        let mut replicas = vertices(0..6);
        let mut log = BTreeSet::new();
        for (index, ((from, to), (who, ms))) in arrows.into_iter().enumerate() {
            arrow(&mut replicas[usize::from(who) - 1], &at(who, ms), from, to);
            log.insert((ms, who, index, (from, to)));
        }
        replicas[0].edit(&at(1, 9), |dag, change| dag.remove_vertex(change, &gone));
        let all = meet(&replicas[0], &replicas[1]);
        let arrows = log.into_iter().map(|(_, _, _, arrow)| arrow);
        let kept = greedy(arrows.filter(|(from, to)| *from != gone && *to != gone));
        prop_assert_eq!(plain(all.edges()), kept.clone());
        let order = sorted((0..6).filter(|vertex| *vertex != gone), &kept);
        prop_assert!(all.topological_order().into_iter().eq(&order));
    }

    #[test]
    fn a_line_of_a_partial_order_fits_all_that_is_not_contradicted(
        pairs in prop::collection::btree_set((0..6_i64, 0..6_i64), 0..24),
    ) {
        let mut replicas = [1, 2].map(|_| Causal::<PartialOrder<i64>>::default());
        for (index, (one, two)) in pairs.iter().rev().enumerate() {
            let who = index % 2;
            replicas[who].edit(&at(who as u8 + 1, 1), |order, change| order.put(change, *one, *two));
        }
        let all = meet(&replicas[0], &replicas[1]);
        let kept = greedy(pairs.iter().copied());
        for (one, two) in (0..6).flat_map(|one| (0..6).map(move |two| (one, two))) {
            prop_assert_eq!(all.before(&one, &two), leads(&kept, one, two));
        }
        let items: BTreeSet<i64> = pairs.iter().flat_map(|(one, two)| [*one, *two]).collect();
        prop_assert!(all.line().into_iter().eq(&sorted(items, &kept)));
    }
}

type Order = Causal<PartialOrder<i64>>;

/// Two replicas of 1 before 9.
fn orders() -> [Order; 2] {
    let mut order = Order::default();
    order.edit(&at(1, 1), |order, change| order.put(change, 1, 9));
    [order.clone(), order]
}

#[test]
fn things_inserted_concurrently_between_two_are_both_between_them() {
    let [mut one, mut two] = orders();
    one.try_edit(&at(1, 2), |order, change| order.insert(change, 5, (1, 9))).unwrap();
    two.try_edit(&at(2, 2), |order, change| order.insert(change, 4, (1, 9))).unwrap();
    let all = meet(&one, &two);
    assert_eq!(all.line(), [&1, &4, &5, &9]);
    assert!(all.before(&1, &4) && all.before(&5, &9) && !all.before(&4, &5));
}

#[test]
fn of_two_contradictory_statements_the_smaller_shows_and_both_are_kept() {
    let [mut one, mut two] = orders();
    one.edit(&at(1, 2), |order, change| order.put(change, 9, 7));
    two.edit(&at(2, 2), |order, change| order.put(change, 7, 1));
    let all = meet(&one, &two);
    assert_eq!(all.line(), [&7, &1, &9], "9 before 7 is the greatest of the three");
    assert_eq!(meet(&all, &orders()[0]), all);
}

#[test]
fn nothing_is_inserted_between_two_that_come_in_another_order() {
    let [mut one, _] = orders();
    for (item, ends) in [(5, (9, 1)), (1, (1, 9)), (9, (1, 9)), (5, (1, 1)), (1, (9, 5))] {
        let result = one.try_edit(&at(1, 2), |order, change| order.insert(change, item, ends));
        assert!(matches!(result, Err(EditError::Refused { .. })), "{item} between {ends:?}");
    }
    assert_eq!(one, orders()[0]);
}

#[test]
fn what_two_unite_concurrently_with_the_same_thing_is_the_same() {
    let mut one = Causal::<Classes<i64>>::default();
    let mut two = one.clone();
    one.edit(&at(1, 1), |classes, change| classes.unite(change, 1, 3));
    one.edit(&at(1, 1), |classes, change| classes.unite(change, 5, 6));
    two.edit(&at(2, 1), |classes, change| classes.unite(change, 3, 2));
    let all = meet(&one, &two);
    assert_eq!(all.classes(), [vec![&1, &2, &3], vec![&5, &6]]);
    assert!(all.same(&1, &2) && !all.same(&1, &5));
}

#[test]
fn that_a_thing_is_itself_says_nothing() {
    let mut classes = Causal::<Classes<i64>>::default();
    let delta = classes.edit(&at(1, 1), |classes, change| classes.unite(change, 1, 1));
    assert!(delta.is_bottom() && classes.same(&1, &1));
}

type Facts = Causal<Triples<i64>>;

fn state(facts: &mut Facts, writer: &Writer, (s, p, o): (i64, i64, i64)) {
    facts.edit(writer, |facts, change| facts.state(change, s, p, o));
}

fn retract(facts: &mut Facts, writer: &Writer, (s, p, o): (i64, i64, i64)) {
    facts.edit(writer, |facts, change| facts.retract(change, s, p, o));
}

#[test]
fn stating_wins_over_concurrent_retracting_of_the_same_and_leaves_others_alone() {
    let mut one = Facts::default();
    state(&mut one, &at(1, 1), (1, 2, 3));
    state(&mut one, &at(1, 1), (1, 2, 4));
    let mut two = one.clone();
    retract(&mut one, &at(1, 2), (1, 2, 3));
    retract(&mut one, &at(1, 2), (1, 2, 4));
    state(&mut two, &at(2, 2), (1, 2, 3));
    assert_eq!(meet(&one, &two).matching(None, None, None), [(&1, &2, &3)]);
}

#[test]
fn retracting_what_was_not_stated_does_not_keep_others_from_stating_it() {
    let (mut one, mut two) = (Facts::default(), Facts::default());
    retract(&mut one, &at(1, 2), (1, 2, 3));
    state(&mut two, &at(2, 1), (1, 2, 3));
    assert_eq!(meet(&one, &two).matching(Some(&1), Some(&2), Some(&3)).len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn classes_are_what_going_from_one_to_another_reaches(
        pairs in prop::collection::vec((1..4_u8, 0..7_i64, 0..7_i64), 0..16),
    ) {
        let mut replicas = [1, 2, 3].map(|_| Causal::<Classes<i64>>::default());
        for (who, one, two) in &pairs {
            let replica = &mut replicas[usize::from(*who) - 1];
            replica.edit(&at(*who, 1), |classes, change| classes.unite(change, *one, *two));
        }
        let all = meet(&meet(&replicas[0], &replicas[1]), &replicas[2]);
        let both_ways: Vec<_> =
            pairs.iter().flat_map(|(_, one, two)| [(*one, *two), (*two, *one)]).collect();
        let mut classes = BTreeMap::<i64, Vec<i64>>::new();
        for one in 0..7 {
            for two in 0..7 {
                let same = one == two || leads(&both_ways, one, two);
                prop_assert_eq!(all.same(&one, &two), same);
            }
            let least = (0..=one).find(|two| *two == one || leads(&both_ways, one, *two));
            classes.entry(least.unwrap()).or_default().push(one);
        }
        let classes: Vec<_> = classes.into_values().filter(|class| class.len() > 1).collect();
        let shown: Vec<Vec<i64>> =
            all.classes().into_iter().map(|class| class.into_iter().copied().collect()).collect();
        prop_assert_eq!(shown, classes);
    }

    #[test]
    fn triples_on_one_replica_are_a_set_that_is_filtered(
        steps in prop::collection::vec((any::<bool>(), (0..3_i64, 0..3_i64, 0..3_i64)), 0..40),
        pattern in prop::array::uniform3(prop::option::of(0..3_i64)),
    ) {
        let mut facts = Facts::default();
        let mut oracle = BTreeSet::new();
        for (stated, triple) in steps {
            if stated {
                state(&mut facts, &at(1, 1), triple);
                oracle.insert(triple);
            } else {
                retract(&mut facts, &at(1, 1), triple);
                oracle.remove(&triple);
            }
        }
        let [s, p, o] = pattern;
        let fits = |(a, b, c): &&(i64, i64, i64)| {
            s.is_none_or(|s| s == *a) && p.is_none_or(|p| p == *b) && o.is_none_or(|o| o == *c)
        };
        let wanted: Vec<_> = oracle.iter().filter(fits).map(|(a, b, c)| (a, b, c)).collect();
        prop_assert_eq!(facts.matching(s.as_ref(), p.as_ref(), o.as_ref()), wanted);
        prop_assert_eq!(facts.value().to_string().matches('[').count(), oracle.len() + 1);
    }
}
