//! Tasks and their programs of operations, in user mode and in system calls: bursts that run ahead
//! of the event queue.
//!
//! A burst executes operations until one needs the host or the scheduler (a fault, a sleep); only
//! its end is queued. Whoever changes what a burst may have used takes the vCPU out of guest mode,
//! or cuts the burst, first: operations that begin after that instant are taken back from the
//! journal. An access takes effect when it begins; the rest of its time is plain computing. With
//! skipping off a burst is one operation long, and nothing else differs.

use sim_core::{Cycles, EventQueue};

use super::ops::Begin;
use super::state::Running;
use crate::base::ids::{TaskId, VcpuId};
use crate::machine::world::{Cx, Flow, Hypervisor, MachineEvent, thread_of};

/// Operations in a burst at most: few enough that the journal stays in the first-level cache. A burst
/// that is over has shown that the next one may be twice as long; one that is cut, that it may not.
const BURST_OPS: usize = 256;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Schedules the end of a guest stretch of so many cycles from the vCPU's position.
    pub(super) fn start_guest_stretch(&mut self, vcpu: VcpuId, len: Cycles, running: Running) {
        let state = &mut self.w.guest.cpus[vcpu.index()];
        state.running = running;
        let end = state.epoch + self.frequency.time_of(state.cycles + len);
        self.schedule_step(thread_of(vcpu), end);
    }

    /// Runs the current task's program from the vCPU's position on: the operation that begins now,
    /// and as many of the following ones as can run ahead. None: the guest has to look again what
    /// to do next.
    pub(super) fn user_run(&mut self, vcpu: VcpuId, task: TaskId) -> Option<Flow> {
        let now = self.now();
        // A task that is to be switched away looks for the occasion after each operation.
        let ahead = self.w.setup.skip && !self.w.guest.cpus[vcpu.index()].need_resched;
        let most = if ahead { self.w.guest.cpus[vcpu.index()].burst_most } else { 1 };
        let state = &mut self.w.guest.cpus[vcpu.index()];
        state.user_since.get_or_insert(now);
        state.burst.clear();
        state.mmu.begin_burst();
        let begin = state.cycles;
        // Nothing beyond the next tick can survive it.
        let horizon =
            state.timer.map(|(_, at)| begin + self.frequency.cycles_in(at.saturating_since(now)));
        let first = match self.begin_op(vcpu, task, begin) {
            Begin::Takes(op) => op,
            Begin::Counts => {
                self.w.guest.cpus[vcpu.index()].running = Running::User;
                return Some(Flow::Stopped);
            }
            Begin::Left(flow) => return Some(flow),
            Begin::Reschedule => return None,
        };
        let mut at = begin + first.len;
        let state = &mut self.w.guest.cpus[vcpu.index()];
        state.burst.push(first);
        state.burst_most = (2 * state.burst_most).min(BURST_OPS);
        loop {
            at = self.run_hits(vcpu, task, at, (most, horizon));
            if self.w.guest.cpus[vcpu.index()].burst.len() >= most
                || horizon.is_some_and(|horizon| at > horizon)
            {
                break;
            }
            let Some(op) = self.run_ahead(vcpu, task, at) else { break };
            at += op.len;
            self.w.guest.cpus[vcpu.index()].burst.push(op);
        }
        self.start_guest_stretch(vcpu, at.saturating_sub(begin), Running::User);
        Some(Flow::Stopped)
    }

    /// The burst is final: nothing is left to take back.
    pub(super) fn finish_burst(&mut self, vcpu: VcpuId) {
        self.note_vcpu_progress(vcpu);
        self.set_accessed_bits(vcpu);
        let state = &mut self.w.guest.cpus[vcpu.index()];
        state.burst.clear();
        state.mmu.keep();
    }

    /// Sets the second-stage accessed bits of the walks of a burst, once each.
    fn set_accessed_bits(&mut self, vcpu: VcpuId) {
        let mut walked = std::mem::take(&mut self.w.guest.cpus[vcpu.index()].walked);
        if self.w.setup.config.cpu.ept_accessed_dirty {
            for &gfn in &walked {
                self.set_accessed(vcpu, gfn);
            }
        }
        walked.clear();
        self.w.guest.cpus[vcpu.index()].walked = walked;
    }

    /// Cuts the current burst at this event: operations that have not begun are taken back, and
    /// the one under way keeps the rest of its time.
    pub(super) fn cut_burst(&mut self, vcpu: VcpuId) {
        let position = self.guest_cycles(vcpu);
        self.take_back(vcpu);
        let state = &mut self.w.guest.cpus[vcpu.index()];
        let Some(current) = state.queue.current else { return };
        let task = &mut self.w.guest.tasks[current as usize];
        match state.burst.last() {
            Some(op) => task.busy = (op.start + op.len).saturating_sub(position),
            // An empty burst is counted work.
            None => task.counted += position.saturating_sub(state.cycles),
        }
        state.cycles = position;
        self.finish_burst(vcpu);
    }

    /// Undoes the operations of a burst that begin after this event in the total order.
    fn take_back(&mut self, vcpu: VcpuId) {
        let state = &mut self.w.guest.cpus[vcpu.index()];
        let Some(current) = state.queue.current else { return };
        let task = &mut self.w.guest.tasks[current as usize];
        let step = MachineEvent::ThreadStep(thread_of(vcpu));
        let begun = state.burst.len();
        while state.burst.len() > 1 {
            let Some(op) = state.burst.last() else { break };
            let begins = state.epoch + self.frequency.time_of(op.start);
            if step.key(begins) < self.key {
                break;
            }
            let op = *op;
            state.burst.pop();
            state.mmu.undo_to(op.mmu);
            state.walked.truncate(op.walked as usize);
            task.pc = op.pc;
            if let Some(page) = op.page {
                task.chosen.push_front(page);
            }
        }
        if state.burst.len() < begun {
            state.burst_most = (2 * state.burst.len()).min(BURST_OPS);
        }
    }

    /// Makes memory what it is at this instant, before somebody looks at accessed bits or removes
    /// second-stage entries: bursts that ran ahead are cut, but their vCPUs stay in guest mode.
    pub(super) fn cut_bursts(&mut self) {
        for v in 0..self.w.guest.cpus.len() {
            let vcpu = VcpuId(v as u16);
            if self.w.guest.cpus[v].running != Running::User {
                continue;
            }
            if self.w.guest.cpus[v].burst.len() > 1 {
                self.take_back(vcpu);
                let state = &self.w.guest.cpus[v];
                let Some(op) = state.burst.last() else { continue };
                let len = (op.start + op.len).saturating_sub(state.cycles);
                self.cancel_step(thread_of(vcpu));
                self.start_guest_stretch(vcpu, len, Running::User);
            }
            self.set_accessed_bits(vcpu);
        }
    }
}
