//! Timelines of small traces written by hand.

use std::collections::BTreeMap;

use sim_core::{SimDuration, SimTime};

use super::*;
use crate::base::abi::{CALLBACK, PAGE_FAULT};
use crate::base::ids::{
    Gfn, GuestPage, Gva, Hva, ItemId, PcpuId, Pfn, RequestId, SwapSlot, TaskId, ThreadId, Token,
    VcpuId, VmId, WorkerId,
};
use crate::base::record::{
    BlockReason, Event, ExitReason, FaultPath, IoKind, Phase, Record, TaskRole,
};

const V0: VcpuId = VcpuId(0);
const VCPU: Option<ThreadId> = Some(ThreadId(0));
const WORKER: Option<ThreadId> = Some(ThreadId(1));
const TOKEN: Token = Token(0x1000);
const GFN: Gfn = Gfn(0xb6af);
const TASKS: [TaskId; 2] = [TaskId(1), TaskId(2)];

fn at(us: u64) -> SimTime {
    SimTime::from_ps(SimDuration::from_us(us).as_ps())
}

fn cast() -> Cast {
    let tasks = ["faulter", "counter"].map(str::to_owned).to_vec();
    Cast {
        vcpus: vec![VmId(0)],
        vms: vec![("guest".to_owned(), tasks)],
        pcpus: 1,
        threads: Vec::new(),
        limits: Vec::new(),
        running: vec![VCPU],
        mapped: vec![GuestPage(1), GuestPage(2)],
    }
}

/// A fault whose task sleeps, one event a microsecond.
fn fault() -> Vec<Event> {
    let (vcpu, token, gva, gfn) = (V0, TOKEN, GFN.gpa(), GFN);
    let gva = Gva(gva.0);
    let (item, worker, request, pcpu) = (ItemId(0), WorkerId(0), RequestId(3), PcpuId(0));
    let [faulter, counter] = TASKS;
    let switch = |prev, next| Event::HostSchedSwitch { pcpu, prev, next };
    let tasks = |prev, next| Event::GuestSchedSwitch { vcpu, prev, next };
    let role = TaskRole::Faulter;
    let path = FaultPath::Async;
    vec![
        Event::PhaseBegin { phase: Phase::Measure },
        Event::TaskNew { task: faulter, role, vcpu },
        Event::TaskNew { task: counter, role, vcpu },
        Event::KvmEntry { vcpu },
        tasks(None, Some(faulter)),
        Event::KvmExit { vcpu, reason: ExitReason::EptViolation },
        Event::MajorFaultBegin { vcpu, task: faulter, gfn, path },
        Event::KvmTryAsyncGetPage { vcpu, gva, gfn },
        Event::WorkqueueQueueWork { item },
        Event::ItemLink { vcpu, token, gfn },
        Event::KvmAsyncPfNotPresent { vcpu, token, gva },
        Event::NotPresentQueued { vcpu, token, cpl: 3, interrupts_on: true, send_always: false },
        switch(VCPU, WORKER),
        Event::WorkqueueExecuteStart { worker, item },
        Event::BlockRqIssue { request, op: IoKind::Read, slot: SwapSlot(7), pages: 8 },
        switch(WORKER, VCPU),
        Event::KvmInjException { vcpu, vector: PAGE_FAULT, error_code: 0, cr2: 0x1000 },
        Event::KvmEntry { vcpu },
        Event::ApfWait { vcpu, task: faulter, token },
        tasks(Some(faulter), Some(counter)),
        Event::BlockRqComplete { request },
        Event::KvmExit { vcpu, reason: ExitReason::ExternalInterrupt },
        switch(VCPU, WORKER),
        Event::KvmAsyncPfCompleted { worker, vcpu, gva, address: Hva(0x7f00_0000_0000) },
        Event::ItemDone { vcpu, token },
        Event::WorkqueueExecuteEnd { worker, item },
        switch(WORKER, VCPU),
        Event::EptMap { vcpu, gfn, pfn: Pfn(9) },
        Event::KvmAsyncPfReady { vcpu, token, gva },
        Event::PageReadyQueued { vcpu, token },
        Event::ItemUnlink { vcpu, token },
        Event::KvmInjVirq { vcpu, vector: CALLBACK },
        Event::KvmEntry { vcpu },
        Event::ApfWake { vcpu, task: faulter, token },
        Event::GuestSchedWakeup { task: faulter, vcpu },
        tasks(Some(counter), Some(faulter)),
        Event::MajorFaultEnd { vcpu, task: faulter, gfn },
        Event::EptUnmap { page: GuestPage(1) },
        Event::VcpuBlock { vcpu, reason: BlockReason::Hlt },
        Event::PhaseBegin { phase: Phase::End },
    ]
}

