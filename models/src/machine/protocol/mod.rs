//! Driving the pure protocol ([`crate::apf`]): one step at a time, its effects turned into records,
//! threads that wake and tasks that run. The protocol's state changes here and nowhere else.

mod guest;
mod host;
mod left;
mod state;
mod step;
mod tokens;
mod vmm;
mod vmm_effects;

pub(in crate::machine) use guest::Waits;
pub(in crate::machine) use host::{Completed, Section};
pub(in crate::machine) use state::Protocol;
pub(in crate::machine) use vmm::{Answering, UserFault};
