//! The counter that never falls below zero.

use std::collections::BTreeMap;

use crate::algebra::Own;
use crate::crdt::{
    About, Arg, Call, Catalogued, Claim, Crdt, EditError, count_arg, end_of, log_arg, op,
};
use crate::dot::LogId;
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// A number that never falls below 0 without asking anybody: whoever adds gains the right to subtract as much, and
    /// can hand rights over. Holds for honest authors; one that overspends is shown up by its own log.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::counters::BoundedCounter};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let (ann, bob) = (at(1), at(2));
    /// let mut one = Causal::<BoundedCounter>::default();
    /// one.edit(&ann, |stock, change| stock.add(change, 5));
    /// assert!(one.try_edit(&bob, |stock, change| stock.subtract(change, 1)).is_err());
    /// one.try_edit(&ann, |stock, change| stock.transfer(change, bob.log, 2)).unwrap();
    /// one.try_edit(&bob, |stock, change| stock.subtract(change, 2)).unwrap();
    /// assert_eq!((one.total(), one.rights(ann.log), one.rights(bob.log)), (3, 3, 0));
    /// ```
    pub struct BoundedCounter(Own<Account>);
}
leaf!(BoundedCounter);

/// What an author added, spent, and gave to whom.
type Account = (u64, (u64, BTreeMap<LogId, u64>));

impl BoundedCounter {
    /// The number. O(logs).
    #[must_use]
    pub fn total(&self) -> u64 {
        let (added, (spent, _)) = self.0.total();
        added.saturating_sub(spent)
    }

    /// How much a log may subtract or hand over now. O(logs).
    #[must_use]
    pub fn rights(&self, log: LogId) -> u64 {
        let received = self.0.iter().filter(|(from, _)| *from != log);
        let received = received.filter_map(|(_, (_, (_, given)))| given.get(&log));
        let received = received.fold(0_u64, |sum, part| sum.saturating_add(*part));
        let Some((added, (spent, given))) = self.0.get(log) else { return received };
        let given = given.values().fold(0_u64, |sum, part| sum.saturating_add(*part));
        added.saturating_add(received).saturating_sub(*spent).saturating_sub(given)
    }

    /// Adds; returns the delta, bottom for 0.
    #[must_use]
    pub fn add(&self, change: &mut Change, by: u64) -> Self {
        if by == 0 {
            return Self::default();
        }
        Self(self.0.contribute(change, |(added, _)| *added = added.saturating_add(by)))
    }

    /// Subtracts; returns the delta.
    ///
    /// # Errors
    /// If the writer has not the rights.
    pub fn subtract(&self, change: &mut Change, by: u64) -> Result<Self, EditError> {
        self.spend(change, by, |(_, (spent, _))| *spent = spent.saturating_add(by))
    }

    /// Hands rights over to another log; returns the delta.
    ///
    /// # Errors
    /// If the writer has not the rights.
    pub fn transfer(&self, change: &mut Change, to: LogId, by: u64) -> Result<Self, EditError> {
        self.spend(change, by, |(_, (_, given))| {
            let given = given.entry(to).or_default();
            *given = given.saturating_add(by);
        })
    }

    fn spend(
        &self,
        change: &mut Change,
        by: u64,
        alter: impl FnOnce(&mut Account),
    ) -> Result<Self, EditError> {
        if by > self.rights(change.log()) {
            return Err(EditError::refused("this device has not the rights for that much"));
        }
        Ok(if by == 0 { Self::default() } else { Self(self.0.contribute(change, alter)) })
    }
}

impl Crdt for BoundedCounter {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::count(self.total())
    }

    fn claims(&self) -> Vec<Claim> {
        let claims = self.0.iter().map(|(log, (added, (spent, _)))| Claim {
            value: Value::count(i128::from(*added) - i128::from(*spent)),
            by: Some(log),
            time: None,
            stands: true,
        });
        claims.collect()
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("increment", [by]) => Ok(self.add(change, count_arg(by)? as u64)),
            ("decrement", [by]) => self.subtract(change, count_arg(by)? as u64),
            ("transfer", [to, by]) => {
                let to = log_arg(to)?;
                self.transfer(change, to, count_arg(by)? as u64)
            }
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl Catalogued for BoundedCounter {
    const ABOUT: About = About {
        kind: Kind::BoundedCounter,
        family: "counters",
        what: "a number that never falls below 0",
        rule: "every change counts; who has no rights left is refused",
        algebra: "Own<(added, spent, given)>",
        cost: "O(logs)",
        source: "O'Neil 1986 (escrow); Balegas et al. 2015",
        operations: &[
            op("increment", &[Arg::Count], "adds, which gains the right to subtract as much"),
            op("decrement", &[Arg::Count], "subtracts within the own rights"),
            op("transfer", &[Arg::Key, Arg::Count], "hands rights over to the log of this id"),
        ],
    };
}
