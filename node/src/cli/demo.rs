//! `meshwork demo`: three real nodes on this machine, through an outage and a kill.
//!
//! Each node is a process of its own with its own directory; they meet on loopback. The acts stand in order in
//! [`Stage::play`]; what was measured goes into one [`Report`]. Not here: how a node is started and asked
//! (`demo/device.rs`), how folders are made and compared (`demo/folder.rs`).

mod device;
mod folder;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::Context;
use super::terminal::{Terminal, table};
use crate::failure::{Failure, Result};

use device::Device;

/// How long anything may take that should happen at once.
const PATIENCE: Duration = Duration::from_secs(60);
/// The object through which delays are measured.
const CLOCK: &str = "demo-clock";
/// Edits over which the delay is measured.
const DELAY_EDITS: usize = 300;
/// Threads that write while a node is killed.
const WRITERS: usize = 4;
/// Writes that must have been acknowledged before the kill.
const ACKNOWLEDGED_MIN: u64 = 200;

/// Show three nodes on this machine share a folder, through an outage and a kill.
///
/// Starts three node processes on loopback with data of their own in a temporary directory, shares a copy of a
/// folder among them, takes one offline while the same file is edited on two sides, kills one in the middle of
/// writing, and checks that all agree in the end and nothing acknowledged is lost. Exits with 70 otherwise.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// The folder to share; a copy is used [default: docs and README.md of the current directory].
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Small entries that are written before the third node joins, to measure a cold sync.
    #[arg(long, default_value_t = 20_000)]
    entries: u64,
    /// Leave the nodes running, and their data in place.
    #[arg(long)]
    stay: bool,
}

/// What the demo measured.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// Whether all three ended up with the same, files and digests.
    converged: bool,
    /// Acknowledged writes that were gone after the kill.
    acked_lost: u64,
    /// Writes acknowledged by the node that was killed, before it was.
    acked_before_kill: u64,
    /// From the start of an edit on one node until another shows it, in milliseconds.
    edit_visible_ms: Delay,
    /// Entries the third node took in per second when it joined.
    cold_sync_entries_per_s: f64,
    /// Entries of that cold sync.
    cold_sync_entries: u64,
    /// Files shared.
    files: usize,
    /// Objects in the space.
    objects: usize,
    /// Bytes sent between the nodes, all together.
    wire_bytes: u64,
    /// Bytes of the changes themselves, before encryption.
    payload_bytes: u64,
    /// Digest of the space on each node.
    digests: Vec<String>,
    /// Where the nodes that were left running are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nodes: Vec<PathBuf>,
}

#[derive(Debug, Default, Serialize)]
struct Delay {
    p50: f64,
    p99: f64,
}

impl Demo {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        let root = tempfile::Builder::new()
            .prefix("meshwork-demo-")
            .tempdir()
            .map_err(|error| Failure::storage(format!("cannot make a directory: {error}")))?;
        let mut stage = Stage::new(root.path(), &context.terminal);
        let result = stage.play(&self);
        if self.stay && result.is_ok() {
            stage.leave();
            let _ = root.keep();
        } else {
            stage.close();
        }
        let report = result?;
        context.terminal.data(&report, human)?;
        if !report.converged || report.acked_lost > 0 {
            return Err(Failure::internal("the nodes did not end up with the same"));
        }
        Ok(())
    }
}

struct Stage<'a> {
    root: &'a Path,
    terminal: &'a Terminal,
    devices: Vec<Device>,
    report: Report,
    /// What finished processes had counted: bytes sent, payload bytes.
    retired: (u64, u64),
}

impl<'a> Stage<'a> {
    fn new(root: &'a Path, terminal: &'a Terminal) -> Self {
        Self { root, terminal, devices: Vec::new(), report: Report::default(), retired: (0, 0) }
    }

    fn play(&mut self, demo: &Demo) -> Result<Report> {
        self.open(demo)?;
        self.fill(demo.entries)?;
        self.join_third()?;
        self.measure_delay()?;
        self.edit_on_two_sides()?;
        self.kill_while_writing()?;
        self.judge(demo.stay)?;
        Ok(std::mem::take(&mut self.report))
    }

    fn say(&self, text: &str) {
        self.terminal.talk(text);
    }

