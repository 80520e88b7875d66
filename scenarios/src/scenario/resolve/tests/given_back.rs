//! Memory that is given back: by programs, and by guests with balloons.

use models::base::ids::{RegionId, VmId};
use models::config::{Balloon, BalloonTarget, Op, Reporting};
use sim_core::SimDuration;

use crate::scenario::resolve::Scenario;

/// A guest with a region of 8 MiB, fields of guest and host, and an operation.
fn text(guest: &str, host: &str, op: &str) -> String {
    format!(
        r#"{{ "format": 1, "name": "back", "title": "What is given back?",
        "host": {{ "cpu": "skylake-sp", "cpus": 2, "memory_limit": "16MiB", "kernel": "linux-6.12",
                   "swap": {{ "device": "nvme-tlc-gen3" }}{host} }},
        "guest": {{ "kernel": "linux-6.12", "vcpus": 1, "memory": "64MiB"{guest} }},
        "workload": {{ "regions": [{{ "name": "heap", "size": "8MiB", "content": "written" }}],
          "tasks": [{{ "name": "t", "role": "faulter", "program": [{op}, {{ "op": "compute", "span": "1us" }}] }}] }},
        "policies": ["sync"], "duration": "1s" }}"#
    )
}

const DISCARD: &str = r#"{ "op": "discard", "region": "heap" }"#;

fn error(text: &str) -> String {
    Scenario::from_str("f", text).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn a_discard_is_a_system_call_of_a_part_of_its_region() {
    for (op, first, pages) in [
        (DISCARD, 0, 2048),
        (r#"{ "op": "discard", "region": "heap", "first": "4MiB" }"#, 1024, 1024),
        (
            r#"{ "op": "discard", "region": "heap", "first": "4KiB", "size": "8KiB", "cost": "2us" }"#,
            1,
            2,
        ),
    ] {
        let scenario = Scenario::from_str("f", &text("", "", op)).unwrap();
        let ops = &scenario.machine.workload.tasks[0].program;
        assert!(matches!(ops[0], Op::SyscallEnter { .. }) && ops[2] == Op::SyscallExit);
        assert_eq!(ops[1], Op::Discard { region: RegionId(0), first, pages });
    }
}

#[test]
fn what_a_discard_does_not_go_with_is_said() {
    let section = r#"{ "op": "syscall", "cost": "1us", "body": [{ "op": "critical", "kind": "irq_off",
        "body": [{ "op": "access", "region": "heap", "pattern": "uniform", "cost": "1us" }] }] }"#;
    let inside = format!(r#"{{ "op": "syscall", "cost": "1us", "body": [{DISCARD}] }}"#);
    for (text, told) in [
        (text(r#", "thp": true"#, "", DISCARD), "does not go with pages of 2 MiB"),
        (text(r#", "paging": "off""#, "", DISCARD), "does not go with a guest without paging"),
        (text(r#", "processes": "tasks""#, "", DISCARD), "address spaces of their own"),
        (text("", r#", "paging": "shadow""#, DISCARD), "does not go with shadow paging"),
        (text("", "", &inside), "is a system call of its own"),
        (text("", "", &format!("{DISCARD}, {section}")), "a section touches pages"),
        (
            text("", "", r#"{ "op": "discard", "region": "heap", "first": "8MiB" }"#),
            "stay inside the region",
        ),
        (
            text("", "", r#"{ "op": "discard", "region": "heap", "size": "9MiB" }"#),
            "stay inside the region",
        ),
        (text("", "", DISCARD).replace("64MiB", "16MiB"), "leave the guest's memory no room"),
    ] {
        let found = error(&text);
        assert!(found.contains(told), "{told}: {found}");
    }
}

#[test]
fn a_balloon_is_read_with_the_kernels_own_values() {
    let guest = r#", "balloon": { "targets": [{ "at": "10ms", "size": "8MiB" }, { "at": "20ms", "size": "0B" }],
        "free_page_reporting": {} }"#;
    let scenario = Scenario::from_str("f", &text(guest, "", DISCARD)).unwrap();
    let target = |ms, pages| BalloonTarget { at: SimDuration::from_ms(ms), pages };
    let reporting = Some(Reporting { order: 9, delay: SimDuration::from_secs(2) });
    let targets = vec![target(10, 2048), target(20, 0)];
    let balloons = &scenario.machine.host.memory_control.balloons;
    assert_eq!(*balloons, [Balloon { vm: VmId(0), targets, reporting }]);
    // Each of it is another machine.
    let hash = |guest: &str| Scenario::from_str("f", &text(guest, "", DISCARD)).unwrap().hash();
    let own = [
        "",
        r#", "balloon": {}"#,
        r#", "balloon": { "free_page_reporting": {} }"#,
        r#", "balloon": { "free_page_reporting": { "order": 8 } }"#,
        r#", "balloon": { "free_page_reporting": { "delay": "1s" } }"#,
        r#", "balloon": { "targets": [{ "at": "10ms", "size": "8MiB" }] }"#,
        r#", "balloon": { "targets": [{ "at": "11ms", "size": "8MiB" }] }"#,
        r#", "balloon": { "targets": [{ "at": "10ms", "size": "9MiB" }] }"#,
    ];
    let different: std::collections::BTreeSet<String> = own.map(hash).into();
    assert_eq!(different.len(), own.len());
}

#[test]
fn what_a_balloon_does_not_go_with_is_said() {
    let balloon = |inner: &str| format!(r#", "balloon": {{ {inner} }}"#);
    let targets = |list: &str| balloon(&format!(r#""targets": [{list}]"#));
    let late = targets(r#"{ "at": "1s", "size": "8MiB" }"#);
    let twice = targets(r#"{ "at": "1ms", "size": "8MiB" }, { "at": "1ms", "size": "0B" }"#);
    let large = targets(r#"{ "at": "1ms", "size": "65MiB" }"#);
    let order = balloon(r#""free_page_reporting": { "order": 11 }"#);
    let compute = r#"{ "op": "compute", "span": "1us" }"#;
    for (text, told) in [
        (text(&late, "", compute), "guest.balloon.targets[0].at"),
        (text(&twice, "", compute), "in the order of their times"),
        (text(&large, "", compute), "this is more than the guest has"),
        (text(&order, "", compute), "guest.balloon.free_page_reporting.order"),
        (text(&balloon(""), r#", "thp": true"#, compute), "huge pages of the host"),
        (text(&balloon(""), r#", "paging": "shadow""#, compute), "shadow paging"),
        (
            text(&balloon(""), "", compute).replace("64MiB", "10MiB").replace("16MiB", "10MiB"),
            "no room for a balloon",
        ),
        (
            text(&balloon(""), r#""#, compute)
                .replace(r#""nvme-tlc-gen3" }"#, r#""nvme-tlc-gen3", "size": "8MiB" }"#),
            "the swap (8MiB) cannot hold",
        ),
    ] {
        let found = error(&text);
        assert!(found.contains(told), "{told}: {found}");
    }
}
