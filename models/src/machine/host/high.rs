//! `memory.high`: who is held to account for pages beyond it, and how vCPU threads pay before they enter the guest
//! (`try_charge_memcg`, `mem_cgroup_handle_over_high` of mm/memcontrol.c; `xfer_to_guest_mode_handle_work` of
//! kernel/entry/kvm.c, 6.12.117).
//!
//! A worker is held to account and never pays: it is a thread of the kernel, which returns to no user mode, and
//! where it is to reclaim at once it does so in the container of its own memory map, of which it has none.

use sim_core::{EventQueue, SimDuration};

use super::accounts::Payment;
use super::state::Host;
use super::thread::PassSums;
use crate::base::ids::{ThreadId, VcpuId, VmId};
use crate::base::record::{BlockReason, Event};
use crate::machine::world::{Cx, Flow, MachineEvent, Outcome, Then};
use crate::parts::memory::high::{fires, penalty};
use crate::parts::memory::{MAX_RECLAIM_RETRIES, SWAP_CLUSTER_MAX};

impl Host {
    /// Pages that count against the `memory.high` of a container, and that limit.
    fn over(&self, container: usize) -> Option<(u64, u64)> {
        let high = self.high.as_ref()?;
        let usage = self.memory.of(container).used() + high.stocks.of(container);
        Some((usage, high.limits[container]?))
    }

    /// Pages beyond the `memory.high` of a container.
    pub(super) fn beyond_high(&self, container: usize) -> u64 {
        self.over(container).map_or(0, |(usage, high)| usage.saturating_sub(high))
    }

    /// From now on a container has another `memory.high`; what processors have charged in advance is given
    /// back.
    pub(super) fn set_high(&mut self, vm: VmId, pages: u64) {
        let container = self.memory.container(vm);
        if let Some(high) = &mut self.high {
            high.limits[container] = Some(pages);
            high.stocks.drain(container);
        }
    }

    /// Whether a container may have a `memory.high`.
    pub(in crate::machine) fn has_high(&self) -> bool {
        self.high.is_some()
    }

