//! What the guest is told: INV-07 to INV-14.

use super::line::{ALL, BY_EXCEPTION, BY_INTERRUPT, InTrace, Invariant, Kind, MERGED};
use crate::base::invariant::{InvariantId, Severity};

pub(super) const LINES: &[Invariant] = &[
    Invariant {
        id: InvariantId(7),
        title: "the gate of not present",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: ALL,
        sentence: "Not present is told only while no other event is being delivered and with guest \
                  interrupts on, for which the series of 2010 does not look in user mode, and at \
                  CPL 0 only to a guest that asked for it.",
        why: "The guest would sleep where it must not, and deadlock or panic.",
        breach: "A not_present_queued with interrupts_on=false (in the series of 2010: and cpl=0), \
                or with cpl=0 and send_always=false, or between an injection and a kvm_reinject.",
        state: false,
        step: true,
        trace: InTrace::Decided(&["not_present_queued", "kvm_reinject"]),
    },
    Invariant {
        id: InvariantId(8),
        title: "who can take a #PF",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: BY_INTERRUPT,
        sentence: "Not present is not told to a nested guest unless the guest asked for an exit, \
                  nor, since 5.18, to a guest without paging.",
        why: "There is no handler that knows of it: the wrong kernel takes it for a fault of its \
             own.",
        breach: "A synthetic #PF that hits a nested guest or a processor in real mode.",
        state: false,
        step: true,
        trace: InTrace::Undecidable(
            "records of notices do not say whether paging is on or a nested guest runs",
        ),
    },
    Invariant {
        id: InvariantId(9),
        title: "the shared word is free",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: BY_EXCEPTION,
        sentence: "The shared word is free whenever the host writes a notice into it.",
        why: "The notice that nobody has read is overwritten, and its exception is taken for an \
             ordinary fault.",
        breach: "A shared_word_write over a word that no shared_word_read has cleared.",
        state: false,
        step: false,
        trace: InTrace::Decided(&["shared_word_write", "shared_word_read"]),
    },
    Invariant {
        id: InvariantId(10),
        title: "flags and slot are free",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: BY_INTERRUPT,
        sentence: "The token slot is free whenever the host writes a token, and the flags are \
                  free whenever it writes not present.",
        why: "The notice that nobody has read is lost, and its task sleeps for ever.",
        breach: "A shared_word_write over a slot or flags that no shared_word_read has looked at.",
        state: false,
        step: true,
        trace: InTrace::Partly(
            &["shared_word_write", "shared_word_read"],
            "the moment at which the guest clears the slot is not recorded, only that it \
             has read it",
        ),
    },
    Invariant {
        id: InvariantId(11),
        title: "one exception at a time",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: ALL,
        sentence: "At most one synthetic exception waits for injection on a vCPU.",
        why: "The second would overwrite the first, or make a double fault of it.",
        breach: "A second notice queued before the kvm_inj_exception of the first.",
        state: true,
        step: true,
        trace: InTrace::Decided(&["not_present_queued", "page_ready_queued", "kvm_inj_exception"]),
    },
    Invariant {
        id: InvariantId(12),
        title: "ready only after not present",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: MERGED,
        sentence: "Page ready with a token is told only to a vCPU for which not present with that \
                  token was queued before; wake-all is free.",
        why: "The guest remembers a wake that nobody waits for, for ever.",
        breach: "A page_ready_queued for a token without a not_present_queued. Kernels before 5.9 \
                are known for it.",
        state: false,
        step: true,
        trace: InTrace::Decided(&["not_present_queued", "page_ready_queued"]),
    },
    Invariant {
        id: InvariantId(13),
        title: "not present is answered",
        kind: Kind::Liveness,
        severity: Severity::Violation,
        families: ALL,
        sentence: "Every not present is followed by page ready with its token, or by a wake-all, \
                  unless the guest has turned the mechanism off.",
        why: "The sleeping task would never run again: this is what the protocol promises.",
        breach: "An item_unlink, or the end, with no page_ready_queued for a token that was told; or a task that \
                sleeps on after it (apf_wait without apf_wake) though its vCPU was in user mode or HLT. Kernels \
                before 5.17 are known for losing that of token zero, and those before 3.5 one that is queued for \
                a vCPU in HLT.",
        state: true,
        step: false,
        trace: InTrace::Decided(&["not_present_queued", "page_ready_queued", "item_unlink"]),
    },
    Invariant {
        id: InvariantId(14),
        title: "ready comes once",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: ALL,
        sentence: "Page ready with a token is not told twice without a not present with it in \
                  between.",
        why: "The second wake leaves a dummy that later swallows a sleep.",
        breach: "A second page_ready_queued for a token.",
        state: false,
        step: false,
        trace: InTrace::Decided(&["not_present_queued", "page_ready_queued"]),
    },
];
