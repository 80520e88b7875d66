//! Trace monitors: they read records and say whether the protocol's invariants held.
//!
//! A monitor follows from its invariant's sentence in [`catalogue`], never from a model: it
//! borrows types from the models and no logic, or the same mistake would hide twice. Each file
//! holds one family of invariants; [`MonitorSet`] sends each record to those that it concerns.

pub mod catalogue;
mod faults;
mod finding;
mod halts;
mod items;
mod notices;

use serde::{Deserialize, Serialize};
use sim_core::{SimDuration, SimTime};

pub use catalogue::{
    CATALOGUE, Family, Invariant, InvariantId, Kind, ParseInvariantError, Severity,
};
pub use finding::{Finding, Verdict, Witness};

use crate::ids::{Gfn, PAGE_SIZE, VcpuId};
use crate::trace::record::{Event, Phase, Record};
use catalogue::{
    INV_01, INV_02, INV_05, INV_06, INV_07, INV_11, INV_12, INV_13, INV_14, INV_15, INV_16, INV_17,
    INV_37,
};
use faults::Faults;
use finding::{Context, Ledger};
use halts::Halts;
use items::Items;
use notices::{Gate, Notices};

/// Records of earlier batches kept for the stories of breaches.
const RECENT: usize = 256;

/// `MSR_KVM_ASYNC_PF_EN`.
const MSR_EN: u32 = 0x4b56_4d02;
/// Bit 0 of the EN register: the guest takes part.
const EN_ENABLED: u64 = 1;
/// Bit 3 of the EN register: page ready comes as an interrupt.
const EN_DELIVERY_AS_INT: u64 = 1 << 3;

/// What monitors have to know of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonitorConfig {
    /// Virtual processors; more are made room for as records name them.
    pub vcpus: u16,
    /// The family of the protocol's generation: which invariants are promised.
    pub family: Family,
    /// Outstanding items that a vCPU may have; `None` for no bound.
    pub cap: Option<u32>,
    /// Invariants that the generation is known to break.
    pub known: Vec<InvariantId>,
    /// How long what must happen in the end may take.
    pub liveness_bound: SimDuration,
}

/// Which tracepoints a trace has, as far as decisions depend on it.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    entry: bool,
    /// How many `kvm_page_fault`.
    faults: usize,
    announced: bool,
    page_fault_injected: bool,
    link: bool,
    not_present: bool,
    halt: bool,
    map: bool,
}

impl Seen {
    /// The tracepoint without which `id` cannot be decided in this trace.
    fn missing(self, id: InvariantId, breached: bool, vcpus: usize) -> Option<&'static str> {
        let items = self.link || self.halt || self.not_present;
        let unless = |there: bool, name: &'static str| (!there).then_some(name);
        match id {
            INV_01 | INV_02 | INV_05 | INV_06 => unless(items || !self.announced, "item_link"),
            INV_15 | INV_17 if self.announced && !items => Some("item_done"),
            INV_16 => unless(items || !self.announced, "apf_halt"),
            INV_07 | INV_11 | INV_12 | INV_13 | INV_14 => {
                let told = self.announced && self.page_fault_injected;
                unless(items || !told, "not_present_queued")
            }
            // A vCPU that faults twice has entered the guest in between.
            INV_37 if self.faults > vcpus && !self.entry => Some("kvm_entry"),
            INV_37 => unless(self.map || !breached, "ept_map"),
            _ => None,
        }
    }
}

/// All monitors, fed with one pass over the records.
#[derive(Clone, Debug)]
pub struct MonitorSet {
    items: Items,
    notices: Notices,
    halts: Halts,
    faults: Faults,
    ledger: Ledger,
    seen: Seen,
    /// Bits of the EN register without which the mechanism is off.
    en_bits: u64,
    vcpus: usize,
    recent: Vec<Record>,
    ended: bool,
}

impl MonitorSet {
    /// Monitors at the start of a run.
    pub fn new(config: &MonitorConfig) -> Self {
        let vcpus = usize::from(config.vcpus);
        let bound = config.liveness_bound;
        let en_bits = match config.family {
            Family::V5 | Family::V7 => EN_ENABLED,
            Family::Int => EN_ENABLED | EN_DELIVERY_AS_INT,
        };
        Self {
            items: Items::new(vcpus, config.family, config.cap, bound),
            notices: Notices::new(vcpus, config.family, bound),
            halts: Halts::new(vcpus, bound),
            faults: Faults::new(vcpus),
            ledger: Ledger::new(config.family, &config.known),
            seen: Seen::default(),
            en_bits,
            vcpus,
            recent: Vec::new(),
            ended: false,
        }
    }

    /// Reads the next records of the trace. What comes after the end of the run, when the VM is
    /// taken down, is not judged.
    pub fn observe(&mut self, records: &[Record]) {
        for place in 0..records.len() {
            if self.ended {
                return;
            }
            self.step(records, place);
        }
        let kept = records.len().min(RECENT);
        let surplus = (self.recent.len() + kept).saturating_sub(RECENT);
        self.recent.drain(..surplus);
        self.recent.extend_from_slice(&records[records.len() - kept..]);
    }

