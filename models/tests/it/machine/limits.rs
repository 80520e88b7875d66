//! Limits that change during a run: how many pages their writer takes, when they are in force, and what
//! becomes of a write that cannot be met.

use super::kit::{MIB, assert_clean, constant, crowded, for_time, group, host_kernel, ms, us};
use super::kit::{named, simulate};
use models::base::ids::{ThreadId, VmId};
use models::base::record::{Event, MemcgFile, Record, TaskRole};
use models::config::{
    Cgroup, DeviceConfig, LimitChange, MachineConfig, Op, RegionBacking, WrittenPages, ZramConfig,
};
use models::machine::{RunError, RunOutput, RunSettings, prefill, run};
use sim_core::{Distribution, SimTime};

const REGION: u64 = 32 * MIB;
/// Pages that a pass takes where they are kept in generations (`MIN_LRU_BATCH`).
const ISOLATED: u64 = 64;

fn change(at: u64, limit_pages: u64) -> LimitChange {
    LimitChange { at: ms(at), vm: VmId(0), file: MemcgFile::Max, limit_pages }
}

/// A guest with all of its pages in memory, under 6.12, whose limit then changes.
fn config(device: DeviceConfig, limits: &[LimitChange]) -> MachineConfig {
    let mut config = crowded("skylake-sp", device);
    config.host.kernel = host_kernel("linux-6.12");
    config.host.memory_limit_pages = 48 * MIB;
    config.host.memory_control.limits = limits.to_vec();
    config
}

/// The same with tasks that touch no memory.
fn idle(device: DeviceConfig, limits: &[LimitChange]) -> MachineConfig {
    let mut config = config(device, limits);
    let count = Op::Count { per_second: 1_000_000_000 };
    config.workload.tasks = vec![group("worker", TaskRole::Worker, 2, vec![count])];
    config
}

fn zram() -> DeviceConfig {
    DeviceConfig::Zram(ZramConfig {
        decompress: Distribution::Constant { value: us(3).as_ps() },
        compress: Distribution::Constant { value: us(6).as_ps() },
        ratio_milli: 3_000,
        limit_pages: None,
    })
}

fn outcome(config: &MachineConfig, policy: &str, run_ms: u64) -> Result<RunOutput, RunError> {
    let settings = RunSettings { keep_records: true, ..for_time(ms(run_ms)) };
    let output = run(&prefill(config, 42, &settings)?, &named(policy), &settings)?;
    assert_clean(&output);
    Ok(output)
}

fn records(output: &RunOutput) -> &[Record] {
    output.records.as_deref().unwrap()
}

fn metric(output: &RunOutput, name: &str) -> u64 {
    output.metrics.get(name).unwrap() as u64
}

fn time_of(output: &RunOutput, is: impl Fn(&Event) -> bool) -> Option<SimTime> {
    records(output).iter().find(|record| is(&record.event)).map(|record| record.time)
}

fn is_new_limit(event: &Event) -> bool {
    matches!(event, Event::MemcgLimit { pages, .. } if *pages == 20 * MIB)
}

fn written(output: &RunOutput) -> Vec<bool> {
    let done = |record: &Record| match record.event {
        Event::MemcgWritten { done, .. } => Some(done),
        _ => None,
    };
    records(output).iter().filter_map(done).collect()
}

/// Where a page is gone when its pass is over, the writer takes as many batches as it needs and no more.
#[test]
fn the_writer_takes_as_many_batches_as_are_too_much() {
    for limit in [20 * MIB, 20 * MIB + 7, 31 * MIB] {
        let config = idle(zram(), &[change(5, limit)]);
        let output = outcome(&config, "apf-v6.12", 200).unwrap();
        let touched = REGION + metric(&output, "guest_tables");
        let over = touched - (limit - config.host.other_resident_pages);
        let batches = over.div_ceil(ISOLATED);
        let taken = metric(&output, "reclaimed_by_limit_writes");
        assert_eq!(taken, batches * ISOLATED, "{over}");
        assert_eq!(metric(&output, "reclaimed_by_vcpus"), 0);
        assert_eq!(written(&output), [true]);
        assert!(output.metrics.get("limit_write_time").unwrap() > 0.0);
    }
}

/// The frames of pages that are being written count, so that a device that is slower gets more than was asked
/// for: at most what its queue holds.
#[test]
fn writes_under_way_are_taken_twice_and_no_more() {
    for frames in [WrittenPages::Freed, WrittenPages::Rotated] {
        let mut config = idle(constant(us(200)), &[change(5, 20 * MIB)]);
        config.host.kernel.written_pages = frames;
        let output = outcome(&config, "apf-v6.12", 200).unwrap();
        let touched = REGION + metric(&output, "guest_tables");
        let over = touched - (20 * MIB - config.host.other_resident_pages);
        let went = metric(&output, "swap_writes_pages");
        assert!((over..over + 128 * 32).contains(&went), "{over} {went} {frames:?}");
        assert_eq!(written(&output), [true]);
    }
}

