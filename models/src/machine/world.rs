//! The state of the machine: indexed tables of plain data. A clone is a snapshot.

use std::collections::VecDeque;
use std::sync::Arc;

use sim_core::{
    Cycles, EventHandle, EventKey, KeyedStreams, RandomStreams, SimDuration, SimTime, Stream,
};

use super::progress::Progress;
use crate::apf::{Apf, Effects};
use crate::base::ids::{
    Gfn, Gva, ItemId, PcpuId, RequestId, TaskId, ThreadId, Token, VcpuId, WorkerId,
};
use crate::base::record::{BlockReason, Record, TaskRole};
use crate::config::costs::Prices;
use crate::config::{MachineConfig, Op, Policy};
use crate::machine::host::map_lock::MapLock;
use crate::machine::sink::TraceSink;
use crate::monitors::{Finding, Verdict, Witness};
use crate::parts::device::{Device, Request};
use crate::parts::memory::pages::HostMemory;
use crate::parts::memory::read_ahead::ReadAheadState;
use crate::parts::memory::reclaim::ReclaimPass;
use crate::parts::memory::swap::SwapArea;
use crate::parts::memory::throttle::WriteThrottle;
use crate::parts::mmu::GuestTables;
use crate::parts::mmu::Tlb;
use crate::parts::mmu::tlb::Mark;
use crate::parts::sched::{Entity, RunQueue};

/// Everything that changes during a run, besides the event queue.
#[derive(Clone, Debug)]
pub struct World {
    pub(crate) config: Arc<MachineConfig>,
    pub(crate) prices: Arc<Prices>,
    pub(crate) skip: bool,
    /// The policy, from the start barrier on.
    pub(crate) policy: Option<Arc<Policy>>,
    pub(crate) warmup: SimDuration,
    pub(crate) duration: SimDuration,
    pub(crate) vcpus: Vec<Vcpu>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) threads: Vec<Thread>,
    /// What the guest's scheduler keeps of each task.
    pub(crate) task_entities: Vec<Entity>,
    /// What the host's scheduler keeps of each thread.
    pub(crate) thread_entities: Vec<Entity>,
    pub(crate) pcpus: Vec<Pcpu>,
    pub(crate) memory: HostMemory,
    pub(crate) swap: SwapArea,
    pub(crate) device: Device,
    /// Requests at the device, by number; freed numbers are used again.
    pub(crate) requests: Vec<Option<Request>>,
    pub(crate) free_requests: Vec<RequestId>,
    /// The processor that each request interrupts when it is complete.
    pub(crate) interrupts: Vec<PcpuId>,
    pub(crate) tables: GuestTables,
    pub(crate) apf: Apf,
    pub(crate) streams: RandomStreams,
    /// Decide which items find no memory.
    pub(crate) allocations: KeyedStreams,
    /// References that items hold on pages.
    pub(crate) pinned: u32,
    /// How often the host has taken mappings of the VM away (`mmu_notifier_seq`).
    pub(crate) invalidations: u64,
    /// Items without a worker, each with the page whose read ends it.
    pub(crate) native: Vec<(Gfn, ItemId)>,
    pub(crate) read_ahead: ReadAheadState,
    /// Write-back throttling, where the host's kernel does it.
    pub(crate) throttle: Option<WriteThrottle>,
    /// The lock of the VMM's memory map, where somebody writes it.
    pub(crate) map_lock: Option<MapLock>,
    /// Which items hold a reference on their page.
    pub(crate) pinning: Vec<bool>,
    /// Threads that wait for room under the memory limit.
    pub(crate) room_waiters: Vec<ThreadId>,
    /// Processors on which another thread should run.
    pub(crate) resched: Vec<PcpuId>,
    /// The earliest thread step that the event at hand scheduled; none between events.
    pub(crate) ahead: Option<(ThreadId, EventKey)>,
    /// The time that the machine has reached; the engine's clock stands at the event that began
    /// the last run of steps.
    pub(crate) reached: SimTime,
    /// Steps carried out without going through the queue.
    pub(crate) steps_ahead: u64,
    pub(crate) prefill_done: bool,
    /// Steps of threads since a page was filled.
    pub(crate) prefill_steps: u32,
    pub(crate) finished: bool,
    pub(crate) failure: Option<Failure>,
    /// State invariants that did not hold, each with its first occurrence.
    pub(crate) broken: Vec<StateViolation>,
    pub(crate) trace: TraceSink,
    /// Reused buffers; empty between events.
    pub(crate) effects: Effects,
    pub(crate) pass: ReclaimPass,
}

