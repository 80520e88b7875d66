//! Items, tokens and their lists: INV-01 to INV-06.

use super::line::{ALL, BY_INTERRUPT, InTrace, Invariant, Kind, MERGED};
use crate::base::invariant::{InvariantId, Severity};

pub(super) const LINES: &[Invariant] = &[
    Invariant {
        id: InvariantId(1),
        title: "one item per frame",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: MERGED,
        sentence: "No two outstanding items of one vCPU are for the same frame, and the vCPU's \
                  frame hash finds exactly the frames of its outstanding items.",
        why: "A second fault on a frame has to wait for the first fetch, not start another one.",
        breach: "A second item_link for a frame of the same vCPU before the first item's \
                item_unlink.",
        state: true,
        step: false,
        trace: InTrace::Partly(
            &["item_link", "item_unlink"],
            "what the hash holds is not recorded",
        ),
    },
    Invariant {
        id: InvariantId(2),
        title: "tokens are unique",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: ALL,
        sentence: "No two outstanding items of the VM have equal tokens.",
        why: "The guest keeps one table of sleepers for the whole VM: a wake could reach the \
             wrong task.",
        breach: "An item_link with a token that another item still has.",
        state: true,
        step: false,
        trace: InTrace::Decided(&["item_link", "item_unlink"]),
    },
    Invariant {
        id: InvariantId(3),
        title: "no item is called wake-all",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: ALL,
        sentence: "No item has the token of all ones.",
        why: "That token is reserved: the guest would wake everybody of the vCPU and not the one \
             sleeper.",
        breach: "An item_link or kvm_async_pf_not_present with token 0xffffffff.",
        state: true,
        step: false,
        trace: InTrace::Decided(&["kvm_async_pf_not_present"]),
    },
    Invariant {
        id: InvariantId(4),
        title: "no token is zero",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: BY_INTERRUPT,
        sentence: "No item has the token zero where page ready goes through a token slot.",
        why: "Zero means that the slot is free: the guest would not see the token and the host \
             would overwrite it.",
        breach: "An item_link or kvm_async_pf_not_present with token 0.",
        state: true,
        step: false,
        trace: InTrace::Decided(&["kvm_async_pf_not_present"]),
    },
    Invariant {
        id: InvariantId(5),
        title: "the cap holds",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: ALL,
        sentence: "A vCPU never has more outstanding items than the cap, one wake-all besides, \
                  and the host's count equals what is linked.",
        why: "The cap bounds the workers and memory a guest can claim; a count that drifts is a \
             leak.",
        breach: "More item_link than the cap allows before an item_unlink.",
        state: true,
        step: false,
        trace: InTrace::Partly(
            &["item_link", "item_done", "item_unlink"],
            "the host's own count is not recorded",
        ),
    },
    Invariant {
        id: InvariantId(6),
        title: "lists are in order",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: ALL,
        sentence: "An item is queued, then completed, then freed, each once; only a queue that \
                  the guest has cleared drops items before they are completed.",
        why: "An item in a list it does not belong to is memory used after it was freed.",
        breach: "item_link, item_done and item_unlink of a token in any other order; where the \
                 work is scheduled first (until 5.8), item_done may come before item_link.",
        state: true,
        step: false,
        trace: InTrace::Decided(&["item_link", "item_done", "item_unlink"]),
    },
];
