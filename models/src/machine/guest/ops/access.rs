//! One access to a page: how it chooses its page and finds its frame, and what it costs.

use sim_core::{Cycles, EventQueue, SimDuration};

use super::begin::Begin;
use crate::base::ids::{Gfn, GuestPage, Gva, RegionId, TaskId, VcpuId, VmId};
use crate::base::page_size::PageSize;
use crate::machine::guest::stage::GuestThen;
use crate::machine::guest::state::{Guest, GuestCpu};
use crate::machine::guest::task::{Program, Task};
use crate::machine::host::Host;
use crate::machine::world::{Cx, GuestExit, Hypervisor, MachineEvent, Setup, World};
use crate::parts::memory::shadow::Side;
use crate::parts::mmu::walk::{Stages, Stopped};
use crate::parts::mmu::{GuestTables, Mmu, TlbLevel, Translation};

/// An access whose page is chosen and looked up.
#[derive(Clone, Copy)]
pub(super) struct Access {
    gva: Gva,
    translation: Translation,
}

impl Access {
    fn misses(&self) -> bool {
        matches!(self.translation, Translation::GuestFault | Translation::EptViolation { .. })
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Chooses the page of the task's next access. The choice stays until the access goes through.
    pub(super) fn next_page(&mut self, vcpu: VcpuId, task: TaskId, region: RegionId) -> Gva {
        let World { setup, guest, .. } = &mut *self.w;
        let Guest { tasks, tables, drawn, .. } = guest;
        let tables = &tables[setup.vm(vcpu).index()];
        let Task { program, pc, choices, .. } = &mut tasks[task.index()];
        match program {
            Program::Fill { page, .. } => tables.gva(region, *page),
            Program::Loop { ops } => {
                choices.next(ops, *pc as usize, drawn.sources(tables, &setup.config.workload))
            }
        }
    }

    /// Looks a page up.
    pub(super) fn look_up(&mut self, vcpu: VcpuId, gva: Gva, write: bool) -> Access {
        let World { host, setup, guest, .. } = &mut *self.w;
        let Guest { cpus, tables, .. } = guest;
        let vm = setup.vm(vcpu);
        let tables = &tables[vm.index()];
        let GuestCpu { mmu, walked, .. } = &mut cpus[vcpu.index()];
        let seen = Seen { host, setup, tables, vm, write };
        let hit = if seen.is_protected(gva) { None } else { mmu.lookup(gva) };
        let translation = match hit {
            Some(level) => Translation::Hit(level),
            None => match seen.walk(mmu, gva, walked) {
                Ok(cycles) => Translation::Walked(cycles),
                Err(Stopped::GuestFault) => Translation::GuestFault,
                Err(Stopped::Violation { gfn, table }) => {
                    Translation::EptViolation { gfn, walk: table }
                }
            },
        };
        Access { gva, translation }
    }

    /// The access begins: it goes through, exits, or faults in the guest.
    pub(super) fn begin_access(
        &mut self,
        vcpu: VcpuId,
        task: TaskId,
        access: Access,
        (write, cost): (bool, SimDuration),
    ) -> Begin {
        let kernel = &mut self.w.guest.tasks[task.index()].kernel;
        let syscall = kernel.syscall;
        kernel.mid_access = syscall && access.misses();
        match access.translation {
            Translation::GuestFault if self.w.setup.is_shadow() => {
                self.pass_majors_but(vcpu, task, None);
                let cpl = if syscall { 0 } else { 3 };
                let exit = GuestExit::ShadowFault { gva: access.gva, write, cpl };
                Begin::Left(self.exit(vcpu, exit))
            }
            Translation::GuestFault => {
                self.pass_majors_but(vcpu, task, None);
                self.end_user(vcpu);
                let prices = &self.w.setup.prices;
                let cost = prices.guest_exception.cycles + prices.guest_minor_fault.cycles;
                self.push_frame(vcpu, cost, GuestThen::FirstTouch { gva: access.gva });
                Begin::Reschedule
            }
            Translation::EptViolation { gfn, walk } => {
                self.pass_majors_but(vcpu, task, Some(gfn));
                let cpl = if syscall { 0 } else { 3 };
                // A walk sets accessed flags in the guest's tables; where the second stage has its own,
                // each use of a table counts as a write.
                let exit = match self.w.host.shadow() {
                    Some(_) => GuestExit::ShadowFault { gva: access.gva, write, cpl },
                    None => GuestExit::EptViolation { gfn, write: write || walk, cpl, walk },
                };
                Begin::Left(self.exit(vcpu, exit))
            }
            Translation::Hit(TlbLevel::L1) => {
                self.access_done(vcpu, (task, access.gva), cost, Cycles::ZERO)
            }
            Translation::Hit(TlbLevel::Stlb) => {
                let hit = self.w.setup.prices.stlb_hit.cycles;
                self.access_done(vcpu, (task, access.gva), cost, hit)
            }
            Translation::Walked(cycles) => self.access_done(vcpu, (task, access.gva), cost, cycles),
        }
    }

    /// The access goes through: the position in the program behind it, and what it takes.
    fn access_done(
        &mut self,
        vcpu: VcpuId,
        (task, gva): (TaskId, Gva),
        cost: SimDuration,
        translation: Cycles,
    ) -> Begin {
        self.retire_majors(vcpu, task, gva);
        let state = &mut self.w.guest.tasks[task.index()];
        match &mut state.program {
            Program::Fill { page, .. } => *page += 1,
            Program::Loop { ops } => {
                state.pc += state.choices.steps(&ops[state.pc as usize]);
                state.choices.take();
            }
        }
        // The instruction itself takes a cycle at least, so that no program stands still.
        Begin::Takes(Cycles((self.frequency.cycles_in(cost) + translation).0.max(1)))
    }
}

/// Whether the host's kernel makes entries that do not allow writing: of pages that are read first, or are protected.
#[inline]
pub(super) fn maps_read_only(setup: &Setup) -> bool {
    let host = &setup.config.host;
    host.kernel.read_faults.maps_read_only() || !host.memory_control.protections.is_empty()
}

/// The tables of guest and host, as a walk of a vCPU of a virtual machine sees them.
pub(super) struct Seen<'a> {
    pub host: &'a Host,
    pub setup: &'a Setup,
    pub tables: &'a GuestTables,
    pub vm: VmId,
    /// Whether the access writes.
    pub write: bool,
}

