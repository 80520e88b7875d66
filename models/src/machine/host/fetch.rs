//! Getting a page in: charge, reclaim, read, wait. The same code runs in vCPU threads
//! (synchronous faults) and in workers.

use sim_core::{EventQueue, SimDuration};

use crate::base::ids::{Gfn, PcpuId, RequestId, SwapSlot, ThreadId, VcpuId};
use crate::base::record::{BlockReason, Event, ExitReason, IoKind};
use crate::config::{Cgroup, MmuRetry, ReadAhead, WrittenPages};
use crate::machine::Cx;
use crate::machine::event::MachineEvent;
use crate::machine::host::scheduler::Flow;
use crate::machine::world::{
    Failure, Fetch, FetchGoal, PendingReclaim, Then, ThreadKind, ThreadState,
};
use crate::parts::device::{Request, Started};
use crate::parts::memory::pages::{Arrival, Backing};
use crate::parts::memory::reclaim::{ReclaimPass, YoungTest, reclaim};
use crate::parts::memory::throttle::{Limits, WriteThrottle};

/// Requests that a block device takes before who submits more has to wait (`nr_requests` of the
/// block layer, `BLKDEV_DEFAULT_RQ`).
pub(crate) const QUEUE_DEPTH: usize = 128;

/// Whether a pass of reclaim takes away mappings that faults under way have to hear of. Pages that are
/// written were mapped in the VMM; those that are freed at once were in the swap cache only.
fn invalidates(pass: &ReclaimPass, retry: MmuRetry) -> bool {
    !pass.written.is_empty() || (retry == MmuRetry::Unmappings && !pass.unmapped.is_empty())
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    fn fetch_of(&self, thread: ThreadId) -> Fetch {
        match self.w.threads[thread.index()].fetch {
            Some(fetch) => fetch,
            None => unreachable!("{thread} fetches nothing"),
        }
    }

    /// Looks at the page again and does the next thing that it needs.
    pub(crate) fn fetch_step(&mut self, thread: ThreadId) -> Flow {
        if !self.lock_map(thread) {
            return self.sleep_in_fetch(thread, BlockReason::MapLock);
        }
        let Fetch { gfn, goal } = self.fetch_of(thread);
        match self.w.memory.page(gfn).backing {
            Backing::Resident | Backing::Writeback => self.fetch_done(thread),
            Backing::Reading if goal == FetchGoal::StartRead => self.fetch_done(thread),
            Backing::Reading => {
                self.w.threads[thread.index()].waits_for = Some(gfn);
                self.unlock_map_for_io(thread);
                self.sleep_in_fetch(thread, BlockReason::Fetch)
            }
            Backing::Untouched => {
                if self.w.memory.room() == 0 {
                    return self.direct_reclaim(thread);
                }
                self.w.memory.charge(gfn);
                if !self.w.memory.page(gfn).in_guest_memfd {
                    self.w.memory.lru_arrive(gfn, Arrival::Fresh);
                }
                let page = self.w.memory.page_mut(gfn);
                page.backing = Backing::Resident;
                page.dirty = true;
                Flow::Spend(self.w.prices.zero_page.time, Then::Fetch)
            }
            Backing::Swapped => {
                if self.w.memory.room() == 0 {
                    return self.direct_reclaim(thread);
                }
                self.prepare_read(thread, gfn)
            }
        }
    }

    /// Locks the page, and its neighbours as far as there is room, for a read.
    fn prepare_read(&mut self, thread: ThreadId, gfn: Gfn) -> Flow {
        let Some(slot) = self.w.memory.page(gfn).slot() else {
            unreachable!("a swapped page has a slot");
        };
        let largest = self.w.config.host.read_ahead_pages.max(1);
        let (reads, extra) = match self.w.config.host.kernel.read_ahead {
            ReadAhead::Fixed => self.lock_slots(gfn, slot, largest),
            ReadAhead::Adaptive => {
                let window = self.w.read_ahead.slot_window(slot, largest);
                self.lock_slots(gfn, slot, window)
            }
            ReadAhead::AddressSpace => {
                let pages = self.w.config.guest.memory_pages;
                let window = self.w.read_ahead.address_window(gfn, largest, pages);
                self.lock_addresses(gfn, window)
            }
        };
        let requests = reads.len() as u64;
        self.w.threads[thread.index()].reads = reads.into();
        let prices = &self.w.prices;
        let cost = prices.swap_in_prepare.time
            + prices.read_ahead_page.time.times(extra)
            + prices.block_submit.time.times(requests);
        Flow::Spend(cost, Then::FetchSubmit)
    }

    /// One read of the swapped pages in the aligned window around a slot, from the first to the
    /// last of them. Also says how many pages come besides the wanted one.
    fn lock_slots(&mut self, gfn: Gfn, slot: SwapSlot, window: u32) -> (Vec<Request>, u64) {
        let id = self.new_read(gfn, slot).id;
        self.lock_for_read(gfn, id);
        let (mut first, mut last, mut extra) = (slot.0, slot.0, 0);
        let start = slot.0 / window * window;
        for neighbour in (start..start + window).map(SwapSlot) {
            let Some(owner) = self.w.swap.owner(neighbour) else { continue };
            let swapped = self.w.memory.page(owner).backing == Backing::Swapped;
            if neighbour != slot && swapped && self.w.memory.room() > 0 {
                self.lock_for_read(owner, id);
                self.mark_read_ahead(owner);
                first = first.min(neighbour.0);
                last = last.max(neighbour.0);
                extra += 1;
            }
        }
        let (slot, pages) = (SwapSlot(first), last - first + 1);
        let read = Request { id, slot, pages, ..self.occurrence_of(gfn) };
        (vec![read], extra)
    }

    /// A read for each run of consecutive slots among the swapped pages of a window of addresses
    /// (the block layer merges them while plugged).
    fn lock_addresses(&mut self, gfn: Gfn, window: std::ops::Range<u64>) -> (Vec<Request>, u64) {
        // The wanted page has its frame before the room is given to others.
        let mut wanted = Some(self.w.memory.page(gfn).slot());
        self.w.memory.charge(gfn);
        let mut reads: Vec<Request> = Vec::new();
        let mut extra = 0;
        for page in window.map(Gfn) {
            let slot = match page == gfn {
                true => wanted.take().flatten(),
                false if self.w.memory.room() == 0 => None,
                false if self.w.memory.page(page).backing != Backing::Swapped => None,
                false => self.w.memory.page(page).slot(),
            };
            let Some(slot) = slot else { continue };
            if page != gfn {
                extra += 1;
                self.w.memory.charge(page);
                self.mark_read_ahead(page);
            }
            let id = match reads.last_mut() {
                Some(last) if last.slot.0 + last.pages == slot.0 => {
                    last.pages += 1;
                    last.id
                }
                _ => {
                    let id = self.new_read(page, slot).id;
                    reads.push(Request { id, slot, ..self.occurrence_of(page) });
                    id
                }
            };
            self.reading(page, id);
        }
        (reads, extra)
    }

    /// A number for a read; the pages are locked in its name.
    fn new_read(&mut self, gfn: Gfn, slot: SwapSlot) -> Request {
        let (id, op, submitted) = (RequestId(0), IoKind::Read, self.now());
        self.w.new_request(Request { id, op, slot, pages: 1, gfn, occurrence: 0, submitted })
    }

    /// A read on behalf of a page, with the number that keys its draws.
    fn occurrence_of(&mut self, gfn: Gfn) -> Request {
        let page = self.w.memory.page_mut(gfn);
        let occurrence = page.io_count;
        page.io_count += 1;
        let (id, op, slot, submitted) = (RequestId(0), IoKind::Read, SwapSlot(0), self.now());
        Request { id, op, slot, pages: 1, gfn, occurrence, submitted }
    }

    /// Windows that follow their success want to know of it.
    fn mark_read_ahead(&mut self, gfn: Gfn) {
        if self.w.config.host.kernel.read_ahead != ReadAhead::Fixed {
            self.w.memory.page_mut(gfn).read_ahead = true;
        }
    }

    fn lock_for_read(&mut self, gfn: Gfn, request: RequestId) {
        self.w.memory.charge(gfn);
        self.reading(gfn, request);
    }

    fn reading(&mut self, gfn: Gfn, request: RequestId) {
        let page = self.w.memory.page_mut(gfn);
        page.backing = Backing::Reading;
        page.locked_by = Some(request);
    }

    /// Issues the reads one after the other, and waits for them.
    pub(crate) fn fetch_submit(&mut self, thread: ThreadId) -> Flow {
        match self.w.threads[thread.index()].reads.pop_front() {
            Some(request) => {
                let copying = self.w.prices.block_copy.time.times(request.pages.into());
                self.issue(thread, request, copying);
                Flow::Spend(copying, Then::FetchCopied)
            }
            None if self.polls(thread) => Flow::Spend(SimDuration::ZERO, Then::FetchPoll),
            None => Flow::Spend(SimDuration::ZERO, Then::Fetch),
        }
    }

    pub(crate) fn fetch_copied(&mut self, thread: ThreadId) -> Flow {
        self.submit(thread);
        Flow::Spend(SimDuration::ZERO, Then::FetchSubmit)
    }

    /// Whether a thread polls for the read that it has submitted: it is to wait for it, and the read
    /// has no neighbours (`do_poll` of `swap_cluster_readahead`).
    fn polls(&self, thread: ThreadId) -> bool {
        let host = &self.w.config.host;
        host.kernel.polled_reads
            && host.read_ahead_pages <= 1
            && self.fetch_of(thread).goal != FetchGoal::StartRead
    }

    /// Looks whether the read is over. If not, the thread keeps its processor until it is
    /// (`end_polling`), or until somebody else takes it.
    pub(crate) fn fetch_poll(&mut self, thread: ThreadId) -> Flow {
        let Fetch { gfn, .. } = self.fetch_of(thread);
        match self.w.memory.page(gfn).backing {
            Backing::Reading => {
                let now = self.now();
                let state = &mut self.w.threads[thread.index()];
                (state.then, state.remaining, state.since) =
                    (Then::FetchPoll, SimDuration::ZERO, now);
                Flow::Stopped
            }
            _ => Flow::Spend(self.w.prices.block_complete.time, Then::Fetch),
        }
    }

    /// A read is over: a thread that polls for it sees that, at once if it has its processor.
    fn end_polling(&mut self, gfn: Gfn) {
        for at in 0..self.w.threads.len() {
            let thread = &self.w.threads[at];
            let polls = thread.then == Then::FetchPoll && thread.state == ThreadState::Running;
            let own = thread.fetch.is_some_and(|fetch| fetch.gfn == gfn);
            // One that is on its way to look needs no call.
            if polls && own && !self.has_stretch(ThreadId(at as u32)) {
                self.start_stretch(ThreadId(at as u32), SimDuration::ZERO, Then::FetchPoll);
            }
        }
    }

    /// Issues a request, whose pages the thread copies next for so long if the device has no DMA;
    /// then comes [`Self::submit`]. If the device has a place for the request, it begins when the
    /// copy is over: drivers copy with preemption off.
    fn issue(&mut self, thread: ThreadId, mut request: Request, copying: SimDuration) {
        let now = self.now();
        request.submitted = now;
        self.w.interrupts.resize(self.w.requests.len(), PcpuId(0));
        self.w.interrupts[request.id.index()] = self.w.threads[thread.index()].pcpu;
        self.w.requests[request.id.index()] = Some(request);
        if self.w.device.issue(now, request) {
            self.request_issued(&request);
            let begun = self.w.device.begin(request);
            self.schedule_completion(begun, copying);
        } else {
            self.w.threads[thread.index()].copying = Some(request);
        }
    }

    /// The pages of the thread's request are copied; it may have no place at the device yet.
    fn submit(&mut self, thread: ThreadId) {
        let now = self.now();
        let Some(mut request) = self.w.threads[thread.index()].copying.take() else { return };
        request.submitted = now;
        self.w.requests[request.id.index()] = Some(request);
        let begun = self.w.device.submit(now, request);
        self.request_begun(begun);
    }

    fn request_issued(&mut self, request: &Request) {
        let &Request { id: request, op, slot, pages, .. } = request;
        self.emit(Event::BlockRqIssue { request, op, slot, pages });
        let now = self.now();
        if let Some(throttle) = &mut self.w.throttle {
            throttle.issue(request, op, now);
        }
    }

    /// The device has begun to serve a request that had to wait for it.
    fn request_begun(&mut self, begun: Option<Started>) {
        if let Some(begun) = begun {
            self.request_issued(&begun.request);
            self.schedule_completion(begun, SimDuration::ZERO);
        }
    }

    /// The device serves a request after so much time.
    fn schedule_completion(&mut self, begun: Started, after: SimDuration) {
        let event = MachineEvent::DeviceComplete(begun.request.id);
        self.schedule(self.now() + after + begun.service, event);
    }

    /// The device has completed a request. Where that costs an interrupt, its handler comes first.
    pub(crate) fn device_complete(&mut self, id: RequestId) {
        let now = self.now();
        self.emit(Event::BlockRqComplete { request: id });
        let op = self.w.requests[id.index()].map(|request| request.op);
        if let (Some(throttle), Some(op)) = (&mut self.w.throttle, op) {
            for thread in throttle.complete(id, op, now) {
                self.wake_thread(thread);
            }
        }
        let begun = self.w.device.completed(now);
        self.request_begun(begun);
        let cost = self.w.prices.device_interrupt.time;
        if cost.is_zero() {
            return self.request_done(id);
        }
        self.interrupt_processor(self.w.interrupts[id.index()], cost);
        self.schedule(now + cost, MachineEvent::RequestDone(id));
    }

    /// A request is over: its pages are unlocked or freed, and whoever waits goes on.
    pub(crate) fn request_done(&mut self, id: RequestId) {
        let Some(request) = self.w.requests[id.index()].take() else { return };
        self.w.free_requests.push(id);
        let mut reclaimable = false;
        for slot in (request.slot.0..request.slot.0 + request.pages).map(SwapSlot) {
            let Some(gfn) = self.w.swap.owner(slot) else { continue };
            reclaimable |= match request.op {
                IoKind::Read => self.page_was_read(gfn, id),
                IoKind::Write => self.page_was_written(gfn, slot),
            };
        }
        // A page that can be reclaimed from now on is as good as room: somebody has to do it.
        if reclaimable || self.w.memory.room() > 0 {
            self.wake_room_waiters();
        }
    }

    fn page_was_read(&mut self, gfn: Gfn, request: RequestId) -> bool {
        let page = self.w.memory.page_mut(gfn);
        if page.backing != Backing::Reading || page.locked_by != Some(request) {
            // A hole in the middle of a read-ahead window, which may be another read's page.
            return false;
        }
        page.locked_by = None;
        page.backing = Backing::Resident;
        page.dirty = false;
        self.w.memory.lru_arrive(gfn, Arrival::Read);
        for at in 0..self.w.threads.len() {
            if self.w.threads[at].waits_for == Some(gfn) {
                self.w.threads[at].waits_for = None;
                self.wake_thread(ThreadId(at as u32));
            }
        }
        if self.w.config.host.kernel.polled_reads {
            self.end_polling(gfn);
        }
        self.interrupt_for_items(gfn);
        true
    }

    fn page_was_written(&mut self, gfn: Gfn, slot: SwapSlot) -> bool {
        let page = self.w.memory.page_mut(gfn);
        match page.backing {
            Backing::Writeback => match self.w.config.host.kernel.written_pages {
                WrittenPages::Freed => {
                    page.backing = Backing::Swapped;
                    self.w.memory.uncharge(gfn);
                }
                WrittenPages::Rotated => {
                    page.backing = Backing::Resident;
                    self.w.memory.lru_rotate(gfn);
                }
            },
            _ if page.write_in_flight => {
                // Mapped again, and so dirty again, while the write went on.
                page.write_in_flight = false;
                self.w.memory.set_slot(gfn, None);
                self.w.swap.free(slot);
            }
            _ => return false,
        }
        true
    }

    /// One pass of direct reclaim, paid by the thread that needs a page.
    fn direct_reclaim(&mut self, thread: ThreadId) -> Flow {
        self.emit(Event::MemcgReclaimBegin { thread });
        self.cut_all_bursts();
        let test = if self.w.config.cpu.ept_accessed_dirty {
            YoungTest::AccessedBit
        } else {
            YoungTest::Unmap
        };
        let batch = self.w.config.host.reclaim_batch_pages;
        let mut pass = std::mem::take(&mut self.w.pass);
        reclaim(&mut self.w.memory, &mut self.w.swap, batch, test, &mut pass);
        for &gfn in &pass.unmapped {
            self.emit(Event::EptUnmap { gfn });
        }
        self.w.invalidations += u64::from(invalidates(&pass, self.w.config.host.kernel.mmu_retry));
        let flushed = if pass.unmapped.is_empty() { 0 } else { self.flush_remote_tlbs() };
        let prices = self.w.prices.clone();
        let written = pass.written.len() as u64;
        let cost = prices.reclaim_scan_page.time.times(u64::from(pass.scanned))
            + prices.reclaim_unmap_page.time.times(u64::from(pass.freed) + written)
            + prices.reclaim_write_page.time.times(written)
            + prices.block_copy.time.times(written)
            + prices.shootdown_vcpu.time.times(flushed);
        let writes = self.write_requests(&pass.written);
        let pending = PendingReclaim {
            writes,
            submitted: 0,
            scanned: pass.scanned,
            freed: pass.freed,
            written: pass.written.len() as u32,
            in_flight: self.room_will_come(),
        };
        self.w.pass = pass;
        self.w.threads[thread.index()].reclaim = pending;
        Flow::Spend(cost, Then::ReclaimDone)
    }

    /// One request for each run of consecutive slots (the block layer merges them while plugged).
    fn write_requests(&mut self, written: &[(Gfn, SwapSlot)]) -> Vec<Request> {
        let mut requests: Vec<Request> = Vec::new();
        for &(gfn, slot) in written {
            if let Some(last) = requests.last_mut()
                && last.slot.0 + last.pages == slot.0
                && last.pages < self.w.config.host.write_pages
            {
                last.pages += 1;
                continue;
            }
            let page = self.w.memory.page_mut(gfn);
            let occurrence = page.io_count;
            page.io_count += 1;
            let submitted = self.now();
            let op = IoKind::Write;
            let id = RequestId(0);
            requests.push(Request { id, op, slot, pages: 1, gfn, occurrence, submitted });
        }
        for request in &mut requests {
            *request = self.w.new_request(*request);
        }
        requests
    }

    /// `kvm_flush_remote_tlbs`: every vCPU flushes before it enters again, those in guest mode are
    /// kicked out. Returns how many were kicked.
    fn flush_remote_tlbs(&mut self) -> u64 {
        let mut kicked = 0;
        for v in 0..self.w.config.guest.vcpus {
            let vcpu = VcpuId(v);
            self.w.vcpus[vcpu.index()].flush_tlb = true;
            if self.w.vcpus[vcpu.index()].in_guest {
                kicked += 1;
                self.force_exit(vcpu, ExitReason::Kick);
            }
        }
        kicked
    }

    pub(crate) fn reclaim_done(&mut self, thread: ThreadId) -> Flow {
        while let Some(request) = self.next_write(thread) {
            if !self.may_write(thread) {
                return self.sleep_in_fetch(thread, BlockReason::Throttle);
            }
            self.w.threads[thread.index()].reclaim.submitted += 1;
            self.open_throttle_window();
            // The time of the pass contains the copy.
            self.issue(thread, request, SimDuration::ZERO);
            self.submit(thread);
        }
        let pending = std::mem::take(&mut self.w.threads[thread.index()].reclaim);
        let PendingReclaim { writes, scanned, freed, written, in_flight, .. } = pending;
        self.emit(Event::MemcgReclaimEnd { thread, scanned, freed, written });
        if self.w.memory.room() > 0 {
            self.wake_room_waiters();
        }
        if self.w.memory.room() > 0 {
            return Flow::Spend(SimDuration::ZERO, Then::Fetch);
        }
        if writes.is_empty() && (freed > 0 || (in_flight && !self.room_will_come())) {
            // Somebody else was faster, or what was under way at the time of the pass is over.
            return Flow::Spend(SimDuration::ZERO, Then::Fetch);
        }
        if self.goes_on_reclaiming(!writes.is_empty()) {
            return Flow::Spend(SimDuration::ZERO, Then::Fetch);
        }
        if writes.is_empty() && !self.room_will_come() {
            let now = self.now();
            self.w.failure.get_or_insert(Failure::OutOfMemory(now));
            return Flow::Stopped;
        }
        self.w.room_waiters.push(thread);
        self.sleep_in_fetch(thread, BlockReason::Reclaim)
    }

    /// The next write of the thread's pass of reclaim.
    fn next_write(&self, thread: ThreadId) -> Option<Request> {
        let pending = &self.w.threads[thread.index()].reclaim;
        pending.writes.get(pending.submitted).copied()
    }

    /// Whether the block layer takes a write now; otherwise the thread waits.
    fn may_write(&mut self, thread: ThreadId) -> bool {
        let now = self.now();
        self.w.throttle.as_mut().is_none_or(|throttle| throttle.admit(thread, now))
    }

    fn open_throttle_window(&mut self) {
        if let Some(span) = self.w.throttle.as_mut().and_then(WriteThrottle::observe) {
            let end = self.now() + span;
            self.schedule(end, MachineEvent::ThrottleWindow);
        }
    }

    /// A window of write-back throttling is over.
    pub(crate) fn throttle_window(&mut self) {
        let now = self.now();
        let Some(throttle) = &mut self.w.throttle else { return };
        let before = throttle.limits();
        let woken = throttle.judge_window(now);
        let (after, goes_on) = (throttle.limits(), throttle.goes_on());
        if after != before {
            let Limits { max, normal, background } = after;
            self.emit(Event::WbtStep { background, normal, max });
        }
        for thread in woken {
            self.wake_thread(thread);
        }
        if goes_on {
            self.open_throttle_window();
        }
    }

    /// Whether a thread that has begun to write pages, and has freed none, takes the next batch
    /// instead of waiting: as long as there are pages and the device's queue takes requests.
    fn goes_on_reclaiming(&self, written: bool) -> bool {
        let is_write = |r: &&Option<Request>| r.is_some_and(|r| r.op == IoKind::Write);
        self.w.config.host.kernel.cgroup == Cgroup::V2
            && written
            && self.w.memory.on_lists() > 0
            && self.w.requests.iter().filter(is_write).count() < QUEUE_DEPTH
    }

    /// Whether I/O under way, or an item that holds its page, will free a page or make one
    /// reclaimable.
    fn room_will_come(&self) -> bool {
        self.w.pinned > 0 || self.w.requests.iter().any(Option::is_some)
    }

    pub(crate) fn wake_room_waiters(&mut self) {
        let waiters = std::mem::take(&mut self.w.room_waiters);
        for thread in waiters {
            self.wake_thread(thread);
        }
    }

    fn sleep_in_fetch(&mut self, thread: ThreadId, reason: BlockReason) -> Flow {
        if let ThreadKind::Vcpu(vcpu) = self.w.threads[thread.index()].kind {
            self.vcpu_sleeps(vcpu, reason);
        }
        self.block_thread(thread, Then::FetchAwake(reason));
        debug_assert_eq!(self.w.threads[thread.index()].state, ThreadState::Blocked);
        Flow::Stopped
    }

    pub(crate) fn fetch_awake(&mut self, thread: ThreadId, reason: BlockReason) -> Flow {
        if let ThreadKind::Vcpu(vcpu) = self.w.threads[thread.index()].kind {
            self.vcpu_wakes(vcpu);
        }
        if reason == BlockReason::Throttle {
            return Flow::Spend(SimDuration::ZERO, Then::ReclaimDone);
        }
        let cost = match reason {
            BlockReason::Fetch => self.w.prices.block_complete.time,
            _ => SimDuration::ZERO,
        };
        Flow::Spend(cost, Then::Fetch)
    }

    /// The page is there (or its read has begun, when only that was wanted).
    fn fetch_done(&mut self, thread: ThreadId) -> Flow {
        self.unlock_map(thread);
        let Some(Fetch { gfn, goal }) = self.w.threads[thread.index()].fetch.take() else {
            unreachable!("{thread} fetches nothing");
        };
        let map = self.w.prices.kvm_fault.time.saturating_sub(self.w.prices.apf_detect.time);
        match goal {
            FetchGoal::Fault => Flow::Spend(map, Then::MapFault),
            FetchGoal::StartRead => match self.w.memory.page(gfn).backing {
                // The page came while the read was being prepared.
                Backing::Resident | Backing::Writeback => Flow::Spend(map, Then::MapFault),
                _ => Flow::Spend(SimDuration::ZERO, Then::FaultTry),
            },
            FetchGoal::Prefault => Flow::Spend(SimDuration::ZERO, Then::PrefaultMap(gfn)),
            FetchGoal::Item(item) => self.item_fetched(item, gfn),
        }
    }
}
