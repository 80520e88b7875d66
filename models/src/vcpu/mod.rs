//! Virtual processors: the loop of a vCPU thread in the host, and guest mode.

mod guest_mode;
mod run_loop;
