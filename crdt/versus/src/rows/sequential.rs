//! One writer's trace: typing it, saving it, opening it.

use std::time::Instant;

use crop::Rope;

use crate::engines::{Engine, each_engine};
use crate::measure::{heap, time};
use crate::report::{BARE, Entry, Race};
use crate::traces::{Edit, Sequential};

/// An engine that would take longer than this for one sample is left out of a row.
const PATIENCE_SECONDS: f64 = 20.0;

/// Types a trace, a commit per edit; gives up when it takes too long.
pub fn typed<E: Engine>(trace: &Sequential) -> Option<E> {
    let mut doc = E::new(0);
    if !trace.start.is_empty() {
        doc.commit(&[(0, 0, trace.start.clone())]);
    }
    let start = Instant::now();
    for (done, edit) in trace.edits.iter().enumerate() {
        doc.commit(std::slice::from_ref(edit));
        if done % 1000 == 999 {
            let spent = start.elapsed().as_secs_f64();
            if spent / (done as f64) * (trace.edits.len() as f64) > PATIENCE_SECONDS && spent > 1.0
            {
                return None;
            }
        }
    }
    Some(doc)
}

fn at_once<E: Engine>(trace: &Sequential) -> Option<E> {
    if !E::BATCHES {
        return None;
    }
    let mut doc = E::new(0);
    if !trace.start.is_empty() {
        doc.commit(&[(0, 0, trace.start.clone())]);
    }
    doc.commit(&trace.edits);
    Some(doc)
}

fn rope(start: &str, edits: &[Edit]) -> Rope {
    let mut rope = Rope::from(start);
    for (at, gone, text) in edits {
        if *gone > 0 {
            rope.delete(*at..*at + *gone);
        }
        if !text.is_empty() {
            rope.insert(*at, text);
        }
    }
    rope
}

/// Positions, lengths and text as columns, at the highest level of zstd: no ids, no checksums.
fn columns(edits: &[Edit]) -> usize {
    let (mut places, mut lens, mut text) = (Vec::new(), Vec::new(), String::new());
    let mut last = 0_i64;
    let mut open: Option<(i64, i64, i64)> = None;
    let mut close = |op: (i64, i64, i64)| {
        let varint = |column: &mut Vec<u8>, mut n: u64| {
            while n >= 0x80 {
                column.push(n as u8 | 0x80);
                n >>= 7;
            }
            column.push(n as u8);
        };
        let (at, gone, come) = op;
        let by = at - last;
        varint(&mut places, ((by << 1) ^ (by >> 63)) as u64);
        varint(&mut lens, gone as u64);
        varint(&mut lens, come as u64);
        last = at + come;
    };
    for (at, gone, insert) in edits {
        text.push_str(insert);
        let (at, gone, come) = (*at as i64, *gone as i64, insert.len() as i64);
        open = match open {
            Some((start, was, typed)) if gone == 0 && at == start + typed => {
                Some((start, was, typed + come))
            }
            Some((start, was, 0)) if come == 0 && at + gone == start => Some((at, was + gone, 0)),
            other => {
                if let Some(op) = other {
                    close(op);
                }
                Some((at, gone, come))
            }
        };
    }
    if let Some(op) = open {
        close(op);
    }
    let size = |bytes: &[u8]| zstd::encode_all(bytes, 19).expect("memory takes it").len();
    size(&places) + size(&lens) + size(text.as_bytes())
}

pub fn run(race: &mut Race, trace: &Sequential) {
    let row = |what: &str| format!("{}: {what}", trace.name);
    let names = [
        "replay, a commit per edit",
        "replay, one commit",
        "heap after replay",
        "heap peak in replay",
        "file with all history",
        "save",
        "save after one more edit",
        "load to text",
        "load and first edit",
        "heap after load to text",
        "heap peak in load to text",
    ];
    if !race.wants(&names.map(row)) {
        return;
    }
    let mut entries: Vec<Entry<'_>> =
        vec![(BARE, Box::new(|| Some(time(|| rope(&trace.start, &trace.edits)))))];
    macro_rules! add {
        ($engine:ty) => {
            entries.push((
                <$engine>::NAME,
                Box::new(|| {
                    let mut none = false;
                    let taken = time(|| {
                        let doc = typed::<$engine>(trace);
                        none = doc.is_none();
                        doc
                    });
                    (!none).then_some(taken)
                }),
            ));
        };
    }
    each_engine!(add);
    race.race(&row("replay, a commit per edit"), entries);

    let mut entries: Vec<Entry<'_>> =
        vec![(BARE, Box::new(|| Some(time(|| rope(&trace.start, &trace.edits)))))];
    macro_rules! add {
        ($engine:ty) => {
            entries.push((
                <$engine>::NAME,
                Box::new(|| <$engine>::BATCHES.then(|| time(|| at_once::<$engine>(trace)))),
            ));
        };
    }
    each_engine!(add);
    race.race(&row("replay, one commit"), entries);

    let bare = || heap(|| (rope(&trace.start, &trace.edits), trace.edits.len() * 4));
    for (peak, what) in [(false, "heap after replay"), (true, "heap peak in replay")] {
        let pick = move |(kept, most): (f64, f64)| if peak { most } else { kept };
        let mut entries: Vec<Entry<'_>> = vec![(BARE, Box::new(move || Some(pick(bare()))))];
        macro_rules! add {
            ($engine:ty) => {
                entries.push((
                    <$engine>::NAME,
                    Box::new(move || {
                        let mut none = false;
                        let held = heap(|| {
                            let doc = typed::<$engine>(trace);
                            none = doc.is_none();
                            doc
                        });
                        (!none).then_some(pick(held))
                    }),
                ));
            };
        }
        each_engine!(add);
        race.weigh(&row(what), "B", entries);
    }
    files(race, trace, &row);
}

