//! The guest: tasks and their programs, its kernel, its scheduler, its local APICs.

mod accounting;
mod apic;
mod balance;
mod balloon;
mod balloon_state;
mod burst;
mod choices;
mod deadlock;
mod entry;
mod frames;
mod give_back;
mod hotplug;
mod interrupts;
mod kernel;
mod notices;
mod ops;
mod power_on;
mod scheduler;
mod space;
mod stage;
mod start;
mod state;
mod stored;
mod task;
mod timers;
mod tlb;
mod touch;
mod touch_at_once;

pub(in crate::machine) use balloon_state::DriverWork;
pub use deadlock::Stuck;
pub use power_on::KERNEL_FRAMES;
pub(in crate::machine) use state::Guest;
