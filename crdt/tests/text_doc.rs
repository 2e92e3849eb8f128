//! A text document as an editor and a disk meet it.

use meshwork_crdt::algebra::{Patch, Unit};
use meshwork_crdt::{
    Anchor, Bias, CausalContext, FileError, LogId, OutOfRange, TextDoc, UpdateError,
};
use proptest::prelude::*;

fn doc(log: u8, text: &str) -> TextDoc {
    let mut doc = TextDoc::new(LogId([log; 16]));
    doc.insert(0, text).unwrap();
    doc
}

fn fork(doc: &mut TextDoc, log: u8) -> TextDoc {
    let mut other = TextDoc::new(LogId([log; 16]));
    other.apply(&doc.update_since(&CausalContext::default()).unwrap()).unwrap();
    other
}

fn meet(one: &mut TextDoc, other: &mut TextDoc) {
    let to_one = other.update_since(&one.version()).unwrap();
    let to_other = one.update_since(&other.version()).unwrap();
    one.apply(&to_one).unwrap();
    other.apply(&to_other).unwrap();
    assert_eq!(one.to_string(), other.to_string());
}

#[test]
fn what_is_not_in_the_text_is_refused_and_changes_nothing() {
    let mut text = doc(1, "abc");
    assert_eq!(text.insert(4, "x"), Err(OutOfRange));
    assert_eq!(text.delete(2, 2), Err(OutOfRange));
    assert_eq!(text.delete(usize::MAX, 2), Err(OutOfRange));
    assert_eq!(text.to_string(), "abc");
}

#[test]
fn positions_count_in_characters_utf_16_and_bytes() {
    let mut text = doc(1, &"aé😀z".repeat(300));
    text.delete(1, 1).unwrap();
    let plain = text.to_string();
    let mut bytes = 0;
    let mut units = 0;
    for (at, c) in plain.chars().enumerate() {
        assert_eq!(text.offset(Unit::Utf8, at), Ok(Some(bytes)));
        assert_eq!(text.index(Unit::Utf8, bytes), Ok(Some(at)));
        assert_eq!(text.offset(Unit::Utf16, at), Ok(Some(units)));
        assert_eq!(text.index(Unit::Utf16, units), Ok(Some(at)));
        if c.len_utf16() == 2 {
            assert_eq!(text.index(Unit::Utf16, units + 1), Ok(None), "inside of a character");
        }
        bytes += c.len_utf8();
        units += c.len_utf16();
    }
    assert_eq!(text.index(Unit::Utf8, bytes), Ok(Some(plain.chars().count())));
    assert_eq!(text.index(Unit::Utf8, bytes + 1), Ok(None));
}

#[test]
fn a_selection_stays_with_what_it_selects() {
    let mut ann = doc(1, "one two three");
    let mut ben = fork(&mut ann, 2);
    let from = ann.anchor(4, Bias::Right).unwrap().unwrap();
    let to = ann.anchor(7, Bias::Left).unwrap().unwrap();
    ben.insert(0, "zero ").unwrap();
    ben.delete(5, 4).unwrap();
    ben.insert(8, "!").unwrap();
    meet(&mut ann, &mut ben);
    assert_eq!(ann.to_string(), "zero two! three");
    assert_eq!((ann.resolve(from), ann.resolve(to)), (Ok(Some(5)), Ok(Some(8))));
    ann.delete(4, 5).unwrap();
    assert_eq!((ann.resolve(from), ann.resolve(to)), (Ok(Some(4)), Ok(Some(4))));
    assert_eq!(ann.resolve(Anchor::End), Ok(Some(ann.len())));
    assert_eq!(doc(3, "").resolve(from), Ok(None), "nobody there knows it");
}

