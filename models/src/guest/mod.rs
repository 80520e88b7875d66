//! The guest: tasks in user mode, its kernel, its scheduler.

mod burst;
mod kernel;
mod scheduler;
