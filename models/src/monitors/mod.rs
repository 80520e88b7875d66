//! Trace monitors: they read records and say whether the protocol's invariants held.
//!
//! A monitor follows from its invariant's sentence in [`catalogue`], never from a model: it
//! borrows types from the models and no logic, or the same mistake would hide twice. Each file
//! holds one family of invariants; [`MonitorSet`] sends each record to those that it concerns.

mod area;
pub mod catalogue;
mod dispatch;
mod faults;
mod finding;
mod halts;
mod interrupts;
mod items;
mod lapic;
pub mod log;
mod notices;
mod seen;
mod sleepers;
mod spins;
mod works;

use serde::{Deserialize, Serialize};
use sim_core::{SimDuration, SimTime};

pub use catalogue::{
    CATALOGUE, Family, InTrace, Invariant, InvariantId, Kind, ParseInvariantError, Severity,
};
pub use finding::{Finding, Verdict, Witness};

use crate::base::ids::VcpuId;
use crate::base::record::Record;
use area::Areas;
use faults::Faults;
use finding::{Context, Ledger};
use halts::Halts;
use interrupts::Interrupts;
use items::Items;
use lapic::Lapics;
use notices::Notices;
use seen::Seen;
use sleepers::Sleepers;
use spins::Spins;
use works::Works;

/// Records of earlier batches kept for the stories of breaches.
const RECENT: usize = 256;

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
    /// Whether an item is handed to a worker before it is linked (until 5.8), so that it may be
    /// completed first.
    pub schedules_first: bool,
    /// Invariants that the generation is known to break.
    pub known: Vec<InvariantId>,
    /// How long what must happen in the end may take.
    pub liveness_bound: SimDuration,
    /// The end of a system management interrupt drops the vCPU's items (RSM writes CR0, and CR0.PG
    /// changes).
    pub rsm_drops_items: bool,
}

/// All monitors, fed with one pass over the records.
#[derive(Clone, Debug)]
pub struct MonitorSet {
    items: Items,
    notices: Notices,
    halts: Halts,
    faults: Faults,
    areas: Areas,
    interrupts: Interrupts,
    sleepers: Sleepers,
    spins: Spins,
    works: Works,
    lapics: Lapics,
    ledger: Ledger,
    seen: Seen,
    rsm_drops_items: bool,
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
        let en_bits = config.family.en_bits();
        Self {
            items: Items::new(config),
            notices: Notices::new(vcpus, config.family, bound),
            halts: Halts::new(vcpus, bound),
            faults: Faults::new(vcpus),
            areas: Areas::new(vcpus, config.family),
            interrupts: Interrupts::new(vcpus, bound),
            sleepers: Sleepers::new(vcpus, config.family, bound),
            spins: Spins::new(vcpus),
            works: Works::default(),
            lapics: Lapics::default(),
            rsm_drops_items: config.rsm_drops_items,
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

    /// The conclusions about every invariant that the family promises and a monitor holds, by
    /// rising number, for a trace that ends at `end`. Says what would be found if the trace ended here; observing may
    /// go on.
    pub fn finish(&self, end: SimTime) -> Vec<Finding> {
        let mut ledger = self.ledger.clone();
        let at = Context { now: end, recent: &self.recent, batch: &[] };
        self.items.finish(&self.lapics, at, &mut ledger);
        self.notices.finish(&self.items, &self.lapics, at, &mut ledger);
        self.halts.finish(&self.items, at, &mut ledger);
        self.interrupts.finish(&self.lapics, at, &mut ledger);
        self.sleepers.finish(at, &mut ledger);
        ledger.findings(|id, breached| self.seen.missing(id, breached, self.vcpus))
    }

    /// Whether anything that must happen in the end has been waiting for longer than `than` at `now`,
    /// and is not found broken already.
    pub fn anything_waits(&self, now: SimTime, than: SimDuration) -> bool {
        let violated = |findings: Vec<Finding>| -> Vec<InvariantId> {
            let violations = findings.into_iter().filter(|one| one.verdict == Verdict::Violation);
            violations.map(|one| one.id).collect()
        };
        let broken = violated(self.finish(now));
        let strict = Self {
            items: self.items.clone().bounded(than),
            notices: self.notices.clone().bounded(than),
            halts: self.halts.clone().bounded(than),
            interrupts: self.interrupts.clone().bounded(than),
            sleepers: self.sleepers.clone().bounded(than),
            ..self.clone()
        };
        violated(strict.finish(now)).iter().any(|id| !broken.contains(id))
    }

    /// Goes on observing after the end of the run.
    pub fn resume(&mut self) {
        self.ended = false;
    }

    fn room_for(&mut self, vcpu: VcpuId) {
        if vcpu.index() >= self.vcpus {
            self.vcpus = vcpu.index() + 1;
            self.items.grow(self.vcpus);
            self.notices.grow(self.vcpus);
            self.halts.grow(self.vcpus);
            self.faults.grow(self.vcpus);
            self.areas.grow(self.vcpus);
            self.interrupts.grow(self.vcpus);
            self.sleepers.grow(self.vcpus);
            self.spins.grow(self.vcpus);
        }
    }
}