fn marks(cast: &Cast, events: &[Event]) -> Vec<Mark> {
    let mut timeline = Timeline::new(cast, at(0));
    let mut marks = timeline.take();
    for (us, &event) in (1..).zip(events) {
        timeline.observe(&Record { time: at(us), event });
        marks.extend(timeline.take());
    }
    timeline.close();
    marks.extend(timeline.take());
    marks
}

/// Tracks by name, with the slices of each: what, from when to when, in microseconds.
type Shown = BTreeMap<String, Vec<(String, u64, u64)>>;

fn shown(marks: &[Mark]) -> Shown {
    let mut names = BTreeMap::new();
    let mut shown = Shown::new();
    let us = |time: SimTime| time.as_ps() / 1_000_000;
    for mark in marks {
        match mark {
            Mark::Track(track) => {
                assert!(track.parent.is_none_or(|parent| names.contains_key(&parent)), "{track:?}");
                names.insert(track.id, track.name.to_string());
            }
            Mark::Slice { track, from, to, slice } => {
                let own = shown.entry(names[track].clone()).or_default();
                assert!(own.last().is_none_or(|last| last.2 <= us(*from)), "{own:?} {mark:?}");
                own.push((slice.name.to_string(), us(*from), us(*to)));
            }
            Mark::Instant { track, at, slice } => {
                let own = shown.entry(names[track].clone()).or_default();
                own.push((slice.name.to_string(), us(*at), us(*at)));
            }
            Mark::Counter { track, at, value } => {
                let own = shown.entry(names[track].clone()).or_default();
                own.push((value.to_string(), us(*at), us(*at)));
            }
        }
    }
    shown
}

#[track_caller]
fn has(shown: &Shown, track: &str, expected: &[(&str, u64, u64)]) {
    let own = shown.get(track).unwrap_or_else(|| panic!("no {track}: {:?}", shown.keys()));
    let own: Vec<_> = own.iter().map(|(name, from, to)| (name.as_str(), *from, *to)).collect();
    assert_eq!(own, expected, "{track}");
}

#[test]
fn a_fault_is_on_every_track_that_has_to_do_with_it() {
    let shown = shown(&marks(&cast(), &fault()));
    has(&shown, "phase", &[("measure", 1, 40)]);
    has(&shown, "outstanding 0", &[("not present", 10, 31)]);
    has(&shown, "notifications", &[("not present", 17, 17), ("page ready", 32, 32)]);
    has(&shown, "worker 0", &[("fetches", 14, 26)]);
    has(&shown, "device request 0", &[("reads", 15, 21)]);
    has(&shown, "major faults 0", &[("major fault", 6, 37)]);
    has(
        &shown,
        "faulter",
        &[
            ("runnable", 2, 5),
            ("has its vCPU", 5, 20),
            ("waits for its page", 20, 34),
            ("runnable", 34, 36),
            ("has its vCPU", 36, 40),
        ],
    );
    has(&shown, "counter", &[("runnable", 3, 20), ("has its vCPU", 20, 36), ("preempted", 36, 40)]);
    has(&shown, "task", &[("faulter", 5, 20), ("counter", 20, 36), ("faulter", 36, 40)]);
    let vcpu = [
        ("guest mode", 4, 6),
        ("host", 6, 13),
        ("waits for a processor", 13, 16),
        ("host", 16, 18),
        ("guest mode", 18, 22),
        ("host", 22, 23),
        ("waits for a processor", 23, 27),
        ("host", 27, 33),
        ("guest mode", 33, 39),
        ("idle (HLT)", 39, 40),
    ];
    has(&shown, "vcpu0", &vcpu);
    has(&shown, "outstanding faults", &[("0", 0, 0), ("1", 10, 10), ("0", 31, 31)]);
    has(&shown, "tasks waiting for a page", &[("0", 0, 0), ("1", 19, 19), ("0", 34, 34)]);
    // Told every 100 us, and at the end.
    has(&shown, "second-stage entries", &[("2", 0, 0), ("2", 40, 40)][..1]);
}

