//! Small runs that are degenerate in one way each.

use std::fmt::Write as _;

use super::*;
use crate::run::runner::{RunOptions, run_comparison};

/// The smoke scenario with other texts, each of which must be there.
fn smoke(edits: &[(&str, &str)]) -> Scenario {
    let text = crate::scenario::library::find("smoke").expect("built in").text;
    let text = text.split("  \"expect\"").next().unwrap_or_default();
    let text = format!("{}\n}}", text.trim_end().trim_end_matches(','));
    let edit = |text: String, (from, to): &(&str, &str)| {
        assert!(text.contains(from), "no {from}");
        text.replace(from, to)
    };
    let edits = [&[("\"duration\": \"1s\"", "\"duration\": \"40ms\"")], edits].concat();
    let text = edits.iter().fold(text, edit);
    Scenario::from_str("smoke", &text).unwrap_or_else(|error| panic!("{}", error.render()))
}

/// What is noted but for the beginning: a run that is cut this short is hardly more.
fn told(scenario: &Scenario) -> String {
    all_told(scenario).split_inclusive("; ").filter(|it| !it.starts_with("transient")).collect()
}

fn all_told(scenario: &Scenario) -> String {
    let result = run_comparison(scenario, &RunOptions::default(), &|_| {});
    let result = result.unwrap_or_else(|error| panic!("{error}"));
    let mut told = String::new();
    for Note { kind, policy, .. } in &result.notes {
        let _ = write!(told, "{} {}; ", kind.name(), policy.as_deref().unwrap_or("all"));
    }
    told
}

/// What is said of requests that did not end.
fn why_none(warmup: &str, program: &str) -> String {
    let text = format!(
        r#"{{ "format": 1, "name": "n", "title": "n",
        "host": {{ "cpu": "zen3", "cpus": 1, "memory_limit": "64MiB", "swap": {{ "device": "nvme-tlc-gen3", "size": "64MiB" }} }},
        "guest": {{ "kernel": "linux-6.12", "vcpus": 1, "memory": "64MiB" }},
        "workload": {{ "regions": [], "tasks": [{{ "name": "t", "role": "worker", "count": 1, "passes": 1,
          "requests": "passes", "program": [{program}] }}] }},
        "policies": ["sync"], "duration": "10ms", "warmup": "{warmup}" }}"#
    );
    let scenario =
        Scenario::from_str("n", &text).unwrap_or_else(|error| panic!("{}", error.render()));
    let result = run_comparison(&scenario, &RunOptions::default(), &|_| {});
    let notes = result.unwrap_or_else(|error| panic!("{error}")).notes;
    let note = notes.into_iter().find(|note| note.kind == NoteKind::NoRequests);
    note.expect("no request ended").text
}

