//! Regions whose contents are stored: the guest has mapped them long ago, and none of it is in memory.
//!
//! Their tables are in memory from the start: of a restored guest's kernel only what programs touch is
//! looked at, and tables come with its first accesses.

use sim_core::EventQueue;

use crate::base::ids::{Gfn, Gva, RegionId, StoreId, VcpuId};
use crate::base::page_size::PageSize;
use crate::machine::world::{Cx, Failure, Hypervisor, MachineEvent};

/// Whose memory it is: stores are for a virtual machine that is the only one.
const OWNER: VcpuId = VcpuId(0);

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Before anything runs: stored regions are mapped, page by page or, with transparent huge pages, as far
    /// as possible by pages of 2 MiB.
    pub(in crate::machine) fn lay_out_stored_regions(&mut self) {
        let regions = self.w.setup.config.clone();
        for (id, region) in (0..).map(RegionId).zip(&regions.workload.regions) {
            let Some(store) = region.store else { continue };
            let mut page = 0;
            while page < region.pages {
                let gva = self.tables(OWNER).gva(id, page);
                let Some(pages) = self.lay_out(gva, store) else {
                    let now = self.now();
                    self.fail(Failure::GuestOutOfMemory(now));
                    return;
                };
                page += pages;
            }
        }
        self.order_prefetches();
    }

    /// In which order threads of the VMM bring pages, which is said by regions, comes to frames.
    fn order_prefetches(&mut self) {
        let config = self.w.setup.config.clone();
        for (id, store) in (0..).map(StoreId).zip(&config.host.stores) {
            let prefetch = store.handler.as_ref().and_then(|handler| handler.prefetch.as_ref());
            let runs = prefetch.iter().flat_map(|prefetch| &prefetch.runs);
            for page in runs.flat_map(|run| (0..run.pages).map(|at| (run.region, run.first + at))) {
                let gva = self.tables(OWNER).gva(page.0, page.1);
                if let Some(gfn) = self.tables(OWNER).translate(gva) {
                    self.bring_ahead(OWNER, gfn, id);
                }
            }
        }
    }

    /// Maps the page at an address, and says how many small pages it has. None: memory is used up.
    fn lay_out(&mut self, gva: Gva, store: StoreId) -> Option<u64> {
        let large =
            self.w.setup.guest(OWNER).thp && self.tables(OWNER).large_page_around(gva) == Some(gva);
        if large && let Some(first) = self.tables(OWNER).frames().allocate_large() {
            self.link_tables(gva, PageSize::Large)?;
            self.tables(OWNER).map_large(gva, first);
            let pages = 1 << PageSize::Large.order();
            for page in 0..pages {
                self.store(OWNER, Gfn(first.0 + page), store);
            }
            return Some(pages);
        }
        self.link_tables(gva, PageSize::Small)?;
        let gfn = self.tables(OWNER).frames().allocate(false)?;
        self.tables(OWNER).map(gva, gfn);
        self.store(OWNER, gfn, store);
        Some(1)
    }

    /// Makes the tables that are missing on the way to a page.
    fn link_tables(&mut self, gva: Gva, size: PageSize) -> Option<()> {
        while let Some(level) = self.tables(OWNER).missing_table(gva, size) {
            let gfn = self.tables(OWNER).frames().allocate(false)?;
            self.keep_resident(OWNER, gfn);
            self.tables(OWNER).link(gva, level, gfn);
        }
        Some(())
    }
}
