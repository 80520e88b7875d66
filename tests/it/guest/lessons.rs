//! What logs of a real kernel 6.12 show about the protocol and `arms` does not ask of both, because no log is at hand
//! or because only records tell it: each must come about by itself in a built-in scenario.

use std::collections::BTreeMap;

use models::base::abi::{MSR_ASYNC_PF_ACK, MSR_ASYNC_PF_EN};
use models::base::ids::{Gva, Token, VcpuId};
use models::base::record::{BlockReason, Event, Record};
use sim_core::SimDuration;

use super::lab::records;

use crate::kit::{printed, program};

const CPU: &str = "lab-1gips";

fn count(records: &[Record], wanted: impl Fn(&Event) -> bool) -> usize {
    records.iter().filter(|record| wanted(&record.event)).count()
}

fn has(records: &[Record], wanted: impl Fn(&Event) -> bool) -> bool {
    count(records, wanted) > 0
}

fn is_try(event: &Event) -> bool {
    matches!(event, Event::KvmTryAsyncGetPage { .. })
}
fn is_repeated(event: &Event) -> bool {
    matches!(event, Event::KvmAsyncPfDoublefault { .. })
}
fn is_not_present(event: &Event) -> bool {
    matches!(event, Event::KvmAsyncPfNotPresent { .. })
}
fn is_completed(event: &Event) -> bool {
    matches!(event, Event::KvmAsyncPfCompleted { .. })
}
fn is_exception(event: &Event) -> bool {
    matches!(event, Event::KvmInjException { .. })
}
fn is_wake_all(event: &Event) -> bool {
    matches!(event, Event::KvmAsyncPfReady { token: Token::WAKE_ALL, .. })
}
/// A page ready that is no wake-all.
fn is_ready(event: &Event) -> bool {
    matches!(event, Event::KvmAsyncPfReady { .. }) && !is_wake_all(event)
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}

/// Where the vCPU is halted too, the worker takes its processor as soon as it is woken, and the page's
/// completion does not wait for a tick: the worker sleeps in debt to the thread that it has woken, and
/// one in debt is woken where it stands. Recorded: 58 of 62, and 14 us from completion to completed.
#[test]
fn a_worker_preempts_the_vcpu_thread_that_wakes_it() {
    let records = records("lab-500us-4f4w", "halt-v6.12", CPU);
    let (mut announced, mut at_once, mut asleep) = (0, 0, true);
    let (mut read, mut waits) = (None, Vec::new());
    for record in records {
        match record.event {
            Event::KvmAsyncPfNotPresent { .. } => (announced, asleep) = (announced + 1, false),
            Event::WorkqueueExecuteStart { .. } => at_once += u32::from(!asleep),
            Event::VcpuBlock { .. } => asleep = true,
            Event::BlockRqComplete { .. } => read = Some(record.time),
            Event::KvmAsyncPfCompleted { .. } => waits.extend(read.map(|t| record.time.since(t))),
            _ => {}
        }
    }
    assert!(announced > 1000 && at_once * 10 > announced * 8, "{at_once} of {announced}");
    assert!(waits.iter().all(|&wait| wait < SimDuration::from_us(100)), "{:?}", waits.iter().max());
}

/// Item 3: every fault in user mode is told, none in the kernel; the guest does not ask for those.
#[test]
fn faults_in_user_mode_are_told_and_others_are_not() {
    let user = records("lab-500us-4f4w", "apf-v6.12", CPU);
    let told = count(user, is_exception);
    assert!(told > 1000 && count(user, is_not_present).abs_diff(told) <= 1, "{told}");
    let kernel = records("lab-500us-4f4w-syscall", "apf-v6.12", CPU);
    assert!(count(kernel, is_not_present) > 1000 && !has(kernel, is_exception));
    for records in [user, kernel] {
        let enables = |e: &Event| match e {
            Event::KvmMsrWrite { ecx: MSR_ASYNC_PF_EN, data, .. } => Some(data & 0xf),
            _ => None,
        };
        let written: Vec<u64> = records.iter().filter_map(|r| enables(&r.event)).collect();
        assert_eq!(written, [0xd]);
    }
}

