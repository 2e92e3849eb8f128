//! Objects as users handle them: edits in words, deltas between devices, values as JSON.

use meshwork_crdt::{
    AwMap, AwSet, Causal, CausalContext, DELTA_BYTES_MAX, DeltaError, Described, Edit, EditError,
    HybridTime, Kind, Lattice, LogId, LogTable, Node, Object, Path, Shape, Value, Writer,
};

fn writer(log: u8, ms: u64) -> Writer {
    Writer { log: LogId([log; 16]), time: HybridTime::at(ms) }
}

/// Makes an edit and hands its deltas to another replica.
fn pass(from: &mut Object, to: &mut Object, writer: &Writer, edit: &Edit) {
    let mut logs = LogTable::new(writer.log);
    for delta in from.edit(writer, edit, &mut logs).unwrap() {
        assert!(delta.len() <= DELTA_BYTES_MAX);
        let received = LogTable::from_parts(writer.log, logs.others().to_vec()).unwrap();
        assert_eq!(to.join_delta(&delta, &received), Ok(true));
        assert_eq!(to.join_delta(&delta, &received), Ok(false));
    }
    assert_eq!(from.value(), to.value());
    assert_eq!(from.digest(), to.digest());
    let again = Object::decode_state(from.shape(), &from.encode_state()).unwrap();
    assert_eq!(&again, from);
}

#[test]
fn every_shape_travels_by_deltas() {
    let edits: [(Kind, Vec<Edit>, &str); 5] = [
        (Kind::Register, vec![Edit::Set("a".into()), Edit::Set(Value::Bool(true))], "true"),
        (
            Kind::Map,
            vec![
                Edit::Put { key: "a".into(), value: 1.into() },
                Edit::Put { key: "b".into(), value: 2.5.into() },
                Edit::Remove { key: "a".into() },
            ],
            r#"{"b":2.5}"#,
        ),
        (Kind::Counter, vec![Edit::Increment(5), Edit::Increment(-7)], "-2"),
        (
            Kind::Set,
            vec![Edit::Add("x".into()), Edit::Add(Value::Null), Edit::Discard("x".into())],
            "[null]",
        ),
        (
            Kind::Text,
            vec![
                Edit::Import("one two".into()),
                Edit::Splice { at: 3, delete: 1, insert: " and ".into() },
                Edit::Replace("one and 2".into()),
            ],
            r#""one and 2""#,
        ),
    ];
    for (shape, edits, expected) in edits {
        let (mut one, mut two) = (Object::new(shape), Object::new(shape));
        for (moment, edit) in edits.iter().enumerate() {
            pass(&mut one, &mut two, &writer(1, moment as u64), edit);
        }
        assert_eq!(one.value().to_string(), expected);
        pass(&mut one, &mut two, &writer(1, 99), &Edit::Clear);
        let empty = Object::new(shape).value();
        assert_eq!(one.value(), empty, "{shape}");
        assert_eq!(Kind::from_code(shape.code()), Some(shape));
        assert_eq!(shape.to_string().parse(), Ok(Shape::new(shape)));
    }
}

#[test]
fn edits_of_another_shape_or_beyond_the_end_are_refused() {
    let mut logs = LogTable::new(LogId([1; 16]));
    let mut text = Object::new(Kind::Text);
    let splice = Edit::Splice { at: 1, delete: 0, insert: "x".into() };
    assert_eq!(text.edit(&writer(1, 1), &splice, &mut logs), Err(EditError::OutOfRange));
    let wrong = text.edit(&writer(1, 1), &Edit::Increment(1), &mut logs);
    assert!(matches!(wrong, Err(EditError::UnknownOperation { kind: Kind::Text, .. })));
    let mut register = Object::new(Kind::Register);
    let huge = Edit::Set("x".repeat(DELTA_BYTES_MAX).into());
    let refused = register.edit(&writer(1, 1), &huge, &mut logs);
    assert!(matches!(refused, Err(EditError::TooLarge { .. })));
    let deep = (0..100).fold(Value::Null, |value, _| Value::List(vec![value]));
    let refused = register.edit(&writer(1, 1), &Edit::Set(deep), &mut logs);
    assert_eq!(refused, Err(EditError::TooDeep));
    assert_eq!(register, Object::new(Kind::Register));
}

