//! One test for each mistake that the machine once made.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world_kit;

use models::config::{DeviceConfig, MachineConfig, Op, Pattern, Region};
use models::ids::RegionId;
use models::machine::{RunOutput, RunSettings};
use models::presets;
use models::trace::{BlockReason, Event, IoKind, TaskRole};
use sim_core::{SimDuration, SimTime};
use world_kit::{assert_clean, constant, crowded, for_time, group, ms, simulate, us, write};

fn recorded(config: &MachineConfig, policy: &str, duration: SimDuration) -> RunOutput {
    let settings = RunSettings { keep_records: true, ..for_time(duration) };
    let output = simulate(config, policy, &settings);
    assert_clean(&output);
    output
}

/// Reclaim scanned empty lists for ever when fewer pages than a batch were on them.
#[test]
fn a_limit_of_a_few_pages_is_slow_and_not_endless() {
    for limit in [136, 144, 300] {
        for policy in ["sync", "halt", "apf-v7-2010"] {
            let mut config = crowded("westmere-2010", constant(us(500)));
            config.host.memory_limit_pages = limit;
            config.host.other_resident_pages = 0;
            let output = simulate(&config, policy, &for_time(ms(50)));
            assert_clean(&output);
            assert!(output.metrics.get("major_faults").unwrap() > 50.0, "{limit}, {policy}");
        }
    }
}

/// A thread that waited for room slept on when pages became reclaimable instead of free.
#[test]
fn a_waiter_for_room_is_woken_when_a_page_becomes_reclaimable() {
    for (read, write) in [(50, 3000), (500, 500), (5000, 50)] {
        let device = DeviceConfig::Constant { read_latency: us(read), write_latency: us(write) };
        let mut config = crowded("westmere-2010", device);
        config.host.memory_limit_pages = 12;
        config.host.other_resident_pages = 0;
        config.host.reclaim_batch_pages = 1;
        config.host.read_ahead_pages = 1;
        config.guest.vcpus = 2;
        let region = |name: &str, pages| Region { name: name.into(), pages, prefill: true };
        config.workload.regions = vec![region("big", 64), region("small", 5)];
        let access = |region| Op::Access {
            region: RegionId(region),
            pattern: Pattern::Uniform,
            write: true,
            cost: us(3),
        };
        config.workload.tasks = vec![
            group("big", TaskRole::Faulter, 1, vec![access(0)]),
            group("small", TaskRole::Faulter, 1, vec![access(1)]),
        ];
        let output = simulate(&config, "sync", &for_time(ms(500)));
        let faults = output.metrics.get("major_faults").unwrap();
        assert!(faults > 50.0, "read {read} us, write {write} us: {faults} faults");
    }
}

/// A read used to complete pages between its own that another read had locked.
#[test]
fn no_read_is_over_before_the_device_has_served_it() {
    let device = presets::device("nvme-tlc-gen3").unwrap().config;
    let output = recorded(&crowded("westmere-2010", device), "sync", ms(500));
    // The least service time of the device's law.
    let least = us(70);
    let mut issued = SimTime::ZERO;
    let mut reading = [None; 4];
    let mut checked = 0;
    for record in output.records.unwrap() {
        match record.event {
            Event::BlockRqIssue { op: IoKind::Read, .. } => issued = record.time,
            Event::VcpuBlock { vcpu, reason: BlockReason::Fetch } => {
                reading[vcpu.index()] = (issued == record.time).then_some(issued);
            }
            Event::VcpuUnblock { vcpu, reason: BlockReason::Fetch } => {
                if let Some(begun) = reading[vcpu.index()].take() {
                    assert!(record.time.since(begun) >= least, "{vcpu} at {}", record.time);
                    checked += 1;
                }
            }
            _ => {}
        }
    }
    assert!(checked > 1000, "only {checked} reads");
}

/// Two vCPUs that touched one fresh page together lost a guest frame.
#[test]
fn a_race_for_a_fresh_page_loses_no_frame() {
    let mut config = crowded("westmere-2010", constant(us(200)));
    config.workload.regions = vec![Region { name: "fresh".into(), pages: 2048, prefill: false }];
    config.guest.memory_pages = 256 + 2048 + 4;
    config.host.memory_limit_pages = 1024;
    let walker = || vec![write(Pattern::Sequential, SimDuration::ZERO)];
    config.workload.tasks =
        ["a", "b", "c", "d"].map(|n| group(n, TaskRole::Faulter, 1, walker())).to_vec();
    assert_clean(&simulate(&config, "sync", &for_time(ms(300))));
}

/// An operation that took no whole cycle was ordered differently when vCPUs ran ahead.
#[test]
fn an_operation_below_a_cycle_keeps_the_order() {
    let mut config = crowded("westmere-2010", constant(us(500)));
    let blink = Op::Compute { span: SimDuration::from_ps(100) };
    config.workload.tasks = vec![
        group(
            "walker",
            TaskRole::Faulter,
            4,
            vec![blink, write(Pattern::Uniform, SimDuration::from_ns(20))],
        ),
        group("worker", TaskRole::Worker, 4, vec![blink, Op::Count { units_per_sec: 1_000_000 }]),
    ];
    for policy in ["sync", "apf-v7-2010"] {
        let ahead = simulate(&config, policy, &for_time(ms(30)));
        let settings = RunSettings { skip: false, ..for_time(ms(30)) };
        assert_eq!(ahead.digest, simulate(&config, policy, &settings).digest, "{policy}");
        assert!(ahead.metrics.get("work_total").unwrap() > 0.0);
    }
}

/// A request to preempt outlived the thread that it was meant for.
#[test]
fn no_thread_is_switched_to_itself() {
    let mut config = crowded("westmere-2010", constant(us(200)));
    config.host.cpus = 2;
    let output = recorded(&config, "halt", ms(300));
    for record in output.records.unwrap() {
        if let Event::HostSchedSwitch { prev, next, .. } = record.event {
            assert!(prev.is_none() || prev != next, "{prev:?} at {}", record.time);
        }
    }
}
