//! Mistakes that cost time and break nothing: a run is held against one in which every fault is
//! synchronous.

use std::collections::BTreeMap;

use models::base::ids::{Gfn, Gva, Token, VcpuId};
use models::base::invariant::InvariantId;
use models::base::record::{Event, FaultPath, Record};
use models::config::Policy;
use models::machine::{RunOutput, RunSettings, prefill, run};
use models::monitors::Verdict;
use models::trace::kernel::KernelWriter;
use sim_core::{SimDuration, SimTime};

use super::entry::{Slow, Variant, remark};
use crate::run::stored::line;
use crate::scenario::resolve::Scenario;

/// The policy that the others are held against.
const SYNC: &str = "sync";
/// Records of a story, at most.
const STORY: usize = 24;

/// What came of a run.
pub(super) struct Simulated {
    /// What is slower than it has to be, and the records that show it.
    pub(super) slow: Option<(String, Vec<String>)>,
    /// Invariants that were violated otherwise.
    pub(super) violated: Vec<InvariantId>,
    /// Records.
    pub(super) records: u64,
    /// What a kernel would have printed.
    pub(super) log: String,
}

/// Runs a scenario under a variant, and under `sync`, with equal random numbers.
pub(super) fn simulate(text: &str, variant: &Variant, slow: Slow) -> Result<Simulated, String> {
    let scenario = Scenario::from_str("zoo", text).map_err(|error| error.render())?;
    let settings =
        RunSettings { duration: scenario.duration, keep_records: true, ..RunSettings::default() };
    let rules =
        variant.rules().ok_or_else(|| format!("there is no generation `{}`", variant.rules))?;
    let sync = models::presets::policies::policy(SYNC).ok_or("there is no policy `sync`")?;
    let policy = Policy {
        name: variant.name(),
        rules,
        host_async: true,
        guest_enabled: true,
        defects: variant.defects(),
    };
    let prefix = prefill(&scenario.machine, scenario.seed, &settings).map_err(words)?;
    let reference = run(&prefix, &sync, &settings).map_err(words)?;
    let output = run(&prefix, &policy, &settings).map_err(words)?;
    let median = reference.metrics.get("fault_latency_p50").ok_or("`sync` has no fault")?;
    let median = SimDuration::from_ns((median * 1e9).round() as u64);
    let records = output.records.as_deref().unwrap_or_default();
    let slow = match slow {
        Slow::ReadyLate { bound } => ready_late(records, median, bound),
        Slow::Synchronous => synchronous(records),
    };
    let violated = violated(&output);
    let mut writer = KernelWriter::new(prefix.setting(&policy));
    let mut log = Vec::new();
    writer.header(&remark(variant), &mut log);
    records.iter().for_each(|record| writer.record(record, &mut log));
    let log = String::from_utf8_lossy(&log).into_owned();
    Ok(Simulated { slow, violated, records: records.len() as u64, log })
}

fn words(error: impl ToString) -> String {
    error.to_string()
}

fn violated(output: &RunOutput) -> Vec<InvariantId> {
    let violations = output.findings.iter().filter(|found| found.verdict == Verdict::Violation);
    violations.map(|found| found.id).collect()
}

/// The first item whose page ready comes later than a synchronous fault would have taken, by more
/// than the bound.
fn ready_late(
    records: &[Record],
    median: SimDuration,
    bound: SimDuration,
) -> Option<(String, Vec<String>)> {
    let mut told: BTreeMap<(VcpuId, Token), SimTime> = BTreeMap::new();
    for (at, record) in records.iter().enumerate() {
        match record.event {
            Event::KvmAsyncPfNotPresent { vcpu, token, .. } => {
                told.insert((vcpu, token), record.time);
            }
            Event::KvmAsyncPfReady { vcpu, token, gva } => {
                let Some(since) = told.remove(&(vcpu, token)) else { continue };
                let took = record.time.saturating_since(since);
                if took > median + bound {
                    let text = format!(
                        "page ready of token {token} came {} after its not present; a synchronous \
                         fault takes {}",
                        ms(took),
                        ms(median)
                    );
                    return Some((text, story(&records[..=at], (vcpu, gva), since)));
                }
            }
            _ => {}
        }
    }
    None
}

/// The first fault for which a vCPU thread slept, if most faults are like that.
fn synchronous(records: &[Record]) -> Option<(String, Vec<String>)> {
    let count = |wanted: FaultPath| {
        let is = |record: &&Record| matches!(record.event, Event::MajorFaultBegin { path, .. } if path == wanted);
        records.iter().filter(is).count()
    };
    let (sync, asynchronous) = (count(FaultPath::Sync), count(FaultPath::Async));
    if sync <= asynchronous {
        return None;
    }
    // The first that nothing comes between.
    let mut begun = None;
    let (begin, end, vcpu, gfn) =
        records.iter().enumerate().find_map(|(at, record)| match record.event {
            Event::MajorFaultBegin { path: FaultPath::Sync, gfn, .. } => {
                begun = Some((at, gfn));
                None
            }
            Event::MajorFaultEnd { vcpu, gfn, .. } => {
                let (begin, _) = begun.take().filter(|&(_, of)| of == gfn)?;
                Some((begin, at, vcpu, gfn))
            }
            _ => None,
        })?;
    let text = format!(
        "{vcpu} slept for the page of {sync} faults, and {asynchronous} were asynchronous, \
         although nothing spoke against it"
    );
    Some((text, story(&records[..=end], (vcpu, gva_of(gfn)), records[begin].time)))
}

/// The fault address of a frame.
fn gva_of(gfn: Gfn) -> Gva {
    Gva(gfn.gpa().0)
}

/// Records of a vCPU and of one fault on it from a time on, the last of them where there are many.
fn story(records: &[Record], (vcpu, fault): (VcpuId, Gva), since: SimTime) -> Vec<String> {
    let tells = |record: &&Record| match record.event {
        Event::KvmAsyncPfNotPresent { vcpu: whose, gva, .. }
        | Event::KvmAsyncPfCompleted { vcpu: whose, gva, .. } => whose == vcpu && gva == fault,
        Event::KvmAsyncPfReady { vcpu: whose, .. }
        | Event::KvmExit { vcpu: whose, .. }
        | Event::KvmEntry { vcpu: whose }
        | Event::KvmInjException { vcpu: whose, .. }
        | Event::VcpuBlock { vcpu: whose, .. }
        | Event::VcpuUnblock { vcpu: whose, .. }
        | Event::GuestTick { vcpu: whose, .. } => whose == vcpu,
        Event::MajorFaultBegin { gfn, .. } | Event::MajorFaultEnd { gfn, .. } => {
            gva_of(gfn) == fault
        }
        _ => false,
    };
    let all: Vec<&Record> =
        records.iter().filter(|record| record.time >= since).filter(tells).collect();
    let (first, rest) = match all.split_first() {
        Some((first, rest)) => (*first, rest),
        None => return Vec::new(),
    };
    let rest = &rest[rest.len().saturating_sub(STORY - 1)..];
    [first].into_iter().chain(rest.iter().copied()).map(line).collect()
}

fn ms(span: SimDuration) -> String {
    format!("{:.2} ms", span.as_secs_f64() * 1e3)
}
