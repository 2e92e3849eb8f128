//! Objects as users handle them: edits in words, deltas between devices, values as JSON.

use meshwork_crdt::{
    DELTA_BYTES_MAX, DeltaError, Edit, EditError, HybridTime, LogId, LogTable, Object, Shape,
    Value, Writer,
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
    let edits: [(Shape, Vec<Edit>, &str); 5] = [
        (Shape::Register, vec![Edit::Set("a".into()), Edit::Set(Value::Bool(true))], "true"),
        (
            Shape::Map,
            vec![
                Edit::Put { key: "a".into(), value: 1.into() },
                Edit::Put { key: "b".into(), value: 2.5.into() },
                Edit::Remove { key: "a".into() },
            ],
            r#"{"b":2.5}"#,
        ),
        (Shape::Counter, vec![Edit::Increment(5), Edit::Increment(-7)], "-2"),
        (
            Shape::Set,
            vec![Edit::Add("x".into()), Edit::Add(Value::Null), Edit::Discard("x".into())],
            "[null]",
        ),
        (
            Shape::Text,
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
        assert_eq!(Shape::from_code(shape.code()), Some(shape));
        assert_eq!(shape.to_string().parse(), Ok(shape));
    }
}

#[test]
fn edits_of_another_shape_or_beyond_the_end_are_refused() {
    let mut logs = LogTable::new(LogId([1; 16]));
    let mut text = Object::new(Shape::Text);
    let splice = Edit::Splice { at: 1, delete: 0, insert: "x".into() };
    assert_eq!(text.edit(&writer(1, 1), &splice, &mut logs), Err(EditError::OutOfRange));
    let wrong = text.edit(&writer(1, 1), &Edit::Increment(1), &mut logs);
    assert_eq!(wrong, Err(EditError::WrongShape { shape: Shape::Text }));
    let mut register = Object::new(Shape::Register);
    let huge = Edit::Set("x".repeat(DELTA_BYTES_MAX).into());
    let refused = register.edit(&writer(1, 1), &huge, &mut logs);
    assert!(matches!(refused, Err(EditError::TooLarge { .. })));
    let deep = (0..100).fold(Value::Null, |value, _| Value::List(vec![value]));
    let refused = register.edit(&writer(1, 1), &Edit::Set(deep), &mut logs);
    assert_eq!(refused, Err(EditError::TooDeep));
    assert_eq!(register, Object::new(Shape::Register));
}

#[test]
fn a_long_text_travels_in_small_deltas() {
    let content = "lorem ipsum dolor ".repeat(5_000);
    let (mut one, mut two) = (Object::new(Shape::Text), Object::new(Shape::Text));
    pass(&mut one, &mut two, &writer(1, 1), &Edit::Replace(content.clone()));
    assert_eq!(two.value(), Value::Text(content));
    pass(&mut one, &mut two, &writer(1, 2), &Edit::Clear);
}

#[test]
fn a_delta_that_speaks_for_others_is_void() {
    for (shape, edit) in [
        (Shape::Register, Edit::Set("a".into())),
        (Shape::Map, Edit::Put { key: "a".into(), value: 1.into() }),
        (Shape::Counter, Edit::Increment(1)),
        (Shape::Set, Edit::Add("a".into())),
        (Shape::Text, Edit::Splice { at: 0, delete: 0, insert: "a".into() }),
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
    let deltas = Object::new(Shape::Text)
        .edit(&writer(1, 1), &Edit::Import("pay 10".into()), &mut logs)
        .unwrap();
    let mut forged = deltas[0].clone();
    let at = forged.iter().position(|byte| *byte == b'1').unwrap();
    forged[at] = b'9';
    let mut text = Object::new(Shape::Text);
    assert_eq!(text.join_delta(&forged, &logs), Err(DeltaError::NotTheAuthors));
    assert_eq!(text.join_delta(&deltas[0], &logs), Ok(true));
}

#[test]
fn an_edit_against_an_old_version_lands_where_it_was_meant() {
    let mut logs = LogTable::new(LogId([1; 16]));
    let mut text = Object::new(Shape::Text);
    text.edit(&writer(1, 1), &Edit::Replace("one three".into()), &mut logs).unwrap();
    let version = text.as_text().unwrap().spans();
    assert_eq!(text.as_text().unwrap().text_of(&version).unwrap(), "one three");
    text.edit(&writer(2, 2), &Edit::Replace("zero one three".into()), &mut logs).unwrap();
    let after = version[0].first().plus(3);
    let edit = Edit::SpliceAt { after: Some(after), delete: vec![], insert: "two ".into() };
    text.edit(&writer(1, 3), &edit, &mut logs).unwrap();
    assert_eq!(text.value(), "zero one two three".into());
}
