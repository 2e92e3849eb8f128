//! Highest priority first.

use crate::algebra::{DotFun, DotMap};
use crate::crdt::{About, Arg, Call, Catalogued, Claim, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::types::registers::LwwRegister;
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// Things by priority, the highest first. Priorities are set and raised; a concurrent change wins over a
    /// removal. Each raise stands by itself until a setting or removal that has seen it takes it away.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::queues::PriorityQueue};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut jobs = Causal::<PriorityQueue<String>>::default();
    /// jobs.edit(&at(1), |jobs, change| jobs.put(change, "wash".to_owned(), 1));
    /// jobs.edit(&at(1), |jobs, change| jobs.put(change, "cook".to_owned(), 2));
    /// jobs.edit(&at(2), |jobs, change| jobs.raise(change, "wash".to_owned(), 5));
    /// assert_eq!(jobs.peek(), Some((&"wash".to_owned(), 6)));
    /// ```
    pub struct PriorityQueue<T: Datum>(DotMap<Plain<T>, (LwwRegister<i64>, DotFun<i64>)>);
}
leaf!(PriorityQueue<T: Datum>);

fn priority((set, raised): &(LwwRegister<i64>, DotFun<i64>)) -> i64 {
    let set = i128::from(set.get().copied().unwrap_or(0));
    let sum = raised.iter().fold(set, |sum, (_, by)| sum + i128::from(*by));
    i64::try_from(sum).unwrap_or(if sum > 0 { i64::MAX } else { i64::MIN })
}

impl<T: Datum> PriorityQueue<T> {
    /// The priority of a thing that waits. O(log n + raises).
    #[must_use]
    pub fn priority(&self, item: &T) -> Option<i64> {
        self.0.get(item).map(priority)
    }

    /// What waits, the highest priority first; ties by the things themselves. O(n log n).
    #[must_use]
    pub fn waiting(&self) -> Vec<(&T, i64)> {
        let mut all: Vec<_> = self.0.iter().map(|(item, it)| (&item.0, priority(it))).collect();
        all.sort_by(|one, two| two.1.cmp(&one.1).then(one.0.cmp(two.0)));
        all
    }

    /// What has the highest priority. O(n).
    #[must_use]
    pub fn peek(&self) -> Option<(&T, i64)> {
        let all = self.0.iter().rev().map(|(item, it)| (&item.0, priority(it)));
        all.max_by_key(|(_, priority)| *priority)
    }

    /// Puts a thing in at a priority, in place of what it had; returns the delta.
    #[must_use]
    pub fn put(&self, change: &mut Change, item: T, priority: i64) -> Self {
        let vacant = (LwwRegister::default(), DotFun::default());
        let (set, raised) = self.0.get(&item).unwrap_or(&vacant);
        change.forget_all(raised);
        let set = set.set(change, priority);
        Self(DotMap::of(Plain(item), (set, DotFun::default())))
    }

    /// Raises the priority of a thing, or lowers it if negative; returns the delta, bottom for 0.
    #[must_use]
    pub fn raise(&self, change: &mut Change, item: T, by: i64) -> Self {
        if by == 0 {
            return Self::default();
        }
        let raised = DotFun::of(change.dot(), by);
        Self(DotMap::of(Plain(item), (LwwRegister::default(), raised)))
    }

    /// Removes a thing as far as has been seen; returns the delta. O(log n).
    #[must_use]
    pub fn remove(&self, change: &mut Change, item: &T) -> Self {
        if let Some(it) = self.0.get(item) {
            change.forget_all(it);
        }
        Self::default()
    }

    /// Takes the thing of the highest priority seen; returns the delta. O(n).
    #[must_use]
    pub fn pop(&self, change: &mut Change) -> Self {
        self.peek().map(|(item, _)| self.remove(change, item)).unwrap_or_default()
    }
}

impl<T: Datum> Crdt for PriorityQueue<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::list(
            self.waiting()
                .into_iter()
                .map(|(item, priority)| Value::list([item.to_value(), priority.into()])),
        )
    }

    /// Every setting and raise: the thing and the number.
    fn claims(&self) -> Vec<Claim> {
        let claims = self.0.iter().flat_map(|(item, (set, raised))| {
            let latest = set.stamp();
            let claim = move |number: i64| Value::list([item.0.to_value(), number.into()]);
            let settings = set.writes().map(move |(stamp, number)| Claim {
                value: claim(*number),
                by: Some(stamp.log),
                time: Some(stamp.time),
                stands: Some(stamp) == latest,
            });
            let raises = raised.iter().map(move |(dot, by)| Claim {
                value: claim(*by),
                by: Some(dot.log),
                time: None,
                stands: true,
            });
            settings.chain(raises)
        });
        claims.collect()
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("put", [item, priority]) => Ok(self.put(change, arg(item)?, arg(priority)?)),
            ("raise", [item, by]) => Ok(self.raise(change, arg(item)?, arg(by)?)),
            ("remove", [item]) => Ok(self.remove(change, &arg(item)?)),
            ("pop", []) => Ok(self.pop(change)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<T: Datum> Catalogued for PriorityQueue<T> {
    const ABOUT: About = About {
        kind: Kind::PriorityQueue,
        family: "queues",
        what: "things by priority",
        rule: "the latest setting and every raise it has not seen; a change wins over concurrent removal",
        algebra: "Causal<DotMap<T, LWW × DotFun<i64>>>",
        cost: "O(log n) to change, O(n + raises) to peek",
        source: "Zhang et al. 2021",
        operations: &[
            op("put", &[Arg::Key, Arg::Int], "puts a thing in at a priority"),
            op("raise", &[Arg::Key, Arg::Int], "raises the priority"),
            op("remove", &[Arg::Key], "removes a thing"),
            op("pop", &[], "takes the thing of the highest priority"),
        ],
    };
}
