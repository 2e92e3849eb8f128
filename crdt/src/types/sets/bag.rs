//! The multiset.

use crate::algebra::{DotFun, DotMap};
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, count_arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// How many there are of each thing. Taking all of a thing takes those that were seen.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::sets::Bag};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut one = Causal::<Bag<String>>::default();
    /// let mut two = one.clone();
    /// let egg = || "egg".to_owned();
    /// one.edit(&at(1), |bag, change| bag.add(change, egg(), 6));
    /// two.edit(&at(2), |bag, change| bag.add(change, egg(), 2));
    /// one.join(two);
    /// assert_eq!(one.count(&egg()), 8);
    /// ```
    pub struct Bag<T: Datum>(DotMap<Plain<T>, DotFun<i64>>);
}
leaf!(Bag<T: Datum>);

fn sum(counts: &DotFun<i64>) -> i64 {
    counts.iter().fold(0_i64, |sum, (_, count)| sum.saturating_add(*count))
}

impl<T: Datum> Bag<T> {
    /// How many there are of a thing. O(log n + logs).
    #[must_use]
    pub fn count(&self, item: &T) -> i64 {
        self.0.get(item).map_or(0, sum)
    }

    /// The things with their numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (&T, i64)> {
        self.0.iter().map(|(item, counts)| (&item.0, sum(counts)))
    }

    /// Puts some of a thing in; returns the delta, bottom for none. O(log n). Each addition
    /// stands alone until the thing is taken.
    #[must_use]
    pub fn add(&self, change: &mut Change, item: T, by: u32) -> Self {
        if by == 0 {
            return Self::default();
        }
        Self(DotMap::of(Plain(item), DotFun::of(change.dot(), i64::from(by))))
    }

    /// Takes all of a thing that have been seen; returns the delta. O(log n).
    #[must_use]
    pub fn remove(&self, change: &mut Change, item: &T) -> Self {
        if let Some(counts) = self.0.get(item) {
            change.forget_all(counts);
        }
        Self::default()
    }
}

impl<T: Datum> Crdt for Bag<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::map(self.iter().map(|(item, count)| (item.to_value(), count.into())))
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("add", [item, by]) => {
                let by = u32::try_from(count_arg(by)?).map_err(|_| EditError::OutOfRange)?;
                Ok(self.add(change, arg(item)?, by))
            }
            ("remove", [item]) => Ok(self.remove(change, &arg(item)?)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<T: Datum> Catalogued for Bag<T> {
    const ABOUT: About = About {
        kind: Kind::Bag,
        family: "sets",
        what: "things and how many of each",
        rule: "all additions count but those a removal has seen",
        algebra: "Causal<DotMap<T, DotFun<i64>>>",
        cost: "O(log n + logs)",
        source: "Conway et al. 2012 (lbag)",
        operations: &[
            op("add", &[Arg::Key, Arg::Count], "puts some in"),
            op("remove", &[Arg::Key], "takes all of a thing"),
        ],
    };
}
