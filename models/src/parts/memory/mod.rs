//! Guest memory under a limit: pages and their lists, reclaim, swap slots, read-ahead, throttled writes.

pub(crate) mod asked;
pub(crate) mod blocks;
pub(crate) mod call;
mod compressed;
pub(crate) mod containers;
pub(crate) mod fault_in;
mod generations;
pub(crate) mod high;
mod huge;
pub(crate) mod map_lock;
mod page;
pub mod pages;
pub mod pass;
pub(crate) mod prefetch;
pub mod read_ahead;
pub mod reclaim;
mod second_stage;
pub(crate) mod second_stage_lock;
pub mod shadow;
pub mod swap;
pub(crate) mod throttle;
pub(crate) mod userfault;
pub(crate) mod wait_queues;
pub(crate) mod zap;
pub(crate) mod zswap;
