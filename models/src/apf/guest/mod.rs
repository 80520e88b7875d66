//! The guest's half: the table of sleepers, and the handlers of the synthetic #PF and of the page
//! ready interrupt (`arch/x86/kernel/kvm.c`).

mod handler;
mod input;
mod sleepers;
mod state;
mod step;
#[cfg(test)]
mod tests;

pub use input::{GuestInput, Takeover, WaitContext};
pub use state::{GuestHalf, Sleeper};
