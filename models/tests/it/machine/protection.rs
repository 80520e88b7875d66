//! Memory that a VMM write-protects while its guest runs: stopping, messages about writes, saving, lifting.

use std::collections::{BTreeMap, BTreeSet};

use super::kit::{
    MIB, assert_clean, constant, crowded, for_time, group, host_kernel, ms, simulate,
    simulate_policy, us, with_workers, write,
};
use models::apf::rules::Workers;
use models::base::ids::{GuestPage, RegionId, ThreadId, VmId};
use models::base::record::{BlockReason, Event, TaskRole};
use models::config::{Lift, MachineConfig, Op, Pattern, WriteProtection};
use models::machine::{RunOutput, RunSettings};
use models::monitors::Verdict;

/// A guest of two vCPUs with 4 MiB that it writes again and again, all of it in memory, and a worker; saved after 2 ms
/// to a device that takes 20 us for a page.
fn guest() -> MachineConfig {
    let mut config = crowded("free", constant(us(100)));
    (config.guest.vcpus, config.host.cpus) = (2, 4);
    config.host.memory_limit_pages = 64 * MIB;
    config.host.kernel = host_kernel("linux-6.12");
    config.workload.regions[0].pages = 4 * MIB;
    config.workload.tasks = vec![
        group("writer", TaskRole::Faulter, 2, vec![write(Pattern::Uniform, us(1))]),
        group("worker", TaskRole::Worker, 2, vec![Op::Count { per_second: 1_000_000_000 }]),
    ];
    config.host.memory_control.protections = vec![WriteProtection {
        vm: VmId(0),
        at: ms(2),
        sink: Some(constant(us(20))),
        threads: 1,
        depth: 2,
        rate: None,
        lift: Lift::Saved,
    }];
    config
}

fn protection(config: &mut MachineConfig) -> &mut WriteProtection {
    &mut config.host.memory_control.protections[0]
}

fn recorded(config: &MachineConfig, policy: &str) -> RunOutput {
    let settings = RunSettings { keep_records: true, ..for_time(ms(60)) };
    simulate(config, policy, &settings)
}

fn events(output: &RunOutput) -> impl Iterator<Item = &Event> {
    output.records.iter().flatten().map(|record| &record.event)
}

fn metric(output: &RunOutput, name: &str) -> f64 {
    output.metrics.get(name).unwrap_or_else(|| panic!("no {name}"))
}

/// Pages of the records for which a function has one.
fn pages(output: &RunOutput, of: impl Fn(&Event) -> Option<GuestPage>) -> Vec<GuestPage> {
    events(output).filter_map(of).collect()
}

fn lifted(event: &Event) -> Option<GuestPage> {
    match *event {
        Event::UffdLift { page, .. } => Some(page),
        _ => None,
    }
}

fn saved(event: &Event) -> Option<GuestPage> {
    match *event {
        Event::UffdSaved { page, .. } => Some(page),
        _ => None,
    }
}

fn asked(event: &Event) -> Option<GuestPage> {
    match *event {
        Event::UffdWpMessage { page, .. } => Some(page),
        _ => None,
    }
}

const POLICIES: [&str; 3] = ["sync", "halt-v6.12", "apf-v6.12"];

#[test]
fn every_page_is_saved_once_and_lifted_after_it_is_saved() {
    for policy in POLICIES {
        let output = recorded(&guest(), policy);
        assert_clean(&output);
        let protected = metric(&output, "protected_pages") as usize;
        assert!(protected >= 4 * MIB as usize, "{policy}: {protected}");
        let (all, lifts) = (pages(&output, saved), pages(&output, lifted));
        assert_eq!((all.len(), lifts.len()), (protected, protected), "{policy}");
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), protected, "{policy}");
        let mut known = BTreeSet::new();
        for event in events(&output) {
            known.extend(saved(event));
            assert!(lifted(event).is_none_or(|page| known.contains(&page)), "{policy}");
        }
        // Two at a time take 20 us each.
        let least = us(10).times(protected as u64).as_ps() as f64 * 1e-12;
        let took = metric(&output, "snapshot_time");
        assert!(took >= least && took < 1.2 * least, "{policy}: {took} {least}");
        assert_eq!(metric(&output, "saved_pages") as usize, protected, "{policy}");
    }
}

