//! Guest memory under a limit: pages and their lists, reclaim, swap slots, read-ahead, throttled writes.

mod generations;
pub(crate) mod map_lock;
pub mod pages;
pub mod pass;
pub mod read_ahead;
pub mod reclaim;
pub mod swap;
pub(crate) mod throttle;
