//! Moves of vCPU threads and workers.

use crate::apf::rules::{Drain, Runnable};
use crate::apf::{Decision, Effect, Effects, HostInput, SetupFailure};
use crate::base::ids::{Gva, Hva, ItemId, VcpuId, WorkerId};

use super::check::{self, Log, kinds};
use super::setup::{Disturbance, Setup};
use super::vmm_check;
use super::world::{At, Context, Handler, Move, Stage, Then, World, frame_of};

impl World {
    /// Makes a move and says what was wrong with it and with the state that it led to.
    pub(super) fn make(&mut self, chosen: Move, setup: &Setup, log: &mut Log) {
        match chosen {
            Move::Access { vcpu, task, page, context, failure } => {
                self.access(vcpu, (task, page, context), failure, setup, log);
            }
            Move::Go(vcpu) => self.go(vcpu, setup, log),
            Move::RefuseWork(vcpu) => {
                self.cpu_mut(vcpu).budget.take(Disturbance::EnqueueFailure);
                self.host(vcpu, HostInput::RefuseWork { vcpu }, log);
                self.fetch_now(vcpu);
                self.cpu_mut(vcpu).at = self.after_exit(vcpu);
            }
            Move::Idle(vcpu) => self.hlt(vcpu, log),
            Move::Exit(vcpu) => self.exit(vcpu),
            Move::Interrupt(vcpu) => self.unblock(vcpu, true, setup, log),
            Move::Start(item) => self.start(item, log),
            Move::Fetch(item) if self.reads_protected(item) => {}
            Move::Fetch(item) => self.fetch(item, false, log),
            Move::Fail(item) => self.fetch(item, true, log),
            Move::Work(item) => self.work(item, log),
            Move::Disturb(vcpu, which) => self.disturb(vcpu, which, setup, log),
            Move::EndDisturb(vcpu, which) => self.end_disturbance(vcpu, which, log),
            Move::Evict(page) => {
                self.budget.take(Disturbance::Evict);
                self.resident &= !(1 << page);
            }
            Move::Arrive(page) => {
                self.bring(page);
                self.bits &= !(1 << page);
            }
            Move::Vmm(vcpu, chosen) => self.make_vmm(vcpu, chosen, setup, log),
            Move::Rearm(page) => self.take_back(page),
            Move::Protect(chosen) => self.make_protect(chosen),
            Move::DisturbVm(which) => self.disturb_vm(which, 0, setup, log),
            Move::MigrateNoMemory(which, vcpus) => self.disturb_vm(which, vcpus, setup, log),
            Move::GoOnDestroying => self.go_on_destroying(log),
        }
        // The VMM gets the lock when nobody holds it any more.
        self.map_writer &= self.apf.mmap_lock_readers() > 0;
        check::state(self, setup, log);
        vmm_check::state(self, log);
    }

    fn access(
        &mut self,
        vcpu: VcpuId,
        (task, page, context): (u8, u8, Context),
        failure: bool,
        setup: &Setup,
        log: &mut Log,
    ) {
        let writes = self.may_write(page);
        if writes {
            self.written(page, log);
        }
        let cpu = self.cpu_mut(vcpu);
        let own = &mut cpu.tasks[usize::from(task)];
        if writes {
            own.touched |= 1 << page;
            (own.page, own.context) = (None, Context::User);
            return;
        }
        if own.context != context
            && let Some((which, _)) =
                Context::SPECIAL.iter().find(|(_, special)| *special == context)
        {
            cpu.budget.take(*which);
        }
        (own.page, own.context) = (Some(page), context);
        (cpu.context, cpu.task, cpu.kicked) = (context, Some(task), false);
        if failure {
            cpu.budget.take(Disturbance::AllocFailure);
        }
        self.fault(vcpu, page, failure.then_some(SetupFailure::Allocation), setup, log);
    }

