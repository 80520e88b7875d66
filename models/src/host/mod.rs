//! The host: its threads and workers, guest memory under a limit, reclaim, swap.

pub(crate) mod fetch;
mod generations;
mod interrupt;
pub(crate) mod map_lock;
pub mod memory;
pub mod read_ahead;
pub mod reclaim;
pub(crate) mod scheduler;
pub mod swap;
pub(crate) mod throttle;
mod worker;
