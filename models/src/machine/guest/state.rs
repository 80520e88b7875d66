//! The state of the guests: their tasks, and their side of the virtual processors.

use std::collections::VecDeque;
use std::sync::Arc;

use sim_core::{
    Cycles, DistributionError, EventHandle, RandomStreams, Sampler, SimDuration, SimTime, Stream,
};

use super::balloon_state::{Driver, DriverWork, drivers};
use super::choices::Sources;
use super::give_back::{Call, Shootdown};
use super::power_on::{levels, tables_of, tick_offset};
use super::stage::Frame;
use super::task::Task;
use crate::base::ids::{Gfn, GroupId, TaskId, VcpuId};
use crate::base::record::TaskRole;
use crate::config::{Law, MachineConfig, PageWalk, SyncKind, SyncObject, TaskGroup, Workload};
use crate::parts::mmu::{GuestTables, Mark, Mmu, SpaceTags};
use crate::parts::pages::Walk;
use crate::parts::sched::{Balance, Entity, RunQueue};

/// Which part of the guest has the vCPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Running {
    Nothing,
    Kernel,
    User,
}

/// A place in a burst behind one of its operations: the state to which it is taken back, from where the
/// operations that stay are run again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checkpoint {
    /// When that operation began, and when it is over, in cycles since the epoch.
    pub began: Cycles,
    pub end: Cycles,
    /// Operations of the burst up to there.
    pub ops: u32,
    /// Position in the program.
    pub pc: u32,
    /// Pages that its accesses had taken.
    pub taken: u32,
    /// How many frames the burst's walks had used.
    pub walked: u32,
    pub mmu: Mark,
}

/// The operations that a vCPU has run ahead of its time, the first of which has begun.
#[derive(Clone, Debug)]
pub(super) struct Burst {
    /// How many; none while work is counted.
    pub ops: u32,
    /// When the last one begins, and when it is over, in cycles since the epoch.
    pub latest: Cycles,
    pub end: Cycles,
    /// Behind the first operation and behind each that walked.
    pub checkpoints: Vec<Checkpoint>,
    /// Operations that the next burst may have: as many as recent ones were cut after, at least.
    pub most: u32,
}

/// Whether a vCPU takes part in the guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Hotplug {
    #[default]
    Online,
    /// It was asked to go, and will when it can switch tasks.
    Leaving,
    /// It switches its notices off.
    Left,
    Offline,
}

impl Hotplug {
    /// Whether tasks may be placed there.
    pub(super) fn takes_tasks(self) -> bool {
        matches!(self, Self::Online | Self::Leaving)
    }
}

/// A virtual processor, as the guest has it.
#[derive(Clone, Debug)]
pub(super) struct GuestCpu {
    /// Guest kernel stages, the running one last.
    pub frames: Vec<Frame>,
    pub running: Running,
    /// Time of the last entry; guest mode counts cycles from there.
    pub epoch: SimTime,
    /// Cycles since the epoch at which the running stretch began.
    pub cycles: Cycles,
    /// Since when the time of the current task's own program is not yet reported.
    pub user_since: Option<SimTime>,
    pub burst: Burst,
    pub mmu: Mmu,
    /// Frames whose second-stage entries the walks of the burst have used, in their order.
    pub walked: Vec<Gfn>,
    pub queue: RunQueue,
    pub need_resched: bool,
    /// HLT was left since the not-present handler executed it.
    pub hlt_over: bool,
    /// Since when the current task is not yet charged.
    pub charged_since: SimTime,
    pub timer: Option<(EventHandle, SimTime)>,
    pub tick_pending: bool,
    /// The guest is about to arm its timer, which exits.
    pub arm_timer: bool,
    /// Interrupts to other vCPUs whose exits are still to be paid.
    pub ipi_exits_due: u32,
    pub reschedule_pending: bool,
    pub enable_pending: bool,
    /// A disturbance: the guest is to write EN with an address that the host refuses.
    pub refused_en_pending: bool,
    /// What others ask of this one, the last one first.
    pub calls: Vec<Call>,
    /// What the driver of the balloon has to do here, the first first.
    pub driver_work: Vec<DriverWork>,
    /// What it is about to ask of others.
    pub shootdown: Option<Box<Shootdown>>,
    /// It was idle while others were asked to drop translations, and has them still.
    pub behind: bool,
    /// Answers that this vCPU waits for.
    pub answers_due: u32,
    /// By how many picoseconds its tick periods begin later than those of the guest's first vCPU.
    pub tick_offset: u64,
    /// Number of the tick period that was accounted last.
    pub tick_period: u64,
    /// Tick periods accounted so far.
    pub ticks: u64,
    /// Tasks whose wake-up waits for the next tick.
    pub delayed_wakes: Vec<TaskId>,
    /// Tasks whose timers have expired here and are to be handled.
    pub expired: Vec<TaskId>,
    pub hotplug: Hotplug,
    /// The frame to which the host has written for the kernel, at the stage that is repeated.
    pub written_for: Option<Gfn>,
    /// The address space whose root CR3 has.
    pub space: u32,
    /// Address spaces that the TLB tells apart.
    pub tags: SpaceTags,
    /// It is to start again as soon as it is offline.
    pub comes_back: bool,
    /// A system management interrupt waits, whose handler takes so long.
    pub smi_pending: Option<SimDuration>,
}

