//! Turning "this text, made from that version" into splices that stay where they were meant.
//!
//! Data in: the old text with the dots of its characters, and the new text. Data out: splices anchored on
//! those dots, so that whatever others insert or delete meanwhile is kept (the diff is Myers').

use meshwork_crdt::{Dot, DotRange, Edit};
use serde::{Deserialize, Serialize};
use similar::{Algorithm, DiffOp};

/// Characters up to which two texts are compared character by character.
const CHARS_COMPARED_MAX: usize = 64 * 1024;

/// A version of a text, to be handed back with what was made from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TextBase {
    /// The visible characters in document order.
    pub spans: Vec<DotRange>,
}

/// The splices that turn `old`, whose characters are `spans`, into `new`.
pub(crate) fn splices(old: &str, spans: &[DotRange], new: &str) -> Vec<Edit> {
    let old: Vec<char> = old.chars().collect();
    let new: Vec<char> = new.chars().collect();
    let prefix = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[prefix..], &new[prefix..]);
    let suffix =
        old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let old_middle = &old_rest[..old_rest.len() - suffix];
    let new_middle = &new_rest[..new_rest.len() - suffix];
    let ops = if old_middle.len() + new_middle.len() > CHARS_COMPARED_MAX {
        vec![DiffOp::Replace {
            old_index: 0,
            old_len: old_middle.len(),
            new_index: 0,
            new_len: new_middle.len(),
        }]
    } else {
        similar::capture_diff_slices(Algorithm::Myers, old_middle, new_middle)
    };
    ops.iter()
        .filter(|op| !matches!(op, DiffOp::Equal { .. }))
        .map(|op| {
            let (removed, added) = (op.old_range(), op.new_range());
            let at = prefix + removed.start;
            Edit::SpliceAt {
                after: at.checked_sub(1).and_then(|before| dot_at(spans, before)),
                delete: cut(spans, at, removed.len()),
                insert: new_middle[added].iter().collect(),
            }
        })
        .filter(|edit| {
            !matches!(edit, Edit::SpliceAt { delete, insert, .. } if delete.is_empty() && insert.is_empty())
        })
        .collect()
}

fn dot_at(spans: &[DotRange], index: usize) -> Option<Dot> {
    let one = cut(spans, index, 1);
    one.first().map(|range| Dot { log: range.log, seq: range.start })
}

/// The dots of `len` characters from `at` on.
fn cut(spans: &[DotRange], at: usize, len: usize) -> Vec<DotRange> {
    let (mut skip, mut take) = (at as u64, len as u64);
    let mut taken = Vec::new();
    for span in spans {
        let skipped = skip.min(span.len);
        skip -= skipped;
        let kept = (span.len - skipped).min(take);
        take -= kept;
        if kept > 0 {
            taken.push(DotRange { log: span.log, start: span.start + skipped, len: kept });
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use meshwork_crdt::HybridTime;
    use meshwork_crdt::{Kind, LogId, LogTable, Object, Writer};

    fn writer(n: u8) -> Writer {
        Writer { log: LogId([n; 16]), time: HybridTime::at(1000) }
    }

    fn apply(text: &mut Object, by: u8, edits: &[Edit]) {
        let mut table = LogTable::new(LogId([by; 16]));
        for edit in edits {
            text.edit(&writer(by), edit, &mut table).unwrap();
        }
    }

    fn text_of(object: &Object) -> String {
        object.as_text().unwrap().to_string()
    }

    #[test]
    fn the_splices_make_the_new_text() {
        for (old, new) in [
            ("", "abc"),
            ("abc", ""),
            ("hello world", "held word!"),
            ("äöü", "aöüß"),
            ("same", "same"),
        ] {
            let mut text = Object::new(Kind::Text);
            apply(&mut text, 1, &[Edit::Replace(old.to_owned())]);
            let spans = text.as_text().unwrap().spans();
            apply(&mut text, 1, &splices(old, &spans, new));
            assert_eq!(text_of(&text), new);
        }
    }

    #[test]
    fn what_others_wrote_meanwhile_is_kept() {
        let mut text = Object::new(Kind::Text);
        apply(&mut text, 1, &[Edit::Replace("one two three".to_owned())]);
        let spans = text.as_text().unwrap().spans();
        apply(&mut text, 2, &[Edit::Splice { at: 0, delete: 0, insert: "zero ".to_owned() }]);
        apply(&mut text, 1, &splices("one two three", &spans, "one 2 three four"));
        assert_eq!(text_of(&text), "zero one 2 three four");
    }
}
