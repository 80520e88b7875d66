//! Virtual processors: the loop of a vCPU thread in the host, and guest mode.

mod guest_mode;
mod halt_poll;
mod injection;
mod run_loop;
