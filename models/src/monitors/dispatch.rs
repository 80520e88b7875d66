//! Which monitor hears of which record.

use sim_core::{SimDuration, SimTime};

use super::area::Areas;
use super::catalogue::Family;
use super::config::MonitorConfig;
use super::faults::Faults;
use super::finding::{Context, Finding, Ledger};
use super::halts::Halts;
use super::interrupts::Interrupts;
use super::items::Items;
use super::lapic::Lapics;
use super::messages::Messages;
use super::notices::{Gate, Notices};
use super::observed::Observed;
use super::seen::Seen;
use super::sleepers::Sleepers;
use super::spins::Spins;
use super::works::Works;
use crate::base::abi::{
    ACK_PAGE_READY, EN_ENABLED, EN_INTERRUPT, MSR_ASYNC_PF_ACK, MSR_ASYNC_PF_EN, MSR_ASYNC_PF_INT,
    PAGE_FAULT,
};
use crate::base::ids::{Gfn, PAGE_SIZE, Token, VcpuId};
use crate::base::record::{ApfReason, BlockReason, DisturbanceName, Event, ExitReason};

/// The monitors of all families of invariants, and what they have concluded.
#[derive(Clone, Debug)]
pub(super) struct Monitors {
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
    messages: Messages,
    ledger: Ledger,
    seen: Seen,
    rsm_drops_items: bool,
    looks_before_halt: bool,
    /// Bits of the EN register without which the mechanism is off.
    en_bits: u64,
    vcpus: usize,
}

/// Bits of the EN register without which the mechanism is off.
const fn en_bits(family: Family) -> u64 {
    match family {
        Family::V5 | Family::V7 => EN_ENABLED,
        Family::Int => EN_ENABLED | EN_INTERRUPT,
    }
}

impl Monitors {
    /// Monitors at the start of a run.
    pub(super) fn new(config: &MonitorConfig) -> Self {
        let vcpus = usize::from(config.vcpus);
        let bound = config.liveness_bound;
        Self {
            items: Items::new(config),
            notices: Notices::new(vcpus, config.family, bound),
            halts: Halts::new(vcpus, bound),
            faults: Faults::new(vcpus),
            areas: Areas::new(vcpus, config.family),
            interrupts: Interrupts::new(vcpus, bound),
            sleepers: Sleepers::new(config),
            spins: Spins::new(vcpus),
            works: Works::default(),
            lapics: Lapics::default(),
            messages: Messages::new(vcpus, bound),
            rsm_drops_items: config.rsm_drops_items,
            looks_before_halt: config.looks_before_halt,
            ledger: Ledger::new(config.family, &config.known),
            seen: Seen::default(),
            en_bits: en_bits(config.family),
            vcpus,
        }
    }

    /// The same with another bound of liveness.
    pub(super) fn bounded(&self, bound: SimDuration) -> Self {
        Self {
            items: self.items.clone().bounded(bound),
            notices: self.notices.clone().bounded(bound),
            halts: self.halts.clone().bounded(bound),
            interrupts: self.interrupts.clone().bounded(bound),
            sleepers: self.sleepers.clone().bounded(bound),
            messages: self.messages.clone().bounded(bound),
            ..self.clone()
        }
    }

    /// What would be found if the trace ended here.
    pub(super) fn findings(&self, at: Context<'_>) -> Vec<Finding> {
        let mut ledger = self.ledger.clone();
        self.items.finish(&self.lapics, at, &mut ledger);
        self.notices.finish(&self.items, &self.lapics, at, &mut ledger);
        self.halts.finish(&self.items, at, &mut ledger);
        self.interrupts.finish(&self.lapics, at, &mut ledger);
        self.sleepers.finish(&self.items, &self.lapics, at, &mut ledger);
        self.messages.finish(at, &mut ledger);
        ledger.findings(|id, breached| self.seen.missing(id, breached, self.vcpus))
    }

