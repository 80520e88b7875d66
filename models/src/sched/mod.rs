//! The fair scheduler that guest and host share: CFS as of 2.6.36, all weights equal.
//!
//! Pure bookkeeping of virtual runtimes: who runs next, and when the running entity must yield.
//! Time passes outside. Names follow `kernel/sched_fair.c`.

use crate::config::FairParams;
use sim_core::SimDuration;

/// Virtual runtime in picoseconds; may be negative just after the start (sleeper credit).
pub type Vruntime = i64;

/// What the scheduler keeps for one entity (a guest task or a host thread).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entity {
    /// CPU time weighted by fairness.
    pub vruntime: Vruntime,
    /// CPU time since the entity was last picked.
    pub ran: SimDuration,
}

/// The queue of one processor. The running entity is not in the tree, as in the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunQueue {
    min_vruntime: Vruntime,
    /// Waiting entities in the order of (vruntime, id), the next one first.
    waiting: Vec<(Vruntime, u32)>,
    /// The entity that has the processor.
    pub current: Option<u32>,
}

fn signed(span: SimDuration) -> Vruntime {
    Vruntime::try_from(span.as_ps()).unwrap_or(Vruntime::MAX)
}

impl RunQueue {
    /// Entities that want the processor, the running one included (`nr_running`).
    pub fn running(&self) -> usize {
        self.waiting.len() + usize::from(self.current.is_some())
    }

