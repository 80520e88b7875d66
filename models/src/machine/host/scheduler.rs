//! vCPU threads and workers on the host's processors.

use sim_core::{EventQueue, SimDuration};

use super::state::Host;
use super::thread::{ThreadKind, ThreadState};
use crate::base::ids::{PcpuId, ThreadId};
use crate::base::record::{Event, ExitReason};
use crate::machine::world::{Cx, MachineEvent, Then};
use crate::parts::sched::{Balanced, ENTITY_LOAD, Load, RunQueue};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Charges the thread that has the processor up to now.
    fn charge_pcpu(&mut self, pcpu: PcpuId) {
        self.charge_until(pcpu, SimDuration::ZERO);
    }

    /// Charges the thread that has the processor and is about to lose it, also for its way into the
    /// scheduler (`switch_out`), which holds up the next one.
    fn charge_with_switch(&mut self, pcpu: PcpuId) {
        self.charge_until(pcpu, self.w.setup.prices.switch_out.time);
    }

    fn charge_until(&mut self, pcpu: PcpuId, after_now: SimDuration) {
        let now = self.now();
        let queue = &mut self.w.host.pcpus[pcpu.index()].queue;
        if let Some(current) = queue.current {
            let thread = &mut self.w.host.threads[current as usize];
            let span = now.saturating_since(thread.charged_since) + after_now;
            thread.charged_since = thread.charged_since.max(now);
            thread.ran_until = now;
            let params = &self.w.setup.config.host.sched;
            let over = queue.charge(&mut self.w.host.entities, span, params);
            self.w.host.note_load(now, pcpu);
            if over {
                self.ask_preempt(pcpu);
            }
        }
    }

    /// Lets a processor change threads once the event at hand is over (`resched_curr`).
    pub(super) fn ask_preempt(&mut self, pcpu: PcpuId) {
        if !self.w.host.resched.contains(&pcpu) {
            self.w.host.resched.push(pcpu);
        }
    }

    /// Makes a sleeping thread runnable; nothing happens to one that does not sleep.
    pub(in crate::machine) fn wake_thread(&mut self, id: ThreadId) {
        if self.w.host.threads[id.index()].state != ThreadState::Blocked {
            self.end_polled_halt(id);
            return;
        }
        // A timer alone wakes it (`schedule_timeout_killable`).
        let until = self.w.host.threads[id.index()].sleeps_until;
        if until.is_some_and(|until| self.now() < until) {
            return;
        }
        let pcpu = self.place(id);
        let delayed = RunQueue::is_delayed(id.0, &self.w.host.entities);
        if !delayed {
            self.charge_pcpu(pcpu);
        }
        let now = self.now();
        let params = &self.w.setup.config.host.sched;
        let Host { threads, pcpus, entities, .. } = &mut self.w.host;
        let thread = &mut threads[id.index()];
        if thread.pcpu != pcpu {
            let (from, to) = (&pcpus[thread.pcpu.index()].queue, &pcpus[pcpu.index()].queue);
            from.rebase(to, id.0, entities, params);
        }
        thread.state = ThreadState::Runnable;
        thread.charged_since = now;
        thread.pcpu = pcpu;
        pcpus[pcpu.index()].queue.enqueue_woken(id.0, entities, params);
        self.w.host.note_load(now, pcpu);
        if delayed {
            self.charge_pcpu(pcpu);
        }
        match self.w.host.pcpus[pcpu.index()].queue.current {
            None => {
                let latency = self.w.setup.prices.host_wake_latency.time;
                self.dispatch(pcpu, None, latency);
            }
            Some(_) => {
                let params = &self.w.setup.config.host.sched;
                let queue = &self.w.host.pcpus[pcpu.index()].queue;
                if queue.wakeup_preempts(id.0, &self.w.host.entities, params) {
                    self.ask_preempt(pcpu);
                }
                self.stop_polling_on(pcpu);
                self.arm_host_tick(pcpu);
            }
        }
    }

    /// There may be room in a container.
    pub(super) fn wake_room_waiters(&mut self, container: usize) {
        let waiters = std::mem::take(&mut self.w.host.room_waiters[container]);
        for thread in waiters {
            self.wake_thread(thread);
        }
    }

    /// Where a waking thread goes: its last processor if idle, else an idle one, else its last.
    fn place(&self, id: ThreadId) -> PcpuId {
        let thread = &self.w.host.threads[id.index()];
        let idle = |pcpu: PcpuId| self.w.host.pcpus[pcpu.index()].queue.running() == 0;
        // One that has not left its queue goes on there.
        let stays = thread.bound || RunQueue::is_delayed(id.0, &self.w.host.entities);
        if stays || idle(thread.pcpu) {
            return thread.pcpu;
        }
        self.w.host.balance.loads().idle().next().map_or(thread.pcpu, |pcpu| PcpuId(pcpu as u16))
    }

    /// Gives a processor that `prev` has left to `next`; `latency` is paid before it does anything.
    pub(super) fn switch_to(&mut self, pcpu: PcpuId, prev: Option<ThreadId>, latency: SimDuration) {
        let now = self.now();
        self.w.host.resched.retain(|&asked| asked != pcpu);
        let next = self.w.host.pcpus[pcpu.index()].queue.current.map(ThreadId);
        self.emit(Event::HostSchedSwitch { pcpu, prev, next });
        let Some(id) = next else { return };
        let overhead = latency + self.w.setup.prices.host_switch.time;
        let thread = &mut self.w.host.threads[id.index()];
        thread.state = ThreadState::Running;
        thread.pcpu = pcpu;
        let waited = now.saturating_since(thread.charged_since);
        let kind = thread.kind;
        thread.charged_since = now + self.w.setup.prices.switch_out.time;
        let (remaining, then) = (thread.remaining, thread.then);
        if let ThreadKind::Vcpu(vcpu) = kind {
            self.w.kvm.add_stolen(vcpu, waited);
            if !self.w.setup.config.vms.is_empty() && !waited.is_zero() {
                self.emit(Event::SchedStatWait { vcpu, span: waited });
            }
        }
        self.start_stretch(id, overhead + remaining, then);
        self.arm_host_tick(pcpu);
    }

    /// Gives a free processor to the next thread.
    fn dispatch(&mut self, pcpu: PcpuId, prev: Option<ThreadId>, latency: SimDuration) {
        let now = self.now();
        let params = &self.w.setup.config.host.sched;
        let queue = &mut self.w.host.pcpus[pcpu.index()].queue;
        let next = queue.pick(&mut self.w.host.entities, params);
        self.w.host.note_load(now, pcpu);
        if next.is_none() {
            self.balance_idle_processor(pcpu);
        }
        self.switch_to(pcpu, prev, latency);
    }

    /// The running thread goes to sleep; the processor goes to the next one.
    pub(in crate::machine) fn block_thread(&mut self, id: ThreadId, then: Then) {
        let pcpu = self.w.host.threads[id.index()].pcpu;
        self.charge_with_switch(pcpu);
        let thread = &mut self.w.host.threads[id.index()];
        thread.state = ThreadState::Blocked;
        thread.remaining = SimDuration::ZERO;
        thread.then = then;
        self.w.steps.passed(id);
        let params = &self.w.setup.config.host.sched;
        self.w.host.pcpus[pcpu.index()].queue.sleep(&mut self.w.host.entities, params);
        let now = self.now();
        self.w.host.note_load(now, pcpu);
        self.dispatch(pcpu, Some(id), SimDuration::ZERO);
    }

    /// Takes the processor from the running thread if another one should have it; it goes on later
    /// where it was.
    fn preempt(&mut self, pcpu: PcpuId) {
        let now = self.now();
        let Some(current) = self.w.host.pcpus[pcpu.index()].queue.current else { return };
        if self.w.host.pcpus[pcpu.index()].queue.nobody_waits() {
            return;
        }
        let id = ThreadId(current);
        if self.stays_for_lock(id) {
            return;
        }
        if self.w.host.threads[id.index()].then == Then::InGuest {
            self.force_exit_of_thread(id, ExitReason::ExternalInterrupt);
        }
        self.charge_with_switch(pcpu);
        let params = &self.w.setup.config.host.sched;
        let queue = &mut self.w.host.pcpus[pcpu.index()].queue;
        let next = queue.pick_again(false, &mut self.w.host.entities, params);
        self.w.host.note_load(now, pcpu);
        if next == Some(current) {
            // Asked again, the scheduler lets it run on.
            self.w.host.resched.retain(|&asked| asked != pcpu);
            return;
        }
        self.cancel_step(id);
        let thread = &mut self.w.host.threads[id.index()];
        thread.remaining = thread.remaining.saturating_sub(now.since(thread.since));
        thread.state = ThreadState::Runnable;
        if let ThreadKind::Vcpu(vcpu) = thread.kind {
            self.cancel_entry(vcpu);
        }
        self.switch_to(pcpu, Some(id), SimDuration::ZERO);
    }

    /// Carries out the preemptions that an event asked for.
    #[inline]
    pub(in crate::machine) fn settle(&mut self) {
        while let Some(pcpu) = self.w.host.resched.pop() {
            self.preempt(pcpu);
        }
    }

    pub(super) fn arm_host_tick(&mut self, pcpu: PcpuId) {
        let now = self.now();
        let state = &mut self.w.host.pcpus[pcpu.index()];
        // A tick that costs nothing is only of interest while threads compete.
        let least = if self.w.setup.prices.host_tick.time.is_zero() { 2 } else { 1 };
        if state.tick.is_some() || state.queue.current.is_none() || state.queue.running() < least {
            return;
        }
        let period = self.w.setup.config.host.tick.as_ps();
        let next = sim_core::SimTime::from_ps((now.as_ps() / period + 1) * period);
        let event = MachineEvent::HostTick(pcpu);
        let handle = self.schedule(next, event);
        self.w.host.pcpus[pcpu.index()].tick = Some(handle);
    }

    pub(in crate::machine) fn host_tick(&mut self, pcpu: PcpuId) {
        self.w.host.pcpus[pcpu.index()].tick = None;
        let cost = self.w.setup.prices.host_tick.time;
        if !cost.is_zero() {
            self.interrupt_processor(pcpu, cost);
        }
        self.charge_pcpu(pcpu);
        self.balance_threads();
        let state = &self.w.host.pcpus[pcpu.index()];
        if state.queue.tick_preempts(&self.w.host.entities, &self.w.setup.config.host.sched) {
            self.ask_preempt(pcpu);
        }
        self.arm_host_tick(pcpu);
    }

    /// Whether a thread that is to lose its processor cannot yet; it will when it lets go of the lock.
    fn stays_for_lock(&mut self, thread: ThreadId) -> bool {
        let locked = &mut self.w.host.threads[thread.index()].locked;
        locked.asked |= locked.atomic;
        locked.atomic
    }

    /// A thread's stretch is over, and with it what it did under the lock.
    pub(in crate::machine) fn may_be_preempted(&mut self, thread: ThreadId) {
        let state = &mut self.w.host.threads[thread.index()];
        if !std::mem::take(&mut state.locked.atomic) {
            return;
        }
        if std::mem::take(&mut state.locked.asked) {
            let pcpu = state.pcpu;
            self.ask_preempt(pcpu);
        }
    }

    /// A processor that has become idle takes a waiting thread from the busiest one that has one to give.
    pub(super) fn balance_idle_processor(&mut self, pcpu: PcpuId) {
        let (now, host) = (self.now(), &self.w.host);
        let balancer = host.balance.balancer(pcpu.index());
        let others = host.balance.loads().busiest_first(0).filter(|&p| p != pcpu.index());
        let found =
            others.filter_map(|from| Some((from, host.movable(from, now, balancer)?))).next();
        if let Some((from, thread)) = found {
            self.take_over(thread, from, pcpu);
        }
    }

    /// An idle processor runs a thread of another one from now on.
    fn take_over(&mut self, thread: ThreadId, from: usize, to: PcpuId) {
        let (now, params) = (self.now(), &self.w.setup.config.host.sched);
        let host = &mut self.w.host;
        host.move_waiting(now, thread, from, to, params);
        host.pcpus[to.index()].queue.pick(&mut host.entities, params);
        host.note_load(now, to);
    }

    /// At a tick: whoever is due looks around, once for all ticks of that time.
    pub(super) fn balance_threads(&mut self) {
        let now = self.now();
        let Some(mut loads) = self.w.host.balance.look_around(now) else { return };
        for pcpu in (0..loads.len()).map(|at| PcpuId(at as u16)) {
            let busy = self.w.host.pcpus[pcpu.index()].queue.running() > 0;
            let tick = self.w.setup.config.host.tick;
            if self.w.host.balance.balancer(pcpu.index()).is_due(now, busy, tick) {
                let result = self.take_from_busiest_processor(pcpu, busy, &mut loads);
                self.w.host.balance.looked(pcpu.index(), now, result);
            }
        }
    }

    fn take_from_busiest_processor(
        &mut self,
        pcpu: PcpuId,
        busy: bool,
        loads: &mut [Load],
    ) -> Balanced {
        let (now, host) = (self.now(), &self.w.host);
        let others = host.balance.loads().busiest_first(2).filter(|&p| p != pcpu.index());
        let Some(from) = others.max_by_key(|&p| (loads[p].low, std::cmp::Reverse(p))) else {
            return Balanced::Even;
        };
        let balancer = host.balance.balancer(pcpu.index());
        if busy {
            let own = loads[pcpu.index()];
            let all = loads.iter().map(|load| load.low).sum::<u64>() - own.low + own.high;
            match balancer.wants(own.high, loads[from].low, all / loads.len() as u64) {
                None => return Balanced::Even,
                Some(false) => return Balanced::Failed,
                Some(true) => {}
            }
        }
        let Some(thread) = host.movable(from, now, balancer) else { return Balanced::Failed };
        let (left, come) = (loads[from], loads[pcpu.index()]);
        let less = |load: u64| load.saturating_sub(ENTITY_LOAD);
        loads[from] = Load { low: less(left.low), high: less(left.high) };
        loads[pcpu.index()] = Load { low: come.low + ENTITY_LOAD, high: come.high + ENTITY_LOAD };
        if busy {
            let params = &self.w.setup.config.host.sched;
            self.w.host.move_waiting(now, thread, from, pcpu, params);
            let queue = &self.w.host.pcpus[pcpu.index()].queue;
            if queue.wakeup_preempts(thread.0, &self.w.host.entities, params) {
                self.ask_preempt(pcpu);
            }
            self.arm_host_tick(pcpu);
        } else {
            self.take_over(thread, from, pcpu);
            let latency = self.w.setup.prices.host_wake_latency.time;
            self.switch_to(pcpu, None, latency);
        }
        Balanced::Moved
    }
}
