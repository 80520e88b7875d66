//! Which paths can be set, and what is said of the others.

use super::*;
use crate::scenario::library;
use crate::syntax::tree::Document;

fn smoke() -> Node {
    let text = library::find("smoke").expect("built in").text;
    Document::parse("smoke", text).expect("valid").root
}

fn value(text: &str) -> NodeValue {
    Document::parse("value", text).expect("valid").root.value
}

/// Sets `path` and gives the part of the tree at `shown` as JSON.
fn set(path: &str, to: &str, shown: &str) -> Result<(String, String), PathError> {
    let mut root = smoke();
    let place = path.parse::<Target>()?.set(&mut root, &value(to))?;
    let mut node = &root;
    for name in shown.split('.').filter(|name| !name.is_empty()) {
        node = node.get(name).expect("it is there");
    }
    Ok((place.to_string(), node.value.json()))
}

#[track_caller]
fn check(path: &str, to: &str, shown: &str, place: &str, expect: &str) {
    let told = set(path, to, shown);
    assert_eq!(told, Ok((place.into(), expect.into())), "{path}");
}

#[test]
fn values_are_put_where_the_path_leads() {
    check("host.swap.read_ahead", "32", "host.swap.read_ahead", "host.swap.read_ahead", "32");
    check("duration", "\"5s\"", "duration", "duration", "\"5s\"");
    check(
        "host.swap.device.read_latency",
        "\"2us\"",
        "host.swap.device",
        "host.swap.device.read_latency",
        r#"{ "kind": "constant", "read_latency": "2us", "write_latency": "500us" }"#,
    );
    check(
        "workload.regions[array].size",
        "\"48MiB\"",
        "workload.regions",
        "workload.regions[0].size",
        r#"[{ "name": "array", "size": "48MiB", "prefill": true }]"#,
    );
    let place = "workload.tasks[1].program[0].per_second";
    check("workload.tasks[worker].program[0].per_second", "7", "name", place, "\"smoke\"");
}

#[test]
fn what_is_missing_is_made() {
    check("guest.hz", "100", "guest.hz", "guest.hz", "100");
    check(
        "host.costs.exit_light",
        "\"1us\"",
        "host.costs",
        "host.costs.exit_light",
        r#"{ "exit_light": "1us" }"#,
    );
    check(
        "guest.sched.latency",
        "\"6ms\"",
        "guest.sched",
        "guest.sched.latency",
        r#"{ "latency": "6ms" }"#,
    );
}

#[test]
fn the_name_of_a_preset_becomes_the_preset_with_changes() {
    check(
        "host.cpu.stlb.entries",
        "1024",
        "host.cpu",
        "host.cpu.stlb.entries",
        r#"{ "preset": "westmere-2010", "stlb": { "entries": 1024 } }"#,
    );
    check("host.cpu", "\"free\"", "host.cpu", "host.cpu", "\"free\"");
    check(
        "host.swap.device",
        r#"{ "preset": "hdd-7200", "rotation": "4ms" }"#,
        "host.swap.device",
        "host.swap.device",
        r#"{ "preset": "hdd-7200", "rotation": "4ms" }"#,
    );
}

#[track_caller]
fn refused(path: &str, message: &str, help: &str) {
    let error = set(path, "1", "").expect_err(path);
    assert_eq!(error.message, message);
    assert!(error.help.starts_with(help), "{}", error.help);
}

#[test]
fn paths_that_lead_nowhere_are_told() {
    refused(
        "host.swap.readahead",
        "`host.swap.readahead` is no field of a scenario: `host.swap` has no `readahead`",
        "did you mean `read_ahead`? valid: `device`, `max_write`, `read_ahead`, `size`",
    );
    refused(
        "hots.cpus",
        "`hots.cpus` is no field of a scenario: a scenario has no `hots`",
        "did you mean `host`?",
    );
    refused(
        "host.costs.exit_ligth",
        "`host.costs.exit_ligth` is no field of a scenario: `host.costs` has no `exit_ligth`",
        "did you mean `exit_light`?",
    );
    refused(
        "guest.hz.rate",
        "`guest.hz.rate` is no field of a scenario: `guest.hz` has no sub-fields",
        "set `guest.hz` as a whole",
    );
    refused(
        "workload.tasks[faultr].count",
        "nothing in `workload.tasks` of this scenario is named `faultr`",
        "did you mean `faulter`? valid: `faulter`, `worker`",
    );
    refused(
        "workload.tasks[2].count",
        "there is no `workload.tasks[2]` in this scenario",
        "`workload.tasks` has 2 elements, counted from 0",
    );
    refused("guest[0]", "`guest` is not a list in this scenario", "set it as a whole");
}

#[test]
fn a_plain_value_is_no_object() {
    let text = r#"{ "host": { "swap": { "device": { "kind": "channels", "read": "85us" } } } }"#;
    let mut root = Document::parse("f", text).expect("valid").root;
    let target: Target = "host.swap.device.read.mean".parse().expect("a path");
    let error = target.set(&mut root, &value("1")).expect_err("refused");
    assert_eq!(error.message, "`host.swap.device.read` is not an object in this scenario");
    assert_eq!(error.help, "set `host.swap.device.read` as a whole");
}

#[test]
fn what_is_no_path_is_told() {
    for text in ["", ".", "a..b", "a[", "a[]", "a[0", "a[0]b", "a b", "a]", "[0]"] {
        let error = text.parse::<Target>().expect_err(text);
        assert!(error.message.contains("is not a path of fields"), "{text}: {}", error.message);
    }
}
