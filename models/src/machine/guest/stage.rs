//! Stages of the guest's kernel: what is done when one is over.

use sim_core::Cycles;

use super::balloon_state::DriverWork;
use super::give_back::{Call, TlbRange};
use crate::base::ids::{Gfn, Gva, TaskId, Token};
use crate::machine::world::BalloonQueue;

/// A stage of the guest kernel that runs on a vCPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GuestThen {
    /// Timer interrupt; so many tick periods are accounted.
    Tick { periods: u32 },
    /// Reschedule interrupt: its return looks for another task.
    Reschedule,
    /// Exception 14 with this CR2: read the shared word.
    PageFault { token: Token },
    /// The sleeper is linked: test it, then sleep or halt.
    WaitTest { token: Token, task: TaskId },
    /// HLT with interrupts on, in the not-present handler of a context that cannot sleep.
    WaitHalted { token: Token, task: TaskId },
    /// Page ready as exception: wake.
    Wake { token: Token },
    /// Page ready as interrupt: read the token, wake, free the slot, acknowledge.
    ReadyInterrupt,
    /// The context switch is over.
    Switched,
    /// The guest's own page fault: a fresh frame for this address.
    FirstTouch { gva: Gva },
    /// Clearing the fresh frame begins.
    ClearPage { gva: Gva, gfn: Gfn },
    /// The fresh frame is cleared.
    MapFresh { gva: Gva, gfn: Gfn },
    /// Clearing the frame of a new table begins.
    ClearTable { gva: Gva, gfn: Gfn, level: u32 },
    /// The frame of a new table is cleared.
    LinkTable { gva: Gva, gfn: Gfn, level: u32 },
    /// So many frames of a fresh page of 2 MiB are cleared.
    ClearLarge { gva: Gva, gfn: Gfn, page: u16 },
    /// Timers of tasks have expired; in the softirq, with interrupts on.
    Timers { softirq: bool },
    /// Call-function interrupt: enable asynchronous page faults on this vCPU.
    EnableApf,
    /// Call-function interrupt: write EN with an address that the host refuses.
    RefusedEn,
    /// Spinning, with interrupts on, until all other vCPUs have answered.
    CallWait,
    /// Call-function interrupt: do what is asked for, and answer.
    Answer { call: Call },
    /// Translations of the vCPU itself go.
    FlushTlb { range: TlbRange },
    /// The end of an interrupt, where it exits.
    Eoi,
    /// The handler of a system management interrupt is over.
    LeaveSmm,
    /// The vCPU goes offline: its notices first.
    NoticesOff,
    /// Notices are off: sleepers, tasks, and then the vCPU itself.
    Depart,
    /// Halted with interrupts off until somebody starts the vCPU again.
    Offline,
    /// The interrupt, or the timer, of the balloon's driver.
    Driver { work: DriverWork },
    /// The driver has its pages, and notifies the device.
    BalloonTell { queue: BalloonQueue },
    /// The driver writes the size of the balloon into the device.
    BalloonSize,
    /// The driver goes on towards the size that was asked for.
    BalloonNext,
    /// There is no frame until free ones are reported; with interrupts on.
    WaitForFrame,
    /// Nothing more to do.
    Return,
}

/// A guest kernel stage with the work that is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub remaining: Cycles,
    pub then: GuestThen,
}
