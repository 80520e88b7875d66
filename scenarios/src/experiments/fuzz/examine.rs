//! A scenario examined: read, then run in every way, and made shorter until the first way needs no more
//! events than it may have.

use std::panic::catch_unwind;

use models::machine::{self, RunError};
use serde_json::Value;
use sim_core::{QueueKind, SimDuration};

use super::against::Against;
use super::draw::{Draw, written};
use super::outcome::{Failure, FailureKind, Outcome};
use super::print;
use super::ran::Results;
use super::ways::{QUEUES, TooLong, Trouble, Way, Ways, caught};
use crate::run::error::panic_text;
use crate::run::plan::Plan;
use crate::scenario::resolve::Scenario;
use crate::syntax::error::ScenarioError;

/// Times that a scenario is made shorter.
const MAX_CUTS: usize = 12;
/// Events after which a machine must have come to an end, or have said what spins: far more than the
/// bounds of `models::machine` for that.
const LAST_RESORT: u64 = 50_000_000;

/// How scenarios are examined.
pub(super) struct Examiner {
    /// Most events of the prefill, of a run, and of what follows it.
    pub(super) events: u64,
    /// Another build of the program, to which a share of the scenarios is given.
    pub(super) against: Option<Against>,
}

/// What was examined, in the end, and what came out.
pub(super) struct Examined {
    /// The scenario, as short as the bound on events wants it.
    pub(super) value: Value,
    pub(super) outcome: Outcome,
}

impl Examiner {
    /// Runs a scenario in every way; `seed` says which queues, jobs and shares.
    pub(super) fn examine(&self, mut value: Value, seed: u64) -> Examined {
        for _ in 0..MAX_CUTS {
            match self.examine_once(&value, seed) {
                Ok(outcome) => return Examined { value, outcome },
                Err(TooLong { lasted }) => match shortened(&value, lasted) {
                    Some(shorter) => value = shorter,
                    None => break,
                },
            }
        }
        let outcome = endless(&value);
        Examined { value, outcome }
    }

    fn examine_once(&self, value: &Value, seed: u64) -> Result<Outcome, TooLong> {
        let text = print::text(value);
        let read = catch_unwind(|| Scenario::from_str("scenario.json", &text));
        let scenario = match read {
            Ok(Ok(scenario)) => scenario,
            Ok(Err(error)) => return Ok(refusal(&error)),
            Err(panic) => {
                let message = format!("reading it: {}", panic_text(panic.as_ref()));
                return Ok(Outcome::Failed(Failure::new(FailureKind::Panic, message)));
            }
        };
        let mut draw = Draw::new(seed).at("ways");
        let ways = Ways { plan: Plan::new(&scenario), scenario: &scenario, events: self.events };
        let stepped = Way { queue: *draw.pick(&QUEUES), skip: false };
        let ahead = Way { queue: *draw.pick(&QUEUES), skip: true };
        match ways.all(stepped, ahead, &mut draw) {
            Ok(results) => {
                let other = self.against.as_ref().filter(|other| other.takes(seed));
                let failure = other.and_then(|other| other.differs(&text, &scenario, &results));
                Ok(failure.map_or_else(|| finished(&results), Outcome::Failed))
            }
            Err(Trouble::Failed(failure)) => Ok(Outcome::Failed(failure)),
            Err(Trouble::TooLong(long)) => Err(long),
        }
    }
}

/// What becomes of a scenario that cannot be made short enough: it takes long, it stops by itself with
/// what spins, or it has no end.
fn endless(value: &Value) -> Outcome {
    let Ok(scenario) = Scenario::from_str("scenario.json", &print::text(value)) else {
        return Outcome::TooLong;
    };
    let way = Way { queue: QueueKind::Hybrid, skip: true };
    let ways = Ways { plan: Plan::new(&scenario), scenario: &scenario, events: LAST_RESORT };
    for &run in ways.plan.runs() {
        let policy = &scenario.policies[run.policy];
        let settings = ways.settings(way);
        let result = ways.prefill(run, way).and_then(|prefix| match prefix {
            Ok(prefix) => caught(&policy.name, || machine::run(&prefix, policy, &settings)),
            Err(error) => Ok(Err(error)),
        });
        match result {
            Err(failure) => return Outcome::Failed(failure),
            Ok(Err(RunError::OutOfEvents(at))) => {
                let message = format!("at {at} there was no end after {LAST_RESORT} events");
                return Outcome::Failed(Failure::new(FailureKind::Bound, message));
            }
            Ok(Err(error)) => return Outcome::Stopped(error.to_string()),
            Ok(Ok(_)) => {}
        }
    }
    Outcome::TooLong
}

/// The outcome of a scenario all of whose ways agree.
fn finished(results: &Results) -> Outcome {
    let error = results.iter().find_map(|result| result.as_ref().err());
    match error {
        Some(error) => Outcome::Stopped(error.to_string()),
        None => Outcome::Agreed {
            runs: results.len() as u64,
            cut: results.iter().flatten().filter(|ran| ran.cut).count() as u64,
        },
    }
}

/// A refusal must name its place.
fn refusal(error: &ScenarioError) -> Outcome {
    match error.diagnostic() {
        Some(diagnostic) if !diagnostic.field.is_empty() && diagnostic.help.is_some() => {
            Outcome::Refused(error.to_string())
        }
        _ => Outcome::Failed(Failure::new(FailureKind::Refusal, error.to_string())),
    }
}

/// The scenario with so much less time. None where there is no less.
fn shortened(value: &Value, lasted: SimDuration) -> Option<Value> {
    // Somewhat less than what was reached: other policies may need more events.
    let whole = SimDuration::from_ps(lasted.as_ps() / 8 * 7);
    let span = |name: &str| value[name].as_str()?.parse::<SimDuration>().ok();
    let (duration, warmup) = (span("duration")?, span("warmup").unwrap_or(SimDuration::ZERO));
    let total = u128::from(duration.as_ps()) + u128::from(warmup.as_ps());
    if whole.is_zero() || u128::from(whole.as_ps()) >= total {
        return None;
    }
    let share = |span: SimDuration| {
        let ps = u128::from(span.as_ps()) * u128::from(whole.as_ps()) / total;
        SimDuration::from_ps(ps as u64)
    };
    let (duration, warmup) = (share(duration), share(warmup));
    if duration.is_zero() {
        return None;
    }
    let mut value = value.clone();
    value["duration"] = written(duration);
    if value.get("warmup").is_some() {
        value["warmup"] = written(warmup);
    }
    if let Some(all) = value.get_mut("disturbances").and_then(Value::as_array_mut) {
        let end = duration + warmup;
        all.retain(|one| {
            one["at"]
                .as_str()
                .and_then(|at| at.parse::<SimDuration>().ok())
                .is_some_and(|at| at < end)
        });
        let alone = all.is_empty();
        if alone && let Some(object) = value.as_object_mut() {
            object.remove("disturbances");
        }
    }
    Some(value)
}
