//! All monitors as those see them who feed them: records go in, findings come out.

use sim_core::{SimDuration, SimTime};

use super::catalogue::InvariantId;
use super::config::MonitorConfig;
use super::dispatch::Monitors;
use super::finding::{Context, Finding, RECENT, Verdict};
use super::observed::Observed;
use crate::base::record::{Event, Phase, Record};

/// All monitors, fed with one pass over the records.
#[derive(Clone, Debug)]
pub struct MonitorSet {
    monitors: Monitors,
    recent: Vec<Record>,
    ended: bool,
    /// Something is promised that must happen in the end.
    expects: bool,
}

impl MonitorSet {
    /// Monitors at the start of a run.
    pub fn new(config: &MonitorConfig) -> Self {
        Self { monitors: Monitors::new(config), recent: Vec::new(), ended: false, expects: true }
    }

    /// Reads the next records of the trace. What comes after the end of the run, when the VM is
    /// taken down, is not judged.
    pub fn observe(&mut self, records: &[Record]) {
        for (place, record) in records.iter().enumerate() {
            if self.ended {
                return;
            }
            self.ended = matches!(record.event, Event::PhaseBegin { phase: Phase::End });
            let (recent, batch) = (&self.recent[..], records);
            self.monitors.step(Observed { recent, batch, place, record });
        }
        let kept = records.len().min(RECENT);
        let surplus = (self.recent.len() + kept).saturating_sub(RECENT);
        self.recent.drain(..surplus);
        self.recent.extend_from_slice(&records[records.len() - kept..]);
    }

    /// The conclusions about every invariant that the family promises and a monitor holds, by
    /// rising number, for a trace that ends at `end`. Says what would be found if the trace ended
    /// here; observing may go on.
    pub fn finish(&self, end: SimTime) -> Vec<Finding> {
        self.monitors.findings(self.at(end))
    }

    /// Whether anything that must happen in the end has been waiting for longer than `than` at `now`,
    /// and is not found broken already.
    pub fn anything_waits(&self, now: SimTime, than: SimDuration) -> bool {
        if !self.expects {
            return false;
        }
        let strict = self.monitors.bounded(than);
        // Of several that are owed the same, one may be found broken already while another waits.
        broken(&strict.findings(self.at(now))) != broken(&self.finish(now))
            || strict.sleep_for_good(now) != self.sleep_for_good(now)
    }

    /// How many tasks sleep at `now` though what they wait for has been in memory for longer than the bound of
    /// liveness: they will not run again.
    pub fn sleep_for_good(&self, now: SimTime) -> usize {
        self.monitors.sleep_for_good(now)
    }

    /// Nothing is promised any more that must happen in the end.
    pub fn expect_nothing(&mut self) {
        self.monitors = self.monitors.bounded(SimDuration::MAX);
        self.expects = false;
    }

    /// Goes on observing after the end of the run.
    pub fn resume(&mut self) {
        self.ended = false;
    }

    fn at(&self, now: SimTime) -> Context<'_> {
        Context { now, recent: &self.recent, batch: &[] }
    }
}

/// Which invariants are broken, and how often: those that are reported as broken, known or not.
fn broken(findings: &[Finding]) -> Vec<(InvariantId, u64)> {
    let fails =
        |one: &&Finding| matches!(one.verdict, Verdict::Violation | Verdict::KnownViolation);
    findings.iter().filter(fails).map(|one| (one.id, one.count)).collect()
}
