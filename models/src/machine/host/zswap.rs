//! Compressed pages before the swap device: what threads do that decompress what they fault and compress what
//! they reclaim (`mm/zswap.c`). The worker that makes room is in `shrinker`.

use sim_core::{EventQueue, SimDuration};

use super::state::Host;
use super::thread::ThreadState;
use crate::base::ids::{GuestPage, SwapSlot, ThreadId};
use crate::base::record::{Event, IoKind};
use crate::machine::world::{Cx, MachineEvent, Then};
use crate::parts::device::Request;
use crate::parts::memory::pages::Backing;
use crate::parts::memory::zswap::Verdict;

impl Host {
    /// Whether the contents of a frame are nowhere but in the pool of compressed pages.
    pub(in crate::machine) fn is_compressed(&self, guest_page: GuestPage) -> bool {
        self.backing(guest_page) == Backing::Swapped && self.memory.is_compressed(guest_page)
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Whether a request is work of the thread that makes it: the device is compressed memory, or the
    /// pages are in the pool. A request has pages of one kind.
    pub(super) fn is_work_of_thread(&self, request: &Request) -> bool {
        request.store.is_none()
            && (self.w.setup.config.host.device.is_work_of_submitter() || self.is_load(request))
    }

    /// Whether a request reads from the pool.
    pub(super) fn is_load(&self, request: &Request) -> bool {
        let compressed = |page| self.w.host.memory.is_compressed(page);
        request.op == IoKind::Read
            && self.w.host.zswap.is_some()
            && self.w.host.swap.owner(request.slot).is_some_and(compressed)
    }

    /// Processor time to bring pages from the pool, or to store them.
    pub(super) fn compression_time(&mut self, op: IoKind, pages: &[GuestPage]) -> SimDuration {
        let Some(zswap) = &self.w.host.zswap else { return SimDuration::ZERO };
        let law = if op == IoKind::Read { &zswap.load } else { &zswap.store };
        let mut sum = SimDuration::ZERO;
        for &page in pages {
            let occurrence = self.w.host.memory.page(page).io_count;
            let key = [page.0, u64::from(occurrence), op as u64];
            sum += SimDuration::from_ps(law.sample(&mut zswap.draws.draw(key)));
            self.w.host.memory.page_mut(page).io_count += 1;
        }
        sum
    }

    /// The pages of a read from the pool.
    pub(super) fn pages_of(&self, request: &Request) -> Vec<GuestPage> {
        let slots = (request.slot.0..request.slot.0 + request.pages).map(SwapSlot);
        slots.filter_map(|slot| self.w.host.swap.owner(slot)).collect()
    }

    /// Divides the pages of a pass of reclaim: those that the pool takes, and those that go to the device.
    pub(super) fn divide_written(
        &mut self,
        written: &[(GuestPage, SwapSlot)],
    ) -> [Vec<(GuestPage, SwapSlot)>; 2] {
        let (mut stored, mut refused) = (Vec::new(), Vec::new());
        for &(page, slot) in written {
            match self.w.host.memory.store_compressed(page) {
                Some(Verdict::Stored) => stored.push((page, slot)),
                Some(Verdict::Refused { shrink }) => {
                    self.emit(Event::ZswapRefuse { page });
                    refused.push((page, slot));
                    if shrink {
                        self.queue_shrinking();
                    }
                }
                None => refused.push((page, slot)),
            }
        }
        [stored, refused]
    }

    /// Processor time of a thread that compresses pages.
    pub(super) fn compress(
        &mut self,
        thread: ThreadId,
        stored: &[(GuestPage, SwapSlot)],
    ) -> SimDuration {
        if stored.is_empty() {
            return SimDuration::ZERO;
        }
        let pages: Vec<GuestPage> = stored.iter().map(|&(page, _)| page).collect();
        let span = self.compression_time(IoKind::Write, &pages);
        let (op, pages) = (IoKind::Write, pages.len() as u32);
        self.emit(Event::SwapCompute { thread, op, pages, span });
        span
    }

    /// Tells the worker that the pool is full (`queue_work`).
    fn queue_shrinking(&mut self) {
        let Some(zswap) = &mut self.w.host.zswap else { return };
        let worker = zswap.worker;
        zswap.queued = true;
        let thread = &self.w.host.threads[worker.index()];
        if thread.state == ThreadState::Blocked && thread.then == Then::ShrinkBegin {
            self.wake_thread(worker);
        }
    }

    /// Whether somebody else than a thread is about to make room in the pool.
    pub(super) fn is_shrinking(&self, beside: ThreadId) -> bool {
        let Some(zswap) = &self.w.host.zswap else { return false };
        let thread = &self.w.host.threads[zswap.worker.index()];
        let idle = thread.state == ThreadState::Blocked && thread.then == Then::ShrinkBegin;
        zswap.worker != beside && !idle
    }
}
