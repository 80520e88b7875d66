//! Load balancing of the guest: a vCPU that becomes idle takes a task that waits elsewhere (`sched_balance_newidle`),
//! and at some ticks it looks around (`sched_balance_rq`). The vCPUs of a virtual machine are one domain that shares
//! a cache.

use sim_core::{EventQueue, SimTime};

use super::state::Guest;
use crate::base::ids::{TaskId, VcpuId};
use crate::base::record::Event;
use crate::machine::world::{Cx, MachineEvent};
use crate::parts::sched::{Balanced, Balancer, Load};

impl Guest {
    /// The task that waits for a vCPU and may be taken from it, the one that ran longest ago first (`detach_tasks`).
    fn movable(&self, from: usize, now: SimTime, balancer: &Balancer) -> Option<TaskId> {
        let waiting = self.cpus[from].queue.waiting(&self.entities).map(TaskId);
        let ran = |task: &TaskId| self.tasks[task.index()].ran_until;
        let may = |task: &TaskId| balancer.takes(now.saturating_since(ran(task)));
        waiting.filter(may).min_by_key(|task| (ran(task), *task))
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
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
        let (now, tick) = (self.now(), self.w.setup.guest(vcpu).tick);
        self.w.guest.balance.looked(vcpu.index(), (now, result), true, tick);
    }

    /// A busy vCPU asks idle ones at its tick to look around (`nohz_balancer_kick`, `nohz_idle_balance`).
    pub(super) fn balance_idle_vcpus(&mut self, asks: VcpuId) {
        if self.w.guest.cpus[asks.index()].queue.running() < 2 {
            return;
        }
        let (now, vms) = (self.now(), &self.w.setup.vms);
        let guest = &self.w.guest;
        let is_asked = |&v: &usize| {
            vms[v] == vms[asks.index()]
                && guest.cpus[v].hotplug.takes_tasks()
                && guest.balance.balancer(v).is_due(now)
        };
        let asked: Vec<usize> = guest.balance.loads().idle().filter(is_asked).collect();
        let tick = self.w.setup.guest(asks).tick;
        for vcpu in asked.into_iter().map(|v| VcpuId(v as u16)) {
            let result = self.take_from_busiest_vcpu(vcpu);
            self.w.guest.balance.looked(vcpu.index(), (now, result), false, tick);
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
