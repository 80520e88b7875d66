//! The host: guest memory under a limit, reclaim, swap.

pub mod memory;
pub mod reclaim;
pub mod swap;
