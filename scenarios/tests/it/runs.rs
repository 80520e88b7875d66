//! Valid scenarios that once panicked, never ended, or came out otherwise when they were stepped.

use std::path::Path;

use models::base::record::Event;
use models::trace::anatomy::Pick;
use scenarios::experiments::judge::judge;
use scenarios::scenario::library;
use scenarios::{Comparison, RunOptions, Scenario, run_anatomy, run_comparison};

fn text(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/{name}.json"));
    std::fs::read_to_string(file).unwrap()
}

fn scenario(name: &str) -> Scenario {
    Scenario::from_str(name, &text(name)).unwrap()
}

/// As a user is told it.
fn outcome(scenario: &Scenario, skip: bool) -> Result<Comparison, String> {
    let options = RunOptions { skip, ..RunOptions::default() };
    run_comparison(scenario, &options, &|_| {}).map_err(|error| error.to_string())
}

#[track_caller]
fn same_ahead_and_stepped(scenario: &Scenario) -> Comparison {
    let (ahead, stepped) = (outcome(scenario, true).unwrap(), outcome(scenario, false).unwrap());
    assert_eq!(ahead, stepped);
    ahead
}

#[test]
fn calls_give_way_at_the_same_operation_ahead_and_stepped() {
    same_ahead_and_stepped(&scenario("call-gives-way"));
    let text =
        text("server-and-sleepers").replace("\"duration\": \"1s\"", "\"duration\": \"100ms\"");
    same_ahead_and_stepped(&Scenario::from_str("server-and-sleepers", &text).unwrap());
}

#[test]
fn a_disk_waits_for_the_copy_of_its_submitter() {
    let text = text("disk-behind-a-copying-processor").replace("\"60s\"", "\"5s\"");
    let comparison = same_ahead_and_stepped(&Scenario::from_str("disk", &text).unwrap());
    assert!(!comparison.has_violation());
}

#[test]
fn a_spin_that_takes_no_time_says_who_spins() {
    for skip in [true, false] {
        let error = outcome(&scenario("kick-on-a-free-processor"), skip).unwrap_err();
        assert!(error.contains("policy `apf-v4.13`"), "{error}");
        assert!(error.contains("vcpu0, which runs task") && error.contains("spins"), "{error}");
    }
}

#[test]
fn a_tick_that_takes_its_period_is_refused() {
    let text = text("tick-longer-than-its-period");
    let error = Scenario::from_str("f", &text).unwrap_err().to_string();
    assert!(error.starts_with("f:1:"), "{error}");
    assert!(error.contains("the host's tick takes") && error.contains("every 1us"), "{error}");
    // One that leaves next to nothing is slow, and ends.
    let text = text.replace("\"tick\":\"1us\"", "\"tick\":\"20us\"");
    assert!(outcome(&Scenario::from_str("f", &text).unwrap(), true).is_ok());
}

#[test]
fn a_law_without_bound_is_named() {
    let error = outcome(&scenario("pareto-without-a-mean"), true).unwrap_err();
    assert!(error.contains("the end of simulated time"), "{error}");
    assert!(error.contains("a read of the swap device (`host.swap.device`)"), "{error}");
}

