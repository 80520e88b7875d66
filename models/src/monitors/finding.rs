//! What monitors conclude: verdicts, and the first breach of each invariant with its story.

use serde::Serialize;
use sim_core::SimTime;

use super::catalogue::{CATALOGUE, Family, Invariant, InvariantId, Kind, Severity, position};
use crate::base::ids::{Token, VcpuId};
use crate::base::record::{Event, Record};

/// Records of earlier batches kept for the stories of breaches.
pub(super) const RECENT: usize = 256;
/// Records of the same vCPU that a story shows before the breach.
const STORY_RECORDS: usize = 12;

/// How an invariant fared in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It was never broken.
    Clean,
    /// It was broken: the run fails.
    Violation,
    /// A corner was met that kernels in use show too.
    Weakness,
    /// It was broken in a way that the generation is known for.
    KnownViolation,
    /// The trace lacks an event that the decision needs.
    Undecided {
        /// The name of the missing tracepoint.
        missing: &'static str,
    },
}

impl Verdict {
    /// What a breach is that a generation is known for. A promise of what happens in the end is
    /// kept late, with the next interrupt, and costs time; any other is broken.
    pub fn of_known(id: InvariantId) -> Self {
        match Invariant::find(id).map(|line| line.kind) {
            Some(Kind::Liveness) => Self::Weakness,
            _ => Self::KnownViolation,
        }
    }
}

/// The first breach of an invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// When it was seen.
    pub time: SimTime,
    /// What was wrong, in one sentence.
    pub message: String,
    /// Records that led to it, in order of time: the item's or notice's own history, the last
    /// records of the vCPU, and the record at which the breach was seen.
    pub story: Vec<Record>,
}

/// The conclusion about one invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which invariant.
    pub id: InvariantId,
    /// How it fared.
    pub verdict: Verdict,
    /// How often it was broken with the weight of the verdict; 0 when undecided.
    pub count: u64,
    /// The first breach.
    pub first: Option<Witness>,
}

/// The trace around the record at hand.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    /// Time of the record at hand, or the end of the run.
    pub(super) now: SimTime,
    /// The end of what was observed before this batch.
    pub(super) recent: &'a [Record],
    /// This batch up to and including the record at hand.
    pub(super) batch: &'a [Record],
}

/// A breach: whom it concerns and how it is told. The texts are made only for the first breach
/// of an invariant.
pub(super) struct Breach<M, H> {
    /// The vCPU concerned.
    pub(super) vcpu: VcpuId,
    /// The item or notice concerned.
    pub(super) token: Option<Token>,
    /// One sentence.
    pub(super) message: M,
    /// Older records that belong to the story.
    pub(super) history: H,
}

/// As what a breach counts.
#[derive(Clone, Copy, Debug)]
enum Weight {
    Violation,
    Excused,
    Weakness,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    active: bool,
    known: bool,
    violations: Notes,
    /// Breaches in a way that the generation is known for, of what it breaks in no other.
    excused: Notes,
    weaknesses: Notes,
}

#[derive(Clone, Debug, Default)]
struct Notes {
    count: u64,
    first: Option<Witness>,
}

/// Counts breaches and keeps the first of each invariant.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    entries: Vec<Entry>,
}

impl Ledger {
    pub(super) fn new(family: Family, known: &[InvariantId]) -> Self {
        let entries = CATALOGUE
            .iter()
            .map(|line| Entry {
                active: line.has_monitor() && line.applies_to(family),
                known: known.contains(&line.id),
                ..Entry::default()
            })
            .collect();
        Self { entries }
    }