/// Why the machine cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The limit is reached and nothing can be reclaimed.
    OutOfMemory(SimTime),
    /// The guest has no free frame left.
    GuestOutOfMemory(SimTime),
    /// Things go on happening at one instant for ever.
    TimeStandsStill { time: SimTime, what: String },
    /// A thread goes round and round.
    Spins { time: SimTime, since: SimTime, who: String, doing: &'static str },
    /// A thread is interrupted so often that it gets nothing done.
    Starved { time: SimTime, who: String, doing: &'static str },
    /// No page is filled any more.
    PrefillWithoutEnd { time: SimTime, who: String, doing: &'static str },
    /// Something would happen after the end of time.
    BeyondTime { time: SimTime, what: String },
}

/// A state invariant that did not hold after a step of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StateViolation {
    /// The invariant.
    pub id: &'static str,
    /// After the first step that broke it.
    pub time: SimTime,
    /// What was wrong.
    pub message: String,
    /// Checks that it failed.
    pub count: u64,
    /// The records before.
    pub story: Vec<Record>,
}

/// What a host thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ThreadKind {
    Vcpu(VcpuId),
    Worker(WorkerId),
}

/// Whether a host thread has, wants or does not want a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ThreadState {
    Running,
    Runnable,
    Blocked,
}

/// What a host thread does when its present stretch of work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// vCPU: the top of the run loop.
    Enter,
    /// vCPU: an event is injected; enter, if nothing has come between.
    EnterInjected,
    /// vCPU: guest mode; the stretch is the guest's.
    InGuest,
    /// vCPU: the lookup without waiting, after an EPT violation.
    FaultLookup,
    /// vCPU: try to handle the fault asynchronously.
    FaultTry,
    /// vCPU: the next section of setting up a work item.
    SetupStep,
    /// vCPU: make the second-stage entry of the fault.
    MapFault,
    /// vCPU: the bottom of the run loop: completed items.
    TurnEnd,
    /// vCPU: map a page before its page ready.
    PrefaultMap(Gfn),
    /// vCPU: page ready of the popped item.
    Deliver,
    /// vCPU: polling, in HLT, is over without success.
    HaltPoll,
    /// vCPU: awake again after blocking in the run loop.
    Unblocked,
    /// vCPU: the guest's writes to the EN and INT registers.
    WriteEn,
    /// vCPU: the guest's write to the ACK register.
    WriteAck,
    /// vCPU: the guest's interrupt to all other vCPUs.
    SendCalls,
    /// vCPU: the guest's write to the deadline register of its timer.
    ArmTimer,
    /// vCPU: the guest's write of zero to the EN register.
    ClearEn,
    /// vCPU: the guest's write to the EN register of an address where it has no memory.
    RefusedEn,
    /// vCPU: the guest left system management mode.
    LeaveSmm,
    /// Worker: begin the next queued item.
    WorkBegin,
    /// Worker: the next section after the fetch.
    WorkStep(ItemId),
    /// Either: go on with fetching a page.
    Fetch,
    /// Either: awake again after waiting for a page or for room.
    FetchAwake(BlockReason),
    /// Either: issue the next read.
    FetchSubmit,
    /// Either: the pages of the read are copied.
    FetchCopied,
    /// Either: poll the device until the read is over, without giving up the processor.
    FetchPoll,
    /// Either: a pass of direct reclaim is over.
    ReclaimDone,
}

/// Why a host thread fetches a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FetchGoal {
    /// A fault that the vCPU thread resolves itself.
    Fault,
    /// Only to begin the read at fault time (FOLL_NOWAIT).
    StartRead,
    /// A page evicted again before its page ready.
    Prefault,
    /// The work item of a worker.
    Item(ItemId),
}

/// A page being fetched by a host thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fetch {
    pub gfn: Gfn,
    pub goal: FetchGoal,
}

/// A pass of reclaim whose cost is being paid: what it has to submit and report at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PendingReclaim {
    pub writes: Vec<Request>,
    /// How many of them the device has.
    pub submitted: usize,
    pub scanned: u32,
    pub freed: u32,
    pub written: u32,
    /// Whether room was to come from elsewhere at the time of the pass.
    pub in_flight: bool,
}

