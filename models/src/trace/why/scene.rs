//! Who had what when, in a span of a run: tasks their vCPUs, threads their processors, requests the device,
//! holders a lock.
//!
//! Takes in all records from the start barrier on, so that what began before the span is known, and keeps
//! what lies in it.

use std::collections::BTreeMap;

use sim_core::SimTime;

use crate::base::ids::{
    Gfn, GroupId, ItemId, PcpuId, RequestId, SyncId, TaskId, ThreadId, VcpuId, WorkerId,
};
use crate::base::record::{BlockReason, Event, ExitReason, IoKind, Record};

/// Something from one moment to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held<T> {
    pub(super) from: SimTime,
    pub(super) to: SimTime,
    pub(super) what: T,
}

impl<T> Held<T> {
    /// How much of it lies between two moments, in picoseconds.
    pub(super) fn within(&self, from: SimTime, to: SimTime) -> u64 {
        self.to.min(to).saturating_since(self.from.max(from)).as_ps()
    }
}

/// What is held by whom now, and what was held in the span.
#[derive(Clone, Debug)]
struct Holds<K, T> {
    open: BTreeMap<K, (SimTime, T)>,
    closed: Vec<Held<(K, T)>>,
}

impl<K: Ord + Copy, T: Copy> Holds<K, T> {
    fn new() -> Self {
        Self { open: BTreeMap::new(), closed: Vec::new() }
    }

    /// `key` has it from now on; what it had before ends.
    fn begin(&mut self, (begin, now): (SimTime, SimTime), key: K, what: T) {
        self.end((begin, now), key);
        self.open.insert(key, (now, what));
    }

    fn end(&mut self, (begin, now): (SimTime, SimTime), key: K) {
        let Some((from, what)) = self.open.remove(&key) else { return };
        if now > begin {
            self.closed.push(Held { from, to: now, what: (key, what) });
        }
    }

    /// Everything that was held in the span, in order of its beginning.
    fn finish(mut self, end: SimTime) -> Vec<Held<(K, T)>> {
        let open = self.open.into_iter();
        self.closed.extend(open.map(|(key, (from, what))| Held {
            from,
            to: end,
            what: (key, what),
        }));
        self.closed.sort_by_key(|held| held.from);
        self.closed
    }
}

/// Direction and size of a request to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Io {
    pub(super) op: IoKind,
    pub(super) pages: u32,
}

/// Why a vCPU thread sleeps: the page that it is for, and whose access that is, where records say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sleep {
    pub(super) reason: BlockReason,
    pub(super) page: Option<(Gfn, Option<TaskId>)>,
}

/// Follows a run up to the end of a span.
#[derive(Clone, Debug)]
pub struct SceneLog {
    vcpus: u16,
    /// Of this task it is kept which vCPU it belongs to.
    task: TaskId,
    span: (SimTime, SimTime),
    tasks: Holds<VcpuId, Option<TaskId>>,
    threads: Holds<PcpuId, Option<ThreadId>>,
    sleeps: Holds<VcpuId, Sleep>,
    device: Holds<RequestId, Io>,
    work: Holds<WorkerId, ItemId>,
    serving: Holds<TaskId, GroupId>,
    map_lock: Holds<Option<ThreadId>, bool>,
    sync: Holds<TaskId, SyncId>,
    home: Holds<(), VcpuId>,
    reclaim: Holds<ThreadId, Reclaimed>,
    /// The last fault of each vCPU.
    faults: BTreeMap<VcpuId, (Gfn, TaskId)>,
    /// The page for which each vCPU was last halted.
    halts: BTreeMap<VcpuId, Gfn>,
    exits: Vec<(SimTime, VcpuId, ExitReason)>,
    records: Vec<Record>,
}

/// What a pass of reclaim did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reclaimed {
    /// Pages that it looked at.
    pub scanned: u32,
    /// Pages that it freed at once.
    pub freed: u32,
    /// Pages whose writing it began.
    pub written: u32,
}

/// What was held in the span.
#[derive(Clone, Debug)]
pub struct Scene {
    pub(super) vcpus: u16,
    pub(super) tasks: Vec<Held<(VcpuId, Option<TaskId>)>>,
    pub(super) threads: Vec<Held<(PcpuId, Option<ThreadId>)>>,
    pub(super) sleeps: Vec<Held<(VcpuId, Sleep)>>,
    pub(super) device: Vec<Held<(RequestId, Io)>>,
    pub(super) work: Vec<Held<(WorkerId, ItemId)>>,
    pub(super) serving: Vec<Held<(TaskId, GroupId)>>,
    pub(super) map_lock: Vec<Held<(Option<ThreadId>, bool)>>,
    pub(super) sync: Vec<Held<(TaskId, SyncId)>>,
    pub(super) home: Vec<Held<((), VcpuId)>>,
    pub(super) reclaim: Vec<Held<(ThreadId, Reclaimed)>>,
    pub(super) exits: Vec<(SimTime, VcpuId, ExitReason)>,
    /// All records of the span.
    pub(super) records: Vec<Record>,
}