    /// Entities that wait.
    pub fn waiting(&self) -> impl Iterator<Item = u32> + '_ {
        self.waiting.iter().map(|&(_, id)| id)
    }

    /// The floor that new and waking entities are placed against.
    pub fn min_vruntime(&self) -> Vruntime {
        self.min_vruntime
    }

    /// Charges the running entity for CPU time (`update_curr`).
    pub fn charge(&mut self, current: &mut Entity, span: SimDuration) {
        current.ran += span;
        current.vruntime += signed(span);
        self.raise_floor(Some(current.vruntime));
    }

    /// `update_min_vruntime`: the floor follows the smallest vruntime and never falls.
    fn raise_floor(&mut self, current: Option<Vruntime>) {
        let first = self.waiting.first().map(|&(v, _)| v);
        let smallest = match (current, first) {
            (Some(a), Some(b)) => a.min(b),
            (Some(a), None) | (None, Some(a)) => a,
            (None, None) => return,
        };
        self.min_vruntime = self.min_vruntime.max(smallest);
    }

    /// Queues an entity that waits with its vruntime as it is.
    pub fn enqueue(&mut self, id: u32, entity: &Entity) {
        let key = (entity.vruntime, id);
        let at = self.waiting.partition_point(|&other| other < key);
        self.waiting.insert(at, key);
    }

    /// Queues an entity that has slept (`place_entity`): it keeps its lag, up to the credit.
    pub fn enqueue_woken(&mut self, id: u32, entity: &mut Entity, params: &FairParams) {
        let floor = self.min_vruntime - signed(params.sleeper_credit);
        entity.vruntime = entity.vruntime.max(floor);
        self.enqueue(id, entity);
    }

    /// Queues a new entity, one slice behind (`START_DEBIT`).
    pub fn enqueue_new(&mut self, id: u32, entity: &mut Entity, params: &FairParams) {
        entity.vruntime = self.min_vruntime + signed(self.slice(params, self.running() + 1));
        self.enqueue(id, entity);
    }

    /// Takes a waiting entity out of the queue; false when it is not there.
    pub fn dequeue(&mut self, id: u32) -> bool {
        match self.waiting.iter().position(|&(_, other)| other == id) {
            Some(at) => {
                self.waiting.remove(at);
                true
            }
            None => false,
        }
    }

    /// Makes the entity with the smallest vruntime the running one (`pick_next_entity`).
    ///
    /// # Panics
    /// When an entity still runs.
    pub fn pick(&mut self) -> Option<u32> {
        assert!(self.current.is_none(), "the processor is not free");
        if self.waiting.is_empty() {
            return None;
        }
        let (vruntime, id) = self.waiting.remove(0);
        self.current = Some(id);
        self.raise_floor(Some(vruntime));
        Some(id)
    }

    /// The share of a period that an entity gets among `running` (`sched_slice`).
    fn slice(&self, params: &FairParams, running: usize) -> SimDuration {
        let running = running.max(1) as u64;
        let by_minimum = params.min_granularity.times(running);
        params.latency.max(by_minimum).divided_by(running)
    }

    /// Whether the running entity has had its share when a tick looks (`check_preempt_tick`).
    pub fn tick_preempts(&self, current: &Entity, params: &FairParams) -> bool {
        let Some(&(first, _)) = self.waiting.first() else { return false };
        let slice = self.slice(params, self.running());
        if current.ran > slice {
            return true;
        }
        current.ran >= params.min_granularity && current.vruntime - first > signed(slice)
    }

    /// Whether a waking entity takes the processor from the running one at once
    /// (`check_preempt_wakeup`).
    pub fn wakeup_preempts(&self, current: &Entity, woken: &Entity, params: &FairParams) -> bool {
        params.wakeup_preemption
            && current.vruntime - woken.vruntime > signed(params.wakeup_granularity)
    }

    /// Rebases an entity that moves from this queue to another (`migrate_task`).
    pub fn rebase(&self, entity: &mut Entity, to: &Self) {
        entity.vruntime = entity.vruntime - self.min_vruntime + to.min_vruntime;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> FairParams {
        FairParams {
            latency: SimDuration::from_ms(18),
            min_granularity: SimDuration::from_us(2250),
            wakeup_granularity: SimDuration::from_ms(3),
            sleeper_credit: SimDuration::from_ms(9),
            wakeup_preemption: true,
        }
    }

    #[test]
    fn two_entities_share_equally_in_slices_of_half_the_period() {
        let params = params();
        let mut queue = RunQueue::default();
        let mut entities = [Entity::default(); 2];
        queue.enqueue(0, &entities[0]);
        queue.enqueue(1, &entities[1]);
        let mut switches = 0;
        let mut current = queue.pick().unwrap() as usize;
        for _ in 0..1000 {
            queue.charge(&mut entities[current], SimDuration::from_ms(1));
            if queue.tick_preempts(&entities[current], &params) {
                queue.current = None;
                queue.enqueue(current as u32, &entities[current]);
                current = queue.pick().unwrap() as usize;
                entities[current].ran = SimDuration::ZERO;
                switches += 1;
            }
        }
        assert_eq!(switches, 100, "one switch each 10 ms: the first tick past 9 ms");
        assert!((entities[0].vruntime - entities[1].vruntime).abs() <= 10_000_000_000);
    }

    #[test]
    fn a_long_sleeper_gets_its_credit_and_no_more() {
        let params = params();
        let mut queue = RunQueue::default();
        let mut runner = Entity::default();
        queue.enqueue(0, &runner);
        queue.pick();
        queue.charge(&mut runner, SimDuration::from_secs(1));
        let mut sleeper = Entity::default();
        queue.enqueue_woken(1, &mut sleeper, &params);
        assert_eq!(runner.vruntime - sleeper.vruntime, 9_000_000_000);
        assert!(queue.wakeup_preempts(&runner, &sleeper, &params));
        let without = FairParams { sleeper_credit: SimDuration::ZERO, ..params };
        queue.dequeue(1);
        let mut sleeper = Entity::default();
        queue.enqueue_woken(1, &mut sleeper, &without);
        assert!(!queue.wakeup_preempts(&runner, &sleeper, &without));
    }

    #[test]
    fn a_short_sleeper_keeps_its_lag() {
        let mut queue = RunQueue::default();
        let mut runner = Entity::default();
        queue.enqueue(0, &runner);
        queue.pick();
        queue.charge(&mut runner, SimDuration::from_ms(5));
        let mut sleeper = Entity { vruntime: 4_000_000_000, ..Entity::default() };
        queue.enqueue_woken(1, &mut sleeper, &params());
        assert_eq!(sleeper.vruntime, 4_000_000_000);
    }
}
