//! The tracks of guest tasks: what each one does, its major faults, its requests.

use std::collections::{BTreeMap, VecDeque};

use sim_core::SimTime;

use super::board::{Board, Gauge};
use super::cast::Cast;
use super::flows::Flows;
use super::lane::{Lane, Pool};
use super::mark::{Flow, Label, Slice, TrackId};
use super::vcpus::Vcpus;
use crate::base::ids::{Gfn, TaskId, VcpuId, VmId};
use crate::base::record::{DummyAction, Event, TaskRole};

/// Why a task that has left its vCPU is not runnable, if it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// Only what comes next tells: a wake-up shows that it slept, a switch without one that it was
    /// preempted.
    Unknown,
    /// For page ready.
    Page,
    /// For another task.
    Task,
}

/// One task.
#[derive(Clone, Debug)]
struct Task {
    name: Label,
    does: Lane,
    faults: Pool<Gfn>,
    /// Only tasks that have requests have the track.
    requests: Option<Lane>,
    waits: Waits,
    /// The flow of the token for which it waits.
    flow: Option<Flow>,
    has_vcpu: bool,
}

/// The tasks of one virtual machine.
#[derive(Clone, Debug)]
struct Vm {
    /// Under which they stand.
    group: TrackId,
    /// Names of those that have not come into being.
    names: VecDeque<String>,
    /// How many wait for a page.
    waiting: Gauge,
}

/// All tasks.
#[derive(Clone, Debug)]
pub(super) struct Tasks {
    /// Of each vCPU.
    owners: Vec<VmId>,
    vms: Vec<Vm>,
    tasks: BTreeMap<TaskId, (VmId, Task)>,
    /// When each vCPU last left guest mode for a fault.
    exits: Vec<Option<SimTime>>,
}

impl Tasks {
    pub(super) fn new(board: &mut Board, cast: &Cast, tracks: &[TrackId], begin: SimTime) -> Self {
        let mut vms = Vec::new();
        for ((_, names), &track) in cast.vms.iter().zip(tracks) {
            vms.push(Vm {
                group: board.slices(track, "tasks", 100_000),
                names: names.iter().cloned().collect(),
                waiting: Gauge::new(board, track, "tasks waiting for a page", -2, begin),
            });
        }
        let exits = vec![None; cast.vcpus.len()];
        Self { owners: cast.vcpus.clone(), vms, tasks: BTreeMap::new(), exits }
    }

    fn make(&mut self, board: &mut Board, task: TaskId, vcpu: VcpuId, name: Option<String>) {
        let Some(vm) = self.owners.get(vcpu.index()).copied() else { return };
        let group = self.vms[vm.index()].group;
        let name = match name {
            Some(name) => Label::made(name),
            None => Label::made(format!("main {}", task.0)),
        };
        let rank = i32::try_from(task.0).unwrap_or(i32::MAX);
        let track = board.slices(group, name.clone(), rank);
        let task_of = Task {
            name,
            does: Lane::new(track),
            faults: Pool::new(track, "major faults", 10),
            requests: None,
            waits: Waits::Unknown,
            flow: None,
            has_vcpu: false,
        };
        self.tasks.insert(task, (vm, task_of));
    }

    /// A task, which may be there since before the first record.
    fn task(&mut self, board: &mut Board, task: TaskId, vcpu: VcpuId) -> Option<&mut Task> {
        if !self.tasks.contains_key(&task) {
            self.make(board, task, vcpu, None);
        }
        self.tasks.get_mut(&task).map(|(_, task)| task)
    }

    pub(super) fn observe(
        &mut self,
        board: &mut Board,
        flows: &mut Flows,
        vcpus: &mut Vcpus,
        now: SimTime,
        event: &Event,
    ) {
        match *event {
            Event::TaskNew { task, vcpu, role } => {
                let vm = self.owners.get(vcpu.index()).filter(|_| role != TaskRole::Main);
                let name = vm.and_then(|vm| self.vms[vm.index()].names.pop_front());
                self.make(board, task, vcpu, name);
                self.runnable(board, now, (task, vcpu), None);
            }
            Event::GuestSchedSwitch { vcpu, prev, next } => {
                if let Some(prev) = prev {
                    self.leaves(board, now, prev, vcpu);
                }
                let name = next.and_then(|next| self.gets(board, now, next, vcpu));
                vcpus.switch(board, now, vcpu, next.zip(name));
            }
            Event::GuestSchedWakeup { task, vcpu } => {
                let Some(own) = self.task(board, task, vcpu) else { return };
                if own.has_vcpu {
                    return;
                }
                if own.waits == Waits::Unknown
                    && let Some(slice) = own.does.open_mut()
                    && slice.name == Label::Fixed(PREEMPTED)
                {
                    slice.name = "sleeps".into();
                }
                own.waits = Waits::Unknown;
                self.runnable(board, now, (task, vcpu), None);
            }
            Event::ApfWait { vcpu, task, token } => {
                let flow = flows.at(vcpu, token);
                let Some(own) = self.task(board, task, vcpu) else { return };
                (own.waits, own.flow) = (Waits::Page, flow);
                self.waiting(board, now, task, 1);
            }
            Event::ApfWake { vcpu, task, token } => {
                let flow = flows.end(vcpu, token);
                let Some(own) = self.task(board, task, vcpu) else { return };
                own.waits = Waits::Unknown;
                if !own.has_vcpu {
                    self.runnable(board, now, (task, vcpu), flow);
                }
                self.waiting(board, now, task, -1);
            }
            Event::ApfDummy { vcpu, token, action } => {
                if action != DummyAction::Added {
                    flows.forget(vcpu, token);
                }
            }
            Event::GuestSyncWait { vcpu, task, .. } => {
                if let Some(own) = self.task(board, task, vcpu) {
                    own.waits = Waits::Task;
                }
            }
            Event::TaskEnd { vcpu, task } => {
                if let Some(own) = self.task(board, task, vcpu) {
                    own.waits = Waits::Unknown;
                    own.does.end(board, now);
                }
            }
            _ => self.work(board, now, event),
        }
    }

