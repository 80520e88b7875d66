//! Whether the measured phase begins with a transient that moves the result.

use models::trace::metrics::WORK_TOTAL;
use models::trace::series::SeriesValues;
use sim_core::{Replications, SimDuration};

use crate::run::results::{Note, NoteKind, PolicyResult};
use crate::run::truncation::Truncation;
use crate::scenario::resolve::Scenario;

/// A change that nobody would call one, however sure it is.
const SLIGHT: f64 = 0.005;
/// The same of faults where another measure is asked for, which they only bear upon.
const SLIGHT_OF_FAULTS: f64 = 0.05;
/// Standard errors of the rest beyond which a change is none of noise.
const CLEAR: f64 = 3.0;

/// The metric of the faults that windows count.
const FAULTS: &str = "major_faults";

/// A note for each policy whose measure would be another one without the beginning of the measured
/// phase: by more than half of its 95 % interval, and by more than the run's own noise. Asked of the first
/// replication, which is followed over time. Where windows do not count the measure, it is asked of the major
/// faults.
pub(super) fn notes(scenario: &Scenario, results: &[PolicyResult]) -> Vec<Note> {
    results.iter().filter_map(|result| note(scenario, result)).collect()
}

fn note(scenario: &Scenario, result: &PolicyResult) -> Option<Note> {
    let beginning = result.beginning.as_ref()?;
    let (metric, found, slight): (_, Truncation, _) = match scenario.measure.as_str() {
        WORK_TOTAL => (WORK_TOTAL, beginning.work?, SLIGHT),
        FAULTS => (FAULTS, beginning.major_faults?, SLIGHT),
        _ => (FAULTS, beginning.major_faults?, SLIGHT_OF_FAULTS),
    };
    // Where nothing is left, all has been done: that is the end of the run, not its beginning.
    if found.whole <= 0.0 || found.rest <= 0.0 {
        return None;
    }
    let moved = found.rest - found.whole;
    let metric = result.metric(metric)?;
    let values: Replications = metric.values.iter().copied().collect();
    let half = values.confidence_interval_95().map_or(0.0, |(low, high)| (high - low) / 2.0);
    let share = moved / found.whole;
    let interval = if metric.mean == 0.0 { 0.0 } else { half / metric.mean.abs() };
    if share.abs() <= interval.max(slight) || moved.abs() <= CLEAR * found.std_error {
        return None;
    }
    let phase = SeriesValues { span_ps: scenario.duration.as_ps(), windows: Vec::new() };
    let until = SimDuration::from_ps(phase.begin_ps(found.observations as usize));
    let direction = if moved > 0.0 { "higher" } else { "lower" };
    let text = format!(
        "the first {:.3} s of the measured time are unlike the rest (MSER-5): without them `{}` is \
         {:.1} % {direction}; give `warmup` as much, or mean it so",
        until.as_secs_f64(),
        metric.name,
        share.abs() * 100.0
    );
    Some(Note { kind: NoteKind::Transient, policy: Some(result.policy.clone()), text })
}

#[cfg(test)]
mod tests {
    use models::trace::digest::DigestValue;
    use models::trace::series::{WINDOWS, Window};
    use sim_core::Histogram;

    use super::*;
    use crate::run::results::MetricSummary;
    use crate::run::truncation::Beginning;

    /// A result whose windows have so much work, and whose runs this mean and standard error.
    fn result(work: impl Fn(u64) -> u64, spread: f64) -> PolicyResult {
        let window = |n| Window { work: work(n), ..Window::default() };
        let windows: Vec<Window> = (0..u64::from(WINDOWS)).map(window).collect();
        let total: u64 = windows.iter().map(|window| window.work).sum();
        let values = [1.0 - spread, 1.0, 1.0 + spread].map(|part| part * total as f64);
        let metric = MetricSummary {
            name: WORK_TOTAL.to_owned(),
            unit: "1".to_owned(),
            mean: total as f64,
            stderr: None,
            values: values.to_vec(),
            replications: vec![0, 1, 2],
        };
        PolicyResult {
            policy: "sync".to_owned(),
            digest: DigestValue(0),
            metrics: vec![metric],
            latency: Histogram::new(),
            request_latency: Vec::new(),
            beginning: Beginning::of(&SeriesValues { span_ps: 12_000_000_000_000, windows }),
            series: None,
            asleep: 0,
            stuck: 0,
            waits: Vec::new(),
            per_task: Vec::new(),
            findings: Vec::new(),
        }
    }

    fn told(result: &PolicyResult) -> Vec<String> {
        let mut scenario = Scenario::load("smoke").expect("it is built in");
        scenario.duration = SimDuration::from_secs(12);
        notes(&scenario, std::slice::from_ref(result)).into_iter().map(|note| note.text).collect()
    }

    /// Up and down by a few, without a trend.
    fn level(n: u64) -> u64 {
        10_000 + n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 41
    }

    #[test]
    fn a_beginning_that_moves_the_mean_is_noted_with_its_length() {
        let fast = |n| level(n) + if n < 20 { 5_000 } else { 0 };
        let found = told(&result(fast, 0.001));
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("the first 2.000 s of the measured time"), "{found:?}");
        assert!(found[0].contains("is 7.7 % lower"), "{found:?}");
        let slow = |n| level(n) - if n < 20 { 5_000 } else { 0 };
        assert!(told(&result(slow, 0.001))[0].contains("is 9.1 % higher"));
    }

    #[test]
    fn what_moves_nothing_or_less_than_the_interval_is_not_noted() {
        assert_eq!(told(&result(level, 0.001)), Vec::<String>::new());
        let fast = |n| level(n) + if n < 20 { 5_000 } else { 0 };
        assert_eq!(told(&result(fast, 0.1)), Vec::<String>::new(), "runs differ by more");
        let slightly = |n| level(n) + if n < 20 { 200 } else { 0 };
        assert_eq!(told(&result(slightly, 0.001)), Vec::<String>::new(), "0.3 %");
    }

    /// The result of work and as many faults, under a measure that windows do not count.
    fn told_of_faults(faults: impl Fn(u64) -> u64) -> Vec<Note> {
        let mut scenario = Scenario::load("smoke").expect("it is built in");
        scenario.measure = "fault_latency_p99".to_owned();
        let mut result = result(faults, 0.001);
        result.metrics[0].name = FAULTS.to_owned();
        let beginning = result.beginning.take().unwrap_or_default();
        result.beginning = Some(Beginning { work: None, major_faults: beginning.work });
        notes(&scenario, &[result])
    }

    #[test]
    fn a_measure_that_is_not_followed_is_judged_by_the_faults() {
        let found = told_of_faults(|n| level(n) + if n < 20 { 5_000 } else { 0 });
        assert!(found[0].text.contains("`major_faults` is 7.7 % lower"), "{found:?}");
        assert!(told_of_faults(|n| level(n) + if n < 20 { 2_000 } else { 0 }).is_empty(), "3 %");
        // A program that is through has no faults any more.
        assert!(told_of_faults(|n| if n < 20 { level(n) } else { 0 }).is_empty());
    }
}
