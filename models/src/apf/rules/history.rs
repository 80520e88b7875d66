//! The history of the protocol: what every generation does otherwise than its parent, and where
//! that is known from.
//!
//! A source names the function and the first release or commit, then the trees in which the value
//! was seen and those in which it was not. A bare number (6.12.117) is the tree of a Debian package
//! `linux-source` that was unpacked and read; "Ubuntu 6.17" is a tree that a review read for us.
//! "From memory" and "inferred" say that no source was read for it.

use super::generations::{Backport, Change, Generation};
use super::{
    Announce, CannotInject, ClearWaits, Dequeue, Drain, DummyAllocation, EnBits, EnCommit,
    EnWithoutLapic, FetchFailure, FirstLookup, Gate, GuestEnables, GuestHalt, GuestMemfd,
    GuestTeardown, GuestWait, InitKeeps, Kick, KickUsedBy, LapicEnable, Mechanism, MmapLock,
    MpStateWrite, NmiFault, NoticesOn, PageReady, PageReadyTold, PageReference, PagingToggle,
    Prefault, ReadyGate, ReadyWakes, RefusedArea, RepeatedFault, ResolvedBy, Rules, Runnable,
    Setting, SetupOrder, SlotAtEnable, Tell, TokenRule, TokenZero, TryLine, WakeAllAppend,
    WakeAllScope, WakeBeforeWait, WordCache, WordWriteFailure, WorkReference, Workers,
};

const fn change(new: Setting, source: &'static str) -> Change {
    Change { new, source }
}

/// The oldest generation: the fifth series, patches 1 to 12, posted on 19 July 2010.
pub(super) const ROOT: Rules = Rules {
    name: "v5-2010",
    resolved_by: ResolvedBy::Kernel,
    token: TokenRule { id_bits: 20, vcpu_bits: 12, first_vcpu: 0 },
    token_zero: TokenZero::Possible,
    cap: 100,
    gate: Gate::UserOrAsked,
    guest_memfd: GuestMemfd::None,
    first_lookup: FirstLookup::NoIo,
    try_line: TryLine::EveryLookup,
    announce: Announce::AtEntryIfMissing,
    setup_order: SetupOrder::ScheduleFirst,
    tell: Tell::Everybody,
    cannot_inject: CannotInject::Synchronous,
    repeated_fault: RepeatedFault::SecondItem,
    word_write_failure: WordWriteFailure::NoticesOff,
    word_cache: WordCache::NeverRefreshed,
    page_ready: PageReady::Exception,
    page_ready_told: PageReadyTold::Always,
    ready_gate: ReadyGate::Quiet,
    drain: Drain::OneAtEntry,
    dequeue: Dequeue::AtOnce,
    kick: Kick::WakeBlockedOnly,
    notices_on: NoticesOn::AreaMapped,
    en_bits: EnBits::SendAlways,
    en_without_lapic: EnWithoutLapic::Accepted,
    en_commit: EnCommit::BeforeValidation,
    refused_area: RefusedArea::Forgotten,
    wake_all_on_enable: true,
    wake_all_append: WakeAllAppend::Unlocked,
    paging_toggle: PagingToggle::Nothing,
    lapic_enable: LapicEnable::Nothing,
    work_reference: WorkReference::Vm,
    clear_waits: ClearWaits::EveryWorker,
    prefault: Prefault::InRecordedSpace,
    page_reference: PageReference::HeldUntilReady,
    fetch_failure: FetchFailure::UninitialisedPage,
    workers: Workers::FourThreads,
    mmap_lock: MmapLock::HeldDuringIo,
    runnable: Runnable::DoneOrInterrupt,
    kick_used_by: KickUsedBy::Hlt,
    init_keeps: InitKeeps::Nothing,
    mp_state_write: MpStateWrite::KeepsHalt,
    ready_wakes: ReadyWakes::Nothing,
    guest_enables: GuestEnables::KernelIfPreemptible,
    guest_wait: GuestWait::HaltIfIdleOrAtomic,
    guest_halt: GuestHalt::WindowBeforeHlt,
    wake_before_wait: WakeBeforeWait::AnyEntryIsDummy,
    dummy_allocation: DummyAllocation::UnderLock,
    guest_teardown: GuestTeardown::OnRestart,
    nmi_fault: NmiFault::TakesWord,
    slot_at_enable: SlotAtEnable::Kept,
    wake_all_scope: WakeAllScope::OwnVcpu,
};

