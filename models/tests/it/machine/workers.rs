//! Who brings the page of an item: pools of workers, threads of their own, interrupts.

use std::collections::BTreeSet;

use super::kit::{
    assert_clean, constant, crowded, for_time, group, ms, named, simulate_policy, us, with_workers,
    write,
};
use models::apf::rules::Workers;
use models::base::record::{Event, ExitReason, IoKind, Phase, Record, TaskRole};
use models::config::{MachineConfig, Policy};
use models::machine::{RunOutput, RunSettings};
use sim_core::SimDuration;

/// Many faulters on one vCPU, so that many items are outstanding.
fn many_faulters(latency: SimDuration) -> MachineConfig {
    let mut config = crowded("skylake-sp", constant(latency));
    config.host.read_ahead_pages = 1;
    config.guest.vcpus = 1;
    config.host.cpus = 4;
    config.workload.tasks[0] = group(
        "faulter",
        TaskRole::Faulter,
        40,
        vec![write(models::config::Pattern::Uniform, SimDuration::from_ns(20))],
    );
    config
}

fn recorded(config: &MachineConfig, policy: &Policy) -> RunOutput {
    let settings = RunSettings { keep_records: true, ..for_time(ms(100)) };
    let output = simulate_policy(config, policy, &settings);
    assert_clean(&output);
    output
}

fn metric(output: &RunOutput, name: &str) -> f64 {
    output.metrics.get(name).unwrap()
}

#[test]
fn a_pool_executes_no_more_items_than_it_may() {
    let mut config = many_faulters(ms(2));
    let peak = |config: &MachineConfig, workers| {
        metric(&recorded(config, &with_workers("apf-v6.12", workers)), "worker_threads_peak")
    };
    let unlimited = peak(&config, Workers::Workqueue);
    assert!(unlimited > 30.0, "only {unlimited} workers");
    assert_eq!(peak(&config, Workers::FourThreads), 4.0);
    assert!(peak(&config, Workers::ThreadPerFault) > 30.0);
    assert_eq!(peak(&config, Workers::NativeIo), 0.0);
    // The limit is one for each processor, and the vCPU thread moves.
    config.host.cpus = 1;
    config.host.kernel.workqueue_max_active = 7;
    config.host.kernel.slow_work_threads = 9;
    assert_eq!(peak(&config, Workers::Workqueue), 7.0);
    assert_eq!(peak(&config, Workers::FourThreads), 9.0);
}

/// Four threads that start the read themselves leave the device idle; who only waits does not.
#[test]
fn a_small_pool_limits_the_device_where_workers_start_the_read() {
    let config = many_faulters(ms(2));
    let faults =
        |base, workers| metric(&recorded(&config, &with_workers(base, workers)), "major_faults");
    let small = faults("apf-v7-2010", Workers::FourThreads);
    let large = faults("apf-v7-2010", Workers::Workqueue);
    assert!(large > 3.0 * small, "{small} against {large}");
}

#[test]
fn items_without_workers_are_completed_by_the_interrupt_of_their_read() {
    let config = many_faulters(us(500));
    let policy = with_workers("apf-v6.12", Workers::NativeIo);
    let output = recorded(&config, &policy);
    let records = output.records.unwrap();
    let count = |wanted: fn(&Event) -> bool| records.iter().filter(|r| wanted(&r.event)).count();
    let completed = count(|e| matches!(e, Event::KvmAsyncPfCompleted { .. }));
    assert!(completed > 1000, "only {completed} items");
    assert_eq!(count(|e| matches!(e, Event::WorkqueueQueueWork { .. })), 0);
    assert_eq!(count(|e| matches!(e, Event::WorkqueueExecuteStart { .. })), 0);
    // Only the vCPU's thread ever has a processor.
    let threads: BTreeSet<_> = records
        .iter()
        .filter_map(|r| match r.event {
            Event::HostSchedSwitch { next, .. } => next,
            _ => None,
        })
        .collect();
    assert_eq!(threads.len(), 1, "{threads:?}");
    assert!(each_completion_follows_a_read(&records, &config) > 1000);
}

/// Every completion comes one interrupt's time after the end of a read.
fn each_completion_follows_a_read(records: &[Record], config: &MachineConfig) -> usize {
    let interrupt = config.cpu.costs.at(config.cpu.frequency).block_complete.time;
    let mut ends = BTreeSet::new();
    let mut checked = 0;
    for record in records {
        match record.event {
            Event::BlockRqComplete { .. } => {
                ends.insert(record.time + interrupt);
            }
            Event::KvmAsyncPfCompleted { .. } => {
                assert!(ends.contains(&record.time), "{record:?}");
                checked += 1;
            }
            _ => {}
        }
    }
    checked
}