impl GuestCpu {
    fn new(mmu: Mmu, tick_offset: u64) -> Self {
        Self {
            frames: Vec::new(),
            running: Running::Nothing,
            epoch: SimTime::ZERO,
            cycles: Cycles::ZERO,
            user_since: None,
            burst: Burst {
                ops: 0,
                latest: Cycles::ZERO,
                end: Cycles::ZERO,
                checkpoints: Vec::new(),
                most: 1,
            },
            mmu,
            walked: Vec::new(),
            queue: RunQueue::default(),
            need_resched: false,
            hlt_over: false,
            charged_since: SimTime::ZERO,
            timer: None,
            tick_pending: false,
            arm_timer: false,
            ipi_exits_due: 0,
            reschedule_pending: false,
            enable_pending: false,
            refused_en_pending: false,
            calls: Vec::new(),
            driver_work: Vec::new(),
            shootdown: None,
            behind: false,
            answers_due: 0,
            tick_offset,
            tick_period: 0,
            ticks: 0,
            delayed_wakes: Vec::new(),
            expired: Vec::new(),
            hotplug: Hotplug::Online,
            written_for: None,
            space: 0,
            tags: SpaceTags::default(),
            comes_back: false,
            smi_pending: None,
        }
    }
}

/// A law, ready to be drawn from.
#[derive(Clone, Debug)]
pub(super) struct DrawnLaw {
    pub sampler: Sampler,
    /// What a drawn one stands for.
    pub unit: u64,
}

/// The laws of the workload.
#[derive(Debug)]
pub(super) struct Drawn {
    pub laws: Vec<DrawnLaw>,
    pub walks: Vec<Walk>,
}

impl Drawn {
    /// What pages are chosen among.
    pub(super) fn sources<'a>(
        &'a self,
        tables: &'a GuestTables,
        workload: &'a Workload,
    ) -> Sources<'a> {
        Sources { tables, walks: &self.walks, traces: &workload.addresses }
    }

    fn new(workload: &Workload, streams: &RandomStreams) -> Result<Self, DistributionError> {
        let law = |law: &Law| Ok(DrawnLaw { sampler: law.law.sampler()?, unit: law.unit });
        let walk = |PageWalk { region, law }: &PageWalk| {
            let region = &workload.regions[region.index()];
            // Of a region, so that all walks over it agree in what is where.
            let key = streams.stream(&format!("order of {}", region.name)).next_u64();
            Walk::new(law, region.pages, key)
        };
        Ok(Self {
            laws: workload.laws.iter().map(law).collect::<Result<_, _>>()?,
            walks: workload.walks.iter().map(walk).collect::<Result<_, _>>()?,
        })
    }
}

/// A lock, barrier or semaphore.
#[derive(Clone, Debug)]
pub(super) struct SyncState {
    pub kind: SyncKind,
    /// 1: the lock is held. Parties that have come. How high the semaphore is.
    pub count: u64,
    /// Tasks that sleep for it, the first first.
    pub waiting: VecDeque<TaskId>,
}

