//! The guest: tasks in user mode, its kernel, its scheduler.

mod apic;
mod burst;
mod calls;
mod hotplug;
mod kernel;
mod scheduler;
mod syscall;
mod timers;
