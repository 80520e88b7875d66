//! vCPU threads and workers on the host's processors.

use sim_core::{EventQueue, SimDuration};

use crate::base::ids::{PcpuId, ThreadId};
use crate::base::record::{Event, ExitReason};
use crate::config::SchedParams;
use crate::machine::Cx;
use crate::machine::event::MachineEvent;
use crate::machine::world::{Then, ThreadKind, ThreadState};
use crate::parts::sched::RunQueue;

/// How a thread goes on after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Work for so long, then do that.
    Spend(SimDuration, Then),
    /// Nothing is scheduled here: the thread sleeps, or runs in guest mode.
    Stopped,
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Schedules the end of the running thread's stretch.
    pub(crate) fn start_stretch(&mut self, thread: ThreadId, span: SimDuration, then: Then) {
        let now = self.now();
        let state = &mut self.w.threads[thread.index()];
        state.remaining = span;
        state.since = now;
        state.then = then;
        self.schedule_step(thread, now + span);
    }

    /// Whether the end of a thread's stretch is known.
    pub(crate) fn has_stretch(&self, thread: ThreadId) -> bool {
        self.w.ahead.is_some_and(|(ahead, _)| ahead == thread)
            || self.w.threads[thread.index()].event.is_some()
    }

    pub(crate) fn cancel_stretch(&mut self, thread: ThreadId) {
        if self.w.ahead.is_some_and(|(ahead, _)| ahead == thread) {
            self.w.ahead = None;
        } else if let Some(handle) = self.w.threads[thread.index()].event.take() {
            self.queue.cancel(handle);
        }
    }

    /// Charges the thread that has the processor up to now.
    fn charge_pcpu(&mut self, pcpu: PcpuId) {
        self.charge_until(pcpu, SimDuration::ZERO);
    }

    /// Charges the thread that has the processor and is about to lose it, also for its way into the
    /// scheduler (`switch_out`), which holds up the next one.
    fn charge_with_switch(&mut self, pcpu: PcpuId) {
        self.charge_until(pcpu, self.w.prices.switch_out.time);
    }

    fn charge_until(&mut self, pcpu: PcpuId, after_now: SimDuration) {
        let now = self.now();
        let queue = &mut self.w.pcpus[pcpu.index()].queue;
        if let Some(current) = queue.current {
            let thread = &mut self.w.threads[current as usize];
            let span = now.saturating_since(thread.charged_since) + after_now;
            thread.charged_since = thread.charged_since.max(now);
            let params = &self.w.config.host.sched;
            if queue.charge(&mut self.w.thread_entities, span, params) {
                self.ask_preempt(pcpu);
            }
        }
    }

    /// Lets a processor change threads once the event at hand is over (`resched_curr`).
    fn ask_preempt(&mut self, pcpu: PcpuId) {
        if !self.w.resched.contains(&pcpu) {
            self.w.resched.push(pcpu);
        }
    }

    /// Makes a sleeping thread runnable; nothing happens to one that does not sleep.
    pub(crate) fn wake_thread(&mut self, id: ThreadId) {
        if self.w.threads[id.index()].state != ThreadState::Blocked {
            self.end_polled_halt(id);
            return;
        }
        let pcpu = self.place(id);
        let delayed = RunQueue::is_delayed(id.0, &self.w.thread_entities);
        if !delayed {
            self.charge_pcpu(pcpu);
        }
        let now = self.now();
        let thread = &mut self.w.threads[id.index()];
        thread.state = ThreadState::Runnable;
        thread.charged_since = now;
        thread.pcpu = pcpu;
        let params = &self.w.config.host.sched;
        let queue = &mut self.w.pcpus[pcpu.index()].queue;
        queue.enqueue_woken(id.0, &mut self.w.thread_entities, params);
        if delayed {
            self.charge_pcpu(pcpu);
        }
        match self.w.pcpus[pcpu.index()].queue.current {
            None => {
                let latency = self.w.prices.host_wake_latency.time;
                self.dispatch(pcpu, None, latency);
            }
            Some(_) => {
                let params = &self.w.config.host.sched;
                let queue = &self.w.pcpus[pcpu.index()].queue;
                if queue.wakeup_preempts(id.0, &self.w.thread_entities, params) {
                    self.ask_preempt(pcpu);
                }
                self.stop_polling_on(pcpu);
                self.arm_host_tick(pcpu);
            }
        }
    }

    /// Where a waking thread goes: its last processor if idle, else an idle one, else its last.
    fn place(&self, id: ThreadId) -> PcpuId {
        let thread = &self.w.threads[id.index()];
        let idle = |pcpu: PcpuId| self.w.pcpus[pcpu.index()].queue.running() == 0;
        // One that has not left its queue goes on there.
        let stays = thread.bound || RunQueue::is_delayed(id.0, &self.w.thread_entities);
        if stays || idle(thread.pcpu) {
            return thread.pcpu;
        }
        (0..self.w.config.host.cpus).map(PcpuId).find(|&p| idle(p)).unwrap_or(thread.pcpu)
    }

    /// Gives a processor that `prev` has left to `next`; `latency` is paid before it does anything.
    fn switch_to(&mut self, pcpu: PcpuId, prev: Option<ThreadId>, latency: SimDuration) {
        let now = self.now();
        self.w.resched.retain(|&asked| asked != pcpu);
        let next = self.w.pcpus[pcpu.index()].queue.current.map(ThreadId);
        self.emit(Event::HostSchedSwitch { pcpu, prev, next });
        let Some(id) = next else { return };
        let overhead = latency + self.w.prices.host_switch.time;
        let thread = &mut self.w.threads[id.index()];
        thread.state = ThreadState::Running;
        thread.pcpu = pcpu;
        if let ThreadKind::Vcpu(vcpu) = thread.kind {
            self.w.vcpus[vcpu.index()].stolen += now.saturating_since(thread.charged_since);
        }
        thread.charged_since = now + self.w.prices.switch_out.time;
        let (remaining, then) = (thread.remaining, thread.then);
        self.start_stretch(id, overhead + remaining, then);
        self.arm_host_tick(pcpu);
    }

    /// Gives a free processor to the next thread.
    fn dispatch(&mut self, pcpu: PcpuId, prev: Option<ThreadId>, latency: SimDuration) {
        let params = &self.w.config.host.sched;
        let queue = &mut self.w.pcpus[pcpu.index()].queue;
        if queue.pick(&mut self.w.thread_entities, params).is_none() {
            self.steal_thread(pcpu);
        }
        self.switch_to(pcpu, prev, latency);
    }

    /// An idle processor takes a waiting thread that may move from the busiest one.
    fn steal_thread(&mut self, pcpu: PcpuId) {
        let movable = |w: &crate::machine::world::World, p: usize| {
            let waiting = w.pcpus[p].queue.waiting(&w.thread_entities);
            waiting.into_iter().find(|&t| !w.threads[t as usize].bound)
        };
        let from = (0..self.w.pcpus.len())
            .filter(|&p| p != pcpu.index() && movable(self.w, p).is_some())
            .max_by_key(|&p| (self.w.pcpus[p].queue.running(), usize::MAX - p));
        let Some(from) = from else { return };
        let Some(id) = movable(self.w, from) else { return };
        let params = &self.w.config.host.sched;
        let entities = &mut self.w.thread_entities;
        let mut queue = std::mem::take(&mut self.w.pcpus[pcpu.index()].queue);
        self.w.pcpus[from].queue.migrate(id, &mut queue, entities, params);
        queue.pick(entities, params);
        self.w.pcpus[pcpu.index()].queue = queue;
    }

    /// The running thread goes to sleep; the processor goes to the next one.
    pub(crate) fn block_thread(&mut self, id: ThreadId, then: Then) {
        let pcpu = self.w.threads[id.index()].pcpu;
        self.charge_with_switch(pcpu);
        let thread = &mut self.w.threads[id.index()];
        thread.state = ThreadState::Blocked;
        thread.remaining = SimDuration::ZERO;
        thread.then = then;
        thread.event = None;
        let params = &self.w.config.host.sched;
        self.w.pcpus[pcpu.index()].queue.sleep(&mut self.w.thread_entities, params);
        self.dispatch(pcpu, Some(id), SimDuration::ZERO);
    }

    /// Takes the processor from the running thread if another one should have it; it goes on later
    /// where it was.
    fn preempt(&mut self, pcpu: PcpuId) {
        let now = self.now();
        let Some(current) = self.w.pcpus[pcpu.index()].queue.current else { return };
        if self.w.pcpus[pcpu.index()].queue.nobody_waits() {
            return;
        }
        let id = ThreadId(current);
        if self.w.threads[id.index()].then == Then::InGuest {
            self.force_exit_of_thread(id, ExitReason::ExternalInterrupt);
        }
        self.charge_with_switch(pcpu);
        let params = &self.w.config.host.sched;
        let queue = &mut self.w.pcpus[pcpu.index()].queue;
        let next = queue.pick_again(false, &mut self.w.thread_entities, params);
        if next == Some(current) && matches!(params, SchedParams::Eevdf(_)) {
            // Asked again, the scheduler lets it run on.
            self.w.resched.retain(|&asked| asked != pcpu);
            return;
        }
        self.cancel_stretch(id);
        let thread = &mut self.w.threads[id.index()];
        thread.remaining = thread.remaining.saturating_sub(now.since(thread.since));
        thread.state = ThreadState::Runnable;
        if let ThreadKind::Vcpu(vcpu) = thread.kind {
            self.cancel_entry(vcpu);
        }
        self.switch_to(pcpu, Some(id), SimDuration::ZERO);
    }

    /// Carries out the preemptions that an event asked for.
    #[inline]
    pub(crate) fn settle(&mut self) {
        while let Some(pcpu) = self.w.resched.pop() {
            self.preempt(pcpu);
        }
    }

    fn arm_host_tick(&mut self, pcpu: PcpuId) {
        let now = self.now();
        let state = &mut self.w.pcpus[pcpu.index()];
        // A tick that costs nothing is only of interest while threads compete.
        let least = if self.w.prices.host_tick.time.is_zero() { 2 } else { 1 };
        if state.tick.is_some() || state.queue.current.is_none() || state.queue.running() < least {
            return;
        }
        let period = self.w.config.host.tick.as_ps();
        let next = sim_core::SimTime::from_ps((now.as_ps() / period + 1) * period);
        let event = MachineEvent::HostTick(pcpu);
        let handle = self.schedule(next, event);
        self.w.pcpus[pcpu.index()].tick = Some(handle);
    }

    pub(crate) fn host_tick(&mut self, pcpu: PcpuId) {
        self.w.pcpus[pcpu.index()].tick = None;
        let cost = self.w.prices.host_tick.time;
        if !cost.is_zero() {
            self.interrupt_processor(pcpu, cost);
        }
        self.charge_pcpu(pcpu);
        let state = &self.w.pcpus[pcpu.index()];
        if state.queue.tick_preempts(&self.w.thread_entities, &self.w.config.host.sched) {
            self.ask_preempt(pcpu);
        }
        self.arm_host_tick(pcpu);
    }

    /// The running stretch of a thread is over.
    pub(crate) fn thread_step(&mut self, id: ThreadId) {
        let thread = &mut self.w.threads[id.index()];
        thread.event = None;
        let mut then = thread.then;
        loop {
            if !self.count_step(id, then) {
                return;
            }
            match self.perform(id, then) {
                // Work that costs nothing needs no event of its own.
                Flow::Spend(span, next) if span.is_zero() => then = next,
                Flow::Spend(span, next) => {
                    self.start_stretch(id, span, next);
                    return;
                }
                Flow::Stopped => return,
            }
        }
    }
}
