//! The operations of a task's program, one file each: what an operation does when it begins.
//!
//! An operation that only moves the position in the program and uses the TLB can begin ahead of its
//! time, as part of a burst; every other one ends the burst before it.

mod access;
mod begin;
mod call_all;
mod compute;
mod passes;
mod request;
mod sleep;
mod syscall;
mod yields;

use sim_core::{Cycles, EventQueue};

pub(super) use begin::Begin;

use super::state::{BurstOp, Program};
use crate::base::ids::{TaskId, VcpuId};
use crate::config::{Op, Pattern};
use crate::machine::world::{Cx, MachineEvent};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// An operation of the task's program at a position of the vCPU.
    fn op_at(&self, vcpu: VcpuId, task: TaskId, at: Cycles) -> BurstOp {
        BurstOp {
            start: at,
            len: Cycles::ZERO,
            pc: self.w.guest.tasks[task.index()].pc,
            mmu: self.w.guest.cpus[vcpu.index()].mmu.mark(),
            page: None,
            walked: self.w.guest.cpus[vcpu.index()].walked.len() as u32,
        }
    }

    /// The task's next operation if it can begin later than now, at a position of the vCPU.
    ///
    /// It has not begun: something may come between. So this changes nothing but what
    /// [`Self::take_back`] undoes: the position in the program and the TLB; and the choice of a
    /// page, which stays. What else an operation does when it begins is [`Self::begin_op`]'s alone,
    /// and one that needs that, or needs somebody else, ends the burst before it.
    pub(super) fn run_ahead(&mut self, vcpu: VcpuId, task: TaskId, at: Cycles) -> Option<BurstOp> {
        if matches!(self.w.guest.tasks[task.index()].program, Program::Fill { .. }) {
            // Its next page was never touched: the access exits.
            return None;
        }
        let op = self.op_at(vcpu, task, at);
        match self.current_op(task)? {
            Op::Compute { span } => Some(self.compute(task, span, op)),
            Op::Access { region, pattern, write, cost } => {
                let access = self.look_up(vcpu, task, region, (pattern, write));
                self.hit(task, access, cost, op)
            }
            // All others do more than move on and use the TLB, or change the mode: a burst is in one.
            _ => None,
        }
    }

    /// Begins the task's next operation, or goes on with the rest of the one before it. The
    /// vCPU's position is now.
    pub(super) fn begin_op(&mut self, vcpu: VcpuId, task: TaskId, at: Cycles) -> Begin {
        let mut op = self.op_at(vcpu, task, at);
        op.len = std::mem::take(&mut self.w.guest.tasks[task.index()].busy);
        if op.len > Cycles::ZERO {
            return Begin::Takes(op);
        }
        let Some(next) = self.current_op(task) else {
            self.w.prefill_done = true;
            self.sleep_current(vcpu, task);
            return Begin::Reschedule;
        };
        match next {
            // It ends with what interrupts it.
            Op::Count { .. } => Begin::Counts,
            Op::Compute { span } => Begin::Takes(self.compute(task, span, op)),
            Op::Access { region, pattern, write, cost } => {
                let access = self.look_up(vcpu, task, region, (pattern, write));
                self.begin_access(vcpu, task, access, (write, cost), op)
            }
            Op::Sleep { span } => self.begin_sleep(vcpu, task, span),
            Op::CallAll => self.begin_call_all(vcpu, task),
            Op::Yield => self.begin_yield(vcpu, task),
            Op::SyscallEnter { cost } => self.enter_syscall(vcpu, task, cost, op),
            Op::SyscallExit => self.exit_syscall(vcpu, task),
            Op::SectionEnter { kind } => self.enter_section(task, kind),
            Op::SectionExit { kind } => self.exit_section(task, kind),
            Op::RequestEnter => self.begin_request(vcpu, task),
            Op::RequestExit => self.end_request(vcpu, task),
            Op::EndPass { passes } => self.end_pass(vcpu, task, passes),
        }
    }

    /// The operation that the task's program is at. None: a program that fills memory is through.
    fn current_op(&mut self, task: TaskId) -> Option<Op> {
        let state = &mut self.w.guest.tasks[task.index()];
        match &mut state.program {
            Program::Loop { ops } => {
                if state.pc as usize >= ops.len() {
                    state.pc = 0;
                }
                Some(ops[state.pc as usize])
            }
            Program::Fill { regions, at, page } => {
                let &(region, pages) = regions.get(*at)?;
                if *page == pages {
                    (*at, *page) = (*at + 1, 0);
                    return self.current_op(task);
                }
                let cost = self.w.setup.prices.zero_page.time;
                Some(Op::Access { region, pattern: Pattern::Sequential, write: true, cost })
            }
        }
    }
}
