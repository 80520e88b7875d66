//! A vCPU goes offline and comes back (`kvm_guest_cpu_offline`, `kvm_cpu_online`).
//!
//! The work is done in the place of a task, as the kernel's stopper and hotplug threads do it:
//! when the vCPU may switch tasks. A waiter in HLT keeps its vCPU online until it is woken.

use sim_core::{Cycles, EventQueue, SimDuration};

use crate::apf::{Decision, GuestInput, HostInput};
use crate::base::ids::{TaskId, VcpuId};
use crate::base::record::{Event, ExitReason};
use crate::machine::Cx;
use crate::machine::event::MachineEvent;
use crate::machine::host::scheduler::Flow;
use crate::machine::world::{Frame, GuestThen, Hotplug, TaskState, Then};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Somebody asks a vCPU to go offline; the last one stays.
    pub(crate) fn ask_offline(&mut self, vcpu: VcpuId) {
        let stays = |v: &usize| *v != vcpu.index() && self.w.vcpus[*v].hotplug == Hotplug::Online;
        let others = (0..self.w.vcpus.len()).filter(stays).count();
        self.w.vcpus[vcpu.index()].comes_back = false;
        if others > 0 && self.w.vcpus[vcpu.index()].hotplug == Hotplug::Online {
            self.w.vcpus[vcpu.index()].hotplug = Hotplug::Leaving;
            self.ask_resched(vcpu);
        }
    }

    /// The place of a task is free: the vCPU begins to go offline, if it was asked to.
    pub(crate) fn begin_offline(&mut self, vcpu: VcpuId, sleeps: bool) -> bool {
        let params = &self.w.config.guest.sched;
        let state = &mut self.w.vcpus[vcpu.index()];
        if state.hotplug != Hotplug::Leaving {
            return false;
        }
        state.hotplug = Hotplug::Left;
        state.queue.give_up(sleeps, &mut self.w.task_entities, params);
        let cost = self.w.prices.guest_switch.cycles;
        self.push_frame(vcpu, cost, GuestThen::NoticesOff);
        true
    }

    /// Switches notices off, if they are on; the vCPU's sleepers are woken afterwards.
    pub(crate) fn notices_off(&mut self, vcpu: VcpuId) -> Option<Flow> {
        self.push_frame(vcpu, Cycles::ZERO, GuestThen::Depart);
        if !self.w.apf.vcpu(vcpu).enabled() {
            return None;
        }
        let cost = self.w.prices.exit_light.time;
        Some(self.leave_guest(vcpu, ExitReason::MsrWrite, cost, Then::ClearEn))
    }

    /// The guest writes zero to the EN register. Items are dropped, for which the thread may have
    /// to wait.
    pub(crate) fn clear_en(&mut self, vcpu: VcpuId) -> Flow {
        let outcome = self.protocol(HostInput::WriteEn { vcpu, value: 0 });
        if outcome.decision == Some(Decision::Continue) {
            return self.next_section(vcpu, outcome.wait_worker);
        }
        Flow::Spend(SimDuration::ZERO, Then::TurnEnd)
    }

    /// Wakes the vCPU's own sleepers, gives its tasks to others, and waits to be started again.
    pub(crate) fn depart(&mut self, vcpu: VcpuId) {
        self.protocol(GuestInput::SetEnabled { vcpu, on: false });
        self.protocol(GuestInput::WakeOwn { vcpu });
        for task in std::mem::take(&mut self.w.vcpus[vcpu.index()].delayed_wakes) {
            self.wake_task(task);
        }
        self.wake_expired(vcpu);
        // What was called while interrupts were off is answered before it is too late.
        for to in std::mem::take(&mut self.w.vcpus[vcpu.index()].calls) {
            self.answer(to);
        }
        let params = &self.w.config.guest.sched;
        let queue = &mut self.w.vcpus[vcpu.index()].queue;
        queue.dismiss_delayed(&mut self.w.task_entities, params);
        let waiting: Vec<u32> = queue.waiting(&self.w.task_entities).collect();
        for id in waiting {
            self.move_to_idlest(TaskId(id), vcpu);
        }
        if let Some((handle, _)) = self.w.vcpus[vcpu.index()].timer.take() {
            self.queue.cancel(handle);
        }
        let state = &mut self.w.vcpus[vcpu.index()];
        (state.tick_pending, state.arm_timer, state.reschedule_pending) = (false, false, false);
        state.refused_en_pending = false;
        state.hotplug = Hotplug::Offline;
        self.emit(Event::GuestCpuOffline { vcpu });
        self.push_frame(vcpu, Cycles::ZERO, GuestThen::Offline);
    }

    /// The vCPU is offline: it stays so unless it was asked to come back meanwhile.
    pub(crate) fn stays_offline(&mut self, vcpu: VcpuId) -> bool {
        if std::mem::take(&mut self.w.vcpus[vcpu.index()].comes_back) {
            self.ask_online(vcpu);
        }
        self.w.vcpus[vcpu.index()].hotplug == Hotplug::Offline
    }

    /// The online vCPU with the fewest tasks.
    pub(crate) fn idlest(&self) -> Option<VcpuId> {
        let online = |v: &usize| self.w.vcpus[*v].hotplug.takes_tasks();
        let vcpus = (0..self.w.vcpus.len()).filter(online);
        vcpus.min_by_key(|&v| (self.w.vcpus[v].queue.running(), v)).map(|v| VcpuId(v as u16))
    }

    fn move_to_idlest(&mut self, task: TaskId, from: VcpuId) {
        let Some(to) = self.idlest() else { return };
        self.migrate_waiting(task, from, to);
        self.emit(Event::GuestMigrateTask { task, from, to });
        self.ask_resched(to);
    }

    /// A waking task whose vCPU has left goes elsewhere (`select_fallback_rq`).
    pub(crate) fn vcpu_to_wake_on(&mut self, task: TaskId) -> VcpuId {
        let vcpu = self.w.tasks[task.index()].vcpu;
        if self.w.vcpus[vcpu.index()].hotplug.takes_tasks() {
            return vcpu;
        }
        debug_assert_eq!(self.w.tasks[task.index()].state, TaskState::Sleeping);
        let Some(to) = self.idlest() else { return vcpu };
        let params = &self.w.config.guest.sched;
        let entities = &mut self.w.task_entities;
        let (here, there) = (&self.w.vcpus[vcpu.index()].queue, &self.w.vcpus[to.index()].queue);
        here.rebase(there, task.0, entities, params);
        self.w.tasks[task.index()].vcpu = to;
        self.emit(Event::GuestMigrateTask { task, from: vcpu, to });
        to
    }

    /// Another vCPU starts one that is offline: it is reset, boots, and switches its notices on.
    pub(crate) fn ask_online(&mut self, vcpu: VcpuId) {
        let state = &mut self.w.vcpus[vcpu.index()];
        match state.hotplug {
            Hotplug::Online => return,
            Hotplug::Leaving => {
                state.hotplug = Hotplug::Online;
                return;
            }
            // It has to be off first.
            Hotplug::Left => {
                state.comes_back = true;
                return;
            }
            // The reset would have to wait for workers: what the vCPU asked for comes first.
            Hotplug::Offline if self.w.apf.vcpu(vcpu).queued > 0 => {
                state.comes_back = true;
                return;
            }
            Hotplug::Offline => {}
        }
        state.hotplug = Hotplug::Online;
        state.frames.retain(|Frame { then, .. }| *then != GuestThen::Offline);
        let reset = self.protocol(HostInput::Reset { vcpu });
        debug_assert_ne!(reset.decision, Some(Decision::Continue), "no item is left");
        self.protocol(HostInput::SetPaging { vcpu, on: true });
        self.protocol(HostInput::SetLapic { vcpu, enabled: true });
        self.emit(Event::GuestCpuOnline { vcpu });
        let enables = self.w.policy.as_ref().is_some_and(|policy| policy.guest_enabled);
        let state = &mut self.w.vcpus[vcpu.index()];
        (state.enable_pending, state.reschedule_pending) = (enables, true);
        self.interrupt(vcpu);
    }
}
