//! First in, first out.

use crate::algebra::DotFun;
use crate::crdt::{About, Arg, Call, Catalogued, Claim, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::dot::Dot;
use crate::node::Kind;
use crate::store::Change;
use crate::time::HybridTime;
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// Things in the order they were put in. Taking is at least once: two who take at the same time may take the same.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::queues::Queue};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut jobs = Causal::<Queue<String>>::default();
    /// jobs.edit(&at(1), |jobs, change| jobs.push(change, "wash".to_owned()));
    /// assert_eq!(jobs.peek(), Some(&"wash".to_owned()));
    /// jobs.edit(&at(2), Queue::pop);
    /// assert!(jobs.is_empty());
    /// ```
    pub struct Queue<T: Datum>(DotFun<(HybridTime, Plain<T>)>);
}
leaf!(Queue<T: Datum>);

impl<T: Datum> Queue<T> {
    /// What waits, the first first. O(n log n).
    #[must_use]
    pub fn waiting(&self) -> Vec<&T> {
        let mut waiting: Vec<_> =
            self.0.iter().map(|(dot, (time, it))| (time, dot, &it.0)).collect();
        waiting.sort();
        waiting.into_iter().map(|(_, _, item)| item).collect()
    }

    /// What waits longest. O(n).
    #[must_use]
    pub fn peek(&self) -> Option<&T> {
        self.first().map(|(_, item)| item)
    }

    /// How many things wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn first(&self) -> Option<(Dot, &T)> {
        let waiting = self.0.iter();
        let first = waiting.min_by(|(one, (a, _)), (two, (b, _))| (a, one).cmp(&(b, two)));
        first.map(|(dot, (_, item))| (dot, &item.0))
    }

    /// Puts a thing at the end; returns the delta.
    #[must_use]
    pub fn push(&self, change: &mut Change, item: T) -> Self {
        Self(DotFun::of(change.dot(), (change.time(), Plain(item))))
    }

    /// Takes the first thing seen; returns the delta, bottom if there is none. O(n).
    #[must_use]
    pub fn pop(&self, change: &mut Change) -> Self {
        if let Some((dot, _)) = self.first() {
            change.forget(dot);
        }
        Self::default()
    }
}

impl<T: Datum> Crdt for Queue<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::list(self.waiting().into_iter().map(Datum::to_value))
    }

    fn claims(&self) -> Vec<Claim> {
        let claims = self.0.iter().map(|(dot, (time, item))| Claim {
            value: item.0.to_value(),
            by: Some(dot.log),
            time: Some(*time),
            stands: true,
        });
        claims.collect()
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("push", [item]) => Ok(self.push(change, arg(item)?)),
            ("pop", []) => Ok(self.pop(change)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<T: Datum> Catalogued for Queue<T> {
    const ABOUT: About = About {
        kind: Kind::Queue,
        family: "queues",
        what: "things that wait to be taken in order",
        rule: "ordered by time and dot; taken at least once",
        algebra: "Causal<DotFun<(time, T)>>, sorted",
        cost: "O(n)",
        source: "Soundarapandian et al. 2022",
        operations: &[
            op("push", &[Arg::Value], "puts a thing at the end"),
            op("pop", &[], "takes the first thing"),
        ],
    };
}
