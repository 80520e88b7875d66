//! Metrics of small traces written by hand.

use sim_core::{SimDuration, SimTime};

use super::*;
use crate::base::abi::{CALLBACK, LOCAL_TIMER, MSR_ASYNC_PF_INT, PAGE_FAULT, PF_WRITE};
use crate::base::ids::{
    Gfn, GuestPage, ItemId, PcpuId, RequestId, SwapSlot, TaskId, ThreadId, Token, VcpuId, VmId,
    WorkerId,
};
use crate::base::record::{
    BlockReason, Event, ExitReason, FaultPath, IoKind, Phase, Record, TaskRole,
};

const V0: VcpuId = VcpuId(0);
const V1: VcpuId = VcpuId(1);
const FAULTER: TaskId = TaskId(0);
const WORKER: TaskId = TaskId(1);
const T1: Token = Token(0x1000);
const T2: Token = Token(0x2000);

fn at(us: u64) -> SimTime {
    SimTime::from_ps(SimDuration::from_us(us).as_ps())
}

fn observed(vcpus: u16, events: &[(u64, Event)]) -> Metrics {
    let records: Vec<Record> =
        events.iter().map(|&(us, event)| Record { time: at(us), event }).collect();
    let mut whole = Metrics::new(vcpus);
    whole.observe(&records);
    let mut cut = Metrics::new(vcpus);
    for record in &records {
        cut.observe(std::slice::from_ref(record));
    }
    assert_eq!(cut.finish(at(1_000_000)), whole.finish(at(1_000_000)));
    whole
}

fn values(vcpus: u16, events: &[(u64, Event)], end: u64) -> MetricValues {
    observed(vcpus, events).finish(at(end))
}

#[track_caller]
fn expect(values: &MetricValues, expected: &[(&str, f64)]) {
    for &(name, value) in expected {
        let got = values.get(name).unwrap_or_else(|| panic!("{name} is missing"));
        assert!((got - value).abs() <= 1e-9 * value.abs().max(1e-6), "{name}: {got}, not {value}");
    }
}

fn phase(phase: Phase) -> Event {
    Event::PhaseBegin { phase }
}
fn measure() -> Event {
    phase(Phase::Measure)
}
fn entry(vcpu: VcpuId) -> Event {
    Event::KvmEntry { vcpu }
}
fn exit(vcpu: VcpuId) -> Event {
    Event::KvmExit { vcpu, reason: ExitReason::EptViolation }
}
fn block(vcpu: VcpuId, reason: BlockReason) -> Event {
    Event::VcpuBlock { vcpu, reason }
}
fn unblock(vcpu: VcpuId, reason: BlockReason) -> Event {
    Event::VcpuUnblock { vcpu, reason }
}
fn run(task: TaskId, us: u64) -> Event {
    Event::TaskRun { vcpu: V0, task, span: SimDuration::from_us(us) }
}
fn new(task: TaskId, role: TaskRole) -> Event {
    Event::TaskNew { task, role, vcpu: V0 }
}
fn major(task: TaskId, gfn: u64, path: FaultPath) -> Event {
    Event::MajorFaultBegin { vcpu: V0, task, gfn: Gfn(gfn), path }
}
fn retired(task: TaskId, gfn: u64) -> Event {
    Event::MajorFaultEnd { vcpu: V0, task, gfn: Gfn(gfn) }
}
fn fault(gfn: u64) -> Event {
    Event::KvmPageFault { vcpu: V0, address: Gfn(gfn).gpa(), error_code: PF_WRITE.into(), cpl: 3 }
}
fn switch(prev: Option<u32>, next: Option<u32>) -> Event {
    let (prev, next) = (prev.map(ThreadId), next.map(ThreadId));
    Event::HostSchedSwitch { pcpu: PcpuId(0), prev, next }
}

fn sum_of_shares(values: &MetricValues) -> f64 {
    let user = ["workers", "faulters", "main"];
    let rest = ["kernel", "stalled", "halted", "idle", "steal"];
    let share = |part: &&str| values.get(&format!("cpu_share_{part}")).expect("a share");
    user.iter().chain(&rest).map(share).sum()
}

