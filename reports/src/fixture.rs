//! Comparisons for tests: likely ones, and ones at the edge.

use models::trace::series::{Level, SeriesValues, WINDOWS, Window};
use scenarios::{
    Comparison, FindingSummary, FindingVerdict, MetricSummary, PolicyResult, Published, Ratio,
    TaskSummary,
};
use sim_core::{Histogram, SimDuration};

const DIGEST: &str = "3f5a91c277d04e18b6aa02f49c1de853";

/// Work of three policies with their standard errors and ratios, as in the letter of 2010.
const WORK: [(&str, f64, f64, f64); 3] = [
    ("sync", 121_934_220_118.0, 1_204_512_330.0, 1.0),
    ("halt", 139_871_003_554.0, 951_120_004.0, 1.147),
    ("apf-v7-2010", 229_310_444_870.0, 3_120_998_001.0, 1.881),
];
const PUBLISHED: [(&str, f64, f64); 3] = [
    ("sync", 122_789_420_615.0, 3_818_565_029.0),
    ("halt", 138_455_939_001.0, 773_774_299.0),
    ("apf-v7-2010", 234_351_846_135.0, 10_461_117_116.0),
];

/// The 2010 benchmark with ten replications and published values.
pub(crate) fn natapov() -> Comparison {
    let policies = WORK
        .iter()
        .enumerate()
        .map(|(index, (name, mean, stderr, _))| {
            let mut policy = policy(name, *mean, Some(*stderr));
            policy.latency = disk_latency(index as u64);
            policy.metrics.extend(details(index));
            policy.per_task = tasks();
            policy.series = Some(series(index as u64));
            policy
        })
        .collect();
    let ratios = WORK[1..]
        .iter()
        .map(|(name, _, _, mean)| ratio(name, *mean, Some((mean - 0.021, mean + 0.021))))
        .collect();
    let published = PUBLISHED
        .iter()
        .map(|(policy, mean, stderr)| Published {
            policy: (*policy).to_owned(),
            metric: "work_total".to_owned(),
            mean: *mean,
            stderr: Some(*stderr),
            source: "[PATCH v7 00/12] KVM: Add host swap event notifications for PV guest, \
                     2010-10-14"
                .to_owned(),
        })
        .collect();
    Comparison { policies, ratios, published, ..empty() }
}

/// One policy, one replication, no fault and no work.
pub(crate) fn nothing() -> Comparison {
    Comparison {
        replications: 1,
        policies: vec![policy("sync", 0.0, None)],
        title: "Nothing happens.".to_owned(),
        ..empty()
    }
}

/// Eight policies with names longer than anybody should choose, one of them never ending.
pub(crate) fn crowd() -> Comparison {
    let names = (1..=7)
        .map(|index| format!("apf-v6.{index}-with-user-faults-and-four-kernel-threads"))
        .chain(["x".repeat(200)]);
    let mut policies = Vec::new();
    let mut ratios = Vec::new();
    for (index, name) in names.enumerate() {
        let mut policy = policy(&name, 1.5e6 + 4e5 * index as f64, Some(9e4));
        for fault in 0..900 {
            policy.latency.record(500_000 + 1_000 * (fault % 7) * index as u64);
        }
        policy.request_latency = vec![("server".to_owned(), disk_latency(index as u64))];
        if index == 4 {
            policy.latency = Histogram::new();
            policy.request_latency.clear();
        }
        ratios.push(ratio(&name, 1.0 + 0.2 * index as f64, Some((0.9, 3.0))));
        policies.push(policy);
    }
    let baseline = policies[0].policy.clone();
    for ratio in &mut ratios {
        ratio.baseline.clone_from(&baseline);
    }
    ratios.remove(0);
    Comparison { policies, ratios, baseline, title: "Who needs them all? ".repeat(12), ..empty() }
}

/// A comparison without policies.
fn empty() -> Comparison {
    Comparison {
        scenario: "natapov-2010".to_owned(),
        title: "What does async PF buy when half of the guest's memory is swapped out to a disk?"
            .to_owned(),
        version: "0.1.0".to_owned(),
        scenario_hash: "9e107d9d372bb6826bd81d3542a419d6".to_owned(),
        seed: 2010,
        replications: 10,
        duration: SimDuration::from_secs(60),
        vcpus: 4,
        digest: DIGEST.parse().unwrap(),
        baseline: "sync".to_owned(),
        measure: "work_total".to_owned(),
        policies: Vec::new(),
        ratios: Vec::new(),
        published: Vec::new(),
        notes: Vec::new(),
    }
}

/// A policy with work and no faults.
fn policy(name: &str, work: f64, stderr: Option<f64>) -> PolicyResult {
    PolicyResult {
        policy: name.to_owned(),
        digest: DIGEST.parse().unwrap(),
        metrics: vec![metric("work_total", "units", work, stderr)],
        latency: Histogram::new(),
        request_latency: Vec::new(),
        beginning: None,
        series: None,
        asleep: 0,
        stuck: 0,
        waits: Vec::new(),
        per_task: Vec::new(),
        findings: Vec::new(),
    }
}

