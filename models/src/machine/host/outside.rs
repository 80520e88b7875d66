//! vCPU threads that are out of the kernel with a fault and bring its page themselves, as the VMM's thread of a vCPU
//! does that handles `KVM_EXIT_MEMORY_FAULT` of KVM userfault, or of an exit on missing, by itself: it reads the
//! contents, installs the page without waking anybody, clears its bit, and runs the vCPU again. Several that miss one
//! page each bring it, and the later find it there.

use sim_core::{EventQueue, SimDuration};

use super::stores::Installing;
use crate::base::ids::{GuestPage, StoreId, VcpuId};
use crate::base::record::BlockReason;
use crate::config::PlainExits;
use crate::machine::world::{Cx, Flow, MachineEvent, Then, thread_of};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The store that a vCPU thread reads itself for a page that it has missed.
    pub(in crate::machine) fn store_that_vcpus_read(&mut self, page: GuestPage) -> Option<StoreId> {
        let store = self.w.host.memory.page(page).store?;
        let by = self.w.host.messages_mut(store).config().plain_exits;
        (by == PlainExits::VcpuThread).then_some(store)
    }

    /// A vCPU thread begins to bring a page, and what else lies around it.
    pub(in crate::machine) fn bring_outside(
        &mut self,
        vcpu: VcpuId,
        page: GuestPage,
        store: StoreId,
    ) -> Flow {
        let thread = thread_of(vcpu);
        let config = self.w.host.messages_mut(store).config();
        let (latency, around) = (config.latency, config.around);
        let run = self.w.host.run_around(store, page, around);
        *self.w.host.installing_mut(thread) =
            Installing { run: Some(run), ..Installing::default() };
        self.note_progress(thread);
        if self.w.host.has_device(store) {
            let prices = &self.w.setup.prices;
            let copies = prices.block_copy.time.times(run.pages.into());
            return Flow::Spend(prices.block_submit.time + copies, Then::OutsideRead);
        }
        if latency.is_zero() {
            return Flow::Spend(SimDuration::ZERO, Then::OutsideInstall);
        }
        let due = self.now() + latency;
        self.w.host.installing_mut(thread).due = Some(due);
        self.vcpu_sleeps(vcpu, BlockReason::Fetch);
        self.sleep_until(thread, due, Then::OutsideCame)
    }

    /// The read of the contents is prepared: it is submitted, and the thread sleeps until it is over.
    pub(in crate::machine) fn outside_read(&mut self, vcpu: VcpuId) -> Flow {
        let thread = thread_of(vcpu);
        let run = self.w.host.installing_mut(thread).run;
        let Some((run, store)) =
            run.and_then(|run| Some((run, self.w.host.memory.page(run.first).store?)))
        else {
            unreachable!("{thread} reads nothing");
        };
        let request = self.request_for(store, run);
        self.w.host.installing_mut(thread).request = Some(request.id);
        self.issue(thread, request, SimDuration::ZERO);
        self.submit(thread);
        self.vcpu_sleeps(vcpu, BlockReason::Fetch);
        self.block_thread(thread, Then::OutsideCame);
        Flow::Stopped
    }

    /// The thread runs again. If something else than its contents has woken it, it sleeps on.
    pub(in crate::machine) fn outside_came(&mut self, vcpu: VcpuId) -> Flow {
        let (thread, now) = (thread_of(vcpu), self.now());
        let own = self.w.host.installing_mut(thread);
        if own.request.is_some() || own.due.is_some_and(|due| now < due) {
            self.block_thread(thread, Then::OutsideCame);
            return Flow::Stopped;
        }
        self.vcpu_wakes(vcpu);
        Flow::Spend(SimDuration::ZERO, Then::OutsideInstall)
    }
}
