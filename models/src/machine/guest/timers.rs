//! Timers of the guest's tasks: who notices that one has expired, and when the sleeper runs.
//!
//! A timer belongs to the vCPU on which its task went to sleep. While the host keeps that vCPU from
//! running, nothing expires there: a stall makes sleepers late, too.

use sim_core::EventQueue;

use super::stage::GuestThen;
use crate::base::ids::{TaskId, VcpuId};
use crate::base::record::Event;
use crate::config::TimerKind;
use crate::machine::world::{Cx, MachineEvent};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The time of a sleeping task has come. The vCPU that is to be interrupted for it, if one is.
    pub(super) fn time_of_task(&mut self, task: TaskId) -> Option<VcpuId> {
        let vcpu = self.w.guest.tasks[task.index()].vcpu;
        let kind = self.w.setup.guest(vcpu).timers;
        if kind == TimerKind::Direct {
            self.wake_task(task);
            return None;
        }
        if !self.w.guest.cpus[vcpu.index()].hotplug.takes_tasks() {
            // Its timers went with its tasks (`timers_dead_cpu`, `hrtimers_dead_cpu`).
            self.wake_task(task);
            return None;
        }
        self.w.guest.cpus[vcpu.index()].expired.push(task);
        if kind == TimerKind::Softirq {
            self.restart_tick(vcpu);
            return None;
        }
        Some(vcpu)
    }

    /// Behind the tick, with interrupts on: the timers of the wheel (`TIMER_SOFTIRQ`).
    pub(super) fn raise_timer_softirq(&mut self, vcpu: VcpuId) {
        let expired = self.w.guest.cpus[vcpu.index()].expired.len() as u64;
        if expired > 0 && self.w.setup.guest(vcpu).timers == TimerKind::Softirq {
            let cost = self.timer_cost(expired);
            self.push_frame(vcpu, cost, GuestThen::Timers { softirq: true });
        }
    }

    /// What it takes to handle so many expired timers: their wake-ups, which are most of it.
    pub(super) fn timer_cost(&self, expired: u64) -> sim_core::Cycles {
        self.w.setup.prices.guest_wakeup.cycles.times(expired)
    }

    /// The handler has come through: whoever's timer has expired by now is woken.
    pub(super) fn wake_expired(&mut self, vcpu: VcpuId) {
        for task in std::mem::take(&mut self.w.guest.cpus[vcpu.index()].expired) {
            self.emit(Event::GuestTimerExpire { vcpu, task });
            self.wake_task(task);
        }
    }
}
