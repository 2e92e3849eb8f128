//! The register that shows disagreement.

use crate::algebra::Point;
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// What all agree on, or the lasting knowledge that they do not.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer};
    /// use meshwork_crdt::types::registers::AgreedRegister;
    /// let ann = Writer { log: LogId([1; 16]), time: HybridTime::at(1) };
    /// let mut hash = Causal::<AgreedRegister<i64>>::default();
    /// hash.edit(&ann, |hash, change| hash.say(change, 7));
    /// assert_eq!(hash.get(), Some(&7));
    /// hash.edit(&ann, |hash, change| hash.say(change, 8));
    /// assert!(hash.is_conflict());
    /// ```
    pub struct AgreedRegister<T: Datum>(Point<Plain<T>>);
}
leaf!(AgreedRegister<T: Datum>);

impl<T: Datum> AgreedRegister<T> {
    /// What all who said something said. O(1).
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        match &self.0 {
            Point::Agreed(value) => Some(&value.0),
            Point::Unknown | Point::Conflict => None,
        }
    }

    /// Whether different things were said.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.0 == Point::Conflict
    }

    /// Says something; returns the delta.
    #[must_use]
    pub fn say(&self, _: &mut Change, value: T) -> Self {
        Self(Point::Agreed(Plain(value)))
    }
}

impl<T: Datum> Crdt for AgreedRegister<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        match &self.0 {
            Point::Unknown => Value::Null,
            Point::Agreed(value) => value.0.to_value(),
            Point::Conflict => Value::map([("conflict".into(), true.into())]),
        }
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("say", [value]) => Ok(self.say(change, arg(value)?)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<T: Datum> Catalogued for AgreedRegister<T> {
    const ABOUT: About = About {
        kind: Kind::AgreedRegister,
        family: "registers",
        what: "what all agree on",
        rule: "two different values are a conflict, for ever",
        algebra: "Point<V>",
        cost: "O(1)",
        source: "hydro lattices (Point)",
        operations: &[op("say", &[Arg::Value], "says a value")],
    };
}
