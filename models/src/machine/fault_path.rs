//! The one path of a second-stage fault, whatever the kind of page tables: look the page up
//! without waiting, then map it, handle the fault asynchronously, or fetch the page.

use sim_core::{EventQueue, SimDuration};

use super::Cx;
use super::event::MachineEvent;
use super::world::{Fetch, FetchGoal, Then};
use crate::apf::rules::{FirstLookup, Workers};
use crate::apf::{Decision, FaultMemory, HostInput, SetupFailure};
use crate::base::ids::{Gfn, Gva, ItemId, VcpuId};
use crate::base::record::{Event, FaultPath};
use crate::config::{MmuRetry, ReadAhead};
use crate::machine::host::scheduler::Flow;
use crate::parts::memory::pages::{Arrival, Backing, hva_of};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    fn fault_gfn(&self, vcpu: VcpuId) -> Gfn {
        match &self.w.vcpus[vcpu.index()].fault {
            Some(fault) => fault.gfn,
            None => unreachable!("{vcpu} handles no fault"),
        }
    }

    fn back_to_loop(&self) -> Flow {
        Flow::Spend(SimDuration::ZERO, Then::TurnEnd)
    }

    /// Lookup without waiting (`get_user_pages` with FOLL_NOWAIT, or without I/O).
    pub(crate) fn fault_lookup(&mut self, vcpu: VcpuId) -> Flow {
        let gfn = self.fault_gfn(vcpu);
        self.begin_mapping(vcpu);
        let prices = &self.w.prices;
        let rest = prices.kvm_fault.time.saturating_sub(prices.apf_detect.time);
        if self.is_served_from_guest_memfd(gfn) {
            // `kvm_mmu_faultin_pfn_gmem` finds the page or allocates it; no lookup is shown.
            return match self.w.memory.page(gfn).backing {
                Backing::Untouched => self.fetch_for_fault(vcpu, FetchGoal::Fault),
                _ => Flow::Spend(rest, Then::MapFault),
            };
        }
        match self.w.memory.page(gfn).backing {
            Backing::Resident | Backing::Writeback => {
                self.show_found(vcpu, gfn);
                Flow::Spend(rest, Then::MapFault)
            }
            Backing::Untouched => self.fetch_for_fault(vcpu, FetchGoal::Fault),
            Backing::Swapped | Backing::Reading => self.fault_needs_io(vcpu),
        }
    }

    /// Where the host has asynchronous faults, its kernel knows guest_memfd: the scenario was
    /// refused otherwise.
    fn is_served_from_guest_memfd(&self, gfn: Gfn) -> bool {
        let host_async = self.w.policy.as_ref().is_some_and(|policy| policy.host_async);
        match (self.w.memory.page(gfn).in_guest_memfd, host_async) {
            (true, true) => self.w.apf.is_served_from_guest_memfd(FaultMemory::Private),
            (in_memfd, _) => in_memfd,
        }
    }

    /// The line of a lookup that found its page, where the host has one.
    fn show_found(&mut self, vcpu: VcpuId, gfn: Gfn) {
        let host_async = self.w.policy.as_ref().is_some_and(|policy| policy.host_async);
        let view = self.view(vcpu);
        if host_async
            && self.w.apf.shows_found(vcpu, view)
            && let Some(pfn) = self.w.memory.page(gfn).pfn()
        {
            self.emit(Event::LookupFound { vcpu, pfn });
        }
    }

    fn fault_needs_io(&mut self, vcpu: VcpuId) -> Flow {
        let Some(policy) = self.w.policy.clone().filter(|policy| policy.host_async) else {
            return self.fetch_synchronously(vcpu);
        };
        match policy.rules.first_lookup {
            // Nobody else could start it later.
            _ if policy.rules.workers == Workers::NativeIo => {
                self.fetch_for_fault(vcpu, FetchGoal::StartRead)
            }
            FirstLookup::WaitsWithoutReadAhead if self.w.config.host.read_ahead_pages <= 1 => {
                self.fetch_synchronously(vcpu)
            }
            FirstLookup::StartsRead | FirstLookup::WaitsWithoutReadAhead => {
                self.fetch_for_fault(vcpu, FetchGoal::StartRead)
            }
            FirstLookup::NoIo => self.fault_try(vcpu),
        }
    }

    fn fetch_for_fault(&mut self, vcpu: VcpuId, goal: FetchGoal) -> Flow {
        let gfn = self.fault_gfn(vcpu);
        let thread = self.w.vcpus[vcpu.index()].thread;
        self.w.threads[thread.index()].fetch = Some(Fetch { gfn, goal });
        Flow::Spend(SimDuration::ZERO, Then::Fetch)
    }

    fn fetch_synchronously(&mut self, vcpu: VcpuId) -> Flow {
        self.begin_major(vcpu, FaultPath::Sync);
        self.fetch_for_fault(vcpu, FetchGoal::Fault)
    }

    /// The access behind the fault needs I/O; reported once, however often it exits. A fault in the
    /// delivery of an event is no task's access.
    fn begin_major(&mut self, vcpu: VcpuId, path: FaultPath) {
        let gfn = self.fault_gfn(vcpu);
        if self.w.vcpus[vcpu.index()].delivering.is_some() {
            return;
        }
        let Some(task) = self.current_task(vcpu) else { return };
        let state = &mut self.w.tasks[task.index()];
        if state.major != Some(gfn) {
            state.major = Some(gfn);
            self.emit(Event::MajorFaultBegin { vcpu, task, gfn, path });
        }
    }

    /// Whether an item for this page would find no memory. Drawn by what it is for, so that
    /// policies meet the same failures.
    fn allocation_fails(&self, vcpu: VcpuId, gfn: Gfn) -> bool {
        let ppm = self.w.config.host.allocation_failure_ppm;
        if ppm == 0 {
            return false;
        }
        let key = [u64::from(vcpu.0), gfn.0, u64::from(self.w.memory.page(gfn).io_count)];
        self.w.allocations.draw(key).chance(u64::from(ppm), 1_000_000)
    }

    /// `try_async_pf`: the page needs I/O; may the fault go asynchronous?
    pub(crate) fn fault_try(&mut self, vcpu: VcpuId) -> Flow {
        let (gfn, view) = (self.fault_gfn(vcpu), self.view(vcpu));
        let gva = Gva(gfn.gpa().0);
        let hva = hva_of(gfn);
        let failure = self.allocation_fails(vcpu, gfn).then_some(SetupFailure::Allocation);
        let input = HostInput::Try { vcpu, view, gva, gfn, hva, failure };
        match self.protocol(input).decision {
            Some(Decision::Continue) => {
                self.begin_major(vcpu, FaultPath::Async);
                Flow::Spend(self.w.prices.apf_setup.time, Then::SetupStep)
            }
            Some(Decision::Retry) => {
                self.begin_major(vcpu, FaultPath::Repeated);
                self.back_to_loop()
            }
            Some(Decision::Sync) | None => self.fetch_synchronously(vcpu),
        }
    }

    /// The next section follows at once, or when a worker is done.
    pub(crate) fn next_section(&mut self, vcpu: VcpuId, wait: Option<ItemId>) -> Flow {
        if wait.is_none() {
            return Flow::Spend(SimDuration::ZERO, Then::SetupStep);
        }
        self.w.vcpus[vcpu.index()].waits_for_worker = wait;
        let thread = self.w.vcpus[vcpu.index()].thread;
        self.block_thread(thread, Then::SetupStep);
        Flow::Stopped
    }

    /// The next section of setting up an item (schedule, link, announce), or of freeing one.
    pub(crate) fn setup_step(&mut self, vcpu: VcpuId) -> Flow {
        let view = self.view(vcpu);
        let outcome = self.protocol(HostInput::Advance { vcpu, view });
        let handed_over = match outcome.queued {
            Some(item) => self.queue_work(item),
            None => SimDuration::ZERO,
        };
        match outcome.decision {
            Some(Decision::Continue) if handed_over.is_zero() => {
                self.next_section(vcpu, outcome.wait_worker)
            }
            Some(Decision::Continue) => Flow::Spend(handed_over, Then::SetupStep),
            Some(Decision::Sync) => self.fetch_synchronously(vcpu),
            Some(Decision::Retry) | None => Flow::Spend(handed_over, Then::TurnEnd),
        }
    }

    /// From here on, what the host takes away may make the mapping at hand begin again.
    pub(crate) fn begin_mapping(&mut self, vcpu: VcpuId) {
        self.w.vcpus[vcpu.index()].invalidations = self.w.invalidations;
    }

    /// Whether the second-stage entry must not be made, because the host has taken pages away since
    /// the mapping began (`mmu_notifier_retry`). The page stays in the VMM, if it is there.
    pub(crate) fn must_retry(&mut self, vcpu: VcpuId, gfn: Gfn) -> bool {
        let changed = self.w.vcpus[vcpu.index()].invalidations != self.w.invalidations;
        if !changed || self.w.config.host.kernel.mmu_retry == MmuRetry::OwnPage {
            return false;
        }
        if self.w.memory.page(gfn).backing == Backing::Resident {
            self.map_in_vmm(gfn);
        }
        self.emit(Event::MmuNotifierRetry { vcpu, gfn });
        true
    }

    /// Maps the page of the fault, unless pages went away while the host was working: then the guest
    /// faults again.
    pub(crate) fn map_fault(&mut self, vcpu: VcpuId) -> Flow {
        let gfn = self.fault_gfn(vcpu);
        if self.must_retry(vcpu, gfn) {
            return self.back_to_loop();
        }
        match self.w.memory.page(gfn).backing {
            Backing::Resident | Backing::Writeback => {
                self.map_page(vcpu, gfn);
                self.back_to_loop()
            }
            Backing::Untouched | Backing::Reading | Backing::Swapped => {
                self.fetch_for_fault(vcpu, FetchGoal::Fault)
            }
        }
    }

    /// Makes the second-stage entry.
    pub(crate) fn map_page(&mut self, vcpu: VcpuId, gfn: Gfn) {
        self.map_in_vmm(gfn);
        let page = self.w.memory.page_mut(gfn);
        page.young = true;
        let fresh = !std::mem::replace(&mut page.ept_mapped, true);
        if fresh && let Some(pfn) = self.w.memory.page(gfn).pfn() {
            self.emit(Event::EptMap { vcpu, gfn, pfn });
        }
    }

    /// Maps a page of the swap cache in the VMM's address space. The host of 2010 always faults
    /// for writing, so the page is dirty from here on and its slot, if any, is given up
    /// (`reuse_swap_page`).
    pub(crate) fn map_in_vmm(&mut self, gfn: Gfn) {
        let page = self.w.memory.page_mut(gfn);
        page.dirty = true;
        page.young_in_vmm = true;
        if page.read_ahead {
            page.read_ahead = false;
            let by_address = self.w.config.host.kernel.read_ahead == ReadAhead::AddressSpace;
            self.w.read_ahead.hit(by_address.then_some(gfn));
        }
        if page.backing == Backing::Writeback {
            // Found in the swap cache: mapped again while the write goes on.
            page.backing = Backing::Resident;
            page.write_in_flight = true;
            self.w.memory.lru_arrive(gfn, Arrival::Found);
        }
        let page = self.w.memory.page(gfn);
        if !page.write_in_flight
            && let Some(slot) = page.slot()
        {
            self.w.memory.set_slot(gfn, None);
            self.w.swap.free(slot);
        }
    }
}
