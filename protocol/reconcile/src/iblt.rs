//! A rateless invertible Bloom lookup table (Yang, Gilad, Alizadeh, "Practical Rateless Set Reconciliation",
//! SIGCOMM 2024): symbols of a set in → an endless sequence of cells out; the cells of one set, compared with
//! those of another → the symbols that only one of the two has.
//!
//! A symbol is in cell `i` with probability `1 / (1 + i / 2)`; which cells follow from its hash under the key of
//! the session, so nobody who lacks the key can choose symbols that meet. The count of a cell goes over the wire as
//! its distance from what is expected, as the paper proposes. Not here: who sends how many cells when, and a bound
//! on what a liar may make the other end do.

/// What a symbol is hashed under.
#[derive(Clone, Copy, Debug)]
pub struct Key(pub [u8; 32]);

impl Key {
    /// The hash that a symbol is recognised by, and that leads to its cells.
    fn hash(&self, symbol: &[u8]) -> u64 {
        let hash = blake3::keyed_hash(&self.0, symbol);
        u64::from_le_bytes(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes"))
    }
}

/// The cells that a symbol is in, ascending; it is in the first.
#[derive(Clone, Debug)]
struct Places {
    at: u64,
    state: u64,
}

impl Places {
    fn of(hash: u64) -> Self {
        Self { at: 0, state: hash }
    }

    /// Goes on to the next. That none of the cells after `i` up to `j` holds the symbol has probability
    /// `(i + 1)(i + 2) / ((j + 1)(j + 2))`, the product of `k / (k + 2)` for each; so it is solved for `j`.
    fn advance(&mut self) {
        // SplitMix64: Steele, Lea, Flood, OOPSLA 2014.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let drawn = ((bits >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        let at = self.at as f64;
        let next = ((at + 1.0) * (at + 2.0) / drawn + 0.25).sqrt() - 1.5;
        self.at = (next as u64).max(self.at) + 1;
    }
}

/// One cell: what the symbols in it come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell<const N: usize> {
    sum: [u8; N],
    hash: u64,
    count: i64,
}

impl<const N: usize> Cell<N> {
    const EMPTY: Self = Self { sum: [0; N], hash: 0, count: 0 };

    fn add(&mut self, symbol: &[u8; N], hash: u64, count: i64) {
        self.sum.iter_mut().zip(symbol).for_each(|(sum, byte)| *sum ^= byte);
        self.hash ^= hash;
        self.count += count;
    }
}

#[derive(Clone, Debug)]
struct Item<const N: usize> {
    symbol: [u8; N],
    hash: u64,
    places: Places,
    /// What it adds to the count of a cell.
    sign: i64,
}

impl<const N: usize> Item<N> {
    /// Adds the item to the cells from number `from` on that it has not been added to.
    fn fill(
        &mut self,
        cells: &mut [Cell<N>],
        from: usize,
        sign: i64,
        mut touched: impl FnMut(usize),
    ) {
        let end = (from + cells.len()) as u64;
        while self.places.at < end {
            let at = self.places.at as usize - from;
            cells[at].add(&self.symbol, self.hash, sign);
            touched(at);
            self.places.advance();
        }
    }
}

/// The cells of one set, in order.
#[derive(Clone, Debug)]
pub struct Encoder<const N: usize> {
    items: Vec<Item<N>>,
    made: usize,
}

impl<const N: usize> Encoder<N> {
    /// Of a set: no symbol twice.
    pub fn new(key: Key, symbols: impl Iterator<Item = [u8; N]>) -> Self {
        let item = |symbol: [u8; N]| {
            let hash = key.hash(&symbol);
            Item { symbol, hash, places: Places::of(hash), sign: 1 }
        };
        Self { items: symbols.map(item).collect(), made: 0 }
    }

    /// So many more cells.
    pub fn cells(&mut self, count: usize) -> Vec<Cell<N>> {
        let mut cells = vec![Cell::EMPTY; count];
        for item in &mut self.items {
            item.fill(&mut cells, self.made, 1, |_| {});
        }
        self.made += count;
        cells
    }

    /// Symbols in the set.
    pub fn len(&self) -> usize {
        self.items.len()
    }
}

