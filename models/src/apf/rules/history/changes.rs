//! What every generation does otherwise than its parent.

use crate::apf::rules::choices::{
    Announce, CannotInject, ClearWaits, Dequeue, Drain, DummyAllocation, EnBits, EnCommit,
    EnWithoutLapic, FetchFailure, FirstLookup, Gate, GuestEnables, GuestHalt, GuestMemfd,
    GuestTeardown, GuestWait, InitKeeps, Kick, KickUsedBy, LapicEnable, MmapLock, NmiFault,
    NoticesOn, PageReady, PageReadyTold, PageReference, PagingToggle, Prefault, ReadyGate,
    ReadyWakes, RefusedArea, RepeatedFault, Runnable, SetupOrder, StoredLookup, Tell, TokenZero,
    TryLine, WakeAllAppend, WakeBeforeWait, WordCache, WordWriteFailure, WorkReference, Workers,
};
use crate::apf::rules::generation::Change;
use crate::apf::rules::mechanism::Setting;

const fn change(new: Setting, source: &'static str) -> Change {
    Change { new, source, since: None }
}

/// A change that mainline had before the release after which the generation is named.
const fn early(since: &'static str, new: Setting, source: &'static str) -> Change {
    Change { new, source, since: Some(since) }
}

pub(super) const V7_2010: &[Change] = &[
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

pub(super) const V2_6_39: &[Change] = &[
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

pub(super) const V4_13: &[Change] = &[
    early("4.12", Setting::Gate(Gate::AlsoNotNested), "9bc1f09f6fa7, 4.12; 52a5c155cf79, 4.13"),
    early(
        "4.12",
        Setting::ReadyGate(ReadyGate::DisabledOrGate),
        "kvm_arch_can_inject_async_page_present asks kvm_can_do_async_pf since 9bc1f09f6fa7, \
         4.12; in Ubuntu 4.4 as a backport",
    ),
    change(Setting::EnBits(EnBits::NestedExit), "52a5c155cf79, 4.13"),
    early(
        "4.9",
        Setting::ClearWaits(ClearWaits::UncompletedOnly),
        "22583f0d9c85, 4.9: avoid recursive flushing of work items",
    ),
    change(
        Setting::PageReference(PageReference::NotHeld),
        "f2e106692d51, 2013 (release from memory: 3.13)",
    ),
    early("3.18", Setting::MmapLock(MmapLock::DroppedForIo), "234b239bea39, 3.18"),
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

pub(super) const V5_3: &[Change] = &[
    change(
        Setting::Gate(Gate::AlsoTellableWithoutHltExits),
        "kvm_can_do_async_pf and kvm_can_deliver_async_pf, 1dfdb45ec510, 5.3",
    ),
    early(
        "5.0",
        Setting::FirstLookup(FirstLookup::WaitsWithoutReadAhead),
        "swap_readpage, 5.0: goes to sleep in its loop until the read is over (Ubuntu 5.0; not \
         4.15 and 4.18, which leave it). In 5.10.262, 6.1.192. Observed on 6.1",
    ),
    early(
        "5.1",
        Setting::StoredLookup(StoredLookup::Waits),
        "filemap_fault makes the page itself and waits for its read (filemap_read_page, filemap_read_folio) \
         without a look at FAULT_FLAG_RETRY_NOWAIT, which counts for a locked page only: a75d4c333772, 5.1 \
         (commit and release from memory). In 5.10.262, 6.1.192, 6.12.117, 7.2.13",
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
    early(
        "4.14",
        Setting::GuestWait(GuestWait::HaltIfNotPreemptible),
        "kvm_async_pf_task_wait: b862789aa518 and a2b7861bb33b, 4.14 (release from memory; condition read \
         in 5.6)",
    ),
];

pub(super) const V5_8: &[Change] = &[
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

pub(super) const V5_9: &[Change] = &[
    change(
        Setting::SetupOrder(SetupOrder::LinkFirst),
        "7863e346e108 and 2a18b7e7cd88, 5.9: the work is scheduled last",
    ),
    change(Setting::PageReadyTold(PageReadyTold::OnlyIfNotPresentTold), "2a18b7e7cd88, 5.9"),
    change(Setting::EnWithoutLapic(EnWithoutLapic::ZeroOnly), "d831de177217, 5.9"),
];

pub(super) const V5_13: &[Change] = &[
    change(Setting::ReadyGate(ReadyGate::DisabledOrLapicOnAndSlotFree), "2f15d027c05f, 5.13"),
    change(Setting::LapicEnable(LapicEnable::RequestsScan), "2f15d027c05f, 5.13"),
    change(
        Setting::GuestTeardown(GuestTeardown::OnRestartSuspendAndCrash),
        "8b79feffeca2 and \"Disable all PV features on crash\", 5.13: kvm_suspend and \
         kvm_crash_shutdown, read in 6.1.192, 6.12.95, 7.2.12 and 7.3.4, and in 5.10.223 as \
         backports",
    ),
];

pub(super) const V5_17: &[Change] =
    &[change(Setting::TokenZero(TokenZero::Skipped), "6f3c1fc53d86, 5.17")];

pub(super) const V5_18: &[Change] = &[change(
    Setting::Tell(Tell::AlsoPaging),
    "kvm_can_deliver_async_pf asks is_paging, 5.18 (\"do not deliver asynchronous page faults if \
     CR0.PG=0\"). In 6.1.192, 6.12.117, 7.3.4, Ubuntu 5.19; not in 5.10.262, Ubuntu 5.15",
)];

pub(super) const V6_1: &[Change] = &[early(
    "5.19",
    Setting::DummyAllocation(DummyAllocation::OutsideLock),
    "kvm_async_pf_task_wake, 0547758a6de3, 5.19. In 6.1.192, 6.12.117, 7.3.4, and in 5.10.262 as a \
     backport",
)];

pub(super) const V6_12: &[Change] = &[
    change(
        Setting::GuestMemfd(GuestMemfd::Private),
        "__kvm_faultin_pfn goes to kvm_faultin_pfn_private before it looks whether a page needs I/O \
         (first release from memory: 6.8). In 6.12.117; not in 6.1.192",
    ),
    early(
        "6.6",
        Setting::FirstLookup(FirstLookup::StartsRead),
        "swap-in polls no more, b243dcbf2f13, 6.6: read_swap_cache_async has no do_poll in 6.12.117, 7.3.4, and \
         passes false in Ubuntu 6.8; it has it in 6.1.192, Ubuntu 6.5. Observed on 6.12",
    ),
    early(
        "6.9",
        Setting::Dequeue(Dequeue::AfterWorker),
        "kvm_flush_and_free_async_pf_work, 3d75b8aa5c29, 6.9. In 6.12.117, 7.3.4, and in 5.10.262, \
         6.1.192 as a backport",
    ),
    early(
        "6.9",
        Setting::WorkReference(WorkReference::Nothing),
        "async_pf_execute, 3d75b8aa5c29, 422eeb543ac9 and 8284765f03b7, 6.9. In 6.12.117, 7.3.4",
    ),
    early(
        "6.9",
        Setting::ClearWaits(ClearWaits::EveryWorker),
        "kvm_clear_async_pf_completion_queue, 3d75b8aa5c29, 6.9. In 6.12.117, 7.3.4, and in \
         5.10.262, 6.1.192 as a backport",
    ),
];

pub(super) const V6_15: &[Change] = &[
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

pub(super) const V6_19: &[Change] = &[
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

pub(super) const V7_2: &[Change] = &[change(
    Setting::EnCommit(EnCommit::AfterValidation),
    "kvm_pv_enable_async_pf, 923ca078f08c, 7.1 or 7.2. In 7.2.6, 7.3.4; not in 6.12.117, Ubuntu \
     6.17 and 7.0. The value of a refused write was seen in force on 6.12.95, and not on 7.3.4",
)];

pub(super) const V7_3: &[Change] = &[change(
    Setting::NmiFault(NmiFault::LeavesWord),
    "__kvm_handle_async_pf looks whether the #PF came from user mode before it reads the word, 7.3 \
     (\"Don't consume async #PF flags on a kernel #PF in NMI\"). In 7.3.4, and in 6.12.115, 7.2.13 as \
     a backport; not in 6.12.113, 7.2.12, 6.1.192",
)];
