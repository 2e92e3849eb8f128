//! Seats.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::algebra::{Lex, Max, Own, Pair};
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, log_arg, op};
use crate::datum::{Datum, Plain};
use crate::dot::LogId;
use crate::node::Kind;
use crate::store::Change;
use crate::time::Stamp;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// Numbered seats that are never sold twice, without asking anybody: every seat belongs to one log, which alone may assign
    /// it or hand it over. The first to open the hall has them all.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::apps::Seats};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let (ann, bob) = (at(1), at(2));
    /// let mut hall = Causal::<Seats<String>>::default();
    /// hall.edit(&ann, |hall, change| hall.open(change, 2));
    /// hall.try_edit(&ann, |hall, change| hall.hand_over(change, 1, bob.log)).unwrap();
    /// assert!(hall.try_edit(&ann, |hall, change| hall.assign(change, 1, "x".to_owned())).is_err());
    /// hall.try_edit(&bob, |hall, change| hall.assign(change, 1, "eve".to_owned())).unwrap();
    /// assert_eq!(hall.holder(1), Some(&"eve".to_owned()));
    /// ```
    pub struct Seats<T: Datum>(Pair<Lex<Reverse<Stamp>, Max<u32>>, Own<Part<T>>>);
}
leaf!(Seats<T: Datum>);

/// Most seats of a hall.
const LEN_MAX: u32 = 10_000;

/// What an author did with its seats: handed over to whom, assigned to whom.
type Part<T> = (BTreeMap<u32, LogId>, BTreeMap<u32, Plain<T>>);

impl<T: Datum> Seats<T> {
    /// How many seats there are; never more than 10 000, whatever somebody claims to have opened.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.0.0.0.as_ref().and_then(|(_, len)| len.0).unwrap_or(0).min(LEN_MAX)
    }

    /// Whether there is no seat.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Who may assign a seat now. A seat that was handed back in a circle belongs to nobody. O(logs · log seats).
    #[must_use]
    pub fn owner(&self, seat: u32) -> Option<LogId> {
        let (opened, _) = self.0.0.0.as_ref().filter(|_| seat < self.len())?;
        let mut owner = opened.0.log;
        let mut passed = BTreeSet::new();
        while let Some(next) = self.0.1.get(owner).and_then(|(given, _)| given.get(&seat)) {
            if !passed.insert(owner) {
                return None;
            }
            owner = *next;
        }
        Some(owner)
    }

    /// Who sits on a seat. O(logs · log seats).
    #[must_use]
    pub fn holder(&self, seat: u32) -> Option<&T> {
        let (_, assigned) = self.0.1.get(self.owner(seat)?)?;
        assigned.get(&seat).map(|holder| &holder.0)
    }

    /// The seats a log may still assign, ascending. O(seats · logs).
    #[must_use]
    pub fn free(&self, log: LogId) -> Vec<u32> {
        let own = (0..self.len()).filter(|seat| self.owner(*seat) == Some(log));
        own.filter(|seat| self.holder(*seat).is_none()).collect()
    }

    /// Opens a hall of so many seats, at most 10 000; returns the delta, bottom if it is open.
    #[must_use]
    pub fn open(&self, change: &mut Change, len: u32) -> Self {
        if !self.is_empty() || len == 0 {
            return Self::default();
        }
        let len = Max(Some(len.min(LEN_MAX)));
        Self(Pair(Lex(Some((Reverse(change.stamp()), len))), Own::default()))
    }

    /// Assigns a seat of the writer's own for good; returns the delta.
    ///
    /// # Errors
    /// If the seat is somebody else's, or taken.
    pub fn assign(&self, change: &mut Change, seat: u32, holder: T) -> Result<Self, EditError> {
        self.own(change, seat)?;
        Ok(Self(Pair(
            Lex::default(),
            self.0.1.contribute(change, |(_, assigned)| {
                assigned.insert(seat, Plain(holder));
            }),
        )))
    }

    /// Hands a seat of the writer's own over to another log; returns the delta.
    ///
    /// # Errors
    /// If the seat is somebody else's, or taken, or the other had it before.
    pub fn hand_over(&self, change: &mut Change, seat: u32, to: LogId) -> Result<Self, EditError> {
        self.own(change, seat)?;
        let had_it =
            |log: LogId| self.0.1.get(log).is_some_and(|(given, _)| given.contains_key(&seat));
        if had_it(to) || to == change.log() {
            return Err(EditError::refused("a seat does not go back to whom it came from"));
        }
        Ok(Self(Pair(
            Lex::default(),
            self.0.1.contribute(change, |(given, _)| {
                given.insert(seat, to);
            }),
        )))
    }

    fn own(&self, change: &Change, seat: u32) -> Result<(), EditError> {
        if self.owner(seat) != Some(change.log()) {
            return Err(EditError::refused("the seat is not this device's to give"));
        }
        match self.holder(seat) {
            Some(_) => Err(EditError::refused("the seat is taken")),
            None => Ok(()),
        }
    }
}

impl<T: Datum> Crdt for Seats<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        let seats = (0..self.len()).filter_map(|seat| {
            let holder = self.holder(seat)?;
            Some((Value::Int(i64::from(seat)), holder.to_value()))
        });
        Value::map([("seats".into(), self.len().to_value()), ("taken".into(), Value::map(seats))])
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("open", [len]) => Ok(self.open(change, arg(len)?)),
            ("assign", [seat, holder]) => self.assign(change, arg(seat)?, arg(holder)?),
            ("hand-over", [seat, to]) => self.hand_over(change, arg(seat)?, log_arg(to)?),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<T: Datum> Catalogued for Seats<T> {
    const ABOUT: About = About {
        kind: Kind::Seats,
        family: "apps",
        what: "numbered seats that are never sold twice",
        rule: "a seat belongs to one log, which alone assigns it",
        algebra: "Lex(Reverse<Stamp>, count) × Own<(given, assigned)>",
        cost: "O(logs · log seats) a seat",
        source: "Balegas et al. 2015 (escrow)",
        operations: &[
            op("open", &[Arg::Count], "opens a hall of so many seats"),
            op("assign", &[Arg::Index, Arg::Value], "assigns an own seat"),
            op(
                "hand-over",
                &[Arg::Index, Arg::Key],
                "hands an own seat over to the log of this id",
            ),
        ],
    };
}
