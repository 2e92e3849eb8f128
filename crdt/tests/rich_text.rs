//! Rich text: the examples of the Peritext paper, edges of marks, blocks, undo, and every span beside marks applied
//! character by character.

use std::collections::BTreeMap;
use std::ops::Range;

use meshwork_crdt::{
    Anchor, Call, Causal, CausalContext, Change, Crdt, Document, Dot, Expand, HybridTime, Kind,
    Lattice, LogId, RichText, Value, Writer, from_bytes, to_bytes,
};
use proptest::prelude::*;

type Rich = Causal<RichText>;
type Attributes = BTreeMap<String, Value>;

const ANN: u8 = 1;
const BEN: u8 = 2;

fn at(log: u8, ms: u64) -> Writer {
    Writer { log: LogId([log; 16]), time: HybridTime::at(ms) }
}

fn rich(text: &str) -> Rich {
    let mut rich = Rich::default();
    insert(&mut rich, &at(ANN, 1), 0, text);
    rich
}

fn insert(rich: &mut Rich, by: &Writer, index: usize, text: &str) {
    rich.edit(by, |rich, change| rich.insert(change, index, text).unwrap());
}

fn delete(rich: &mut Rich, by: &Writer, range: Range<usize>) {
    rich.edit(by, |rich, change| rich.delete(change, range.start, range.len()).unwrap());
}

fn mark(rich: &mut Rich, by: &Writer, range: Range<usize>, key: &str, expand: Expand) {
    rich.edit(by, |rich, change| rich.mark(change, range, key, true, expand).unwrap());
}

fn unmark(rich: &mut Rich, by: &Writer, range: Range<usize>, key: &str) {
    rich.edit(by, |rich, change| rich.unmark(change, range, key).unwrap());
}

fn set_block(rich: &mut Rich, by: &Writer, index: usize, key: &str, value: impl Into<Value>) {
    rich.edit(by, |rich, change| rich.set_block(change, index, key, value).unwrap());
}

/// Both hear from each other.
fn meet(one: &mut Rich, two: &mut Rich) {
    one.join(two.clone());
    two.join(one.clone());
    assert_eq!(one, two);
    assert_eq!(one.spans(), two.spans());
}

/// `plain[marked]` for what carries a key.
fn shown(rich: &Rich, key: &str) -> String {
    let spans = rich.spans().into_iter().map(|span| match span.marks.contains_key(key) {
        true => format!("[{}]", span.text),
        false => span.text,
    });
    spans.collect::<String>().replace("][", "")
}

#[test]
fn bold_grows_at_its_end_and_a_link_does_not() {
    let mut text = rich("The fox jumped");
    mark(&mut text, &at(ANN, 2), 4..7, "bold", Expand::After);
    mark(&mut text, &at(ANN, 3), 8..14, "link", Expand::None);
    insert(&mut text, &at(ANN, 4), 7, "es");
    insert(&mut text, &at(ANN, 5), 16, "!");
    insert(&mut text, &at(ANN, 6), 4, "red ");
    insert(&mut text, &at(ANN, 7), 14, "never ");
    assert_eq!(shown(&text, "bold"), "The red [foxes] never jumped!");
    assert_eq!(shown(&text, "link"), "The red foxes never [jumped]!");
}

#[test]
fn a_mark_grows_at_the_edges_it_says() {
    for (expand, expected) in [
        (Expand::None, "a<[b]>c"),
        (Expand::Before, "a[<b]>c"),
        (Expand::After, "a<[b>]c"),
        (Expand::Both, "a[<b>]c"),
    ] {
        let mut text = rich("abc");
        mark(&mut text, &at(ANN, 2), 1..2, "key", expand);
        insert(&mut text, &at(ANN, 3), 2, ">");
        insert(&mut text, &at(ANN, 4), 1, "<");
        assert_eq!(shown(&text, "key"), expected, "{expand:?}");
        let mut whole = rich("b");
        mark(&mut whole, &at(ANN, 2), 0..1, "key", expand);
        insert(&mut whole, &at(ANN, 3), 1, ">");
        insert(&mut whole, &at(ANN, 4), 0, "<");
        let expected = expected.strip_prefix('a').unwrap().strip_suffix('c').unwrap();
        assert_eq!(shown(&whole, "key"), expected, "{expand:?}");
    }
}

