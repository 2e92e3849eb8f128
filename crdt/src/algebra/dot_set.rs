//! `DotSet`: dots that are held.

use crate::algebra::{SmallMap, codec_fields};
use crate::causal::CausalContext;
use crate::dot::{Dot, DotRange, LogId};
use crate::planted::{self, Bug};
use crate::store::{DotStore, Turnover};

/// A set of dots; one that either side has seen and does not hold is gone (Almeida et al. 2018).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DotSet(SmallMap<Dot, ()>);

impl DotSet {
    /// One dot.
    #[must_use]
    pub fn of(dot: Dot) -> Self {
        Self(SmallMap::of(dot, ()))
    }

    /// The dots, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Dot> {
        self.0.keys().copied()
    }

    /// Whether no dot is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl DotStore for DotSet {
    fn join_store(
        &mut self,
        seen: &CausalContext,
        other: Self,
        theirs: &CausalContext,
        turnover: &mut Turnover,
    ) -> bool {
        let before = turnover.born.len() + turnover.died.len();
        self.0.retain(|dot, ()| {
            let unseen = !theirs.contains(*dot) && !planted::is(Bug::AddsOfOthersLost);
            let stays = other.0.contains_key(dot) || unseen;
            if !stays {
                turnover.died.push(DotRange::from(*dot));
            }
            stays
        });
        for (dot, ()) in other.0 {
            if !seen.contains(dot) && self.0.insert(dot, ()).is_none() {
                turnover.born.push(DotRange::from(dot));
            }
        }
        turnover.born.len() + turnover.died.len() > before
    }

    fn dots(&self, each: &mut dyn FnMut(DotRange)) {
        self.iter().for_each(|dot| each(DotRange::from(dot)));
    }

    fn store_since(&self, seen: &CausalContext) -> Self {
        let news = self.iter().filter(|dot| !seen.contains(*dot));
        Self(news.map(|dot| (dot, ())).collect())
    }

    fn authored_by(&self, author: LogId) -> bool {
        self.iter().all(|dot| dot.log == author)
    }

    fn is_bottom(&self) -> bool {
        self.is_empty()
    }
}

codec_fields!(DotSet(0));
