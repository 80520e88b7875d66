//! Events whose delivery is interrupted, by a cancelled entry or by a fault, are injected again.

use super::kit::{MIB, assert_clean, constant, crowded, for_time, group, ms, simulate, us};
use models::apf::{Defect, Defects};
use models::base::abi::{CALLBACK, PAGE_FAULT};
use models::base::ids::{Gfn, PAGE_SIZE, VcpuId};
use models::base::record::{Event, ExitReason, Record, TaskRole};
use models::config::costs::Cost;
use models::config::{EventPages, MachineConfig, Op};
use models::machine::{KERNEL_FRAMES, RunSettings};
use models::monitors::Verdict;
use models::trace::kernel::{KernelWriter, Setting};
use sim_core::SimDuration;

/// Two vCPUs and their workers on one processor of the host, so that there is always somebody else.
fn crowded_host(window: SimDuration) -> MachineConfig {
    let mut config = crowded("skylake-sp", constant(us(300)));
    config.host.cpus = 1;
    config.guest.vcpus = 2;
    config.host.read_ahead_pages = 1;
    config.cpu.costs.inject_window = Cost::Time(window);
    config
}

/// The host takes the pages away through which the guest takes events.
fn reclaimed_pages() -> MachineConfig {
    let mut config = crowded("westmere-2010", constant(us(300)));
    config.guest.event_pages = EventPages::Reclaimable;
    config
}

fn recorded(config: &MachineConfig, policy: &str) -> Vec<Record> {
    let settings = RunSettings { keep_records: true, ..for_time(ms(100)) };
    let output = simulate(config, policy, &settings);
    assert_clean(&output);
    output.records.unwrap()
}

/// What was injected last into each vCPU and whether it was entered since.
#[derive(Clone, Copy, Default)]
struct Vcpu {
    injected: Option<u8>,
    entered: bool,
    vectoring: bool,
}

/// Checks every injection for the second time against the first one. Returns how many there were
/// after cancelled entries, and after faults in the delivery.
fn reinjections(records: &[Record]) -> (usize, usize) {
    let mut vcpus = [Vcpu::default(); 4];
    let (mut cancelled, mut faulted) = (0, 0);
    for record in records {
        match record.event {
            Event::KvmInjException { vcpu, vector, .. } | Event::KvmInjVirq { vcpu, vector } => {
                let own = &mut vcpus[vcpu.index()];
                assert!(!own.vectoring, "{record:?}: another event comes first");
                *own = Vcpu { injected: Some(vector), ..Vcpu::default() };
            }
            Event::KvmEntry { vcpu } => {
                vcpus[vcpu.index()].entered = true;
                vcpus[vcpu.index()].vectoring = false;
            }
            Event::KvmPageFault { vcpu, address, .. } if is_event_page(address.0 / PAGE_SIZE) => {
                vcpus[vcpu.index()].vectoring = true;
            }
            Event::KvmTryAsyncGetPage { gfn, .. } => assert!(!is_event_page(gfn.0), "{record:?}"),
            Event::KvmReinject { vcpu, vector } => {
                let own = vcpus[vcpu.index()];
                assert_eq!(own.injected, Some(vector), "{record:?}");
                assert_eq!(own.entered, own.vectoring, "{record:?}");
                cancelled += usize::from(!own.entered);
                faulted += usize::from(own.entered);
                vcpus[vcpu.index()].entered = false;
            }
            _ => {}
        }
    }
    (cancelled, faulted)
}

fn is_event_page(gfn: u64) -> bool {
    (KERNEL_FRAMES - 4..KERNEL_FRAMES).contains(&gfn)
}

#[test]
fn a_cancelled_entry_injects_again() {
    for policy in ["apf-v7-2010", "apf-v2.6.39", "apf-v6.12"] {
        let records = recorded(&crowded_host(us(3)), policy);
        let (cancelled, faulted) = reinjections(&records);
        assert!(cancelled > 0, "{policy}: no entry was cancelled");
        assert_eq!(faulted, 0, "{policy}");
    }
}

