//! What the hash of a scenario names.

use super::*;

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

#[test]
fn every_choice_of_the_hosts_kernel_is_in_the_hash() {
    let mut hashes = std::collections::BTreeSet::from([small().hash()]);
    let choices = [
        r#"{ "lru": "generations" }"#,
        r#"{ "lru": "generations-second-stage" }"#,
        r#"{ "cgroup": "v2" }"#,
        r#"{ "direct_reclaim": "priorities" }"#,
        r#"{ "polled_reads": true }"#,
        r#"{ "writeback_throttling": "2ms" }"#,
        r#"{ "writeback_throttling": "3ms" }"#,
        r#"{ "swap_write_limit": "whole-depth" }"#,
        r#"{ "halt_poll": "50us" }"#,
        r#"{ "mmu_retry": "evictions" }"#,
        r#"{ "mmu_retry": "unmappings" }"#,
        r#"{ "second_stage_lock": "none" }"#,
        r#"{ "second_stage_lock": "readers" }"#,
        r#"{ "second_stage_lock": "readers-age-freely" }"#,
        r#"{ "written_pages": "rotated" }"#,
        r#"{ "zswap": "second-chance" }"#,
        r#"{ "fault_around": "64KiB" }"#,
        r#"{ "mmap_miss": "first-try" }"#,
        r#"{ "file_windows": "marks" }"#,
        r#"{ "file_windows": "aligned" }"#,
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
fn who_translates_addresses_is_in_the_hash() {
    let with = |paging: &str| {
        let text = SMALL.replace(r#""host": {"#, &format!(r#""host": {{ "paging": "{paging}","#));
        Scenario::from_str("f", &text).unwrap_or_else(|e| panic!("{}", e.render())).hash()
    };
    assert_eq!(with("tdp"), small().hash());
    assert_ne!(with("shadow"), small().hash());
    let huge = SMALL.replace(r#""host": {"#, r#""host": { "thp": true,"#);
    assert_ne!(Scenario::from_str("f", &huge).unwrap().hash(), small().hash());
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
        r#""paging": "off""#,
        r#""processes": "groups""#,
        r#""processes": "tasks""#,
        r#""pcid": true"#,
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
