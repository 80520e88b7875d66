//! Series of small traces written by hand.

use sim_core::{SimDuration, SimTime};

use super::*;
use crate::base::ids::{
    Gfn, ItemId, PcpuId, RequestId, SwapSlot, TaskId, ThreadId, Token, VcpuId, WorkerId,
};
use crate::base::record::{
    BlockReason, Event, ExitReason, FaultPath, IoKind, Phase, Record, TaskRole,
};

const V0: VcpuId = VcpuId(0);
const WORKER: TaskId = TaskId(1);
const TOKEN: Token = Token(0x1000);

fn at(us: u64) -> SimTime {
    SimTime::from_ps(SimDuration::from_us(us).as_ps())
}

fn measure() -> Event {
    Event::PhaseBegin { phase: Phase::Measure }
}

fn end() -> Event {
    Event::PhaseBegin { phase: Phase::End }
}

fn new() -> Event {
    Event::TaskNew { task: WORKER, role: TaskRole::Worker, vcpu: V0 }
}

/// The series of one vCPU over a measured phase of `span`, the same however records are cut.
fn values(span: SimDuration, events: &[(u64, Event)], ends: u64) -> SeriesValues {
    let records: Vec<Record> =
        events.iter().map(|&(us, event)| Record { time: at(us), event }).collect();
    let mut whole = Series::new(1, span);
    whole.observe(&records);
    let mut cut = Series::new(1, span);
    records.chunks(1).for_each(|batch| cut.observe(batch));
    assert_eq!(cut.finish(at(ends)), whole.finish(at(ends)));
    whole.finish(at(ends))
}

fn work_of(events: &[(u64, Event)]) -> Vec<u64> {
    // 120 windows of 10 us.
    let values = values(SimDuration::from_us(1200), events, 2000);
    values.windows.iter().map(|window| window.work).collect()
}

#[test]
fn work_is_shared_out_by_time_without_a_remainder() {
    let run = |us| Event::TaskRun { vcpu: V0, task: WORKER, span: SimDuration::from_us(us) };
    let did = |units| Event::TaskWork { task: WORKER, units };
    let events = [
        (0, new()),
        (100, measure()),
        // From 5 to 28 us of the phase: over windows 0, 1 and 2.
        (128, run(23)),
        (128, did(100)),
        // Within window 3.
        (135, run(4)),
        (135, did(7)),
        // Without a stretch of its own.
        (141, did(3)),
        // Up to the end of the phase.
        (1300, run(15)),
        (1300, did(31)),
        (1300, end()),
    ];
    let work = work_of(&events);
    assert_eq!(work[..6], [21, 44, 35, 7, 3, 0]);
    assert_eq!(work[118..], [10, 21]);
    assert_eq!(work.iter().sum::<u64>(), 100 + 7 + 3 + 31);
}

#[test]
fn only_the_work_of_workers_in_the_measured_phase_counts() {
    let other = TaskId(2);
    let events = [
        (0, new()),
        (0, Event::TaskNew { task: other, role: TaskRole::Faulter, vcpu: V0 }),
        (50, Event::TaskWork { task: WORKER, units: 5 }),
        (100, measure()),
        (110, Event::TaskWork { task: other, units: 5 }),
        (1300, end()),
        (1300, Event::TaskWork { task: WORKER, units: 5 }),
    ];
    assert_eq!(work_of(&events), [0; 120]);
}

#[test]
fn the_time_of_vcpus_is_shared_out_completely() {
    let span = SimDuration::from_us(1200);
    let thread = Some(ThreadId(0));
    let switch = |prev, next| Event::HostSchedSwitch { pcpu: PcpuId(0), prev, next };
    let events = [
        (90, switch(None, thread)),
        (95, Event::KvmEntry { vcpu: V0 }),
        (100, measure()),
        (103, Event::KvmExit { vcpu: V0, reason: ExitReason::EptViolation }),
        (104, Event::VcpuBlock { vcpu: V0, reason: BlockReason::Fetch }),
        (104, switch(thread, None)),
        // Ready in window 1, on a processor in window 2.
        (117, Event::VcpuUnblock { vcpu: V0, reason: BlockReason::Fetch }),
        (125, switch(None, thread)),
        (126, Event::KvmEntry { vcpu: V0 }),
        (140, Event::KvmExit { vcpu: V0, reason: ExitReason::Hlt }),
        (140, Event::VcpuBlock { vcpu: V0, reason: BlockReason::Hlt }),
        (1300, end()),
    ];
    let values = values(span, &events, 1300);
    let us = |ps: u64| ps / 1_000_000;
    let times: Vec<_> = values.windows[..5]
        .iter()
        .map(|w| [w.running_ps, w.stalled_ps, w.halted_ps, w.idle_ps, w.waiting_ps].map(us))
        .collect();
    let expect =
        [[4, 6, 0, 0, 0], [0, 7, 0, 0, 3], [5, 0, 0, 0, 5], [10, 0, 0, 0, 0], [0, 0, 0, 10, 0]];
    assert_eq!(times, expect);
    for (index, w) in values.windows.iter().enumerate() {
        let all = w.running_ps + w.stalled_ps + w.halted_ps + w.idle_ps + w.waiting_ps;
        assert_eq!(all, values.length_ps(index));
    }
}

