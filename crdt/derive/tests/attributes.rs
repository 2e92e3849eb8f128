//! What the attributes of `#[derive(Crdt)]` do, and generic structs.

use std::fmt::Debug;

use meshwork_crdt::product::{Local, Product};
use meshwork_crdt::{
    About, AwMap, AwSet, Call, Causal, Crdt, Datum, Described, Edit, HybridTime, Kind, Lattice,
    List, LogId, LogTable, LwwRegister, MvRegister, Object, PnCounter, Record, Text, Value, Writer,
    from_bytes, laws, to_bytes, types::flags::EnableFlag,
};

fn writer(who: u8) -> Writer {
    Writer { log: LogId([who; 16]), time: HybridTime::at(1) }
}

fn no_colour() -> String {
    "none".to_owned()
}

const fn keeps_all(about: &About) -> bool {
    matches!(about.kind, Kind::MvRegister | Kind::Set)
}

#[derive(Crdt, Clone, Debug, Default, PartialEq)]
#[crdt(rename_all = "camelCase")]
struct Card {
    #[crdt(lww, default = "untitled")]
    card_title: LwwRegister<String>,
    #[crdt(mv, default = no_colour)]
    r#type: MvRegister<String>,
    #[crdt(counter, default = 7)]
    votes: PnCounter,
    #[crdt(flag, rename = "is-done")]
    done: EnableFlag,
    #[crdt(set)]
    tags: AwSet<String>,
    #[crdt(list)]
    sub_tasks: List<String>,
    #[crdt(text)]
    notes: Text,
    #[crdt(map)]
    counts: AwMap<String, PnCounter>,
    #[crdt(with = "keeps_all")]
    owners: AwSet<String>,
    #[crdt(skip)]
    selected: Local<bool>,
    #[crdt(rest)]
    others: Record,
}

#[test]
fn names_are_those_of_the_attributes() {
    let names = ["cardTitle", "counts", "is-done", "notes", "owners", "subTasks", "tags"];
    assert_eq!(Card::FIELDS, [&names[..], &["type", "votes"]].concat());
    assert_eq!(
        Card::shape().to_string(),
        "record{cardTitle: register, counts: map<counter>, is-done: flag, notes: text, owners: set, \
         subTasks: list, tags: set, type: mv-register, votes: counter}"
    );
}

#[derive(Crdt, Clone, Debug, Default, PartialEq)]
#[crdt(rename_all = "kebab-case")]
struct Kebab {
    due_date: LwwRegister<i64>,
    #[crdt(rename = "as_it_is")]
    other_date: LwwRegister<i64>,
}

#[derive(Crdt, Clone, Debug, Default, PartialEq)]
#[crdt(rename_all = "snake_case")]
struct Snake {
    due_date: LwwRegister<i64>,
}

#[derive(Crdt, Clone, Debug, Default, PartialEq)]
struct Empty {}

#[test]
fn names_can_be_in_kebab_case_or_stay() {
    assert_eq!(Kebab::FIELDS, ["as_it_is", "due-date"]);
    assert_eq!(Snake::FIELDS, ["due_date"]);
    assert_eq!(Empty::shape().to_string(), "record");
    assert_eq!(
        from_bytes::<Causal<Empty>>(&to_bytes(&Causal::<Empty>::default())).unwrap().value(),
        Value::Map(Default::default())
    );
}

#[test]
fn a_default_shows_while_nothing_is_written() {
    let mut card = Causal::<Card>::default();
    let at = |card: &Card, name: &str| card.value_at(&[name.into()]);
    assert_eq!(at(&card, "cardTitle"), Some("untitled".into()));
    assert_eq!(at(&card, "type"), Some("none".into()));
    assert_eq!(at(&card, "votes"), Some(7.into()));
    assert_eq!(card.value().step(&"votes".into()), Some(&7.into()));
    assert_eq!(card.explain(&["cardTitle".into()]).map(|why| why.value), Some("untitled".into()));
    card.edit(&writer(1), |card, change| Card {
        votes: card.votes.add(change, 1),
        card_title: card.card_title.set(change, "Milk".to_owned()),
        ..Card::default()
    });
    assert_eq!(at(&card, "votes"), Some(1.into()));
    assert_eq!(at(&card, "cardTitle"), Some("Milk".into()));
    assert_eq!(card.card_title.get(), Some(&"Milk".to_owned()));
}

