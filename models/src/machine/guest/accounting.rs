//! Time and work of tasks, and the major faults that they wait for.

use sim_core::{Cycles, EventQueue};

use super::state::Running;
use super::task::Program;
use crate::base::ids::{Gfn, Gva, TaskId, VcpuId};
use crate::base::record::{Event, FaultPath};
use crate::config::Op;
use crate::machine::world::{Cx, Hypervisor, MachineEvent};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Cycles since the epoch that are over by now.
    pub(super) fn guest_cycles(&self, vcpu: VcpuId) -> Cycles {
        let state = &self.w.guest.cpus[vcpu.index()];
        self.frequency.cycles_in(self.now().since(state.epoch))
    }

    /// The vCPU is in guest mode from now on.
    pub(super) fn begin_epoch(&mut self, vcpu: VcpuId) {
        let now = self.now();
        let state = &mut self.w.guest.cpus[vcpu.index()];
        state.epoch = now;
        state.cycles = Cycles::ZERO;
        state.running = Running::Nothing;
        if !self.w.setup.config.cpu.translation.vpid {
            state.mmu.invalidate_vcpu();
        }
    }

    /// Reports the time of the current task, of its own program, since it was last reported.
    pub(super) fn end_user(&mut self, vcpu: VcpuId) {
        let current = self.w.guest.cpus[vcpu.index()].queue.current;
        self.end_user_of(vcpu, current);
    }

    /// Reports the time of a task, of its own program, since it was last reported; it may just
    /// have been switched away.
    pub(super) fn end_user_of(&mut self, vcpu: VcpuId, task: Option<u32>) {
        let now = self.now();
        let since = self.w.guest.cpus[vcpu.index()].user_since.take();
        let (Some(since), Some(task)) = (since, task.map(TaskId)) else { return };
        let span = now.since(since);
        if self.w.guest.tasks[task.index()].kernel.syscall {
            self.emit(Event::TaskKernelRun { vcpu, task, span });
        } else {
            self.emit(Event::TaskRun { vcpu, task, span });
            self.report_work(task);
        }
    }

    /// Reports the counted work of a task that is not reported yet.
    pub(super) fn report_work(&mut self, task: TaskId) {
        let hz = u128::from(self.frequency.hz());
        let state = &mut self.w.guest.tasks[task.index()];
        let Program::Loop { ops } = &state.program else { return };
        let Some(Op::Count { per_second }) = ops.get(state.pc as usize % ops.len()) else {
            return;
        };
        let units = u128::from(state.counted.0) * u128::from(*per_second) / hz;
        let units = u64::try_from(units).unwrap_or(u64::MAX);
        let fresh = units - state.reported;
        if fresh > 0 {
            state.reported = units;
            self.emit(Event::TaskWork { task, units: fresh });
        }
    }

    /// Reports user time and work up to now without disturbing what runs.
    pub(in crate::machine) fn checkpoint(&mut self, vcpu: VcpuId) {
        let now = self.now();
        let state = &mut self.w.guest.cpus[vcpu.index()];
        if state.running != Running::User {
            return;
        }
        if state.burst.ops == 0 {
            // Counted work: move the vCPU's position up to now.
            let position = self.guest_cycles(vcpu);
            let state = &mut self.w.guest.cpus[vcpu.index()];
            if let Some(current) = state.queue.current {
                self.w.guest.tasks[current as usize].counted +=
                    position.saturating_sub(state.cycles);
            }
            state.cycles = position;
        }
        self.end_user(vcpu);
        self.w.guest.cpus[vcpu.index()].user_since = Some(now);
    }

    /// The access that was waiting for its pages has gone through.
    pub(super) fn retire_majors(&mut self, vcpu: VcpuId, task: TaskId, gva: Gva) {
        for gfn in std::mem::take(&mut self.w.guest.tasks[task.index()].majors) {
            let tables = &self.w.guest.tables[self.w.setup.vm(vcpu).index()];
            let is_on_its_way = tables.translate(gva) == Some(gfn)
                || tables.tables_of(gva).iter().any(|&(_, table)| table == gfn);
            if !is_on_its_way && !self.is_past(vcpu, gfn) {
                self.emit(Event::MajorFaultMoved { vcpu, task, gfn });
            }
            self.emit(Event::MajorFaultEnd { vcpu, task, gfn });
        }
    }

    /// The current task has got past a frame, if it was waiting for it.
    pub(super) fn pass_major(&mut self, vcpu: VcpuId, gfn: Gfn) {
        let Some(task) = self.w.guest.current(vcpu) else { return };
        let majors = &mut self.w.guest.tasks[task.index()].majors;
        if let Some(place) = majors.iter().position(|&major| major == gfn) {
            majors.remove(place);
            self.emit(Event::MajorFaultEnd { vcpu, task, gfn });
        }
    }

    /// The access of a task stops at a frame, or at nothing but a missing entry: it has got past the
    /// others that are there, and no longer waits for them.
    pub(super) fn pass_majors_but(&mut self, vcpu: VcpuId, task: TaskId, at: Option<Gfn>) {
        for gfn in self.w.guest.tasks[task.index()].majors.clone() {
            if Some(gfn) != at && self.is_past(vcpu, gfn) {
                self.w.guest.tasks[task.index()].majors.retain(|&major| major != gfn);
                self.emit(Event::MajorFaultEnd { vcpu, task, gfn });
            }
        }
    }

    /// The access of the current task needs I/O; reported once, however often it exits.
    pub(super) fn begin_major_of_current(&mut self, vcpu: VcpuId, gfn: Gfn, path: FaultPath) {
        let Some(task) = self.w.guest.current(vcpu) else { return };
        let majors = &mut self.w.guest.tasks[task.index()].majors;
        if !majors.contains(&gfn) {
            majors.push(gfn);
            self.emit(Event::MajorFaultBegin { vcpu, task, gfn, path });
        }
    }
}
