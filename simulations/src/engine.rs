//! What happens next: one queue in virtual time, for one thread.
//!
//! Things that are to happen go in with a time, come out in the order of their times, and those of one time in the
//! order in which they went in: so a run depends on nothing but its seed. A radix heap (Ahuja, Mehlhorn, Orlin,
//! Tarjan 1990): nothing may be put in before what came out last, which is what time is like.
//! Invariant: of two things of one time the bucket is the same, so buckets keep them in order.
//! Deliberately not here: what happens.

use std::collections::VecDeque;

/// Things that are due at some time, the earliest first.
#[derive(Debug)]
pub struct Queue<T> {
    /// Bucket 0 holds what is due now; bucket n what differs from now in bit n − 1 and in none above.
    buckets: Vec<VecDeque<(u64, T)>>,
    now: u64,
    length: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        let buckets = (0..=u64::BITS).map(|_| VecDeque::new()).collect();
        Self { buckets, now: 0, length: 0 }
    }
}

impl<T> Queue<T> {
    /// How many things are due some time.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing will ever happen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn bucket(&self, at: u64) -> usize {
        (u64::BITS - (at ^ self.now).leading_zeros()) as usize
    }

    /// Lets something happen at a time, or now if that has passed.
    pub fn push(&mut self, at: u64, what: T) {
        let at = at.max(self.now);
        let bucket = self.bucket(at);
        self.length += 1;
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            bucket.push_back((at, what));
        }
    }

    /// What happens next, with its time, if that is not after `end`.
    pub fn pop_until(&mut self, end: u64) -> Option<(u64, T)> {
        if self.buckets.first()?.is_empty() {
            let next = self.buckets.iter().position(|bucket| !bucket.is_empty())?;
            let (at, _) = self.buckets.get(next)?.iter().min_by_key(|(at, _)| *at)?;
            let at = *at;
            if at > end {
                return None;
            }
            let due = std::mem::take(self.buckets.get_mut(next)?);
            self.now = at;
            self.length -= due.len();
            for (at, what) in due {
                self.push(at, what);
            }
        }
        if self.now > end {
            return None;
        }
        let next = self.buckets.first_mut()?.pop_front()?;
        self.length -= 1;
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use rand_chacha::ChaCha8Rng;
    use rand_core::{Rng as _, SeedableRng as _};

    use super::*;

    #[test]
    fn things_come_out_as_out_of_a_heap_that_counts_them() {
        for seed in 0..20 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let (mut queue, mut naive) = (Queue::default(), BinaryHeap::new());
            let (mut now, mut number) = (0, 0_u64);
            for _ in 0..5_000 {
                if rng.next_u32().is_multiple_of(2) {
                    let at = now + (rng.next_u64() >> (rng.next_u32() % 60 + 4)) % 5_000;
                    number += 1;
                    queue.push(at, number);
                    naive.push(Reverse((at, number)));
                } else {
                    let end = now + u64::from(rng.next_u32() % 100);
                    let due = naive.peek().is_some_and(|Reverse((at, _))| *at <= end);
                    let expected = if due { naive.pop().map(|Reverse(next)| next) } else { None };
                    assert_eq!(queue.pop_until(end), expected, "seed {seed}");
                    now = expected.map_or(now, |(at, _)| at);
                }
                assert_eq!(queue.len(), naive.len());
            }
        }
    }
}
