//! The same heads compared by a rateless IBLT: cells are streamed by one end until the other has the difference.
//!
//! Two ways. `Whole`: a symbol is a head as Meshwork says one, log (16 bytes), sequence number (8) and keyed part of
//! the hash (4), with 8 bytes of hash in a cell. `Named`: a symbol is 8 bytes of a keyed hash of a head, with 4 bytes of
//! hash in a cell; heads that differ are then said as Meshwork says them. Frames have the fields that Meshwork's have:
//! envelope, tag, digests. The first flight is of about the size that the first flight of ranges has; as long as the
//! other end asks for more, each flight doubles what has been sent. Not here: the entries that follow.

use std::collections::BTreeMap;

use meshwork_protocol::limits::FRAME_BYTES_MAX;

use crate::heads::{Head, Heads};
use crate::iblt::{Decoder, Encoder, Key, decode, encode};
use crate::lab::cpu_ns;

/// Bytes of cells in the first flight.
const FIRST_BYTES: usize = 840;
/// An envelope, a tag, the digests of heads and of membership, a kind: what each frame with cells or heads has.
const FRAME_BYTES: usize = 4 + 1 + 8 + 8 + 1;
/// The digest alone, with which the end that does not lead begins.
const DIGEST_BYTES: usize = 3 + 1 + 8 + 1;
/// "More".
const MORE_BYTES: usize = 3 + 1 + 1;

/// What an exchange took.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    /// By the end that streams, and by the other.
    pub bytes: [u64; 2],
    pub flights: u64,
    pub cpu_ns: u64,
    /// Symbols in the difference, cells that would have done, cells sent.
    pub symbols: usize,
    pub needed: usize,
    pub cells: usize,
    /// Logs of which the end that streams has more, and of which the other has; forked ones in both.
    pub ahead: [Vec<[u8; 16]>; 2],
}

/// How a head becomes a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symbols {
    Whole,
    Named,
}

pub fn exchange(ours: &Heads, theirs: &Heads, key: [u8; 32], symbols: Symbols) -> Exchange {
    match symbols {
        Symbols::Whole => whole(ours, theirs, key),
        Symbols::Named => named(ours, theirs, key),
    }
}

/// The part of an exchange that finds symbols.
struct Found<const N: usize> {
    exchange: Exchange,
    /// What only the end has that streams, and what only the other has.
    only: [Vec<[u8; N]>; 2],
}

fn stream<const N: usize>(
    key: [u8; 32],
    ours: impl Iterator<Item = [u8; N]>,
    theirs: impl Iterator<Item = [u8; N]>,
    hash_bytes: usize,
) -> Found<N> {
    let key = Key(key);
    let began = cpu_ns();
    let mut encoder = Encoder::new(key, ours);
    let set = encoder.len();
    let mut decoder = Decoder::new(key, Encoder::new(key, theirs), hash_bytes);
    let mut exchange = Exchange { bytes: [0, DIGEST_BYTES as u64], ..Exchange::default() };
    let mut batches = Vec::new();
    let mut batch = FIRST_BYTES / (N + hash_bytes + 1);
    loop {
        let cells = encoder.cells(batch);
        let mut bytes = Vec::new();
        encode(&cells, (exchange.cells, set), hash_bytes, &mut bytes);
        exchange.bytes[0] += framed(bytes.len() + varint_bytes(set as u64));
        exchange.flights += 1;
        let cells = decode(&bytes, (exchange.cells, set), hash_bytes);
        exchange.cells += cells.len();
        decoder.take(&cells);
        batches.push(cells);
        if decoder.done() {
            break;
        }
        exchange.bytes[1] += MORE_BYTES as u64;
        exchange.flights += 1;
        batch = exchange.cells;
    }
    let only = decoder.difference().into();
    exchange.cpu_ns = cpu_ns() - began;
    Found { exchange, only }
}

