//! Memory, faults and what is seen from outside: INV-35 to INV-40.

use super::line::{ALL, InTrace, Invariant, Kind, MERGED};
use crate::base::invariant::{InvariantId, Severity};

pub(super) const LINES: &[Invariant] = &[
    Invariant {
        id: InvariantId(35),
        title: "accesses end on resident pages",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: ALL,
        sentence: "An access goes through only while its page is mapped, and finds the data of \
                  that page.",
        why: "The memory model itself would be wrong, and everything measured on it.",
        breach: "A major_fault_end of a frame with no ept_map since the fault began, or with an \
                ept_unmap after it.",
        state: false,
        step: false,
        trace: InTrace::Partly(
            &["major_fault_begin", "major_fault_end", "ept_map", "ept_unmap"],
            "what an access reads is not recorded",
        ),
    },
    Invariant {
        id: InvariantId(36),
        title: "prefault in the same mode",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: MERGED,
        sentence: "A page is mapped ahead only in the address space in which its fault was taken.",
        why: "The mapping would be made for another process, or for a table that is not used.",
        breach: "A prefault in another MMU mode or address space than the fault.",
        state: false,
        step: true,
        trace: InTrace::Undecidable("the MMU mode and address space of a mapping are not recorded"),
    },
    Invariant {
        id: InvariantId(37),
        title: "faults never disappear",
        kind: Kind::Liveness,
        severity: Severity::Violation,
        families: ALL,
        sentence: "A fault ends in a mapping, an item, a halt or an answer of the VMM before the guest \
                  is entered again, or begins again because the host took pages away meanwhile.",
        why: "The guest would fault on the same access for ever.",
        breach: "A kvm_page_fault and then a kvm_entry, with neither ept_map nor item_link nor a \
                halt in between, or with an mmu_notifier_retry and no reclaim.",
        state: false,
        step: true,
        trace: InTrace::Decided(&["kvm_page_fault", "kvm_entry", "ept_map"]),
    },
    Invariant {
        id: InvariantId(38),
        title: "wake-all comes first",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: ALL,
        sentence: "When a vCPU turns its notices on, a wake-all is queued, or another item is \
                  completed already, before any not present is told to it.",
        why: "Tasks that a snapshot or migration left asleep hold tokens that new faults will use \
             again.",
        breach: "An EN write that turns notices on, then a not_present_queued with no item_done \
                of a wake-all before it.",
        state: false,
        step: false,
        trace: InTrace::Decided(&["kvm_msr", "item_done", "not_present_queued"]),
    },
    Invariant {
        id: InvariantId(39),
        title: "the artificial halt is invisible",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: MERGED,
        sentence: "The saved state of a vCPU is never halted because of an artificial halt.",
        why: "The destination of a migration would wait for a wake-up that only the source could \
             give.",
        breach: "A vCPU saved as halted that has not executed HLT.",
        state: false,
        step: false,
        trace: InTrace::Undecidable("saved processor states are not recorded"),
    },
    Invariant {
        id: InvariantId(40),
        title: "async does not lose to sync",
        kind: Kind::Liveness,
        severity: Severity::Weakness,
        families: ALL,
        sentence: "A fault is served no later than a synchronous one would be, but for a bounded \
                  overhead, as long as the cap is not reached.",
        why: "It is what the mechanism is for.",
        breach: "A fault latency above that of the policy `sync` in the same scenario.",
        state: false,
        step: true,
        trace: InTrace::Undecidable(
            "it takes two runs: `apfsim compare` sets the latencies of both beside each other",
        ),
    },
];
