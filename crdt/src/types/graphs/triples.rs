//! Triples.

use crate::algebra::{DotMap, DotSet};
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// Statements of subject, predicate and object (RDF); stating wins over concurrent retracting.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::graphs::Triples};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut facts = Causal::<Triples<String>>::default();
    /// let word = |word: &str| word.to_owned();
    /// facts.edit(&at(1), |facts, change| {
    ///     facts.state(change, word("ann"), word("knows"), word("bob"))
    /// });
    /// assert_eq!(facts.matching(Some(&word("ann")), None, None).len(), 1);
    /// ```
    pub struct Triples<K: Datum>(DotMap<(Plain<K>, Plain<K>, Plain<K>), DotSet>);
}
leaf!(Triples<K: Datum>);

impl<K: Datum> Triples<K> {
    /// The statements that fit a pattern, ascending; nothing fits anything. O(n).
    #[must_use]
    pub fn matching(
        &self,
        subject: Option<&K>,
        predicate: Option<&K>,
        object: Option<&K>,
    ) -> Vec<(&K, &K, &K)> {
        let fits = |wanted: Option<&K>, found: &K| wanted.is_none_or(|wanted| wanted == found);
        let all = self.0.iter().map(|((s, p, o), _)| (&s.0, &p.0, &o.0));
        let found =
            all.filter(|(s, p, o)| fits(subject, s) && fits(predicate, p) && fits(object, o));
        found.collect()
    }

    /// States something; returns the delta. O(log n).
    #[must_use]
    pub fn state(&self, change: &mut Change, subject: K, predicate: K, object: K) -> Self {
        let triple = (Plain(subject), Plain(predicate), Plain(object));
        if let Some(dots) = self.0.get(&triple) {
            change.forget_all(dots);
        }
        Self(DotMap::of(triple, DotSet::of(change.dot())))
    }

    /// Retracts something as far as has been seen; returns the delta. O(log n).
    #[must_use]
    pub fn retract(&self, change: &mut Change, subject: K, predicate: K, object: K) -> Self {
        if let Some(dots) = self.0.get(&(Plain(subject), Plain(predicate), Plain(object))) {
            change.forget_all(dots);
        }
        Self::default()
    }
}

impl<K: Datum> Crdt for Triples<K> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::list(
            self.matching(None, None, None)
                .into_iter()
                .map(|(s, p, o)| Value::list([s.to_value(), p.to_value(), o.to_value()])),
        )
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("state", [s, p, o]) => Ok(self.state(change, arg(s)?, arg(p)?, arg(o)?)),
            ("retract", [s, p, o]) => Ok(self.retract(change, arg(s)?, arg(p)?, arg(o)?)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<K: Datum> Catalogued for Triples<K> {
    const ABOUT: About = About {
        kind: Kind::Triples,
        family: "graphs",
        what: "statements of subject, predicate and object",
        rule: "stating wins over concurrent retracting",
        algebra: "Causal<DotMap<(S, P, O), DotSet>>",
        cost: "O(log n) to change, O(n) to match",
        source: "Ibáñez et al. 2013 (SU-Set)",
        operations: &[
            op("state", &[Arg::Key, Arg::Key, Arg::Key], "states something"),
            op("retract", &[Arg::Key, Arg::Key, Arg::Key], "retracts something"),
        ],
    };
}
