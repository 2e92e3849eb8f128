//! Presence.

use crate::algebra::DotFun;
use crate::crdt::{About, Arg, Call, Catalogued, Claim, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::time::{HybridTime, Stamp};
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// What each device says of itself right now: cursor, name, typing. The reader says how old is too old.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::apps::Presence};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut room = Causal::<Presence<String>>::default();
    /// room.edit(&at(1), |room, change| room.say(change, "typing".to_owned()));
    /// assert_eq!(room.live(HybridTime::at(5), 10).count(), 1);
    /// assert_eq!(room.live(HybridTime::at(50), 10).count(), 0);
    /// ```
    pub struct Presence<T: Datum>(DotFun<(HybridTime, Plain<T>)>);
}
leaf!(Presence<T: Datum>);

impl<T: Datum> Presence<T> {
    /// Who said what last, and when. O(n).
    pub fn iter(&self) -> impl Iterator<Item = (Stamp, &T)> {
        self.0.iter().map(|(dot, (time, said))| (Stamp { time: *time, log: dot.log }, &said.0))
    }

    /// The same of those who said something in the last `within_ms` milliseconds. O(n).
    pub fn live(&self, now: HybridTime, within_ms: u64) -> impl Iterator<Item = (Stamp, &T)> {
        let since = now.millis().saturating_sub(within_ms);
        self.iter().filter(move |(stamp, _)| stamp.time.millis() >= since)
    }

    /// Says something in place of what this device said before; returns the delta. O(n).
    #[must_use]
    pub fn say(&self, change: &mut Change, what: T) -> Self {
        let gone = self.leave(change);
        debug_assert!(gone.0.is_empty(), "leaving only takes away");
        Self(DotFun::of(change.dot(), (change.time(), Plain(what))))
    }

    /// Takes back what this device said; returns the delta. O(n).
    #[must_use]
    pub fn leave(&self, change: &mut Change) -> Self {
        let log = change.log();
        let own = self.0.iter().filter(|(dot, _)| dot.log == log);
        own.for_each(|(dot, _)| change.forget(dot));
        Self::default()
    }
}

impl<T: Datum> Crdt for Presence<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::map(
            self.iter().map(|(stamp, said)| (Value::Text(stamp.log.to_string()), said.to_value())),
        )
    }

    fn claims(&self) -> Vec<Claim> {
        let claims = self.iter().map(|(stamp, said)| Claim {
            value: said.to_value(),
            by: Some(stamp.log),
            time: Some(stamp.time),
            stands: true,
        });
        claims.collect()
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("say", [what]) => Ok(self.say(change, arg(what)?)),
            ("leave", []) => Ok(self.leave(change)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<T: Datum> Catalogued for Presence<T> {
    const ABOUT: About = About {
        kind: Kind::Presence,
        family: "apps",
        what: "what each device says of itself now",
        rule: "each device's latest word",
        algebra: "Causal<DotFun<(time, V)>>, one dot per author",
        cost: "O(n)",
        source: "Yjs awareness protocol",
        operations: &[
            op("say", &[Arg::Value], "says something of this device"),
            op("leave", &[], "takes it back"),
        ],
    };
}
