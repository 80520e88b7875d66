//! Carrying an entry out.

use std::time::{Duration, Instant};

use models::base::invariant::InvariantId;
use models::explore::{Bounds, Explored, Finding, Setup, Severity, Shows, drive, explore, witness};

use rayon::ThreadPoolBuilder;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::entry::{Entry, Exhibit, Variant, World, remark};
use super::simulate::{Simulated, simulate};
use crate::logs::explored::explored_log;

/// How a mistake was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// By searching every schedule of a world.
    Explored,
    /// By one schedule.
    Schedule,
    /// In a simulated run.
    Simulated,
}

impl Found {
    /// The way as a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Explored => "explore",
            Self::Schedule => "schedule",
            Self::Simulated => "simulation",
        }
    }
}

/// What was noticed.
#[derive(Clone, Debug)]
pub struct Caught {
    /// The invariant.
    pub invariant: InvariantId,
    /// What is wrong, in words that name nobody.
    pub what: String,
    /// Whom it concerns.
    pub detail: String,
    /// Steps to it.
    pub length: u64,
    /// The way to it, drawn; empty for a run.
    pub chart: String,
    /// Of a run, the records that led to it.
    pub records: Vec<String>,
    /// What a kernel would have printed on the way, or in the whole run.
    pub log: String,
}

/// One variant of an entry, carried out.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The variant in words.
    pub variant: String,
    /// How it was looked at.
    pub found: Found,
    /// What was noticed of what the entry is about.
    pub caught: Option<Caught>,
    /// Other invariants that were broken.
    pub others: Vec<InvariantId>,
    /// Whether what a control is about did happen; true where nothing is asked for.
    pub happened: bool,
    /// Different states, or records of a run.
    pub states: u64,
    /// Whether every state was seen.
    pub exhaustive: bool,
    /// How long it took.
    pub time: Duration,
}

/// How an entry came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The mistake was noticed, and nothing where there is none.
    Caught,
    /// Of a control: nothing was noticed.
    Quiet,
    /// Otherwise than expected, and how.
    Unexpected(Vec<String>),
}

/// An entry, carried out.
#[derive(Clone, Debug)]
pub struct Row {
    /// The entry.
    pub entry: &'static Entry,
    /// The variants with the mistake.
    pub wrong: Vec<Shown>,
    /// Those without.
    pub right: Vec<Shown>,
    /// What came of it.
    pub outcome: Outcome,
}

impl Row {
    /// Whether everything came as expected.
    pub fn as_expected(&self) -> bool {
        !matches!(self.outcome, Outcome::Unexpected(_))
    }

    /// The time of all variants.
    pub fn time(&self) -> Duration {
        self.wrong.iter().chain(&self.right).map(|shown| shown.time).sum()
    }
}

/// Carries an entry out: all its variants, with and without the mistake.
pub fn show(entry: &'static Entry) -> Row {
    let mut complaints = Vec::new();
    let mut all = |variants: &'static [Variant], is_wrong: bool| -> Vec<Shown> {
        let mut shown = Vec::new();
        for variant in variants {
            match one(entry, variant, is_wrong) {
                Ok(one) => {
                    complaints.extend(complaint(entry, &one, is_wrong));
                    shown.push(one);
                }
                Err(error) => complaints.push(format!("{}: {error}", variant.name())),
            }
        }
        shown
    };
    let (wrong, right) = (all(entry.wrong, true), all(entry.right, false));
    let outcome = match (complaints.is_empty(), entry.expect.invariant) {
        (false, _) => Outcome::Unexpected(complaints),
        (true, Some(_)) => Outcome::Caught,
        (true, None) => Outcome::Quiet,
    };
    Row { entry, wrong, right, outcome }
}

