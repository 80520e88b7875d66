//! The host: its threads and workers, fetching of pages, interrupts.

pub(crate) mod fetch;
mod interrupt;
pub(crate) mod map_lock;
pub(crate) mod scheduler;
mod worker;