/// Where the values of the oldest generation are known from.
pub(super) const ROOT_SOURCES: &[(Mechanism, &str)] = &[
    (Mechanism::ResolvedBy, "v5 08/12"),
    (Mechanism::Token, "v5 08/12: async_pf_id << 12 | vcpu_id"),
    (Mechanism::TokenZero, "v5 08/12: the counter starts at 0"),
    (Mechanism::Cap, "v5 08/12: ASYNC_PF_PER_VCPU"),
    (Mechanism::Gate, "v5 08/12, can_do_async_pf, and 12/12 for guests that ask"),
    (Mechanism::GuestMemfd, "v5 08/12: all guest memory is the VMM's own"),
    (Mechanism::FirstLookup, "v5 06/12: get_user_pages_noio"),
    (Mechanism::TryLine, "v5 08/12: the trace call stands before the test of `async`"),
    (Mechanism::Announce, "v5 08/12: kvm_check_async_pf_completion announces"),
    (Mechanism::SetupOrder, "v5 08/12: slow_work_enqueue before list_add_tail"),
    (Mechanism::Tell, "v5 08/12: no further test at the announcement"),
    (Mechanism::CannotInject, "v5 08/12: a closed gate makes the lookup synchronous"),
    (Mechanism::RepeatedFault, "v5 08/12, inferred: no lookup by frame exists"),
    (Mechanism::WordWriteFailure, "v5 08/12: apf_put_user sets apf_data to NULL"),
    (Mechanism::WordCache, "v5 07/12 and 08/12, inferred: the version is never stored back"),
    (Mechanism::PageReady, "v5 08/12: reason 2"),
    (Mechanism::PageReadyTold, "v5 08/12"),
    (Mechanism::ReadyGate, "v5 08/12: can_inject_ready"),
    (Mechanism::Drain, "v5 08/12: at most one notice an entry"),
    (Mechanism::Dequeue, "v5 08/12"),
    (Mechanism::Kick, "v5 08/12: wakes the wait queue if it is active"),
    (Mechanism::NoticesOn, "v5 02/12: apf_data is not NULL"),
    (Mechanism::EnBits, "v5 02/12 and 11/12"),
    (Mechanism::EnWithoutLapic, "v5 02/12: no such test"),
    (Mechanism::EnCommit, "v5 02/12: apf_msr_val is stored before the address is looked up"),
    (Mechanism::RefusedArea, "v5 02/12: apf_data is NULL then"),
    (Mechanism::WakeAllOnEnable, "v5 08/12"),
    (Mechanism::WakeAllAppend, "v4 08/12: kvm_async_pf_wakeup_all takes no lock"),
    (Mechanism::PagingToggle, "v5 08/12: no such call"),
    (Mechanism::LapicEnable, "v5 08/12: no such call"),
    (Mechanism::WorkReference, "v5 08/12: a reference on the VM"),
    (Mechanism::ClearWaits, "v5 08/12: every item of the queue is cancelled"),
    (Mechanism::Prefault, "v5 09/12: CR3 is switched to the recorded one"),
    (Mechanism::PageReference, "v5 08/12: the page is put after page ready"),
    (Mechanism::FetchFailure, "v5 08/12; mended in v7 (\"GUP fail in work thread\")"),
    (Mechanism::Workers, "v5 08/12: slow_work; its default limit in kernel/slow-work.c"),
    (Mechanism::MmapLock, "v5 08/12: get_user_pages under mmap_sem"),
    (Mechanism::Runnable, "v5 08/12: kvm_arch_vcpu_runnable gains the done list"),
    (Mechanism::KickUsedBy, "v5 08/12: there are no kicks"),
    (Mechanism::InitKeeps, "v5 02/12 and 08/12: a reset clears what there is"),
    (
        Mechanism::MpStateWrite,
        "v5 08/12: there is no halt; kvm_arch_vcpu_ioctl_set_mpstate, read in 5.10.262, 6.1.192, \
         6.12.117, 7.2.13 and 7.3.4: apf.halted is not written. Observed on 6.12.95 and 7.3.4",
    ),
    (Mechanism::ReadyWakes, "v5 08/12: mp_state is not written, and there is no other halt"),
    (Mechanism::GuestEnables, "v5 03/12 and 11/12: SEND_ALWAYS with CONFIG_PREEMPT"),
    (Mechanism::GuestWait, "v5 10/12"),
    (Mechanism::GuestHalt, "v5 10/12 and its review of 24 August 2010"),
    (Mechanism::WakeBeforeWait, "v5 04/12"),
    (Mechanism::DummyAllocation, "v5 04/12"),
    (
        Mechanism::GuestTeardown,
        "reboot notifier of v7 06/12 (fd10cde9294f), 5.3 and 5.10, as read by a review; of the \
         fifth series inferred",
    ),
    (
        Mechanism::NmiFault,
        "msr.txt of the series: the handler of every #PF reads and clears the reason; \
         __kvm_handle_async_pf, read in 5.10.223, 6.1.192, 6.12.113 and 7.2.12",
    ),
    (
        Mechanism::SlotAtEnable,
        "kvm_guest_cpu_init and kvm_pv_disable_apf, read in 5.10.223, 6.1.192, 6.12.95, 7.2.13 and \
         7.3.4: neither writes the slot",
    ),
    (Mechanism::WakeAllScope, "v5 04/12: apf_task_wake_all looks at the node's cpu"),
];