#[test]
fn levels_are_followed_over_windows() {
    let gfn = Gfn(7);
    let link = Event::ItemLink { vcpu: V0, token: TOKEN, gfn };
    let unlink = |token| Event::ItemUnlink { vcpu: V0, token };
    let (worker, item, request) = (WorkerId(0), ItemId(0), RequestId(0));
    let issue = Event::BlockRqIssue { request, op: IoKind::Read, slot: SwapSlot(0), pages: 1 };
    let events = [
        (80, link),
        (100, measure()),
        (104, link),
        (104, Event::MajorFaultBegin { vcpu: V0, task: WORKER, gfn, path: FaultPath::Async }),
        (106, Event::WorkqueueExecuteStart { worker, item }),
        (107, issue),
        (110, Event::MajorFaultBegin { vcpu: V0, task: WORKER, gfn, path: FaultPath::Async }),
        (112, Event::BlockRqComplete { request }),
        (112, Event::WorkqueueExecuteEnd { worker, item }),
        (115, unlink(TOKEN)),
        // Never was in the queue.
        (116, unlink(Token::WAKE_ALL)),
        (1300, end()),
    ];
    let values = values(SimDuration::from_us(1200), &events, 1300);
    let level = |us, max| Level { sum_ps: SimDuration::from_us(us).as_ps(), max };
    let [first, second, third] = [0, 1, 2].map(|index| values.windows[index]);
    assert_eq!([first.outstanding, second.outstanding], [level(16, 2), level(15, 2)]);
    assert_eq!(third.outstanding, level(10, 1));
    assert_eq!([first.workers, second.workers], [level(4, 1), level(2, 1)]);
    assert_eq!([first.in_flight, second.in_flight], [level(3, 1), level(2, 1)]);
    assert_eq!([first.major_faults, second.major_faults, third.major_faults], [1, 1, 0]);
    assert_eq!(third.in_flight, Level::default());
}

#[test]
fn windows_have_equal_lengths_to_a_picosecond() {
    for span in [1, 7, 119, 120, 121, 1_000_003] {
        let values = SeriesValues { span_ps: span, windows: Vec::new() };
        let lengths: Vec<u64> =
            (0..WINDOWS as usize).map(|index| values.length_ps(index)).collect();
        assert_eq!(lengths.iter().sum::<u64>(), span);
        assert!(lengths.iter().all(|&length| length.abs_diff(span / u64::from(WINDOWS)) <= 1));
    }
}

#[test]
fn odd_runs_have_a_series_too() {
    let span = SimDuration::from_us(1200);
    let nothing_measured = values(span, &[(0, new())], 5);
    assert_eq!(nothing_measured, SeriesValues::default());
    // Cut short in the middle of a window.
    let short = values(span, &[(0, measure())], 25);
    assert_eq!(short.windows.len(), 3);
    assert_eq!(short.windows[2].running_ps, SimDuration::from_us(5).as_ps());
    // Fewer picoseconds than windows.
    let tiny = SimDuration::from_ps(7);
    let records = [(0, measure()), (0, Event::TaskWork { task: WORKER, units: 2 }), (7, end())];
    let mut series = Series::new(1, tiny);
    series.observe(&[Record { time: SimTime::ZERO, event: new() }]);
    for (ps, event) in records {
        series.observe(&[Record { time: SimTime::from_ps(ps), event }]);
    }
    let values = series.finish(SimTime::from_ps(7));
    assert_eq!(values.windows.len(), WINDOWS as usize);
    assert_eq!(values.windows.iter().map(|window| window.work).sum::<u64>(), 2);
    assert_eq!(values.windows.iter().map(|window| window.running_ps).sum::<u64>(), 7);
}

#[test]
fn values_have_a_stable_stored_form() {
    let values = values(SimDuration::from_us(1200), &[(0, measure()), (1200, end())], 1200);
    let stored = serde_json::to_string(&values).expect("plain data");
    assert!(stored.starts_with(r#"{"span_ps":1200000000,"windows":[{"work":0,"major_faults":0,"#));
    assert_eq!(serde_json::from_str::<SeriesValues>(&stored).expect("its own form"), values);
}