fn metric(name: &str, unit: &str, mean: f64, stderr: Option<f64>) -> MetricSummary {
    MetricSummary {
        name: name.to_owned(),
        unit: unit.to_owned(),
        mean,
        stderr,
        values: stderr.map_or(vec![mean], |stderr| {
            let spread = |step: i32| mean + stderr * f64::from(step) * 2.0;
            [-2, -1, -1, 0, 0, 0, 0, 1, 1, 2].map(spread).to_vec()
        }),
        replications: (0..if stderr.is_some() { 10 } else { 1 }).collect(),
    }
}

/// Time and faults of one of the three policies.
fn details(index: usize) -> Vec<MetricSummary> {
    let table: [(&str, &str, [f64; 3]); 16] = [
        ("major_faults", "1", [10_214.0, 11_320.0, 19_766.4]),
        ("async_faults", "1", [0.0, 11_001.0, 19_701.2]),
        ("repeated_faults", "1", [0.0, 219.0, 12.0]),
        ("sync_faults", "1", [10_214.0, 100.0, 53.2]),
        ("not_present_injected", "1", [0.0, 0.0, 19_650.0]),
        ("page_ready_delivered", "1", [0.0, 0.0, 19_649.0]),
        ("fault_latency_p50", "s", [0.005_94, 0.012_8, 0.020_1]),
        ("fault_latency_p99", "s", [0.032_1, 0.079_1, 0.127]),
        ("worker_threads_peak", "1", [0.0, 4.0, 16.0]),
        ("cpu_share_workers", "1", [0.462, 0.530, 0.869]),
        ("cpu_share_faulters", "1", [0.001_2, 0.001_4, 0.002_3]),
        ("cpu_share_kernel", "1", [0.012, 0.014, 0.031]),
        ("cpu_share_stalled", "1", [0.5241, 0.001, 0.0]),
        ("cpu_share_halted", "1", [0.0, 0.4531, 0.0002]),
        ("cpu_share_idle", "1", [0.0, 0.0, 0.0964]),
        ("cpu_share_steal", "1", [0.0007, 0.0005, 0.0011]),
    ];
    table
        .into_iter()
        .map(|(name, unit, means)| metric(name, unit, means[index], Some(means[index] / 100.0)))
        .collect()
}

fn tasks() -> Vec<TaskSummary> {
    let task = |task: &str, role: &str, user_time, work, major_faults| TaskSummary {
        name: task.to_owned(),
        role: role.to_owned(),
        user_time,
        work,
        major_faults,
    };
    vec![
        task("faulter-0", "faulter", 0.071, 0.0, 2_553.5),
        task("worker-0", "worker", 27.72, 30_483_555_029.5, 0.0),
    ]
}

/// The 2010 benchmark with a finding of each verdict.
pub(crate) fn broken() -> Comparison {
    let mut comparison = natapov();
    let finding = |invariant: &str, verdict, count, message: &str, story: &[&str]| FindingSummary {
        invariant: invariant.to_owned(),
        verdict,
        count,
        replication: 3,
        seed: 88_123_004_511,
        message: message.to_owned(),
        story: story.iter().map(|line| (*line).to_owned()).collect(),
    };
    comparison.policies[2].findings = vec![
        finding("INV-30", FindingVerdict::Undecided, 0, "the log lacks `apf_wait`", &[]),
        finding(
            "INV-12",
            FindingVerdict::KnownViolation,
            1_204,
            "page ready was told for token 0x1003, whose not present was never told",
            &["1.000000004 kvm_async_pf_ready: token 0x1003 gva 0x7f00"],
        ),
        finding(
            "INV-05",
            FindingVerdict::Violation,
            1,
            "vCPU 1 has 65 outstanding faults; the cap is 64",
            &[
                "0.004000001 item_link: vcpu 1 token 0x40001 gfn 0x1f00",
                "0.004000017 item_link: vcpu 1 token 0x41001 gfn 0x1f08",
            ],
        ),
    ];
    comparison.policies[1].findings =
        vec![finding("INV-40", FindingVerdict::Weakness, 17, "a halt spins", &["0.1 apf_halt"])];
    comparison
}

/// Work that rises and falls, and all vCPUs waiting at the end.
fn series(policy: u64) -> SeriesValues {
    let window = |n: u64| Window {
        work: 1_000_000_000 + 90_000_000 * ((n * 7 + policy * 11) % 13),
        major_faults: 80 + (n * 5 + policy) % 17,
        stalled_ps: if n > 100 { 2_000_000_000_000 } else { 0 },
        outstanding: Level { sum_ps: 500_000_000_000 * (policy + n % 3), max: 64 },
        ..Window::default()
    };
    let windows = (0..u64::from(WINDOWS)).map(window).collect();
    SeriesValues { span_ps: 60_000_000_000_000, windows }
}

fn ratio(policy: &str, mean: f64, ci95: Option<(f64, f64)>) -> Ratio {
    Ratio {
        policy: policy.to_owned(),
        baseline: "sync".to_owned(),
        metric: "work_total".to_owned(),
        mean,
        ci95,
    }
}

/// Latencies from 1 to 100 ms with a tail, later ones for later policies.
fn disk_latency(policy: u64) -> Histogram {
    let mut latency = Histogram::new();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 + policy;
    for _ in 0..4_000 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let uniform = (state >> 33) as f64 / f64::from(1_u32 << 31);
        let queued = 1.0 + policy as f64 * 1.4;
        latency.record((1e6 + 7e6 * queued * -(1.0 - uniform).max(1e-6).ln()) as u64);
    }
    latency
}
