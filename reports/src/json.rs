//! Results for programs: one JSON object, and tables of values.

mod anatomy;
mod series;

use scenarios::{Comparison, FindingSummary, FindingVerdict, MetricSummary, PolicyResult, Ratio};
use serde::ser::{Serialize, SerializeMap, Serializer};

pub(crate) use self::anatomy::anatomy;
pub(crate) use self::series::series;
use crate::page::Grid;

/// The comparison as one JSON object on one line.
///
/// A number that does not exist is `null`: the standard error and the interval of a single
/// replication, and any value that is not finite.
pub(crate) fn object(comparison: &Comparison) -> String {
    written(serde_json::to_string(&Document::of(comparison)))
}

/// The same object, laid out for people; the content of `summary.json`.
pub(crate) fn pretty(comparison: &Comparison) -> String {
    written(serde_json::to_string_pretty(&Document::of(comparison)))
}

pub(crate) fn written(text: Result<String, serde_json::Error>) -> String {
    match text {
        Ok(text) => text + "\n",
        Err(error) => unreachable!("plain data is always JSON: {error}"),
    }
}

/// All values of all replications, a row each: the content of `metrics.csv`. Replications count from 0; one
/// that does not define a metric has no row of it.
pub(crate) fn metrics(comparison: &Comparison) -> Grid {
    let mut grid = Grid::named(["policy", "replication", "metric", "unit", "value"]);
    for policy in &comparison.policies {
        for metric in &policy.metrics {
            for (replication, value) in metric.replications.iter().zip(&metric.values) {
                let value = finite(*value).map(|value| value.to_string()).unwrap_or_default();
                let replication = replication.to_string();
                let (policy, name) = (policy.policy.clone(), metric.name.clone());
                grid.row(vec![policy, replication, name, metric.unit.clone(), value]);
            }
        }
    }
    grid
}

pub(crate) fn finite(value: f64) -> Option<f64> {
    Some(value).filter(|value| value.is_finite())
}

#[derive(serde::Serialize)]
pub(crate) struct Document<'a> {
    scenario: &'a str,
    title: &'a str,
    version: &'a str,
    scenario_hash: &'a str,
    seed: u64,
    replications: u32,
    duration_s: f64,
    vcpus: u16,
    digest: String,
    baseline: &'a str,
    measure: &'a str,
    policies: Vec<Policy<'a>>,
    ratios: Vec<JsonRatio<'a>>,
    published: Vec<JsonPublished<'a>>,
    notes: Vec<serde_json::Value>,
}

#[derive(serde::Serialize)]
struct Policy<'a> {
    policy: &'a str,
    digest: String,
    metrics: Metrics<'a>,
    per_task: Vec<Task<'a>>,
    findings: Vec<Finding<'a>>,
}

struct Metrics<'a>(&'a [MetricSummary]);

#[derive(serde::Serialize)]
struct Metric<'a> {
    mean: Option<f64>,
    stderr: Option<f64>,
    /// Of so many replications: of those that define it.
    n: usize,
    unit: &'a str,
}

#[derive(serde::Serialize)]
struct JsonRatio<'a> {
    policy: &'a str,
    baseline: &'a str,
    metric: &'a str,
    mean: Option<f64>,
    ci95: Option<[f64; 2]>,
}

#[derive(serde::Serialize)]
struct JsonPublished<'a> {
    policy: &'a str,
    metric: &'a str,
    mean: Option<f64>,
    stderr: Option<f64>,
    source: &'a str,
}

#[derive(serde::Serialize)]
struct Task<'a> {
    name: &'a str,
    role: &'a str,
    user_time_s: Option<f64>,
    work: Option<f64>,
    major_faults: Option<f64>,
}

#[derive(serde::Serialize)]
struct Finding<'a> {
    invariant: &'a str,
    verdict: &'static str,
    count: u64,
    replication: u32,
    seed: u64,
    message: &'a str,
    story: &'a [String],
}

/// Metrics keep their order, which a map of the standard library would not.
impl Serialize for Metrics<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for metric in self.0 {
            let (mean, stderr) = (finite(metric.mean), metric.stderr.and_then(finite));
            let n = metric.values.len();
            map.serialize_entry(&metric.name, &Metric { mean, stderr, n, unit: &metric.unit })?;
        }
        map.end()
    }
}

impl<'a> Document<'a> {
    pub(crate) fn of(comparison: &'a Comparison) -> Self {
        let published = comparison.published.iter().map(|published| JsonPublished {
            policy: &published.policy,
            metric: &published.metric,
            mean: finite(published.mean),
            stderr: published.stderr.and_then(finite),
            source: &published.source,
        });
        Self {
            scenario: &comparison.scenario,
            title: &comparison.title,
            version: &comparison.version,
            scenario_hash: &comparison.scenario_hash,
            seed: comparison.seed,
            replications: comparison.replications,
            duration_s: comparison.duration.as_secs_f64(),
            vcpus: comparison.vcpus,
            digest: comparison.digest.to_string(),
            baseline: &comparison.baseline,
            measure: &comparison.measure,
            policies: comparison.policies.iter().map(Policy::of).collect(),
            ratios: comparison.ratios.iter().map(JsonRatio::of).collect(),
            published: published.collect(),
            notes: comparison.notes.iter().map(crate::notes::value).collect(),
        }
    }
}