/// A thread of the host.
#[derive(Clone, Debug)]
pub(crate) struct Thread {
    pub kind: ThreadKind,
    pub state: ThreadState,
    /// Where it runs or ran last.
    pub pcpu: PcpuId,
    /// Whether it may run nowhere else (a worker of a per-CPU pool).
    pub bound: bool,
    /// Since when its CPU time is not yet charged; while it waits for a processor, since when.
    pub charged_since: SimTime,
    /// Host work left before `then`; meaningless in guest mode.
    pub remaining: SimDuration,
    /// When the running stretch began.
    pub since: SimTime,
    pub then: Then,
    pub event: Option<EventHandle>,
    pub fetch: Option<Fetch>,
    pub progress: Progress,
    /// The locked page it waits for.
    pub waits_for: Option<Gfn>,
    pub reclaim: PendingReclaim,
    /// The reads that it is about to issue.
    pub reads: VecDeque<Request>,
    /// The request whose pages it copies and for which the device has no place yet.
    pub copying: Option<Request>,
}

/// A physical processor.
#[derive(Clone, Debug)]
pub(crate) struct Pcpu {
    pub queue: RunQueue,
    pub tick: Option<EventHandle>,
    /// Idle workers of the processor's pool, the last one used last.
    pub idle_workers: Vec<ThreadId>,
    /// Items that no worker has begun.
    pub queued_work: VecDeque<ItemId>,
    /// Items that a workqueue has begun, or is about to begin.
    pub active_work: u32,
    /// Items that wait because so many are active already, the first one first.
    pub inactive_work: VecDeque<ItemId>,
}

/// A stage of the guest kernel that runs on a vCPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GuestThen {
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
    /// Timers of tasks have expired; in the softirq, with interrupts on.
    Timers { softirq: bool },
    /// Call-function interrupt: enable asynchronous page faults on this vCPU.
    EnableApf,
    /// Call-function interrupt: write EN with an address that the host refuses.
    RefusedEn,
    /// Spinning, with interrupts on, until all other vCPUs have answered.
    CallWait,
    /// Call-function interrupt: answer this vCPU.
    Answer { to: VcpuId },
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
    /// Nothing more to do.
    Return,
}

/// A guest kernel stage with the work that is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub remaining: Cycles,
    pub then: GuestThen,
}

/// A second-stage fault that is being handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub gfn: Gfn,
    pub cpl: u8,
    pub interrupts_on: bool,
}

/// Which part of the guest has the vCPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Running {
    Nothing,
    Kernel,
    User,
}

/// An operation that a burst ran ahead, with what is needed to take it back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BurstOp {
    /// Start, in cycles since the epoch.
    pub start: Cycles,
    pub len: Cycles,
    /// Program position before it.
    pub pc: u32,
    pub tlb: Mark,
    /// Page of an access.
    pub page: Option<u64>,
    /// Frame that a walk found.
    pub walked: Option<Gfn>,
}

/// Whether a vCPU takes part in the guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hotplug {
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
    pub(crate) fn takes_tasks(self) -> bool {
        matches!(self, Self::Online | Self::Leaving)
    }
}

/// A virtual processor.
#[derive(Clone, Debug)]
pub(crate) struct Vcpu {
    pub thread: ThreadId,
    pub in_guest: bool,
    pub blocked: Option<(BlockReason, SimTime)>,
    /// For how long the thread polls in the next HLT.
    pub halt_poll: SimDuration,
    pub fault: Option<Fault>,
    /// [`World::invalidations`] when the mapping at hand began to be made.
    pub invalidations: u64,
    /// Guest kernel stages, the running one last.
    pub frames: Vec<Frame>,
    pub running: Running,
    /// Time of the last entry; guest mode counts cycles from there.
    pub epoch: SimTime,
    /// Cycles since the epoch at which the running stretch began.
    pub cycles: Cycles,
    /// Since when the time of the current task's own program is not yet reported.
    pub user_since: Option<SimTime>,
    pub burst: Vec<BurstOp>,
    pub tlb: Tlb,
    pub flush_tlb: bool,
    pub queue: RunQueue,
    pub need_resched: bool,
    /// HLT was left since the not-present handler executed it.
    pub hlt_over: bool,
    /// Since when the current task is not yet charged.
    pub charged_since: SimTime,
    /// Stalled and halted time since the last charge.
    pub stolen: SimDuration,
    pub timer: Option<(EventHandle, SimTime)>,
    pub tick_pending: bool,
    /// The event that the next entry delivers, or that was not delivered and is to be injected again.
    pub delivering: Option<u8>,
    /// Somebody wants something of the vCPU, or its processor, since the injection.
    pub cancel_entry: bool,
    /// The host has prepared what the next entry injects.
    pub injection_prepared: bool,
    /// An MSR write has taken effect and its exit is not over.
    pub in_msr_write: bool,
    /// The guest is about to arm its timer, which exits.
    pub arm_timer: bool,
    /// Interrupts to other vCPUs whose exits are still to be paid.
    pub ipi_exits_due: u32,
    pub reschedule_pending: bool,
    pub enable_pending: bool,
    /// A disturbance: the guest is to write EN with an address that the host refuses.
    pub refused_en_pending: bool,
    /// A disturbance: the next wake-all finds no memory.
    pub wake_all_fails: bool,
    /// vCPUs that wait for an answer of this one, the last one first.
    pub calls: Vec<VcpuId>,
    /// Answers that this vCPU waits for.
    pub answers_due: u32,
    /// Number of the tick period that was accounted last.
    pub tick_period: u64,
    /// Tick periods accounted so far.
    pub ticks: u64,
    /// Tasks whose wake-up waits for the next tick.
    pub delayed_wakes: Vec<TaskId>,
    /// Tasks whose timers have expired here and are to be handled.
    pub expired: Vec<TaskId>,
    pub hotplug: Hotplug,
    /// It is to start again as soon as it is offline.
    pub comes_back: bool,
    /// A system management interrupt waits, whose handler takes so long.
    pub smi_pending: Option<SimDuration>,
    /// The item for whose worker the thread waits.
    pub waits_for_worker: Option<ItemId>,
}

