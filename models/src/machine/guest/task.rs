//! A task of the guest: what it executes, and where in that it is.

use std::sync::Arc;

use sim_core::{Cycles, SimTime, Stream};

use super::choices::Choices;
use super::give_back::Discard;
use super::stage::Frame;
use crate::base::ids::{Gfn, GroupId, RegionId, VcpuId};
use crate::base::record::TaskRole;
use crate::config::{Op, Section};

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
