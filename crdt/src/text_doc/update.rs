//! Updates: some events of a text as bytes, complete in themselves.
//!
//! A version byte; the logs mentioned; then events, log by log in the order of their numbers. Updates may come
//! in any order and more than once. The byte table is in `docs/wire-format.md`.

use std::fmt;

use super::blocks::deflate;
use super::file::inflate;
use super::journal::{Listening, varint};
use super::{FileError, Splice, TextDoc};
use crate::algebra::{Chars, Elements, Gone, Run, Side};
use crate::causal::CausalContext;
use crate::codec::{DecodeError, Decoder};
use crate::dot::{Dot, DotRange, LogId};

const VERSION: u8 = 1;
/// The same, but that what follows is deflated, after its length.
const DEFLATED: u8 = 2;
/// Updates longer than this are deflated if that makes them shorter.
const PLAIN_BYTES_MAX: usize = 256;

const DELETE: u8 = 1;
/// Backward, or a left child.
const LEFT: u8 = 2;
/// There is no parent.
const ROOT: u8 = 4;
/// There is no right origin.
const END: u8 = 8;
/// The parent is the dot before the first.
const NEXT: u8 = 16;
/// The event follows the one before in the same log.
const FOLLOWS: u8 = 32;
/// It is one element.
const ONE: u8 = 64;
/// What it refers to is of the same log.
const SAME: u8 = 128;

/// Why an update cannot be made or taken in; the text has not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateError {
    /// It is of a later version of the format.
    Newer {
        /// Which version.
        version: u8,
    },
    /// It is no update.
    Malformed(DecodeError),
    /// What it would tell was left out of a shallow file.
    Shallow,
    /// The history that it needs cannot be read.
    File(FileError),
}

