//! The block layer: requests are issued, begin, and complete; writes are throttled.

use sim_core::{EventQueue, SimDuration};

use super::stores::Installing;
use super::thread::ThreadState;
use super::waiters::take_threads;
use crate::base::ids::{GuestPage, PcpuId, RequestId, SwapSlot, ThreadId};
use crate::base::record::{Event, IoKind};
use crate::config::WrittenPages;
use crate::machine::world::{Cx, MachineEvent, Then};
use crate::parts::device::{QUEUE_DEPTH, Request, Started};
use crate::parts::memory::pages::{Arrival, Backing, Flight};
use crate::parts::memory::prefetch::PageRun;
use crate::parts::memory::throttle::{Limits, WriteThrottle};
use crate::parts::memory::userfault::{Role, Wanted};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Issues a request, whose pages the thread copies next for so long if the device has no DMA;
    /// then comes [`Self::submit`]. If the device has a place for the request, it begins when the
    /// copy is over: drivers copy with preemption off.
    pub(super) fn issue(&mut self, thread: ThreadId, mut request: Request, copying: SimDuration) {
        let now = self.now();
        request.submitted = now;
        self.w.host.interrupts.resize(self.w.host.requests.len(), PcpuId(0));
        self.w.host.interrupts[request.id.index()] = self.w.host.threads[thread.index()].pcpu;
        self.w.host.requests[request.id.index()] = Some(request);
        self.w.host.writes_in_flight += usize::from(request.swaps_out());
        if self.w.host.device_of(request.store).issue(now, request) {
            self.request_issued(&request);
            let begun = self.w.host.device_of(request.store).begin(request);
            self.schedule_completion(begun, copying);
        } else {
            self.w.host.threads[thread.index()].copying = Some(request);
        }
    }

    /// Processor time that the thread needs for requests which are its own work.
    pub(super) fn computed(&mut self, thread: ThreadId, requests: &[Request]) -> SimDuration {
        let mut sum = SimDuration::ZERO;
        for &request in requests {
            let span = match self.is_load(&request) {
                true => {
                    let pages = self.pages_of(&request);
                    self.compression_time(IoKind::Read, &pages)
                }
                false => self.w.host.device.begin(request).service,
            };
            let Request { op, pages, .. } = request;
            self.emit(Event::SwapCompute { thread, op, pages, span });
            sum += span;
        }
        sum
    }

    /// The pages of the thread's request are copied; it may have no place at the device yet. Where the
    /// request was work of the thread, it is over.
    pub(super) fn submit(&mut self, thread: ThreadId) {
        let now = self.now();
        let Some(mut request) = self.w.host.threads[thread.index()].copying.take() else { return };
        if self.is_load(&request) {
            return self.loaded(&request);
        }
        if self.is_work_of_thread(&request) {
            return self.request_done(request.id);
        }
        request.submitted = now;
        self.w.host.requests[request.id.index()] = Some(request);
        let begun = self.w.host.device_of(request.store).submit(now, request);
        self.request_begun(begun);
    }

    /// A read from the pool is over (`zswap_load`): its pages are there, and as dirty as the kernel makes
    /// them.
    pub(super) fn loaded(&mut self, request: &Request) {
        let pages = self.pages_of(request);
        // Others have joined it since it got its number.
        self.w.host.requests[request.id.index()] = Some(*request);
        self.request_done(request.id);
        for page in pages {
            self.w.host.memory.load_compressed(page);
        }
        self.wake_if_room(request.guest_page);
    }

    /// Somebody may go on if there is room in the container of a page.
    pub(super) fn wake_if_room(&mut self, page: GuestPage) {
        let container = self.w.host.memory.container(page.vm());
        if self.w.host.memory.of(container).room() > 0 {
            self.wake_room_waiters(container);
        }
    }

    fn request_issued(&mut self, request: &Request) {
        let &Request { id: request, op, store, slot, pages, .. } = request;
        self.emit(Event::BlockRqIssue { request, op, slot, pages });
        let now = self.now();
        let swaps = self.w.host.is_on_swap_device(store);
        if let Some(throttle) = self.w.host.throttle.as_mut().filter(|_| swaps) {
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
    pub(in crate::machine) fn device_complete(&mut self, id: RequestId) {
        let now = self.now();
        self.emit(Event::BlockRqComplete { request: id });
        let request = self.w.host.requests[id.index()];
        let swaps = request.filter(|request| self.w.host.is_on_swap_device(request.store));
        if let (Some(throttle), Some(Request { op, .. })) = (&mut self.w.host.throttle, swaps) {
            for thread in throttle.complete(id, op, now) {
                self.wake_thread(thread);
            }
        }
        let store = request.and_then(|request| request.store);
        let begun = self.w.host.device_of(store).completed(now);
        self.request_begun(begun);
        let cost = self.interrupt_cost(request);
        if cost.is_zero() {
            return self.request_done(id);
        }
        self.interrupt_processor(self.w.host.interrupts[id.index()], cost);
        self.schedule(now + cost, MachineEvent::RequestDone(id));
    }

    /// What the interrupt for a request costs.
    fn interrupt_cost(&self, request: Option<Request>) -> SimDuration {
        let prices = &self.w.setup.prices;
        let written = request.filter(Request::swaps_out);
        let pages = written.map_or(0, |request| request.pages);
        prices.device_interrupt.time + prices.block_written_page.time.times(pages.into())
    }

    /// A request is over: its pages are unlocked or freed, and whoever waits goes on.
    pub(in crate::machine) fn request_done(&mut self, id: RequestId) {
        let Some(request) = self.w.host.requests[id.index()].take() else { return };
        self.w.host.free_requests.push(id);
        if request.swaps_out() && !self.w.setup.config.host.device.is_work_of_submitter() {
            self.w.host.writes_in_flight -= 1;
            for thread in std::mem::take(&mut self.w.host.tag_waiters) {
                self.wake_thread(thread);
            }
        }
        let own = self.w.host.memory.container(request.guest_page.vm());
        let (concerned, reclaimable) = match request.store {
            Some(_) if self.is_read_by_vmm(&request) => {
                self.contents_came(id, request);
                (1 << own, 0)
            }
            Some(_) if request.op == IoKind::Write => {
                self.page_is_saved(request.guest_page);
                (1 << own, 1 << own)
            }
            Some(_) => self.store_pages_were_read(&request),
            None => self.swap_request_done(id, request),
        };
        for container in (0..self.w.host.memory.count()).filter(|at| concerned >> at & 1 != 0) {
            // A page that can be reclaimed from now on is as good as room: somebody has to do it.
            if reclaimable >> container & 1 != 0 || self.w.host.memory.of(container).room() > 0 {
                self.wake_room_waiters(container);
            }
        }
    }

    /// Pages have come from their store, in all virtual machines that wait for one: a bit for each container that
    /// it concerns, and for each in which it has left a page that can be reclaimed.
    fn store_pages_were_read(&mut self, request: &Request) -> (u64, u64) {
        let (mut concerned, mut reclaimable) = (0, 0);
        let run = PageRun { first: request.guest_page, pages: request.pages };
        for own in run.all() {
            let joined = self.w.host.joined(own, request.id);
            for page in std::iter::once(own).chain(joined) {
                let goes = self.page_was_read(page, request.id);
                let container = self.w.host.memory.container(page.vm());
                concerned |= 1 << container;
                reclaimable |= u64::from(goes) << container;
            }
        }
        (concerned, reclaimable)
    }

    /// Whether a thread of the VMM has asked for a request, and not the kernel for a page that it has locked.
    pub(super) fn is_read_by_vmm(&self, request: &Request) -> bool {
        let store = request.store.map(|store| &self.w.host.stores[store.index()]);
        store.is_some_and(|store| store.messages.is_some())
    }

    /// The contents of a page have come from the device: whoever waits for them is woken.
    pub(super) fn contents_came(&mut self, id: RequestId, request: Request) {
        let Some(store) = request.store else { return };
        let waits = |installing: &Installing| installing.request == Some(id);
        let mut handlers = self.w.host.handlers.iter();
        if let Some(place) = handlers.position(|handler| waits(&handler.installing)) {
            self.w.host.handlers[place].installing.request = None;
            let thread = self.w.host.first_handler_thread(place);
            return self.wake_thread(thread);
        }
        if let Some(place) = self.w.host.vcpu_installs.iter().position(waits) {
            self.w.host.vcpu_installs[place].request = None;
            return self.wake_thread(ThreadId(place as u32));
        }
        let messages = self.w.host.messages_mut(store);
        if !messages.came(id) {
            return;
        }
        let run = PageRun { first: request.guest_page, pages: request.pages };
        messages.want(Wanted { run, due: None });
        if let Some(installer) = messages.take_idle_installer() {
            let thread = self.w.host.thread_of_handler(store, Role::Installer, installer);
            self.wake_thread(thread);
        }
    }

    /// A transfer of slots is over: a bit for each container that it concerns, and for each in which it has
    /// left a page that can be reclaimed. Neighbours that a read brings along may be those of other virtual
    /// machines.
    fn swap_request_done(&mut self, id: RequestId, request: Request) -> (u64, u64) {
        let mut reclaimable: u64 = 0;
        let mut concerned: u64 = 1 << self.w.host.memory.container(request.guest_page.vm());
        for slot in (request.slot.0..request.slot.0 + request.pages).map(SwapSlot) {
            let Some(guest_page) = self.w.host.swap.owner(slot) else { continue };
            let goes = match request.op {
                IoKind::Read => self.page_was_read(guest_page, id),
                IoKind::Write => self.page_was_written(guest_page, slot),
            };
            let container = self.w.host.memory.container(guest_page.vm());
            concerned |= 1 << container;
            reclaimable |= u64::from(goes) << container;
        }
        (concerned, reclaimable)
    }

    fn page_was_read(&mut self, guest_page: GuestPage, request: RequestId) -> bool {
        let page = self.w.host.memory.page_mut(guest_page);
        if page.backing != Backing::Reading || page.locked_by != Some(request) {
            // A hole in the middle of a read-ahead window, which may be another read's page.
            return false;
        }
        page.locked_by = None;
        page.backing = Backing::Resident;
        page.dirty = false;
        self.w.host.memory.lru_arrive(guest_page, Arrival::Read);
        for thread in take_threads(&mut self.w.host.page_waiters, guest_page) {
            self.w.host.threads[thread.index()].waits_for = None;
            self.wake_thread(thread);
        }
        if self.w.setup.config.host.kernel.polled_reads {
            self.end_polling(guest_page);
        }
        self.interrupt_for_items(guest_page);
        true
    }

    fn page_was_written(&mut self, guest_page: GuestPage, slot: SwapSlot) -> bool {
        let frames = self.frames_of_written_pages();
        self.page_is_written(guest_page, slot, frames)
    }

    /// The contents of a page are where its slot is. Whether that has left a page that can be reclaimed.
    pub(super) fn page_is_written(
        &mut self,
        guest_page: GuestPage,
        slot: SwapSlot,
        frames: WrittenPages,
    ) -> bool {
        let page = self.w.host.memory.page_mut(guest_page);
        match page.backing {
            Backing::Writeback => match frames {
                WrittenPages::Freed => {
                    page.backing = Backing::Swapped;
                    self.w.host.memory.uncharge(guest_page);
                }
                WrittenPages::Rotated => {
                    page.backing = Backing::Resident;
                    self.w.host.memory.lru_rotate(guest_page);
                }
            },
            _ => match std::mem::take(&mut page.flight) {
                Flight::None => return false,
                Flight::KeepsSlot => {}
                // Mapped again, and so dirty again, while the write went on.
                Flight::GivesSlotUp => {
                    self.w.host.memory.set_slot(guest_page, None);
                    self.w.host.swap.free(slot);
                }
            },
        }
        true
    }

    /// What becomes of the frame of a page that was written. One whose write is over when it was
    /// submitted goes in the same pass, whatever the kernel (`shrink_folio_list`: no longer under
    /// write-back after `pageout`).
    fn frames_of_written_pages(&self) -> WrittenPages {
        let host = &self.w.setup.config.host;
        match host.device.is_work_of_submitter() {
            true => WrittenPages::Freed,
            false => host.kernel.written_pages,
        }
    }

    /// A read is over: a thread that polls for it sees that, at once if it has its processor.
    fn end_polling(&mut self, guest_page: GuestPage) {
        for id in take_threads(&mut self.w.host.polling, guest_page) {
            let thread = &self.w.host.threads[id.index()];
            let polls = thread.then == Then::FetchPoll && thread.state == ThreadState::Running;
            let own = thread.fetch.is_some_and(|fetch| fetch.guest_page == guest_page);
            // One that is on its way to look needs no call.
            if polls && own && !self.has_step(id) {
                self.start_stretch(id, SimDuration::ZERO, Then::FetchPoll);
            }
        }
    }

    /// Whether the queue of the device takes further writes.
    pub(super) fn takes_writes(&self) -> bool {
        self.w.host.writes_in_flight < QUEUE_DEPTH
    }

    /// Whether the block layer takes a write now; otherwise the thread waits.
    pub(super) fn may_write(&mut self, thread: ThreadId) -> bool {
        if !self.takes_writes() {
            // No tag is free (`blk_mq_get_tag`; `get_request_wait` before there were tags).
            self.w.host.tag_waiters.push(thread);
            return false;
        }
        let now = self.now();
        self.w.host.throttle.as_mut().is_none_or(|throttle| throttle.admit(thread, now))
    }

    pub(super) fn open_throttle_window(&mut self) {
        if let Some(span) = self.w.host.throttle.as_mut().and_then(WriteThrottle::observe) {
            let end = self.now() + span;
            self.schedule(end, MachineEvent::ThrottleWindow);
        }
    }

    /// A window of write-back throttling is over.
    pub(in crate::machine) fn throttle_window(&mut self) {
        let now = self.now();
        let Some(throttle) = &mut self.w.host.throttle else { return };
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
}
