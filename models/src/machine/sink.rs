//! Where models put their records: one buffer, handed to all consumers in batches.

use sim_core::{SimDuration, SimTime};

use super::watching::Watching;
use crate::base::record::{Event, Record};
use crate::monitors::Finding;
use crate::trace::anatomy::{Excerpts, FaultLog, Faults};
use crate::trace::digest::{Digest, DigestValue};
use crate::trace::metrics::{MetricValues, Metrics};
use crate::trace::requests::{RequestLog, Requests};
use crate::trace::series::{Series, SeriesValues};

/// Records in a batch: few enough to stay in the first-level cache while the consumers take them.
const BATCH: usize = 512;

/// Records after which a tap asks to be emptied.
const TAP: usize = 8 * BATCH;

/// Records that [`TraceSink::tail`] can go back.
pub const TAIL: usize = 64;

/// The buffer that models emit into, and its consumers.
///
/// Part of a run's state: a clone is a snapshot, after which both copies go on alike.
#[derive(Clone, Debug, Default)]
pub struct TraceSink {
    buffer: Vec<Record>,
    /// The last records that were handed on.
    recent: Vec<Record>,
    digest: Option<Digest>,
    metrics: Option<Metrics>,
    monitors: Option<Watching>,
    series: Option<Series>,
    faults: Option<FaultLog>,
    requests: Option<RequestLog>,
    excerpts: Option<Excerpts>,
    kept: Option<Vec<Record>>,
    /// Records that the driver of the run has not fetched yet.
    tapped: Option<Vec<Record>>,
}

/// What the consumers of a sink have to say about a run.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceOutcome {
    /// The digest of all records.
    pub digest: Option<DigestValue>,
    /// The metrics of the measured phase.
    pub metrics: Option<MetricValues>,
    /// The conclusions about invariants.
    pub findings: Option<Vec<Finding>>,
    /// The measured phase over time.
    pub series: Option<SeriesValues>,
    /// The major faults of the measured phase.
    pub faults: Option<Faults>,
    /// The requests of the measured phase.
    pub requests: Option<Requests>,
    /// The records of chosen spans.
    pub excerpts: Option<Vec<Vec<Record>>>,
    /// All records, where they were kept.
    pub records: Option<Vec<Record>>,
}

impl TraceSink {
    /// A sink without consumers.
    pub fn new() -> Self {
        Self { buffer: Vec::with_capacity(BATCH), ..Self::default() }
    }

    /// Computes the digest of what comes.
    #[must_use]
    pub fn with_digest(mut self) -> Self {
        self.digest = Some(Digest::new());
        self
    }

    /// Computes metrics of what comes.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Holds what comes against invariants.
    #[must_use]
    pub fn with_monitors(mut self, monitors: impl Into<Watching>) -> Self {
        self.monitors = Some(monitors.into());
        self
    }

    /// Follows what comes over time.
    #[must_use]
    pub fn with_series(mut self, series: Series) -> Self {
        self.series = Some(series);
        self
    }

    /// Lists the major faults that come.
    #[must_use]
    pub fn with_faults(mut self, faults: FaultLog) -> Self {
        self.faults = Some(faults);
        self
    }

    /// Lists the requests that come.
    #[must_use]
    pub fn with_requests(mut self, requests: RequestLog) -> Self {
        self.requests = Some(requests);
        self
    }

    /// Keeps the records of chosen spans.
    #[must_use]
    pub fn with_excerpts(mut self, excerpts: Excerpts) -> Self {
        self.excerpts = Some(excerpts);
        self
    }

    /// Tells the series, if there is one, how long the measured phase will be.
    pub fn set_series_span(&mut self, span: SimDuration) {
        if let Some(series) = &mut self.series {
            series.set_span(span);
        }
    }

    /// Keeps all records that come, 48 bytes each.
    #[must_use]
    pub fn keeping_records(mut self) -> Self {
        self.kept = Some(Vec::new());
        self
    }

    /// Holds the records that come until [`Self::take_tapped`] fetches them. Those that came before
    /// are not among them.
    #[must_use]
    pub fn with_tap(mut self) -> Self {
        self.flush();
        self.tapped = Some(Vec::new());
        self
    }

    /// Holds records no longer.
    pub fn remove_tap(&mut self) {
        self.tapped = None;
    }

    /// Whether it is time to fetch the records of the tap.
    pub fn tap_is_full(&self) -> bool {
        self.tapped.as_ref().is_some_and(|tapped| tapped.len() >= TAP)
    }

    /// The records since the tap was last emptied; none without a tap.
    pub fn take_tapped(&mut self) -> Vec<Record> {
        self.flush();
        self.tapped.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Takes a record.
    #[inline]
    pub fn emit(&mut self, time: SimTime, event: Event) {
        self.buffer.push(Record { time, event });
        if self.buffer.len() >= BATCH {
            self.hand_over();
        }
    }

    /// Hands the buffered records to the consumers. To be called before anything is asked of
    /// them; nothing that they say depends on when it was called before.
    pub fn flush(&mut self) {
        self.hand_over();
        if let Some(monitors) = &mut self.monitors {
            monitors.settle();
        }
    }

    #[cold]
    fn hand_over(&mut self) {
        let batch = &self.buffer[..];
        if let Some(digest) = &mut self.digest {
            digest.observe(batch);
        }
        if let Some(metrics) = &mut self.metrics {
            metrics.observe(batch);
        }
        if let Some(monitors) = &mut self.monitors {
            monitors.observe(batch);
        }
        if let Some(series) = &mut self.series {
            series.observe(batch);
        }
        if let Some(faults) = &mut self.faults {
            faults.observe(batch);
        }
        if let Some(requests) = &mut self.requests {
            requests.observe(batch);
        }
        if let Some(excerpts) = &mut self.excerpts {
            excerpts.observe(batch);
        }
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(batch);
        }
        if let Some(tapped) = &mut self.tapped {
            tapped.extend_from_slice(batch);
        }
        let fresh = batch.len().min(TAIL);
        let surplus = (self.recent.len() + fresh).saturating_sub(TAIL);
        self.recent.drain(..surplus);
        self.recent.extend_from_slice(&batch[batch.len() - fresh..]);
        self.buffer.clear();
    }

