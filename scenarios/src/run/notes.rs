//! Runs that answer no question: what is degenerate about them, in a sentence each. A note is no
//! error, as a scenario may be meant so.

mod balloons;
mod handlers;
mod requests;
mod snapshots;
mod transient;

use models::apf::rules::{FirstLookup, StoredLookup};
use models::config::costs::Cost;
use models::config::{Op, PassedOver, Policy, ReadFaults};
use models::presets::{self, Certainty, policies};
use models::trace::metrics::WORK_TOTAL;

use self::requests::IDLE;
use crate::run::results::{Note, NoteKind, PolicyResult, Ratio};
use crate::scenario::resolve::{HostIdentity, Scenario};

/// Faults of a run below which quantiles are noted as resting on few: they are taken run by run.
const FEW: f64 = 20.0;
/// Effects that tables do not show.
const SMALL: f64 = 0.001;

/// What is degenerate about the results of a scenario.
pub(crate) fn notes(scenario: &Scenario, results: &[PolicyResult], ratios: &[Ratio]) -> Vec<Note> {
    let mut found = Found { scenario, results, ratios, notes: Vec::new() };
    // Before what follows from it.
    found.notes.extend(handlers::notes(scenario, results));
    found.asleep();
    found.stuck();
    let faultless = found.faults();
    found.time();
    found.synchronous();
    found.work();
    found.notes.extend(requests::notes(scenario, results));
    found.idle();
    found.cap();
    found.notes.extend(transient::notes(scenario, results));
    if !faultless {
        found.same();
        found.assumed_costs();
    }
    found.mixed_host();
    found.releases();
    found.reads();
    found.traces();
    found.limits();
    found.notes.extend(results.iter().filter_map(|result| balloons::note(scenario, result)));
    found.notes.extend(results.iter().flat_map(|result| snapshots::notes(scenario, result)));
    found.notes
}

struct Found<'a> {
    scenario: &'a Scenario,
    results: &'a [PolicyResult],
    ratios: &'a [Ratio],
    notes: Vec<Note>,
}

impl<'a> Found<'a> {
    fn note(&mut self, kind: NoteKind, policy: Option<&str>, text: impl Into<String>) {
        self.notes.push(Note { kind, policy: policy.map(str::to_owned), text: text.into() });
    }

