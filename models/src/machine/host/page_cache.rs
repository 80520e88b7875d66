//! The page cache of a file that VMMs of several virtual machines map, as those of clones of one snapshot do
//! (`filemap_fault`, mm/filemap.c of 6.12).
//!
//! A page of the file is in memory as long as one of them has it there. Who faults on it then needs no device;
//! who faults while it is read waits for that read.

use super::state::Host;
use crate::base::ids::{GuestPage, RequestId};
use crate::parts::memory::pages::Backing;

/// Where the page of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cached {
    /// In memory nowhere.
    No,
    /// It is being read.
    Coming(RequestId),
    /// In memory.
    There,
}

impl Host {
    /// The same page of the image in the memory of the other virtual machines that map it.
    fn same_elsewhere(&self, guest_page: GuestPage) -> impl Iterator<Item = GuestPage> + '_ {
        let store = self.memory.page(guest_page).store;
        let same = store.map_or(&[][..], |store| &self.stores[store.index()].same);
        let others = same.iter().filter(move |(_, vm)| *vm != guest_page.vm());
        let there = others.map(move |&(store, vm)| (store, GuestPage::new(vm, guest_page.gfn())));
        let inside = move |page: GuestPage| {
            page.gfn().0 < self.memory.of(self.memory.container(page.vm())).pages_of_vm(page.vm())
        };
        there
            .filter(move |&(store, page)| {
                inside(page) && self.memory.page(page).store == Some(store)
            })
            .map(|(_, page)| page)
    }

    /// Whether a page that is nowhere but in its store is in the page cache.
    pub(super) fn cached(&self, guest_page: GuestPage) -> Cached {
        let mut coming = Cached::No;
        for other in self.same_elsewhere(guest_page).map(|other| self.memory.page(other)) {
            match (other.backing, other.locked_by) {
                (Backing::Resident | Backing::Writeback, _) => return Cached::There,
                (Backing::Reading, Some(id)) if other.is_as_stored() => coming = Cached::Coming(id),
                _ => {}
            }
        }
        coming
    }

    /// Whether the kernel finds a page of a store in the page cache, so that no fault on it waits.
    pub(in crate::machine) fn is_found_in_page_cache(&self, guest_page: GuestPage) -> bool {
        self.memory.page(guest_page).backing == Backing::Stored
            && !self.is_served_by_vmm(guest_page)
            && self.cached(guest_page) == Cached::There
    }

    /// Whether a page is on its way from its store, or somebody has asked for it and sleeps.
    pub(in crate::machine) fn is_coming_from_store(&self, guest_page: GuestPage) -> bool {
        let page = self.memory.page(guest_page);
        match page.backing {
            Backing::Reading => page.is_as_stored(),
            Backing::Stored if self.is_served_by_vmm(guest_page) => {
                self.somebody_waits_for(guest_page)
            }
            Backing::Stored => matches!(self.cached(guest_page), Cached::Coming(_)),
            _ => false,
        }
    }

    /// Pages of other virtual machines that wait for the same read.
    pub(super) fn joined(&self, guest_page: GuestPage, id: RequestId) -> Vec<GuestPage> {
        let joins = |page: &GuestPage| self.memory.page(*page).locked_by == Some(id);
        self.same_elsewhere(guest_page).filter(joins).collect()
    }
}
