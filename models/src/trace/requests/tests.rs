//! Records by hand: every state of a task and its vCPU falls to its part, and the parts add up.

use sim_core::{SimDuration, SimTime};

use super::{RequestKey, RequestLog, RequestPart, RequestSeen, Requests};
use crate::base::ids::{Gfn, GroupId, TaskId, ThreadId, Token, VcpuId};
use crate::base::record::{BlockReason, Event, ExitReason, FaultPath, Phase, Record};
use crate::trace::anatomy::Pick;

const V0: VcpuId = VcpuId(0);
const V1: VcpuId = VcpuId(1);
const A: TaskId = TaskId(1);
const B: TaskId = TaskId(2);
const MEASURE: Event = Event::PhaseBegin { phase: Phase::Measure };

fn us(us: u64) -> SimTime {
    SimTime::from_ps(us * 1_000_000)
}

fn begin(task: TaskId, waited_us: u64) -> Event {
    let waited = SimDuration::from_us(waited_us);
    Event::RequestBegin { vcpu: V0, task, group: GroupId(0), waited }
}

fn end(task: TaskId) -> Event {
    Event::RequestEnd { vcpu: V0, task, group: GroupId(0) }
}

fn ran(task: TaskId, span_us: u64) -> Event {
    Event::TaskRun { vcpu: V0, task, span: SimDuration::from_us(span_us) }
}

fn switch(vcpu: VcpuId, prev: Option<TaskId>, next: Option<TaskId>) -> Event {
    Event::GuestSchedSwitch { vcpu, prev, next }
}

fn block(reason: BlockReason) -> Event {
    Event::VcpuBlock { vcpu: V0, reason }
}

const UNBLOCK: Event = Event::VcpuUnblock { vcpu: V0, reason: BlockReason::Fetch };
const ENTRY: Event = Event::KvmEntry { vcpu: V0 };
const EXIT: Event = Event::KvmExit { vcpu: V0, reason: ExitReason::EptViolation };

fn requests(events: &[(u64, Event)], watched: Vec<RequestKey>) -> Requests {
    let records: Vec<Record> =
        events.iter().map(|&(at, event)| Record { time: us(at), event }).collect();
    let mut log = RequestLog::new(2, watched);
    log.observe(&records);
    log.finish()
}

fn only(events: &[(u64, Event)]) -> RequestSeen {
    let requests = requests(events, Vec::new());
    assert_eq!(requests.all.count, 1);
    let seen = requests.all.pick(Pick::Worst).unwrap();
    assert_eq!(seen.parts.total(), seen.latency());
    seen
}

/// The parts that took time, in microseconds.
fn parts(seen: &RequestSeen) -> Vec<(RequestPart, u64)> {
    let some = seen.parts.iter().filter(|(_, span)| !span.is_zero());
    some.map(|(part, span)| (part, span.as_ns() / 1_000)).collect()
}

#[test]
fn a_synchronous_fault_is_the_own_page_of_who_makes_it_and_a_stall_for_others() {
    let events = |first: TaskId| {
        [
            (0, MEASURE),
            (0, ENTRY),
            (10, begin(first, 0)),
            (30, ran(A, if first == A { 20 } else { 0 })),
            (30, EXIT),
            (35, block(BlockReason::Fetch)),
            (135, UNBLOCK),
            (140, ENTRY),
        ]
    };
    let mut own = events(A).to_vec();
    own.extend([(160, ran(A, 15)), (160, end(A))]);
    let expected = [
        (RequestPart::Cpu, 35),
        // From the entry on, before the program runs again.
        (RequestPart::Kernel, 5),
        (RequestPart::Host, 10),
        (RequestPart::Device, 100),
    ];
    assert_eq!(parts(&only(&own)), expected);
    // The same with B's request, which A has preempted.
    let mut other = vec![(0, MEASURE), (0, ENTRY), (5, begin(B, 0))];
    other.extend([(10, ran(B, 5)), (10, switch(V0, Some(B), Some(A)))]);
    other.extend(events(A).into_iter().skip(3));
    other.extend([(150, switch(V0, Some(A), Some(B))), (160, ran(B, 10)), (160, end(B))]);
    let expected = [(RequestPart::Cpu, 15), (RequestPart::RunQueue, 40), (RequestPart::Stall, 100)];
    assert_eq!(parts(&only(&other)), expected);
}

#[test]
fn spinning_for_the_second_stage_is_waiting_for_a_lock() {
    let thread = ThreadId(0);
    let events = [
        (0, MEASURE),
        (0, ENTRY),
        (10, begin(A, 0)),
        (30, ran(A, 20)),
        (30, EXIT),
        (35, Event::ContentionBegin { thread, write: false }),
        (75, Event::ContentionEnd { thread }),
        (80, ENTRY),
        (90, ran(A, 10)),
        (90, end(A)),
    ];
    let expected = [(RequestPart::Cpu, 30), (RequestPart::Host, 10), (RequestPart::Lock, 40)];
    assert_eq!(parts(&only(&events)), expected);
}

