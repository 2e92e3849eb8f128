//! Programs of several versions on one object: what one does not know, it keeps and passes on.

use meshwork_crdt::{
    AwMap, Causal, Crdt, Described, Edit, HybridTime, Lattice, LogId, LogTable, LwwRegister,
    MvRegister, Object, Record, Text, Value, Writer, from_bytes, to_bytes,
};

/// The first version, which keeps what others add.
#[derive(Crdt, Clone, Debug, Default, PartialEq)]
struct First {
    title: LwwRegister<String>,
    #[crdt(rest)]
    rest: Record,
}

/// The first version, which only works on objects.
#[derive(Crdt, Clone, Debug, Default, PartialEq)]
struct Bare {
    title: LwwRegister<String>,
}

/// The second version: a field more.
#[derive(Crdt, Clone, Debug, Default, PartialEq)]
struct Second {
    title: LwwRegister<String>,
    notes: Text,
    #[crdt(rest)]
    rest: Record,
}

/// The third version: another type of title.
#[derive(Crdt, Clone, Debug, Default, PartialEq)]
struct Third {
    title: MvRegister<String>,
    #[crdt(rest)]
    rest: Record,
}

fn writer(who: u8, ms: u64) -> Writer {
    Writer { log: LogId([who; 16]), time: HybridTime::at(ms) }
}

fn title(text: &str) -> impl Fn(&First, &mut meshwork_crdt::Change) -> First {
    move |first, change| First {
        title: first.title.set(change, text.to_owned()),
        ..First::default()
    }
}

fn notes(text: &str) -> impl Fn(&Second, &mut meshwork_crdt::Change) -> Second {
    move |second, change| Second {
        notes: second.notes.insert(change, 0, text).expect("every text has a start"),
        ..Second::default()
    }
}

