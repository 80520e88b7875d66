//! Halts that return at once: INV-19.
//!
//! A vCPU that is halted for a page and has another reason to run returns at once, faults again
//! on the same frame, and is halted again. The log shows tries with repeated faults close behind
//! each other, with nothing delivered to the guest in between.

use super::ledger::{self, LogWitness};
use super::vcpu::Told;
use super::{Counted, LogEvent, LogMonitors};
use crate::base::ids::Gfn;
use crate::monitors::catalogue::INV_19;

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
    pub(super) hlts: u64,
    last_hlt: u64,
    /// Line of the last write that turned notices on.
    pub(super) turned_on: Option<u64>,
    /// Line of the last KICK_CPU to it.
    pub(super) kicked: Option<u64>,
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

impl LogMonitors {
    /// A fault on a frame that is outstanding.
    pub(super) fn repeated(&mut self, at: usize, event: LogEvent, gfn: Gfn) {
        self.survey.repeated += 1;
        self.survey.course.count(at, event.ns, Counted::Repeated);
        let own = &mut self.vcpus[at];
        own.attempt = None;
        own.halted_for = Some((gfn, event));
        own.watch.progress();
        own.counts.repeated += 1;
        let row = &mut own.spin;
        if event.ns.saturating_sub(row.last) > CLOSE {
            row.length = 0;
        }
        row.length += 1;
        row.last = event.ns;
        if row.length < ROW {
            return;
        }
        let first = row.length == ROW;
        let turns = if first { ROW } else { 1 };
        self.note_spin(at, event, turns, first, false, gfn);
    }

    /// The guest leaves for HLT.
    pub(super) fn halted(&mut self, at: usize, event: LogEvent) {
        let row = &mut self.vcpus[at].spin;
        if event.ns.saturating_sub(row.last_hlt) > CLOSE {
            row.hlts = 0;
        }
        row.hlts += 1;
        row.last_hlt = event.ns;
        // Without these events a vCPU that sleeps and is interrupted looks the same.
        let shown = self.seen.interrupts && self.vcpus[at].spin.hlts > HLT_ROW;
        if shown {
            let first = self.vcpus[at].spin.hlts == HLT_ROW + 1;
            self.note_spin(at, event, if first { HLT_ROW + 1 } else { 1 }, first, true, Gfn(0));
        }
    }

    fn note_spin(
        &mut self,
        at: usize,
        event: LogEvent,
        turns: u64,
        first: bool,
        hlt: bool,
        gfn: Gfn,
    ) {
        let own = &mut self.vcpus[at];
        let over_completed = own.requests.iter().any(|r| r.completed.is_some() && r.gfn() != gfn);
        let takes_part = own.takes_part || own.requests.iter().any(|r| r.told == Told::Yes);
        let kicked = own.spin.kicked;
        if own.spin.open.is_none() {
            let story = own.recent().map(|event| ledger::told(&event)).collect();
            let witness =
                LogWitness { line: event.line, ns: event.ns, message: String::new(), story };
            own.spin.open = Some(Episodes {
                witness,
                count: 0,
                faults: 0,
                over_completed: false,
                takes_part,
                kicked,
                hlt,
            });
        }
        if let Some(open) = &mut own.spin.open {
            open.count += u64::from(first);
            open.faults += turns;
            open.over_completed |= over_completed;
        }
    }

    /// Something was delivered, or the thread slept: no spin.
    pub(super) fn useful(&mut self, at: usize) {
        let row = &mut self.vcpus[at].spin;
        row.length = 0;
        row.hlts = 0;
    }

    /// A wake-all is dequeued: it has waited since before.
    pub(super) fn wake_all_spins(&mut self, at: usize, _event: LogEvent) {
        self.settle_spins_of(at, true);
        self.useful(at);
    }

    /// Decides why a vCPU span so far.
    pub(super) fn settle_spins_of(&mut self, at: usize, wake_all: bool) {
        let Some(open) = self.vcpus[at].spin.open.take() else { return };
        let cause = if open.hlt {
            SpinCause::Hlt
        } else if wake_all {
            SpinCause::WakeAllWaits
        } else if open.over_completed {
            SpinCause::CompletedWait
        } else if open.kicked.is_some() {
            SpinCause::Kicked
        } else if open.takes_part {
            SpinCause::LikeKicked
        } else {
            SpinCause::Unknown
        };
        let vcpu = self.vcpus[at].label();
        let mut witness = open.witness;
        let line = witness.line;
        witness.message = format!(
            "{vcpu} was to halt and returned at once, {} times in {} {}: {}",
            open.faults,
            open.count,
            if open.count == 1 { "spin" } else { "spins" },
            cause.text()
        );
        self.ledger.weakness(INV_19, open.count, witness);
        let spins = Spins { vcpu, cause, count: open.count, turns: open.faults, line };
        self.survey.spins(spins);
    }

    /// Decides all that is left.
    pub(super) fn settle_spins(&mut self) {
        for at in 0..self.vcpus.len() {
            self.settle_spins_of(at, false);
        }
    }
}
