//! Faults of pages that a userfaultfd handler brings.

use models::trace::kernel::KernelEvent as E;

use super::fact::{Fact, Side, facts};
use super::measure::{self as m, share, step_us};
use super::trace::{Run, Trace, What};

const LAB: &str = "lab-uffd-100us-4f4w";
const PV: &str = "apf-v6.12";
const HALT: &str = "halt-v6.12";
/// Without latency the reader installs at once.
const AT_ONCE: &[&str] =
    &["host.stores[0].handler.latency=0s", "host.stores[0].handler.installers=0"];

const fn run(policy: &'static str, traced: bool, set: &'static [&'static str]) -> Side<Run> {
    Side::Of(Run { scenario: LAB, policy, traced, settled: true, set })
}

fn messages(trace: &Trace) -> usize {
    let waits =
        |entry: &&super::trace::Entry| matches!(entry.what, What::Userfault { waits: true, .. });
    trace.entries.iter().filter(waits).count()
}

fn read(trace: &Trace) -> u64 {
    let read = |entry: &super::trace::Entry| match entry.what {
        What::Read(messages) => messages,
        _ => 0,
    };
    trace.entries.iter().map(read).sum()
}

/// The share of messages of vCPU threads, and of the sleeps of those threads after one: those interruptible.
fn of_vcpus(trace: &Trace) -> (f64, f64) {
    let (mut own, mut all, mut sleeps, mut interruptible) = (0, 0, 0, 0);
    let mut asks = std::collections::BTreeSet::new();
    for entry in &trace.entries {
        match entry.what {
            What::Userfault { waits: true, .. } => {
                all += 1;
                if m::is_vcpu(&entry.comm) {
                    own += 1;
                    asks.insert(entry.pid);
                }
            }
            What::Switch { prev, state, .. } if state != 'R' && asks.remove(&prev) => {
                sleeps += 1;
                interruptible += usize::from(state == 'S');
            }
            _ => {}
        }
    }
    (share(own, all), if sleeps == 0 { 0.0 } else { share(interruptible, sleeps) })
}

/// The share of sleeping workers that sleep in D after their message.
fn workers_in_d(trace: &Trace) -> f64 {
    let (mut asks, mut sleeps, mut in_d) = (std::collections::BTreeSet::new(), 0, 0);
    for entry in &trace.entries {
        match entry.what {
            What::Userfault { waits: true, .. } if !m::is_vcpu(&entry.comm) => {
                asks.insert(entry.pid);
            }
            What::Kernel(E::Completed { .. }) => {
                asks.remove(&entry.pid);
            }
            What::Switch { prev, state, .. } if state != 'R' && asks.remove(&prev) => {
                sleeps += 1;
                in_d += usize::from(state == 'D');
            }
            _ => {}
        }
    }
    share(in_d, sleeps)
}

facts! {
    lookups_send_no_message_recorded lookups_send_no_message_simulated {
        what: "messages read of a message sent, those of lookups without waiting not counted (uffd 1)",
        recorded: Side::Of("userfaultfd/u01"),
        simulated: run(PV, true, &[]),
        figure: |trace| read(trace) as f64 / messages(trace) as f64,
        bounds: 0.99..=1.0,
        differs: None,
    }
    workers_ask_recorded workers_ask_simulated {
        what: "messages that vCPU threads send, pv (uffd 1)",
        recorded: Side::Of("userfaultfd/u41"),
        simulated: run(PV, false, &[]),
        figure: |trace| of_vcpus(trace).0,
        bounds: 0.0..=0.0,
        differs: None,
    }
    workers_sleep_in_d_recorded workers_sleep_in_d_simulated {
        what: "workers that sleep in D for the VMM, of those that sleep (uffd 1)",
        recorded: Side::Of("userfaultfd/u01"),
        simulated: run(PV, true, &[]),
        figure: workers_in_d,
        bounds: 1.0..=1.0,
        differs: None,
    }
    exit_to_message_recorded exit_to_message_simulated {
        what: "exit to message, pv, median us (uffd 1)",
        recorded: Side::Of("userfaultfd/u01"),
        simulated: run(PV, true, &[]),
        figure: |trace| step_us(trace, |steps| steps.message),
        bounds: 18.0..=28.0,
        differs: None,
    }
    exit_to_message_halted_recorded exit_to_message_halted_simulated {
        what: "exit to message, halted, median us (uffd 1)",
        recorded: Side::Of("userfaultfd/u21"),
        simulated: run(HALT, true, &[]),
        figure: |trace| step_us(trace, |steps| steps.message),
        bounds: 18.0..=28.0,
        differs: None,
    }
    exit_to_message_sync_recorded exit_to_message_sync_simulated {
        what: "exit to message, sync, median us (uffd 1)",
        recorded: Side::Of("userfaultfd/u31"),
        simulated: run("sync", true, &[]),
        figure: |trace| step_us(trace, |steps| steps.message),
        bounds: 11.0..=17.0,
        differs: None,
    }
    vcpus_ask_in_sync_recorded vcpus_ask_in_sync_simulated {
        what: "messages that vCPU threads send, sync (uffd 2)",
        recorded: Side::Of("userfaultfd/u31"),
        simulated: run("sync", true, &[]),
        figure: |trace| of_vcpus(trace).0,
        bounds: 1.0..=1.0,
        differs: None,
    }
    vcpus_sleep_in_s_recorded vcpus_sleep_in_s_simulated {
        what: "vCPU threads that sleep in S for the VMM, of those that sleep (uffd 2)",
        recorded: Side::Of("userfaultfd/u31"),
        simulated: run("sync", true, &[]),
        figure: |trace| of_vcpus(trace).1,
        bounds: 1.0..=1.0,
        differs: None,
    }
    exit_to_try_recorded exit_to_try_simulated {
        what: "exit to try of a page that the VMM brings, median us (uffd 3)",
        recorded: Side::Of("userfaultfd/u01"),
        simulated: run(PV, true, &[]),
        figure: |trace| step_us(trace, |steps| steps.tried),
        bounds: 7.5..=11.0,
        differs: None,
    }
    message_to_read_recorded message_to_read_simulated {
        what: "message to read, median us (uffd 3)",
        recorded: Side::Of("userfaultfd/u01"),
        simulated: run(PV, true, &[]),
        figure: |trace| step_us(trace, |steps| steps.read?.checked_sub(steps.message?)),
        bounds: 7.0..=13.0,
        differs: None,
    }
    read_to_copy_recorded read_to_copy_simulated {
        what: "read to copy, of a handler that takes 100 us, median us (uffd 3)",
        recorded: Side::Of("userfaultfd/u01"),
        simulated: run(PV, true, &[]),
        figure: |trace| step_us(trace, |steps| steps.copy?.checked_sub(steps.read?)),
        bounds: 103.0..=115.0,
        differs: None,
    }
    copy_recorded copy_simulated {
        what: "length of a copy, median us (uffd 3)",
        recorded: Side::Of("userfaultfd/u01"),
        simulated: run(PV, true, &[]),
        figure: |trace| step_us(trace, |steps| steps.copied?.checked_sub(steps.copy?)),
        bounds: 3.0..=6.0,
        differs: Some((
            6.0..=8.0,
            "The line of a run is that of the call, 2.2 us before the kernel is at the function with the probe.",
        )),
    }
    copied_to_completed_recorded copied_to_completed_simulated {
        what: "copied to completed, median us (uffd 3)",
        recorded: Side::Of("userfaultfd/u01"),
        simulated: run(PV, true, &[]),
        figure: |trace| step_us(trace, |steps| steps.completed?.checked_sub(steps.copied?)),
        bounds: 8.0..=15.0,
        differs: None,
    }
    completed_to_ready_recorded completed_to_ready_simulated {
        what: "completed to ready of a page that the VMM brings, median us (uffd 3)",
        recorded: Side::Of("userfaultfd/u01"),
        simulated: run(PV, true, &[]),
        figure: |trace| step_us(trace, |steps| steps.ready?.checked_sub(steps.completed?)),
        bounds: 6.0..=11.0,
        differs: None,
    }
    exit_to_ready_recorded exit_to_ready_simulated {
        what: "exit to ready, pv, lower quartile in us (uffd 3)",
        recorded: Side::Of("userfaultfd/u01"),
        simulated: run(PV, true, &[]),
        figure: |trace| {
            m::quantile_us(m::steps(trace).iter().filter_map(|steps| steps.ready).collect(), 0.25)
        },
        bounds: 155.0..=180.0,
        differs: None,
    }
    exit_to_entry_recorded exit_to_entry_simulated {
        what: "exit to entry with #PF of a page that the VMM brings, lower quartile in us (uffd 4)",
        recorded: Side::Of("userfaultfd/u01"),
        simulated: run(PV, true, &[]),
        figure: |trace| m::quantile_us(m::told(trace), 0.25),
        bounds: 36.0..=46.0,
        differs: None,
    }
    mean_exit_to_entry_recorded mean_exit_to_entry_simulated {
        what: "the same, mean: in the other half of the cases a page is installed between (uffd 4)",
        recorded: Side::Of("userfaultfd/u01"),
        simulated: run(PV, true, &[]),
        figure: |trace| {
            let told = m::told(trace);
            told.iter().sum::<u64>() as f64 / told.len() as f64 / 1000.0
        },
        bounds: 50.0..=62.0,
        differs: None,
    }
    others_are_ready_first_recorded others_are_ready_first_simulated {
        what: "exceptions before which another page was ready since the announcement (uffd 4)",
        recorded: Side::Of("userfaultfd/u41"),
        simulated: run(PV, false, &[]),
        figure: |trace| m::ready_before_injection(trace).0,
        bounds: 0.4..=0.75,
        differs: None,
    }
    own_is_ready_first_recorded own_is_ready_first_simulated {
        what: "exceptions whose own page was ready since, handler without latency (uffd 5)",
        recorded: Side::Of("userfaultfd/u02"),
        simulated: run(PV, true, AT_ONCE),
        figure: |trace| m::ready_before_injection(trace).1,
        bounds: 0.9..=1.0,
        differs: None,
    }
    an_interrupt_a_page_recorded an_interrupt_a_page_simulated {
        what: "page ready interrupts of a page that is ready, handler without latency (uffd 5)",
        recorded: Side::Of("userfaultfd/u02"),
        simulated: run(PV, true, AT_ONCE),
        figure: |trace| m::ratio(trace, m::is_ready_interrupt, m::is_ready),
        bounds: 0.97..=1.02,
        differs: None,
    }
    overtaken_recorded overtaken_simulated {
        what: "requests that a later one overtakes (uffd 8)",
        recorded: Side::Of("userfaultfd/u41"),
        simulated: run(PV, false, &[]),
        figure: m::overtaken,
        bounds: 0.01..=0.08,
        differs: Some((
            0.0005..=0.01,
            "Workers that are woken together run in the order in which they were woken; recorded ones often do not.",
        )),
    }
    long_waits_recorded long_waits_simulated {
        what: "requests that take more than a millisecond (uffd 11)",
        recorded: Side::Of("userfaultfd/u41"),
        simulated: run(PV, false, &[]),
        figure: |trace| {
            let times = m::not_present_to_ready(trace);
            share(times.iter().filter(|&&ns| ns > 1_000_000).count(), times.len())
        },
        bounds: 0.005..=0.05,
        differs: None,
    }
    restored_kernels_are_not_told_recorded none {
        what: "exceptions of a try while a guest is restored, whose kernel faults as well (uffd 6)",
        recorded: Side::Of("userfaultfd/u09"),
        simulated: Side::None("the guest's kernel is in memory from the start"),
        figure: |trace| m::ratio(trace, m::is_exception, m::is_try),
        bounds: 0.8..=0.9,
        differs: None,
    }
}
