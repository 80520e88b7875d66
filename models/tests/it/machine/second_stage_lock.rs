//! The lock of the second-stage tables: who waits for whom, and that nobody does who is alone.

use std::collections::BTreeMap;

use super::kit::{MIB, assert_clean, constant, crowded, for_time, group, ms, simulate, us, write};
use models::base::ids::ThreadId;
use models::base::record::{Event, Record, TaskRole};
use models::config::{MachineConfig, Op, Pattern, SchedParams, SecondStageLock, TablePages};
use models::machine::{RunOutput, RunSettings};
use sim_core::{SimDuration, SimTime};

use SecondStageLock::{None as Nobody, OneHolder, Readers, ReadersAgeFreely};

const ALL: [SecondStageLock; 4] = [Nobody, OneHolder, Readers, ReadersAgeFreely];

/// Every vCPU touches memory of its own for the first time; a fault takes 1 us, of which 400 ns are under
/// the lock.
fn first_touches(vcpus: u16, cpus: u16, kind: SecondStageLock) -> MachineConfig {
    let mut config = crowded("free", constant(ms(1)));
    (config.guest.vcpus, config.host.cpus) = (vcpus, cpus);
    config.guest.memory_pages = 256 * MIB;
    config.guest.table_pages = TablePages::Resident;
    config.host.memory_limit_pages = 256 * MIB;
    config.host.kernel.second_stage_lock = kind;
    config.cpu.costs.set("kvm_fault", "1us").unwrap();
    config.cpu.costs.set("lock_fault", "400ns").unwrap();
    config.workload.regions[0].pages = 128 * MIB;
    config.workload.regions[0].prefill = false;
    let program = vec![write(Pattern::Sequential, SimDuration::ZERO)];
    config.workload.tasks = vec![group("toucher", TaskRole::Faulter, vcpus.into(), program)];
    config
}

fn recorded(config: &MachineConfig, policy: &str, duration: SimDuration) -> RunOutput {
    let output =
        simulate(config, policy, &RunSettings { keep_records: true, ..for_time(duration) });
    assert_clean(&output);
    output
}

fn faults(output: &RunOutput) -> f64 {
    output.metrics.get("minor_faults").unwrap()
}

/// The waits for the lock, by thread in the order of their ends.
fn waits(records: &[Record]) -> Vec<(ThreadId, SimDuration)> {
    let mut since: BTreeMap<ThreadId, SimTime> = BTreeMap::new();
    let mut waits = Vec::new();
    for record in records {
        match record.event {
            Event::ContentionBegin { thread, .. } => {
                assert_eq!(since.insert(thread, record.time), None, "{thread} waits already");
            }
            Event::ContentionEnd { thread } => {
                waits.push((thread, record.time.since(since.remove(&thread).unwrap())));
            }
            _ => {}
        }
    }
    waits
}

#[test]
fn who_is_alone_never_waits_and_nothing_changes() {
    for cpu in ["westmere-2010", "skylake-sp"] {
        let digests = ALL.map(|kind| {
            let mut config = crowded(cpu, constant(us(200)));
            (config.guest.vcpus, config.host.cpus) = (1, 2);
            config.host.kernel.second_stage_lock = kind;
            let output = recorded(&config, "sync", ms(50));
            assert!(output.metrics.get("major_faults").unwrap() > 50.0);
            assert_eq!(output.metrics.get("mmu_lock_contentions"), Some(0.0));
            output.digest
        });
        assert_eq!(digests, [digests[0]; 4], "{cpu}");
    }
}

#[test]
fn one_holder_serves_one_fault_at_a_time_and_readers_all() {
    // Faults of 1 us for 1 ms; with eight vCPUs the lock is what is scarce.
    for (vcpus, alone, shared) in [(1, 1000.0, 1000.0), (2, 2000.0, 2000.0), (8, 2500.0, 8000.0)] {
        for (kind, expected) in [(OneHolder, alone), (Readers, shared), (Nobody, shared)] {
            let output = recorded(&first_touches(vcpus, 8, kind), "sync", ms(1));
            let error = (faults(&output) / expected - 1.0).abs();
            assert!(error < 0.02, "{vcpus} {kind:?}: {} for {expected}", faults(&output));
        }
    }
}

