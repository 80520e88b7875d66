//! What each event of a log adds to the pages that were touched.

use std::collections::BTreeMap;

use models::base::ids::PAGE_SIZE;
use models::monitors::log::LogEvent;
use models::trace::kernel::KernelEvent;
use sim_core::SimDuration;

use super::error::PagesError;
use crate::logs::check::consumer::LogConsumer;

/// The access wrote: of the error code, and of the exit qualification that older hosts print in its place.
const WRITE: u64 = 1 << 1;
/// No guest has so much memory, and all addresses of its kernel and stacks are higher: 64 TiB.
const PHYSICAL: u64 = 1 << 46;

/// The first fault of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FirstTouch {
    /// The page.
    pub(super) page: u64,
    /// When.
    pub(super) ns: u64,
    /// Whether it wrote.
    pub(super) write: bool,
    /// How many more there were.
    pub(super) repeated: u64,
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Touched {
    until: Option<SimDuration>,
    began: Option<u64>,
    first: Vec<FirstTouch>,
    /// Where each page is among them.
    places: BTreeMap<u64, usize>,
    /// The thread of each vCPU, and since when it is in guest mode.
    vcpus: BTreeMap<u32, (u32, Option<u64>)>,
    several: Option<[u32; 2]>,
    virtual_address: Option<u64>,
    guest_ns: u64,
    entered: bool,
    losses: u64,
    ticks: bool,
}

impl LogConsumer for Touched {
    fn event(&mut self, event: LogEvent) {
        let began = *self.began.get_or_insert(event.ns);
        let since = SimDuration::from_ns(event.ns.saturating_sub(began));
        if self.until.is_some_and(|until| since > until) {
            return;
        }
        match event.event {
            KernelEvent::Entry { vcpu } => self.enter(vcpu, event.thread.pid, event.ns),
            KernelEvent::Exit { .. } => self.leave(event.thread.pid, event.ns),
            KernelEvent::PageFault { address, error_code } => {
                self.fault(address.0, error_code & WRITE != 0, event.ns);
            }
            _ => {}
        }
    }

    fn lost(&mut self, _since: u64) {
        self.losses += 1;
        for (_, entered) in self.vcpus.values_mut() {
            *entered = None;
        }
    }

    fn ticks(&mut self) {
        self.ticks = true;
    }
}

impl Touched {
    /// Nothing yet, of a log until so long after its beginning.
    pub(super) fn new(until: Option<SimDuration>) -> Self {
        Self { until, ..Self::default() }
    }

    fn enter(&mut self, vcpu: u32, pid: u32, ns: u64) {
        self.entered = true;
        let known = self.vcpus.entry(vcpu).or_insert((pid, None));
        if known.0 != pid {
            self.several.get_or_insert([known.0, pid]);
        }
        *known = (pid, Some(ns));
    }

    fn leave(&mut self, pid: u32, ns: u64) {
        let own = self.vcpus.values_mut().find(|(thread, _)| *thread == pid);
        if let Some(entered) = own.and_then(|(_, entered)| entered.take()) {
            self.guest_ns += ns.saturating_sub(entered);
        }
    }

    fn fault(&mut self, address: u64, write: bool, ns: u64) {
        if address >= PHYSICAL {
            self.virtual_address.get_or_insert(address);
            return;
        }
        let page = address / PAGE_SIZE;
        let place = *self.places.entry(page).or_insert(self.first.len());
        match self.first.get_mut(place) {
            Some(first) => first.repeated += 1,
            None => self.first.push(FirstTouch { page, ns, write, repeated: 0 }),
        }
    }

    /// All first faults, in their order.
    pub(super) fn faults(&self) -> impl Iterator<Item = FirstTouch> {
        self.first.iter().copied()
    }

    /// Refuses a log that says nothing of one guest's memory.
    pub(super) fn refuse(&self, log: &str) -> Result<(), PagesError> {
        let log = log.to_owned();
        if let Some(threads) = self.several {
            return Err(PagesError::SeveralGuests { log, threads });
        }
        if let Some(address) = self.virtual_address {
            return Err(PagesError::Virtual { log, address });
        }
        match self.first.is_empty() {
            true => Err(PagesError::NoFault { log }),
            false => Ok(()),
        }
    }

    /// Time in guest mode, in nanoseconds, if the log tells.
    pub(super) fn guest_time(&self) -> Option<u64> {
        (self.entered && self.guest_ns > 0 && !self.ticks).then_some(self.guest_ns)
    }

    /// What is in doubt.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.losses > 0 {
            let times = self.losses;
            notes.push(format!(
                "events were lost at {times} places: pages may be missing, and the order may differ"
            ));
        }
        if self.ticks {
            notes.push("times are ticks whose length the log does not say".into());
        }
        if !self.entered {
            notes.push(
                "without kvm_entry and kvm_exit nothing says how long the guest computes, and whether it is one guest"
                    .into(),
            );
        }
        notes
    }
}
