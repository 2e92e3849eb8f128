//! The register whose latest write wins.

use crate::algebra::DotFun;
use crate::crdt::{About, Arg, Call, Catalogued, Claim, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::time::{HybridTime, Stamp};
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// One value. A write replaces every write it has seen; of writes that did not see each other the latest
    /// shows, ties going to the greater log, and the others are kept until the next write.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::registers::LwwRegister};
    /// let at = |log, ms| Writer { log: LogId([log; 16]), time: HybridTime::at(ms) };
    /// let mut one = Causal::<LwwRegister<String>>::default();
    /// let mut two = one.clone();
    /// one.edit(&at(1, 10), |register, change| register.set(change, "red".to_owned()));
    /// two.edit(&at(2, 11), |register, change| register.set(change, "blue".to_owned()));
    /// one.join(two);
    /// assert_eq!(one.get(), Some(&"blue".to_owned()));
    /// ```
    pub struct LwwRegister<T: Datum>(DotFun<(HybridTime, Plain<T>)>);
}
leaf!(LwwRegister<T: Datum>);

impl<T: Datum> LwwRegister<T> {
    /// The value, if one was ever written. O(concurrent writes).
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        self.latest().map(|(_, value)| value)
    }

    /// When and by whom it was written.
    #[must_use]
    pub fn stamp(&self) -> Option<Stamp> {
        self.latest().map(|(stamp, _)| stamp)
    }

    /// Every write that no other has replaced, the one that shows among them, in the order of dots.
    pub fn writes(&self) -> impl Iterator<Item = (Stamp, &T)> {
        self.0.iter().map(|(dot, (time, value))| (Stamp { time: *time, log: dot.log }, &value.0))
    }

    fn latest(&self) -> Option<(Stamp, &T)> {
        self.writes().max_by(|one, two| one.cmp(two))
    }

    /// Writes a value; returns the delta.
    #[must_use]
    pub fn set(&self, change: &mut Change, value: T) -> Self {
        change.forget_all(&self.0);
        Self(DotFun::of(change.dot(), (change.time(), Plain(value))))
    }

    /// Takes every write away; returns the delta.
    #[must_use]
    pub fn clear(&self, change: &mut Change) -> Self {
        change.forget_all(&self.0);
        Self::default()
    }
}

impl<T: Datum> Crdt for LwwRegister<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        self.get().map_or(Value::Null, Datum::to_value)
    }

    fn claims(&self) -> Vec<Claim> {
        let shows = self.stamp();
        let claims = self.writes().map(|(stamp, value)| Claim {
            value: value.to_value(),
            by: Some(stamp.log),
            time: Some(stamp.time),
            stands: Some(stamp) == shows,
        });
        claims.collect()
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("set", [value]) => Ok(self.set(change, arg(value)?)),
            ("clear", []) => Ok(self.clear(change)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<T: Datum> Catalogued for LwwRegister<T> {
    const ABOUT: About = About {
        kind: Kind::Register,
        family: "registers",
        what: "one value",
        rule: "the latest write wins; ties go to the greater log",
        algebra: "Causal<DotFun<(time, V)>>, read as the maximum",
        cost: "O(concurrent writes)",
        source: "Johnson & Thomas, RFC 677, 1975; Shapiro et al. 2011",
        operations: &[
            op("set", &[Arg::Value], "writes a value"),
            op("clear", &[], "takes the value away"),
        ],
    };
}