/// The set here, and what the cells of another come to beside it.
#[derive(Clone, Debug)]
pub struct Decoder<const N: usize> {
    key: Key,
    own: Encoder<N>,
    /// The part of a hash that goes over the wire.
    mask: u64,
    cells: Vec<Cell<N>>,
    found: Vec<Item<N>>,
}

impl<const N: usize> Decoder<N> {
    /// Compares with a set whose cells carry so many bytes of the hashes.
    pub fn new(key: Key, own: Encoder<N>, hash_bytes: usize) -> Self {
        Self { key, own, mask: mask(hash_bytes), cells: Vec::new(), found: Vec::new() }
    }

    /// Takes in the next cells of the other set.
    pub fn take(&mut self, theirs: &[Cell<N>]) {
        let from = self.cells.len();
        let ours = self.own.cells(theirs.len());
        self.cells.extend(theirs.iter().zip(ours).map(|(theirs, ours)| {
            let mut cell = *theirs;
            cell.add(&ours.sum, ours.hash, -ours.count);
            cell
        }));
        for item in &mut self.found {
            let sign = -item.sign;
            item.fill(&mut self.cells[from..], from, sign, |_| {});
        }
        self.peel((from..self.cells.len()).collect());
    }

    /// Takes out symbols that are alone in a cell, until there is none.
    fn peel(&mut self, mut todo: Vec<usize>) {
        while let Some(at) = todo.pop() {
            let cell = self.cells[at];
            if cell.count.abs() != 1 {
                continue;
            }
            let hash = self.key.hash(&cell.sum);
            if (hash ^ cell.hash) & self.mask != 0 {
                continue;
            }
            let (symbol, places, sign) = (cell.sum, Places::of(hash), cell.count);
            let mut item = Item { symbol, hash, places, sign };
            item.fill(&mut self.cells, 0, -sign, |touched| todo.push(touched));
            self.found.push(item);
        }
    }

    /// Whether the whole difference is known: the first cell, which every symbol is in, has been emptied.
    pub fn done(&self) -> bool {
        let empty =
            |cell: &Cell<N>| cell.count == 0 && cell.hash & self.mask == 0 && cell.sum == [0; N];
        self.cells.first().is_some_and(empty)
    }

    /// Symbols that only the other set has, then those that only the one here has; all of them once it is done.
    pub fn difference(&self) -> (Vec<[u8; N]>, Vec<[u8; N]>) {
        let of = |sign: i64| {
            let found = self.found.iter().filter(move |item| item.sign == sign);
            found.map(|item| item.symbol).collect()
        };
        (of(1), of(-1))
    }
}

fn mask(hash_bytes: usize) -> u64 {
    u64::MAX >> (64 - 8 * hash_bytes)
}

/// What a cell counts on the mean, rounded: `set / (1 + cell / 2)`.
fn expected(set: usize, cell: usize) -> i64 {
    (2 * set / (2 + cell)) as i64
}