impl Seen<'_> {
    /// Whether the second stage lets the guest read an address that it is to write, and not write it. An
    /// entry of the TLB that a read made does not serve a write then: the processor walks again, and exits.
    #[inline]
    pub(super) fn is_protected(&self, gva: Gva) -> bool {
        self.write && maps_read_only(self.setup) && self.allows_no_write(gva)
    }

    /// Walks to an address that the TLB does not have. Under shadow paging the processor walks the host's
    /// mirror, which has an entry where the guest has one and the host has made its own from it.
    #[inline]
    pub(super) fn walk(
        &self,
        mmu: &mut Mmu,
        gva: Gva,
        walked: &mut Vec<Gfn>,
    ) -> Result<Cycles, Stopped> {
        if self.host.shadow().is_none() {
            return mmu.walk(gva, self, walked);
        }
        let gfn = self.tables.translate(gva).ok_or(Stopped::GuestFault)?;
        if !self.host.reaches(GuestPage::new(self.vm, gfn), Side::Program, self.write) {
            return Err(Stopped::Violation { gfn, table: false });
        }
        let cycles = mmu.walk(gva, &Mirror(gfn), walked)?;
        walked.push(gfn);
        Ok(cycles)
    }

    /// Looks at what there is of a page, for [`Self::walk_to`].
    #[inline]
    pub(super) fn look_at(&self, gva: Gva) -> Option<Leaf> {
        let (gfn, size) = self.leaf(gva.page())?;
        Some(Leaf { gfn, size, host: self.second_stage(gfn, false) })
    }

    /// The same as [`Self::walk`] to a page that was looked at, since when no table has changed.
    #[inline]
    pub(super) fn walk_to(
        &self,
        leaf: Leaf,
        mmu: &mut Mmu,
        gva: Gva,
        walked: &mut Vec<Gfn>,
    ) -> Result<Cycles, Stopped> {
        if self.host.shadow().is_some() {
            return self.walk(mmu, gva, walked);
        }
        mmu.walk(gva, &Known { seen: self, leaf }, walked)
    }

    fn allows_no_write(&self, gva: Gva) -> bool {
        self.tables.translate(gva).is_some_and(|gfn| {
            let page = GuestPage::new(self.vm, gfn);
            let reaches = |write| self.host.reaches(page, Side::Program, write);
            reaches(false) && !reaches(true)
        })
    }
}

/// The host's mirror, as a walk to a frame that it maps sees it. The host maps by 4 KiB, so that a page of
/// 2 MiB of the guest's has a table of its own here (`role.direct`).
struct Mirror(Gfn);

impl Stages for Mirror {
    fn leaf(&self, _: u64) -> Option<(Gfn, PageSize)> {
        Some((self.0, PageSize::Small))
    }

    fn table(&self, _: u64, _: u32) -> Option<Gfn> {
        // Where tables lie is asked for the sake of a second stage only.
        Some(Gfn(0))
    }

    fn second_stage(&self, _: Gfn, _: bool) -> Option<PageSize> {
        None
    }
}

/// What the tables of guest and host have of a page.
#[derive(Clone, Copy)]
pub(super) struct Leaf {
    gfn: Gfn,
    size: PageSize,
    /// The second stage's mapping, if there is one that allows the access.
    host: Option<PageSize>,
}

impl Leaf {
    /// The frame of the page.
    pub(super) fn gfn(&self) -> Gfn {
        self.gfn
    }
}

/// The tables as a walk to a page sees them of which it is known already what they have.
struct Known<'a> {
    seen: &'a Seen<'a>,
    leaf: Leaf,
}

impl Stages for Known<'_> {
    #[inline]
    fn leaf(&self, _: u64) -> Option<(Gfn, PageSize)> {
        Some((self.leaf.gfn, self.leaf.size))
    }

    #[inline]
    fn table(&self, page: u64, level: u32) -> Option<Gfn> {
        self.seen.table(page, level)
    }

    #[inline]
    fn second_stage(&self, gfn: Gfn, table: bool) -> Option<PageSize> {
        if table { self.seen.second_stage(gfn, true) } else { self.leaf.host }
    }
}

impl Stages for Seen<'_> {
    #[inline]
    fn leaf(&self, page: u64) -> Option<(Gfn, PageSize)> {
        self.tables.leaf(page)
    }

    #[inline]
    fn table(&self, page: u64, level: u32) -> Option<Gfn> {
        self.tables.table(page, level)
    }

    #[inline]
    fn second_stage(&self, gfn: Gfn, table: bool) -> Option<PageSize> {
        self.host.mapping(GuestPage::new(self.vm, gfn), self.write || table)
    }
}
