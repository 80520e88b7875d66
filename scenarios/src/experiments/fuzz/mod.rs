//! Random scenarios, run in every way in which results must not differ.
//!
//! A seed is a scenario, the same for ever on every machine: `generate` draws it as text. `ways`
//! runs it stepped and ahead, with drawn queues and numbers of jobs, with a shared prefill and one of
//! its own, and as given to another build of the program; its trace goes through
//! [`check`](crate::logs::check). What fails is made as small as it can be by `shrink`.

mod against;
mod compare;
mod draw;
mod examine;
mod generate;
mod outcome;
mod print;
mod ran;
mod shrink;
#[cfg(test)]
mod tests;
mod ways;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

pub use against::Against;
pub use outcome::{Failure, FailureKind};

use examine::{Examined, Examiner};
use outcome::Outcome;

/// What is to be run.
#[derive(Clone, Debug)]
pub struct FuzzOptions {
    /// The seeds.
    pub seeds: Range<u64>,
    /// No further scenario is begun after this time.
    pub time: Option<Duration>,
    /// Scenarios at a time; 0 for one a processor.
    pub jobs: usize,
    /// Another build of the program.
    pub against: Option<Against>,
    /// Most events of a prefill, of a run, and of what follows it. Scenarios that need more are made
    /// shorter.
    pub events: u64,
    /// Most scenarios that are tried to make a failing one smaller.
    pub tries: u32,
}

impl Default for FuzzOptions {
    fn default() -> Self {
        Self { seeds: 0..1000, time: None, jobs: 0, against: None, events: 100_000, tries: 1000 }
    }
}

/// A scenario that fails.
#[derive(Clone, Debug)]
pub struct FuzzFailure {
    /// Its seed.
    pub seed: u64,
    /// How the smallest scenario fails.
    pub failure: Failure,
    /// The smallest scenario that fails in the same way, with a comment that says all this.
    pub text: String,
    /// Scenarios that were tried to find it.
    pub tries: u32,
}

impl FuzzFailure {
    /// A name for its file.
    pub fn file_name(&self) -> String {
        format!("fuzz-{}-{}.json", self.seed, self.failure.kind)
    }
}

/// What came out.
#[derive(Clone, Debug, Default)]
pub struct FuzzReport {
    /// Scenarios.
    pub scenarios: u64,
    /// Scenarios that were refused, with their place.
    pub refused: u64,
    /// Scenarios all of whose ways stopped with the same error.
    pub stopped: u64,
    /// Scenarios that end, but whose prefill takes more events than a run may have.
    pub too_long: u64,
    /// Runs of one way.
    pub runs: u64,
    /// Runs whose end could not be followed to the bound of liveness within the number of events.
    pub cut: u64,
    /// Scenarios given to the other build.
    pub against: u64,
    /// How often which error or refusal came, without its numbers, and the lowest seed of it.
    pub reasons: BTreeMap<String, (u64, u64)>,
    /// The failures by seed.
    pub failures: Vec<FuzzFailure>,
    /// The first seed that was not run.
    pub next: u64,
    /// Whether it ended before all seeds were run.
    pub ended_early: bool,
}

impl FuzzReport {
    fn reason(&mut self, error: &str, seed: u64) {
        let (count, first) = self.reasons.entry(reason(error)).or_insert((0, seed));
        *count += 1;
        *first = seed.min(*first);
    }
}

/// Is told of each failure at once.
pub type Found<'a> = &'a mut (dyn FnMut(&FuzzFailure) + Send);

/// The text of a seed's scenario, before it is made shorter.
pub fn scenario_text(seed: u64) -> String {
    print::text(&generate::scenario(seed))
}

/// Runs one scenario in every way; `seed` draws which queues and how many jobs. Gives what is wrong.
pub fn examine(text: &str, seed: u64, events: u64) -> Option<Failure> {
    let Ok(doc) = crate::scenario::source::document("scenario.json", text) else {
        return Some(Failure::new(FailureKind::Refusal, "it is no JSON"));
    };
    let Ok(value) = serde_json::from_str(&doc.root.value.json()) else {
        return Some(Failure::new(FailureKind::Refusal, "it is no JSON"));
    };
    match (Examiner { events, against: None }).examine(value, seed).outcome {
        Outcome::Failed(failure) => Some(failure),
        _ => None,
    }
}

