//! Payments.

use std::collections::{BTreeMap, BTreeSet};

use crate::algebra::Own;
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, count_arg, end_of, log_arg, op};
use crate::dot::LogId;
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// Accounts that pay each other, one for each log: what an author issued, burned and paid to whom only grows, and
    /// only the author writes it. A balance cannot be overdrawn by an honest author; a dishonest one is shown up by its
    /// own log, and its account shows 0.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::apps::Ledger};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let (ann, bob) = (at(1), at(2));
    /// let mut ledger = Causal::<Ledger>::default();
    /// ledger.edit(&ann, |ledger, change| ledger.issue(change, 10));
    /// ledger.try_edit(&ann, |ledger, change| ledger.pay(change, bob.log, 4)).unwrap();
    /// assert!(ledger.try_edit(&bob, |ledger, change| ledger.burn(change, 5)).is_err());
    /// assert_eq!((ledger.balance(ann.log), ledger.balance(bob.log)), (6, 4));
    /// ```
    pub struct Ledger(Own<Account>);
}
leaf!(Ledger);

/// What an author issued, burned, and paid to whom.
type Account = (u64, (u64, BTreeMap<LogId, u64>));

impl Ledger {
    /// What an account holds. O(logs).
    #[must_use]
    pub fn balance(&self, account: LogId) -> u64 {
        let paid = self.0.iter().filter_map(|(_, (_, (_, paid)))| paid.get(&account));
        let income = paid.fold(0_u64, |sum, part| sum.saturating_add(*part));
        let Some((issued, (burned, paid))) = self.0.get(account) else { return income };
        let spent = paid.values().fold(*burned, |sum, part| sum.saturating_add(*part));
        issued.saturating_add(income).saturating_sub(spent)
    }

    /// The accounts with their balances. O(logs²).
    #[must_use]
    pub fn balances(&self) -> BTreeMap<LogId, u64> {
        let receivers = self.0.iter().flat_map(|(_, (_, (_, paid)))| paid.keys().copied());
        let accounts: BTreeSet<LogId> =
            self.0.iter().map(|(log, _)| log).chain(receivers).collect();
        accounts.into_iter().map(|account| (account, self.balance(account))).collect()
    }

    /// Issues new money to the own account; returns the delta.
    #[must_use]
    pub fn issue(&self, change: &mut Change, amount: u64) -> Self {
        if amount == 0 {
            return Self::default();
        }
        Self(self.0.contribute(change, |(issued, _)| *issued = issued.saturating_add(amount)))
    }

    /// Pays from the own account; returns the delta.
    ///
    /// # Errors
    /// If the account does not hold as much.
    pub fn pay(&self, change: &mut Change, to: LogId, amount: u64) -> Result<Self, EditError> {
        self.spend(change, amount, |(_, (_, paid))| {
            let paid = paid.entry(to).or_default();
            *paid = paid.saturating_add(amount);
        })
    }

    /// Takes money of the own account out of the world; returns the delta.
    ///
    /// # Errors
    /// If the account does not hold as much.
    pub fn burn(&self, change: &mut Change, amount: u64) -> Result<Self, EditError> {
        self.spend(change, amount, |(_, (burned, _))| *burned = burned.saturating_add(amount))
    }

    fn spend(
        &self,
        change: &mut Change,
        amount: u64,
        alter: impl FnOnce(&mut Account),
    ) -> Result<Self, EditError> {
        if amount > self.balance(change.log()) {
            return Err(EditError::refused("the account does not hold as much"));
        }
        Ok(if amount == 0 { Self::default() } else { Self(self.0.contribute(change, alter)) })
    }
}

impl Crdt for Ledger {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        let balances = self.balances().into_iter();
        Value::map(balances.map(|(log, sum)| (Value::Text(log.to_string()), Value::count(sum))))
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("issue", [amount]) => Ok(self.issue(change, count_arg(amount)? as u64)),
            ("pay", [to, amount]) => self.pay(change, log_arg(to)?, count_arg(amount)? as u64),
            ("burn", [amount]) => self.burn(change, count_arg(amount)? as u64),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl Catalogued for Ledger {
    const ABOUT: About = About {
        kind: Kind::Ledger,
        family: "apps",
        what: "accounts that pay each other",
        rule: "every payment counts; what an account does not hold is refused",
        algebra: "Own<(issued, burned, paid)>",
        cost: "O(logs)",
        source: "Lavoie 2023 (GOC-Ledger)",
        operations: &[
            op("issue", &[Arg::Count], "issues new money to the own account"),
            op("pay", &[Arg::Key, Arg::Count], "pays to the account of a log"),
            op("burn", &[Arg::Count], "takes own money out of the world"),
        ],
    };
}
