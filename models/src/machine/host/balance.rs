//! Load balancing of the host: a processor that becomes idle takes a thread that waits elsewhere
//! (`sched_balance_newidle`), and at ticks each looks around from time to time, idle ones because a busy one asks
//! them to (`nohz_balancer_kick`). All processors are one domain that shares a cache.

use sim_core::{EventQueue, SimTime};

use super::state::Host;
use crate::base::ids::{PcpuId, ThreadId};
use crate::config::SchedParams;
use crate::machine::world::{Cx, MachineEvent};
use crate::parts::sched::{Balanced, Balancer, ENTITY_LOAD, Load};

impl Host {
    /// The thread that waits for a processor and may be taken from it, the one that ran longest ago first
    /// (`detach_tasks`).
    fn movable(&self, from: usize, now: SimTime, balancer: &Balancer) -> Option<ThreadId> {
        let waiting = self.pcpus[from].queue.waiting(&self.entities).map(ThreadId);
        let ran = |thread: &ThreadId| self.threads[thread.index()].ran_until;
        let may = |thread: &ThreadId| {
            let ran_ago = now.saturating_since(ran(thread));
            !self.threads[thread.index()].bound && balancer.takes(ran_ago)
        };
        waiting.filter(may).min_by_key(|thread| (ran(thread), *thread))
    }

    /// Puts a waiting thread into the queue of another processor.
    fn move_waiting(
        &mut self,
        now: SimTime,
        thread: ThreadId,
        from: usize,
        to: PcpuId,
        params: &SchedParams,
    ) {
        let mut queue = std::mem::take(&mut self.pcpus[to.index()].queue);
        let entities = &mut self.entities;
        self.pcpus[from].queue.migrate(thread.0, &mut queue, entities, params);
        self.pcpus[to.index()].queue = queue;
        self.threads[thread.index()].pcpu = to;
        self.note_load(now, PcpuId(from as u16));
        self.note_load(now, to);
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
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
            if self.w.host.balance.balancer(pcpu.index()).is_due(now) {
                self.balance_into(pcpu, &mut loads);
            }
        }
    }

    fn balance_into(&mut self, pcpu: PcpuId, loads: &mut [Load]) {
        let busy = self.w.host.pcpus[pcpu.index()].queue.running() > 0;
        let result = self.take_from_busiest_processor(pcpu, busy, loads);
        let tick = self.w.setup.config.host.tick;
        let now = self.now();
        self.w.host.balance.looked(pcpu.index(), (now, result), busy, tick);
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