/// On one processor the interrupt takes the vCPU out of guest mode and its time with it.
#[test]
fn the_interrupted_processor_pays() {
    let mut config = many_faulters(us(500));
    config.host.cpus = 1;
    let policy = with_workers("apf-v6.12", Workers::NativeIo);
    let output = recorded(&config, &policy);
    let records = output.records.as_ref().unwrap();
    let interrupted = records.windows(2).filter(|pair| {
        matches!(pair[0].event, Event::BlockRqComplete { .. })
            && matches!(pair[1].event, Event::KvmExit { reason: ExitReason::ExternalInterrupt, .. })
    });
    assert!(interrupted.count() > 100);
    let cheap = metric(&output, "work_total");
    config.cpu.costs.set("block_complete", "20us").unwrap();
    let dear = metric(&recorded(&config, &policy), "work_total");
    assert!(dear < 0.95 * cheap, "{dear} of {cheap}");
}

/// The three ways to start a read: before the try, by the worker, or by who then waits for it.
#[test]
fn who_submits_the_read_is_a_mechanism() {
    let config = many_faulters(us(500));
    let mut order = Vec::new();
    for policy in ["apf-v6.12", "apf-v7-2010", "apf-v5.3"] {
        let output = recorded(&config, &named(policy));
        let records = output.records.unwrap();
        let begins = |r: &&Record| matches!(r.event, Event::PhaseBegin { phase: Phase::Measure });
        let begin = records.iter().position(|r| begins(&r)).unwrap();
        let measured: Vec<Event> = records[begin..].iter().map(|r| r.event).collect();
        let read = |e: &Event| matches!(e, Event::BlockRqIssue { op: IoKind::Read, .. });
        let attempt = |e: &Event| matches!(e, Event::KvmTryAsyncGetPage { .. });
        let start = |e: &Event| matches!(e, Event::WorkqueueExecuteStart { .. });
        let first = |wanted: &dyn Fn(&Event) -> bool| measured.iter().position(wanted);
        order.push((first(&read).unwrap(), first(&attempt), first(&start)));
    }
    let (read, attempt, start) = order[0];
    assert!(read < attempt.unwrap() && attempt < start, "the vCPU thread starts it");
    let (read, attempt, start) = order[1];
    assert!(attempt < start && start.unwrap() < read, "the worker starts it");
    assert_eq!((order[2].1, order[2].2), (None, None), "async never starts");
}

/// Who polls for its read keeps its processor. To a vCPU thread that makes no difference, as it waits either
/// way; a worker that does not sleep keeps its pool from starting another one, so that reads come one after
/// the other.
#[test]
fn polled_reads_take_the_processor_from_others() {
    let mut config = many_faulters(us(500));
    config.host.cpus = 1;
    let policies = [named("sync"), named("apf-v5.3"), named("apf-v7-2010")];
    let works = |config: &MachineConfig| {
        policies.each_ref().map(|policy| {
            let output = simulate_policy(config, policy, &for_time(ms(1000)));
            assert_clean(&output);
            (metric(&output, "work_total"), metric(&output, "major_faults"))
        })
    };
    let sleeping = works(&config);
    config.host.kernel.polled_reads = true;
    let polling = works(&config);
    for at in [0, 1] {
        let (polled, slept) = (polling[at].0, sleeping[at].0);
        assert!((polled / slept - 1.0).abs() < 0.05, "{polling:?} {sleeping:?}");
    }
    // One read at a time, and each waits for the vCPU thread besides.
    assert!(polling[2].1 < 2000.0 && sleeping[2].1 > 4000.0, "{polling:?} {sleeping:?}");

    // The processor is idle while the vCPU thread waits for room at most.
    let idle = |config: &MachineConfig| {
        let records = recorded(config, &named("sync")).records.unwrap();
        records
            .iter()
            .filter(|r| matches!(r.event, Event::HostSchedSwitch { next: None, .. }))
            .count()
    };
    let polled = idle(&config);
    config.host.kernel.polled_reads = false;
    let slept = idle(&config);
    assert!(2 * polled < slept, "{polled} {slept}");
}

/// A read that is polled for ends when the device says so, not later, and whoever else waits for the
/// page is woken.
#[test]
fn a_polled_read_lasts_as_long_as_the_device_says() {
    let mut config = many_faulters(us(500));
    config.host.kernel.polled_reads = true;
    for base in ["sync", "apf-v7-2010"] {
        let output = recorded(&config, &named(base));
        assert!(metric(&output, "major_faults") > 50.0, "{base}");
        let stepped = RunSettings { skip: false, ..for_time(ms(100)) };
        let again = simulate_policy(&config, &named(base), &stepped);
        assert_eq!(again.digest, output.digest, "{base}");
    }
}