/// Two vCPUs over 100 us: one does everything there is to do, the other waits for the processor
/// and then idles.
#[test]
fn time_is_shared_out_completely() {
    let values = values(
        2,
        &[
            (0, switch(None, Some(0))),
            (0, new(FAULTER, TaskRole::Faulter)),
            (0, new(WORKER, TaskRole::Worker)),
            (5, entry(V0)),
            (10, run(WORKER, 5)),
            (10, measure()),
            (30, run(FAULTER, 8)),
            (30, run(WORKER, 10)),
            (30, exit(V0)),
            (34, block(V0, BlockReason::Fetch)),
            (34, switch(Some(0), Some(1))),
            (40, block(V1, BlockReason::Hlt)),
            (40, switch(Some(1), None)),
            (54, unblock(V0, BlockReason::Fetch)),
            (57, switch(None, Some(0))),
            (60, block(V0, BlockReason::Reclaim)),
            (64, unblock(V0, BlockReason::Reclaim)),
            (65, block(V0, BlockReason::ApfHalt)),
            (80, unblock(V0, BlockReason::ApfHalt)),
            (80, entry(V0)),
            (110, run(WORKER, 30)),
            (110, phase(Phase::End)),
            (120, run(WORKER, 10)),
        ],
        500,
    );
    expect(
        &values,
        &[
            ("sync_stall_time", 24e-6),
            ("halted_time", 15e-6),
            ("idle_time", 70e-6),
            ("cpu_share_workers", 40.0 / 200.0),
            ("cpu_share_faulters", 8.0 / 200.0),
            ("cpu_share_main", 0.0),
            ("cpu_share_guest_kernel", 2.0 / 200.0),
            // V0: 4 + 3 + 1 + 0 us; V1 from 34 to 40 us.
            ("cpu_share_host", 14.0 / 200.0),
            ("cpu_share_kernel", 16.0 / 200.0),
            ("cpu_share_stalled", 24.0 / 200.0),
            ("cpu_share_halted", 15.0 / 200.0),
            ("cpu_share_idle", 70.0 / 200.0),
            // V1 up to 34 us, V0 from 54 to 57 us.
            ("cpu_share_steal", 27.0 / 200.0),
            ("exits", 1.0),
            ("events", 23.0),
        ],
    );
    assert!((sum_of_shares(&values) - 1.0).abs() < 1e-12);
}

#[test]
fn without_a_host_scheduler_nothing_is_stolen() {
    let events = [
        (0, measure()),
        (0, entry(V0)),
        (40, exit(V0)),
        (40, block(V0, BlockReason::Hlt)),
        (90, unblock(V0, BlockReason::Hlt)),
    ];
    let values = values(1, &events, 100);
    expect(
        &values,
        &[("cpu_share_steal", 0.0), ("cpu_share_host", 0.1), ("cpu_share_guest_kernel", 0.4)],
    );
    assert!((sum_of_shares(&values) - 1.0).abs() < 1e-12);
}

#[test]
fn only_the_measured_phase_counts_and_states_are_carried_into_it() {
    let item = ItemId(0);
    let start = Event::WorkqueueExecuteStart { worker: WorkerId(0), item };
    let stop = Event::WorkqueueExecuteEnd { worker: WorkerId(0), item };
    let link = |token| Event::ItemLink { vcpu: V0, token, gfn: Gfn(1) };
    let unlink = |token| Event::ItemUnlink { vcpu: V0, token };
    let io =
        |op, pages| Event::BlockRqIssue { request: RequestId(0), op, slot: SwapSlot(0), pages };
    let values = values(
        1,
        &[
            (0, new(WORKER, TaskRole::Worker)),
            (1, phase(Phase::Warmup)),
            (2, Event::TaskWork { task: WORKER, units: 1000 }),
            (3, start),
            (3, start),
            (4, stop),
            (5, link(T1)),
            (5, link(T2)),
            (5, link(T2)),
            (6, unlink(T1)),
            (7, io(IoKind::Read, 8)),
            (8, block(V0, BlockReason::ApfHalt)),
            (9, Event::EptUnmap { page: GuestPage::new(VmId(0), Gfn(3)) }),
            (10, measure()),
            (12, unblock(V0, BlockReason::ApfHalt)),
            (12, Event::TaskWork { task: WORKER, units: 7 }),
            (14, stop),
            (15, unlink(T2)),
            (15, unlink(Token::WAKE_ALL)),
            (16, link(T1)),
            (17, Event::BlockRqComplete { request: RequestId(0) }),
            (18, io(IoKind::Write, 3)),
            (18, io(IoKind::Read, 2)),
            (20, Event::EptUnmap { page: GuestPage::new(VmId(0), Gfn(3)) }),
        ],
        20,
    );
    expect(
        &values,
        &[
            ("work_total", 7.0),
            ("worker_threads_peak", 1.0),
            ("outstanding_peak", 2.0),
            ("halted_time", 2e-6),
            ("swap_reads_pages", 2.0),
            ("swap_writes_pages", 3.0),
            ("swap_read_requests", 1.0),
            ("swap_write_requests", 1.0),
            ("ept_unmaps", 1.0),
            ("device_busy", 0.9),
            ("device_in_flight_mean", (7.0 + 2.0 * 2.0) / 10.0),
        ],
    );
    assert_eq!(values.per_task[0].work, 7);
}

