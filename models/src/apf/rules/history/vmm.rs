//! What generations whose faults the VMM answers do otherwise than their parent.
//!
//! The series of 2026 are those of the tree in which Firecracker's branch `feature/secret-hiding`
//! carries its kernel patches (on 6.18), as they were in March and in June. None is merged.

use crate::apf::rules::choices::{GuestMemfd, ResolvedBy};
use crate::apf::rules::generation::Change;
use crate::apf::rules::mechanism::Setting;
use crate::apf::rules::vmm_choices::{
    ClearRings, HaltRequest, NotifyIndex, NotifySignal, PendingAtRun, TokenSpent,
};

const fn change(new: Setting, source: &'static str) -> Change {
    Change { new, source, since: None }
}

/// Both series begin from 6.18.
const BASE: Change = change(
    Setting::GuestMemfd(GuestMemfd::PrivateAndOnly),
    "the patches stand on 6.18, which has kvm_memslot_is_gmem_only (release from memory)",
);

pub(super) const USER_UFFD: &[Change] = &[change(
    Setting::ResolvedBy(ResolvedBy::Userfaultfd),
    "handle_userfault and async_pf_execute, read in 6.12.117: the lookup that must not wait gives \
     up before a message is made, and the worker's own lookup sleeps for the answer",
)];

pub(super) const USER_MARCH: &[Change] = &[
    BASE,
    change(
        Setting::ResolvedBy(ResolvedBy::Ring),
        "kvm_async_pf_setup_userfault and the rings of the patches of March 2026 (b8eee56e8)",
    ),
];

pub(super) const USER_EXIT: &[Change] = &[
    BASE,
    change(
        Setting::ResolvedBy(ResolvedBy::Exit),
        "kvm_async_pf_setup_userfault and KVM_ASYNC_PF of the patches of June 2026 (e90951ca6), no \
         ring registered",
    ),
    change(
        Setting::PendingAtRun(PendingAtRun::Completed),
        "the same patches: KVM_RUN completes what is PENDING",
    ),
    change(
        Setting::ClearRings(ClearRings::Kept),
        "the same patches: kvm_clear_async_pf_completion_queue leaves the registration",
    ),
    change(
        Setting::TokenSpent(TokenSpent::ByEveryFault),
        "the same patches: the token is taken before the look for the frame",
    ),
    change(
        Setting::HaltRequest(HaltRequest::LooksFirst),
        "the same patches: vcpu_enter_guest takes KVM_REQ_APF_READY before it halts",
    ),
];

pub(super) const USER_EXITLESS: &[Change] = &[
    change(
        Setting::ResolvedBy(ResolvedBy::Ring),
        "KVM_SET_APF_EVENTFD of the patches of June 2026 (e90951ca6)",
    ),
    change(
        Setting::NotifyIndex(NotifyIndex::OwnCounter),
        "the same patches: notify_head is the kernel's own",
    ),
    change(
        Setting::NotifySignal(NotifySignal::IfArmed),
        "the same patches: ARMED is tested and cleared behind a full barrier",
    ),
];
