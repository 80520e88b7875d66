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
mod power_on;
mod scheduler;
mod space;
mod start;
mod state;
mod stored;
mod timers;
mod tlb;
mod touch;
mod touch_at_once;

pub use power_on::KERNEL_FRAMES;
pub(in crate::machine) use state::Guest;