/// How many of the cells would have done: one more each time, which is not part of what is measured.
fn needed<const N: usize>(
    key: [u8; 32],
    ours: impl Iterator<Item = [u8; N]>,
    theirs: impl Iterator<Item = [u8; N]>,
) -> usize {
    let mut encoder = Encoder::new(Key(key), ours);
    let mut decoder = Decoder::new(Key(key), Encoder::new(Key(key), theirs), 8);
    let mut cells = 0;
    while !decoder.done() {
        decoder.take(&encoder.cells(1 + cells / 200));
        cells += 1 + cells / 200;
    }
    cells
}

fn whole(ours: &Heads, theirs: &Heads, key: [u8; 32]) -> Exchange {
    let symbol = |head: &Head| {
        let mut symbol = [0; 28];
        symbol[..16].copy_from_slice(&head.log);
        symbol[16..24].copy_from_slice(&head.seq.to_le_bytes());
        symbol[24..].copy_from_slice(&short_hash(&key, head));
        symbol
    };
    let of = |heads: &Heads| heads.clone().into_iter();
    let symbols = |heads| of(heads).map(|head| symbol(&head));
    let Found { mut exchange, only } = stream(key, symbols(ours), symbols(theirs), 8);
    let began = cpu_ns();
    let [one, other]: [BTreeMap<[u8; 16], u64>; 2] =
        only.map(|only| only.iter().map(|symbol| (log_of(symbol), seq_of(symbol))).collect());
    exchange.symbols = one.len() + other.len();
    // The other end now knows all. It says how far it is with what it lacks or holds another branch of.
    let mut said = Vec::new();
    for (log, seq) in &one {
        let known = other.get(log).copied().unwrap_or(0);
        if *seq >= known {
            said.push((*log, known));
            exchange.ahead[0].push(*log);
        }
    }
    for (log, seq) in &other {
        if one.get(log).is_none_or(|known| known <= seq) {
            exchange.ahead[1].push(*log);
        }
    }
    exchange.bytes[1] += framed(said.iter().map(|(_, seq)| 16 + varint_bytes(*seq) + 4).sum());
    exchange.flights += 1;
    exchange.cpu_ns += cpu_ns() - began;
    exchange.needed = needed(key, symbols(ours), symbols(theirs));
    exchange
}

fn named(ours: &Heads, theirs: &Heads, key: [u8; 32]) -> Exchange {
    let name = |head: &Head| -> [u8; 8] {
        let mut hasher = blake3::Hasher::new_keyed(&key);
        hasher.update(&head.log);
        hasher.update(&head.seq.to_le_bytes());
        hasher.update(&head.hash);
        *hasher.finalize().as_bytes().first_chunk().expect("a hash has 32 bytes")
    };
    let of = |heads: &Heads| heads.clone().into_iter();
    let names = |heads| of(heads).map(|head| name(&head));
    let Found { mut exchange, only } = stream(key, names(ours), names(theirs), 4);
    let began = cpu_ns();
    exchange.symbols = only[0].len() + only[1].len();
    // The other end looks up which of its heads are meant, and says them, and how many symbols it does not know.
    let meant: BTreeMap<[u8; 8], &Head> = theirs.iter().map(|head| (name(head), head)).collect();
    let mut heads: Vec<&Head> =
        only[1].iter().filter_map(|name| meant.get(name).copied()).collect();
    heads.sort_unstable_by_key(|head| head.log);
    let said = heads.iter().map(|head| 16 + varint_bytes(head.seq) + 4).sum::<usize>();
    exchange.bytes[1] += framed(said + varint_bytes(only[0].len() as u64));
    exchange.flights += 1;
    // The end that streams compares them with its own, and answers where it does not lack something.
    let mut answer = 0;
    let mut here = 0;
    for (place, head) in heads.iter().enumerate() {
        let own = ours.binary_search_by_key(&head.log, |own| own.log).ok().map(|at| &ours[at]);
        here += usize::from(own.is_some());
        let seq = own.map_or(0, |own| own.seq);
        if seq >= head.seq {
            exchange.ahead[0].push(head.log);
        }
        if seq <= head.seq {
            exchange.ahead[1].push(head.log);
            answer += varint_bytes(place as u64) + varint_bytes(seq) + 4;
        }
    }
    // Logs of which the other end has nothing are told by name once it has said which symbols it does not know.
    if here < only[0].len() {
        let own: BTreeMap<[u8; 8], &Head> = ours.iter().map(|head| (name(head), head)).collect();
        let unknown = only[0].iter().filter_map(|name| own.get(name).copied());
        let new = unknown.filter(|own| heads.binary_search_by_key(&own.log, |h| h.log).is_err());
        exchange.ahead[0].extend(new.map(|own| own.log));
        exchange.bytes[1] += framed(8 * only[0].len());
        exchange.bytes[0] += MORE_BYTES as u64;
        exchange.flights += 2;
    }
    exchange.ahead.iter_mut().for_each(|logs| logs.sort_unstable());
    if answer > 0 {
        exchange.bytes[0] += framed(answer);
        exchange.flights += 1;
    }
    exchange.cpu_ns += cpu_ns() - began;
    exchange.needed = needed(key, names(ours), names(theirs));
    exchange
}

