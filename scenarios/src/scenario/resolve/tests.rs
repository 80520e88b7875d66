//! What is said of wrong scenarios, as data: one edit of a valid file, and the whole message.

use std::fs;

use models::config::{
    Cgroup, HostKernel, Lru, ReadAhead, ReadFaults, RegionBacking, SchedParams, WrittenPages,
};
use proptest::prelude::*;

use super::*;
use crate::scenario::op::OpFile;

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

#[test]
fn ticks_fit_into_their_periods() {
    let costs = r#""costs": {},"#;
    let tick = r#""tick": "20us", "costs": { "host_tick": "18us", "exit_interrupt": "2us" },"#;
    check(
        costs,
        tick,
        "f:14:13: in `host.tick`: the host's tick takes 20us, and comes every 20us: nothing else would get any time
  help: change `host.tick`, or the costs in it (`host.costs`): host_tick 18us, exit_interrupt 2us",
    );
    check(
        costs,
        r#""costs": { "guest_tick": "1ms" },"#,
        "f:17:77: in `guest.hz`: the guest's tick takes ...",
    );
    check(
        costs,
        r#""costs": { "guest_missed_tick": "1ms" },"#,
        "f:17:77: in `guest.hz`: a missed tick of the guest takes 1ms, and comes every 1ms: nothing else would get any time
  help: change `guest.hz`, or the costs in it (`host.costs`): guest_missed_tick 1ms",
    );
    check(
        costs,
        r#""costs": { "guest_tick": "600us", "host_tick": "500us" },"#,
        "f:5:11: in `host.tick`: the ticks leave the guest no time: the host's takes ...",
    );
    check(costs, r#""costs": { "guest_tick": "400us", "host_tick": "400us" },"#, "fine");
}

#[test]
fn syntax_errors_have_a_place() {
    check(
        r#""cpus": 6,"#,
        r#""cpus": 6"#,
        "f:7:14: not valid JSON: expected comma
  help: put a comma between two fields or two elements",
    );
    check(
        r#""replications": 2"#,
        r#""replications": 2,"#,
        "f:38:20: not valid JSON: trailing commas are not allowed
  help: remove the comma before the closing bracket",
    );
    check(
        r#""cpus": 6"#,
        "'cpus': 6",
        "f:7:5: not valid JSON: single-quoted strings are not allowed
  help: use double quotes",
    );
    check(
        r#""cpus": 6"#,
        "cpus: 6",
        "f:7:5: not valid JSON: expected string for object property
  help: put the name of the field in double quotes",
    );
    check(r#""cpus": 6"#, r#""cpus": six"#, "f:7:13: not valid JSON: unexpected token");
    check(
        r#""cpus": 6"#,
        r#""cpus": 0x6"#,
        "f:7:13: not valid JSON: hexadecimal numbers are not allowed",
    );
    check(
        r#""replications": 2
}"#,
        r#""replications": 2
"#,
        "f:1:1: not valid JSON: unterminated object
  help: the object that begins here has no closing `}`",
    );
    check(
        r#""replications": 2
}"#,
        r#""replications": 2
} {}"#,
        "f:39:3: not valid JSON: text cannot contain more than one JSON value
  help: a scenario file holds one object; this text follows it",
    );
    check(
        r#""cpus": 6"#,
        r#""cpus": 6, /* no end"#,
        "f:7:16: not valid JSON: unterminated comment block
  help: the comment that begins here has no closing `*/`",
    );
    check(
        r#""name": "small""#,
        r#""name": "small"#,
        "f:3:11: not valid JSON: the text that begins here does not end on its line
  help: close it with a double quote",
    );
}

#[test]
fn unknown_names_are_corrected() {
    check(
        r#""vcpus": 2"#,
        r#""vcpu": 2"#,
        "f:17:40: in `guest.vcpu`: unknown field `vcpu`
  help: did you mean `vcpus`? valid: `kernel`, `vcpus`, `memory`, `hz`, `sched`, `steal_clock`, `wake`, `wake_delay`, `timers`, `send_always`, `balance_ticks`, `preemption`, `apic`, `event_pages`, `table_levels`, `table_pages`, `thp`",
    );
    check(
        r#""memory_limit""#,
        r#""memoryLimit""#,
        "f:8:5: in `host.memoryLimit`: unknown field `memoryLimit`
  help: did you mean `memory_limit`? valid: `cpu`, `cpus`, `memory_limit`, `other_resident`, `swap`, `costs`, `sched`, `tick`, `reclaim_batch`, `kernel`, `allocation_failure_ppm`, `second_stage_levels`",
    );
    check(
        r#""title""#,
        r#""colour""#,
        "f:4:3: in `colour`: unknown field `colour`
  help: valid: `$schema`, `format`, `name`, `title`, `host`, `guest`, `workload`, `disturbances`, `policies`, `baseline`, `duration`, `warmup`, `seed`, `replications`, `published`, `expect`",
    );
    check(
        r#""op": "count""#,
        r#""op": "cuont""#,
        &format!(
            "f:30:29: in `workload.tasks[1].program[0].op`: unknown value `cuont`
  help: did you mean `count`? valid: {}",
            operations('`')
        ),
    );
    check(
        r#""pattern": "uniform""#,
        r#""pattern": "random""#,
        "f:25:69: in `workload.tasks[0].program[0].pattern`: unknown value `random`
  help: did you mean `uniform`? valid: `uniform`, `sequential`, `shared`",
    );
    check(
        r#""role": "worker""#,
        r#""role": "main""#,
        "f:29:17: in `workload.tasks[1].role`: unknown value `main`
  help: valid: `faulter`, `worker`",
    );
    check(
        r#""cpu": "westmere-2010""#,
        r#""cpu": "westmere""#,
        "f:6:12: in `host.cpu`: there is no processor preset `westmere`
  help: did you mean `westmere-2010`? valid: ...",
    );
    check(
        r#""cpu": "westmere-2010""#,
        r#""cpu": { "preset": "skylake" }"#,
        "f:6:24: in `host.cpu.preset`: there is no processor preset `skylake`
  help: did you mean `skylake-sp`? valid: ...",
    );
    check(
        r#""kernel": "linux-2.6.36""#,
        r#""kernel": "linux-2.6.38""#,
        "f:17:24: in `guest.kernel`: there is no guest kernel preset `linux-2.6.38`
  help: did you mean `linux-2.6.36`?...",
    );
    check(
        r#""policies": ["sync", "halt"]"#,
        r#""policies": ["sync", "apf-v7"]"#,
        "f:34:24: in `policies[1]`: there is no policy `apf-v7`
  help: did you mean `apf-v7-2010`? valid: ...",
    );
    check(
        r#""kind": "constant""#,
        r#""kind": "konstant""#,
        "f:10:27: in `host.swap.device.kind`: unknown value `konstant`
  help: did you mean `constant`? valid: `constant`, `channels`, `hdd`, `ram`",
    );
    check(
        r#"{ "kind": "constant", "read_latency": "500us", "write_latency": "500us" }"#,
        r#""hdd-7200-swp""#,
        "f:10:17: in `host.swap.device`: there is no device preset `hdd-7200-swp`
  help: did you mean `hdd-7200-swap`? valid: ...",
    );
    check(
        r#"{ "kind": "constant", "read_latency": "500us", "write_latency": "500us" }"#,
        r#"{ "preset": "nvme", "channels": 3 }"#,
        "f:10:29: in `host.swap.device.preset`: there is no device preset `nvme`
  help: did you mean `nvme-tlc-gen3`? valid: ...",
    );
    check(
        r#""region": "array""#,
        r#""region": "aray""#,
        "f:25:49: in `workload.tasks[0].program[0].region`: there is no region `aray`
  help: did you mean `array`?",
    );
    check(
        r#""costs": {}"#,
        r#""costs": { "exit_lite": "1us" }"#,
        "f:14:29: in `host.costs.exit_lite`: there is no cost `exit_lite`
  help: valid: ...",
    );
    check(
        r#""wake": "now""#,
        r#""wake": "later""#,
        "f:17:91: in `guest.wake`: unknown value `later`
  help: valid: `now`, `tick`",
    );
}

