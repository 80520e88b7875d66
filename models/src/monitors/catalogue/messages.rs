//! Messages of userfaultfd: INV-48 to INV-51.

use super::line::{ALL, InTrace, Invariant, Kind};
use crate::base::invariant::{InvariantId, Severity};

/// What the monitors of both read.
const RECORDS: &[&str] = &["uffd_message", "uffd_read", "uffd_copy", "uffd_copied"];

pub(super) const LINES: &[Invariant] = &[
    Invariant {
        id: InvariantId(48),
        title: "who sleeps for an installed page is woken",
        kind: Kind::Liveness,
        severity: Severity::Violation,
        families: ALL,
        sentence: "A thread that sleeps in handle_userfault is woken after its page was installed, \
                   or does not fall asleep.",
        why: "Nobody sends a second message for it: a worker, and with it a task of the guest, or \
              a vCPU would sleep for ever beside a page that is there.",
        breach: "A thread with a message, its page installed long ago, and no sign of it since.",
        state: false,
        step: false,
        trace: InTrace::Decided(&[
            "uffd_message",
            "uffd_copied",
            "workqueue_execute_end",
            "kvm_entry",
        ]),
    },
    Invariant {
        id: InvariantId(49),
        title: "a message that was read is answered",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: ALL,
        sentence: "A thread of the VMM that installs what it has read of leaves no page out before \
                   it reads again.",
        why: "The kernel has handed the message over, and will not show it again: who sleeps for \
              the page waits for ever.",
        breach: "A thread that reads messages and installs pages reads again, and nobody has \
                 installed a page of its last messages.",
        state: false,
        step: false,
        trace: InTrace::Partly(
            RECORDS,
            "threads that hand on what they read, and faults that the VMM answers by exits and rings",
        ),
    },
    Invariant {
        id: InvariantId(50),
        title: "memory that was given back reads as zeros",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: ALL,
        sentence: "What a store has of a page is never installed after the page was given back.",
        why: "Who gives memory back is promised zeros; a handler that was not told of it, or forgets it, brings what the \
              page held when the snapshot was taken.",
        breach: "UFFDIO_COPY or CONTINUE of a page that madvise has taken since the guest started.",
        state: false,
        step: true,
        trace: InTrace::Undecidable("no log shows what a page holds, nor who has given it back"),
    },
    Invariant {
        id: InvariantId(51),
        title: "a snapshot has a page before it is written",
        kind: Kind::Safety,
        severity: Severity::Violation,
        families: ALL,
        sentence: "No entry allows the guest to write a page while userfaultfd protects it, and where a snapshot is taken \
                   the protection is lifted only when the page is saved.",
        why: "A snapshot holds memory as it was at one time; a page that is written first has what came later.",
        breach: "The second stage lets the guest write a page whose protection stands, or a protection is lifted of a page \
                 that is neither at the sink nor copied.",
        state: false,
        step: true,
        trace: InTrace::Undecidable("no log shows which entries allow writing, nor what was saved"),
    },
];