/// All generations, oldest first.
pub(super) const GENERATIONS: &[Generation] = &[
    Generation {
        name: "v5-2010",
        date: "2010-07-19",
        parent: None,
        summary: "the fifth posted series, all 12 patches: four worker threads, cap 100, user \
                  faults only unless asked",
        changes: &[],
        backports: &[],
    },
    Generation {
        name: "v7-2010",
        date: "2010-10-14",
        parent: Some("v5-2010"),
        summary: "the posted series that was measured: a workqueue, cap 64, and the artificial \
                  halt of a guest that cannot be told",
        changes: V7_2010,
        backports: &[],
    },
    Generation {
        name: "v2.6.39",
        date: "2011-05-18",
        parent: Some("v7-2010"),
        summary: "as merged: the read starts at fault time, completions are drained",
        changes: V2_6_39,
        backports: &[],
    },
    Generation {
        name: "v4.13",
        date: "2017-09-03",
        parent: Some("v2.6.39"),
        summary: "nested guests opt in, pages are not pinned, page ready has the gate of faults",
        changes: V4_13,
        backports: &[],
    },
    Generation {
        name: "v5.3",
        date: "2019-09-15",
        parent: Some("v4.13"),
        summary: "a not present that cannot be written halts; no halt where HLT does not exit",
        changes: V5_3,
        backports: &[],
    },
    Generation {
        name: "v5.8",
        date: "2020-08-02",
        parent: Some("v5.3"),
        summary: "page ready is an interrupt with a token slot and an acknowledgement",
        changes: V5_8,
        backports: &[],
    },
    Generation {
        name: "v5.9",
        date: "2020-10-11",
        parent: Some("v5.8"),
        summary: "page ready only after not present; the work is scheduled last",
        changes: V5_9,
        backports: LINUX_5_10,
    },
    Generation {
        name: "v5.13",
        date: "2021-06-27",
        parent: Some("v5.9"),
        summary: "nothing is sent to a local APIC that is off",
        changes: V5_13,
        backports: &[],
    },
    Generation {
        name: "v5.17",
        date: "2022-03-20",
        parent: Some("v5.13"),
        summary: "a token is never zero",
        changes: V5_17,
        backports: &[],
    },
    Generation {
        name: "v5.18",
        date: "2022-05-22",
        parent: Some("v5.17"),
        summary: "no not present while the guest has paging off",
        changes: V5_18,
        backports: &[],
    },
    Generation {
        name: "v6.1",
        date: "2022-12-11",
        parent: Some("v5.18"),
        summary: "the guest allocates a dummy without the lock of its table",
        changes: V6_1,
        backports: LINUX_6_1,
    },
    Generation {
        name: "v6.12",
        date: "2024-11-17",
        parent: Some("v6.1"),
        summary: "workers hold no references and are always waited for",
        changes: V6_12,
        backports: LINUX_6_12,
    },
    Generation {
        name: "user",
        date: "2024-11-18",
        parent: Some("v6.12"),
        summary: "proposed, not merged: faults that the VMM resolves (userfaultfd)",
        changes: USER,
        backports: &[],
    },
    Generation {
        name: "v6.15",
        date: "2025-05-25",
        parent: Some("v6.12"),
        summary: "any page ready uses a kick up; a protected guest counts as in its kernel",
        changes: V6_15,
        backports: &[],
    },
    Generation {
        name: "v6.19",
        date: "2026-02-08",
        parent: Some("v6.15"),
        summary: "switching paging off drops nothing; the guest frees dummies only",
        changes: V6_19,
        backports: &[],
    },
    Generation {
        name: "v7.2",
        date: "2026-08",
        parent: Some("v6.19"),
        summary: "a write of EN that is refused leaves the register as it was",
        changes: V7_2,
        backports: LINUX_7_2,
    },
    Generation {
        name: "v7.3",
        date: "2026-10",
        parent: Some("v7.2"),
        summary: "a page fault inside an NMI leaves the word of a notice alone; the host of 7.2",
        changes: V7_3,
        backports: &[],
    },
];

