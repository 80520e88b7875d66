//! Timers of the guest's tasks: who notices that one has expired, and when the sleeper runs.
//!
//! A timer belongs to the vCPU on which its task went to sleep. While the host keeps that vCPU from
//! running, nothing expires there: a stall makes sleepers late, too.

use sim_core::EventQueue;

use crate::base::ids::{TaskId, VcpuId};
use crate::base::record::Event;
use crate::config::TimerKind;
use crate::machine::Cx;
use crate::machine::event::MachineEvent;
use crate::machine::world::GuestThen;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The time of a sleeping task has come.
    pub(crate) fn task_timer(&mut self, task: TaskId) {
        let kind = self.w.config.guest.timers;
        if kind == TimerKind::Direct {
            return self.wake_task(task);
        }
        let vcpu = self.w.tasks[task.index()].vcpu;
        if !self.w.vcpus[vcpu.index()].hotplug.takes_tasks() {
            // Its timers went with its tasks (`timers_dead_cpu`, `hrtimers_dead_cpu`).
            return self.wake_task(task);
        }
        self.w.vcpus[vcpu.index()].expired.push(task);
        if kind == TimerKind::Softirq {
            return self.restart_tick(vcpu);
        }
        let cost = self.w.prices.timer_interrupt.time;
        if !cost.is_zero() {
            let thread = self.w.vcpus[vcpu.index()].thread;
            self.interrupt_processor(self.w.threads[thread.index()].pcpu, cost);
        }
        self.interrupt(vcpu);
    }

    /// Whether the vCPU's own timer has expired for a task and its interrupt waits.
    pub(crate) fn task_timer_pending(&self, vcpu: VcpuId) -> bool {
        self.w.config.guest.timers == TimerKind::Interrupt
            && !self.w.vcpus[vcpu.index()].expired.is_empty()
    }

    /// Behind the tick, with interrupts on: the timers of the wheel (`TIMER_SOFTIRQ`).
    pub(crate) fn raise_timer_softirq(&mut self, vcpu: VcpuId) {
        let expired = self.w.vcpus[vcpu.index()].expired.len() as u64;
        if expired > 0 && self.w.config.guest.timers == TimerKind::Softirq {
            let cost = self.timer_cost(expired);
            self.push_frame(vcpu, cost, GuestThen::Timers { softirq: true });
        }
    }

    /// What it takes to handle so many expired timers: their wake-ups, which are most of it.
    pub(crate) fn timer_cost(&self, expired: u64) -> sim_core::Cycles {
        self.w.prices.guest_wakeup.cycles.times(expired)
    }

    /// The handler has come through: whoever's timer has expired by now is woken.
    pub(crate) fn wake_expired(&mut self, vcpu: VcpuId) {
        for task in std::mem::take(&mut self.w.vcpus[vcpu.index()].expired) {
            self.emit(Event::GuestTimerExpire { vcpu, task });
            self.wake_task(task);
        }
    }
}
