//! What is degenerate about requests, programs with an end, and the measure.

use models::config::Op;
use models::trace::metrics::WORK_TOTAL;

use crate::run::results::{Note, NoteKind, PolicyResult};
use crate::scenario::resolve::Scenario;

/// Share of the vCPUs' time from which on they count as idle.
pub(super) const IDLE: f64 = 0.99;

/// Requests of a run below which that is noted of them: quantiles are taken run by run.
const FEW_REQUESTS: f64 = 100.0;

/// Square roots of the arrivals from which on those that are left at the end count as a growing line: with a load of
/// one, a line comes to one of them by chance, and with less it has a length of its own, which a run that is not too
/// short for it to matter leaves far behind.
const GROWTH: f64 = 1.0;

/// What is degenerate about them in the results of a scenario.
pub(super) fn notes(scenario: &Scenario, results: &[PolicyResult]) -> Vec<Note> {
    let mut found = Found { scenario, results, notes: Vec::new() };
    found.requests();
    found.run_once();
    found.completion();
    found.measure();
    found.notes
}

struct Found<'a> {
    scenario: &'a Scenario,
    results: &'a [PolicyResult],
    notes: Vec<Note>,
}

impl Found<'_> {
    fn note(&mut self, kind: NoteKind, policy: Option<&str>, text: impl Into<String>) {
        self.notes.push(Note { kind, policy: policy.map(str::to_owned), text: text.into() });
    }

    /// Programs that have requests, of which few or none came to their ends.
    fn requests(&mut self) {
        let tasks = &self.scenario.machine.workload.tasks;
        let marks = |op: &Op| matches!(op, Op::RequestEnter | Op::ServeEnter);
        let marked = tasks.iter().flat_map(|group| &group.program).any(marks);
        let asked = self.scenario.measure.starts_with("request");
        if !marked && asked {
            let text = format!(
                "no program has requests, so that `{}` is not defined: mark them with the operation \
                 `request`, or say `\"requests\": \"passes\"` of a group",
                self.scenario.measure
            );
            return self.note(NoteKind::NoRequests, None, text);
        }
        if !marked {
            return;
        }
        self.overload();
        for result in self.results {
            let ended: f64 = values(result, "requests").iter().sum();
            if ended == 0.0 {
                let text = format!(
                    "no request ended in the measured time of {}{}",
                    self.scenario.duration,
                    self.why_none(result)
                );
                self.note(NoteKind::NoRequests, Some(&result.policy), text);
            } else if ended < FEW_REQUESTS * f64::from(self.scenario.replications) {
                let text = format!(
                    "latencies of requests rest on {ended:.0} requests in {} runs: the 99th \
                     percentile of a run with fewer than {FEW_REQUESTS:.0} is hardly more than its longest",
                    self.scenario.replications
                );
                self.note(NoteKind::FewRequests, Some(&result.policy), text);
            }
        }
    }

    /// Why no request ended, and what to do.
    fn why_none(&self, result: &PolicyResult) -> &'static str {
        let idle = values(result, "cpu_share_idle").iter().all(|&share| share >= IDLE);
        if result.stuck > 0 || result.asleep > 0 {
            // What holds them is said already.
            ""
        } else if idle && !self.scenario.warmup.is_zero() {
            ", in which the vCPUs were idle: what there was to do was done in `warmup`"
        } else {
            ": measure longer"
        }
    }

    /// A line that grows: the rest of the arrivals waits at the end of the run.
    fn overload(&mut self) {
        for result in self.results {
            let groups = self.scenario.machine.workload.tasks.iter();
            for group in groups.filter(|group| group.arrivals.is_some()) {
                let sum = |name: &str| {
                    let own = format!("{name}[{}]", group.name);
                    values(result, &own).iter().sum::<f64>()
                };
                let (arrived, ended) = (sum("request_arrivals"), sum("requests"));
                let runs = f64::from(self.scenario.replications);
                let chance = GROWTH * runs * (arrived / runs).sqrt();
                if arrived - ended > chance.max(FEW_REQUESTS) {
                    let text = format!(
                        "{arrived:.0} requests arrived for `{}` and {ended:.0} were served, so that the line grew \
                         through the run: latencies say how long the run was",
                        group.name
                    );
                    self.note(NoteKind::Overload, Some(&result.policy), text);
                }
            }
        }
    }

    /// Operations that are done once, where somebody may have meant that they are done again and again.
    fn run_once(&mut self) {
        for group in &self.scenario.machine.workload.tasks {
            // Where the group starts later, or where it is said to be done once, nobody is surprised.
            let program = match group.program.as_slice() {
                [Op::Once { skip: 2, .. }, Op::Sleep { .. }, rest @ ..] => rest,
                all => all,
            };
            if let [_, .., Op::Count { .. }] = program {
                let text = format!(
                    "each task of `{}` does what stands before `count` once: `count` has no end",
                    group.name
                );
                self.note(NoteKind::RunOnce, None, text);
            }
        }
    }

    /// Programs that should have come to an end.
    fn completion(&mut self) {
        let tasks = &self.scenario.machine.workload.tasks;
        let ends = |op: &Op| matches!(op, Op::EndPass { .. });
        if !tasks.iter().flat_map(|group| &group.program).any(ends) {
            return;
        }
        for result in self.results {
            let complete = values(result, "completion_time").len();
            if complete < self.scenario.replications as usize {
                let text = format!(
                    "tasks with `passes` were not through, or were before the measured time, in {} of \
                     {} runs: `completion_time` is of the others",
                    self.scenario.replications as usize - complete,
                    self.scenario.replications
                );
                self.note(NoteKind::NotComplete, Some(&result.policy), text);
            }
        }
    }

    /// A measure that some runs do not define, or that is nothing in the baseline.
    fn measure(&mut self) {
        let measure = self.scenario.measure.as_str();
        if measure == WORK_TOTAL {
            return;
        }
        let runs = self.scenario.replications as usize;
        for result in self.results {
            let text = match values(result, measure) {
                found if found.len() < runs => format!(
                    "`{measure}` is defined in {} of {runs} runs, so that there is no ratio of it",
                    found.len()
                ),
                found if found.contains(&0.0) && result.policy == self.scenario.baseline => {
                    format!("`{measure}` of the baseline is zero, so that there is no ratio to it")
                }
                _ => continue,
            };
            self.note(NoteKind::NoMeasure, Some(&result.policy), text);
        }
    }
}

fn values<'a>(result: &'a PolicyResult, metric: &str) -> &'a [f64] {
    result.metric(metric).map_or(&[], |metric| &metric.values)
}
