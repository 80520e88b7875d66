//! Page ready as an interrupt: INV-21 and INV-33.

use sim_core::{SimDuration, SimTime};

use super::catalogue::{INV_21, INV_33};
use super::finding::{Breach, Context, Ledger};
use super::lapic::Lapics;
use crate::base::ids::{Token, VcpuId};
use crate::base::record::{BlockReason, Record};

/// The vector that Linux guests use (`HYPERVISOR_CALLBACK_VECTOR`); for traces that begin after
/// the guest has registered one.
const LINUX_VECTOR: u8 = 0xf3;
/// Lower vectors are exceptions; a local APIC accepts none of them.
const FIRST_VECTOR: u8 = 16;

/// What waits for something to happen, and how often the guest was entered before it began to.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    since: Record,
    entries: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct VcpuInterrupts {
    entries: u64,
    /// What the guest wrote to the INT register.
    vector: Option<u8>,
    /// The trace shows how the guest turned notices on.
    enabled: bool,
    /// Page ready is queued and its interrupt not injected.
    raised: Option<Waiting>,
    /// The interrupt is injected and not acknowledged.
    unacknowledged: Option<Waiting>,
    /// The guest has read the slot since.
    slot_read: bool,
    /// An interrupt was ever injected.
    interrupted: bool,
    /// Since when the vCPU sleeps in HLT.
    asleep: Option<SimTime>,
}

/// The monitors of page ready interrupts.
#[derive(Clone, Debug)]
pub(super) struct Interrupts {
    bound: SimDuration,
    vcpus: Vec<VcpuInterrupts>,
}

impl Interrupts {
    pub(super) fn new(vcpus: usize, bound: SimDuration) -> Self {
        Self { bound, vcpus: vec![VcpuInterrupts::default(); vcpus] }
    }

    /// The same with another bound of liveness.
    pub(super) fn bounded(self, bound: SimDuration) -> Self {
        Self { bound, ..self }
    }

    pub(super) fn grow(&mut self, vcpus: usize) {
        self.vcpus.resize(vcpus, VcpuInterrupts::default());
    }

    pub(super) fn entry(&mut self, vcpu: VcpuId) {
        let own = &mut self.vcpus[vcpu.index()];
        own.entries += 1;
        own.asleep = None;
    }

    /// The vCPU goes to sleep in the host.
    pub(super) fn block(&mut self, vcpu: VcpuId, reason: BlockReason, now: SimTime) {
        self.vcpus[vcpu.index()].asleep = (reason == BlockReason::Hlt).then_some(now);
    }

    /// The guest registers its vector.
    pub(super) fn registered(&mut self, vcpu: VcpuId, data: u64) {
        // Vectors are the low eight bits.
        self.vcpus[vcpu.index()].vector = Some(data as u8);
    }

    pub(super) fn switched(&mut self, vcpu: VcpuId, on: bool) {
        let own = &mut self.vcpus[vcpu.index()];
        own.enabled = on;
        (own.raised, own.unacknowledged) = (None, None);
    }

    pub(super) fn page_ready(
        &mut self,
        vcpu: VcpuId,
        token: Token,
        record: Record,
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        let own = &mut self.vcpus[vcpu.index()];
        let none = own.enabled && own.vector.is_none_or(|vector| vector < FIRST_VECTOR);
        if none {
            let message =
                || format!("page ready {token} is raised on {vcpu}, which registered no vector");
            let history = Vec::new;
            ledger.breach(INV_21, at, Breach { vcpu, token: Some(token), message, history });
        }
        own.raised.get_or_insert(Waiting { since: record, entries: own.entries });
    }

    pub(super) fn injected(
        &mut self,
        vcpu: VcpuId,
        vector: u8,
        record: Record,
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        let own = &mut self.vcpus[vcpu.index()];
        if vector != own.vector.unwrap_or(LINUX_VECTOR) {
            return;
        }
        own.raised = None;
        own.interrupted = true;
        own.slot_read = false;
        let waiting = Waiting { since: record, entries: own.entries };
        if let Some(before) = own.unacknowledged.replace(waiting) {
            let message = || {
                format!(
                    "{vcpu} takes a page ready interrupt and has not acknowledged the one before"
                )
            };
            let history = || vec![before.since];
            ledger.breach(INV_33, at, Breach { vcpu, token: None, message, history });
        }
    }

    pub(super) fn slot_read(&mut self, vcpu: VcpuId) {
        self.vcpus[vcpu.index()].slot_read = true;
    }

    /// The guest acknowledges. `slots_recorded` if the trace shows when slots are read.
    pub(super) fn acknowledged(
        &mut self,
        vcpu: VcpuId,
        slots_recorded: bool,
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        let own = &mut self.vcpus[vcpu.index()];
        let taken = own.unacknowledged.take();
        let wrong = match taken {
            // A trace may begin between an interrupt and its acknowledgement.
            None if own.interrupted => "took no page ready interrupt since the last time",
            Some(_) if slots_recorded && !own.slot_read => "did not read the token",
            _ => return,
        };
        let message = || format!("{vcpu} acknowledges page ready, but {wrong}");
        let history = || taken.map(|waiting| waiting.since).into_iter().collect();
        ledger.breach(INV_33, at, Breach { vcpu, token: None, message, history });
    }

    pub(super) fn finish(&self, lapics: &Lapics, at: Context<'_>, ledger: &mut Ledger) {
        for (own, vcpu) in self.vcpus.iter().zip((0..=u16::MAX).map(VcpuId)) {
            let late = |since: SimTime| lapics.waited(vcpu, since, at.now) > self.bound;
            let over = |waiting: &Waiting| {
                // The entry that injects it, and one more; or it sleeps in HLT over it.
                let passed = own.entries > waiting.entries + 1 || own.asleep.is_some_and(late);
                passed && late(waiting.since.time)
            };
            if let Some(raised) = own.raised.filter(over) {
                let message = || format!("page ready of {vcpu} was raised and never came through");
                let history = || vec![raised.since];
                ledger.breach(INV_21, at, Breach { vcpu, token: None, message, history });
            }
            if let Some(taken) = own.unacknowledged.filter(over) {
                let message = || format!("{vcpu} never acknowledges a page ready interrupt");
                let history = || vec![taken.since];
                ledger.breach(INV_33, at, Breach { vcpu, token: None, message, history });
            }
        }
    }
}
