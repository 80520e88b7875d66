//! Taking away every second-stage entry of a virtual machine at once.

use super::pages::HostMemory;
use crate::base::ids::{GuestPage, VmId};

/// Drops all second-stage entries of a virtual machine (`kvm_mmu_zap_all_fast`); the pages that had one.
/// That an entry was used stays known (`handle_changed_spte` of 6.12.117: `kvm_set_pfn_accessed`). In
/// 7.3.4 it does not, as a page counts as used when its entry is made; that is left out.
pub(crate) fn zap_all(memory: &mut HostMemory, vm: VmId) -> Vec<GuestPage> {
    let mapped: Vec<GuestPage> = memory.mapped(vm).collect();
    for &guest_page in &mapped {
        let young = std::mem::take(memory.second_stage_mut(guest_page)).young;
        let stands = memory.representative(guest_page);
        memory.page_mut(stands).young_in_vmm |= young;
    }
    mapped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::Gfn;
    use crate::config::Lru;
    use crate::parts::memory::page::Entry;

    #[test]
    fn entries_of_one_virtual_machine_go_and_their_use_stays_known() {
        let mut memory = HostMemory::new(&[200, 200], 400, Lru::TwoLists);
        let page = |vm, gfn| GuestPage::new(VmId(vm), Gfn(gfn));
        for (vm, gfn, entry) in
            [(0, 3, Entry::Writable), (0, 199, Entry::ReadOnly), (1, 0, Entry::Writable)]
        {
            memory.second_stage_mut(page(vm, gfn)).entry = entry;
        }
        memory.second_stage_mut(page(0, 199)).young = true;
        assert_eq!(zap_all(&mut memory, VmId(0)), [page(0, 3), page(0, 199)]);
        assert!(memory.page(page(0, 199)).young_in_vmm);
        assert!(!memory.second_stage(page(0, 199)).young);
        assert!(!memory.page(page(0, 3)).young_in_vmm);
        assert!(memory.second_stage(page(1, 0)).allows(true));
        assert_eq!(zap_all(&mut memory, VmId(0)), []);
    }
}
