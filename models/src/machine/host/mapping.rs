//! Mapping a page that is in memory.

use sim_core::EventQueue;

use super::state::Host;
use crate::base::ids::{GuestPage, Pfn, VcpuId};
use crate::base::invariant::InvariantId;
use crate::base::record::Event;
use crate::config::{ReadAhead, RegionBacking};
use crate::machine::world::{Cx, GuestEntry, MachineEvent};
use crate::parts::memory::fault_in::{FaultIn, fault_in, map_second_stage};
use crate::parts::memory::pages::{Arrival, Backing, Entry, Flight};
use crate::parts::memory::shadow::Side;
use crate::parts::memory::zap::zap_all;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Makes the second-stage entry, or lets one that does not allow writing do so. Under shadow paging it
    /// is that of an address of one side.
    pub(in crate::machine) fn map_page(
        &mut self,
        vcpu: VcpuId,
        (guest_page, side): (GuestPage, Side),
        write: bool,
    ) {
        self.map_in_vmm(guest_page, write);
        let Host { memory, shadow, .. } = &mut self.w.host;
        let memory = memory.of_vm(guest_page.vm());
        let fresh = memory.second_stage(guest_page).entry == Entry::None;
        // The mirror of shadow paging has small pages only.
        let large = shadow.is_none() && memory.is_huge(guest_page);
        let mut changed = map_second_stage(memory, guest_page, large) || large;
        let writable = memory.second_stage(guest_page).entry == Entry::Writable;
        let breaks = writable && memory.page(guest_page).protected;
        if let Some(shadow) = shadow {
            let (gfn, entry) = (guest_page.gfn(), memory.second_stage(guest_page).entry);
            if write && side == Side::Kernel {
                shadow.let_write(gfn);
            }
            changed = shadow.map(gfn, side, entry, fresh);
        }
        if breaks {
            let message = format!("the guest may write {guest_page} while it is protected");
            self.note(guest_page.vm(), InvariantId(51), message);
        }
        if changed {
            // A frame that is never reclaimed is none of the container's, and has a number by its place.
            let own = self.w.host.memory.page(guest_page).pfn();
            let pfn = own.unwrap_or(Pfn(guest_page.gfn().0));
            self.emit(Event::EptMap { vcpu, gfn: guest_page.gfn(), pfn });
        }
    }

    /// A memory slot is deleted or moved: whichever it is, every second-stage entry of the VM goes
    /// (`kvm_arch_flush_shadow_memslot`, arch/x86/kvm/mmu/mmu.c of 6.12.117 and 7.3.4: for VMs of the
    /// default type unless the VMM disables KVM_X86_QUIRK_SLOT_ZAP_ALL; in 5.10.262 and 6.1.192 always,
    /// `kvm_mmu_invalidate_zap_pages_in_memslot`). A VM with guest_memfd is of another type,
    /// of which only the slot's own entries go. It takes a thread of the VMM that is none of the
    /// machine's, and no time here but for the lock.
    pub(in crate::machine) fn zap_second_stage(&mut self, vcpu: VcpuId) {
        let config = &self.w.setup.config;
        let regions = &config.workload.regions[config.regions_of(self.w.setup.vm(vcpu))];
        if regions.iter().any(|region| region.backing == RegionBacking::GuestMemfd) {
            return;
        }
        let vm = self.w.setup.vm(vcpu);
        self.cut_all_bursts();
        self.lock_to_zap_all(vm);
        for page in zap_all(self.w.host.memory.of_vm(vm), vm) {
            self.emit(Event::EptUnmap { page });
        }
        if let Some(shadow) = &mut self.w.host.shadow {
            shadow.clear();
        }
        self.w.host.invalidations[vm.index()] += 1;
        self.flush_remote_tlbs(vm);
    }

    /// Maps a page of the swap cache in the VMM's address space, for writing if `write`.
    pub(in crate::machine) fn map_in_vmm(&mut self, guest_page: GuestPage, write: bool) {
        let stands = self.w.host.memory.representative(guest_page);
        self.w.host.memory.page_mut(stands).young_in_vmm = true;
        let by_address = self.w.setup.config.host.kernel.read_ahead == ReadAhead::AddressSpace;
        let page = self.w.host.memory.page_mut(guest_page);
        let in_swap_cache = page.vmm == Entry::None && page.slot().is_some();
        let was_wanted = std::mem::take(&mut page.read_ahead);
        if was_wanted || (by_address && in_swap_cache) {
            let window = self.w.host.read_ahead_mut(by_address.then_some(guest_page.vm()));
            window.found(by_address.then_some(guest_page.gfn()), was_wanted);
        }
        let page = self.w.host.memory.page_mut(guest_page);
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
        let Host { memory, swap, .. } = &mut self.w.host;
        fault_in(memory.of_vm(guest_page.vm()), swap, guest_page, fault);
    }
}
