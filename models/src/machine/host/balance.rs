//! Load balancing of the host: a processor that becomes idle takes a thread that waits elsewhere
//! (`sched_balance_newidle`), and at ticks each looks around from time to time, idle ones because a busy one asks
//! them to (`nohz_balancer_kick`). All processors are one domain that shares a cache.

use sim_core::SimTime;

use super::state::Host;
use crate::base::ids::{PcpuId, ThreadId};
use crate::config::SchedParams;
use crate::parts::sched::Balancer;

impl Host {
    /// The thread that waits for a processor and may be taken from it, the one that ran longest ago first
    /// (`detach_tasks`).
    pub(super) fn movable(
        &self,
        from: usize,
        now: SimTime,
        balancer: &Balancer,
    ) -> Option<ThreadId> {
        let waiting = self.pcpus[from].queue.waiting(&self.entities).map(ThreadId);
        let ran = |thread: &ThreadId| self.threads[thread.index()].ran_until;
        let may = |thread: &ThreadId| {
            let ran_ago = now.saturating_since(ran(thread));
            !self.threads[thread.index()].bound && balancer.takes(ran_ago)
        };
        waiting.filter(may).min_by_key(|thread| (ran(thread), *thread))
    }

    /// Puts a waiting thread into the queue of another processor.
    pub(super) fn move_waiting(
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
