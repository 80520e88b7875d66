//! What is concluded from a log, and on what it depends.

use std::collections::BTreeMap;

use super::event::LogEvent;
use super::seen::SeenInLog;
use crate::base::ids::Gva;
use crate::monitors::catalogue::{
    CATALOGUE, Family, INV_01, INV_02, INV_03, INV_04, INV_05, INV_06, INV_12, INV_13, INV_14,
    INV_15, INV_19, INV_22, INV_33, InvariantId, Severity,
};
use crate::monitors::finding::Verdict;

/// The invariants that kernels' own events decide, at least in part.
pub(super) const HELD: [InvariantId; 13] = [
    INV_01, INV_02, INV_03, INV_04, INV_05, INV_06, INV_12, INV_13, INV_14, INV_15, INV_19, INV_22,
    INV_33,
];

/// Breaches that wait for the end of what may still be lost.
const MAX_OPEN: usize = 1024;

/// A line of a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoryLine {
    /// Its number in the log.
    pub line: u64,
    /// Time by the log's clock, in nanoseconds.
    pub ns: u64,
    /// The event with its fields.
    pub text: String,
}

impl StoryLine {
    /// An event as a line of a story.
    pub(super) fn of(event: &LogEvent) -> Self {
        Self { line: event.line, ns: event.ns, text: event.event.to_string() }
    }
}

/// The first breach of an invariant in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogWitness {
    /// The line at which it was seen.
    pub line: u64,
    /// Its time.
    pub ns: u64,
    /// What is wrong, in one sentence.
    pub message: String,
    /// The lines that led to it.
    pub story: Vec<StoryLine>,
}

/// What could not be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unjudged {
    /// Why.
    pub reason: &'static str,
    /// How often.
    pub count: u64,
}

/// The conclusion about one invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFinding {
    /// Which invariant.
    pub id: InvariantId,
    /// How it fared.
    pub verdict: Verdict,
    /// How often it was broken with the weight of the verdict.
    pub count: u64,
    /// The first breach.
    pub first: Option<LogWitness>,
    /// Cases that the log leaves open.
    pub unjudged: Vec<Unjudged>,
}

/// The request whose completion a breach rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BreachSubject {
    pub(super) gva: Gva,
    /// Its place in the log.
    pub(super) seq: u64,
}

/// A breach that the rest of the log may still excuse.
#[derive(Clone, Debug)]
struct Open {
    id: InvariantId,
    about: Option<BreachSubject>,
    witness: LogWitness,
}

#[derive(Clone, Debug, Default)]
struct Notes {
    count: u64,
    first: Option<LogWitness>,
}

