//! Comments.

use crate::algebra::{DotFun, DotMap};
use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, count_arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::dot::{Dot, LogId};
use crate::node::Kind;
use crate::store::Change;
use crate::time::HybridTime;
use crate::types::flags::EnableFlag;
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// Threads of comments, each pinned to an anchor: a key, a range of a text, a cell. Replies stay with their thread; a thread can be resolved and opened again.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::apps::Comments};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut notes = Causal::<Comments<String>>::default();
    /// notes.edit(&at(1), |notes, change| notes.comment(change, "p. 1".to_owned(), "why?".to_owned()));
    /// let (thread, _, _) = notes.threads()[0];
    /// notes.edit(&at(2), |notes, change| notes.reply(change, thread, "because".to_owned()));
    /// assert_eq!(notes.replies(thread).len(), 1);
    /// notes.edit(&at(2), |notes, change| notes.resolve(change, thread));
    /// assert!(notes.is_resolved(thread));
    /// ```
    pub struct Comments<T: Datum>((DotMap<Dot, DotFun<(HybridTime, Note<T>)>>, DotMap<Dot, EnableFlag>));
}
leaf!(Comments<T: Datum>);

/// What somebody said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note<T> {
    thread: Option<Dot>,
    anchor: Plain<T>,
    text: String,
}

impl<T: Datum> Encode for Note<T> {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.thread.encode(out);
        self.anchor.encode(out);
        self.text.encode(out);
    }
}

impl<T: Datum> Decode for Note<T> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let thread = Option::decode(from)?;
        Ok(Self { thread, anchor: Plain::decode(from)?, text: String::decode(from)? })
    }
}

impl<T: Datum> Comments<T> {
    /// The threads in the order of their time: name, anchor, first comment. O(n log n).
    #[must_use]
    pub fn threads(&self) -> Vec<(Dot, &T, &str)> {
        let mut threads: Vec<_> = self.notes(None).collect();
        threads.sort_by_key(|(time, dot, _)| (*time, *dot));
        threads
            .into_iter()
            .map(|(_, dot, note)| (dot, &note.anchor.0, note.text.as_str()))
            .collect()
    }

    /// The replies in a thread in the order of their time: name, author, text. O(n log n).
    #[must_use]
    pub fn replies(&self, thread: Dot) -> Vec<(Dot, LogId, &str)> {
        let mut replies: Vec<_> = self.notes(Some(thread)).collect();
        replies.sort_by_key(|(time, dot, _)| (*time, *dot));
        replies.into_iter().map(|(_, dot, note)| (dot, dot.log, note.text.as_str())).collect()
    }

    fn notes(&self, thread: Option<Dot>) -> impl Iterator<Item = (HybridTime, Dot, &Note<T>)> {
        let notes = self
            .0
            .0
            .iter()
            .flat_map(|(dot, notes)| notes.iter().map(|(_, (time, note))| (*time, *dot, note)));
        notes.filter(move |(_, _, note)| note.thread == thread)
    }

    /// Whether a thread is resolved. O(log n).
    #[must_use]
    pub fn is_resolved(&self, thread: Dot) -> bool {
        self.0.1.get(&thread).is_some_and(EnableFlag::is_on)
    }

    /// Starts a thread; returns the delta.
    #[must_use]
    pub fn comment(&self, change: &mut Change, anchor: T, text: String) -> Self {
        Self::note(change, Note { thread: None, anchor: Plain(anchor), text })
    }

    /// Replies in a thread; returns the delta, bottom if there is no such thread.
    #[must_use]
    pub fn reply(&self, change: &mut Change, thread: Dot, text: String) -> Self {
        let first = self.0.0.get(&thread).and_then(|notes| notes.iter().next());
        let Some((_, (_, first))) = first else { return Self::default() };
        Self::note(change, Note { thread: Some(thread), anchor: first.anchor.clone(), text })
    }

    fn note(change: &mut Change, note: Note<T>) -> Self {
        let dot = change.dot();
        let note = DotFun::of(dot, (change.time(), note));
        Self((DotMap::of(dot, note), DotMap::default()))
    }

    /// Marks a thread as resolved; returns the delta.
    #[must_use]
    pub fn resolve(&self, change: &mut Change, thread: Dot) -> Self {
        let flag = self.0.1.get(&thread).cloned().unwrap_or_default().enable(change);
        Self((DotMap::default(), DotMap::of(thread, flag)))
    }

    /// Opens a thread again as far as it has been seen resolved; returns the delta.
    #[must_use]
    pub fn reopen(&self, change: &mut Change, thread: Dot) -> Self {
        if let Some(flag) = self.0.1.get(&thread) {
            change.forget_all(flag);
        }
        Self::default()
    }

    /// Removes a comment, or a thread with the replies that have been seen; returns the delta. O(n).
    #[must_use]
    pub fn remove(&self, change: &mut Change, note: Dot) -> Self {
        if let Some(first) = self.0.0.get(&note) {
            change.forget_all(first);
        }
        self.notes(Some(note)).for_each(|(_, dot, _)| change.forget(dot));
        Self::default()
    }

    fn nth(&self, index: &Value) -> Result<Dot, EditError> {
        let threads = self.threads();
        threads.get(count_arg(index)?).map(|(dot, _, _)| *dot).ok_or(EditError::OutOfRange)
    }
}

impl<T: Datum> Crdt for Comments<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        let replies = |thread: Dot| {
            let replies = self.replies(thread).into_iter();
            Value::list(replies.map(|(_, _, text)| Value::from(text)))
        };
        Value::list(self.threads().into_iter().map(|(thread, anchor, text)| {
            Value::map([
                ("anchor".into(), anchor.to_value()),
                ("text".into(), text.into()),
                ("replies".into(), replies(thread)),
                ("resolved".into(), self.is_resolved(thread).into()),
            ])
        }))
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("comment", [anchor, text]) => Ok(self.comment(change, arg(anchor)?, arg(text)?)),
            ("reply", [thread, text]) => Ok(self.reply(change, self.nth(thread)?, arg(text)?)),
            ("resolve", [thread]) => Ok(self.resolve(change, self.nth(thread)?)),
            ("reopen", [thread]) => Ok(self.reopen(change, self.nth(thread)?)),
            ("remove", [thread]) => Ok(self.remove(change, self.nth(thread)?)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<T: Datum> Catalogued for Comments<T> {
    const ABOUT: About = About {
        kind: Kind::Comments,
        family: "apps",
        what: "threads of comments pinned to anchors",
        rule: "what was said stays until somebody who has seen it removes it; resolving wins over concurrent opening",
        algebra: "Causal<DotMap<id, DotFun<note>> × DotMap<id, DotSet>>",
        cost: "O(n log n) to read",
        source: "Litt et al. 2022 (Peritext)",
        operations: &[
            op("comment", &[Arg::Key, Arg::Text], "starts a thread at an anchor"),
            op("reply", &[Arg::Index, Arg::Text], "replies in a thread"),
            op("resolve", &[Arg::Index], "marks a thread as resolved"),
            op("reopen", &[Arg::Index], "opens a thread again"),
            op("remove", &[Arg::Index], "removes a thread"),
        ],
    };
}