    /// Notes a breach of `id`, of the weight that the catalogue gives it.
    pub(super) fn breach<M, H>(&mut self, id: InvariantId, at: Context<'_>, breach: Breach<M, H>)
    where
        M: FnOnce() -> String,
        H: FnOnce() -> Vec<Record>,
    {
        let weight = match Invariant::find(id).map(|line| line.severity) {
            Some(Severity::Weakness) => Weight::Weakness,
            Some(Severity::Violation) | None => Weight::Violation,
        };
        self.note(id, weight, at, breach);
    }

    /// Notes a breach of `id` in a way that the generation is known for, which is no excuse for another way.
    pub(super) fn known<M, H>(&mut self, id: InvariantId, at: Context<'_>, breach: Breach<M, H>)
    where
        M: FnOnce() -> String,
        H: FnOnce() -> Vec<Record>,
    {
        self.note(id, Weight::Excused, at, breach);
    }

    /// Notes a breach of `id` in a corner that kernels in use show too.
    pub(super) fn weakness<M, H>(&mut self, id: InvariantId, at: Context<'_>, breach: Breach<M, H>)
    where
        M: FnOnce() -> String,
        H: FnOnce() -> Vec<Record>,
    {
        self.note(id, Weight::Weakness, at, breach);
    }

    fn note<M, H>(&mut self, id: InvariantId, weight: Weight, at: Context<'_>, breach: Breach<M, H>)
    where
        M: FnOnce() -> String,
        H: FnOnce() -> Vec<Record>,
    {
        let Some(entry) = position(id).and_then(|row| self.entries.get_mut(row)) else { return };
        if !entry.active {
            return;
        }
        let notes = match weight {
            Weight::Violation => &mut entry.violations,
            Weight::Excused => &mut entry.excused,
            Weight::Weakness => &mut entry.weaknesses,
        };
        notes.count += 1;
        if notes.first.is_none() {
            notes.first = Some(Witness {
                time: at.now,
                message: (breach.message)(),
                story: story(at, breach.vcpu, breach.token, (breach.history)()),
            });
        }
    }

    /// The conclusions, by rising number. `missing` names the event without which an invariant
    /// cannot be decided, given that at least one breach was counted or not.
    pub(super) fn findings(
        &self,
        missing: impl Fn(InvariantId, bool) -> Option<&'static str>,
    ) -> Vec<Finding> {
        let applicable = CATALOGUE.iter().zip(&self.entries).filter(|(_, entry)| entry.active);
        applicable
            .map(|(line, entry)| {
                let Entry { known, violations, excused, weaknesses, .. } = entry;
                let broken = violations.count + excused.count + weaknesses.count > 0;
                if let Some(missing) = missing(line.id, broken) {
                    let verdict = Verdict::Undecided { missing };
                    return Finding { id: line.id, verdict, count: 0, first: None };
                }
                let (verdict, notes) = match (violations.count, excused.count, weaknesses.count) {
                    (0, 0, 0) => (Verdict::Clean, violations),
                    (0, 0, _) => (Verdict::Weakness, weaknesses),
                    (0, _, _) => (Verdict::KnownViolation, excused),
                    _ if *known => (Verdict::of_known(line.id), violations),
                    _ => (Verdict::Violation, violations),
                };
                Finding { id: line.id, verdict, count: notes.count, first: notes.first.clone() }
            })
            .collect()
    }
}

/// The history given, and the latest records that concern the vCPU or the token.
fn story(
    at: Context<'_>,
    vcpu: VcpuId,
    token: Option<Token>,
    mut history: Vec<Record>,
) -> Vec<Record> {
    let seen = at.batch.iter().rev().chain(at.recent.iter().rev());
    // No further back than what is kept, or the story would tell where batches were cut.
    let mut tail: Vec<Record> = seen
        .take(RECENT)
        .filter(|record| concerns(&record.event, vcpu, token))
        .take(STORY_RECORDS)
        .copied()
        .collect();
    tail.reverse();
    history.retain(|record| !tail.contains(record));
    history.extend(tail);
    history.sort_by_key(|record| record.time);
    history
}

fn concerns(event: &Event, vcpu: VcpuId, token: Option<Token>) -> bool {
    // Scheduling and accounting of the guest say nothing about the protocol.
    if matches!(
        event,
        Event::GuestSchedSwitch { .. }
            | Event::GuestSchedWakeup { .. }
            | Event::GuestMigrateTask { .. }
            | Event::GuestTick { .. }
            | Event::TaskRun { .. }
            | Event::TaskKernelRun { .. }
            | Event::TaskNew { .. }
    ) {
        return false;
    }
    let mut concerned = false;
    event.visit_fields(|name, value| {
        concerned |= match name {
            "vcpu" => value == u64::from(vcpu.0),
            "token" => token.is_some_and(|token| value == u64::from(token.0)),
            _ => false,
        };
    });
    concerned
}
