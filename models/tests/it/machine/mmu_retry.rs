//! Faults that begin again because the host took pages of the VM away meanwhile.

use super::kit::{assert_clean, constant, crowded, for_time, simulate, us};
use models::base::ids::{Gfn, PAGE_SIZE};
use models::base::record::{Event, Record};
use models::config::{MachineConfig, MmuRetry};
use models::machine::RunSettings;

/// Four vCPUs that fault and reclaim all the time.
fn machine(cpu: &str, retry: MmuRetry) -> MachineConfig {
    let mut config = crowded(cpu, constant(us(200)));
    config.host.read_ahead_pages = 1;
    config.host.kernel.mmu_retry = retry;
    config
}

fn recorded(config: &MachineConfig, policy: &str) -> Vec<Record> {
    let settings = RunSettings { keep_records: true, ..for_time(us(50_000)) };
    let output = simulate(config, policy, &settings);
    assert_clean(&output);
    output.records.unwrap()
}

/// What a vCPU does next after each fault that began again: enter, exit, and the address of the
/// fault that it exits for.
fn after_retries(records: &[Record]) -> Vec<(Gfn, Vec<Event>)> {
    let mut stories = Vec::new();
    for (at, record) in records.iter().enumerate() {
        let Event::MmuNotifierRetry { vcpu, gfn } = record.event else { continue };
        let own = |event: &Event| match *event {
            Event::KvmEntry { vcpu: who }
            | Event::KvmExit { vcpu: who, .. }
            | Event::KvmInjVirq { vcpu: who, .. }
            | Event::KvmInjException { vcpu: who, .. }
            | Event::KvmAsyncPfReady { vcpu: who, .. }
            | Event::KvmPageFault { vcpu: who, .. } => who == vcpu,
            _ => false,
        };
        let next = records[at..].iter().map(|record| record.event).filter(own);
        stories.push((gfn, next.take(3).collect()));
    }
    stories
}

#[test]
fn a_fault_during_which_pages_were_evicted_faults_again() {
    let records = recorded(&machine("skylake-sp", MmuRetry::Evictions), "sync");
    let stories = after_retries(&records);
    assert!(stories.len() > 50, "{} faults began again", stories.len());
    // Unless an interrupt comes first: the guest is entered and faults on the same frame.
    let again = stories.iter().filter(|(gfn, next)| {
        let [Event::KvmEntry { .. }, Event::KvmExit { .. }, Event::KvmPageFault { address, .. }] =
            next[..]
        else {
            return false;
        };
        address.0 / PAGE_SIZE == gfn.0
    });
    let again = again.count();
    assert!(again * 10 > stories.len() * 8, "{again} of {} at once", stories.len());
}

#[test]
fn no_fault_is_lost_and_every_access_goes_through() {
    for policy in ["sync", "halt", "apf-v7-2010", "apf-v2.6.39", "apf-v6.12"] {
        for retry in [MmuRetry::Evictions, MmuRetry::Unmappings] {
            let records = recorded(&machine("westmere-2010", retry), policy);
            let mut open = std::collections::BTreeMap::new();
            let (mut retried, mut ended) = (0, 0);
            for record in &records {
                match record.event {
                    Event::MajorFaultBegin { task, .. } => {
                        open.insert(task, record.time);
                    }
                    Event::MajorFaultEnd { task, .. } => {
                        open.remove(&task);
                        ended += 1;
                    }
                    Event::MmuNotifierRetry { .. } => retried += 1,
                    _ => {}
                }
            }
            assert!(retried > 0, "{policy}, {retry:?}: nothing began again");
            assert!(ended > 200, "{policy}, {retry:?}: {ended} faults ended");
            // What is open at the end has not been so for long.
            let end = records.last().unwrap().time;
            let oldest = open.values().map(|&since| end.since(since)).max();
            let late = oldest.is_some_and(|age| age > us(20_000));
            assert!(!late, "{policy}, {retry:?}: a fault has lasted for {oldest:?}");
        }
    }
}

/// How many faults of a run began again.
fn retries(config: &MachineConfig, policy: &str) -> usize {
    let retried = |record: &&Record| matches!(record.event, Event::MmuNotifierRetry { .. });
    recorded(config, policy).iter().filter(retried).count()
}

#[test]
fn ageing_counts_where_it_unmaps() {
    let of = |cpu, retry| retries(&machine(cpu, retry), "sync");
    assert_eq!(of("westmere-2010", MmuRetry::OwnPage), 0);
    // With accessed bits it unmaps nothing.
    let evictions = of("skylake-sp", MmuRetry::Evictions);
    assert_eq!(of("skylake-sp", MmuRetry::Unmappings), evictions);
    assert!(of("westmere-2010", MmuRetry::Unmappings) >= of("westmere-2010", MmuRetry::Evictions));
}

/// A fault that waits for no reclaim and meets none goes through at once.
#[test]
fn without_reclaim_nothing_begins_again() {
    let mut config = machine("skylake-sp", MmuRetry::Unmappings);
    config.host.memory_limit_pages = config.guest.memory_pages;
    assert_eq!(retries(&config, "sync"), 0);
}

#[test]
fn running_ahead_makes_no_difference() {
    for policy in ["sync", "apf-v7-2010", "apf-v6.12"] {
        let config = machine("westmere-2010", MmuRetry::Unmappings);
        let ahead = simulate(&config, policy, &for_time(us(30_000)));
        let stepped = RunSettings { skip: false, ..for_time(us(30_000)) };
        assert_eq!(ahead.digest, simulate(&config, policy, &stepped).digest, "{policy}");
    }
}