const V7_2010: &[Change] = &[
    change(
        Setting::TryLine(TryLine::NeedsIo),
        "v7 01/12, try_async_pf: the trace call stands behind the return of a page that is there",
    ),
    change(Setting::Cap(64), "v7 00/12"),
    change(
        Setting::Gate(Gate::QuietAndInterruptsOn),
        "v7 01/12, can_do_async_pf: irqchip in the kernel, nothing to inject again, interrupts on",
    ),
    change(
        Setting::Announce(Announce::AtSetup),
        "v6 to v7 change list: \"page arrived before not present\" dropped",
    ),
    change(Setting::Tell(Tell::EnabledAndCplAllowed), "kvm_arch_async_page_not_present, 3.0"),
    change(
        Setting::CannotInject(CannotInject::Halt),
        "v5 to v7 change lists: halt the vCPU for guests that cannot be told",
    ),
    change(Setting::RepeatedFault(RepeatedFault::Halt), "try_async_pf, 3.0: the frame hash"),
    change(
        Setting::WordWriteFailure(WordWriteFailure::Ignored),
        "kvm_arch_async_page_not_present, 3.0",
    ),
    change(
        Setting::WordCache(WordCache::Refreshed),
        "v6 to v7 change list: memslot tracking; gfn_to_hva_cache",
    ),
    change(
        Setting::ReadyGate(ReadyGate::DisabledOrQuiet),
        "kvm_arch_can_inject_async_page_present, 3.0",
    ),
    change(
        Setting::Drain(Drain::OnePerTurn),
        "run loop of 3.0; one a call until \"KVM: handle more completed apfs if possible\"",
    ),
    change(Setting::NoticesOn(NoticesOn::EnabledBit), "apf.msr_val & KVM_ASYNC_PF_ENABLED, 3.0"),
    change(
        Setting::Prefault(Prefault::DirectNow),
        "v7 01/12, kvm_arch_async_page_ready: looks at the present mode only, and nothing records \
         that of the fault",
    ),
    change(
        Setting::FetchFailure(FetchFailure::GuestRetries),
        "v6 to v7 change list: \"GUP fail in work thread\"",
    ),
    change(Setting::Workers(Workers::Workqueue), "v5 to v6 change list: workqueue"),
    change(
        Setting::InitKeeps(InitKeeps::HaltRequest),
        "v7 08/12: a reset clears apf.halted and drops all items; KVM_REQ_APF_HALT stays",
    ),
    change(
        Setting::GuestHalt(GuestHalt::StiHlt),
        "kvm_async_pf_task_wait, 3.4: native_safe_halt; in this series inferred",
    ),
];