impl SceneLog {
    /// Of a machine with `vcpus` virtual processors, from the start barrier on: what lies in `span` and
    /// concerns `task`.
    pub fn new(vcpus: u16, task: TaskId, span: (SimTime, SimTime)) -> Self {
        Self {
            vcpus,
            task,
            span,
            tasks: Holds::new(),
            threads: Holds::new(),
            sleeps: Holds::new(),
            device: Holds::new(),
            work: Holds::new(),
            serving: Holds::new(),
            map_lock: Holds::new(),
            sync: Holds::new(),
            home: Holds::new(),
            reclaim: Holds::new(),
            faults: BTreeMap::new(),
            halts: BTreeMap::new(),
            exits: Vec::new(),
            records: Vec::new(),
        }
    }

    /// Takes in the next records. False once the span is over.
    pub fn observe(&mut self, records: &[Record]) -> bool {
        let (from, to) = self.span;
        for record in records {
            if record.time > to {
                return false;
            }
            self.take(record.time, record.event);
            if record.time >= from {
                self.records.push(*record);
            }
        }
        true
    }

    fn take(&mut self, now: SimTime, event: Event) {
        let at = (self.span.0, now);
        match event {
            Event::TaskNew { task, vcpu, .. }
            | Event::GuestSchedWakeup { task, vcpu }
            | Event::GuestMigrateTask { task, to: vcpu, .. } => self.moves(now, task, vcpu),
            Event::GuestSchedSwitch { vcpu, next, .. } => {
                self.tasks.begin(at, vcpu, next);
                if let Some(next) = next {
                    self.moves(now, next, vcpu);
                    self.sync.end(at, next);
                }
            }
            Event::HostSchedSwitch { pcpu, next, .. } => self.threads.begin(at, pcpu, next),
            Event::VcpuBlock { vcpu, reason } => {
                let page = self.page_of(vcpu, reason);
                self.sleeps.begin(at, vcpu, Sleep { reason, page });
            }
            Event::VcpuUnblock { vcpu, .. } => self.sleeps.end(at, vcpu),
            Event::ApfHalt { vcpu, gfn } => {
                self.halts.insert(vcpu, gfn);
            }
            Event::MajorFaultBegin { vcpu, task, gfn, .. } => {
                self.faults.insert(vcpu, (gfn, task));
            }
            Event::BlockRqIssue { request, op, pages, .. } => {
                self.device.begin(at, request, Io { op, pages });
            }
            Event::BlockRqComplete { request } => self.device.end(at, request),
            Event::WorkqueueExecuteStart { worker, item } => self.work.begin(at, worker, item),
            Event::WorkqueueExecuteEnd { worker, .. } => self.work.end(at, worker),
            Event::RequestBegin { task, group, .. } => self.serving.begin(at, task, group),
            Event::RequestEnd { task, .. } => self.serving.end(at, task),
            _ => self.take_rare(now, event),
        }
    }

    fn take_rare(&mut self, now: SimTime, event: Event) {
        let at = (self.span.0, now);
        match event {
            Event::MmapLockAcquired { thread, write } => self.map_lock.begin(at, thread, write),
            Event::MmapLockReleased { thread, .. } => self.map_lock.end(at, thread),
            Event::GuestSyncWait { task, on, .. } => self.sync.begin(at, task, on),
            Event::MemcgReclaimBegin { thread } => {
                self.reclaim.begin(at, thread, Reclaimed::default());
            }
            Event::MemcgReclaimEnd { thread, scanned, freed, written } => {
                if let Some((_, what)) = self.reclaim.open.get_mut(&thread) {
                    *what = Reclaimed { scanned, freed, written };
                }
                self.reclaim.end(at, thread);
            }
            Event::KvmExit { vcpu, reason } if now >= self.span.0 => {
                self.exits.push((now, vcpu, reason));
            }
            _ => {}
        }
    }

    /// For which page a vCPU thread goes to sleep.
    fn page_of(&self, vcpu: VcpuId, reason: BlockReason) -> Option<(Gfn, Option<TaskId>)> {
        let fault = self.faults.get(&vcpu).copied();
        match reason {
            BlockReason::Hlt => None,
            BlockReason::ApfHalt => {
                let gfn = *self.halts.get(&vcpu)?;
                let task = fault.filter(|fault| fault.0 == gfn).map(|fault| fault.1);
                Some((gfn, task))
            }
            _ => fault.map(|(gfn, task)| (gfn, Some(task))),
        }
    }

    fn moves(&mut self, now: SimTime, task: TaskId, vcpu: VcpuId) {
        let same = self.home.open.get(&()).is_some_and(|(_, home)| *home == vcpu);
        if task == self.task && !same {
            self.home.begin((self.span.0, now), (), vcpu);
        }
    }

    /// What was held in the span.
    pub fn finish(self) -> Scene {
        let end = self.span.1;
        Scene {
            vcpus: self.vcpus,
            tasks: self.tasks.finish(end),
            threads: self.threads.finish(end),
            sleeps: self.sleeps.finish(end),
            device: self.device.finish(end),
            work: self.work.finish(end),
            serving: self.serving.finish(end),
            map_lock: self.map_lock.finish(end),
            sync: self.sync.finish(end),
            home: self.home.finish(end),
            reclaim: self.reclaim.finish(end),
            exits: self.exits,
            records: self.records,
        }
    }
}

impl Scene {
    /// The records of the span.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The vCPU that the watched task belongs to at a moment.
    pub(super) fn home(&self, at: SimTime) -> Option<VcpuId> {
        let after = self.home.partition_point(|held| held.from <= at);
        self.home.get(after.checked_sub(1)?).map(|held| held.what.1)
    }
}
