//! Documents as people use them: transactions, other writers, history, undo and redo.

use std::sync::{Arc, Mutex};

use meshwork_crdt::{
    Document, EditError, HybridTime, LogId, Transaction, Value, Writer, from_bytes, laws, to_bytes,
};
use proptest::prelude::*;

fn at(log: u8, ms: u64) -> Writer {
    Writer { log: LogId([log; 16]), time: HybridTime::at(ms) }
}

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

/// A list with one item, written by Ann.
fn list() -> Document {
    let mut list = Document::default();
    list.change(&at(1, 1), |edit| {
        edit.call("title", "set", ["Shopping".into()])?;
        edit.call("", "create", ["items".into(), "movable-list<record>".into()])?;
        edit.call("items", "insert", [0.into()])?;
        edit.call("items/#0/name", "set", ["Milk".into()])?;
        edit.call("items/#0/count", "increment", [2.into()])?;
        edit.call("items/#0/note", "splice", [0.into(), 0.into(), "fresh".into()])
    })
    .unwrap();
    list
}

/// Another replica of a document.
fn copy(document: &Document) -> Document {
    let mut copy = Document::new(document.shape().clone());
    copy.merge(document.state().clone());
    copy
}

fn exchange(one: &mut Document, two: &mut Document) {
    one.merge(two.state().clone());
    two.merge(one.state().clone());
    assert_eq!(one.state(), two.state());
}

#[test]
fn a_transaction_takes_effect_as_one_delta_or_not_at_all() {
    let mut one = list();
    let mut two = copy(&one);
    let delta = one
        .change(&at(1, 2), |edit| {
            edit.call("items/#0/count", "increment", [1.into()])?;
            assert_eq!(edit.value_at("items/#0/count"), Some(3.into()), "calls see each other");
            edit.call("title", "set", ["List".into()])
        })
        .unwrap()
        .unwrap();
    assert!(two.merge(delta.clone()));
    assert!(!two.merge(delta), "no news twice");
    assert_eq!(one.state(), two.state());
    let before = one.state().clone();
    let failed = one.change(&at(1, 3), |edit| {
        edit.call("title", "set", ["lost".into()])?;
        edit.call("items/#7", "put", ["name".into(), "lost".into()])
    });
    assert_eq!(failed, Err(EditError::OutOfRange));
    assert_eq!(one.state(), &before);
    assert_eq!(one.change(&at(1, 4), |_| Ok(())), Ok(None));
    assert_eq!(one.history().len(), 2);
}

