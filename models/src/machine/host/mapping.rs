//! Mapping a page that is in memory.

use sim_core::EventQueue;

use crate::base::ids::{GuestPage, VcpuId};
use crate::base::record::Event;
use crate::config::ReadAhead;
use crate::machine::world::{Cx, MachineEvent};
use crate::parts::memory::pages::{Arrival, Backing};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Makes the second-stage entry.
    pub(in crate::machine) fn map_page(&mut self, vcpu: VcpuId, guest_page: GuestPage) {
        self.map_in_vmm(guest_page);
        let page = self.w.host.memory.page_mut(guest_page);
        page.young = true;
        let fresh = !std::mem::replace(&mut page.ept_mapped, true);
        if fresh && let Some(pfn) = self.w.host.memory.page(guest_page).pfn() {
            self.emit(Event::EptMap { vcpu, gfn: guest_page.gfn(), pfn });
        }
    }

    /// Maps a page of the swap cache in the VMM's address space. The host of 2010 always faults
    /// for writing, so the page is dirty from here on and its slot, if any, is given up
    /// (`reuse_swap_page`).
    pub(in crate::machine) fn map_in_vmm(&mut self, guest_page: GuestPage) {
        let page = self.w.host.memory.page_mut(guest_page);
        page.dirty = true;
        page.young_in_vmm = true;
        if page.read_ahead {
            page.read_ahead = false;
            let by_address = self.w.setup.config.host.kernel.read_ahead == ReadAhead::AddressSpace;
            self.w.host.read_ahead.hit(by_address.then_some(guest_page.gfn()));
        }
        if page.backing == Backing::Writeback {
            // Found in the swap cache: mapped again while the write goes on.
            page.backing = Backing::Resident;
            page.write_in_flight = true;
            self.w.host.memory.lru_arrive(guest_page, Arrival::Found);
        }
        let page = self.w.host.memory.page(guest_page);
        if !page.write_in_flight
            && let Some(slot) = page.slot()
        {
            self.w.host.memory.set_slot(guest_page, None);
            self.w.host.swap.free(slot);
        }
    }
}
