//! KVM's loop of a vCPU thread: entries and exits, faults, halts, injection of events.

mod exits;
mod fault_path;
mod fresh_fault;
mod guest_mode;
mod halts;
mod injection;
mod msr;
mod outside;
mod run_loop;
mod shadow;
mod sigbus;
mod signal;
mod state;
mod stop;
mod timer;
mod view;

pub(in crate::machine) use state::VcpuThreads;
