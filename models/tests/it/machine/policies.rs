//! Every generation drives the timed machine, and what it is known for shows in its records.

use super::kit::{assert_clean, constant, crowded, for_time, ms, simulate, us};
use models::apf::rules::{PageReady, generation};
use models::base::abi::{CALLBACK, MSR_ASYNC_PF_ACK};
use models::base::record::{Event, ExitReason};
use models::machine::{RunOutput, RunSettings};
use models::presets::policies;

fn run(policy: &str) -> RunOutput {
    let settings = RunSettings { keep_records: true, ..for_time(ms(100)) };
    simulate(&crowded("westmere-2010", constant(us(300))), policy, &settings)
}

fn count(output: &RunOutput, wanted: impl Fn(&Event) -> bool) -> usize {
    output.records.iter().flatten().filter(|record| wanted(&record.event)).count()
}

fn generations() -> impl Iterator<Item = &'static str> {
    policies::policy_names().into_iter().filter_map(|name| name.strip_prefix("apf-"))
}

#[test]
fn every_generation_tells_and_wakes() {
    for name in generations() {
        let output = run(&format!("apf-{name}"));
        assert_clean(&output);
        let told = count(&output, |e| matches!(e, Event::NotPresentQueued { .. }));
        let woken = count(&output, |e| matches!(e, Event::ApfWake { .. }));
        assert!(told > 100 && woken > 100, "{name}: told {told}, woken {woken}");
    }
}

#[test]
fn page_ready_interrupts_are_acknowledged() {
    for name in generations() {
        let output = run(&format!("apf-{name}"));
        let interrupts =
            count(&output, |e| matches!(e, Event::KvmInjVirq { vector: CALLBACK, .. }));
        let acks = count(&output, |e| {
            matches!(e, Event::KvmMsrWrite { ecx: MSR_ASYNC_PF_ACK, data: 1, .. })
        });
        let exits =
            count(&output, |e| matches!(e, Event::KvmExit { reason: ExitReason::MsrWrite, .. }));
        match generation(name).unwrap().page_ready {
            PageReady::Exception => assert_eq!((interrupts, acks), (0, 0), "{name}"),
            PageReady::Interrupt => {
                // One may be under way on each of the four vCPUs at the end.
                assert!(interrupts > 100 && acks <= interrupts, "{name}: {acks} of {interrupts}");
                assert!(interrupts - acks <= 4 && exits >= acks, "{name}: {acks} of {interrupts}");
            }
        }
    }
}

#[test]
fn four_threads_serve_the_oldest_series() {
    let mut config = crowded("westmere-2010", constant(us(300)));
    config.workload.tasks[0].count = 16;
    let peak = |policy: &str| {
        simulate(&config, policy, &for_time(ms(100))).metrics.get("worker_threads_peak").unwrap()
    };
    assert_eq!(peak("apf-v5-2010"), 4.0);
    assert!(peak("apf-v7-2010") > 4.0);
}

/// The series of July 2010 shows every lookup through the open gate: each fault is one, and its page
/// was there or not.
#[test]
fn the_oldest_series_shows_lookups_that_found_their_page() {
    for (policy, shows) in [("apf-v5-2010", true), ("apf-v7-2010", false), ("apf-v7.3", false)] {
        let output = run(policy);
        let found = count(&output, |e| matches!(e, Event::LookupFound { .. }));
        let missed = count(&output, |e| matches!(e, Event::KvmTryAsyncGetPage { .. }));
        let faults = count(&output, |e| matches!(e, Event::KvmPageFault { cpl: 3, .. }));
        assert_eq!(found > 100, shows, "{policy}: {found}");
        assert!(found + missed <= faults, "{policy}: {found} and {missed} of {faults}");
    }
    // Where the host does nothing asynchronously, nothing is shown.
    assert_eq!(count(&run("sync"), |e| matches!(e, Event::LookupFound { .. })), 0);
}

#[test]
fn reads_without_read_ahead_are_waited_for_by_some_kernels() {
    let mut config = crowded("westmere-2010", constant(us(300)));
    config.host.read_ahead_pages = 1;
    for (policy, asynchronous) in [("apf-v4.13", true), ("apf-v5.17", false), ("apf-v6.12", true)] {
        let settings = RunSettings { keep_records: true, ..for_time(ms(50)) };
        let output = simulate(&config, policy, &settings);
        let tries = count(&output, |e| matches!(e, Event::KvmTryAsyncGetPage { .. }));
        // Who finds a read under way does not wait for it.
        assert_eq!(tries > 20, asynchronous, "{policy}: {tries} tries");
    }
}
