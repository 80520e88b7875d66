//! Who does what when, between a fault and its end.

use sim_core::SimTime;

use super::device::{DeviceState, Requests};
use super::faults::FaultSeen;
use super::lane::Lane;
use super::vmm::{Asked, VmmState};
use super::works;
use crate::base::ids::{ItemId, TaskId, ThreadId, Token, VcpuId, WorkerId};
use crate::base::record::{BlockReason, Event, ExitReason, FaultPath, Record};
use crate::trace::metrics::clock::{State, VcpuClocks};

/// What the task that faulted does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskActivity {
    /// It has its vCPU, which is in guest mode.
    Runs,
    /// It has its vCPU, which is not in guest mode.
    Stopped,
    /// It sleeps until page ready.
    WaitsForPage,
    /// It is runnable, and another task has the vCPU.
    WaitsForTurn,
}

/// What a vCPU thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VcpuState {
    /// Guest mode.
    Guest,
    /// Work in the host.
    Host,
    /// Blocked by the artificial halt.
    Halted,
    /// Blocked in a synchronous fetch or in reclaim.
    Stalled,
    /// Blocked in HLT.
    Idle,
    /// Runnable without a processor.
    Waiting,
}

impl TaskActivity {
    /// Every activity.
    pub const ALL: [Self; 4] = [Self::Runs, Self::Stopped, Self::WaitsForPage, Self::WaitsForTurn];

    /// What it is called in legends and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Stopped => "stopped with its vCPU",
            Self::WaitsForPage => "waits for its page",
            Self::WaitsForTurn => "runnable, others run",
        }
    }
}

impl VcpuState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Guest, Self::Host, Self::Halted, Self::Stalled, Self::Idle, Self::Waiting];

    /// What it is called in legends and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Guest => "guest mode",
            Self::Host => "host",
            Self::Halted => "halted by the host",
            Self::Stalled => "stalled in a fetch",
            Self::Idle => "idle (HLT)",
            Self::Waiting => "waits for a processor",
        }
    }
}

impl From<State> for VcpuState {
    fn from(state: State) -> Self {
        match state {
            State::Guest => Self::Guest,
            State::Host | State::SpinLock => Self::Host,
            State::Steal => Self::Waiting,
            State::Fetch | State::MapLock | State::Reclaim | State::High => Self::Stalled,
            State::ApfHalt => Self::Halted,
            State::Hlt => Self::Idle,
        }
    }
}

/// What happens with the work item of the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemState {
    /// Queued, and no worker has begun it.
    Queued,
    /// Its worker works.
    Worked,
    /// Its worker sleeps for the device.
    Asleep,
    /// Its worker waits for a processor.
    Waiting,
    /// The page is there; page ready is not delivered.
    Completed,
    /// The item of another task fetches the same page.
    Elsewhere,
}

impl ItemState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Worked, Self::Asleep, Self::Waiting, Self::Completed, Self::Elsewhere];

    /// What it is called in legends and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Worked => "worker works",
            Self::Asleep => "worker sleeps",
            Self::Waiting => "worker waits for a processor",
            Self::Completed => "completed, not delivered",
            Self::Elsewhere => "fetched by another's item",
        }
    }
}

/// Everything that is shown of a fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lanes {
    /// The task that faulted.
    pub task: Lane<TaskActivity>,
    /// Which other task runs on the task's vCPU.
    pub others: Lane<TaskId>,
    /// The task's vCPU.
    pub vcpu: Lane<VcpuState>,
    /// The work item.
    pub item: Lane<ItemState>,
    /// The request that brings the page, or the write that makes room for it.
    pub device: Lane<DeviceState>,
    /// The VMM, where it has the page.
    pub(super) vmm: Lane<VmmState>,
}

impl Lanes {
    /// Where anything but the device changes.
    pub(super) fn boundaries(&self) -> impl Iterator<Item = SimTime> + '_ {
        fn ends<S>(lane: &Lane<S>) -> impl Iterator<Item = SimTime> + '_ {
            lane.spans.iter().flat_map(|&(from, to, _)| [from, to])
        }
        ends(&self.task).chain(ends(&self.vcpu)).chain(ends(&self.item)).chain(ends(&self.vmm))
    }
}

/// How far the item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    None,
    Elsewhere,
    Queued,
    Worked,
    /// Its worker has no processor, for whatever reason.
    Off,
    Completed,
}

