//! A scenario run in every way in which its results must not differ, and what each way found.
//!
//! The first way steps through every operation and is held to a number of events; a scenario that
//! needs more is made shorter until it needs less. All other ways are held against the first.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use models::apf::rules::generation;
use models::base::record::{Event, Record};
use models::machine::{self, Prefix, RunError, RunOutput, RunSettings};
use models::monitors::Verdict as Judged;
use models::trace::kernel::KernelWriter;
use serde_json::Value;
use sim_core::{QueueKind, SimDuration};

use super::against::Against;
use super::draw::{Draw, written};
use super::outcome::{Failure, FailureKind, Outcome};
use super::{compare, print};
use crate::logs::check::{CheckOptions, check};
use crate::run::plan::{Plan, Run};
use crate::run::runner::{RunOptions, panic_text, run_comparison, trace_remark};
use crate::run::stored::StoredRun;
use crate::run::summary;
use crate::scenario::canonical;
use crate::scenario::resolve::Scenario;
use crate::syntax::error::RunnerError;

const QUEUES: [QueueKind; 3] = [QueueKind::Hybrid, QueueKind::Std, QueueKind::Reference];
/// Times that a scenario is made shorter.
const MOST_CUTS: usize = 12;
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

/// A run of the first way.
pub(super) struct Ran {
    pub(super) stored: StoredRun,
    /// What waited at its end was not followed to the end.
    pub(super) cut: bool,
    /// Its trace as a kernel prints it.
    text: Vec<u8>,
    /// Requests that were announced, and page readies, in the trace.
    not_present: u64,
    ready: u64,
}

type Results = Vec<Result<Ran, RunError>>;

