//! What long-term trees took over from newer kernels.

use crate::apf::rules::choices::{
    ClearWaits, Dequeue, DummyAllocation, GuestTeardown, LapicEnable, NmiFault, PagingToggle,
    ReadyGate, TokenZero, WorkReference,
};
use crate::apf::rules::generation::Backport;
use crate::apf::rules::mechanism::Setting;

const fn backport(release: &'static str, new: Setting, source: &'static str) -> Backport {
    Backport { release, new, source }
}

/// What one release does and no generation: the cure of a double fault that loses page readies. Later kernels
/// up to 5.7 have the cure too, where it is dead, as their gate sees what is pending.
pub(super) const LINUX_4_14: &[Backport] = &[backport(
    "4.14",
    Setting::ReadyGate(ReadyGate::DisabledOrGatePendingUnseen),
    "kvm_arch_async_page_present, 9a6e7c39810e, 4.14. Dead since kvm_can_do_async_pf asks exception.pending \
     (2a266f23550b), as the text of 84b09f33a5de says, by which 5.8 takes it out: so in Ubuntu 4.15 and 5.3. \
     Whether a later release of 4.14 took 2a266f23550b over was not read",
)];

/// The long-term tree 5.10, as its last packaged release 5.10.262 has it. Releases are those under
/// whose name the changelog of the package has the commit.
pub(super) const LINUX_5_10: &[Backport] = &[
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
pub(super) const LINUX_6_1: &[Backport] = &[
    backport("6.1.84", Setting::Dequeue(Dequeue::AfterWorker), "3d75b8aa5c29"),
    backport("6.1.84", Setting::WorkReference(WorkReference::Nothing), "3d75b8aa5c29"),
    backport("6.1.84", Setting::ClearWaits(ClearWaits::EveryWorker), "3d75b8aa5c29"),
    backport("6.1.160", Setting::PagingToggle(PagingToggle::RequestsScan), "ab4e41eb9fab"),
];

/// The long-term tree 6.12, read at 6.12.95, 6.12.113, 6.12.115 and 6.12.117.
pub(super) const LINUX_6_12: &[Backport] = &[
    backport("6.12.64", Setting::PagingToggle(PagingToggle::RequestsScan), "ab4e41eb9fab"),
    backport("6.12.115", Setting::NmiFault(NmiFault::LeavesWord), NMI_FAULT),
];

/// The stable releases of 7.2, read at 7.2.6, 7.2.12 and 7.2.13.
pub(super) const LINUX_7_2: &[Backport] =
    &[backport("7.2.13", Setting::NmiFault(NmiFault::LeavesWord), NMI_FAULT)];

/// The subject of a commit whose number is in no tree that was read.
const NMI_FAULT: &str = "\"x86/kvm: Don't consume async #PF flags on a kernel #PF in NMI\"";
