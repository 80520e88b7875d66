//! Driving the pure protocol: one step at a time, its effects turned into records, costs, threads
//! that wake and tasks that run.

use sim_core::EventQueue;

use super::Cx;
use super::event::MachineEvent;
use super::world::{Running, StateViolation};
use crate::apf::{Decision, Effect, Input, invariants};
use crate::base::ids::{Gfn, ItemId, TaskId, Token, VcpuId};
use crate::base::record::{ApfReason, Event, ExitReason};

/// What a step left for its caller to do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    pub decision: Option<Decision>,
    pub fetch: Option<Gfn>,
    pub worker_done: bool,
    pub popped: bool,
    pub prefault: Option<Gfn>,
    pub drain_more: bool,
    pub halted: bool,
    pub blocked: bool,
    pub injected: Option<Token>,
    pub word: Option<ApfReason>,
    pub no_sleep: bool,
    pub sleep: bool,
    pub halt_guest: bool,
    /// Completed items are to be looked for.
    pub scan: bool,
    /// The vCPU thread waits for this item's worker, then advances.
    pub wait_worker: Option<ItemId>,
    /// What the guest read from its token slot.
    pub slot: Option<Token>,
    pub allocate_dummy: bool,
    /// The item whose work is to be done by somebody.
    pub queued: Option<ItemId>,
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Does one atomic section of the protocol and everything that follows from it at once.
    pub(crate) fn protocol(&mut self, input: impl Into<Input>) -> Outcome {
        let mut effects = std::mem::take(&mut self.w.effects);
        let input = input.into();
        let guest = matches!(input, Input::Guest(_));
        self.w.apf.step(input, &mut effects);
        let mut outcome = Outcome::default();
        let mut touched = None;
        for &effect in &effects {
            self.apply(effect, &mut outcome, &mut touched);
        }
        effects.clear();
        self.w.effects = effects;
        if let Some(vcpu) = touched {
            self.check_state(vcpu);
        }
        if guest && invariants::check_guest(&self.w.apf).is_some() {
            self.note_broken();
        }
        outcome
    }

    fn apply(&mut self, effect: Effect, outcome: &mut Outcome, touched: &mut Option<VcpuId>) {
        match effect {
            Effect::Emit(event) => {
                if let Event::ItemLink { vcpu, .. }
                | Event::ItemDone { vcpu, .. }
                | Event::ItemUnlink { vcpu, .. }
                | Event::ApfHalt { vcpu, .. }
                | Event::ApfUnhalt { vcpu }
                | Event::NotPresentQueued { vcpu, .. }
                | Event::PageReadyQueued { vcpu, .. } = event
                {
                    *touched = Some(vcpu);
                }
                self.emit(event);
            }
            // Costs are paid where the machine knows who works: see the callers.
            Effect::Cost(_) => {}
            Effect::Decide(decision) => outcome.decision = Some(decision),
            Effect::QueueWork { item } => outcome.queued = Some(item),
            Effect::CancelWork { item } => self.cancel_work(item),
            Effect::WaitWorker { item } => outcome.wait_worker = Some(item),
            Effect::Fetch { gfn, .. } => outcome.fetch = Some(gfn),
            Effect::WorkerDone { item } => {
                outcome.worker_done = true;
                self.wake_who_waits_for_worker(item);
            }
            Effect::Popped { .. } => outcome.popped = true,
            Effect::Prefault { gfn, .. } => outcome.prefault = Some(gfn),
            Effect::DrainMore => outcome.drain_more = true,
            Effect::ItemFreed { item, gfn } => self.unpin(item, gfn),
            Effect::Halted => outcome.halted = true,
            Effect::Blocked => outcome.blocked = true,
            Effect::WakeVcpu { vcpu } => {
                let thread = self.w.vcpus[vcpu.index()].thread;
                self.wake_thread(thread);
            }
            Effect::Injected { token, .. } => outcome.injected = Some(token),
            Effect::Word(word) => outcome.word = Some(word),
            Effect::NoSleep => outcome.no_sleep = true,
            Effect::Sleep => outcome.sleep = true,
            Effect::HaltGuest | Effect::OpenWindow => outcome.halt_guest = true,
            Effect::Scan => outcome.scan = true,
            Effect::Slot(token) => outcome.slot = Some(token),
            Effect::AllocateDummy => outcome.allocate_dummy = true,
            Effect::KickVcpu { vcpu } => self.kick_vcpu(vcpu),
            Effect::WakeTask { task, .. } => self.wake_sleeper(task),
            Effect::RescheduleIpi { vcpu } => self.reschedule_ipi(vcpu),
            // What a driver learns anyway, and what only mistakes and other drivers bring about.
            Effect::NothingToDeliver
            | Effect::Runnable
            | Effect::Linked
            | Effect::WaitDone
            | Effect::Cr2(_)
            | Effect::Raised { .. }
            | Effect::InterruptInjected { .. }
            | Effect::InterruptRefused { .. }
            | Effect::SlotOverwritten { .. }
            | Effect::DoubleFault { .. }
            | Effect::NestedExit { .. }
            | Effect::ReachesNested { .. }
            | Effect::GpFault
            | Effect::Destroyed
            | Effect::StaleWrite { .. }
            | Effect::ForeignWrite { .. }
            | Effect::NullLapic { .. }
            | Effect::GarbagePage { .. }
            | Effect::UseAfterFree { .. }
            | Effect::HostSpins { .. }
            | Effect::AskVmm { .. }
            | Effect::Ignored
            | Effect::WakeUpLost { .. }
            | Effect::GuestPanic { .. }
            | Effect::WordTaken { .. }
            | Effect::StackNodeFreed { .. }
            | Effect::WakeAgain
            | Effect::WritesEn { .. } => {}
        }
    }

    /// A worker takes a vCPU out of guest mode. One that acts right now looks before it enters.
    fn kick_vcpu(&mut self, vcpu: VcpuId) {
        let state = &self.w.vcpus[vcpu.index()];
        if state.in_guest && state.running != Running::Nothing {
            self.force_exit(vcpu, ExitReason::Kick);
        }
    }

    fn wake_who_waits_for_worker(&mut self, item: ItemId) {
        for at in 0..self.w.vcpus.len() {
            if self.w.vcpus[at].waits_for_worker == Some(item) {
                self.w.vcpus[at].waits_for_worker = None;
                let thread = self.w.vcpus[at].thread;
                self.wake_thread(thread);
            }
        }
    }

    fn reschedule_ipi(&mut self, vcpu: VcpuId) {
        self.w.vcpus[vcpu.index()].reschedule_pending = true;
        self.owe_ipi_exit(vcpu);
        self.interrupt(vcpu);
    }

    /// Releases the reference that an item held on its page. One that was dropped before a worker
    /// came to it held none.
    fn unpin(&mut self, item: ItemId, gfn: Option<Gfn>) {
        let held = self.w.pinning.get_mut(item.index()).is_some_and(std::mem::take);
        if held && let Some(gfn) = gfn {
            let page = self.w.memory.page_mut(gfn);
            page.pins = page.pins.saturating_sub(1);
            self.w.pinned -= 1;
            self.wake_room_waiters();
        }
    }

    /// State invariants, after every step that changed a list, a halt or a notice.
    fn check_state(&mut self, vcpu: VcpuId) {
        let apf = &self.w.apf;
        // The newest item of the queue is the one whose token may be new.
        let newest = apf.vcpu(vcpu).queue.last();
        let twice = newest.and_then(|&item| invariants::check_token(apf, item));
        if twice.is_some() || invariants::check_vcpu(apf, vcpu).is_some() {
            self.note_broken();
        }
    }

    fn note_broken(&mut self) {
        let time = self.now();
        for violation in invariants::violations(&self.w.apf) {
            match self.w.broken.iter_mut().find(|known| known.id == violation.id) {
                Some(known) => known.count += 1,
                None => {
                    let (id, message) = (violation.id, violation.detail);
                    let story = self.w.trace.tail();
                    self.w.broken.push(StateViolation { id, time, message, count: 1, story });
                }
            }
        }
    }

    /// Which task an access fault belongs to.
    pub(crate) fn current_task(&self, vcpu: VcpuId) -> Option<TaskId> {
        self.w.vcpus[vcpu.index()].queue.current.map(TaskId)
    }
}