/// To measure longer helps neither where all was done before, nor where somebody waits for ever.
#[test]
fn why_no_request_ended_is_said() {
    let compute = |span| format!(r#"{{ "op": "compute", "span": "{span}" }}"#);
    let told = why_none("0s", &compute("1s"));
    assert_eq!(told, "no request ended in the measured time of 10ms: measure longer");
    let told = why_none("50ms", &compute("1ms"));
    assert!(told.ends_with("what there was to do was done in `warmup`"), "{told}");
    let told =
        why_none("0s", r#"{ "op": "compute", "span": "1us" }, { "op": "wait", "name": "nobody" }"#);
    assert_eq!(told, "no request ended in the measured time of 10ms");
}

#[test]
fn an_ordinary_run_has_no_note() {
    assert_eq!(told(&smoke(&[])), "");
}

#[test]
fn a_beginning_that_is_not_left_out_is_noted() {
    let told = all_told(&smoke(&[]));
    assert_eq!(told, "transient apf-v7-2010; ");
    let warm = "\"40ms\", \"warmup\": \"200ms\"";
    assert_eq!(all_told(&smoke(&[("\"40ms\"", warm)])), "");
}

#[test]
fn without_faults_all_are_the_same() {
    let scenario = smoke(&[("\"24MiB\"", "\"64MiB\"")]);
    assert_eq!(told(&scenario), "no-faults all; ");
}

#[test]
fn a_time_shorter_than_a_fault_is_noted() {
    let scenario = smoke(&[("\"40ms\"", "\"20us\"")]);
    let told = told(&scenario);
    assert!(told.contains("no-faults") || told.contains("short-time"), "{told}");
    let times = ["10ms", "15ms", "20ms", "30ms"].map(|time| format!("\"{time}\""));
    let told = times.map(|time| self::told(&smoke(&[("\"40ms\"", &time)])));
    assert!(told.iter().any(|told| told.contains("few-faults")), "{told:?}");
}

#[test]
fn reads_that_are_waited_for_leave_nothing_asynchronous() {
    let edits = [("\"read_ahead\": 8", "\"read_ahead\": 1"), ("\"apf-v7-2010\"", "\"apf-v5.3\"")];
    let told = told(&smoke(&edits));
    assert!(told.contains("all-synchronous apf-v5.3"), "{told}");
}

#[test]
fn without_work_and_without_anybody_awake_it_is_noted() {
    let count = "\"program\": [{ \"op\": \"count\", \"per_second\": 1000000000 }]";
    let sleep = "\"program\": [{ \"op\": \"sleep\", \"span\": \"10s\" }]";
    let told = told(&smoke(&[(count, sleep)]));
    assert!(told.contains("no-work all"), "{told}");
    assert!(!told.contains("all-idle"), "{told}");
    let scenario = smoke(&[(count, sleep)]);
    let mut idle = scenario.clone();
    for group in &mut idle.machine.workload.tasks {
        group.program.clone_from(&scenario.machine.workload.tasks[1].program);
    }
    let told = self::told(&idle);
    assert!(told.contains("no-faults all") && told.contains("all-idle sync"), "{told}");
}

#[test]
fn a_limit_that_is_never_in_the_way_is_noted() {
    let limit = |limit: &str| {
        let to = format!(
            "\"64MiB\", \"memory_limits\": [{{ \"at\": \"1ms\", \"limit\": \"{limit}\" }}]"
        );
        told(&smoke(&[("\"24MiB\"", &to)]))
    };
    assert_eq!(limit("60MiB"), "no-faults all; limit-not-reached all; ");
    assert_eq!(limit("24MiB"), "");
}

#[test]
fn equal_policies_and_a_cap_that_is_never_reached_are_noted() {
    let policies = |cap: &str| {
        let own =
            format!("{{ \"name\": \"own\", \"base\": \"v6.12\", \"set\": {{ \"cap\": {cap} }} }}");
        let mut scenario = smoke(&[("\"vcpus\": 4", "\"vcpus\": 1")]);
        let text = scenario.text.replace("\"apf-v7-2010\"", &own);
        scenario = Scenario::from_str("smoke", &text).unwrap_or_else(|e| panic!("{}", e.render()));
        let policies = vec!["own".to_owned(), "apf-v6.12".to_owned()];
        let overrides =
            crate::scenario::resolve::ScenarioOverrides { policies, ..Default::default() };
        scenario.with_overrides(&overrides).expect("valid")
    };
    assert_eq!(told(&policies("32")), "cap-not-reached all; same-runs apf-v6.12; ");
    assert_eq!(told(&policies("1")), "");
}

#[test]
fn an_effect_smaller_than_unmeasured_costs_is_noted() {
    // On a fast device a fault costs more than it waits for.
    let edits = [("\"500us\"", "\"10us\"")];
    let mut scenario = smoke(&edits);
    scenario.replications = 6;
    let told = told(&scenario);
    assert!(told.contains("assumed-costs apf-v7-2010; "), "{told}");
    // Free costs are nobody's assumption.
    let edits = [edits[0], ("\"westmere-2010\"", "\"free\"")];
    let mut scenario = smoke(&edits);
    scenario.replications = 6;
    let told = self::told(&scenario);
    assert!(!told.contains("assumed-costs"), "{told}");
}

/// Faults that began before the measured time and outlast it.
#[test]
fn stalls_that_outlast_the_run_are_no_absence_of_faults() {
    let scenario =
        smoke(&[("\"500us\"", "\"10s\""), ("\"40ms\"", "\"40ms\", \"warmup\": \"100ms\"")]);
    let result = run_comparison(&scenario, &RunOptions::default(), &|_| {}).unwrap();
    let text = &result.notes.iter().find(|note| note.kind == NoteKind::NoFaults).unwrap().text;
    assert!(text.contains("no major fault ended"), "{text}");
}

/// One server whose requests take 100 us each and come after such gaps.
fn served(gap: &str) -> String {
    let text = format!(
        r#"{{ "format": 1, "name": "served", "title": "A server",
        "host": {{ "cpu": "skylake-sp", "cpus": 2, "memory_limit": "64MiB", "swap": {{ "device": "nvme-tlc-gen3" }} }},
        "guest": {{ "kernel": "linux-6.12", "vcpus": 1, "memory": "64MiB" }},
        "workload": {{ "regions": [{{ "name": "r", "size": "1MiB" }}],
            "tasks": [{{ "name": "server", "role": "worker", "arrivals": {{ "kind": "law", "gap": {gap} }},
                "program": [{{ "op": "serve", "body": [{{ "op": "compute", "span": "100us" }}] }}] }}] }},
        "policies": ["sync"], "measure": "request_latency_p99", "duration": "3s", "replications": 2 }}"#
    );
    let scenario = Scenario::from_str("served", &text);
    told(&scenario.unwrap_or_else(|error| panic!("{}", error.render())))
}

/// A line that grows by a hundredth of what arrives is as endless as one that grows by a half; one that is only long is
/// not.
#[test]
fn a_load_little_above_one_is_an_overload() {
    for gap in [r#""50us""#, r#""98.5us""#] {
        assert!(served(gap).contains("overload sync"), "{gap}");
    }
    for gap in [r#""106us""#, r#"{ "kind": "exponential", "mean": "125us" }"#] {
        assert!(!served(gap).contains("overload"), "{gap}: {}", served(gap));
    }
}
