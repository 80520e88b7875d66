//! The discrete-event kernel. It knows nothing of what is simulated.
//!
//! A run is a [`Simulation`]: a [`Model`], which is state and what each event does to it, and an
//! [`EventQueue`] of pending events. Events are ordered by an [`EventKey`] (time, class, actor,
//! the actor's own count), never by when they were inserted, so that every way to execute a run
//! gives the same run. All of it is plain data: a clone is a snapshot.
//!
//! Time is [`SimTime`], whole picoseconds. Random numbers come from [`RandomStreams`], by the
//! label of who draws, or keyed by what the draw belongs to. [`Distribution`]s describe laws as
//! data and are sampled with integers alone ([`fixed`]), because a platform's maths library may
//! differ from another's in the last bit. What a run shows is collected by a [`Histogram`] or a
//! [`TimeWeightedMean`]; what several runs show together, by [`Replications`] and
//! [`paired_ratio`].
//!
//! # Example
//!
//! A lamp that burns for 100 hours on average and is replaced within one: how often does it fail
//! in 100 days?
//!
//! ```
//! use sim_core::{
//!     Distribution, EventKey, EventQueue, HybridQueue, Model, RandomStreams, RunLimit, Sampler,
//!     SimDuration, SimTime, Simulation, StopReason, Stream,
//! };
//!
//! enum Event { Failure, Replacement }
//!
//! struct Lamp { life: Sampler, stream: Stream, failures: u64 }
//!
//! impl Model for Lamp {
//!     type Event = Event;
//!
//!     fn handle<Q: EventQueue<Event>>(&mut self, key: EventKey, event: Event, queue: &mut Q) {
//!         let (after, next) = match event {
//!             Event::Failure => {
//!                 self.failures += 1;
//!                 (SimDuration::from_secs(3_600), Event::Replacement)
//!             }
//!             Event::Replacement => {
//!                 let life = self.life.sample(&mut self.stream);
//!                 (SimDuration::from_ps(life), Event::Failure)
//!             }
//!         };
//!         queue.schedule(EventKey::at(key.time() + after), next);
//!     }
//! }
//!
//! # fn main() -> Result<(), sim_core::DistributionError> {
//! let lamp = Lamp {
//!     life: Distribution::Exponential { mean: 360_000_000_000_000_000 }.sampler()?,
//!     stream: RandomStreams::new(1).stream("lamp"),
//!     failures: 0,
//! };
//! let mut run = Simulation::new(lamp, HybridQueue::new());
//! run.queue.schedule(EventKey::at(SimTime::ZERO), Event::Replacement);
//! let end = SimTime::ZERO + SimDuration::from_secs(100 * 24 * 3_600);
//! assert_eq!(run.run(RunLimit::until(end)), StopReason::Time);
//! assert!((10..=40).contains(&run.model.failures));
//! # Ok(())
//! # }
//! ```

pub mod distribution;
pub mod fixed;
pub mod key;
pub mod queue;
pub mod random;
pub mod simulation;
pub mod stats;
pub mod time;

pub use distribution::{Distribution, DistributionError, Sampler};
pub use key::EventKey;
pub use queue::{
    EventHandle, EventQueue, HybridQueue, ParseQueueKindError, QueueKind, ReferenceQueue,
    StdHeapQueue,
};
pub use random::{KeyedStreams, RandomStreams, Stream};
pub use simulation::{Model, RunLimit, Simulation, StopReason};
pub use stats::{
    Estimate, Histogram, PairedDifferences, RatioEstimate, Replications, TimeWeightedMean,
    paired_ratio,
};
pub use time::{Cycles, Frequency, ParseUnitError, SimDuration, SimTime};
