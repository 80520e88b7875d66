//! Programs of tasks: system calls, sections, yielding.

use super::*;

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
  help: nest at most 8 bodies",
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

/// A request becomes its marks; passes of a group can be requests, and can have an end.
#[test]
fn requests_and_passes_become_marks() {
    use models::config::Op;
    let span = SimDuration::from_us(1);
    let program = |text: &str, more: &str| {
        let text = SMALL.replace(r#"[{ "op": "count", "per_second": 1000000000 }]"#, text);
        let text = text.replace(r#""role": "worker","#, &format!(r#""role": "worker", {more}"#));
        let scenario = Scenario::from_str("f", &text);
        scenario.map(|scenario| scenario.machine.workload.tasks[1].program.clone())
    };
    let request = r#"[{ "op": "request", "body": [{ "op": "compute", "span": "1us" }] }]"#;
    let compute = r#"[{ "op": "compute", "span": "1us" }]"#;
    let flat = [Op::RequestEnter, Op::Compute { span }, Op::RequestExit];
    assert_eq!(program(request, "").unwrap(), flat);
    assert_eq!(program(compute, r#""requests": "passes","#).unwrap(), flat);
    assert_eq!(
        program(compute, r#""passes": 3,"#).unwrap(),
        [Op::Compute { span }, Op::EndPass { passes: 3 }]
    );
    let counts = r#"[{ "op": "count", "per_second": 1 }]"#;
    let counted = r#"[{ "op": "request", "body": [{ "op": "count", "per_second": 1 }] }]"#;
    let empty = r#"[{ "op": "request", "body": [] }, { "op": "compute", "span": "1us" }]"#;
    let called = r#"[{ "op": "syscall", "cost": "1us", "body": [{ "op": "request", "body": [{ "op": "compute", "span": "1us" }] }] }]"#;
    for (text, more, told) in [
        (request, r#""requests": "passes","#, "a request is inside another one"),
        (counts, r#""requests": "passes","#, "a request with `count` in it never ends"),
        (counted, "", "a request with `count` in it never ends"),
        (counts, r#""passes": 3,"#, "the program never gets to the end of a pass"),
        (compute, r#""passes": 0,"#, "0 is out of range"),
        (empty, "", "the request is empty"),
        (called, "", "a request begins and ends in user mode"),
        (compute, r#""requests": "all","#, "unknown value `all`"),
    ] {
        let error = program(text, more).unwrap_err().to_string();
        assert!(error.contains(told), "{text} {more}: {error}");
    }
}

/// A typing error in a gap is no run without end.
#[test]
fn requests_that_arrive_are_not_too_many() {
    let with = |arrivals: &str| {
        let text = SMALL.replace(
            r#""name": "worker","#,
            &format!(
                r#""name": "server", "role": "faulter", "arrivals": {arrivals},
                "program": [{{ "op": "serve", "body": [{{ "op": "compute", "span": "1us" }}] }}] }},
                {{ "name": "worker","#
            ),
        );
        Scenario::from_str("f", &text).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(with(r#"{ "kind": "poisson", "mean": "10us" }"#), Ok(()));
    let off = r#"{ "kind": "on_off", "gap": "1ps", "on": "1ps", "off": "1ms" }"#;
    assert_eq!(with(off), Ok(()));
    for many in [
        r#"{ "kind": "poisson", "mean": "1ps" }"#,
        r#"{ "kind": "on_off", "gap": "1ps", "on": "1ms", "off": "1ms" }"#,
        r#"{ "kind": "law", "gap": { "kind": "zipf", "unit": "1ps", "n": 9, "exponent_milli": 900 } }"#,
    ] {
        let error = with(many).unwrap_err();
        assert!(error.contains("workload.tasks[1].arrivals`: about"), "{error}");
        assert!(error.contains("at most 100000000 in a run"), "{error}");
    }
}

/// What is expected of a group is of a group that there is.
#[test]
fn a_group_of_which_something_is_expected_is_there() {
    let expect = |line: &str| {
        let line = format!(r#""expect": ["{line}"], "baseline": "sync","#);
        let text = SMALL.replace(r#""baseline": "sync","#, &line);
        Scenario::from_str("f", &text).map(|scenario| scenario.expect.len())
    };
    let group = small().machine.workload.tasks[0].name.clone();
    assert_eq!(expect(&format!("request_rate[{group}] sync > 0")).unwrap(), 1);
    let error = expect("request_rate[nobody] sync > 0").unwrap_err().to_string();
    assert!(error.contains("`expect[0]`: there is no group of tasks `nobody`"), "{error}");
}

/// The measure is a metric that there is, of a group that there is.
#[test]
fn the_measure_is_a_metric_that_there_is() {
    let measure = |name: &str| {
        let text = SMALL.replace(r#""baseline": "sync","#, &format!(r#""measure": "{name}","#));
        Scenario::from_str("f", &text).map(|scenario| scenario.measure)
    };
    assert_eq!(small().measure, "work_total");
    for name in ["request_rate", "request_latency_p99[worker]", "exits"] {
        assert_eq!(measure(name).unwrap(), name);
    }
    for (name, told) in [
        ("request_rat", "did you mean `request_rate`?"),
        ("request_rate[workr]", "did you mean `worker`?"),
        ("exits[worker]", "there is no metric `exits[worker]`"),
        ("request_rate[]", "there is no metric `request_rate[]`"),
    ] {
        let error = measure(name).unwrap_err().to_string();
        assert!(error.contains(told), "{name}: {error}");
    }
}
