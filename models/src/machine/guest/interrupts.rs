//! Interrupts that the guest takes, and the tick.

use sim_core::{Cycles, EventQueue};

use super::stage::GuestThen;
use super::tlb::cost_of_flush;
use crate::base::abi::{CALL_FUNCTION, DEVICE, LOCAL_TIMER, RESCHEDULE};
use crate::base::ids::VcpuId;
use crate::base::record::Event;
use crate::machine::world::{Cx, MachineEvent};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Injects one pending interrupt at an entry. Returns its vector; none for a system management
    /// interrupt, which has no delivery that could be interrupted.
    pub(super) fn take_interrupt(&mut self, vcpu: VcpuId) -> Option<u8> {
        let period = self.tick_period_now(vcpu);
        let prices = &self.w.setup.prices;
        let entry = prices.inject_event.cycles + prices.guest_exception.cycles;
        let ready = prices.guest_ready.cycles + prices.guest_wakeup.cycles;
        let timer = self.task_timer_pending(vcpu);
        let wakes = self.timer_cost(self.w.guest.cpus[vcpu.index()].expired.len() as u64);
        let driver = self.driver_cost();
        let state = &mut self.w.guest.cpus[vcpu.index()];
        if let Some(span) = state.smi_pending.take() {
            self.enter_smm(vcpu);
            let span = self.frequency.cycles_in(span);
            self.push_frame(vcpu, span, GuestThen::LeaveSmm);
            return None;
        }
        // The highest vector first, as the local APIC has them.
        let (vector, cost, then) = if std::mem::take(&mut state.reschedule_pending) {
            (RESCHEDULE, entry, GuestThen::Reschedule)
        } else if std::mem::take(&mut state.enable_pending) {
            (CALL_FUNCTION, entry, GuestThen::EnableApf)
        } else if std::mem::take(&mut state.refused_en_pending) {
            (CALL_FUNCTION, entry, GuestThen::RefusedEn)
        } else if let Some(call) = state.calls.pop() {
            let flush = call.flush.map_or(Cycles::ZERO, |range| cost_of_flush(prices, range));
            (CALL_FUNCTION, entry + flush, GuestThen::Answer { call })
        } else if let Some(vector) = self.w.protocol.apf(vcpu).ready_interrupt(vcpu) {
            // Traces its injection itself.
            self.inject_ready_interrupt(vcpu);
            self.push_frame(vcpu, entry + ready, GuestThen::ReadyInterrupt);
            // This handler ends its interrupt first of all.
            self.push_eoi(vcpu);
            return Some(vector);
        } else if let Some(at) = state.driver_work.iter().position(|work| work.is_timer()) {
            let work = state.driver_work.remove(at);
            (LOCAL_TIMER, entry + driver, GuestThen::Driver { work })
        } else if timer {
            // The tick has the same, and its own handler here.
            (LOCAL_TIMER, entry + wakes, GuestThen::Timers { softirq: false })
        } else if !state.tick_pending && !state.driver_work.is_empty() {
            let work = state.driver_work.remove(0);
            (DEVICE, entry + driver, GuestThen::Driver { work })
        } else {
            state.tick_pending = false;
            let periods =
                u32::try_from(period.saturating_sub(state.tick_period)).unwrap_or(u32::MAX);
            let periods = periods.max(1);
            state.tick_period = period;
            let missed = prices.guest_missed_tick.cycles.times(u64::from(periods - 1));
            let cost = entry + prices.guest_tick.cycles + missed;
            (LOCAL_TIMER, cost, GuestThen::Tick { periods })
        };
        self.emit(Event::KvmInjVirq { vcpu, vector });
        self.push_eoi(vcpu);
        self.push_frame(vcpu, cost, then);
        Some(vector)
    }

    /// The end of the tick handler (`scheduler_tick`).
    pub(super) fn guest_tick(&mut self, vcpu: VcpuId, periods: u32) {
        self.emit(Event::GuestTick { vcpu, periods });
        let over = self.charge_task(vcpu);
        let state = &mut self.w.guest.cpus[vcpu.index()];
        // The balancer goes by the time (jiffies), not by the ticks that came through.
        let every = u64::from(self.w.setup.guest(vcpu).balance_ticks.max(1));
        let before = state.ticks / every;
        state.ticks += u64::from(periods);
        let balance = state.ticks / every != before;
        if over
            || state.queue.tick_preempts(&self.w.guest.entities, &self.w.setup.guest(vcpu).sched)
        {
            state.need_resched = true;
        }
        for task in std::mem::take(&mut state.delayed_wakes) {
            self.wake_task(task);
        }
        self.restart_tick(vcpu);
        self.raise_timer_softirq(vcpu);
        self.balance_idle_vcpus(vcpu);
        if balance {
            self.balance_tasks(vcpu);
            let cost = self.w.setup.prices.guest_balance.cycles;
            self.push_frame(vcpu, cost, GuestThen::Return);
        }
    }
}