#[test]
fn missing_fields_name_the_enclosing_object() {
    check(
        r#""format": 1,"#,
        "",
        r#"f:1:1: the field `format` is missing
  help: add `"format": ...` to the object that begins here"#,
    );
    check(
        r#""memory_limit": "24MiB","#,
        "",
        r#"f:5:11: in `host`: the field `memory_limit` is missing
  help: add `"memory_limit": ...` to the object that begins here"#,
    );
    check(
        r#""op": "count", "#,
        "",
        &format!(
            "f:30:21: in `workload.tasks[1].program[0]`: the field `op` is missing
  help: `op` is one of {}",
            operations('"')
        ),
    );
    check(
        r#""kind": "constant", "#,
        "",
        r#"f:10:17: in `host.swap.device`: the field `kind` is missing
  help: `kind` is one of "constant", "channels", "hdd", "ram"; or name a `preset`"#,
    );
    check(
        r#", "write_latency": "500us""#,
        "",
        r#"f:10:17: in `host.swap.device`: the field `write_latency` is missing
  help: add `"write_latency": ...` to the object that begins here"#,
    );
    check(
        r#""cpu": "westmere-2010""#,
        r#""cpu": {}"#,
        r#"f:6:12: in `host.cpu`: the field `preset` is missing
  help: add `"preset": ...` to the object that begins here"#,
    );
    check(
        r#", "cost": "20ns""#,
        "",
        r#"f:25:21: in `workload.tasks[0].program[0]`: the field `cost` is missing
  help: add `"cost": ...` to the object that begins here"#,
    );
}

#[test]
fn wrong_types_say_what_is_wanted() {
    check(
        r#""memory_limit": "24MiB""#,
        r#""memory_limit": 25165824"#,
        r#"f:8:21: in `host.memory_limit`: expected a size with its unit, such as "512MiB", found the number 25165824
  help: write the number and its unit together in double quotes"#,
    );
    check(
        r#""duration": "1s""#,
        r#""duration": 1"#,
        r#"f:36:15: in `duration`: expected a time with its unit, such as "60s", found the number 1
  help: write the number and its unit together in double quotes"#,
    );
    check(
        r#""cpus": 6"#,
        r#""cpus": "6""#,
        r#"f:7:13: in `host.cpus`: expected a whole number, found the text "6"
  help: write the number without quotes"#,
    );
    check(
        r#""cpus": 6"#,
        r#""cpus": 6.5"#,
        "f:7:13: in `host.cpus`: expected a whole number, found the number 6.5",
    );
    check(
        r#""cpus": 6"#,
        r#""cpus": -6"#,
        "f:7:13: in `host.cpus`: expected a whole number, found the number -6",
    );
    check(
        r#""cpus": 6"#,
        r#""cpus": 1e99"#,
        "f:7:13: in `host.cpus`: expected a whole number, found the number 1e99",
    );
    check(
        r#""cpus": 6"#,
        r#""cpus": 1e999"#,
        "f:7:13: in `host.cpus`: the number 1e999 is too large",
    );
    check(
        r#""cpus": 6"#,
        r#""cpus": null"#,
        "f:7:13: in `host.cpus`: expected a whole number, found null",
    );
    check(
        r#""prefill": true"#,
        r#""prefill": "yes""#,
        r#"f:19:64: in `workload.regions[0].prefill`: expected true or false, found the text "yes""#,
    );
    check(
        r#""policies": ["sync", "halt"]"#,
        r#""policies": "sync""#,
        r#"f:34:15: in `policies`: expected a list, found the text "sync""#,
    );
    check(
        r#""costs": {}"#,
        r#""costs": { "exit_light": 2200 }"#,
        "f:14:30: in `host.costs.exit_light`: expected text in double quotes, found the number 2200",
    );
    check(
        r#""costs": {}"#,
        r#""costs": []"#,
        "f:14:14: in `host.costs`: expected an object, found a list",
    );
    check(
        r#""cpu": "westmere-2010""#,
        r#""cpu": 3"#,
        "f:6:12: in `host.cpu`: expected a name in double quotes or an object, found the number 3",
    );
    check(
        r#""op": "count""#,
        r#""op": 1"#,
        &format!(
            "f:30:29: in `workload.tasks[1].program[0].op`: expected one of {}, found the number 1",
            operations('"')
        ),
    );
    check(
        r#"{ "op": "count", "per_second": 1000000000 }"#,
        r#""count""#,
        r#"f:30:21: in `workload.tasks[1].program[0]`: expected an object with a field `op`, found the text "count""#,
    );
    check(
        r#""pattern": "uniform""#,
        r#""pattern": ["uniform"]"#,
        r#"f:25:69: in `workload.tasks[0].program[0].pattern`: expected one of "uniform", "sequential", "shared", found a list"#,
    );
    check(
        r#""format": 1"#,
        r#""format": "1""#,
        r#"f:2:13: in `format`: expected a whole number, found the text "1"
  help: write the number without quotes"#,
    );
}

#[test]
fn units_are_checked() {
    check(
        r#""memory_limit": "24MiB""#,
        r#""memory_limit": "24MB""#,
        r#"f:8:21: in `host.memory_limit`: unknown unit `MB` of a size
  help: did you mean "24MiB"? units: B, KiB, MiB, GiB, TiB"#,
    );
    check(
        r#""memory_limit": "24MiB""#,
        r#""memory_limit": "24""#,
        r#"f:8:21: in `host.memory_limit`: a size needs a unit: "24"
  help: units: B, KiB, MiB, GiB, TiB"#,
    );
    check(
        r#""duration": "1s""#,
        r#""duration": "1 sec""#,
        r#"f:36:15: in `duration`: unknown unit `sec` of a time
  help: did you mean "1s"? units: ps, ns, us, ms, s, min"#,
    );
    check(
        r#""duration": "1s""#,
        r#""duration": "-1s""#,
        r#"f:36:15: in `duration`: a time must not be negative: "-1s"
  help: write for example "60s""#,
    );
    check(
        r#""costs": {}"#,
        r#""costs": { "exit_light": "fast" }"#,
        r#"f:14:30: in `host.costs.exit_light`: `fast` is not a cost
  help: cycles such as "2200 cycles", or a time such as "4.5us""#,
    );
    check(
        r#""costs": {}"#,
        r#""costs": { "exit_light": "2s" }"#,
        r#"f:14:30: in `host.costs.exit_light`: `2s` is more than a second, which is no cost of a single step
  help: cycles such as "2200 cycles", or a time such as "4.5us""#,
    );
}

#[test]
fn the_same_field_twice_is_an_error() {
    check(
        r#""cpus": 6,"#,
        r#""cpus": 6, "cpus": 7,"#,
        "f:7:16: in `host.cpus`: `cpus` is given twice
  help: the first is on line 7; keep one of them",
    );
    check(
        r#""costs": {}"#,
        r#""costs": { "exit_hw": "1us", "exit_hw": "2us" }"#,
        "f:14:34: in `host.costs.exit_hw`: `exit_hw` is given twice
  help: the first is on line 14; keep one of them",
    );
}

