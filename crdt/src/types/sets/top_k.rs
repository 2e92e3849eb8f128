//! The best of many.

use std::collections::BTreeMap;

use crate::algebra::Max;
use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::lattice::Lattice;
use crate::node::Kind;
use crate::store::Change;
use crate::types::leaf;
use crate::value::Value;

/// How many things are kept.
const LEN_MAX: usize = 100;

/// The hundred things of the best scores, each with its best one. Nothing that is left out could come back.
///
/// ```
/// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::sets::TopK};
/// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
/// let mut top = Causal::<TopK<String>>::default();
/// top.edit(&at(1), |top, change| top.offer(change, "ann".to_owned(), 7));
/// top.edit(&at(1), |top, change| top.offer(change, "bob".to_owned(), 9));
/// top.edit(&at(1), |top, change| top.offer(change, "ann".to_owned(), 8));
/// assert_eq!(top.best(1), [(&"bob".to_owned(), 9)]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TopK<T: Datum>(BTreeMap<Plain<T>, Max<i64>>);

impl<T: Datum> Default for TopK<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Datum> Lattice for TopK<T> {
    fn join(&mut self, other: Self) -> bool {
        let before = self.0.clone();
        self.0.join(other.0);
        self.trim();
        self.0 != before
    }
}

impl<T: Datum> Encode for TopK<T> {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.0.encode(out);
    }
}

impl<T: Datum> Decode for TopK<T> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let scores = BTreeMap::<Plain<T>, Max<i64>>::decode(from)?;
        if scores.len() > LEN_MAX || scores.values().any(|score| score.0.is_none()) {
            return Err(DecodeError::NotCanonical);
        }
        Ok(Self(scores))
    }
}
leaf!(TopK<T: Datum>);

impl<T: Datum> TopK<T> {
    /// The best things, the best first; ties by the things themselves. O(1): there are at most a hundred.
    #[must_use]
    pub fn best(&self, most: usize) -> Vec<(&T, i64)> {
        let scored = self.0.iter().filter_map(|(item, score)| Some((&item.0, score.0?)));
        let mut scored: Vec<_> = scored.collect();
        scored.sort_by(|one, two| two.1.cmp(&one.1).then(two.0.cmp(one.0)));
        scored.truncate(most);
        scored
    }

    /// Offers a thing with its score; returns the delta, which changes nothing if it is not good enough.
    #[must_use]
    pub fn offer(&self, _: &mut Change, item: T, score: i64) -> Self {
        Self(BTreeMap::from([(Plain(item), Max(Some(score)))]))
    }

    /// Leaves the hundred best.
    fn trim(&mut self) {
        while self.0.len() > LEN_MAX {
            let worst = self.0.iter().min_by_key(|(item, score)| (score.0, (*item).clone()));
            let Some(worst) = worst.map(|(item, _)| item.clone()) else { return };
            self.0.remove(&worst);
        }
    }
}

impl<T: Datum> Crdt for TopK<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::list(
            self.best(LEN_MAX)
                .into_iter()
                .map(|(item, score)| Value::list([item.to_value(), score.into()])),
        )
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("offer", [item, score]) => Ok(self.offer(change, arg(item)?, arg(score)?)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<T: Datum> Catalogued for TopK<T> {
    const ABOUT: About = About {
        kind: Kind::TopK,
        family: "sets",
        what: "the hundred things of the best scores",
        rule: "a thing keeps its best score; the hundred best stay",
        algebra: "T ↪ Max<i64>, the hundred best",
        cost: "O(log n)",
        source: "Navalho et al. 2015",
        operations: &[op("offer", &[Arg::Key, Arg::Int], "offers a thing with its score")],
    };
}