#[test]
fn faults_are_counted_by_path_and_timed_from_first_access_to_retirement() {
    let doublefault =
        Event::KvmAsyncPfDoublefault { vcpu: V0, gva: crate::base::ids::Gva(0), gfn: Gfn(2) };
    let observed = observed(
        1,
        &[
            (0, new(FAULTER, TaskRole::Faulter)),
            (0, new(TaskId(2), TaskRole::Faulter)),
            (1, major(FAULTER, 1, FaultPath::Async)),
            (10, measure()),
            // Began before the phase: not timed.
            (11, retired(FAULTER, 1)),
            (20, fault(2)),
            (20, major(FAULTER, 2, FaultPath::Async)),
            (25, fault(2)),
            (25, doublefault),
            (25, major(TaskId(2), 2, FaultPath::Repeated)),
            (30, fault(3)),
            (120, retired(FAULTER, 2)),
            (225, retired(TaskId(2), 2)),
            (300, fault(4)),
            (300, major(FAULTER, 4, FaultPath::Sync)),
            (600, retired(FAULTER, 4)),
            // Not over at the end.
            (700, major(FAULTER, 5, FaultPath::Sync)),
        ],
    );
    let values = observed.finish(at(800));
    expect(
        &values,
        &[
            ("major_faults", 4.0),
            ("async_faults", 1.0),
            ("repeated_faults", 1.0),
            ("sync_faults", 2.0),
            ("minor_faults", 1.0),
            ("repeated_fault_events", 1.0),
            ("fault_latency_mean", 200e-6),
            ("fault_latency_max", 300e-6),
            ("lost_time_per_fault", 790e-6 / 4.0),
        ],
    );
    let p50 = values.get("fault_latency_p50").expect("faults ended");
    assert!((p50 / 200e-6 - 1.0).abs() < 1e-3, "{p50}");
    // Three digits do not tell 300 us from a little more, which nothing was.
    assert_eq!(values.get("fault_latency_p99"), values.get("fault_latency_max"));
    let by_task: Vec<_> = values.per_task.iter().map(|line| line.major_faults).collect();
    assert_eq!(by_task, [3, 1]);
    assert_eq!(values.fault_latency.count(), 3);
    // Histograms of replications can be put together.
    let mut merged = values.fault_latency.clone();
    merged.merge(&values.fault_latency);
    assert_eq!(merged.count(), 6);
}

/// 100 us, of which 12 us are a task's and 40 us idle.
#[test]
fn lost_time_is_neither_user_time_nor_idle() {
    let values = values(
        1,
        &[
            (0, new(FAULTER, TaskRole::Faulter)),
            (0, new(WORKER, TaskRole::Worker)),
            (0, entry(V0)),
            (0, measure()),
            (10, major(FAULTER, 1, FaultPath::Sync)),
            (20, major(FAULTER, 2, FaultPath::Sync)),
            (30, run(WORKER, 12)),
            (30, exit(V0)),
            (30, block(V0, BlockReason::Fetch)),
            (50, unblock(V0, BlockReason::Fetch)),
            (50, block(V0, BlockReason::Hlt)),
            (90, unblock(V0, BlockReason::Hlt)),
            (100, phase(Phase::End)),
        ],
        100,
    );
    expect(&values, &[("lost_time_per_fault", 48e-6 / 2.0), ("idle_time", 40e-6)]);
}

#[test]
fn what_a_run_does_not_define_is_left_out() {
    let values = values(1, &[(0, measure())], 0);
    for name in [
        "lost_time_per_fault",
        "fault_latency_mean",
        "fault_latency_p99",
        "cpu_share_workers",
        "device_busy",
    ] {
        assert_eq!(values.get(name), None, "{name}");
    }
    assert_eq!(values.get("major_faults"), Some(0.0));
    let nothing_measured = Metrics::new(1).finish(at(5));
    assert_eq!(nothing_measured.get("cpu_share_idle"), None);
    assert!(nothing_measured.values.iter().all(|metric| metric.value == 0.0));
}

fn told(token: Token) -> Event {
    Event::NotPresentQueued { vcpu: V0, token, cpl: 3, interrupts_on: true, send_always: false }
}
fn ready(token: Token) -> Event {
    Event::PageReadyQueued { vcpu: V0, token }
}
fn inject(cr2: u64) -> Event {
    Event::KvmInjException { vcpu: V0, vector: PAGE_FAULT, error_code: 0, cr2 }
}

