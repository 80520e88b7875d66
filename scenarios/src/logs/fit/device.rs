//! Block devices as a log shows them: which one faults read from, how long its requests take.

use models::monitors::log::LogEvent;
use models::trace::kernel::KernelExit;

use super::measure::{MOST, Measure};
use super::paths::PathId;
use super::samples::{Samples, Summary};

/// Devices that are told apart.
const MOST_DEVICES: usize = 256;
/// Sectors of a page.
const PAGE_SECTORS: u32 = 8;

/// A read or write that the device has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Issued {
    pub(super) ns: u64,
    pub(super) read: bool,
    /// The fault that it is for.
    pub(super) gva: Option<u64>,
    /// The vCPU thread that waits for it.
    pub(super) waiter: Option<u32>,
}

/// A request that was completed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    pub(super) ns: u64,
    /// Completions of requests and of items so far.
    pub(super) seen: (u64, u64),
}

/// What a device has done.
#[derive(Clone, Debug, Default)]
pub(super) struct Device {
    pub(super) read: Samples,
    pub(super) write: Samples,
    /// Pages of a read.
    pub(super) pages: Samples,
    pub(super) written_pages: u64,
    /// Reads for faults of a guest.
    pub(super) for_faults: u64,
    pub(super) in_flight: u64,
    pub(super) most: u64,
}

/// What a log tells of the swap device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeviceSeen {
    /// Number of the device: major and minor.
    pub number: (u32, u32),
    /// Reads.
    pub read: Summary,
    /// Writes, if there were any.
    pub write: Option<Summary>,
    /// Most reads that it had at once.
    pub most_reads: u64,
    /// Pages of most reads, and of the largest.
    pub pages: (u64, u64),
    /// Pages that were written.
    pub written_pages: u64,
}

impl Measure {
    pub(super) fn issue(&mut self, e: &LogEvent, read: bool, at: (u32, u64), sectors: u32) {
        self.counts.block += 1;
        let (ns, pid) = (e.ns, e.thread.pid);
        if self.devices.len() >= MOST_DEVICES && !self.devices.contains_key(&at.0) {
            return;
        }
        let pages = sectors.div_ceil(PAGE_SECTORS);
        let (mut waiter, mut span, mut reclaim) = (None, None, None);
        self.in_exit(pid, |exit| {
            if exit.reason != KernelExit::NestedFault {
                return;
            }
            if !read {
                exit.written = exit.written.saturating_add(pages);
                return;
            }
            if exit.tried.is_none() && exit.read.is_none() {
                exit.read = Some((at, ns));
                waiter = Some(pid);
                if exit.written > 0 {
                    reclaim = Some((ns.saturating_sub(exit.ns), exit.written));
                } else if exit.is_undisturbed() {
                    span = Some(ns.saturating_sub(exit.ns));
                }
            }
        });
        if let Some(span) = span {
            self.span(PathId::FaultRead, span);
        }
        if let Some((span, pages)) = reclaim {
            // What the fault would have taken without it.
            let usual = self.paths[PathId::FaultRead as usize].quantile(0.5, self.whole_us) as u64;
            self.span(PathId::ReclaimPage, span.saturating_sub(usual) / u64::from(pages));
        }
        let by_worker = read && self.executing.contains(&pid);
        self.counts.reads_by_worker += u64::from(by_worker);
        let device = self.devices.entry(at.0).or_default();
        device.for_faults += u64::from(waiter.is_some() || by_worker);
        if read {
            device.pages.record(pages.into());
            device.in_flight += 1;
            device.most = device.most.max(device.in_flight);
        } else {
            device.written_pages += u64::from(pages);
        }
        if self.requests.len() < MOST {
            self.requests.insert(at, Issued { ns, read, gva: None, waiter });
        }
    }

    pub(super) fn done(&mut self, ns: u64, cpu: u32, at: (u32, u64)) {
        self.counts.block += 1;
        self.on_processor(cpu, |exit| exit.done += 1);
        self.seen.0 += 1;
        let Some(issued) = self.requests.remove(&at) else { return };
        if let Some(device) = self.devices.get_mut(&at.0) {
            let span = ns - issued.ns.min(ns);
            match issued.read {
                true => device.read.record(span),
                false => device.write.record(span),
            }
            if issued.read {
                device.in_flight = device.in_flight.saturating_sub(1);
            }
        }
        let done = Done { ns, seen: self.seen };
        if let Some(fault) = issued.gva.and_then(|gva| self.faults.get_mut(&gva)) {
            fault.done = Some(done);
        }
        if let Some(waiter) = issued.waiter {
            self.in_exit(waiter, |exit| exit.read_done = Some(ns));
        }
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
