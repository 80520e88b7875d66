//! Tasks and their programs of operations, in user mode and in system calls: bursts that run ahead
//! of the event queue.
//!
//! A burst executes operations until one needs the host or the scheduler (a fault, a sleep); only
//! its end is queued. Whoever changes what a burst may have used takes the vCPU out of guest mode,
//! or cuts the burst, first: it goes back to a checkpoint, and hits that began before that instant are run
//! again. An access takes effect when it begins; the rest of its time is plain computing. With
//! skipping off a burst is one operation long, and nothing else differs.

use sim_core::{Cycles, EventQueue};

use super::ops::Begin;
use super::state::{Checkpoint, GuestCpu, Running};
use crate::base::ids::{TaskId, VcpuId};
use crate::machine::world::{Cx, Flow, Hypervisor, MachineEvent, thread_of};

/// Operations in a burst at most: enough that what a burst costs once does not matter, few enough that
/// its journal stays in the caches. A burst that is over has shown that the next one may be twice as long;
/// one that is cut, that it may not.
const BURST_OPS: u32 = 1024;

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
        if self.w.setup.policy.is_none() {
            self.touch_at_once(vcpu, task);
        }
        let now = self.now();
        // A task that is to be switched away looks for the occasion after each operation.
        let state = &mut self.w.guest.cpus[vcpu.index()];
        let ahead = self.w.setup.skip && !state.need_resched;
        let most = if ahead { state.burst.most } else { 1 };
        state.user_since.get_or_insert(now);
        state.burst.ops = 0;
        state.mmu.begin_burst();
        let begin = state.cycles;
        // Nothing beyond the next tick can survive it.
        let last = state.timer.map_or(Cycles(u64::MAX), |(_, at)| {
            begin + self.frequency.cycles_in(at.saturating_since(now))
        });
        let len = match self.begin_op(vcpu, task) {
            Begin::Takes(len) => len,
            Begin::Counts => {
                self.w.guest.cpus[vcpu.index()].running = Running::User;
                return Some(Flow::Stopped);
            }
            Begin::Left(flow) => return Some(flow),
            Begin::Reschedule => return None,
        };
        self.begin_burst(vcpu, task, begin, len);
        if most > 1 {
            self.run_ahead(vcpu, task, most, last);
        }
        let end = self.w.guest.cpus[vcpu.index()].burst.end;
        self.start_guest_stretch(vcpu, end.saturating_sub(begin), Running::User);
        Some(Flow::Stopped)
    }

    /// The first operation of a burst has begun.
    fn begin_burst(&mut self, vcpu: VcpuId, task: TaskId, began: Cycles, len: Cycles) {
        let GuestCpu { burst, mmu, walked, .. } = &mut self.w.guest.cpus[vcpu.index()];
        let state = &mut self.w.guest.tasks[task.index()];
        state.choices.begin_burst();
        let end = began + len;
        (burst.ops, burst.latest, burst.end) = (1, began, end);
        burst.most = (2 * burst.most).min(BURST_OPS);
        burst.checkpoints.clear();
        burst.checkpoints.push(Checkpoint {
            began,
            end,
            ops: 1,
            pc: state.pc,
            taken: 0,
            walked: walked.len() as u32,
            mmu: mmu.mark(),
        });
    }

    /// The burst is final: nothing is left to take back.
    pub(super) fn finish_burst(&mut self, vcpu: VcpuId) {
        self.note_vcpu_progress(vcpu);
        self.set_accessed_bits(vcpu);
        let state = &mut self.w.guest.cpus[vcpu.index()];
        state.burst.ops = 0;
        state.mmu.keep();
    }

    /// Sets the second-stage accessed bits of the walks of a burst, once each.
    fn set_accessed_bits(&mut self, vcpu: VcpuId) {
        let mut walked = std::mem::take(&mut self.w.guest.cpus[vcpu.index()].walked);
        if self.w.setup.has_accessed_bits() {
            self.set_accessed(vcpu, &walked);
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
        match state.burst.ops {
            // An empty burst is counted work.
            0 => task.counted += position.saturating_sub(state.cycles),
            _ => task.busy = state.burst.end.saturating_sub(position),
        }
        state.cycles = position;
        self.finish_burst(vcpu);
    }

    /// Takes back the operations of a burst that begin after this event in the total order; whether
    /// there were any.
    fn take_back(&mut self, vcpu: VcpuId) -> bool {
        let GuestCpu { burst, mmu, walked, queue, epoch, .. } =
            &mut self.w.guest.cpus[vcpu.index()];
        let Some(current) = queue.current.filter(|_| burst.ops > 1) else { return false };
        let step = MachineEvent::ThreadStep(thread_of(vcpu));
        let (epoch, frequency, key) = (*epoch, self.frequency, self.key);
        let begun = |start: Cycles| step.key(epoch + frequency.time_of(start)) < key;
        if begun(burst.latest) {
            return false;
        }
        // The last position at which an operation has begun by now; later ones lie beyond this instant.
        let mut last = frequency.cycles_in(key.time().saturating_since(epoch));
        while last > Cycles::ZERO && !begun(last) {
            last = last.saturating_sub(Cycles(1));
        }
        let whole = burst.ops;
        while burst.checkpoints.len() > 1
            && burst.checkpoints.last().is_some_and(|checkpoint| checkpoint.began > last)
        {
            burst.checkpoints.pop();
        }
        let Some(&checkpoint) = burst.checkpoints.last() else { return false };
        (burst.ops, burst.latest) = (checkpoint.ops, checkpoint.began);
        burst.end = checkpoint.end;
        mmu.undo_to(checkpoint.mmu);
        walked.truncate(checkpoint.walked as usize);
        let task = &mut self.w.guest.tasks[current as usize];
        task.pc = checkpoint.pc;
        task.choices.take_back_to(checkpoint.taken);
        self.run_ahead(vcpu, TaskId(current), whole, last);
        let burst = &mut self.w.guest.cpus[vcpu.index()].burst;
        burst.most = burst.ops;
        true
    }

    /// Makes memory what it is at this instant, before somebody looks at accessed bits or removes
    /// second-stage entries: bursts that ran ahead are cut, but their vCPUs stay in guest mode.
    pub(super) fn cut_bursts(&mut self) {
        for v in 0..self.w.guest.cpus.len() {
            let vcpu = VcpuId(v as u16);
            if self.w.guest.cpus[v].running != Running::User {
                continue;
            }
            if self.take_back(vcpu) {
                let state = &self.w.guest.cpus[v];
                let len = state.burst.end.saturating_sub(state.cycles);
                self.cancel_step(thread_of(vcpu));
                self.start_guest_stretch(vcpu, len, Running::User);
            }
            self.set_accessed_bits(vcpu);
        }
    }
}
