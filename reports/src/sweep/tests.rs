//! Golden texts of small sweeps, and a plot without text that covers other text.

use scenarios::experiments::sweep::{Axis, AxisKind, Laws, PointResult};
use scenarios::{
    Comparison, FindingSummary, FindingVerdict, KeptScenario, MetricSummary, Ratio, SweepResult,
};
use sim_core::SimDuration;

use super::*;
use crate::fixture;
use crate::{formats, write_all};

/// A comparison whose ratios and latencies rise with `step`.
fn point(step: u32) -> Comparison {
    let mut comparison = fixture::natapov();
    let factor = f64::from(step) + 1.0;
    for (place, policy) in comparison.policies.iter_mut().enumerate() {
        let p50 = policy.metrics.iter_mut().find(|metric| metric.name == "fault_latency_p50");
        p50.unwrap().mean = 4e-6 * factor * (1.0 + place as f64 / 3.0);
        policy.metrics.push(MetricSummary {
            name: "lost_time_per_fault".to_owned(),
            unit: "s".to_owned(),
            // The policies cross the baseline at different points.
            mean: if place == 0 { 5e-6 * factor } else { 12e-6 * place as f64 },
            stderr: Some(1e-8),
            values: Vec::new(),
            replications: vec![0],
        });
    }
    for ratio in &mut comparison.ratios {
        ratio.mean = 1.0 + f64::from(step) / 5.0;
        ratio.ci95 = Some((ratio.mean - 0.05, ratio.mean + 0.05));
    }
    comparison
}

fn sweep(axes: Vec<Axis>, labels: &[&str]) -> SweepResult {
    let points = (0..).zip(labels).map(|(number, label)| PointResult {
        number,
        label: (*label).to_owned(),
        values: axes.iter().map(|_| number as usize).collect(),
        changes: vec![("guest.hz".to_owned(), number.to_string())],
        comparison: point(number),
    });
    SweepResult {
        sweep: "small".to_owned(),
        title: "What comes out?".to_owned(),
        version: "0.1.0".to_owned(),
        hash: "00112233445566778899aabbccddeeff".to_owned(),
        digest: "3f5a91c277d04e18b6aa02f49c1de853".parse().unwrap(),
        points: points.collect(),
        scenario: KeptScenario::plain("{}".into()),
        axes,
        metrics: Vec::new(),
        laws: None,
    }
}

fn latencies() -> SweepResult {
    let values = ["2us", "20us", "200us", "2ms"];
    let axis = Axis {
        name: "latency".to_owned(),
        fields: vec!["host.swap.device.read_latency".to_owned()],
        values: values.map(str::to_owned).to_vec(),
        kind: AxisKind::Time(vec![2e-6, 2e-5, 2e-4, 2e-3]),
        unit: Some("s"),
    };
    let laws = Some(Laws { compute: SimDuration::from_us(200) });
    SweepResult { laws, ..sweep(vec![axis], &values.map(|value| value)) }
}

fn numbers() -> SweepResult {
    let axis = Axis {
        name: "memory_limit".to_owned(),
        fields: vec!["host.memory_limit".to_owned()],
        values: ["24MiB", "25MiB", "512MiB"].map(str::to_owned).to_vec(),
        kind: AxisKind::Number([24.0, 25.0, 512.0].map(|mib: f64| mib * 1_048_576.0).to_vec()),
        unit: Some("bytes"),
    };
    sweep(vec![axis], &["24MiB", "25MiB", "512MiB"])
}

/// A grid of two axes; the measure is better where it is less when `less`.
fn grid(rows: usize, columns: usize, less: bool) -> SweepResult {
    let axis = |name: &str, count: usize| Axis {
        name: name.to_owned(),
        fields: vec![format!("host.{name}")],
        values: (0..count).map(|value| format!("{value}00MiB")).collect(),
        kind: AxisKind::Other,
        unit: None,
    };
    let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| vec![row, column]));
    let labels = vec!["cell"; rows * columns];
    let axes = vec![axis("memory_limit", rows), axis("workers", columns)];
    let mut grid = sweep(axes, &labels);
    for (point, values) in grid.points.iter_mut().zip(cells) {
        point.values = values;
        if less {
            point.comparison.measure = "fault_latency_p50".to_owned();
            for ratio in &mut point.comparison.ratios {
                ratio.metric.clone_from(&point.comparison.measure);
            }
        }
    }
    grid
}

