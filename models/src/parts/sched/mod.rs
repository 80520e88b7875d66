//! The fair schedulers that guest and host share: CFS and EEVDF, all weights equal.
//!
//! Pure bookkeeping of virtual runtimes: who runs next, and when the running entity must yield.
//! Time passes outside. Entities live in a table of their owner, by number; a queue holds numbers.
//! Names follow `kernel/sched/fair.c`.

mod cfs;
mod eevdf;

use crate::config::SchedParams;
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
    /// EEVDF: the virtual deadline of its slice.
    pub deadline: Vruntime,
    /// EEVDF: what it was owed (or owed) when it left the queue.
    pub lag: Vruntime,
    /// EEVDF: the deadline that it had when it was picked. As long as that is its deadline, nobody
    /// takes the processor from it while it is eligible (RUN_TO_PARITY).
    pub parity: Option<Vruntime>,
    /// EEVDF: it sleeps, but stays in the queue until its debt is paid (DELAY_DEQUEUE).
    pub delayed: bool,
}

/// What became of an entity that wanted to sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slept {
    /// It has left the queue.
    Left,
    /// It competes on until it is eligible (EEVDF's delayed dequeue).
    Delayed,
}

/// The queue of one processor. The running entity is not among the waiting, as in the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunQueue {
    min_vruntime: Vruntime,
    /// Waiting entities, the next one first: by vruntime (CFS) or by deadline (EEVDF), then number.
    waiting: Vec<(Vruntime, u32)>,
    /// How many of the waiting only pay their debt (EEVDF).
    delayed: usize,
    /// The entity that has the processor.
    pub current: Option<u32>,
}

fn signed(span: SimDuration) -> Vruntime {
    Vruntime::try_from(span.as_ps()).unwrap_or(Vruntime::MAX)
}

impl RunQueue {
    /// Entities that want the processor, the running one included (`nr_running`).
    pub fn running(&self) -> usize {
        self.waiting.len() - self.delayed + usize::from(self.current.is_some())
    }

    /// Entities that wait for the processor.
    pub fn waiting<'a>(&'a self, entities: &'a [Entity]) -> impl Iterator<Item = u32> + 'a {
        let wants = |&id: &u32| !entities[id as usize].delayed;
        self.waiting.iter().map(|&(_, id)| id).filter(wants)
    }

    /// Whether nobody waits for the processor.
    pub fn nobody_waits(&self) -> bool {
        self.waiting.len() == self.delayed
    }

    /// The floor that new and waking entities are placed against in an empty queue.
    pub fn min_vruntime(&self) -> Vruntime {
        self.min_vruntime
    }

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
            SchedParams::Eevdf(params) => self.renew_slice(entity, params),
        }
    }

    fn insert(&mut self, key: Vruntime, id: u32) {
        let key = (key, id);
        let at = self.waiting.partition_point(|&other| other < key);
        self.waiting.insert(at, key);
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
            self.insert(Self::key(&entities[id as usize], params), id);
        }
    }

    /// Queues an entity that has slept (`enqueue_entity`, `place_entity`). The running entity must
    /// have been charged, except where [`RunQueue::is_delayed`] says that the kernel does not.
    pub fn enqueue_woken(&mut self, id: u32, entities: &mut [Entity], params: &SchedParams) {
        match params {
            SchedParams::Cfs(cfs) => {
                let entity = &mut entities[id as usize];
                entity.vruntime = entity.vruntime.max(self.sleepers_floor(cfs));
                self.insert(entity.vruntime, id);
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
                self.insert(start, id);
            }
            SchedParams::Eevdf(eevdf) => self.enqueue_new_eevdf(id, entities, eevdf),
        }
    }

    /// Whether an entity sleeps but is still in the queue. The kernel wakes such a one without
    /// charging the running entity first (`requeue_delayed_entity`).
    pub fn is_delayed(id: u32, entities: &[Entity]) -> bool {
        entities[id as usize].delayed
    }

    /// The running entity, charged up to now, goes to sleep (`dequeue_entity`).
    ///
    /// # Panics
    /// When no entity runs.
    pub fn sleep(&mut self, entities: &mut [Entity], params: &SchedParams) -> Slept {
        let id = self.current.take().expect("somebody runs");
        match params {
            SchedParams::Cfs(_) => Slept::Left,
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
        let Some(at) = self.waiting.iter().position(|&(_, other)| other == id) else {
            return false;
        };
        match params {
            SchedParams::Cfs(_) => {
                self.waiting.remove(at);
                let entity = &mut entities[id as usize];
                entity.vruntime = entity.vruntime - self.min_vruntime + to.min_vruntime;
                to.insert(entity.vruntime, id);
            }
            SchedParams::Eevdf(eevdf) => self.migrate_eevdf(at, to, entities, eevdf),
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
            SchedParams::Cfs(_) => {
                assert!(self.current.is_none(), "the processor is not free");
                self.pick_cfs(entities)
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
