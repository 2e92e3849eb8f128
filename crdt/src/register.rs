//! A register whose latest write wins (Johnson & Thomas, RFC 677, 1975).

use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::lattice::Lattice;
use crate::time::{Stamp, Writer};

/// Holds the value of the greatest stamp; ties in time go to the greater log. O(1).
///
/// ```
/// use meshwork_crdt::{HybridTime, Lattice, LogId, LwwRegister, Writer};
/// let (ann, bob) = (LogId([1; 16]), LogId([2; 16]));
/// let mut one = LwwRegister::default();
/// one.set(&Writer { log: ann, time: HybridTime::at(10) }, "red");
/// let mut two = LwwRegister::default();
/// two.set(&Writer { log: bob, time: HybridTime::at(11) }, "blue");
/// one.join(two);
/// assert_eq!(one.get(), Some(&"blue"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LwwRegister<T> {
    written: Option<(Stamp, T)>,
}

impl<T> Default for LwwRegister<T> {
    fn default() -> Self {
        Self { written: None }
    }
}

impl<T: Clone + Ord> LwwRegister<T> {
    /// The value, if one was ever written.
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        self.written.as_ref().map(|(_, value)| value)
    }

    /// When and by whom it was written.
    #[must_use]
    pub fn stamp(&self) -> Option<Stamp> {
        self.written.as_ref().map(|(stamp, _)| *stamp)
    }

    /// Writes a value; returns the delta.
    pub fn set(&mut self, writer: &Writer, value: T) -> Self {
        let delta = Self { written: Some((writer.stamp(), value)) };
        self.join(delta.clone());
        delta
    }
}

impl<T: Clone + Ord> Lattice for LwwRegister<T> {
    fn join(&mut self, other: Self) -> bool {
        let grew = other.written > self.written;
        if grew {
            self.written = other.written;
        }
        grew
    }
}

impl<T: Encode> Encode for LwwRegister<T> {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.written.encode(out);
    }
}

impl<T: Decode> Decode for LwwRegister<T> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self { written: Option::decode(from)? })
    }
}
