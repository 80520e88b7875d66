//! What both schedulers do, each in its way.

use super::run_queue::{Entity, RunQueue, Slept, signed};
use super::waiting::Vruntime;
use crate::config::SchedParams;
use sim_core::SimDuration;

impl RunQueue {
    /// Charges the running entity for CPU time (`update_curr`). True when its slice is over and
    /// another one should be looked for at once, which only EEVDF says here.
    pub fn charge(
        &mut self,
        entities: &mut [Entity],
        span: SimDuration,
        params: &SchedParams,
    ) -> bool {
        let Some(current) = self.current else { return false };
        let entity = &mut entities[current as usize];
        entity.ran += span;
        entity.vruntime += signed(span);
        match params {
            SchedParams::Cfs(_) => {
                let vruntime = entity.vruntime;
                self.raise_floor(Some(vruntime));
                false
            }
            SchedParams::Eevdf(params) => {
                self.renew_slice(entity, params) || self.is_past_its_slice(entities, params)
            }
        }
    }

    /// The key that orders a waiting entity.
    fn key(entity: &Entity, params: &SchedParams) -> Vruntime {
        match params {
            SchedParams::Cfs(_) => entity.vruntime,
            SchedParams::Eevdf(_) => entity.deadline,
        }
    }

    /// Puts the running entity back among the waiting, as it is (`put_prev_entity`).
    pub fn put_back(&mut self, entities: &[Entity], params: &SchedParams) {
        if let Some(id) = self.current.take() {
            self.insert(Self::key(&entities[id as usize], params), id, entities);
        }
    }

    /// Queues an entity that has slept (`enqueue_entity`, `place_entity`). The running entity must
    /// have been charged, except where [`RunQueue::is_delayed`] says that the kernel does not.
    pub fn enqueue_woken(&mut self, id: u32, entities: &mut [Entity], params: &SchedParams) {
        match params {
            SchedParams::Cfs(cfs) => {
                let entity = &mut entities[id as usize];
                entity.vruntime = entity.vruntime.max(self.sleepers_floor(cfs));
                let vruntime = entity.vruntime;
                self.insert(vruntime, id, entities);
            }
            SchedParams::Eevdf(eevdf) => self.enqueue_eevdf(id, entities, eevdf),
        }
    }

    /// Queues a new entity.
    pub fn enqueue_new(&mut self, id: u32, entities: &mut [Entity], params: &SchedParams) {
        match params {
            SchedParams::Cfs(cfs) => {
                // One slice behind (`START_DEBIT`).
                let start = self.min_vruntime + signed(self.slice(cfs, self.running() + 1));
                entities[id as usize].vruntime = start;
                self.insert(start, id, entities);
            }
            SchedParams::Eevdf(eevdf) => self.enqueue_new_eevdf(id, entities, eevdf),
        }
    }

    /// The running entity, charged up to now, goes to sleep (`dequeue_entity`).
    ///
    /// # Panics
    /// When no entity runs.
    pub fn sleep(&mut self, entities: &mut [Entity], params: &SchedParams) -> Slept {
        let id = self.current.take().expect("somebody runs");
        match params {
            SchedParams::Cfs(_) => {
                self.forget_skip(id);
                Slept::Left
            }
            SchedParams::Eevdf(eevdf) => self.sleep_eevdf(id, entities, eevdf),
        }
    }

    /// The running entity, charged up to now, gives its processor up to one of another class
    /// (`put_prev_entity`), or sleeps.
    pub fn give_up(&mut self, sleeps: bool, entities: &mut [Entity], params: &SchedParams) {
        if sleeps && self.current.is_some() {
            self.sleep(entities, params);
        } else {
            self.put_back(entities, params);
        }
    }

    /// Those that sleep already leave this queue, paid or not: its processor goes away.
    pub fn dismiss_delayed(&mut self, entities: &mut [Entity], params: &SchedParams) {
        if let SchedParams::Eevdf(params) = params {
            self.dismiss_delayed_eevdf(entities, params);
        }
    }

