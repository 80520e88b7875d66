//! The simulated machine: the asynchronous page fault protocol, the MMU, vCPUs, the guest kernel,
//! the host, swap devices, and the trace that all of them write.
//!
//! The only output of a model is its records ([`trace`]); metrics, digests and monitors consume
//! them. [`machine::prefill`] and [`machine::run`] simulate a [`config::MachineConfig`] under a
//! [`config::Policy`].

pub mod apf;
pub mod base;
pub mod config;
pub mod explore;
pub mod machine;
pub mod monitors;
pub mod parts;
pub mod presets;
pub mod trace;
