//! The VMM's half, where it answers faults: reading of them in the ring or by an exit, installing
//! pages, clearing bits of the bitmap, answering. As the handler of Firecracker's branch
//! `feature/secret-hiding` does it, a thread for each vCPU here, which leaves the kernel more orders
//! than one thread for all.

mod handler;
mod input;
mod state;
mod step;
mod stores;
#[cfg(test)]
mod tests;

pub use input::{Abuse, Storer, VmmInput};
pub use state::{Channel, Progress, Reading, Request, VmmVcpu};