impl Examiner {
    /// Runs a scenario in every way; `seed` says which queues, jobs and shares.
    pub(super) fn examine(&self, mut value: Value, seed: u64) -> Examined {
        for _ in 0..MOST_CUTS {
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
fn refusal(error: &crate::syntax::error::ScenarioError) -> Outcome {
    match error.diagnostic() {
        Some(diagnostic) if !diagnostic.field.is_empty() && diagnostic.help.is_some() => {
            Outcome::Refused(error.to_string())
        }
        _ => Outcome::Failed(Failure::new(FailureKind::Refusal, error.to_string())),
    }
}

/// A run needs more events than it may have.
struct TooLong {
    /// What of it could be simulated after the start barrier.
    lasted: SimDuration,
}

enum Trouble {
    Failed(Failure),
    TooLong(TooLong),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
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

/// How a run is done.
#[derive(Clone, Copy)]
struct Way {
    queue: QueueKind,
    skip: bool,
}

impl Way {
    fn name(self) -> String {
        let how = if self.skip { "ahead" } else { "stepped" };
        format!("{how}, queue {}", self.queue.name())
    }
}

/// One scenario and its runs.
struct Ways<'a> {
    scenario: &'a Scenario,
    plan: Plan,
    events: u64,
}

impl Ways<'_> {
    /// Gives the results of the first way when all ways agree with it.
    fn all(&self, stepped: Way, ahead: Way, draw: &mut Draw) -> Result<Results, Trouble> {
        let first = self.first(stepped)?;
        for (run, result) in self.plan.runs().iter().zip(&first) {
            self.judge(*run, result)?;
            self.second(*run, result, stepped, ahead)?;
        }
        self.runner(&first, draw)?;
        Ok(first)
    }

    fn settings(&self, way: Way) -> RunSettings {
        RunSettings {
            queue: way.queue,
            skip: way.skip,
            warmup: self.scenario.warmup,
            duration: self.scenario.duration,
            events: Some(self.events),
            ..RunSettings::default()
        }
    }

    fn prefill(&self, run: Run, way: Way) -> Result<Result<Prefix, RunError>, Failure> {
        let settings = self.settings(way);
        caught(&format!("prefill, {}", way.name()), || {
            machine::prefill(&self.scenario.machine, run.seed, &settings)
        })
    }

    /// All runs, with one prefill a replication, and traces.
    fn first(&self, way: Way) -> Result<Results, Trouble> {
        let mut results = Vec::new();
        for runs in self.plan.replications() {
            let prefix = match self.prefill(runs[0], way)? {
                Ok(prefix) => prefix,
                Err(RunError::OutOfEvents(_)) => {
                    return Err(Trouble::TooLong(TooLong { lasted: SimDuration::ZERO }));
                }
                Err(error) => {
                    results.extend(runs.iter().map(|_| Err(error.clone())));
                    continue;
                }
            };
            for &run in runs {
                results.push(match self.traced(run, way, &prefix)? {
                    Err(RunError::OutOfEvents(at)) => {
                        let lasted = at.saturating_since(prefix.barrier());
                        return Err(Trouble::TooLong(TooLong { lasted }));
                    }
                    result => result,
                });
            }
        }
        Ok(results)
    }

    fn traced(
        &self,
        run: Run,
        way: Way,
        prefix: &Prefix,
    ) -> Result<Result<Ran, RunError>, Failure> {
        let policy = &self.scenario.policies[run.policy];
        let settings = self.settings(way);
        let mut writer = KernelWriter::new(prefix.setting(policy)).in_nanoseconds();
        let (mut text, mut not_present, mut ready) = (Vec::new(), 0, 0);
        writer.header(&trace_remark(self.scenario, run), &mut text);
        let mut observer = |records: &[Record]| {
            for record in records {
                not_present +=
                    u64::from(matches!(record.event, Event::KvmAsyncPfNotPresent { .. }));
                ready += u64::from(matches!(record.event, Event::KvmAsyncPfReady { .. }));
                writer.record(record, &mut text);
            }
            std::ops::ControlFlow::Continue(())
        };
        let place = format!("{}, {}", self.named(run), way.name());
        let result = caught(&place, || {
            machine::run_observed(prefix, policy, &settings, Some(&mut observer))
        })?;
        Ok(result.map(|output| Ran {
            stored: self.stored(run, &output),
            cut: output.afterwards_cut,
            text,
            not_present,
            ready,
        }))
    }

    fn stored(&self, run: Run, output: &RunOutput) -> StoredRun {
        let policy = &self.scenario.policies[run.policy];
        let hash = canonical::policy_hash(policy);
        let named = (policy.name.as_str(), hash.as_str());
        StoredRun::new(run, named, &self.scenario.machine.workload.tasks, output)
    }

    /// A policy and a replication, as failures name them.
    fn named(&self, run: Run) -> String {
        let policy = &self.scenario.policies[run.policy].name;
        match self.scenario.replications {
            1 => format!("policy {policy}"),
            _ => format!("policy {policy}, replication {}", run.replication),
        }
    }

    /// What a run says by itself: its own verdict, and that of `check` on its trace.
    fn judge(&self, run: Run, result: &Result<Ran, RunError>) -> Result<(), Failure> {
        let ran = match result {
            Ok(ran) => ran,
            Err(error) => return self.judge_error(run, error),
        };
        let named = self.named(run);
        let violations: Vec<String> = compare::violations(&ran.stored);
        // What a policy of the user's own breaks is for the user to see, and what a disturbance makes of
        // an old kernel is what disturbances are for.
        let built_in =
            models::presets::policies::policy(&self.scenario.policies[run.policy].name).is_some();
        let undisturbed = self.scenario.machine.disturbances.is_empty();
        if built_in
            && undisturbed
            && let Some(first) = violations.first()
        {
            return Err(Failure::new(FailureKind::Violation, format!("{named}: {first}")));
        }
        self.check(run, ran, violations.is_empty())
    }

    fn judge_error(&self, run: Run, error: &RunError) -> Result<(), Failure> {
        let message = format!("{}: {error}", self.named(run));
        match error {
            RunError::Internal(_) | RunError::Stopped => {
                Err(Failure::new(FailureKind::Panic, message))
            }
            _ => Ok(()),
        }
    }

    fn check(&self, run: Run, ran: &Ran, clean: bool) -> Result<(), Failure> {
        let named = self.named(run);
        let failed = |message: String| Err(Failure::new(FailureKind::Check, message));
        let checked = caught(&format!("check, {named}"), || {
            check(ran.text.as_slice(), "trace", &CheckOptions::default())
        })?;
        let report = match checked {
            Ok(report) => report,
            // A trace without any event.
            Err(_) if ran.not_present + ran.ready == 0 => return Ok(()),
            Err(error) => return failed(format!("{named}: check cannot read the trace: {error}")),
        };
        // What check knows are kernels, and rules that a scenario sets are those of none.
        let rules = &self.scenario.policies[run.policy].rules;
        let of_kernel = generation(rules.name) == Some(*rules);
        let broken = report.findings.iter().find(|one| one.verdict == Judged::Violation);
        if clean
            && of_kernel
            && let Some(finding) = broken
        {
            let told = finding.first.as_ref().map_or("", |first| first.message.as_str());
            return failed(format!("{named}: check says {} violated: {told}", finding.id));
        }
        if let Some(skipped) = report.skipped.first() {
            let why = skipped.kind.text();
            return failed(format!("{named}: line {} of the trace: {why}", skipped.line));
        }
        let of = |name: &str| {
            report.counts.iter().find(|one| one.name == name).map_or(0, |one| one.count)
        };
        let vcpus = &report.survey.vcpus;
        let judged: u64 = vcpus.iter().map(|vcpu| vcpu.told + vcpu.halted).sum();
        let ready: u64 = vcpus.iter().map(|vcpu| vcpu.ready + vcpu.wake_alls).sum();
        let have = (of("kvm_async_pf_not_present"), of("kvm_async_pf_ready"), ready);
        let want = (ran.not_present, ran.ready, ran.ready);
        // Who was told is not always in a log, but nobody is told who did not ask.
        if clean && (have != want || judged > ran.not_present) {
            return failed(format!(
                "{named}: the trace has {} requests and {} page readies, check counts {} and {}, and \
                 judges {judged} and {ready}",
                want.0, want.1, have.0, have.1
            ));
        }
        Ok(())
    }

    /// A run ahead of the queue, with a prefill of its own.
    fn second(
        &self,
        run: Run,
        first: &Result<Ran, RunError>,
        stepped: Way,
        ahead: Way,
    ) -> Result<(), Failure> {
        let policy = &self.scenario.policies[run.policy];
        let settings = self.settings(ahead);
        let place = format!("{}, {}", self.named(run), ahead.name());
        let result = match self.prefill(run, ahead)? {
            Err(error) => Err(error),
            Ok(prefix) => caught(&place, || machine::run(&prefix, policy, &settings))?,
        };
        let found = result.map(|output| (self.stored(run, &output), output.afterwards_cut));
        let Some(difference) = compare::difference(first, &found) else { return Ok(()) };
        let where_ = match self.first_difference(run, stepped, ahead) {
            Some(told) => format!("\n{told}"),
            None => String::new(),
        };
        let message = format!("{place}: not as {}: {difference}{where_}", stepped.name());
        Err(Failure::new(FailureKind::Difference, message))
    }

    /// The first record in which two ways differ.
    fn first_difference(&self, run: Run, one: Way, other: Way) -> Option<String> {
        let records = |way: Way| {
            let settings = RunSettings { keep_records: true, ..self.settings(way) };
            let prefix = machine::prefill(&self.scenario.machine, run.seed, &settings).ok()?;
            let policy = &self.scenario.policies[run.policy];
            machine::run(&prefix, policy, &settings).ok()?.records
        };
        let both = catch_unwind(AssertUnwindSafe(|| Some((records(one)?, records(other)?))));
        let (a, b) = both.ok()??;
        let at = a.iter().zip(&b).position(|(a, b)| a != b).unwrap_or(a.len().min(b.len()));
        let told = |records: &[Record]| {
            records.get(at).map_or_else(|| "the end".to_owned(), crate::run::stored::line)
        };
        Some(format!("{}: {}\n{}: {}", one.name(), told(&a), other.name(), told(&b)))
    }

    /// All runs by the runner, on several threads.
    fn runner(&self, first: &Results, draw: &mut Draw) -> Result<(), Failure> {
        let options = RunOptions {
            jobs: *draw.pick(&[1, 2, 3]),
            queue: *draw.pick(&QUEUES),
            skip: draw.percent(90),
            ..RunOptions::default()
        };
        // The runner knows no bound.
        if first.iter().flatten().any(|ran| ran.cut) {
            return Ok(());
        }
        let how = format!("{} jobs, queue {}", options.jobs, options.queue.name());
        let found = caught(&how, || run_comparison(self.scenario, &options, &|_| {}))?;
        let error = first.iter().find_map(|result| result.as_ref().err());
        let message = match (found, error) {
            (Ok(found), None) => {
                let expected = self.expected(first);
                if found == expected {
                    return Ok(());
                }
                format!("digest {} instead of {}", found.digest, expected.digest)
            }
            (Err(RunnerError::Run { source, .. }), Some(error)) if source == *error => {
                return Ok(());
            }
            (Err(RunnerError::Panic { message, .. }), _) => {
                return Err(Failure::new(FailureKind::Panic, format!("{how}: {message}")));
            }
            (Err(found), None) => format!("`{found}` instead of results"),
            (Err(found), Some(error)) => format!("`{found}` instead of `{error}`"),
            (Ok(_), Some(error)) => format!("results instead of `{error}`"),
        };
        Err(Failure::new(FailureKind::Jobs, format!("{how}: {message}")))
    }

    /// The comparison that the results of the first way make.
    fn expected(&self, results: &Results) -> crate::run::results::Comparison {
        let policies = self.scenario.policies.len();
        let mut rows = vec![Vec::new(); policies];
        for (number, ran) in results.iter().flatten().enumerate() {
            rows[number % policies].push(ran.stored.clone());
        }
        summary::comparison(self.scenario, &rows)
    }
}

/// Carries out what may panic.
fn caught<T>(place: &str, what: impl FnOnce() -> T) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(what)).map_err(|panic: Box<dyn Any + Send>| {
        let message = format!("{place}: {}", panic_text(panic.as_ref()));
        Failure::new(FailureKind::Panic, message)
    })
}