#[test]
fn absurd_values_are_refused() {
    check(
        r#""format": 1"#,
        r#""format": 2"#,
        "f:2:13: in `format`: format 2 is not supported
  help: this version of apfsim reads format 1",
    );
    check(
        r#""name": "small""#,
        r#""name": "../small""#,
        "f:3:11: in `name`: `../small` is not a name
  help: letters, digits, `-`, `_` and `.`, at most 64, not beginning with `.`",
    );
    check(
        r#""name": "small""#,
        r#""name": """#,
        "f:3:11: in `name`: `` is not a name
  help: letters, digits, `-`, `_` and `.`, at most 64, not beginning with `.`",
    );
    check(
        r#""title": "A small scenario""#,
        r#""title": " ""#,
        "f:4:12: in `title`: this is not a title
  help: one line of at most 200 characters",
    );
    check(
        r#""vcpus": 2"#,
        r#""vcpus": 0"#,
        "f:17:49: in `guest.vcpus`: 0 is out of range
  help: from 1 to 4096",
    );
    check(
        r#""vcpus": 2"#,
        r#""vcpus": 4097"#,
        "f:17:49: in `guest.vcpus`: 4097 is out of range
  help: from 1 to 4096",
    );
    check(
        r#""cpus": 6"#,
        r#""cpus": 0"#,
        "f:7:13: in `host.cpus`: 0 is out of range
  help: from 1 to 4096",
    );
    check(
        r#""hz": 1000"#,
        r#""hz": 0"#,
        "f:17:77: in `guest.hz`: 0 is out of range
  help: from 1 to 10000",
    );
    check(
        r#""hz": 1000"#,
        r#""hz": 10001"#,
        "f:17:77: in `guest.hz`: 10001 is out of range
  help: from 1 to 10000",
    );
    check(
        r#""memory": "64MiB""#,
        r#""memory": "2TiB""#,
        "f:17:62: in `guest.memory`: 2TiB is more than is supported
  help: at most 1TiB",
    );
    check(
        r#""memory": "64MiB""#,
        r#""memory": "100000B""#,
        "f:17:62: in `guest.memory`: 100000B is not a whole number of pages
  help: a multiple of 4KiB",
    );
    check(
        r#""memory": "64MiB""#,
        r#""memory": "0B""#,
        r#"f:17:62: in `guest.memory`: the guest has no memory
  help: a size such as "2GiB""#,
    );
    check(
        r#""duration": "1s""#,
        r#""duration": "0s""#,
        "f:36:15: in `duration`: 0s is out of range
  help: from 1ps to 86400s",
    );
    check(
        r#""duration": "1s""#,
        r#""duration": "1441min""#,
        "f:36:15: in `duration`: 86460s is out of range
  help: from 1ps to 86400s",
    );
    check(
        r#""replications": 2"#,
        r#""replications": 0"#,
        "f:38:19: in `replications`: 0 is out of range
  help: from 1 to 10000",
    );
    check(
        r#""replications": 2"#,
        r#""replications": 10001"#,
        "f:38:19: in `replications`: 10001 is out of range
  help: from 1 to 10000",
    );
    check(
        r#""replications": 2"#,
        r#""replications": 4294967296"#,
        "f:38:19: in `replications`: expected a whole number up to 4294967295, found the number 4294967296",
    );
    check(
        r#""replications": 2"#,
        r#""warmup": "2000min""#,
        "f:38:13: in `warmup`: 120000s is out of range
  help: from 0s to 86400s",
    );
    check(
        r#""count": 3"#,
        r#""count": 0"#,
        "f:24:18: in `workload.tasks[0].count`: 0 is out of range
  help: from 1 to 4096",
    );
    check(
        r#""per_second": 1000000000"#,
        r#""per_second": 0"#,
        "f:30:52: in `workload.tasks[1].program[0].per_second`: 0 is out of range
  help: from 1 to 1000000000000",
    );
    check(
        r#""read_ahead": 8"#,
        r#""read_ahead": 7"#,
        "f:12:21: in `host.swap.read_ahead`: 7 is not a power of two
  help: 1, 2, 4, 8, ... 256",
    );
    check(
        r#""read_latency": "500us""#,
        r#""read_latency": "0s""#,
        "f:10:55: in `host.swap.device.read_latency`: 0s is out of range
  help: from 1ps to 100s",
    );
    check(
        r#""read_latency": "500us""#,
        r#""read_latency": "101s""#,
        "f:10:55: in `host.swap.device.read_latency`: 101s is out of range
  help: from 1ps to 100s",
    );
    check(
        r#""sched": {}"#,
        r#""sched": { "latency": "1ms" }"#,
        "f:15:27: in `host.sched.latency`: the latency (1ms) is shorter than the shortest slice (2.25ms)
  help: at least `min_granularity`",
    );
    check(
        r#""sched": {}"#,
        r#""sched": { "min_granularity": "0s" }"#,
        r#"f:15:35: in `host.sched.min_granularity`: a slice must not be zero
  help: a time such as "0.75ms""#,
    );
    check(
        r#""sched": {}"#,
        r#""sched": { "kernel": "linux-6.12", "latency": "6ms" }"#,
        "f:15:51: in `host.sched.latency`: the scheduler of linux-6.12 is EEVDF and has no `latency`
  help: one of `base_slice`, `run_to_parity`, `place_lag`, `delay_dequeue`, `wakeup_preemption`",
    );
    check(
        r#""sched": {}"#,
        r#""sched": { "base_slice": "3ms" }"#,
        "f:15:30: in `host.sched.base_slice`: the scheduler of linux-2.6.36 is CFS and has no `base_slice`
  help: one of `latency`, `min_granularity`, `wakeup_granularity`, `sleeper_credit`, `wakeup_preemption`",
    );
    check(
        r#""sched": {}"#,
        r#""sched": { "kernel": "linux-6.12", "base_slice": "0s" }"#,
        r#"f:15:54: in `host.sched.base_slice`: a slice must not be zero
  help: a time such as "0.75ms""#,
    );
    check(
        r#""cpu": "westmere-2010""#,
        r#""cpu": { "preset": "free", "stlb": { "entries": 12, "ways": 5 } }"#,
        "f:6:65: in `host.cpu.stlb.ways`: 12 entries do not divide into sets of 5
  help: a divisor of `entries`",
    );
    check(
        r#""cpu": "westmere-2010""#,
        r#""cpu": { "preset": "free", "stlb": { "entries": 12, "ways": 4 } }"#,
        "f:6:40: in `host.cpu.stlb`: 12 entries of 4 ways make 3 sets
  help: the number of sets must be a power of two",
    );
    check(
        r#""cpu": "westmere-2010""#,
        r#""cpu": { "preset": "free", "stlb": { "entries": 0, "ways": 4 } }"#,
        "f:6:53: in `host.cpu.stlb.entries`: 0 is out of range
  help: from 1 to 65536",
    );
    check(
        r#""cpu": "westmere-2010""#,
        r#""cpu": { "preset": "free", "frequency": "1THz" }"#,
        r#"f:6:45: in `host.cpu.frequency`: unknown unit `THz` of a clock rate
  help: did you mean "1GHz"? units: Hz, kHz, MHz, GHz"#,
    );
    check(
        r#""cpu": "westmere-2010""#,
        r#""cpu": { "preset": "free", "frequency": "1kHz" }"#,
        "f:6:45: in `host.cpu.frequency`: 1kHz is out of range
  help: from 1MHz to 100GHz",
    );
}

