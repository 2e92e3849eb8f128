//! DEFLATE in blocks, each of which is compressed once.
//!
//! Bytes are cut where their content says, or, if they only ever grow at their end, every so many bytes. So most
//! blocks of what is saved again are those of the last time, and only the others are compressed. Each block starts
//! afresh and ends at a whole byte: one after the other they are one stream of DEFLATE (RFC 1951), as any reader
//! expects. Cuts by content follow Xia et al., "FastCDC" (USENIX ATC 2016): a gear hash, tested from a least size on.

use std::collections::BTreeMap;

use flate2::{Compress, Compression, FlushCompress, Status};

/// What a block is known by: the hash of its bytes, and whether it ends the stream.
type Name = ([u8; 32], bool);

const LEVEL: u32 = 2;
const BLOCK_MIN: usize = 40 << 10;
const BLOCK_MAX: usize = 96 << 10;
/// A part that is this long does not share a block with the next one.
const PART_MIN: usize = 4 << 10;
/// One place of so many is a cut.
const CUT_MASK: u64 = ((1 << 13) - 1) << 40;
/// How many bytes decide about a cut.
const GEAR_BYTES: usize = 64;

/// How some bytes come to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Growth {
    /// Anywhere.
    Inside,
    /// At their end only.
    AtEnd,
}

/// The compressed blocks of what was saved last.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    kept: BTreeMap<Name, Vec<u8>>,
    used: BTreeMap<Name, Vec<u8>>,
}

impl Blocks {
    /// One stream of some parts.
    pub fn deflate(&mut self, parts: &[(&[u8], Growth)]) -> Vec<u8> {
        let raw: Vec<u8> = parts.iter().map(|(part, _)| *part).collect::<Vec<_>>().concat();
        let mut stream = Vec::new();
        let mut from = 0;
        for end in ends(&raw, parts) {
            let block = raw.get(from..end).unwrap_or_default();
            stream.extend_from_slice(self.block(block, end == raw.len()));
            from = end;
        }
        stream
    }

    /// Ends a file: what was not used for it is not kept for the next one.
    pub fn finish(&mut self) {
        self.kept = std::mem::take(&mut self.used);
    }

    fn block(&mut self, raw: &[u8], last: bool) -> &[u8] {
        let name = (*blake3::hash(raw).as_bytes(), last);
        let kept = &mut self.kept;
        self.used.entry(name).or_insert_with(|| {
            kept.remove(&name).unwrap_or_else(|| {
                let end = if last { FlushCompress::Finish } else { FlushCompress::Full };
                deflate_to(raw, end)
            })
        })
    }
}

/// One stream, all of it compressed at once.
pub(super) fn deflate(raw: &[u8]) -> Vec<u8> {
    deflate_to(raw, FlushCompress::Finish)
}

fn deflate_to(raw: &[u8], end: FlushCompress) -> Vec<u8> {
    let mut deflater = Compress::new(Compression::new(LEVEL), false);
    let mut stored = Vec::with_capacity(raw.len() / 2 + 64);
    loop {
        let read = usize::try_from(deflater.total_in()).unwrap_or(raw.len());
        let rest = raw.get(read..).unwrap_or_default();
        let status = deflater.compress_vec(rest, &mut stored, end);
        let whole = usize::try_from(deflater.total_in()) == Ok(raw.len());
        match status.expect("deflating into memory cannot fail") {
            Status::StreamEnd => break,
            // A flush is done once it has left room.
            Status::Ok if end == FlushCompress::Full && whole && has_room(&stored) => break,
            Status::Ok | Status::BufError => stored.reserve(stored.len().max(64)),
        }
    }
    stored.shrink_to_fit();
    stored
}

fn has_room(bytes: &Vec<u8>) -> bool {
    bytes.len() < bytes.capacity()
}

/// Where the blocks of some parts end; the last one ends where they do.
fn ends(raw: &[u8], parts: &[(&[u8], Growth)]) -> Vec<usize> {
    let (mut ends, mut from, mut end) = (Vec::new(), 0, 0);
    for (part, growth) in parts {
        end += part.len();
        while end - from > BLOCK_MIN {
            from += cut(raw.get(from..end).unwrap_or_default(), *growth);
            ends.push(from);
        }
        // What is short goes on with the next part, unless it comes first and would make all that changes.
        let apart = end - from >= PART_MIN || (ends.is_empty() && raw.len() > BLOCK_MIN);
        if apart && end > from {
            from = end;
            ends.push(end);
        }
    }
    if ends.last() != Some(&raw.len()) {
        ends.push(raw.len());
    }
    ends
}

/// How long the first block is.
fn cut(raw: &[u8], growth: Growth) -> usize {
    if raw.len() <= BLOCK_MIN || growth == Growth::AtEnd {
        return raw.len().min(BLOCK_MIN);
    }
    let end = raw.len().min(BLOCK_MAX);
    let mut hash = 0_u64;
    let tested = raw.get(BLOCK_MIN - GEAR_BYTES..end).unwrap_or_default();
    for (at, byte) in (BLOCK_MIN - GEAR_BYTES + 1..).zip(tested) {
        hash = (hash << 1).wrapping_add(GEARS.get(usize::from(*byte)).copied().unwrap_or(0));
        if at >= BLOCK_MIN && hash & CUT_MASK == 0 {
            return at;
        }
    }
    end
}

/// For each byte a number that has nothing to do with it.
// Computed when this is compiled, where an index out of range is an error.
#[allow(clippy::indexing_slicing)]
static GEARS: [u64; 256] = {
    let mut gears = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        gears[byte] = scatter(byte as u64 + 1);
        byte += 1;
    }
    gears
};

/// The finaliser of SplitMix64 (Steele et al. 2014).
const fn scatter(number: u64) -> u64 {
    let mut number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::super::file::inflate;
    use super::*;

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 7_u64;
        let step = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            b"abcdefghijklmnop"[(state >> 60) as usize]
        };
        (0..len).map(step).collect()
    }

    #[test]
    fn blocks_are_one_stream() {
        for len in [0, 1, BLOCK_MIN, BLOCK_MIN + 1, 3 * BLOCK_MAX + 5] {
            let (raw, mut blocks) = (noise(len), Blocks::default());
            for growth in [Growth::Inside, Growth::AtEnd] {
                let parts: [(&[u8], Growth); 3] = [(&raw, growth), (b"", growth), (b"xyz", growth)];
                let stream = blocks.deflate(&parts);
                blocks.finish();
                assert_eq!(inflate(&stream, len + 3).unwrap(), [&raw[..], b"xyz"].concat());
            }
        }
    }

    #[test]
    fn what_is_saved_again_is_compressed_where_it_changed() {
        let mut raw = noise(20 * BLOCK_MAX);
        let mut blocks = Blocks::default();
        blocks.deflate(&[(&raw, Growth::Inside)]);
        blocks.finish();
        let before = blocks.kept.clone();
        raw.insert(10 * BLOCK_MAX, b'!');
        let stream = blocks.deflate(&[(&raw, Growth::Inside)]);
        blocks.finish();
        let new = blocks.kept.keys().filter(|name| !before.contains_key(*name)).count();
        assert!((1..=3).contains(&new), "{new} of {} blocks", blocks.kept.len());
        assert_eq!(inflate(&stream, raw.len()).unwrap(), raw);
    }
}
