//! Parts of the machine that need no machine around them: swap devices, memory under a limit,
//! translation, schedulers.

pub mod device;
pub mod memory;
pub mod mmu;
pub mod pages;
pub mod sched;