#[test]
fn a_long_text_travels_in_small_deltas() {
    let content = "lorem ipsum dolor ".repeat(5_000);
    let (mut one, mut two) = (Object::new(Kind::Text), Object::new(Kind::Text));
    pass(&mut one, &mut two, &writer(1, 1), &Edit::Replace(content.clone()));
    assert_eq!(two.value(), Value::Text(content));
    pass(&mut one, &mut two, &writer(1, 2), &Edit::Clear);
}

#[test]
fn a_delta_that_speaks_for_others_is_void() {
    for (shape, edit) in [
        (Kind::Register, Edit::Set("a".into())),
        (Kind::Map, Edit::Put { key: "a".into(), value: 1.into() }),
        (Kind::Counter, Edit::Increment(1)),
        (Kind::Set, Edit::Add("a".into())),
        (Kind::Text, Edit::Splice { at: 0, delete: 0, insert: "a".into() }),
    ] {
        let (honest, forger) = (writer(1, 1), LogId([2; 16]));
        let mut logs = LogTable::new(forger);
        let mut object = Object::new(shape);
        let deltas = object.edit(&honest, &edit, &mut logs).unwrap();
        let mut victim = Object::new(shape);
        let result = victim.join_delta(&deltas[0], &logs);
        assert_eq!(result, Err(DeltaError::NotTheAuthors), "{shape}");
        assert_eq!(victim, Object::new(shape));
    }
}

#[test]
fn an_import_that_is_not_what_it_says_is_void() {
    let mut logs = LogTable::new(LogId([1; 16]));
    let deltas = Object::new(Kind::Text)
        .edit(&writer(1, 1), &Edit::Import("pay 10".into()), &mut logs)
        .unwrap();
    let mut forged = deltas[0].clone();
    let at = forged.iter().position(|byte| *byte == b'1').unwrap();
    forged[at] = b'9';
    let mut text = Object::new(Kind::Text);
    assert_eq!(text.join_delta(&forged, &logs), Err(DeltaError::NotTheAuthors));
    assert_eq!(text.join_delta(&deltas[0], &logs), Ok(true));
}

#[test]
fn an_edit_against_an_old_version_lands_where_it_was_meant() {
    let mut logs = LogTable::new(LogId([1; 16]));
    let mut text = Object::new(Kind::Text);
    text.edit(&writer(1, 1), &Edit::Replace("one three".into()), &mut logs).unwrap();
    let version = text.as_text().unwrap().spans();
    assert_eq!(text.as_text().unwrap().text_of(&version).unwrap(), "one three");
    text.edit(&writer(2, 2), &Edit::Replace("zero one three".into()), &mut logs).unwrap();
    let after = version[0].first().plus(3);
    let edit = Edit::SpliceAt { after: Some(after), delete: vec![], insert: "two ".into() };
    text.edit(&writer(1, 3), &edit, &mut logs).unwrap();
    assert_eq!(text.value(), "zero one two three".into());
}

#[test]
fn a_shape_reads_back_from_its_text_and_its_bytes() {
    for text in [
        "register",
        "map",
        "map<map<text>>",
        "record{author: record{name: register}, body: text}",
        "map<record{title: mv-register, votes: counter}>",
    ] {
        let shape: Shape = text.parse().unwrap();
        assert_eq!(shape.to_string(), text);
        assert_eq!(Shape::from_bytes(&shape.to_bytes()), Ok(shape));
    }
    for (text, complaint) in [
        ("mapp", "'mapp' is no type of object"),
        ("regist", "did you mean"),
        ("map<text", "'>' is missing"),
        ("text<map>", "is left over"),
        ("record{a text}", "':' is missing"),
        ("record{a: text", "is missing"),
    ] {
        let error = text.parse::<Shape>().unwrap_err().to_string();
        assert!(error.contains(complaint), "{text}: {error}");
    }
    let deep = "map<".repeat(40) + "text" + &">".repeat(40);
    assert!(deep.parse::<Shape>().is_err());
    assert!(Shape::from_bytes(&[0, 60, 60, 60]).is_err());
}

fn call(place: &str, operation: &str, arguments: &[Value]) -> Edit {
    let Ok(place) = place.parse::<Path>();
    Edit::call(place.iter().cloned(), operation, arguments.to_vec())
}

