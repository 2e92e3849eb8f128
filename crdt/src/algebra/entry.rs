//! `Entry<S>` = `DotSet × S`: a part of a container, which can be there while it says nothing.

use crate::algebra::DotSet;
use crate::causal::CausalContext;
use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::dot::{DotRange, LogId};
use crate::store::{Change, DotStore, Turnover};

/// Who put a part there, and what it says. It shows while anybody's putting or anything in it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry<S> {
    present: DotSet,
    content: S,
}

impl<S: DotStore> Entry<S> {
    /// A part with some content, which is not put there by this.
    #[must_use]
    pub fn of(content: S) -> Self {
        Self { present: DotSet::default(), content }
    }

    /// A delta that puts the part there; it takes the place of earlier puttings.
    #[must_use]
    pub fn put(&self, change: &mut Change, content: S) -> Self {
        change.forget_all(&self.present);
        Self { present: DotSet::of(change.dot()), content }
    }

    /// A delta of the content, which puts the part there if nobody has.
    #[must_use]
    pub fn touch(&self, change: &mut Change, content: S) -> Self {
        if self.present.is_empty() { self.put(change, content) } else { Self::of(content) }
    }

    /// The same delta, which puts the part there too if nobody has; `inside` does so further in.
    pub(crate) fn touched(
        &self,
        change: &mut Change,
        delta: Self,
        inside: impl FnOnce(&S, &mut Change, S) -> S,
    ) -> Self {
        let delta = self.touched_inside(change, delta, inside);
        if delta.present.is_empty() { self.touch(change, delta.content) } else { delta }
    }

    /// The same for a part that is there by other means.
    pub(crate) fn touched_inside(
        &self,
        change: &mut Change,
        delta: Self,
        inside: impl FnOnce(&S, &mut Change, S) -> S,
    ) -> Self {
        Self { present: delta.present, content: inside(&self.content, change, delta.content) }
    }

    /// Whether the part shows.
    #[must_use]
    pub fn shows(&self) -> bool {
        !self.present.is_empty() || self.content.is_live()
    }

    /// Who put it there.
    #[must_use]
    pub fn present(&self) -> &DotSet {
        &self.present
    }

    /// What it says.
    #[must_use]
    pub fn content(&self) -> &S {
        &self.content
    }
}

impl<S: DotStore> DotStore for Entry<S> {
    fn join_store(
        &mut self,
        seen: &CausalContext,
        other: Self,
        theirs: &CausalContext,
        turnover: &mut Turnover,
    ) -> bool {
        let first = self.present.join_store(seen, other.present, theirs, turnover);
        let second = self.content.join_store(seen, other.content, theirs, turnover);
        first || second
    }

    fn join_delta(
        &mut self,
        seen: &CausalContext,
        other: &Self,
        theirs: &CausalContext,
        turnover: &mut Turnover,
    ) -> bool {
        let first = self.present.join_delta(seen, &other.present, theirs, turnover);
        let second = self.content.join_delta(seen, &other.content, theirs, turnover);
        first || second
    }

    fn dots(&self, each: &mut dyn FnMut(DotRange)) {
        self.present.dots(each);
        self.content.dots(each);
    }

    fn store_since(&self, seen: &CausalContext) -> Self {
        Self { present: self.present.store_since(seen), content: self.content.store_since(seen) }
    }

    fn split_store(self) -> Vec<Self> {
        let mut present = self.present;
        let mut parts: Vec<Self> = Vec::new();
        for content in self.content.split_store() {
            parts.push(Self { present: std::mem::take(&mut present), content });
        }
        if !present.is_empty() {
            parts.push(Self { present, content: S::default() });
        }
        parts
    }

    fn authored_by(&self, author: LogId) -> bool {
        self.present.authored_by(author) && self.content.authored_by(author)
    }

    fn is_bottom(&self) -> bool {
        self.present.is_bottom() && self.content.is_bottom()
    }

    fn is_live(&self) -> bool {
        self.shows()
    }
}

impl<S: Encode + DotStore> Encode for Entry<S> {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.present.encode(out);
        let says = !self.content.is_bottom();
        says.encode(out);
        if says {
            self.content.encode(out);
        }
    }
}

impl<S: Decode + DotStore> Decode for Entry<S> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let present = DotSet::decode(from)?;
        if !bool::decode(from)? {
            return Ok(Self { present, content: S::bottom(from.shape()) });
        }
        let content = S::decode(from)?;
        if content.is_bottom() && !from.is_lenient() {
            Err(DecodeError::NotCanonical)
        } else {
            Ok(Self { present, content })
        }
    }
}
