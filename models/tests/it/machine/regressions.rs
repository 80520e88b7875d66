//! Regression tests of the machine, one for each mistake.

use super::kit::{
    assert_clean, closed_form, constant, crowded, fair, for_time, group, ms, named, simulate,
    syscall, us, write,
};
use models::base::ids::{RegionId, VcpuId};
use models::base::record::{BlockReason, Event, ExitReason, IoKind, Phase, Record, TaskRole};
use models::config::costs::Cost;
use models::config::{
    ConstantConfig, DeviceConfig, Disturbance, DisturbanceKind, MachineConfig, Op, Pattern, Region,
    RegionBacking, TimerKind,
};
use models::machine::{RunOutput, RunSettings, prefill, run};
use models::presets;
use models::presets::policies::policy_names;
use sim_core::{SimDuration, SimTime};

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
        let device = DeviceConfig::Constant(ConstantConfig {
            read_latency: us(read),
            write_latency: us(write),
        });
        let mut config = crowded("westmere-2010", device);
        config.host.memory_limit_pages = 12;
        config.host.other_resident_pages = 0;
        config.host.reclaim_batch_pages = 1;
        config.host.read_ahead_pages = 1;
        config.guest.vcpus = 2;
        let region = |name: &str, pages| Region {
            name: name.into(),
            pages,
            prefill: true,
            backing: RegionBacking::Vmm,
            store: None,
        };
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
    config.workload.regions = vec![Region {
        name: "fresh".into(),
        pages: 2048,
        prefill: false,
        backing: RegionBacking::Vmm,
        store: None,
    }];
    config.guest.memory_pages = config.guest.own_frames(256, 2048, 1) + 2048;
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
        group("worker", TaskRole::Worker, 4, vec![blink, Op::Count { per_second: 1_000_000 }]),
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

/// A timer that somebody else armed while the write of its own vCPU was on its way fired twice.
#[test]
fn a_timer_that_is_armed_meanwhile_fires_once() {
    let mut config = crowded("skylake-sp", constant(us(200)));
    config.guest.timers = TimerKind::Softirq;
    config.guest.apic.timer_exits = true;
    let sleeper = vec![Op::Sleep { span: us(3) }, Op::Compute { span: us(1) }];
    config.workload.tasks = vec![group("sleeper", TaskRole::Worker, 12, sleeper)];
    let output = recorded(&config, "sync", ms(200));
    let armed = output.records.unwrap();
    let armed = armed.iter().filter(|r| matches!(r.event, Event::GuestTick { .. }));
    let mut ticks: Vec<_> = armed.map(|record| (record.time, record.event)).collect();
    let all = ticks.len();
    ticks.dedup();
    assert_eq!((ticks.len(), all > 100), (all, true));
}

/// The error of a run that cannot go on, the same ahead and stepped.
fn error(config: &MachineConfig, policy: &str) -> String {
    let run = |skip| {
        let settings = RunSettings { skip, ..for_time(ms(50)) };
        let prefix = prefill(config, 42, &settings);
        let output = prefix.and_then(|prefix| run(&prefix, &named(policy), &settings));
        output.map(|output| output.digest).unwrap_err().to_string()
    };
    let (ahead, stepped) = (run(true), run(false));
    assert_eq!(ahead, stepped);
    ahead
}

/// A kick that is not used up makes every halt end at once; where exits cost nothing, no time passes.
#[test]
fn a_spin_without_time_stops_and_says_who_spins() {
    let mut config = closed_form(ms(5), us(10), fair(ms(20), ms(10)));
    config.workload.tasks[0].program =
        syscall(us(1), &[write(Pattern::Sequential, SimDuration::ZERO)]);
    config.workload.tasks.truncate(1);
    let kick = DisturbanceKind::Kick;
    config.disturbances =
        vec![Disturbance { at: ms(1), every: Some(ms(1)), vcpu: VcpuId(0), kind: kick }];
    let text = error(&config, "apf-v4.13");
    assert!(
        text.contains("vcpu0, which runs task1 (faulter), spins: 1048576 steps since"),
        "{text}"
    );
    // With exits that take what they take on a processor the same run goes on.
    config.cpu = presets::cpu("skylake-sp").unwrap().config;
    simulate(&config, "apf-v4.13", &for_time(ms(50)));
}

/// A tick that costs more than the time to the next leaves no time for anything else.
#[test]
fn a_prefill_that_is_only_interrupted_stops() {
    let mut config = crowded("lab-1gips", constant(us(200)));
    config.host.tick = us(1);
    config.cpu.costs.host_tick = Cost::Time(us(2));
    let text = error(&config, "sync");
    assert!(text.contains("vcpu0 gets nothing done: 1048576 interrupts"), "{text}");
}

