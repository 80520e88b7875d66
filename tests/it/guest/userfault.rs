//! A guest whose memory a userfaultfd handler serves, measured on real KVM, against its simulation; and what a
//! restore is said to gain. The costs are lengths of paths in the detailed logs.

#![expect(
    clippy::print_stdout,
    reason = "errors beside measured rows are what a run with --nocapture is for"
)]

use scenarios::{Comparison, RunOptions, Scenario, run_comparison};
use sim_core::SimDuration;

const POLICIES: [&str; 3] = ["sync", "halt-v6.12", "apf-v6.12"];

/// A measured row: tasks of each kind, latency of the handler, window in ms, settling time in ms, work in
/// thousands a millisecond, messages a second.
struct Row {
    tasks: u32,
    latency: u64,
    window: u64,
    work: [f64; 3],
    faults: [f64; 3],
}

const ROWS: [Row; 4] = [
    Row {
        tasks: 4,
        latency: 0,
        window: 1000,
        work: [83.2, 83.0, 90.1],
        faults: [16977.0, 11625.0, 9181.0],
    },
    Row {
        tasks: 1,
        latency: 100,
        window: 1000,
        work: [82.8, 82.2, 103.4],
        faults: [3674.0, 3449.0, 5370.0],
    },
    Row {
        tasks: 4,
        latency: 100,
        window: 1000,
        work: [82.8, 82.1, 97.0],
        faults: [3670.0, 3466.0, 6652.0],
    },
    Row {
        tasks: 4,
        latency: 500,
        window: 1500,
        work: [82.4, 82.7, 120.3],
        faults: [935.0, 999.0, 4335.0],
    },
];

fn compare(scenario: &Scenario) -> Comparison {
    let options = RunOptions { jobs: 2, ..RunOptions::default() };
    let comparison = run_comparison(scenario, &options, &|_| {}).unwrap();
    assert!(!comparison.has_violation(), "{}", scenario.name);
    comparison
}

fn metric(comparison: &Comparison, policy: &str, name: &str) -> f64 {
    let metrics = &comparison.policy(policy).unwrap().metrics;
    metrics.iter().find(|metric| metric.name == name).unwrap().mean
}

/// The scenario of a row. Without latency the reader installs at once.
fn scenario(row: &Row) -> Scenario {
    let mut scenario = Scenario::load("lab-uffd-100us-4f4w").unwrap();
    let handler = scenario.machine.host.stores[0].handler.as_mut().unwrap();
    handler.latency = SimDuration::from_us(row.latency);
    handler.installers = u16::from(row.latency > 0);
    for group in &mut scenario.machine.workload.tasks {
        group.count = row.tasks;
    }
    scenario.duration = SimDuration::from_ms(row.window);
    scenario
}

#[test]
fn work_and_faults_are_those_of_the_real_guest() {
    let mut notified = Vec::new();
    for row in &ROWS {
        let comparison = compare(&scenario(row));
        for (place, policy) in POLICIES.into_iter().enumerate() {
            let windows = row.window as f64;
            let work = metric(&comparison, policy, "work_total") / 1e3 / windows;
            let faults = metric(&comparison, policy, "major_faults") * 1e3 / windows;
            let misses = [work / row.work[place] - 1.0, faults / row.faults[place] - 1.0];
            let [by_work, by_faults] = misses.map(|miss| miss * 100.0);
            let about = format!("{} us, {}/{} {policy}", row.latency, row.tasks, row.tasks);
            println!("{about}: {work:.1} {by_work:+.1} %, {faults:.0} {by_faults:+.1} %");
            let limits = if place == 2 { [0.06, 0.12] } else { [0.03, 0.08] };
            assert!(
                misses[0].abs() < limits[0] && misses[1].abs() < limits[1],
                "{about}: {misses:?}"
            );
            if place == 2 {
                notified.push(misses[0].abs());
            }
        }
    }
    notified.sort_by(f64::total_cmp);
    assert!(f64::midpoint(notified[1], notified[2]) < 0.035, "{notified:?}");
}

