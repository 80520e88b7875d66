//! Polling in HLT: whom it serves, what it costs, and what ends it.

use super::kit::{
    assert_clean, constant, crowded, for_time, ms, named, simulate_policy, us, with_workers,
};
use models::apf::rules::Workers;
use models::base::ids::ThreadId;
use models::base::record::{Event, Record};
use models::config::{MachineConfig, Policy};
use models::machine::{RunOutput, RunSettings};
use sim_core::SimDuration;

/// One task that faults, alone on its vCPU, which is idle while the page comes.
fn idle_guest(latency: SimDuration, halt_poll: SimDuration) -> MachineConfig {
    let mut config = crowded("skylake-sp", constant(latency));
    config.host.read_ahead_pages = 1;
    config.host.cpus = 2;
    config.host.kernel.halt_poll = halt_poll;
    config.guest.vcpus = 1;
    config.workload.tasks.truncate(1);
    config.workload.tasks[0].count = 1;
    config
}

fn recorded(config: &MachineConfig, policy: &Policy) -> RunOutput {
    let settings = RunSettings { keep_records: true, ..for_time(ms(100)) };
    let output = simulate_policy(config, policy, &settings);
    assert_clean(&output);
    let stepped = RunSettings { skip: false, ..for_time(ms(100)) };
    assert_eq!(simulate_policy(config, policy, &stepped).digest, output.digest);
    output
}

/// How often the vCPU's thread gave up its processor, and how often polling grew.
fn sleeps(records: &[Record]) -> (usize, usize) {
    let count = |wanted: fn(&Event) -> bool| records.iter().filter(|r| wanted(&r.event)).count();
    let slept = count(|e| matches!(e, Event::HostSchedSwitch { prev: Some(ThreadId(0)), .. }));
    (slept, count(|e| matches!(e, Event::KvmHaltPollNs { grow: true, .. })))
}

#[test]
fn short_halts_are_polled_through() {
    // The interrupt of the read is what wakes the vCPU.
    let policy = with_workers("apf-v6.12", Workers::NativeIo);
    let polled = recorded(&idle_guest(us(60), us(200)), &policy);
    let slept = recorded(&idle_guest(us(60), SimDuration::ZERO), &policy);
    let faults = |output: &RunOutput| output.metrics.get("major_faults").unwrap();
    let (few, grown) = sleeps(polled.records.as_ref().unwrap());
    let (many, never) = sleeps(slept.records.as_ref().unwrap());
    assert!(grown >= 3 && never == 0, "{grown} {never}");
    assert!(few * 3 < many, "{few} {many}");
    // A vCPU that polls is there at once.
    assert!(faults(&polled) > 1.01 * faults(&slept), "{} {}", faults(&polled), faults(&slept));
}

#[test]
fn long_halts_are_slept_through() {
    let output = recorded(&idle_guest(ms(1), us(200)), &named("apf-v6.12"));
    let (slept, _) = sleeps(output.records.as_ref().unwrap());
    assert!(slept >= 90, "{slept}");
}

/// The worker of the item is bound to the vCPU's processor and ends the polling, as in the logs, where
/// only timers are seen by one that polls.
#[test]
fn who_wants_the_processor_ends_the_polling() {
    let config = idle_guest(us(60), us(200));
    let output = recorded(&config, &named("apf-v6.12"));
    let (slept, grown) = sleeps(output.records.as_ref().unwrap());
    let faults = output.metrics.get("major_faults").unwrap();
    assert!(grown >= 3, "{grown}");
    let without = recorded(&idle_guest(us(60), SimDuration::ZERO), &named("apf-v6.12"));
    let least = 0.95 * without.metrics.get("major_faults").unwrap();
    assert!(faults > least, "a wake-up was lost: {faults} of {least}");
    assert!(slept as f64 >= faults, "{slept} {faults}");
}
