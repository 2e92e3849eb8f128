//! The canonical form of a sequence: its insertions, its deletions, each run by run in order of dots.

use super::elements::{Chars, Elements};
use super::events::{Gone, Run, Side};
use super::{DotRange, Sequence};
use crate::causal::CausalContext;
use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::dot::Dot;

const RIGHT: u8 = 1;
/// There is no parent.
const ROOT: u8 = 2;
/// There is no right origin.
const END: u8 = 4;
/// The parent is the dot before the first.
const NEXT: u8 = 8;

fn before(first: Dot) -> Dot {
    Dot { log: first.log, seq: first.seq.saturating_sub(1) }
}

impl Encode for Chars {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.bytes(self.part(0, self.len()).as_bytes());
    }
}

impl Decode for Chars {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let text = std::str::from_utf8(from.bytes()?).map_err(|_| DecodeError::Invalid)?;
        let mut chars = Self::default();
        chars.push(text);
        Ok(chars)
    }
}

impl<T: PartialEq + Clone, E: Elements<Item = T> + Encode> Encode for Sequence<T, E> {
    fn encode(&self, out: &mut Encoder<'_>) {
        let runs = self.runs();
        out.varint(runs.iter().filter(|(_, more)| !more).count() as u64);
        let mut rest = runs.iter().peekable();
        while let Some((run, _)) = rest.next() {
            let mut values = E::default();
            values.push(run.values);
            while let Some((more, _)) = rest.next_if(|(_, more)| *more) {
                values.push(more.values);
            }
            encode_head(run, out);
            values.encode(out);
        }
        let gone = self.gone();
        out.varint(gone.len() as u64);
        for gone in gone {
            gone.first.encode(out);
            gone.target.encode(out);
            out.varint(gone.len << 1 | u64::from(gone.backward));
        }
        self.dropped().encode(out);
    }
}

fn encode_head<S: ?Sized>(run: &Run<'_, S>, out: &mut Encoder<'_>) {
    run.first.encode(out);
    let next = run.parent == Some(before(run.first));
    let right = run.side == Side::Right;
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    out.byte(
        flag(right, RIGHT)
            | flag(run.parent.is_none(), ROOT)
            | flag(right && run.right.is_none(), END)
            | flag(next, NEXT),
    );
    if let Some(parent) = run.parent.filter(|_| !next) {
        parent.encode(out);
    }
    if let Some(right) = run.right {
        right.encode(out);
    }
}

fn decode_head<'a, E: Elements>(
    values: &'a E,
    head: (Dot, u8, Option<Dot>, Option<Dot>),
) -> Run<'a, E::Slice> {
    let (first, flags, parent, right) = head;
    let side = if flags & RIGHT == 0 { Side::Left } else { Side::Right };
    Run { first, parent, side, right, values: values.part(0, values.len()) }
}

impl<T: PartialEq + Clone, E: Elements<Item = T> + Decode> Decode for Sequence<T, E> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let mut sequence = Self::default();
        let mut last: Option<(Dot, Option<Dot>)> = None;
        for _ in 0..from.count()? {
            let first = Dot::decode(from)?;
            let flags = from.byte()?;
            let (root, right) = (flags & ROOT != 0, flags & RIGHT != 0);
            let (end, next) = (flags & END != 0, flags & NEXT != 0);
            if flags > 15 || !right && (root || end) || root && next || first.seq == 0 {
                return Err(DecodeError::Invalid);
            }
            let parent = match (root, next) {
                (true, _) => None,
                (_, true) => Some(before(first)),
                _ => Some(Dot::decode(from)?).filter(|dot| *dot != before(first)),
            };
            let origin = if right && !end { Some(Dot::decode(from)?) } else { None };
            let values = E::decode(from)?;
            let run = decode_head(&values, (first, flags, parent, origin));
            let dots = run.dots::<E>();
            let ascends = last.is_none_or(|(end, origin)| {
                (end <= first || end.log < first.log) && !run.continues(end, origin)
            });
            if values.is_empty() || !ascends || parent.is_none() && !root {
                return Err(DecodeError::NotCanonical);
            }
            last = Some((Dot { log: first.log, seq: end_of(dots)? }, run.origin()));
            sequence.add_run(&run, &mut ());
        }
        let mut last: Option<Gone> = None;
        for _ in 0..from.count()? {
            let (first, target) = (Dot::decode(from)?, Dot::decode(from)?);
            let size = from.varint()?;
            let gone = Gone { first, target, len: size >> 1, backward: size & 1 == 1 };
            let lowest = if gone.backward { gone.len } else { 1 };
            let single = gone.len < 2 && gone.backward;
            if gone.len == 0 || first.seq == 0 || target.seq < lowest || single {
                return Err(DecodeError::Invalid);
            }
            end_of(gone.dots())?;
            end_of(gone.targets())?;
            if let Some(mut last) = last {
                let after = last.first.plus(last.len);
                let ascends = after <= first || last.first.log < first.log;
                if !ascends || last.append(gone) != Some(gone) {
                    return Err(DecodeError::NotCanonical);
                }
            }
            if !sequence.inserted(gone.dots()).is_empty() {
                return Err(DecodeError::Invalid);
            }
            last = Some(gone);
            sequence.add_gone(gone, &mut ());
        }
        let dropped = CausalContext::decode(from)?;
        for range in dropped.ranges() {
            let known: u64 = sequence.known(range).iter().map(|part| part.len).sum();
            if known != range.len {
                return Err(DecodeError::Invalid);
            }
            sequence.drop_elements(range);
        }
        Ok(sequence)
    }
}

/// The number after the last of some dots, if a sequence can keep it.
fn end_of(dots: DotRange) -> Result<u64, DecodeError> {
    let end = dots.start.checked_add(dots.len).ok_or(DecodeError::Invalid)?;
    if end <= u64::from(u32::MAX) { Ok(end) } else { Err(DecodeError::Invalid) }
}

impl<T: PartialEq + Clone, E: Elements<Item = T>> PartialEq for Sequence<T, E> {
    fn eq(&self, other: &Self) -> bool {
        let (one, two) = (self.runs(), other.runs());
        let heads = |runs: &[(Run<'_, E::Slice>, bool)]| -> Vec<_> {
            let heads = runs.iter().filter(|(_, more)| !more);
            heads.map(|(run, _)| (run.first, run.parent, run.side, run.right)).collect()
        };
        let items = |runs: &[(Run<'_, E::Slice>, bool)]| -> Vec<T> {
            runs.iter().flat_map(|(run, _)| E::items(run.values)).collect()
        };
        let len = |runs: &[(Run<'_, E::Slice>, bool)]| -> Vec<Dot> {
            let ends = runs.iter().map(|(run, _)| run.first.plus(E::count(run.values) as u64));
            let next = runs.iter().skip(1).map(|(_, more)| *more).chain([false]);
            ends.zip(next).filter(|(_, more)| !more).map(|(end, _)| end).collect()
        };
        self.dropped() == other.dropped()
            && heads(&one) == heads(&two)
            && len(&one) == len(&two)
            && items(&one) == items(&two)
            && self.gone() == other.gone()
    }
}

impl<T: Eq + Clone, E: Elements<Item = T>> Eq for Sequence<T, E> {}
