//! The values that mechanisms can have.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::value::Value;

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident => $text:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// The word used in files and tables.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.name()) }
        }

        impl Value for $name {
            fn all() -> Vec<Self> { vec![$(Self::$variant,)*] }
        }
    )*};
}

pub(super) use choices;

choices! {
    /// Who brings the page of an item.
    ResolvedBy {
        /// A worker thread of the host kernel.
        Kernel => "kernel",
        /// The same, but the worker sleeps until the VMM has installed the page.
        Userfaultfd => "userfaultfd",
        /// The VMM, which the vCPU thread tells of the fault by an exit (`KVM_ASYNC_PF`).
        Exit => "exit",
        /// The VMM, which reads of it in a ring (`KVM_SET_APF_EVENTFD`), or else is told by an exit.
        Ring => "ring",
    }

    /// Whether a token may be zero.
    TokenZero {
        /// The first token of vCPU 0 is zero, and so is every 2^20th.
        Possible => "possible",
        /// The counter skips it.
        Skipped => "skipped",
    }

    /// May this fault go asynchronous (`can_do_async_pf`)? Nothing may wait to be injected, under
    /// all values.
    Gate {
        /// Notices are on, and the guest is at CPL > 0 or asked for notices in its kernel and has
        /// interrupts on.
        UserOrAsked => "user-or-asked",
        /// The local APIC is in the kernel and the guest has interrupts on. Whether it enabled
        /// notices plays no part.
        QuietAndInterruptsOn => "quiet-and-interrupts-on",
        /// The same, but not in a nested guest unless its hypervisor opted in.
        AlsoNotNested => "also-not-nested",
        /// Interrupts on; and where HLT does not exit, the guest must be one that can be told.
        AlsoTellableWithoutHltExits => "also-tellable-without-hlt-exits",
    }

    /// Which faults are served from guest_memfd before anybody asks whether they may go asynchronous.
    /// Its memory is never swapped, so that such a fault waits for nothing but an allocation.
    GuestMemfd {
        /// There is no such memory.
        None => "none",
        /// Private faults.
        Private => "private",
        /// Private faults, and all faults on memory slots that guest_memfd alone backs.
        PrivateAndOnly => "private-and-only",
    }

    /// Whom the announcement tells; anyone else is halted.
    Tell {
        /// Everybody: the gate has looked already.
        Everybody => "everybody",
        /// Guests with notices on, at CPL 0 only those that asked for it.
        EnabledAndCplAllowed => "enabled-and-cpl-allowed",
        /// The same, but no nested guest whose hypervisor did not opt in.
        AlsoNotNested => "also-not-nested",
        /// The same, but no guest with paging off.
        AlsoPaging => "also-paging",
        /// The same, and a guest whose CPL the host cannot read counts as one in its kernel.
        AlsoReadableCpl => "also-readable-cpl",
    }

    /// When the notices of a vCPU count as switched on.
    NoticesOn {
        /// The address of its shared area is known to the host.
        AreaMapped => "area-mapped",
        /// Bit 0 of the EN register is set.
        EnabledBit => "enabled-bit",
        /// Bits 0 and 3 of the EN register are set.
        EnabledAndInterruptBits => "enabled-and-interrupt-bits",
    }

    /// What the lookup that must not wait does with a page that needs I/O.
    FirstLookup {
        /// It fails and starts nothing; the worker starts the read (`get_user_pages_noio`).
        NoIo => "no-io",
        /// It starts the read and does not wait for it (`FOLL_NOWAIT`).
        StartsRead => "starts-read",
        /// The same, but it waits for a read without read-ahead, so that such faults never go
        /// asynchronous: where there is none, or where the window has shrunk to one page.
        WaitsWithoutReadAhead => "waits-without-read-ahead",
    }

    /// What it does with a page of a file that is not in the page cache, without read-ahead.
    StoredLookup {
        /// It starts the read and does not wait for it.
        StartsRead => "starts-read",
        /// It waits for the read. Who finds it under way comes back without the page.
        Waits => "waits",
    }

    /// Which lookups through the open gate the tracepoint `kvm_try_async_get_page` shows.
    TryLine {
        /// All, with the frame that was found, if one was.
        EveryLookup => "every-lookup",
        /// Those that need I/O.
        NeedsIo => "needs-io",
    }

    /// When the guest is told of a new item.
    Announce {
        /// In the fault that sets it up (`kvm_setup_async_pf`).
        AtSetup => "at-setup",
        /// At the next entry, unless the page is there by then.
        AtEntryIfMissing => "at-entry-if-missing",
    }

    /// The order of the sections of a setup.
    SetupOrder {
        /// Schedule the work, link the item, announce it: the worker may be through first.
        ScheduleFirst => "schedule-first",
        /// Link the item, announce it, schedule the work.
        LinkFirst => "link-first",
    }

    /// What happens to a fault of which the guest must not be told.
    CannotInject {
        /// It is synchronous: the gate tests it.
        Synchronous => "synchronous",
        /// The vCPU is halted until the page or an interrupt comes (`KVM_REQ_APF_HALT`).
        Halt => "halt",
    }

    /// What a fault on a frame does that is outstanding on the same vCPU.
    RepeatedFault {
        /// It sets up another item: nobody looks.
        SecondItem => "second-item",
        /// It halts the vCPU (`KVM_REQ_APF_HALT`).
        Halt => "halt",
    }

    /// What follows when the shared area cannot be written for a not present.
    WordWriteFailure {
        /// The host forgets the area: notices are off.
        NoticesOff => "notices-off",
        /// Nothing: the guest faults again.
        Ignored => "ignored",
        /// The vCPU is halted.
        Halt => "halt",
    }

    /// How the host finds the shared area after a change of memory slots.
    WordCache {
        /// It translates anew, and does not keep that it did: every later write does it again.
        NeverRefreshed => "never-refreshed",
        /// It translates anew, once.
        Refreshed => "refreshed",
    }

    /// How page ready comes to the guest.
    PageReady {
        /// As #PF with a reason in the shared word, like not present.
        Exception => "exception",
        /// As an interrupt, with the token in a slot of its own, acknowledged by a register.
        Interrupt => "interrupt",
    }

    /// For which items page ready is sent.
    PageReadyTold {
        /// For all, also when the guest was never told that the page is not present.
        Always => "always",
        /// For those whose not present was queued for injection, and for wake-all.
        OnlyIfNotPresentTold => "only-if-not-present-told",
    }

    /// When a completed item may be dequeued (`kvm_arch_can_inject_async_page_present`).
    ReadyGate {
        /// The guest has interrupts on and nothing waits to be injected.
        Quiet => "quiet",
        /// Notices are off, or the guest has interrupts on and nothing waits to be injected.
        DisabledOrQuiet => "disabled-or-quiet",
        /// Notices are off, or a fault could go asynchronous.
        DisabledOrGate => "disabled-or-gate",
        /// The same, but that an exception waits for its first injection is not seen (4.14). Page ready
        /// that finds not present waiting takes it back, whatever its token, and neither is told.
        DisabledOrGatePendingUnseen => "disabled-or-gate-pending-unseen",
        /// Notices are off, or the token slot is free.
        DisabledOrSlotFree => "disabled-or-slot-free",
        /// Notices are off, or the local APIC is on and the token slot is free.
        DisabledOrLapicOnAndSlotFree => "disabled-or-lapic-on-and-slot-free",
    }

    /// When completed items are looked for, and how many are dequeued.
    Drain {
        /// At each entry, one.
        OneAtEntry => "one-at-entry",
        /// After each turn of the run loop, one.
        OnePerTurn => "one-per-turn",
        /// After each turn of the run loop, as many as the gate lets through.
        AllAtEachTurn => "all-at-each-turn",
        /// At an entry that was asked to (`KVM_REQ_APF_READY`) and in the guest's
        /// acknowledgement, as many as the gate lets through.
        AllOnRequestAndAck => "all-on-request-and-ack",
    }

    /// Whether an item is freed while its worker is still about to end.
    Dequeue {
        /// Yes.
        AtOnce => "at-once",
        /// No: the vCPU thread waits for the worker (`flush_work`).
        AfterWorker => "after-worker",
    }

    /// Whom a worker wakes after it published an item.
    Kick {
        /// The vCPU thread, if it sleeps on its wait queue.
        WakeBlockedOnly => "wake-blocked-only",
        /// The same; and if the item is the only completed one it sets a request, and takes the
        /// vCPU out of guest mode unless a page ready is not acknowledged yet.
        RequestAndKick => "request-and-kick",
    }

    /// Which bits of the EN register there are.
    EnBits {
        /// Enabled, send-always.
        SendAlways => "send-always",
        /// Delivery as exit to a nested hypervisor, too.
        NestedExit => "nested-exit",
        /// Delivery of page ready as interrupt, too.
        Interrupt => "interrupt",
    }

    /// What happens to a write of the EN register where the local APIC is not in the kernel.
    EnWithoutLapic {
        /// Like elsewhere.
        Accepted => "accepted",
        /// It is refused, even when it disables.
        Refused => "refused",
        /// It is refused unless it writes zero.
        ZeroOnly => "zero-only",
    }

    /// When the EN register takes its value.
    EnCommit {
        /// Before the address of the area is looked up, and whatever comes out of that.
        BeforeValidation => "before-validation",
        /// When the address is known to be good.
        AfterValidation => "after-validation",
    }

    /// What a write of the EN register whose address is no memory leaves of the address that the
    /// host has cached.
    RefusedArea {
        /// Nothing: the host has no area until notices are switched on again.
        Forgotten => "forgotten",
        /// The address, but no way to it until memory slots change (`__kvm_gfn_to_hva_cache_init`
        /// keeps `gpa` and spoils `hva`).
        SpoiltUntilSlotsChange => "spoilt-until-slots-change",
        /// All of it. No kernel does that: it is what would mend a refused write.
        Kept => "kept",
    }

    /// What the VMM's write of a vCPU's state does to the artificial halt
    /// (`kvm_arch_vcpu_ioctl_set_mpstate`).
    MpStateWrite {
        /// Nothing: it is no part of that state.
        KeepsHalt => "keeps-halt",
        /// It ends the halt, and takes a request for one back. No kernel does that: it is what
        /// would mend a machine that is restarted while it is halted.
        EndsHalt => "ends-halt",
    }

    /// How a wake-all is put into the list of completed items.
    WakeAllAppend {
        /// Without the list's lock: what a worker appends meanwhile is lost.
        Unlocked => "unlocked",
        /// Under the lock.
        Locked => "locked",
    }

    /// What follows when the guest switches paging on or off (CR0.PG), also on its way out of
    /// system management mode.
    PagingToggle {
        /// Nothing.
        Nothing => "nothing",
        /// All items are dropped.
        DropsItems => "drops-items",
        /// When paging is on again, the host looks for completed items.
        RequestsScan => "requests-scan",
    }

    /// What follows when the guest switches its local APIC on.
    LapicEnable {
        /// Nothing.
        Nothing => "nothing",
        /// The host looks for completed items.
        RequestsScan => "requests-scan",
    }

    /// What a worker keeps alive until its very end.
    WorkReference {
        /// The VM: the last worker to end may be the one that destroys it.
        Vm => "vm",
        /// Nothing.
        Nothing => "nothing",
    }

    /// For whom the host waits when it drops all items of a vCPU.
    ClearWaits {
        /// For every worker that has begun.
        EveryWorker => "every-worker",
        /// For those whose item is not completed: the others may still be about to end.
        UncompletedOnly => "uncompleted-only",
    }

    /// Which page is mapped before page ready is delivered (`kvm_arch_async_page_ready`).
    Prefault {
        /// None.
        None => "none",
        /// That of the fault, in the address space of the fault, to which the host switches.
        InRecordedSpace => "in-recorded-space",
        /// That of any fault, if paging is direct now: what it was at the fault plays no part.
        DirectNow => "direct-now",
        /// That of a fault under direct paging if paging is still direct, and that of a fault under
        /// shadow paging if it still is and CR3 is the same.
        DirectOrSameCr3 => "direct-or-same-cr3",
    }

    /// Whether an item keeps its page from being reclaimed.
    PageReference {
        /// From completion until page ready.
        HeldUntilReady => "held-until-ready",
        /// Never: the page may be gone when the guest comes back for it.
        NotHeld => "not-held",
    }

    /// What becomes of an item whose page cannot be had.
    FetchFailure {
        /// Its page pointer is left as it was on the worker's stack, and released later.
        UninitialisedPage => "uninitialised-page",
        /// It is completed like any other: the guest faults again.
        GuestRetries => "guest-retries",
        /// The same, and the frame is noted: the next fault on it is synchronous, so that the VMM
        /// is told (posted in 2020, not merged).
        NextFaultSynchronous => "next-fault-synchronous",
    }

    /// Who executes work items.
    Workers {
        /// Up to four kernel threads for all (`slow_work`).
        FourThreads => "four-threads",
        /// A pool of each processor, in which a thread that sleeps is replaced (`schedule_work`).
        Workqueue => "workqueue",
        /// A thread of its own for each item, made for it and ended after it. No kernel does that:
        /// it is what "a cap of 100 for 16 vCPUs makes 1600 threads" was feared to mean.
        ThreadPerFault => "thread-per-fault",
        /// Nobody: the interrupt of the completed read publishes the item. No kernel does that: it
        /// is what was asked for when the patch was reviewed. The read must begin at the fault.
        NativeIo => "native-io",
    }

    /// Whether a worker keeps the memory map of the VMM locked while it waits for a page.
    MmapLock {
        /// For reading, until the page is there.
        HeldDuringIo => "held-during-io",
        /// It lets go of it first.
        DroppedForIo => "dropped-for-io",
    }

    /// What makes a vCPU thread stop sleeping (`kvm_arch_vcpu_runnable`).
    Runnable {
        /// A completed item, or an interrupt that the guest lets in. A synthetic exception that
        /// is pending does not.
        DoneOrInterrupt => "done-or-interrupt",
        /// The same, a pending exception, and a kick by another vCPU (`pv_unhalted`).
        DoneExceptionKickOrInterrupt => "done-exception-kick-or-interrupt",
    }

    /// What uses a kick by another vCPU up. Until then it ends every halt at once.
    KickUsedBy {
        /// The HLT that it ends, and the next one where the vCPU is in none.
        Hlt => "hlt",
        /// That, and the delivery of any completed item, told or not: whatever makes the vCPU
        /// runnable (`kvm_set_mp_state`).
        HltOrReady => "hlt-or-ready",
    }

    /// What of the protocol an INIT leaves as it was (`kvm_vcpu_reset`).
    InitKeeps {
        /// Nothing.
        Nothing => "nothing",
        /// A request for the artificial halt.
        HaltRequest => "halt-request",
        /// That, a request to look for completed items, the vector of page ready, and that a page
        /// ready is not acknowledged (`pageready_pending`).
        RequestsAndAcknowledgement => "requests-and-acknowledgement",
    }

    /// Which sleep the delivery of a completed item ends (`kvm_arch_async_page_present`).
    ReadyWakes {
        /// None: that the item is completed has woken the thread, or something else does.
        Nothing => "nothing",
        /// The artificial halt. A vCPU in HLT stays there until something else wakes it.
        ArtificialHalt => "artificial-halt",
        /// HLT too (`mp_state = KVM_MP_STATE_RUNNABLE`).
        HltToo => "hlt-too",
    }

    /// What the guest asks for when it switches notices on.
    GuestEnables {
        /// Notices, in the kernel too if that is preemptible.
        KernelIfPreemptible => "kernel-if-preemptible",
        /// Notices for user mode only, page ready as interrupt.
        UserWithInterrupt => "user-with-interrupt",
    }

    /// When a task that was told not present waits in HLT instead of being scheduled away.
    GuestWait {
        /// When it is the idle task or in an atomic section (`preempt_count`).
        HaltIfIdleOrAtomic => "halt-if-idle-or-atomic",
        /// The same, and in an RCU reader; all of the kernel, if that does not count its atomic
        /// sections.
        HaltIfNotPreemptible => "halt-if-not-preemptible",
        /// Never: not present in the kernel or with interrupts off is a panic.
        PanicInKernel => "panic-in-kernel",
    }

    /// How a waiting task goes into HLT.
    GuestHalt {
        /// With interrupts on between the last test and HLT: a wake-up in between is lost.
        WindowBeforeHlt => "window-before-hlt",
        /// Interrupts go on with the HLT (`sti; hlt`).
        StiHlt => "sti-hlt",
    }

    /// What a wait does that finds its token in the table.
    WakeBeforeWait {
        /// It takes whatever it finds for the dummy of a wake that came first.
        AnyEntryIsDummy => "any-entry-is-dummy",
        /// It consumes a dummy. Another task's entry it leaves alone, and faults again.
        OnlyDummiesAreConsumed => "only-dummies-are-consumed",
    }

    /// Where the memory of a dummy comes from.
    DummyAllocation {
        /// It is allocated under the lock of the table; without memory the wake tries again.
        UnderLock => "under-lock",
        /// It is allocated without the lock, and the table is looked at again.
        OutsideLock => "outside-lock",
    }

    /// When processors switch notices off because their memory goes to another kernel.
    GuestTeardown {
        /// On a restart, kexec included, each of them (a reboot notifier). When the guest
        /// hibernates, all but the one that boots, as they go offline; on a crash none.
        OnRestart => "on-restart",
        /// The same, and the one that boots when the guest hibernates (`kvm_suspend`), and the one
        /// that crashes (`kvm_crash_shutdown`).
        OnRestartSuspendAndCrash => "on-restart-suspend-and-crash",
    }

    /// What a page fault does that a non-maskable interrupt takes while the word of a notice is not
    /// read yet.
    NmiFault {
        /// Its handler reads and clears the word like any other, and cannot go on with it.
        TakesWord => "takes-word",
        /// It leaves the word to the handler that was interrupted.
        LeavesWord => "leaves-word",
    }

    /// What becomes of a token that is left in the slot when notices are switched on again.
    SlotAtEnable {
        /// It stays: no later page ready is sent.
        Kept => "kept",
        /// The guest frees the slot before it writes EN. No kernel does that: it is what would
        /// mend a vCPU that was offline.
        Cleared => "cleared",
    }

    /// Whom a wake-all wakes.
    WakeAllScope {
        /// The sleepers whose not present came on the vCPU that is told.
        OwnVcpu => "own-vcpu",
    }
}