#[test]
fn waiting_is_counted_as_long_as_it_lasts() {
    let output = recorded(&first_touches(8, 8, OneHolder), "sync", ms(1));
    let waits = waits(output.records.as_ref().unwrap());
    // A round of eight takes 3.2 us, of which a vCPU works 1 us.
    let around = SimDuration::from_ns(2199)..=SimDuration::from_ns(2200);
    let steady = waits.iter().filter(|(_, wait)| around.contains(wait)).count();
    assert!(steady * 10 > waits.len() * 9, "{steady} of {}", waits.len());
    let counted = output.metrics.get("mmu_lock_wait").unwrap();
    let share = counted / (8.0 * 1e-3);
    assert!((share - 2.2 / 3.2).abs() < 0.02, "{share}");
    // Spinning is time in the host, not sleep.
    let host = output.metrics.get("cpu_share_host").unwrap();
    assert!((host - 1.0).abs() < 0.02, "{host}");
}

#[test]
fn the_cache_line_bounds_faults_that_share_the_lock() {
    let mut config = first_touches(8, 8, Readers);
    config.cpu.costs.set("lock_line", "100ns").unwrap();
    let output = recorded(&config, "sync", ms(1));
    // One in 200 ns instead of eight in 1 us.
    assert!((faults(&output) / 5000.0 - 1.0).abs() < 0.02, "{}", faults(&output));
    assert_eq!(output.metrics.get("mmu_lock_contentions"), Some(0.0));
}

#[test]
fn whoever_spins_or_has_the_lock_keeps_its_processor() {
    // Eight vCPUs on three processors with a tick that comes all the time. If a holder lost its processor,
    // others would wait for a whole slice.
    let mut config = first_touches(8, 3, OneHolder);
    config.host.tick = us(7);
    let SchedParams::Cfs(params) = &mut config.host.sched else { panic!("the host has CFS") };
    (params.latency, params.min_granularity) = (us(16), us(2));
    let output = recorded(&config, "sync", ms(2));
    let records = output.records.as_ref().unwrap();
    let switches =
        records.iter().filter(|r| matches!(r.event, Event::HostSchedSwitch { .. })).count();
    assert!(switches > 200, "{switches}");
    let waits = waits(records);
    assert!(waits.len() > 500, "{}", waits.len());
    let longest = waits.iter().map(|(_, wait)| *wait).max().unwrap();
    assert!(longest <= SimDuration::from_ns(800), "{longest}");
}

/// A hold that takes no time ends at once, so that preemption is not off in the stretch after it: in guest
/// mode its end would depend on how far the guest runs ahead.
#[test]
fn a_hold_that_takes_no_time_keeps_no_processor() {
    let mut config = first_touches(8, 3, OneHolder);
    config.host.tick = us(7);
    let SchedParams::Cfs(params) = &mut config.host.sched else { panic!("the host has CFS") };
    (params.latency, params.min_granularity) = (us(16), us(2));
    config.cpu.costs.set("lock_fault", "0ns").unwrap();
    let program = &mut config.workload.tasks[0].program;
    program.push(Op::Compute { span: us(100) });
    let [ahead, stepped] = [true, false].map(|skip| {
        let settings = RunSettings { keep_records: true, skip, ..for_time(ms(2)) };
        simulate(&config, "sync", &settings)
    });
    assert_eq!(ahead.digest, stepped.digest);
    // The guest computes for 100 us; a slice of the host's is far shorter.
    let records = ahead.records.as_ref().unwrap();
    let is_switch = |r: &&Record| matches!(r.event, Event::HostSchedSwitch { .. });
    let switches = records.iter().filter(is_switch).count();
    assert!(switches > 200, "{switches}");
}

/// `readers-age-freely`: the same reclaim, without the visits that only ask.
#[test]
fn ageing_takes_the_lock_only_where_the_kernel_does() {
    let [locked, free] = [Readers, ReadersAgeFreely].map(|kind| {
        let mut config = crowded("skylake-sp", constant(us(20)));
        config.host.kernel.second_stage_lock = kind;
        config.cpu.costs.set("lock_age", "2us").unwrap();
        config.cpu.costs.set("reclaim_scan_page", "2us").unwrap();
        let output = recorded(&config, "sync", ms(100));
        output.metrics.get("mmu_lock_wait").unwrap()
    });
    assert!(free < 0.5 * locked, "{free} of {locked} s");
}

#[test]
fn reclaim_takes_the_lock_alone() {
    for policy in ["sync", "apf-v6.12"] {
        let mut config = crowded("skylake-sp", constant(us(20)));
        config.host.kernel.second_stage_lock = Readers;
        config.cpu.costs.set("lock_unmap", "500ns").unwrap();
        let output = recorded(&config, policy, ms(100));
        let records = output.records.as_ref().unwrap();
        let begins = |alone: bool| {
            let is = |r: &&Record| matches!(r.event, Event::ContentionBegin { write, .. } if write == alone);
            records.iter().filter(is).count()
        };
        assert!(
            begins(true) > 10 && begins(false) > 10,
            "{policy}: {} {}",
            begins(true),
            begins(false)
        );
        waits(records);
    }
}
