//! What the measures of a log come to: paths, device, numbers of faults.

use models::monitors::Family;
use models::monitors::log::{LogConfig, LogMonitors};
use sim_core::Histogram;

use super::device::{Device, DeviceSeen};
use super::measure::{Counts, Measure};
use super::paths::PathId;
use super::samples::{Samples, Summary};

/// How often a vCPU may run beside a fault of a vCPU of its number in another thread. A fault is over before a thread
/// leaves the kernel, unless a signal comes; more often it is another guest's (assumption).
const BESIDE_FAULTS: u64 = 4;

impl Measure {
    /// The spans of a path.
    fn samples(&self, path: PathId) -> Option<&Samples> {
        match path {
            PathId::Read => self.swap_device().map(|(_, device)| &device.read),
            PathId::Write => self.swap_device().map(|(_, device)| &device.write),
            _ => self.paths.get(path as usize),
        }
    }

    /// The spans of a path summed up.
    pub(crate) fn path(&self, path: PathId) -> Option<Summary> {
        self.samples(path)?.summary(self.whole_us)
    }

    /// The spans of a path, each.
    pub(crate) fn times(&self, path: PathId) -> Histogram {
        self.samples(path).map_or_else(Histogram::new, |samples| samples.counts().clone())
    }

    /// Faults that needed I/O for the first time.
    pub(crate) fn faults(&self) -> u64 {
        self.counts.announced + self.counts.synchronous
    }

    /// Length of the log in nanoseconds.
    pub(crate) fn length(&self) -> u64 {
        self.last - self.first.unwrap_or(self.last)
    }

    /// Rate of a guest's time-stamp counter in kHz, from the deadlines that it wrote: from one tick
    /// to the next both the deadline and the time of its write go on by a tick.
    pub(crate) fn tsc(&self) -> Option<f64> {
        let summary = self.khz.summary(false)?;
        (summary.count >= 3).then_some(summary.p50)
    }

    /// Whether two threads run vCPUs of one number at once, as those of two guests do. One after the other they may run
    /// the same one, but not in the middle of a fault.
    pub(crate) fn several_guests(&self) -> bool {
        self.overlaps || self.beside_faults > BESIDE_FAULTS
    }

    /// vCPUs: those of the same number are one, and a thread without a number is one.
    pub(super) fn vcpu_count(&self) -> usize {
        let mut numbers: Vec<u32> = self.vcpus.values().filter_map(|vcpu| vcpu.number).collect();
        let unnumbered = self.vcpus.len() - numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.len() + unnumbered
    }

    /// The log is over: who was told.
    pub(crate) fn conclude(&mut self) {
        let monitors =
            std::mem::replace(&mut self.monitors, LogMonitors::new(LogConfig::default()));
        self.counts.by_exception = monitors.family() == (Family::V7, true);
        let (_, survey) = monitors.finish();
        self.counts.told = survey.told;
    }

    /// Whether the log says who was told at all.
    pub(super) fn says_who_was_told(&self) -> bool {
        let Counts { injections, interrupts, acknowledged, .. } = self.counts;
        // One that is halted sleeps; where interrupts are recorded, page ready's would be.
        let halted = self.path(PathId::FaultHalted).is_some_and(|summary| summary.count > 0);
        injections + interrupts + acknowledged > 0 || halted
    }

    /// The device from which the pages of faults were read.
    pub(super) fn swap_device(&self) -> Option<(u32, &Device)> {
        let used = self.devices.iter().filter(|(_, device)| device.for_faults > 0);
        used.max_by_key(|(_, device)| device.for_faults).map(|(&number, device)| (number, device))
    }

    /// What the log tells of the swap device.
    pub(crate) fn device(&self) -> Option<DeviceSeen> {
        let (number, device) = self.swap_device()?;
        Some(DeviceSeen {
            number: (number >> 20, number & 0xf_ffff),
            read: device.read.summary(self.whole_us)?,
            write: device.write.summary(self.whole_us),
            most_reads: device.most,
            pages: (
                device.pages.quantile(0.5, false) as u64,
                device.pages.quantile(1.0, false) as u64,
            ),
            written_pages: device.written_pages,
        })
    }

    /// The quantiles of the swap device's reads or writes.
    pub(crate) fn device_quantile(&self, read: bool, quantile: f64) -> f64 {
        self.swap_device().map_or(0.0, |(_, device)| {
            let samples = if read { &device.read } else { &device.write };
            samples.quantile(quantile, self.whole_us)
        })
    }
}
