//! One atomic section of the protocol and everything that follows from it at once.

use sim_core::EventQueue;

use super::left::Left;
use crate::apf::{Effect, Input, invariants};
use crate::base::ids::{Gva, Token, VcpuId, VmId};
use crate::base::record::Event;
use crate::machine::world::{Consequences, Cx, MachineEvent};

/// What a section did that may break a state invariant.
#[derive(Default)]
struct Touched {
    /// Something of this vCPU.
    vcpu: Option<VcpuId>,
    /// It linked an item of this vCPU.
    linked: Option<VcpuId>,
    /// The guest entered a token into its table.
    entry: Option<Token>,
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// A section in which a vCPU takes part.
    pub(super) fn step(&mut self, vcpu: VcpuId, input: impl Into<Input>) -> Left {
        self.step_in(self.w.protocol.vm(vcpu), input)
    }

    /// A section of a virtual machine, whose items the input names by their numbers there.
    pub(super) fn step_in(&mut self, vm: VmId, input: impl Into<Input>) -> Left {
        let mut effects = std::mem::take(&mut self.w.protocol.effects);
        let input = input.into();
        self.w.protocol.of[vm.index()].apf.step(input, &mut effects);
        let mut left = Left::default();
        let mut touched = Touched::default();
        for &effect in &effects {
            let effect = self.w.protocol.effect_outside(vm, effect);
            self.follow(vm, effect, &mut left, &mut touched);
        }
        effects.clear();
        self.w.protocol.effects = effects;
        self.check_state(vm, &touched);
        left
    }

    fn follow(&mut self, vm: VmId, effect: Effect, left: &mut Left, touched: &mut Touched) {
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
                    touched.vcpu = Some(vcpu);
                }
                match event {
                    Event::ItemLink { vcpu, .. } => touched.linked = Some(vcpu),
                    Event::ApfWait { token, .. } | Event::ApfDummy { token, .. } => {
                        touched.entry = Some(token);
                    }
                    _ => {}
                }
                self.emit(event);
            }
            Effect::Decide(decision) => left.decision = Some(decision),
            Effect::QueueWork { item } => left.queued = Some(item),
            Effect::CancelWork { item } => self.cancel_work(item),
            Effect::WaitWorker { item } => left.wait_worker = Some(item),
            Effect::Fetch { gfn, .. } => left.fetch = Some(gfn),
            Effect::WorkerDone { item } => {
                left.worker_done = true;
                self.worker_done(item);
            }
            Effect::Popped { .. } => left.popped = true,
            Effect::Prefault { item, gfn, .. } => {
                let fault = self.w.protocol.of[vm.index()].apf.host.items.item(item).fault;
                left.prefault = Some((gfn, fault.map_or(Gva(gfn.gpa().0), |fault| fault.gva)));
            }
            Effect::DrainMore => left.drain_more = true,
            Effect::ItemFreed { item, .. } => {
                let (_, within) = self.w.protocol.within(item);
                self.w.protocol.of[vm.index()].tokens.free(within);
                self.item_freed(item);
            }
            Effect::Halted => left.halted = true,
            Effect::Blocked => left.blocked = true,
            Effect::WakeVcpu { vcpu } => self.wake_vcpu(vcpu),
            Effect::Injected { token, .. } => left.injected = Some(token),
            Effect::Word(word) => left.word = Some(word),
            Effect::NoSleep => left.no_sleep = true,
            Effect::Sleep => left.sleep = true,
            Effect::HaltGuest | Effect::OpenWindow => left.halt_guest = true,
            Effect::Scan => left.scan = true,
            Effect::Slot(token) => left.slot = Some(token),
            Effect::AllocateDummy => left.allocate_dummy = true,
            Effect::KickVcpu { vcpu } => self.kick_vcpu(vcpu),
            Effect::WakeTask { task, .. } => self.wake_sleeper(task),
            Effect::RescheduleIpi { vcpu } => self.reschedule_ipi(vcpu),
            Effect::Vmm(of_vmm) => {
                touched.vcpu = self.follow_vmm(vm, of_vmm, left).or(touched.vcpu);
            }
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
            | Effect::Ignored
            | Effect::WakeUpLost { .. }
            | Effect::GuestPanic { .. }
            | Effect::WordTaken { .. }
            | Effect::StackNodeFreed { .. }
            | Effect::WakeAgain
            | Effect::WritesEn { .. } => {}
        }
    }

    /// State invariants, after every step that changed a list, a halt or a notice.
    fn check_state(&mut self, vm: VmId, touched: &Touched) {
        let of = &mut self.w.protocol.of[vm.index()];
        let mut sound = true;
        if let Some(vcpu) = touched.linked
            && let Some(&newest) = of.apf.vcpu(vcpu).queue.last()
            && let Some(item) = of.apf.host.items.get(newest)
        {
            of.tokens.link(newest, item.token);
        }
        if let Some(vcpu) = touched.vcpu {
            let newest = of.apf.vcpu(vcpu).queue.last();
            sound &= newest.is_none_or(|&newest| of.tokens.is_alone(newest));
            sound &= invariants::check_vcpu(&of.apf, vcpu).is_none();
        }
        if let Some(token) = touched.entry {
            sound &= invariants::check_entry(&of.apf, token).is_none();
        }
        if !sound {
            self.note_broken(vm);
        }
    }

    fn note_broken(&mut self, vm: VmId) {
        for violation in invariants::violations(&self.w.protocol.of[vm.index()].apf) {
            self.note(vm, violation.id, violation.detail);
        }
    }
}
