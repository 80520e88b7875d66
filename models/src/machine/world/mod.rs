//! What all rooms of the machine share: the state in its halves, the event at hand, and the
//! interfaces by which one half reaches the other.

mod cx;
pub(in crate::machine) mod event;
mod failure;
mod flow;
mod interfaces;
mod next_steps;
mod progress;
mod schedule_step;
mod state;
pub(in crate::machine) mod watchdog;

pub(in crate::machine) use cx::Cx;
pub use event::MachineEvent;
pub(in crate::machine) use failure::{Failure, StateViolation};
pub(in crate::machine) use flow::{Errand, Flow, Outcome, Pass, Then, Under, Visit};
pub(in crate::machine) use interfaces::{
    BalloonQueue, Consequences, FreshFault, GuestEntry, GuestExit, Hypervisor,
};
pub(in crate::machine) use next_steps::{Steps, thread_of};
pub(in crate::machine) use state::Setup;
pub use state::World;