/// A thread that compresses for hours leaves prefill without an end.
#[test]
fn work_of_a_processor_needs_a_mean() {
    let text = library::find("zram-laptop").unwrap().text;
    for (law, fine) in [
        (r#"{ "kind": "pareto", "scale": "20us", "shape_milli": 12 }"#, false),
        (r#"{ "kind": "pareto", "scale": "20us", "shape_milli": 1500 }"#, true),
        (r#"{ "kind": "log_normal", "median": "20us", "sigma_milli": 10000 }"#, false),
        (r#""2s""#, false),
    ] {
        let device = format!(r#""device": {{ "preset": "zram-lz4", "compress": {law} }}"#);
        let text = text.replace(r#""device": "zram-lz4""#, &device);
        assert!(text.contains(law), "{law}");
        match Scenario::from_str("f", &text) {
            Ok(_) => assert!(fine, "{law}"),
            Err(error) => {
                let error = error.to_string();
                assert!(!fine && error.contains("host.swap.device.compress"), "{law}: {error}");
                assert!(error.contains("has no mean or a long one"), "{error}");
            }
        }
    }
}

/// What the explorer calls legal is legal in a run.
#[test]
fn work_may_be_done_before_its_item_is_linked() {
    let comparison = same_ahead_and_stepped(&scenario("work-done-before-its-link"));
    assert!(!comparison.has_violation(), "{:?}", comparison.policy("apf-v5.8").unwrap().findings);
}

/// A handler that goes to sleep leaves a vCPU thread that has just lost its processor where its caches are: the worker
/// that has it is through in microseconds.
#[test]
fn further_processors_do_not_slow_asynchronous_faults_down() {
    let faults = |cpus: &str| {
        let text = text("processors-beside-a-handler").replace("\"cpus\": 6", cpus);
        let comparison = outcome(&Scenario::from_str("f", &text).unwrap(), true).unwrap();
        let of =
            |policy: &str| comparison.policy(policy).unwrap().metric("major_faults").unwrap().mean;
        (of("apf-v6.12"), of("sync"))
    };
    for cpus in ["\"cpus\": 3", "\"cpus\": 6"] {
        let (asynchronous, synchronous) = faults(cpus);
        assert!(asynchronous > 1.2 * synchronous, "{cpus}: {asynchronous}, {synchronous}");
    }
}

/// Under every policy a fault begins at the exit for it, before reclaim and before the read is
/// submitted, and metrics and anatomy agree on that.
#[test]
fn latency_begins_at_the_exit_under_every_policy() {
    let text = text("direct-reclaim-on-a-disk").replace("\"10s\"", "\"2s\"");
    let scenario = Scenario::from_str("f", &text).unwrap();
    let comparison = outcome(&scenario, true).unwrap();
    let report = run_anatomy(&scenario, &[Pick::Worst], &|_| {}).unwrap();
    assert_eq!(report.policies.len(), 4);
    for policy in &report.policies {
        let (name, anatomy) = (&policy.policy, &policy.picked[0].anatomy);
        let exit = anatomy.steps[0];
        assert!(matches!(exit.event, Event::KvmExit { .. }), "{name}: {exit:?}");
        assert_eq!(anatomy.fault.begin, exit.time, "{name}");
        assert!(anatomy.fault.known > anatomy.fault.begin, "{name}");
        let metrics = comparison.policy(name).unwrap();
        let worst = metrics.metric("fault_latency_max").unwrap().mean;
        let shown = anatomy.fault.latency().as_secs_f64();
        assert!((worst / shown - 1.0).abs() < 1e-9, "{name}: {worst} {shown}");
    }
}

#[test]
fn a_deleted_memory_slot_costs_the_working_set_once_more() {
    let comparison = same_ahead_and_stepped(&scenario("deleted-memory-slot"));
    let metric = |name: &str| comparison.policies[0].metric(name).unwrap().mean;
    // Ten times 2048 pages, and the tables above them.
    assert!((20_480.0..20_600.0).contains(&metric("minor_faults")), "{}", metric("minor_faults"));
    assert_eq!(metric("major_faults"), 0.0);
}

/// Built-in scenarios that ask what an application gets.
const APPLICATIONS: [&str; 22] = [
    "clone-8",
    "vmm-answered",
    "post-copy",
    "live-snapshot",
    "kv-tail",
    "database-scans",
    "compile",
    "heap-sweep",
    "rdma-cache",
    "bursty-web",
    "batch-beside-latency",
    "far-memory-latency",
    "lock-convoy",
    "barrier-steps",
    "moving-working-set",
    "pipeline",
    "vcpus-64",
    "page-cluster-zero",
    "shrinking-limit",
    "memory-high",
    "proactive-reclaim",
    "balloon-or-limit",
];

/// What they say of their answers.
#[test]
fn applications_get_the_answers_that_their_scenarios_expect() {
    for name in APPLICATIONS {
        let scenario = Scenario::load(name).unwrap();
        let comparison = run_comparison(&scenario, &RunOptions::default(), &|_| {}).unwrap();
        for line in judge(&scenario.expect, &comparison) {
            assert!(line.met, "{name}: {}: {}", line.expected, line.measured);
        }
    }
}

/// Valid programs of every operation and law that say where a program goes on or who waits for whom: ahead
/// and stepped are the same, and what is wrong is told.
#[test]
fn programs_with_choices_locks_and_arrivals_are_the_same_ahead_and_stepped() {
    let text = text("programs");
    let comparison = same_ahead_and_stepped(&Scenario::from_str("programs", &text).unwrap());
    let result = comparison.policies.last().unwrap();
    let metric = |name: &str| result.metric(name).map_or(0.0, |metric| metric.mean);
    assert!(metric("requests[server]") > 100.0 && metric("requests[user]") > 100.0);
    assert!(metric("request_part_lock") > 0.0 && metric("completion_time") > 0.0);
    for (from, to, told) in [
        (r#""name": "alone""#, r#""name": "meet""#, "`meet` is something else elsewhere"),
        (r#""times": 3, "#, "", "how often is this repeated?"),
        (
            r#""op": "once", "body": ["#,
            r#""op": "once", "body": [{ "op": "count", "per_second": 1 }, "#,
            "`count` has no end",
        ),
        (
            r#""arrivals": { "kind": "poisson", "mean": "150us" },"#,
            "",
            "there are no requests to `serve`",
        ),
        (r#""hot": "10%""#, r#""hot": "101%""#, "no part of a whole"),
        (r#""hot": "10%""#, r#""hot": "1GiB""#, "more than the region has"),
        (r#""weight": 3"#, r#""weight": 0"#, "0 is out of range"),
        (
            r#""op": "lock", "name": "table", "body": ["#,
            r#""op": "lock", "name": "table", "body": [{ "op": "lock", "name": "table", "body": [] }, "#,
            "is locked here already",
        ),
        (
            r#""kind": "zipf", "unit": "1us""#,
            r#""kind": "zipf", "unit": "0us""#,
            "0s is out of range",
        ),
    ] {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        let error = Scenario::from_str("f", &text.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(told), "{to}: {error}");
    }
}

/// What a store's handler answers is asynchronous for whom its own policy says so, whatever is compared.
#[test]
fn a_virtual_machine_keeps_its_policy_where_a_vmm_brings_its_pages() {
    let comparison = outcome(&scenario("policies-of-two-vms"), true).unwrap();
    for result in &comparison.policies {
        let faults =
            ["async_faults[a]", "async_faults[b]"].map(|name| result.metric(name).unwrap().mean);
        assert!(faults[0] > 100.0 && faults[1] == 0.0, "{}: {faults:?}", result.policy);
        // Each request is in the distribution of its group.
        let requests: f64 = result.metric("requests").unwrap().values.iter().sum();
        let groups: Vec<&str> =
            result.request_latency.iter().map(|(name, _)| name.as_str()).collect();
        let counted: u64 = result.request_latency.iter().map(|(_, times)| times.count()).sum();
        assert!(
            groups == ["a:server", "b:server"] && counted as f64 == requests,
            "{groups:?} {counted}"
        );
    }
}
