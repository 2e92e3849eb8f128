//! A derived struct is a record: random histories of a program that has the type, of one that works on the
//! object with it, and of one that has only the shape come to the same bytes.

use meshwork_crdt::{
    AwMap, AwSet, Call, Causal, CausalContext, Change, Crdt, Decode, DecodeError, Decoder,
    Described, DotStore, Edit, EditError, Encode, Encoder, HybridTime, Lattice, LogId, LogTable,
    LwwRegister, Object, PnCounter, Record, Text, Value, Writer, from_bytes, laws, to_bytes,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

#[derive(Crdt, Clone, Debug, Default, PartialEq)]
struct Author {
    #[crdt(lww)]
    name: LwwRegister<String>,
    #[crdt(counter)]
    stars: PnCounter,
    #[crdt(rest)]
    rest: Record,
}

#[derive(Crdt, Clone, Debug, Default, PartialEq)]
struct Todo {
    #[crdt(lww)]
    title: LwwRegister<String>,
    #[crdt(counter)]
    stars: PnCounter,
    #[crdt(text)]
    notes: Text,
    #[crdt(set)]
    tags: AwSet<String>,
    #[crdt(nested)]
    author: Author,
    #[crdt(map)]
    parts: AwMap<String, Author>,
    #[crdt(rest)]
    rest: Record,
}

/// The same without a place for what they do not know.
#[derive(Crdt, Clone, Debug, Default, PartialEq)]
struct AuthorView {
    name: LwwRegister<String>,
    stars: PnCounter,
}

#[derive(Crdt, Clone, Debug, Default, PartialEq)]
struct View {
    title: LwwRegister<String>,
    stars: PnCounter,
    notes: Text,
    tags: AwSet<String>,
    author: AuthorView,
    parts: AwMap<String, AuthorView>,
}

/// One step of a history: who, what, two small numbers, whom to hear from afterwards.
type Step = (u8, u8, u8, u8, u8);

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = (0..4_u8, any::<u8>(), any::<u8>(), any::<u8>(), 0..8_u8);
    prop::collection::vec(step, 0..most)
}

fn cases(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    })
}

fn writer(who: u8, moment: usize) -> Writer {
    Writer { log: LogId([who + 1; 16]), time: HybridTime(1 + moment as u64 / 2) }
}

fn word(number: u8) -> String {
    ["milk", "eggs", "tea"][usize::from(number % 3)].to_owned()
}

/// A change in words, of known fields and of others.
fn in_words(what: u8, one: u8, two: u8) -> (Vec<Value>, Call) {
    let name: Value = "name".into();
    let text = || Value::Text(word(two));
    let (path, operation, arguments): (Vec<Value>, _, _) = match what % 20 {
        0 => (vec!["title".into()], "set", vec![text()]),
        1 => (vec!["stars".into()], "increment", vec![i64::from(two % 5).into()]),
        2 => (vec!["notes".into()], "append", vec![text()]),
        3 => (vec!["tags".into()], "add", vec![text()]),
        4 => (vec!["tags".into()], "remove", vec![text()]),
        5 => (vec!["author".into(), name], "set", vec![text()]),
        6 => (vec!["author".into(), "born".into()], "set", vec![i64::from(one % 2).into()]),
        7 => (vec!["parts".into(), Value::Text(word(one)), name], "set", vec![text()]),
        8 => (vec!["parts".into()], "remove", vec![Value::Text(word(one))]),
        9 => (vec!["colour".into()], "set", vec![text()]),
        10 => (vec!["votes".into()], "increment", vec![1.into()]),
        11 => (vec![], "put", vec!["title".into(), text()]),
        12 => (vec![], "create", vec!["title".into(), "text".into()]),
        13 => (vec![], "create", vec!["tags".into(), "set".into()]),
        14 => {
            let name = ["title", "stars", "tags", "author", "colour", "parts"];
            (vec![], "remove", vec![name[usize::from(one) % name.len()].into()])
        }
        15 if one.is_multiple_of(4) => (vec![], "clear", vec![]),
        15 | 16 => {
            let mut map = std::collections::BTreeMap::new();
            map.insert("title".to_owned(), text());
            if one.is_multiple_of(2) {
                map.insert("tags".to_owned(), Value::List(vec![Value::Text(word(one))]));
                map.insert("stars".to_owned(), i64::from(two % 3).into());
                map.insert("size".to_owned(), i64::from(two % 3).into());
            }
            (vec![], "set", vec![Value::Map(map)])
        }
        17 => (vec!["author".into(), "stars".into()], "increment", vec![2.into()]),
        18 => (vec!["parts".into()], "insert", vec![Value::Text(word(one))]),
        _ => (vec!["title".into()], "clear", vec![]),
    };
    (path, Call::new(operation, arguments))
}

