//! Limits that change, `memory.high` and agents: what they become, what is in the hash, and what is wrong with them.

use super::*;
use models::base::ids::VmId;
use models::base::record::MemcgFile;
use models::config::{LimitChange, MemoryControl, ReclaimAsk};
use sim_core::SimDuration;

fn with(host: &str, kernel: &str) -> String {
    let limit = format!(r#""memory_limit": "24MiB", "kernel": "{kernel}", {host}"#);
    SMALL.replace(r#""memory_limit": "24MiB""#, &limit)
}

fn control(host: &str) -> MemoryControl {
    let scenario = Scenario::from_str("f", &with(host, "linux-6.12"));
    let scenario = scenario.unwrap_or_else(|error| panic!("{}", error.render()));
    scenario.machine.host.memory_control
}

const LIMITS: &str =
    r#""memory_limits": [{ "at": "200ms", "limit": "16MiB" }, { "at": "300ms", "high": "20MiB" }]"#;

#[test]
fn they_become_pages_and_times() {
    let limits = control(LIMITS).limits;
    let change = |at, file, limit_pages| LimitChange {
        at: SimDuration::from_ms(at),
        vm: VmId(0),
        file,
        limit_pages,
    };
    let expected = [change(200, MemcgFile::Max, 4096), change(300, MemcgFile::High, 5120)];
    assert_eq!(limits, expected);
    assert_eq!(control(r#""memory_high": "20MiB""#).highs, [(VmId(0), 5120)]);
    let agents =
        control(r#""proactive_reclaim": [{ "every": "10ms", "share_ppm": 2000 }]"#).proactive;
    assert_eq!(agents[0].at, SimDuration::from_ms(10));
    assert_eq!(agents[0].ask, ReclaimAsk::Share { ppm: 2000 });
}

#[test]
fn every_field_is_in_the_hash_and_none_changes_it() {
    let mut hashes = std::collections::BTreeSet::new();
    let plain = Scenario::from_str("f", &with(r#""thp": false"#, "linux-6.12")).unwrap().hash();
    assert!(hashes.insert(plain.clone()));
    for host in [
        LIMITS,
        &LIMITS.replace("200ms", "201ms"),
        &LIMITS.replace("16MiB", "17MiB"),
        &LIMITS.replace("high", "limit"),
        r#""memory_high": "20MiB""#,
        r#""memory_high": "21MiB""#,
        r#""proactive_reclaim": [{ "every": "10ms", "size": "1MiB" }]"#,
        r#""proactive_reclaim": [{ "every": "10ms", "share_ppm": 256 }]"#,
        r#""proactive_reclaim": [{ "every": "10ms", "at": "1ms", "size": "1MiB" }]"#,
        r#""proactive_reclaim": [{ "every": "11ms", "at": "10ms", "size": "1MiB" }]"#,
    ] {
        let text = with(host, "linux-6.12");
        assert!(hashes.insert(Scenario::from_str("f", &text).unwrap().hash()), "{host}");
    }
    let empty = with(r#""memory_limits": [], "proactive_reclaim": []"#, "linux-6.12");
    assert_eq!(Scenario::from_str("f", &empty).unwrap().hash(), plain);
}

#[test]
fn what_is_wrong_is_said_at_its_place() {
    let limits = |entries: &str| format!(r#""memory_limits": [{entries}]"#);
    let agents = |entries: &str| format!(r#""proactive_reclaim": [{entries}]"#);
    for (host, kernel, messages) in [
        (
            limits(r#"{ "at": "1s", "limit": "16MiB" }"#),
            "linux-6.12",
            ["host.memory_limits[0].at", "the run is over after 1s"],
        ),
        (
            limits(r#"{ "at": "2ms", "limit": "16MiB" }, { "at": "2ms", "limit": "17MiB" }"#),
            "linux-6.12",
            ["host.memory_limits[1].at", "in the order of their times"],
        ),
        (
            limits(r#"{ "at": "2ms" }"#),
            "linux-6.12",
            ["host.memory_limits[0]", "one file of the container is written at a time"],
        ),
        (
            limits(r#"{ "at": "2ms", "limit": "1MiB" }"#),
            "linux-6.12",
            ["host.memory_limits[0].limit", "leaves the guest no memory to run"],
        ),
        (
            limits(r#"{ "at": "2ms", "limit": "16MiB", "vm": "web" }"#),
            "linux-6.12",
            ["host.memory_limits[0].vm", "there is no virtual machine `web`"],
        ),
        (
            r#""memory_high": "16MiB""#.to_owned(),
            "linux-4.19",
            ["control groups of version 1, which know no `memory.high`", "`linux-5.10`"],
        ),
        (
            r#""memory_high": "1MiB""#.to_owned(),
            "linux-6.12",
            ["host.memory_high", "leaves the guest no memory to run"],
        ),
        (
            agents(r#"{ "every": "10ms" }"#),
            "linux-6.12",
            ["host.proactive_reclaim[0]", "how much is to be reclaimed each time?"],
        ),
        (
            agents(r#"{ "every": "1us", "size": "1MiB" }"#),
            "linux-6.12",
            ["host.proactive_reclaim[0].every", "is out of range"],
        ),
        (
            agents(r#"{ "every": "1ms", "size": "1MiB" }, { "every": "2ms", "size": "1MiB" }"#),
            "linux-6.12",
            ["host.proactive_reclaim[1]", "the container has an agent already"],
        ),
        (
            agents(r#"{ "every": "1ms", "size": "1MiB" }"#),
            "linux-4.19",
            ["host.proactive_reclaim", "which know no `memory.reclaim`"],
        ),
    ] {
        let found = Scenario::from_str("f", &with(&host, kernel)).unwrap_err().to_string();
        for message in messages {
            assert!(found.contains(message), "{message}: {found}");
        }
    }
}
