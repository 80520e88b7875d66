//! CFS as of 2.6.36, and as it stayed in what matters here until 6.5.

use super::run_queue::{Entity, RunQueue, signed};
use super::waiting::{Vruntime, Waits};
use crate::config::FairParams;
use sim_core::SimDuration;

impl RunQueue {
    /// `update_min_vruntime`: the floor follows the smallest vruntime and never falls.
    pub(super) fn raise_floor(&mut self, current: Option<Vruntime>) {
        let first = self.waiting.first().map(|waits| waits.key);
        let smallest = match (current, first) {
            (Some(a), Some(b)) => a.min(b),
            (Some(a), None) | (None, Some(a)) => a,
            (None, None) => return,
        };
        self.min_vruntime = self.min_vruntime.max(smallest);
    }

    /// The smallest vruntime that a waking entity may keep: it keeps its lag, up to the credit.
    pub(super) fn sleepers_floor(&self, params: &FairParams) -> Vruntime {
        self.min_vruntime - signed(params.sleeper_credit)
    }

    /// One that has left, or runs, is not passed over any more (`clear_buddies`).
    pub(super) fn forget_skip(&mut self, id: u32) {
        self.skip = self.skip.filter(|&skipped| skipped != id);
    }

    /// Who runs next: the first, or behind one that is passed over the second, unless that would be unfair
    /// (`pick_next_entity`, `wakeup_preempt_entity`).
    fn next(&self, params: &FairParams) -> Option<Waits> {
        let first = *self.waiting.first()?;
        if self.skip != Some(first.id) {
            return Some(first);
        }
        let fair = |other: &&Waits| other.key - first.key <= signed(params.wakeup_granularity);
        Some(self.waiting.iter().nth(1).filter(fair).copied().unwrap_or(first))
    }

    pub(super) fn pick_cfs(&mut self, entities: &mut [Entity], params: &FairParams) -> Option<u32> {
        let Waits { key: vruntime, id, .. } = self.next(params)?;
        self.waiting.remove(vruntime, id);
        self.current = Some(id);
        self.forget_skip(id);
        self.raise_floor(Some(vruntime));
        entities[id as usize].ran = SimDuration::ZERO;
        Some(id)
    }

    /// The share of a period that an entity gets among `running` (`sched_slice`).
    pub(super) fn slice(&self, params: &FairParams, running: usize) -> SimDuration {
        let running = running.max(1) as u64;
        let by_minimum = params.min_granularity.times(running);
        params.latency.max(by_minimum).divided_by(running)
    }

    pub(super) fn check_preempt_tick(&self, current: &Entity, params: &FairParams) -> bool {
        let Some(&Waits { key: first, .. }) = self.waiting.first() else { return false };
        let slice = self.slice(params, self.running());
        if current.ran > slice {
            return true;
        }
        current.ran >= params.min_granularity && current.vruntime - first > signed(slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SchedParams;

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
        let params = SchedParams::Cfs(params());
        let mut queue = RunQueue::default();
        let mut entities = [Entity::default(); 2];
        queue.enqueue_woken(0, &mut entities, &params);
        queue.enqueue_woken(1, &mut entities, &params);
        let mut switches = 0;
        queue.pick(&mut entities, &params);
        for _ in 0..1000 {
            queue.charge(&mut entities, SimDuration::from_ms(1), &params);
            if queue.tick_preempts(&entities, &params) {
                queue.put_back(&entities, &params);
                queue.pick(&mut entities, &params);
                switches += 1;
            }
        }
        assert_eq!(switches, 100, "one switch each 10 ms: the first tick past 9 ms");
        assert!((entities[0].vruntime - entities[1].vruntime).abs() <= 10_000_000_000);
    }

    /// Who is woken elsewhere is as far behind there as it was here, and no further (`migrate_task_rq_fair`).
    #[test]
    fn who_wakes_up_elsewhere_keeps_its_distance_from_the_floor() {
        let params = SchedParams::Cfs(params());
        let ms = 1_000_000_000;
        let (here, mut there) =
            (RunQueue { min_vruntime: 500 * ms, ..RunQueue::default() }, RunQueue::default());
        there.min_vruntime = 20 * ms;
        let mut entities = [Entity { vruntime: 503 * ms, ..Entity::default() }];
        here.rebase(&there, 0, &mut entities, &params);
        assert_eq!(entities[0].vruntime, 23 * ms);
        there.enqueue_woken(0, &mut entities, &params);
        assert_eq!(there.pick(&mut entities, &params), Some(0));
        // The floor stays where the others are.
        there.charge(&mut entities, SimDuration::from_ms(1), &params);
        assert_eq!(there.min_vruntime(), 24 * ms);
    }

    /// The skip buddy: who yields is passed over, as long as the next one is not far ahead of it.
    #[test]
    fn who_yields_goes_behind_unless_that_is_unfair() {
        let params = SchedParams::Cfs(params());
        for (lead, next) in [(1, 1), (3, 1), (4, 0)] {
            let mut entities = [Entity::default(); 2];
            entities[1].vruntime = signed(SimDuration::from_ms(lead));
            let mut queue = RunQueue::default();
            queue.enqueue_woken(0, &mut entities, &params);
            queue.enqueue_woken(1, &mut entities, &params);
            assert_eq!(queue.pick(&mut entities, &params), Some(0));
            queue.yield_current(&mut entities, &params);
            assert_eq!(queue.pick_again(false, &mut entities, &params), Some(next), "{lead} ms");
        }
    }

    /// A queue in which entity 0 has run for `span`.
    fn after(span: SimDuration, entities: &mut [Entity], params: &SchedParams) -> RunQueue {
        let mut queue = RunQueue::default();
        queue.enqueue_woken(0, entities, params);
        queue.pick(entities, params);
        queue.charge(entities, span, params);
        queue
    }

    #[test]
    fn a_long_sleeper_gets_its_credit_and_no_more() {
        let with = SchedParams::Cfs(params());
        let mut entities = [Entity::default(); 2];
        let mut queue = after(SimDuration::from_secs(1), &mut entities, &with);
        queue.enqueue_woken(1, &mut entities, &with);
        assert_eq!(entities[0].vruntime - entities[1].vruntime, 9_000_000_000);
        assert!(queue.wakeup_preempts(1, &entities, &with));
        let without = FairParams { sleeper_credit: SimDuration::ZERO, ..params() };
        let without = SchedParams::Cfs(without);
        let mut entities = [Entity::default(); 2];
        let mut queue = after(SimDuration::from_secs(1), &mut entities, &without);
        queue.enqueue_woken(1, &mut entities, &without);
        assert!(!queue.wakeup_preempts(1, &entities, &without));
    }

    #[test]
    fn a_short_sleeper_keeps_its_lag() {
        let params = SchedParams::Cfs(params());
        let mut entities = [Entity::default(); 2];
        entities[1].vruntime = 4_000_000_000;
        let mut queue = after(SimDuration::from_ms(5), &mut entities, &params);
        queue.enqueue_woken(1, &mut entities, &params);
        assert_eq!(entities[1].vruntime, 4_000_000_000);
    }
}