/// Follows records.
struct Follower<'a> {
    fault: &'a FaultSeen,
    first_worker: u32,
    clocks: VcpuClocks,
    /// Who has each vCPU, as far as records have told.
    current: Vec<Option<TaskId>>,
    /// Where the task is.
    vcpu: VcpuId,
    waits: bool,
    /// Its vCPU thread sleeps in a fetch for it.
    stalled: bool,
    item: Option<ItemId>,
    token: Option<Token>,
    stage: Stage,
    worker: Option<ThreadId>,
    /// When the worker last ended a pass of reclaim.
    reclaimed: Option<SimTime>,
    vmm: Asked,
    /// Since when the present states last.
    since: SimTime,
    lanes: Lanes,
    requests: Requests,
}

/// The lanes of a fault, and the requests that it waited for.
pub(super) fn follow(vcpus: u16, fault: &FaultSeen, records: &[Record]) -> (Lanes, Requests) {
    let (from, to) = fault.span();
    let mut current = vec![None; usize::from(vcpus)];
    if let Some(current) = current.get_mut(fault.vcpu.index()) {
        *current = Some(first_current(fault, records));
    }
    let mut follower = Follower {
        fault,
        first_worker: u32::from(vcpus),
        clocks: VcpuClocks::in_guest(vcpus, from),
        current,
        vcpu: fault.vcpu,
        waits: false,
        stalled: false,
        item: None,
        token: None,
        stage: if fault.path == FaultPath::Repeated { Stage::Elsewhere } else { Stage::None },
        worker: None,
        reclaimed: None,
        vmm: Asked::new(fault.gfn),
        since: from,
        lanes: Lanes::default(),
        requests: Requests::new(from),
    };
    if enters_first(fault, records) {
        let (vcpu, reason) = (fault.vcpu, ExitReason::EptViolation);
        follower.clocks.observe(from, Event::KvmExit { vcpu, reason });
    }
    let own = works::queued_for(fault, records);
    for (at, record) in records.iter().enumerate() {
        follower.advance(record.time);
        match record.event {
            Event::WorkqueueQueueWork { item } if own.contains(&at) => follower.item = Some(item),
            event => follower.step(record.time, event),
        }
    }
    follower.advance(to);
    let Follower { mut lanes, requests, .. } = follower;
    lanes.device = requests.lane(from, to);
    (lanes, requests)
}

/// Who had the vCPU when the records begin: whoever the first switch takes it from.
fn first_current(fault: &FaultSeen, records: &[Record]) -> TaskId {
    let first = records.iter().find_map(|record| match record.event {
        Event::GuestSchedSwitch { vcpu, prev, .. } if vcpu == fault.vcpu => Some(prev),
        _ => None,
    });
    first.flatten().unwrap_or(fault.task)
}

/// Whether the vCPU was in the host when the records begin.
fn enters_first(fault: &FaultSeen, records: &[Record]) -> bool {
    let first = records.iter().find_map(|record| match record.event {
        Event::KvmEntry { vcpu } if vcpu == fault.vcpu => Some(true),
        Event::KvmExit { vcpu, .. } if vcpu == fault.vcpu => Some(false),
        _ => None,
    });
    first == Some(true)
}

