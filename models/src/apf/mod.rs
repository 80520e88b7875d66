//! The asynchronous page fault protocol as a pure state machine.
//!
//! [`Apf`] is the whole protocol state of one VM: the host's half (items, queues, halts), the
//! guest's half (the table of sleepers) and the words that the two share. It is plain data,
//! comparable and hashable, and it changes only in [`Apf::step`]. There is no clock, no randomness
//! and no device here: who drives the protocol decides when a step happens and gives meaning to
//! the [`Effect`]s that it produces. The timed machine drives it through one schedule; an explorer
//! drives it through all of them.
//!
//! **One step is one section that is atomic in the kernel**: one hold of a lock, or one store that
//! another processor can see. A fault is therefore several steps (gate, schedule, link, announce),
//! and so is the work of a worker (fetch, publish, trace, kick): the historical mistakes live in
//! the gaps.
//!
//! What differs between kernels is data ([`rules::Rules`]); mistakes are named decision points
//! ([`defect::Defect`]).

pub mod defect;
pub mod effect;
pub mod gfn_table;
pub mod guest;
pub mod host;
pub mod invariants;
pub mod item;
mod notice;
pub mod ring;
pub mod rules;
mod state;
mod step;
pub mod vmm;

pub use defect::{Defect, Defects};
pub use effect::{Decision, Effect, Effects, VmmEffect};
pub use guest::{GuestHalf, GuestInput, Takeover, WaitContext};
pub use host::{FaultMemory, HostHalf, HostInput, MmuMode, SetupFailure, VcpuView};
pub use notice::{Notice, SharedArea};
pub use rules::Rules;
pub use state::Apf;
pub use step::Input;
pub use vmm::VmmInput;
