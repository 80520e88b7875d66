//! Requests of block devices: which fault each is for, and how long it takes.

use models::base::ids::PAGE_SECTORS;
use models::monitors::log::LogEvent;
use models::trace::kernel::KernelExit;

use super::device::{Done, Issued};
use super::measure::{MOST, Measure};
use super::paths::PathId;

/// Devices that are told apart.
const MAX_DEVICES: usize = 256;

impl Measure {
    pub(super) fn issue(&mut self, e: &LogEvent, read: bool, at: (u32, u64), sectors: u32) {
        self.counts.block += 1;
        self.counts.issues += 1;
        let (ns, pid) = (e.ns, e.thread.pid);
        if self.devices.len() >= MAX_DEVICES && !self.devices.contains_key(&at.0) {
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
}
