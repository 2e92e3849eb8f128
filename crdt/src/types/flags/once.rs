//! The flag that is raised once.

use crate::algebra::Or;
use crate::crdt::{About, Call, Catalogued, Crdt, EditError, end_of, op};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// Off until somebody raises it; then on for ever.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::flags::OnceFlag};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut done = Causal::<OnceFlag>::default();
    /// done.edit(&at(1), OnceFlag::raise);
    /// assert!(done.is_on());
    /// ```
    pub struct OnceFlag(Or);
}
leaf!(OnceFlag);

impl OnceFlag {
    /// Whether it was raised. O(1).
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.0
    }

    /// Raises it; returns the delta.
    #[must_use]
    pub fn raise(&self, _: &mut Change) -> Self {
        Self(Or(true))
    }
}

impl Crdt for OnceFlag {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::Bool(self.is_on())
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("raise", []) => Ok(self.raise(change)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl Catalogued for OnceFlag {
    const ABOUT: About = About {
        kind: Kind::OnceFlag,
        family: "flags",
        what: "raised once, for ever",
        rule: "once raised it stays",
        algebra: "Or",
        cost: "O(1)",
        source: "Conway et al. 2012 (lbool)",
        operations: &[op("raise", &[], "turns it on for ever")],
    };
}
