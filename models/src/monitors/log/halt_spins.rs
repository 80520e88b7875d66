//! When a vCPU spins in its halts, and what else is so meanwhile: INV-19.

use super::course::Counted;
use super::event::LogEvent;
use super::halt_rows::{Around, Turns};
use super::ledger::StoryLine;
use super::request::Told;
use super::state::LogState;
use crate::base::ids::Gfn;
use crate::monitors::catalogue::INV_19;

/// A fault on a frame that is outstanding.
pub(super) fn repeated(log: &mut LogState, at: usize, event: LogEvent, gfn: Gfn) {
    log.survey.repeated += 1;
    log.survey.course.count(at, event.ns, Counted::Repeated);
    let own = &mut log.vcpus[at];
    own.attempt = None;
    own.halted_for = Some((gfn, event));
    own.watch.progress();
    own.counts.repeated += 1;
    if let Some(turns) = own.spin.repeated(event.ns) {
        note(log, at, event, turns, gfn);
    }
}

/// The guest leaves for HLT.
pub(super) fn halted(log: &mut LogState, at: usize, event: LogEvent) {
    let turns = log.vcpus[at].spin.halted(event.ns);
    // Without these events a vCPU that sleeps and is interrupted looks the same.
    if let Some(turns) = turns.filter(|_| log.seen.interrupts) {
        note(log, at, event, turns, Gfn(0));
    }
}

fn note(log: &mut LogState, at: usize, event: LogEvent, turns: Turns, gfn: Gfn) {
    let own = &mut log.vcpus[at];
    let over_completed = own.requests.iter().any(|r| r.completed.is_some() && r.gfn() != gfn);
    let takes_part = own.takes_part || own.requests.iter().any(|r| r.told == Told::Yes);
    let recent = &own.recent;
    let story = || recent.values().map(|event| StoryLine::of(&event)).collect();
    own.spin.note(turns, event, Around { over_completed, takes_part }, story);
}

/// A wake-all is dequeued: it has waited since before.
pub(super) fn wake_all(log: &mut LogState, at: usize) {
    settle_spins_of(log, at, true);
    log.vcpus[at].spin.useful();
}

/// Decides why a vCPU span so far.
pub(super) fn settle_spins_of(log: &mut LogState, at: usize, wake_all: bool) {
    let own = &mut log.vcpus[at];
    if !own.spin.is_open() {
        return;
    }
    let label = own.label();
    let Some((witness, spins)) = own.spin.settle(wake_all, label) else { return };
    log.ledger.weakness(INV_19, spins.count, witness);
    log.survey.add_spins(spins);
}

/// Decides all that is left.
pub(super) fn settle_spins(log: &mut LogState) {
    for at in 0..log.vcpus.len() {
        settle_spins_of(log, at, false);
    }
}
