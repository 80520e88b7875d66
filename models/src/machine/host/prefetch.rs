//! Threads of the VMM that bring pages before anybody misses them: a recorded working set, or all of memory in
//! the background. They read and install as those that answer faults do, and compete with them for
//! processors and device.

use sim_core::EventQueue;

use crate::base::ids::{HandlerId, ThreadId, VmId};
use crate::machine::world::{Cx, Flow, MachineEvent, Then};
use crate::parts::memory::prefetch::Prefetcher;
use crate::parts::memory::userfault::Role;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The start barrier is passed: these threads begin.
    pub(in crate::machine) fn begin_prefetches(&mut self) {
        let places = 0..self.w.host.handlers.len();
        let ahead = |place: &usize| self.w.host.handlers[*place].role == Role::Prefetcher;
        for place in places.filter(ahead).collect::<Vec<_>>() {
            let thread = self.w.host.first_handler_thread(place);
            self.wake_thread(thread);
        }
    }

    /// Whether all of a virtual machine's memory is there that its tasks wait for.
    pub(in crate::machine) fn may_start(&self, vm: VmId) -> bool {
        let stores = self.w.setup.config.host.stores.iter().zip(&self.w.host.stores);
        let own = stores.filter(|(config, _)| config.vm == vm);
        let mut prefetchers = own.filter_map(|(_, store)| store.prefetcher.as_ref());
        prefetchers.all(|prefetcher| !prefetcher.holds_tasks_up())
    }

    /// The thread takes the next pages, when it is time for them. The last one that finds none lets the
    /// guest's tasks start, if they wait for that.
    pub(super) fn prefetch(&mut self, thread: ThreadId, handler: HandlerId) -> Flow {
        let (store, _) = self.w.host.handler(handler);
        let now = self.now();
        let Some(prefetcher) = &self.w.host.stores[store.index()].prefetcher else {
            unreachable!("{thread} has nothing to bring");
        };
        let due = prefetcher.due();
        if due > now {
            return self.sleep_until(thread, due, Then::HandlerPrefetch);
        }
        let Some(run) = self.w.host.next_ahead(store, now) else {
            return self.through(thread, handler);
        };
        self.note_progress(thread);
        self.w.host.handlers[handler.index()].installing.run = Some(run);
        if self.w.host.has_device(store) {
            let prices = &self.w.setup.prices;
            let copies = prices.block_copy.time.times(run.pages.into());
            return Flow::Spend(prices.block_submit.time + copies, Then::HandlerPrefetchRead);
        }
        let latency = self.w.host.messages_mut(store).config().latency;
        self.sleep_until(thread, now + latency, Then::HandlerInstall)
    }

    /// The read of the pages is prepared.
    pub(super) fn read_ahead_of_guest(&mut self, thread: ThreadId, handler: HandlerId) -> Flow {
        match self.w.host.handlers[handler.index()].installing.run {
            Some(run) => self.read_and_wait(thread, handler, run),
            None => unreachable!("{thread} reads nothing"),
        }
    }

    /// Nothing is left: the thread sleeps for ever.
    fn through(&mut self, thread: ThreadId, handler: HandlerId) -> Flow {
        let (store, _) = self.w.host.handler(handler);
        let vm = self.w.setup.config.host.stores[store.index()].vm;
        let store = &mut self.w.host.stores[store.index()];
        let waited = store.prefetcher.as_ref().is_some_and(Prefetcher::holds_tasks_up);
        let last = store.prefetcher.as_mut().is_some_and(Prefetcher::is_through);
        if last && waited && self.may_start(vm) {
            let now = self.now();
            self.schedule(now, MachineEvent::Restored(vm));
        }
        self.block_thread(thread, Then::HandlerPrefetch);
        Flow::Stopped
    }
}
