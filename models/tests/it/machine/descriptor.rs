//! The wait queues of a userfaultfd descriptor: who has them goes one at a time, and walks all who sleep.

use super::kit::{
    MIB, assert_clean, copying_handler, for_time, group, ms, served_by_handler, simulate, write,
};
use models::base::ids::ThreadId;
use models::base::record::{Event, TaskRole};
use models::config::{HandlerConfig, Install, MachineConfig, Pattern, SecondStageLock, Waking};
use models::machine::{RunOutput, RunSettings};
use sim_core::SimDuration;

/// Every vCPU reads memory of its own, which as many readers bring; nothing costs anything but what is done under
/// the lock of messages, 1 us each time.
fn demand_paging(vcpus: u16, descriptors: u16) -> MachineConfig {
    let handler = HandlerConfig {
        readers: vcpus,
        waking: Waking::One,
        descriptors,
        latency: SimDuration::ZERO,
        install: Install::Continue,
        ..copying_handler()
    };
    let mut config = served_by_handler(vcpus, 128 * MIB, handler);
    (config.guest.memory_pages, config.host.memory_limit_pages) = (256 * MIB, 256 * MIB);
    config.host.kernel.second_stage_lock = SecondStageLock::None;
    config.cpu.costs.set("uffd_locked", "1us").unwrap();
    let program = vec![write(Pattern::Sequential, SimDuration::ZERO)];
    config.workload.tasks = vec![group("toucher", TaskRole::Faulter, vcpus.into(), program)];
    config
}

fn recorded(config: &MachineConfig, duration: SimDuration) -> RunOutput {
    let settings = RunSettings { keep_records: true, ..for_time(duration) };
    let output = simulate(config, "sync", &settings);
    assert_clean(&output);
    output
}

fn rate(config: &MachineConfig) -> f64 {
    recorded(config, ms(2)).metrics.get("major_faults").unwrap() / 0.002
}

#[test]
fn a_descriptor_serves_one_message_at_a_time() {
    // Linked, read, and answered: three times the lock.
    for vcpus in [4, 16] {
        let served = rate(&demand_paging(vcpus, 1));
        assert!((0.9..=1.03).contains(&(served / 333_333.0)), "{vcpus}: {served}");
    }
    let alone = rate(&demand_paging(1, 1));
    assert!((0.9..=1.03).contains(&(alone / 333_333.0)), "{alone}");
    // Each of several descriptors has a lock of its own; the parts of the vCPUs begin at each of three in turn.
    let served = rate(&demand_paging(16, 3));
    assert!(served > 2.7 * 333_333.0, "{served}");
}

#[test]
fn an_answer_costs_as_much_as_there_are_sleepers() {
    let with = |vcpus: u16| {
        let mut config = demand_paging(vcpus, 1);
        config.cpu.costs.set("uffd_locked", "0ns").unwrap();
        config.cpu.costs.set("uffd_entry", "1us").unwrap();
        rate(&config)
    };
    // All but one, or two, of those who miss a page are in the queues when it comes: others link or read.
    for vcpus in [8_u16, 32] {
        let least = 1e6 / f64::from(vcpus - 1);
        let served = with(vcpus);
        assert!(served > 0.99 * least && served < 1.3 * least, "{vcpus}: {served}, {least}");
    }
}

#[test]
fn waiting_is_in_records_and_metrics() {
    let output = recorded(&demand_paging(8, 1), ms(1));
    let mut since = std::collections::BTreeMap::new();
    let (mut waited, mut count) = (SimDuration::ZERO, 0);
    for record in output.records.as_ref().unwrap() {
        match record.event {
            Event::UffdLockWait { thread, readers } => {
                assert!(since.insert(thread, (record.time, readers)).is_none(), "{thread}");
            }
            Event::UffdLockTaken { thread } => {
                let (begin, _): (_, bool) = since.remove::<ThreadId>(&thread).unwrap();
                waited += record.time.since(begin);
                count += 1;
            }
            // Who spins does not lose its processor.
            Event::HostSchedSwitch { prev: Some(prev), .. } => {
                assert!(!since.contains_key(&prev), "{prev}");
            }
            _ => {}
        }
    }
    assert!(count > 500, "{count}");
    assert_eq!(output.metrics.get("uffd_lock_contentions"), Some(f64::from(count)));
    let counted = output.metrics.get("uffd_lock_wait").unwrap();
    assert!((counted - waited.as_ps() as f64 * 1e-12).abs() < 1e-9, "{counted} {waited}");
}

