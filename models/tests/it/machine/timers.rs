//! Sleeping tasks and who wakes them; wake-ups after page ready that come late.

use super::kit::{assert_clean, constant, crowded, for_time, group, ms, simulate, us};
use models::base::abi::LOCAL_TIMER;
use models::base::ids::TaskId;
use models::base::record::{Event, Record, TaskRole};
use models::config::{MachineConfig, Op, TimerKind};
use models::machine::RunSettings;
use sim_core::{SimDuration, SimTime};

const NAP: SimDuration = SimDuration::from_us(300);

/// One vCPU with a task that sleeps and computes by turns, and nothing else.
fn napping(timers: TimerKind) -> MachineConfig {
    let mut config = crowded("skylake-sp", constant(ms(2)));
    config.guest.vcpus = 1;
    config.guest.timers = timers;
    config.host.read_ahead_pages = 1;
    let nap = vec![Op::Compute { span: us(100) }, Op::Sleep { span: NAP }];
    config.workload.tasks = vec![group("napper", TaskRole::Worker, 1, nap)];
    config
}

/// The same beside a task whose faults stall the vCPU.
fn beside_faults(timers: TimerKind) -> MachineConfig {
    let mut config = napping(timers);
    let faulter = crowded("skylake-sp", constant(ms(2))).workload.tasks.remove(0);
    config.workload.tasks.push(faulter);
    config
}

fn recorded(config: &MachineConfig, policy: &str) -> Vec<Record> {
    let settings = RunSettings { keep_records: true, ..for_time(ms(200)) };
    let output = simulate(config, policy, &settings);
    assert_clean(&output);
    output.records.unwrap()
}

/// From the end of the compute to the wake-up, without the nap itself; sorted.
fn lateness(records: &[Record]) -> Vec<SimDuration> {
    let (mut asleep, mut late): (Option<(TaskId, SimTime)>, Vec<SimDuration>) = (None, Vec::new());
    let napper = records.iter().find_map(|record| match record.event {
        Event::TaskNew { task, role: TaskRole::Worker, .. } => Some(task),
        _ => None,
    });
    for record in records {
        match record.event {
            Event::TaskRun { task, .. } if Some(task) == napper => {
                asleep = Some((task, record.time));
            }
            Event::GuestSchedWakeup { task, .. } if Some(task) == napper => {
                let slept = asleep.take().map(|(_, since)| record.time.since(since));
                late.extend(slept.map(|slept| slept.saturating_sub(NAP)));
            }
            _ => {}
        }
    }
    late.sort();
    late
}

fn median(late: &[SimDuration]) -> SimDuration {
    assert!(late.len() > 20, "{} naps", late.len());
    late[late.len() / 2]
}

fn expiries(records: &[Record]) -> usize {
    records.iter().filter(|r| matches!(r.event, Event::GuestTimerExpire { .. })).count()
}

#[test]
fn an_interrupt_wakes_in_time_and_costs_something() {
    let direct = recorded(&napping(TimerKind::Direct), "sync");
    let interrupt = recorded(&napping(TimerKind::Interrupt), "sync");
    assert_eq!(expiries(&direct), 0);
    assert!(expiries(&interrupt) > 400, "{}", expiries(&interrupt));
    assert!(median(&lateness(&direct)) < us(1));
    let late = median(&lateness(&interrupt));
    assert!(us(1) < late && late < us(20), "{late}");
    let timer = |r: &&Record| matches!(r.event, Event::KvmInjVirq { vector: LOCAL_TIMER, .. });
    let (before, after) =
        (direct.iter().filter(timer).count(), interrupt.iter().filter(timer).count());
    assert!(after > before + 400, "{before} and {after} interrupts of the timer");
}

#[test]
fn the_wheel_waits_for_a_tick() {
    let records = recorded(&napping(TimerKind::Softirq), "sync");
    let late = lateness(&records);
    // A tick is 1 ms; a nap that begins behind one ends at the next.
    let (middle, longest) = (median(&late), late[late.len() - 1]);
    assert!(us(300) < middle && middle < us(1000), "{middle}");
    assert!(longest < us(1200), "{longest}");
    assert!(expiries(&records) > 100);
}

#[test]
fn a_stall_makes_sleepers_late() {
    for timers in [TimerKind::Interrupt, TimerKind::Softirq] {
        let stalled = lateness(&recorded(&beside_faults(timers), "sync"));
        let told = lateness(&recorded(&beside_faults(timers), "apf-v6.12"));
        let slow = |late: &[SimDuration]| late.iter().filter(|&&late| late > us(1500)).count();
        // Synchronous faults keep the vCPU away for 2 ms at a time; of asynchronous ones only the
        // reclaim does.
        assert!(slow(&stalled) * 4 > stalled.len(), "{timers:?}: {} late", slow(&stalled));
        assert!(slow(&told) * 10 < told.len(), "{timers:?}: {} late when told", slow(&told));
    }
}

#[test]
fn running_ahead_makes_no_difference() {
    for timers in [TimerKind::Interrupt, TimerKind::Softirq] {
        let mut config = crowded("westmere-2010", constant(us(300)));
        config.guest.timers = timers;
        config.guest.wake_delay = us(70);
        let nap = vec![Op::Compute { span: us(40) }, Op::Sleep { span: us(110) }];
        config.workload.tasks.push(group("napper", TaskRole::Worker, 6, nap));
        for policy in ["sync", "apf-v7-2010", "apf-v6.12"] {
            let ahead = simulate(&config, policy, &for_time(ms(40)));
            let stepped = RunSettings { skip: false, ..for_time(ms(40)) };
            let stepped = simulate(&config, policy, &stepped);
            assert_eq!(ahead.digest, stepped.digest, "{timers:?}, {policy}");
        }
    }
}

#[test]
fn a_late_wake_up_makes_faults_longer() {
    let latency = |delay| {
        let mut config = crowded("skylake-sp", constant(us(500)));
        config.host.read_ahead_pages = 1;
        config.guest.wake_delay = delay;
        let output = simulate(&config, "apf-v6.12", &for_time(ms(200)));
        assert_clean(&output);
        output.metrics.get("fault_latency_p50").unwrap()
    };
    let (now, later) = (latency(SimDuration::ZERO), latency(ms(2)));
    assert!(later > now + 0.0019, "{now} and {later}");
}
