//! The flag that a concurrent enabling keeps up.

use crate::algebra::DotSet;
use crate::crdt::{About, Arg, Call, Catalogued, Claim, Crdt, EditError, end_of, op};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// On or off; enabling wins over a concurrent disabling.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::flags::EnableFlag};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut one = Causal::<EnableFlag>::default();
    /// one.edit(&at(1), EnableFlag::enable);
    /// let mut two = one.clone();
    /// one.edit(&at(1), EnableFlag::disable);
    /// two.edit(&at(2), EnableFlag::enable);
    /// one.join(two);
    /// assert!(one.is_on());
    /// ```
    pub struct EnableFlag(DotSet);
}
leaf!(EnableFlag);

impl EnableFlag {
    /// Whether it is on. O(1).
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.0.is_empty()
    }

    /// Turns it on; returns the delta.
    #[must_use]
    pub fn enable(&self, change: &mut Change) -> Self {
        change.forget_all(&self.0);
        Self(DotSet::of(change.dot()))
    }

    /// Turns it off as far as it has been seen on; returns the delta.
    #[must_use]
    pub fn disable(&self, change: &mut Change) -> Self {
        change.forget_all(&self.0);
        Self::default()
    }
}

impl Crdt for EnableFlag {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::Bool(self.is_on())
    }

    fn claims(&self) -> Vec<Claim> {
        let claims = self.0.iter().map(|dot| Claim {
            value: true.into(),
            by: Some(dot.log),
            time: None,
            stands: true,
        });
        claims.collect()
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("enable", []) => Ok(self.enable(change)),
            ("set", [Value::Bool(true)]) => Ok(self.enable(change)),
            ("disable", []) | ("set", [Value::Bool(false)]) => Ok(self.disable(change)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl Catalogued for EnableFlag {
    const ABOUT: About = About {
        kind: Kind::Flag,
        family: "flags",
        what: "on or off",
        rule: "enabling wins over concurrent disabling",
        algebra: "Causal<DotSet>, on if not empty",
        cost: "O(concurrent enablings)",
        source: "Almeida et al. 2018",
        operations: &[
            op("enable", &[], "turns it on"),
            op("disable", &[], "turns it off"),
            op("set", &[Arg::Value], "turns it on or off"),
        ],
    };
}