#[test]
fn injections_are_told_apart() {
    let (t1, t2) = (u64::from(T1.0), u64::from(T2.0));
    // Both as exceptions; one of them injected again, one real fault among them.
    let exceptions = [
        (0, measure()),
        (1, told(T1)),
        (2, inject(t1)),
        (3, inject(t1)),
        (4, inject(0xdead_0000)),
        (5, ready(T1)),
        (6, inject(t1)),
        (7, ready(Token::WAKE_ALL)),
        (8, inject(u64::from(u32::MAX))),
    ];
    expect(
        &values(1, &exceptions, 10),
        &[("not_present_injected", 1.0), ("page_ready_delivered", 2.0)],
    );
    // Page ready as interrupt; own page ready queued before own exception is injected.
    let interrupt = |vector| Event::KvmInjVirq { vcpu: V0, vector };
    let interrupts = [
        (0, measure()),
        (1, told(T1)),
        (1, ready(T1)),
        (2, inject(t1)),
        (2, interrupt(LOCAL_TIMER)),
        (3, interrupt(CALLBACK)),
        (4, told(T2)),
        (5, interrupt(CALLBACK)),
        (6, inject(t2)),
        (7, Event::KvmMsrWrite { vcpu: V0, ecx: MSR_ASYNC_PF_INT, data: 0x40 }),
        (8, ready(T2)),
        (9, interrupt(0x40)),
    ];
    expect(
        &values(1, &interrupts, 10),
        &[("not_present_injected", 2.0), ("page_ready_delivered", 2.0)],
    );
}

#[test]
fn values_have_a_stable_stored_form() {
    let values = values(1, &[(0, new(WORKER, TaskRole::Worker)), (0, measure())], 1);
    let stored = serde_json::to_value(&values).expect("plain data");
    assert_eq!(stored["values"][0]["name"], "work_total");
    assert_eq!(stored["values"][0]["unit"], "units");
    assert_eq!(stored["per_task"][0]["role"], "worker");
    let mut names: Vec<_> = values.values.iter().map(|metric| metric.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), values.values.len());
}

#[test]
fn every_metric_has_a_name_of_its_own_and_says_what_it_is() {
    for (place, kind) in METRICS.iter().enumerate() {
        let MetricKind { name, label, meaning, .. } = kind;
        assert!(METRICS[..place].iter().all(|other| other.name != *name), "{name} stands twice");
        assert!(!label.is_empty() && !meaning.is_empty() && !meaning.ends_with('.'), "{name}");
        assert_eq!(find(name).map(|kind| kind.name), Some(*name));
    }
}

#[test]
fn items_of_a_drain_are_those_between_two_entries() {
    let took = |vcpu, token| Event::KvmAsyncPfReady { vcpu, token, gva: crate::base::ids::Gva(0) };
    let events = [
        // Before the phase nothing counts, but what goes on in it does.
        (0, took(V0, T1)),
        (1, measure()),
        (2, took(V0, T2)),
        (3, took(V1, T1)),
        (4, took(V0, Token::WAKE_ALL)),
        (5, entry(V0)),
        (6, exit(V0)),
        (7, entry(V0)),
        (8, exit(V0)),
        (9, took(V0, T1)),
        (10, took(V1, T2)),
    ];
    expect(&values(2, &events, 20), &[("page_ready_batch", 5.0 / 3.0)]);
    assert_eq!(values(2, &[(0, measure())], 20).get("page_ready_batch"), None);
}

#[test]
fn a_notice_is_needless_if_its_page_came_before_the_guest_was_told() {
    let (vcpu, gfn) = (VcpuId(0), Gfn(7));
    let told = |token, early: bool| {
        let cr2 = u64::from(token);
        let token = Token(token);
        let queued = Event::NotPresentQueued {
            vcpu,
            token,
            cpl: 3,
            interrupts_on: true,
            send_always: false,
        };
        let injected = Event::KvmInjException { vcpu, vector: PAGE_FAULT, error_code: 0, cr2 };
        let done = Event::ItemDone { vcpu, token };
        if early { [queued, done, injected] } else { [queued, injected, done] }
    };
    let faults = [told(1, true), told(2, false), told(3, true)].concat();
    let exits = [
        Event::KvmUserspaceExit { vcpu, gfn, plain: false },
        Event::KvmUserspaceExit { vcpu, gfn, plain: true },
        Event::KvmAsyncPfExitlessNotify { vcpu, gfn },
        Event::VmmSignal { vcpu },
        Event::VmmAwake { thread: ThreadId(3) },
    ];
    let of = |events: &[Event]| {
        let all = std::iter::once(measure()).chain(events.iter().copied());
        let all: Vec<(u64, Event)> = (0..).zip(all).collect();
        values(1, &all, 1_000)
    };
    let of_faults = of(&faults);
    expect(&of_faults, &[("needless_notices", 2.0), ("needless_share", 2.0 / 3.0)]);
    assert_eq!(of_faults.get("user_exits"), None);
    let of_exits = of(&exits);
    assert_eq!(of_exits.get("needless_share"), None);
    let names = ["user_waits", "ring_requests", "ring_signals", "handler_wakeups"];
    expect(&of_exits, &names.map(|name| (name, 1.0)));
    expect(&of_exits, &[("user_exits", 2.0)]);
}
