//! Shopping carts.

use crate::algebra::{DotFun, DotMap};
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// A shopping cart: quantities of items. Removing an item takes the quantities that were seen; what is added concurrently stays.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::apps::Cart};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut one = Causal::<Cart<String>>::default();
    /// let milk = || "milk".to_owned();
    /// one.edit(&at(1), |cart, change| cart.add(change, milk(), 2));
    /// let mut two = one.clone();
    /// one.edit(&at(1), |cart, change| cart.remove(change, &milk()));
    /// two.edit(&at(2), |cart, change| cart.add(change, milk(), 1));
    /// one.join(two);
    /// assert_eq!(one.quantity(&milk()), 1);
    /// ```
    pub struct Cart<T: Datum>(DotMap<Plain<T>, DotFun<i64>>);
}
leaf!(Cart<T: Datum>);

fn sum(parts: &DotFun<i64>) -> i64 {
    parts.iter().fold(0_i64, |sum, (_, part)| sum.saturating_add(*part)).max(0)
}

impl<T: Datum> Cart<T> {
    /// How many of an item, never below 0. O(log n + logs).
    #[must_use]
    pub fn quantity(&self, item: &T) -> i64 {
        self.0.get(item).map_or(0, sum)
    }

    /// The items with a quantity, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (&T, i64)> {
        let items = self.0.iter().map(|(item, parts)| (&item.0, sum(parts)));
        items.filter(|(_, quantity)| *quantity > 0)
    }

    /// Adds some of an item, or takes some out if negative; returns the delta, bottom for 0. O(log n). Each stands
    /// alone until the quantity is set or the item removed.
    #[must_use]
    pub fn add(&self, change: &mut Change, item: T, by: i64) -> Self {
        if by == 0 {
            return Self::default();
        }
        Self(DotMap::of(Plain(item), DotFun::of(change.dot(), by)))
    }

    /// Sets the quantity of an item over all that has been seen; returns the delta. O(log n + logs).
    #[must_use]
    pub fn set(&self, change: &mut Change, item: T, quantity: i64) -> Self {
        if let Some(parts) = self.0.get(&item) {
            change.forget_all(parts);
        }
        Self(DotMap::of(Plain(item), DotFun::of(change.dot(), quantity.max(0))))
    }

    /// Removes an item as far as has been seen; returns the delta. O(log n).
    #[must_use]
    pub fn remove(&self, change: &mut Change, item: &T) -> Self {
        if let Some(parts) = self.0.get(item) {
            change.forget_all(parts);
        }
        Self::default()
    }
}

impl<T: Datum> Crdt for Cart<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::map(self.iter().map(|(item, quantity)| (item.to_value(), quantity.into())))
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("add", [item, by]) => Ok(self.add(change, arg(item)?, arg(by)?)),
            ("set", [item, quantity]) => Ok(self.set(change, arg(item)?, arg(quantity)?)),
            ("remove", [item]) => Ok(self.remove(change, &arg(item)?)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<T: Datum> Catalogued for Cart<T> {
    const ABOUT: About = About {
        kind: Kind::Cart,
        family: "apps",
        what: "items and their quantities",
        rule: "all changes count but those a removal or setting has seen",
        algebra: "Causal<DotMap<T, DotFun<i64>>>",
        cost: "O(log n + logs)",
        source: "DeCandia et al. 2007",
        operations: &[
            op("add", &[Arg::Key, Arg::Int], "adds some of an item"),
            op("set", &[Arg::Key, Arg::Int], "sets the quantity of an item"),
            op("remove", &[Arg::Key], "removes an item"),
        ],
    };
}
