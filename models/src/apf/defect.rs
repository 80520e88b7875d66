//! Mistakes that can be switched on. Each changes one decision or leaves out one act of the
//! protocol, at a point that the code names; none writes a bad state itself.

use std::fmt;
use std::str::FromStr;

use crate::base::invariant::InvariantId;

macro_rules! defects {
    ($($(#[$doc:meta])* $variant:ident => $text:literal, $invariant:expr, $describes:literal;)*) => {
        /// One mistake.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Defect { $($(#[$doc])* $variant,)* }

        impl Defect {
            /// All defects, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The defect's name as a word.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// What is done wrong, in a sentence.
            pub const fn describes(self) -> &'static str {
                match self { $(Self::$variant => $describes,)* }
            }

            /// The invariant that must notice it.
            pub const fn expected_invariant(self) -> InvariantId {
                match self { $(Self::$variant => $invariant,)* }
            }
        }
    };
}

defects! {
    /// A repeated fault is not recognised.
    SkipGfnLookup => "skip-gfn-lookup", InvariantId(1),
        "a fault on an outstanding frame sets up a second item";
    /// Deletion from the hash leaves a hole.
    HashDeleteHole => "hash-delete-hole", InvariantId(1),
        "deletion from the frame hash does not move later entries back";
    /// The counter of tokens stands still.
    ReusedToken => "reused-token", InvariantId(2),
        "the token counter is not advanced at setup";
    /// The cap is not tested.
    IgnoreCap => "ignore-cap", InvariantId(5),
        "an item is set up although the cap is reached";
    /// The count is not decremented.
    LeakQueued => "leak-queued", InvariantId(5),
        "the count of outstanding items is not decremented when an item is freed";
    /// The queue keeps a freed item.
    FreeWithoutUnlink => "free-without-unlink", InvariantId(6),
        "an item is freed while it is linked in the queue of outstanding items";
    /// Faults go asynchronous whatever the guest does.
    IgnoreGate => "ignore-gate", InvariantId(7),
        "the gate of the fault path is always open";
    /// The guest's kernel is told though it did not ask.
    NotifyKernelMode => "notify-kernel-mode", InvariantId(7),
        "not present is injected at CPL 0 although the guest did not set SEND_ALWAYS";
    /// The gate does not look at the interrupt flag.
    NotifyInterruptsOff => "notify-interrupts-off", InvariantId(7),
        "a fault goes asynchronous although the guest has interrupts off";
    /// Commit 9a6e7c39810e describes it.
    ReadyOverPendingException => "ready-over-pending-exception", InvariantId(11),
        "page ready is queued although another synthetic exception is pending";
    /// Introduced by 9a6e7c39810e, reverted by 84b09f33a5de.
    CancelMismatch => "cancel-mismatch", InvariantId(13),
        "page ready cancels a pending not present without comparing tokens, and is not sent";
    /// A notice that cannot be sent now is never sent.
    DropReadyOnGateClosed => "drop-ready-on-gate-closed", InvariantId(13),
        "a completed item is freed without notice when page ready may not be delivered";
    /// Completed items are never looked at.
    NeverDrain => "never-drain", InvariantId(15),
        "completed items are not dequeued";
    /// Page ready leaves the artificial halt set.
    HaltNotCleared => "halt-not-cleared", InvariantId(16),
        "delivery of a completed item does not clear the artificial halt";
    /// The test before blocking does not look at completed items.
    BlockIgnoresDone => "block-ignores-done", InvariantId(17),
        "a vCPU thread blocks although an item is completed";
    /// A refused setup is taken for a success.
    NoSyncFallback => "no-sync-fallback", InvariantId(37),
        "the fault path returns to the guest although no item was set up";
    /// The wake leaves the sleeper in the table.
    WakeWithoutUnlink => "wake-without-unlink", InvariantId(13),
        "page ready wakes a task and leaves its sleeper linked";
    /// The wake does not look into the table.
    BlindDummy => "blind-dummy", InvariantId(26),
        "page ready inserts a dummy without looking for the sleeper";
    /// Mended by 6f3c1fc53d86.
    TokenZero => "token-zero", InvariantId(10),
        "a token may be zero, which is what a free slot holds";
    /// Mended by ab4e41eb9fab.
    DropOnPagingToggle => "drop-on-paging-toggle", InvariantId(13),
        "switching paging on or off, or leaving system management mode, drops all items";
    /// Mended by 2f15d027c05f.
    IgnoreLapicState => "ignore-lapic-state", InvariantId(21),
        "a completed item is dequeued although the local APIC is off";
    /// The other half of 2f15d027c05f.
    NoScanOnLapicEnable => "no-scan-on-lapic-enable", InvariantId(15),
        "switching the local APIC on does not make the host look for completed items";
    /// Mended by 2a18b7e7cd88.
    ReadyWithoutNotPresent => "ready-without-not-present", InvariantId(12),
        "page ready is told although not present was not";
    /// Mended by 2a266f23550b.
    OverlookPendingException => "overlook-pending-exception", InvariantId(11),
        "the gate does not see an exception that waits for its first injection";
    /// 22583f0d9c85 worked around it, 3d75b8aa5c29 ended it.
    WorkKeepsVm => "work-keeps-vm", InvariantId(25),
        "a worker holds a reference to the VM, whose end waits for workers";
    /// Mended by 3d75b8aa5c29.
    ClearSkipsPublished => "clear-skips-published", InvariantId(24),
        "dropping all items does not wait for workers whose item is completed";
    /// What c2744ed2230a guards against.
    UseAfterPublish => "use-after-publish", InvariantId(24),
        "a worker reads its item after publishing it";
    /// Mended by 9d3c447c72fb.
    SkipLapicTest => "skip-lapic-test", InvariantId(21),
        "notices are switched on although no local APIC is in the kernel";
    /// syzbot bc0e18379a290e5edfe4; mended by 923ca078f08c.
    CommitBeforeValidation => "commit-before-validation", InvariantId(23),
        "the EN register takes its value before the address is known to be good";
    /// Mended by 68c35f89d016.
    StalePendingRead => "stale-pending-read", InvariantId(18),
        "a worker looks for an unacknowledged page ready before its request can be seen";
    /// Part of e5f3f0279601.
    KeepHashOnClear => "keep-hash-on-clear", InvariantId(1),
        "dropping all items leaves their frames in the hash";
    /// Part of e5f3f0279601, and of v6 to v7 of the series.
    PrefaultAnyMode => "prefault-any-mode", InvariantId(36),
        "a page is mapped before page ready whatever address space the vCPU is in";
    /// Mended in 2.6.38-rc.
    UnlockedWakeAll => "unlocked-wake-all", InvariantId(6),
        "a wake-all is appended to the completed items without their lock";
    /// No kernel did that: the probe of the seventh series was bounded, and slow.
    UnboundedProbe => "unbounded-probe", InvariantId(37),
        "a probe of the frame hash ends only at the frame or at a hole";
    /// Mended in v7 of the series.
    GarbagePage => "garbage-page", InvariantId(24),
        "an item whose page could not be had keeps an uninitialised page pointer";
    /// The contrary of what the series did.
    StaleTranslation => "stale-translation", InvariantId(23),
        "the address of the shared area is used after memory slots changed";
    /// Mended by 9bc1f09f6fa7.
    IgnoreNested => "ignore-nested", InvariantId(8),
        "the guest is told while a guest of its own runs, though it did not opt in";
    /// A wrong feature bit guarded the register in 2021.
    RefuseAck => "refuse-ack", InvariantId(15),
        "the ACK register is refused although page ready comes as interrupt";
    /// Mended in v7 of the series.
    HaltInMpState => "halt-in-mp-state", InvariantId(39),
        "the artificial halt is kept where HLT is, and migrated with it";
    /// Mended by cc17b22559d9.
    NoEoi => "no-eoi", InvariantId(33),
        "the page ready handler does not write its end to the local APIC";
    /// Mended by 95cc9e7cf03d.
    StackNodeIsDummy => "stack-node-is-dummy", InvariantId(27),
        "a wait that finds another task's entry frees it like a dummy";
    /// What 0547758a6de3 takes care of.
    DummyWithoutSecondLook => "dummy-without-second-look", InvariantId(26),
        "a dummy is inserted without looking at the table again after its allocation";
    /// Found in the review of the fifth series.
    WindowBeforeHlt => "window-before-hlt", InvariantId(30),
        "interrupts are on between the waiting task's last test and its HLT";
    /// Mended by b862789aa518.
    ScheduleInRcuReader => "schedule-in-rcu-reader", InvariantId(29),
        "a task that reads under RCU is scheduled away";
    /// Mended by a2b7861bb33b for kernels that do not count.
    ScheduleInAtomic => "schedule-in-atomic", InvariantId(29),
        "a task in an atomic section is scheduled away";
    /// What 8b79feffeca2 mended for hibernation.
    KeepBootProcessor => "keep-boot-processor", InvariantId(22),
        "the processor that boots leaves notices on when another kernel takes over";
    /// Mended by 0ac09f9f8cd1.
    LateCr2Read => "late-cr2-read", InvariantId(32),
        "the #PF handler reads CR2 after a tracer may have faulted";
    /// Why the lookup that must not wait also asks for poisoned pages.
    SleepingLookup => "sleeping-lookup", InvariantId(40),
        "a second lookup, which sleeps for the page, follows the one that must not wait";
    /// Mended by 4716276184ec.
    EncryptedWord => "encrypted-word", InvariantId(31),
        "the guest keeps the shared word in a page that the host cannot decrypt";
    /// Mended by "x86/kvm: Don't consume async #PF flags on a kernel #PF in NMI".
    NmiTakesWord => "nmi-takes-word", InvariantId(31),
        "a page fault inside an NMI reads and clears the word of the notice that the NMI interrupted";
    /// Inferred.
    EnableWithInterruptsOn => "enable-with-interrupts-on", InvariantId(15),
        "page ready may come between the write of EN and the guest's note that it takes part";
    /// What the full barrier before the test of ARMED is for.
    NoNotifyBarrier => "no-notify-barrier", InvariantId(44),
        "the kernel looks whether the VMM wants a signal before its entry in the ring can be seen";
    /// What the consumer's look after arming is for.
    NoSecondLook => "no-second-look", InvariantId(44),
        "the VMM asks for a signal and sleeps without looking into the ring again";
    /// What the full barrier between arming and that look is for.
    NoArmFence => "no-arm-fence", InvariantId(44),
        "the VMM looks into the ring again before its wish for a signal can be seen";
    /// What the release of the head is for.
    PlainHead => "plain-head", InvariantId(45),
        "the kernel writes the head of the ring of faults without a release";
    /// Plain load and store of the head of the ring of answers.
    TwoProducers => "two-producers", InvariantId(45),
        "two threads of the VMM write answers into one ring";
    /// The order that the VMM owes.
    CompleteBeforeClear => "complete-before-clear", InvariantId(46),
        "the VMM answers before it clears the bit of the frame";
    /// Mended by firecracker 62c07ea14.
    FallbackUnheard => "fallback-unheard", InvariantId(41),
        "what does not fit into the ring is sent to where nobody reads, and accepted";
    /// Read in firecracker's vCPU loop.
    AcceptUnsent => "accept-unsent", InvariantId(41),
        "a fault is accepted although it could not be passed on";
    /// The order that a snapshot owes.
    SaveAfterLift => "save-after-lift", InvariantId(51),
        "the VMM lifts the protection of a page before it saves it";
    /// `UFFDIO_WRITEPROTECT_MODE_DONTWAKE` without `UFFDIO_WAKE`.
    LiftWithoutWake => "lift-without-wake", InvariantId(13),
        "the VMM lifts the protection of a page and wakes nobody";
    /// Two calls in the wrong order.
    WakeBeforeLift => "wake-before-lift", InvariantId(13),
        "the VMM wakes who sleeps for a page before it lifts its protection, and answers no later message about it";
    /// What `pte_swp_uffd_wp` is for.
    SwapLosesMark => "swap-loses-mark", InvariantId(51),
        "the entry of a protected page does not keep its mark over swap";
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no defect has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownDefect(pub String);

impl fmt::Display for UnknownDefect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no defect is called `{}`", self.0)
    }
}