/// Item 4: a fault that is tried and not announced is a repeated one or found the cap, which is reached
/// exactly.
#[test]
fn the_cap_is_reached_exactly() {
    let records = records("lab-cap", "apf-v6.12", CPU);
    let (mut outstanding, mut most, mut refused) = (0_u32, 0, 0);
    let mut tried = false;
    for record in records {
        match record.event {
            Event::KvmTryAsyncGetPage { .. } => tried = true,
            Event::KvmAsyncPfDoublefault { .. } => tried = false,
            Event::KvmAsyncPfNotPresent { .. } => {
                tried = false;
                outstanding += 1;
                most = most.max(outstanding);
            }
            Event::KvmEntry { .. } | Event::VcpuBlock { .. } if std::mem::take(&mut tried) => {
                refused += 1;
                assert_eq!(outstanding, 64, "a fault that was tried was not announced");
            }
            _ if is_ready(&record.event) => outstanding -= 1,
            _ => {}
        }
    }
    assert!(most == 64 && refused > 5, "{most} {refused}");
}

/// Item 5: tasks that want the same pages repeat each other's faults, and are halted with notices too.
/// Recorded: 401 pages, 393 repeated faults.
#[test]
fn tasks_with_the_same_pages_are_halted() {
    let records = records("lab-500us-8f4w-shared", "apf-v6.12", CPU);
    let (pages, repeated) = (count(records, is_not_present), count(records, is_repeated));
    assert!((0.85..1.15).contains(&share(repeated, pages)), "{repeated} of {pages}");
    let halts =
        count(records, |e| matches!(e, Event::VcpuBlock { reason: BlockReason::ApfHalt, .. }));
    assert!(halts.abs_diff(repeated) <= 2, "{halts}");
}

/// Item 6: any event wakes a halted vCPU, and after its own page ready it does not fault again.
#[test]
fn halted_vcpus_wake_for_anything_and_find_their_page() {
    let records = records("lab-5ms-4f4w", "halt-v6.12", CPU);
    let (mut ready, mut since, mut woken_early) = (Vec::new(), false, 0);
    for record in records {
        match record.event {
            Event::VcpuBlock { reason: BlockReason::ApfHalt, .. } => since = false,
            Event::KvmAsyncPfCompleted { .. } => since = true,
            Event::VcpuUnblock { reason: BlockReason::ApfHalt, .. } if !since => woken_early += 1,
            Event::KvmAsyncPfNotPresent { gva, .. } => ready.retain(|&page| page != gva),
            Event::KvmAsyncPfDoublefault { gva, .. } => {
                assert!(!ready.contains(&gva), "{gva} was ready");
            }
            Event::KvmAsyncPfReady { gva, .. } => ready.push(gva),
            _ => {}
        }
    }
    assert!(woken_early > 100, "{woken_early}");
}

/// Repeated faults of each page, and the median time between two of them in nanoseconds.
fn spins(records: &[Record]) -> (Vec<usize>, u64) {
    let mut pages: BTreeMap<u64, usize> = BTreeMap::new();
    let (mut last, mut gaps) = (None, Vec::new());
    for record in records {
        if let Event::KvmAsyncPfDoublefault { gva: Gva(page), .. } = record.event {
            *pages.entry(page).or_default() += 1;
            gaps.extend(last.map(|at| record.time.since(at).as_ns()));
            last = Some(record.time);
        }
    }
    (pages.into_values().collect(), median(gaps))
}

/// Item 7: with its APIC off a vCPU that has notices cannot be told its wake-all, is runnable, and spins.
/// Recorded: a refault every 5.5 us, two records of 0.7 us among them, some 90 in a fault of 500 us.
#[test]
fn halts_do_not_halt_until_the_apic_is_on() {
    let records = records("lab-boot-under-limit", "apf-v6.12", CPU);
    let told = records.iter().position(|record| is_wake_all(&record.event)).unwrap();
    let at = records[told].time.since(records[0].time).as_ns();
    assert!((50_000_000..50_100_000).contains(&at), "{at}");
    let (before, gap) = spins(&records[..told]);
    assert!((3000..5500).contains(&gap), "{gap}");
    let spinning = before.iter().filter(|&&faults| faults > 80).count();
    assert!(spinning > 30 && share(spinning, before.len()) > 0.9, "{before:?}");
    let (after, _) = spins(&records[told..]);
    assert!(after.iter().all(|&faults| faults < 4), "{after:?}");
}

/// Item 7: so does one that was kicked while it was not in HLT, until it next is.
#[test]
fn halts_do_not_halt_after_a_stray_kick() {
    let records = records("lab-stray-kicks", "apf-v6.12", CPU);
    let (pages, _) = spins(records);
    let spinning: Vec<usize> = pages.into_iter().filter(|&faults| faults > 20).collect();
    assert!(spinning.len() >= 10 && spinning.iter().sum::<usize>() > 1000, "{spinning:?}");
    // Not for ever: the guest's next HLT ends it, here within the 10 ms of a round of its task.
    assert!(share(spinning.len(), count(records, is_not_present)) < 0.1);
}