const V2_6_39: &[Change] = &[
    change(
        Setting::FirstLookup(FirstLookup::StartsRead),
        "get_user_page_nowait, 2.6.39: FOLL_NOWAIT; see the text of 234b239bea39",
    ),
    change(
        Setting::Drain(Drain::AllAtEachTurn),
        "\"KVM: handle more completed apfs if possible\", 2.6.38-rc",
    ),
    change(
        Setting::WakeAllAppend(WakeAllAppend::Locked),
        "\"KVM: fix the race while wakeup all pv guest\", 2.6.38-rc (subject from memory); 3.4",
    ),
    change(Setting::PagingToggle(PagingToggle::DropsItems), "e5f3f0279601, 2.6.38"),
    change(
        Setting::Prefault(Prefault::DirectOrSameCr3),
        "\"KVM: MMU: retry #PF for softmmu\", 2.6.38-rc",
    ),
    change(
        Setting::ReadyWakes(ReadyWakes::ArtificialHalt),
        "kvm_arch_async_page_present, 3.0: apf.halted = false; not in v7 01/12 and 08/12, so it \
         came in 2.6.38-rc (subject from memory: avoid unnecessary wait for a async pf)",
    ),
];

const V4_13: &[Change] = &[
    change(Setting::Gate(Gate::AlsoNotNested), "9bc1f09f6fa7, 4.12; 52a5c155cf79, 4.13"),
    change(
        Setting::ReadyGate(ReadyGate::DisabledOrGate),
        "kvm_arch_can_inject_async_page_present asks kvm_can_do_async_pf since 9bc1f09f6fa7, \
         4.12; in Ubuntu 4.4 as a backport",
    ),
    change(Setting::EnBits(EnBits::NestedExit), "52a5c155cf79, 4.13"),
    change(
        Setting::ClearWaits(ClearWaits::UncompletedOnly),
        "22583f0d9c85, 4.9: avoid recursive flushing of work items",
    ),
    change(
        Setting::PageReference(PageReference::NotHeld),
        "f2e106692d51, 2013 (release from memory: 3.13)",
    ),
    change(Setting::MmapLock(MmapLock::DroppedForIo), "234b239bea39, 3.18"),
    change(
        Setting::Runnable(Runnable::DoneExceptionKickOrInterrupt),
        "kvm_vcpu_has_events; exception.pending is in Ubuntu 4.15 and not in 4.4, and was not \
         read at 4.13",
    ),
    change(
        Setting::ReadyWakes(ReadyWakes::HltToo),
        "kvm_arch_async_page_present, 4.19; first release from memory (3.5)",
    ),
];

