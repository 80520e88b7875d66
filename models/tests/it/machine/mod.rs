//! The timed machine.

pub(crate) mod kit;

mod ahead;
mod allocation;
mod anatomy;
mod apic;
mod balance;
mod calls;
mod closed_form;
mod compressed;
mod defects;
mod determinism;
mod devices;
mod disturbances;
mod halt_poll;
mod huge;
mod many_vcpus;
mod map_lock;
mod memory;
mod mmu_retry;
mod policies;
mod prefill;
mod presets;
mod programs;
mod queueing;
mod reads;
mod regressions;
mod reinjection;
mod second_stage_lock;
mod series;
mod shadow;
mod syscalls;
mod tables;
mod timers;
mod vms;
mod workers;
mod yields;
