//! The lock of the VMM's memory map: who waits for whom when somebody changes the map.

use super::kit::{assert_clean, constant, crowded, for_time, ms, named, simulate_policy, us};
use models::apf::rules::MmapLock;
use models::base::ids::VcpuId;
use models::base::record::{BlockReason, Event, Record};
use models::config::{Disturbance, DisturbanceKind, MachineConfig, Policy};
use models::machine::{RunOutput, RunSettings};
use sim_core::SimDuration;

/// Faults of 2 ms on four vCPUs; the map is changed a thousand times a second.
fn machine() -> MachineConfig {
    let mut config = crowded("skylake-sp", constant(ms(2)));
    config.host.read_ahead_pages = 1;
    config.disturbances = vec![Disturbance {
        at: ms(1),
        every: Some(ms(1)),
        vcpu: VcpuId(0),
        kind: DisturbanceKind::MapWrite { span: us(10) },
    }];
    config
}

fn with_lock(base: &str, lock: MmapLock) -> Policy {
    let mut policy = named(base);
    policy.rules.mmap_lock = lock;
    policy
}

fn recorded(config: &MachineConfig, policy: &Policy) -> RunOutput {
    let settings = RunSettings { keep_records: true, ..for_time(ms(200)) };
    let output = simulate_policy(config, policy, &settings);
    assert_clean(&output);
    output
}

/// How long writers waited for the lock, the longest last.
fn waits(records: &[Record]) -> Vec<SimDuration> {
    let mut since = std::collections::VecDeque::new();
    let mut waits = Vec::new();
    for record in records {
        match record.event {
            Event::MmapLockStartLocking { write: true, .. } => since.push_back(record.time),
            Event::MmapLockAcquired { write: true, .. } => {
                let wait = since.pop_front().map(|since| record.time.since(since));
                waits.push(wait.unwrap_or(SimDuration::ZERO));
            }
            _ => {}
        }
    }
    waits.sort();
    waits
}

fn median(waits: &[SimDuration]) -> SimDuration {
    waits[waits.len() / 2]
}

fn stalls(records: &[Record]) -> usize {
    let waits = |e: &Event| {
        matches!(e, Event::VcpuBlock { reason: BlockReason::MapLock, .. })
            || matches!(e, Event::MmapLockStartLocking { thread: Some(_), .. })
    };
    records.iter().filter(|r| waits(&r.event)).count()
}

#[test]
fn a_writer_waits_for_the_device_where_the_lock_is_held_during_io() {
    for base in ["sync", "apf-v7-2010", "apf-v6.12"] {
        let held = recorded(&machine(), &with_lock(base, MmapLock::HeldDuringIo));
        let dropped = recorded(&machine(), &with_lock(base, MmapLock::DroppedForIo));
        let (held_waits, dropped_waits) =
            (waits(held.records.as_ref().unwrap()), waits(dropped.records.as_ref().unwrap()));
        assert!(held_waits.len() > 50 && dropped_waits.len() > 150, "{base}");
        assert!(median(&held_waits) > us(500), "{base}: {}", median(&held_waits));
        assert!(median(&dropped_waits) < us(100), "{base}: {}", median(&dropped_waits));
        // Whoever faults meanwhile waits behind the writer.
        assert!(stalls(held.records.as_ref().unwrap()) > 50, "{base}");
        let faults = |output: &RunOutput| output.metrics.get("major_faults").unwrap();
        let lost = 1.0 - faults(&held) / faults(&dropped);
        // A read that the fault has begun goes on while its worker waits for the lock.
        let least = if base == "apf-v6.12" { 0.0 } else { 0.05 };
        assert!(lost > least, "{base}: {lost}");
    }
}

/// Dropping the lock for I/O does not help where the lookup itself waits for the read.
#[test]
fn a_read_inside_the_lookup_is_waited_for_under_the_lock() {
    let policy = with_lock("apf-v5.3", MmapLock::DroppedForIo);
    let mut config = machine();
    let inside = waits(recorded(&config, &policy).records.as_ref().unwrap());
    assert!(median(&inside) > us(500), "{}", median(&inside));
    config.host.read_ahead_pages = 8;
    let dropped = waits(recorded(&config, &policy).records.as_ref().unwrap());
    assert!(median(&dropped) < us(100), "{}", median(&dropped));
}

/// Nobody writes, nobody waits: no record of the lock, and the run of a machine without it.
#[test]
fn without_a_writer_there_is_no_lock() {
    let mut config = machine();
    config.disturbances.clear();
    let output = recorded(&config, &named("apf-v6.12"));
    let locks = |r: &&Record| matches!(r.event, Event::MmapLockAcquired { .. });
    assert_eq!(output.records.unwrap().iter().filter(locks).count(), 0);
}

#[test]
fn running_ahead_changes_nothing() {
    let policy = with_lock("apf-v6.12", MmapLock::HeldDuringIo);
    let ahead = recorded(&machine(), &policy);
    let stepped = RunSettings { skip: false, ..for_time(ms(200)) };
    assert_eq!(simulate_policy(&machine(), &policy, &stepped).digest, ahead.digest);
}
