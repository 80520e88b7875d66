//! Tasks that nothing wakes any more: a run says so, whatever the generation is known for.

use scenarios::{Comparison, FindingSummary, FindingVerdict};

use crate::kit::outcome;

/// One task on one vCPU that serves requests of four accesses each.
fn served(policies: &str, expect: &str) -> String {
    format!(
        r#"{{ "format": 1, "name": "asleep", "title": "A popped page ready just before HLT",
  "host": {{ "cpu": "westmere-2010", "cpus": 2, "memory_limit": "4MiB",
    "swap": {{ "device": {{ "kind": "constant", "read_latency": "5us", "write_latency": "20us" }}, "read_ahead": 1 }} }},
  "guest": {{ "kernel": "linux-2.6.36", "vcpus": 1, "memory": "16MiB" }},
  "workload": {{ "regions": [{{ "name": "array", "size": "8MiB", "prefill": true }}],
    "tasks": [{{ "name": "server", "role": "faulter", "count": 1, "requests": "passes",
      "program": [{{ "op": "repeat", "times": 4, "body": [
        {{ "op": "access", "region": "array", "pattern": "uniform", "write": true, "cost": "20ns" }}] }}] }}] }},
  "policies": [{policies}], "duration": "200ms", "seed": 1, "replications": 1, "expect": [{expect}] }}"#
    )
}

/// Four tasks on one vCPU, under rules whose first token may be zero.
fn first_token(policy: &str, expect: &str) -> String {
    format!(
        r#"{{ "format": 1, "name": "asleep", "title": "The first token is zero",
  "host": {{ "cpu": "lab-1gips", "cpus": 1, "memory_limit": "4MiB", "kernel": "linux-2.6.36",
    "swap": {{ "device": {{ "kind": "constant", "read_latency": "1us", "write_latency": "20us" }}, "read_ahead": 8 }} }},
  "guest": {{ "kernel": "linux-2.6.36", "vcpus": 1, "memory": "16MiB" }},
  "workload": {{ "regions": [{{ "name": "array", "size": "8MiB", "prefill": true }}],
    "tasks": [{{ "name": "faulter", "role": "faulter", "count": 4,
      "program": [{{ "op": "access", "region": "array", "pattern": "uniform", "write": true, "cost": "20ns" }}] }}] }},
  "policies": ["{policy}"], "duration": "200ms", "seed": 719, "replications": 1, "expect": [{expect}] }}"#
    )
}

/// What a policy says of INV-13, if anything.
fn lost<'a>(comparison: &'a Comparison, policy: &str) -> Option<&'a FindingSummary> {
    let result = comparison.policies.iter().find(|result| result.policy == policy).unwrap();
    result.findings.iter().find(|finding| finding.invariant == "INV-13")
}

/// The policies of which a note says that tasks sleep for good.
fn noted(comparison: &Comparison) -> Vec<&str> {
    let own = comparison.notes.iter().filter(|note| note.kind.name() == "sleep-for-good");
    own.filter_map(|note| note.policy.as_deref()).collect()
}