    /// A sleeping entity, in no queue, is to be woken on another processor than it slept on.
    pub fn rebase(&self, to: &Self, id: u32, entities: &mut [Entity], params: &SchedParams) {
        match params {
            SchedParams::Cfs(_) => {
                let entity = &mut entities[id as usize];
                entity.vruntime = entity.vruntime - self.min_vruntime + to.min_vruntime;
            }
            // Its lag says all.
            SchedParams::Eevdf(_) => {}
        }
    }

    /// Takes a waiting entity out of this queue and puts it into another one
    /// (`migrate_task`); false when it does not wait here.
    pub fn migrate(
        &mut self,
        id: u32,
        to: &mut Self,
        entities: &mut [Entity],
        params: &SchedParams,
    ) -> bool {
        let key = Self::key(&entities[id as usize], params);
        if !self.waiting.contains(key, id) {
            return false;
        }
        match params {
            SchedParams::Cfs(_) => {
                self.waiting.remove(key, id);
                self.forget_skip(id);
                let entity = &mut entities[id as usize];
                entity.vruntime = entity.vruntime - self.min_vruntime + to.min_vruntime;
                let vruntime = entity.vruntime;
                to.insert(vruntime, id, entities);
            }
            SchedParams::Eevdf(eevdf) => self.migrate_eevdf(id, to, entities, eevdf),
        }
        true
    }

    /// Chooses who runs next and makes it the running one (`pick_next_entity`). The running entity
    /// competes under EEVDF, whose choice may be to let it run on.
    ///
    /// # Panics
    /// When an entity still runs under CFS, where it must be put back first.
    pub fn pick(&mut self, entities: &mut [Entity], params: &SchedParams) -> Option<u32> {
        match params {
            SchedParams::Cfs(cfs) => {
                assert!(self.current.is_none(), "the processor is not free");
                self.pick_cfs(entities, cfs)
            }
            SchedParams::Eevdf(eevdf) => self.pick_next_eevdf(entities, eevdf),
        }
    }

    /// Chooses again when the running entity, charged up to now, may have to yield or sleeps.
    pub fn pick_again(
        &mut self,
        sleeps: bool,
        entities: &mut [Entity],
        params: &SchedParams,
    ) -> Option<u32> {
        if sleeps && self.current.is_some() {
            self.sleep(entities, params);
        } else if matches!(params, SchedParams::Cfs(_)) {
            self.put_back(entities, params);
        }
        self.pick(entities, params)
    }

    /// The running entity, charged up to now, lets others go first (`yield_task_fair`). Who runs next
    /// is chosen afterwards.
    pub fn yield_current(&mut self, entities: &mut [Entity], params: &SchedParams) {
        let Some(current) = self.current else { return };
        match params {
            SchedParams::Cfs(_) => self.skip = Some(current),
            SchedParams::Eevdf(eevdf) => self.yield_eevdf(current, entities, eevdf),
        }
    }

    /// Whether the running entity, charged up to now, has had its share when a tick looks.
    pub fn tick_preempts(&self, entities: &[Entity], params: &SchedParams) -> bool {
        match (params, self.current) {
            (SchedParams::Cfs(cfs), Some(current)) => {
                self.check_preempt_tick(&entities[current as usize], cfs)
            }
            // Charging has told (`update_curr`).
            (SchedParams::Eevdf(_), _) | (_, None) => false,
        }
    }

    /// Whether an entity that has just been woken takes the processor at once from the running
    /// one, which has been charged (`check_preempt_wakeup_fair`).
    pub fn wakeup_preempts(&self, woken: u32, entities: &[Entity], params: &SchedParams) -> bool {
        let Some(current) = self.current else { return true };
        match params {
            SchedParams::Cfs(cfs) => {
                let lead = entities[current as usize].vruntime - entities[woken as usize].vruntime;
                cfs.wakeup_preemption && lead > signed(cfs.wakeup_granularity)
            }
            SchedParams::Eevdf(eevdf) => {
                eevdf.wakeup_preemption && self.choice(entities, eevdf) == Some(woken)
            }
        }
    }
}
