//! Faults of real runs in detail.

use super::kit::{closed_form, constant, crowded, fair, for_time, ms, named, us, with_workers};
use models::apf::rules::Workers;
use models::base::ids::WorkerId;
use models::base::record::{Event, FaultPath};
use models::config::MachineConfig;
use models::machine::{RunSettings, Watch, prefill, run};
use models::trace::anatomy::{Anatomy, ItemState, Part, Pick, TaskActivity, VcpuState, anatomy};
use sim_core::SimDuration;

/// Both passes over a run.
fn picked(config: &MachineConfig, policy: &str, duration: SimDuration) -> Vec<(Pick, Anatomy)> {
    let settings = for_time(duration);
    let prefix = prefill(config, 42, &settings).unwrap();
    let pass = |watch| {
        let settings = RunSettings { watch, ..settings.clone() };
        let policy = match policy {
            "native" => with_workers("apf-v6.12", Workers::NativeIo),
            name => named(name),
        };
        run(&prefix, &policy, &settings).unwrap()
    };
    let first = pass(Watch::Faults);
    let faults = first.faults.unwrap();
    let ended = first.metrics.fault_latency.count();
    assert_eq!((faults.count, faults.every), (ended, 1));
    let chosen: Vec<_> = Pick::ALL.map(|pick| (pick, faults.pick(pick).unwrap())).to_vec();
    let worst = chosen[Pick::ALL.len() - 1].1.latency().as_ps() as f64 * 1e-12;
    assert_eq!(first.metrics.get("fault_latency_max"), Some(worst));

    let spans = chosen.iter().map(|(_, fault)| fault.span()).collect();
    let second = pass(Watch::Excerpts(spans));
    assert_eq!((first.digest, first.metrics), (second.digest, second.metrics));
    let excerpts = second.excerpts.unwrap();
    let shown = chosen.into_iter().zip(&excerpts);
    shown
        .map(|((pick, fault), records)| (pick, anatomy(config.guest.vcpus, &fault, records)))
        .collect()
}

#[test]
fn parts_add_up_and_lanes_have_no_holes() {
    let mut completed = 0;
    for latency in [us(30), us(300), ms(8)] {
        let config = crowded("westmere-2010", constant(latency));
        for policy in ["sync", "halt", "apf-v7-2010", "apf-v2.6.39", "apf-v6.12", "native"] {
            for (pick, shown) in picked(&config, policy, ms(400)) {
                let what = format!("{policy}, {latency}, {}: {shown:#?}", pick.name());
                let fault = shown.fault;
                assert!(fault.begin <= fault.known && fault.known < fault.end, "{what}");
                assert_eq!(shown.parts.total(), fault.latency(), "{what}");
                assert_eq!(
                    shown.parts.iter().map(|(_, ps)| ps.as_ps()).sum::<u64>(),
                    fault.latency().as_ps()
                );
                let (from, to) = fault.span();
                for (lane, spans) in [
                    ("task", shown.lanes.task.spans.iter().map(|s| (s.0, s.1)).collect::<Vec<_>>()),
                    ("vcpu", shown.lanes.vcpu.spans.iter().map(|s| (s.0, s.1)).collect()),
                ] {
                    assert_eq!((spans[0].0, spans[spans.len() - 1].1), (from, to), "{lane} {what}");
                    assert!(spans.windows(2).all(|pair| pair[0].1 == pair[1].0), "{lane} {what}");
                }
                let first = shown.steps.first().unwrap();
                assert!(matches!(first.event, Event::KvmExit { .. }), "{what}");
                assert_eq!(first.time, fault.begin, "{what}");
                let last = shown.steps.last().unwrap();
                assert!(matches!(last.event, Event::MajorFaultEnd { .. }), "{what}");
                assert_eq!(last.time, fault.end, "{what}");
                assert!(shown.steps.is_sorted_by_key(|step| step.time), "{what}");
                if fault.path == FaultPath::Async && policy != "native" {
                    let [begun, done] = workers(&shown);
                    // A worker that waits for its processor may be done after the vCPU has found the page by itself.
                    assert_eq!(begun, done, "{what}");
                    completed += done.len();
                }
            }
        }
    }
    assert!(completed > 40, "{completed}");
}