    /// How many tasks sleep at `now` though their pages have been there for longer than the bound.
    pub(super) fn sleep_for_good(&self, now: SimTime) -> usize {
        self.sleepers.for_good(&self.items, &self.lapics, now)
    }

    #[inline]
    fn room_for(&mut self, vcpu: VcpuId) {
        if vcpu.index() >= self.vcpus {
            self.grow(vcpu.index() + 1);
        }
    }

    #[cold]
    fn grow(&mut self, vcpus: usize) {
        self.vcpus = vcpus;
        self.items.grow(vcpus);
        self.notices.grow(vcpus);
        self.halts.grow(vcpus);
        self.faults.grow(vcpus);
        self.areas.grow(vcpus);
        self.interrupts.grow(vcpus);
        self.sleepers.grow(vcpus);
        self.spins.grow(vcpus);
    }

    /// The record at hand goes to those that it concerns.
    #[inline]
    pub(super) fn step(&mut self, observed: Observed<'_>) {
        let record = observed.record;
        // Most records say nothing about the protocol and leave here.
        let vcpu = match record.event {
            Event::KvmEntry { vcpu }
            | Event::KvmExit { vcpu, .. }
            | Event::KvmPageFault { vcpu, .. }
            | Event::ShadowWalk { vcpu, .. }
            | Event::ShadowTable { vcpu, .. }
            | Event::KvmAsyncPfNotPresent { vcpu, .. }
            | Event::KvmAsyncPfDoublefault { vcpu, .. }
            | Event::KvmInjException { vcpu, .. }
            | Event::KvmInjVirq { vcpu, .. }
            | Event::KvmReinject { vcpu, .. }
            | Event::KvmMsrWrite { vcpu, .. }
            | Event::VcpuBlock { vcpu, .. }
            | Event::ItemLink { vcpu, .. }
            | Event::ItemDone { vcpu, .. }
            | Event::ItemUnlink { vcpu, .. }
            | Event::ApfHalt { vcpu, .. }
            | Event::ApfUnhalt { vcpu }
            | Event::NotPresentQueued { vcpu, .. }
            | Event::PageReadyQueued { vcpu, .. }
            | Event::SharedWordWrite { vcpu, .. }
            | Event::SharedWordRead { vcpu, .. }
            | Event::ApfWait { vcpu, .. }
            | Event::ApfWake { vcpu, .. }
            | Event::ApfDummy { vcpu, .. }
            | Event::TaskRun { vcpu, .. }
            | Event::EptMap { vcpu, .. }
            | Event::MmuNotifierRetry { vcpu, .. }
            | Event::VmmAnswer { vcpu, .. }
            | Event::MajorFaultBegin { vcpu, .. }
            | Event::MajorFaultMoved { vcpu, .. }
            | Event::MajorFaultEnd { vcpu, .. } => vcpu,
            Event::EptUnmap { page } => {
                self.faults.unmap(page.gfn());
                return;
            }
            Event::MemcgReclaimBegin { .. }
            | Event::MadviseDontneed { .. }
            | Event::UffdProtect { .. }
            | Event::UffdLift { .. } => {
                self.faults.reclaim();
                return;
            }
            Event::WorkqueueQueueWork { .. }
            | Event::WorkqueueExecuteStart { .. }
            | Event::WorkqueueExecuteEnd { .. } => {
                self.judge_work(observed);
                self.messages.observe(*record, observed.context(), &mut self.ledger);
                return;
            }
            Event::KvmUserspaceExit { .. } | Event::KvmAsyncPfExitlessNotify { .. } => {
                self.messages.faults_leave_kernel();
                return;
            }
            Event::UffdMessage { .. }
            | Event::UffdRead { .. }
            | Event::UffdCopy { .. }
            | Event::UffdCopied { .. }
            | Event::UffdAgain { .. } => {
                self.messages.observe(*record, observed.context(), &mut self.ledger);
                return;
            }
            Event::VmmEnd { .. } => {
                self.messages.handler_dies();
                return;
            }
            Event::Disturbed { vcpu, kind } => {
                if matches!(kind, DisturbanceName::HandlerDies | DisturbanceName::DescriptorCloses)
                {
                    self.messages.handler_dies();
                }
                self.disturbed(vcpu, kind, record.time);
                return;
            }
            Event::VcpuUnblock { vcpu, .. } => {
                self.room_for(vcpu);
                self.sleepers.woken(vcpu, record.time);
                return;
            }
            Event::GuestCpuOnline { vcpu } => {
                self.lapics.switched(vcpu, true, record.time);
                return;
            }
            _ => return,
        };
        self.room_for(vcpu);
        self.messages.vcpu_goes_on(vcpu);
        self.judge(vcpu, observed);
    }