impl Follower<'_> {
    fn current(&self) -> Option<TaskId> {
        self.current.get(self.vcpu.index()).copied().flatten()
    }

    /// The present states last until `now`.
    fn advance(&mut self, now: SimTime) {
        let (from, to) = (self.since, now.max(self.since));
        self.since = to;
        let vcpu = self.clocks.state(self.vcpu).map(VcpuState::from);
        let in_guest = vcpu == Some(VcpuState::Guest);
        let own = self.fault.is_own(self.current());
        let task = match own {
            true if in_guest => TaskActivity::Runs,
            true => TaskActivity::Stopped,
            false if self.waits => TaskActivity::WaitsForPage,
            false => TaskActivity::WaitsForTurn,
        };
        self.lanes.task.push(from, to, task);
        if let Some(vcpu) = vcpu {
            self.lanes.vcpu.push(from, to, vcpu);
        }
        if let Some(other) = self.current().filter(|_| in_guest && !own) {
            self.lanes.others.push(from, to, other);
        }
        if let Some(vmm) = self.vmm.state() {
            self.lanes.vmm.push(from, to, vmm);
        }
        let item = match self.stage {
            Stage::None => return,
            // A worker that is off its processor has its say when it is back.
            Stage::Off => return,
            Stage::Elsewhere if from < self.fault.known => return,
            Stage::Elsewhere => ItemState::Elsewhere,
            Stage::Queued => ItemState::Queued,
            Stage::Worked => ItemState::Worked,
            Stage::Completed => ItemState::Completed,
        };
        self.lanes.item.push(from, to, item);
    }

    fn step(&mut self, now: SimTime, event: Event) {
        self.clocks.observe(now, event);
        self.requests.observe(now, event);
        let has_vcpu = self.fault.is_own(self.current());
        let (stage, worker, vcpu) = (self.stage, self.worker, self.vcpu.index());
        self.vmm.observe(event, |thread| {
            // Whoever fetches the page for another item asks for this fault too.
            stage == Stage::Elsewhere
                || worker == Some(thread)
                || thread.index() == vcpu && has_vcpu
        });
        match event {
            Event::GuestSchedSwitch { vcpu, next, .. } => {
                if let Some(current) = self.current.get_mut(vcpu.index()) {
                    *current = next;
                }
            }
            Event::GuestMigrateTask { task, to, .. } if task == self.fault.task => self.vcpu = to,
            Event::ApfWait { task, .. } if task == self.fault.task => self.waits = true,
            Event::ApfWake { task, .. } if task == self.fault.task => self.waits = false,
            Event::KvmTryAsyncGetPage { vcpu, gfn, .. }
                if vcpu == self.vcpu && gfn == self.fault.gfn =>
            {
                self.requests.submitted(now);
            }
            Event::VcpuBlock {
                vcpu,
                reason:
                    BlockReason::Fetch
                    | BlockReason::Reclaim
                    | BlockReason::MapLock
                    | BlockReason::Throttle
                    | BlockReason::High,
            } if vcpu == self.vcpu && self.fault.is_own(self.current()) => {
                self.stalled = true;
                self.requests.sleeps(now);
            }
            Event::VcpuUnblock { vcpu, .. } if vcpu == self.vcpu && self.stalled => self.vmm.over(),
            Event::MemcgReclaimEnd { thread, .. } if self.worker == Some(thread) => {
                self.reclaimed = Some(now);
            }
            Event::HostSchedSwitch { prev, next, .. } => self.host_switch(now, prev, next),
            _ => self.item_step(event),
        }
    }

    fn item_step(&mut self, event: Event) {
        match event {
            Event::ItemLink { vcpu, token, gfn } if vcpu == self.vcpu && gfn == self.fault.gfn => {
                (self.token, self.stage) = (Some(token), Stage::Queued);
            }
            Event::WorkqueueExecuteStart { worker, item }
                if self.stage == Stage::Queued && self.item == Some(item) =>
            {
                self.stage = Stage::Worked;
                self.worker = Some(self.thread_of(worker));
            }
            Event::ItemDone { token, .. } if self.token == Some(token) => {
                self.vmm.over();
                self.stage = Stage::Completed;
                self.worker = None;
            }
            Event::KvmAsyncPfCompleted { vcpu, gva, .. }
                if self.stage == Stage::Elsewhere
                    && vcpu == self.vcpu
                    && gva.0 == self.fault.gfn.gpa().0 =>
            {
                self.vmm.over();
                self.stage = Stage::Completed;
            }
            Event::KvmAsyncPfReady { vcpu, gva, .. }
                if vcpu == self.vcpu && gva.0 == self.fault.gfn.gpa().0 =>
            {
                self.stage = Stage::None;
                self.token = None;
            }
            _ => {}
        }
    }

    fn thread_of(&self, worker: WorkerId) -> ThreadId {
        ThreadId(self.first_worker + worker.0)
    }

    fn host_switch(&mut self, now: SimTime, prev: Option<ThreadId>, next: Option<ThreadId>) {
        if self.stalled && next.is_some_and(|next| next.index() == self.vcpu.index()) {
            self.stalled = false;
            self.requests.wakes(now);
        }
        let Some(worker) = self.worker else { return };
        if prev == Some(worker) && self.stage == Stage::Worked {
            self.stage = Stage::Off;
            self.requests.sleeps(now);
        }
        if next == Some(worker) && self.stage == Stage::Off {
            self.stage = Stage::Worked;
            self.vmm.back();
            if let Some((slept, woken)) = self.requests.wakes(now) {
                // For room it waits whoever makes it, a request or another thread.
                let woken = if self.reclaimed == Some(slept) { now } else { woken };
                self.lanes.item.push(slept, woken, ItemState::Asleep);
                self.lanes.item.push(woken, now, ItemState::Waiting);
            }
        }
    }
}