#[test]
fn concurrent_bold_over_overlapping_ranges_is_bold_over_both() {
    let mut one = rich("The fox jumped");
    let mut two = one.clone();
    mark(&mut one, &at(ANN, 2), 0..7, "bold", Expand::After);
    mark(&mut two, &at(BEN, 2), 4..14, "bold", Expand::After);
    insert(&mut two, &at(BEN, 3), 4, "quick ");
    meet(&mut one, &mut two);
    assert_eq!(shown(&one, "bold"), "[The quick fox jumped]");
}

#[test]
fn what_is_typed_into_a_range_that_another_marks_meanwhile_is_marked() {
    let mut one = rich("The fox jumped.");
    let mut two = one.clone();
    mark(&mut one, &at(ANN, 2), 0..15, "bold", Expand::After);
    insert(&mut two, &at(BEN, 2), 3, " quick");
    delete(&mut two, &at(BEN, 3), 13..20);
    meet(&mut one, &mut two);
    assert_eq!(shown(&one, "bold"), "[The quick fox.]");
}

#[test]
fn of_bold_and_not_bold_at_once_the_later_shows_where_they_overlap() {
    for (bold, not_bold, expected) in [(4, 5, "The fox[ jumped]"), (5, 4, "The [fox jumped]")] {
        let mut one = rich("The fox jumped");
        mark(&mut one, &at(ANN, 2), 0..14, "bold", Expand::After);
        let mut two = one.clone();
        unmark(&mut one, &at(ANN, not_bold), 0..7, "bold");
        mark(&mut two, &at(BEN, bold), 4..14, "bold", Expand::After);
        meet(&mut one, &mut two);
        assert_eq!(shown(&one, "bold"), expected);
    }
}

