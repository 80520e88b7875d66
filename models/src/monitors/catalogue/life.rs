//! Queues, halts, registers and the end of a VM, in the host: INV-15 to INV-25.

use super::line::{ALL, BY_INTERRUPT, InTrace, Invariant, Kind, MERGED};
use crate::base::invariant::{InvariantId, Severity};

pub(super) const LINES: &[Invariant] = &[
    Invariant {
        id: InvariantId(15),
        title: "completed items are dequeued",
        kind: Kind::Liveness,
        severity: Severity::Violation,
        families: ALL,
        sentence: "Every completed item is dequeued while its vCPU goes on entering the guest and, \
                  since 5.13, has its local APIC on.",
        why: "A stuck queue starves every fault behind it.",
        breach: "An item_done with kvm_entry after kvm_entry and no item_unlink.",
        state: false,
        step: true,
        trace: InTrace::Decided(&["item_done", "item_unlink", "kvm_entry"]),
    },
    Invariant {
        id: InvariantId(16),
        title: "an artificial halt ends",
        kind: Kind::Liveness,
        severity: Severity::Violation,
        families: MERGED,
        sentence: "A halted vCPU has an outstanding item for the frame it waits for or a \
                  completed item, and its halt is cleared in the end.",
        why: "A lost wake is a dead vCPU.",
        breach: "An apf_halt for a frame without an item, or with no apf_unhalt after the item is \
                done.",
        state: true,
        step: false,
        trace: InTrace::Decided(&["apf_halt", "apf_unhalt", "item_link", "item_done"]),
    },
    Invariant {
        id: InvariantId(17),
        title: "no sleep over completed items",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: ALL,
        sentence: "A vCPU thread does not go to sleep for the guest while completed items wait on \
                  it.",
        why: "The wake for them has already been given: the thread could sleep for ever.",
        breach: "A vcpu_block between an item_done and its item_unlink.",
        state: true,
        step: false,
        trace: InTrace::Decided(&["vcpu_block", "item_done", "item_unlink"]),
    },
    Invariant {
        id: InvariantId(18),
        title: "requests are served",
        kind: Kind::Liveness,
        severity: Severity::Violation,
        families: BY_INTERRUPT,
        sentence: "A request to look for completed items is served before the vCPU sleeps in HLT, \
                  if there are any: a worker may set it after its item was delivered.",
        why: "A kick that is missed leaves page ready waiting for the next interrupt.",
        breach: "A vCPU thread that sleeps with the request set and an item completed.",
        state: false,
        step: false,
        trace: InTrace::Undecidable(
            "requests (KVM_REQ_APF_READY) are not recorded; what a missed one leads to is \
             INV-15 and INV-17",
        ),
    },
    Invariant {
        id: InvariantId(19),
        title: "halts do not spin",
        kind: Kind::Liveness,
        severity: Severity::Weakness,
        families: BY_INTERRUPT,
        sentence: "No vCPU leaves the guest for a halt more than 128 times in a row without \
                  sleeping or getting anything delivered.",
        why: "The vCPU takes a whole processor of the host and does nothing with it.",
        breach: "kvm_exit for HLT, or apf_halt, over and over with no vcpu_block, kvm_inj_virq or \
                kvm_inj_exception in between.",
        state: false,
        step: false,
        trace: InTrace::Decided(&["kvm_exit", "vcpu_block", "kvm_inj_virq", "apf_halt"]),
    },
    Invariant {
        id: InvariantId(20),
        title: "unacknowledged means raised",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: BY_INTERRUPT,
        sentence: "While the host holds page ready unacknowledged, an interrupt for it was raised \
                  and the guest has not acknowledged it, unless a local APIC that is off or a \
                  vector below 16 refused the interrupt, or an INIT took it away.",
        why: "Completions that come then ask for no kick and rely on the acknowledgement that \
             never comes.",
        breach: "The host's pageready_pending is set, no interrupt was raised since the last \
                acknowledgement, and none of the exceptions holds.",
        state: false,
        step: false,
        trace: InTrace::Undecidable(
            "the flag (pageready_pending) is not recorded; INV-21 and INV-33 hold the two \
             sides of it",
        ),
    },
    Invariant {
        id: InvariantId(21),
        title: "page ready's interrupt arrives",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: BY_INTERRUPT,
        sentence: "Page ready's interrupt is raised only in a local APIC that accepts it, with \
                  the vector that the guest registered.",
        why: "The token stays in its slot and blocks every page ready after it.",
        breach: "A page_ready_queued before the vector was written, or with no kvm_inj_virq of \
                that vector while the guest is entered again and again.",
        state: false,
        step: true,
        trace: InTrace::Partly(
            &["page_ready_queued", "kvm_inj_virq", "kvm_msr"],
            "whether the local APIC was on is not recorded, only that the interrupt did not come",
        ),
    },
    Invariant {
        id: InvariantId(22),
        title: "silence after turning off",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: ALL,
        sentence: "After a vCPU's notices are turned off the host writes no shared word of it and \
                  tells it neither not present nor page ready.",
        why: "The memory may belong to another kernel by then (kexec, hibernation): it would be \
             corrupted.",
        breach: "A shared_word_write, not_present_queued or page_ready_queued between an EN write \
                that turns notices off and the one that turns them on.",
        state: false,
        step: true,
        trace: InTrace::Partly(
            &["kvm_msr", "shared_word_write", "not_present_queued", "page_ready_queued"],
            "writes to an area that moved are not recorded",
        ),
    },
    Invariant {
        id: InvariantId(23),
        title: "writes go to the present address",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: ALL,
        sentence: "A write to the shared area uses the translation of the current memory slots.",
        why: "The write would land in memory that belongs to something else.",
        breach: "A write to the host address of before a memory slot changed.",
        state: false,
        step: true,
        trace: InTrace::Undecidable(
            "host addresses of the shared area and changes of memory slots are not recorded",
        ),
    },
    Invariant {
        id: InvariantId(24),
        title: "nothing runs after the end",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: ALL,
        sentence: "A worker runs only what was queued, once; after a vCPU's queue was cleared or \
                  its VM destroyed, no worker runs for it, and every reference is released once.",
        why: "Memory is used after it was freed, or never freed.",
        breach: "A workqueue_execute_start or _end that matches no queueing, or an item queued \
                again while it runs.",
        state: true,
        step: true,
        trace: InTrace::Partly(
            &["workqueue_queue_work", "workqueue_execute_start", "workqueue_execute_end"],
            "references, and which item belongs to which VM, are not recorded",
        ),
    },
    Invariant {
        id: InvariantId(25),
        title: "destroying waits for no one inside",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: ALL,
        sentence: "Destroying a VM never waits for the context that it runs in.",
        why: "It waits for itself, for ever.",
        breach: "A worker that drops the last reference and then waits for its own end.",
        state: true,
        step: false,
        trace: InTrace::Undecidable(
            "who holds references to a VM, and who waits for whom, is not recorded",
        ),
    },
];
