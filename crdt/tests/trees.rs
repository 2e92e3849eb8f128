//! Trees: what becomes of things that are moved, named and removed at the same time, and that one replica
//! alone does what a plain map of parents and a plain map of paths do.

use std::collections::{BTreeMap, BTreeSet};

use meshwork_crdt::types::trees::{FileSystem, MoveTree, OrphanTree, Orphans, PATH_BYTES_MAX};
use meshwork_crdt::{
    Causal, Crdt, DotStore, EditError, Encode, HybridTime, Lattice, LogId, Writer, digest,
    from_bytes, to_bytes,
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

/// Whether going up from anything ends at the top.
fn is_a_tree<K: Ord>(parents: &BTreeMap<&K, Option<&K>>) -> bool {
    parents.keys().all(|start| {
        let mut at = Some(*start);
        for _ in 0..=parents.len() {
            let Some(node) = at else { return true };
            let Some(parent) = parents.get(node) else { return false };
            at = *parent;
        }
        false
    })
}

type Things = Causal<MoveTree<i64>>;

fn put(tree: &mut Things, writer: &Writer, node: i64, parent: Option<i64>) -> Things {
    tree.edit(writer, |tree, change| tree.move_to(change, node, parent))
}

fn label(tree: &mut Things, writer: &Writer, node: i64, label: &str) {
    tree.edit(writer, |tree, change| tree.write(change, node, label.into()));
}

/// Three things at the top.
fn three() -> [Things; 2] {
    let mut tree = Things::default();
    for node in [1, 2, 3] {
        put(&mut tree, &at(1, 1), node, None);
    }
    [tree.clone(), tree]
}

#[test]
fn of_two_moves_that_would_close_a_cycle_together_the_earlier_is_made() {
    let [mut one, mut two] = three();
    put(&mut one, &at(1, 3), 1, Some(2));
    put(&mut two, &at(2, 2), 2, Some(1));
    let all = meet(&one, &two);
    assert_eq!((all.parent(&1), all.parent(&2)), (Some(None), Some(Some(&1))));
    let claims = all.claims();
    let lost: Vec<_> = claims.iter().filter(|claim| !claim.stands).collect();
    assert!(lost.iter().any(|claim| claim.by == Some(LogId([1; 16]))), "{claims:?}");
}

#[test]
fn a_thing_moved_to_two_places_is_at_the_later_one_only() {
    let [mut one, mut two] = three();
    put(&mut one, &at(1, 2), 3, Some(1));
    put(&mut two, &at(2, 3), 3, Some(2));
    let all = meet(&one, &two);
    assert!(all.children(Some(&1)).is_empty());
    assert_eq!(all.children(Some(&2)), [&3]);
}

#[test]
fn a_thing_removed_takes_with_it_what_was_concurrently_moved_below_it() {
    let [mut one, mut two] = three();
    one.edit(&at(1, 2), |tree, change| tree.remove(change, 1));
    put(&mut two, &at(2, 3), 2, Some(1));
    let mut all = meet(&one, &two);
    assert_eq!(all.children(None), [&3]);
    assert_eq!((all.parent(&2), all.children(Some(&1)).len()), (None, 0));
    assert!(all.path(&2).is_empty() && all.descendants(&1).is_empty());
    put(&mut all, &at(1, 4), 1, Some(3));
    assert_eq!(all.path(&2), [&2, &1, &3], "it comes back with what is below it");
}

#[test]
fn a_later_move_brings_back_what_was_removed_and_an_earlier_one_does_not() {
    let [mut one, mut two] = three();
    one.edit(&at(1, 3), |tree, change| tree.remove(change, 1));
    one.edit(&at(1, 3), |tree, change| tree.remove(change, 2));
    put(&mut two, &at(2, 2), 1, Some(3));
    put(&mut two, &at(2, 4), 2, Some(3));
    assert_eq!(meet(&one, &two).descendants(&3), [&2]);
}

#[test]
fn a_move_that_arrives_before_what_it_refers_to_counts_when_that_arrives() {
    let mut one = Things::default();
    let made = put(&mut one, &at(1, 1), 1, None);
    let moved = put(&mut one, &at(1, 2), 2, Some(1));
    let mut two = Things::default();
    two.join(moved);
    assert!(two.parents().is_empty());
    two.join(made);
    assert_eq!((two.descendants(&1), &two), (vec![&2], &one));
}

#[test]
fn removing_what_is_nowhere_says_nothing() {
    let mut tree = three()[0].clone();
    for node in [1, 1, 9] {
        let known = tree.parent(&node).is_some();
        let delta = tree.edit(&at(1, 2), |tree, change| tree.remove(change, node));
        assert_eq!(*delta != MoveTree::default(), known);
    }
}

#[test]
fn of_two_labels_the_later_shows_and_equal_labels_in_one_place_are_found() {
    let [mut one, mut two] = three();
    label(&mut one, &at(1, 2), 1, "old");
    label(&mut two, &at(2, 3), 1, "same");
    label(&mut two, &at(2, 3), 2, "same");
    label(&mut one, &at(1, 3), 3, "same");
    let mut all = meet(&one, &two);
    assert_eq!(all.label(&1), Some(&"same".into()));
    assert_eq!(all.clashes(), [[&1, &2, &3]]);
    put(&mut all, &at(1, 4), 2, Some(1));
    assert_eq!(all.clashes(), [[&1, &3]]);
    all.edit(&at(1, 5), |tree, change| tree.remove(change, 3));
    assert!(all.clashes().is_empty());
}

#[test]
fn a_tree_as_deep_as_it_is_large_is_read() {
    let mut tree = Things::default();
    let deep = 10_000;
    // From below upwards, so that no move has a long way to the top.
    for node in 1..=deep {
        put(&mut tree, &at(1, 1), node, Some(node + 1).filter(|parent| *parent <= deep));
    }
    assert_eq!(tree.path(&1).len() as i64, deep);
    assert_eq!(tree.descendants(&deep).len() as i64, deep - 1);
    assert_eq!(tree.parents().len() as i64, deep);
    assert!(tree.clashes().is_empty() && tree.claims().iter().all(|claim| claim.stands));
    let mut late = Things::default();
    put(&mut late, &at(2, 0), 0, Some(1));
    assert_eq!(meet(&tree, &late).path(&0).len() as i64, deep + 1, "an oldest move goes in below");
}

/// Moves by who, when, what, where to; whom to hear from.
fn moves() -> impl Strategy<Value = Vec<(u8, u64, i64, Option<i64>, bool, u8)>> {
    let step = (1..4_u8, 0..6_u64, 0..6_i64, prop::option::of(0..6_i64), any::<bool>(), 0..6_u8);
    prop::collection::vec(step, 0..40)
}

/// Where things are: removed, at the top, or below another.
type Places = BTreeMap<i64, Option<Option<i64>>>;

/// Moves by when, who and in which order.
type Moves = BTreeMap<(u64, u8, usize), (i64, Option<Option<i64>>)>;

/// A tree as a map, by moves in the order of their times.
fn replayed(log: &Moves) -> Places {
    let mut tree = Places::new();
    for (node, place) in log.values() {
        let mut above = place.flatten();
        let mut steps = 0;
        while let Some(next) = above.filter(|next| next != node && steps <= tree.len()) {
            above = tree.get(&next).copied().flatten().flatten();
            steps += 1;
        }
        if above.is_none() {
            tree.insert(*node, *place);
        }
    }
    tree
}

/// What is to be seen of it: what going up leads to the top from.
fn seen(tree: &Places) -> BTreeMap<i64, Option<i64>> {
    let shown = tree.iter().filter_map(|(node, place)| {
        let parent = (*place)?;
        let mut above = parent;
        while let Some(next) = above {
            above = tree.get(&next).copied().flatten()?;
        }
        Some((*node, parent))
    });
    shown.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn moves_come_to_what_a_map_comes_to_by_the_same_moves_in_the_order_of_time(steps in moves()) {
        let mut replicas = [1, 2, 3].map(|_| Things::default());
        let mut log = Moves::new();
        for (index, (who, ms, node, parent, remove, hear)) in steps.into_iter().enumerate() {
            let replica = &mut replicas[usize::from(who) - 1];
            let place = (!remove).then_some(parent);
            let delta = replica.edit(&at(who, ms), |tree, change| match place {
                Some(parent) => tree.move_to(change, node, parent),
                None => tree.remove(change, node),
            });
            if *delta != MoveTree::default() {
                log.insert((ms, who, index), (node, place));
            }
            if let Some(heard) = replicas.get(usize::from(hear)).cloned() {
                replicas[usize::from(who) - 1].join(heard);
            }
        }
        let all = meet(&meet(&replicas[0], &replicas[1]), &replicas[2]);
        let oracle = seen(&replayed(&log));
        let parents = all.parents();
        prop_assert!(is_a_tree(&parents));
        let plain: BTreeMap<_, _> = parents.iter().map(|(n, p)| (**n, p.copied())).collect();
        prop_assert_eq!(&plain, &oracle);
        for node in 0..6 {
            prop_assert_eq!(all.parent(&node).map(|parent| parent.copied()), oracle.get(&node).copied());
            prop_assert_eq!(all.is_in(&node), oracle.contains_key(&node));
            let below = oracle.iter().filter(|(_, parent)| **parent == Some(node));
            let below: Vec<_> = below.map(|(child, _)| child).collect();
            prop_assert_eq!(all.children(Some(&node)), below);
            let under: BTreeSet<_> = all.descendants(&node).into_iter().collect();
            let held = parents.keys().filter(|other| all.path(other)[1..].contains(&&node));
            prop_assert_eq!(under, held.copied().collect());
        }
    }
}

type Family = Causal<OrphanTree<i64>>;

fn hang(tree: &mut Family, writer: &Writer, node: i64, parent: Option<i64>) {
    tree.edit(writer, |tree, change| tree.put(change, node, parent));
}

fn shown(tree: &Family, orphans: Orphans) -> Vec<(i64, Option<i64>)> {
    tree.parents(orphans).into_iter().map(|(node, parent)| (*node, parent.copied())).collect()
}

#[test]
fn putting_wins_over_concurrent_removing() {
    let mut one = Family::default();
    hang(&mut one, &at(1, 1), 1, None);
    let mut two = one.clone();
    one.edit(&at(1, 2), |tree, change| tree.remove(change, &1));
    hang(&mut two, &at(2, 2), 1, None);
    assert_eq!(shown(&meet(&one, &two), Orphans::Skip), [(1, None)]);
}

#[test]
fn of_several_parents_the_smallest_is_shown_and_the_others_are_claimed() {
    let mut one = Family::default();
    for node in [1, 2, 3] {
        hang(&mut one, &at(1, 1), node, None);
    }
    let mut two = one.clone();
    hang(&mut one, &at(1, 2), 3, Some(2));
    hang(&mut two, &at(2, 2), 3, Some(1));
    let all = meet(&one, &two);
    assert_eq!(shown(&all, Orphans::Skip), [(1, None), (2, None), (3, Some(1))]);
    assert_eq!(all.claims().iter().filter(|claim| !claim.stands).count(), 1);
}

#[test]
fn the_reader_says_what_becomes_of_orphans() {
    let mut one = Family::default();
    hang(&mut one, &at(1, 1), 1, None);
    let mut two = one.clone();
    one.edit(&at(1, 2), |tree, change| tree.remove(change, &1));
    hang(&mut two, &at(2, 2), 2, Some(1));
    hang(&mut two, &at(2, 2), 3, Some(2));
    let all = meet(&one, &two);
    assert!(shown(&all, Orphans::Skip).is_empty());
    assert_eq!(shown(&all, Orphans::AtTop), [(2, None), (3, Some(2))]);
    assert_eq!(shown(&all, Orphans::Reappear), [(1, None), (2, Some(1)), (3, Some(2))]);
}

#[test]
fn of_a_circle_the_least_comes_to_the_top_and_what_hangs_off_it_stays() {
    let mut one = Family::default();
    for node in [1, 2, 5, 6] {
        hang(&mut one, &at(1, 1), node, None);
    }
    let mut two = one.clone();
    hang(&mut one, &at(1, 2), 5, Some(6));
    hang(&mut one, &at(1, 2), 1, Some(6));
    hang(&mut two, &at(2, 2), 6, Some(5));
    hang(&mut two, &at(2, 2), 2, Some(2));
    let all = meet(&one, &two);
    let whole = [(1, Some(6)), (2, None), (5, None), (6, Some(5))];
    assert_eq!(shown(&all, Orphans::AtTop), whole);
    assert_eq!(shown(&all, Orphans::Reappear), whole);
    assert!(shown(&all, Orphans::Skip).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_was_put_is_shown_without_circles(steps in moves()) {
        let mut replicas = [1, 2, 3].map(|_| Family::default());
        for (who, ms, node, parent, remove, hear) in steps {
            let replica = &mut replicas[usize::from(who) - 1];
            replica.edit(&at(who, ms), |tree, change| match remove {
                true => tree.remove(change, &node),
                false => tree.put(change, node, parent),
            });
            if let Some(heard) = replicas.get(usize::from(hear)).cloned() {
                replicas[usize::from(who) - 1].join(heard);
            }
        }
        let all = meet(&meet(&replicas[0], &replicas[1]), &replicas[2]);
        let claims = all.claims();
        let [skipped, at_top, again] =
            [Orphans::Skip, Orphans::AtTop, Orphans::Reappear].map(|orphans| all.parents(orphans));
        for parents in [&skipped, &at_top, &again] {
            prop_assert!(is_a_tree(parents), "{parents:?}");
        }
        prop_assert!(skipped.iter().all(|(node, parent)| at_top.get(node) == Some(parent)));
        prop_assert!(at_top.keys().all(|node| again.contains_key(node)));
        prop_assert!(at_top.len() <= claims.len() && at_top.is_empty() == claims.is_empty());
    }

    #[test]
    fn an_orphan_tree_on_one_replica_is_a_map_of_parents(
        steps in prop::collection::vec((0..6_i64, prop::option::of(0..6_i64), 0..4_u8), 0..40),
    ) {
        let mut tree = Family::default();
        let mut oracle = BTreeMap::new();
        for (node, parent, step) in steps {
            if step == 0 {
                tree.edit(&at(1, 1), |tree, change| tree.remove(change, &node));
                oracle.remove(&node);
            } else {
                hang(&mut tree, &at(1, 1), node, parent);
                oracle.insert(node, Some(parent));
            }
        }
        let plain: BTreeMap<_, _> = shown(&tree, Orphans::Skip).into_iter().collect();
        // Unlike moves, statements may go round; what does is not seen, as going up from it has no end.
        let ends = |start: &i64| {
            let mut at = Some(*start);
            for _ in 0..=oracle.len() {
                let Some(node) = at else { return true };
                let Some(Some(parent)) = oracle.get(&node) else { return false };
                at = *parent;
            }
            false
        };
        let seen: BTreeMap<_, _> = oracle
            .iter()
            .filter(|(node, _)| ends(node))
            .filter_map(|(node, parent)| Some((*node, (*parent)?)))
            .collect();
        prop_assert_eq!(plain, seen);
        prop_assert!(tree.parents(Orphans::AtTop).keys().copied().eq(oracle.keys()));
    }
}

type Disk = Causal<FileSystem>;

fn write(disk: &mut Disk, writer: &Writer, path: &str, content: i64) {
    disk.try_edit(writer, |disk, change| disk.write(change, path, content.into())).unwrap();
}

fn folder(disk: &mut Disk, writer: &Writer, path: &str) {
    disk.try_edit(writer, |disk, change| disk.make_folder(change, path)).unwrap();
}

fn rename(disk: &mut Disk, writer: &Writer, from: &str, to: &str) {
    disk.try_edit(writer, |disk, change| disk.rename(change, from, to)).unwrap();
}

fn remove(disk: &mut Disk, writer: &Writer, path: &str) {
    disk.try_edit(writer, |disk, change| disk.remove(change, path)).unwrap();
}

fn contents(disk: &Disk) -> Vec<(String, Option<i64>)> {
    let content = |path: &String| match disk.read(path)? {
        meshwork_crdt::Value::Int(number) => Some(*number),
        _ => None,
    };
    disk.list().into_iter().map(|path| (path.clone(), content(&path))).collect()
}

fn paths<const N: usize>(paths: [(&str, Option<i64>); N]) -> Vec<(String, Option<i64>)> {
    paths.map(|(path, content)| (path.to_owned(), content)).to_vec()
}

#[test]
fn two_files_of_one_name_are_both_kept_and_the_one_made_first_bears_it() {
    let (mut one, mut two) = (Disk::default(), Disk::default());
    write(&mut one, &at(1, 2), "a", 1);
    write(&mut two, &at(2, 1), "a", 2);
    let mut all = meet(&one, &two);
    assert_eq!(contents(&all), paths([("a", Some(2)), ("a (2)", Some(1))]));
    rename(&mut all, &at(1, 3), "a (2)", "b");
    assert_eq!(contents(&all), paths([("a", Some(2)), ("b", Some(1))]));
}

#[test]
fn a_number_does_not_hide_a_file_that_bears_it_in_its_name() {
    let (mut one, mut two) = (Disk::default(), Disk::default());
    write(&mut one, &at(1, 1), "a", 1);
    write(&mut two, &at(2, 2), "a", 2);
    write(&mut two, &at(2, 3), "a (2)", 3);
    let all = meet(&one, &two);
    assert_eq!(contents(&all), paths([("a", Some(1)), ("a (2)", Some(3)), ("a (3)", Some(2))]));
}

#[test]
fn folders_moved_into_each_other_stay_and_the_earlier_move_is_made() {
    let mut one = Disk::default();
    for name in ["a", "b"] {
        folder(&mut one, &at(1, 1), name);
    }
    write(&mut one, &at(1, 1), "a/x", 1);
    let mut two = one.clone();
    rename(&mut one, &at(1, 3), "a", "b/a");
    rename(&mut two, &at(2, 2), "b", "a/b");
    let all = meet(&one, &two);
    assert_eq!(contents(&all), paths([("a", None), ("a/b", None), ("a/x", Some(1))]));
}

#[test]
fn a_file_written_in_a_folder_while_that_moves_is_in_it_where_it_goes() {
    let mut one = Disk::default();
    for name in ["a", "b"] {
        folder(&mut one, &at(1, 1), name);
    }
    let mut two = one.clone();
    rename(&mut one, &at(1, 2), "a", "b/c");
    write(&mut two, &at(2, 2), "a/x", 1);
    let all = meet(&one, &two);
    assert_eq!(contents(&all), paths([("b", None), ("b/c", None), ("b/c/x", Some(1))]));
}

#[test]
fn what_was_removed_and_later_moved_is_there_with_its_content() {
    let mut one = Disk::default();
    write(&mut one, &at(1, 1), "a", 1);
    let mut two = one.clone();
    remove(&mut one, &at(1, 2), "a");
    rename(&mut two, &at(2, 3), "a", "b");
    assert_eq!(contents(&meet(&one, &two)), paths([("b", Some(1))]));
}

#[test]
fn what_was_removed_and_only_written_stays_removed() {
    let mut one = Disk::default();
    write(&mut one, &at(1, 1), "a", 1);
    let mut two = one.clone();
    remove(&mut one, &at(1, 2), "a");
    write(&mut two, &at(2, 3), "a", 2);
    assert!(meet(&one, &two).list().is_empty());
}

#[test]
fn of_two_contents_written_concurrently_the_later_is_read() {
    let mut one = Disk::default();
    write(&mut one, &at(1, 1), "a", 1);
    let mut two = one.clone();
    write(&mut one, &at(1, 3), "a", 2);
    write(&mut two, &at(2, 2), "a", 3);
    assert_eq!(contents(&meet(&one, &two)), paths([("a", Some(2))]));
}

#[test]
fn what_a_file_system_does_not_allow_is_refused() {
    let mut disk = Disk::default();
    write(&mut disk, &at(1, 1), "a", 1);
    folder(&mut disk, &at(1, 1), "d");
    folder(&mut disk, &at(1, 1), "d/e");
    let before = disk.clone();
    let long = format!("d/{}", "x".repeat(PATH_BYTES_MAX));
    let mut refused = |edit: &dyn Fn(&FileSystem, &mut meshwork_crdt::Change) -> _| {
        let result = disk.try_edit(&at(1, 2), edit);
        assert!(matches!(result, Err(EditError::Refused { .. })), "{result:?}");
    };
    refused(&|disk, change| disk.write(change, "d", 1.into()));
    refused(&|disk, change| disk.write(change, "a/b", 1.into()));
    refused(&|disk, change| disk.write(change, "/", 1.into()));
    refused(&|disk, change| disk.write(change, &long, 1.into()));
    refused(&|disk, change| disk.make_folder(change, "a"));
    refused(&|disk, change| disk.rename(change, "d", "d/e/f"));
    refused(&|disk, change| disk.rename(change, "a", "d"));
    let nowhere = disk.try_edit(&at(1, 2), |disk, change| disk.rename(change, "a", "n/a"));
    assert_eq!(nowhere, Err(EditError::NoSuchPlace { step: "n".to_owned() }));
    for (folder, there) in [("d", true), ("d/e", true), ("a", false), ("x", false)] {
        assert_eq!(disk.is_folder(folder), there);
        assert_eq!(disk.names(folder).is_some(), there);
    }
    assert_eq!(disk.names(""), Some(vec!["a".to_owned(), "d".to_owned()]));
    let again = disk.try_edit(&at(1, 2), |disk, change| disk.make_folder(change, "d")).unwrap();
    let stay = disk.try_edit(&at(1, 2), |disk, change| disk.rename(change, "d", "/d/")).unwrap();
    assert!(again.is_bottom() && stay.is_bottom());
    assert_eq!(disk, before);
}

#[test]
fn a_path_that_concurrent_moves_have_made_too_long_shows_again_when_moved_up() {
    let name = "x".repeat(PATH_BYTES_MAX / 2);
    let mut one = Disk::default();
    folder(&mut one, &at(1, 1), "d");
    folder(&mut one, &at(1, 1), &name);
    let mut two = one.clone();
    folder(&mut one, &at(1, 2), &format!("{name}/{}", "y".repeat(PATH_BYTES_MAX / 2 - 1)));
    rename(&mut two, &at(2, 2), &name, &format!("d/{name}"));
    let mut all = meet(&one, &two);
    assert_eq!(all.list().len(), 2);
    rename(&mut all, &at(1, 3), &format!("d/{name}"), &name);
    assert_eq!(all.list().len(), 3);
}

#[test]
fn a_name_that_is_a_path_made_by_others_names_nothing() {
    let mut disk = Disk::default();
    folder(&mut disk, &at(1, 1), "a");
    write(&mut disk, &at(1, 1), "a/b", 1);
    let made = disk.clone().try_edit(&at(2, 2), |disk, change| disk.write(change, "a#b", 2.into()));
    let mut bytes = to_bytes(&made.unwrap());
    *bytes.iter_mut().find(|byte| **byte == b'#').unwrap() = b'/';
    let before = contents(&disk);
    disk.join(from_bytes(&bytes).unwrap());
    assert_eq!(contents(&disk), before);
}

/// Edits of a file system, and what they do to a map from paths to contents.
fn files() -> impl Strategy<Value = Vec<(u8, String, String, i64)>> {
    let path = || prop::collection::vec("[ab]", 1..4).prop_map(|names| names.join("/"));
    prop::collection::vec((0..5_u8, path(), path(), 0..9_i64), 0..40)
}

/// Whether a path can be made: its folder is there.
fn has_room(oracle: &BTreeMap<String, Option<i64>>, path: &str) -> bool {
    path.rsplit_once('/').is_none_or(|(folder, _)| oracle.get(folder) == Some(&None))
}

/// Moves or removes a path and all below it.
fn shift(oracle: &mut BTreeMap<String, Option<i64>>, from: &str, to: Option<&str>) {
    let below = format!("{from}/");
    let is_moved = |path: &String| path == from || path.starts_with(&below);
    let (moved, stays): (BTreeMap<_, _>, _) =
        std::mem::take(oracle).into_iter().partition(|(path, _)| is_moved(path));
    *oracle = stays;
    for (path, content) in moved {
        if let (Some(to), Some(rest)) = (to, path.strip_prefix(from)) {
            oracle.insert(format!("{to}{rest}"), content);
        }
    }
}

/// One edit; whether it was made.
fn act(disk: &mut Disk, writer: &Writer, step: &(u8, String, String, i64)) -> bool {
    let (which, path, to, content) = step;
    let made = disk.try_edit(writer, |disk, change| match which {
        0 => disk.make_folder(change, path),
        1 | 2 => disk.write(change, path, (*content).into()),
        3 => disk.rename(change, path, to),
        _ => disk.remove(change, path),
    });
    made.is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_file_system_on_one_replica_is_a_map_of_paths(steps in files()) {
        let mut disk = Disk::default();
        let mut oracle = BTreeMap::<String, Option<i64>>::new();
        for step in steps {
            let made = act(&mut disk, &at(1, 1), &step);
            let (which, path, to, content) = &step;
            let there = oracle.get(path).copied();
            let fits = match which {
                0 => has_room(&oracle, path) && there.flatten().is_none(),
                1 | 2 => has_room(&oracle, path) && there != Some(None),
                3 => {
                    let free = !oracle.contains_key(to) || to == path;
                    there.is_some()
                        && has_room(&oracle, to)
                        && free
                        && !to.starts_with(&format!("{path}/"))
                }
                _ => there.is_some(),
            };
            prop_assert_eq!(made, fits, "{:?} in {:?}", step, oracle);
            match which {
                _ if !fits => {}
                0 => {
                    oracle.insert(path.clone(), None);
                }
                1 | 2 => {
                    oracle.insert(path.clone(), Some(*content));
                }
                3 => shift(&mut oracle, path, Some(to)),
                _ => shift(&mut oracle, path, None),
            }
            prop_assert_eq!(contents(&disk), oracle.clone().into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_path_of_a_file_system_is_found_from_the_top_whatever_was_concurrent(
        steps in prop::collection::vec((1..4_u8, 0..9_u64, files(), 0..5_u8), 0..8),
    ) {
        let mut replicas = [1, 2, 3].map(|_| Disk::default());
        for (who, ms, steps, hear) in steps {
            for step in steps {
                act(&mut replicas[usize::from(who) - 1], &at(who, ms), &step);
            }
            if let Some(heard) = replicas.get(usize::from(hear)).cloned() {
                replicas[usize::from(who) - 1].join(heard);
            }
        }
        let all = meet(&meet(&replicas[0], &replicas[1]), &replicas[2]);
        let mut found = BTreeSet::new();
        let mut next = vec![String::new()];
        while let Some(folder) = next.pop() {
            for name in all.names(&folder).unwrap_or_default() {
                let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                prop_assert_eq!(all.is_folder(&path), all.read(&path).is_none());
                next.push(path.clone());
                prop_assert!(found.insert(path));
            }
        }
        prop_assert_eq!(all.list(), found.into_iter().collect::<Vec<_>>());
    }
}
