//! Picking faults, and small parts of the machinery; whole faults are in
//! `models/tests/it/machine/anatomy.rs`.

use sim_core::{SimDuration, SimTime};

use super::*;
use crate::base::ids::{Gfn, RequestId, SwapSlot, TaskId, VcpuId};
use crate::base::record::{Event, FaultPath, IoKind, Phase, Record};

const V0: VcpuId = VcpuId(0);

fn at(us: u64) -> SimTime {
    SimTime::from_ps(SimDuration::from_us(us).as_ps())
}

/// A log of faults with these begins and latencies.
fn log(most: usize, faults: &[(u64, u64)]) -> Faults {
    let mut events = vec![(0, Event::PhaseBegin { phase: Phase::Measure })];
    for (number, &(begin, latency)) in (0..).zip(faults) {
        let (task, gfn) = (TaskId(number), Gfn(u64::from(number)));
        let path = FaultPath::Sync;
        events.push((begin, Event::MajorFaultBegin { vcpu: V0, task, gfn, path }));
        events.push((begin + latency, Event::MajorFaultEnd { vcpu: V0, task, gfn }));
    }
    events.sort_by_key(|&(us, _)| us);
    let records: Vec<Record> =
        events.iter().map(|&(us, event)| Record { time: at(us), event }).collect();
    let mut log = FaultLog::keeping(1, most);
    records.chunks(3).for_each(|batch| log.observe(batch));
    log.finish()
}

#[track_caller]
fn picked(faults: &Faults, pick: Pick) -> (TaskId, u64) {
    let fault = faults.pick(pick).expect("there are faults");
    (fault.task, fault.latency().as_ps() / 1_000_000)
}

#[test]
fn faults_are_picked_by_latency_and_then_by_time() {
    let faults = log(100, &[(10, 50), (20, 5), (30, 50), (40, 5), (50, 7)]);
    assert_eq!((faults.count, faults.every), (5, 1));
    assert_eq!(picked(&faults, Pick::Median), (TaskId(4), 7));
    assert_eq!(picked(&faults, Pick::Worst), (TaskId(2), 50));
    assert_eq!(picked(&faults, Pick::P99), (TaskId(2), 50));
    assert_eq!((faults.rank(Pick::Median), faults.rank(Pick::P99)), (3, 5));
    let equal = log(100, &[(10, 5), (20, 5), (30, 5), (40, 5)]);
    assert_eq!(picked(&equal, Pick::Median), (TaskId(1), 5));
    assert_eq!(picked(&equal, Pick::Worst), (TaskId(3), 5));
}

#[test]
fn the_99th_percentile_is_not_the_worst_of_many() {
    let many: Vec<(u64, u64)> = (0..200).map(|n| (10 * n, 100 + n)).collect();
    let faults = log(1000, &many);
    assert_eq!(picked(&faults, Pick::Median), (TaskId(99), 199));
    assert_eq!(picked(&faults, Pick::P99), (TaskId(197), 297));
    assert_eq!(picked(&faults, Pick::Worst), (TaskId(199), 299));
    assert_eq!(faults.rank(Pick::P99), 198);
}

#[test]
fn a_log_of_too_many_faults_thins_out_and_keeps_the_worst() {
    let mut many: Vec<(u64, u64)> = (0..100).map(|n| (10 * n, 1 + n)).collect();
    // One that thinning drops.
    many[33] = (330, 5000);
    let faults = log(8, &many);
    assert_eq!((faults.count, faults.every), (100, 16));
    assert_eq!(picked(&faults, Pick::Worst), (TaskId(33), 5000));
    let (_, median) = picked(&faults, Pick::Median);
    assert!((30..=70).contains(&median), "{median}");
    assert_eq!(faults.rank(Pick::Worst), 100);
}

