//! The state of the guests: their tasks, and their side of the virtual processors.

use std::collections::VecDeque;
use std::sync::Arc;

use sim_core::{
    Cycles, DistributionError, EventHandle, RandomStreams, Sampler, SimDuration, SimTime, Stream,
};

use super::balloon_state::{Driver, DriverWork, drivers};
use super::choices::{Choices, Sources};
use super::give_back::{Call, Discard, Shootdown, TlbRange};
use super::power_on::{levels, tables_of, tick_offset};
use crate::base::ids::{Gfn, GroupId, Gva, RegionId, TaskId, Token, VcpuId};
use crate::base::record::TaskRole;
use crate::config::{
    Law, MachineConfig, Op, PageWalk, Section, SyncKind, SyncObject, TaskGroup, Workload,
};
use crate::machine::world::BalloonQueue;
use crate::parts::mmu::{GuestTables, Mark, Mmu, SpaceTags};
use crate::parts::pages::Walk;
use crate::parts::sched::{Balance, Entity, RunQueue};

/// A stage of the guest kernel that runs on a vCPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GuestThen {
    /// Timer interrupt; so many tick periods are accounted.
    Tick { periods: u32 },
    /// Reschedule interrupt: its return looks for another task.
    Reschedule,
    /// Exception 14 with this CR2: read the shared word.
    PageFault { token: Token },
    /// The sleeper is linked: test it, then sleep or halt.
    WaitTest { token: Token, task: TaskId },
    /// HLT with interrupts on, in the not-present handler of a context that cannot sleep.
    WaitHalted { token: Token, task: TaskId },
    /// Page ready as exception: wake.
    Wake { token: Token },
    /// Page ready as interrupt: read the token, wake, free the slot, acknowledge.
    ReadyInterrupt,
    /// The context switch is over.
    Switched,
    /// The guest's own page fault: a fresh frame for this address.
    FirstTouch { gva: Gva },
    /// Clearing the fresh frame begins.
    ClearPage { gva: Gva, gfn: Gfn },
    /// The fresh frame is cleared.
    MapFresh { gva: Gva, gfn: Gfn },
    /// Clearing the frame of a new table begins.
    ClearTable { gva: Gva, gfn: Gfn, level: u32 },
    /// The frame of a new table is cleared.
    LinkTable { gva: Gva, gfn: Gfn, level: u32 },
    /// So many frames of a fresh page of 2 MiB are cleared.
    ClearLarge { gva: Gva, gfn: Gfn, page: u16 },
    /// Timers of tasks have expired; in the softirq, with interrupts on.
    Timers { softirq: bool },
    /// Call-function interrupt: enable asynchronous page faults on this vCPU.
    EnableApf,
    /// Call-function interrupt: write EN with an address that the host refuses.
    RefusedEn,
    /// Spinning, with interrupts on, until all other vCPUs have answered.
    CallWait,
    /// Call-function interrupt: do what is asked for, and answer.
    Answer { call: Call },
    /// Translations of the vCPU itself go.
    FlushTlb { range: TlbRange },
    /// The end of an interrupt, where it exits.
    Eoi,
    /// The handler of a system management interrupt is over.
    LeaveSmm,
    /// The vCPU goes offline: its notices first.
    NoticesOff,
    /// Notices are off: sleepers, tasks, and then the vCPU itself.
    Depart,
    /// Halted with interrupts off until somebody starts the vCPU again.
    Offline,
    /// The interrupt, or the timer, of the balloon's driver.
    Driver { work: DriverWork },
    /// The driver has its pages, and notifies the device.
    BalloonTell { queue: BalloonQueue },
    /// The driver writes the size of the balloon into the device.
    BalloonSize,
    /// The driver goes on towards the size that was asked for.
    BalloonNext,
    /// There is no frame until free ones are reported; with interrupts on.
    WaitForFrame,
    /// Nothing more to do.
    Return,
}

/// A guest kernel stage with the work that is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub remaining: Cycles,
    pub then: GuestThen,
}

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

/// What a guest task is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TaskState {
    Runnable,
    Sleeping,
}

/// Where in the kernel a task's program is: all zero in user mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KernelMode {
    /// In a system call: at CPL 0.
    pub syscall: bool,
    /// Depth of sections with preemption off.
    pub preempt_off: u32,
    /// Depth of sections with interrupts off.
    pub irq_off: u32,
    /// Depth of RCU readers.
    pub rcu: u32,
    /// An access of the system call has begun and not gone through.
    pub mid_access: bool,
}

impl KernelMode {
    /// How many sections of a kind the program is in.
    pub(super) fn depth(&mut self, kind: Section) -> &mut u32 {
        match kind {
            Section::PreemptOff => &mut self.preempt_off,
            Section::IrqOff => &mut self.irq_off,
            Section::RcuReader => &mut self.rcu,
        }
    }
}

/// Repetitions inside each other that a program may have.
pub(super) const MAX_COUNTERS: usize = 8;

/// What a task executes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::machine) enum Program {
    /// Writes every page of these regions once, then waits for ever at the barrier.
    Fill { regions: Vec<(RegionId, u64)>, at: usize, page: u64 },
    /// The operations of a task group, again and again.
    Loop { ops: Arc<Vec<Op>> },
}

impl Program {
    /// How many passes it makes, if it has an end.
    pub(super) fn passes(&self) -> Option<u64> {
        let Self::Loop { ops } = self else { return None };
        match ops.last() {
            Some(&Op::EndPass { passes }) => Some(passes),
            _ => None,
        }
    }
}

/// A task of the guest.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub role: TaskRole,
    pub group: GroupId,
    pub vcpu: VcpuId,
    pub state: TaskState,
    /// When it last had a vCPU.
    pub ran_until: SimTime,
    pub program: Program,
    pub pc: u32,
    /// Passes that are over, of a program with an end.
    pub passes: u64,
    /// Cycles left of the operation before `pc`.
    pub busy: Cycles,
    pub kernel: KernelMode,
    pub choices: Choices,
    /// What its operations draw lengths and numbers from.
    pub numbers: Stream,
    /// Repetitions that are left, by depth.
    pub counters: [u64; MAX_COUNTERS],
    /// Which parts of its program that happen once have happened, a bit each.
    pub done: u64,
    /// Cycles of counted work, and the units that were reported.
    pub counted: Cycles,
    pub reported: u64,
    /// The major faults that the task's next access has to end: of its page, and of tables on the way.
    pub majors: Vec<Gfn>,
    /// Guest kernel stages to go on with when it runs again.
    pub frames: Vec<Frame>,
    /// What it is giving back.
    pub discard: Option<Box<Discard>>,
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
