//! The register that keeps the largest value.

use crate::algebra::Max;
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// The largest value anybody ever wrote.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::registers::MaxRegister};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut one = Causal::<MaxRegister<i64>>::default();
    /// let mut two = one.clone();
    /// one.edit(&at(1), |register, change| register.set(change, 7));
    /// two.edit(&at(2), |register, change| register.set(change, -8));
    /// one.join(two);
    /// assert_eq!(one.get(), Some(&7));
    /// ```
    pub struct MaxRegister<T: Datum>(Max<Plain<T>>);
}
leaf!(MaxRegister<T: Datum>);

impl<T: Datum> MaxRegister<T> {
    /// The largest value, if there is any. O(1).
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        self.0.0.as_ref().map(|value| &value.0)
    }

    /// Writes a value; returns the delta.
    #[must_use]
    pub fn set(&self, _: &mut Change, value: T) -> Self {
        Self(Max(Some(Plain(value))))
    }
}

impl<T: Datum> Crdt for MaxRegister<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        self.get().map_or(Value::Null, Datum::to_value)
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("set", [value]) => Ok(self.set(change, arg(value)?)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<T: Datum> Catalogued for MaxRegister<T> {
    const ABOUT: About = About {
        kind: Kind::MaxRegister,
        family: "registers",
        what: "the largest value",
        rule: "the largest value wins",
        algebra: "Max<V>",
        cost: "O(1)",
        source: "Conway et al. 2012 (lmax)",
        operations: &[op("set", &[Arg::Value], "writes a value, which stays if it is the largest")],
    };
}