#[test]
fn nobody_meets_anybody_on_one_processor() {
    let mut config = demand_paging(4, 1);
    config.host.cpus = 1;
    let output = recorded(&config, ms(1));
    assert!(output.metrics.get("major_faults").unwrap() > 100.0);
    assert_eq!(output.metrics.get("uffd_lock_contentions"), Some(0.0));
}

#[test]
fn readers_in_poll_have_a_lock_too() {
    let mut config = demand_paging(4, 1);
    config.cpu.costs.set("uffd_locked", "0ns").unwrap();
    config.cpu.costs.set("uffd_herd", "1us").unwrap();
    let handler = config.host.stores[0].handler.as_mut().unwrap();
    (handler.waking, handler.readers) = (Waking::All, 16);
    let output = recorded(&config, ms(1));
    let readers = |record: &&models::base::record::Record| {
        matches!(record.event, Event::UffdLockWait { readers: true, .. })
    };
    assert!(output.records.as_ref().unwrap().iter().filter(readers).count() > 20);
}

/// How often readers ran, and which of them read messages, in memory of one vCPU that four readers bring.
fn of_four_readers(waking: Waking) -> (usize, std::collections::BTreeSet<ThreadId>, usize) {
    let mut config = demand_paging(1, 1);
    for (cost, value) in [("uffd_locked", "0ns"), ("uffd_read", "1us"), ("uffd_continue", "1us")] {
        config.cpu.costs.set(cost, value).unwrap();
    }
    let handler = config.host.stores[0].handler.as_mut().unwrap();
    (handler.waking, handler.readers) = (waking, 4);
    let output = recorded(&config, ms(1));
    let (mut runs, mut faults) = (0, 0);
    let (mut readers, mut asked) = (std::collections::BTreeSet::new(), Vec::new());
    for record in output.records.as_ref().unwrap() {
        match record.event {
            Event::UffdMessage { thread, .. } => {
                faults += 1;
                asked.push(thread);
            }
            Event::UffdRead { thread, .. } => {
                readers.insert(thread);
            }
            Event::HostSchedSwitch { next: Some(next), .. } if !asked.contains(&next) => runs += 1,
            _ => {}
        }
    }
    assert!(faults > 100, "{faults}");
    (runs, readers, faults)
}

#[test]
fn with_an_instance_each_the_first_reader_that_waits_works() {
    let (runs, readers, faults) = of_four_readers(Waking::One);
    assert_eq!(readers.len(), 1, "{readers:?}");
    assert!(runs <= faults + 4, "{runs} {faults}");
}

#[test]
fn in_a_shared_instance_whoever_delivers_wakes_another() {
    let (runs, _, faults) = of_four_readers(Waking::Shared);
    assert!(runs > faults + faults / 2, "{runs} {faults}");
    // All of them, in `poll`.
    let (all, readers, messages) = of_four_readers(Waking::All);
    assert!(all > messages + messages / 2 && readers.len() > 1, "{all} {messages} {readers:?}");
}

/// A reader in epoll brings lines that the callback has written, under the lock of the readers and behind it.
#[test]
fn lines_make_epoll_slower_than_poll_for_one_reader() {
    let with = |waking| {
        let mut config = demand_paging(4, 1);
        config.cpu.costs.set("uffd_locked", "0ns").unwrap();
        config.cpu.costs.set("lock_line", "100ns").unwrap();
        config.cpu.costs.set("uffd_read", "1us").unwrap();
        let handler = config.host.stores[0].handler.as_mut().unwrap();
        (handler.waking, handler.readers) = (waking, 1);
        rate(&config)
    };
    let (poll, epoll) = (with(Waking::All), with(Waking::One));
    assert!(epoll < 0.97 * poll && epoll > 0.5 * poll, "{poll} {epoll}");
    // With one reader it is the same instance either way.
    assert_eq!(with(Waking::Shared), epoll);
}