    /// The conclusions about every invariant that the family promises, by rising number, for a
    /// trace that ends at `end`. Says what would be found if the trace ended here; observing may
    /// go on.
    pub fn finish(&self, end: SimTime) -> Vec<Finding> {
        let mut ledger = self.ledger.clone();
        let at = Context { now: end, recent: &self.recent, batch: &[] };
        self.items.finish(at, &mut ledger);
        self.notices.finish(&self.items, at, &mut ledger);
        self.halts.finish(&self.items, at, &mut ledger);
        ledger.findings(|id, breached| self.seen.missing(id, breached, self.vcpus))
    }

    fn room_for(&mut self, vcpu: VcpuId) {
        if vcpu.index() >= self.vcpus {
            self.vcpus = vcpu.index() + 1;
            self.items.grow(self.vcpus);
            self.notices.grow(self.vcpus);
            self.halts.grow(self.vcpus);
            self.faults.grow(self.vcpus);
        }
    }

    #[inline]
    fn step(&mut self, records: &[Record], place: usize) {
        let record = records[place];
        // Most records say nothing about the protocol and leave here.
        let vcpu = match record.event {
            Event::KvmEntry { vcpu }
            | Event::KvmPageFault { vcpu, .. }
            | Event::KvmAsyncPfNotPresent { vcpu, .. }
            | Event::KvmAsyncPfDoublefault { vcpu, .. }
            | Event::KvmInjException { vcpu, .. }
            | Event::KvmMsrWrite { vcpu, .. }
            | Event::VcpuBlock { vcpu, .. }
            | Event::ItemLink { vcpu, .. }
            | Event::ItemDone { vcpu, .. }
            | Event::ItemUnlink { vcpu, .. }
            | Event::ApfHalt { vcpu, .. }
            | Event::ApfUnhalt { vcpu }
            | Event::NotPresentQueued { vcpu, .. }
            | Event::PageReadyQueued { vcpu, .. }
            | Event::EptMap { vcpu, .. }
            | Event::MajorFaultBegin { vcpu, .. } => vcpu,
            Event::EptUnmap { gfn } => {
                self.faults.unmap(gfn);
                return;
            }
            Event::PhaseBegin { phase: Phase::End } => {
                self.ended = true;
                return;
            }
            _ => return,
        };
        self.room_for(vcpu);
        self.judge(vcpu, records, place);
    }

    fn judge(&mut self, vcpu: VcpuId, records: &[Record], place: usize) {
        let Self { items, notices, halts, faults, ledger, seen, recent, .. } = self;
        let en_bits = self.en_bits;
        let record = records[place];
        let at = Context { now: record.time, recent, batch: &records[..=place] };
        match record.event {
            Event::KvmEntry { .. } => {
                seen.entry = true;
                items.entry(vcpu, at, ledger);
                notices.entry(vcpu, at, ledger);
                faults.entry(vcpu, at, ledger);
            }
            Event::KvmPageFault { address, .. } => {
                seen.faults += 1;
                faults.fault(vcpu, Gfn(address.0 / PAGE_SIZE), record);
            }
            // An item may be linked before the fault is classified.
            Event::MajorFaultBegin { gfn, .. } if items.of(vcpu).by_gfn(gfn).is_none() => {
                faults.fault(vcpu, gfn, record);
            }
            Event::KvmAsyncPfNotPresent { .. } => seen.announced = true,
            Event::KvmAsyncPfDoublefault { gfn, .. } => faults.resolved(vcpu, gfn),
            Event::KvmInjException { vector, .. } => {
                seen.page_fault_injected |= vector == 14;
                notices.injected(vcpu, vector);
            }
            Event::KvmMsrWrite { ecx: MSR_EN, data, .. } if data & en_bits != en_bits => {
                items.cleared(vcpu);
                notices.cleared(vcpu);
            }
            Event::VcpuBlock { reason, .. } => halts.block(vcpu, reason, items, at, ledger),
            Event::ItemLink { token, gfn, .. } => {
                seen.link = true;
                faults.resolved(vcpu, gfn);
                items.link(vcpu, token, gfn, at, ledger);
            }
            Event::ItemDone { token, .. } => {
                items.done(vcpu, token, at, ledger);
            }
            Event::ItemUnlink { token, .. } => {
                items.unlink(vcpu, token, at, ledger);
                notices.unlink(vcpu, token, record.time);
            }
            Event::ApfHalt { gfn, .. } => {
                seen.halt = true;
                halts.halt(vcpu, gfn, items, at, ledger);
            }
            Event::ApfUnhalt { .. } => halts.unhalt(vcpu),
            Event::NotPresentQueued { token, cpl, interrupts_on, send_always, .. } => {
                seen.not_present = true;
                let gate = Gate { cpl, interrupts_on, send_always };
                notices.not_present(vcpu, token, gate, record, at, ledger);
            }
            Event::PageReadyQueued { token, .. } => {
                notices.page_ready(vcpu, token, record, at, ledger);
            }
            Event::EptMap { gfn, .. } => {
                seen.map = true;
                faults.map(gfn);
            }
            _ => {}
        }
    }
}
