//! What is said of wrong scenarios, as data: one edit of a valid file, and the whole message; and what
//! right ones become.

use super::*;
use crate::scenario::op::OpFile;

mod given_back;
mod hash;
mod host_kernel;
mod limits;
mod memory_control;
mod policies;
mod programs;
mod text;
mod values;
mod vms;
mod zswap;

const SMALL: &str = r#"{
  "format": 1,
  "name": "small", // a comment
  "title": "A small scenario",
  "host": {
    "cpu": "westmere-2010",
    "cpus": 6,
    "memory_limit": "24MiB",
    "swap": {
      "device": { "kind": "constant", "read_latency": "500us", "write_latency": "500us" },
      "size": "64MiB",
      "read_ahead": 8
    },
    "costs": {},
    "sched": {}
  },
  "guest": { "kernel": "linux-2.6.36", "vcpus": 2, "memory": "64MiB", "hz": 1000, "wake": "now" },
  "workload": {
    "regions": [{ "name": "array", "size": "32MiB", "prefill": true }],
    "tasks": [
      {
        "name": "faulter",
        "role": "faulter",
        "count": 3,
        "program": [{ "op": "access", "region": "array", "pattern": "uniform", "cost": "20ns" }]
      },
      {
        "name": "worker",
        "role": "worker",
        "program": [{ "op": "count", "per_second": 1000000000 }]
      }
    ]
  },
  "policies": ["sync", "halt"],
  "baseline": "sync",
  "duration": "1s",
  "published": [],
  "replications": 2
}"#;

/// The words of all operations as a message lists them.
fn operations(quote: char) -> String {
    let words: Vec<String> =
        OpFile::WORDS.iter().map(|word| format!("{quote}{word}{quote}")).collect();
    words.join(", ")
}

fn small() -> Scenario {
    Scenario::from_str("small.json", SMALL).unwrap_or_else(|error| panic!("{}", error.render()))
}

/// Applies one edit to the valid file and compares what is said of it, up to `...` where a list of
/// the models' names follows.
fn check(from: &str, to: &str, expect: &str) {
    assert_eq!(SMALL.matches(from).count(), 1, "`{from}` is not a place");
    let text = SMALL.replace(from, to);
    let told = match Scenario::from_str("f", &text) {
        Ok(_) => "fine".into(),
        Err(error) => error.to_string(),
    };
    match expect.strip_suffix("...") {
        Some(beginning) => assert!(told.starts_with(beginning), "for {to}: {told}"),
        None => assert_eq!(told, expect, "for {to}"),
    }
}