    /// A record of a vCPU goes to those who judge by it.
    fn judge(&mut self, vcpu: VcpuId, observed: Observed<'_>) {
        match observed.record.event {
            Event::SharedWordWrite { .. }
            | Event::SharedWordRead { .. }
            | Event::ApfWait { .. }
            | Event::ApfWake { .. }
            | Event::ApfDummy { .. }
            | Event::TaskRun { .. } => self.judge_guest(vcpu, observed),
            Event::KvmMsrWrite { ecx, data, .. } => {
                self.judge_register(vcpu, (ecx, data), observed);
            }
            Event::NotPresentQueued { .. }
            | Event::PageReadyQueued { .. }
            | Event::KvmInjException { .. }
            | Event::KvmInjVirq { .. }
            | Event::KvmReinject { .. } => self.judge_notice(vcpu, observed),
            Event::KvmExit { .. }
            | Event::VcpuBlock { .. }
            | Event::ApfHalt { .. }
            | Event::ApfUnhalt { .. } => self.judge_halt(vcpu, observed),
            Event::ItemLink { .. } | Event::ItemDone { .. } | Event::ItemUnlink { .. } => {
                self.judge_item(vcpu, observed);
            }
            _ => self.judge_fault(vcpu, observed),
        }
    }

    fn disturbed(&mut self, vcpu: VcpuId, kind: DisturbanceName, now: SimTime) {
        // Page ready as an exception needs no local APIC.
        if self.en_bits & EN_INTERRUPT == 0 {
            return;
        }
        match kind {
            DisturbanceName::LapicOff => self.lapics.switched(vcpu, false, now),
            DisturbanceName::LapicOn => self.lapics.switched(vcpu, true, now),
            _ => {}
        }
    }

    fn judge_fault(&mut self, vcpu: VcpuId, observed: Observed<'_>) {
        let looks = self.looks_before_halt;
        let Self { items, notices, faults, interrupts, ledger, seen, .. } = self;
        let (record, at) = (observed.record, observed.context());
        match record.event {
            Event::KvmEntry { .. } => {
                seen.entry = true;
                if looks
                    && let Some(gfn) = faults.open_frame(vcpu)
                    && items.of(vcpu).stood_in_for_halt(gfn)
                {
                    faults.resolved(vcpu, gfn);
                }
                items.entry(vcpu, at, ledger);
                notices.entry(vcpu, at, ledger);
                faults.entry(vcpu, at, ledger);
                interrupts.entry(vcpu);
            }
            Event::KvmPageFault { address, .. } => {
                seen.faults += 1;
                faults.fault(vcpu, Gfn(address.0 / PAGE_SIZE), *record);
            }
            // The address of the fault itself is the guest's own.
            Event::ShadowWalk { gfn, .. } => {
                seen.faults += 1;
                faults.fault(vcpu, gfn, *record);
            }
            Event::ShadowTable { gfn, .. } => faults.table_read(vcpu, gfn),
            Event::MajorFaultBegin { task, gfn, .. } => {
                faults.begun(task, gfn, *record);
                // An item may be linked before the fault is classified.
                if items.of(vcpu).by_gfn(gfn).is_none() {
                    faults.fault(vcpu, gfn, *record);
                }
            }
            Event::MajorFaultMoved { task, gfn, .. } => faults.moved(task, gfn),
            Event::MajorFaultEnd { task, gfn, .. } => {
                faults.retired(vcpu, (task, gfn), at, ledger);
            }
            Event::KvmAsyncPfNotPresent { token, .. } => {
                seen.announced = true;
                // An item that is linked was judged by then.
                if !seen.link {
                    items.named(vcpu, token, at, ledger);
                }
            }
            Event::KvmAsyncPfDoublefault { gfn, .. } | Event::VmmAnswer { gfn, .. } => {
                faults.resolved(vcpu, gfn);
            }
            Event::MmuNotifierRetry { gfn, .. } => faults.retried(vcpu, gfn, at, ledger),
            Event::EptMap { gfn, .. } => {
                seen.map = true;
                faults.map(gfn);
            }
            _ => {}
        }
    }