#[test]
fn parts_of_any_depth_travel_by_deltas_and_are_found_by_their_place() {
    let shape: Shape = "map<map<record{title: mv-register, body: text}>>".parse().unwrap();
    let (mut one, mut two) = (Object::new(shape.clone()), Object::new(shape));
    let edits = [
        call("site/front/title", "set", &["Front".into()]),
        call("site/front/body", "splice", &[0.into(), 0.into(), "Hello".into()]),
        call("site/front", "create", &["tags".into(), "set".into()]),
        call("site/front/tags", "add", &["new".into()]),
        call("site/front/author/name", "set", &["Ann".into()]),
        call("site", "insert", &["back".into()]),
    ];
    for (moment, edit) in edits.iter().enumerate() {
        pass(&mut one, &mut two, &writer(1, moment as u64), edit);
    }
    let Ok(front) = "site/front".parse::<Path>();
    let value = two.value_at(&front).unwrap().to_string();
    let page = r#"{"author":{"name":"Ann"},"body":"Hello","tags":["new"],"title":["Front"]}"#;
    assert_eq!(value, page);
    assert_eq!(two.value_at(&["site".into(), "back".into()]), Some(Value::Map([].into())));
    assert_eq!(two.value_at(&["nowhere".into()]), None);
    let before = two.clone();
    pass(&mut one, &mut two, &writer(1, 9), &call("site/front/body", "append", &["!".into()]));
    pass(&mut one, &mut two, &writer(1, 9), &call("site", "remove", &["back".into()]));
    let differences: Vec<_> =
        before.diff(&two).into_iter().map(|difference| difference.path.to_string()).collect();
    assert_eq!(differences, ["site/back", "site/front/body"]);
    let explained = two.explain(&["site".into(), "front".into(), "title".into()]).unwrap();
    assert_eq!((explained.kind, explained.claims.len()), (Kind::MvRegister, 1));
    assert_eq!(explained.claims[0].by, Some(LogId([1; 16])));
}

#[test]
fn a_value_larger_than_a_delta_is_cut_where_it_has_parts_and_refused_where_it_has_none() {
    let (mut one, mut two) = (Object::new(Kind::Map), Object::new(Kind::Map));
    let keys = (0..1000).map(|n| (format!("key {n}"), Value::Text("x".repeat(40))));
    let value = Value::Map(keys.collect());
    pass(&mut one, &mut two, &writer(1, 1), &Edit::Set(value.clone()));
    assert_eq!(two.value(), value);
    let mut logs = LogTable::new(LogId([1; 16]));
    assert_eq!(one.edit(&writer(1, 2), &Edit::Set(value), &mut logs), Ok(vec![]), "no change");
    let huge = call("k", "set", &["x".repeat(DELTA_BYTES_MAX).into()]);
    let refused = one.edit(&writer(1, 3), &huge, &mut logs);
    assert!(matches!(refused, Err(EditError::TooLarge { .. })));
    assert_eq!(one, two);
}

#[test]
fn a_program_that_knows_the_type_and_one_that_does_not_write_the_same_bytes() {
    type Lists = AwMap<String, AwSet<String>>;
    let shape: Shape = "map<set>".parse().unwrap();
    assert_eq!(Lists::shape(), shape);
    let (mut one, mut two) = (Object::new(shape.clone()), Object::new(shape));
    let typed = Edit::typed(|lists: &Lists, change| {
        Ok(lists.update(change, "shop".into(), |list, change| list.add(change, "milk".into())))
    });
    pass(&mut one, &mut two, &writer(1, 1), &typed);
    let mut same = Object::new(two.shape().clone());
    let mut logs = LogTable::new(LogId([1; 16]));
    same.edit(&writer(1, 1), &call("shop", "add", &["milk".into()]), &mut logs).unwrap();
    assert_eq!(same.encode_state(), two.encode_state());
    let lists: Lists = two.store().unwrap();
    assert!(lists.get(&"shop".into()).unwrap().contains(&"milk".into()));
    assert_eq!(two.store::<AwSet<String>>(), None, "of another shape");
}

#[test]
fn a_key_of_which_a_forger_says_nothing_reaches_those_who_ask_for_what_they_lack() {
    let forger = LogTable::new(LogId([1; 16]));
    let nothing_of_k = [1, 4, 1, b'k', 0, 0];
    let mut one = Object::new(Kind::LwwMap);
    if one.join_delta(&nothing_of_k, &forger) == Ok(true) {
        let mut two = Causal::of(Node::new(Kind::LwwMap), CausalContext::default());
        two.join(one.state().since(two.seen()));
        assert_eq!(&two, one.state());
    }
}