#[test]
fn faults_outside_the_measured_phase_are_no_faults() {
    let fault = |task: u32| (TaskId(task), Gfn(1));
    let begin = |task| {
        let (task, gfn) = fault(task);
        Event::MajorFaultBegin { vcpu: V0, task, gfn, path: FaultPath::Sync }
    };
    let end = |task| {
        let (task, gfn) = fault(task);
        Event::MajorFaultEnd { vcpu: V0, task, gfn }
    };
    let mut log = FaultLog::new(1);
    for (us, event) in [
        (1, begin(0)),
        (2, Event::PhaseBegin { phase: Phase::Measure }),
        (3, end(0)),
        (4, begin(1)),
        (5, Event::PhaseBegin { phase: Phase::End }),
    ] {
        log.observe(&[Record { time: at(us), event }]);
    }
    let faults = log.finish();
    assert_eq!((faults.count, faults.pick(Pick::Median)), (0, None));
    assert_eq!((faults.pick(Pick::Worst), faults.rank(Pick::Median)), (None, 0));
}

#[test]
fn excerpts_hold_their_spans_however_records_are_cut() {
    let records: Vec<Record> = (0..100)
        .map(|us| Record { time: at(us / 2), event: Event::KvmEntry { vcpu: V0 } })
        .collect();
    let spans = [(at(3), at(5)), (at(4), at(20)), (at(90), at(95))];
    for size in [1, 7, 100] {
        let mut excerpts = Excerpts::new(&spans);
        records.chunks(size).for_each(|batch| excerpts.observe(batch));
        let kept = excerpts.finish();
        assert_eq!(kept[0], records[6..12]);
        assert_eq!(kept[1], records[8..42]);
        assert!(kept[2].is_empty());
    }
}

#[test]
fn a_lane_knows_its_states() {
    let mut lane = Lane::default();
    lane.push(at(1), at(2), 'a');
    lane.push(at(2), at(2), 'b');
    lane.push(at(2), at(3), 'a');
    lane.push(at(5), at(6), 'c');
    assert_eq!(lane.spans, [(at(1), at(3), 'a'), (at(5), at(6), 'c')]);
    let states = [0, 1, 2, 3, 4, 5, 6].map(|us| lane.at(at(us)));
    assert_eq!(states, [None, Some('a'), Some('a'), None, None, Some('c'), None]);
}

#[test]
fn requests_are_known_by_what_surrounds_them() {
    let issue = |request| Event::BlockRqIssue {
        request: RequestId(request),
        op: IoKind::Read,
        slot: SwapSlot(0),
        pages: 1,
    };
    let complete = |request| Event::BlockRqComplete { request: RequestId(request) };
    let own = |events: &[(u64, Option<Event>)]| {
        // Without an event the thread goes to sleep, or is back.
        let mut requests = device::Requests::new(at(0));
        let mut asleep = false;
        for &(us, event) in events {
            match event {
                Some(event) => requests.observe(at(us), event),
                None if asleep => drop(requests.wakes(at(us))),
                None => {
                    requests.sleeps(at(us));
                    asleep = true;
                }
            }
        }
        requests.own().map(|request| request.id.0).collect::<Vec<_>>()
    };
    // Woken at the completion: that request, though another was handed in later.
    let woken =
        [(1, Some(issue(1))), (2, None), (3, Some(issue(2))), (5, Some(complete(1))), (5, None)];
    assert_eq!(own(&woken), [1]);
    // Handed in and asleep, back on a processor late.
    let late = [
        (1, Some(issue(1))),
        (2, Some(issue(2))),
        (2, None),
        (5, Some(complete(2))),
        (6, Some(complete(1))),
        (9, None),
    ];
    assert_eq!(own(&late), [2]);
    // Queued at the device: the last one that ended before.
    let queued = [(1, Some(issue(1))), (2, None), (5, Some(complete(1))), (9, None)];
    assert_eq!(own(&queued), [1]);
    // It only lost its processor.
    assert!(own(&[(1, Some(issue(1))), (2, None), (4, None)]).is_empty());
}