    fn open(&mut self, demo: &Demo) -> Result<()> {
        self.say("starting two nodes");
        for name in ["anna", "ben"] {
            self.devices.push(Device::start(self.root, name)?);
        }
        let space = self.devices[0].create_space("demo")?;
        self.say("sharing a folder between them");
        let folder = self.devices[0].folder.clone();
        self.report.files = match &demo.dir {
            Some(dir) => folder::copy(dir, &folder)?,
            None => folder::copy_docs(Path::new("."), &folder)?,
        };
        self.devices[0].share()?;
        let ticket = self.devices[0].invite(&space)?;
        self.devices[1].join(&ticket)?;
        self.devices[1].share()?;
        self.wait_for_equal_folders("the folder to arrive")
    }

    /// Writes many small entries, from several threads so that they share persists.
    fn fill(&mut self, entries: u64) -> Result<()> {
        self.say(&format!("writing {entries} small entries"));
        let next = AtomicU64::new(0);
        let failed: Mutex<Option<Failure>> = Mutex::new(None);
        let device = &self.devices[0];
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    loop {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        if n >= entries {
                            break;
                        }
                        let written = device.put_key("numbers", &format!("k{}", n % 500), n);
                        if let Err(failure) = written {
                            failed.lock().expect("no writer panics").get_or_insert(failure);
                            break;
                        }
                    }
                });
            }
        });
        failed.into_inner().expect("no writer panics").map_or(Ok(()), Err)
    }

    fn join_third(&mut self) -> Result<()> {
        self.say("a third node joins");
        let third = Device::start(self.root, "cleo")?;
        let entries = self.devices[0].entries()?;
        let ticket = self.devices[0].invite("demo")?;
        let began = Instant::now();
        third.join(&ticket)?;
        wait("the cold sync", || Ok(third.applied()? >= entries))?;
        let took = began.elapsed();
        self.report.cold_sync_entries = entries;
        #[allow(clippy::cast_precision_loss)]
        let rate = entries as f64 / took.as_secs_f64();
        self.report.cold_sync_entries_per_s = rate.round();
        third.share()?;
        self.devices.push(third);
        self.wait_for_equal_folders("the folder to arrive at the third node")
    }

    /// Edits on the first node, watched on the second.
    fn measure_delay(&mut self) -> Result<()> {
        self.say(&format!("measuring {DELAY_EDITS} edits"));
        let mut watch = self.devices[1].watch(CLOCK)?;
        let mut delays = Vec::with_capacity(DELAY_EDITS);
        for n in 0..DELAY_EDITS + 20 {
            let value = n as u64 + 1;
            let began = Instant::now();
            let device = &self.devices[0];
            std::thread::scope(|scope| {
                let put = scope.spawn(move || device.put(CLOCK, value));
                watch.until(value)?;
                let seen = began.elapsed();
                put.join().map_err(|_| Failure::internal("a writer panicked"))??;
                if n >= 20 {
                    delays.push(seen.as_secs_f64() * 1_000.0);
                }
                Ok::<(), Failure>(())
            })?;
        }
        delays.sort_by(f64::total_cmp);
        let at = |share: usize| delays.get(delays.len() * share / 100).copied().unwrap_or(0.0);
        let round = |ms: f64| (ms * 100.0).round() / 100.0;
        self.report.edit_visible_ms = Delay { p50: round(at(50)), p99: round(at(99)) };
        Ok(())
    }

    fn edit_on_two_sides(&mut self) -> Result<()> {
        self.say("one node goes offline; the same file is edited on two sides");
        let name = "meshwork-demo.md";
        let base = "# Shopping\n\n- milk\n- bread\n- tea\n";
        self.devices[0].write(name, base)?;
        self.wait_for_file(name, |text| text == base)?;
        self.devices[1].set_online(false)?;
        let offline = "# Shopping\n\n- oat milk\n- bread\n- tea\n- apples\n";
        let online = "# Shopping for Sunday\n\n- milk\n- bread, two\n- tea\n";
        self.devices[1].write(name, offline)?;
        self.devices[0].write(name, online)?;
        wait("both edits to be taken in", || {
            Ok(self.devices[0].value(name)?.as_deref() == Some(online)
                && self.devices[1].value(name)?.as_deref() == Some(offline))
        })?;
        self.say("back online");
        self.devices[1].set_online(true)?;
        let merged = "# Shopping for Sunday\n\n- oat milk\n- bread, two\n- tea\n- apples\n";
        self.wait_for_file(name, |text| text == merged)
    }

    /// Kills the third node while several threads write to it, and counts what was acknowledged and is gone.
    fn kill_while_writing(&mut self) -> Result<()> {
        self.say("killing a node in the middle of writing");
        let acknowledged: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());
        let count = AtomicU64::new(0);
        let third = &self.devices[2];
        let (sent, payload) = third.traffic()?;
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (acknowledged, count) = (&acknowledged, &count);
                scope.spawn(move || {
                    for n in 0_u64.. {
                        let key = format!("w{writer}-{n}");
                        if third.put_key("survivors", &key, n).is_err() {
                            break;
                        }
                        acknowledged.lock().expect("no writer panics").insert(key, n);
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let began = Instant::now();
            while count.load(Ordering::Relaxed) < ACKNOWLEDGED_MIN && began.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(1));
            }
            third.kill();
        });
        let acknowledged = acknowledged.into_inner().expect("no writer panics");
        self.report.acked_before_kill = acknowledged.len() as u64;
        self.retired = (self.retired.0 + sent, self.retired.1 + payload);
        self.say(&format!(
            "{} writes had been acknowledged; starting it again",
            acknowledged.len()
        ));
        self.devices[2] = Device::start(self.root, "cleo")?;
        let kept = self.devices[2].map("survivors")?;
        let lost = acknowledged.iter().filter(|(key, n)| kept.get(*key) != Some(*n)).count();
        self.report.acked_lost = lost as u64;
        Ok(())
    }

    fn judge(&mut self, stay: bool) -> Result<()> {
        self.say("comparing all three");
        let agreed = wait("equal digests", || {
            let digests: Result<Vec<String>> = self.devices.iter().map(Device::digest).collect();
            let digests = digests?;
            Ok(digests.windows(2).all(|pair| pair[0] == pair[1]))
        });
        let folders = self.wait_for_equal_folders("equal folders");
        self.report.converged = agreed.is_ok() && folders.is_ok();
        for device in &self.devices {
            self.report.digests.push(device.digest()?);
            let (sent, payload) = device.traffic()?;
            self.report.wire_bytes += sent;
            self.report.payload_bytes += payload;
            if stay {
                self.report.nodes.push(device.data_dir.clone());
            }
        }
        self.report.wire_bytes += self.retired.0;
        self.report.payload_bytes += self.retired.1;
        self.report.objects = self.devices[0].objects()?;
        Ok(())
    }

    fn wait_for_equal_folders(&self, what: &str) -> Result<()> {
        wait(what, || {
            let first = folder::contents(&self.devices[0].folder)?;
            for device in &self.devices[1..] {
                if folder::contents(&device.folder)? != first {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    fn wait_for_file(&self, name: &str, right: impl Fn(&str) -> bool) -> Result<()> {
        wait(&format!("{name} on every node"), || {
            Ok(self.devices.iter().all(|device| {
                std::fs::read_to_string(device.folder.join(name)).is_ok_and(|text| right(&text))
            }))
        })
    }

    /// Lets the nodes run on without this process.
    fn leave(&mut self) {
        for device in self.devices.drain(..) {
            device.leave();
        }
    }

    fn close(&mut self) {
        self.devices.clear();
    }
}

/// Looks again and again until something is so.
fn wait(what: &str, mut so: impl FnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !so()? {
        if began.elapsed() > PATIENCE {
            return Err(Failure::timeout(format!("in vain waited for {what}")));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn human(report: &Report) -> String {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    #[allow(clippy::cast_precision_loss)]
    let overhead = report.wire_bytes as f64 / report.payload_bytes.max(1) as f64;
    let yes_no = |yes: bool| if yes { "yes" } else { "NO" }.to_owned();
    let mut rows = vec![
        row("converged", yes_no(report.converged)),
        row(
            "acknowledged writes lost",
            format!("{} of {} before the kill", report.acked_lost, report.acked_before_kill),
        ),
        row("shared files", report.files.to_string()),
        row("objects", report.objects.to_string()),
        row(
            "edit to visible",
            format!("p50 {} ms, p99 {} ms", report.edit_visible_ms.p50, report.edit_visible_ms.p99),
        ),
        row(
            "cold sync",
            format!(
                "{} entries, {} entries/s",
                report.cold_sync_entries, report.cold_sync_entries_per_s
            ),
        ),
        row(
            "on the wire",
            format!(
                "{} bytes for {} bytes of changes (x {overhead:.1}, to two peers)",
                report.wire_bytes, report.payload_bytes
            ),
        ),
    ];
    for digest in &report.digests {
        rows.push(row("digest", digest.chars().take(16).collect()));
    }
    for node in &report.nodes {
        rows.push(row("running", format!("meshwork --data-dir {} status", node.display())));
    }
    table(&rows)
}