    /// Faults and requests.
    fn work(&mut self, board: &mut Board, now: SimTime, event: &Event) {
        match *event {
            Event::KvmExit { vcpu, reason } if reason.is_fault() => {
                if let Some(exit) = self.exits.get_mut(vcpu.index()) {
                    *exit = Some(now);
                }
            }
            Event::MajorFaultBegin { vcpu, task, gfn, path } => {
                let exit = self.exits.get(vcpu.index()).copied().flatten().unwrap_or(now);
                let Some(own) = self.task(board, task, vcpu) else { return };
                let slice = Slice::new("major fault").text("path", path.name()).hex("gfn", gfn.0);
                own.faults.begin(board, exit, gfn, slice);
            }
            Event::MajorFaultEnd { task, gfn, .. } => {
                if let Some((_, own)) = self.tasks.get_mut(&task) {
                    own.faults.end(board, now, |&own| own == gfn);
                }
            }
            Event::RequestBegin { vcpu, task, waited, .. } => {
                let Some(own) = self.task(board, task, vcpu) else { return };
                let slice = Slice::new("request").number("waited_ns", waited.as_ns());
                let track = own.does.track;
                let lane = own
                    .requests
                    .get_or_insert_with(|| Lane::new(board.slices(track, "requests", 0)));
                lane.begin(board, now, slice);
            }
            Event::RequestEnd { task, .. } => {
                let own = self.tasks.get_mut(&task);
                if let Some(lane) = own.and_then(|(_, own)| own.requests.as_mut()) {
                    lane.end(board, now);
                }
            }
            _ => {}
        }
    }

    fn leaves(&mut self, board: &mut Board, now: SimTime, task: TaskId, vcpu: VcpuId) {
        let Some(own) = self.task(board, task, vcpu) else { return };
        own.has_vcpu = false;
        if !own.does.is_open() {
            // Its program is at its end.
            return;
        }
        let slice = match own.waits {
            Waits::Page => Slice::new("waits for its page").on(own.flow.take()),
            Waits::Task => Slice::new("waits for another task"),
            Waits::Unknown => Slice::new(PREEMPTED),
        };
        own.does.begin(board, now, slice);
    }

    fn gets(
        &mut self,
        board: &mut Board,
        now: SimTime,
        task: TaskId,
        vcpu: VcpuId,
    ) -> Option<Label> {
        let own = self.task(board, task, vcpu)?;
        own.has_vcpu = true;
        own.waits = Waits::Unknown;
        own.does.begin(board, now, Slice::new("has its vCPU").number("vcpu", vcpu.0));
        Some(own.name.clone())
    }

    fn runnable(
        &mut self,
        board: &mut Board,
        now: SimTime,
        (task, vcpu): (TaskId, VcpuId),
        flow: Option<Flow>,
    ) {
        let Some(own) = self.task(board, task, vcpu) else { return };
        let is = |slice: &mut Slice| slice.name == Label::Fixed(RUNNABLE);
        if !own.does.open_mut().is_some_and(is) {
            own.does.begin(board, now, Slice::new(RUNNABLE).on(flow));
        }
    }

    fn waiting(&mut self, board: &mut Board, now: SimTime, task: TaskId, change: i64) {
        if let Some((vm, _)) = self.tasks.get(&task) {
            self.vms[vm.index()].waiting.add(board, now, change);
        }
    }

    pub(super) fn close(&mut self, board: &mut Board, now: SimTime) {
        for (_, task) in self.tasks.values_mut() {
            task.does.end(board, now);
            task.faults.close(board, now);
            if let Some(requests) = &mut task.requests {
                requests.end(board, now);
            }
        }
    }
}

/// It is runnable, and has been woken.
const RUNNABLE: &str = "runnable";
/// It is runnable, and had to leave its vCPU; or it sleeps, as will turn out.
const PREEMPTED: &str = "preempted";
