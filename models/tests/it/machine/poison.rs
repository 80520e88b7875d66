//! Pages that a store does not give: handlers put markers in their place, and who wants one ends its VMM.

use super::kit::{
    MIB, assert_clean, copying_handler, for_time, group, ms, served_by_handler, simulate, us, write,
};
use models::base::ids::{Gfn, GuestPage, RegionId, ThreadId, VcpuId};
use models::base::record::{Event, TaskRole};
use models::config::{HandlerConfig, MachineConfig, Op, Pattern, Prefetch, PrefetchRun, Waking};
use models::machine::{RunOutput, RunSettings};
use sim_core::SimDuration;

const PAGES: u64 = 2 * MIB;

/// Two vCPUs write memory that a handler brings, but for page 100 of it.
fn guest() -> MachineConfig {
    let mut config = served_by_handler(
        2,
        PAGES,
        HandlerConfig { poison: vec![run(100, 1)], ..copying_handler() },
    );
    (config.guest.memory_pages, config.host.memory_limit_pages) = (64 * MIB, 64 * MIB);
    let program = vec![write(Pattern::Sequential, us(1))];
    config.workload.tasks = vec![group("toucher", TaskRole::Faulter, 2, program)];
    config
}

fn run(first: u64, pages: u64) -> PrefetchRun {
    PrefetchRun { region: RegionId(0), first, pages }
}

fn handler(config: &mut MachineConfig) -> &mut HandlerConfig {
    config.host.stores[0].handler.as_mut().unwrap()
}

fn recorded(config: &MachineConfig, policy: &str) -> RunOutput {
    let settings = RunSettings { keep_records: true, ..for_time(ms(60)) };
    let output = simulate(config, policy, &settings);
    assert_clean(&output);
    output
}

/// The places of records in a run.
fn places(output: &RunOutput, is: impl Fn(&Event) -> bool) -> Vec<usize> {
    let records = output.records.as_ref().unwrap();
    (0..records.len()).filter(|&at| is(&records[at].event)).collect()
}

fn poisoned(output: &RunOutput) -> Vec<GuestPage> {
    let page = |record: &models::base::record::Record| match record.event {
        Event::UffdPoisoned { page, .. } => Some(page),
        _ => None,
    };
    output.records.iter().flatten().filter_map(page).collect()
}

#[test]
fn who_wants_a_poisoned_page_ends_its_vmm() {
    for policy in ["sync", "halt-v6.12", "apf-v5.8", "apf-v6.12", "apf-v7.2"] {
        let output = recorded(&guest(), policy);
        let [page] = poisoned(&output)[..] else { panic!("{policy}: {:?}", poisoned(&output)) };
        let signals = places(&output, |event| matches!(event, Event::SignalGenerate { .. }));
        let ends = places(&output, |event| matches!(event, Event::VmmEnd { .. }));
        let exits = places(&output, |event| matches!(event, Event::SchedProcessExit { .. }));
        assert_eq!((ends.len(), exits.len()), (1, 2), "{policy}");
        assert!(signals[0] < ends[0], "{policy}");
        let records = output.records.as_ref().unwrap();
        let Event::SignalGenerate { gfn, .. } = records[signals[0]].event else { unreachable!() };
        assert_eq!(gfn, page.gfn(), "{policy}");
        // Nobody enters the guest any more, and nothing is installed.
        let later = |event: &Event| {
            matches!(
                event,
                Event::KvmEntry { .. } | Event::UffdCopy { .. } | Event::UffdRead { .. }
            )
        };
        assert!(places(&output, later).iter().all(|&at| at < ends[0]), "{policy}");
        let lived = output.metrics.get("vmm_lifetime").unwrap();
        // 100 pages of 20 us and what they cost, by each of two tasks that begin elsewhere.
        assert!((0.002..0.02).contains(&lived), "{policy}: {lived}");
        assert_eq!(output.metrics.get("poisoned_pages"), Some(1.0), "{policy}");
    }
}

