//! Guest memory under a limit: pages and their lists, reclaim, swap slots, read-ahead, throttled writes.

pub(crate) mod asked;
pub(crate) mod blocks;
pub(crate) mod call;
mod compressed;
pub(crate) mod containers;
pub(crate) mod epoll;
pub(crate) mod fault_in;
pub(crate) mod file_windows;
mod generations;
pub(crate) mod give_back;
pub(crate) mod high;
mod huge;
pub(crate) mod map_lock;
mod page;
pub mod pages;
pub mod pass;
pub(crate) mod prefetch;
pub(crate) mod protect;
pub mod read_ahead;
pub mod reclaim;
mod refaults;
mod second_stage;
pub(crate) mod second_stage_lock;
pub mod shadow;
pub mod swap;
pub(crate) mod throttle;
pub(crate) mod userfault;
pub(crate) mod wait_queues;
pub(crate) mod zap;
pub(crate) mod zswap;

/// Pages that a call of reclaim is to free, and that lists are taken from at a time (include/linux/swap.h).
pub(crate) const SWAP_CLUSTER_MAX: u64 = 32;
/// Calls in vain that are forgiven before reclaim is given up (mm/internal.h).
pub(crate) const MAX_RECLAIM_RETRIES: u32 = 16;
