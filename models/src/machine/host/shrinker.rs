//! The kernel's worker that makes room in the pool of compressed pages: it writes entries to the swap device, one
//! after the other (`shrink_worker`, `zswap_writeback_entry` of `mm/zswap.c`).

use sim_core::{EventQueue, SimDuration};

use super::thread::FetchGoal;
use super::waiters::take_threads;
use crate::base::ids::{GuestPage, RequestId, ThreadId};
use crate::base::record::{BlockReason, Event, IoKind};
use crate::machine::world::{Cx, Flow, MachineEvent, Then};
use crate::parts::device::Request;
use crate::parts::memory::pages::Backing;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The worker begins, or sleeps until it is told again.
    pub(in crate::machine) fn shrink_begin(&mut self, thread: ThreadId) -> Flow {
        let run = self.w.host.memory.begin_shrinking();
        let Some(zswap) = &mut self.w.host.zswap else { unreachable!("{thread} has no pool") };
        if std::mem::take(&mut zswap.queued) {
            zswap.run = run;
            return Flow::Spend(SimDuration::ZERO, Then::ShrinkNext);
        }
        self.block_thread(thread, Then::ShrinkBegin);
        // Who has relied on it looks again whether it can go on.
        for container in 0..self.w.host.memory.count() {
            self.wake_room_waiters(container);
        }
        Flow::Stopped
    }

    /// The worker takes the next entry.
    pub(in crate::machine) fn shrink_next(&mut self, thread: ThreadId) -> Flow {
        let Some(zswap) = &mut self.w.host.zswap else { unreachable!("{thread} has no pool") };
        match self.w.host.memory.next_to_write_back(&mut zswap.run) {
            Some(page) => {
                zswap.page = Some(page);
                self.w.host.set_fetch(thread, page, FetchGoal::WriteBack);
                Flow::Spend(SimDuration::ZERO, Then::Fetch)
            }
            None => Flow::Spend(SimDuration::ZERO, Then::ShrinkBegin),
        }
    }

    /// The worker gets a frame for its page, charged to the container, and decompresses
    /// (`zswap_writeback_entry`). Somebody may have brought the page meanwhile.
    pub(super) fn write_back(&mut self, thread: ThreadId, page: GuestPage) -> Flow {
        let swapped = self.w.host.memory.page(page).backing == Backing::Swapped;
        if !swapped || !self.w.host.memory.is_compressed(page) {
            self.w.host.threads[thread.index()].fetch = None;
            return Flow::Spend(SimDuration::ZERO, Then::ShrinkNext);
        }
        if self.w.host.memory.room(page.vm()) == 0 {
            return self.direct_reclaim(thread);
        }
        self.w.host.threads[thread.index()].fetch = None;
        self.w.host.memory.charge(page);
        let state = self.w.host.memory.page_mut(page);
        state.backing = Backing::Reading;
        state.locked_by = None;
        let span = self.compression_time(IoKind::Read, &[page]);
        self.emit(Event::ZswapWriteback { thread, page, span });
        Flow::Spend(self.w.setup.prices.swap_in_prepare.time + span, Then::ShrinkDecompressed)
    }

    /// The page is in the swap cache, where a fault finds it, and on its way to the device.
    pub(in crate::machine) fn shrink_decompressed(&mut self, thread: ThreadId) -> Flow {
        let page = self.written_back(thread);
        self.w.host.memory.forget_compressed(page);
        let state = self.w.host.memory.page_mut(page);
        state.backing = Backing::Writeback;
        state.dirty = false;
        for waiter in take_threads(&mut self.w.host.page_waiters, page) {
            self.w.host.threads[waiter.index()].waits_for = None;
            self.wake_thread(waiter);
        }
        self.interrupt_for_items(page);
        self.wake_if_room(page);
        let prices = &self.w.setup.prices;
        let cost = prices.block_submit.time + prices.block_copy.time;
        Flow::Spend(cost, Then::ShrinkSubmit)
    }

    /// The worker submits the write, as far as the block layer takes it.
    pub(in crate::machine) fn shrink_submit(&mut self, thread: ThreadId) -> Flow {
        if !self.may_write(thread) {
            return self.sleep_in_fetch(thread, BlockReason::Throttle);
        }
        let page = self.written_back(thread);
        let Some(slot) = self.w.host.memory.page(page).slot() else {
            unreachable!("a page keeps its slot until it is written there");
        };
        let occurrence = self.w.host.memory.page(page).io_count;
        self.w.host.memory.page_mut(page).io_count += 1;
        let request = self.w.host.new_request(Request {
            id: RequestId(0),
            op: IoKind::Write,
            store: None,
            slot,
            pages: 1,
            guest_page: page,
            occurrence,
            submitted: self.now(),
        });
        self.open_throttle_window();
        self.issue(thread, request, SimDuration::ZERO);
        self.submit(thread);
        Flow::Spend(SimDuration::ZERO, Then::ShrinkNext)
    }

    fn written_back(&self, thread: ThreadId) -> GuestPage {
        match self.w.host.zswap.as_ref().and_then(|zswap| zswap.page) {
            Some(page) => page,
            None => unreachable!("{thread} writes nothing back"),
        }
    }
}
