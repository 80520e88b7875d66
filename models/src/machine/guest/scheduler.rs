//! The guest's scheduler: which task a vCPU runs, wake-ups, placement and load balancing. The
//! bookkeeping of fairness is [`crate::parts::sched`]'s.

use sim_core::EventQueue;

use crate::base::ids::{TaskId, VcpuId};
use crate::base::record::Event;
use crate::config::StealClock;
use crate::machine::Cx;
use crate::machine::event::MachineEvent;
use crate::machine::world::{GuestThen, Running, TaskState};
use crate::parts::sched::RunQueue;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Charges the current task up to now (`update_curr`). True when its slice is over.
    pub(crate) fn charge_task(&mut self, vcpu: VcpuId) -> bool {
        let now = self.now();
        let steal_clock = self.w.config.guest.steal_clock;
        let state = &mut self.w.vcpus[vcpu.index()];
        let mut span = now.since(state.charged_since);
        state.charged_since = now;
        let stolen = std::mem::take(&mut state.stolen);
        if steal_clock != StealClock::Off {
            span = span.saturating_sub(stolen);
        }
        let params = &self.w.config.guest.sched;
        state.queue.charge(&mut self.w.task_entities, span, params)
    }

    /// Chooses the next task (`schedule`). False when there is none: the vCPU is idle.
    pub(crate) fn reschedule(&mut self, vcpu: VcpuId) -> bool {
        self.charge_task(vcpu);
        let state = &mut self.w.vcpus[vcpu.index()];
        state.need_resched = false;
        let prev = state.queue.current;
        let sleeps =
            prev.is_some_and(|prev| self.w.tasks[prev as usize].state == TaskState::Sleeping);
        if self.begin_offline(vcpu, sleeps) {
            self.end_user_of(vcpu, prev);
            if prev.is_some() {
                self.emit(Event::GuestSchedSwitch { vcpu, prev: prev.map(TaskId), next: None });
            }
            return true;
        }
        let params = &self.w.config.guest.sched;
        let state = &mut self.w.vcpus[vcpu.index()];
        let next = match state.queue.pick_again(sleeps, &mut self.w.task_entities, params) {
            Some(next) => Some(next),
            None => self.pull_task(vcpu, 2).and_then(|_| {
                let params = &self.w.config.guest.sched;
                let state = &mut self.w.vcpus[vcpu.index()];
                state.queue.pick(&mut self.w.task_entities, params)
            }),
        };
        if next == prev && next.is_some() {
            if let Some(next) = next {
                let task = &mut self.w.tasks[next as usize];
                // Woken before it was switched away: it goes on where it was about to sleep.
                let frames = std::mem::take(&mut task.frames);
                self.w.vcpus[vcpu.index()].frames = frames;
            }
            return true;
        }
        let named = (prev.map(TaskId), next.map(TaskId));
        if named.0.is_some() || named.1.is_some() {
            self.end_user_of(vcpu, prev);
            self.emit(Event::GuestSchedSwitch { vcpu, prev: named.0, next: named.1 });
        }
        if next.is_none() {
            return false;
        }
        self.restart_tick(vcpu);
        let cost = self.w.prices.guest_switch.cycles;
        self.push_frame(vcpu, cost, GuestThen::Switched);
        true
    }

    /// Reports the time of a task, of its own program, since it was last reported; it may just
    /// have been switched away.
    pub(crate) fn end_user_of(&mut self, vcpu: VcpuId, task: Option<u32>) {
        let now = self.now();
        let since = self.w.vcpus[vcpu.index()].user_since.take();
        let (Some(since), Some(task)) = (since, task.map(TaskId)) else { return };
        let span = now.since(since);
        if self.w.tasks[task.index()].kernel.syscall {
            self.emit(Event::TaskKernelRun { vcpu, task, span });
        } else {
            self.emit(Event::TaskRun { vcpu, task, span });
            self.report_work(task);
        }
    }

    /// A task becomes runnable in the guest (`try_to_wake_up`), on the vCPU it slept on.
    pub(crate) fn wake_task(&mut self, task: TaskId) {
        if self.w.tasks[task.index()].state != TaskState::Sleeping {
            return;
        }
        let vcpu = self.vcpu_to_wake_on(task);
        let delayed = RunQueue::is_delayed(task.0, &self.w.task_entities);
        let mut over = !delayed && self.charge_task(vcpu);
        self.w.tasks[task.index()].state = TaskState::Runnable;
        let params = &self.w.config.guest.sched;
        let state = &mut self.w.vcpus[vcpu.index()];
        if state.queue.current == Some(task.0) {
            // It has not been switched away yet.
            return;
        }
        state.queue.enqueue_woken(task.0, &mut self.w.task_entities, params);
        if delayed {
            over = self.charge_task(vcpu);
        }
        let params = &self.w.config.guest.sched;
        let queue = &self.w.vcpus[vcpu.index()].queue;
        let preempts = over || queue.wakeup_preempts(task.0, &self.w.task_entities, params);
        self.emit(Event::GuestSchedWakeup { task, vcpu });
        if preempts {
            self.ask_resched(vcpu);
        }
    }

    /// Makes a vCPU look for another task: by itself when it is the one that runs now, else by a
    /// reschedule interrupt.
    pub(crate) fn ask_resched(&mut self, vcpu: VcpuId) {
        let state = &mut self.w.vcpus[vcpu.index()];
        if state.in_guest && state.running == Running::Nothing {
            state.need_resched = true;
        } else {
            state.reschedule_pending = true;
            self.owe_ipi_exit(vcpu);
            self.interrupt(vcpu);
        }
    }

    /// Takes a waiting task from the busiest vCPU that runs at least `least` tasks and has one
    /// waiting.
    pub(crate) fn pull_task(&mut self, vcpu: VcpuId, least: usize) -> Option<TaskId> {
        let candidates = (0..self.w.vcpus.len()).filter(|&v| v != vcpu.index());
        let from = candidates
            .filter(|&v| {
                let queue = &self.w.vcpus[v].queue;
                queue.running() >= least && !queue.nobody_waits()
            })
            .max_by_key(|&v| (self.w.vcpus[v].queue.running(), usize::MAX - v))?;
        let id = self.w.vcpus[from].queue.waiting(&self.w.task_entities).next()?;
        let task = TaskId(id);
        self.migrate_waiting(task, VcpuId(from as u16), vcpu);
        self.emit(Event::GuestMigrateTask { task, from: VcpuId(from as u16), to: vcpu });
        Some(task)
    }

    /// A task that waits for one vCPU waits for another one from now on.
    pub(crate) fn migrate_waiting(&mut self, task: TaskId, from: VcpuId, to: VcpuId) {
        let params = &self.w.config.guest.sched;
        let mut queue = std::mem::take(&mut self.w.vcpus[to.index()].queue);
        let entities = &mut self.w.task_entities;
        self.w.vcpus[from.index()].queue.migrate(task.0, &mut queue, entities, params);
        self.w.vcpus[to.index()].queue = queue;
        self.w.tasks[task.index()].vcpu = to;
    }

    /// Places a new task where it is told to, else on the vCPU with the fewest tasks
    /// (`select_task_rq` at fork).
    pub(crate) fn place_new_task(&mut self, task: TaskId, on: Option<VcpuId>) {
        let Some(vcpu) = on.or_else(|| self.idlest()) else { return };
        let params = &self.w.config.guest.sched;
        let new = &mut self.w.tasks[task.index()];
        new.vcpu = vcpu;
        let role = new.role;
        self.w.vcpus[vcpu.index()].queue.enqueue_new(task.0, &mut self.w.task_entities, params);
        self.emit(Event::TaskNew { task, role, vcpu });
        self.ask_resched(vcpu);
    }
}