#[test]
fn undo_takes_back_what_was_written_here_and_keeps_what_others_wrote() {
    let mut ann = doc(1, "hello");
    ann.checkpoint();
    ann.insert(5, " world").unwrap();
    ann.checkpoint();
    ann.delete(0, 5).unwrap();
    ann.insert(0, "goodbye").unwrap();
    let mut ben = fork(&mut ann, 2);
    ben.insert(13, "!").unwrap();
    meet(&mut ann, &mut ben);
    assert_eq!(ann.to_string(), "goodbye world!");
    assert_eq!(ann.undo(), Ok(true));
    assert_eq!(ann.to_string(), "hello world!");
    assert_eq!(ann.undo(), Ok(true));
    assert_eq!(ann.to_string(), "hello!");
    assert_eq!(ann.redo(), Ok(true));
    assert_eq!(ann.redo(), Ok(true));
    assert_eq!(ann.to_string(), "goodbye world!");
    assert_eq!(ann.redo(), Ok(false));
    for _ in 0..3 {
        assert_eq!(ann.undo(), Ok(true));
    }
    assert_eq!(ann.to_string(), "!", "what was put back in between goes too");
    assert_eq!(ann.undo(), Ok(false));
    meet(&mut ann, &mut ben);
    assert_eq!(ben.to_string(), "!");
}

#[test]
fn versions_are_shown_compared_and_signed() {
    let mut ann = doc(1, "draft");
    let first = ann.version();
    let mut ben = fork(&mut ann, 2);
    ben.insert(5, " two").unwrap();
    ben.delete(0, 1).unwrap();
    ben.insert(0, "D").unwrap();
    meet(&mut ann, &mut ben);
    let last = ann.version();
    assert_eq!(ann.at(&first).unwrap(), "draft");
    assert_eq!(ann.at(&last).unwrap(), "Draft two");
    assert_eq!(ann.at(&CausalContext::default()).unwrap(), "");
    let patches: Vec<_> = ann.diff(&first, &last).unwrap();
    let expected = [
        vec![Patch::Insert("D"), Patch::Delete(1), Patch::Keep(4), Patch::Insert(" two")],
        vec![Patch::Delete(1), Patch::Insert("D"), Patch::Keep(4), Patch::Insert(" two")],
    ];
    assert!(expected.contains(&patches), "{patches:?}");
    let authors: Vec<_> = ann.blame(0, 9).unwrap().unwrap();
    let authors: Vec<_> = authors.iter().map(|range| (range.log.0[0], range.len)).collect();
    assert_eq!(authors, [(2, 1), (1, 4), (2, 4)]);
    assert_eq!(ann.blame(5, 9).unwrap(), None);
}

#[test]
fn a_file_shows_its_text_before_its_history_and_takes_edits_at_once() {
    let mut ann = doc(1, "Some text, with é and 😀.");
    ann.delete(4, 5).unwrap();
    let before = ann.version();
    let file = ann.save().unwrap();
    let mut opened = TextDoc::load(LogId([1; 16]), &file).unwrap();
    opened.insert(4, "!").unwrap();
    opened.delete(0, 1).unwrap();
    opened.insert(0, "s").unwrap();
    assert_eq!(opened.to_string(), "some!, with é and 😀.");
    assert_eq!(opened.at(&before).unwrap(), ann.to_string());
    assert_eq!(opened.to_string(), "some!, with é and 😀.");
    ann.apply(&opened.update()).unwrap();
    assert_eq!(ann.to_string(), opened.to_string());
    assert!(ann == opened);
}

#[test]
fn files_grow_by_what_is_new_and_say_where_they_are_torn() {
    let mut ann = doc(1, "base ");
    let mut file = ann.save().unwrap();
    let saved = ann.version();
    ann.insert(5, "and more").unwrap();
    let base = file.len();
    file.extend(ann.save_since(&saved).unwrap());
    let load = |bytes: &[u8]| TextDoc::load(LogId([1; 16]), bytes);
    assert_eq!(load(&file).unwrap().to_string(), "base and more");
    assert!(load(&file).unwrap() == ann);
    let torn = load(&file[..file.len() - 3]).unwrap_err();
    assert_eq!(torn, FileError::Torn { whole: base });
    assert_eq!(load(&file[..base]).unwrap().to_string(), "base ");
    let mut spoilt = file.clone();
    spoilt[base - 2] ^= 1;
    assert!(matches!(load(&spoilt), Err(FileError::Corrupt { .. })), "its checksum tells");
    assert!(matches!(load(b"MWTX\x09rest"), Err(FileError::Newer { version: 9 })));
    assert_eq!(load(b"hello").unwrap_err(), FileError::Foreign);
    assert_eq!(load(b"").unwrap_err(), FileError::Foreign);
}