impl<'a> Policy<'a> {
    fn of(policy: &'a PolicyResult) -> Self {
        let tasks = policy.per_task.iter().map(|task| Task {
            name: &task.name,
            role: &task.role,
            user_time_s: finite(task.user_time),
            work: finite(task.work),
            major_faults: finite(task.major_faults),
        });
        Self {
            policy: &policy.policy,
            digest: policy.digest.to_string(),
            metrics: Metrics(&policy.metrics),
            per_task: tasks.collect(),
            findings: policy.findings.iter().map(Finding::of).collect(),
        }
    }
}

impl<'a> JsonRatio<'a> {
    fn of(ratio: &'a Ratio) -> Self {
        let finite_pair = |(low, high)| Some([finite(low)?, finite(high)?]);
        Self {
            policy: &ratio.policy,
            baseline: &ratio.baseline,
            metric: &ratio.metric,
            mean: finite(ratio.mean),
            ci95: ratio.ci95.and_then(finite_pair),
        }
    }
}

impl<'a> Finding<'a> {
    fn of(finding: &'a FindingSummary) -> Self {
        Self {
            invariant: &finding.invariant,
            verdict: match finding.verdict {
                FindingVerdict::Violation => "violation",
                FindingVerdict::KnownViolation => "known_violation",
                FindingVerdict::Weakness => "weakness",
                FindingVerdict::Undecided => "undecided",
            },
            count: finding.count,
            replication: finding.replication,
            seed: finding.seed,
            message: &finding.message,
            story: &finding.story,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Compared, fixture, formats};
    use serde_json::Value;

    fn csv(comparison: &Comparison) -> String {
        let report = Compared::brief(comparison);
        formats::find("csv").unwrap().print(&report).unwrap()
    }

    fn parsed(comparison: &Comparison) -> Value {
        serde_json::from_str(&object(comparison)).unwrap()
    }

    #[test]
    fn object_has_the_documented_shape() {
        let value = parsed(&fixture::natapov());
        assert_eq!(value["scenario"], "natapov-2010");
        assert_eq!(value["version"], "0.1.0");
        assert_eq!(value["digest"], "3f5a91c277d04e18b6aa02f49c1de853");
        assert_eq!(value["policies"].as_array().unwrap().len(), 3);
        let work = &value["policies"][0]["metrics"]["work_total"];
        assert_eq!(work["mean"], 121_934_220_118.0);
        assert_eq!(work["stderr"], 1_204_512_330.0);
        assert_eq!(work["unit"], "units");
        let ratio = &value["ratios"][0];
        assert_eq!(ratio["policy"], "halt");
        assert_eq!(ratio["baseline"], "sync");
        assert_eq!(ratio["metric"], "work_total");
        assert_eq!(ratio["ci95"].as_array().unwrap().len(), 2);
        assert_eq!(value["published"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn metrics_keep_their_order() {
        let text = object(&fixture::natapov());
        let place = |name: &str| text.find(&format!("\"{name}\"")).unwrap();
        assert!(place("work_total") < place("major_faults"));
        assert!(place("major_faults") < place("async_faults"));
    }

    #[test]
    fn one_replication_has_nulls() {
        let value = parsed(&fixture::nothing());
        assert_eq!(value["policies"][0]["metrics"]["work_total"]["stderr"], Value::Null);
        assert_eq!(value["replications"], 1);
    }

    #[test]
    fn what_is_not_finite_is_null() {
        let mut comparison = fixture::natapov();
        comparison.policies[0].metrics[0].mean = f64::NAN;
        comparison.policies[0].metrics[0].values[0] = f64::INFINITY;
        comparison.ratios[0].ci95 = Some((f64::NEG_INFINITY, 1.0));
        let value = parsed(&comparison);
        assert_eq!(value["policies"][0]["metrics"]["work_total"]["mean"], Value::Null);
        assert_eq!(value["ratios"][0]["ci95"], Value::Null);
        assert!(csv(&comparison).contains("sync,0,work_total,units,\n"));
    }

    #[test]
    fn both_forms_say_the_same() {
        let comparison = fixture::broken();
        let pretty: Value = serde_json::from_str(&pretty(&comparison)).unwrap();
        assert_eq!(pretty, parsed(&comparison));
        assert_eq!(object(&comparison).lines().count(), 1);
    }

    #[test]
    fn csv_has_a_line_a_value() {
        let mut comparison = fixture::nothing();
        comparison.policies[0].policy = "a,\"b\"".to_owned();
        insta::assert_snapshot!(csv(&comparison), @r#"
        policy,replication,metric,unit,value
        "a,""b""",0,work_total,units,0
        "#);
    }
}
