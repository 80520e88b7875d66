//! Asynchronous I/O without threads: an item is begun by the vCPU thread, and the interrupt of its
//! completed read publishes it. No kernel does this.
//!
//! The interrupt is handled on the processor on which the vCPU thread of the item runs or ran last,
//! as block layers complete a request where it was submitted. Whoever has that processor pays; an
//! idle one only takes the time. The lookup of the page, which a worker would have made, is left to
//! the vCPU thread (see `look_for_completed`).

use sim_core::{EventQueue, SimDuration};

use crate::apf::rules::Workers;
use crate::base::ids::{GuestPage, ItemId, VcpuId, WorkerId};
use crate::machine::world::{Cx, MachineEvent};
use crate::parts::memory::pages::Backing;

/// Stands for the interrupt where a worker is named.
const INTERRUPT: WorkerId = WorkerId(u32::MAX - 1);

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Begins an item without a worker: its read is under way, or over already.
    pub(super) fn begin_native(&mut self, item: ItemId) {
        let Some(gfn) = self.start_work(item, INTERRUPT) else { return };
        let guest_page = self.w.setup.page(self.w.protocol.vcpu_of(item), gfn);
        match self.w.host.memory.page(guest_page).backing {
            Backing::Reading => self.w.host.native.push((guest_page, item)),
            // A page that came and went again meanwhile is left to the guest's next access.
            Backing::Resident
            | Backing::Writeback
            | Backing::Untouched
            | Backing::Swapped
            | Backing::Stored
            | Backing::Poisoned => {
                self.hold_page(item, guest_page);
                self.complete_native(item);
            }
        }
    }

    /// A page was read: the interrupt handles the items that wait for it, one after the other.
    pub(super) fn interrupt_for_items(&mut self, guest_page: GuestPage) {
        if self.w.host.native.is_empty() {
            return;
        }
        let mut waiting = std::mem::take(&mut self.w.host.native);
        let mut cost = SimDuration::ZERO;
        waiting.retain(|&(page, item)| {
            if page == guest_page {
                self.hold_page(item, guest_page);
                cost += self.w.setup.prices.block_complete.time;
                self.interrupt_processor(
                    self.pcpu_of(item),
                    self.w.setup.prices.block_complete.time,
                );
                let at = self.now() + cost;
                self.schedule(at, MachineEvent::ItemRead(item));
            }
            page != guest_page
        });
        self.w.host.native = waiting;
    }

    /// The sections of a worker, in an interrupt: one atomic section.
    pub(in crate::machine) fn complete_native(&mut self, item: ItemId) {
        self.work_fetched(item);
        while !self.advance_work(item) {}
    }

    /// What finding the page costs the vCPU thread because no worker did.
    pub(in crate::machine) fn lookup_without_worker(&self, vcpu: VcpuId) -> SimDuration {
        match self.w.protocol.rules(vcpu).workers {
            Workers::NativeIo => self.w.setup.prices.apf_worker.time,
            _ => SimDuration::ZERO,
        }
    }
}