#[test]
fn an_event_without_its_page_faults_synchronously_and_is_injected_again() {
    for policy in ["sync", "halt", "apf-v7-2010", "apf-v2.6.39", "apf-v6.12"] {
        let records = recorded(&reclaimed_pages(), policy);
        let (cancelled, faulted) = reinjections(&records);
        // The first event of each vCPU is one.
        assert!(faulted > 4, "{policy}: {faulted} events found no page");
        assert_eq!(cancelled, 0, "{policy}");
        let item =
            |r: &&Record| matches!(r.event, Event::ItemLink { gfn, .. } if is_event_page(gfn.0));
        assert_eq!(records.iter().filter(item).count(), 0, "{policy}: went asynchronous");
        let mapped = |v: u16| {
            let gfn = Gfn(KERNEL_FRAMES - 1 - u64::from(v));
            records.iter().any(|r| matches!(r.event, Event::EptMap { gfn: own, .. } if own == gfn))
        };
        assert!((0..4).all(mapped), "{policy}");
    }
}

#[test]
fn a_gate_that_looks_at_nothing_tells_during_a_delivery() {
    let defects = Defects::none().with(Defect::IgnoreGate);
    let settings = RunSettings { defects, ..for_time(ms(1500)) };
    // One vCPU has events so rarely that its page is written out between them.
    let mut config = reclaimed_pages();
    config.host.memory_limit_pages = 6 * MIB;
    config.workload.tasks.truncate(1);
    config.workload.tasks[0].count = 3;
    config.workload.tasks[0].start_on = (0..3).map(VcpuId).collect();
    let count = vec![Op::Count { per_second: 1_000_000_000 }];
    let mut counter = group("counter", TaskRole::Worker, 1, count);
    counter.start_on = vec![VcpuId(3)];
    config.workload.tasks.push(counter);
    config.guest.tick = ms(400);
    assert_clean(&simulate(&config, "apf-v7-2010", &for_time(ms(1500))));
    let output = simulate(&config, "apf-v7-2010", &settings);
    let found = output.findings.iter().find(|finding| finding.id.to_string() == "INV-07").unwrap();
    assert_eq!(found.verdict, Verdict::Violation);
    let message = &found.first.as_ref().unwrap().message;
    assert!(message.ends_with("is delivered"), "{message}");
}

#[test]
fn without_either_nothing_is_injected_again() {
    let records = recorded(&crowded_host(SimDuration::ZERO), "apf-v6.12");
    assert_eq!(reinjections(&records), (0, 0));
}

#[test]
fn running_ahead_makes_no_difference() {
    let mut both = reclaimed_pages();
    both.host.cpus = 2;
    both.cpu.costs.inject_window = Cost::Time(us(2));
    for policy in ["sync", "apf-v7-2010", "apf-v6.12"] {
        let ahead = simulate(&both, policy, &for_time(ms(40)));
        let stepped = RunSettings { skip: false, ..for_time(ms(40)) };
        assert_eq!(ahead.digest, simulate(&both, policy, &stepped).digest, "{policy}");
    }
}

#[test]
fn kernels_print_it_with_a_word_more() {
    let setting = Setting { vcpus: 1, handlers: 0, running: vec![None], ready_by_interrupt: true };
    let mut writer = KernelWriter::new(setting);
    let vcpu = VcpuId(0);
    let mut out = Vec::new();
    for event in [
        Event::KvmReinject { vcpu, vector: PAGE_FAULT },
        Event::KvmReinject { vcpu, vector: CALLBACK },
        Event::KvmExit { vcpu, reason: ExitReason::InterruptWindow },
    ] {
        writer.record(&Record { time: sim_core::SimTime::ZERO, event }, &mut out);
    }
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].ends_with("kvm_inj_exception: #PF (0x0) [reinjected]"), "{text}");
    assert!(lines[1].ends_with("kvm_inj_virq: IRQ 0xf3 [reinjected]"), "{text}");
    assert!(lines[2].contains("reason vintr "), "{text}");
}
