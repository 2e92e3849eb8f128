//! The register that only moves on.

use crate::algebra::Max;
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// A state of a process that never goes back: to do < doing < done.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::registers::RankedRegister};
    /// let ann = Writer { log: LogId([1; 16]), time: HybridTime::at(1) };
    /// let mut order = Causal::<RankedRegister<String>>::default();
    /// order.edit(&ann, |state, change| state.advance(change, 2, "sent".to_owned()));
    /// order.edit(&ann, |state, change| state.advance(change, 1, "packed".to_owned()));
    /// assert_eq!(order.get(), Some((2, &"sent".to_owned())));
    /// ```
    pub struct RankedRegister<T: Datum>(Max<(i64, Plain<T>)>);
}
leaf!(RankedRegister<T: Datum>);

impl<T: Datum> RankedRegister<T> {
    /// The rank reached and the state of that rank. O(1).
    #[must_use]
    pub fn get(&self) -> Option<(i64, &T)> {
        self.0.0.as_ref().map(|(rank, state)| (*rank, &state.0))
    }

    /// Moves on to a state; returns the delta, which changes nothing if a higher rank is reached.
    #[must_use]
    pub fn advance(&self, _: &mut Change, rank: i64, state: T) -> Self {
        Self(Max(Some((rank, Plain(state)))))
    }
}

impl<T: Datum> Crdt for RankedRegister<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        self.get().map_or(Value::Null, |(_, state)| state.to_value())
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("advance", [rank, state]) => Ok(self.advance(change, arg(rank)?, arg(state)?)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<T: Datum> Catalogued for RankedRegister<T> {
    const ABOUT: About = About {
        kind: Kind::RankedRegister,
        family: "registers",
        what: "a state that never goes back",
        rule: "the highest rank wins; ties go to the greater state",
        algebra: "Max<(rank, V)>",
        cost: "O(1)",
        source: "Baquero et al. 2017",
        operations: &[op("advance", &[Arg::Int, Arg::Value], "moves on to a state of a rank")],
    };
}
