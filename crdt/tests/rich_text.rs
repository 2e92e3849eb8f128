//! Rich text by the examples of the Peritext paper, and beside marks applied character by character.

use std::collections::BTreeMap;

use meshwork_crdt::types::sequences::{Expand, RichText};
use meshwork_crdt::{Causal, Crdt, HybridTime, Lattice, LogId, Value, Writer};
use proptest::prelude::*;

fn at(log: u8, time: u64) -> Writer {
    Writer { log: LogId([log; 16]), time: HybridTime::at(time) }
}

type Doc = Causal<RichText>;

fn doc(text: &str) -> Doc {
    let mut doc = Doc::default();
    doc.edit(&at(1, 1), |doc, change| doc.splice(change, 0, 0, text).unwrap());
    doc
}

fn splice(doc: &mut Doc, by: &Writer, place: usize, delete: usize, text: &str) {
    doc.edit(by, |doc, change| doc.splice(change, place, delete, text).unwrap());
}

fn mark(doc: &mut Doc, by: &Writer, from: usize, len: usize, key: &str, value: Value, ex: Expand) {
    doc.edit(by, |doc, change| doc.mark(change, from, len, key, value, ex).unwrap());
}

/// `plain[bold]` for what carries a key.
fn shown(doc: &Doc, key: &str) -> String {
    let spans = doc.spans().into_iter().map(|span| match span.marks.contains_key(key) {
        true => format!("[{}]", span.text),
        false => span.text,
    });
    spans.collect()
}

fn met(one: &mut Doc, other: &mut Doc) {
    let copy = one.clone();
    one.join(other.clone());
    other.join(copy);
    assert_eq!(one.spans(), other.spans());
}

#[test]
fn bold_grows_at_its_end_and_a_link_does_not() {
    let mut text = doc("The fox jumped");
    mark(&mut text, &at(1, 2), 4, 3, "bold", true.into(), Expand::After);
    mark(&mut text, &at(1, 3), 8, 6, "link", "example.org".into(), Expand::None);
    splice(&mut text, &at(1, 4), 7, 0, "es");
    splice(&mut text, &at(1, 5), 16, 0, "!");
    splice(&mut text, &at(1, 6), 4, 0, "red ");
    assert_eq!(shown(&text, "bold"), "The red [foxes] jumped!");
    assert_eq!(shown(&text, "link"), "The red foxes [jumped]!");
}

#[test]
fn overlapping_bold_is_one_and_what_is_inserted_inside_is_bold() {
    let mut one = doc("The fox jumped");
    let mut two = one.clone();
    mark(&mut one, &at(1, 2), 0, 7, "bold", true.into(), Expand::After);
    mark(&mut two, &at(2, 2), 4, 10, "bold", true.into(), Expand::After);
    splice(&mut two, &at(2, 3), 4, 0, "quick ");
    met(&mut one, &mut two);
    assert_eq!(shown(&one, "bold"), "[The quick fox jumped]");
}

#[test]
fn of_bold_and_not_bold_at_once_the_later_holds_where_they_overlap() {
    let mut one = doc("The fox jumped");
    mark(&mut one, &at(1, 2), 0, 14, "bold", true.into(), Expand::After);
    let mut two = one.clone();
    mark(&mut one, &at(1, 5), 0, 7, "bold", Value::Null, Expand::After);
    mark(&mut two, &at(2, 4), 4, 10, "bold", true.into(), Expand::After);
    met(&mut one, &mut two);
    assert_eq!(shown(&one, "bold"), "The fox[ jumped]");
}

#[test]
fn different_keys_overlap_freely() {
    let mut one = doc("abcdef");
    let mut two = one.clone();
    mark(&mut one, &at(1, 2), 0, 4, "bold", true.into(), Expand::After);
    mark(&mut two, &at(2, 2), 2, 4, "comment:7", "why?".into(), Expand::None);
    met(&mut one, &mut two);
    assert_eq!(shown(&one, "bold"), "[ab][cd]ef");
    assert_eq!(shown(&one, "comment:7"), "ab[cd][ef]");
    assert_eq!(one.marks_at(3).len(), 2);
}

