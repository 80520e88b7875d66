//! The guest's scheduler: which task a vCPU runs, wake-ups, placement and load balancing. The
//! bookkeeping of fairness is [`crate::parts::sched`]'s.

use sim_core::EventQueue;

use super::stage::GuestThen;
use super::state::Hotplug;
use super::task::TaskState;
use crate::base::ids::{TaskId, VcpuId, VmId};
use crate::base::record::Event;
use crate::config::StealClock;
use crate::machine::world::{Cx, Hypervisor, MachineEvent};
use crate::parts::sched::{Balanced, Load, RunQueue};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Charges the current task up to now (`update_curr`). True when its slice is over.
    pub(super) fn charge_task(&mut self, vcpu: VcpuId) -> bool {
        let now = self.now();
        let steal_clock = self.w.setup.guest(vcpu).steal_clock;
        let state = &mut self.w.guest.cpus[vcpu.index()];
        let mut span = now.since(state.charged_since);
        state.charged_since = now;
        let stolen = self.take_stolen(vcpu);
        if steal_clock != StealClock::Off {
            span = span.saturating_sub(stolen);
        }
        let params = &self.w.setup.guest(vcpu).sched;
        let queue = &mut self.w.guest.cpus[vcpu.index()].queue;
        if let Some(current) = queue.current {
            self.w.guest.tasks[current as usize].ran_until = now;
        }
        let over = queue.charge(&mut self.w.guest.entities, span, params);
        self.w.guest.note_load(now, vcpu);
        over
    }

    /// Chooses the next task (`schedule`). False when there is none: the vCPU is idle.
    pub(super) fn reschedule(&mut self, vcpu: VcpuId) -> bool {
        let now = self.now();
        self.charge_task(vcpu);
        let state = &mut self.w.guest.cpus[vcpu.index()];
        state.need_resched = false;
        let prev = state.queue.current;
        let sleeps =
            prev.is_some_and(|prev| self.w.guest.tasks[prev as usize].state == TaskState::Sleeping);
        if self.begin_offline(vcpu, sleeps) {
            self.end_user_of(vcpu, prev);
            if prev.is_some() {
                self.emit(Event::GuestSchedSwitch { vcpu, prev: prev.map(TaskId), next: None });
            }
            return true;
        }
        let params = &self.w.setup.guest(vcpu).sched;
        let state = &mut self.w.guest.cpus[vcpu.index()];
        let next = state.queue.pick_again(sleeps, &mut self.w.guest.entities, params);
        self.w.guest.note_load(now, vcpu);
        let next = next.or_else(|| {
            self.balance_idle_vcpu(vcpu)?;
            let params = &self.w.setup.guest(vcpu).sched;
            let state = &mut self.w.guest.cpus[vcpu.index()];
            let next = state.queue.pick(&mut self.w.guest.entities, params);
            self.w.guest.note_load(now, vcpu);
            next
        });
        if next == prev && next.is_some() {
            if let Some(next) = next {
                let task = &mut self.w.guest.tasks[next as usize];
                // Woken before it was switched away: it goes on where it was about to sleep.
                let frames = std::mem::take(&mut task.frames);
                self.w.guest.cpus[vcpu.index()].frames = frames;
            }
            return true;
        }
        let named = (prev.map(TaskId), next.map(TaskId));
        if named.0.is_some() || named.1.is_some() {
            self.end_user_of(vcpu, prev);
            self.emit(Event::GuestSchedSwitch { vcpu, prev: named.0, next: named.1 });
        }
        let Some(next) = named.1 else {
            return false;
        };
        self.restart_tick(vcpu);
        let cost = self.w.setup.prices.guest_switch.cycles + self.cost_of_space(vcpu, next);
        self.push_frame(vcpu, cost, GuestThen::Switched);
        true
    }

    /// A task becomes runnable in the guest (`try_to_wake_up`), on the vCPU it slept on.
    pub(in crate::machine) fn wake_task(&mut self, task: TaskId) {
        if self.w.guest.tasks[task.index()].state != TaskState::Sleeping {
            return;
        }
        let (now, vcpu) = (self.now(), self.vcpu_to_wake_on(task));
        let delayed = RunQueue::is_delayed(task.0, &self.w.guest.entities);
        let mut over = !delayed && self.charge_task(vcpu);
        self.w.guest.tasks[task.index()].state = TaskState::Runnable;
        let params = &self.w.setup.guest(vcpu).sched;
        let state = &mut self.w.guest.cpus[vcpu.index()];
        if state.queue.current == Some(task.0) {
            // It has not been switched away yet.
            return;
        }
        state.queue.enqueue_woken(task.0, &mut self.w.guest.entities, params);
        self.w.guest.note_load(now, vcpu);
        if delayed {
            over = self.charge_task(vcpu);
        }
        let params = &self.w.setup.guest(vcpu).sched;
        let queue = &self.w.guest.cpus[vcpu.index()].queue;
        let preempts = over || queue.wakeup_preempts(task.0, &self.w.guest.entities, params);
        self.emit(Event::GuestSchedWakeup { task, vcpu });
        if preempts {
            self.ask_resched(vcpu);
        }
    }

    /// Makes a vCPU look for another task: by itself when it is the one that runs now, else by a
    /// reschedule interrupt.
    pub(super) fn ask_resched(&mut self, vcpu: VcpuId) {
        if self.acts_now(vcpu) {
            self.w.guest.cpus[vcpu.index()].need_resched = true;
        } else {
            self.send_reschedule_ipi(vcpu);
        }
    }

    /// A reschedule interrupt.
    pub(in crate::machine) fn send_reschedule_ipi(&mut self, vcpu: VcpuId) {
        self.w.guest.cpus[vcpu.index()].reschedule_pending = true;
        self.owe_ipi_exit(vcpu);
        self.interrupt(vcpu);
    }

    /// Places a new task where it is told to, else on the vCPU with the fewest tasks
    /// (`select_task_rq` at fork).
    pub(super) fn place_new_task(&mut self, task: TaskId, vm: VmId, on: Option<VcpuId>) {
        let Some(vcpu) = on.or_else(|| self.idlest(vm)) else { return };
        let now = self.now();
        let params = &self.w.setup.guest(vcpu).sched;
        let new = &mut self.w.guest.tasks[task.index()];
        new.vcpu = vcpu;
        let role = new.role;
        self.w.guest.cpus[vcpu.index()].queue.enqueue_new(
            task.0,
            &mut self.w.guest.entities,
            params,
        );
        self.w.guest.note_load(now, vcpu);
        self.emit(Event::TaskNew { task, role, vcpu });
        self.ask_resched(vcpu);
    }

    /// The place of a task is free: the vCPU begins to go offline, if it was asked to.
    pub(super) fn begin_offline(&mut self, vcpu: VcpuId, sleeps: bool) -> bool {
        let now = self.now();
        let params = &self.w.setup.guest(vcpu).sched;
        let state = &mut self.w.guest.cpus[vcpu.index()];
        if state.hotplug != Hotplug::Leaving {
            return false;
        }
        state.hotplug = Hotplug::Left;
        state.queue.give_up(sleeps, &mut self.w.guest.entities, params);
        self.w.guest.note_load(now, vcpu);
        let cost = self.w.setup.prices.guest_switch.cycles;
        self.push_frame(vcpu, cost, GuestThen::NoticesOff);
        true
    }

    /// The online vCPU of a virtual machine with the fewest tasks.
    pub(super) fn idlest(&self, vm: VmId) -> Option<VcpuId> {
        let (cpus, vms) = (&self.w.guest.cpus, &self.w.setup.vms);
        let online = |&v: &usize| vms[v] == vm && cpus[v].hotplug.takes_tasks();
        self.w.guest.balance.loads().idlest_first().find(online).map(|v| VcpuId(v as u16))
    }

    /// A waking task whose vCPU has left goes elsewhere (`select_fallback_rq`).
    pub(super) fn vcpu_to_wake_on(&mut self, task: TaskId) -> VcpuId {
        let vcpu = self.w.guest.tasks[task.index()].vcpu;
        if self.w.guest.cpus[vcpu.index()].hotplug.takes_tasks() {
            return vcpu;
        }
        debug_assert_eq!(self.w.guest.tasks[task.index()].state, TaskState::Sleeping);
        let Some(to) = self.idlest(self.w.setup.vm(vcpu)) else { return vcpu };
        let now = self.now();
        let params = &self.w.setup.guest(vcpu).sched;
        if RunQueue::is_delayed(task.0, &self.w.guest.entities) {
            // A task that sleeps with a delay still competes in the queue of the vCPU that leaves; it has to be
            // out of it before it gets a place in another one.
            let queue = &mut self.w.guest.cpus[vcpu.index()].queue;
            queue.dismiss_delayed(&mut self.w.guest.entities, params);
            self.w.guest.note_load(now, vcpu);
        }
        let entities = &mut self.w.guest.entities;
        let (here, there) =
            (&self.w.guest.cpus[vcpu.index()].queue, &self.w.guest.cpus[to.index()].queue);
        here.rebase(there, task.0, entities, params);
        self.w.guest.tasks[task.index()].vcpu = to;
        self.emit(Event::GuestMigrateTask { task, from: vcpu, to });
        to
    }

    /// Others of the same virtual machine that run two tasks at least and have one waiting, the busiest first.
    fn busy_others(&self, vcpu: VcpuId) -> impl Iterator<Item = usize> {
        let vms = &self.w.setup.vms;
        let may = move |&v: &usize| v != vcpu.index() && vms[v] == vms[vcpu.index()];
        self.w.guest.balance.loads().busiest_first(2).filter(may)
    }

    /// A vCPU that has become idle takes a task from the busiest one that has one to give.
    pub(super) fn balance_idle_vcpu(&mut self, vcpu: VcpuId) -> Option<TaskId> {
        let (now, guest) = (self.now(), &self.w.guest);
        let balancer = guest.balance.balancer(vcpu.index());
        let movable = |from| Some((from, guest.movable(from, now, balancer)?));
        let (from, task) = self.busy_others(vcpu).filter_map(movable).next()?;
        self.take_task(task, from, vcpu);
        Some(task)
    }

    /// A vCPU looks around at a tick.
    pub(super) fn balance_tasks(&mut self, vcpu: VcpuId) {
        let result = self.take_from_busiest_vcpu(vcpu);
        let now = self.now();
        self.w.guest.balance.looked(vcpu.index(), now, result);
    }

    /// A busy vCPU asks idle ones at its tick to look around (`nohz_balancer_kick`, `nohz_idle_balance`).
    pub(super) fn balance_idle_vcpus(&mut self, asks: VcpuId) {
        if self.w.guest.cpus[asks.index()].queue.running() < 2 {
            return;
        }
        let (now, vms) = (self.now(), &self.w.setup.vms);
        let (guest, tick) = (&self.w.guest, self.w.setup.guest(asks).tick);
        let is_asked = |&v: &usize| {
            vms[v] == vms[asks.index()]
                && guest.cpus[v].hotplug.takes_tasks()
                && guest.balance.balancer(v).is_due(now, false, tick)
        };
        let asked: Vec<usize> = guest.balance.loads().idle().filter(is_asked).collect();
        for vcpu in asked.into_iter().map(|v| VcpuId(v as u16)) {
            let result = self.take_from_busiest_vcpu(vcpu);
            self.w.guest.balance.looked(vcpu.index(), now, result);
        }
    }

    fn take_from_busiest_vcpu(&mut self, vcpu: VcpuId) -> Balanced {
        if self.busy_others(vcpu).next().is_none() {
            return Balanced::Even;
        }
        let (now, vms) = (self.now(), &self.w.setup.vms);
        let cpus = &self.w.guest.cpus;
        let own = |v: &usize| vms[*v] == vms[vcpu.index()] && cpus[*v].hotplug.takes_tasks();
        let mut loads = vec![Load::default(); cpus.len()];
        let (mut sum, mut count) = (0, 0);
        for v in (0..cpus.len()).filter(own) {
            loads[v] = self.w.guest.balance.load(v, now);
            (sum, count) = (sum + loads[v].low, count + 1);
        }
        let busiest = self.busy_others(vcpu).max_by_key(|&v| (loads[v].low, std::cmp::Reverse(v)));
        let Some(from) = busiest else { return Balanced::Even };
        let balancer = self.w.guest.balance.balancer(vcpu.index());
        let idle = self.w.guest.cpus[vcpu.index()].queue.running() == 0;
        let here = loads[vcpu.index()];
        let mean = (sum - here.low + here.high) / u64::max(count, 1);
        match balancer.wants(here.high, loads[from].low, mean) {
            _ if idle => {}
            None => return Balanced::Even,
            Some(false) => return Balanced::Failed,
            Some(true) => {}
        }
        let task = self.w.guest.movable(from, now, balancer);
        let Some(task) = task else { return Balanced::Failed };
        self.take_task(task, from, vcpu);
        if idle {
            self.ask_resched(vcpu);
        }
        Balanced::Moved
    }

    fn take_task(&mut self, task: TaskId, from: usize, to: VcpuId) {
        let from = VcpuId(from as u16);
        self.migrate_waiting(task, from, to);
        self.emit(Event::GuestMigrateTask { task, from, to });
    }

    /// A task that waits for one vCPU waits for another one from now on.
    pub(super) fn migrate_waiting(&mut self, task: TaskId, from: VcpuId, to: VcpuId) {
        let now = self.now();
        let params = &self.w.setup.guest(to).sched;
        let mut queue = std::mem::take(&mut self.w.guest.cpus[to.index()].queue);
        let entities = &mut self.w.guest.entities;
        self.w.guest.cpus[from.index()].queue.migrate(task.0, &mut queue, entities, params);
        self.w.guest.cpus[to.index()].queue = queue;
        self.w.guest.note_load(now, from);
        self.w.guest.note_load(now, to);
        self.w.guest.tasks[task.index()].vcpu = to;
    }
}
