//! The local APIC of a vCPU: its timer, interrupts to other vCPUs and the ends of interrupts, with
//! the exits that they cost where the machine has them.

use sim_core::{Cycles, EventQueue, SimDuration, SimTime};

use crate::base::ids::VcpuId;
use crate::base::record::{Event, ExitReason};
use crate::machine::Cx;
use crate::machine::event::MachineEvent;
use crate::machine::host::scheduler::Flow;
use crate::machine::world::{GuestThen, Running, Then};

/// `MSR_IA32_TSC_DEADLINE`.
const MSR_TSC_DEADLINE: u32 = 0x6e0;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    fn tick_offset(&self, vcpu: VcpuId) -> u64 {
        // The kernel of 2010 spreads the ticks of its processors over half a period
        // (tick_setup_sched_timer).
        let period = self.w.config.guest.tick.as_ps();
        period / 2 / u64::from(self.w.config.guest.vcpus) * u64::from(vcpu.0)
    }

    pub(crate) fn tick_period_now(&self, vcpu: VcpuId) -> u64 {
        let since = self.now().as_ps().saturating_sub(self.tick_offset(vcpu));
        since / self.w.config.guest.tick.as_ps()
    }

    /// Arms the tick at the next period of the vCPU, unless it is armed or waiting to be handled.
    pub(crate) fn restart_tick(&mut self, vcpu: VcpuId) {
        let period = self.tick_period_now(vcpu);
        let exits = self.w.config.guest.apic.timer_exits;
        let state = &mut self.w.vcpus[vcpu.index()];
        if state.timer.is_some() || state.tick_pending || state.arm_timer {
            return;
        }
        state.tick_period = period;
        // Another vCPU that needs the tick of this one finds it armed.
        if exits && state.in_guest && state.running == Running::Nothing {
            state.arm_timer = true;
        } else {
            self.arm_timer(vcpu);
        }
    }

    /// The timer fires at the next period of the vCPU.
    fn arm_timer(&mut self, vcpu: VcpuId) -> SimTime {
        let next = self.tick_period_now(vcpu) + 1;
        let at = self.tick_offset(vcpu) + next * self.w.config.guest.tick.as_ps();
        let at = SimTime::from_ps(at);
        // Whoever needed the tick may have armed it while the write of its own vCPU was on its way:
        // the later deadline counts.
        if let Some((armed, _)) = self.w.vcpus[vcpu.index()].timer.take() {
            self.queue.cancel(armed);
        }
        let handle = self.schedule(at, MachineEvent::VcpuTimer(vcpu));
        self.w.vcpus[vcpu.index()].timer = Some((handle, at));
        at
    }

    /// The guest has written the deadline of its timer.
    pub(crate) fn write_deadline(&mut self, vcpu: VcpuId) -> Flow {
        let at = self.arm_timer(vcpu);
        let data = self.frequency.cycles_in(at.since(SimTime::ZERO)).0;
        self.emit(Event::KvmMsrWrite { vcpu, ecx: MSR_TSC_DEADLINE, data });
        Flow::Spend(SimDuration::ZERO, Then::TurnEnd)
    }

    /// An idle vCPU stops its tick (NO_HZ), unless somebody waits for it.
    pub(crate) fn stop_idle_tick(&mut self, vcpu: VcpuId) -> Option<Flow> {
        let state = &mut self.w.vcpus[vcpu.index()];
        let idle = state.queue.current.is_none()
            && state.delayed_wakes.is_empty()
            && state.expired.is_empty();
        if !idle {
            return None;
        }
        let (handle, _) = state.timer.take()?;
        self.queue.cancel(handle);
        let exits = self.w.config.guest.apic.timer_exits;
        exits.then(|| {
            self.emit(Event::KvmMsrWrite { vcpu, ecx: MSR_TSC_DEADLINE, data: 0 });
            self.light_exit(vcpu, ExitReason::MsrWrite, Then::TurnEnd)
        })
    }

    pub(crate) fn vcpu_timer(&mut self, vcpu: VcpuId) {
        let state = &mut self.w.vcpus[vcpu.index()];
        state.timer = None;
        state.tick_pending = true;
        let cost = self.w.prices.timer_interrupt.time;
        if !cost.is_zero() {
            let thread = self.w.vcpus[vcpu.index()].thread;
            self.interrupt_processor(self.w.threads[thread.index()].pcpu, cost);
        }
        self.interrupt(vcpu);
    }

    fn light_exit(&mut self, vcpu: VcpuId, reason: ExitReason, then: Then) -> Flow {
        let cost = self.w.prices.exit_light.time;
        self.leave_guest(vcpu, reason, cost, then)
    }

    /// A write to the local APIC that exits.
    pub(crate) fn apic_write(&mut self, vcpu: VcpuId) -> Flow {
        self.light_exit(vcpu, ExitReason::ApicAccess, Then::TurnEnd)
    }

    /// The exit that the guest makes before it goes on, if it owes one.
    pub(crate) fn apic_exit(&mut self, vcpu: VcpuId) -> Option<Flow> {
        let state = &mut self.w.vcpus[vcpu.index()];
        if std::mem::take(&mut state.arm_timer) {
            return Some(self.light_exit(vcpu, ExitReason::MsrWrite, Then::ArmTimer));
        }
        state.ipi_exits_due = state.ipi_exits_due.checked_sub(1)?;
        Some(self.apic_write(vcpu))
    }

    /// Below or above the stage of an interrupt's handler: its end, where that exits.
    pub(crate) fn push_eoi(&mut self, vcpu: VcpuId) {
        if self.w.config.guest.apic.eoi_exits {
            self.push_frame(vcpu, Cycles::ZERO, GuestThen::Eoi);
        }
    }

    /// An interrupt goes to `target`: whichever vCPU acts now sends it, and exits for it. Nobody
    /// does when a device or the host is the cause.
    pub(crate) fn owe_ipi_exit(&mut self, target: VcpuId) {
        if !self.w.config.guest.apic.ipi_exits {
            return;
        }
        let sends = |&v: &usize| {
            let state = &self.w.vcpus[v];
            v != target.index() && state.in_guest && state.running == Running::Nothing
        };
        if let Some(sender) = (0..self.w.vcpus.len()).find(sends) {
            self.w.vcpus[sender].ipi_exits_due += 1;
        }
    }
}
