//! First touches of memory: the guest's page fault for an address that it does not map yet.
//!
//! The handler makes the tables that are missing, from the top down, each in a cleared frame of its own
//! (`__p4d_alloc` to `__pte_alloc`), then it clears a frame for the page and writes its entry. It reaches
//! all of them through its own mapping of memory, which may exit first. A stage acts when its time is
//! over; another vCPU may have been faster by then.

use sim_core::{Cycles, EventQueue};

use super::stage::GuestThen;
use crate::base::ids::{Gfn, Gva, VcpuId};
use crate::base::page_size::PageSize;
use crate::base::record::Event;
use crate::config::{RegionBacking, TablePages};
use crate::machine::world::{Cx, Failure, Flow, GuestExit, Hypervisor, MachineEvent};

/// Small pages in one of 2 MiB.
const IN_LARGE: u64 = 1 << PageSize::Large.order();

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// What is missing for this address: a table, a page of 2 MiB, or a small one.
    pub(super) fn first_touch(&mut self, vcpu: VcpuId, gva: Gva) -> Option<Flow> {
        if self.tables(vcpu).translate(gva).is_some() {
            // Another vCPU was faster.
            return None;
        }
        let large = match self.w.setup.guest(vcpu).thp {
            true => self.tables(vcpu).large_page_around(gva),
            false => None,
        };
        let large = large.filter(|_| !self.is_in_guest_memfd(vcpu, gva));
        let tables = self.tables(vcpu);
        if let Some(first) = large {
            if let Some(level) = tables.missing_table(gva, PageSize::Large) {
                return self.begin_table(vcpu, gva, level);
            }
            if let Some(gfn) = tables.frames().allocate_large() {
                let then = GuestThen::ClearLarge { gva: first, gfn, page: 0 };
                self.push_frame(vcpu, Cycles::ZERO, then);
                return None;
            }
        }
        match tables.missing_table(gva, PageSize::Small) {
            Some(level) => self.begin_table(vcpu, gva, level),
            None => self.begin_page(vcpu, gva),
        }
    }

    fn begin_table(&mut self, vcpu: VcpuId, gva: Gva, level: u32) -> Option<Flow> {
        let Some(gfn) = self.tables(vcpu).frames().allocate_table() else {
            return self.out_of_memory(vcpu, gva);
        };
        if self.w.setup.guest(vcpu).table_pages == TablePages::Resident {
            self.keep_resident(vcpu, gfn);
        }
        self.push_frame(vcpu, Cycles::ZERO, GuestThen::ClearTable { gva, gfn, level });
        None
    }

    fn begin_page(&mut self, vcpu: VcpuId, gva: Gva) -> Option<Flow> {
        let in_memfd = self.is_in_guest_memfd(vcpu, gva);
        let Some(gfn) = self.tables(vcpu).frames().allocate(in_memfd) else {
            return self.out_of_memory(vcpu, gva);
        };
        if in_memfd {
            self.make_private(vcpu, gfn);
        }
        self.push_frame(vcpu, Cycles::ZERO, GuestThen::ClearPage { gva, gfn });
        None
    }

    /// A balloon that has pages gives some up, and the touch begins again.
    fn out_of_memory(&mut self, vcpu: VcpuId, gva: Gva) -> Option<Flow> {
        let again = GuestThen::FirstTouch { gva };
        if self.deflate_for_want_of_memory(vcpu, again) || self.wait_for_report(vcpu, again) {
            return None;
        }
        let now = self.now();
        self.fail(Failure::GuestOutOfMemory(now));
        Some(Flow::Stopped)
    }

    /// The kernel writes to a frame through its own mapping. Where that exits, the stage is repeated.
    fn reach(&mut self, vcpu: VcpuId, gfn: Gfn, then: GuestThen) -> Option<Flow> {
        let written = self.w.guest.cpus[vcpu.index()].written_for.take_if(|frame| *frame == gfn);
        if written.is_some() || self.maps(vcpu, gfn, true) {
            self.pass_major(vcpu, gfn);
            if self.w.setup.has_accessed_bits() {
                self.set_accessed(vcpu, &[gfn]);
            }
            return None;
        }
        self.push_frame(vcpu, Cycles::ZERO, then);
        let exit = GuestExit::EptViolation { gfn, write: true, cpl: 0, walk: false };
        Some(self.exit(vcpu, exit))
    }

    /// The kernel clears a frame, and does `then` when that is over.
    fn clear(&mut self, vcpu: VcpuId, gfn: Gfn, now: GuestThen, then: GuestThen) -> Option<Flow> {
        let flow = self.reach(vcpu, gfn, now);
        if flow.is_none() {
            let cost = self.w.setup.prices.zero_page.cycles;
            self.push_frame(vcpu, cost, then);
        }
        flow
    }

    /// Clears the frame of a new table.
    pub(super) fn clear_table(&mut self, vcpu: VcpuId, then: GuestThen) -> Option<Flow> {
        let GuestThen::ClearTable { gva, gfn, level } = then else { return None };
        self.clear(vcpu, gfn, then, GuestThen::LinkTable { gva, gfn, level })
    }

    /// Writes the entry of a new table into the one above it, and goes on with the touch.
    pub(super) fn link_table(&mut self, vcpu: VcpuId, then: GuestThen) -> Option<Flow> {
        let GuestThen::LinkTable { gva, gfn, level } = then else { return None };
        if let Some(parent) = self.tables(vcpu).parent(gva, level)
            && let Some(flow) = self.reach(vcpu, parent, then)
        {
            return Some(flow);
        }
        let tables = self.tables(vcpu);
        if tables.translate(gva).is_some() || tables.table(gva.page(), level).is_some() {
            // Another vCPU was faster (`pmd_none` under the lock): the frame goes back.
            tables.frames().release(gfn, false);
        } else {
            tables.link(gva, level, gfn);
            self.emit(Event::GuestTableNew { vcpu, gfn, level: level as u8 });
        }
        self.push_frame(vcpu, Cycles::ZERO, GuestThen::FirstTouch { gva });
        None
    }

    /// Clears the frame of a new page.
    pub(super) fn clear_page(&mut self, vcpu: VcpuId, then: GuestThen) -> Option<Flow> {
        let GuestThen::ClearPage { gva, gfn } = then else { return None };
        self.clear(vcpu, gfn, then, GuestThen::MapFresh { gva, gfn })
    }

    /// Writes the entry of a new page.
    pub(super) fn map_fresh(&mut self, vcpu: VcpuId, then: GuestThen) -> Option<Flow> {
        let GuestThen::MapFresh { gva, gfn } = then else { return None };
        if let Some(table) = self.tables(vcpu).table(gva.page(), 1)
            && let Some(flow) = self.reach(vcpu, table, then)
        {
            return Some(flow);
        }
        if self.tables(vcpu).translate(gva).is_some() {
            // Another vCPU was faster (`pte_same`): the frame goes back.
            let in_memfd = self.is_in_guest_memfd(vcpu, gva);
            self.tables(vcpu).frames().release(gfn, in_memfd);
        } else {
            self.tables(vcpu).map(gva, gfn);
        }
        None
    }

    /// Clears the next one of the frames of a page of 2 MiB (`clear_huge_page`); maps it after the last
    /// one.
    pub(super) fn clear_large(&mut self, vcpu: VcpuId, then: GuestThen) -> Option<Flow> {
        let GuestThen::ClearLarge { gva, gfn, page } = then else { return None };
        if u64::from(page) < IN_LARGE {
            let next = GuestThen::ClearLarge { gva, gfn, page: page + 1 };
            return self.clear(vcpu, Gfn(gfn.0 + u64::from(page)), then, next);
        }
        if let Some(table) = self.tables(vcpu).table(gva.page(), PageSize::Large.level())
            && let Some(flow) = self.reach(vcpu, table, then)
        {
            return Some(flow);
        }
        let tables = self.tables(vcpu);
        if tables.large_page_around(gva) == Some(gva) {
            tables.map_large(gva, gfn);
        } else {
            // Another vCPU was faster: with the whole page, or with a table of small ones.
            for page in (0..IN_LARGE).rev() {
                tables.frames().release(Gfn(gfn.0 + page), false);
            }
        }
        None
    }

    /// A frame that a page had is free.
    pub(super) fn free_frame(&mut self, vcpu: VcpuId, (gva, gfn): (Gva, Gfn)) {
        match self.is_in_guest_memfd(vcpu, gva) {
            true => drop(self.tables(vcpu).frames().release(gfn, true)),
            false => self.is_free(vcpu, gfn),
        }
    }

    /// Whether the memory slot of a region is backed by guest_memfd.
    fn is_in_guest_memfd(&self, vcpu: VcpuId, gva: Gva) -> bool {
        let region = self.w.guest.tables[self.w.setup.vm(vcpu).index()].region_of(gva);
        let regions = &self.w.setup.config.workload.regions;
        regions[region.index()].backing == RegionBacking::GuestMemfd
    }
}
