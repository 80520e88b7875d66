//! Mapping a page that is in memory.

use sim_core::EventQueue;

use crate::base::ids::{GuestPage, VcpuId};
use crate::base::record::Event;
use crate::config::ReadAhead;
use crate::machine::world::{Cx, MachineEvent};
use crate::parts::memory::fault_in::{FaultIn, fault_in, map_second_stage};
use crate::parts::memory::pages::{Arrival, Backing, Flight};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Makes the second-stage entry, or lets one that does not allow writing do so.
    pub(in crate::machine) fn map_page(
        &mut self,
        vcpu: VcpuId,
        guest_page: GuestPage,
        write: bool,
    ) {
        self.map_in_vmm(guest_page, write);
        let changed = map_second_stage(&mut self.w.host.memory, guest_page);
        if changed && let Some(pfn) = self.w.host.memory.page(guest_page).pfn() {
            self.emit(Event::EptMap { vcpu, gfn: guest_page.gfn(), pfn });
        }
    }

    /// Maps a page of the swap cache in the VMM's address space, for writing if `write`.
    pub(in crate::machine) fn map_in_vmm(&mut self, guest_page: GuestPage, write: bool) {
        let page = self.w.host.memory.page_mut(guest_page);
        page.young_in_vmm = true;
        if page.read_ahead {
            page.read_ahead = false;
            let by_address = self.w.setup.config.host.kernel.read_ahead == ReadAhead::AddressSpace;
            self.w.host.read_ahead.hit(by_address.then_some(guest_page.gfn()));
        }
        if page.backing == Backing::Writeback {
            // Found in the swap cache: mapped again while the write goes on.
            page.backing = Backing::Resident;
            page.flight = Flight::KeepsSlot;
            self.w.host.memory.lru_arrive(guest_page, Arrival::Found);
        }
        let host = &self.w.setup.config.host;
        let fault = FaultIn {
            write,
            read_faults: host.kernel.read_faults,
            synchronous: host.device.is_memory(),
        };
        fault_in(&mut self.w.host.memory, &mut self.w.host.swap, guest_page, fault);
    }
}
