//! Several writers at once: their updates as they come, all at once, and what is left of it.

use std::time::Instant;

use crate::engines::Engine;
use crate::measure::{heap, time};
use crate::report::{Entry, Race};
use crate::traces::Concurrent;

const PATIENCE_SECONDS: f64 = 30.0;

struct Told<E> {
    updates: Vec<Vec<u8>>,
    file: Vec<u8>,
    text: String,
    engine: std::marker::PhantomData<E>,
}

/// Every writer a replica: takes in what it had seen, edits, tells. `None` if it takes too long.
fn tell<E: Engine>(race: &Race, trace: &Concurrent) -> Option<Told<E>> {
    if race.skips(E::NAME) {
        return None;
    }
    eprint!("\r\x1b[K{}: {} prepares", trace.name, E::NAME);
    let count = trace.transactions.len();
    let mut replicas: Vec<E> = (0..trace.agents).map(|agent| E::new(agent as u64)).collect();
    let mut seen = vec![vec![false; count]; trace.agents];
    let mut updates: Vec<Vec<u8>> = Vec::with_capacity(count);
    let start = Instant::now();
    for (index, txn) in trace.transactions.iter().enumerate() {
        let (replica, seen) = (&mut replicas[txn.agent], &mut seen[txn.agent]);
        let mut missing = Vec::new();
        let mut stack = txn.parents.clone();
        while let Some(parent) = stack.pop() {
            if !std::mem::replace(&mut seen[parent], true) {
                missing.push(parent);
                stack.extend(&trace.transactions[parent].parents);
            }
        }
        missing.sort_unstable();
        missing.into_iter().for_each(|parent| replica.apply(&updates[parent]));
        seen[index] = true;
        updates.push(replica.commit_told(&txn.edits));
        let spent = start.elapsed().as_secs_f64();
        if spent > 2.0 && spent / (index as f64) * (count as f64) > 4.0 * PATIENCE_SECONDS {
            return None;
        }
    }
    let mut all = stream::<E>(&updates)?;
    let text = all.text();
    if let Some(end) = &trace.end {
        assert_eq!(&text, end, "{} reads the trace otherwise", E::NAME);
    }
    let file = all.save();
    assert_eq!(E::load(&file, 9).text(), text, "{} loses text", E::NAME);
    Some(Told { updates, file, text, engine: std::marker::PhantomData })
}

fn stream<E: Engine>(updates: &[Vec<u8>]) -> Option<E> {
    let mut doc = E::new(99);
    let start = Instant::now();
    for (index, update) in updates.iter().enumerate() {
        doc.apply(update);
        if index % 100 == 99 {
            let spent = start.elapsed().as_secs_f64();
            if spent > 2.0 && spent / (index as f64) * (updates.len() as f64) > PATIENCE_SECONDS {
                return None;
            }
        }
    }
    Some(doc)
}

fn streamed<E: Engine>(told: &Told<E>) -> Option<f64> {
    let mut none = false;
    let taken = time(|| {
        let doc = stream::<E>(&told.updates);
        none = doc.is_none();
        doc
    });
    (!none).then_some(taken)
}

fn batch<E: Engine>(told: &Told<E>) -> Option<f64> {
    let mut text = String::new();
    let taken = time(|| {
        let mut doc = E::new(99);
        doc.apply_all(&told.updates);
        text = doc.text();
        doc
    });
    assert_eq!(text, told.text, "{} merges otherwise at once", E::NAME);
    Some(taken)
}

fn file<E: Engine>(told: &Told<E>) -> Option<f64> {
    Some(told.file.len() as f64)
}

fn sum<E: Engine>(told: &Told<E>) -> Option<f64> {
    Some(told.updates.iter().map(Vec::len).sum::<usize>() as f64)
}

fn load<E: Engine>(told: &Told<E>) -> Option<f64> {
    Some(time(|| E::load(&told.file, 99).text()))
}

fn first<E: Engine>(told: &Told<E>) -> Option<f64> {
    Some(time(|| {
        let mut doc = E::load(&told.file, 99);
        doc.commit(&[(100, 0, "x".to_owned())]);
        doc
    }))
}

/// A file, then one update of somebody else: what has to be there to merge.
fn merge<E: Engine>(told: &Told<E>) -> Option<f64> {
    let mut other = E::load(&told.file, 98);
    let update = other.commit_told(&[(100, 0, "x".to_owned())]);
    Some(time(|| {
        let mut doc = E::load(&told.file, 99);
        doc.apply(&update);
        doc
    }))
}

fn kept<E: Engine>(told: &Told<E>) -> Option<f64> {
    Some(heap(|| stream::<E>(&told.updates)).0)
}

pub fn run(race: &mut Race, trace: &Concurrent) {
    let row = |what: &str| format!("{}: {what}", trace.name);
    let names = [
        "live stream of updates",
        "all updates at once",
        "file with all history",
        "sum of updates",
        "load to text",
        "load and first edit",
        "load and first update",
        "heap after stream",
    ];
    if !race.wants(&names.map(row)) {
        return;
    }
    let ours = tell::<crate::engines::Ours>(race, trace);
    let diamond = tell::<crate::engines::Diamond>(race, trace);
    let loro = tell::<crate::engines::Loro>(race, trace);
    let yrs = tell::<crate::engines::Yrs>(race, trace);
    let cola = tell::<crate::engines::Cola>(race, trace);
    let automerge = tell::<crate::engines::Automerge>(race, trace);
    macro_rules! entries {
        ($with:ident) => {{
            let mut entries: Vec<Entry<'_>> = Vec::new();
            macro_rules! add {
                ($name:ident: $engine:ident) => {
                    entries.push((
                        <crate::engines::$engine>::NAME,
                        Box::new(|| $with($name.as_ref()?)),
                    ));
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
    race.race(&row("live stream of updates"), entries!(streamed));
    race.race(&row("all updates at once"), entries!(batch));
    race.weigh(&row("file with all history"), "B", entries!(file));
    race.weigh(&row("sum of updates"), "B", entries!(sum));
    race.race(&row("load to text"), entries!(load));
    race.race(&row("load and first edit"), entries!(first));
    race.race(&row("load and first update"), entries!(merge));
    race.weigh(&row("heap after stream"), "B", entries!(kept));
}