/// Bytes of so many in as many frames as they need.
fn framed(bytes: usize) -> u64 {
    let frames = bytes.div_ceil(FRAME_BYTES_MAX - FRAME_BYTES).max(1);
    (bytes + frames * FRAME_BYTES) as u64
}

fn varint_bytes(number: u64) -> usize {
    (u64::BITS - number.leading_zeros()).div_ceil(7).max(1) as usize
}

fn short_hash(key: &[u8; 32], head: &Head) -> [u8; 4] {
    let hash = blake3::keyed_hash(key, &head.hash);
    *hash.as_bytes().first_chunk().expect("a hash has 32 bytes")
}

fn log_of(symbol: &[u8; 28]) -> [u8; 16] {
    *symbol.first_chunk().expect("a symbol begins with its log")
}

fn seq_of(symbol: &[u8; 28]) -> u64 {
    u64::from_le_bytes(symbol[16..24].try_into().expect("eight bytes are eight"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(log: u16, seq: u64) -> Head {
        let hash = *blake3::hash(&[&log.to_le_bytes()[..], &seq.to_le_bytes()].concat()).as_bytes();
        Head { log: *hash_of(log).first_chunk().unwrap(), seq, hash }
    }

    fn hash_of(log: u16) -> [u8; 32] {
        *blake3::hash(&log.to_le_bytes()).as_bytes()
    }

    fn heads(logs: &BTreeMap<u16, u64>) -> Heads {
        let mut heads: Heads = logs.iter().map(|(log, seq)| head(*log, *seq)).collect();
        heads.sort_unstable_by_key(|head| head.log);
        heads
    }

    fn ahead(one: &Heads, other: &Heads) -> Vec<[u8; 16]> {
        let known = |log| other.iter().find(|head| head.log == log).map_or(0, |head| head.seq);
        one.iter().filter(|head| head.seq > known(head.log)).map(|head| head.log).collect()
    }

    proptest! {
        #[test]
        fn both_kinds_of_symbols_tell_who_is_ahead_of_whom(
            one in prop::collection::btree_map(0..300_u16, 1..3_u64, 0..200),
            other in prop::collection::btree_map(0..300_u16, 1..3_u64, 0..200),
            key in any::<[u8; 32]>(),
        ) {
            let (one, other) = (heads(&one), heads(&other));
            for symbols in [Symbols::Whole, Symbols::Named] {
                let [here, there] = exchange(&one, &other, key, symbols).ahead;
                prop_assert_eq!(here, ahead(&one, &other), "{:?}", symbols);
                prop_assert_eq!(there, ahead(&other, &one), "{:?}", symbols);
            }
        }
    }
}
