//! What the kernels do, one field per mechanism.
//!
//! A value exists only if some kernel or posted series did it, or a review of one asked for it (the
//! value says so), and the code here does it too. Which kernel did what is in [`generations()`]:
//! dated changes with their sources.

mod choices;
mod generation;
mod generations;
mod history;
mod mechanism;
mod releases;
mod sense;
mod set;
mod token;
mod value;
mod vmm_choices;

pub use choices::{
    Announce, CannotInject, ClearWaits, Dequeue, Drain, DummyAllocation, EnBits, EnCommit,
    EnWithoutLapic, FetchFailure, FirstLookup, Gate, GuestEnables, GuestHalt, GuestMemfd,
    GuestTeardown, GuestWait, InitKeeps, Kick, KickUsedBy, LapicEnable, MmapLock, MpStateWrite,
    NmiFault, NoticesOn, PageReady, PageReadyTold, PageReference, PagingToggle, Prefault,
    ReadyGate, ReadyWakes, RefusedArea, RepeatedFault, ResolvedBy, Runnable, SetupOrder,
    SlotAtEnable, StoredLookup, Tell, TokenZero, TryLine, WakeAllAppend, WakeAllScope,
    WakeBeforeWait, WordCache, WordWriteFailure, WorkReference, Workers,
};
pub use generation::{Applied, Backport, Change, Generation, Origin};
pub use generations::{generation, generations, named_generation};
pub use mechanism::{Mechanism, Rules, Setting, Side};
pub use releases::{Release, before_the_next, release};
pub use sense::Incompatible;
pub use set::{PARTS, SetError};
pub use token::TokenRule;
pub use vmm_choices::{
    ClearRings, HaltRequest, NotifyIndex, NotifySignal, PendingAtRun, Stores, TokenSpent,
    UserLookup,
};
