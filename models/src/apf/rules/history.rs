//! The history of the protocol: what every generation does otherwise than its parent, and where
//! that is known from. "From memory" and "inferred" say that no source was read for it.

use super::generations::{Change, Generation};
use super::{
    Announce, CannotInject, ClearWaits, Dequeue, Drain, DummyAllocation, EnBits, EnCommit,
    EnWithoutLapic, FetchFailure, FirstLookup, Gate, GuestEnables, GuestHalt, GuestTeardown,
    GuestWait, Kick, LapicEnable, Mechanism, MmapLock, NmiFault, NoticesOn, PageReady,
    PageReadyTold, PageReference, PagingToggle, Prefault, ReadyGate, ReadyWakes, RepeatedFault,
    ResolvedBy, Rules, Runnable, Setting, SetupOrder, SlotAtEnable, Tell, TokenRule, TokenZero,
    WakeAllAppend, WakeAllScope, WakeBeforeWait, WordCache, WordWriteFailure, WorkReference,
    Workers,
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
    first_lookup: FirstLookup::NoIo,
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
    ready_wakes: ReadyWakes::ArtificialHalt,
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
    (Mechanism::FirstLookup, "v5 06/12: get_user_pages_noio"),
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
    },
    Generation {
        name: "v7-2010",
        date: "2010-10-14",
        parent: Some("v5-2010"),
        summary: "the posted series that was measured: a workqueue, cap 64, and the artificial \
                  halt of a guest that cannot be told",
        changes: V7_2010,
    },
    Generation {
        name: "v2.6.39",
        date: "2011-05-18",
        parent: Some("v7-2010"),
        summary: "as merged: the read starts at fault time, completions are drained",
        changes: V2_6_39,
    },
    Generation {
        name: "v4.13",
        date: "2017-09-03",
        parent: Some("v2.6.39"),
        summary: "nested guests opt in, pages are not pinned, page ready has the gate of faults",
        changes: V4_13,
    },
    Generation {
        name: "v5.3",
        date: "2019-09-15",
        parent: Some("v4.13"),
        summary: "a not present that cannot be written halts; no halt where HLT does not exit",
        changes: V5_3,
    },
    Generation {
        name: "v5.8",
        date: "2020-08-02",
        parent: Some("v5.3"),
        summary: "page ready is an interrupt with a token slot and an acknowledgement",
        changes: V5_8,
    },
    Generation {
        name: "v5.9",
        date: "2020-10-11",
        parent: Some("v5.8"),
        summary: "page ready only after not present; the work is scheduled last",
        changes: V5_9,
    },
    Generation {
        name: "v5.13",
        date: "2021-06-27",
        parent: Some("v5.9"),
        summary: "nothing is sent to a local APIC that is off",
        changes: V5_13,
    },
    Generation {
        name: "v5.17",
        date: "2022-03-20",
        parent: Some("v5.13"),
        summary: "a token is never zero",
        changes: V5_17,
    },
    Generation {
        name: "v6.12",
        date: "2024-11-17",
        parent: Some("v5.17"),
        summary: "workers hold no references and are always waited for",
        changes: V6_12,
    },
    Generation {
        name: "user",
        date: "2024-11-18",
        parent: Some("v6.12"),
        summary: "proposed, not merged: faults that the VMM resolves (userfaultfd)",
        changes: USER,
    },
    Generation {
        name: "v6.19",
        date: "2026-02-08",
        parent: Some("v6.12"),
        summary: "switching paging off drops nothing; the guest frees dummies only",
        changes: V6_19,
    },
];

const V7_2010: &[Change] = &[
    change(Setting::Cap(64), "v7 00/12"),
    change(
        Setting::Gate(Gate::QuietAndInterruptsOn),
        "v7 series; the exact text of can_do_async_pf from memory",
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
        Setting::Prefault(Prefault::DirectMmuOnly),
        "v6 to v7 change list: prefault only under direct paging",
    ),
    change(
        Setting::FetchFailure(FetchFailure::GuestRetries),
        "v6 to v7 change list: \"GUP fail in work thread\"",
    ),
    change(Setting::Workers(Workers::Workqueue), "v5 to v6 change list: workqueue"),
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
];

const V4_13: &[Change] = &[
    change(Setting::Gate(Gate::AlsoNotNested), "9bc1f09f6fa7, 4.12; 52a5c155cf79, 4.13"),
    change(
        Setting::ReadyGate(ReadyGate::DisabledOrGate),
        "kvm_arch_can_inject_async_page_present, 4.13 to 5.7 (version from memory)",
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
        "kvm_vcpu_has_events; releases from memory",
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
        "observed on 6.1 (swap-in polls); since 4.14 from memory",
    ),
    change(
        Setting::Tell(Tell::AlsoNotNested),
        "kvm_can_deliver_async_pf, 5.3; that the test moved here is inferred",
    ),
    change(Setting::WordWriteFailure(WordWriteFailure::Halt), "1dfdb45ec510, 5.3"),
    change(
        Setting::GuestWait(GuestWait::HaltIfNotPreemptible),
        "condition read in 5.6; b862789aa518 and a2b7861bb33b, 4.14 (from memory)",
    ),
];

const V5_8: &[Change] = &[
    change(
        Setting::Tell(Tell::AlsoPaging),
        "kvm_can_deliver_async_pf, 5.8 and later: CR0.PG, bits 0 and 3 of EN",
    ),
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

const V6_12: &[Change] = &[
    change(
        Setting::FirstLookup(FirstLookup::StartsRead),
        "observed on 6.12; that swap-in stopped polling about 6.5 is from memory",
    ),
    change(Setting::Dequeue(Dequeue::AfterWorker), "3d75b8aa5c29, 6.9: always flush the workqueue"),
    change(
        Setting::WorkReference(WorkReference::Nothing),
        "3d75b8aa5c29 and 422eeb543ac9, 8284765f03b7, 6.9",
    ),
    change(Setting::ClearWaits(ClearWaits::EveryWorker), "3d75b8aa5c29, 6.9"),
    change(Setting::DummyAllocation(DummyAllocation::OutsideLock), "0547758a6de3, 5.19"),
];

const USER: &[Change] = &[change(
    Setting::ResolvedBy(ResolvedBy::Vmm),
    "\"KVM: x86: async PF user\", RFC of 18 November 2024; that a guest that cannot be told is \
     halted as for other faults is inferred",
)];

const V6_19: &[Change] = &[
    change(
        Setting::Tell(Tell::AlsoReadableCpl),
        "read in 6.19-rc; first release from memory (6.14)",
    ),
    change(
        Setting::EnCommit(EnCommit::AfterValidation),
        "read in 6.19-rc; mends syzbot bc0e18379a290e5edfe4 of July 2025, first release unknown",
    ),
    change(Setting::PagingToggle(PagingToggle::RequestsScan), "ab4e41eb9fab, 6.19"),
    change(
        Setting::WakeBeforeWait(WakeBeforeWait::OnlyDummiesAreConsumed),
        "95cc9e7cf03d, 6.19-rc6",
    ),
];