#[test]
fn a_limit_of_version_2_is_in_force_at_once_and_one_of_version_1_when_it_is_met() {
    for (cgroup, at_once) in [(Cgroup::V2, true), (Cgroup::V1, false)] {
        let mut config = idle(zram(), &[change(5, 20 * MIB)]);
        config.host.kernel.cgroup = cgroup;
        let output = outcome(&config, "apf-v6.12", 200).unwrap();
        let begun = time_of(&output, |event| matches!(event, Event::MemcgWrite { .. })).unwrap();
        let force = time_of(&output, is_new_limit).unwrap();
        let done = time_of(&output, |event| matches!(event, Event::MemcgWritten { .. })).unwrap();
        assert!(begun < done);
        assert_eq!(force, if at_once { begun } else { done });
    }
}

/// Tasks that fault meanwhile reclaim against the new limit as well, each for itself.
#[test]
fn who_faults_while_the_limit_shrinks_reclaims_too() {
    let config = config(constant(us(100)), &[change(5, 20 * MIB)]);
    for policy in ["sync", "apf-v6.12"] {
        let output = outcome(&config, policy, 100).unwrap();
        assert_eq!(written(&output), [true], "{policy}");
        let mut writer = None;
        let mut others = 0;
        for record in records(&output) {
            match record.event {
                Event::MemcgWrite { thread, .. } => writer = Some(thread),
                Event::MemcgWritten { .. } => break,
                Event::MemcgReclaimBegin { thread } if writer.is_some_and(|own| own != thread) => {
                    others += 1;
                }
                _ => {}
            }
        }
        assert!(others > 0, "{policy}");
        // One thread, behind those of the vCPUs.
        assert_eq!(writer, Some(ThreadId(4)));
    }
}

/// With all of memory, nothing is reclaimed any more.
#[test]
fn under_a_raised_limit_nothing_goes() {
    let mut config = config(constant(us(100)), &[change(20, 48 * MIB)]);
    config.host.memory_limit_pages = 20 * MIB;
    let output = outcome(&config, "apf-v6.12", 200).unwrap();
    let raised = time_of(&output, |event| matches!(event, Event::MemcgWritten { .. })).unwrap();
    let reclaims = |from: SimTime| {
        let begins = |record: &&Record| matches!(record.event, Event::MemcgReclaimBegin { .. });
        records(&output).iter().filter(begins).filter(|record| record.time > from).count()
    };
    assert!(reclaims(SimTime::ZERO) > 100);
    assert_eq!(reclaims(raised), 0);
    assert_eq!(metric(&output, "reclaimed_by_limit_writes"), 0);
}

/// A write that is still taking pages ends when another limit is written.
#[test]
fn a_later_limit_ends_a_write() {
    let config = idle(constant(ms(2)), &[change(5, 12 * MIB), change(6, 40 * MIB)]);
    let output = outcome(&config, "apf-v6.12", 200).unwrap();
    assert_eq!(written(&output), [false, true]);
    assert!(metric(&output, "swap_writes_pages") < 10 * MIB);
}

/// Memory that nothing can take away: version 1 refuses, version 2 would kill somebody.
#[test]
fn a_limit_that_cannot_be_met() {
    for cgroup in [Cgroup::V1, Cgroup::V2] {
        let mut config = idle(zram(), &[change(5, 20 * MIB)]);
        config.host.kernel.cgroup = cgroup;
        config.workload.regions[0].backing = RegionBacking::GuestMemfd;
        let output = outcome(&config, "apf-v6.12", 50);
        match cgroup {
            Cgroup::V1 => {
                let output = output.unwrap();
                assert_eq!(written(&output), [false]);
                assert_eq!(time_of(&output, is_new_limit), None);
            }
            Cgroup::V2 => assert!(matches!(output, Err(RunError::OutOfMemory(_)))),
        }
    }
}

#[test]
fn stepping_gives_the_same_bytes() {
    for policy in ["sync", "halt-v6.12", "apf-v6.12", "apf-v7-2010"] {
        for cgroup in [Cgroup::V1, Cgroup::V2] {
            let limits = [change(3, 20 * MIB), change(12, 14 * MIB), change(20, 30 * MIB)];
            let mut config = config(constant(us(100)), &limits);
            config.host.kernel.cgroup = cgroup;
            let digest = |skip| {
                let settings = RunSettings { skip, ..for_time(ms(30)) };
                simulate(&config, policy, &settings).digest
            };
            assert_eq!(digest(true), digest(false), "{policy} {cgroup:?}");
        }
    }
}
