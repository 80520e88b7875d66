//! The host's kernel by name, and what differs from it.

use models::config::{
    Cgroup, DirectReclaim, FileWindows, HostKernel, Lru, MmapMiss, ReadAhead, ReadFaults,
    SchedParams, WrittenPages,
};

use super::*;

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
        r#"{ "preset": "linux-6.12", "lru": "two-lists", "cgroup": "v1", "direct_reclaim": "until-room",
             "written_pages": "freed", "read_ahead": "adaptive", "polled_reads": true,
             "halt_poll_shrink": 0, "read_faults": "read-only", "fault_around": "16KiB",
             "mmap_miss": "first-try", "file_windows": "on-demand" }"#,
    );
    let expect = HostKernel {
        lru: Lru::TwoLists,
        cgroup: Cgroup::V1,
        direct_reclaim: DirectReclaim::UntilRoom,
        written_pages: WrittenPages::Freed,
        read_ahead: ReadAhead::Adaptive,
        polled_reads: true,
        halt_poll_shrink: 0,
        read_faults: ReadFaults::ReadOnly,
        fault_around_pages: 4,
        mmap_miss: MmapMiss::FirstTry,
        file_windows: FileWindows::OnDemand,
        ..preset_kernel("linux-6.12")
    };
    assert_eq!(changed, expect);
    let never = host_kernel(r#"{ "preset": "linux-6.12", "writeback_throttling": "0s" }"#);
    assert_eq!(never, HostKernel { writeback_throttling: None, ..preset_kernel("linux-6.12") });
    let walks = host_kernel(r#"{ "lru": "generations-second-stage" }"#);
    assert_eq!(walks.lru, Lru::GenerationsSecondStage);
}

#[test]
fn a_wrong_kernel_of_the_host_is_told() {
    check(
        r#""sched": {}"#,
        r#""sched": {}, "kernel": "linux-6.21""#,
        "f:15:28: in `host.kernel`: there is no kernel preset of hosts `linux-6.21`
  help: did you mean `linux-6.12`? valid: `linux-2.6.36`, `linux-4.19`, `linux-5.10`, `linux-5.15`, `linux-6.1`, `linux-6.6`, `linux-6.12`, `linux-7.3`",
    );
    check(
        r#""sched": {}"#,
        r#""sched": {}, "kernel": { "preset": "linux-6.21" }"#,
        "f:15:40: in `host.kernel.preset`: there is no kernel preset of hosts `linux-6.21`
  help: did you mean `linux-6.12`? valid: `linux-2.6.36`, `linux-4.19`, `linux-5.10`, `linux-5.15`, `linux-6.1`, `linux-6.6`, `linux-6.12`, `linux-7.3`",
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
