//! The memory containers of a host: each has its own limit and lists, and the pages of one virtual machine
//! or of several.

use super::page::Page;
use super::pages::{Arrival, HostMemory};
use super::second_stage::SecondStage;
use super::zswap::Pool;
use crate::base::ids::{GuestPage, SwapSlot, VmId};
use crate::config::{Kswapd, Lru};

/// The number of a frame behind so many others. A host of 16 TiB has as many as there are numbers, and who
/// configures a machine gives its containers no more.
fn frame(before: u64) -> u32 {
    u32::try_from(before).expect("the containers of a host have 16 TiB together at most")
}

/// All guest pages, each in the container of its virtual machine.
#[derive(Clone, Debug)]
pub(crate) struct Containers {
    pub(super) of: Vec<HostMemory>,
    /// The container of each virtual machine; that of the first one is the first.
    pub(super) by_vm: Vec<usize>,
    /// What the pool of compressed pages, which all share, has of them together.
    pub(super) pool: Pool,
}

impl Containers {
    /// Untouched memory of virtual machines with so many pages each, which are in these containers, with room
    /// for so many pages.
    pub(crate) fn new(pages: &[u64], by_vm: Vec<usize>, limits: &[u64], lru: Lru) -> Self {
        let container = |(container, &limit): (usize, &u64)| {
            let own = pages.iter().zip(&by_vm);
            let own: Vec<u64> =
                own.map(|(&pages, &at)| if at == container { pages } else { 0 }).collect();
            // Frames of the host are told apart.
            let before: u64 = limits[..container].iter().sum();
            HostMemory::new(&own, limit, lru).with_frames_from(frame(before))
        };
        let of = limits.iter().enumerate().map(container).collect();
        Self { of, by_vm, pool: Pool::default() }
    }

    /// The same with frames for as many pages as each container may ever hold.
    #[must_use]
    pub(crate) fn with_frames_for(mut self, largest: &[u64]) -> Self {
        for (place, memory) in self.of.iter_mut().enumerate() {
            let before: u64 = largest[..place].iter().sum();
            *memory = memory.clone().with_frames_from(frame(before));
        }
        self
    }

    /// The same where one of them is the host's memory as a whole, of which some pages stay free.
    #[must_use]
    pub(crate) fn with_reserve(mut self, vm: Option<VmId>, kswapd: Option<&Kswapd>) -> Self {
        if let Some((vm, marks)) = vm.zip(kswapd) {
            self.of_vm(vm).set_reserve(marks.min);
        }
        self
    }

    /// Makes clones cheap from here on.
    pub(crate) fn freeze(&mut self) {
        self.of.iter_mut().for_each(HostMemory::freeze);
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.of.len()
    }

    /// The container of a virtual machine.
    #[inline]
    pub(crate) fn container(&self, vm: VmId) -> usize {
        self.by_vm[vm.index()]
    }

    /// A container.
    pub(crate) fn of(&self, container: usize) -> &HostMemory {
        &self.of[container]
    }

    /// The container of a virtual machine, to be changed.
    pub(crate) fn of_vm(&mut self, vm: VmId) -> &mut HostMemory {
        &mut self.of[self.by_vm[vm.index()]]
    }

    /// Pages of the first virtual machine are asked for at every walk.
    #[inline(always)]
    fn holds(&self, guest_page: GuestPage) -> &HostMemory {
        match guest_page.vm().index() {
            0 => &self.of[0],
            vm => &self.of[self.by_vm[vm]],
        }
    }

    #[inline(always)]
    fn holds_mut(&mut self, guest_page: GuestPage) -> &mut HostMemory {
        match guest_page.vm().index() {
            0 => &mut self.of[0],
            vm => &mut self.of[self.by_vm[vm]],
        }
    }

    /// The state of a page.
    #[inline(always)]
    pub(crate) fn page(&self, guest_page: GuestPage) -> &Page {
        self.holds(guest_page).page(guest_page)
    }

    /// The state of a page, to be changed.
    #[inline(always)]
    pub(crate) fn page_mut(&mut self, guest_page: GuestPage) -> &mut Page {
        self.holds_mut(guest_page).page_mut(guest_page)
    }

    /// What the second stage has of a page.
    #[inline(always)]
    pub(crate) fn second_stage(&self, guest_page: GuestPage) -> SecondStage {
        self.holds(guest_page).second_stage(guest_page)
    }

    /// What the second stage has of a page, to be changed.
    #[inline]
    pub(crate) fn second_stage_mut(&mut self, guest_page: GuestPage) -> &mut SecondStage {
        self.holds_mut(guest_page).second_stage_mut(guest_page)
    }

    /// As [`HostMemory::is_huge`].
    #[inline]
    pub(crate) fn is_huge(&self, guest_page: GuestPage) -> bool {
        self.holds(guest_page).is_huge(guest_page)
    }

    /// As [`HostMemory::representative`].
    #[inline]
    pub(crate) fn representative(&self, guest_page: GuestPage) -> GuestPage {
        self.holds(guest_page).representative(guest_page)
    }

    /// Frames that may still be charged for pages of a virtual machine.
    pub(crate) fn room(&self, vm: VmId) -> u64 {
        self.of[self.container(vm)].room()
    }

    /// As [`HostMemory::charge`].
    ///
    /// # Panics
    /// As there.
    pub(crate) fn charge(&mut self, guest_page: GuestPage) {
        self.holds_mut(guest_page).charge(guest_page);
    }

    /// As [`HostMemory::uncharge`].
    ///
    /// # Panics
    /// As there.
    pub(crate) fn uncharge(&mut self, guest_page: GuestPage) {
        self.holds_mut(guest_page).uncharge(guest_page);
    }

    /// As [`HostMemory::set_slot`].
    pub(crate) fn set_slot(&mut self, guest_page: GuestPage, slot: Option<SwapSlot>) {
        self.holds_mut(guest_page).set_slot(guest_page, slot);
    }

    /// As [`HostMemory::lru_arrive`].
    pub(crate) fn lru_arrive(&mut self, guest_page: GuestPage, arrival: Arrival) {
        self.holds_mut(guest_page).lru_arrive(guest_page, arrival);
    }

    /// As [`HostMemory::lru_rotate`].
    pub(crate) fn lru_rotate(&mut self, guest_page: GuestPage) {
        self.holds_mut(guest_page).lru_rotate(guest_page);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::Gfn;

    #[test]
    fn a_container_has_its_own_limit_and_frames() {
        let mut memory = Containers::new(&[8, 8, 8], vec![0, 1, 0], &[4, 2], Lru::TwoLists);
        let [first, second, third] = [0, 1, 2].map(|vm| GuestPage::new(VmId(vm), Gfn(3)));
        for page in [first, second, third] {
            memory.charge(page);
            memory.lru_arrive(page, Arrival::Fresh);
        }
        assert_eq!([0, 1, 2].map(|vm| memory.room(VmId(vm))), [2, 1, 2]);
        assert_eq!([0, 1].map(|at| memory.of(at).active_len()), [2, 1]);
        let frames = [first, second, third].map(|page| memory.page(page).pfn());
        assert!(frames[0] != frames[1] && frames[1] != frames[2] && frames[0] != frames[2]);
        memory.of_vm(VmId(1)).lru_remove(second);
        memory.uncharge(second);
        assert_eq!([0, 1, 2].map(|vm| memory.room(VmId(vm))), [2, 2, 2]);
    }
}