#[test]
fn all_vcpus_are_out_of_the_guest_while_memory_is_protected() {
    let mut config = guest();
    config.cpu.costs.set("uffd_protect_page", "1us").unwrap();
    for policy in POLICIES {
        let output = recorded(&config, policy);
        assert_clean(&output);
        let mut inside = BTreeSet::new();
        let (mut stopped, mut set) = (false, false);
        for event in events(&output) {
            match *event {
                Event::KvmEntry { vcpu } => {
                    assert!(!stopped || set, "{policy}: {vcpu} enters");
                    inside.insert(vcpu);
                }
                Event::KvmExit { vcpu, .. } => {
                    inside.remove(&vcpu);
                }
                Event::VmStop { .. } => stopped = true,
                Event::UffdProtect { .. } => {
                    assert!(inside.is_empty(), "{policy}");
                    set = true;
                }
                _ => {}
            }
        }
        let blocks =
            |event: &&Event| matches!(event, Event::VcpuBlock { reason: BlockReason::Stopped, .. });
        assert!(set && events(&output).filter(blocks).count() == 2, "{policy}");
        let (time, pages) = (metric(&output, "stopped_time"), metric(&output, "protected_pages"));
        assert!((time - pages * 1e-6).abs() < 1e-6, "{policy}: {time} for {pages}");
    }
}

#[test]
fn a_write_waits_for_its_page_and_with_async_page_faults_another_task_runs_meanwhile() {
    let runs = POLICIES.map(|policy| {
        let mut config = guest();
        protection(&mut config).sink = Some(constant(us(200)));
        recorded(&config, policy)
    });
    for (policy, output) in POLICIES.iter().zip(&runs) {
        assert_clean(output);
        assert!(metric(output, "write_messages") > 100.0, "{policy}");
        // Who has asked for a page sleeps until it is lifted, and the message is read in between.
        let mut waits: BTreeMap<ThreadId, (GuestPage, bool)> = BTreeMap::new();
        for event in events(output) {
            match *event {
                Event::UffdWpMessage { thread, page } => {
                    assert_eq!(waits.insert(thread, (page, false)), None, "{policy}");
                }
                Event::UffdWpRead { page, .. } => {
                    waits.values_mut().filter(|(it, _)| *it == page).for_each(|it| it.1 = true);
                }
                Event::UffdLift { page, .. } => waits.retain(|_, (it, _)| *it != page),
                _ => {}
            }
        }
    }
    let asynchronous = |at: usize| metric(&runs[at], "async_faults");
    assert_eq!(asynchronous(0), 0.0);
    assert!(asynchronous(1) > 100.0 && asynchronous(2) > 100.0);
    let work = |at: usize| metric(&runs[at], "work_total");
    assert!(work(2) > 1.3 * work(0), "{} {}", work(2), work(0));
}

#[test]
fn pages_that_are_asked_for_go_before_others() {
    let mut config = guest();
    // In the background a page comes every 50 us only.
    protection(&mut config).rate = Some(20_000);
    let output = recorded(&config, "apf-v6.12");
    assert_clean(&output);
    let (mut begun, mut read, mut jumped) = (BTreeSet::new(), BTreeSet::new(), 0);
    for event in events(&output) {
        match *event {
            Event::UffdWpRead { page, .. } if !begun.contains(&page) => {
                read.insert(page);
            }
            Event::UffdSave { page, .. } => {
                assert!(read.is_empty() || read.remove(&page), "{page} goes before {read:?}");
                jumped += u32::from(begun.last().is_some_and(|last| page < *last));
                begun.insert(page);
            }
            _ => {}
        }
    }
    assert!(jumped > 100, "{jumped}");
}

#[test]
fn a_copy_lets_the_guest_write_while_the_sink_is_written() {
    let latency = |lift| {
        let mut config = guest();
        (protection(&mut config).lift, protection(&mut config).sink) =
            (lift, Some(constant(us(300))));
        protection(&mut config).depth = 16;
        let output = recorded(&config, "sync");
        assert_clean(&output);
        assert!(metric(&output, "write_messages") > 10.0, "{lift:?}");
        metric(&output, "fault_latency_p50")
    };
    let (saved, copied) = (latency(Lift::Saved), latency(Lift::Copied));
    // One round of writes that began together is waited for either way.
    assert!(copied < 0.6 * saved && saved > 300e-6, "{copied} {saved}");
}

