//! What is measured on the way, in scenes: when entries arrive, who lags behind, what is sent and stored.

use std::collections::BTreeMap;

use meshwork_protocol::LogId;

use super::{DAWN_MS, Part, What, World};
use crate::figures::{Figures, Histogram, Sample};

/// Deliveries are measured at no more devices, so that measuring does not take longer than running.
const MEASURED_MAX: usize = 64;
/// How often the world is looked at in a run.
const SAMPLES: u64 = 200;

/// What has been measured so far.
#[derive(Debug)]
pub(super) struct Measure {
    /// Log → when each of its entries was granted.
    written: BTreeMap<LogId, Vec<u64>>,
    /// Of each measured device, up to where it shows each log.
    shown: Vec<BTreeMap<LogId, u64>>,
    stride: usize,
    delivery: Histogram,
    catch_up: Histogram,
    entries: u64,
    sample_every_ms: u64,
    samples: Vec<Sample>,
}

impl Measure {
    pub(super) fn new(devices: usize, storm_ms: u64) -> Self {
        let stride = devices.div_ceil(MEASURED_MAX).max(1);
        Self {
            written: BTreeMap::new(),
            shown: vec![BTreeMap::new(); devices.div_ceil(stride)],
            stride,
            delivery: Histogram::default(),
            catch_up: Histogram::default(),
            entries: 0,
            sample_every_ms: (storm_ms / SAMPLES).max(100),
            samples: Vec::new(),
        }
    }
}

impl World {
    /// A device has been granted an entry.
    pub(super) fn watch_written(&mut self, n: usize, log: LogId, seq: u64) {
        let now = self.now_ms;
        let Some(watch) = &mut self.measure else { return };
        let times = watch.written.entry(log).or_default();
        let length = usize::try_from(seq).unwrap_or(0);
        watch.entries += length.saturating_sub(times.len()) as u64;
        if length > times.len() {
            times.resize(length, now);
        }
        if n.is_multiple_of(watch.stride)
            && let Some(shown) = watch.shown.get_mut(n / watch.stride)
        {
            shown.insert(log, seq);
        }
    }

    /// Something has arrived at a device: what it shows now that it did not before.
    pub(super) fn watch_arrivals(&mut self, n: usize) {
        let (now, since) = (self.now_ms, self.devices[n].up_since);
        let Some(watch) = &mut self.measure else { return };
        if !n.is_multiple_of(watch.stride) || self.devices[n].part != Part::Member {
            return;
        }
        let Some(shown) = watch.shown.get_mut(n / watch.stride) else { return };
        let Some(replica) = &self.devices[n].replica else { return };
        for view in replica.spaces() {
            for log in view.logs {
                let before = shown.entry(log.log).or_default();
                if log.applied <= *before {
                    continue;
                }
                let (from, to) = (*before as usize, log.applied as usize);
                *before = log.applied;
                let times = watch.written.get(&log.log).map(Vec::as_slice).unwrap_or_default();
                for at in times.iter().take(to).skip(from) {
                    let late = *at < since;
                    let of = if late { &mut watch.catch_up } else { &mut watch.delivery };
                    of.add(now.saturating_sub(*at));
                }
            }
        }
    }

    /// A device has another disk: what it shows is not what it showed.
    pub(super) fn forget_watched(&mut self, n: usize) {
        if let Some(watch) = &mut self.measure
            && n.is_multiple_of(watch.stride)
            && let Some(shown) = watch.shown.get_mut(n / watch.stride)
        {
            // Nothing it is shown again counts as news.
            for (log, times) in &watch.written {
                shown.insert(*log, times.len() as u64);
            }
        }
    }

    /// Looks at the world.
    pub(super) fn sample(&mut self) {
        let Some(every) = self.measure.as_ref().map(|watch| watch.sample_every_ms) else { return };
        self.after(every, What::Sample);
        let mut all: BTreeMap<LogId, u64> = BTreeMap::new();
        let mut shown: Vec<Vec<(LogId, u64)>> = Vec::new();
        let members = self.members();
        let mut sample = Sample { at_ms: self.now_ms - DAWN_MS, ..Sample::default() };
        for n in 0..members {
            let device = &self.devices[n];
            sample.sent_bytes += device.sent_bytes;
            sample.disk_bytes_mean += device.disk.bytes();
            sample.links += device.links.len();
            let Some(replica) = &device.replica else { continue };
            sample.online += 1;
            let mut logs = Vec::new();
            for view in replica.spaces().into_iter().filter(|view| view.ready) {
                logs.extend(view.logs.iter().map(|log| (log.log, log.applied)));
                for log in &view.logs {
                    let most = all.entry(log.log).or_default();
                    *most = (*most).max(log.applied);
                }
            }
            shown.push(logs);
        }
        sample.links /= 2;
        sample.disk_bytes_mean /= members.max(1) as u64;
        // Of the logs it knows; who has just come knows none and is not behind but new.
        let behind = shown.iter().map(|logs| {
            let lack = |(log, at): &(LogId, u64)| all.get(log).map_or(0, |most| most - at);
            logs.iter().map(lack).sum::<u64>()
        });
        let behind: Vec<u64> = behind.collect();
        sample.behind_max = behind.iter().max().copied().unwrap_or(0);
        sample.behind_mean = behind.iter().sum::<u64>() as f64 / behind.len().max(1) as f64;
        if let Some(watch) = &mut self.measure {
            watch.samples.push(sample);
        }
    }

    /// What has been measured in the whole run.
    pub(super) fn figures(&self) -> Option<Figures> {
        let watch = self.measure.as_ref()?;
        let members = self.devices.iter().take(self.members());
        Some(Figures {
            delivery_ms: watch.delivery.summary(),
            catch_up_ms: watch.catch_up.summary(),
            entries_written: watch.entries,
            frames_sent: members.clone().map(|device| device.sent_frames).sum(),
            sent_bytes: members.clone().map(|device| device.sent_bytes).collect(),
            received_bytes: members.clone().map(|device| device.received_bytes).collect(),
            disk_bytes: members.map(|device| device.disk.bytes()).collect(),
            measured_devices: watch.shown.len(),
            samples: watch.samples.clone(),
        })
    }

    /// Whether what was measured is what the scene says it is to be.
    pub(super) fn judge_expectations(&mut self) {
        let (Some(scene), Some(figures)) = (self.scene.clone(), self.figures()) else { return };
        let expect = scene.expect;
        let most = |bytes: &[u64]| bytes.iter().max().copied().unwrap_or(0);
        let checks = [
            ("delivery p99 in ms", figures.delivery_ms.p99, expect.delivery_p99_ms_max),
            ("bytes sent by a device", most(&figures.sent_bytes), expect.sent_bytes_max),
            ("bytes on a disk", most(&figures.disk_bytes), expect.disk_bytes_max),
        ];
        for (what, is, max) in checks {
            if let Some(max) = max.filter(|max| is > *max) {
                self.fail("expectation", format!("{what}: {is}, expected at most {max}"));
            }
        }
        if let Some(least) = expect.forks_min.filter(|least| self.forks < *least) {
            let found = self.forks;
            self.fail("expectation", format!("forks found: {found}, expected at least {least}"));
        }
    }
}