/// What the logs and the measurement show besides.
#[test]
fn a_handler_shows_what_it_showed_on_the_real_guest() {
    let quick = compare(&scenario(&ROWS[0]));
    let faults = POLICIES.map(|policy| metric(&quick, policy, "major_faults"));
    // Without latency a halt costs a worker and two switches, and a notification costs more.
    assert!(faults[0] > faults[1] && faults[1] > faults[2], "{faults:?}");
    let slow = compare(&scenario(&ROWS[3]));
    let faults = POLICIES.map(|policy| metric(&slow, policy, "major_faults"));
    assert!(faults[1] > faults[0] && faults[2] > 4.0 * faults[0], "{faults:?}");
    // A handler that serves one request at a time takes the gain away.
    let mut serial = scenario(&ROWS[2]);
    serial.machine.host.stores[0].handler.as_mut().unwrap().installers = 0;
    let serial = compare(&serial);
    let gained = |name: &str| metric(&serial, "apf-v6.12", name) / metric(&serial, "sync", name);
    println!("serial: faults {:.2}, work {:.2}", gained("major_faults"), gained("work_total"));
    assert!(gained("major_faults") < 1.5);
}

/// A working set comes sooner with notifications, and each of its pages once.
#[test]
fn a_restored_guest_has_its_working_set_sooner_with_notifications() {
    let restore = compare(&Scenario::load("snapshot-restore").unwrap());
    for policy in POLICIES {
        assert_eq!(metric(&restore, policy, "major_faults"), 12288.0, "{policy}");
        assert_eq!(metric(&restore, policy, "reclaim_scanned"), 0.0, "{policy}");
    }
    let [sync, halted, notified] =
        POLICIES.map(|policy| metric(&restore, policy, "completion_time"));
    println!("working set after {sync:.3} s, {halted:.3} s, {notified:.3} s");
    assert!(notified < 0.8 * sync && notified < halted, "{sync} {halted} {notified}");
}

/// Eight clones of one snapshot, each with its handler, are ready sooner with notifications, and together.
#[test]
fn eight_clones_of_a_snapshot_have_their_working_sets_sooner_with_notifications() {
    let mut scenario = Scenario::load("clone-8").unwrap();
    scenario.replications = 1;
    let clones = compare(&scenario);
    let of = |policy: &str, what: &str| -> Vec<f64> {
        (1..=8).map(|vm| metric(&clones, policy, &format!("{what}[clone-{vm}]"))).collect()
    };
    let (sync, notified) = (of("sync", "completion_time"), of("apf-v6.12", "completion_time"));
    println!("{sync:.3?} {notified:.3?}");
    for (before, after) in sync.iter().zip(&notified) {
        assert!(*after < 0.85 * before, "{sync:?} {notified:?}");
    }
    let [least, most] = [f64::min, f64::max].map(|f| notified.iter().copied().reduce(f).unwrap());
    assert!(most < 1.1 * least, "{notified:?}");
    for policy in POLICIES {
        assert_eq!(of(policy, "major_faults"), [2048.0; 8], "{policy}");
    }
}

/// Without handlers the clones map one file: each page is read once, by whoever comes first.
#[test]
fn clones_that_map_one_file_read_it_once() {
    let mut scenario = Scenario::load("clone-8").unwrap();
    scenario.replications = 1;
    for store in &mut scenario.machine.host.stores {
        store.handler = None;
    }
    let clones = compare(&scenario);
    for policy in POLICIES {
        assert_eq!(metric(&clones, policy, "swap_read_requests"), 2048.0, "{policy}");
        let faults = metric(&clones, policy, "major_faults");
        println!("{policy}: {faults} major faults");
        assert!((2048.0..2048.0 * 8.0).contains(&faults), "{policy}: {faults}");
    }
}
