//! Queues under a plain loop, and our whole engine.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::{BuildHasherDefault, DefaultHasher};

use priority_queue::PriorityQueue;
use sim_core::{EventKey, EventQueue, Model, RunLimit, SimDuration, SimTime, Simulation};

use crate::Contender;
use crate::workload::{Event, Load};

/// Pending events, as a loop uses them; equal times in the order of insertion.
pub trait Pending: Default {
    /// Adds an event.
    fn push(&mut self, time: u64, event: Event);

    /// Takes the next event.
    fn pop(&mut self) -> Option<(u64, Event)>;
}

/// One of our queues, driven directly. The count of insertions is the key's ordinal, so that ties
/// come out as with the others.
#[derive(Clone, Debug, Default)]
pub struct Ours<Q> {
    queue: Q,
    ordinal: u32,
}

impl<Q: EventQueue<Event> + Default> Pending for Ours<Q> {
    #[inline]
    fn push(&mut self, time: u64, event: Event) {
        self.ordinal = self.ordinal.wrapping_add(1);
        self.queue.schedule(EventKey::new(SimTime::from_ps(time), 0, 0, self.ordinal), event);
    }

    #[inline]
    fn pop(&mut self) -> Option<(u64, Event)> {
        self.queue.pop().map(|(key, event)| (key.time().as_ps(), event))
    }
}

/// What most would write by hand: the standard heap of tuples.
#[derive(Clone, Debug, Default)]
pub struct Heap {
    heap: BinaryHeap<Reverse<(u64, u64, Event)>>,
    sequence: u64,
}

impl Pending for Heap {
    #[inline]
    fn push(&mut self, time: u64, event: Event) {
        self.sequence += 1;
        self.heap.push(Reverse((time, self.sequence, event)));
    }

    #[inline]
    fn pop(&mut self) -> Option<(u64, Event)> {
        self.heap.pop().map(|Reverse((time, _, event))| (time, event))
    }
}

/// The same on the `priority-queue` crate, with its usual hasher at a fixed seed.
#[derive(Clone, Debug, Default)]
pub struct Indexed {
    queue: PriorityQueue<u64, Reverse<(u64, u64)>, BuildHasherDefault<DefaultHasher>>,
    events: Vec<Event>,
    free: Vec<u64>,
    sequence: u64,
}

impl Pending for Indexed {
    #[inline]
    fn push(&mut self, time: u64, event: Event) {
        self.sequence += 1;
        let id = match self.free.pop() {
            Some(id) => {
                self.events[id as usize] = event;
                id
            }
            None => {
                self.events.push(event);
                self.events.len() as u64 - 1
            }
        };
        self.queue.push(id, Reverse((time, self.sequence)));
    }

    #[inline]
    fn pop(&mut self) -> Option<(u64, Event)> {
        let (id, Reverse((time, _))) = self.queue.pop()?;
        self.free.push(id);
        Some((time, self.events[id as usize]))
    }
}

/// Puts the first events of a load into a queue.
pub fn fill<Q: Pending>(queue: &mut Q, load: &mut impl Load) {
    for (time, event) in load.initial() {
        queue.push(time, event);
    }
}

/// A queue under a plain loop.
#[derive(Clone, Debug)]
pub struct Loop<Q, L> {
    queue: Q,
    load: L,
}

impl<Q: Pending, L: Load> Loop<Q, L> {
    /// A loop with the load's first events pending.
    pub fn new(mut load: L) -> Self {
        let mut queue = Q::default();
        fill(&mut queue, &mut load);
        Self { queue, load }
    }
}

impl<Q: Pending, L: Load> Contender for Loop<Q, L> {
    fn run(&mut self, events: u64) -> u64 {
        for done in 0..events {
            let Some((time, event)) = self.queue.pop() else { return done };
            let (after, next) = self.load.event(time, event);
            self.queue.push(time + after, next);
        }
        events
    }

    fn digest(&self) -> u64 {
        self.load.digest()
    }
}

/// A load as a model of our engine.
#[derive(Clone, Debug)]
struct LoadModel<L> {
    load: L,
    ordinal: u32,
}

impl<L: Load> Model for LoadModel<L> {
    type Event = Event;

    #[inline]
    fn handle<Q: EventQueue<Event>>(&mut self, key: EventKey, event: Event, queue: &mut Q) {
        let (after, next) = self.load.event(key.time().as_ps(), event);
        self.ordinal = self.ordinal.wrapping_add(1);
        let time = key.time() + SimDuration::from_ps(after);
        queue.schedule(EventKey::new(time, 0, 0, self.ordinal), next);
    }
}

/// Our engine: a [`Simulation`] with one of our queues.
#[derive(Clone, Debug)]
pub struct Engine<Q, L> {
    simulation: Simulation<LoadModel<L>, Q>,
}

impl<Q: EventQueue<Event> + Default, L: Load> Engine<Q, L> {
    /// A simulation with the load's first events pending.
    pub fn new(mut load: L) -> Self {
        let (mut queue, mut ordinal) = (Q::default(), 0);
        for (time, event) in load.initial() {
            ordinal += 1;
            queue.schedule(EventKey::new(SimTime::from_ps(time), 0, 0, ordinal), event);
        }
        Self { simulation: Simulation::new(LoadModel { load, ordinal }, queue) }
    }
}

impl<Q: EventQueue<Event>, L: Load> Contender for Engine<Q, L> {
    fn run(&mut self, events: u64) -> u64 {
        let before = self.simulation.handled();
        self.simulation.run(RunLimit::events(events));
        self.simulation.handled() - before
    }

    fn digest(&self) -> u64 {
        self.simulation.model.load.digest()
    }
}