const V5_3: &[Change] = &[
    change(
        Setting::Gate(Gate::AlsoTellableWithoutHltExits),
        "kvm_can_do_async_pf and kvm_can_deliver_async_pf, 1dfdb45ec510, 5.3",
    ),
    change(
        Setting::FirstLookup(FirstLookup::WaitsWithoutReadAhead),
        "swap_readpage, 5.0: goes to sleep in its loop until the read is over (Ubuntu 5.0; not \
         4.15 and 4.18, which leave it). In 5.10.262, 6.1.192. Observed on 6.1",
    ),
    change(
        Setting::Tell(Tell::AlsoNotNested),
        "kvm_can_deliver_async_pf, 1dfdb45ec510, 5.3; in Ubuntu 5.3",
    ),
    change(Setting::WordWriteFailure(WordWriteFailure::Halt), "1dfdb45ec510, 5.3"),
    change(
        Setting::RefusedArea(RefusedArea::SpoiltUntilSlotsChange),
        "__kvm_gfn_to_hva_cache_init sets gpa and len last, and generation and hva before it \
         fails: f1b9dd5eb86c, 5.0 (commit and release from memory). In 5.10.223, 6.1.192, \
         6.12.117, 7.3.4. Observed on 7.3.4",
    ),
    change(
        Setting::GuestWait(GuestWait::HaltIfNotPreemptible),
        "condition read in 5.6; b862789aa518 and a2b7861bb33b, 4.14 (from memory)",
    ),
];

const V5_8: &[Change] = &[
    change(
        Setting::PageReady(PageReady::Interrupt),
        "Documentation/virt/kvm/msr.rst: MSR_KVM_ASYNC_PF_INT, 5.8",
    ),
    change(
        Setting::ReadyGate(ReadyGate::DisabledOrSlotFree),
        "kvm_arch_can_dequeue_async_page_present, 5.8",
    ),
    change(
        Setting::Drain(Drain::AllOnRequestAndAck),
        "5.8: KVM_REQ_APF_READY and MSR_KVM_ASYNC_PF_ACK",
    ),
    change(Setting::Kick(Kick::RequestAndKick), "kvm_arch_async_page_present_queued, 5.8"),
    change(Setting::NoticesOn(NoticesOn::EnabledAndInterruptBits), "kvm_pv_async_pf_enabled, 5.8"),
    change(Setting::EnBits(EnBits::Interrupt), "msr.rst: bit 3 of EN, 5.8"),
    change(Setting::EnWithoutLapic(EnWithoutLapic::Refused), "9d3c447c72fb, 5.8-rc"),
    change(
        Setting::InitKeeps(InitKeeps::RequestsAndAcknowledgement),
        "kvm_vcpu_reset clears msr_en_val, msr_int_val, the items and apf.halted, and neither \
         pageready_pending, apf.vec, apf.data nor the requests. In 5.10.262, 6.1.192, 6.12.117, \
         7.2.13, 7.3.4",
    ),
    change(
        Setting::GuestEnables(GuestEnables::UserWithInterrupt),
        "what a host of 5.8 offers; Linux guests ask for it since 5.9, and those of 5.8 get no \
         notices from such a host",
    ),
    change(
        Setting::GuestWait(GuestWait::PanicInKernel),
        "\"x86/kvm: Restrict ASYNC_PF to user space\", 3a7c8fafd1b4, 5.8",
    ),
];

const V5_9: &[Change] = &[
    change(
        Setting::SetupOrder(SetupOrder::LinkFirst),
        "7863e346e108 and 2a18b7e7cd88, 5.9: the work is scheduled last",
    ),
    change(Setting::PageReadyTold(PageReadyTold::OnlyIfNotPresentTold), "2a18b7e7cd88, 5.9"),
    change(Setting::EnWithoutLapic(EnWithoutLapic::ZeroOnly), "d831de177217, 5.9"),
];

const V5_13: &[Change] = &[
    change(Setting::ReadyGate(ReadyGate::DisabledOrLapicOnAndSlotFree), "2f15d027c05f, 5.13"),
    change(Setting::LapicEnable(LapicEnable::RequestsScan), "2f15d027c05f, 5.13"),
    change(
        Setting::GuestTeardown(GuestTeardown::OnRestartSuspendAndCrash),
        "8b79feffeca2 and \"Disable all PV features on crash\", 5.13: kvm_suspend and \
         kvm_crash_shutdown, read in 6.1.192, 6.12.95, 7.2.12 and 7.3.4, and in 5.10.223 as \
         backports",
    ),
];

