//! The machine: where the parts meet.
//!
//! Rooms, from the bottom: `world` is what all share (the state in its halves, the event at hand, the
//! interfaces between the halves), `protocol` drives [`crate::apf`], `vcpu` is KVM's loop of a vCPU
//! thread, `host` has threads, workers, memory and the swap device, `guest` has tasks and the guest's
//! kernel. A room's state is private to it; the guest acts on the host through
//! `world::Hypervisor` only, and reads what it maps as a processor's walk does; the host enters the guest through
//! `world::GuestEntry`.
//!
//! `ARCHITECTURE.md` follows the life of a fault through these files.

mod bound;
mod build;
mod consequences;
mod dispatch;
mod disturb;
mod error;
mod guest;
mod host;
mod liveness_check;
mod names;
mod promises;
mod protocol;
mod run;
mod settings;
pub mod sink;
mod thread_step;
mod vcpu;
mod watching;
mod world;

pub use error::RunError;
pub use guest::{KERNEL_FRAMES, Stuck};
pub use promises::{family_of, known_violations};
pub use run::{Observer, Prefix, RunOutput, prefill, prefill_observed, run, run_observed};
pub use settings::{RunSettings, Stop, Watch};
pub use world::watchdog::{END_OF_TIME, PREFILL_STEPS, SPIN_STEP, SPIN_STEPS};
pub use world::{MachineEvent, World};