/// A change by a program that has the type, which is the same text for both structs.
macro_rules! typed {
    ($type:ident, $author:ident, $store:expr, $change:expr, $what:expr, $one:expr, $two:expr) => {{
        let (store, change, one, two): (&$type, &mut Change, u8, u8) =
            ($store, $change, $one, $two);
        match $what % 8 {
            0 => $type { title: store.title.set(change, word(two)), ..$type::default() },
            1 => $type { stars: store.stars.add(change, i64::from(two % 5)), ..$type::default() },
            2 => $type { tags: store.tags.add(change, word(two)), ..$type::default() },
            3 => $type { tags: store.tags.remove(change, &word(two)), ..$type::default() },
            4 => $type {
                notes: store.notes.insert(change, 0, &word(two)).expect("every text has a start"),
                title: store.title.set(change, word(one)),
                ..$type::default()
            },
            5 => {
                let name = store.author.name.set(change, word(two));
                $type { author: $author { name, ..$author::default() }, ..$type::default() }
            }
            6 => {
                let parts = store.parts.update(change, word(one), |author, change| {
                    #[allow(clippy::needless_update)]
                    $author {
                        name: author.name.set(change, word(two)),
                        stars: author.stars.add(change, 1),
                        ..$author::default()
                    }
                });
                $type { parts, ..$type::default() }
            }
            _ => {
                change.forget_all(&store.tags);
                $type { parts: store.parts.remove(change, &word(one)), ..$type::default() }
            }
        }
    }};
}

fn encoded(delta: &impl Encode, logs: &mut LogTable) -> Vec<u8> {
    let mut out = Encoder::new(logs);
    delta.encode(&mut out);
    out.into_bytes()
}

fn decoded<T: Decode>(bytes: &[u8], logs: &LogTable) -> Result<T, DecodeError> {
    let mut from = Decoder::new(bytes, logs);
    let value = T::decode(&mut from)?;
    from.finish()?;
    Ok(value)
}

/// Replica 0 has the shape, 1 works on an object with the type, 2 with the type that has no rest; 3 has the
/// type and no object.
struct History {
    objects: [Object; 3],
    typed: Causal<Todo>,
    deltas: Vec<(Vec<u8>, LogTable)>,
}

fn play(steps: &[Step]) -> History {
    let mut objects = [(); 3].map(|()| Object::new(Todo::shape()));
    let mut typed = Causal::<Todo>::default();
    let mut heard = [0; 4];
    let mut deltas: Vec<(Vec<u8>, LogTable)> = Vec::new();
    for (moment, (who, what, one, two, hear)) in steps.iter().copied().enumerate() {
        let writer = writer(who, moment);
        let mut logs = LogTable::new(writer.log);
        let mut made = Vec::new();
        let (path, call) = in_words(what, one, two);
        match who {
            3 if what % 2 == 0 => {
                let what = what / 2;
                let delta = typed.edit(&writer, |todo, change| {
                    typed!(Todo, Author, todo, change, what, one, two)
                });
                made.push(encoded(&delta, &mut logs));
            }
            3 => {
                let edit = typed.try_edit(&writer, |todo, change| todo.call(change, &path, &call));
                made.extend(edit.map(|delta| encoded(&delta, &mut logs)));
            }
            _ => {
                let edit = match who {
                    0 => Edit::call(path, &call.operation, call.arguments),
                    1 => Edit::typed::<Todo>(move |todo, change| {
                        Ok(typed!(Todo, Author, todo, change, what, one, two))
                    }),
                    _ => Edit::typed::<View>(move |view, change| {
                        Ok(typed!(View, AuthorView, view, change, what, one, two))
                    }),
                };
                let edit = objects[usize::from(who)].edit(&writer, &edit, &mut logs);
                if who > 0 {
                    assert!(edit.is_ok(), "the typed view always decodes: {edit:?}");
                }
                made.extend(edit.unwrap_or_default());
            }
        }
        deltas.extend(made.into_iter().map(|delta| (delta, logs.clone())));
        // Hearing: the first deltas somebody has not heard yet, in order.
        let from = &mut heard[usize::from(who)];
        for (delta, logs) in deltas.iter().skip(*from).take(usize::from(hear % 4)) {
            *from += 1;
            if who == 3 {
                typed.join(decoded(delta, logs).expect("a struct with a rest reads every delta"));
            } else {
                objects[usize::from(who)].join_delta(delta, logs).expect("the delta is valid");
            }
        }
    }
    History { objects, typed, deltas }
}