/// Counts breaches, and keeps the first of each invariant.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    open: Vec<Open>,
    notes: BTreeMap<InvariantId, Notes>,
    unjudged: BTreeMap<(InvariantId, &'static str), u64>,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self { open: Vec::new(), notes: BTreeMap::new(), unjudged: BTreeMap::new() }
    }

    /// Notes a breach that is seen at `event`.
    pub(super) fn breach(
        &mut self,
        id: InvariantId,
        event: LogEvent,
        message: String,
        story: Vec<LogEvent>,
    ) {
        self.note(None, id, event, message, story);
    }

    /// Notes a breach that rests on the completion of a request.
    pub(super) fn breach_about(
        &mut self,
        about: BreachSubject,
        id: InvariantId,
        event: LogEvent,
        message: String,
        story: Vec<LogEvent>,
    ) {
        self.note(Some(about), id, event, message, story);
    }

    fn note(
        &mut self,
        about: Option<BreachSubject>,
        id: InvariantId,
        event: LogEvent,
        message: String,
        mut story: Vec<LogEvent>,
    ) {
        story.push(event);
        story.sort_by_key(|event| event.line);
        story.dedup();
        let story = story.iter().map(StoryLine::of).collect();
        let witness = LogWitness { line: event.line, ns: event.ns, message, story };
        self.open.push(Open { id, about, witness });
        if self.open.len() > MAX_OPEN {
            let first = self.open.remove(0);
            self.settle(first);
        }
    }

    /// Notes a breach of a liveness invariant with its number of occurrences, none of which can
    /// be excused.
    pub(super) fn weakness(&mut self, id: InvariantId, count: u64, witness: LogWitness) {
        let notes = self.notes.entry(id).or_default();
        notes.count += count;
        notes.first.get_or_insert(witness);
    }

    /// Counts more breaches of an invariant of which one is told.
    pub(super) fn more(&mut self, id: InvariantId, count: u64) {
        self.notes.entry(id).or_default().count += count;
    }

    /// Notes something that the log leaves open.
    pub(super) fn unjudged(&mut self, id: InvariantId, reason: &'static str, count: u64) {
        if count > 0 {
            *self.unjudged.entry((id, reason)).or_default() += count;
        }
    }

    /// Events since `since` may be lost: takes back what was concluded from then on.
    pub(super) fn take_back(&mut self, since: u64) {
        for open in std::mem::take(&mut self.open) {
            if open.witness.ns < since {
                self.settle(open);
            } else {
                self.unjudged(open.id, "events were lost at that time", 1);
            }
        }
    }

    /// Takes back what was concluded at a line.
    pub(super) fn doubt(&mut self, line: u64) {
        for open in std::mem::take(&mut self.open) {
            match open.witness.line == line {
                true => self.unjudged(
                    open.id,
                    "the log ends in the middle of a line, or without its end",
                    1,
                ),
                false => self.open.push(open),
            }
        }
    }

    /// A completion of that address may have been another request's: takes back what rests on it.
    pub(super) fn excuse(&mut self, gva: Gva, reason: &'static str) {
        for open in std::mem::take(&mut self.open) {
            match open.about.is_some_and(|about| about.gva == gva) {
                true => self.unjudged(open.id, reason, 1),
                false => self.open.push(open),
            }
        }
    }

    /// Takes back what rests on the completion of a request.
    pub(super) fn excuse_request(&mut self, seq: u64) {
        self.open.retain(|open| open.about.is_none_or(|about| about.seq != seq));
    }

    /// Leaves open what was found of some invariants.
    pub(super) fn leave_open(&mut self, reason: &'static str, of: impl Fn(InvariantId) -> bool) {
        for open in std::mem::take(&mut self.open) {
            self.settle(open);
        }
        let (left, kept) = std::mem::take(&mut self.notes).into_iter().partition(|(id, _)| of(*id));
        self.notes = kept;
        let left: BTreeMap<InvariantId, Notes> = left;
        for (id, notes) in left {
            self.unjudged(id, reason, notes.count);
        }
    }

    pub(super) fn is_broken(&self, id: InvariantId) -> bool {
        self.notes.contains_key(&id) || self.open.iter().any(|open| open.id == id)
    }

    fn settle(&mut self, open: Open) {
        let notes = self.notes.entry(open.id).or_default();
        notes.count += 1;
        notes.first.get_or_insert(open.witness);
    }

    pub(super) fn findings(
        mut self,
        family: Family,
        known: &[InvariantId],
        seen: SeenInLog,
    ) -> Vec<LogFinding> {
        for open in std::mem::take(&mut self.open) {
            self.settle(open);
        }
        let lines = CATALOGUE.iter().filter(|line| HELD.contains(&line.id));
        let lines = lines.filter(|line| line.applies_to(family));
        lines
            .map(|line| {
                let id = line.id;
                let notes = self.notes.remove(&id).unwrap_or_default();
                let unjudged = self.unjudged.iter().filter(|((of, _), _)| *of == id);
                let unjudged =
                    unjudged.map(|(&(_, reason), &count)| Unjudged { reason, count }).collect();
                let verdict = match (notes.count, line.severity, seen.missing(id)) {
                    (0, _, Some(missing)) => Verdict::Undecided { missing },
                    (0, ..) => Verdict::Clean,
                    (_, Severity::Weakness, _) => Verdict::Weakness,
                    _ if known.contains(&id) => Verdict::KnownViolation,
                    _ => Verdict::Violation,
                };
                LogFinding { id, verdict, count: notes.count, first: notes.first, unjudged }
            })
            .collect()
    }
}