#[test]
fn what_does_not_go_together_is_refused() {
    check(
        r#""memory_limit": "24MiB""#,
        r#""memory_limit": "65MiB""#,
        "f:8:21: in `host.memory_limit`: the limit (65MiB) is larger than the guest's memory (64MiB)
  help: at most `guest.memory`",
    );
    check(
        r#""memory_limit": "24MiB""#,
        r#""memory_limit": "256KiB""#,
        "f:8:21: in `host.memory_limit`: the limit (256KiB) leaves the guest no memory to run
  help: at least 1536KiB: `other_resident`, 1MiB, and twice a read-ahead window for each task and a reclaim batch",
    );
    check(
        r#""memory_limit": "24MiB""#,
        r#""memory_limit": "24MiB", "other_resident": "24MiB""#,
        "f:8:21: in `host.memory_limit`: the limit (24MiB) leaves the guest no memory to run
  help: at least 26112KiB: `other_resident`, 1MiB, and twice a read-ahead window for each task and a reclaim batch",
    );
    check(
        r#""size": "64MiB""#,
        r#""size": "4MiB""#,
        "f:11:15: in `host.swap.size`: the swap (4MiB) cannot hold what does not fit in memory (8268KiB)
  help: at least 8524KiB, with a read-ahead window for each task and a reclaim batch; leave `size` out for as much swap as the guest has memory",
    );
    check(
        r#""size": "32MiB""#,
        r#""size": "65MiB""#,
        "f:19:44: in `workload.regions[0].size`: the regions up to here (65MiB) exceed the guest's memory
  help: `guest.memory` is 64MiB, of which the guest's kernel keeps 1184KiB",
    );
    check(
        r#""size": "32MiB""#,
        r#""size": "64MiB""#,
        "f:19:44: in `workload.regions[0].size`: the regions up to here (64MiB) exceed the guest's memory
  help: `guest.memory` is 64MiB, of which the guest's kernel keeps 1180KiB",
    );
    check(
        r#""size": "32MiB""#,
        r#""size": "0B""#,
        r#"f:19:44: in `workload.regions[0].size`: the region has no pages
  help: at least one page, "4KiB""#,
    );
    check(
        r#"{ "name": "array""#,
        r#"{ "name": "array", "size": "4KiB" }, { "name": "array""#,
        "f:19:64: in `workload.regions[1].name`: the name `array` is given twice
  help: `workload.regions[0]` has that name already",
    );
    check(
        r#""name": "worker""#,
        r#""name": "faulter""#,
        "f:28:17: in `workload.tasks[1].name`: the name `faulter` is given twice
  help: `workload.tasks[0]` has that name already",
    );
    check(
        r#""policies": ["sync", "halt"]"#,
        r#""policies": []"#,
        "f:34:15: in `policies`: there is no policy to run
  help: name at least one of ...",
    );
    check(
        r#""policies": ["sync", "halt"]"#,
        r#""policies": ["sync", "sync"]"#,
        "f:34:24: in `policies[1]`: the name `sync` is given twice
  help: `policies[0]` has that name already",
    );
    check(
        r#""baseline": "sync""#,
        r#""baseline": "apf-v7-2010""#,
        "f:35:15: in `baseline`: the baseline `apf-v7-2010` is not among the policies
  help: valid: `sync`, `halt`",
    );
    check(
        r#"[{ "op": "count", "per_second": 1000000000 }]"#,
        "[]",
        r#"f:30:20: in `workload.tasks[1].program`: the program is empty
  help: give at least one operation, such as { "op": "count", ... }"#,
    );
    check(
        r#"[{ "op": "count", "per_second": 1000000000 }]"#,
        r#"[{ "op": "count", "per_second": 1 }, { "op": "sleep", "span": "1s" }]"#,
        "f:30:57: in `workload.tasks[1].program[1]`: this operation is never reached: `count` before it has no end
  help: put `count` last",
    );
    check(
        r#""cost": "20ns""#,
        r#""cost": "0s""#,
        "f:25:20: in `workload.tasks[0].program`: one iteration of the program takes no time
  help: give an access a cost, or add `compute` or `sleep`",
    );
    check(
        r#"{ "kind": "constant", "read_latency": "500us", "write_latency": "500us" }"#,
        r#"{ "preset": "nvme-tlc-gen3", "rotation": "8ms" }"#,
        "f:10:58: in `host.swap.device.rotation`: `nvme-tlc-gen3` is a device of kind channels; `rotation` belongs to kind hdd
  help: fields of kind channels: channels, read, write, per_page",
    );
    check(
        r#"{ "kind": "constant", "read_latency": "500us", "write_latency": "500us" }"#,
        r#"{ "kind": "channels", "channels": 4, "read": { "kind": "uniform", "low": "2us", "high": "1us" }, "write": "10us" }"#,
        "f:10:62: in `host.swap.device.read`: uniform: low (2000000) exceeds high (1000000)
  help: see `docs/scenario-format.md` for the laws and their parameters; times are given in picoseconds here",
    );
    check(
        r#"{ "kind": "constant", "read_latency": "500us", "write_latency": "500us" }"#,
        r#"{ "kind": "channels", "channels": 4, "read": { "kind": "mixture", "parts": [{ "weight": 1, "law": { "kind": "empirical", "points": [] } }] }, "write": "10us" }"#,
        "f:10:115: in `host.swap.device.read.parts[0].law`: empirical: points must begin at 0 ppm and end at 1000000 ppm
  help: see `docs/scenario-format.md` for the laws and their parameters; times are given in picoseconds here",
    );
    check(
        r#""published": []"#,
        r#""published": [{ "policy": "pv", "metric": "work_total", "mean": 1, "source": "letter" }]"#,
        "f:37:29: in `published[0].policy`: there is no policy `pv`
  help: valid: ...",
    );
    check(
        r#""published": []"#,
        r#""published": [{ "policy": "halt", "metric": "work_total", "mean": 1, "stderr": -1, "source": "letter" }]"#,
        "f:37:82: in `published[0].stderr`: a standard error is not negative
  help: 0 or more",
    );
}

#[test]
fn an_excerpt_shows_the_place() {
    let text = SMALL.replace("\"cpus\": 6", "\"cpuz\": 6");
    let error = Scenario::from_str("small.json", &text).expect_err("an unknown field");
    insta::assert_snapshot!(error.render(), @r#"
    small.json:7:5: in `host.cpuz`: unknown field `cpuz`
      |
    7 |     "cpuz": 6,
      |     ^^^^^^
      = help: did you mean `cpu`? valid: `cpu`, `cpus`, `memory_limit`, `other_resident`, `swap`, `costs`, `sched`, `tick`, `reclaim_batch`, `kernel`, `allocation_failure_ppm`, `second_stage_levels`
    "#);
}

#[test]
fn tabs_letters_and_windows_lines_keep_the_caret_in_place() {
    let text = "{\r\n\t\"form\u{e4}t\": 1,\r\n\t\"\u{e4}\": \"\u{1f600}\", \"x\": \u{e4}\r\n}\r\n";
    let error = Scenario::from_str("f", text).expect_err("no scenario");
    assert_eq!(
        error.render(),
        "f:3:17: not valid JSON: unexpected word\n  |\n3 | \t\"\u{e4}\": \"\u{1f600}\", \"x\": \u{e4}\n  | \t                ^\n  \
         = help: put text in double quotes; the bare words are true, false, null"
    );
}

#[test]
fn what_is_no_readable_file_is_told_apart() {
    let dir = tempfile::tempdir().expect("a directory");
    let told = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).expect("written");
        let error = Scenario::load(&path.to_string_lossy()).expect_err("no scenario");
        error.to_string().replace(&*dir.path().to_string_lossy(), "DIR")
    };
    let empty = "is empty\n  help: `apfsim show natapov-2010` prints a scenario to begin with";
    assert_eq!(told("empty.json", b""), format!("`DIR/empty.json` {empty}"));
    assert_eq!(told("blank.json", b" // no\n"), format!("`DIR/blank.json` {empty}"));
    assert_eq!(
        told("latin1.json", b"{\n\"name\": \"\xe4\" }"),
        "`DIR/latin1.json` has invalid UTF-8 at byte 11 (line 2)\n  \
         help: save the file as UTF-8"
    );
    assert_eq!(
        told("huge.json", &vec![b' '; 1024 * 1024 + 1]),
        "`DIR/huge.json` has 1048577 bytes; a scenario file has at most 1048576\n  \
         help: is this really a scenario file?"
    );
    assert_eq!(
        told("list.json", b"[]"),
        "DIR/list.json:1:1: expected an object that describes a scenario, found a list"
    );
    let error = Scenario::load(&dir.path().to_string_lossy()).expect_err("a directory");
    assert!(matches!(error, ScenarioError::Directory(_)), "{error}");
    let error = Scenario::load("natapov-2011").expect_err("no such thing");
    assert_eq!(
        error.to_string(),
        "there is no scenario file `natapov-2011` and no built-in scenario of that name\n  \
         help: did you mean `natapov-2010`? valid: `natapov-2010`, `natapov-nvme`, \
         `lab-100us-1f1w`, `lab-100us-4f4w`, `lab-500us-1f1w`, `lab-500us-4f4w`, `lab-2ms-4f4w`, \
         `lab-500us-4f4w-syscall`, `lab-50us-4f4w-reads`, `lab-500us-4f-idle`, `lab-5ms-4f4w`, `lab-500us-8f4w-shared`, \
         `lab-500us-8f4w-2vcpu-shared`, `lab-500us-4f4w-4vcpu`, `lab-cap`, \
         `lab-boot-under-limit`, `lab-stray-kicks`, `lab-500us-4f4w-linux-6.1`, `closed-form`, \
         `faulting-pair`, `read-only-guest`, `sixteen-vcpus`, `token-wrap`, `smoke`"
    );
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_text() {
    let scenario = Scenario::from_str("f", &format!("\u{feff}{SMALL}")).expect("valid");
    assert_eq!(scenario.hash(), small().hash());
}

