//! A vCPU goes offline and comes back (`kvm_guest_cpu_offline`, `kvm_cpu_online`).
//!
//! The work is done in the place of a task, as the kernel's stopper and hotplug threads do it:
//! when the vCPU may switch tasks. A waiter in HLT keeps its vCPU online until it is woken.

use sim_core::{Cycles, EventQueue};

use super::stage::{Frame, GuestThen};
use super::state::Hotplug;
use crate::base::ids::{TaskId, VcpuId};
use crate::base::record::Event;
use crate::machine::world::{Cx, Flow, GuestExit, Hypervisor, MachineEvent};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Somebody asks a vCPU to go offline; the last one stays.
    pub(in crate::machine) fn ask_offline(&mut self, vcpu: VcpuId) {
        let stays =
            |v: &VcpuId| *v != vcpu && self.w.guest.cpus[v.index()].hotplug == Hotplug::Online;
        let others = self.w.setup.vcpus_of(self.w.setup.vm(vcpu)).filter(stays).count();
        self.w.guest.cpus[vcpu.index()].comes_back = false;
        if others > 0 && self.w.guest.cpus[vcpu.index()].hotplug == Hotplug::Online {
            self.w.guest.cpus[vcpu.index()].hotplug = Hotplug::Leaving;
            self.ask_resched(vcpu);
        }
    }

    /// Switches notices off, if they are on; the vCPU's sleepers are woken afterwards.
    pub(super) fn notices_off(&mut self, vcpu: VcpuId) -> Option<Flow> {
        self.push_frame(vcpu, Cycles::ZERO, GuestThen::Depart);
        if !self.w.protocol.apf(vcpu).vcpu(vcpu).enabled() {
            return None;
        }
        Some(self.exit(vcpu, GuestExit::ClearEn))
    }

    /// Wakes the vCPU's own sleepers, gives its tasks to others, and waits to be started again.
    pub(super) fn depart(&mut self, vcpu: VcpuId) {
        self.note_notices(vcpu, false);
        self.wake_own(vcpu);
        for task in std::mem::take(&mut self.w.guest.cpus[vcpu.index()].delayed_wakes) {
            self.wake_task(task);
        }
        self.wake_expired(vcpu);
        // What was called while interrupts were off is answered before it is too late.
        for call in std::mem::take(&mut self.w.guest.cpus[vcpu.index()].calls) {
            self.answer_call(vcpu, call);
        }
        for work in std::mem::take(&mut self.w.guest.cpus[vcpu.index()].driver_work) {
            self.post_to_driver(self.w.setup.vm(vcpu), work);
        }
        let params = &self.w.setup.guest(vcpu).sched;
        let queue = &mut self.w.guest.cpus[vcpu.index()].queue;
        queue.dismiss_delayed(&mut self.w.guest.entities, params);
        let waiting: Vec<u32> = queue.waiting(&self.w.guest.entities).collect();
        let now = self.now();
        self.w.guest.note_load(now, vcpu);
        for id in waiting {
            self.move_to_idlest(TaskId(id), vcpu);
        }
        if let Some((handle, _)) = self.w.guest.cpus[vcpu.index()].timer.take() {
            self.queue.cancel(handle);
        }
        let state = &mut self.w.guest.cpus[vcpu.index()];
        (state.tick_pending, state.arm_timer, state.reschedule_pending) = (false, false, false);
        state.refused_en_pending = false;
        state.hotplug = Hotplug::Offline;
        self.emit(Event::GuestCpuOffline { vcpu });
        self.push_frame(vcpu, Cycles::ZERO, GuestThen::Offline);
    }

    /// The vCPU is offline: it stays so unless it was asked to come back meanwhile.
    pub(super) fn stays_offline(&mut self, vcpu: VcpuId) -> bool {
        if std::mem::take(&mut self.w.guest.cpus[vcpu.index()].comes_back) {
            self.ask_online(vcpu);
        }
        self.w.guest.cpus[vcpu.index()].hotplug == Hotplug::Offline
    }

    fn move_to_idlest(&mut self, task: TaskId, from: VcpuId) {
        let Some(to) = self.idlest(self.w.setup.vm(from)) else { return };
        self.migrate_waiting(task, from, to);
        self.emit(Event::GuestMigrateTask { task, from, to });
        self.ask_resched(to);
    }

    /// Another vCPU starts one that is offline: it is reset, boots, and switches its notices on.
    pub(in crate::machine) fn ask_online(&mut self, vcpu: VcpuId) {
        let state = &mut self.w.guest.cpus[vcpu.index()];
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
            Hotplug::Offline if self.w.protocol.apf(vcpu).vcpu(vcpu).queued > 0 => {
                state.comes_back = true;
                return;
            }
            Hotplug::Offline => {}
        }
        state.hotplug = Hotplug::Online;
        state.frames.retain(|Frame { then, .. }| *then != GuestThen::Offline);
        // Its processor is reset.
        self.w.guest.cpus[vcpu.index()].mmu.reset();
        self.w.guest.cpus[vcpu.index()].behind = false;
        self.restart_vcpu(vcpu);
        self.emit(Event::GuestCpuOnline { vcpu });
        let enables = self.enables_notices(vcpu);
        let state = &mut self.w.guest.cpus[vcpu.index()];
        (state.enable_pending, state.reschedule_pending) = (enables, true);
        self.interrupt(vcpu);
    }

    /// The guest is to write EN with an address that the host refuses, in the handler of an
    /// interrupt, as it does to switch notices on. A vCPU that is offline writes nothing.
    pub(in crate::machine) fn ask_refused_en(&mut self, vcpu: VcpuId) {
        let state = &mut self.w.guest.cpus[vcpu.index()];
        if state.hotplug == Hotplug::Online {
            state.refused_en_pending = true;
            self.interrupt(vcpu);
        }
    }
}