/// Ticks that leave a twentieth of their period, and pages that take a second each.
#[test]
fn a_prefill_that_gets_nowhere_stops() {
    let mut config = crowded("free", constant(us(200)));
    config.host.tick = us(1);
    config.cpu.costs.exit_interrupt = Cost::Time(SimDuration::from_ns(50));
    config.cpu.costs.host_tick = Cost::Time(SimDuration::from_ns(900));
    config.cpu.costs.zero_page = Cost::Time(SimDuration::from_secs(1));
    let text = prefill(&config, 42, &for_time(ms(50))).unwrap_err().to_string();
    assert!(text.contains("the prefill gets nowhere: 16777216 steps since"), "{text}");
    assert!(text.contains("`host.tick` and `guest.hz`"), "{text}");
}

/// Spans within the limits of a scenario that lead beyond the end of simulated time.
#[test]
fn what_would_end_after_the_end_of_time_is_named() {
    let day = SimDuration::from_secs(24 * 60 * 60);
    let device = |read, write| {
        DeviceConfig::Constant(ConstantConfig { read_latency: read, write_latency: write })
    };
    let with = |device| crowded("westmere-2010", device);
    let text = error(&with(device(day.times(200), us(100))), "sync");
    assert!(text.contains("100 days after power-on): a read of the swap device"), "{text}");
    // No single span is too long, but their sum in the prefill is.
    let text = error(&with(device(us(100), day.times(40))), "sync");
    assert!(text.contains("a write of the swap device (`host.swap.device`)"), "{text}");
    let mut config = with(device(us(100), us(100)));
    config.workload.tasks[0].program = vec![Op::Sleep { span: day.times(150) }];
    let text = error(&config, "sync");
    assert!(text.contains("the sleep of task1 (faulter)"), "{text}");
    let mut config = with(device(us(100), us(100)));
    config.workload.tasks[0].program = vec![Op::Compute { span: SimDuration::MAX }];
    let text = error(&config, "apf-v6.12");
    assert!(text.contains("(faulter) (in guest mode)"), "{text}");
}

/// Latencies began at the try, after reclaim and the submission of the read, under policies that start
/// the read at the fault.
#[test]
fn latency_begins_at_the_exit_under_every_policy() {
    let config = crowded("westmere-2010", constant(us(300)));
    for policy in policy_names() {
        let output = recorded(&config, policy, ms(60));
        let mut exits = [SimTime::ZERO; 4];
        let (mut open, mut sum, mut count) = (Vec::new(), 0_u64, 0_u64);
        for &Record { time, event } in output.records.as_ref().unwrap() {
            match event {
                Event::KvmExit { vcpu, reason: ExitReason::EptViolation } => {
                    exits[vcpu.index()] = time;
                }
                Event::MajorFaultBegin { vcpu, task, gfn, .. } => {
                    assert!(time > exits[vcpu.index()], "{policy}: the lookup takes time");
                    open.push((task, gfn, exits[vcpu.index()]));
                }
                Event::PhaseBegin { phase: Phase::Measure } => {
                    // What the prefill had to wait for does not count.
                    (sum, count) = (0, 0);
                    open.clear();
                }
                Event::MajorFaultEnd { task, gfn, .. } => {
                    let place = open.iter().position(|&(t, g, _)| (t, g) == (task, gfn)).unwrap();
                    sum += time.since(open.swap_remove(place).2).as_ps();
                    count += 1;
                }
                _ => {}
            }
        }
        let (mean, told) =
            (sum as f64 / count as f64 * 1e-12, output.metrics.get("fault_latency_mean"));
        assert!((told.unwrap() / mean - 1.0).abs() < 1e-9, "{policy}: {told:?} {mean}");
    }
}

/// A task that slept in debt stays on its queue (`delay_dequeue`). One that was woken there while its
/// vCPU went offline was placed as if it had left, and was counted out of a queue that had not counted
/// it in: "attempt to subtract with overflow".
#[test]
fn a_task_that_slept_in_debt_is_woken_while_its_vcpu_leaves() {
    let mut config = crowded("skylake-sp", constant(us(50)));
    config.guest.sched = presets::guest_kernel("linux-6.12").unwrap().sched(4);
    for vcpu in 1..4 {
        for (at, kind) in [(ms(2), DisturbanceKind::Offline), (ms(4), DisturbanceKind::Online)] {
            let at = at + us(130 * u64::from(vcpu));
            let every = Some(ms(4) + us(7));
            config.disturbances.push(Disturbance { at, every, vcpu: VcpuId(vcpu), kind });
        }
    }
    let output = recorded(&config, "apf-v6.12", ms(400));
    let left = |r: &&Record| matches!(r.event, Event::GuestCpuOffline { .. });
    assert!(output.records.unwrap().iter().filter(left).count() > 100);
}
