//! The register that keeps what scores best.

use crate::algebra::{Lex, Max};
use crate::crdt::{About, Arg, Call, Catalogued, Claim, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::dot::LogId;
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// The value of the highest score, with whoever offered it.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::registers::BestRegister};
    /// let ann = Writer { log: LogId([1; 16]), time: HybridTime::at(1) };
    /// let mut best = Causal::<BestRegister<String>>::default();
    /// best.edit(&ann, |best, change| best.offer(change, 90, "lamp".to_owned()));
    /// best.edit(&ann, |best, change| best.offer(change, 80, "vase".to_owned()));
    /// assert_eq!(best.get(), Some((90, &"lamp".to_owned())));
    /// ```
    pub struct BestRegister<T: Datum>(Lex<(i64, LogId), Max<Plain<T>>>);
}
leaf!(BestRegister<T: Datum>);

impl<T: Datum> BestRegister<T> {
    /// The best score and what scored it. O(1).
    #[must_use]
    pub fn get(&self) -> Option<(i64, &T)> {
        let ((score, _), value) = self.0.0.as_ref()?;
        Some((*score, &value.0.as_ref()?.0))
    }

    /// Offers a value; returns the delta, which changes nothing if there is a better one.
    #[must_use]
    pub fn offer(&self, change: &mut Change, score: i64, value: T) -> Self {
        Self(Lex(Some(((score, change.log()), Max(Some(Plain(value)))))))
    }
}

impl<T: Datum> Crdt for BestRegister<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        self.get().map_or(Value::Null, |(_, value)| value.to_value())
    }

    fn claims(&self) -> Vec<Claim> {
        let claim = self.0.0.as_ref().map(|((_, log), _)| Claim {
            value: self.value(),
            by: Some(*log),
            time: None,
            stands: true,
        });
        claim.into_iter().collect()
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("offer", [score, value]) => Ok(self.offer(change, arg(score)?, arg(value)?)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<T: Datum> Catalogued for BestRegister<T> {
    const ABOUT: About = About {
        kind: Kind::BestRegister,
        family: "registers",
        what: "the value of the best score",
        rule: "the highest score wins; ties go to the greater log, then value",
        algebra: "Lex((score, log), Max<V>)",
        cost: "O(1)",
        source: "Conway et al. 2012",
        operations: &[op("offer", &[Arg::Int, Arg::Value], "offers a value with its score")],
    };
}
