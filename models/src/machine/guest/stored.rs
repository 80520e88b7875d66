//! Regions whose contents are stored: the guest has mapped them long ago, and none of it is in memory.
//!
//! Their tables are in memory from the start: of a restored guest's kernel only what programs touch is
//! looked at, and tables come with its first accesses.

use sim_core::EventQueue;

use crate::base::ids::{Gfn, Gva, RegionId, StoreId, VcpuId};
use crate::base::page_size::PageSize;
use crate::machine::world::{Cx, Failure, Hypervisor, MachineEvent};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Before anything runs: stored regions are mapped, page by page or, with transparent huge pages, as far
    /// as possible by pages of 2 MiB.
    pub(in crate::machine) fn lay_out_stored_regions(&mut self) {
        let regions = self.w.setup.config.clone();
        for (id, region) in (0..).map(RegionId).zip(&regions.workload.regions) {
            let Some(store) = region.store else { continue };
            let owner = self.owner(store);
            let mut page = 0;
            while page < region.pages {
                let gva = self.tables(owner).gva(id, page);
                let Some(pages) = self.lay_out(owner, gva, store) else {
                    let now = self.now();
                    self.fail(Failure::GuestOutOfMemory(now));
                    return;
                };
                page += pages;
            }
        }
        self.order_prefetches();
        self.note_unreadable();
    }

    /// The first vCPU of the virtual machine whose memory is in a store.
    fn owner(&self, store: StoreId) -> VcpuId {
        let config = &self.w.setup.config;
        let vm = config.host.stores[store.index()].vm;
        config.vcpus_of(vm).next().unwrap_or(VcpuId(0))
    }

    /// In which order threads of the VMM bring pages, which is said by regions, comes to frames.
    fn order_prefetches(&mut self) {
        let config = self.w.setup.config.clone();
        for (id, store) in (0..).map(StoreId).zip(&config.host.stores) {
            let owner = self.owner(id);
            let prefetch = store.handler.as_ref().and_then(|handler| handler.prefetch.as_ref());
            let runs = prefetch.iter().flat_map(|prefetch| &prefetch.runs);
            for page in runs.flat_map(|run| (0..run.pages).map(|at| (run.region, run.first + at))) {
                let gva = self.tables(owner).gva(page.0, page.1);
                if let Some(gfn) = self.tables(owner).translate(gva) {
                    self.bring_ahead(owner, gfn, id);
                }
            }
        }
    }

    /// Which frames stores do not give, which is said by regions.
    fn note_unreadable(&mut self) {
        let config = self.w.setup.config.clone();
        for (id, store) in (0..).map(StoreId).zip(&config.host.stores) {
            let owner = self.owner(id);
            let runs = store.handler.iter().flat_map(|handler| &handler.poison);
            for page in runs.flat_map(|run| (0..run.pages).map(|at| (run.region, run.first + at))) {
                let gva = self.tables(owner).gva(page.0, page.1);
                if let Some(gfn) = self.tables(owner).translate(gva) {
                    self.cannot_read(owner, gfn, id);
                }
            }
        }
    }

    /// Maps the page at an address, and says how many small pages it has. None: memory is used up.
    fn lay_out(&mut self, owner: VcpuId, gva: Gva, store: StoreId) -> Option<u64> {
        let large =
            self.w.setup.guest(owner).thp && self.tables(owner).large_page_around(gva) == Some(gva);
        if large && let Some(first) = self.tables(owner).frames().allocate_large() {
            self.link_tables(owner, gva, PageSize::Large)?;
            self.tables(owner).map_large(gva, first);
            let pages = 1 << PageSize::Large.order();
            for page in 0..pages {
                self.store(owner, Gfn(first.0 + page), store);
            }
            return Some(pages);
        }
        self.link_tables(owner, gva, PageSize::Small)?;
        let gfn = self.tables(owner).frames().allocate(false)?;
        self.tables(owner).map(gva, gfn);
        self.store(owner, gfn, store);
        Some(1)
    }

    /// Makes the tables that are missing on the way to a page. They do not lie between the pages: the page allocator of
    /// Linux takes what cannot be moved from blocks of its own (`MIGRATE_UNMOVABLE`, blocks of 2 MiB), so that a block
    /// of pages is not split by the table of the next one.
    fn link_tables(&mut self, owner: VcpuId, gva: Gva, size: PageSize) -> Option<()> {
        while let Some(level) = self.tables(owner).missing_table(gva, size) {
            let gfn = self.tables(owner).frames().allocate_apart()?;
            self.keep_resident(owner, gfn);
            self.tables(owner).link(gva, level, gfn);
        }
        Some(())
    }
}