/// Item 8: one wake-all for each vCPU that enables notices, acknowledged like any other page ready.
#[test]
fn enabling_wakes_all_once_a_vcpu() {
    let records = records("lab-500us-8f4w-2vcpu-shared", "apf-v6.12", CPU);
    for vcpu in [VcpuId(0), VcpuId(1)] {
        let of = |e: &Event| matches!(e, Event::KvmAsyncPfReady { vcpu: v, .. } if *v == vcpu);
        assert_eq!(count(records, |e| of(e) && is_wake_all(e)), 1);
        let ready = count(records, of);
        let acknowledged = count(
            records,
            |e| matches!(e, Event::KvmMsrWrite { vcpu: v, ecx: MSR_ASYNC_PF_ACK, .. } if *v == vcpu),
        );
        assert!(ready.abs_diff(acknowledged) <= 1, "{vcpu}: {ready} {acknowledged}");
    }
}

/// Item 12: one page is outstanding on two vCPUs, with a token of each. A token is a counter that begins
/// at 1, and the vCPU.
#[test]
fn one_page_is_outstanding_on_two_vcpus() {
    let records = records("lab-500us-8f4w-2vcpu-shared", "apf-v6.12", CPU);
    let mut outstanding: Vec<(Gva, Token, VcpuId)> = Vec::new();
    let (mut both, mut counters) = (0, BTreeMap::new());
    for record in records {
        match record.event {
            Event::KvmAsyncPfNotPresent { vcpu, token, gva } => {
                assert_eq!(token.0 & 0xfff, u32::from(vcpu.0));
                let counter = counters.entry(vcpu.0).or_insert(0);
                *counter += 1;
                assert_eq!(token.0 >> 12, *counter);
                let elsewhere = |&(page, other, on): &(Gva, Token, VcpuId)| {
                    page == gva && on != vcpu && other != token
                };
                both += usize::from(outstanding.iter().any(elsewhere));
                outstanding.push((gva, token, vcpu));
            }
            Event::KvmAsyncPfReady { token, .. } => {
                outstanding.retain(|&(_, other, _)| other != token);
            }
            _ => {}
        }
    }
    assert!(both > 100, "{both}");
}

/// Item 13, and the log of 6.1: synchronous faults and swap-in that polls show no asynchronous event.
#[test]
fn synchronous_faults_are_not_traced() {
    let asynchronous = |e: &Event| {
        is_try(e) || is_not_present(e) || is_ready(e) || is_completed(e) || is_exception(e)
    };
    for (name, policy) in [
        ("lab-500us-4f4w", "sync"),
        ("lab-5ms-4f4w", "sync"),
        ("lab-500us-4f4w-linux-6.1", "apf-v5.17"),
    ] {
        let records = records(name, policy, CPU);
        assert!(count(records, |e| matches!(e, Event::MajorFaultBegin { .. })) > 100);
        assert!(!has(records, asynchronous), "{name} {policy}");
    }
}

/// The recorded logs themselves: pages asked for a second, from `apfsim sweep lab-logs`. tr11 is left
/// out: it is 40 ms long, and half of it belongs to the counting tasks.
#[test]
fn the_logs_come_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = program();
    printed(command.args(["sweep", "lab-logs", "--out"]).arg(dir.path()));
    let table = std::fs::read_to_string(dir.path().join("sweep.csv")).unwrap();
    let mut lines = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let column = |name: &str| head.iter().position(|&field| field == name).unwrap();
    let rows: Vec<Vec<&str>> = lines.collect();
    let value = |point: &str, policy: &str, metric: &str| -> f64 {
        let row = |row: &&Vec<&str>| row[0] == point && row[column("policy")] == policy;
        rows.iter().find(row).unwrap()[column(metric)].parse().unwrap()
    };
    for (log, point, policy, recorded) in [
        ("tr01", "1", "apf-v6.12", 4844.0),
        ("tr02", "1", "halt-v6.12", 1002.0),
        ("tr03", "2", "apf-v6.12", 1800.0),
        ("tr05", "3", "apf-v6.12", 950.0),
        ("tr12", "5", "halt-v6.12", 1049.0),
        ("tr13", "5", "sync", 1006.0),
    ] {
        let simulated = value(point, policy, "major_faults_mean") / 2.0;
        let miss: f64 = simulated / recorded - 1.0;
        assert!(miss.abs() < 0.08, "{log}: {simulated} a second, recorded {recorded}");
    }
    // Host and guest together, no reclaim, four tasks or one: 55 to 70 us.
    for point in ["1", "2"] {
        let cost = value(point, "apf-v6.12", "lost_time_per_fault_mean") * 1e6;
        assert!((52.0..70.0).contains(&cost), "{cost}");
    }
}
