//! The operations of a task's program, one file each: what an operation does when it begins.
//!
//! An operation that only moves the position in the program and uses the TLB can begin ahead of its
//! time, as part of a burst; every other one ends the burst before it.

mod access;
mod ahead;
mod begin;
mod call_all;
mod compute;
mod control;
mod discard;
mod passes;
mod replay;
mod request;
mod serve;
mod sleep;
mod sync;
mod syscall;
mod yields;

use sim_core::{Cycles, EventQueue};

pub(super) use begin::Begin;

use super::task::Program;
use crate::base::ids::{TaskId, VcpuId};
use crate::config::{Op, Pattern};
use crate::machine::world::{Cx, MachineEvent};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Begins the task's next operation, or goes on with the rest of the one before it. The
    /// vCPU's position is now.
    pub(super) fn begin_op(&mut self, vcpu: VcpuId, task: TaskId) -> Begin {
        let busy = std::mem::take(&mut self.w.guest.tasks[task.index()].busy);
        if busy > Cycles::ZERO {
            return Begin::Takes(busy);
        }
        let Some(next) = self.current_op(task) else {
            self.w.filling -= 1;
            self.w.prefill_done = self.w.filling == 0;
            self.sleep_current(vcpu, task);
            return Begin::Reschedule;
        };
        match next {
            // It ends with what interrupts it.
            Op::Count { .. } => Begin::Counts,
            Op::Compute { span } => Begin::Takes(self.compute(task, span)),
            Op::Access { region, write, cost, .. } | Op::AccessBy { region, write, cost, .. } => {
                let gva = self.next_page(vcpu, task, region);
                let access = self.look_up(vcpu, gva, write);
                self.begin_access(vcpu, task, access, (write, cost))
            }
            Op::Replay { instruction, .. } => self.begin_replay(vcpu, task, instruction),
            Op::ComputeDrawn { law } => {
                let span = self.draw_time(task, law);
                Begin::Takes(self.compute(task, span))
            }
            Op::SleepDrawn { law } => {
                let span = self.draw_time(task, law);
                self.begin_sleep(vcpu, task, span)
            }
            Op::Sleep { span } => self.begin_sleep(vcpu, task, span),
            Op::CallAll => self.begin_call_all(vcpu, task),
            Op::Discard { region, first, pages } => {
                self.begin_discard(vcpu, task, (region, first, pages))
            }
            Op::Yield => self.begin_yield(vcpu, task),
            Op::SyscallEnter { cost } => self.enter_syscall(vcpu, task, cost),
            Op::SyscallExit => self.exit_syscall(vcpu, task),
            Op::SectionEnter { kind } => self.enter_section(task, kind),
            Op::SectionExit { kind } => self.exit_section(task, kind),
            Op::RequestEnter => self.begin_request(vcpu, task),
            Op::RequestExit => self.end_request(vcpu, task),
            Op::ServeEnter => self.begin_serve(vcpu, task),
            Op::Repeat { times, skip, slot } => self.begin_repeat(task, times, skip, slot),
            Op::RepeatDrawn { law, skip, slot } => self.begin_drawn_repeat(task, law, skip, slot),
            Op::Again { back, slot } => self.again(task, back, slot),
            Op::Once { flag, skip } => self.once(task, flag, skip),
            Op::Branch { part, whole, skip } => self.branch(task, part, whole, skip),
            Op::Jump { skip } => self.jump(task, skip),
            Op::Until { at, back } => self.until(task, at, back),
            Op::LockEnter { lock } => self.take_lock(vcpu, task, lock),
            Op::LockExit { lock } => self.give_lock(task, lock),
            Op::Barrier { barrier } => self.reach_barrier(vcpu, task, barrier),
            Op::Wait { semaphore } => self.lower(vcpu, task, semaphore),
            Op::Wake { semaphore, count } => self.raise(task, semaphore, count),
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
