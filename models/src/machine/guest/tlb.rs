//! Translations that vCPUs of the guest must not use any more, as `flush_tlb_mm_range` of arch/x86/mm/tlb.c has them
//! go (6.12; 5.10, 6.1 and 7.2 the same as far as is simulated): page by page up to a number of pages, all of the
//! address space beyond it; by an interrupt where another vCPU runs a task of it, and at its next switch where one is
//! idle.
//!
//! The guest has no paravirtual flush (`KVM_FEATURE_PV_TLB_FLUSH`), which leaves vCPUs alone that the host does not
//! run.

use sim_core::{Cycles, EventQueue};

use super::give_back::{Shootdown, TlbRange};
use super::ops::Begin;
use super::stage::GuestThen;
use super::state::Hotplug;
use crate::base::ids::{Gva, VcpuId};
use crate::base::record::{Event, TlbFlushReason};
use crate::config::costs::Prices;
use crate::machine::world::{Cx, GuestExit, Hypervisor, MachineEvent};

/// Pages that go one by one at most (`tlb_single_page_flush_ceiling`).
const SINGLE_PAGES: u64 = 33;

impl TlbRange {
    /// Pages that go one by one; none: all of the address space goes.
    fn single_pages(self) -> Option<u64> {
        (self.pages <= SINGLE_PAGES).then_some(self.pages)
    }
}

/// What dropping them takes on one vCPU. All of an address space go by a write of CR3.
pub(super) fn cost_of_flush(prices: &Prices, range: TlbRange) -> Cycles {
    match range.single_pages() {
        Some(pages) => prices.invlpg.cycles.times(pages),
        None => prices.cr3_write.cycles,
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The kernel drops translations everywhere: it asks others, drops its own, and spins until all have
    /// answered (`flush_tlb_multi`).
    pub(super) fn shoot_down(&mut self, vcpu: VcpuId, range: TlbRange) -> Begin {
        self.end_user(vcpu);
        let mut targets = Vec::new();
        for other in self.w.setup.vcpus_of(self.w.setup.vm(vcpu)) {
            let state = &mut self.w.guest.cpus[other.index()];
            match state.queue.current {
                _ if other == vcpu || state.hotplug == Hotplug::Offline => {}
                Some(_) => targets.push(other),
                None => state.behind = true,
            }
        }
        let own = cost_of_flush(&self.w.setup.prices, range);
        if targets.is_empty() {
            self.push_frame(vcpu, own, GuestThen::FlushTlb { range });
            return Begin::Reschedule;
        }
        let pages = range.single_pages().unwrap_or(u64::MAX);
        self.emit(Event::TlbFlush { vcpu, pages, reason: TlbFlushReason::SendIpi });
        self.push_frame(vcpu, Cycles::ZERO, GuestThen::CallWait);
        self.push_frame(vcpu, own, GuestThen::FlushTlb { range });
        let shootdown = Box::new(Shootdown { range, targets });
        self.w.guest.cpus[vcpu.index()].shootdown = Some(shootdown);
        Begin::Left(self.exit(vcpu, GuestExit::SendCalls))
    }

    /// Translations of a vCPU go.
    pub(super) fn flush_own(&mut self, vcpu: VcpuId, range: TlbRange, reason: TlbFlushReason) {
        let single = range.single_pages();
        self.w.guest.cpus[vcpu.index()].mmu.flush(range.first, single);
        self.emit(Event::TlbFlush { vcpu, pages: single.unwrap_or(u64::MAX), reason });
    }

    /// A vCPU that was idle goes on with a task, and drops what others dropped meanwhile.
    pub(super) fn catch_up(&mut self, vcpu: VcpuId) {
        let state = &mut self.w.guest.cpus[vcpu.index()];
        if std::mem::take(&mut state.behind) {
            let all = TlbRange { first: Gva(0), pages: u64::MAX };
            self.flush_own(vcpu, all, TlbFlushReason::TaskSwitch);
        }
    }
}
