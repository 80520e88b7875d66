//! Shadow paging: what comes before and after the one path of a fault where the host mirrors the guest's
//! tables. Each #PF of the guest exits; the host walks the guest's tables in software, and either gives the
//! #PF back or knows the frame (`FNAME(page_fault)` of arch/x86/kvm/mmu/paging_tmpl.h: 5.10.262, 6.12.117,
//! 7.3.4).

use sim_core::{EventQueue, SimDuration};

use super::state::{Fault, SoftwareWalk};
use crate::base::abi::{PF_PRESENT, PF_USER, PF_WRITE};
use crate::base::ids::{Gfn, GuestPage, Gva, VcpuId};
use crate::base::record::{Event, ExitReason, FaultPath};
use crate::machine::host::FetchGoal;
use crate::machine::world::{Cx, Flow, GuestEntry, MachineEvent, Then, thread_of};
use crate::parts::memory::pages::{Backing, Entry};
use crate::parts::memory::shadow::{KernelWrite, Side};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// A #PF: at an address of a program, or in the kernel's map of memory at that of a frame.
    pub(super) fn shadow_fault(
        &mut self,
        vcpu: VcpuId,
        (gva, kernel): (Gva, Option<Gfn>),
        write: bool,
        cpl: u8,
    ) -> Flow {
        let interrupts_on = self.interrupts_on(vcpu);
        self.w.kvm.of[vcpu.index()].walk =
            Some(SoftwareWalk { gva, kernel, write, cpl, interrupts_on });
        let present = self.shadow_frame(vcpu, gva, kernel).is_some_and(|(gfn, side)| {
            self.w.host.reaches(self.w.setup.page(vcpu, gfn), side, false)
        });
        let bits = [(present, PF_PRESENT), (write, PF_WRITE), (cpl > 0, PF_USER)];
        let bits = bits.into_iter().filter(|(set, _)| *set);
        let error_code = bits.fold(0, |code, (_, bit)| code | u64::from(bit));
        let prices = &self.w.setup.prices;
        let cost = prices.exit_hw.time + prices.shadow_walk.time;
        let flow = self.leave_guest(vcpu, ExitReason::PageFault, cost, Then::ShadowWalk);
        self.emit(Event::ShadowFault { vcpu, address: gva, error_code, cpl });
        flow
    }

    /// The frame behind an address, as the guest has it now.
    fn shadow_frame(&self, vcpu: VcpuId, gva: Gva, kernel: Option<Gfn>) -> Option<(Gfn, Side)> {
        match kernel {
            Some(gfn) => Some((gfn, Side::Kernel)),
            None => self.translation_of(vcpu, gva).map(|gfn| (gfn, Side::Program)),
        }
    }

    /// Reads the guest's tables on the way to the address, through the VMM's mapping. One that is swapped out
    /// is fetched by this thread, whatever the policy (`__get_user` in `FNAME(walk_addr_generic)`).
    pub(in crate::machine) fn shadow_walk(&mut self, vcpu: VcpuId) -> Flow {
        let Some(walk) = self.w.kvm.of[vcpu.index()].walk else {
            unreachable!("{vcpu} walks no tables");
        };
        if walk.kernel.is_none() {
            for (_, table) in self.tables_of(vcpu, walk.gva) {
                if let Some(flow) = self.read_guest_table(vcpu, table) {
                    return flow;
                }
            }
        }
        let SoftwareWalk { gva, kernel, write, cpl, interrupts_on } = walk;
        self.w.kvm.of[vcpu.index()].walk = None;
        let Some((gfn, side)) = self.shadow_frame(vcpu, gva, kernel) else {
            self.inject_own_fault(vcpu, gva);
            return Flow::Spend(SimDuration::ZERO, Then::TurnEnd);
        };
        self.w.kvm.of[vcpu.index()].fault =
            Some(Fault { gfn, gva, side, write, cpl, interrupts_on, joins: false });
        if side == Side::Kernel && write && self.is_write_protected(vcpu, gfn) {
            return self.emulate_write();
        }
        self.emit(Event::ShadowWalk { vcpu, gfn });
        Flow::Spend(self.w.setup.prices.apf_detect.time, Then::FaultLookup)
    }

    /// A table of the guest's is read. The walk sets accessed flags in it, so that it counts as written.
    fn read_guest_table(&mut self, vcpu: VcpuId, table: Gfn) -> Option<Flow> {
        let page = self.w.setup.page(vcpu, table);
        match self.w.host.backing(page) {
            Backing::Resident | Backing::Writeback => {
                self.use_in_vmm(page);
                self.table_is_read(vcpu, table);
                None
            }
            Backing::Untouched | Backing::Stored | Backing::Reading | Backing::Swapped => {
                if self.w.kvm.of[vcpu.index()].delivering.is_none() {
                    self.begin_major(vcpu, table, FaultPath::Sync);
                }
                self.w.host.set_fetch(thread_of(vcpu), page, FetchGoal::GuestTable);
                Some(Flow::Spend(SimDuration::ZERO, Then::Fetch))
            }
            Backing::Poisoned => {
                self.send_hwpoison_signal(vcpu, table);
                Some(Flow::Spend(SimDuration::ZERO, Then::TurnEnd))
            }
        }
    }

    /// Whether a frame holds a table above the lowest whose mirror has an entry for it that is to stay
    /// without writing (`page_fault_handle_page_track`).
    fn is_write_protected(&self, vcpu: VcpuId, gfn: Gfn) -> bool {
        let write = self.w.host.shadow().map(|shadow| shadow.kernel_write(gfn));
        write == Some(KernelWrite::Emulated)
            && self.w.host.reaches(self.w.setup.page(vcpu, gfn), Side::Kernel, false)
    }

    fn emulate_write(&self) -> Flow {
        Flow::Spend(self.w.setup.prices.shadow_emulate.time, Then::ShadowEmulate)
    }

    /// The guest's write to a table above the lowest is carried out (`RET_PF_WRITE_PROTECTED`,
    /// `kvm_mmu_track_write`). It makes an entry where there was none, so that no entry of the mirror goes.
    pub(in crate::machine) fn shadow_emulate(&mut self, vcpu: VcpuId) -> Flow {
        if let Some(Fault { gfn, .. }) = self.w.kvm.of[vcpu.index()].fault {
            self.emit(Event::ShadowEmulate { vcpu, gfn });
            self.write_is_done(vcpu, gfn);
        }
        Flow::Spend(SimDuration::ZERO, Then::TurnEnd)
    }

    /// The entry of a fault is made: the mirror has every table on the way to a program's address from now
    /// on. What follows, if not simply the end of the exit.
    pub(super) fn mirror_path(
        &mut self,
        vcpu: VcpuId,
        (gfn, gva): (Gfn, Gva),
        side: Side,
        write: bool,
    ) -> Option<Flow> {
        self.w.host.shadow()?;
        if side == Side::Kernel {
            let emulated = write && self.is_write_protected(vcpu, gfn);
            return emulated.then(|| self.emulate_write());
        }
        let cost = self.mirror_tables(vcpu, gva);
        (!cost.is_zero()).then_some(Flow::Spend(cost, Then::TurnEnd))
    }

    /// The mirror has every table on the way to an address of a program; what telling other vCPUs costs.
    pub(super) fn mirror_tables(&mut self, vcpu: VcpuId, gva: Gva) -> SimDuration {
        let mut flush = false;
        for (level, table) in self.tables_of(vcpu, gva) {
            let page = self.w.setup.page(vcpu, table);
            let mapped = self.w.host.maps(page, false);
            if let Some(shadow) = self.w.host.shadow_mut() {
                flush |= shadow.mirror(table, level) && mapped;
            }
        }
        let kicked = if flush { self.flush_remote_tlbs(self.w.setup.vm(vcpu)) } else { 0 };
        self.w.setup.prices.shootdown_vcpu.time.times(kicked)
    }

    /// The guest's write of CR3 takes effect (`kvm_set_cr3`): unless the guest says that the translations of
    /// the address space stay, the mirror is made the same as the guest's tables (`kvm_mmu_sync_roots`).
    pub(in crate::machine) fn shadow_cr3(&mut self, vcpu: VcpuId) -> Flow {
        let Some((space, keep)) = self.w.kvm.of[vcpu.index()].writes_cr3.take() else {
            unreachable!("{vcpu} writes no CR3");
        };
        self.w.kvm.of[vcpu.index()].space = space;
        let written = match self.w.host.shadow_mut() {
            Some(shadow) if !keep => shadow.synchronise(),
            _ => Vec::new(),
        };
        let tables = written.len() as u32;
        self.emit(Event::ShadowSync { vcpu, tables });
        let mapped = |&gfn: &Gfn| self.w.host.maps(self.w.setup.page(vcpu, gfn), false);
        let flush = written.iter().any(mapped);
        let kicked = if flush { self.flush_remote_tlbs(self.w.setup.vm(vcpu)) } else { 0 };
        let prices = &self.w.setup.prices;
        let cost =
            prices.shadow_sync.time.times(tables.into()) + prices.shootdown_vcpu.time.times(kicked);
        Flow::Spend(cost, Then::TurnEnd)
    }

    /// A page is used through the VMM's own mapping, for writing. Reclaim finds that out in either order of
    /// pages: what is asked of a page includes the accessed bit of the VMM's table (`page_referenced`).
    fn use_in_vmm(&mut self, page: GuestPage) {
        self.w.host.set_accessed(page.vm(), &[page.gfn()]);
        if self.w.host.entry_in_vmm(page) == Entry::Writable {
            self.w.host.set_young_in_vmm(page);
        } else {
            self.map_in_vmm(page, true);
        }
    }
}