/// Carries entries out, so many at a time; 0 for one a processor. The rows are in the order of the
/// entries, whatever the number.
pub fn show_all(entries: &[&'static Entry], jobs: usize) -> Vec<Row> {
    let all = || entries.par_iter().map(|entry| show(entry)).collect();
    match ThreadPoolBuilder::new().num_threads(jobs).build() {
        Ok(pool) => pool.install(all),
        // Without threads of its own it takes longer.
        Err(_) => entries.iter().map(|entry| show(entry)).collect(),
    }
}

/// What is not as it should be.
fn complaint(entry: &Entry, shown: &Shown, is_wrong: bool) -> Option<String> {
    let Shown { variant, caught, others, happened, exhaustive, .. } = shown;
    match (caught, is_wrong) {
        (None, true) => return Some(format!("{variant}: not noticed")),
        (Some(caught), false) => {
            return Some(format!("{variant}: {} is broken", caught.invariant));
        }
        _ => {}
    }
    if is_wrong {
        return None;
    }
    let other = others.iter().find(|id| !entry.expect.besides.contains(id));
    if let Some(id) = other {
        return Some(format!("{variant}: {id} is broken"));
    }
    if !exhaustive {
        return Some(format!("{variant}: not every state was seen"));
    }
    (!happened).then(|| format!("{variant}: what it is about does not happen"))
}

fn one(entry: &Entry, variant: &Variant, is_wrong: bool) -> Result<Shown, String> {
    let begun = Instant::now();
    let expected = entry.expect.invariant;
    let mut shown = match entry.exhibit {
        Exhibit::Explore(world, shows) => {
            let setup = setup(&world, variant)?;
            // With the mistake, the first way to it is enough.
            let wanted = expected.filter(|_| is_wrong);
            let explored = explore(&setup, &Bounds::default(), wanted).map_err(words)?;
            let happened = happens(&setup, shows)?;
            of_explored((Found::Explored, variant, expected), &setup, &explored, happened)
        }
        Exhibit::Schedule(world, steps, shows) => {
            let setup = setup(&world, variant)?;
            let nothing: Shows = |_, _, _| true;
            let driven = drive(&setup, steps, shows.unwrap_or(nothing));
            let (explored, happened) = driven.map_err(words)?;
            of_explored((Found::Schedule, variant, expected), &setup, &explored, happened)
        }
        Exhibit::Simulate(text, slow) => of_run(variant, simulate(text, variant, slow)?),
    };
    shown.time = begun.elapsed();
    Ok(shown)
}

fn words(error: impl ToString) -> String {
    error.to_string()
}

fn setup(world: &World, variant: &Variant) -> Result<Setup, String> {
    world.setup(variant).ok_or_else(|| format!("there is no generation `{}`", variant.rules))
}

fn happens(setup: &Setup, shows: Option<Shows>) -> Result<bool, String> {
    let Some(shows) = shows else { return Ok(true) };
    Ok(witness(setup, shows).map_err(words)?.is_some())
}

/// What a run breaks that is slower than it has to be.
const SLOW: InvariantId = InvariantId(40);

/// Width of charts.
const WIDTH: usize = 78;

fn of_explored(
    (found, variant, expected): (Found, &Variant, Option<InvariantId>),
    setup: &Setup,
    explored: &Explored,
    happened: bool,
) -> Shown {
    let caught = |finding: &Finding| Caught {
        invariant: finding.kind.id,
        what: finding.kind.what.to_owned(),
        detail: finding.detail.clone(),
        length: finding.trace.moves as u64,
        chart: finding.trace.chart(WIDTH),
        records: Vec::new(),
        log: explored_log(&finding.trace, setup, &remark(variant)),
    };
    let meant = |finding: &&Finding| expected == Some(finding.kind.id);
    let violations = || explored.findings.iter().filter(is_violation);
    let mut others: Vec<InvariantId> =
        violations().filter(|f| !meant(f)).map(|f| f.kind.id).collect();
    others.dedup();
    Shown {
        variant: variant.name(),
        found,
        // Of several ways in which one invariant is broken, the shortest.
        caught: violations().filter(meant).min_by_key(|f| f.trace.moves).map(caught),
        others,
        happened,
        states: explored.states,
        exhaustive: explored.limit.is_none(),
        time: Duration::ZERO,
    }
}

fn of_run(variant: &Variant, Simulated { slow, violated, records, log }: Simulated) -> Shown {
    let caught = slow.map(|(detail, lines)| Caught {
        invariant: SLOW,
        what: "a fault takes longer than a synchronous one would".to_owned(),
        detail,
        length: lines.len() as u64,
        chart: String::new(),
        records: lines,
        log,
    });
    Shown {
        variant: variant.name(),
        found: Found::Simulated,
        caught,
        others: violated,
        happened: true,
        states: records,
        exhaustive: true,
        time: Duration::ZERO,
    }
}

fn is_violation(finding: &&Finding) -> bool {
    finding.kind.severity == Severity::Violation
}
