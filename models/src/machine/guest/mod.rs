//! The guest: tasks and their programs, its kernel, its scheduler, its local APICs.

mod accounting;
mod apic;
mod burst;
mod choices;
mod entry;
mod frames;
mod hotplug;
mod interrupts;
mod kernel;
mod notices;
mod ops;
mod scheduler;
mod space;
mod start;
mod state;
mod stored;
mod timers;
mod touch;

pub(in crate::machine) use state::Guest;
pub use state::KERNEL_FRAMES;
