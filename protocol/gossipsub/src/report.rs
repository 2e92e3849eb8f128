//! What came of a run.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde::Serialize;

use crate::{AUTHORS, WARM_UP, Work};

/// One way of spreading among so many nodes.
#[derive(Debug, Serialize)]
pub struct Row {
    pub what: &'static str,
    pub nodes: usize,
    pub messages: u32,
    /// Time from writing to delivery at another node.
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    /// Time to the last node, mean over messages.
    pub last_ms: f64,
    /// Bytes that a node writes for each message, all layers above memory; what is written at rest included.
    pub bytes_per_node: f64,
    /// Deliveries that did not come.
    pub missed: u64,
    /// Mean number of links of a node.
    pub links: f64,
    /// Links that a node made while messages went around, mean.
    pub links_made: f64,
}

/// When which message was written, and when it arrived.
pub struct Arrivals {
    work: Work,
    written: Vec<Mutex<Option<Instant>>>,
    arrived: Mutex<Vec<Vec<f64>>>,
    pub bytes: AtomicU64,
}

impl Arrivals {
    pub fn new(work: Work) -> Self {
        Self {
            work,
            written: (0..work.all()).map(|_| Mutex::new(None)).collect(),
            arrived: Mutex::new(vec![Vec::new(); work.all() as usize]),
            bytes: AtomicU64::new(0),
        }
    }

    pub fn write(&self, message: u32) {
        *self.written[message as usize].lock().expect("nobody panics") = Some(Instant::now());
    }

    pub fn arrive(&self, message: u32) {
        let written = *self.written[message as usize].lock().expect("nobody panics");
        let ms = written.expect("it was written").elapsed().as_secs_f64() * 1_000.0;
        self.arrived.lock().expect("nobody panics")[message as usize].push(ms);
    }

    pub fn row(&self, what: &'static str, bytes_before: u64, links: f64) -> Row {
        let bytes = self.bytes.load(Ordering::Relaxed) - bytes_before;
        let arrived = self.arrived.lock().expect("nobody panics");
        let measured = &arrived[WARM_UP as usize * AUTHORS..];
        let mut all: Vec<f64> = measured.iter().flatten().copied().collect();
        all.sort_by(f64::total_cmp);
        let at = |share: f64| all.get((all.len() as f64 * share) as usize).copied().unwrap_or(0.0);
        let last = |times: &Vec<f64>| times.iter().copied().fold(0.0, f64::max);
        let Work { nodes, messages, .. } = self.work;
        Row {
            what,
            nodes,
            messages,
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            max_ms: all.last().copied().unwrap_or(0.0),
            last_ms: measured.iter().map(last).sum::<f64>() / f64::from(messages),
            bytes_per_node: bytes as f64 / nodes as f64 / f64::from(messages),
            missed: (nodes as u64 - 1) * u64::from(messages) - all.len() as u64,
            links,
            links_made: 0.0,
        }
    }
}

pub fn print(rows: &[Row], json: bool) {
    if json {
        println!("{}", serde_json::to_string(rows).expect("rows are plain JSON"));
        return;
    }
    for row in rows {
        println!(
            "{:>9} {:>4} nodes, {:>4.1} links ({:.1} new): p50 {:>7.2} ms, p99 {:>7.2}, max {:>7.2}, last {:>7.2}; \
             {:>6.0} bytes a node and message, {} missed",
            row.what,
            row.nodes,
            row.links,
            row.links_made,
            row.p50_ms,
            row.p99_ms,
            row.max_ms,
            row.last_ms,
            row.bytes_per_node,
            row.missed,
        );
    }
}