/// Runs the scenarios of all seeds. `found` is told of each failure at once, `step` of each scenario;
/// both may be called from several threads, one at a time. `stop` ends it.
pub fn fuzz(
    options: &FuzzOptions,
    stop: &AtomicBool,
    found: Found<'_>,
    step: &(dyn Fn(u64) + Sync),
) -> FuzzReport {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = if options.jobs == 0 { cores() } else { options.jobs };
    let hunt = Hunt {
        options,
        examiner: Examiner { events: options.events, against: options.against.clone() },
        begun: Instant::now(),
        next: AtomicU64::new(options.seeds.start),
        stop,
        state: Mutex::new((FuzzReport::default(), found)),
        step,
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| hunt.work());
        }
    });
    let (mut report, _) = hunt.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.next = hunt.next.into_inner().min(options.seeds.end);
    report.ended_early = report.scenarios < options.seeds.end.saturating_sub(options.seeds.start);
    report.failures.sort_by_key(|failure| failure.seed);
    report
}

struct Hunt<'a> {
    options: &'a FuzzOptions,
    examiner: Examiner,
    begun: Instant,
    next: AtomicU64,
    stop: &'a AtomicBool,
    state: Mutex<(FuzzReport, Found<'a>)>,
    step: &'a (dyn Fn(u64) + Sync),
}

impl Hunt<'_> {
    fn work(&self) {
        while let Some(seed) = self.take() {
            let value = generate::scenario(seed);
            let examined = self.examiner.examine(value, seed);
            let failure = match &examined.outcome {
                Outcome::Failed(failure) => Some(self.smallest(seed, &examined, failure.clone())),
                _ => None,
            };
            self.note(seed, &examined.outcome, failure);
        }
    }

    /// The next seed, unless it is over.
    fn take(&self) -> Option<u64> {
        let late = self.options.time.is_some_and(|time| self.begun.elapsed() >= time);
        if late || self.stop.load(Ordering::Relaxed) {
            return None;
        }
        let end = self.options.seeds.end;
        let next = |seed: u64| (seed < end).then(|| seed + 1);
        self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()
    }

    fn smallest(&self, seed: u64, examined: &Examined, failure: Failure) -> FuzzFailure {
        let mut last = failure;
        let kind = last.kind;
        let mut fails = |candidate: &Value| {
            if self.stop.load(Ordering::Relaxed) {
                return None;
            }
            let Examined { value, outcome } = self.examiner.examine(candidate.clone(), seed);
            match outcome {
                Outcome::Failed(failure) if failure.kind == kind => {
                    last = failure;
                    Some(value)
                }
                _ => None,
            }
        };
        // A scenario without end takes seconds each time.
        let most = match kind {
            FailureKind::Bound => self.options.tries.min(20),
            _ => self.options.tries,
        };
        let (value, tries) = shrink::shrink(examined.value.clone(), most, &mut fails);
        let text = format!("{}{}", head(seed, &last), print::text(&value));
        FuzzFailure { seed, failure: last, text, tries }
    }

    fn note(&self, seed: u64, outcome: &Outcome, failure: Option<FuzzFailure>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (report, found) = &mut *state;
        report.scenarios += 1;
        let given = self.examiner.against.as_ref().is_some_and(|other| other.takes(seed));
        match outcome {
            Outcome::Agreed { runs, cut } => {
                report.runs += runs;
                report.cut += cut;
                report.against += u64::from(given && *cut == 0);
            }
            Outcome::Refused(error) => {
                report.refused += 1;
                report.reason(error, seed);
            }
            Outcome::Stopped(error) => {
                report.stopped += 1;
                report.reason(error, seed);
            }
            Outcome::TooLong => report.too_long += 1,
            Outcome::Failed(_) => {}
        }
        if let Some(failure) = failure {
            found(&failure);
            report.failures.push(failure);
        }
        (self.step)(report.scenarios);
    }
}

/// An error without the numbers and names in it.
fn reason(error: &str) -> String {
    let line = error.lines().next().unwrap_or_default();
    let line = line.split_once(": in ").map_or(line, |(_, rest)| rest);
    let words =
        line.split_whitespace().map(|word| match word.contains(|c: char| c.is_ascii_digit()) {
            true => "#",
            false => word,
        });
    words.collect::<Vec<_>>().join(" ")
}

/// The comment over a failing scenario.
fn head(seed: u64, failure: &Failure) -> String {
    let Failure { kind, message } = failure;
    let mut text = format!(
        "// The smallest scenario found that fails as seed {seed} of `apfsim fuzz` does.\n\
         // {kind}: {}.\n",
        kind.describes()
    );
    for line in message.lines() {
        text.push_str(&format!("//   {line}\n"));
    }
    text.push_str(&format!(
        "// Again: apfsim fuzz --seeds {seed}..{} (apfsim {})\n",
        seed + 1,
        crate::version::VERSION
    ));
    text
}
