//! Rows, as a table or as JSON.

use serde::Serialize;

/// What one way of comparing took.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cost {
    /// Both ways.
    pub bytes: u64,
    /// By each end.
    pub each: [u64; 2],
    pub rtt: f64,
    /// Both ends.
    pub cpu_us: f64,
    /// Cells that were sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cells: Option<usize>,
    /// Cells that would have done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed: Option<usize>,
}

/// One pair of replicas.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub logs: usize,
    pub changed: usize,
    /// Whether both remember what they last agreed on.
    pub base: bool,
    pub ranges: Cost,
    /// Symbols are heads.
    pub riblt: Cost,
    /// Symbols stand for heads.
    pub riblt_named: Cost,
}

impl Cost {
    pub fn of(each: [u64; 2], flights: u64, cpu_ns: u64) -> Self {
        let (rtt, cpu_us) = (flights as f64 / 2.0, cpu_ns as f64 / 1e3);
        Self { bytes: each[0] + each[1], each, rtt, cpu_us, cells: None, needed: None }
    }
}

/// The one with the median of bytes, with the medians of time and of cells.
pub fn median(mut costs: Vec<Cost>) -> Cost {
    let middle = costs.len() / 2;
    costs.sort_by(|a, b| a.cpu_us.total_cmp(&b.cpu_us));
    let cpu_us = costs[middle].cpu_us;
    costs.sort_by_key(|cost| cost.needed);
    let needed = costs[middle].needed;
    costs.sort_by_key(|cost| cost.bytes);
    Cost { cpu_us, needed, ..costs[middle] }
}

pub fn print(rows: &[Row], json: bool) {
    if json {
        println!("{}", serde_json::to_string_pretty(rows).expect("rows are data"));
        return;
    }
    println!(
        "| logs | changed | base | ranges: bytes | rtt | CPU µs | IBLT of heads: bytes | rtt | CPU µs | IBLT of names: bytes | rtt | CPU µs |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    for row in rows {
        let base = if row.base { "yes" } else { "no" };
        let costs = [row.ranges, row.riblt, row.riblt_named]
            .map(|cost| format!("{} | {} | {:.0}", cost.bytes, cost.rtt, cost.cpu_us));
        println!("| {} | {} | {base} | {} |", row.logs, row.changed, costs.join(" | "));
    }
}