#[test]
fn programs_with_and_without_the_type_come_to_the_same_bytes() {
    cases(512)
        .run(&steps(30), |steps| {
            let History { objects, mut typed, deltas } = play(&steps);
            for (delta, logs) in &deltas {
                typed.join(decoded(delta, logs).expect("a struct with a rest reads every delta"));
            }
            let bytes = to_bytes(&typed);
            for mut object in objects {
                for (delta, logs) in deltas.iter().rev() {
                    object.join_delta(delta, logs).expect("the delta is valid");
                }
                assert_eq!(object.encode_state(), bytes);
                assert_eq!(object.store::<Todo>().as_ref(), Some(&*typed));
                let view = object.store::<View>().expect("a view leaves out what it does not know");
                assert_eq!(view.title, typed.title);
                assert_eq!(view.stars, typed.stars);
            }
            let record: Causal<Record> = from_bytes(&bytes).expect("the bytes are a record's");
            assert_eq!(to_bytes(&record), bytes);
            assert_eq!(from_bytes::<Causal<Todo>>(&bytes).as_ref(), Ok(&typed));
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn a_call_makes_the_delta_that_a_record_would_make() {
    cases(512)
        .run(&(steps(20), any::<(u8, u8, u8)>()), |(steps, (what, one, two))| {
            let History { objects: [mut object, ..], .. } = play(&steps);
            let mut typed: Causal<Todo> = from_bytes(&object.encode_state()).unwrap();
            let writer = writer(0, 99);
            let (path, call) = in_words(what, one, two);
            let mut logs = LogTable::new(writer.log);
            let delta = typed.try_edit(&writer, |todo, change| todo.call(change, &path, &call));
            let delta = delta.map(|delta| encoded(&delta, &mut logs));
            let edit = Edit::call(path, &call.operation, call.arguments);
            let made = object.edit(&writer, &edit, &mut LogTable::new(writer.log));
            assert_eq!(delta.is_ok(), made.is_ok(), "{edit:?}: {delta:?} {made:?}");
            if let (Ok(delta), Ok(made)) = (delta, made)
                && let [made] = made.as_slice()
            {
                assert_eq!(&delta, made, "{edit:?}");
            }
            assert_eq!(to_bytes(&typed), object.encode_state(), "{edit:?}");
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

/// Three states that know different parts of one history.
fn states(steps: &[Step]) -> [Causal<Todo>; 3] {
    let History { objects: [a, b, _], typed, .. } = play(steps);
    let read = |object: Object| from_bytes(&object.encode_state()).expect("a struct with a rest");
    [read(a), read(b), typed]
}

#[test]
fn a_struct_is_a_lattice_with_a_canonical_form() {
    cases(384)
        .run(&steps(24), |steps| {
            let [a, b, c] = states(&steps);
            laws::lattice_triple(&a, &b, &c);
            for state in [&a, &b, &c] {
                laws::codec_value(state);
            }
            for (here, there) in [(&a, &b), (&b, &c), (&c, &a)] {
                laws::digest_pair(here, there);
                laws::delta_since(here, there);
            }
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn the_parts_of_a_struct_join_to_the_whole() {
    cases(256)
        .run(&steps(24), |steps| {
            for state in &states(&steps) {
                let state: &Todo = state;
                let mut dots = 0;
                state.dots(&mut |range| dots += range.len);
                let mut whole = Todo::default();
                let mut parts_dots = 0;
                let nothing = CausalContext::default();
                for part in state.clone().split_store() {
                    part.dots(&mut |range| parts_dots += range.len);
                    whole.join_store(&nothing, part, &nothing, &mut Default::default());
                }
                assert_eq!(whole, *state);
                assert_eq!(dots, parts_dots, "no dot is in two parts");
                assert_eq!(state.is_bottom(), *state == Todo::default());
            }
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn hostile_bytes_neither_panic_nor_pass_for_a_second_form() {
    let hostile = (steps(16), any::<prop::sample::Index>(), any::<u8>(), any::<bool>());
    cases(1024)
        .run(&hostile, |(steps, at, flip, longer)| {
            let [mut state, ..] = states(&steps).map(|state| to_bytes(&state));
            let at = at.index(state.len());
            laws::hostile_bytes::<Causal<Todo>>(&state[..at]);
            state[at] ^= flip;
            if longer {
                state.insert(at, flip);
            }
            laws::hostile_bytes::<Causal<Todo>>(&state);
            laws::hostile_bytes::<Causal<View>>(&state);
            let record = from_bytes::<Causal<Record>>(&state);
            if record.is_err() {
                assert!(
                    from_bytes::<Causal<Todo>>(&state).is_err(),
                    "what is no record is no struct"
                );
            }
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn a_typed_change_of_an_object_is_the_same_change_in_words() {
    let (path, call) = (["stars".into()], Call::new("increment", [3.into()]));
    let deep = [Value::from("parts"), "milk".into(), "stars".into()];
    let typed = Edit::typed::<View>(|view, change| {
        Ok(View { stars: view.stars.add(change, 3), ..View::default() })
    });
    let typed_deep = Edit::typed::<View>(|view, change| {
        let parts = view.parts.update(change, "milk".to_owned(), |author, change| AuthorView {
            stars: author.stars.add(change, 3),
            ..AuthorView::default()
        });
        Ok(View { parts, ..View::default() })
    });
    let ann = writer(0, 1);
    let (mut one, mut two) = (Object::new(View::shape()), Object::new(View::shape()));
    for _ in 0..2 {
        one.edit(&ann, &typed, &mut LogTable::new(ann.log)).unwrap();
        let in_words = Edit::call(path.clone(), &call.operation, call.arguments.clone());
        two.edit(&ann, &in_words, &mut LogTable::new(ann.log)).unwrap();
        assert_eq!(one.encode_state(), two.encode_state());
    }
    one.edit(&ann, &typed_deep, &mut LogTable::new(ann.log)).unwrap();
    assert_eq!(one.value().to_string(), r#"{"parts":{"milk":{"stars":3}},"stars":6}"#);
    let in_words = Edit::call(deep, &call.operation, call.arguments);
    two.edit(&ann, &in_words, &mut LogTable::new(ann.log)).unwrap();
    assert_eq!(one.value(), two.value());
}

#[test]
fn a_struct_without_a_rest_refuses_what_it_would_lose() {
    let ann = writer(0, 1);
    let mut todo = Causal::<Todo>::default();
    todo.edit(&ann, |todo, change| Todo {
        title: todo.title.set(change, "Milk".to_owned()),
        ..Todo::default()
    });
    let known = from_bytes::<Causal<View>>(&to_bytes(&todo)).expect("every field is known");
    assert_eq!(to_bytes(&known), to_bytes(&todo));
    let mut present = todo.clone();
    let call = Call::new("increment", [1.into()]);
    present.try_edit(&ann, |todo, change| todo.call(change, &["stars".into()], &call)).unwrap();
    let mut unknown = todo.clone();
    unknown.try_edit(&ann, |todo, change| todo.call(change, &["votes".into()], &call)).unwrap();
    for state in [present, unknown] {
        let refused = from_bytes::<Causal<View>>(&to_bytes(&state));
        assert_eq!(refused, Err(DecodeError::Invalid));
        let object = Object::decode_state(&Todo::shape(), &to_bytes(&state)).unwrap();
        assert_eq!(object.store::<View>().map(|view| view.title), Some(state.title.clone()));
    }
}

#[test]
fn an_unknown_place_is_refused_where_it_cannot_be_kept() {
    let ann = writer(0, 1);
    let mut view = Causal::<View>::default();
    let mut refused = |path: &[Value], call: Call| {
        let result = view.try_edit(&ann, |view, change| view.call(change, path, &call));
        result.expect_err("there is no such place")
    };
    let place = |step: &str| EditError::NoSuchPlace { step: step.to_owned() };
    assert_eq!(refused(&["votes".into()], Call::new("increment", [1.into()])), place("votes"));
    assert_eq!(refused(&[], Call::new("put", ["votes".into(), 1.into()])), place("votes"));
    assert_eq!(refused(&[], Call::new("remove", ["votes".into()])), place("votes"));
    let unknown = refused(&[], Call::new("frobnicate", []));
    assert!(matches!(unknown, EditError::UnknownOperation { .. }));
}

#[test]
fn what_is_written_to_the_rest_under_a_known_name_finds_its_place() {
    let ann = writer(0, 1);
    let mut todo = Causal::<Todo>::default();
    let set = Call::new("set", ["Milk".into()]);
    let delta = todo
        .try_edit(&ann, |todo, change| {
            let rest = todo.rest.call(change, &["title".into()], &set)?;
            Ok::<_, EditError>(Todo { rest, ..Todo::default() })
        })
        .unwrap();
    assert_eq!(todo.title.get(), Some(&"Milk".to_owned()));
    let read: Causal<Todo> = from_bytes(&to_bytes(&delta)).unwrap();
    assert_eq!(read, todo);
    assert!(!todo.join(delta), "no news twice");
    assert_eq!(todo.rest.get("title").map(Crdt::value), Some(Value::Null), "only who put it there");
}