/// Policies with names that nobody should choose, and one that is missing at a point.
fn crowd() -> SweepResult {
    let mut sweep = latencies();
    for point in &mut sweep.points {
        let lost = point.comparison.policies[0].metrics.pop().unwrap();
        point.comparison = fixture::crowd();
        for (place, policy) in point.comparison.policies.iter_mut().enumerate() {
            let mean = if place == 0 { lost.mean } else { 12e-6 + place as f64 * 1e-7 };
            policy.metrics.push(MetricSummary { mean, ..lost.clone() });
        }
    }
    sweep.points[1].comparison.policies.truncate(5);
    sweep
}

fn csv(sweep: &SweepResult) -> String {
    formats::find("csv").unwrap().print(sweep).unwrap()
}

#[test]
fn a_line_a_point() {
    insta::assert_snapshot!(latencies().page().plain());
}

#[test]
fn variations_and_violations() {
    let mut sweep = sweep(Vec::new(), &["none", "a change with a rather long name"]);
    let finding = FindingSummary {
        invariant: "INV-05".to_owned(),
        verdict: FindingVerdict::Violation,
        count: 1,
        replication: 0,
        seed: 7,
        message: "vCPU 1 has 65 outstanding faults; the cap is 64".to_owned(),
        story: Vec::new(),
    };
    sweep.points[1].comparison.policies[2].findings.push(finding);
    sweep.points[1].comparison.ratios[0].ci95 = None;
    sweep.points[1].comparison.ratios[1].mean = 484.0;
    insta::assert_snapshot!(sweep.page().plain());
}

/// Long values are cut, and many metrics go below each other.
#[test]
fn long_values_and_many_metrics_stay_within_a_hundred_columns() {
    let mut sweep = latencies();
    let long =
        "{\"kind\": \"channels\", \"channels\": 4, \"read\": \"100us\", \"write\": \"20us\"}";
    let mut other = sweep.axes[0].clone();
    other.name = "the device".to_owned();
    other.values = (0..4).map(|at| format!("{at} {long}{long}")).collect();
    sweep.axes.push(other);
    for point in &mut sweep.points {
        point.values.push(point.values[0]);
    }
    sweep.metrics = (0..12).map(|at| format!("a_metric_with_a_name_{at}")).collect();
    let text = sweep.page().plain();
    let (body, _) = text.trim_end().rsplit_once('\n').unwrap();
    assert!(body.lines().all(|line| line.chars().count() <= 100), "{body}");
    for at in 0..12 {
        assert!(body.contains(&format!("a_metric_with_a_name_{at}")), "{body}");
    }
    assert!(body.contains("…") && body.contains("0 {\"kind\""), "{body}");
    // What a program reads has all of it.
    assert!(csv(&sweep).contains("channels"));
}

#[test]
fn figures_of_points_that_differ_are_given_as_a_range() {
    let mut sweep = latencies();
    sweep.points[1].comparison.vcpus = 9;
    sweep.points[2].comparison.duration = SimDuration::from_secs(77);
    let text = sweep.page().plain();
    assert!(text.contains(" to 77s simulated"), "{text}");
    let origin = plot::swept(&sweep);
    assert!(origin.contains(" to 9 vCPUs") && origin.contains(" to 77s simulated"), "{origin}");
}

#[test]
fn tables_are_at_most_a_hundred_columns_wide() {
    let text = latencies().page().plain();
    let (body, _) = text.trim_end().rsplit_once('\n').unwrap();
    assert!(body.lines().all(|line| line.chars().count() <= 100), "{body}");
    // Names longer than the page go below each other.
    assert!(
        crowd().page().plain().lines().filter(|line| line.starts_with("point  latency ")).count()
            > 1
    );
}