    fn fault(
        &mut self,
        vcpu: VcpuId,
        page: u8,
        failure: Option<SetupFailure>,
        setup: &Setup,
        log: &mut Log,
    ) {
        let memory = self.cpu(vcpu).context.memory();
        if self.apf.is_served_from_guest_memfd(memory) {
            // An allocation: no device is read that could fail.
            self.bring(page);
            self.cpu_mut(vcpu).at = self.after_exit(vcpu);
            return;
        }
        if self.bits & (1 << page) != 0 {
            self.user_fault(vcpu, page, failure, setup, log);
            return;
        }
        let (view, gfn) = (self.view(vcpu, setup), frame_of(page));
        let (gva, hva) = (Gva(gfn.gpa().0), Hva(gfn.gpa().0));
        let effects = self.host(vcpu, HostInput::Try { vcpu, view, gva, gfn, hva, failure }, log);
        if effects.iter().any(|effect| matches!(effect, Effect::HostSpins { .. })) {
            self.cpu_mut(vcpu).at = At::Dead;
            return;
        }
        let decision = last_decision(&effects);
        if decision == Decision::Sync {
            self.fetch_now(vcpu);
        } else {
            let halts = self.apf.vcpu(vcpu).halt_request.is_some();
            if !halts && !self.apf.host.items.has_frame(vcpu, gfn) {
                log.find(kinds::VANISHED, || format!("{vcpu}: gfn {gfn}"));
            }
        }
        self.cpu_mut(vcpu).at = match decision {
            Decision::Continue => At::Advance(Then::Top),
            Decision::Sync | Decision::Retry => self.after_exit(vcpu),
        };
    }

    /// The vCPU thread fetches the page of its fault itself.
    fn fetch_now(&mut self, vcpu: VcpuId) {
        let cpu = self.cpu(vcpu);
        let task = cpu.task.map(usize::from);
        let Some((task, page)) = task.and_then(|task| Some((task, cpu.tasks[task].page?))) else {
            return;
        };
        if self.handler_gone {
            // It sleeps for a page that nobody installs.
            self.cpu_mut(vcpu).at = At::Dead;
        } else if self.reads_fail() {
            // The VMM learns of it and ends the access.
            let task = &mut self.cpu_mut(vcpu).tasks[task];
            task.touched |= 1 << page;
            (task.page, task.context) = (None, Context::User);
        } else {
            // Where it is protected the thread asks again until it may write.
            self.bring(page);
        }
    }

    fn go(&mut self, vcpu: VcpuId, setup: &Setup, log: &mut Log) {
        let view = self.view(vcpu, setup);
        match self.cpu(vcpu).at {
            At::Guest => self.go_in_guest(vcpu, setup, log),
            At::Advance(then) | At::Wait(_, then) => {
                let effects = self.host(vcpu, HostInput::Advance { vcpu, view }, log);
                self.follow(vcpu, then, &effects);
            }
            At::Look(then) => {
                let effects = self.host(vcpu, HostInput::CheckCompletion { vcpu, view }, log);
                self.prefault(&effects);
                let popped = effects.iter().any(|effect| matches!(effect, Effect::Popped { .. }));
                self.cpu_mut(vcpu).at = if popped { At::Popped(then) } else { then.at() };
            }
            At::Popped(then) => {
                let effects = self.host(vcpu, HostInput::Deliver { vcpu, view }, log);
                self.follow(vcpu, then, &effects);
            }
            At::Top if self.apf.must_block(vcpu) => {
                let input = HostInput::Block { vcpu, view, interrupt: false };
                let effects = self.host(vcpu, input, log);
                self.blocked_or_not(vcpu, &effects, log);
            }
            At::Top => {
                let effects = self.host(vcpu, HostInput::Requests { vcpu }, log);
                self.cpu_mut(vcpu).at = if effects.contains(&Effect::Halted) {
                    self.after_exit(vcpu)
                } else if effects.contains(&Effect::Scan) || self.looks_at_entry(vcpu) {
                    At::Look(Then::Entry)
                } else {
                    At::Entry
                };
            }
            At::Entry => self.enter(vcpu, log),
            At::Blocked => self.unblock(vcpu, false, setup, log),
            At::Outside(page, at) => self.go_outside(vcpu, (page, at), log),
            At::Stopped | At::Dead => {}
        }
    }

    fn looks_at_entry(&self, vcpu: VcpuId) -> bool {
        self.apf.rules.drain == Drain::OneAtEntry && self.apf.may_check_completion(vcpu)
    }

    /// The page of an item that was popped is mapped, fetched again if it is gone.
    fn prefault(&mut self, effects: &Effects) {
        for effect in effects {
            // A page for which the VMM answers is not brought by looking ahead.
            if let Effect::Prefault { gfn, .. } = *effect
                && !self.reads_fail()
                && self.bits & (1 << gfn.0) == 0
            {
                self.bring(gfn.0 as u8);
            }
        }
    }

