//! Runs that would go on for ever: what is looked out for, and who is named.
//!
//! All bounds are counts of what happens against simulated time and against the progress of
//! programs, so that a run stops at the same event on every machine, ahead or stepped:
//!
//! - **An event beyond [`END_OF_TIME`]** stops the run when it is scheduled, where its cause is
//!   known. Sums of spans do not wrap, they stay at the end of the range, which lies beyond.
//! - **An instant without end**: an event that causes others at its own time, 255 deep.
//! - **A thread that spins**: [`SPIN_STEPS`] steps, each of less than [`SPIN_STEP`] on average,
//!   between which no task of the vCPU ran, and the worker began no item. A turn of the vCPU's loop
//!   has several steps. An exit and an entry alone take a real processor a microsecond, so that a
//!   vCPU that spins there for minutes is left alone.
//! - **A thread that is only interrupted**: [`SPIN_STEPS`] interrupts, and no less left to do.
//! - **A prefill without end**: [`PREFILL_STEPS`] steps, and no page more is filled.

use std::fmt;

use sim_core::{EventQueue, SimDuration, SimTime};

use super::Cx;
use super::event::MachineEvent;
use super::world::{Failure, Then, ThreadKind, World};
use crate::base::ids::{TaskId, ThreadId, VcpuId};
use crate::base::record::IoKind;

/// Nothing happens so late: a hundred days after power-on. An experiment of a day, after a day of
/// warm-up and whatever its prefill takes, is over long before.
pub const END_OF_TIME: SimTime =
    SimTime::from_ps(SimDuration::from_secs(END_DAYS * 24 * 60 * 60).as_ps());
const END_DAYS: u64 = 100;
/// Steps of a thread after which it is asked how much time they took.
pub const SPIN_STEPS: u32 = 1 << 20;
/// With less than this for a step it spins.
pub const SPIN_STEP: SimDuration = SimDuration::from_ns(20);
/// Steps of the prefill from one page to the next. A page may take a second, and the host's tick
/// may come every microsecond: three steps each.
pub const PREFILL_STEPS: u32 = 1 << 24;

/// How far a thread has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Steps since its task ran, or it began an item.
    steps: u32,
    since: SimTime,
    /// Interrupts of a stretch of work, and what was left of that before the first.
    interrupts: u32,
    left: SimDuration,
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The thread gets on: a task of its vCPU has run, or it begins an item.
    pub(crate) fn gets_on(&mut self, thread: ThreadId) {
        let since = self.now();
        let progress = &mut self.w.threads[thread.index()].progress;
        (progress.steps, progress.since) = (0, since);
        self.w.prefill_steps = 0;
    }

    /// As [`Self::gets_on`], for the thread of a vCPU.
    pub(crate) fn vcpu_gets_on(&mut self, vcpu: VcpuId) {
        self.gets_on(self.w.vcpus[vcpu.index()].thread);
    }

    /// Counts a step of a thread. False: there have been too many.
    pub(crate) fn count_step(&mut self, thread: ThreadId, then: Then) -> bool {
        let time = self.now();
        let progress = &mut self.w.threads[thread.index()].progress;
        progress.interrupts = 0;
        progress.steps += 1;
        let Progress { steps, since, .. } = *progress;
        if self.w.policy.is_none() {
            self.w.prefill_steps += 1;
            if self.w.prefill_steps >= PREFILL_STEPS {
                let who = self.w.thread_name(thread);
                return self.fail(Failure::PrefillWithoutEnd { time, who, doing: then.doing() });
            }
        }
        if steps < SPIN_STEPS {
            return true;
        }
        if time.saturating_since(since) < SPIN_STEP.times(SPIN_STEPS.into()) {
            let who = self.w.thread_name(thread);
            return self.fail(Failure::Spins { time, since, who, doing: then.doing() });
        }
        let progress = &mut self.w.threads[thread.index()].progress;
        (progress.steps, progress.since) = (0, time);
        true
    }

    /// Counts an interrupt of a stretch of work of which so much is left.
    pub(crate) fn count_interrupt(&mut self, thread: ThreadId, left: SimDuration) {
        let time = self.now();
        let state = &mut self.w.threads[thread.index()];
        let (progress, doing) = (&mut state.progress, state.then.doing());
        if progress.interrupts == 0 {
            progress.left = left;
        }
        progress.interrupts += 1;
        if progress.interrupts < SPIN_STEPS {
            return;
        }
        progress.interrupts = 0;
        if left >= progress.left {
            let who = self.w.thread_name(thread);
            self.fail(Failure::Starved { time, who, doing });
        }
    }

    /// The run cannot go on; what came first is told. False, for callers that ask.
    pub(crate) fn fail(&mut self, failure: Failure) -> bool {
        self.w.failure.get_or_insert(failure);
        false
    }

    /// An event that lies beyond the end of time.
    pub(super) fn beyond_time(&mut self, event: MachineEvent) {
        let (time, what) = (self.now(), self.w.event_name(event));
        self.fail(Failure::BeyondTime { time, what });
    }
}