/// The requests of a group that come from outside.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// When those arrived that have not begun, the first first.
    pub waiting: VecDeque<SimTime>,
    /// Tasks that sleep because nothing waited, the first first.
    pub idle: VecDeque<TaskId>,
    /// Arrivals that were set, of a list of them.
    pub arrived: usize,
    /// How long requests go on arriving, where they do so in bursts.
    pub on_left: SimDuration,
    /// What arrivals are drawn from.
    pub draws: Stream,
}

/// The guests of all virtual machines.
#[derive(Clone, Debug)]
pub(in crate::machine) struct Guest {
    pub(super) cpus: Vec<GuestCpu>,
    pub(super) tasks: Vec<Task>,
    /// What the scheduler keeps of each task.
    pub(super) entities: Vec<Entity>,
    /// How loaded each vCPU is.
    pub(super) balance: Balance,
    /// The page tables of each virtual machine.
    pub(super) tables: Vec<GuestTables>,
    /// What tasks draw from.
    pub(super) streams: RandomStreams,
    /// The laws by which they do.
    pub(super) drawn: Arc<Drawn>,
    /// What tasks wait for each other at.
    pub(super) syncs: Vec<SyncState>,
    /// Requests from outside, by group.
    pub(super) lines: Vec<Line>,
    /// The driver of each virtual machine's balloon.
    pub(super) balloons: Vec<Option<Driver>>,
    /// When the start barrier was passed.
    pub(super) started: SimTime,
}

impl Guest {
    /// The guests at power-on: idle.
    ///
    /// # Errors
    /// When a law of the workload makes no sense.
    pub(in crate::machine) fn new(
        config: &MachineConfig,
        streams: RandomStreams,
    ) -> Result<Self, DistributionError> {
        let workload = &config.workload;
        let line = |group: &TaskGroup| Line {
            waiting: VecDeque::new(),
            idle: VecDeque::new(),
            arrived: 0,
            on_left: SimDuration::ZERO,
            draws: streams.stream(&format!("arrivals {}", group.name)),
        };
        let sync =
            |sync: &SyncObject| SyncState { kind: sync.kind, count: 0, waiting: VecDeque::new() };
        let prices = config.cpu.costs.at(config.cpu.frequency);
        let cpus = |vm| {
            let own = config.guest_of(vm);
            let mmu =
                Mmu::new(&config.cpu.translation, &prices, levels(config, own), own.memory_pages);
            (0..own.vcpus).map(move |place| GuestCpu::new(mmu.clone(), tick_offset(own, place)))
        };
        let vcpus: usize = config.vcpus().into();
        Ok(Self {
            drawn: Arc::new(Drawn::new(workload, &streams)?),
            syncs: workload.syncs.iter().map(sync).collect(),
            lines: workload.tasks.iter().map(line).collect(),
            balloons: drivers(config),
            started: SimTime::ZERO,
            cpus: config.vm_ids().flat_map(cpus).collect(),
            tasks: Vec::new(),
            entities: Vec::new(),
            balance: Balance::new(vcpus),
            tables: config.vm_ids().map(|vm| tables_of(config, vm)).collect(),
            streams,
        })
    }

    /// Makes clones cheap from here on.
    pub(in crate::machine) fn freeze(&mut self) {
        self.tables.iter_mut().for_each(GuestTables::freeze);
    }

    /// The queue of a vCPU has changed.
    #[inline]
    pub(super) fn note_load(&mut self, now: SimTime, vcpu: VcpuId) {
        let queue = &self.cpus[vcpu.index()].queue;
        self.balance.set(now, vcpu.index(), queue.running(), !queue.nobody_waits());
    }

    /// The group of a task; none: it fills memory.
    pub(in crate::machine) fn group_of(&self, task: TaskId) -> Option<GroupId> {
        let task = self.tasks.get(task.index())?;
        (task.role != TaskRole::Main).then_some(task.group)
    }

    /// The task that has a vCPU.
    pub(in crate::machine) fn current(&self, vcpu: VcpuId) -> Option<TaskId> {
        self.cpus[vcpu.index()].queue.current.map(TaskId)
    }
}