#[test]
fn splitting_a_block_keeps_its_attributes_on_both_halves() {
    let mut text = doc("a heading\nsome text");
    text.edit(&at(1, 2), |text, change| {
        text.set_block(change, 3, "heading", 1_i64.into()).unwrap()
    });
    assert!(text.block_at(12).is_empty());
    splice(&mut text, &at(1, 3), 1, 1, "\n");
    assert_eq!(text.block_at(0), BTreeMap::from([("heading".to_owned(), 1_i64.into())]));
    assert_eq!(text.block_at(3), BTreeMap::from([("heading".to_owned(), 1_i64.into())]));
    text.edit(&at(1, 4), |text, change| {
        text.set_block(change, 12, "list", "bullet".into()).unwrap()
    });
    let value = text.value().to_string();
    assert_eq!(
        value,
        r#"[{"insert":"a"},{"attributes":{"heading":1},"insert":"\n"},{"insert":"heading"},{"attributes":{"heading":1},"insert":"\n"},{"insert":"some text"},{"attributes":{"list":"bullet"},"insert":""}]"#
    );
}

type Step = (u8, u8, u8, u8, u8);

/// Who marked what when, by the names of the characters.
type Marked = (u8, u64, Vec<(usize, u64)>, &'static str, Value);

/// Every mark on every character, one by one.
fn by_hand(doc: &Doc, marks: &[Marked]) -> Vec<String> {
    let named: Vec<(usize, u64)> = names(doc);
    let per_character = named.iter().map(|name| {
        let mut keys: BTreeMap<&str, (u64, u8, &Value)> = BTreeMap::new();
        for (by, time, range, key, value) in marks {
            if range.contains(name) {
                let known = keys.entry(key).or_insert((*time, *by, value));
                if (known.0, known.1) < (*time, *by) {
                    *known = (*time, *by, value);
                }
            }
        }
        keys.retain(|_, (_, _, value)| **value != Value::Null);
        let keys: Vec<String> =
            keys.into_iter().map(|(key, (_, _, value))| format!("{key}={value}")).collect();
        keys.join(",")
    });
    per_character.collect()
}

/// The visible characters by log and number.
fn names(doc: &Doc) -> Vec<(usize, u64)> {
    let spans = doc.text().spans();
    let dots = spans.iter().flat_map(|span| (0..span.len).map(|n| span.first().plus(n)));
    dots.map(|dot| (usize::from(dot.log.0[0]), dot.seq)).collect()
}

proptest! {
    #[test]
    fn spans_are_what_marking_character_by_character_gives(
        steps in prop::collection::vec(any::<Step>(), 1..25),
    ) {
        let mut docs = [doc("some text to mark"), Doc::default(), Doc::default()];
        for other in 1..3 {
            docs[other] = docs[0].clone();
        }
        let mut marks = Vec::new();
        for (time, (who, what, place, len, key)) in (10..).zip(steps) {
            let who = usize::from(who % 3);
            let writer = at(who as u8 + 1, time);
            let all = docs[who].len();
            let place = usize::from(place) % (all + 1);
            let len = (usize::from(len) % 6).min(all - place);
            match what % 5 {
                0 => splice(&mut docs[who], &writer, place, len, ""),
                1 => splice(&mut docs[who], &writer, place, 0, "xy"),
                2 => {
                    let from = docs[usize::from(len as u8) % 3].clone();
                    docs[who].join(from);
                }
                _ if len > 0 => {
                    let key = ["bold", "link"][usize::from(key) % 2];
                    let value = if what % 2 == 0 { Value::Null } else { Value::Int(i64::from(what)) };
                    let range = names(&docs[who])[place..place + len].to_vec();
                    // Without growth a mark is just its characters.
                    mark(&mut docs[who], &writer, place, len, key, value.clone(), Expand::None);
                    marks.push((who as u8 + 1, time, range, key, value));
                }
                _ => {}
            }
        }
        let mut all = docs[0].clone();
        all.join(docs[1].clone());
        all.join(docs[2].clone());
        let mut other = docs[2].clone();
        other.join(docs[0].clone());
        other.join(docs[1].clone());
        prop_assert_eq!(all.spans(), other.spans());
        let shown: Vec<String> = all
            .spans()
            .into_iter()
            .flat_map(|span| {
                let keys: Vec<String> =
                    span.marks.iter().map(|(key, value)| format!("{key}={value}")).collect();
                vec![keys.join(","); span.text.chars().count()]
            })
            .collect();
        // What was typed between marked characters is inside of the range, and marked as both its neighbours are.
        let expected = by_hand(&all, &marks);
        for ((index, shown), (name, expected)) in
            shown.iter().enumerate().zip(names(&all).iter().zip(&expected))
        {
            let typed_later = name.0 > 1 || name.1 > 17;
            prop_assert!(typed_later || shown == expected, "character {}", index);
        }
    }
}
