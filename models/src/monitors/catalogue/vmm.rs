//! Faults that the VMM answers: INV-41 to INV-47. No log of a kernel shows them: the one tracepoint of
//! the ring has no counterpart for answers.

use super::line::{BY_INTERRUPT, InTrace, Invariant, Kind};
use crate::base::invariant::{InvariantId, Severity};

/// Why no trace decides them.
const NOT_RECORDED: InTrace =
    InTrace::Undecidable("what passes between kernel and VMM is not recorded");

/// A line of these: safety, and of kernels in which page ready is an interrupt.
const LINE: Invariant = Invariant {
    id: InvariantId(41),
    title: "",
    kind: Kind::Safety,
    severity: Severity::Violation,
    families: BY_INTERRUPT,
    sentence: "",
    why: "",
    breach: "",
    state: true,
    step: false,
    trace: NOT_RECORDED,
};

pub(super) const LINES: &[Invariant] = &[
    Invariant {
        title: "an accepted fault is known to the VMM",
        sentence: "A fault that the VMM has accepted is in the ring, or with the VMM, or its answer \
                   is on the way, until it is completed or dropped.",
        why: "Nobody would ever answer it, and its task would sleep for ever.",
        breach: "An accepted item whose frame is neither in a ring nor among the VMM's requests.",
        ..LINE
    },
    Invariant {
        id: InvariantId(42),
        title: "the guest runs with no fault left open",
        sentence: "While a vCPU runs guest code, no fault of it waits that the VMM has neither \
                   accepted nor answered.",
        why: "The VMM took it for answered when it ran the vCPU again; the next fault on the frame \
              would halt the vCPU for an answer that does not come.",
        breach: "A pending item while its vCPU is in guest mode.",
        state: false,
        step: true,
        ..LINE
    },
    Invariant {
        id: InvariantId(43),
        title: "one item a frame, whoever answers",
        sentence: "A frame has at most one outstanding item on a vCPU, those that the VMM answers \
                   and those of the kernel together.",
        why: "The frame would be twice in KVM's hash, and one page ready would leave the other.",
        breach: "Two linked items of a vCPU with one frame, one of which the VMM answers.",
        ..LINE
    },
    Invariant {
        id: InvariantId(44),
        title: "no sleep over an entry of the ring",
        sentence: "The VMM's thread does not sleep while the ring holds a fault that it has not \
                   read, unless a signal is on the way.",
        why: "The entry would be read at the next fault, which may never come.",
        breach: "The thread asleep, its eventfd not signalled, and the head of the ring beyond what \
                 it has read.",
        ..LINE
    },
    Invariant {
        id: InvariantId(45),
        title: "rings lose nothing",
        sentence: "A ring holds no more entries than it has places, none is overwritten before it \
                   is read, and none is read before it is written.",
        why: "A fault or an answer would be lost, or another frame be answered.",
        breach: "An entry written over one that is not read, or read where none is written.",
        step: true,
        ..LINE
    },
    Invariant {
        id: InvariantId(46),
        title: "the page is there before its answer",
        sentence: "A fault is completed by the VMM only when its page is installed and its bit in \
                   the bitmap is clear.",
        why: "The guest would fault again at once: a round for nothing.",
        breach: "An item completed by READY or through the ring whose frame's bit is set.",
        state: false,
        step: true,
        ..LINE
    },
    Invariant {
        id: InvariantId(47),
        title: "the guest does not undo what the VMM registered",
        sentence: "Dropping a vCPU's items frees each once, leaves the rings that the VMM \
                   registered, and an answer that comes later changes nothing.",
        why: "A guest that switches notices off once would send all later faults out by an exit.",
        breach: "Rings that are registered no more after EN was written or the vCPU was reset.",
        state: false,
        step: true,
        ..LINE
    },
];