impl World {
    pub(super) fn thread_name(&self, thread: ThreadId) -> String {
        match self.threads[thread.index()].kind {
            ThreadKind::Vcpu(vcpu) => match self.vcpus[vcpu.index()].queue.current {
                Some(task) => format!("{vcpu}, which runs {},", self.task_name(TaskId(task))),
                None => format!("{vcpu}"),
            },
            ThreadKind::Worker(worker) => format!("{worker}"),
        }
    }

    /// A task with the group that it is of.
    fn task_name(&self, task: TaskId) -> String {
        let groups = &self.config.workload.tasks;
        // The main task is there if anything is filled.
        let filled = self.config.workload.regions.iter().any(|region| region.prefill);
        let Some(mut number) = task.0.checked_sub(u32::from(filled)) else {
            return format!("{task} (prefill)");
        };
        for group in groups {
            match number.checked_sub(group.count) {
                None => return format!("{task} ({})", group.name),
                Some(rest) => number = rest,
            }
        }
        format!("{task}")
    }

    pub(super) fn event_name(&self, event: MachineEvent) -> String {
        match event {
            MachineEvent::ThreadStep(thread) => {
                let doing = self.threads[thread.index()].then.doing();
                format!("work of {} ({doing})", self.thread_name(thread).trim_end_matches(','))
            }
            MachineEvent::DeviceComplete(id) => {
                let request = self.requests.get(id.index()).copied().flatten();
                match request.map(|request| request.op) {
                    Some(IoKind::Write) => "a write of the swap device (`host.swap.device`)".into(),
                    _ => "a read of the swap device (`host.swap.device`)".into(),
                }
            }
            MachineEvent::RequestDone(_) => "the interrupt of a request".into(),
            MachineEvent::ItemRead(item) => format!("the interrupt that completes {item}"),
            MachineEvent::TaskTimer(task) => format!("the sleep of {}", self.task_name(task)),
            MachineEvent::DelayedWake(task) => format!("the wake-up of {}", self.task_name(task)),
            MachineEvent::VcpuTimer(vcpu) => format!("the timer of {vcpu}"),
            MachineEvent::HostTick(pcpu) => format!("the tick of {pcpu}"),
            MachineEvent::Disturb(index) => format!("disturbance {index}"),
            MachineEvent::MapWritten => "a change of the memory map".into(),
            MachineEvent::ThrottleWindow => "a window of write-back throttling".into(),
            MachineEvent::Phase(phase) => format!("the phase {phase:?}"),
            MachineEvent::Barrier => "the start barrier".into(),
        }
    }
}

impl Then {
    /// What the thread does, for messages.
    pub(crate) fn doing(self) -> &'static str {
        match self {
            Self::Enter | Self::EnterInjected => "entering the guest",
            Self::InGuest => "in guest mode",
            Self::FaultLookup => "looking a page up",
            Self::FaultTry | Self::SetupStep => "setting up an asynchronous fault",
            Self::MapFault | Self::PrefaultMap(_) => "mapping a page",
            Self::TurnEnd => "looking for completed items",
            Self::Deliver => "delivering page ready",
            Self::HaltPoll => "polling in HLT",
            Self::Unblocked => "waking up",
            Self::WriteEn | Self::WriteAck | Self::ClearEn | Self::RefusedEn => {
                "handling an MSR write"
            }
            Self::SendCalls => "sending interrupts to other vCPUs",
            Self::ArmTimer => "arming the guest's timer",
            Self::LeaveSmm => "leaving system management mode",
            Self::WorkBegin => "looking for work",
            Self::WorkStep(_) => "completing an item",
            Self::Fetch | Self::FetchAwake(_) => "fetching a page",
            Self::FetchSubmit | Self::FetchCopied => "submitting a read",
            Self::FetchPoll => "polling the swap device",
            Self::ReclaimDone => "reclaiming memory",
        }
    }
}

/// The instant that nothing may lie beyond, for messages.
pub(super) struct EndOfTime;

impl fmt::Display for EndOfTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{END_DAYS} days")
    }
}