#[test]
fn a_vmm_that_lifts_before_it_saves_breaks_inv_51() {
    let mut config = guest();
    protection(&mut config).lift = Lift::First;
    let output = recorded(&config, "sync");
    let broken: Vec<_> =
        output.findings.iter().filter(|it| it.verdict == Verdict::Violation).collect();
    assert!(broken.len() == 1 && broken[0].id.0 == 51, "{broken:#?}");
    protection(&mut config).lift = Lift::Saved;
    assert_clean(&recorded(&config, "sync"));
}

#[test]
fn tracking_lifts_at_a_message_and_saves_nothing() {
    for policy in POLICIES {
        let mut config = guest();
        protection(&mut config).sink = None;
        let output = recorded(&config, policy);
        assert_clean(&output);
        let lifts = pages(&output, lifted);
        let written: BTreeSet<_> = lifts.iter().collect();
        assert!(lifts.len() == written.len() && lifts.len() > 1000, "{policy}: {}", lifts.len());
        assert_eq!(metric(&output, "saved_pages"), 0.0);
    }
}

/// A guest whose memory lies in the swap area to a good part.
fn short_of_memory(kernel: &str) -> MachineConfig {
    let mut config = guest();
    config.host.kernel = host_kernel(kernel);
    config.host.memory_limit_pages = 2 * MIB + MIB / 2 + 2 * MIB;
    config.host.other_resident_pages = 2 * MIB;
    config.workload.tasks[0].program = vec![
        write(Pattern::Uniform, us(1)),
        Op::Access { region: RegionId(0), pattern: Pattern::Uniform, write: false, cost: us(1) },
    ];
    config
}

#[test]
fn what_is_swapped_out_keeps_its_protection_and_is_saved_too() {
    for kernel in ["linux-5.10", "linux-6.1", "linux-6.12"] {
        for policy in POLICIES {
            let output = simulate(
                &short_of_memory(kernel),
                policy,
                &RunSettings { keep_records: true, ..for_time(ms(400)) },
            );
            assert_clean(&output);
            let protected = metric(&output, "protected_pages");
            assert!(protected >= 4.0 * MIB as f64, "{kernel} {policy}: {protected}");
            assert_eq!(metric(&output, "saved_pages"), protected, "{kernel} {policy}");
            let since = output
                .records
                .iter()
                .flatten()
                .position(|record| matches!(record.event, Event::UffdProtect { .. }));
            let reclaims = output.records.iter().flatten().skip(since.unwrap());
            let reclaims = reclaims
                .filter(|record| matches!(record.event, Event::MemcgReclaimEnd { .. }))
                .count();
            assert!(reclaims > 10, "{kernel} {policy}: {reclaims}");
        }
    }
}

#[test]
fn reads_of_protected_pages_ask_nobody_but_where_a_worker_brings_them() {
    for (policy, asks) in [("sync", false), ("apf-v6.12", true)] {
        let mut config = short_of_memory("linux-6.12");
        let Op::Access { write, .. } = &mut config.workload.tasks[0].program[0] else { panic!() };
        *write = false;
        // Nothing but messages has pages lifted.
        protection(&mut config).sink = None;
        let output = recorded(&config, policy);
        assert_clean(&output);
        assert!(metric(&output, "protected_pages") > 1000.0);
        // Walks that set accessed bits write to the guest's tables.
        let region = |page: &GuestPage| page.gfn().0 > 2 * MIB;
        let count = pages(&output, asked).iter().filter(|page| region(page)).count();
        assert_eq!(count > 50, asks, "{policy}: {count}");
    }
}

#[test]
fn faults_without_a_thread_that_may_sleep_are_synchronous() {
    let policy = with_workers("apf-v6.12", Workers::NativeIo);
    let settings = RunSettings { keep_records: true, ..for_time(ms(60)) };
    let output = simulate_policy(&guest(), &policy, &settings);
    assert_clean(&output);
    assert!(metric(&output, "write_messages") > 10.0);
    assert_eq!(metric(&output, "async_faults"), 0.0);
    assert_eq!(metric(&output, "saved_pages"), metric(&output, "protected_pages"));
}

#[test]
fn several_threads_share_the_work() {
    let mut config = guest();
    config.cpu.costs.set("uffd_lift", "30us").unwrap();
    let time = |threads| {
        let mut config = config.clone();
        (protection(&mut config).threads, protection(&mut config).depth) = (threads, 8);
        let output = recorded(&config, "sync");
        assert_clean(&output);
        metric(&output, "snapshot_time")
    };
    let (one, two) = (time(1), time(2));
    assert!(two < 0.7 * one, "{one} {two}");
}
