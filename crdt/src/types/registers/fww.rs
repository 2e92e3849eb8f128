//! The register that is written once.

use std::cmp::Reverse;

use crate::algebra::{Lex, Max};
use crate::crdt::{About, Arg, Call, Catalogued, Claim, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::time::Stamp;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// One value, for ever: of several first writes the earliest stays.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::registers::FwwRegister};
    /// let at = |log, ms| Writer { log: LogId([log; 16]), time: HybridTime::at(ms) };
    /// let mut one = Causal::<FwwRegister<i64>>::default();
    /// let mut two = one.clone();
    /// one.edit(&at(1, 11), |register, change| register.set(change, 1));
    /// two.edit(&at(2, 10), |register, change| register.set(change, 2));
    /// one.join(two);
    /// one.edit(&at(1, 12), |register, change| register.set(change, 3));
    /// assert_eq!(one.get(), Some(&2));
    /// ```
    pub struct FwwRegister<T: Datum>(Lex<Reverse<Stamp>, Max<Plain<T>>>);
}
leaf!(FwwRegister<T: Datum>);

impl<T: Datum> FwwRegister<T> {
    /// The value, if one was ever written. O(1).
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        self.0.0.as_ref()?.1.0.as_ref().map(|value| &value.0)
    }

    /// When and by whom it was written.
    #[must_use]
    pub fn stamp(&self) -> Option<Stamp> {
        self.0.0.as_ref().map(|(stamp, _)| stamp.0)
    }

    /// Writes a value unless there is one; returns the delta, bottom if there is.
    #[must_use]
    pub fn set(&self, change: &mut Change, value: T) -> Self {
        if self.get().is_some() {
            return Self::default();
        }
        Self(Lex(Some((Reverse(change.stamp()), Max(Some(Plain(value)))))))
    }
}

impl<T: Datum> Crdt for FwwRegister<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        self.get().map_or(Value::Null, Datum::to_value)
    }

    fn claims(&self) -> Vec<Claim> {
        let claim = self.stamp().map(|stamp| Claim {
            value: self.value(),
            by: Some(stamp.log),
            time: Some(stamp.time),
            stands: true,
        });
        claim.into_iter().collect()
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("set", [_]) if self.get().is_some() => {
                Err(EditError::refused("the register is written once, and it was"))
            }
            ("set", [value]) => Ok(self.set(change, arg(value)?)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<T: Datum> Catalogued for FwwRegister<T> {
    const ABOUT: About = About {
        kind: Kind::FwwRegister,
        family: "registers",
        what: "a value that is written once",
        rule: "the earliest write wins, for ever; ties go to the smaller log",
        algebra: "Lex(Reverse<Stamp>, Max<V>)",
        cost: "O(1)",
        source: "Baquero et al. 2017 (the dual order)",
        operations: &[op("set", &[Arg::Value], "writes the value unless there is one")],
    };
}