#[test]
fn deep_nesting_is_an_error_and_no_crash() {
    for depth in [40, 600, 100_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let text = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let error = Scenario::from_str("f", &text).expect_err("nesting").to_string();
            assert!(error.contains("nesting"), "{error}");
        }
    }
}

#[test]
fn defaults_are_filled_in() {
    let scenario = small();
    let MachineConfig { host, guest, .. } = &scenario.machine;
    assert_eq!(scenario.seed, 1);
    assert_eq!(scenario.warmup, SimDuration::ZERO);
    assert_eq!(host.other_resident_pages, 0);
    assert_eq!(host.tick, SimDuration::from_ms(1));
    assert_eq!(host.reclaim_batch_pages, 32);
    assert_eq!(guest.tick, SimDuration::from_ms(1));
    let SchedParams::Cfs(sched) = &guest.sched else { panic!("2.6.36 has CFS") };
    assert_eq!(sched.latency, SimDuration::from_ms(12));
    assert_eq!(scenario.machine.workload.tasks[1].count, 1);
}

#[test]
fn devices_can_be_changed_and_described() {
    let device = |text: &str| {
        let constant =
            r#"{ "kind": "constant", "read_latency": "500us", "write_latency": "500us" }"#;
        let text = SMALL.replace(constant, text);
        let scenario = Scenario::from_str("f", &text);
        scenario.unwrap_or_else(|error| panic!("{}", error.render())).machine.host.device
    };
    use models::config::{ChannelsConfig, DeviceConfig};
    let (plain, changed) = (
        device(r#""hdd-7200-swap""#),
        device(
            r#"{ "preset": "hdd-7200-swap", "rotation": "4ms", "elevator": { "fifo_batch": 1 } }"#,
        ),
    );
    let (DeviceConfig::Hdd(plain), DeviceConfig::Hdd(changed)) = (plain, changed) else {
        panic!("both are disks");
    };
    assert_eq!(changed.rotation, SimDuration::from_ms(4));
    assert_eq!(changed.elevator.fifo_batch, 1);
    assert_eq!(changed.elevator.read_expire, plain.elevator.read_expire);
    assert_eq!(changed.seek_base, plain.seek_base);
    let channels = device(
        r#"{ "kind": "channels", "channels": 4, "write": "10us", "read": { "kind": "mixture",
             "parts": [
               { "weight": 9, "law": "80us" },
               { "weight": 1, "law": { "kind": "log_normal", "median": "1ms", "sigma_milli": 500 } }
             ] } }"#,
    );
    use sim_core::Distribution;
    assert_eq!(
        channels,
        DeviceConfig::Channels(ChannelsConfig {
            channels: 4,
            read: Distribution::Mixture {
                parts: vec![
                    (9, Distribution::Constant { value: 80_000_000 }),
                    (1, Distribution::LogNormal { median: 1_000_000_000, sigma_milli: 500 }),
                ],
            },
            write: Distribution::Constant { value: 10_000_000 },
            per_page: SimDuration::ZERO,
        })
    );
}

#[test]
fn whole_numbers_may_be_written_with_an_exponent() {
    let scenario = Scenario::from_str("f", &SMALL.replace("1000000000", "1e9")).expect("valid");
    assert_eq!(scenario.machine, small().machine);
}

#[test]
fn overrides_replace_policies_seed_and_replications() {
    let overrides = ScenarioOverrides {
        policies: vec!["halt".into(), "apf-v7-2010".into()],
        seed: Some(9),
        replications: Some(3),
    };
    let scenario = small().with_overrides(&overrides).expect("valid");
    let names: Vec<_> = scenario.policies.iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(names, ["halt", "apf-v7-2010"]);
    assert_eq!(scenario.baseline, "halt");
    assert_eq!((scenario.seed, scenario.replications), (9, 3));
    let told = |policies: &[&str], replications| {
        let policies = policies.iter().map(|name| (*name).into()).collect();
        let overrides = ScenarioOverrides { policies, seed: None, replications };
        small().with_overrides(&overrides).expect_err("refused").to_string()
    };
    assert!(told(&["synk"], None).contains("did you mean `sync`?"));
    assert!(told(&["sync", "sync"], None).contains("given twice"));
    assert!(told(&[], Some(0)).contains("from 1 to 10000"));
}

const CUSTOM: &str = r#""policies": ["sync", {
    "name": "mine", "base": "v6.12",
    "set": { "cap": 16, "token_id_bits": 4, "wake_all_on_enable": false, "setup_order": "schedule-first" },
    "defects": ["no-eoi", "ignore-cap"]
  }]"#;

