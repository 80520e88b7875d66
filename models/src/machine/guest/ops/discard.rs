//! Pages that a program gives back (`madvise` with MADV_DONTNEED), as mm/madvise.c and mm/memory.c of 6.12 do it:
//! entries go table by table (`zap_pte_range`), then translations of all vCPUs, and then the frames are free.
//!
//! One flush serves as many pages as are gathered. Who touches a page meanwhile gets another frame. Tables stay.

use sim_core::{Cycles, EventQueue};

use super::begin::Begin;
use crate::base::ids::{RegionId, TaskId, VcpuId};
use crate::base::page_size::PageSize;
use crate::base::record::Event;
use crate::machine::guest::give_back::{Discard, TlbRange};
use crate::machine::world::{Cx, GuestEntry, MachineEvent};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The current task takes the next part of a range away, or is through with it.
    pub(super) fn begin_discard(
        &mut self,
        vcpu: VcpuId,
        task: TaskId,
        (region, first, pages): (RegionId, u64, u64),
    ) -> Begin {
        let mut own = self.w.guest.tasks[task.index()].discard.take().unwrap_or_default();
        if std::mem::take(&mut own.flushed) {
            for frame in std::mem::take(&mut own.frames) {
                self.free_frame(vcpu, frame);
            }
            own.range = None;
        }
        if own.next < pages {
            self.cut_all_bursts();
        }
        while own.next < pages && !own.is_full() {
            let gone = self.take_entries(vcpu, &mut own, (region, first, pages));
            if gone > 0 {
                self.w.guest.tasks[task.index()].discard = Some(own);
                let cost = self.w.setup.prices.guest_discard_page.cycles.times(gone);
                return Begin::Takes(cost.max(Cycles(1)));
            }
        }
        let Some((low, high)) = own.range else {
            self.emit(Event::GuestDiscard { vcpu, task, pages: own.gone });
            self.w.guest.tasks[task.index()].pc += 1;
            return Begin::Reschedule;
        };
        own.flushed = true;
        self.w.guest.tasks[task.index()].discard = Some(own);
        let pages = high.page() - low.page() + 1;
        self.shoot_down(vcpu, TlbRange { first: low, pages })
    }

    /// Takes away the entries of a range that are in the next table; how many.
    fn take_entries(
        &mut self,
        vcpu: VcpuId,
        own: &mut Discard,
        (region, first, pages): (RegionId, u64, u64),
    ) -> u64 {
        let tables = self.tables(vcpu);
        let begin = tables.gva(region, first + own.next);
        let in_table = 1 << PageSize::Large.order();
        let to_end = in_table - begin.page() % in_table;
        let count = to_end.min(pages - own.next);
        let before = own.gone;
        for _ in 0..count {
            if own.is_full() {
                break;
            }
            let gva = tables.gva(region, first + own.next);
            own.next += 1;
            if let Some(gfn) = tables.unmap(gva) {
                own.frames.push((gva, gfn));
                own.gone += 1;
                own.range = Some((own.range.map_or(gva, |(low, _)| low), gva));
            }
        }
        own.gone - before
    }
}