/// Who begins items of a fault, and who completes them, whatever other vCPUs set up beside it.
fn workers(shown: &Anatomy) -> [Vec<WorkerId>; 2] {
    let begun = shown.steps.iter().filter_map(|step| match step.event {
        Event::WorkqueueExecuteStart { worker, .. } => Some(worker),
        _ => None,
    });
    let done = shown.steps.iter().filter_map(|step| match step.event {
        Event::KvmAsyncPfCompleted { worker, .. } => Some(worker),
        _ => None,
    });
    [begun.collect(), done.collect()]
}

/// The names of the records of a fault's steps.
fn story(shown: &Anatomy) -> Vec<&'static str> {
    shown.steps.iter().map(|step| step.event.name()).collect()
}

/// A machine on which all is free but the read of 5 ms: one faulter, one worker, one vCPU.
fn alone() -> MachineConfig {
    closed_form(ms(5), us(100), fair(ms(20), ms(10)))
}

#[test]
fn a_synchronous_fault_stalls_its_vcpu() {
    let shown = &picked(&alone(), "sync", ms(500))[0].1;
    assert_eq!(shown.fault.path, FaultPath::Sync);
    // The read, and the microsecond of the write that makes room.
    assert!((ms(5)..=ms(5) + us(1)).contains(&shown.parts.get(Part::Device)));
    assert!(shown.lanes.item.spans.is_empty());
    let stalled = shown.lanes.vcpu.spans.iter().filter(|span| span.2 == VcpuState::Stalled);
    assert!(stalled.map(|span| span.1.since(span.0)).max() >= Some(ms(5)));
    let device = shown.lanes.device.spans.iter().map(|span| span.1.since(span.0).as_ps());
    assert_eq!(device.sum::<u64>(), shown.parts.get(Part::Device).as_ps());
}

#[test]
fn an_asynchronous_fault_goes_through_the_protocol() {
    let shown = &picked(&alone(), "apf-v7-2010", ms(500))[0].1;
    assert_eq!(shown.fault.path, FaultPath::Async);
    assert_eq!(shown.parts.get(Part::Device), ms(5));
    let expect = [
        "kvm_exit",
        "kvm_try_async_get_page",
        "major_fault_begin",
        "workqueue_queue_work",
        "not_present_queued",
        "kvm_inj_exception",
        "apf_wait",
        "guest_sched_switch",
        "workqueue_execute_start",
        "block_rq_issue",
        "block_rq_complete",
        "kvm_async_pf_completed",
        "workqueue_execute_end",
        "kvm_async_pf_ready",
        "page_ready_queued",
        "kvm_inj_exception",
        "apf_wake",
        "guest_sched_switch",
        "major_fault_end",
    ];
    let told = story(shown);
    let mut rest = told.iter();
    for name in expect {
        assert!(rest.any(|told| *told == name), "{name} is missing or late in {told:?}");
    }
    let waits = shown.lanes.task.spans.iter().filter(|s| s.2 == TaskActivity::WaitsForPage);
    assert!(waits.map(|s| s.1.since(s.0)).max() >= Some(ms(4)));
    let asleep = shown.lanes.item.spans.iter().filter(|s| s.2 == ItemState::Asleep);
    assert_eq!(asleep.map(|s| s.1.since(s.0)).max(), Some(ms(5)));
    assert!(!shown.lanes.others.spans.is_empty(), "somebody else runs meanwhile");
}

#[test]
fn a_halted_vcpu_is_shown_as_halted() {
    let shown = &picked(&alone(), "halt", ms(500))[0].1;
    assert!(story(shown).contains(&"apf_halt"));
    assert!(shown.lanes.vcpu.spans.iter().any(|span| span.2 == VcpuState::Halted));
    assert!(shown.lanes.task.spans.iter().all(|span| span.2 != TaskActivity::WaitsForPage));
}
