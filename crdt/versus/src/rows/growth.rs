//! Much more of it: long traces, and a thousand writers at once.

use crate::engines::{Cola, Diamond, Engine, Loro, Ours};
use crate::measure::{heap, time};
use crate::report::{Entry, Race};
use crate::traces::{Random, Sequential, typing};

const WRITERS: usize = 1000;

/// What a thousand writers each add to one text without hearing of each other.
fn burst<E: Engine>(scattered: bool) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut random = Random(7);
    let (edits, text) = typing(5000, 3);
    drop(edits);
    let mut base = E::new(0);
    base.commit(&[(0, 0, text.clone())]);
    let file = base.save();
    let updates = (0..WRITERS).map(|writer| {
        let mut doc = E::load(&file, writer as u64 + 1);
        let at = if scattered { random.below(text.len()) } else { text.len() / 2 };
        let keys: Vec<_> = (0..20)
            .map(|n| (at + n, 0, char::from(b'a' + (writer % 26) as u8).to_string()))
            .collect();
        doc.commit_told(&keys)
    });
    let updates = updates.collect();
    (file, updates)
}

fn merge<E: Engine>((file, updates): &(Vec<u8>, Vec<Vec<u8>>)) -> f64 {
    time(|| {
        let mut doc = E::load(file, 5000);
        doc.apply_all(updates);
        doc.text()
    })
}

pub fn run(race: &mut Race, quick: bool) {
    let burst_rows = ["burst: 1000 writers at one place", "burst: 1000 writers anywhere"];
    if race.wants(&burst_rows.map(str::to_owned)) {
        for (scattered, name) in [(false, burst_rows[0]), (true, burst_rows[1])] {
            let mut entries: Vec<Entry<'_>> = Vec::new();
            macro_rules! add {
                ($engine:ty) => {
                    if !race.skips(<$engine>::NAME) {
                        eprint!("\r\x1b[K{name}: {} prepares", <$engine>::NAME);
                        let work = burst::<$engine>(scattered);
                        entries.push((
                            <$engine>::NAME,
                            Box::new(move || Some(merge::<$engine>(&work))),
                        ));
                    }
                };
            }
            crate::engines::each_engine!(add);
            race.race(name, entries);
        }
    }
    let sizes: &[usize] =
        if quick { &[10_000, 100_000] } else { &[100_000, 1_000_000, 10_000_000] };
    for size in sizes {
        let name = |what: &str| format!("growth: {size} edits, {what}");
        if !race.wants(&["time", "heap"].map(name)) {
            continue;
        }
        // Blocks of one trace over and over: what is typed stays as long as a book, its history does not.
        let (edits, text) = typing((*size).min(100_000), 5);
        let clear = (0, text.len(), String::new());
        let mut all = Vec::with_capacity(*size);
        while all.len() < *size {
            all.extend(edits.iter().cloned());
            all.push(clear.clone());
        }
        all.truncate(*size);
        let trace = Sequential {
            name: String::new(),
            start: String::new(),
            edits: all,
            end: String::new(),
        };
        let typed = |commit: &mut dyn FnMut(usize)| (0..trace.edits.len()).for_each(commit);
        macro_rules! engines {
            ($measure:expr) => {{
                let mut entries: Vec<Entry<'_>> = Vec::new();
                macro_rules! add {
                    ($engine:ty, $most:expr) => {
                        if *size <= $most {
                            entries.push((
                                <$engine>::NAME,
                                Box::new(|| {
                                    Some($measure(&mut || {
                                        let mut doc = <$engine>::new(0);
                                        typed(&mut |n| {
                                            doc.commit(std::slice::from_ref(&trace.edits[n]))
                                        });
                                        Box::new(doc) as Box<dyn std::any::Any>
                                    }))
                                }),
                            ));
                        }
                    };
                }
                add!(Ours, usize::MAX);
                add!(Diamond, usize::MAX);
                add!(Cola, 1_000_000);
                add!(Loro, 1_000_000);
                entries
            }};
        }
        type Make<'a> = &'a mut dyn FnMut() -> Box<dyn std::any::Any>;
        race.race(&name("time"), engines!(|make: Make<'_>| time(make)));
        race.weigh(&name("heap"), "B", engines!(|make: Make<'_>| heap(make).0));
    }
}
