//! The guest: tasks and their programs, its kernel, its scheduler, its local APICs.

mod access;
mod accounting;
mod apic;
mod burst;
mod calls;
mod entry;
mod frames;
mod hotplug;
mod interrupts;
mod kernel;
mod notices;
mod scheduler;
mod start;
mod state;
mod syscall;
mod timers;
mod yields;

pub(in crate::machine) use state::Guest;
pub use state::KERNEL_FRAMES;
