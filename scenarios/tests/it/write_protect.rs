//! Memory that a VMM write-protects, as scenario files say it.

use crate::kit::outcome;
use models::config::{Lift, WriteProtection};
use scenarios::Scenario;

/// A scenario whose host has these fields, and whose guest has these.
fn text(host: &str, guest: &str) -> String {
    format!(
        r#"{{
  "format": 1, "name": "live", "title": "t",
  "host": {{
    "cpu": "skylake-sp", "cpus": 4, "memory_limit": "64MiB", "kernel": "linux-6.12",
    "swap": {{ "device": "nvme-tlc-gen3" }}{host}
  }},
  "guest": {{ "kernel": "linux-6.12", "vcpus": 2, "memory": "64MiB"{guest} }},
  "workload": {{
    "regions": [{{ "name": "heap", "size": "16MiB", "prefill": true }}],
    "tasks": [{{ "name": "writer", "role": "faulter", "count": 2, "program": [
      {{ "op": "access", "region": "heap", "pattern": "uniform", "write": true, "cost": "200ns" }}] }}]
  }},
  "policies": ["sync", "apf-v6.12"], "duration": "20ms"
}}"#
    )
}

const PLAIN: &str = r#", "write_protect": [{ "at": "1ms", "sink": "nvme-m5d", "rate": "100MiB" }]"#;

fn error(text: &str) -> String {
    Scenario::from_str("f", text).unwrap_err().to_string()
}

#[test]
fn defaults_are_those_of_the_documents() {
    let scenario = Scenario::from_str("f", &text(PLAIN, "")).unwrap();
    let protections = &scenario.machine.host.memory_control.protections;
    let [WriteProtection { threads: 1, depth: 32, rate: Some(25_600), lift: Lift::Saved, .. }] =
        protections[..]
    else {
        panic!("{protections:?}")
    };
    let bare = text("", "");
    let others = Scenario::from_str("f", &bare).unwrap();
    assert!(others.machine.host.memory_control.protections.is_empty());
    assert_ne!(scenario.hash(), others.hash());
}

#[test]
fn an_older_kernel_is_told_which_release_has_it() {
    for (kernel, has) in [("linux-4.19", false), ("linux-5.10", true), ("linux-6.1", true)] {
        let text = text(PLAIN, "").replacen("linux-6.12", kernel, 1);
        match Scenario::from_str("f", &text) {
            Ok(_) => assert!(has, "{kernel}"),
            Err(error) => {
                let error = error.to_string();
                assert!(!has && error.contains("came with Linux 5.7"), "{error}");
                assert!(error.contains(kernel) && error.contains("write_protect"), "{error}");
            }
        }
    }
}

#[test]
fn what_is_not_modelled_beside_it_is_refused() {
    let guests = text(PLAIN, r#", "balloon": { "free_page_reporting": {} }"#);
    let stored = text(PLAIN, "").replace(r#""prefill": true"#, r#""content": "stored""#);
    let answered = text(PLAIN, "").replace(r#""apf-v6.12"]"#, r#""apf-user-exit"]"#);
    for (text, told) in [
        (text(&format!(r#"{PLAIN}, "thp": true"#), ""), "huge pages of the host"),
        (text(&format!(r#"{PLAIN}, "paging": "shadow""#), ""), "shadow paging"),
        (guests, "a balloon of the same guest"),
        (stored, "regions that are `stored`"),
        (answered, "under `apf-user-exit` the VMM answers faults"),
    ] {
        let error = error(&text);
        assert!(error.contains(told), "{told}: {error}");
    }
}

#[test]
fn what_makes_no_sense_is_told_at_its_place() {
    let with = |own: &str| error(&text(&format!(r#", "write_protect": [{own}]"#), ""));
    for (own, told) in [
        (r#"{ "at": "1ms", "depth": 4 }"#, "nothing is saved"),
        (r#"{ "at": "1ms", "lift": "copied" }"#, "nothing is saved"),
        (r#"{ "at": "30ms" }"#, "is out of range"),
        (r#"{ "at": "1ms", "threads": 0 }"#, "is out of range"),
        (r#"{ "at": "1ms" }, { "at": "2ms" }"#, "is protected already"),
        (r#"{ "at": "1ms", "sink": "zram-lz4" }"#, "compressed memory"),
        (r#"{ "at": "1ms", "vm": "other" }"#, "virtual machine"),
    ] {
        let error = with(own);
        assert!(error.contains(told) && error.contains("write_protect"), "{own}: {error}");
    }
}

#[test]
fn a_snapshot_that_is_not_complete_is_noted() {
    let notes = |duration: &str| {
        let result = outcome(&text(PLAIN, "").replacen("20ms", duration, 1));
        let of = |policy: &str| {
            let all = result.notes.iter().filter(|note| note.policy.as_deref() == Some(policy));
            let own = all.filter(|note| note.kind.name() == "snapshot-incomplete");
            own.map(|note| note.text.clone()).collect::<Vec<_>>()
        };
        [of("sync"), of("apf-v6.12")]
    };
    // 16 MiB and what else the guest has touched, at 100 MiB a second.
    for found in notes("20ms") {
        let [note] = &found[..] else { panic!("{found:?}") };
        assert!(
            note.starts_with("the snapshot was not complete at the end of 1 of 1 runs: "),
            "{note}"
        );
    }
    assert_eq!(notes("400ms"), [Vec::<String>::new(), Vec::new()]);
}