    /// Policies with their results.
    fn pairs(&self) -> impl Iterator<Item = (&'a Policy, &'a PolicyResult)> + use<'a> {
        self.scenario.policies.iter().zip(self.results)
    }

    /// Whether there was no fault under any policy.
    fn faults(&mut self) -> bool {
        let without: Vec<&PolicyResult> =
            self.results.iter().filter(|it| is_zero(it, "major_faults")).collect();
        let all = without.len() == self.results.len();
        if all {
            let text = self.no_fault();
            self.note(NoteKind::NoFaults, None, text);
        }
        for result in without.iter().filter(|_| !all) {
            let text = format!("no major fault ended in the measured time of {}", self.measured());
            self.note(NoteKind::NoFaults, Some(&result.policy), text);
        }
        for result in self.results {
            let faults: f64 = values(result, "major_faults").iter().sum();
            if faults > 0.0 && faults < FEW * f64::from(self.scenario.replications) {
                let text = format!(
                    "latencies rest on {faults:.0} major faults in {} runs: measure longer",
                    self.scenario.replications
                );
                self.note(NoteKind::FewFaults, Some(&result.policy), text);
            }
        }
        all
    }

    fn measured(&self) -> String {
        self.scenario.duration.to_string()
    }

    /// Why there may have been no fault at all.
    fn no_fault(&self) -> String {
        // Those that began before and are not over have left the device waiting or a vCPU standing.
        let fetched = |it: &PolicyResult| {
            ["swap_read_requests", "device_in_flight_mean", "cpu_share_stalled", "cpu_share_halted"]
                .iter()
                .any(|metric| !is_zero(it, metric))
        };
        if self.results.iter().any(fetched) {
            return format!(
                "pages were being fetched and no major fault ended in the measured time of {}: \
                 measure longer",
                self.measured()
            );
        }
        let (host, guest) = (&self.scenario.machine.host, &self.scenario.machine.guest);
        let wanted = guest.memory_pages + host.other_resident_pages;
        let alone = self.scenario.machine.vms.is_empty();
        let why = match alone && host.memory_limit_pages >= wanted {
            true => "`host.memory_limit` holds all of the guest's memory",
            false => {
                "what the tasks touch may fit in `host.memory_limit`, or nothing was swapped \
                      out before (`prefill`, `warmup`)"
            }
        };
        format!("no major fault under any policy, so async page faults make no difference: {why}")
    }

    fn time(&mut self) {
        for result in self.results {
            let Some(median) = mean(result, "fault_latency_p50") else { continue };
            if self.scenario.duration.as_secs_f64() < 2.0 * median {
                let text = format!(
                    "the measured time of {} is shorter than two faults of median latency: measure \
                     longer",
                    self.measured()
                );
                self.note(NoteKind::ShortTime, Some(&result.policy), text);
            }
        }
    }

    fn synchronous(&mut self) {
        let host = &self.scenario.machine.host;
        for (policy, result) in self.pairs() {
            let asynchronous = policy.host_async && policy.guest_enabled;
            if !asynchronous || is_zero(result, "major_faults") {
                continue;
            }
            // The lookup that waits has its page when it is over; who finds a read under way has not.
            let waits = policy.rules.first_lookup == FirstLookup::WaitsWithoutReadAhead;
            let [majors, by_workers] =
                ["major_faults", "async_faults"].map(|name| mean(result, name).unwrap_or(0.0));
            let in_files = host.stores.iter().any(|store| store.handler.is_none());
            let files = in_files && policy.rules.stored_lookup == StoredLookup::Waits;
            let few = (waits || files) && by_workers <= majors / 20.0;
            if few || is_zero(result, "async_faults") {
                let why = match (waits, host.read_ahead_pages <= 1, host.kernel.polled_reads) {
                    _ if files => {
                        ": the first lookup waits for a page of a file that is read alone, as with \
                         `advice` `random` of its store, or after too many misses"
                    }
                    (true, true, true) => {
                        ": the first lookup waits for a read without read-ahead, and polls for it \
                         (`host.kernel.polled_reads`), so that no fault can go asynchronous"
                    }
                    (true, true, false) => {
                        ": the first lookup waits for a read without read-ahead, so that no fault \
                         can go asynchronous"
                    }
                    (true, false, _) => {
                        ": the first lookup waits for a read whose window has shrunk to one page, which \
                         that of scattered accesses does"
                    }
                    (false, ..) => "",
                };
                let all = if by_workers == 0.0 { "all" } else { "nearly all" };
                let text = format!("{all} faults were synchronous, though the policy is not{why}");
                self.note(NoteKind::AllSynchronous, Some(&result.policy), text);
            }
        }
    }

    fn work(&mut self) {
        if self.scenario.measure != WORK_TOTAL {
            return;
        }
        let without: Vec<&PolicyResult> =
            self.results.iter().filter(|it| is_zero(it, "work_total")).collect();
        if without.len() == self.results.len() {
            let mut ops = self.scenario.machine.workload.tasks.iter().flat_map(|it| &it.program);
            let why = match ops.any(|op| matches!(op, Op::Count { .. })) {
                true => {
                    "none got as far as to count a unit: measure longer, or count more of them (`per_second`)"
                }
                false => "tasks count with `count`",
            };
            let text = format!(
                "no work was counted under any policy, so there are no ratios of work: {why}"
            );
            return self.note(NoteKind::NoWork, None, text);
        }
        for result in without {
            let text = "no work was counted, so ratios to it are not defined";
            self.note(NoteKind::NoWork, Some(&result.policy), text);
        }
    }

    /// Tasks that are lost: what ended says nothing of them.
    fn asleep(&mut self) {
        for result in self.results.iter().filter(|result| result.asleep > 0) {
            let runs = match self.scenario.replications {
                1 => String::new(),
                runs => format!(" in {runs} runs"),
            };
            let (tasks, their) = match result.asleep {
                1 => ("1 task sleeps".to_owned(), "its"),
                tasks => (format!("{tasks} tasks sleep"), "their"),
            };
            let text = format!(
                "{tasks} for good{runs}: the page has been in memory for longer than anything may take (`apfsim \
                 invariants INV-13`), and nothing wakes whoever waits for it. Latencies are of faults and requests that \
                 ended: {their} last ones are in none"
            );
            self.note(NoteKind::SleepForGood, Some(&result.policy), text);
        }
    }

    /// Tasks that wait for each other: what they do not do is no result of a policy.
    fn stuck(&mut self) {
        for result in self.results.iter().filter(|result| result.stuck > 0) {
            let runs = match self.scenario.replications {
                1 => String::new(),
                runs => format!(" in {runs} runs"),
            };
            let more = match result.stuck > result.waits.len() as u64 {
                true => " and so on",
                false => "",
            };
            let plural = if result.stuck == 1 { "task waits" } else { "tasks wait" };
            let text = format!(
                "{} {plural} for ever{runs}, for what no task that goes on can give: {}{more}",
                result.stuck,
                result.waits.join("; ")
            );
            self.note(NoteKind::Deadlock, Some(&result.policy), text);
        }
    }

    fn idle(&mut self) {
        for result in self.results {
            let share = mean(result, "cpu_share_idle").unwrap_or(0.0);
            if share >= IDLE {
                let text = format!(
                    "the vCPUs were idle for {:.1} % of the measured time: tasks have ended, or \
                     sleep",
                    share * 100.0
                );
                self.note(NoteKind::AllIdle, Some(&result.policy), text);
            }
        }
    }

    /// One name stands for all of a host, unless a field says otherwise.
    fn mixed_host(&mut self) {
        let HostIdentity { kernel, differs } = &self.scenario.host_identity;
        if differs.is_empty() {
            return;
        }
        let fields: Vec<String> = differs.iter().map(|field| format!("`{field}`")).collect();
        let text = format!(
            "the host is a mix: {kernel}, but for what the scenario says itself of {}",
            fields.join(", ")
        );
        self.note(NoteKind::MixedHost, None, text);
    }

    /// Which protocol a policy has that is named after a kernel release.
    fn releases(&mut self) {
        for (policy, result) in self.pairs() {
            let Some(release) = policies::release(&policy.name) else {
                continue;
            };
            if policies::policy(&policy.name).as_ref() != Some(policy) {
                continue;
            }
            let settings: Vec<String> = release
                .settings()
                .map(|setting| format!("{} = {setting}", setting.mechanism().name()))
                .collect();
            let more = match settings.as_slice() {
                [] => String::new(),
                settings => format!(", with what the release has besides: {}", settings.join(", ")),
            };
            let text =
                format!("its protocol is that of generation {}{more}", release.generation.name);
            self.note(NoteKind::ProtocolOfRelease, Some(&result.policy), text);
        }
    }

    /// Pages that are only read leave by I/O where the host faults or maps for writing.
    fn reads(&mut self) {
        let tasks = &self.scenario.machine.workload.tasks;
        let reads = |op: &Op| {
            matches!(op, Op::Access { write: false, .. } | Op::AccessBy { write: false, .. })
        };
        let some = tasks.iter().flat_map(|group| &group.program).any(reads);
        // A snapshot is written, too.
        let saves = !self.scenario.machine.host.memory_control.protections.is_empty();
        if saves || !some || self.results.iter().all(|it| is_zero(it, "swap_writes_pages")) {
            return;
        }
        let why = match self.scenario.machine.host.kernel.read_faults {
            ReadFaults::ForWriting => "the host asks for writing whatever the guest does",
            ReadFaults::Writable => "the host maps what the guest reads for writing",
            ReadFaults::ReadOnly | ReadFaults::ReadOnlyExclusive => return,
        };
        let text = format!(
            "that an access does not write makes no difference to what is written out: {why} \
             (`host.kernel.read_faults`)"
        );
        self.note(NoteKind::ReadsAreWritten, None, text);
    }

    /// Lines of recorded traces that are no accesses.
    fn traces(&mut self) {
        for trace in &self.scenario.machine.workload.addresses {
            let PassedOver { lines, first } = trace.passed_over();
            if lines > 0 {
                let plural = if lines == 1 { "line is" } else { "lines are" };
                let text = format!(
                    "{lines} {plural} no access in a file of `replay` that has {} accesses, and passed over; the \
                     first is line {first}",
                    trace.accesses()
                );
                self.note(NoteKind::LinesPassedOver, None, text);
            }
        }
    }

    /// Limits that are written and never in anybody's way.
    fn limits(&mut self) {
        let limits = &self.scenario.machine.host.memory_control.limits;
        let reclaimed = |it: &PolicyResult| !is_zero(it, "reclaim_scanned");
        if limits.is_empty() || self.results.iter().any(reclaimed) {
            return;
        }
        let text = "a limit was written (`host.memory_limits`), and nothing was reclaimed in the measured time: \
                    the container never held as much";
        self.note(NoteKind::LimitNotReached, None, text);
    }

    /// The time of both kernels is made of costs. An effect that is smaller may be theirs, so that it
    /// counts how sure they are.
    fn assumed_costs(&mut self) {
        let scenario = self.scenario;
        let Some(preset) = presets::cpu(&scenario.cpu_preset) else { return };
        let own = scenario.machine.cpu.costs.describe();
        let unsure = |name: &str| {
            let source = preset.sources.iter().find(|source| source.name == name);
            source.is_some_and(|source| {
                matches!(source.certainty, Certainty::Assumption | Certainty::Recalled)
            })
        };
        // A cost that the scenario says itself is a given one; what costs nothing takes no time.
        let as_preset = preset.config.costs.describe();
        let paid = own.iter().zip(&as_preset).filter(|(own, _)| own.1 != Cost::ZERO);
        let paid: Vec<_> = paid.collect();
        let assumed = paid.iter().filter(|(own, other)| own.1 == other.1 && unsure(own.0)).count();
        if assumed == 0 {
            return;
        }
        let kernel = |policy: &str| {
            let result = self.results.iter().find(|it| it.policy == policy);
            result.and_then(|it| mean(it, "cpu_share_kernel")).unwrap_or(0.0)
        };
        for ratio in self.ratios.iter().filter(|ratio| ratio.metric == "work_total") {
            // Who cannot tell it from no effect concludes nothing.
            let Some((low, high)) = ratio.ci95 else { continue };
            let share = kernel(&ratio.policy).max(kernel(&ratio.baseline));
            let effect = (ratio.mean - 1.0).abs();
            if (low <= 1.0 && high >= 1.0) || !(SMALL..share).contains(&effect) {
                continue;
            }
            let text = format!(
                "its work differs from that of {} by {:.2} %, and {:.1} % of the vCPUs' time are \
                 costs of guest and host kernels, {assumed} of {} of which nobody has measured \
                 (`apfsim presets {}`): vary them with `apfsim sweep --axis` before you conclude \
                 from it",
                ratio.baseline,
                effect * 100.0,
                share * 100.0,
                paid.len(),
                preset.name,
            );
            self.note(NoteKind::AssumedCosts, Some(&ratio.policy), text);
        }
    }

    /// The cap is in question where policies differ in it, or where the title asks for it.
    fn cap(&mut self) {
        let words = self.scenario.title.split(|c: char| !c.is_alphanumeric());
        let mut asked = words.map(str::to_lowercase).any(|word| word == "cap" || word == "caps");
        let mut caps =
            self.pairs().filter(|(policy, _)| policy.host_async).map(|(it, _)| it.rules.cap);
        if let Some(first) = caps.next() {
            asked |= caps.any(|cap| cap != first);
        }
        let most = |result: &PolicyResult| {
            values(result, "outstanding_peak").iter().copied().fold(0.0, f64::max)
        };
        // The count is that of all vCPUs. That a higher cap gave the same runs leaves no doubt.
        let unbound = |cap: u32, result: &PolicyResult| {
            let same = |(policy, it): (&Policy, &PolicyResult)| {
                policy.rules.cap > cap && it.digest == result.digest
            };
            self.pairs().any(same)
        };
        let reached = |(policy, result): (&Policy, &PolicyResult)| {
            let cap = policy.rules.cap;
            policy.host_async && most(result) >= f64::from(cap) && !unbound(cap, result)
        };
        if !asked || self.pairs().any(reached) {
            return;
        }
        let most = self.results.iter().map(most).fold(0.0, f64::max);
        let caps = self.pairs().filter(|(policy, _)| policy.host_async).map(|(it, _)| it.rules.cap);
        if let Some(least) = caps.min() {
            let text = format!(
                "the cap on outstanding faults was never reached: at most {most:.0} were \
                 outstanding, and the lowest cap is {least}"
            );
            self.note(NoteKind::CapNotReached, None, text);
        }
    }

    fn same(&mut self) {
        for (at, result) in self.results.iter().enumerate() {
            let Some(first) = self.results[..at].iter().find(|it| it.digest == result.digest)
            else {
                continue;
            };
            let text = format!("it did the same as {}, record by record", first.policy);
            self.note(NoteKind::SameRuns, Some(&result.policy), text);
        }
    }
}

fn values<'a>(result: &'a PolicyResult, metric: &str) -> &'a [f64] {
    result.metric(metric).map_or(&[], |metric| &metric.values)
}

fn mean(result: &PolicyResult, metric: &str) -> Option<f64> {
    result.metric(metric).map(|metric| metric.mean)
}

/// Whether a count is zero in all replications. One that is not given is.
fn is_zero(result: &PolicyResult, metric: &str) -> bool {
    values(result, metric).iter().all(|value| *value == 0.0)
}

#[cfg(test)]
mod tests;
