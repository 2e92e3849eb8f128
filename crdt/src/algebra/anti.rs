//! `Anti<P>`: the maximal elements of a partial order (Baquero et al. 2017).

use std::collections::BTreeSet;

use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::lattice::Lattice;

/// A partial order beside the total one that sets are kept in.
pub trait Partial {
    /// Whether this is at least `other`.
    fn covers(&self, other: &Self) -> bool;
}

/// Elements none of which covers another. Joining keeps the maximal ones; O(n²).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anti<P>(BTreeSet<P>);

impl<P> Default for Anti<P> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<P: Partial + Ord + Clone> Anti<P> {
    /// One element.
    #[must_use]
    pub fn of(element: P) -> Self {
        Self(BTreeSet::from([element]))
    }

    /// The maximal elements, ascending in their total order.
    pub fn iter(&self) -> impl Iterator<Item = &P> {
        self.0.iter()
    }

    /// Whether an element is covered by one that is here.
    #[must_use]
    pub fn covers(&self, element: &P) -> bool {
        self.0.iter().any(|here| here.covers(element))
    }
}

impl<P: Partial + Ord + Clone> Lattice for Anti<P> {
    fn join(&mut self, other: Self) -> bool {
        let mut grew = false;
        for element in other.0 {
            if !self.covers(&element) {
                self.0.retain(|here| !element.covers(here));
                self.0.insert(element);
                grew = true;
            }
        }
        grew
    }
}

impl<P: Encode> Encode for Anti<P> {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.0.encode(out);
    }
}

impl<P: Decode + Partial + Ord> Decode for Anti<P> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let elements = BTreeSet::<P>::decode(from)?;
        let apart =
            elements.iter().all(|one| elements.iter().all(|two| one == two || !one.covers(two)));
        if apart { Ok(Self(elements)) } else { Err(DecodeError::NotCanonical) }
    }
}