#[test]
fn an_asynchronous_fault_is_sleep_for_the_own_page_and_then_the_run_queue() {
    let token = Token(7);
    let events = [
        (0, MEASURE),
        (0, ENTRY),
        (10, begin(A, 4)),
        (20, ran(A, 10)),
        (20, EXIT),
        (21, Event::MajorFaultBegin { vcpu: V0, task: A, gfn: Gfn(3), path: FaultPath::Async }),
        (22, ENTRY),
        (24, Event::ApfWait { vcpu: V0, task: A, token }),
        (25, switch(V0, Some(A), Some(B))),
        // What others do to the vCPU is no matter while it sleeps.
        (30, block(BlockReason::ApfHalt)),
        (60, Event::VcpuUnblock { vcpu: V0, reason: BlockReason::ApfHalt }),
        (70, Event::ApfWake { vcpu: V0, task: A, token }),
        (70, Event::GuestSchedWakeup { task: A, vcpu: V0 }),
        (80, block(BlockReason::ApfHalt)),
        (85, Event::VcpuUnblock { vcpu: V0, reason: BlockReason::ApfHalt }),
        (90, switch(V0, Some(B), Some(A))),
        (95, ran(A, 3)),
        (95, end(A)),
    ];
    let seen = only(&events);
    let expected = [
        (RequestPart::Queue, 4),
        (RequestPart::Cpu, 13),
        (RequestPart::Kernel, 5),
        (RequestPart::Host, 2),
        (RequestPart::RunQueue, 15),
        (RequestPart::Device, 45),
        (RequestPart::Halt, 5),
    ];
    assert_eq!(parts(&seen), expected);
    assert_eq!((seen.latency(), seen.major_faults), (SimDuration::from_us(89), 1));
    // The same, watched: what happened when.
    let watched = requests(&events, vec![seen.key]).watched;
    let told: Vec<(u64, RequestPart)> =
        watched[0].stretches.iter().map(|it| (it.from.as_ps() / 1_000_000, it.part)).collect();
    let expected = [
        (10, RequestPart::Cpu),
        (20, RequestPart::Host),
        (22, RequestPart::Cpu),
        (25, RequestPart::Device),
        (70, RequestPart::RunQueue),
        (80, RequestPart::Halt),
        (85, RequestPart::RunQueue),
        (90, RequestPart::Cpu),
    ];
    assert_eq!(told, expected);
    assert_eq!(watched[0].parts, seen.parts);
}

#[test]
fn the_other_waits_of_a_thread_have_their_parts() {
    let threads = |next: u32| Event::HostSchedSwitch {
        pcpu: crate::base::ids::PcpuId(0),
        prev: Some(ThreadId(1 - next)),
        next: Some(ThreadId(next)),
    };
    let seen = only(&[
        (0, MEASURE),
        (0, threads(0)),
        (0, ENTRY),
        (0, begin(A, 0)),
        (10, ran(A, 10)),
        (10, EXIT),
        (10, block(BlockReason::MapLock)),
        (13, UNBLOCK),
        (13, block(BlockReason::Reclaim)),
        (18, UNBLOCK),
        (18, threads(1)),
        (25, threads(0)),
        (25, ENTRY),
        (25, switch(V0, Some(A), None)),
        (45, Event::GuestSchedWakeup { task: A, vcpu: V0 }),
        // It goes elsewhere, where nobody is stalled.
        (46, Event::GuestMigrateTask { task: A, from: V0, to: V1 }),
        (48, switch(V1, None, Some(A))),
        (50, end(A)),
    ]);
    let got = parts(&seen);
    for expected in [
        (RequestPart::Cpu, 10),
        (RequestPart::Lock, 3),
        (RequestPart::Reclaim, 5),
        (RequestPart::Sleep, 20),
    ] {
        assert!(got.contains(&expected), "{got:?}");
    }
    assert!(seen.parts.get(RequestPart::Steal) >= SimDuration::from_us(7), "{got:?}");
}

#[test]
fn requests_that_end_outside_the_measured_phase_do_not_count() {
    let phase = Event::PhaseBegin { phase: Phase::End };
    let seen = only(&[
        (0, ENTRY),
        (1, begin(A, 0)),
        (2, end(A)),
        (3, begin(A, 0)),
        (5, MEASURE),
        (9, end(A)),
        (10, begin(A, 0)),
        (11, phase),
        (12, end(A)),
    ]);
    assert_eq!(seen.latency(), SimDuration::from_us(6));
}
