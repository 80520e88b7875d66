//! The guest kernel on one vCPU: interrupt handlers, the tick, first touches of memory, and the
//! guest's side of page not present and page ready.
//!
//! Kernel stages are frames on a stack; interrupts are off while one runs, except in the HLT of a
//! not-present handler that cannot sleep. A stage acts when its time is over.

use sim_core::{Cycles, EventQueue};

use crate::apf::{GuestInput, HostInput, WaitContext};
use crate::base::ids::{Gva, TaskId, Token, VcpuId};
use crate::base::record::{ApfReason, BlockReason, Event, ExitReason};
use crate::config::{Preemption, RegionBacking, WakeTime};
use crate::machine::Cx;
use crate::machine::event::MachineEvent;
use crate::machine::host::scheduler::Flow;
use crate::machine::world::{Frame, GuestThen, Running, TaskState, Then};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Whether the guest lets interrupts in.
    pub(crate) fn interrupts_on(&self, vcpu: VcpuId) -> bool {
        match self.w.vcpus[vcpu.index()].frames.last() {
            None => !self.current_keeps_interrupts_off(vcpu),
            Some(frame) => {
                let softirq = GuestThen::Timers { softirq: true };
                matches!(frame.then, GuestThen::WaitHalted { .. } | GuestThen::CallWait)
                    || frame.then == softirq
            }
        }
    }

    /// Whether an interrupt waits for the guest.
    pub(crate) fn interrupt_pending(&self, vcpu: VcpuId) -> bool {
        let state = &self.w.vcpus[vcpu.index()];
        state.tick_pending
            || state.reschedule_pending
            || state.enable_pending
            || state.refused_en_pending
            || state.smi_pending.is_some()
            || !state.calls.is_empty()
            || self.task_timer_pending(vcpu)
            || self.w.apf.ready_interrupt(vcpu).is_some()
    }

    pub(crate) fn push_frame(&mut self, vcpu: VcpuId, remaining: Cycles, then: GuestThen) {
        self.w.vcpus[vcpu.index()].frames.push(Frame { remaining, then });
    }

    /// Goes on with whatever the guest has to do next on this vCPU.
    pub(crate) fn guest_run(&mut self, vcpu: VcpuId) -> Flow {
        loop {
            if let Some(flow) = self.apic_exit(vcpu) {
                return flow;
            }
            let state = &mut self.w.vcpus[vcpu.index()];
            if let Some(frame) = state.frames.last().copied() {
                if let GuestThen::WaitHalted { token, task } = frame.then {
                    if !std::mem::take(&mut state.hlt_over) {
                        return self.hlt(vcpu);
                    }
                    state.frames.pop();
                    self.wait_test(vcpu, task, token);
                    continue;
                }
                if frame.then == GuestThen::Offline {
                    if self.stays_offline(vcpu) {
                        return self.hlt(vcpu);
                    }
                    continue;
                }
                if frame.then == GuestThen::CallWait {
                    match self.call_wait(vcpu) {
                        Some(flow) => return flow,
                        None => continue,
                    }
                }
                if frame.remaining > Cycles::ZERO {
                    self.start_guest_stretch(vcpu, frame.remaining, Running::Kernel);
                    return Flow::Stopped;
                }
                state.frames.pop();
                if let Some(flow) = self.guest_act(vcpu, frame.then) {
                    return flow;
                }
                continue;
            }
            if self.interrupt_pending(vcpu) && self.interrupts_on(vcpu) {
                return self.open_interrupt_window(vcpu);
            }
            let state = &self.w.vcpus[vcpu.index()];
            if let Some(current) = state.queue.current.map(TaskId)
                && (!state.need_resched || !self.may_be_switched(current))
            {
                return self.user_run(vcpu, current);
            }
            if !self.reschedule(vcpu) {
                return self.hlt(vcpu);
            }
        }
    }

    /// The interrupt window opens: the host injects at the next entry. A machine without a cost of its
    /// own for it traces it as any exit for an interrupt.
    pub(crate) fn open_interrupt_window(&mut self, vcpu: VcpuId) -> Flow {
        let prices = &self.w.prices;
        let saves = prices.window_saves.time;
        let cost = prices.exit_light.time.saturating_sub(saves);
        let reason = match saves.is_zero() {
            true => ExitReason::ExternalInterrupt,
            false => ExitReason::InterruptWindow,
        };
        self.leave_guest(vcpu, reason, cost, Then::TurnEnd)
    }

    fn hlt(&mut self, vcpu: VcpuId) -> Flow {
        if let Some(flow) = self.stop_idle_tick(vcpu) {
            return flow;
        }
        self.protocol(HostInput::Hlt { vcpu });
        let cost = self.w.prices.exit_light.time;
        self.leave_guest(vcpu, ExitReason::Hlt, cost, Then::TurnEnd)
    }

    /// Does what a finished kernel stage is for; a flow when the vCPU cannot simply go on.
    fn guest_act(&mut self, vcpu: VcpuId, then: GuestThen) -> Option<Flow> {
        match then {
            GuestThen::Tick { periods } => self.guest_tick(vcpu, periods),
            GuestThen::Reschedule => self.w.vcpus[vcpu.index()].need_resched = true,
            GuestThen::PageFault { token } => self.apf_page_fault(vcpu, token),
            GuestThen::WaitTest { token, task } => self.wait_test(vcpu, task, token),
            GuestThen::WaitHalted { .. } | GuestThen::CallWait | GuestThen::Offline => {
                unreachable!("{then:?} is no stage that ends by itself")
            }
            GuestThen::Answer { to } => self.answer(to),
            GuestThen::Timers { .. } => self.wake_expired(vcpu),
            GuestThen::Wake { token } => self.wake_token(vcpu, token),
            GuestThen::ReadyInterrupt => return self.ready_interrupt_handler(vcpu),
            GuestThen::Switched => {
                let state = &mut self.w.vcpus[vcpu.index()];
                if let Some(current) = state.queue.current {
                    let frames = std::mem::take(&mut self.w.tasks[current as usize].frames);
                    self.w.vcpus[vcpu.index()].frames = frames;
                }
            }
            GuestThen::FirstTouch { gva } => return self.first_touch(vcpu, gva),
            GuestThen::ClearPage { gva, gfn } => {
                // The kernel clears the page through its own mapping; that may exit first.
                if !self.w.memory.page(gfn).ept_mapped {
                    self.push_frame(vcpu, Cycles::ZERO, then);
                    return Some(self.ept_violation(vcpu, gfn, true, 0));
                }
                let cost = self.w.prices.zero_page.cycles;
                self.push_frame(vcpu, cost, GuestThen::MapFresh { gva, gfn });
            }
            GuestThen::MapFresh { gva, gfn } => {
                if self.w.tables.translate(gva).is_some() {
                    // Another vCPU was faster (`pte_same`): the frame goes back.
                    let in_memfd = self.w.memory.page(gfn).in_guest_memfd;
                    self.w.tables.release(gfn, in_memfd);
                } else {
                    self.w.tables.map(gva, gfn);
                }
            }
            GuestThen::EnableApf => {
                let cost = self.w.prices.exit_light.time;
                return Some(self.leave_guest(vcpu, ExitReason::MsrWrite, cost, Then::WriteEn));
            }
            GuestThen::RefusedEn => {
                // A guest whose notices are off has nothing to write.
                if !self.w.apf.notices_on(vcpu) {
                    return None;
                }
                let cost = self.w.prices.exit_light.time;
                return Some(self.leave_guest(vcpu, ExitReason::MsrWrite, cost, Then::RefusedEn));
            }
            GuestThen::LeaveSmm => {
                let cost = self.w.prices.exit_light.time;
                return Some(self.leave_guest(vcpu, ExitReason::Rsm, cost, Then::LeaveSmm));
            }
            GuestThen::NoticesOff => return self.notices_off(vcpu),
            GuestThen::Depart => self.depart(vcpu),
            GuestThen::Eoi => return Some(self.apic_write(vcpu)),
            GuestThen::Return => {}
        }
        None
    }

    fn first_touch(&mut self, vcpu: VcpuId, gva: Gva) -> Option<Flow> {
        if self.w.tables.translate(gva).is_some() {
            // Another vCPU was faster.
            return None;
        }
        let in_memfd = self.is_in_guest_memfd(gva);
        match self.w.tables.allocate(in_memfd) {
            Some(gfn) => {
                if in_memfd {
                    self.w.memory.page_mut(gfn).in_guest_memfd = true;
                }
                self.push_frame(vcpu, Cycles::ZERO, GuestThen::ClearPage { gva, gfn });
                None
            }
            None => {
                let now = self.now();
                self.w.failure.get_or_insert(crate::machine::world::Failure::GuestOutOfMemory(now));
                Some(Flow::Stopped)
            }
        }
    }

    /// Whether the memory slot of a region is backed by guest_memfd.
    fn is_in_guest_memfd(&self, gva: Gva) -> bool {
        let region = self.w.tables.region_of(gva);
        self.w.config.workload.regions[region.index()].backing == RegionBacking::GuestMemfd
    }

    /// The synthetic #PF: what does the shared word say?
    fn apf_page_fault(&mut self, vcpu: VcpuId, token: Token) {
        let outcome = self.protocol(GuestInput::PfEntry { vcpu });
        match outcome.word {
            Some(ApfReason::NotPresent) => {
                let Some(task) = self.w.vcpus[vcpu.index()].queue.current.map(TaskId) else {
                    return;
                };
                let outcome = self.protocol(GuestInput::WaitLink { vcpu, task, token });
                if !outcome.no_sleep {
                    let cost = self.w.prices.guest_not_present.cycles;
                    self.push_frame(vcpu, cost, GuestThen::WaitTest { token, task });
                }
            }
            Some(ApfReason::Ready) => {
                let cost = self.w.prices.guest_ready.cycles + self.w.prices.guest_wakeup.cycles;
                self.push_frame(vcpu, cost, GuestThen::Wake { token });
            }
            Some(ApfReason::None) | None => {}
        }
    }

    /// Page ready as interrupt: its end, the token, the wake-up, the free slot; then the
    /// acknowledgement, which exits.
    fn ready_interrupt_handler(&mut self, vcpu: VcpuId) -> Option<Flow> {
        self.protocol(GuestInput::ReadyEoi { vcpu });
        let token = self.protocol(GuestInput::ReadyRead { vcpu }).slot?;
        self.wake_token(vcpu, token);
        self.protocol(GuestInput::ReadyClear { vcpu });
        // The handler is not over: no interrupt comes in before it returns.
        self.push_frame(vcpu, Cycles::ZERO, GuestThen::Return);
        let prices = &self.w.prices;
        let cost = prices.exit_light.time.saturating_sub(prices.msr_return.time);
        Some(self.leave_guest(vcpu, ExitReason::MsrWrite, cost, Then::WriteAck))
    }

    fn wake_token(&mut self, vcpu: VcpuId, token: Token) {
        if self.protocol(GuestInput::Wake { vcpu, token }).allocate_dummy {
            self.protocol(GuestInput::WakeInsert { vcpu, token });
        }
    }

    /// The waiter looks whether it is still linked; if so it sleeps, or halts where it may not.
    fn wait_test(&mut self, vcpu: VcpuId, task: TaskId, token: Token) {
        let state = &self.w.vcpus[vcpu.index()];
        let kernel = self.w.tasks[task.index()].kernel;
        let counts_atomic = self.w.config.guest.preemption == Preemption::Full;
        // A fault inside a kernel stage is atomic, and every kernel counts those. Sections are
        // counted by preemptible kernels only.
        let stages = u32::try_from(state.frames.len()).unwrap_or(u32::MAX);
        let sections = if counts_atomic { kernel.preempt_off } else { 0 };
        let ctx = WaitContext {
            idle: state.queue.current.is_none(),
            preempt_count: stages.saturating_add(sections),
            rcu_reader: kernel.rcu > 0,
            user_mode: stages == 0 && !kernel.syscall,
            counts_atomic,
        };
        let outcome = self.protocol(GuestInput::WaitTest { vcpu, task, token, ctx });
        if outcome.sleep {
            let frames = std::mem::take(&mut self.w.vcpus[vcpu.index()].frames);
            let waiter = &mut self.w.tasks[task.index()];
            waiter.frames = frames;
            waiter
                .frames
                .push(Frame { remaining: Cycles::ZERO, then: GuestThen::WaitTest { token, task } });
            waiter.state = TaskState::Sleeping;
            self.w.vcpus[vcpu.index()].need_resched = true;
        } else if outcome.halt_guest {
            self.push_frame(vcpu, Cycles::ZERO, GuestThen::WaitHalted { token, task });
        }
    }

    /// Wakes a sleeper of the protocol, at once or at its vCPU's next tick.
    pub(crate) fn wake_sleeper(&mut self, task: TaskId) {
        let vcpu = self.w.tasks[task.index()].vcpu;
        match self.w.config.guest.wake {
            WakeTime::Tick if self.w.vcpus[vcpu.index()].hotplug.takes_tasks() => {
                self.w.vcpus[vcpu.index()].delayed_wakes.push(task);
                self.restart_tick(vcpu);
            }
            WakeTime::Now if !self.w.config.guest.wake_delay.is_zero() => {
                let at = self.now() + self.w.config.guest.wake_delay;
                self.schedule(at, MachineEvent::DelayedWake(task));
            }
            WakeTime::Now | WakeTime::Tick => self.wake_task(task),
        }
    }

    /// An interrupt is pending for a vCPU: it leaves guest mode or stops blocking.
    pub(crate) fn interrupt(&mut self, vcpu: VcpuId) {
        let state = &self.w.vcpus[vcpu.index()];
        if state.in_guest {
            // One that acts right now sees the interrupt by itself before it goes on.
            if state.running != Running::Nothing && self.interrupts_on(vcpu) {
                self.force_exit(vcpu, ExitReason::ExternalInterrupt);
            }
        } else if matches!(state.blocked, Some((BlockReason::Hlt | BlockReason::ApfHalt, _))) {
            let thread = state.thread;
            self.wake_thread(thread);
        } else {
            self.cancel_entry(vcpu);
        }
    }

    /// Injects one pending interrupt at an entry. Returns its vector; none for a system management
    /// interrupt, which has no delivery that could be interrupted.
    pub(crate) fn inject_interrupt(&mut self, vcpu: VcpuId) -> Option<u8> {
        let period = self.tick_period_now(vcpu);
        let prices = &self.w.prices;
        let entry = prices.inject_event.cycles + prices.guest_exception.cycles;
        let ready = prices.guest_ready.cycles + prices.guest_wakeup.cycles;
        let timer = self.task_timer_pending(vcpu);
        let wakes = self.timer_cost(self.w.vcpus[vcpu.index()].expired.len() as u64);
        let state = &mut self.w.vcpus[vcpu.index()];
        if let Some(span) = state.smi_pending.take() {
            self.protocol(HostInput::EnterSmm { vcpu });
            let span = self.frequency.cycles_in(span);
            self.push_frame(vcpu, span, GuestThen::LeaveSmm);
            return None;
        }
        let (vector, cost, then) = if std::mem::take(&mut state.enable_pending) {
            // CALL_FUNCTION_VECTOR
            (0xfc, entry, GuestThen::EnableApf)
        } else if std::mem::take(&mut state.refused_en_pending) {
            (0xfc, entry, GuestThen::RefusedEn)
        } else if let Some(to) = state.calls.pop() {
            (0xfc, entry, GuestThen::Answer { to })
        } else if std::mem::take(&mut state.reschedule_pending) {
            // RESCHEDULE_VECTOR
            (0xfd, entry, GuestThen::Reschedule)
        } else if let Some(vector) = self.w.apf.ready_interrupt(vcpu) {
            // Traces its injection itself.
            self.protocol(HostInput::InjectInterrupt { vcpu });
            self.push_frame(vcpu, entry + ready, GuestThen::ReadyInterrupt);
            // This handler ends its interrupt first of all.
            self.push_eoi(vcpu);
            return Some(vector);
        } else if timer {
            // LOCAL_TIMER_VECTOR; the tick has the same, and its own handler here.
            (0xef, entry + wakes, GuestThen::Timers { softirq: false })
        } else {
            state.tick_pending = false;
            let periods =
                u32::try_from(period.saturating_sub(state.tick_period)).unwrap_or(u32::MAX);
            let periods = periods.max(1);
            state.tick_period = period;
            let missed = prices.guest_missed_tick.cycles.times(u64::from(periods - 1));
            let cost = entry + prices.guest_tick.cycles + missed;
            // LOCAL_TIMER_VECTOR
            (0xef, cost, GuestThen::Tick { periods })
        };
        self.emit(Event::KvmInjVirq { vcpu, vector });
        self.push_eoi(vcpu);
        self.push_frame(vcpu, cost, then);
        Some(vector)
    }

    /// The end of the tick handler (`scheduler_tick`).
    fn guest_tick(&mut self, vcpu: VcpuId, periods: u32) {
        self.emit(Event::GuestTick { vcpu, periods });
        let over = self.charge_task(vcpu);
        let state = &mut self.w.vcpus[vcpu.index()];
        // The balancer goes by the time (jiffies), not by the ticks that came through.
        let every = u64::from(self.w.config.guest.balance_ticks.max(1));
        let before = state.ticks / every;
        state.ticks += u64::from(periods);
        let balance = state.ticks / every != before;
        if over || state.queue.tick_preempts(&self.w.task_entities, &self.w.config.guest.sched) {
            state.need_resched = true;
        }
        for task in std::mem::take(&mut state.delayed_wakes) {
            self.wake_task(task);
        }
        self.restart_tick(vcpu);
        self.raise_timer_softirq(vcpu);
        if balance {
            let least = self.w.vcpus[vcpu.index()].queue.running() + 2;
            if self.pull_task(vcpu, least).is_some() {
                self.w.vcpus[vcpu.index()].need_resched |=
                    self.w.vcpus[vcpu.index()].queue.current.is_none();
            }
            let cost = self.w.prices.guest_balance.cycles;
            self.push_frame(vcpu, cost, GuestThen::Return);
        }
    }
}
