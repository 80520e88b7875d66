//! The local APIC of a vCPU: its timer, interrupts to other vCPUs and the ends of interrupts, with
//! the exits that they cost where the machine has them.

use sim_core::{Cycles, EventQueue, SimTime};

use super::stage::GuestThen;
use crate::base::abi::MSR_TSC_DEADLINE;
use crate::base::ids::VcpuId;
use crate::base::record::Event;
use crate::machine::world::{Cx, Flow, GuestExit, Hypervisor, MachineEvent};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    fn tick_offset(&self, vcpu: VcpuId) -> u64 {
        self.w.guest.cpus[vcpu.index()].tick_offset
    }

    pub(super) fn tick_period_now(&self, vcpu: VcpuId) -> u64 {
        let since = self.now().as_ps().saturating_sub(self.tick_offset(vcpu));
        since / self.w.setup.guest(vcpu).tick.as_ps()
    }

    /// Arms the tick at the next period of the vCPU, unless it is armed or waiting to be handled.
    pub(super) fn restart_tick(&mut self, vcpu: VcpuId) {
        let period = self.tick_period_now(vcpu);
        let exits = self.w.setup.guest(vcpu).apic.timer_exits;
        let state = &mut self.w.guest.cpus[vcpu.index()];
        if state.timer.is_some() || state.tick_pending || state.arm_timer {
            return;
        }
        state.tick_period = period;
        // Another vCPU that needs the tick of this one finds it armed.
        if exits && self.acts_now(vcpu) {
            self.w.guest.cpus[vcpu.index()].arm_timer = true;
        } else {
            self.arm_timer(vcpu);
        }
    }

    /// The timer fires at the next period of the vCPU.
    fn arm_timer(&mut self, vcpu: VcpuId) -> SimTime {
        let next = self.tick_period_now(vcpu) + 1;
        let at = self.tick_offset(vcpu) + next * self.w.setup.guest(vcpu).tick.as_ps();
        let at = SimTime::from_ps(at);
        // Whoever needed the tick may have armed it while the write of its own vCPU was on its way:
        // the later deadline counts.
        if let Some((armed, _)) = self.w.guest.cpus[vcpu.index()].timer.take() {
            self.queue.cancel(armed);
        }
        let handle = self.schedule(at, MachineEvent::VcpuTimer(vcpu));
        self.w.guest.cpus[vcpu.index()].timer = Some((handle, at));
        at
    }

    /// The guest has written the deadline of its timer.
    pub(super) fn deadline_written(&mut self, vcpu: VcpuId) {
        let at = self.arm_timer(vcpu);
        let data = self.frequency.cycles_in(at.since(SimTime::ZERO)).0;
        self.emit(Event::KvmMsrWrite { vcpu, ecx: MSR_TSC_DEADLINE, data });
    }

    /// An idle vCPU stops its tick (NO_HZ), unless somebody waits for it.
    pub(super) fn stop_idle_tick(&mut self, vcpu: VcpuId) -> Option<Flow> {
        let state = &mut self.w.guest.cpus[vcpu.index()];
        let idle = state.queue.current.is_none()
            && state.delayed_wakes.is_empty()
            && state.expired.is_empty();
        if !idle {
            return None;
        }
        let (handle, _) = state.timer.take()?;
        self.queue.cancel(handle);
        let exits = self.w.setup.guest(vcpu).apic.timer_exits;
        exits.then(|| self.exit(vcpu, GuestExit::StopTimer))
    }

    /// The exit that the guest makes before it goes on, if it owes one.
    pub(super) fn apic_exit(&mut self, vcpu: VcpuId) -> Option<Flow> {
        let state = &mut self.w.guest.cpus[vcpu.index()];
        if std::mem::take(&mut state.arm_timer) {
            return Some(self.exit(vcpu, GuestExit::WriteDeadline));
        }
        state.ipi_exits_due = state.ipi_exits_due.checked_sub(1)?;
        Some(self.exit(vcpu, GuestExit::ApicWrite))
    }

    /// Below or above the stage of an interrupt's handler: its end, where that exits.
    pub(super) fn push_eoi(&mut self, vcpu: VcpuId) {
        if self.w.setup.guest(vcpu).apic.eoi_exits {
            self.push_frame(vcpu, Cycles::ZERO, GuestThen::Eoi);
        }
    }

    /// An interrupt goes to `target`: whichever vCPU acts now sends it, and exits for it. Nobody
    /// does when a device or the host is the cause.
    pub(super) fn owe_ipi_exit(&mut self, target: VcpuId) {
        if !self.w.setup.guest(target).apic.ipi_exits {
            return;
        }
        let sends = |&v: &VcpuId| v != target && self.acts_now(v);
        if let Some(sender) = self.w.setup.vcpus_of(self.w.setup.vm(target)).find(sends) {
            self.w.guest.cpus[sender.index()].ipi_exits_due += 1;
        }
    }

    /// The timer of a vCPU has expired in the host.
    pub(super) fn timer_has_expired(&mut self, vcpu: VcpuId) {
        let state = &mut self.w.guest.cpus[vcpu.index()];
        state.timer = None;
        state.tick_pending = true;
    }
}