#[test]
fn undo_takes_back_what_was_changed_and_nothing_that_others_did_since() {
    let mut one = list();
    one.change(&at(1, 2), |edit| {
        edit.call("items/#0/count", "increment", [5.into()])?;
        edit.call("items/#0/note", "splice", [0.into(), 5.into(), "very old".into()])?;
        edit.call("title", "set", ["Old".into()])
    })
    .unwrap();
    let mut two = copy(&one);
    two.change(&at(2, 3), |edit| {
        edit.call("items/#0/count", "increment", [10.into()])?;
        edit.call("items/#0/note", "append", [" milk".into()])
    })
    .unwrap();
    exchange(&mut one, &mut two);
    one.undo(&at(1, 4)).unwrap().unwrap();
    exchange(&mut one, &mut two);
    let item = value(r#"{"count":12,"name":"Milk","note":"fresh milk"}"#);
    assert_eq!(two.value_at("items/#0"), Some(item));
    assert_eq!(two.value_at("title"), Some("Shopping".into()));
    one.redo(&at(1, 5)).unwrap().unwrap();
    let item = value(r#"{"count":17,"name":"Milk","note":"very old milk"}"#);
    assert_eq!(one.value_at("items/#0"), Some(item));
    assert_eq!(one.redo(&at(1, 6)), Ok(None));
    assert_eq!(
        two.undo(&at(2, 7)).unwrap().map(|_| two.value_at("items/#0/note")),
        Some(Some("fresh".into()))
    );
}

#[test]
fn undo_of_a_removal_brings_a_part_back_with_the_types_it_had() {
    let mut document = list();
    let before = document.value();
    document.change(&at(1, 2), |edit| edit.call("items", "remove", [0.into()])).unwrap();
    assert_eq!(document.value_at("items"), Some(Value::List(vec![])));
    document.undo(&at(1, 3)).unwrap();
    assert_eq!(document.value(), before);
    document.change(&at(1, 4), |edit| edit.call("", "remove", ["items".into()])).unwrap();
    document.undo(&at(1, 5)).unwrap();
    assert_eq!(document.value(), before);
    document
        .change(&at(1, 6), |edit| edit.call("items/#0/count", "increment", [1.into()]))
        .unwrap();
    assert_eq!(document.value_at("items/#0/count"), Some(3.into()), "it is a counter still");
}

#[test]
fn an_item_moved_by_two_stands_in_one_place_and_moves_back() {
    let mut one = Document::new("movable-list".parse::<meshwork_crdt::Shape>().unwrap());
    for n in 0..3 {
        one.change(&at(1, 1), |edit| {
            edit.call("", "insert", [n.into()])?;
            edit.call(&format!("#{n}"), "set", [n.into()])
        })
        .unwrap();
    }
    let mut two = copy(&one);
    one.change(&at(1, 5), |edit| edit.call("", "move", [0.into(), 2.into()])).unwrap();
    two.change(&at(2, 6), |edit| edit.call("", "move", [0.into(), 1.into()])).unwrap();
    exchange(&mut one, &mut two);
    assert_eq!(one.value(), value("[1,0,2]"), "the later move wins");
    two.undo(&at(2, 7)).unwrap();
    assert_eq!(two.value(), value("[0,1,2]"));
}

#[test]
fn a_register_that_keeps_conflicts_tells_who_wrote_what() {
    let shape: meshwork_crdt::Shape = "record{title: mv-register}".parse().unwrap();
    let (mut one, mut two) = (Document::new(shape.clone()), Document::new(shape));
    one.change(&at(1, 1), |edit| edit.call("title", "set", ["a".into()])).unwrap();
    two.change(&at(2, 2), |edit| edit.call("title", "set", ["b".into()])).unwrap();
    exchange(&mut one, &mut two);
    assert_eq!(one.value_at("title"), Some(value(r#"["a","b"]"#)));
    let told = one.explain("title").unwrap();
    assert_eq!(told.claims.iter().filter_map(|claim| claim.by).count(), 2);
    one.change(&at(1, 3), |edit| edit.call("title", "set", ["c".into()])).unwrap();
    assert_eq!(one.value_at("title"), Some(value(r#"["c"]"#)));
}

#[test]
fn observers_hear_what_changed_where_they_look_and_nothing_else() {
    let mut document = list();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&heard);
    document.observe("items/#0", move |differences| {
        ears.lock().unwrap().extend(differences.iter().map(|change| change.path.to_string()));
    });
    document.change(&at(1, 2), |edit| edit.call("title", "set", ["x".into()])).unwrap();
    assert!(heard.lock().unwrap().is_empty());
    let mut other = copy(&document);
    let delta =
        other.change(&at(2, 3), |edit| edit.call("items/#0/count", "increment", [1.into()]));
    document.merge(delta.unwrap().unwrap());
    document
        .change(&at(1, 4), |edit| edit.call("items/#0/name", "set", ["Oat milk".into()]))
        .unwrap();
    assert_eq!(*heard.lock().unwrap(), ["items/#0/count", "items/#0/name"]);
}

#[test]
fn history_tells_what_it_was_and_what_differs() {
    let mut document = list();
    document.change(&at(1, 2), |edit| edit.call("title", "set", ["List".into()])).unwrap();
    let mut other = copy(&document);
    let delta = other.change(&at(2, 3), |edit| edit.call("title", "set", ["Ours".into()])).unwrap();
    document.merge(delta.unwrap());
    assert_eq!(document.history().len(), 3);
    assert_eq!(document.value_after(0), value("{}"));
    assert_eq!(document.value_after(3), document.value());
    let differences = document.diff(1, 3);
    assert_eq!(differences.len(), 1);
    assert_eq!(differences[0].path.to_string(), "title");
    assert_eq!(differences[0].after, Some("Ours".into()));
    let made: Vec<bool> =
        document.history().iter().map(|revision| revision.made.is_some()).collect();
    assert_eq!(made, [true, true, false]);
}

#[test]
fn what_cannot_be_undone_says_so_and_leaves_the_document_as_it_is() {
    let mut document = Document::default();
    document
        .change(&at(1, 1), |edit| edit.call("", "create", ["q".into(), "queue".into()]))
        .unwrap();
    document.change(&at(1, 2), |edit| edit.call("q", "push", [1.into()])).unwrap();
    let refused = document.undo(&at(1, 3));
    assert!(matches!(refused, Err(EditError::Refused { .. })), "{refused:?}");
    assert_eq!(document.value(), value(r#"{"q":[1]}"#));
}

/// Calls that a person makes, as small numbers choose them.
fn random_call(edit: &mut Transaction<'_>, which: u8, n: u8) -> Result<(), EditError> {
    let n = i64::from(n % 4);
    match which % 11 {
        0 => edit.call("title", "set", [n.into()]),
        1 => edit.call("", "create", ["items".into(), "movable-list<record>".into()]),
        2 => edit.call("items", "insert", [n.into()]),
        3 => edit.call("items", "move", [n.into(), 0.into()]),
        4 => edit.call("items", "remove", [n.into()]),
        5 => edit.call(&format!("items/#{n}/count"), "increment", [1.into()]),
        6 => edit.call("text", "splice", [n.into(), 0.into(), "ab".into()]),
        7 => edit.call("text", "splice", [n.into(), 1.into(), "".into()]),
        8 => edit.call("tags", "add", [n.into()]),
        9 => edit.call("tags", "remove", [n.into()]),
        _ => edit.call("map/a/b", "set", [n.into()]),
    }
}

proptest! {
    #[test]
    fn undoing_everything_alone_leads_back_to_the_start_and_redoing_forth_again(
        calls in prop::collection::vec((any::<u8>(), any::<u8>()), 1..24)
    ) {
        let mut document = Document::default();
        let mut states = vec![document.value()];
        for (moment, (which, n)) in calls.iter().enumerate() {
            let writer = at(1, moment as u64);
            let _ = document.change(&writer, |edit| random_call(edit, *which, *n));
            if states.last() != Some(&document.value()) {
                states.push(document.value());
            }
        }
        for state in states.iter().rev().skip(1) {
            while document.value() != *state {
                prop_assert!(document.undo(&at(1, 100)).unwrap().is_some());
            }
        }
        for state in states.iter().skip(1) {
            while document.value() != *state {
                prop_assert!(document.redo(&at(1, 200)).unwrap().is_some());
            }
        }
    }

    #[test]
    fn two_who_edit_and_undo_converge(
        calls in prop::collection::vec((any::<bool>(), any::<u8>(), any::<u8>(), 0..5_u8), 1..32)
    ) {
        let (mut one, mut two) = (Document::default(), Document::default());
        for (moment, (first, which, n, then)) in calls.iter().enumerate() {
            let (who, log) = if *first { (&mut one, 1) } else { (&mut two, 2) };
            let writer = at(log, moment as u64);
            let _ = match then {
                0 => who.undo(&writer),
                1 => who.redo(&writer),
                _ => who.change(&writer, |edit| random_call(edit, *which, *n)),
            };
            if *then == 4 {
                one.merge(two.state().clone());
            }
        }
        laws::lattice_triple(one.state(), two.state(), &Default::default());
        exchange(&mut one, &mut two);
        prop_assert_eq!(one.value(), two.value());
        let bytes = to_bytes(one.state());
        prop_assert!(!bytes.is_empty() && from_bytes::<meshwork_crdt::CausalContext>(&bytes).is_err());
        prop_assert_eq!(one.value_after(one.history().len()), one.value());
    }
}
