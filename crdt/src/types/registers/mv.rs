//! The register that keeps what was written concurrently.

use crate::algebra::DotFun;
use crate::crdt::{About, Arg, Call, Catalogued, Claim, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::policy::{Candidate, Resolver};
use crate::store::Change;
use crate::time::{HybridTime, Stamp};
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// One value, or several that were written without knowing of each other. Nothing is lost until somebody
    /// who has seen them all writes again. A [`Resolver`] picks one where one is needed.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::registers::MvRegister};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut one = Causal::<MvRegister<i64>>::default();
    /// let mut two = one.clone();
    /// one.edit(&at(1), |register, change| register.set(change, 7));
    /// two.edit(&at(2), |register, change| register.set(change, 8));
    /// one.join(two);
    /// assert_eq!(one.values().collect::<Vec<_>>(), [&7, &8]);
    /// one.edit(&at(1), |register, change| register.set(change, 9));
    /// assert_eq!(one.values().collect::<Vec<_>>(), [&9]);
    /// ```
    pub struct MvRegister<T: Datum>(DotFun<(HybridTime, Plain<T>)>);
}
leaf!(MvRegister<T: Datum>);

impl<T: Datum> MvRegister<T> {
    /// The values, in the order of their dots; more than one is a conflict.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, (_, value))| &value.0)
    }

    /// The values with their writers.
    #[must_use]
    pub fn candidates(&self) -> Vec<Candidate<'_, T>> {
        let candidates = self.0.iter().map(|(dot, (time, value))| Candidate {
            stamp: Stamp { time: *time, log: dot.log },
            value: &value.0,
        });
        candidates.collect()
    }

    /// One value, as a policy would have it.
    #[must_use]
    pub fn resolve(&self, resolver: &impl Resolver<T>) -> Option<T> {
        let candidates = self.candidates();
        if candidates.is_empty() { None } else { Some(resolver.resolve(&candidates)) }
    }

    /// Writes a value over all that have been seen; returns the delta.
    #[must_use]
    pub fn set(&self, change: &mut Change, value: T) -> Self {
        change.forget_all(&self.0);
        Self(DotFun::of(change.dot(), (change.time(), Plain(value))))
    }

    /// Takes all values away; returns the delta.
    #[must_use]
    pub fn clear(&self, change: &mut Change) -> Self {
        change.forget_all(&self.0);
        Self::default()
    }
}

impl<T: Datum> Crdt for MvRegister<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    /// Always a list, so that readers handle the conflict; empty if nothing was written.
    fn value(&self) -> Value {
        Value::list(self.values().map(Datum::to_value))
    }

    fn claims(&self) -> Vec<Claim> {
        let claims = self.0.iter().map(|(dot, (time, value))| Claim {
            value: value.0.to_value(),
            by: Some(dot.log),
            time: Some(*time),
            stands: true,
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

impl<T: Datum> Catalogued for MvRegister<T> {
    const ABOUT: About = About {
        kind: Kind::MvRegister,
        family: "registers",
        what: "all values written concurrently",
        rule: "every value stays that no later write has seen; a resolver picks",
        algebra: "Causal<DotFun<(time, V)>>",
        cost: "O(concurrent writes)",
        source: "DeCandia et al. 2007; Almeida et al. 2018",
        operations: &[
            op("set", &[Arg::Value], "writes a value over all seen"),
            op("clear", &[], "takes all values away"),
        ],
    };
}