fn files(race: &mut Race, trace: &Sequential, row: &impl Fn(&str) -> String) {
    struct Opened<E> {
        doc: E,
        file: Vec<u8>,
    }
    fn open<E: Engine>(race: &Race, trace: &Sequential) -> Option<Opened<E>> {
        if race.skips(E::NAME) {
            return None;
        }
        eprint!("\r\x1b[K{}: {}", trace.name, E::NAME);
        let mut doc = typed::<E>(trace).or_else(|| at_once::<E>(trace))?;
        assert_eq!(doc.text(), trace.end, "{} reads the trace otherwise", E::NAME);
        let file = doc.save();
        assert_eq!(E::load(&file, 0).text(), trace.end, "{} loses text", E::NAME);
        Some(Opened { doc, file })
    }
    macro_rules! docs {
        ($($name:ident: $engine:ident),*) => { $(
            let $name = std::cell::RefCell::new(open::<crate::engines::$engine>(race, trace));
        )* };
    }
    docs!(ours: Ours, diamond: Diamond, loro: Loro, yrs: Yrs, cola: Cola, automerge: Automerge);
    macro_rules! entries {
        ($with:expr) => {{
            let mut entries: Vec<Entry<'_>> = Vec::new();
            macro_rules! add {
                ($name:ident: $engine:ident) => {
                    entries.push((<crate::engines::$engine>::NAME, Box::new(|| {
                        let mut opened = $name.borrow_mut();
                        let opened = opened.as_mut()?;
                        #[allow(clippy::redundant_closure_call)]
                        Some($with(&mut opened.doc, &opened.file))
                    })));
                };
            }
            add!(ours: Ours);
            add!(diamond: Diamond);
            add!(loro: Loro);
            add!(yrs: Yrs);
            add!(cola: Cola);
            add!(automerge: Automerge);
            entries
        }};
    }
    fn size<E: Engine>(_: &mut E, file: &[u8]) -> f64 {
        file.len() as f64
    }
    fn save<E: Engine>(doc: &mut E, _: &[u8]) -> f64 {
        time(|| doc.save())
    }
    fn again<E: Engine>(doc: &mut E, _: &[u8]) -> f64 {
        doc.commit(&[(100, 0, "x".to_owned())]);
        doc.save();
        doc.commit(&[(100, 1, String::new())]);
        time(|| doc.save())
    }
    fn load<E: Engine>(_: &mut E, file: &[u8]) -> f64 {
        time(|| E::load(file, 0).text())
    }
    fn first<E: Engine>(_: &mut E, file: &[u8]) -> f64 {
        time(|| {
            let mut doc = E::load(file, 0);
            doc.commit(&[(1000, 0, "x".to_owned())]);
            doc
        })
    }
    fn opened<E: Engine>(file: &[u8]) -> (f64, f64) {
        heap(|| {
            let doc = E::load(file, 0);
            drop(doc.text());
            doc
        })
    }
    fn kept<E: Engine>(_: &mut E, file: &[u8]) -> f64 {
        opened::<E>(file).0
    }
    fn peak<E: Engine>(_: &mut E, file: &[u8]) -> f64 {
        opened::<E>(file).1
    }
    let mut sizes = entries!(size);
    sizes.push((BARE, Box::new(|| Some(columns(&trace.edits) as f64))));
    race.weigh(&row("file with all history"), "B", sizes);
    race.race(&row("save"), entries!(save));
    race.race(&row("save after one more edit"), entries!(again));
    let mut loads = entries!(load);
    loads.push((
        BARE,
        Box::new(|| Some(time(|| std::str::from_utf8(trace.end.as_bytes()).map(str::to_owned)))),
    ));
    race.race(&row("load to text"), loads);
    race.race(&row("load and first edit"), entries!(first));
    race.weigh(&row("heap after load to text"), "B", entries!(kept));
    race.weigh(&row("heap peak in load to text"), "B", entries!(peak));
}