#[test]
fn a_worker_gets_no_page_and_its_item_is_completed_the_signal_comes_with_page_ready() {
    let output = recorded(&guest(), "apf-v6.12");
    let records = output.records.as_ref().unwrap();
    let [page] = poisoned(&output)[..] else { panic!() };
    let marked = places(&output, |event| matches!(event, Event::UffdPoisoned { .. }))[0];
    let signal = places(&output, |event| matches!(event, Event::SignalGenerate { .. }))[0];
    let Event::SignalGenerate { vcpu, .. } = records[signal].event else { unreachable!() };
    let completed = records[marked..signal].iter().find_map(|record| match record.event {
        Event::KvmAsyncPfCompleted { vcpu, gva, .. } => Some((vcpu, gva.0 >> 12)),
        _ => None,
    });
    assert_eq!(completed, Some((vcpu, page.gfn().0)));
    // No task touches the page at that time: the vCPU that gets the signal runs another one, or none.
    let told = records[..marked].iter().any(|record| {
        matches!(record.event, Event::KvmAsyncPfNotPresent { vcpu: own, .. } if own == vcpu)
    });
    let again = records[marked..signal].iter().any(
        |record| matches!(record.event, Event::KvmPageFault { address, .. } if Gfn(address.0 >> 12) == page.gfn()),
    );
    assert!(told && !again);
}

#[test]
fn a_page_that_nobody_wants_ends_nothing_and_takes_a_call_of_its_own() {
    let mut config = guest();
    // Brought ahead in one run of 16 pages, three of which the store does not give; the guest only sleeps.
    let prefetch = Prefetch {
        threads: 1,
        runs: vec![run(96, 16)],
        batch: 16,
        pace: SimDuration::ZERO,
        before_start: false,
    };
    handler(&mut config).prefetch = Some(prefetch);
    handler(&mut config).poison = vec![run(100, 2), run(105, 1)];
    config.cpu.costs.set("uffd_copy", "10us").unwrap();
    config.cpu.costs.set("uffd_copy_next", "3us").unwrap();
    config.cpu.costs.set("uffd_continue", "2us").unwrap();
    config.cpu.costs.set("uffd_continue_next", "1us").unwrap();
    config.workload.tasks[0].program = vec![Op::Sleep { span: ms(1) }];
    let output = recorded(&config, "sync");
    assert_eq!(poisoned(&output).len(), 3);
    assert_eq!(output.metrics.get("poisoned_pages"), Some(3.0));
    assert_eq!(output.metrics.get("vmm_lifetime"), None);
    let records = output.records.as_ref().unwrap();
    let copied = places(&output, |event| matches!(event, Event::UffdCopied { .. }));
    assert_eq!(copied.len(), 16);
    let first = places(&output, |event| matches!(event, Event::UffdCopy { .. }))[0];
    // Five calls: 4 pages, 2 markers, 3 pages, 1 marker, 6 pages.
    let calls = us(10 + 3 * 3) + us(2 + 1) + us(10 + 2 * 3) + us(2) + us(10 + 5 * 3);
    let took = records[copied[15]].time.since(records[first].time);
    assert_eq!(took, calls);
}

#[test]
fn whoever_sleeps_for_the_page_is_woken_and_the_second_answer_gets_eexist() {
    let mut config = guest();
    // Both tasks touch the same pages, each with a message; two threads answer.
    config.workload.tasks[0].program = vec![write(Pattern::Shared, us(1))];
    handler(&mut config).readers = 2;
    handler(&mut config).waking = Waking::One;
    let output = recorded(&config, "sync");
    let page = poisoned(&output)[0];
    assert_eq!(poisoned(&output).len(), 1);
    let records = output.records.as_ref().unwrap();
    let of_page = |at: &usize| match records[*at].event {
        Event::UffdMessage { page: own, .. } | Event::UffdCopied { page: own, .. } => own == page,
        _ => false,
    };
    let asked = places(&output, |event| matches!(event, Event::UffdMessage { .. }));
    let asked: Vec<ThreadId> = asked
        .iter()
        .filter(|at| of_page(at))
        .map(|&at| match records[at].event {
            Event::UffdMessage { thread, .. } => thread,
            _ => unreachable!(),
        })
        .collect();
    assert_eq!(asked.len(), 2);
    let installed: Vec<bool> = places(&output, |event| matches!(event, Event::UffdCopied { .. }))
        .iter()
        .filter(|at| of_page(at))
        .map(|&at| matches!(records[at].event, Event::UffdCopied { installed: true, .. }))
        .collect();
    assert!(installed.first() == Some(&true) && !installed[1..].contains(&true), "{installed:?}");
    let signals: Vec<VcpuId> =
        places(&output, |event| matches!(event, Event::SignalGenerate { .. }))
            .iter()
            .map(|&at| match records[at].event {
                Event::SignalGenerate { vcpu, .. } => vcpu,
                _ => unreachable!(),
            })
            .collect();
    assert!(!signals.is_empty());
}