/// What a guest task is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskState {
    Runnable,
    Sleeping,
}

/// Where in the kernel a task's program is: all zero in user mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KernelMode {
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

/// What a task executes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// Writes every page of these regions once, then waits for ever at the barrier.
    Fill { regions: Vec<(crate::base::ids::RegionId, u64)>, at: usize, page: u64 },
    /// The operations of a task group, again and again.
    Loop { ops: Arc<Vec<Op>> },
}

/// A task of the guest.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub role: TaskRole,
    pub vcpu: VcpuId,
    pub state: TaskState,
    pub program: Program,
    pub pc: u32,
    /// Cycles left of the operation before `pc`.
    pub busy: Cycles,
    pub kernel: KernelMode,
    pub draws: Stream,
    /// Next page of a sequential walk.
    pub next_page: u64,
    /// Pages chosen by accesses that were taken back, the next one first.
    pub chosen: VecDeque<u64>,
    /// Cycles of counted work, and the units that were reported.
    pub counted: Cycles,
    pub reported: u64,
    /// The major fault that the task's next access has to end.
    pub major: Option<Gfn>,
    /// Guest kernel stages to go on with when it runs again.
    pub frames: Vec<Frame>,
}

impl World {
    /// Whether every page is filled and the tasks wait at the start barrier.
    pub fn at_barrier(&self) -> bool {
        self.prefill_done
    }

    /// Whether the run is over or cannot go on.
    pub fn is_over(&self) -> bool {
        self.finished || self.failure.is_some()
    }

    /// Makes clones cheap from here on.
    pub(crate) fn freeze(&mut self) {
        self.memory.freeze();
        self.tables.freeze();
        self.swap.freeze();
    }

    /// Whether nothing may happen before the driver has been asked: at the start barrier, where
    /// policies part, at the end, and when somebody waits for the records.
    pub(crate) fn must_stop(&self) -> bool {
        self.is_over() || (self.prefill_done && self.policy.is_none()) || self.trace.tap_is_full()
    }

    /// Why the machine cannot go on.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// The state invariants that were broken, as findings.
    pub(crate) fn state_findings(&self) -> Vec<Finding> {
        let known = super::run::known_violations(&self.apf.rules);
        let finding = |broken: &StateViolation| {
            let StateViolation { id, time, message, count, story } = broken.clone();
            let (id, first) = (id.parse().ok()?, Some(Witness { time, message, story }));
            let known = known.contains(&id);
            let verdict = if known { Verdict::of_known(id) } else { Verdict::Violation };
            Some(Finding { id, verdict, count, first })
        };
        self.broken.iter().filter_map(finding).collect()
    }

    pub(crate) fn new_request(&mut self, mut request: Request) -> Request {
        let id = self.free_requests.pop().unwrap_or_else(|| {
            self.requests.push(None);
            RequestId(self.requests.len() as u32 - 1)
        });
        request.id = id;
        self.requests[id.index()] = Some(request);
        request
    }
}