impl std::error::Error for UnknownDefect {}

impl FromStr for Defect {
    type Err = UnknownDefect;

    fn from_str(text: &str) -> Result<Self, UnknownDefect> {
        let named = |defect: &&Self| defect.name() == text;
        Self::ALL.iter().find(named).copied().ok_or_else(|| UnknownDefect(text.to_owned()))
    }
}

/// A set of defects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Defects(u64);

impl Defects {
    /// The protocol as its kernel had it.
    pub const fn none() -> Self {
        Self(0)
    }

    /// This set and one more.
    #[must_use]
    pub const fn with(self, defect: Defect) -> Self {
        Self(self.0 | 1 << defect as u8)
    }

    /// The defects of both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a defect is switched on.
    pub const fn has(self, defect: Defect) -> bool {
        self.0 & (1 << defect as u8) != 0
    }

    /// Whether no defect is switched on.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The defects that are switched on, in the order of declaration.
    pub fn iter(self) -> impl Iterator<Item = Defect> {
        Defect::ALL.iter().copied().filter(move |&defect| self.has(defect))
    }
}

impl FromIterator<Defect> for Defects {
    fn from_iter<I: IntoIterator<Item = Defect>>(defects: I) -> Self {
        defects.into_iter().fold(Self::none(), Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_parse() {
        for &defect in Defect::ALL {
            assert_eq!(defect.name().parse(), Ok(defect));
            assert!((1..=51).contains(&defect.expected_invariant().0));
            assert!(!defect.describes().is_empty());
        }
        assert!("no-such-defect".parse::<Defect>().is_err());
    }

    #[test]
    fn a_set_has_what_was_put_in() {
        let set: Defects = [Defect::IgnoreCap, Defect::BlindDummy].into_iter().collect();
        assert!(set.has(Defect::IgnoreCap) && !set.has(Defect::LeakQueued));
        assert_eq!(set.iter().collect::<Vec<_>>(), [Defect::IgnoreCap, Defect::BlindDummy]);
        assert!(Defects::none().is_empty() && !set.is_empty());
    }
}
