//! Polls.

use std::collections::BTreeMap;

use crate::algebra::DotFun;
use crate::crdt::{About, Arg, Call, Catalogued, Claim, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::dot::LogId;
use crate::node::Kind;
use crate::store::Change;
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// One choice for each voting device, changed as often as it likes.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::apps::Poll};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut lunch = Causal::<Poll<String>>::default();
    /// lunch.edit(&at(1), |poll, change| poll.vote(change, "soup".to_owned()));
    /// lunch.edit(&at(2), |poll, change| poll.vote(change, "rice".to_owned()));
    /// lunch.edit(&at(1), |poll, change| poll.vote(change, "rice".to_owned()));
    /// assert_eq!(lunch.winner(), Some((&"rice".to_owned(), 2)));
    /// ```
    pub struct Poll<T: Datum>(DotFun<Plain<T>>);
}
leaf!(Poll<T: Datum>);

impl<T: Datum> Poll<T> {
    /// What a device has voted for. O(n).
    #[must_use]
    pub fn vote_of(&self, log: LogId) -> Option<&T> {
        self.0.iter().find(|(dot, _)| dot.log == log).map(|(_, choice)| &choice.0)
    }

    /// How many votes each choice has. O(n log n).
    #[must_use]
    pub fn tally(&self) -> BTreeMap<&T, u64> {
        let mut tally = BTreeMap::new();
        for (_, choice) in self.0.iter() {
            *tally.entry(&choice.0).or_default() += 1;
        }
        tally
    }

    /// The choice of the most votes; of equals the smallest. O(n log n).
    #[must_use]
    pub fn winner(&self) -> Option<(&T, u64)> {
        self.tally().into_iter().rev().max_by_key(|(_, votes)| *votes)
    }

    /// Votes, in place of this device's earlier vote; returns the delta. O(n).
    #[must_use]
    pub fn vote(&self, change: &mut Change, choice: T) -> Self {
        let gone = self.withdraw(change);
        debug_assert!(gone.0.is_empty(), "withdrawing only takes away");
        Self(DotFun::of(change.dot(), Plain(choice)))
    }

    /// Withdraws this device's vote; returns the delta. O(n).
    #[must_use]
    pub fn withdraw(&self, change: &mut Change) -> Self {
        let log = change.log();
        let own = self.0.iter().filter(|(dot, _)| dot.log == log);
        own.for_each(|(dot, _)| change.forget(dot));
        Self::default()
    }
}

impl<T: Datum> Crdt for Poll<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::map(self.tally().into_iter().map(|(choice, n)| (choice.to_value(), Value::count(n))))
    }

    fn claims(&self) -> Vec<Claim> {
        let claims = self.0.iter().map(|(dot, choice)| Claim {
            value: choice.0.to_value(),
            by: Some(dot.log),
            time: None,
            stands: true,
        });
        claims.collect()
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("vote", [choice]) => Ok(self.vote(change, arg(choice)?)),
            ("withdraw", []) => Ok(self.withdraw(change)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<T: Datum> Catalogued for Poll<T> {
    const ABOUT: About = About {
        kind: Kind::Poll,
        family: "apps",
        what: "one choice per voter",
        rule: "each device's latest vote counts",
        algebra: "Causal<DotFun<V>>, one dot per author",
        cost: "O(n)",
        source: "Baquero et al. 2017 (map of chains)",
        operations: &[
            op("vote", &[Arg::Key], "votes, in place of an earlier vote"),
            op("withdraw", &[], "withdraws the vote"),
        ],
    };
}
