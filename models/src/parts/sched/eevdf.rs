//! EEVDF as of 6.12: the eligible entity with the earliest virtual deadline runs.
//!
//! An entity is eligible when it has had no more than its share, that is, when its vruntime is not
//! above the average of the queue. Its lag, what it is short of its share, is kept while it sleeps.
//! All slices are equal, so that of PREEMPT_SHORT only what it does at each charge is left (`did_preempt_short`).

use super::run_queue::{Entity, RunQueue, Slept, signed};
use super::waiting::{Vruntime, Waits};
use crate::config::EevdfParams;
use sim_core::SimDuration;

/// Entities of the queue and the sum of their vruntimes.
#[derive(Clone, Copy)]
struct Sum {
    count: i128,
    vruntimes: i128,
}

impl Sum {
    /// Whether an entity with this vruntime has had no more than its share (`entity_eligible`).
    fn admits(self, vruntime: Vruntime) -> bool {
        i128::from(vruntime) * self.count <= self.vruntimes
    }
}

impl RunQueue {
    fn sum(&self, entities: &[Entity]) -> Sum {
        let current = self.current.map_or(0, |id| entities[id as usize].vruntime);
        Sum {
            count: self.waiting.len() as i128 + i128::from(self.current.is_some()),
            vruntimes: self.waiting.vruntimes() + i128::from(current),
        }
    }

    /// The vruntime at which an entity has exactly its share (`avg_vruntime`).
    fn average(&self, entities: &[Entity]) -> Vruntime {
        let sum = self.sum(entities);
        if sum.count == 0 {
            return self.min_vruntime;
        }
        // It lies between two vruntimes.
        sum.vruntimes.div_euclid(sum.count) as Vruntime
    }

    /// What an entity of the queue is owed (`update_entity_lag`).
    fn lag_of(&self, id: u32, entities: &[Entity], params: &EevdfParams) -> Vruntime {
        let limit = signed(params.base_slice.times(2).max(params.tick));
        (self.average(entities) - entities[id as usize].vruntime).clamp(-limit, limit)
    }

    /// Begins the next slice when the one at hand is used up (`update_deadline`). True when there is
    /// somebody else who may want the processor.
    pub(super) fn renew_slice(&self, entity: &mut Entity, params: &EevdfParams) -> bool {
        if entity.vruntime < entity.deadline {
            return false;
        }
        entity.deadline = entity.vruntime + signed(params.base_slice);
        !self.waiting.is_empty()
    }

    /// Whether the running entity has lost the protection of its slice, and is not eligible, while others wait
    /// (`did_preempt_short`, kernel/sched/fair.c of 6.12.117; 7.2.13 looks again at eligible ones too, of which the
    /// choice is the same but for the look).
    pub(super) fn is_past_its_slice(&self, entities: &[Entity], params: &EevdfParams) -> bool {
        let Some(current) = self.current.filter(|_| params.preempt_short) else { return false };
        let entity = &entities[current as usize];
        !self.waiting.is_empty()
            && entity.parity != Some(entity.deadline)
            && !self.sum(entities).admits(entity.vruntime)
    }

    /// One that is eligible forfeits the rest of its slice and begins the next one
    /// (`yield_task_fair`, kernel/sched/fair.c of 6.12.95, 6.12.117 and 7.3.4).
    pub(super) fn yield_eevdf(&self, id: u32, entities: &mut [Entity], params: &EevdfParams) {
        if self.sum(entities).admits(entities[id as usize].vruntime) {
            let entity = &mut entities[id as usize];
            entity.vruntime = entity.vruntime.max(entity.deadline);
            entity.deadline = entity.vruntime + signed(params.base_slice);
        }
    }

    /// Gives an entity that joins its vruntime and deadline (`place_entity`).
    fn place(&self, id: u32, slice: SimDuration, entities: &mut [Entity], params: &EevdfParams) {
        let count = self.waiting.len() as i128 + i128::from(self.current.is_some());
        let mut lag = 0;
        if params.place_lag && count > 0 {
            // Joining moves the average, so that more must be asked for than is to be kept.
            let owed = i128::from(entities[id as usize].lag);
            lag = (owed * (count + 1) / count) as Vruntime;
        }
        let vruntime = self.average(entities) - lag;
        let entity = &mut entities[id as usize];
        entity.vruntime = vruntime;
        entity.deadline = vruntime + signed(slice);
    }

    pub(super) fn enqueue_eevdf(&mut self, id: u32, entities: &mut [Entity], params: &EevdfParams) {
        if !entities[id as usize].delayed {
            self.place(id, params.base_slice, entities, params);
            self.insert(entities[id as usize].deadline, id, entities);
            return;
        }
        // `requeue_delayed_entity`: it never left. If its debt is paid by now it starts afresh
        // (DELAY_ZERO), else it goes on where it stands.
        if self.lag_of(id, entities, params) > 0 {
            self.remove(id, entities);
            entities[id as usize].lag = 0;
            self.place(id, params.base_slice, entities, params);
            self.insert(entities[id as usize].deadline, id, entities);
        }
        entities[id as usize].delayed = false;
        self.delayed -= 1;
    }

