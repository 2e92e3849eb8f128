//! The flag that a concurrent disabling keeps down.

use crate::algebra::DotSet;
use crate::crdt::{About, Arg, Call, Catalogued, Claim, Crdt, EditError, end_of, op};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// On until somebody disables it; disabling wins over a concurrent enabling.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::flags::DisableFlag};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut one = Causal::<DisableFlag>::default();
    /// assert!(one.is_on());
    /// one.edit(&at(1), DisableFlag::disable);
    /// let mut two = one.clone();
    /// one.edit(&at(1), DisableFlag::disable);
    /// two.edit(&at(2), DisableFlag::enable);
    /// one.join(two);
    /// assert!(!one.is_on());
    /// ```
    pub struct DisableFlag(DotSet);
}
leaf!(DisableFlag);

impl DisableFlag {
    /// Whether it is on. O(1).
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_empty()
    }

    /// Turns it on, as far as it has been seen off; returns the delta.
    #[must_use]
    pub fn enable(&self, change: &mut Change) -> Self {
        change.forget_all(&self.0);
        Self::default()
    }

    /// Turns it off; returns the delta.
    #[must_use]
    pub fn disable(&self, change: &mut Change) -> Self {
        change.forget_all(&self.0);
        Self(DotSet::of(change.dot()))
    }
}

impl Crdt for DisableFlag {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::Bool(self.is_on())
    }

    fn claims(&self) -> Vec<Claim> {
        let claims = self.0.iter().map(|dot| Claim {
            value: false.into(),
            by: Some(dot.log),
            time: None,
            stands: true,
        });
        claims.collect()
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("enable", []) | ("set", [Value::Bool(true)]) => Ok(self.enable(change)),
            ("disable", []) | ("set", [Value::Bool(false)]) => Ok(self.disable(change)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl Catalogued for DisableFlag {
    const ABOUT: About = About {
        kind: Kind::DisableFlag,
        family: "flags",
        what: "on until disabled",
        rule: "disabling wins over concurrent enabling",
        algebra: "Causal<DotSet>, on if empty",
        cost: "O(concurrent disablings)",
        source: "Almeida et al. 2018",
        operations: &[
            op("enable", &[], "turns it on"),
            op("disable", &[], "turns it off"),
            op("set", &[Arg::Value], "turns it on or off"),
        ],
    };
}