#[test]
fn the_first_version_keeps_and_passes_on_what_only_the_second_knows() {
    let mut newer = Causal::<Second>::default();
    let from_newer = newer.edit(&writer(2, 1), notes("fresh"));
    let mut older = Causal::<First>::default();
    older.join(from_bytes(&to_bytes(&from_newer)).unwrap());
    older.edit(&writer(1, 2), title("Milk"));
    assert_eq!(older.value().to_string(), r#"{"notes":"fresh","title":"Milk"}"#);

    let mut other = Causal::<Second>::default();
    other.join(from_bytes(&to_bytes(&older)).unwrap());
    assert_eq!(other.notes.to_string(), "fresh");
    assert_eq!(other.title.get(), Some(&"Milk".to_owned()));
    newer.join(other.clone());
    assert_eq!(to_bytes(&newer), to_bytes(&older), "the same bytes for both versions");

    // Deltas since a point keep it too, and so does taking it away.
    let news = older.since(&Default::default());
    assert_eq!(to_bytes(&news), to_bytes(&older));
    let removal = newer.edit(&writer(2, 3), |second, change| Second {
        notes: second.notes.delete(change, 0, 5).expect("there are five characters"),
        ..Second::default()
    });
    older.join(from_bytes(&to_bytes(&removal)).unwrap());
    assert_eq!(older.value().to_string(), r#"{"title":"Milk"}"#);
    assert_eq!(to_bytes(&newer), to_bytes(&older), "the same bytes for both versions");
}

#[test]
fn the_first_version_without_a_rest_keeps_it_by_way_of_the_object() {
    let mut object = Object::new(Second::shape());
    let mut logs = LogTable::new(writer(2, 1).log);
    let edit = Edit::typed::<Second>(|second, change| Ok(notes("fresh")(second, change)));
    object.edit(&writer(2, 1), &edit, &mut logs).unwrap();
    let mut logs = LogTable::new(writer(1, 2).log);
    let edit = Edit::typed::<Bare>(|bare, change| {
        Ok(Bare { title: bare.title.set(change, "Milk".to_owned()) })
    });
    let deltas = object.edit(&writer(1, 2), &edit, &mut logs).unwrap();
    assert_eq!(object.value().to_string(), r#"{"notes":"fresh","title":"Milk"}"#);
    let mut other = Object::new(Bare::shape());
    for delta in &deltas {
        other.join_delta(delta, &logs).unwrap();
    }
    assert_eq!(other.value().to_string(), r#"{"title":"Milk"}"#);
    let bare: Bare = object.store().unwrap();
    assert_eq!(bare.value().to_string(), r#"{"title":"Milk"}"#);
    assert!(
        from_bytes::<Causal<Bare>>(&object.encode_state()).is_err(),
        "nothing is lost silently"
    );
}

#[test]
fn a_field_of_another_type_is_another_field() {
    let mut first = Causal::<First>::default();
    first.edit(&writer(1, 1), title("Milk"));
    let mut third = Causal::<Third>::default();
    third.join(from_bytes(&to_bytes(&first)).unwrap());
    assert_eq!(third.title.value(), Value::List(Vec::new()));
    third.edit(&writer(3, 2), |third, change| Third {
        title: third.title.set(change, "Eggs".to_owned()),
        ..Third::default()
    });
    first.join(from_bytes(&to_bytes(&third)).unwrap());
    assert_eq!(first.title.get(), Some(&"Milk".to_owned()));
    assert_eq!(to_bytes(&first), to_bytes(&third));
}

#[derive(Crdt, Clone, Debug, Default, PartialEq)]
struct Doc {
    #[crdt(text)]
    text: Text,
    #[crdt(rest)]
    rest: Record,
}

#[derive(Crdt, Clone, Debug, Default, PartialEq)]
struct Workspace {
    #[crdt(map)]
    tables: AwMap<String, AwMap<String, Doc>>,
    #[crdt(rest)]
    rest: Record,
}

/// The same by a program that knows documents as records.
#[derive(Crdt, Clone, Debug, Default, PartialEq)]
struct Untyped {
    tables: AwMap<String, AwMap<String, Record>>,
    #[crdt(rest)]
    rest: Record,
}

#[test]
fn structs_nest_in_maps_in_maps_in_structs() {
    let write = |text: &'static str| {
        move |workspace: &Workspace, change: &mut meshwork_crdt::Change| Workspace {
            tables: workspace.tables.update(change, "t".to_owned(), |table, change| {
                table.update(change, "row".to_owned(), |doc, change| Doc {
                    text: doc.text.insert(change, 0, text).expect("every text has a start"),
                    ..Doc::default()
                })
            }),
            ..Workspace::default()
        }
    };
    let path = ["tables", "t", "row", "text"].map(Value::from);
    let row = &path[..3];
    let mut typed = Causal::<Workspace>::default();
    typed.edit(&writer(1, 1), write("world"));
    let mut object = Object::decode_state(&Workspace::shape(), &to_bytes(&typed)).unwrap();
    assert_eq!(object.value_at(&path), Some("world".into()));

    // In words: the text itself, and a field nobody declared.
    let mut logs = LogTable::new(writer(2, 2).log);
    let say = Edit::call(path.clone(), "splice", [0.into(), 0.into(), "hello ".into()]);
    let pin = Edit::call(row.to_vec(), "put", ["pinned".into(), true.into()]);
    let mut deltas = object.edit(&writer(2, 2), &say, &mut logs).unwrap();
    deltas.extend(object.edit(&writer(2, 2), &pin, &mut logs).unwrap());
    let mut logs_of_typed = LogTable::new(writer(1, 3).log);
    let edit = Edit::typed(move |workspace, change| Ok(write("oh, ")(workspace, change)));
    object.edit(&writer(1, 3), &edit, &mut logs_of_typed).unwrap();
    let state = object.encode_state();

    let again: Causal<Workspace> = from_bytes(&state).unwrap();
    assert_eq!(to_bytes(&again), state);
    typed.join(again);
    assert_eq!(to_bytes(&typed), state);
    let doc = typed.tables.get(&"t".to_owned()).and_then(|table| table.get(&"row".to_owned()));
    assert_eq!(doc.unwrap().text.to_string(), "oh, hello world");
    assert_eq!(doc.unwrap().rest.get("pinned").map(Crdt::value), Some(true.into()));
    let untyped: Causal<Untyped> = from_bytes(&state).unwrap();
    assert_eq!(to_bytes(&untyped), state);
    assert_eq!(untyped.value(), object.value());

    // A whole table goes, a concurrent change in it stays.
    let mut other = typed.clone();
    typed.edit(&writer(1, 4), |workspace, change| Workspace {
        tables: workspace.tables.remove(change, &"t".to_owned()),
        ..Workspace::default()
    });
    other.edit(&writer(4, 4), write("still "));
    typed.join(other);
    assert_eq!(typed.value_at(&path), Some("still ".into()));
    assert_eq!(typed.value_at(row).unwrap().to_string(), r#"{"text":"still "}"#);
}
