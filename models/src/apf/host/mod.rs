//! The host's half: what KVM keeps per vCPU, and the sections of its code.
//!
//! The life of an item, section by section:
//!
//! 1. `Try`: gate, lookup of the frame, cap, allocation.
//! 2. `Advance`, two or three times: schedule the work, link the item, announce it (order by rule;
//!    some announce at the next entry only).
//! 3. A worker: `WorkerStart`, `WorkerFetched`, then `WorkerAdvance` to publish, request and kick,
//!    trace, wake.
//! 4. `CheckCompletion` pops the item, `Deliver` does the rest. Where the host looks only when it
//!    is asked, `Requests` and `WriteAck` begin that with `Effect::Scan`.
//!
//! Around it: `Requests` turns a halt request into the artificial halt, `Block` and `Unblock` are
//! the two ends of `kvm_vcpu_block`, `Inject` and `InjectInterrupt` are the entry, `WriteEn`,
//! `WriteInt` and `WriteAck` are the guest's registers, and `SetPaging` to `Destroy` is what else
//! happens to a vCPU or a VM.

mod announce;
mod answer;
mod area;
mod clear;
mod delivery;
mod destroy;
mod exception;
mod fault;
mod gate;
mod halt;
mod input;
mod interrupt;
mod progress;
mod registers;
mod reset;
mod state;
mod step;
#[cfg(test)]
mod tests;
mod user;
mod worker;

pub use input::{FaultMemory, HostInput, MmuMode, SetupFailure, VcpuView};
pub use progress::{CompleteStage, CompleteWork, CompletedBy, UserSetup};
pub use state::{AreaCache, Halt, HostHalf, HostVcpu, Lapic, Life, Operation, Scan};