#[test]
fn a_custom_policy_is_a_built_in_one_with_changes() {
    use models::apf::rules::{SetupOrder, TokenRule};
    use models::apf::{Defect, Rules};
    let text = SMALL.replace(r#""policies": ["sync", "halt"]"#, CUSTOM);
    let scenario =
        Scenario::from_str("f", &text).unwrap_or_else(|error| panic!("{}", error.render()));
    let mine = &scenario.policies[1];
    let base = models::presets::policies::policy("apf-v6.12").expect("known");
    let rules = Rules {
        cap: 16,
        token: TokenRule { id_bits: 4, ..base.rules.token },
        wake_all_on_enable: false,
        setup_order: SetupOrder::ScheduleFirst,
        ..base.rules
    };
    assert_eq!((mine.name.as_str(), mine.rules), ("mine", rules));
    assert_eq!((mine.host_async, mine.guest_enabled), (true, true));
    let defects: Vec<_> = mine.defects.iter().collect();
    assert_eq!(defects, [Defect::IgnoreCap, Defect::NoEoi]);

    // The command line knows it too.
    let overrides = ScenarioOverrides { policies: vec!["mine".into()], ..Default::default() };
    let only = scenario.clone().with_overrides(&overrides).expect("a policy of the scenario");
    assert_eq!(only.policies, std::slice::from_ref(mine));

    let mut seen = std::collections::BTreeSet::from([scenario.hash()]);
    for (from, to) in [("16", "17"), ("\"no-eoi\", ", ""), ("false", "true")] {
        let changed = Scenario::from_str("f", &text.replace(from, to)).expect("valid");
        assert!(seen.insert(changed.hash()), "{to}");
    }
}

#[test]
fn what_is_wrong_with_a_custom_policy_is_told() {
    let told = |from: &str, to: &str, expect: &str| {
        assert_eq!(CUSTOM.matches(from).count(), 1, "{from}");
        check(r#""policies": ["sync", "halt"]"#, &CUSTOM.replace(from, to), expect);
    };
    told(
        r#""mine""#,
        r#""halt""#,
        "f:35:13: in `policies[1].name`: `halt` is a built-in policy
  help: give the custom policy another name",
    );
    told(
        r#""v6.12""#,
        r#""v9.21""#,
        "f:35:29: in `policies[1].base`: there is no policy `v9.21`
  help: valid: ...",
    );
    told(
        r#""v6.12""#,
        r#""user""#,
        "f:35:29: in `policies[1].base`: `user` cannot be run: its faults are resolved by the VMM
  help: valid: ...",
    );
    told(
        r#""cap": 16"#,
        r#""caps": 16"#,
        "f:36:22: in `policies[1].set.caps`: there is no mechanism `caps`
  help: did you mean `cap`? valid: ...",
    );
    told(
        r#""cap": 16"#,
        r#""cap": 0"#,
        "f:36:21: in `policies[1].set.cap`: `cap` cannot be `0`
  help: a whole number from 1 to 65536",
    );
    told(
        r#""cap": 16"#,
        r#""cap": [16]"#,
        "f:36:21: in `policies[1].set.cap`: expected a word in double quotes, a number, true or false, found a list",
    );
    told(
        r#""schedule-first""#,
        r#""scheduled-first""#,
        "f:36:89: in `policies[1].set.setup_order`: `setup_order` cannot be `scheduled-first`
  help: did you mean `schedule-first`? valid: `schedule-first`, `link-first`",
    );
    told(
        r#""setup_order": "schedule-first""#,
        r#""kick": "wake-blocked-only""#,
        "f:36:82: in `policies[1].set.kick`: `drain=all-on-request-and-ack` with \
         `kick=wake-blocked-only` cannot be combined: workers make the request exactly where the host \
         looks for items on request
  help: set the other mechanism too, or begin with another `base`",
    );
    told(
        r#""token_id_bits": 4"#,
        r#""token_id_bits": 24"#,
        "f:36:42: in `policies[1].set.token_id_bits`: `token=id:24 vcpu:12` is not possible: \
         a token has 32 bits for both
  help: set the other mechanism too, or begin with another `base`",
    );
    told(
        r#""setup_order": "schedule-first""#,
        r#""resolved_by": "vmm""#,
        "f:36:89: in `policies[1].set.resolved_by`: the simulated machine has no VMM that resolves faults
  help: `kernel`; `apfsim explore --rules user` knows the other",
    );
    told(
        r#""no-eoi", "#,
        r#""no-eio", "#,
        "f:37:17: in `policies[1].defects[0]`: there is no defect `no-eio`
  help: did you mean `no-eoi`? valid: ...",
    );
    told(
        r#""no-eoi", "#,
        r#""ignore-cap", "#,
        "f:37:31: in `policies[1].defects[1]`: the name `ignore-cap` is given twice
  help: `policies[1].defects[0]` has that name already",
    );
    told(
        r#""base": "v6.12","#,
        r#""preset": "v6.12","#,
        "f:35:21: in `policies[1].preset`: unknown field `preset`
  help: valid: `name`, `base`, `set`, `defects`",
    );
}

#[test]
fn the_hash_names_what_is_simulated_and_nothing_else() {
    let hash = |from: &str, to: &str| {
        assert!(SMALL.contains(from), "{from}");
        let scenario = Scenario::from_str("f", &SMALL.replacen(from, to, 1));
        scenario.unwrap_or_else(|error| panic!("{}", error.render())).hash()
    };
    let same = small().hash();
    for (from, to) in [
        ("// a comment", ""),
        ("\"small\"", "\"other\""),
        ("A small scenario", "Another title"),
        ("\"costs\": {},", ""),
        ("\"size\": \"64MiB\",", ""),
        ("\"500us\"", "\"0.5ms\""),
        ("\"baseline\": \"sync\",", ""),
        ("\"replications\": 2", "\"replications\": 2, \"seed\": 5"),
        ("\"cpus\": 6", "\"tick\": \"1ms\", \"cpus\": 6"),
        ("\"cpu\": \"westmere-2010\"", "\"cpu\": { \"preset\": \"westmere-2010\" }"),
        ("1000000000", "1e9"),
    ] {
        assert_eq!(hash(from, to), same, "{to}");
    }
    let mut seen = std::collections::BTreeSet::from([same]);
    for (from, to) in [
        ("\"cpus\": 6", "\"cpus\": 7"),
        ("\"500us\"", "\"501us\""),
        ("\"costs\": {}", "\"costs\": { \"exit_light\": \"1us\" }"),
        ("\"sched\": {}", "\"sched\": { \"latency\": \"30ms\" }"),
        ("\"now\"", "\"tick\""),
        ("\"uniform\"", "\"sequential\""),
        ("\"prefill\": true", "\"prefill\": false"),
        ("\"replications\": 2", "\"replications\": 3"),
        ("[\"sync\", \"halt\"]", "[\"sync\"]"),
        ("[\"sync\", \"halt\"]", "[\"halt\", \"sync\"]"),
        ("\"1s\"", "\"2s\""),
        ("\"replications\": 2", "\"replications\": 2, \"warmup\": \"1s\""),
    ] {
        assert!(seen.insert(hash(from, to)), "{to} has the hash of another scenario");
    }
}

/// Tokens that a mutation puts in place of others.
const TOKENS: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "null",
    "true",
    "-1",
    "0",
    "1e308",
    "1e999",
    "18446744073709551616",
    "\"0s\"",
    "\"1TiB\"",
    "\"\"",
    "\"sync\"",
    "//",
    "/*",
    "\\",
    "\u{0}",
    "\u{e4}",
    "\"kind\"",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is done to a file, reading it ends with a scenario or an error, and the error can
    /// be shown.
    #[test]
    fn no_text_makes_the_reader_panic(
        edits in prop::collection::vec((0..4u8, any::<prop::sample::Index>(), 0..64usize, any::<u8>()), 1..6),
    ) {
        let mut bytes = SMALL.as_bytes().to_vec();
        for (kind, place, length, byte) in edits {
            let at = place.index(bytes.len().max(1)).min(bytes.len());
            let end = (at + length).min(bytes.len());
            match kind {
                0 if at < bytes.len() => bytes[at] = byte,
                1 => drop(bytes.drain(at..end)),
                2 => {
                    let token = TOKENS[usize::from(byte) % TOKENS.len()];
                    bytes.splice(at..end.min(at + length % 8), token.bytes());
                }
                _ => {
                    // A piece of the text is put elsewhere.
                    let piece: Vec<u8> = bytes[at..end].to_vec();
                    let to = usize::from(byte) * bytes.len() / 256;
                    bytes.splice(to..to, piece);
                }
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Err(error) = Scenario::from_str("f", &text) {
            prop_assert!(!error.render().is_empty());
            prop_assert!(!error.to_string().is_empty());
        }
    }
}

/// The counting program of the small scenario.
const COUNTS: &str = r#"{ "op": "count", "per_second": 1000000000 }"#;

#[test]
fn system_calls_and_sections_become_a_flat_program() {
    let access = r#"{ "op": "access", "region": "array", "pattern": "uniform", "cost": "0s" }"#;
    let section = format!(r#"{{ "op": "critical", "kind": "rcu_reader", "body": [{access}] }}"#);
    let call = format!(
        r#"{{ "op": "syscall", "name": "read", "cost": "2us", "return_cost": "1us",
            "body": [{section}, {{ "op": "sleep", "span": "3us" }}] }}"#
    );
    let text = SMALL.replace(COUNTS, &call);
    let scenario = Scenario::from_str("f", &text).unwrap_or_else(|error| panic!("{error}"));
    let us = SimDuration::from_us;
    use models::config::{Op, Section};
    let kind = Section::RcuReader;
    let program = &scenario.machine.workload.tasks[1].program;
    assert!(matches!(
        program[..],
        [
            Op::SyscallEnter { cost },
            Op::SectionEnter { kind: entered },
            Op::Access { .. },
            Op::SectionExit { kind: left },
            Op::Sleep { span },
            Op::Compute { span: back },
            Op::SyscallExit,
        ] if cost == us(2) && span == us(3) && back == us(1) && (entered, left) == (kind, kind)
    ));
    let other = text.replace("rcu_reader", "irq_off");
    let other = Scenario::from_str("f", &other).unwrap_or_else(|error| panic!("{error}"));
    assert_ne!(other.hash(), scenario.hash());
}

#[test]
fn system_calls_and_sections_stand_where_they_can() {
    let compute = r#"{ "op": "compute", "span": "1us" }"#;
    let critical =
        |body: &str| format!(r#"{{ "op": "critical", "kind": "irq_off", "body": [{body}] }}"#);
    let call = |body: &str| format!(r#"{{ "op": "syscall", "cost": "1us", "body": [{body}] }}"#);
    check(
        COUNTS,
        &critical(compute),
        "f:30:21: in `workload.tasks[1].program[0]`: user mode has no critical sections
  help: put it into the `body` of a `syscall`",
    );
    check(
        COUNTS,
        &call(&call("")),
        "f:30:64: in `workload.tasks[1].program[0].body[0]`: a system call is made in user mode only
  help: put its operations into the body that is there already",
    );
    check(
        COUNTS,
        &call(COUNTS),
        "f:30:64: in `workload.tasks[1].program[0].body[0]`: a system call cannot count without end
  help: use `compute`; the kernel's work is not counted",
    );
    check(
        COUNTS,
        &call(&critical("")),
        "f:30:111: in `workload.tasks[1].program[0].body[0].body`: the section is empty
  help: give at least one operation, such as { \"op\": \"compute\", ... }",
    );
    check(
        COUNTS,
        &call(&critical(r#"{ "op": "call_all" }"#)),
        "f:30:112: in `workload.tasks[1].program[0].body[0].body[0]`: a section must neither sleep nor wait
  help: a section may `compute`, `access`, and have sections in it",
    );
    check(
        COUNTS,
        &call(r#"{ "op": "yield" }"#),
        "f:30:64: in `workload.tasks[1].program[0].body[0]`: `yield` is a system call of its own
  help: put it behind the `syscall`; a kernel that waits does so with `sleep`",
    );
    let deep = (0..8).fold(compute.to_owned(), |body, _| critical(&body));
    check(
        COUNTS,
        &call(&deep),
        &format!(
            "f:30:{}: in `workload.tasks[1].program[0]{}`: more than 8 bodies are inside each other
  help: nest at most 8 bodies of `syscall` and `critical`",
            64 + 48 * 7,
            ".body[0]".repeat(8)
        ),
    );
    let text = SMALL.replace(r#", "prefill": true"#, "").replace(
        COUNTS,
        &call(&critical(
            r#"{ "op": "access", "region": "array", "pattern": "uniform", "cost": "1ns" }"#,
        )),
    );
    let told = Scenario::from_str("f", &text).map(|_| ()).unwrap_err().to_string();
    assert_eq!(
        told,
        "f:30:140: in `workload.tasks[1].program[0].body[0].body[0].region`: a section touches `array`, which may not be mapped yet
  help: set `prefill` of the region: a kernel that must not sleep cannot map pages"
    );
    check(
        r#""wake": "now""#,
        r#""preemption": "sometimes""#,
        "f:17:97: in `guest.preemption`: unknown value `sometimes`
  help: valid: `none`, `voluntary`, `full`",
    );
}

/// The small scenario with a host's kernel as `text` describes it, and a scheduler.
fn with_kernel(text: &str, sched: &str) -> Scenario {
    let kernel = format!(r#""sched": {sched}, "kernel": {text}"#);
    let file = SMALL.replace(r#""sched": {}"#, &kernel);
    match Scenario::from_str("f", &file) {
        Ok(scenario) => scenario,
        Err(error) => panic!("{text}: {}", error.render()),
    }
}

fn host_kernel(text: &str) -> HostKernel {
    with_kernel(text, "{}").machine.host.kernel
}

/// How the kernel of a preset works with the small scenario's device.
fn preset_kernel(name: &str) -> HostKernel {
    models::presets::host_kernel(name).unwrap().with(&small().machine.host.device)
}

#[test]
fn one_name_says_how_all_of_a_host_works() {
    for preset in models::presets::host_kernels() {
        let scenario = with_kernel(&format!("\"{}\"", preset.name), "{}");
        let host = &scenario.machine.host;
        assert_eq!(host.kernel, preset_kernel(&preset.name));
        let whose = models::presets::guest_kernel(&preset.name).unwrap();
        // The file writes the tick.
        if let (SchedParams::Cfs(one), SchedParams::Cfs(other)) =
            (&host.sched, whose.sched(host.cpus))
        {
            assert_eq!(*one, other);
        }
        let eevdf = |sched: &SchedParams| matches!(sched, SchedParams::Eevdf(_));
        assert_eq!(eevdf(&host.sched), eevdf(&whose.sched(1)), "{}", preset.name);
        assert_eq!(scenario.host_identity.kernel, preset.name);
        let sched = scenario.host_identity.differs.contains(&"sched");
        assert!(!sched, "{:?}", scenario.host_identity);
    }
}

#[test]
fn a_host_that_is_a_mix_says_so() {
    let differs = |kernel: &str, sched: &str| with_kernel(kernel, sched).host_identity.differs;
    let without_tick = |of: Vec<&'static str>| -> Vec<&'static str> {
        of.into_iter().filter(|name| *name != "tick").collect()
    };
    assert_eq!(without_tick(differs(r#""linux-6.12""#, "{}")), [""; 0]);
    let same = r#"{ "preset": "linux-6.12", "lru": "generations-second-stage", "read_faults": "writable" }"#;
    assert_eq!(without_tick(differs(same, r#"{ "kernel": "linux-6.12" }"#)), [""; 0]);
    let other = r#"{ "preset": "linux-6.12", "lru": "two-lists", "read_faults": "read-only" }"#;
    let mix = differs(other, r#"{ "kernel": "linux-4.19" }"#);
    assert_eq!(without_tick(mix), ["lru", "read_faults", "sched"]);
}

#[test]
fn the_kernel_of_the_host_is_a_preset_and_what_differs() {
    assert_eq!(host_kernel("{}"), preset_kernel("linux-2.6.36"));
    assert_eq!(host_kernel(r#""linux-6.12""#), preset_kernel("linux-6.12"));
    let changed = host_kernel(
        r#"{ "preset": "linux-6.12", "lru": "two-lists", "cgroup": "v1",
             "written_pages": "freed", "read_ahead": "adaptive", "polled_reads": true,
             "halt_poll_shrink": 0, "read_faults": "read-only" }"#,
    );
    let expect = HostKernel {
        lru: Lru::TwoLists,
        cgroup: Cgroup::V1,
        written_pages: WrittenPages::Freed,
        read_ahead: ReadAhead::Adaptive,
        polled_reads: true,
        halt_poll_shrink: 0,
        read_faults: ReadFaults::ReadOnly,
        ..preset_kernel("linux-6.12")
    };
    assert_eq!(changed, expect);
    let never = host_kernel(r#"{ "preset": "linux-6.12", "writeback_throttling": "0s" }"#);
    assert_eq!(never, HostKernel { writeback_throttling: None, ..preset_kernel("linux-6.12") });
    let walks = host_kernel(r#"{ "lru": "generations-second-stage" }"#);
    assert_eq!(walks.lru, Lru::GenerationsSecondStage);
}

#[test]
fn writes_have_a_largest_size() {
    let with = |size: &str| {
        let text = SMALL.replace(r#""swap": {"#, &format!(r#""swap": {{ "max_write": "{size}","#));
        Scenario::from_str("f", &text)
    };
    let limited = with("124KiB").unwrap();
    assert_eq!(limited.machine.host.write_pages, 31);
    assert_eq!(small().machine.host.write_pages, u32::MAX);
    assert_ne!(limited.hash(), small().hash());
    for wrong in ["0B", "2GiB", "1KiB"] {
        let error = with(wrong).unwrap_err().to_string();
        assert!(error.contains("in `host.swap.max_write`"), "{error}");
    }
}

#[test]
fn every_choice_of_the_hosts_kernel_is_in_the_hash() {
    let mut hashes = std::collections::BTreeSet::from([small().hash()]);
    let choices = [
        r#"{ "lru": "generations" }"#,
        r#"{ "lru": "generations-second-stage" }"#,
        r#"{ "cgroup": "v2" }"#,
        r#"{ "polled_reads": true }"#,
        r#"{ "writeback_throttling": "2ms" }"#,
        r#"{ "writeback_throttling": "3ms" }"#,
        r#"{ "halt_poll": "50us" }"#,
        r#"{ "mmu_retry": "evictions" }"#,
        r#"{ "mmu_retry": "unmappings" }"#,
        r#"{ "written_pages": "rotated" }"#,
        r#"{ "read_ahead": "adaptive" }"#,
        r#"{ "read_ahead": "address-space" }"#,
    ];
    for choice in choices {
        let to = format!(r#""sched": {{}}, "kernel": {choice}"#);
        let text = SMALL.replace(r#""sched": {}"#, &to);
        let scenario = Scenario::from_str("f", &text).unwrap_or_else(|e| panic!("{}", e.render()));
        assert!(hashes.insert(scenario.hash()), "{choice} makes no difference");
    }
}

#[test]
fn what_a_guest_may_choose_is_in_the_hash() {
    let mut hashes = std::collections::BTreeSet::from([small().hash()]);
    let choices = [
        r#""timers": "interrupt""#,
        r#""timers": "softirq""#,
        r#""wake_delay": "50us""#,
        r#""event_pages": "reclaimable""#,
        r#""preemption": "full""#,
        r#""apic": { "ipi_exits": true }"#,
        r#""balance_ticks": 77"#,
    ];
    for choice in choices {
        let text = SMALL.replace(r#""guest": {"#, &format!(r#""guest": {{ {choice},"#));
        let scenario = Scenario::from_str("f", &text).unwrap_or_else(|e| panic!("{}", e.render()));
        assert!(hashes.insert(scenario.hash()), "{choice} makes no difference");
    }
    // What is said to be the default is the default.
    let same = [r#""timers": "direct""#, r#""wake_delay": "0s""#, r#""event_pages": "resident""#];
    for choice in same {
        let text = SMALL.replace(r#""guest": {"#, &format!(r#""guest": {{ {choice},"#));
        assert_eq!(Scenario::from_str("f", &text).unwrap().hash(), small().hash(), "{choice}");
    }
}

#[test]
fn a_wrong_kernel_of_the_host_is_told() {
    check(
        r#""sched": {}"#,
        r#""sched": {}, "kernel": "linux-6.21""#,
        "f:15:28: in `host.kernel`: there is no kernel preset of hosts `linux-6.21`
  help: did you mean `linux-6.1`? valid: `linux-2.6.36`, `linux-4.19`, `linux-5.10`, `linux-5.15`, `linux-6.1`, `linux-6.6`, `linux-6.12`, `linux-7.3`",
    );
    check(
        r#""sched": {}"#,
        r#""sched": {}, "kernel": { "preset": "linux-6.21" }"#,
        "f:15:40: in `host.kernel.preset`: there is no kernel preset of hosts `linux-6.21`
  help: did you mean `linux-6.1`? valid: `linux-2.6.36`, `linux-4.19`, `linux-5.10`, `linux-5.15`, `linux-6.1`, `linux-6.6`, `linux-6.12`, `linux-7.3`",
    );
    check(
        r#""sched": {}"#,
        r#""sched": {}, "kernel": { "slow_work_threads": 0 }"#,
        "f:15:51: in `host.kernel.slow_work_threads`: 0 is out of range
  help: from 1 to 255",
    );
    check(
        r#""sched": {}"#,
        r#""sched": {}, "kernel": { "lru": "mglru" }"#,
        "f:15:37: in `host.kernel.lru`...",
    );
}

#[test]
fn disturbances_are_checked() {
    let with = |disturbances: &str| {
        let text = format!(r#""replications": 2, "disturbances": [{disturbances}]"#);
        SMALL.replace(r#""replications": 2"#, &text)
    };
    let told = |disturbances: &str| match Scenario::from_str("f", &with(disturbances)) {
        Ok(_) => "fine".to_owned(),
        Err(error) => error.to_string(),
    };
    let fine = r#"{ "at": "0s", "kind": "smi", "vcpu": 1, "span": "50us", "every": "1ms" }"#;
    let scenario = Scenario::from_str("f", &with(fine)).unwrap();
    assert_eq!(scenario.machine.disturbances.len(), 1);
    assert_ne!(scenario.hash(), small().hash());
    let writes = r#"{ "at": "1ms", "kind": "map_write", "span": "10us" }"#;
    let longer = Scenario::from_str("f", &with(&writes.replace("10us", "20us"))).unwrap();
    assert_ne!(Scenario::from_str("f", &with(writes)).unwrap().hash(), longer.hash());
    for (disturbances, expect) in [
        (
            r#"{ "at": "1s", "kind": "kick", "vcpu": 0 }"#,
            "f:38:47: in `disturbances[0].at`: the run is over after 1s
  help: a time before `warmup` and `duration` are over",
        ),
        (
            r#"{ "at": "1ms", "kind": "kick", "vcpu": 2 }"#,
            "f:38:78: in `disturbances[0].vcpu`: there is no vCPU 2
  help: they are numbered 0 to 1",
        ),
        (
            r#"{ "at": "1ms", "kind": "smi", "vcpu": 0 }"#,
            "f:38:39: in `disturbances[0]`: the SMI has no length
  help: add `\"span\": ...`, the time that the handler takes",
        ),
        (
            r#"{ "at": "1ms", "kind": "kick", "vcpu": 0, "span": "1us" }"#,
            "f:38:89: in `disturbances[0].span`: this disturbance takes no time of its own
  help: remove it; only `smi` and `map_write` have a length",
        ),
        (
            r#"{ "at": "1ms", "kind": "map_write" }"#,
            "f:38:39: in `disturbances[0]`: the change of the memory map has no length
  help: add `\"span\": ...`, the time that the lock is held",
        ),
        (
            r#"{ "at": "1ms", "kind": "map_write", "vcpu": 0, "span": "1us" }"#,
            "f:38:83: in `disturbances[0].vcpu`: a change of the memory map happens to no vCPU
  help: remove it",
        ),
        (
            r#"{ "at": "1ms", "kind": "kick" }"#,
            "f:38:39: in `disturbances[0]`: no vCPU is named
  help: add `\"vcpu\": ...`",
        ),
        (
            r#"{ "at": "1ms", "kind": "kick", "vcpu": 0, "every": "1ns" }"#,
            "f:38:90: in `disturbances[0].every`: 1ns is out of range
  help: from 1us to 100s",
        ),
        (
            r#"{ "at": "1ms", "kind": "smi", "vcpu": 0, "span": "2ms", "every": "2ms" }"#,
            "f:38:104: in `disturbances[0].every`: the handler takes 2ms, and the next interrupt comes after 2ms: the vCPU would never leave system management mode
  help: a longer `every`, or a shorter `span`",
        ),
        (
            r#"{ "at": "2ms", "kind": "offline", "vcpu": 0 }, { "at": "1ms", "kind": "offline", "vcpu": 1 }"#,
            "f:38:39: in `disturbances[0]`: no vCPU would be left online
  help: start another one first, or leave this one online",
        ),
    ] {
        assert_eq!(told(disturbances), expect, "for {disturbances}");
    }
}

#[test]
fn regions_in_guest_memfd_need_room_and_a_kernel_that_has_it() {
    let with = |policy: &str, size: &str| {
        let region = format!(
            r#"{{ "name": "private", "size": "{size}", "backing": "guest_memfd" }}, {{ "name": "array""#
        );
        let text = SMALL.replace(r#"{ "name": "array""#, &region);
        Scenario::from_str(
            "f",
            &text.replace(r#"["sync", "halt"]"#, &format!(r#"["sync", "{policy}"]"#)),
        )
    };
    let fine = with("apf-v6.12", "8MiB").unwrap();
    assert_eq!(fine.machine.workload.regions[0].backing, RegionBacking::GuestMemfd);
    assert_ne!(fine.hash(), small().hash());
    let told = |policy: &str, size: &str| with(policy, size).err().unwrap().to_string();
    let old = told("apf-v5.9", "8MiB");
    assert!(old.contains("in `policies[1]`: the host of `apf-v5.9` has no guest_memfd"), "{old}");
    assert!(old.contains("a generation since v6.12"), "{old}");
    let full = told("apf-v6.12", "23MiB");
    assert!(
        full.contains("`host.memory_limit`") && full.contains("regions in guest_memfd"),
        "{full}"
    );
    let overrides = ScenarioOverrides { policies: vec!["halt".into()], ..Default::default() };
    let refused = fine.with_overrides(&overrides).err().unwrap().to_string();
    assert!(refused.contains("has no guest_memfd"), "{refused}");
}

/// What it costs is a system call, after which the task yields.
#[test]
fn a_yield_with_a_cost_is_a_system_call() {
    use models::config::Op;
    let program = |text: &str| {
        let text = SMALL.replace(r#"[{ "op": "count", "per_second": 1000000000 }]"#, text);
        let scenario = Scenario::from_str("f", &text);
        let scenario = scenario.unwrap_or_else(|error| panic!("{}", error.render()));
        scenario.machine.workload.tasks[1].program.clone()
    };
    let cost = SimDuration::from_us(1);
    assert_eq!(
        program(r#"[{ "op": "yield", "cost": "1us" }, { "op": "yield" }]"#),
        [Op::SyscallEnter { cost }, Op::SyscallExit, Op::Yield, Op::Yield]
    );
}
