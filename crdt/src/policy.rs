//! Conflict policy: which of several values is to show, where one must.
//!
//! A resolver is a plain function of the candidates. It must give the same answer whatever order they come in
//! and must not look at anything else, or replicas would differ; `laws::resolver` checks yours.

use std::cmp::Reverse;

use crate::datum::Datum;
use crate::dot::LogId;
use crate::time::Stamp;

/// A value that somebody wrote and nobody has replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate<'a, T> {
    /// When, and by whom.
    pub stamp: Stamp,
    /// What.
    pub value: &'a T,
}

/// Decides a conflict.
pub trait Resolver<T> {
    /// The value to show; there is at least one candidate.
    fn resolve(&self, candidates: &[Candidate<'_, T>]) -> T;
}

impl<T, F: Fn(&[Candidate<'_, T>]) -> T> Resolver<T> for F {
    fn resolve(&self, candidates: &[Candidate<'_, T>]) -> T {
        self(candidates)
    }
}

/// The ready-made policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The latest write; ties go to the greater log, then the greater value.
    Latest,
    /// The earliest write.
    Earliest,
    /// The greatest value.
    Greatest,
    /// The smallest value.
    Smallest,
    /// The write of the log that comes first here; the latest of logs that are not named.
    Prefer(Vec<LogId>),
}

impl<T: Datum> Resolver<T> for Policy {
    fn resolve(&self, candidates: &[Candidate<'_, T>]) -> T {
        let rank = |candidate: &Candidate<'_, T>| match self {
            Self::Prefer(logs) => {
                let rank = logs.iter().position(|log| *log == candidate.stamp.log);
                Reverse(rank.unwrap_or(logs.len()))
            }
            _ => Reverse(0),
        };
        let by_time = |one: &&Candidate<'_, T>, two: &&Candidate<'_, T>| one.cmp(two);
        let by_value = |one: &&Candidate<'_, T>, two: &&Candidate<'_, T>| {
            one.value.cmp(two.value).then(one.stamp.cmp(&two.stamp))
        };
        let chosen = match self {
            Self::Latest => candidates.iter().max_by(by_time),
            Self::Earliest => candidates.iter().min_by(by_time),
            Self::Greatest => candidates.iter().max_by(by_value),
            Self::Smallest => candidates.iter().min_by(by_value),
            Self::Prefer(_) => candidates
                .iter()
                .max_by(|one, two| rank(one).cmp(&rank(two)).then(by_time(one, two))),
        };
        chosen.expect("a conflict has candidates").value.clone()
    }
}