    fn judge_item(&mut self, vcpu: VcpuId, observed: Observed<'_>) {
        let Self { items, notices, faults, areas, lapics, sleepers, ledger, seen, .. } = self;
        let (record, at) = (observed.record, observed.context());
        match record.event {
            Event::ItemLink { token, gfn, .. } => {
                seen.link = true;
                faults.resolved(vcpu, gfn);
                items.named(vcpu, token, at, ledger);
                items.link(vcpu, token, gfn, at, ledger);
            }
            Event::ItemDone { token, .. } => {
                items.done(vcpu, token, at, ledger);
                if token == Token::WAKE_ALL {
                    areas.wake_all(vcpu);
                }
            }
            Event::ItemUnlink { token, .. } => {
                items.unlink(vcpu, token, lapics, at, ledger);
                notices.unlink(vcpu, token, record.time);
                sleepers.freed_item(vcpu, token, record.time);
            }
            _ => {}
        }
    }

    fn judge_notice(&mut self, vcpu: VcpuId, observed: Observed<'_>) {
        let Self { notices, areas, interrupts, sleepers, spins, ledger, seen, .. } = self;
        let (record, at) = (observed.record, observed.context());
        match record.event {
            Event::NotPresentQueued { token, cpl, interrupts_on, send_always, .. } => {
                seen.not_present = true;
                let gate = Gate { cpl, interrupts_on, send_always };
                notices.not_present(vcpu, token, gate, *record, at, ledger);
                areas.told(vcpu, true, *record, at, ledger);
            }
            Event::PageReadyQueued { token, .. } => {
                notices.page_ready(vcpu, token, *record, at, ledger);
                areas.told(vcpu, false, *record, at, ledger);
                interrupts.page_ready(vcpu, token, *record, at, ledger);
                sleepers.page_ready(vcpu, token, *record);
            }
            Event::KvmInjException { vector, .. } => {
                spins.useful(vcpu);
                notices.injected(vcpu, vector);
                if vector == PAGE_FAULT {
                    seen.page_fault_injected = true;
                    areas.injected(vcpu, *record, at, ledger);
                    sleepers.injected(vcpu, *record);
                }
            }
            Event::KvmInjVirq { vector, .. } => {
                seen.interrupt_injected = true;
                spins.useful(vcpu);
                notices.injected(vcpu, vector);
                interrupts.injected(vcpu, vector, *record, at, ledger);
            }
            Event::KvmReinject { vector, .. } => notices.reinjected(vcpu, vector, at, ledger),
            _ => {}
        }
    }

