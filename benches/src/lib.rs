//! Workloads for event queues and engines, the same for every contender.
//!
//! A workload is integers only: a xorshift generator and tables of increments. What happens at an
//! event is the same code for all, so that contenders differ in how they keep pending events and
//! in nothing else, and a digest of the first events shows that they did the same.

pub mod machines;
pub mod queues;
pub mod reach;
pub mod scaling;
pub mod timers;
pub mod workload;

pub use queues::{Engine, Loop, Pending, fill};
pub use workload::{Event, Hold, Load, Mix, Phold};

/// Something that can be made to handle a number of events and timed while it does.
pub trait Contender {
    /// Handles at least `events` more events and returns how many it was.
    fn run(&mut self, events: u64) -> u64;

    /// A digest of the first [`workload::DIGESTED`] events.
    fn digest(&self) -> u64;
}