#[test]
fn a_flow_leads_from_the_fault_to_the_task_that_goes_on() {
    let all = marks(&cast(), &fault());
    let on_flow = |mark: &Mark| match mark {
        Mark::Slice { from: at, slice, .. } | Mark::Instant { at, slice, .. } => {
            slice.flow.map(|flow| (*at, slice.name.to_string(), flow))
        }
        _ => None,
    };
    let mut points: Vec<_> = all.iter().filter_map(on_flow).collect();
    points.sort_by_key(|&(at, ..)| at);
    let names: Vec<_> = points.iter().map(|(_, name, flow)| (name.as_str(), *flow)).collect();
    let (on, end) = (Flow { id: 1, ends: false }, Flow { id: 1, ends: true });
    let expected = [
        ("not present", on),
        ("fetches", on),
        ("not present", on),
        ("waits for its page", on),
        ("page ready", on),
        ("runnable", end),
    ];
    assert_eq!(names, expected);
}

#[test]
fn what_is_outstanding_at_a_time_has_a_track_each_and_they_are_used_again() {
    let vcpu = V0;
    let link = |token, gfn| Event::ItemLink { vcpu, token: Token(token), gfn: Gfn(gfn) };
    let unlink = |token| Event::ItemUnlink { vcpu, token: Token(token) };
    let events = [link(1, 1), link(2, 2), unlink(1), link(3, 3), unlink(2), unlink(3), link(4, 4)];
    let shown = shown(&marks(&cast(), &events));
    // The last one is outstanding at the end.
    has(&shown, "outstanding 0", &[("not told", 1, 3), ("not told", 4, 6), ("not told", 7, 7)]);
    has(&shown, "outstanding 1", &[("not told", 2, 5)]);
    assert!(!shown.contains_key("outstanding 2"));
}

#[test]
fn a_wake_up_tells_that_a_task_slept() {
    let [one, two] = TASKS;
    let (vcpu, role) = (V0, TaskRole::Worker);
    let switch = |prev, next| Event::GuestSchedSwitch { vcpu, prev, next };
    let events = [
        Event::TaskNew { task: one, role, vcpu },
        switch(None, Some(one)),
        switch(Some(one), None),
        Event::GuestSchedWakeup { task: one, vcpu },
        switch(None, Some(one)),
        switch(Some(one), Some(two)),
        switch(Some(two), Some(one)),
    ];
    let shown = shown(&marks(&cast(), &events));
    let expected = [
        ("runnable", 1, 2),
        ("has its vCPU", 2, 3),
        ("sleeps", 3, 4),
        ("runnable", 4, 5),
        ("has its vCPU", 5, 6),
        ("preempted", 6, 7),
    ];
    has(&shown, "faulter", &expected);
    // A task that is there since before the first record.
    has(&shown, "main 2", &[("has its vCPU", 6, 7)]);
}

#[test]
fn second_stage_entries_are_counted_once() {
    let (vcpu, pfn) = (V0, Pfn(1));
    let map = |gfn| Event::EptMap { vcpu, gfn: Gfn(gfn), pfn };
    let mut events = vec![Event::KvmEntry { vcpu }; 300];
    // Page 2 is mapped since the beginning, and again with other rights.
    (events[10], events[150], events[299]) =
        (map(7), map(2), Event::EptUnmap { page: GuestPage(1) });
    let shown = shown(&marks(&cast(), &events));
    has(&shown, "second-stage entries", &[("2", 0, 0), ("3", 151, 151), ("2", 300, 300)]);
}

#[test]
fn tasks_stand_under_their_virtual_machines() {
    let cast = Cast {
        vcpus: vec![VmId(0), VmId(1)],
        vms: vec![
            ("web".to_owned(), vec!["server".to_owned()]),
            ("batch".to_owned(), vec!["scan 0".to_owned(), "scan 1".to_owned()]),
        ],
        ..cast()
    };
    let new = |task, role, vcpu| Event::TaskNew { task: TaskId(task), role, vcpu: VcpuId(vcpu) };
    let (worker, main) = (TaskRole::Worker, TaskRole::Main);
    let events = [new(3, worker, 1), new(4, main, 1), new(5, worker, 0), new(6, worker, 1)];
    let mut paths = BTreeMap::new();
    for mark in marks(&cast, &events) {
        if let Mark::Track(track) = mark {
            let parent = track.parent.map(|parent| format!("{}/", paths[&parent]));
            paths.insert(track.id, parent.unwrap_or_default() + track.name.as_str());
        }
    }
    let has = |path: &str| paths.values().any(|own| own == path);
    for path in
        ["web/tasks/server", "batch/tasks/scan 0", "batch/tasks/scan 1", "batch/tasks/main 4"]
    {
        assert!(has(path), "{path}: {paths:?}");
    }
    assert!(has("web/vcpu0/task") && has("batch/vcpu1/task"));
}