const V5_17: &[Change] = &[change(Setting::TokenZero(TokenZero::Skipped), "6f3c1fc53d86, 5.17")];

const V5_18: &[Change] = &[change(
    Setting::Tell(Tell::AlsoPaging),
    "kvm_can_deliver_async_pf asks is_paging, 5.18 (\"do not deliver asynchronous page faults if \
     CR0.PG=0\"). In 6.1.192, 6.12.117, 7.3.4, Ubuntu 5.19; not in 5.10.262, Ubuntu 5.15",
)];

const V6_1: &[Change] = &[change(
    Setting::DummyAllocation(DummyAllocation::OutsideLock),
    "kvm_async_pf_task_wake, 0547758a6de3, 5.19. In 6.1.192, 6.12.117, 7.3.4, and in 5.10.262 as a \
     backport",
)];

const V6_12: &[Change] = &[
    change(
        Setting::GuestMemfd(GuestMemfd::Private),
        "__kvm_faultin_pfn goes to kvm_faultin_pfn_private before it looks whether a page needs I/O \
         (first release from memory: 6.8). In 6.12.117; not in 6.1.192",
    ),
    change(
        Setting::FirstLookup(FirstLookup::StartsRead),
        "swap-in polls no more, 6.6: read_swap_cache_async has no do_poll in 6.12.117, 7.3.4, and \
         passes false in Ubuntu 6.8; it has it in 6.1.192, Ubuntu 6.5. Observed on 6.12",
    ),
    change(
        Setting::Dequeue(Dequeue::AfterWorker),
        "kvm_flush_and_free_async_pf_work, 3d75b8aa5c29, 6.9. In 6.12.117, 7.3.4, and in 5.10.262, \
         6.1.192 as a backport",
    ),
    change(
        Setting::WorkReference(WorkReference::Nothing),
        "async_pf_execute, 3d75b8aa5c29, 422eeb543ac9 and 8284765f03b7, 6.9. In 6.12.117, 7.3.4",
    ),
    change(
        Setting::ClearWaits(ClearWaits::EveryWorker),
        "kvm_clear_async_pf_completion_queue, 3d75b8aa5c29, 6.9. In 6.12.117, 7.3.4, and in \
         5.10.262, 6.1.192 as a backport",
    ),
];

const USER: &[Change] = &[change(
    Setting::ResolvedBy(ResolvedBy::Vmm),
    "\"KVM: x86: async PF user\", RFC of 18 November 2024; that a guest that cannot be told is \
     halted as for other faults is inferred",
)];

const V6_15: &[Change] = &[
    change(
        Setting::Tell(Tell::AlsoReadableCpl),
        "kvm_can_deliver_async_pf asks guest_state_protected, 6.15. In 7.2.6, 7.3.4, Ubuntu 6.17 \
         and 7.0; not in 6.12.117",
    ),
    change(
        Setting::KickUsedBy(KickUsedBy::HltOrReady),
        "kvm_set_mp_state clears pv_unhalted, c9e5f3fa9039 and e9cb61055fee, 6.15, and \
         kvm_arch_async_page_present calls it. In 7.2.6, 7.3.4, Ubuntu 6.17 and 7.0; not in \
         6.12.117. Observed on 7.3.4 and, the old way, on 6.12.95",
    ),
];

const V6_19: &[Change] = &[
    change(
        Setting::GuestMemfd(GuestMemfd::PrivateAndOnly),
        "__kvm_mmu_faultin_pfn goes to kvm_mmu_faultin_pfn_gmem also where kvm_memslot_is_gmem_only \
         (first release from memory: 6.18). In 7.2.6, 7.3.4; not in 6.12.117",
    ),
    change(
        Setting::PagingToggle(PagingToggle::RequestsScan),
        "kvm_post_set_cr0, ab4e41eb9fab, 6.19. In 7.2.6, 7.3.4, Ubuntu 7.0, and in 6.1.192, \
         6.12.117 as a backport; not in 5.10.262, Ubuntu 6.17",
    ),
    change(
        Setting::WakeBeforeWait(WakeBeforeWait::OnlyDummiesAreConsumed),
        "kvm_async_pf_queue_task, 95cc9e7cf03d, 6.19-rc6. In 7.2.6, 7.3.4, Ubuntu 7.0; not in \
         6.12.117",
    ),
];

