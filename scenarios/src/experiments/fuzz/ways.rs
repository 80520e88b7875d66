//! A scenario run in every way in which its results must not differ, and what each way found.
//!
//! The first way steps through every operation and is held to a number of events. All other ways are
//! held against the first.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use models::apf::rules::generation;
use models::base::record::{Event, Record};
use models::machine::{self, Prefix, RunError, RunOutput, RunSettings};
use models::monitors::Verdict as Judged;
use models::trace::kernel::KernelWriter;
use models::trace::series::Follow;
use sim_core::{QueueKind, SimDuration};

use super::compare;
use super::draw::Draw;
use super::outcome::{Failure, FailureKind};
use super::ran::{Ran, Results};
use crate::logs::check::{CheckOptions, check};
use crate::run::error::RunnerError;
use crate::run::error::panic_text;
use crate::run::plan::{Plan, Run};
use crate::run::runner::{RunOptions, run_comparison};
use crate::run::stored::StoredRun;
use crate::run::summary;
use crate::run::trace_file::trace_remark;
use crate::scenario::canonical;
use crate::scenario::resolve::Scenario;

pub(super) const QUEUES: [QueueKind; 3] = [QueueKind::Hybrid, QueueKind::Std, QueueKind::Reference];

/// A run needs more events than it may have.
pub(super) struct TooLong {
    /// What of it could be simulated after the start barrier.
    pub(super) lasted: SimDuration,
}

pub(super) enum Trouble {
    Failed(Failure),
    TooLong(TooLong),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// How a run is done.
#[derive(Clone, Copy)]
pub(super) struct Way {
    pub(super) queue: QueueKind,
    pub(super) skip: bool,
}

impl Way {
    fn name(self) -> String {
        let how = if self.skip { "ahead" } else { "stepped" };
        format!("{how}, queue {}", self.queue.name())
    }
}

/// One scenario and its runs.
pub(super) struct Ways<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) plan: Plan,
    pub(super) events: u64,
}

impl Ways<'_> {
    /// Gives the results of the first way when all ways agree with it.
    pub(super) fn all(
        &self,
        stepped: Way,
        ahead: Way,
        draw: &mut Draw,
    ) -> Result<Results, Trouble> {
        let first = self.first(stepped)?;
        for (run, result) in self.plan.runs().iter().zip(&first) {
            self.judge(*run, result)?;
            self.second(*run, result, stepped, ahead)?;
        }
        self.runner(&first, draw)?;
        Ok(first)
    }

    pub(super) fn settings(&self, way: Way) -> RunSettings {
        RunSettings {
            queue: way.queue,
            skip: way.skip,
            warmup: self.scenario.warmup,
            duration: self.scenario.duration,
            events: Some(self.events),
            ..RunSettings::default()
        }
    }

    pub(super) fn prefill(&self, run: Run, way: Way) -> Result<Result<Prefix, RunError>, Failure> {
        // As the runner does.
        let series = if run.replication == 0 { Follow::Counts } else { Follow::Nothing };
        let settings = RunSettings { series, ..self.settings(way) };
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
        StoredRun::new(run, named, &self.scenario.machine, output).without_series()
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
        let policy = &self.scenario.policies[run.policy];
        let built_in = models::presets::policies::policy_names().contains(&policy.name.as_str());
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
        // What check knows are kernels. Rules that a scenario sets are those of none, and virtual machines with
        // policies of several kernels are those of no host.
        let compared = &self.scenario.policies[run.policy];
        let rules = &compared.rules;
        let machine = &self.scenario.machine;
        let one_kernel = machine.vm_ids().all(|vm| machine.policy_of(vm, compared).rules == *rules);
        let of_kernel = one_kernel && generation(rules.name) == Some(*rules);
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
pub(super) fn caught<T>(place: &str, what: impl FnOnce() -> T) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(what)).map_err(|panic: Box<dyn Any + Send>| {
        let message = format!("{place}: {}", panic_text(panic.as_ref()));
        Failure::new(FailureKind::Panic, message)
    })
}
