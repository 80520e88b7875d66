//! How far the kernel is with faults that the VMM answers.

/// The section of a setup that comes next, once the item is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UserSetup {
    /// The entry is written; does the VMM want a signal? The lock of the lists is held.
    TestArmed,
    /// The guest is told, the VMM signalled if it wants to be; then back to the guest.
    Announce {
        /// Whether the VMM is signalled.
        signal: bool,
    },
    /// The guest is told; then out to the VMM.
    AnnounceAndExit,
}

/// How far the kernel's work for the ring of answers is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CompleteStage {
    /// It does not run.
    #[default]
    Idle,
    /// Items were completed where none was; the request comes next.
    Request,
    /// The kick comes next.
    Kick,
}

/// The kernel's work for the ring of answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CompleteWork {
    /// Whether it was scheduled, by a signal of the VMM, and has not begun.
    pub queued: bool,
    /// How far it is.
    pub stage: CompleteStage,
}

/// Who completes an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CompletedBy {
    /// The VMM, which says that the page is there.
    Vmm,
    /// The kernel, since nobody accepted the fault.
    Run,
}
