//! The guest's half: INV-26 to INV-34.

use super::line::{ALL, BY_EXCEPTION, BY_INTERRUPT, InTrace, Invariant, Kind};
use crate::base::invariant::{InvariantId, Severity};

pub(super) const LINES: &[Invariant] = &[
    Invariant {
        id: InvariantId(26),
        title: "one entry per token",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: ALL,
        sentence: "The guest's table holds at most one entry for a token.",
        why: "A wake would find the wrong one of two.",
        breach: "An apf_wait or an apf_dummy added for a token that is in the table.",
        state: true,
        step: false,
        trace: InTrace::Decided(&["apf_wait", "apf_wake", "apf_dummy"]),
    },
    Invariant {
        id: InvariantId(27),
        title: "sleepers leave the table once",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: ALL,
        sentence: "A sleeper is unlinked once, by its waker, before its task goes on; only \
                  dummies are freed by a wait.",
        why: "A sleeper lies on its task's stack: the table would point into a stack that is used \
             for something else.",
        breach: "An apf_wake of a task that does not sleep, an apf_dummy consumed that is a \
                sleeper, or a task_run of a task that is still linked.",
        state: false,
        step: true,
        trace: InTrace::Decided(&["apf_wait", "apf_wake", "apf_dummy", "task_run"]),
    },
    Invariant {
        id: InvariantId(28),
        title: "dummies are used up",
        kind: Kind::Liveness,
        severity: Severity::Weakness,
        families: ALL,
        sentence: "A dummy is used up by the wait that it stands for.",
        why: "It leaks memory, and when its token comes round again it swallows a sleep that is \
             needed.",
        breach: "An apf_dummy added that nothing consumes or drops.",
        state: false,
        step: false,
        trace: InTrace::Decided(&["apf_dummy"]),
    },
    Invariant {
        id: InvariantId(29),
        title: "sleep only where it is allowed",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: ALL,
        sentence: "A task is scheduled away only where it may be preempted: not when idle, in an \
                  RCU read section or with interrupts off.",
        why: "The guest would deadlock, or its RCU would stall.",
        breach: "A guest that schedules, or panics, in an atomic section.",
        state: false,
        step: true,
        trace: InTrace::Undecidable("what the interrupted code held is not recorded"),
    },
    Invariant {
        id: InvariantId(30),
        title: "no wake is lost before HLT",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: BY_EXCEPTION,
        sentence: "A wake between the last look at the table and HLT is not lost.",
        why: "The vCPU halts for a page that has come.",
        breach: "A task that goes into HLT although it was woken.",
        state: false,
        step: true,
        trace: InTrace::Undecidable(
            "the guest's last look at its table before HLT is not recorded",
        ),
    },
    Invariant {
        id: InvariantId(31),
        title: "a word is read by its exception",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: ALL,
        sentence: "The guest reads and clears the shared word in the exception that came with it; \
                  an ordinary fault finds it free.",
        why: "A fault of the guest's own would be taken for a notice, or a notice for a fault.",
        breach: "A shared_word_read with a reason and no kvm_inj_exception before it, or a second \
                kvm_inj_exception before the word of the first is read.",
        state: false,
        step: false,
        trace: InTrace::Partly(
            &["kvm_inj_exception", "shared_word_read"],
            "reads that find the word free are not recorded",
        ),
    },
    Invariant {
        id: InvariantId(32),
        title: "CR2 is this exception's",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: ALL,
        sentence: "The token that a handler goes on with is the CR2 of its own exception.",
        why: "The task sleeps for a token that never comes, if anything overwrites CR2 first.",
        breach: "An apf_wait whose token is not the cr2 of the last kvm_inj_exception of its vCPU.",
        state: false,
        step: false,
        trace: InTrace::Decided(&["kvm_inj_exception", "apf_wait"]),
    },
    Invariant {
        id: InvariantId(33),
        title: "one acknowledgement each",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: BY_INTERRUPT,
        sentence: "While its notices are on, the guest ends a page ready interrupt, clears the \
                  token, then acknowledges, once per interrupt.",
        why: "Without it the host waits for ever; with one too many it delivers over an unread \
             token.",
        breach: "An ACK write with no kvm_inj_virq of page ready before it, or a second interrupt \
                before the ACK.",
        state: false,
        step: false,
        trace: InTrace::Partly(
            &["kvm_inj_virq", "kvm_msr", "shared_word_read"],
            "the end of interrupt and the clearing of the slot are not recorded",
        ),
    },
    Invariant {
        id: InvariantId(34),
        title: "nobody sleeps on a vCPU that left",
        kind: Kind::Liveness,
        severity: Severity::Violation,
        families: ALL,
        sentence: "When a vCPU turns its notices off, every task that took its not present there \
                  is woken, unless its kernel ends there.",
        why: "No page ready will come for it any more: a hung task.",
        breach: "An apf_wait on a vCPU, then an EN write that turns notices off, and no apf_wake.",
        state: false,
        step: false,
        trace: InTrace::Decided(&["kvm_msr", "apf_wait", "apf_wake"]),
    },
];
