//! Memory that a balloon gives back and a handler serves: an event that the handler reads, and zeros afterwards.

use super::kit::{
    MIB, assert_clean, copying_handler, for_time, group, ms, served_by_handler, simulate, syscall,
    us, write,
};
use models::base::ids::{GuestPage, RegionId, VmId};
use models::base::record::{Event, TaskRole};
use models::config::{
    Balloon, HandlerConfig, Install, MachineConfig, Op, Pattern, Prefetch, PrefetchRun, Reporting,
};
use models::machine::{RunOutput, RunSettings};
use models::monitors::Verdict;
use sim_core::SimDuration;

const PAGES: u64 = 10 * MIB;

/// A program gives 10 MiB of 16 back that a handler serves, which the guest reports; from 30 ms on another one writes
/// them, for which there are too few other frames.
fn guest() -> MachineConfig {
    let mut config = served_by_handler(2, PAGES, copying_handler());
    (config.guest.memory_pages, config.host.memory_limit_pages) = (16 * MIB, 64 * MIB);
    let reporting = Some(Reporting { order: 3, delay: us(500) });
    config.host.memory_control.balloons =
        vec![Balloon { vm: VmId(0), targets: Vec::new(), reporting }];
    let discard = Op::Discard { region: RegionId(0), first: 0, pages: PAGES };
    let mut gives = vec![Op::Once { flag: 0, skip: 4 }];
    gives.extend(syscall(SimDuration::ZERO, &[discard]));
    gives.push(Op::Sleep { span: ms(100) });
    let later = vec![
        Op::Once { flag: 0, skip: 2 },
        Op::Sleep { span: ms(30) },
        write(Pattern::Sequential, us(1)),
    ];
    config.workload.tasks = vec![
        group("gives", TaskRole::Worker, 1, gives),
        group("later", TaskRole::Faulter, 1, later),
    ];
    config.host.cpus = 4;
    config
}

fn handler(config: &mut MachineConfig) -> &mut HandlerConfig {
    config.host.stores[0].handler.as_mut().unwrap()
}

fn recorded(config: &MachineConfig, policy: &str) -> RunOutput {
    let settings = RunSettings { keep_records: true, ..for_time(ms(80)) };
    simulate(config, policy, &settings)
}

fn events(output: &RunOutput) -> impl Iterator<Item = &Event> {
    output.records.iter().flatten().map(|record| &record.event)
}

fn metric(output: &RunOutput, name: &str) -> f64 {
    output.metrics.get(name).unwrap_or(0.0)
}

fn installed(output: &RunOutput) -> Vec<GuestPage> {
    let page = |event: &Event| match *event {
        Event::UffdCopied { page, installed: true, .. } => Some(page),
        _ => None,
    };
    events(output).filter_map(page).collect()
}

#[test]
fn who_gives_memory_back_sleeps_until_the_handler_has_read_of_it() {
    for policy in ["sync", "apf-v6.12"] {
        let output = recorded(&guest(), policy);
        assert_clean(&output);
        let mut state = 0;
        let mut pages = 0;
        for event in events(&output) {
            state = match (state, event) {
                (0, Event::UffdRemove { .. }) => 1,
                (1, Event::UffdRemoveRead { .. }) => 2,
                (2, Event::MadviseDontneed { pages: own, .. }) => {
                    pages += own;
                    0
                }
                (_, Event::UffdRemove { .. } | Event::UffdRemoveRead { .. }) => {
                    panic!("{policy}: {event:?} in state {state}")
                }
                (state, _) => state,
            };
        }
        assert!(state == 0 && u64::from(pages) > PAGES / 2, "{policy}: {pages}");
        assert!(metric(&output, "remove_events") >= 1.0, "{policy}");
        // The program that comes later misses some of them, and gets zeros.
        assert!(
            installed(&output).len() as u64 > PAGES / 10,
            "{policy}: {}",
            installed(&output).len()
        );
    }
}

#[test]
fn zeros_are_at_hand_and_contents_are_not() {
    let output = recorded(&guest(), "sync");
    // Without a balloon its frames are what the store has, which takes 20 us a page.
    let mut kept = guest();
    kept.host.memory_control.balloons.clear();
    let kept = recorded(&kept, "sync");
    let shortest = |output: &RunOutput| {
        let records = output.records.as_ref().unwrap();
        let is = |event: &Event| matches!(event, Event::UffdCopied { .. });
        let of = records.iter().filter(|record| is(&record.event)).map(|record| record.time);
        let times: Vec<_> = of.collect();
        times.windows(2).map(|pair| pair[1].since(pair[0])).min().unwrap()
    };
    assert!(shortest(&kept) >= us(20), "{}", shortest(&kept));
    assert!(shortest(&output) < us(5), "{}", shortest(&output));
}

#[test]
fn a_handler_that_is_not_told_brings_what_was_given_back() {
    let mut config = guest();
    handler(&mut config).remove_events = false;
    let output = recorded(&config, "sync");
    assert_eq!(events(&output).filter(|it| matches!(it, Event::UffdRemove { .. })).count(), 0);
    let broken = output.findings.iter().filter(|it| it.verdict == Verdict::Violation);
    let broken: Vec<String> = broken.map(|finding| finding.id.to_string()).collect();
    assert_eq!(broken, ["INV-50"], "{:?}", output.findings);
    // One that installs zeros in any case cannot bring anything.
    handler(&mut config).install = Install::Zeropage;
    assert_clean(&recorded(&config, "sync"));
}

#[test]
fn nothing_is_installed_while_the_event_waits_and_the_reader_comes_to_it_behind_the_messages() {
    let mut config = guest();
    // The rest of memory is brought in the background while the first half goes, and the reader is busy for 1 ms a
    // page.
    config.guest.memory_pages = 32 * MIB;
    config.workload.regions[0].pages = 2 * PAGES;
    config.workload.tasks[1].program = vec![
        Op::Once { flag: 0, skip: 2 },
        Op::Sleep { span: us(200) },
        write(Pattern::Sequential, us(1)),
    ];
    let run = PrefetchRun { region: RegionId(0), first: PAGES, pages: PAGES };
    let prefetch =
        Prefetch { threads: 1, runs: vec![run], batch: 1, pace: us(50), before_start: false };
    handler(&mut config).prefetch = Some(prefetch);
    handler(&mut config).latency = ms(1);
    let output = recorded(&config, "sync");
    assert_clean(&output);
    assert!(metric(&output, "uffd_again") >= 1.0, "{}", metric(&output, "uffd_again"));
    assert!(metric(&output, "remove_wait") > 2e-5, "{}", metric(&output, "remove_wait"));
    // The thread that reads messages is one of those that find it so, and reads on.
    let reads = |event: &Event| match *event {
        Event::UffdRemoveRead { thread, .. } => Some(thread),
        _ => None,
    };
    let reader = events(&output).find_map(reads).unwrap();
    let again =
        |event: &&Event| matches!(event, Event::UffdAgain { thread, .. } if *thread == reader);
    assert!(events(&output).any(|event| again(&event)));
    // In between nothing gets its entry.
    let mut waits = 0u32;
    for event in events(&output) {
        match event {
            Event::UffdRemove { .. } => waits += 1,
            Event::UffdRemoveRead { .. } => waits -= 1,
            Event::UffdCopied { installed: true, .. } => assert_eq!(waits, 0),
            _ => {}
        }
    }
}