    /// A new entity begins with half a slice (PLACE_DEADLINE_INITIAL).
    pub(super) fn enqueue_new_eevdf(
        &mut self,
        id: u32,
        entities: &mut [Entity],
        params: &EevdfParams,
    ) {
        entities[id as usize].lag = 0;
        self.place(id, params.base_slice.divided_by(2), entities, params);
        self.insert(entities[id as usize].deadline, id, entities);
    }

    /// One that sleeps leaves at last, and with nothing owed to it (DELAY_ZERO).
    fn dismiss(&mut self, id: u32, entities: &mut [Entity], params: &EevdfParams) {
        let lag = self.lag_of(id, entities, params).min(0);
        self.remove(id, entities);
        self.delayed -= 1;
        let entity = &mut entities[id as usize];
        (entity.delayed, entity.lag) = (false, lag);
        let vruntime = entity.vruntime;
        self.note_departure(vruntime);
    }

    pub(super) fn dismiss_delayed_eevdf(&mut self, entities: &mut [Entity], params: &EevdfParams) {
        let sleeps = |waits: &Waits| entities[waits.id as usize].delayed.then_some(waits.id);
        let delayed: Vec<u32> = self.waiting.iter().filter_map(sleeps).collect();
        for id in delayed {
            self.dismiss(id, entities, params);
        }
    }

    fn remove(&mut self, id: u32, entities: &[Entity]) {
        self.waiting.remove(entities[id as usize].deadline, id);
    }

    /// Keeps the floor for the time when the queue is empty.
    fn note_departure(&mut self, vruntime: Vruntime) {
        if self.waiting.is_empty() && self.current.is_none() {
            self.min_vruntime = self.min_vruntime.max(vruntime);
        }
    }

    pub(super) fn sleep_eevdf(
        &mut self,
        id: u32,
        entities: &mut [Entity],
        params: &EevdfParams,
    ) -> Slept {
        self.current = Some(id);
        let eligible = self.sum(entities).admits(entities[id as usize].vruntime);
        entities[id as usize].parity = None;
        if params.delay_dequeue && !eligible {
            self.current = None;
            entities[id as usize].delayed = true;
            self.delayed += 1;
            self.insert(entities[id as usize].deadline, id, entities);
            return Slept::Delayed;
        }
        entities[id as usize].lag = self.lag_of(id, entities, params);
        self.current = None;
        self.note_departure(entities[id as usize].vruntime);
        Slept::Left
    }

    /// A waiting entity moves with its lag and what is left of its slice (PLACE_REL_DEADLINE).
    pub(super) fn migrate_eevdf(
        &mut self,
        id: u32,
        to: &mut Self,
        entities: &mut [Entity],
        params: &EevdfParams,
    ) {
        let left = entities[id as usize].deadline - entities[id as usize].vruntime;
        entities[id as usize].lag = self.lag_of(id, entities, params);
        self.remove(id, entities);
        self.note_departure(entities[id as usize].vruntime);
        to.place(id, params.base_slice, entities, params);
        let entity = &mut entities[id as usize];
        entity.deadline = entity.vruntime + left;
        let deadline = entity.deadline;
        to.insert(deadline, id, entities);
    }

    /// Who should have the processor now (`pick_eevdf`).
    pub(super) fn choice(&self, entities: &[Entity], params: &EevdfParams) -> Option<u32> {
        let first = self.waiting.first().map(|waits| waits.id);
        if self.waiting.len() + usize::from(self.current.is_some()) <= 1 {
            return self.current.or(first);
        }
        let sum = self.sum(entities);
        let eligible = |id: &u32| sum.admits(entities[*id as usize].vruntime);
        let current = self.current.filter(eligible);
        if let Some(id) = current
            && params.run_to_parity
            && entities[id as usize].parity == Some(entities[id as usize].deadline)
        {
            return current;
        }
        let best = self.waiting.first_admitted(|vruntime| sum.admits(vruntime)).map(|best| best.id);
        match (current, best) {
            (Some(id), Some(other))
                if entities[id as usize].deadline >= entities[other as usize].deadline =>
            {
                best
            }
            (Some(_), _) => current,
            (None, _) => best,
        }
    }

    pub(super) fn pick_next_eevdf(
        &mut self,
        entities: &mut [Entity],
        params: &EevdfParams,
    ) -> Option<u32> {
        loop {
            let id = self.choice(entities, params)?;
            if self.current == Some(id) {
                // It runs on, under the protection that it had.
                return Some(id);
            }
            let chosen = entities[id as usize];
            if chosen.delayed {
                // Its debt is paid.
                self.dismiss(id, entities, params);
                continue;
            }
            self.remove(id, entities);
            if let Some(previous) = self.current.replace(id) {
                self.insert(entities[previous as usize].deadline, previous, entities);
            }
            let entity = &mut entities[id as usize];
            entity.ran = SimDuration::ZERO;
            entity.parity = Some(entity.deadline);
            return Some(id);
        }
    }
}

#[cfg(test)]
mod tests;