/// Cells as bytes: sum, part of the hash, and how far the count is from what is expected, zigzag as a varint.
/// They begin with cell `from` of a set of so many symbols.
pub fn encode<const N: usize>(
    cells: &[Cell<N>],
    (from, set): (usize, usize),
    hash_bytes: usize,
    bytes: &mut Vec<u8>,
) {
    for (number, cell) in (from..).zip(cells) {
        bytes.extend_from_slice(&cell.sum);
        bytes.extend_from_slice(&cell.hash.to_le_bytes()[..hash_bytes]);
        let off = cell.count - expected(set, number);
        let mut rest = ((off << 1) ^ (off >> 63)) as u64;
        while rest >= 0x80 {
            bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
    }
}

/// The cells that `encode` wrote.
///
/// # Panics
/// If it did not write these bytes: both ends are one program here.
pub fn decode<const N: usize>(
    mut bytes: &[u8],
    (from, set): (usize, usize),
    hash_bytes: usize,
) -> Vec<Cell<N>> {
    let mut cells = Vec::new();
    while !bytes.is_empty() {
        let (sum, rest) = bytes.split_first_chunk::<N>().expect("a cell begins with its sum");
        let (part, rest) = rest.split_at(hash_bytes);
        let mut hash = [0; 8];
        hash[..hash_bytes].copy_from_slice(part);
        let length = 1 + rest.iter().take_while(|byte| **byte >= 0x80).count();
        let (varint, rest) = rest.split_at(length);
        let zigzag = varint.iter().rev().fold(0_u64, |sum, byte| sum << 7 | u64::from(byte & 0x7f));
        let off = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
        let count = off + expected(set, from + cells.len());
        cells.push(Cell { sum: *sum, hash: u64::from_le_bytes(hash), count });
        bytes = rest;
    }
    cells
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    type Set = BTreeSet<[u8; 8]>;

    fn set() -> impl Strategy<Value = Set> {
        prop::collection::btree_set(any::<[u8; 8]>(), 0..200)
    }

    /// What only the one and only the other has, and the cells it took.
    fn compare(one: &Set, other: &Set, key: Key, hash_bytes: usize) -> (Set, Set, usize) {
        let mut encoder = Encoder::new(key, one.iter().copied());
        let own = Encoder::new(key, other.iter().copied());
        let mut decoder = Decoder::new(key, own, hash_bytes);
        let mut sent = 0;
        while !decoder.done() {
            let cells = encoder.cells(1 + sent / 4);
            let mut bytes = Vec::new();
            encode(&cells, (sent, one.len()), hash_bytes, &mut bytes);
            decoder.take(&decode(&bytes, (sent, one.len()), hash_bytes));
            sent += cells.len();
            assert!(sent < 10_000, "it does not end");
        }
        let (theirs, ours) = decoder.difference();
        assert_eq!(theirs.len(), theirs.iter().collect::<BTreeSet<_>>().len());
        assert_eq!(ours.len(), ours.iter().collect::<BTreeSet<_>>().len());
        (theirs.into_iter().collect(), ours.into_iter().collect(), sent)
    }

    proptest! {
        #[test]
        fn the_difference_of_two_sets_is_found_exactly(
            common in set(), one in set(), other in set(), key in any::<[u8; 32]>(), wide in any::<bool>(),
        ) {
            let one: Set = common.union(&one).copied().collect();
            let other: Set = common.union(&other).copied().collect();
            let (theirs, ours, _) = compare(&one, &other, Key(key), if wide { 8 } else { 4 });
            prop_assert_eq!(theirs, one.difference(&other).copied().collect::<Set>());
            prop_assert_eq!(ours, other.difference(&one).copied().collect::<Set>());
        }
    }

    #[test]
    fn cells_needed_grow_with_the_difference_and_not_with_the_sets() {
        let symbol = |n: u64| blake3::hash(&n.to_le_bytes()).as_bytes()[..8].try_into().unwrap();
        let mean = |common: u64, changed: u64| {
            let rounds = 20;
            let cells: usize = (0..rounds)
                .map(|round| {
                    let both = 0..common;
                    let one: Set = both.clone().map(symbol).collect();
                    let other: Set = both.chain(common..common + changed).map(symbol).collect();
                    compare(&one, &other, Key([round; 32]), 8).2
                })
                .sum();
            cells as f64 / f64::from(rounds) / changed as f64
        };
        for common in [100, 5_000] {
            // The paper gives 1.35 for large differences; batches of a quarter more add at most that.
            let per_symbol = mean(common, 1_000);
            assert!((1.3..1.35 * 1.3).contains(&per_symbol), "{per_symbol} cells for a symbol");
        }
    }

    #[test]
    fn a_symbol_is_in_a_cell_as_often_as_it_should() {
        let rounds = 100_000_u64;
        let mut hits = [0_u64; 40];
        for round in 0..rounds {
            let hash = blake3::hash(&round.to_le_bytes());
            let mut places =
                Places::of(u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap()));
            while places.at < 40 {
                hits[places.at as usize] += 1;
                places.advance();
            }
        }
        for (cell, hits) in hits.into_iter().enumerate() {
            let (share, due) = (hits as f64 / rounds as f64, 1.0 / (1.0 + cell as f64 / 2.0));
            assert!((share - due).abs() < 0.01, "cell {cell}: {share}, not {due}");
        }
    }
}
