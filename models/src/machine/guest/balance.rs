//! Load balancing of the guest: a vCPU that becomes idle takes a task that waits elsewhere (`sched_balance_newidle`),
//! and at some ticks it looks around (`sched_balance_rq`). The vCPUs of a virtual machine are one domain that shares
//! a cache.

use sim_core::SimTime;

use super::state::Guest;
use crate::base::ids::TaskId;
use crate::parts::sched::Balancer;

impl Guest {
    /// The task that waits for a vCPU and may be taken from it, the one that ran longest ago first (`detach_tasks`).
    pub(super) fn movable(&self, from: usize, now: SimTime, balancer: &Balancer) -> Option<TaskId> {
        let waiting = self.cpus[from].queue.waiting(&self.entities).map(TaskId);
        let ran = |task: &TaskId| self.tasks[task.index()].ran_until;
        let may = |task: &TaskId| balancer.takes(now.saturating_since(ran(task)));
        waiting.filter(may).min_by_key(|task| (ran(task), *task))
    }
}
