//! A pass of reclaim, by the thread that needs a page or by a background reclaimer.

use sim_core::{EventQueue, SimDuration};

use super::state::Host;
use super::thread::{PassSums, PendingReclaim, ThreadKind};
use crate::base::ids::{GuestPage, RequestId, SwapSlot, ThreadId, VmId};
use crate::base::record::{BlockReason, Event, IoKind};
use crate::config::{Cgroup, MmuRetry, WrittenPages};
use crate::machine::world::{Cx, Failure, Flow, GuestEntry, MachineEvent, Outcome, Then};
use crate::parts::device::Request;
use crate::parts::memory::pass::{Enough, ReclaimPass, Scan, YoungTest};
use crate::parts::memory::reclaim::reclaim;

/// Whether a pass of reclaim takes away mappings of a virtual machine that its faults under way have to hear of:
/// each page that goes and that its VMM has mapped, and what is unmapped to learn whether it is used.
fn invalidates(pass: &ReclaimPass, retry: MmuRetry, vm: VmId) -> bool {
    pass.taken_of.contains(&vm)
        || (retry == MmuRetry::Unmappings && pass.unmapped.iter().any(|page| page.vm() == vm))
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// One pass of reclaim in the container of a virtual machine.
    pub(super) fn reclaim_pass(&mut self, thread: ThreadId, own: VmId) -> Flow {
        self.emit(Event::MemcgReclaimBegin { thread });
        self.cut_all_bursts();
        let test = if self.w.setup.has_accessed_bits() {
            YoungTest::AccessedBit
        } else {
            YoungTest::Unmap
        };
        let batch = self.w.setup.config.host.reclaim_batch_pages;
        let call = self.w.host.threads[thread.index()].call;
        let enough = self.enough();
        let scan = call.map_or(Scan::Batch(batch), |call| call.scan(enough));
        let mut pass = std::mem::take(&mut self.w.host.pass);
        let Host { memory, swap, .. } = &mut self.w.host;
        reclaim(memory.of_vm(own), swap, scan, test, &mut pass);
        for &guest_page in &pass.unmapped {
            self.emit(Event::EptUnmap { page: guest_page });
        }
        for &page in &pass.huge {
            self.emit(Event::HostHugeSplit { page });
        }
        let mut flushed = 0;
        for vm in self.w.setup.config.vm_ids() {
            let of_vm = |page: &GuestPage| page.vm() == vm;
            let retry = self.w.setup.config.host.kernel.mmu_retry;
            self.w.host.invalidations[vm.index()] += u64::from(invalidates(&pass, retry, vm));
            if pass.unmapped.iter().any(of_vm) {
                flushed += self.flush_remote_tlbs(vm);
            }
        }
        let container = self.w.host.memory.container(own);
        let prices = self.w.setup.prices.clone();
        let written = pass.written.len() as u64;
        let (stored, writes) = match self.w.host.zswap {
            Some(_) => {
                let [stored, refused] = self.divide_written(&pass.written);
                (stored, self.write_requests(&refused))
            }
            None => (Vec::new(), self.write_requests(&pass.written)),
        };
        let bytes = match self.w.setup.config.host.device.is_work_of_submitter() {
            true => self.computed(thread, &writes),
            false => {
                let copied = prices.block_copy.time.times(written - stored.len() as u64);
                copied + self.compress(thread, &stored)
            }
        };
        let cost = prices.reclaim_scan_page.time.times(u64::from(pass.scanned))
            + prices.reclaim_ask_page.time.times(u64::from(pass.asked))
            + prices.reclaim_unmap_page.time.times(u64::from(pass.freed) + written)
            + prices.reclaim_write_page.time.times(written)
            + prices.huge_split.time.times(pass.huge.len() as u64)
            + bytes
            + prices.shootdown_vcpu.time.times(flushed);
        let pending = PendingReclaim {
            writes,
            submitted: 0,
            scanned: pass.scanned,
            freed: pass.freed,
            written: pass.written.len() as u32,
            taken: pass.taken,
            stored_pages: stored.len() as u32,
            in_flight: self.room_will_come(thread, container),
            // One that took pages of several virtual machines takes the lock of the first.
            vm: pass.unmapped.first().map_or(own, |page| page.vm()),
            own,
            stored,
            compressed: false,
            locking: self.locking_of(&pass, cost),
        };
        self.w.host.pass = pass;
        self.w.host.threads[thread.index()].reclaim = pending;
        self.go_on_with_pass(thread)
    }

    /// When a pass of direct reclaim has enough: that of a container, never.
    fn enough(&self) -> Enough {
        let host = &self.w.setup.config.host;
        match host.memory_control.kswapd.is_some() {
            false => Enough::Never,
            true if host.device.is_work_of_submitter() || self.w.host.zswap.is_some() => {
                Enough::Taken
            }
            true => Enough::Freed,
        }
    }

    /// One request for each run of consecutive slots (the block layer merges them while plugged).
    fn write_requests(&mut self, written: &[(GuestPage, SwapSlot)]) -> Vec<Request> {
        let mut requests: Vec<Request> = Vec::new();
        for &(guest_page, slot) in written {
            if let Some(last) = requests.last_mut()
                && last.slot.0 + last.pages == slot.0
                && last.pages < self.w.setup.config.host.write_pages
            {
                last.pages += 1;
                continue;
            }
            let page = self.w.host.memory.page_mut(guest_page);
            let occurrence = page.io_count;
            page.io_count += 1;
            let submitted = self.now();
            let op = IoKind::Write;
            let id = RequestId(0);
            let store = None;
            requests.push(Request {
                id,
                op,
                store,
                slot,
                pages: 1,
                guest_page,
                occurrence,
                submitted,
            });
        }
        for request in &mut requests {
            *request = self.w.host.new_request(*request);
        }
        requests
    }

    pub(in crate::machine) fn reclaim_done(&mut self, thread: ThreadId) -> Flow {
        let over = self.w.setup.config.host.device.is_work_of_submitter();
        let stored = std::mem::take(&mut self.w.host.threads[thread.index()].reclaim.stored);
        // Their frames are free, unless they were wanted meanwhile.
        for &(page, slot) in &stored {
            self.page_is_written(page, slot, WrittenPages::Freed);
        }
        self.w.host.threads[thread.index()].reclaim.compressed |= !stored.is_empty();
        while let Some(request) = self.next_write(thread).filter(|_| over) {
            self.w.host.threads[thread.index()].reclaim.submitted += 1;
            self.request_done(request.id);
        }
        while let Some(request) = self.next_write(thread) {
            if !self.may_write(thread) {
                return self.sleep_in_fetch(thread, BlockReason::Throttle);
            }
            self.w.host.threads[thread.index()].reclaim.submitted += 1;
            self.open_throttle_window();
            // The time of the pass contains the copy.
            self.issue(thread, request, SimDuration::ZERO);
            self.submit(thread);
        }
        let pending = std::mem::take(&mut self.w.host.threads[thread.index()].reclaim);
        let PendingReclaim { scanned, freed, written, taken, .. } = pending;
        self.emit(Event::MemcgReclaimEnd { thread, scanned, freed, written });
        if !self.w.setup.config.host.memory_control.is_empty() {
            self.emit(Event::MemcgReclaimed { thread, pages: taken });
        }
        let container = self.w.host.memory.container(pending.own);
        if self.w.host.memory.of(container).room() > 0 {
            self.wake_room_waiters(container);
        }
        let outcome = self.outcome_of(thread, container, &pending);
        let reclaimed = self.counts_as_reclaimed(&pending);
        let wrote = !pending.writes.is_empty();
        self.w.host.threads[thread.index()].last_pass = PassSums { scanned, reclaimed, wrote };
        self.w.host.hopeless &= reclaimed == 0;
        let state = &self.w.host.threads[thread.index()];
        let next = match state.kind {
            ThreadKind::Reclaimer(_) if state.fetch.is_none() => Then::ReclaimerPassDone(outcome),
            _ if state.payment.is_some() => Then::PayPassDone(outcome),
            _ if state.call.is_some() => Then::CallPassDone(outcome),
            _ => return self.reclaimed_for_page(thread, container, outcome),
        };
        Flow::Spend(SimDuration::ZERO, next)
    }

    /// A thread that wants a page has reclaimed: it goes on with its fault, or waits.
    pub(super) fn reclaimed_for_page(
        &mut self,
        thread: ThreadId,
        container: usize,
        outcome: Outcome,
    ) -> Flow {
        let room = self.w.host.memory.of(container).room() > 0;
        match outcome {
            _ if room => Flow::Spend(SimDuration::ZERO, Then::Fetch),
            Outcome::Again => Flow::Spend(SimDuration::ZERO, Then::Fetch),
            Outcome::Nothing => self.nothing_to_reclaim(),
            Outcome::Waits => self.wait_for_room(thread, container),
        }
    }

    /// Pages that a call counts as reclaimed: those that the pass freed, and those it wrote whose frame goes when
    /// the write is over, as no later pass frees them.
    fn counts_as_reclaimed(&self, pass: &PendingReclaim) -> u64 {
        let host = &self.w.setup.config.host;
        let at_once =
            host.device.is_work_of_submitter() || host.kernel.written_pages == WrittenPages::Freed;
        let written = if at_once { pass.written } else { pass.stored_pages };
        u64::from(pass.freed) + u64::from(written)
    }

    /// How a thread goes on after a pass.
    fn outcome_of(&self, thread: ThreadId, container: usize, pass: &PendingReclaim) -> Outcome {
        let over = self.w.setup.config.host.device.is_work_of_submitter();
        let began = !pass.writes.is_empty();
        let comes = || self.room_will_come(thread, container);
        // Frames became free, and as many pages of the pool, or somebody took them; or what was under way
        // at the time of the pass is over.
        let went = pass.freed > 0 || (pass.in_flight && !comes());
        let gone = pass.compressed || if began { over } else { went };
        if gone || self.goes_on_reclaiming(container, began) {
            Outcome::Again
        } else if !began && !comes() {
            Outcome::Nothing
        } else {
            Outcome::Waits
        }
    }

    /// The kernel would kill somebody.
    pub(super) fn nothing_to_reclaim(&mut self) -> Flow {
        let now = self.now();
        self.w.failure.get_or_insert(Failure::OutOfMemory(now));
        Flow::Stopped
    }

    /// A thread sleeps until a page is free or can be reclaimed.
    pub(super) fn wait_for_room(&mut self, thread: ThreadId, container: usize) -> Flow {
        self.w.host.room_waiters[container].push(thread);
        self.sleep_in_fetch(thread, BlockReason::Reclaim)
    }

    /// The next write of the thread's pass of reclaim.
    fn next_write(&self, thread: ThreadId) -> Option<Request> {
        let pending = &self.w.host.threads[thread.index()].reclaim;
        pending.writes.get(pending.submitted).copied()
    }

    /// Whether a thread that has begun to write pages, and has freed none, takes the next batch
    /// instead of waiting: as long as there are pages and the device's queue takes requests.
    fn goes_on_reclaiming(&self, container: usize, written: bool) -> bool {
        self.w.setup.config.host.kernel.cgroup == Cgroup::V2
            && written
            && self.w.host.memory.of(container).on_lists() > 0
            && self.takes_writes()
    }

    /// Whether I/O under way, an item that holds its page, or another thread that makes room in the pool of
    /// compressed pages, will free a page or make one reclaimable, in a container. What a thread of the VMM reads has
    /// no frame of the container yet.
    pub(super) fn room_will_come(&self, thread: ThreadId, container: usize) -> bool {
        if self.is_shrinking(thread) {
            return true;
        }
        let Host { memory, swap, pinned, requests, .. } = &self.w.host;
        let mut requests =
            requests.iter().flatten().filter(|request| !self.is_read_by_vmm(request));
        if memory.count() == 1 {
            return pinned[0] > 0 || requests.next().is_some();
        }
        let own = |page: GuestPage| memory.container(page.vm()) == container;
        let concerns = |request: &Request| {
            let mut slots = (request.slot.0..request.slot.0 + request.pages).map(SwapSlot);
            own(request.guest_page) || slots.any(|slot| swap.owner(slot).is_some_and(own))
        };
        pinned[container] > 0 || requests.any(concerns)
    }
}