#[test]
fn what_waits_for_others_is_saved_too() {
    let mut ann = doc(1, "abc");
    let first = ann.update();
    let mut ben = fork(&mut ann, 2);
    ben.insert(3, "def").unwrap();
    let second = ben.update();
    let mut late = TextDoc::new(LogId([3; 16]));
    assert_eq!(late.apply(&second), Ok(true));
    assert_eq!(late.to_string(), "", "what it hangs on has not come");
    let file = late.save().unwrap();
    let mut opened = TextDoc::load(LogId([3; 16]), &file).unwrap();
    opened.apply(&first).unwrap();
    assert_eq!(opened.to_string(), "abcdef");
    late.insert(0, "x").unwrap();
    late.apply(&first).unwrap();
    assert!(["xabcdef", "abcdefx"].contains(&late.to_string().as_str()));
}

#[test]
fn a_shallow_file_merges_but_has_forgotten_what_was_deleted() {
    let mut ann = doc(1, "keep this, secret");
    let before = ann.version();
    ann.delete(9, 8).unwrap();
    let whole = ann.save().unwrap();
    let shallow = ann.save_shallow().unwrap();
    assert!(shallow.len() < whole.len());
    let mut ben = TextDoc::load(LogId([2; 16]), &shallow).unwrap();
    ben.insert(9, "!").unwrap();
    ann.insert(0, "> ").unwrap();
    ann.apply(&ben.update()).unwrap();
    ben.apply(&ann.update_since(&ben.version()).unwrap()).unwrap();
    assert_eq!(ann.to_string(), "> keep this!");
    assert_eq!(ben.to_string(), "> keep this!");
    assert_eq!(
        ben.at(&before).unwrap(),
        "keep this\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}"
    );
    assert_eq!(ben.update_since(&CausalContext::default()), Err(UpdateError::Shallow));
    let again = ben.save().unwrap();
    let mut again = TextDoc::load(LogId([4; 16]), &again).unwrap();
    assert_eq!(again.update_since(&CausalContext::default()), Err(UpdateError::Shallow));
}

#[test]
fn an_update_of_one_key_is_small() {
    let mut ann = doc(1, &"word ".repeat(20_000));
    ann.update();
    ann.insert(50_000, "a").unwrap();
    ann.update();
    ann.insert(50_001, "b").unwrap();
    assert!(ann.update().len() <= 28, "version, log, number, right origin, letter");
}

#[test]
fn an_update_about_what_cannot_exist_is_refused() {
    let mut text = doc(1, "hello");
    let mut update = vec![1, 2];
    update.extend([1; 16]);
    update.extend([2; 16]);
    update.extend([0xc3, 0x01, 0x09, 0x0a]);
    assert!(matches!(text.apply(&update), Err(UpdateError::Malformed(_))));
}

fn sample() -> (TextDoc, Vec<u8>, Vec<u8>) {
    let mut ann = doc(1, "hello é world");
    let mut ben = fork(&mut ann, 2);
    ann.insert(5, " big").unwrap();
    ben.insert(5, " small").unwrap();
    ben.delete(2, 6).unwrap();
    meet(&mut ann, &mut ben);
    let update = ann.update_since(&CausalContext::default()).unwrap();
    let file = ann.save().unwrap();
    (ann, update, file)
}

proptest! {
    #[test]
    fn hostile_updates_neither_panic_nor_spoil_the_text(
        at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let (good, mut update, _) = sample();
        let index = at.index(update.len());
        update[index] = byte;
        if cut {
            update.truncate(index);
        }
        for mut doc in [good, TextDoc::new(LogId([7; 16]))] {
            let before = doc.to_string();
            if doc.apply(&update).is_err() {
                prop_assert_eq!(doc.to_string(), before);
            }
            let file = doc.save().unwrap();
            let mut again = TextDoc::load(LogId([8; 16]), &file).unwrap();
            prop_assert_eq!(again.to_string(), doc.to_string());
            prop_assert!(again.anchor(0, Bias::Left).is_ok());
            prop_assert!(again == doc);
        }
    }

    #[test]
    fn random_bytes_are_neither_updates_nor_files(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut text = TextDoc::new(LogId([1; 16]));
        let mut update = vec![1];
        update.extend(&bytes);
        let _ = text.apply(&update);
        let mut file = b"MWTX\x01".to_vec();
        file.extend(&bytes);
        prop_assert!(TextDoc::load(LogId([1; 16]), &file).is_err());
    }
}