    /// Pages for which the thread of a vCPU has to pay before it enters the guest.
    pub(in crate::machine) fn owes(&self, thread: ThreadId) -> bool {
        self.threads[thread.index()].beyond_high > 0
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// A thread has done a step, in which it may have charged pages.
    #[inline]
    pub(in crate::machine) fn account_charges(&mut self, thread: ThreadId) {
        if self.w.host.has_high() {
            self.hold_to_account(thread);
        }
        if self.w.setup.config.host.memory_control.kswapd.is_some() {
            self.wake_kswapd_if_low();
        }
    }

    fn hold_to_account(&mut self, thread: ThreadId) {
        for container in 0..self.w.host.memory.count() {
            let Host { memory, high: Some(high), threads, .. } = &mut self.w.host else { return };
            let charges = memory.of(container).charges();
            let new = charges - std::mem::replace(&mut high.seen[container], charges);
            let (room, pcpu) = (memory.of(container).room(), threads[thread.index()].pcpu);
            for _ in 0..new {
                let Host { high: Some(high), .. } = &mut self.w.host else { return };
                let Some(batch) = high.stocks.charge(pcpu, container, room) else { continue };
                if self.w.host.beyond_high(container) > 0 {
                    self.w.host.threads[thread.index()].beyond_high += batch;
                    self.emit(Event::MemcgOverHigh { thread, pages: batch });
                }
            }
        }
    }

    /// The thread of a vCPU pays for the pages that it has charged.
    pub(in crate::machine) fn pay_for_high(&mut self, thread: ThreadId, vcpu: VcpuId) -> Flow {
        let pages = std::mem::take(&mut self.w.host.threads[thread.index()].beyond_high);
        let payment = Payment { pages, tries: MAX_RECLAIM_RETRIES, ..Payment::default() };
        self.w.host.threads[thread.index()].payment = Some(payment);
        self.begin_call(thread, vcpu, pages.into())
    }

    /// `reclaim_high` of so many pages.
    fn begin_call(&mut self, thread: ThreadId, vcpu: VcpuId, pages: u64) -> Flow {
        let container = self.w.host.memory.container(self.w.setup.vm(vcpu));
        // Two rounds of all lists.
        let looks = 2 * self.w.host.memory.of(container).on_lists();
        if let Some(payment) = &mut self.w.host.threads[thread.index()].payment {
            (payment.left, payment.reclaimed) = (pages.max(SWAP_CLUSTER_MAX), 0);
            payment.looks = looks.max(SWAP_CLUSTER_MAX);
        }
        match self.w.host.beyond_high(container) {
            0 => self.judge_call(thread, vcpu),
            _ => Flow::Spend(SimDuration::ZERO, Then::PayNext),
        }
    }

    /// The next pass of a call.
    pub(in crate::machine) fn pay_next(&mut self, thread: ThreadId, vcpu: VcpuId) -> Flow {
        self.reclaim_pass(thread, self.w.setup.vm(vcpu))
    }

    /// A pass of a call is over.
    pub(in crate::machine) fn payment_pass_done(
        &mut self,
        thread: ThreadId,
        vcpu: VcpuId,
        outcome: Outcome,
    ) -> Flow {
        let PassSums { scanned, reclaimed, .. } = self.w.host.threads[thread.index()].last_pass;
        let Some(payment) = &mut self.w.host.threads[thread.index()].payment else {
            unreachable!("{thread} pays for nothing");
        };
        payment.reclaimed += reclaimed;
        payment.left = payment.left.saturating_sub(reclaimed);
        payment.looks = payment.looks.saturating_sub(scanned.max(1).into());
        if payment.left == 0 || payment.looks == 0 || outcome == Outcome::Nothing {
            return self.judge_call(thread, vcpu);
        }
        match outcome {
            Outcome::Waits => {
                let container = self.w.host.memory.container(self.w.setup.vm(vcpu));
                self.wait_for_room(thread, container)
            }
            _ => Flow::Spend(SimDuration::ZERO, Then::PayNext),
        }
    }

    /// A call is over: has the thread done enough, does it try again, or does it sleep?
    fn judge_call(&mut self, thread: ThreadId, vcpu: VcpuId) -> Flow {
        let container = self.w.host.memory.container(self.w.setup.vm(vcpu));
        let tick = self.w.setup.config.host.tick;
        let hz = SimDuration::from_secs(1).as_ps() / tick.as_ps();
        let over = self.w.host.over(container);
        let Some(payment) = &mut self.w.host.threads[thread.index()].payment else {
            unreachable!("{thread} pays for nothing");
        };
        let sleep = over.map_or(0, |(usage, high)| penalty(payment.pages, usage, high, hz));
        if sleep <= hz / 100 {
            self.w.host.threads[thread.index()].payment = None;
            return Flow::Spend(SimDuration::ZERO, Then::Enter);
        }
        if payment.reclaimed > 0 || payment.tries > 0 {
            payment.tries -= u32::from(payment.reclaimed == 0);
            return self.begin_call(thread, vcpu, SWAP_CLUSTER_MAX);
        }
        self.w.host.threads[thread.index()].payment = None;
        let due = fires(self.now(), sleep, tick);
        self.w.host.threads[thread.index()].sleeps_until = Some(due);
        self.schedule(due, MachineEvent::ThreadTimer(thread));
        self.vcpu_sleeps(vcpu, BlockReason::High);
        self.block_thread(thread, Then::HighSlept);
        Flow::Stopped
    }

    /// The thread has slept for its pages.
    pub(in crate::machine) fn high_slept(&mut self, thread: ThreadId, vcpu: VcpuId) -> Flow {
        self.w.host.threads[thread.index()].sleeps_until = None;
        self.vcpu_wakes(vcpu);
        Flow::Spend(SimDuration::ZERO, Then::Enter)
    }
}