#[test]
fn of_two_colours_at_once_every_character_has_one() {
    let mut one = rich("The fox jumped");
    let mut two = one.clone();
    let colour = |rich: &mut Rich, by: Writer, range, colour: &str| {
        rich.edit(&by, |rich, change| {
            rich.mark(change, range, "colour", colour, Expand::After).unwrap()
        });
    };
    colour(&mut one, at(ANN, 2), 0..7, "red");
    colour(&mut two, at(BEN, 3), 4..14, "blue");
    meet(&mut one, &mut two);
    let colours: Vec<String> =
        one.spans().iter().map(|span| format!("{}:{}", span.text, span.marks["colour"])).collect();
    assert_eq!(colours, [r#"The :"red""#, r#"fox jumped:"blue""#]);
}

#[test]
fn marks_of_different_keys_lie_over_each_other() {
    let mut one = rich("abcdef");
    let mut two = one.clone();
    mark(&mut one, &at(ANN, 2), 0..4, "comment:1", Expand::None);
    mark(&mut two, &at(BEN, 2), 2..6, "comment:2", Expand::None);
    meet(&mut one, &mut two);
    assert_eq!(shown(&one, "comment:1"), "[abcd]ef");
    assert_eq!(shown(&one, "comment:2"), "ab[cdef]");
    let both = ["comment:1", "comment:2"].map(|key| (key.to_owned(), true.into()));
    assert_eq!(one.marks_at(3), Some(both.into()));
    assert_eq!((one.marks_at(6), one.spans().len()), (None, 3));
}

#[test]
fn what_is_left_of_a_mark_grows_as_the_mark_does() {
    let mut text = rich("abcdef");
    mark(&mut text, &at(ANN, 2), 0..6, "bold", Expand::After);
    mark(&mut text, &at(ANN, 3), 0..6, "link", Expand::None);
    unmark(&mut text, &at(ANN, 4), 2..4, "bold");
    unmark(&mut text, &at(ANN, 5), 2..4, "link");
    insert(&mut text, &at(ANN, 6), 4, ">");
    insert(&mut text, &at(ANN, 7), 2, "<");
    assert_eq!(shown(&text, "bold"), "[ab<]cd>[ef]");
    assert_eq!(shown(&text, "link"), "[ab]<cd>[ef]");
}

#[test]
fn what_is_typed_where_a_mark_was_taken_away_whole_is_plain() {
    for expand in [Expand::None, Expand::Before, Expand::After, Expand::Both] {
        let mut text = rich("abcd");
        mark(&mut text, &at(ANN, 2), 1..3, "key", expand);
        unmark(&mut text, &at(ANN, 3), 1..3, "key");
        insert(&mut text, &at(ANN, 4), 3, ">");
        insert(&mut text, &at(ANN, 5), 1, "<");
        assert_eq!(shown(&text, "key"), "a<bc>d", "{expand:?}");
    }
}

#[test]
fn typing_after_the_rest_of_a_link_whose_end_was_deleted_is_no_link() {
    let mut text = rich("a linked word");
    mark(&mut text, &at(ANN, 2), 2..8, "link", Expand::None);
    mark(&mut text, &at(ANN, 3), 2..8, "bold", Expand::After);
    delete(&mut text, &at(ANN, 4), 6..8);
    insert(&mut text, &at(ANN, 5), 6, "ing");
    assert_eq!(shown(&text, "link"), "a [link]ing word");
    assert_eq!(shown(&text, "bold"), "a [linking] word");
}

#[test]
fn typing_where_a_marked_word_was_deleted_is_plain() {
    for expand in [Expand::None, Expand::After] {
        let mut text = rich("a marked word");
        mark(&mut text, &at(ANN, 2), 2..8, "key", expand);
        delete(&mut text, &at(ANN, 3), 2..8);
        insert(&mut text, &at(ANN, 4), 2, "new");
        assert_eq!(shown(&text, "key"), "a new word", "{expand:?}");
    }
}

#[test]
fn a_mark_in_place_of_the_same_one_leaves_one() {
    let mut text = rich("abc");
    for ms in 2..20 {
        mark(&mut text, &at(ANN, ms), 0..2, "bold", Expand::After);
        unmark(&mut text, &at(ANN, ms), 0..2, "bold");
    }
    assert_eq!(text.marks().count(), 1);
    assert_eq!(shown(&text, "bold"), "abc");
}

#[test]
fn ranges_outside_of_the_text_are_refused() {
    let text = rich("abc");
    let change = || Change::new(&at(ANN, 2), text.seen());
    #[allow(clippy::reversed_empty_ranges)]
    for range in [0..4, 3..4, 4..4, 2..1] {
        assert_eq!(text.mark(&mut change(), range.clone(), "k", true, Expand::None), None);
        assert_eq!(text.unmark(&mut change(), range, "k"), None);
    }
    let nothing = RichText::default();
    assert_eq!(text.mark(&mut change(), 3..3, "k", true, Expand::None), Some(nothing.clone()));
    assert_eq!(text.unmark(&mut change(), 1..1, "k"), Some(nothing));
    assert_eq!(text.insert(&mut change(), 4, "x"), None);
    assert_eq!(text.splice(&mut change(), 2, 2, "x"), None);
    assert_eq!(text.set_block(&mut change(), 4, "k", true), None);
    assert_eq!(text.block_at(4), None);
}

#[test]
fn splitting_a_block_keeps_its_attributes_on_both_halves() {
    let mut text = rich("a heading\nsome text");
    set_block(&mut text, &at(ANN, 2), 3, "heading", 1);
    assert_eq!(text.block_at(12), Some(Attributes::new()));
    text.edit(&at(ANN, 3), |text, change| text.splice(change, 1, 1, "\n").unwrap());
    let heading = Attributes::from([("heading".to_owned(), 1.into())]);
    assert_eq!(text.block_at(0), Some(heading.clone()));
    assert_eq!(text.block_at(3), Some(heading));
    set_block(&mut text, &at(ANN, 4), 12, "list", "bullet");
    mark(&mut text, &at(ANN, 5), 0..3, "bold", Expand::After);
    let runs = [
        r#"{"attributes":{"bold":true},"insert":"a"}"#,
        r#"{"attributes":{"heading":1},"insert":"\n"}"#,
        r#"{"attributes":{"bold":true},"insert":"h"}"#,
        r#"{"insert":"eading"}"#,
        r#"{"attributes":{"heading":1},"insert":"\n"}"#,
        r#"{"insert":"some text"}"#,
        r#"{"attributes":{"list":"bullet"},"insert":""}"#,
    ];
    assert_eq!(text.value().to_string(), format!("[{}]", runs.join(",")));
    let end = text.len();
    insert(&mut text, &at(ANN, 6), end, "\n\n");
    assert_eq!(text.spans().iter().filter(|span| span.block.contains_key("list")).count(), 2);
}

#[test]
fn of_two_kinds_of_one_block_at_once_the_later_stays() {
    let mut one = rich("title\nbody\n");
    let mut two = one.clone();
    set_block(&mut one, &at(ANN, 3), 0, "heading", 1);
    set_block(&mut two, &at(BEN, 2), 5, "heading", 2);
    set_block(&mut two, &at(BEN, 2), 0, "align", "centre");
    meet(&mut one, &mut two);
    let value = |json: &str| serde_json::from_str::<Value>(json).unwrap();
    assert_eq!(one.block_at(2).map(Value::Map), Some(value(r#"{"heading":1,"align":"centre"}"#)));
    set_block(&mut one, &at(ANN, 4), 0, "heading", Value::Null);
    assert_eq!(one.block_at(2).map(Value::Map), Some(value(r#"{"align":"centre"}"#)));
    assert_eq!(one.block_at(7), Some(Attributes::new()));
}

/// A document that is one rich text.
fn document(text: &str) -> Document {
    let mut document = Document::new(Kind::RichText);
    call(&mut document, 1, "append", [text.into()]);
    document
}

fn call<const N: usize>(document: &mut Document, ms: u64, operation: &str, with: [Value; N]) {
    document.change(&at(ANN, ms), |edit| edit.call("", operation, with)).unwrap().unwrap();
}

fn copy(document: &Document) -> Document {
    let mut copy = Document::new(document.shape().clone());
    copy.merge(document.state().clone());
    copy
}

#[test]
fn undo_takes_a_mark_away_and_leaves_those_of_others() {
    let mut one = document("The fox jumped");
    call(&mut one, 2, "mark", [0.into(), 14.into(), "colour".into(), "red".into(), Value::Null]);
    let mut two = copy(&one);
    call(&mut one, 3, "mark", [0.into(), 7.into(), "colour".into(), "blue".into(), Value::Null]);
    let bold = [4.into(), 10.into(), "bold".into(), true.into(), Value::Null];
    let green = [0.into(), 3.into(), "colour".into(), "green".into(), Value::Null];
    two.change(&at(BEN, 4), |edit| edit.call("", "mark", bold)).unwrap();
    two.change(&at(BEN, 5), |edit| edit.call("", "mark", green)).unwrap();
    one.merge(two.state().clone());
    let all = one.value();
    one.undo(&at(ANN, 6)).unwrap().unwrap();
    let expected = r#"[{"attributes":{"colour":"green"},"insert":"The"},{"attributes":{"colour":"red"},"insert":" "},{"attributes":{"bold":true,"colour":"red"},"insert":"fox jumped"}]"#;
    assert_eq!(one.value().to_string(), expected);
    one.redo(&at(ANN, 7)).unwrap().unwrap();
    assert_eq!(one.value(), all);
    one.undo(&at(ANN, 8)).unwrap().unwrap();
    assert_eq!(one.value().to_string(), expected);
}

#[test]
fn undo_of_a_mark_in_place_of_another_lets_a_later_one_stand() {
    let link = |url: &str| [0.into(), 3.into(), "link".into(), url.into(), "none".into()];
    let mut one = document("fox");
    call(&mut one, 2, "mark", link("old"));
    let mut two = copy(&one);
    call(&mut one, 3, "mark", link("new"));
    two.change(&at(BEN, 4), |edit| edit.call("", "mark", link("theirs"))).unwrap();
    let mut alone = copy(&one);
    one.merge(two.state().clone());
    one.undo(&at(ANN, 5)).unwrap();
    assert_eq!(one.value_at("#0/attributes/link"), Some("theirs".into()));
    alone.merge(one.state().clone());
    assert_eq!(alone.value(), one.value());
}

#[test]
fn undo_brings_deleted_text_back_with_its_formats_and_those_of_others() {
    let mut one = document("bold link\nplain");
    call(&mut one, 2, "mark", [0.into(), 4.into(), "bold".into(), true.into(), Value::Null]);
    call(&mut one, 3, "mark", [5.into(), 4.into(), "link".into(), "url".into(), "none".into()]);
    call(&mut one, 4, "set-block", [0.into(), "heading".into(), 1.into()]);
    let before = one.value();
    for (ms, (from, count)) in (10..).step_by(10).zip([(2, 6), (0, 15), (4, 5), (8, 3), (5, 4)]) {
        call(&mut one, ms, "splice", [from.into(), count.into(), "".into()]);
        let after = one.value();
        for again in 0..3 {
            one.undo(&at(ANN, ms + 1 + again)).unwrap().unwrap();
            assert_eq!(one.value(), before, "{count} characters from {from} on");
            one.redo(&at(ANN, ms + 1 + again)).unwrap().unwrap();
            assert_eq!(one.value(), after, "{count} characters from {from} on");
        }
        one.undo(&at(ANN, ms + 5)).unwrap().unwrap();
    }
    let mut two = copy(&one);
    call(&mut one, 90, "splice", [3.into(), 3.into(), "".into()]);
    let mark = [2.into(), 12.into(), "italic".into(), true.into(), Value::Null];
    two.change(&at(BEN, 91), |edit| edit.call("", "mark", mark)).unwrap();
    two.change(&at(BEN, 92), |edit| edit.call("", "splice", [4.into(), 0.into(), "er".into()]))
        .unwrap();
    one.merge(two.state().clone());
    one.undo(&at(ANN, 93)).unwrap().unwrap();
    let expected = two.value();
    assert_eq!(one.value(), expected);
}

#[test]
fn undo_of_clearing_brings_everything_back() {
    let mut one = document("some\ntext");
    call(&mut one, 2, "mark", [0.into(), 9.into(), "bold".into(), true.into(), "both".into()]);
    call(&mut one, 3, "set-block", [0.into(), "heading".into(), 1.into()]);
    call(&mut one, 4, "set-block", [9.into(), "list".into(), "bullet".into()]);
    let before = one.value();
    call(&mut one, 5, "clear", []);
    assert_eq!(one.value().to_string(), "[]");
    one.undo(&at(ANN, 6)).unwrap().unwrap();
    assert_eq!(one.value(), before);
    one.redo(&at(ANN, 7)).unwrap().unwrap();
    call(&mut one, 8, "append", ["x".into()]);
    assert_eq!(one.value().to_string(), r#"[{"insert":"x"}]"#);
}

#[test]
fn undo_of_removing_a_field_brings_its_rich_text_back() {
    let mut page = Document::default();
    page.change(&at(ANN, 1), |edit| {
        edit.call("", "create", ["body".into(), "rich-text".into()])?;
        edit.call("body", "append", ["a title\nand a link".into()])?;
        edit.call("body", "set-block", [0.into(), "heading".into(), 2.into()])?;
        edit.call("body", "set-block", [9.into(), "quote".into(), true.into()])?;
        let (bold, link) = (["bold".into(), true.into()], ["link".into(), "url".into()]);
        edit.call(
            "body",
            "mark",
            [0.into(), 11.into()].into_iter().chain(bold).chain([true.into()]),
        )?;
        edit.call(
            "body",
            "mark",
            [14.into(), 4.into()].into_iter().chain(link).chain([false.into()]),
        )
    })
    .unwrap();
    let before = page.value();
    page.change(&at(ANN, 2), |edit| edit.call("", "remove", ["body".into()])).unwrap();
    assert_eq!(page.value().to_string(), "{}");
    page.undo(&at(ANN, 3)).unwrap().unwrap();
    assert_eq!(page.value(), before);
    page.change(&at(ANN, 4), |edit| edit.call("body", "splice", [18.into(), 0.into(), "!".into()]))
        .unwrap();
    page.change(&at(ANN, 5), |edit| edit.call("body", "splice", [11.into(), 0.into(), "!".into()]))
        .unwrap();
    let runs = r#"{"attributes":{"bold":true},"insert":"and!"},{"insert":" a "},{"attributes":{"link":"url"},"insert":"link"},{"insert":"!"}"#;
    assert!(page.value().to_string().contains(runs), "{}", page.value());
}

#[test]
fn a_call_writes_every_expansion() {
    let words = [Value::Null, true.into(), false.into(), "before".into(), "both".into()];
    for (word, expected) in
        words.into_iter().zip(["a<[b>]c", "a<[b>]c", "a<[b]>c", "a[<b]>c", "a[<b>]c"])
    {
        let mut text = rich("abc");
        let call = Call::new("mark", [1.into(), 1.into(), "k".into(), true.into(), word]);
        text.try_edit(&at(ANN, 2), |text, change| text.call(change, &[], &call)).unwrap();
        insert(&mut text, &at(ANN, 3), 2, ">");
        insert(&mut text, &at(ANN, 4), 1, "<");
        assert_eq!(shown(&text, "k"), expected);
    }
}

/// Where an anchor stands among the visible characters.
fn place(rich: &RichText, anchor: Anchor, dots: &[Dot]) -> Option<usize> {
    match anchor {
        Anchor::Start => Some(0),
        Anchor::End => Some(dots.len()),
        Anchor::Before(dot) => rich.text().position_of(dot),
        Anchor::After(dot) => {
            rich.text().position_of(dot).map(|at| at + usize::from(dots.contains(&dot)))
        }
    }
}

/// Every mark looked at for every character.
fn by_hand(rich: &RichText) -> Vec<Attributes> {
    let spans = rich.text().spans();
    let dots: Vec<Dot> =
        spans.iter().flat_map(|span| (0..span.len).map(|n| span.first().plus(n))).collect();
    let of_character = |index: usize| {
        let mut latest: BTreeMap<&str, (HybridTime, Dot, &Value)> = BTreeMap::new();
        for mark in rich.marks() {
            let (Some(from), Some(to)) =
                (place(rich, mark.start, &dots), place(rich, mark.end, &dots))
            else {
                continue;
            };
            if from <= index && index < to {
                let this = (mark.time, mark.dot, mark.value);
                let known = latest.entry(mark.key).or_insert(this);
                if (known.0, known.1) < (this.0, this.1) {
                    *known = this;
                }
            }
        }
        let marks = latest.into_iter().filter(|(_, (_, _, value))| **value != Value::Null);
        marks.map(|(key, (_, _, value))| (key.to_owned(), value.clone())).collect()
    };
    (0..dots.len()).map(of_character).collect()
}

/// The spans say of every character what was found by hand, and no two of them that meet say the same.
fn check(rich: &RichText) {
    let spans = rich.spans();
    let text: String = spans.iter().map(|span| span.text.as_str()).collect();
    assert_eq!(text, rich.to_string());
    let told: Vec<Attributes> =
        spans.iter().flat_map(|span| span.text.chars().map(|_| span.marks.clone())).collect();
    assert_eq!(told, by_hand(rich));
    for pair in spans.windows(2).filter(|pair| !pair[1].text.is_empty()) {
        assert_ne!((&pair[0].marks, &pair[0].block), (&pair[1].marks, &pair[1].block));
    }
    for (index, marks) in told.into_iter().enumerate() {
        assert_eq!(rich.marks_at(index), Some(marks));
    }
    let mut from = 0;
    for span in &spans {
        for (index, c) in (from..).zip(span.text.chars()).filter(|(_, c)| *c == '\n') {
            assert_eq!(rich.block_at(index), Some(span.block.clone()), "{c:?} at {index}");
        }
        from += span.text.chars().count();
    }
}

type Step = (u8, u8, u8, u8, u8, u8);

fn play(rich: &mut Rich, by: &Writer, (_, what, one, two, key, _): Step) {
    let len = rich.len();
    let (from, to) = (usize::from(one) % (len + 1), usize::from(two) % (len + 1));
    let (from, to) = (from.min(to), from.max(to));
    let key = ["bold", "link", "comment"][usize::from(key % 3)];
    let expand = [Expand::None, Expand::Before, Expand::After, Expand::Both];
    rich.edit(by, |rich, change| {
        let delta = match what % 8 {
            0 | 1 => rich.insert(change, from, ["x", "yz", "é\n"][usize::from(two % 3)]),
            2 => rich.delete(change, from, to - from),
            3 => rich.splice(change, from, (to - from).min(2), "w"),
            4 | 5 => {
                let (value, expand) = (i64::from(two % 2), expand[usize::from(one % 4)]);
                rich.mark(change, from..to, key, value, expand)
            }
            6 => rich.unmark(change, from..to, key),
            _ => rich.set_block(change, to, key, i64::from(one % 2)),
        };
        delta.unwrap()
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn spans_are_what_marking_character_by_character_gives(
        steps in prop::collection::vec(any::<Step>(), 1..40),
    ) {
        let start = rich("some text");
        let mut all = [start.clone(), start.clone(), start];
        let mut deltas = Vec::new();
        for (ms, step) in (2..).zip(steps) {
            let who = usize::from(step.0 % 3);
            let seen = all[who].seen().clone();
            play(&mut all[who], &at(who as u8 + 1, ms / 2), step);
            deltas.push(all[who].since(&seen));
            if let Some(other) = all.get(usize::from(step.5 % 8)).cloned() {
                all[who].join(other);
            }
            check(&all[who]);
        }
        let [mut one, two, three] = all;
        let mut other = three.clone();
        one.join(two.clone());
        one.join(three);
        other.join(two);
        other.join(one.clone());
        prop_assert_eq!(&one, &other);
        prop_assert_eq!(one.spans(), other.spans());
        check(&one);
        let back: Rich = from_bytes(&to_bytes(&one)).unwrap();
        prop_assert_eq!(back.spans(), one.spans());
        let mut told = rich("some text");
        for delta in deltas.into_iter().rev() {
            told.join(delta);
        }
        prop_assert_eq!(told.spans(), one.spans());
        prop_assert_eq!(told.since(&CausalContext::default()), one.since(&CausalContext::default()));
    }

    #[test]
    fn undo_and_redo_go_through_the_same_values(
        steps in prop::collection::vec(any::<(u8, u8, u8, u8)>(), 1..16),
    ) {
        let mut text = document("some\ntext");
        let mut values = vec![text.value()];
        for (ms, (what, one, two, key)) in (2..).zip(steps) {
            let len = plain(&text).chars().count();
            let at_most = |n: u8, most: usize| i64::try_from(usize::from(n) % (most + 1)).unwrap();
            let from = at_most(one, len);
            let count = at_most(two, len - usize::try_from(from).unwrap());
            let key: Value = ["bold", "link"][usize::from(key % 2)].into();
            let grows = Value::Bool(one % 2 == 0);
            let (operation, with) = match what % 6 {
                0 => ("splice", vec![from.into(), 0.into(), "x\ny".into()]),
                1 => ("splice", vec![from.into(), count.into(), "".into()]),
                2 => ("mark", vec![from.into(), count.into(), key, i64::from(two % 2).into(), grows]),
                3 => ("unmark", vec![from.into(), count.into(), key]),
                4 => ("set-block", vec![from.into(), key, i64::from(two % 3).into()]),
                _ if one % 4 == 0 => ("clear", vec![]),
                _ => ("set", vec!["some other text".into()]),
            };
            if text.change(&at(ANN, ms), |edit| edit.call("", operation, with)).unwrap().is_some() {
                values.push(text.value());
            }
        }
        for ms in [100, 200] {
            for value in values.iter().rev().skip(1) {
                prop_assert!(text.undo(&at(ANN, ms)).unwrap().is_some());
                prop_assert_eq!(&text.value(), value);
            }
            for value in values.iter().skip(1) {
                prop_assert!(text.redo(&at(ANN, ms + 1)).unwrap().is_some());
                prop_assert_eq!(&text.value(), value);
            }
        }
    }
}

/// The characters of a document that is one rich text.
fn plain(document: &Document) -> String {
    let Value::List(runs) = document.value() else { panic!("runs") };
    let texts = runs.iter().map(|run| match run.step(&"insert".into()) {
        Some(Value::Text(text)) => text.as_str(),
        _ => panic!("a run without text"),
    });
    texts.collect()
}
