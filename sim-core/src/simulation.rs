//! The run loop.
//!
//! A run is a [`Model`], a queue, and the time of the last event. All three are plain values, so
//! **a clone of a [`Simulation`] is its snapshot**: keep the clone, run on, and go back to the
//! clone to run the same future again, or another one after a change. Nothing else holds state.

use crate::key::EventKey;
use crate::queue::EventQueue;
use crate::time::SimTime;

/// What is simulated: state, and what each event does to it.
pub trait Model {
    /// What can happen; an enum as a rule.
    type Event;

    /// Lets `event` happen at `key.time()`. New events go into `queue`, none with a key before
    /// `key`.
    fn handle<Q: EventQueue<Self::Event>>(
        &mut self,
        key: EventKey,
        event: Self::Event,
        queue: &mut Q,
    );
}

/// How far to run; whichever limit is met first ends the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunLimit {
    /// Stop before the first event at or after this instant.
    pub time: Option<SimTime>,
    /// Stop after so many more events, counted from the call.
    pub events: Option<u64>,
}

impl RunLimit {
    /// No limit: until nothing is pending.
    pub const NONE: Self = Self { time: None, events: None };

    /// Up to, and not including, events at `time`.
    pub const fn until(time: SimTime) -> Self {
        Self { time: Some(time), events: None }
    }

    /// So many more events.
    pub const fn events(count: u64) -> Self {
        Self { time: None, events: Some(count) }
    }

    /// The same limit, and at most `count` more events.
    #[must_use]
    pub const fn and_events(self, count: u64) -> Self {
        Self { time: self.time, events: Some(count) }
    }
}

/// Why a run came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The next event lies at or after the time limit; the clock stands at the limit.
    Time,
    /// The event limit is used up.
    Events,
    /// The caller's condition no longer holds.
    Predicate,
    /// Nothing is pending; the clock stands at the last event.
    Drained,
}

/// A model, its pending events, and its clock. A clone is a snapshot.
///
/// ```
/// use sim_core::{EventKey, EventQueue, HybridQueue, Model, RunLimit, SimDuration, SimTime};
/// use sim_core::{Simulation, StopReason};
///
/// /// Ticks once a millisecond.
/// #[derive(Clone)]
/// struct Clock { ticks: u64 }
///
/// impl Model for Clock {
///     type Event = ();
///     fn handle<Q: EventQueue<()>>(&mut self, key: EventKey, _event: (), queue: &mut Q) {
///         self.ticks += 1;
///         queue.schedule(EventKey::at(key.time() + SimDuration::from_ms(1)), ());
///     }
/// }
///
/// let mut run = Simulation::new(Clock { ticks: 0 }, HybridQueue::new());
/// run.queue.schedule(EventKey::at(SimTime::ZERO), ());
/// let limit = SimTime::ZERO + SimDuration::from_ms(5);
/// assert_eq!(run.run(RunLimit::until(limit)), StopReason::Time);
/// assert_eq!((run.model.ticks, run.now()), (5, limit)); // the tick at 5 ms is still pending
///
/// let snapshot = run.clone();
/// run.step();
/// assert_eq!((snapshot.model.ticks, run.model.ticks), (5, 6));
/// ```
#[derive(Clone, Debug)]
pub struct Simulation<M, Q> {
    /// What is simulated.
    pub model: M,
    /// The pending events.
    pub queue: Q,
    now: SimTime,
    last: EventKey,
    handled: u64,
}

impl<M: Model, Q: EventQueue<M::Event>> Simulation<M, Q> {
    /// A run at time zero. First events may be in `queue` already, or be added through
    /// [`Self::queue`].
    pub fn new(model: M, queue: Q) -> Self {
        Self { model, queue, now: SimTime::ZERO, last: EventKey::MIN, handled: 0 }
    }

    /// The time of the last event, or the time limit at which the last run stopped.
    pub fn now(&self) -> SimTime {
        self.now
    }

    /// Events handled since the start of the run.
    pub fn handled(&self) -> u64 {
        self.handled
    }

    /// Handles the next event; `false` when nothing is pending.
    ///
    /// # Panics
    /// When the next event lies before the last one or before [`Self::now`]: whoever scheduled it
    /// has lost its order, and no later result would mean anything.
    pub fn step(&mut self) -> bool {
        let Some((key, event)) = self.queue.pop() else { return false };
        assert!(
            key >= self.last && key.time() >= self.now,
            "event {key:?} comes after {last:?} and time {now}: the model lost its order",
            last = self.last,
            now = self.now,
        );
        (self.now, self.last) = (key.time(), key);
        self.handled += 1;
        self.model.handle(key, event, &mut self.queue);
        true
    }

    /// Handles events up to `limit`.
    pub fn run(&mut self, limit: RunLimit) -> StopReason {
        self.run_while(limit, |_| true)
    }

    /// Handles events up to `limit` and as long as `go_on` holds of the model. The condition is
    /// asked before the first event and after each one.
    pub fn run_while(&mut self, limit: RunLimit, go_on: impl Fn(&M) -> bool) -> StopReason {
        let mut left = limit.events;
        loop {
            if !go_on(&self.model) {
                return StopReason::Predicate;
            }
            if left == Some(0) {
                return StopReason::Events;
            }
            let Some(next) = self.queue.peek() else { return StopReason::Drained };
            if let Some(time) = limit.time
                && next.time() >= time
            {
                self.now = self.now.max(time);
                return StopReason::Time;
            }
            self.step();
            left = left.map(|n| n - 1);
        }
    }
}
