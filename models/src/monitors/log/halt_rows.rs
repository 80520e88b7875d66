//! Rows of halts that return at once, as they are counted on one vCPU: INV-19.
//!
//! A vCPU that is halted for a page and has another reason to run returns at once, faults again
//! on the same frame, and is halted again. The log shows tries with repeated faults close behind
//! each other, with nothing delivered to the guest in between.

use super::event::LogEvent;
use super::ledger::{LogWitness, StoryLine};

/// Repeated faults in a row that make a spin. An assumption: an interrupt or another event wakes a
/// halted vCPU once, and so many in a row would take events at more than [`CLOSE`]'s rate.
const ROW: u64 = 16;
/// HLT exits in a row that make a spin, as in the catalogue.
const HLT_ROW: u64 = 128;
/// How far apart two faults of a spin may be, in nanoseconds. An assumption: 18 times what a turn
/// takes on a machine that executes an instruction a nanosecond (5.5 us).
const CLOSE: u64 = 100_000;

/// What a vCPU spins in, at the moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    /// Repeated faults in a row.
    length: u64,
    last: u64,
    /// HLT exits in a row.
    hlts: u64,
    last_hlt: u64,
    /// Line of the last KICK_CPU to it.
    kicked: Option<u64>,
    /// Spins whose cause is not known yet.
    open: Option<Episodes>,
}

/// Spins of a vCPU that have the same cause.
#[derive(Clone, Debug)]
struct Episodes {
    witness: LogWitness,
    count: u64,
    faults: u64,
    /// Completed requests waited on the list.
    over_completed: bool,
    /// The guest took part already.
    takes_part: bool,
    kicked: Option<u64>,
    hlt: bool,
}

/// Why a vCPU spins, as far as its log supports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpinCause {
    /// A wake-all waits in the list of completed requests and cannot be delivered yet.
    WakeAllWaits,
    /// Completed requests wait on the list and cannot be delivered yet.
    CompletedWait,
    /// The vCPU was kicked by a hypercall while it was not in HLT.
    Kicked,
    /// Nothing waits that the log shows, and the guest takes part: as after such a kick.
    LikeKicked,
    /// The guest executes HLT over and over.
    Hlt,
    /// The log does not say.
    Unknown,
}

impl SpinCause {
    /// The cause in a sentence.
    pub const fn text(self) -> &'static str {
        match self {
            Self::WakeAllWaits => {
                "a wake-all was waiting in the list of completed requests: the guest had turned \
                 notices on and could not take page ready yet (as at boot, until its local APIC \
                 is on), which keeps a halted vCPU runnable"
            }
            Self::CompletedWait => {
                "completed requests were waiting and could not be delivered (the guest had not \
                 acknowledged the page ready before, or could not take it), which keeps a halted \
                 vCPU runnable"
            }
            Self::Kicked => {
                "the vCPU was kicked by a hypercall (KICK_CPU) while it was not in HLT; the kick \
                 stays pending until its next HLT and keeps a halted vCPU runnable"
            }
            Self::LikeKicked => {
                "nothing was waiting that the log shows; a KICK_CPU hypercall to a vCPU that is \
                 not in HLT stays pending and does this (kvm_hypercall would show it)"
            }
            Self::Hlt => {
                "the guest executes HLT and is runnable again at once, with nothing delivered"
            }
            Self::Unknown => {
                "the log does not say what kept the vCPU runnable; record kvm_msr, kvm_hypercall \
                 and kvm_inj_exception"
            }
        }
    }
}

/// Spins with the same cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spins {
    /// The vCPU.
    pub vcpu: String,
    /// Why.
    pub cause: SpinCause,
    /// Spins.
    pub count: u64,
    /// Turns of all of them: repeated faults, or HLT exits.
    pub turns: u64,
    /// The line of the first.
    pub line: u64,
}

/// Turns of a spin that became known with an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turns {
    /// The spin is one from now on.
    first: bool,
    count: u64,
    hlt: bool,
}

/// What else holds for a vCPU while it spins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around {
    /// Completed requests wait on the list.
    pub(super) over_completed: bool,
    /// The guest took part already.
    pub(super) takes_part: bool,
}

impl Row {
    /// A fault on a frame that is outstanding.
    pub(super) fn repeated(&mut self, ns: u64) -> Option<Turns> {
        if ns.saturating_sub(self.last) > CLOSE {
            self.length = 0;
        }
        self.length += 1;
        self.last = ns;
        let first = self.length == ROW;
        let turns = Turns { first, count: if first { ROW } else { 1 }, hlt: false };
        (self.length >= ROW).then_some(turns)
    }

    /// The guest leaves for HLT.
    pub(super) fn halted(&mut self, ns: u64) -> Option<Turns> {
        if ns.saturating_sub(self.last_hlt) > CLOSE {
            self.hlts = 0;
        }
        self.hlts += 1;
        self.last_hlt = ns;
        let first = self.hlts == HLT_ROW + 1;
        let turns = Turns { first, count: if first { HLT_ROW + 1 } else { 1 }, hlt: true };
        (self.hlts > HLT_ROW).then_some(turns)
    }

    /// The guest leaves for another reason.
    pub(super) fn left(&mut self) {
        self.hlts = 0;
    }

    /// Something was delivered, or the thread slept: no spin.
    pub(super) fn useful(&mut self) {
        self.length = 0;
        self.hlts = 0;
    }

    /// The vCPU is kicked by a hypercall.
    pub(super) fn kick(&mut self, line: u64) {
        self.kicked = Some(line);
    }

    /// Notes turns of a spin; the story is that of the first.
    pub(super) fn note(
        &mut self,
        turns: Turns,
        event: LogEvent,
        around: Around,
        story: impl FnOnce() -> Vec<StoryLine>,
    ) {
        let Turns { first, count, hlt } = turns;
        let kicked = self.kicked;
        let open = self.open.get_or_insert_with(|| Episodes {
            witness: LogWitness {
                line: event.line,
                ns: event.ns,
                message: String::new(),
                story: story(),
            },
            count: 0,
            faults: 0,
            over_completed: false,
            takes_part: around.takes_part,
            kicked,
            hlt,
        });
        open.count += u64::from(first);
        open.faults += count;
        open.over_completed |= around.over_completed;
    }

    /// Decides why the vCPU, which people call `vcpu`, span so far. A wake-all that is dequeued
    /// has waited since before.
    pub(super) fn settle(&mut self, wake_all: bool, vcpu: String) -> Option<(LogWitness, Spins)> {
        let open = self.open.take()?;
        let cause = open.cause(wake_all);
        let Episodes { mut witness, count, faults, .. } = open;
        witness.message = format!(
            "{vcpu} was to halt and returned at once, {faults} times in {count} {}: {}",
            if count == 1 { "spin" } else { "spins" },
            cause.text()
        );
        let line = witness.line;
        Some((witness, Spins { vcpu, cause, count, turns: faults, line }))
    }

    /// Whether there are spins whose cause is not known yet.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

impl Episodes {
    fn cause(&self, wake_all: bool) -> SpinCause {
        if self.hlt {
            SpinCause::Hlt
        } else if wake_all {
            SpinCause::WakeAllWaits
        } else if self.over_completed {
            SpinCause::CompletedWait
        } else if self.kicked.is_some() {
            SpinCause::Kicked
        } else if self.takes_part {
            SpinCause::LikeKicked
        } else {
            SpinCause::Unknown
        }
    }
}