impl fmt::Display for UpdateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer { version } => {
                write!(f, "the update has version {version}, this program reads up to {VERSION}")
            }
            Self::Malformed(error) => write!(f, "this is no update: {error}"),
            Self::Shallow => f.write_str(
                "the document was opened from a shallow file and lacks deleted text that would be told",
            ),
            Self::File(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for UpdateError {}

impl From<DecodeError> for UpdateError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

impl From<FileError> for UpdateError {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

/// An event as it is told.
enum Event<'a> {
    Run(Run<'a, str>),
    Gone(Gone),
}

impl Event<'_> {
    fn first(&self) -> Dot {
        match self {
            Self::Run(run) => run.first,
            Self::Gone(gone) => gone.first,
        }
    }
}

impl TextDoc {
    /// What was written here since the last call, as an update for others; empty bytes if nothing was.
    pub fn update(&mut self) -> Vec<u8> {
        if self.thaw().is_err() || self.told == self.next {
            return Vec::new();
        }
        let (start, len) = (u64::from(self.told), u64::from(self.next - self.told));
        self.told = self.next;
        let mut events = Vec::new();
        self.events_in(DotRange { log: self.log, start, len }, &mut events);
        encode(&events)
    }

    /// What somebody lacks who has seen `version`, as an update; empty bytes if nothing.
    ///
    /// # Errors
    /// [`UpdateError::Shallow`] or [`UpdateError::File`].
    pub fn update_since(&mut self, version: &CausalContext) -> Result<Vec<u8>, UpdateError> {
        if self.frozen.is_some() && self.version() == *version {
            return Ok(Vec::new());
        }
        self.thaw()?;
        let mut events = Vec::new();
        for range in self.version().ranges() {
            for missing in version.gaps(range) {
                if self.blank.overlap(missing).next().is_some() {
                    return Err(UpdateError::Shallow);
                }
                self.events_in(missing, &mut events);
            }
        }
        Ok(encode(&events))
    }

    /// The events that wait for others, as an update.
    pub(super) fn waiting(&self) -> Option<Vec<u8>> {
        let mut events: Vec<Event<'_>> = Vec::new();
        events.extend(self.chars.loose_runs().map(Event::Run));
        events.extend(self.chars.loose_gone().map(Event::Gone));
        events.sort_by_key(Event::first);
        (!events.is_empty()).then(|| encode(&events))
    }

    /// The placed events of a range of dots, in order.
    fn events_in<'a>(&'a self, range: DotRange, events: &mut Vec<Event<'a>>) {
        let from = events.len();
        self.chars.runs_in(range, &mut |run| events.push(Event::Run(run)));
        let count = events.len();
        self.chars.gone_in(range, &mut |gone| events.push(Event::Gone(gone)));
        if from < count
            && count < events.len()
            && let Some(fresh) = events.get_mut(from..)
        {
            fresh.sort_by_key(Event::first);
        }
    }

    /// Takes in an update; tells whether it was news. O(log n) and what it tells.
    ///
    /// # Errors
    /// An [`UpdateError`]; the text has not changed then.
    pub fn apply(&mut self, update: &[u8]) -> Result<bool, UpdateError> {
        self.apply_watched(update, |_| ())
    }

    /// The same, telling an editor that shows the text what to do, splice by splice in order.
    ///
    /// # Errors
    /// An [`UpdateError`]; the text has not changed then.
    pub fn apply_watched(
        &mut self,
        update: &[u8],
        mut watch: impl FnMut(Splice<'_>),
    ) -> Result<bool, UpdateError> {
        if update.is_empty() {
            return Ok(false);
        }
        self.thaw()?;
        let mut from = Decoder::plain(update);
        let inflated;
        match from.byte()? {
            VERSION => {}
            DEFLATED => {
                let len = usize::try_from(from.varint()?).map_err(|_| DecodeError::Invalid)?;
                inflated = inflate(from.rest(), len).ok_or(DecodeError::Invalid)?;
                from = Decoder::plain(&inflated);
            }
            version => return Err(UpdateError::Newer { version }),
        }
        let mut reader = Reader::open(from)?;
        let mut ahead = reader.next()?;
        let mut check = reader.clone();
        while check.next()?.is_some() {}
        let mut listening = Listening {
            journal: &mut self.journal,
            splice: |at: u32, delete: u32, insert: &str| {
                watch(Splice { at: at as usize, delete: delete as usize, insert });
            },
        };
        let mut news = false;
        while let Some(event) = ahead {
            ahead = reader.next()?;
            match event {
                Event::Run(run) => {
                    let dots = run.dots::<Chars>();
                    if self.chars.is_fresh(dots) {
                        self.chars.add_run(&run, &mut listening);
                        news = true;
                        continue;
                    }
                    for fresh in self.chars.unknown(dots) {
                        self.chars.add_run(&run.part::<Chars>(fresh), &mut listening);
                        news = true;
                    }
                }
                Event::Gone(gone) => {
                    if self.chars.is_fresh(gone.dots()) {
                        self.chars.add_gone(gone, &mut listening);
                        news = true;
                        continue;
                    }
                    for fresh in self.chars.unknown(gone.dots()) {
                        self.chars.add_gone(gone.part(fresh), &mut listening);
                        news = true;
                    }
                }
            }
        }
        if let Some(log) = self.chars.weave().and_then(|weave| weave.log_of(self.log)) {
            // Events of this log that were told elsewhere before its file was restored are not used again.
            self.next = self.next.max(u32::try_from(log.end()).unwrap_or(u32::MAX));
        }
        Ok(news)
    }
}

fn encode(events: &[Event<'_>]) -> Vec<u8> {
    let mut logs: Vec<LogId> = Vec::new();
    let mut body = Vec::new();
    let mut number = |log: LogId| {
        let known = logs.iter().rposition(|known| *known == log);
        let number = known.unwrap_or_else(|| {
            logs.push(log);
            logs.len() - 1
        });
        u32::try_from(number).expect("there are fewer logs than events")
    };
    let mut last: Option<Dot> = None;
    for event in events {
        let first = event.first();
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let follows = last == Some(first);
        let mut head = |body: &mut Vec<u8>, tag: u8| {
            body.push(tag | flag(follows, FOLLOWS));
            if !follows {
                varint(body, number(first.log));
                varint(body, small(first.seq));
            }
        };
        let before = Dot { log: first.log, seq: first.seq - 1 };
        match event {
            Event::Run(run) => {
                let right = run.side == Side::Right;
                let next = run.parent == Some(before);
                let refers = [run.parent.filter(|_| !next), run.right];
                let same = refers.iter().flatten().all(|dot| dot.log == first.log);
                let len = Chars::count(run.values);
                let one = run.values.len() == 1;
                head(
                    &mut body,
                    flag(!right, LEFT)
                        | flag(run.parent.is_none(), ROOT)
                        | flag(right && run.right.is_none(), END)
                        | flag(next, NEXT)
                        | flag(one, ONE)
                        | flag(same, SAME),
                );
                for dot in refers.into_iter().flatten() {
                    refer(&mut body, first, dot, same, &mut number);
                }
                if !one {
                    varint(&mut body, small(run.values.len() as u64));
                }
                body.extend_from_slice(run.values.as_bytes());
                last = Some(first.plus(len as u64));
            }
            Event::Gone(gone) => {
                let same = gone.target.log == first.log;
                let (one, backward) = (gone.len == 1, gone.backward);
                head(&mut body, DELETE | flag(backward, LEFT) | flag(one, ONE) | flag(same, SAME));
                refer(&mut body, first, gone.target, same, &mut number);
                if !one {
                    varint(&mut body, small(gone.len));
                }
                last = Some(first.plus(gone.len));
            }
        }
    }
    if events.is_empty() {
        return Vec::new();
    }
    let mut update = Vec::with_capacity(body.len() + 16 * logs.len() + 2);
    update.push(VERSION);
    varint(&mut update, small(logs.len() as u64));
    logs.iter().for_each(|log| update.extend_from_slice(&log.0));
    update.extend_from_slice(&body);
    if update.len() > PLAIN_BYTES_MAX
        && let Some(plain) = update.get(1..)
    {
        let mut deflated = vec![DEFLATED];
        varint(&mut deflated, small(plain.len() as u64));
        deflated.extend_from_slice(&deflate(plain));
        if deflated.len() < update.len() {
            return deflated;
        }
    }
    update
}

/// Writes a dot that an event refers to; of the same log by how far back it is.
fn refer(
    body: &mut Vec<u8>,
    first: Dot,
    dot: Dot,
    same: bool,
    number: &mut impl FnMut(LogId) -> u32,
) {
    if same {
        varint(body, small(first.seq.wrapping_sub(dot.seq) & u64::from(u32::MAX)));
    } else {
        varint(body, number(dot.log));
        varint(body, small(dot.seq));
    }
}

fn small(number: u64) -> u32 {
    u32::try_from(number).expect("a text's events have numbers below 2^32")
}

/// Reads the events of an update one by one.
#[derive(Clone)]
struct Reader<'a> {
    logs: &'a [[u8; 16]],
    from: Decoder<'a>,
    next: Option<Dot>,
}

impl<'a> Reader<'a> {
    fn open(mut from: Decoder<'a>) -> Result<Self, DecodeError> {
        let bytes = from.count()?.checked_mul(16).ok_or(DecodeError::Truncated)?;
        let (logs, _) = from.raw(bytes)?.as_chunks();
        Ok(Self { logs, from, next: None })
    }

    fn number(&mut self) -> Result<u32, DecodeError> {
        u32::try_from(self.from.varint()?).map_err(|_| DecodeError::Invalid)
    }

    fn dot(&mut self) -> Result<Dot, DecodeError> {
        let log = self.number()?;
        let log = LogId(*self.logs.get(log as usize).ok_or(DecodeError::Invalid)?);
        Ok(Dot { log, seq: u64::from(self.number()?) })
    }

    fn refer(&mut self, first: Dot, same: bool) -> Result<Dot, DecodeError> {
        let dot = if same {
            let by = u64::from(self.number()?);
            Dot { log: first.log, seq: first.seq.wrapping_sub(by) & u64::from(u32::MAX) }
        } else {
            self.dot()?
        };
        let fits = (1..u64::from(u32::MAX)).contains(&dot.seq);
        if fits { Ok(dot) } else { Err(DecodeError::Invalid) }
    }

    fn next(&mut self) -> Result<Option<Event<'a>>, DecodeError> {
        if self.from.rest().is_empty() {
            return Ok(None);
        }
        let tag = self.from.byte()?;
        let first =
            if tag & FOLLOWS == 0 { self.dot()? } else { self.next.ok_or(DecodeError::Invalid)? };
        let (left, same, one) = (tag & LEFT != 0, tag & SAME != 0, tag & ONE != 0);
        if first.seq == 0 {
            return Err(DecodeError::Invalid);
        }
        let before = Dot { log: first.log, seq: first.seq - 1 };
        let (event, len) = if tag & DELETE != 0 {
            let target = self.refer(first, same)?;
            let len = if one { 1 } else { u64::from(self.number()?) };
            let reach = if left { target.seq } else { u64::from(u32::MAX) - target.seq };
            if len == 0 || len > reach {
                return Err(DecodeError::Invalid);
            }
            (Event::Gone(Gone { first, target, len, backward: left && len > 1 }), len)
        } else {
            let (root, end, next) = (tag & ROOT != 0, tag & END != 0, tag & NEXT != 0);
            let parent = match (root, next) {
                (true, false) => None,
                (false, true) if before.seq > 0 => Some(before),
                (false, false) => Some(self.refer(first, same)?),
                _ => return Err(DecodeError::Invalid),
            };
            let right = if left || end { None } else { Some(self.refer(first, same)?) };
            let bytes = if one { 1 } else { self.from.count()? };
            let values = std::str::from_utf8(self.from.raw(bytes)?);
            let values = values.map_err(|_| DecodeError::Invalid)?;
            let side = if left { Side::Left } else { Side::Right };
            if values.is_empty() || left && root {
                return Err(DecodeError::Invalid);
            }
            let len = Chars::count(values) as u64;
            (Event::Run(Run { first, parent, side, right, values }), len)
        };
        if first.seq + len >= u64::from(u32::MAX) {
            return Err(DecodeError::Invalid);
        }
        self.next = Some(first.plus(len));
        Ok(Some(event))
    }
}