    /// The last records emitted, at most [`TAIL`], in order.
    pub fn tail(&self) -> Vec<Record> {
        let fresh = self.buffer.len().min(TAIL);
        let older = self.recent.len().min(TAIL - fresh);
        let older = &self.recent[self.recent.len() - older..];
        [older, &self.buffer[self.buffer.len() - fresh..]].concat()
    }

    /// The digest of all records emitted, if one is computed.
    pub fn digest(&mut self) -> Option<DigestValue> {
        self.flush();
        self.digest.as_ref().map(Digest::value)
    }

    /// The metrics as if the run ended at `end`, if they are computed.
    pub fn metrics(&mut self, end: SimTime) -> Option<MetricValues> {
        self.flush();
        self.metrics.as_ref().map(|metrics| metrics.finish(end))
    }

    /// The findings as if the run ended at `end`, if there are monitors.
    pub fn findings(&mut self, end: SimTime) -> Option<Vec<Finding>> {
        self.flush();
        self.monitors.as_ref().map(|monitors| monitors.finish(end))
    }

    /// The monitors, if there are any, with all records so far.
    pub fn monitors(&mut self) -> Option<&Watching> {
        self.flush();
        self.monitors.as_ref()
    }

    /// Has the monitors, if there are any, go on after the end of the run that they have heard of.
    pub fn resume_monitors(&mut self) {
        self.flush();
        if let Some(monitors) = &mut self.monitors {
            monitors.resume();
        }
    }

    /// Gives the monitors away, if there are any, with all records so far.
    pub fn take_monitors(&mut self) -> Option<Watching> {
        self.flush();
        self.monitors.take()
    }

    /// The records kept, if they are.
    pub fn records(&mut self) -> Option<&[Record]> {
        self.flush();
        self.kept.as_deref()
    }

    /// Ends the run at `end`.
    pub fn finish(mut self, end: SimTime) -> TraceOutcome {
        TraceOutcome {
            digest: self.digest(),
            metrics: self.metrics(end),
            findings: self.findings(end),
            series: self.series.as_ref().map(|series| series.finish(end)),
            faults: self.faults.as_ref().map(FaultLog::finish),
            requests: self.requests.as_ref().map(RequestLog::finish),
            excerpts: self.excerpts.map(Excerpts::finish),
            records: self.kept,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::VcpuId;

    fn emit(sink: &mut TraceSink, range: std::ops::Range<u64>) {
        for ps in range {
            sink.emit(SimTime::from_ps(ps), Event::KvmEntry { vcpu: VcpuId(0) });
        }
    }

    fn times(records: &[Record]) -> Vec<u64> {
        records.iter().map(|record| record.time.as_ps()).collect()
    }

    #[test]
    fn consumers_get_every_record_once() {
        let mut sink = TraceSink::new().with_digest().keeping_records();
        emit(&mut sink, 0..10_000);
        let outcome = sink.finish(SimTime::from_ps(10_000));
        let records = outcome.records.expect("kept");
        assert_eq!(times(&records), (0..10_000).collect::<Vec<_>>());
        let mut digest = Digest::new();
        digest.observe(&records);
        assert_eq!(outcome.digest, Some(digest.value()));
        assert_eq!((outcome.metrics, outcome.findings), (None, None));
    }

    #[test]
    fn flushing_early_changes_nothing() {
        let mut whole = TraceSink::new().with_digest();
        let mut cut = whole.clone();
        emit(&mut whole, 0..9_000);
        emit(&mut cut, 0..5);
        cut.flush();
        emit(&mut cut, 5..9_000);
        assert_eq!(whole.digest(), cut.digest());
    }

    #[test]
    fn a_clone_goes_on_alike() {
        let mut sink = TraceSink::new().with_digest();
        emit(&mut sink, 0..5_000);
        let mut copy = sink.clone();
        emit(&mut sink, 5_000..9_000);
        emit(&mut copy, 5_000..9_000);
        assert_eq!(sink.digest(), copy.digest());
    }

    #[test]
    fn the_tail_reaches_over_batches() {
        let mut sink = TraceSink::new();
        assert!(sink.tail().is_empty());
        emit(&mut sink, 0..10);
        assert_eq!(times(&sink.tail()), (0..10).collect::<Vec<_>>());
        sink.flush();
        assert_eq!(times(&sink.tail()), (0..10).collect::<Vec<_>>());
        emit(&mut sink, 10..4_110);
        assert_eq!(times(&sink.tail()), (4_046..4_110).collect::<Vec<_>>());
        emit(&mut sink, 4_110..4_200);
        assert_eq!(times(&sink.tail()), (4_136..4_200).collect::<Vec<_>>());
    }
}