    fn judge_halt(&mut self, vcpu: VcpuId, observed: Observed<'_>) {
        let Self { faults, items, halts, interrupts, sleepers, spins, works, ledger, seen, .. } =
            self;
        let (record, at) = (observed.record, observed.context());
        match record.event {
            Event::KvmExit { reason, .. } => {
                seen.exit = true;
                if reason == ExitReason::Rsm && self.rsm_drops_items {
                    items.cleared(vcpu);
                    works.cleared();
                }
                if reason == ExitReason::Hlt {
                    sleepers.lets_in(vcpu, record.time);
                }
                spins.exit(vcpu, reason == ExitReason::Hlt, at, ledger);
            }
            Event::VcpuBlock { reason, .. } => {
                seen.block = true;
                spins.useful(vcpu);
                if reason == BlockReason::Hlt {
                    sleepers.hlt(vcpu, record.time);
                }
                halts.block(vcpu, reason, items, at, ledger);
                interrupts.block(vcpu, reason, record.time);
            }
            Event::ApfHalt { gfn, .. } => {
                seen.halt = true;
                faults.resolved(vcpu, gfn);
                spins.halt(vcpu);
                halts.halt(vcpu, gfn, items, at, ledger);
            }
            Event::ApfUnhalt { .. } => halts.unhalt(vcpu),
            _ => {}
        }
    }

    fn judge_register(&mut self, vcpu: VcpuId, (ecx, data): (u32, u64), observed: Observed<'_>) {
        self.seen.register_written = true;
        let (record, at) = (observed.record, observed.context());
        match ecx {
            MSR_ASYNC_PF_EN => {
                let on = data & self.en_bits == self.en_bits;
                if !on {
                    self.items.cleared(vcpu);
                    self.notices.cleared(vcpu);
                    self.works.cleared();
                    self.sleepers.left(vcpu, record.time);
                }
                let waiting = self.items.of(vcpu).done();
                self.areas.switched(vcpu, on, waiting, *record);
                self.interrupts.switched(vcpu, on);
            }
            MSR_ASYNC_PF_INT => self.interrupts.registered(vcpu, data),
            MSR_ASYNC_PF_ACK if data & ACK_PAGE_READY != 0 => {
                let slots_recorded = self.seen.word_read;
                self.interrupts.acknowledged(vcpu, slots_recorded, at, &mut self.ledger);
            }
            _ => {}
        }
    }

    fn judge_guest(&mut self, vcpu: VcpuId, observed: Observed<'_>) {
        let Self { items, areas, interrupts, sleepers, ledger, seen, .. } = self;
        let (record, at) = (observed.record, observed.context());
        match record.event {
            Event::SharedWordWrite { old, reason, .. } => {
                areas.write(vcpu, (old, reason), *record, at, ledger);
            }
            Event::SharedWordRead { reason, .. } => {
                seen.word_read = true;
                areas.read(vcpu, reason, at, ledger);
                if reason == ApfReason::Ready {
                    interrupts.slot_read(vcpu);
                }
            }
            Event::ApfWait { task, token, .. } => {
                sleepers.wait(vcpu, (task, token), *record, items, at, ledger);
            }
            Event::ApfWake { task, token, .. } => sleepers.wake(vcpu, (task, token), at, ledger),
            Event::ApfDummy { token, action, .. } => {
                sleepers.dummy(vcpu, (token, action), *record, at, ledger);
            }
            Event::TaskRun { task, span, .. } => sleepers.ran((vcpu, task), span, at, ledger),
            _ => {}
        }
    }

    fn judge_work(&mut self, observed: Observed<'_>) {
        let Self { works, ledger, .. } = self;
        let (record, at) = (observed.record, observed.context());
        match record.event {
            Event::WorkqueueQueueWork { item } => works.queued(item, *record, at, ledger),
            Event::WorkqueueExecuteStart { worker, item } => {
                works.started((worker, item), *record, at, ledger);
            }
            Event::WorkqueueExecuteEnd { worker, item } => {
                works.ended((worker, item), *record, at, ledger);
            }
            _ => {}
        }
    }
}