#[test]
fn a_row_a_point_and_policy() {
    let text = csv(&latencies());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 1 + 4 * 3);
    assert!(lines[0].starts_with("point,latency,policy,work_total_mean,work_total_stderr,"));
    assert!(lines[0].ends_with("_stderr,work_ratio,work_ratio_low,work_ratio_high"));
    assert!(lines[1].starts_with("0,2us,sync,121934220118,1204512330,"), "{}", lines[1]);
    assert!(lines[1].ends_with(",,,"), "{}", lines[1]);
    assert!(lines[6].ends_with(",1.2,1.15,1.25"), "{}", lines[6]);
    let columns = |line: &str| line.split(',').count();
    assert!(lines.iter().all(|line| columns(line) == columns(lines[0])));
    assert!(csv(&sweep(Vec::new(), &["a, b"])).contains("\n0,\"a, b\",sync,"));
}

#[test]
fn an_object_a_point() {
    let text = latencies().object();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[3]["point"], 3);
    assert_eq!(lines[3]["label"], "2ms");
    assert_eq!(lines[3]["axes"]["latency"], "2ms");
    assert_eq!(lines[3]["set"]["guest.hz"], "3");
    assert_eq!(lines[3]["comparison"]["policies"][0]["policy"], "sync");
}

#[test]
fn plots_exist_for_one_axis_of_numbers_and_for_two_of_any_kind() {
    let names = |sweep: &SweepResult| {
        let folder = tempfile::tempdir().unwrap();
        let files = write_all(folder.path(), sweep).unwrap();
        let names = files.iter().map(|path| path.file_name().unwrap().to_string_lossy());
        // What every build writes.
        let names = names.filter(|name| !name.ends_with(".pdf") && !name.ends_with(".parquet"));
        names.map(std::borrow::Cow::into_owned).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&latencies()), "table.txt sweep.jsonl sweep.csv runs.csv gain.svg gain.png");
    assert_eq!(names(&numbers()), "table.txt sweep.jsonl sweep.csv runs.csv gain.svg gain.png");
    let heat = "table.txt sweep.jsonl sweep.csv runs.csv gain-heat.svg gain-heat.png";
    assert_eq!(names(&grid(2, 3, false)), heat);
    assert_eq!(names(&sweep(Vec::new(), &["none"])), "table.txt sweep.jsonl sweep.csv runs.csv");
}

#[test]
fn plots_are_the_same_every_time_and_have_no_absurd_numbers() {
    for mut sweep in [latencies(), numbers(), crowd()] {
        sweep.points[0].comparison.ratios.push(Ratio {
            policy: "halt".to_owned(),
            baseline: "sync".to_owned(),
            metric: "work_total".to_owned(),
            mean: f64::NAN,
            ci95: Some((f64::NEG_INFINITY, f64::INFINITY)),
        });
        let svg = sweep.figures()[0].svg().unwrap();
        assert_eq!(svg, sweep.figures()[0].svg().unwrap());
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}

#[test]
fn texts_of_plots_stay_on_the_page_and_apart() {
    for sweep in [latencies(), numbers(), crowd()] {
        sweep.figures()[0].check_texts("sweep");
    }
    for (rows, columns) in [(1, 1), (4, 4), (2, 12), (30, 60)] {
        grid(rows, columns, false).figures()[0].check_texts("grid");
    }
}

#[test]
fn a_cell_is_blue_where_the_policy_is_better() {
    // The last cell is the farthest from one: 1.6 times the baseline's.
    let last = |less: bool| {
        let svg = grid(2, 2, less).figures()[0].svg().unwrap();
        let (_, rect) = svg.rsplit_once("<rect").unwrap();
        let (_, fill) = rect.split_once("fill=\"").unwrap();
        fill.split_once('"').unwrap().0.to_owned()
    };
    assert_eq!((last(false).as_str(), last(true).as_str()), ("#4095C5", "#ECB740"));
}
