//! A seeded run of random batches, reads, reopenings and crashes beside a map that cannot be wrong.
//!
//! Data in: an empty place and a seed. Data out: nothing, or a panic with the seed and the step, which
//! repeat the failure exactly.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};

use super::{Harness, commit, contents, get, open, scan, show};
use crate::store::{KEY_BYTES_MAX, Store, VALUE_BYTES_MAX, WriteBatch};

pub(super) const SEEDS: Range<u64> = 0..4;
const STEPS: usize = 300;

type Image = BTreeMap<Vec<u8>, Vec<u8>>;

/// Runs [`STEPS`] random steps against the store and the map.
pub(super) fn compare<H: Harness>(place: &mut H, seed: u64) {
    let mut random = Random(seed);
    let mut store = open(place);
    // What the store may hold after a crash: the image at the last durable batch, then one image for
    // each batch after it. The last one is what it holds now.
    let mut images: Vec<Image> = vec![Image::new()];
    for step in 0..STEPS {
        let context = format!("random run, seed {seed}, step {step}");
        let choice = random.below(100);
        if choice < 94 {
            let batch = random.batch();
            commit(&store, &batch);
            let mut image = now(&images).clone();
            apply(&mut image, &batch);
            if batch.durable() {
                images.clear();
            }
            images.push(image);
            check_reads(&store, now(&images), &mut random, &context);
        } else {
            if choice < 97 {
                place.crash(store);
            } else {
                drop(store);
            }
            store = open(place);
            let found: Image = contents(&store).into_iter().collect();
            assert!(
                images.contains(&found),
                "{context}: after reopening, the store holds none of the {} states it may hold",
                images.len()
            );
            images = vec![found];
        }
    }
    let found: Vec<_> = contents(&store).into_iter().collect();
    let wanted: Vec<_> = now(&images).clone().into_iter().collect();
    assert!(found == wanted, "random run, seed {seed}: the last scan differs from the model");
}

fn now(images: &[Image]) -> &Image {
    images.last().expect("there is always at least one image")
}

fn apply(image: &mut Image, batch: &WriteBatch) {
    for (key, value) in batch.iter() {
        match value {
            Some(value) => image.insert(key.to_vec(), value.to_vec()),
            None => image.remove(key),
        };
    }
}

fn check_reads(store: &dyn Store, image: &Image, random: &mut Random, context: &str) {
    let key = random.key();
    let found = get(store, &key);
    assert!(
        found.as_ref() == image.get(&key),
        "{context}: the value under {} differs from the model",
        show(&key)
    );
    let (from, to) = (random.key(), random.key());
    let pairs_max = 1 + random.below(20);
    let found = scan(store, &from, &to, pairs_max);
    let wanted: Vec<_> = if from < to {
        let bounds = (Bound::Included(from.as_slice()), Bound::Excluded(to.as_slice()));
        let pairs = image.range::<[u8], _>(bounds).take(pairs_max);
        pairs.map(|(key, value)| (key.clone(), value.clone())).collect()
    } else {
        Vec::new()
    };
    assert!(
        found == wanted,
        "{context}: scanning {} .. {} differs from the model",
        show(&from),
        show(&to)
    );
}

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("usize has at most 64 bits");
        usize::try_from(self.next() % bound).expect("less than a usize")
    }

    /// Draws from a few hundred keys, many of them prefixes or neighbours of each other.
    fn key(&mut self) -> Vec<u8> {
        const BYTES: [u8; 5] = [0x00, 0x01, b'k', 0xFE, 0xFF];
        let byte = |random: &mut Self| BYTES.get(random.below(BYTES.len())).copied().unwrap_or(0);
        match self.below(10) {
            0 => {
                let fill = byte(self);
                vec![fill; KEY_BYTES_MAX - self.below(2)]
            }
            1..=5 => (0..self.below(4)).map(|_| byte(self)).collect(),
            _ => {
                let mut key = vec![b'n'];
                key.extend((self.below(300) as u16).to_be_bytes());
                key
            }
        }
    }

    fn value(&mut self) -> Vec<u8> {
        let size = match self.below(20) {
            0 if self.below(20) == 0 => VALUE_BYTES_MAX - self.below(3),
            0..=2 => self.below(VALUE_BYTES_MAX / 30),
            3 => 0,
            _ => self.below(400),
        };
        let first = self.next().to_le_bytes();
        first.into_iter().cycle().take(size).collect()
    }

    fn batch(&mut self) -> WriteBatch {
        let mut batch = WriteBatch::default();
        for _ in 0..self.below(12) {
            let key = self.key();
            if self.below(4) == 0 {
                batch.delete(key);
            } else {
                let value = self.value();
                batch.put(key, value);
            }
        }
        if self.below(4) == 0 {
            batch.require_durable();
        }
        batch
    }
}
