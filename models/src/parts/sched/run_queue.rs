//! The queue of one processor, and what is kept of those in it.

use sim_core::SimDuration;

use super::waiting::{Vruntime, Waiting, Waits};

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
    pub(super) min_vruntime: Vruntime,
    /// Waiting entities, the next one first: by vruntime (CFS) or by deadline (EEVDF), then number.
    pub(super) waiting: Waiting,
    /// How many of the waiting only pay their debt (EEVDF).
    pub(super) delayed: usize,
    /// CFS: the entity that has yielded and is passed over until it runs again (the skip buddy).
    pub(super) skip: Option<u32>,
    /// The entity that has the processor.
    pub current: Option<u32>,
}

pub(super) fn signed(span: SimDuration) -> Vruntime {
    Vruntime::try_from(span.as_ps()).unwrap_or(Vruntime::MAX)
}

impl RunQueue {
    /// Entities that want the processor, the running one included (`nr_running`).
    pub fn running(&self) -> usize {
        self.waiting.len() - self.delayed + usize::from(self.current.is_some())
    }

    /// Whether nobody but the running entity is in the queue, those included that only pay their debt
    /// (`single_task_running`: DELAY_DEQUEUE leaves them in `nr_running`; 6.12.117, 7.2.13).
    pub fn is_of_one(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Entities that wait for the processor.
    pub fn waiting<'a>(&'a self, entities: &'a [Entity]) -> impl Iterator<Item = u32> + 'a {
        let wants = |&id: &u32| !entities[id as usize].delayed;
        self.waiting.iter().map(|waits| waits.id).filter(wants)
    }

    /// Whether nobody waits for the processor.
    pub fn nobody_waits(&self) -> bool {
        self.waiting.len() == self.delayed
    }

    /// The floor that new and waking entities are placed against in an empty queue.
    pub fn min_vruntime(&self) -> Vruntime {
        self.min_vruntime
    }

    /// An entity waits from now on, behind those with a smaller key.
    pub(super) fn insert(&mut self, key: Vruntime, id: u32, entities: &[Entity]) {
        self.waiting.insert(Waits { key, id, vruntime: entities[id as usize].vruntime });
    }

    /// Whether an entity sleeps but is still in the queue. The kernel wakes such a one without
    /// charging the running entity first (`requeue_delayed_entity`).
    pub fn is_delayed(id: u32, entities: &[Entity]) -> bool {
        entities[id as usize].delayed
    }
}