    fn blocked_or_not(&mut self, vcpu: VcpuId, effects: &Effects, log: &mut Log) {
        if effects.contains(&Effect::Blocked) {
            self.cpu_mut(vcpu).at = At::Blocked;
            return;
        }
        let state = self.apf.vcpu(vcpu);
        let stuck = !state.done.is_empty() && !state.ready_request && self.keeps_done(vcpu);
        let kicked = state.pv_kicked
            && self.apf.rules.runnable == Runnable::DoneExceptionKickOrInterrupt
            && state.done.is_empty();
        let told = !state.pending.is_empty() || self.apf.ready_interrupt(vcpu).is_some();
        if (stuck || kicked) && !told {
            let why = if stuck { "an item that cannot be delivered" } else { "a stray kick" };
            log.find(kinds::SPIN, || format!("{vcpu}: {why} ends its halt"));
        }
        self.cpu_mut(vcpu).at = self.after_exit(vcpu);
    }

    /// Whether a completed item stays where it is whatever the run loop does.
    fn keeps_done(&self, vcpu: VcpuId) -> bool {
        let lapic = self.apf.vcpu(vcpu).lapic;
        let busy = self.apf.areas[vcpu.index()].token != crate::base::ids::Token::NONE;
        self.apf.rules.drain == Drain::AllOnRequestAndAck
            && self.apf.notices_on(vcpu)
            && (busy || !lapic.enabled)
    }

    fn unblock(&mut self, vcpu: VcpuId, interrupt: bool, setup: &Setup, log: &mut Log) {
        let view = self.view(vcpu, setup);
        let effects = self.host(vcpu, HostInput::Unblock { vcpu, view, interrupt }, log);
        if effects.contains(&Effect::Runnable) {
            self.cpu_mut(vcpu).at = self.after_exit(vcpu);
        }
    }

    /// The entry; the guest goes on with what it takes there.
    fn enter(&mut self, vcpu: VcpuId, log: &mut Log) {
        let state = self.apf.vcpu(vcpu);
        if state.ready_request || state.halt_request.is_some() {
            // The kernel looks for requests once more, with interrupts off.
            self.cpu_mut(vcpu).at = At::Top;
            return;
        }
        let effects = self.host(vcpu, HostInput::Inject { vcpu }, log);
        let lost = effects.iter().any(|effect| matches!(effect, Effect::DoubleFault { .. }));
        let injected = effects.iter().any(|effect| matches!(effect, Effect::Injected { .. }));
        let interrupts_on = self.interrupts_on(vcpu);
        let nested = self.cpu(vcpu).handler.is_some();
        let ready = self.apf.ready_interrupt(vcpu).is_some();
        let token = crate::base::ids::Token::NONE;
        let cpu = self.cpu_mut(vcpu);
        cpu.at = At::Guest;
        if lost || (injected && nested) {
            // The frame of one exception is lost.
            cpu.at = At::Dead;
        } else if injected {
            cpu.handler = Some(Handler { stage: Stage::Word, token });
        } else if ready && interrupts_on {
            cpu.handler = Some(Handler { stage: Stage::Eoi, token });
            self.host(vcpu, HostInput::InjectInterrupt { vcpu }, log);
        }
        let cpu = self.cpu_mut(vcpu);
        cpu.context = Context::User;
        if cpu.handler.is_none() {
            cpu.task = None;
        }
    }

    fn start(&mut self, item: ItemId, log: &mut Log) {
        let Some(vcpu) = self.vcpu_of(item) else { return };
        self.host(vcpu, HostInput::WorkerStart { item, worker: WorkerId(item.0) }, log);
    }

    fn fetch(&mut self, item: ItemId, fails: bool, log: &mut Log) {
        use crate::apf::item::WorkStage;
        let Some(vcpu) = self.vcpu_of(item) else { return };
        let page = self.page_of(item);
        if !fails && let Some(page) = page {
            self.bring(page);
        }
        let stage = self.apf.host.items.work(item).map(|work| work.stage);
        if stage == Some(WorkStage::Queued) {
            self.start(item, log);
        }
        if fails {
            if !self.reads_fail() {
                self.cpu_mut(vcpu).budget.take(Disturbance::FetchFailure);
            }
            self.host(vcpu, HostInput::WorkerFailed { item }, log);
        } else {
            self.host(vcpu, HostInput::WorkerFetched { item }, log);
        }
    }

    fn work(&mut self, item: ItemId, log: &mut Log) {
        let Some(vcpu) = self.vcpu_of(item) else { return };
        self.host(vcpu, HostInput::WorkerAdvance { item }, log);
    }
}

/// How the fault path goes on.
fn last_decision(effects: &Effects) -> Decision {
    let mut decisions = effects.iter().filter_map(|effect| match effect {
        Effect::Decide(decision) => Some(*decision),
        _ => None,
    });
    decisions.next_back().unwrap_or(Decision::Retry)
}