const V7_2: &[Change] = &[change(
    Setting::EnCommit(EnCommit::AfterValidation),
    "kvm_pv_enable_async_pf, 923ca078f08c, 7.1 or 7.2. In 7.2.6, 7.3.4; not in 6.12.117, Ubuntu \
     6.17 and 7.0. The value of a refused write was seen in force on 6.12.95, and not on 7.3.4",
)];

const V7_3: &[Change] = &[change(
    Setting::NmiFault(NmiFault::LeavesWord),
    "__kvm_handle_async_pf looks whether the #PF came from user mode before it reads the word, 7.3 \
     (\"Don't consume async #PF flags on a kernel #PF in NMI\"). In 7.3.4, and in 6.12.115, 7.2.13 as \
     a backport; not in 6.12.113, 7.2.12, 6.1.192",
)];

const fn backport(release: &'static str, new: Setting, source: &'static str) -> Backport {
    Backport { release, new, source }
}

/// The long-term tree 5.10, as its last packaged release 5.10.262 has it. Releases are those under
/// whose name the changelog of the package has the commit.
const LINUX_5_10: &[Backport] = &[
    backport(
        "5.10.43",
        Setting::GuestTeardown(GuestTeardown::OnRestartSuspendAndCrash),
        "8b79feffeca2",
    ),
    backport("5.10.103", Setting::TokenZero(TokenZero::Skipped), "6f3c1fc53d86"),
    backport(
        "5.10.119",
        Setting::ReadyGate(ReadyGate::DisabledOrLapicOnAndSlotFree),
        "2f15d027c05f",
    ),
    backport("5.10.119", Setting::LapicEnable(LapicEnable::RequestsScan), "2f15d027c05f"),
    backport("5.10.120", Setting::DummyAllocation(DummyAllocation::OutsideLock), "0547758a6de3"),
    backport("5.10.215", Setting::Dequeue(Dequeue::AfterWorker), "3d75b8aa5c29"),
    backport("5.10.215", Setting::WorkReference(WorkReference::Nothing), "3d75b8aa5c29"),
    backport("5.10.215", Setting::ClearWaits(ClearWaits::EveryWorker), "3d75b8aa5c29"),
];

/// The long-term tree 6.1, read at 6.1.192.
const LINUX_6_1: &[Backport] = &[
    backport("6.1.84", Setting::Dequeue(Dequeue::AfterWorker), "3d75b8aa5c29"),
    backport("6.1.84", Setting::WorkReference(WorkReference::Nothing), "3d75b8aa5c29"),
    backport("6.1.84", Setting::ClearWaits(ClearWaits::EveryWorker), "3d75b8aa5c29"),
    backport("6.1.160", Setting::PagingToggle(PagingToggle::RequestsScan), "ab4e41eb9fab"),
];

/// The long-term tree 6.12, read at 6.12.95, 6.12.113, 6.12.115 and 6.12.117.
const LINUX_6_12: &[Backport] = &[
    backport("6.12.64", Setting::PagingToggle(PagingToggle::RequestsScan), "ab4e41eb9fab"),
    backport("6.12.115", Setting::NmiFault(NmiFault::LeavesWord), NMI_FAULT),
];

/// The stable releases of 7.2, read at 7.2.6, 7.2.12 and 7.2.13.
const LINUX_7_2: &[Backport] =
    &[backport("7.2.13", Setting::NmiFault(NmiFault::LeavesWord), NMI_FAULT)];

/// The subject of a commit whose number is in no tree that was read.
const NMI_FAULT: &str = "\"x86/kvm: Don't consume async #PF flags on a kernel #PF in NMI\"";