#[test]
fn a_page_ready_that_waits_for_an_interrupt_in_hlt_is_lost_where_none_comes() {
    let expect = r#""invariants clean in sync", "invariants clean in apf-v4.13", "INV-13 violated by apf-v2.6.39""#;
    let result = outcome(&served(r#""sync", "apf-v2.6.39", "apf-v4.13""#, expect));
    assert_eq!(noted(&result), ["apf-v2.6.39"]);
    let lost = lost(&result, "apf-v2.6.39").unwrap();
    assert_eq!((lost.verdict, lost.count), (FindingVerdict::KnownViolation, 1));
    assert!(lost.message.contains("slept in HLT"), "{}", lost.message);
    let note = result.notes.iter().find(|note| note.kind.name() == "sleep-for-good").unwrap();
    assert!(note.text.starts_with("1 task sleeps for good"), "{}", note.text);
    assert!(!result.has_violation());
}

#[test]
fn the_sleeper_of_a_token_that_looks_like_a_free_slot_is_lost() {
    let result = outcome(&first_token("apf-v5.13", r#""INV-13 violated by apf-v5.13""#));
    assert_eq!(noted(&result), ["apf-v5.13"]);
    let lost = lost(&result, "apf-v5.13").unwrap();
    assert_eq!((lost.verdict, lost.count), (FindingVerdict::KnownViolation, 1));
    // The same without the token.
    let result = outcome(&first_token("apf-v5.17", r#""invariants clean""#));
    assert!(noted(&result).is_empty());
}

/// Groups of tasks that wait for each other, and one that counts beside them.
fn waiting(tasks: &str) -> String {
    format!(
        r#"{{ "format": 1, "name": "waiting", "title": "Tasks that wait for each other",
  "host": {{ "cpu": "westmere-2010", "cpus": 2, "memory_limit": "8MiB", "swap": {{ "device": "nvme-tlc-gen3" }} }},
  "guest": {{ "kernel": "linux-2.6.36", "vcpus": 2, "memory": "16MiB" }},
  "workload": {{ "regions": [{{ "name": "array", "size": "1MiB" }}],
    "tasks": [{tasks}, {{ "name": "counter", "role": "worker", "program": [{{ "op": "count", "per_second": 1000000 }}] }}] }},
  "policies": ["sync"], "duration": "20ms", "replications": 2 }}"#
    )
}

fn group(name: &str, more: &str, program: &str) -> String {
    format!(r#"{{ "name": "{name}", "role": "worker", {more} "program": [{program}] }}"#)
}

/// A lock, and in it another one after a while.
fn nested(outer: &str, inner: &str) -> String {
    format!(
        r#"{{ "op": "lock", "name": "{outer}", "body": [{{ "op": "sleep", "span": "1ms" }},
            {{ "op": "lock", "name": "{inner}", "body": [{{ "op": "compute", "span": "1us" }}] }}] }}"#
    )
}

const PAUSE: &str = r#"{ "op": "sleep", "span": "100us" }"#;

#[test]
fn tasks_that_wait_for_each_other_are_named_with_what_they_wait_for() {
    let told = |tasks: &[String]| {
        let result = outcome(&waiting(&tasks.join(", ")));
        let own = result.notes.iter().filter(|note| note.kind.name() == "deadlock");
        own.map(|note| note.text.clone()).collect::<Vec<_>>()
    };
    let [a, b] = [group("a", "", &nested("x", "y")), group("b", "", &nested("y", "x"))];
    let locks = told(&[a.clone(), b]);
    assert_eq!(locks.len(), 1);
    for part in [
        "4 tasks wait for ever in 2 runs",
        "`a` waits for the lock `y`, which `b` has",
        "`b` waits for the lock `x`, which `a` has",
    ] {
        assert!(locks[0].contains(part), "{locks:?}");
    }
    // Who waits for one of them is lost with them; the counting task is not.
    let behind = group("c", "", &nested("y", "z"));
    let signal = group("d", "", &format!(r#"{{ "op": "wait", "name": "s" }}, {PAUSE}"#));
    let lost = told(&[a.clone(), group("b", "", &nested("y", "x")), behind, signal]);
    assert!(
        lost[0].starts_with("8 tasks") && lost[0].contains("`d` waits for a signal `s`"),
        "{lost:?}"
    );
    // Two come to a barrier of two, until one of them is through.
    let meets = |passes: &str| {
        group("e", passes, &format!(r#"{{ "op": "barrier", "name": "m", "parties": 2 }}, {PAUSE}"#))
    };
    let other = meets(r#""passes": 3,"#).replace("\"e\"", "\"f\"");
    let barrier = told(&[meets(""), other]);
    assert!(barrier[0].contains("`e` waits for others at the barrier `m`"), "{barrier:?}");

    // Contended, and nobody is stuck.
    let same = group("b", "", &nested("x", "y"));
    let wakes = group("f", "", &format!(r#"{{ "op": "wake", "name": "s" }}, {PAUSE}"#));
    let waits =
        group("d", "\"count\": 3,", &format!(r#"{{ "op": "wait", "name": "s" }}, {PAUSE}"#));
    assert_eq!(told(&[a, same, wakes, waits, meets("\"count\": 2,")]), Vec::<String>::new());
}
