//! The one path of a second-stage fault, whatever the kind of page tables: look the page up
//! without waiting, then map it, handle the fault asynchronously, or fetch the page.

use sim_core::{EventQueue, SimDuration};

use super::state::Fault;
use crate::apf::rules::{FirstLookup, Workers};
use crate::apf::{Decision, FaultMemory, SetupFailure};
use crate::base::ids::{Gfn, ItemId, VcpuId};
use crate::base::record::{Event, FaultPath};
use crate::config::MmuRetry;
use crate::machine::host::FetchGoal;
use crate::machine::world::{Cx, Flow, GuestEntry, MachineEvent, Then, Under, thread_of};
use crate::parts::memory::pages::Backing;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    pub(super) fn fault_gfn(&self, vcpu: VcpuId) -> Gfn {
        self.fault_of(vcpu).gfn
    }

    pub(super) fn fault_of(&self, vcpu: VcpuId) -> Fault {
        match self.w.kvm.of[vcpu.index()].fault {
            Some(fault) => fault,
            None => unreachable!("{vcpu} handles no fault"),
        }
    }

    /// A lookup comes back with -EHWPOISON.
    pub(in crate::machine) fn fault_is_poisoned(&mut self, vcpu: VcpuId) -> Flow {
        self.send_hwpoison_signal(vcpu, self.fault_gfn(vcpu));
        self.back_to_loop()
    }

    pub(super) fn back_to_loop(&self) -> Flow {
        Flow::Spend(SimDuration::ZERO, Then::TurnEnd)
    }

    /// Lookup without waiting (`get_user_pages` with FOLL_NOWAIT, or without I/O).
    pub(in crate::machine) fn fault_lookup(&mut self, vcpu: VcpuId) -> Flow {
        let gfn = self.fault_gfn(vcpu);
        self.begin_mapping(vcpu);
        let prices = &self.w.setup.prices;
        let rest = prices.kvm_fault.time.saturating_sub(prices.apf_detect.time);
        if self.is_served_from_guest_memfd(vcpu, gfn) {
            // `kvm_mmu_faultin_pfn_gmem` finds the page or allocates it; no lookup is shown.
            return match self.w.host.backing(self.w.setup.page(vcpu, gfn)) {
                Backing::Untouched => self.fetch_for_fault(vcpu, FetchGoal::Fault),
                _ => self.under_lock(thread_of(vcpu), rest, Under::Map),
            };
        }
        let page = self.w.setup.page(vcpu, gfn);
        match self.w.host.backing(page) {
            Backing::Resident | Backing::Writeback if self.meets_protection(vcpu, page) => {
                self.look_without_asking(vcpu, page)
            }
            Backing::Resident | Backing::Writeback => {
                self.show_found(vcpu, gfn);
                match self.w.host.is_unmapped_page_of_file(page) {
                    true => self.fetch_for_fault(vcpu, FetchGoal::Fault),
                    false => self.under_lock(thread_of(vcpu), rest, Under::Map),
                }
            }
            Backing::Untouched => self.fetch_for_fault(vcpu, FetchGoal::Fault),
            Backing::Stored if self.w.host.is_orphaned(page) => {
                self.fetch_for_fault(vcpu, FetchGoal::Fault)
            }
            // Another virtual machine's VMM has read it from the file that both map.
            Backing::Stored if self.w.host.is_found_in_page_cache(page) => {
                self.fetch_for_fault(vcpu, FetchGoal::Fault)
            }
            Backing::Swapped | Backing::Reading | Backing::Stored => self.fault_needs_io(vcpu),
            Backing::Poisoned => self.fault_is_poisoned(vcpu),
        }
    }

    /// Whether the host has asynchronous faults for a vCPU's virtual machine.
    pub(super) fn has_async_faults(&self, vcpu: VcpuId) -> bool {
        let policy = self.w.setup.policy_of(self.w.setup.vm(vcpu));
        policy.is_some_and(|policy| policy.host_async)
    }

    /// Where the host has asynchronous faults, its kernel knows guest_memfd: the scenario was
    /// refused otherwise.
    fn is_served_from_guest_memfd(&self, vcpu: VcpuId, gfn: Gfn) -> bool {
        let host_async = self.has_async_faults(vcpu);
        match (self.w.host.is_private(self.w.setup.page(vcpu, gfn)), host_async) {
            (true, true) => {
                self.w.protocol.apf(vcpu).is_served_from_guest_memfd(FaultMemory::Private)
            }
            (private, _) => private,
        }
    }

    /// The line of a lookup that found its page, where the host has one.
    fn show_found(&mut self, vcpu: VcpuId, gfn: Gfn) {
        let host_async = self.has_async_faults(vcpu);
        let view = self.view(vcpu);
        if host_async
            && self.w.protocol.apf(vcpu).shows_found(vcpu, view)
            && let Some(pfn) = self.w.host.pfn(self.w.setup.page(vcpu, gfn))
        {
            self.emit(Event::LookupFound { vcpu, pfn });
        }
    }

    fn fault_needs_io(&mut self, vcpu: VcpuId) -> Flow {
        self.note_joining(vcpu);
        let page = self.w.setup.page(vcpu, self.fault_gfn(vcpu));
        if self.w.host.is_served_by_vmm(page) {
            return match self.w.setup.answers_faults(self.w.setup.vm(vcpu)) {
                true => Flow::Spend(SimDuration::ZERO, Then::UserFault),
                false => self.look_without_asking(vcpu, page),
            };
        }
        let policy = self.w.setup.policy_of(self.w.setup.vm(vcpu)).cloned();
        let Some(policy) = policy.filter(|policy| policy.host_async) else {
            return self.fetch_synchronously(vcpu);
        };
        // The lookup that must not wait reads from compressed memory like any other: `do_swap_page` leaves
        // a page unlocked that was read when `swap_read_folio` returns, and no lock is waited for. Only a
        // lookup that begins no I/O (`FOLL_NOIO` of the series of 2010) comes back without the page.
        let stored =
            self.w.host.backing(page) == Backing::Stored || self.w.host.is_coming_from_store(page);
        let found = self.w.setup.config.host.device.is_work_of_submitter() && !stored;
        match policy.rules.first_lookup {
            FirstLookup::StartsRead | FirstLookup::WaitsWithoutReadAhead if found => {
                self.fetch_synchronously(vcpu)
            }
            // The same of what zswap holds; but that may have been written to the device when it comes to it.
            FirstLookup::StartsRead | FirstLookup::WaitsWithoutReadAhead
                if self.w.host.is_compressed(page) =>
            {
                self.begin_major_fault(vcpu, FaultPath::Sync);
                self.fetch_for_fault(vcpu, FetchGoal::StartRead)
            }
            // Nobody else could start it later.
            _ if policy.rules.workers == Workers::NativeIo => {
                self.fetch_for_fault(vcpu, FetchGoal::StartRead)
            }
            // Whoever joins a read that is under way comes back without the page.
            FirstLookup::WaitsWithoutReadAhead
                if self.w.setup.config.host.read_ahead_pages <= 1
                    && self.w.host.backing(page) == Backing::Swapped =>
            {
                self.fetch_synchronously(vcpu)
            }
            FirstLookup::StartsRead | FirstLookup::WaitsWithoutReadAhead => {
                self.fetch_for_fault(vcpu, FetchGoal::StartRead)
            }
            FirstLookup::NoIo => self.fault_try(vcpu),
        }
    }

    pub(super) fn fetch_for_fault(&mut self, vcpu: VcpuId, goal: FetchGoal) -> Flow {
        let Fault { gfn, write, .. } = self.fault_of(vcpu);
        self.w.host.set_fetch(thread_of(vcpu), self.w.setup.page(vcpu, gfn), goal);
        self.w.host.set_fetch_writes(thread_of(vcpu), write);
        Flow::Spend(SimDuration::ZERO, Then::Fetch)
    }

    /// The lookup that must not wait has begun a read, and waits for it.
    pub(in crate::machine) fn fault_waits(&mut self, vcpu: VcpuId) -> Flow {
        self.begin_major_fault(vcpu, FaultPath::Sync);
        Flow::Spend(SimDuration::ZERO, Then::FetchSubmit)
    }

    fn fetch_synchronously(&mut self, vcpu: VcpuId) -> Flow {
        self.begin_major_fault(vcpu, FaultPath::Sync);
        self.fetch_for_fault(vcpu, FetchGoal::Fault)
    }

    /// Whether the page is on its way from its store already, for somebody else. Such a fault is not a major one
    /// (`filemap_fault`: VM_FAULT_MAJOR only where the page is not in the page cache yet).
    pub(super) fn note_joining(&mut self, vcpu: VcpuId) {
        let gfn = self.fault_gfn(vcpu);
        // Only where a VMM answers faults is anybody asked: it takes a look at every vCPU.
        let answered = || {
            self.w.setup.answers_faults(self.w.setup.vm(vcpu))
                && (self.is_with_vmm(vcpu, gfn) || self.is_outside(vcpu, gfn))
        };
        let joins = self.w.host.is_coming_from_store(self.w.setup.page(vcpu, gfn)) || answered();
        if let Some(fault) = &mut self.w.kvm.of[vcpu.index()].fault {
            fault.joins = joins;
        }
    }

    /// Whether a vCPU thread of the same virtual machine is out of the kernel with a fault on the frame.
    fn is_outside(&self, vcpu: VcpuId, gfn: Gfn) -> bool {
        let mut own = self.w.setup.vcpus_of(self.w.setup.vm(vcpu));
        own.any(|own| self.w.kvm.of[own.index()].outside.is_some_and(|(with, _)| with == gfn))
    }

    /// The access behind the fault needs I/O; reported once, however often it exits. A fault in the
    /// delivery of an event is no task's access.
    pub(super) fn begin_major_fault(&mut self, vcpu: VcpuId, path: FaultPath) {
        let Fault { gfn, joins, .. } = self.fault_of(vcpu);
        if self.w.kvm.of[vcpu.index()].delivering.is_none() && !joins {
            self.begin_major(vcpu, gfn, path);
        }
    }

    /// Whether an item for this page would find no memory. Drawn by what it is for, so that
    /// policies meet the same failures.
    pub(super) fn allocation_fails(&self, vcpu: VcpuId, gfn: Gfn) -> bool {
        let ppm = self.w.setup.config.host.allocation_failure_ppm;
        if ppm == 0 {
            return false;
        }
        let key = [
            u64::from(vcpu.0),
            gfn.0,
            u64::from(self.w.host.io_count(self.w.setup.page(vcpu, gfn))),
        ];
        self.w.kvm.allocations.draw(key).chance(u64::from(ppm), 1_000_000)
    }

    /// `try_async_pf`: the page needs I/O; may the fault go asynchronous?
    pub(in crate::machine) fn fault_try(&mut self, vcpu: VcpuId) -> Flow {
        let (gfn, view) = (self.fault_gfn(vcpu), self.view(vcpu));
        if self.needs_sleeper(self.w.setup.page(vcpu, gfn)) {
            return self.fetch_synchronously(vcpu);
        }
        let failure = self.allocation_fails(vcpu, gfn).then_some(SetupFailure::Allocation);
        let gva = self.fault_of(vcpu).gva;
        match self.try_async(vcpu, view, (gva, gfn), failure) {
            Some(Decision::Continue) => {
                self.begin_major_fault(vcpu, FaultPath::Async);
                Flow::Spend(self.w.setup.prices.apf_setup.time, Then::SetupStep)
            }
            Some(Decision::Retry) => {
                self.begin_major_fault(vcpu, FaultPath::Repeated);
                self.back_to_loop()
            }
            Some(Decision::Sync) | None => self.fetch_synchronously(vcpu),
        }
    }

    /// The next section follows at once, or when a worker is done.
    pub(super) fn next_section(&mut self, vcpu: VcpuId, wait: Option<ItemId>) -> Flow {
        if wait.is_none() {
            return Flow::Spend(SimDuration::ZERO, Then::SetupStep);
        }
        self.w.kvm.wait_for_worker(vcpu, wait);
        self.block_thread(thread_of(vcpu), Then::SetupStep);
        Flow::Stopped
    }

    /// The next section of setting up an item (schedule, link, announce), or of freeing one.
    pub(in crate::machine) fn setup_step(&mut self, vcpu: VcpuId) -> Flow {
        let view = self.view(vcpu);
        let section = self.advance(vcpu, view);
        let handed_over = match section.queued {
            Some(item) => self.queue_work(item),
            None => SimDuration::ZERO,
        };
        match section.decision {
            Some(Decision::Continue) if handed_over.is_zero() => {
                self.next_section(vcpu, section.wait_worker)
            }
            Some(Decision::Continue) => Flow::Spend(handed_over, Then::SetupStep),
            Some(Decision::Sync) => self.fetch_synchronously(vcpu),
            Some(Decision::Retry) | None => Flow::Spend(handed_over, Then::TurnEnd),
        }
    }

    /// From here on, what the host takes away may make the mapping at hand begin again.
    pub(super) fn begin_mapping(&mut self, vcpu: VcpuId) {
        self.w.kvm.of[vcpu.index()].invalidations =
            self.w.host.invalidations(self.w.setup.vm(vcpu));
    }

    /// Whether the second-stage entry must not be made, because the host has taken pages away since
    /// the mapping began (`mmu_notifier_retry`). The page stays in the VMM, if it is there.
    pub(super) fn must_retry(&mut self, vcpu: VcpuId, gfn: Gfn, write: bool) -> bool {
        let changed = self.w.kvm.of[vcpu.index()].invalidations
            != self.w.host.invalidations(self.w.setup.vm(vcpu));
        if !changed || self.w.setup.config.host.kernel.mmu_retry == MmuRetry::OwnPage {
            return false;
        }
        if self.w.host.backing(self.w.setup.page(vcpu, gfn)) == Backing::Resident {
            self.map_in_vmm(self.w.setup.page(vcpu, gfn), write);
        }
        self.emit(Event::MmuNotifierRetry { vcpu, gfn });
        true
    }

    /// Maps the page of the fault, unless pages went away while the host was working: then the guest
    /// faults again.
    pub(in crate::machine) fn map_fault(&mut self, vcpu: VcpuId) -> Flow {
        let Fault { gfn, gva, side, write, .. } = self.fault_of(vcpu);
        if self.must_retry(vcpu, gfn, write) {
            return self.back_to_loop();
        }
        match self.w.host.backing(self.w.setup.page(vcpu, gfn)) {
            // Protected since it was looked up, which took its entry away.
            Backing::Resident | Backing::Writeback
                if self.meets_protection(vcpu, self.w.setup.page(vcpu, gfn)) =>
            {
                self.emit(Event::MmuNotifierRetry { vcpu, gfn });
                self.back_to_loop()
            }
            Backing::Resident | Backing::Writeback => {
                self.map_page(vcpu, (self.w.setup.page(vcpu, gfn), side), write);
                match self.mirror_path(vcpu, (gfn, gva), side, write) {
                    Some(flow) => flow,
                    None => self.back_to_loop(),
                }
            }
            Backing::Untouched | Backing::Reading | Backing::Swapped | Backing::Stored => {
                self.fetch_for_fault(vcpu, FetchGoal::Fault)
            }
            Backing::Poisoned => self.fault_is_poisoned(vcpu),
        }
    }
}