#[test]
fn a_skipped_field_stays_here() {
    let mut one = Causal::<Card>::default();
    let mut two = Causal::of(
        Card { selected: Local(true), ..Card::default() },
        meshwork_crdt::CausalContext::default(),
    );
    let delta = one.edit(&writer(1), |card, change| Card {
        tags: card.tags.add(change, "shop".to_owned()),
        selected: Local(true),
        ..Card::default()
    });
    assert!(!one.selected.0, "a join leaves it alone");
    assert!(two.join(delta));
    assert!(two.selected.0, "a join leaves it alone");
    assert_eq!(one, two);
    assert!(!from_bytes::<Causal<Card>>(&to_bytes(&two)).unwrap().selected.0);
    assert_eq!(two.value_at(&["selected".into()]), None);
    laws::lattice_triple(&one, &two, &Causal::default());
    laws::codec_value(&two);
}

#[test]
fn calls_know_fields_by_their_names() {
    let mut card = Causal::<Card>::default();
    let mut call = |path: &[Value], call: Call| {
        let delta = card.try_edit(&writer(1), |card, change| card.call(change, path, &call));
        delta.map(|_| card.value())
    };
    call(&["is-done".into()], Call::new("enable", [])).unwrap();
    call(&["counts".into(), "a".into()], Call::new("increment", [2.into()])).unwrap();
    call(&[], Call::new("put", ["type".into(), "chore".into()])).unwrap();
    let value = call(&["cardTitle".into()], Call::new("set", ["Milk".into()])).unwrap();
    assert_eq!(
        value.to_string(),
        r#"{"cardTitle":"Milk","counts":{"a":2},"is-done":true,"notes":"","owners":[],"subTasks":[],"tags":[],"type":["chore"],"votes":7}"#
    );
    assert!(call(&["card_title".into(), "deeper".into()], Call::new("set", [1.into()])).is_ok());
    assert!(call(&["cardTitle".into(), "deeper".into()], Call::new("set", [1.into()])).is_err());
}

#[test]
fn claims_name_every_field_and_its_type() {
    let mut card = Causal::<Card>::default();
    let create = Call::new("create", ["cardTitle".into(), "text".into()]);
    card.try_edit(&writer(2), |card, change| card.call(change, &[], &create)).unwrap();
    card.edit(&writer(1), |card, change| Card {
        card_title: card.card_title.set(change, "Milk".to_owned()),
        ..Card::default()
    });
    let why = card.explain(&[]).unwrap();
    assert_eq!(why.kind, Kind::Record);
    let claims: Vec<_> =
        why.claims.iter().map(|claim| (claim.value.to_string(), claim.by, claim.stands)).collect();
    assert_eq!(
        claims,
        [
            (r#"{"cardTitle: register":"Milk"}"#.to_owned(), Some(LogId([1; 16])), true),
            (r#"{"cardTitle: text":""}"#.to_owned(), Some(LogId([2; 16])), false),
        ]
    );
}

#[derive(Crdt, Clone, Debug, Default, PartialEq)]
struct Page<T: Datum, S>
where
    S: Described,
{
    #[crdt(lww)]
    title: LwwRegister<T>,
    #[crdt(map)]
    parts: AwMap<T, S>,
    inner: S,
}

/// A datum that has no default, so that the derived `Default` would not do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Letter(char);

impl Datum for Letter {
    fn to_value(&self) -> Value {
        self.0.to_value()
    }

    fn from_value(value: &Value) -> Option<Self> {
        char::from_value(value).map(Self)
    }
}

#[derive(Crdt, Clone, Debug, PartialEq)]
struct Sign<T: Datum> {
    letter: LwwRegister<T>,
}

impl<T: Datum> Default for Sign<T> {
    fn default() -> Self {
        Self { letter: LwwRegister::default() }
    }
}

#[test]
fn structs_can_be_generic() {
    type Board = Page<String, Page<i64, Sign<Letter>>>;
    assert_eq!(
        Board::shape().to_string(),
        "record{inner: record{inner: record{letter: register}, parts: \
         map<record{letter: register}>, title: register}, parts: map<record{inner: record{letter: \
         register}, parts: map<record{letter: register}>, title: register}>, title: register}"
    );
    let mut object = Object::new(Board::shape());
    let mut logs = LogTable::new(writer(1).log);
    let edit = Edit::typed::<Board>(|board, change| {
        let parts = board.parts.update(change, "a".to_owned(), |page, change| Page {
            parts: page.parts.update(change, 3, |sign, change| Sign {
                letter: sign.letter.set(change, Letter('x')),
            }),
            ..Page::default()
        });
        Ok(Board { parts, ..Board::default() })
    });
    object.edit(&writer(1), &edit, &mut logs).unwrap();
    let path = ["parts", "a", "parts"].map(Value::from);
    assert_eq!(object.value_at(&path).unwrap().to_string(), r#"{"3":{"letter":"x"}}"#);
    let board: Board = object.store().unwrap();
    let sign = board.parts.get(&"a".to_owned()).and_then(|page| page.parts.get(&3)).unwrap();
    assert_eq!(sign.letter.get(), Some(&Letter('x')));
}
