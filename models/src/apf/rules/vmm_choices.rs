//! The values of mechanisms that have a meaning only where the VMM answers faults.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::choices::choices;
use super::value::Value;

choices! {
    /// What becomes, when the VMM runs the vCPU again, of a fault that it was told of by an exit and
    /// has neither accepted nor answered.
    PendingAtRun {
        /// Nothing: it waits for an answer.
        Kept => "kept",
        /// It is completed, and the guest faults again.
        Completed => "completed",
    }

    /// Where the kernel takes the place of its next entry in the ring of faults from.
    NotifyIndex {
        /// The shared page, which the VMM may write.
        FromPage => "from-page",
        /// A counter of its own.
        OwnCounter => "own-counter",
    }

    /// For which entries the kernel signals the VMM.
    NotifySignal {
        /// Each.
        EveryEntry => "every-entry",
        /// Those before which the VMM asked for it in the shared page (the flag ARMED).
        IfArmed => "if-armed",
    }

    /// What dropping all items of a vCPU leaves of its rings.
    ClearRings {
        /// Nothing: they are registered no more.
        Removed => "removed",
        /// The registration, and all entries.
        Kept => "kept",
    }

    /// Which faults that the VMM answers take a token from the counter.
    TokenSpent {
        /// Those that set an item up.
        BySetup => "by-setup",
        /// All, repeated ones and those that are refused too.
        ByEveryFault => "by-every-fault",
    }

    /// Among which items a fault that the VMM answers looks for its frame.
    UserLookup {
        /// Those that the VMM answers.
        UserItems => "user-items",
        /// All. No posted series does that: it is what would mend a frame with two items.
        AllItems => "all-items",
    }

    /// What a request for the artificial halt does at an entry.
    HaltRequest {
        /// It halts.
        HaltsAtOnce => "halts-at-once",
        /// It looks for completed items first, and in the ring of answers; if there are any, the
        /// vCPU is not halted.
        LooksFirst => "looks-first",
    }

    /// In which order the stores of a processor become visible to others where no barrier stands.
    Stores {
        /// In the order of the program, but late: x86.
        InOrder => "in-order",
        /// In any order, but for a release, which comes after all before it. No kernel of these runs
        /// there: it shows which barriers x86 does without.
        AnyOrder => "any-order",
    }
}
