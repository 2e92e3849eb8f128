//! The counter between two bounds.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::algebra::{Lex, Max, Own, Pair};
use crate::crdt::{
    About, Arg, Call, Catalogued, Crdt, EditError, arg, count_arg, end_of, log_arg, op,
};
use crate::dot::LogId;
use crate::node::Kind;
use crate::store::Change;
use crate::time::Stamp;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// A number that stays between two bounds without asking anybody: each step up gives its author the right to one
    /// step down, and the other way round. The first to open it sets the bounds and has all rights.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::counters::RangedCounter};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let (ann, bob) = (at(1), at(2));
    /// let mut seats = Causal::<RangedCounter>::default();
    /// seats.edit(&ann, |seats, change| seats.open(change, 0, 3));
    /// seats.try_edit(&ann, |seats, change| seats.step(change, 3)).unwrap();
    /// assert!(seats.try_edit(&ann, |seats, change| seats.step(change, 1)).is_err());
    /// assert!(seats.try_edit(&bob, |seats, change| seats.step(change, -1)).is_err());
    /// assert_eq!(seats.value_now(), Some(3));
    /// ```
    pub struct RangedCounter(Pair<Bounds, Own<Moves>>);
}
leaf!(RangedCounter);

/// Set once: the lowest and the highest number.
type Bounds = Lex<Reverse<Stamp>, Max<(i64, i64)>>;

/// How far an author went up and down, and the rights it gave to whom.
type Moves = (u64, (u64, BTreeMap<LogId, (u64, u64)>));

impl RangedCounter {
    /// The bounds, once they are set.
    #[must_use]
    pub fn bounds(&self) -> Option<(i64, i64)> {
        self.0.0.0.as_ref().and_then(|(_, bounds)| bounds.0)
    }

    /// The number, once the bounds are set. O(logs).
    #[must_use]
    pub fn value_now(&self) -> Option<i64> {
        let (low, _) = self.bounds()?;
        let (ups, (downs, _)) = self.0.1.total();
        Some(low.saturating_add_unsigned(ups).saturating_sub_unsigned(downs))
    }

    /// How far a log may go up and down now. O(logs).
    #[must_use]
    pub fn rights(&self, log: LogId) -> (u64, u64) {
        let opener = self.0.0.0.as_ref().map(|(stamp, _)| stamp.0.log);
        let room = self.bounds().filter(|_| opener == Some(log));
        let room = room.map_or(0, |(low, high)| high.abs_diff(low));
        let (mut up, mut down) = (room, 0_u64);
        for (from, (_, (_, given))) in self.0.1.iter().filter(|(from, _)| *from != log) {
            let _ = from;
            let (ups, downs) = given.get(&log).copied().unwrap_or_default();
            up = up.saturating_add(ups);
            down = down.saturating_add(downs);
        }
        if let Some((ups, (downs, given))) = self.0.1.get(log) {
            up = up.saturating_add(*downs).saturating_sub(*ups);
            down = down.saturating_add(*ups).saturating_sub(*downs);
            for (ups, downs) in given.values() {
                up = up.saturating_sub(*ups);
                down = down.saturating_sub(*downs);
            }
        }
        (up, down)
    }

    /// Sets the bounds, unless they are; returns the delta. The number starts at the lower one.
    #[must_use]
    pub fn open(&self, change: &mut Change, low: i64, high: i64) -> Self {
        if self.bounds().is_some() {
            return Self::default();
        }
        let bounds = Max(Some((low.min(high), high.max(low))));
        Self(Pair(Lex(Some((Reverse(change.stamp()), bounds))), Own::default()))
    }

    /// Goes up, or down if negative; returns the delta.
    ///
    /// # Errors
    /// If the writer has not the rights.
    pub fn step(&self, change: &mut Change, by: i64) -> Result<Self, EditError> {
        let (up, down) = self.rights(change.log());
        if by.unsigned_abs() > if by > 0 { up } else { down } {
            return Err(EditError::refused("this device has not the rights to go that far"));
        }
        Ok(self.contribute(change, by != 0, |(ups, (downs, _))| {
            let steps = if by > 0 { ups } else { downs };
            *steps = steps.saturating_add(by.unsigned_abs());
        }))
    }

    /// Hands rights to go up and down over to another log; returns the delta.
    ///
    /// # Errors
    /// If the writer has not the rights.
    pub fn transfer(
        &self,
        change: &mut Change,
        to: LogId,
        (ups, downs): (u64, u64),
    ) -> Result<Self, EditError> {
        let (up, down) = self.rights(change.log());
        if ups > up || downs > down {
            return Err(EditError::refused("this device has not the rights to give"));
        }
        Ok(self.contribute(change, ups + downs > 0, |(_, (_, given))| {
            let given = given.entry(to).or_default();
            given.0 = given.0.saturating_add(ups);
            given.1 = given.1.saturating_add(downs);
        }))
    }

    fn contribute(&self, change: &mut Change, any: bool, alter: impl FnOnce(&mut Moves)) -> Self {
        if !any {
            return Self::default();
        }
        Self(Pair(Lex::default(), self.0.1.contribute(change, alter)))
    }
}

impl Crdt for RangedCounter {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        self.value_now().map_or(Value::Null, Value::Int)
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("open", [low, high]) => Ok(self.open(change, arg(low)?, arg(high)?)),
            ("step", [by]) => self.step(change, arg(by)?),
            ("transfer", [to, ups, downs]) => {
                let rights = (count_arg(ups)? as u64, count_arg(downs)? as u64);
                self.transfer(change, log_arg(to)?, rights)
            }
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl Catalogued for RangedCounter {
    const ABOUT: About = About {
        kind: Kind::RangedCounter,
        family: "counters",
        what: "a number between two bounds",
        rule: "every step counts; who has no rights left is refused",
        algebra: "Lex(Reverse<Stamp>, bounds) × Own<(ups, downs, given)>",
        cost: "O(logs)",
        source: "O'Neil 1986 (escrow); Balegas et al. 2015",
        operations: &[
            op("open", &[Arg::Int, Arg::Int], "sets the bounds, the lower one being the start"),
            op("step", &[Arg::Int], "goes up, or down if negative, within the own rights"),
            op(
                "transfer",
                &[Arg::Key, Arg::Count, Arg::Count],
                "hands rights to go up and down over to the log of this id",
            ),
        ],
    };
}
