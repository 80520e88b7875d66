//! How a thread of the VMM waits for what it is about to install: for a read, or for a time.

use sim_core::{EventQueue, SimDuration, SimTime};

use crate::base::ids::{HandlerId, RequestId, StoreId, ThreadId};
use crate::base::record::IoKind;
use crate::machine::world::{Cx, Flow, MachineEvent, Then};
use crate::parts::device::Request;
use crate::parts::memory::prefetch::PageRun;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The read of the contents of pages.
    pub(super) fn request_for(&mut self, store: StoreId, run: PageRun) -> Request {
        let PageRun { first: guest_page, pages } = run;
        let slot = self.w.host.place_in_store(store, guest_page);
        let page = self.w.host.memory.page_mut(guest_page);
        let occurrence = page.io_count;
        page.io_count += 1;
        let (id, op, submitted) = (RequestId(0), IoKind::Read, self.now());
        let store = Some(store);
        let request = Request { id, op, store, slot, pages, guest_page, occurrence, submitted };
        self.w.host.new_request(request)
    }

    /// A thread reads the contents of pages, sleeps until they are there, and installs them.
    pub(super) fn read_and_wait(
        &mut self,
        thread: ThreadId,
        handler: HandlerId,
        run: PageRun,
    ) -> Flow {
        let (store, _) = self.w.host.handler(handler);
        let request = self.request_for(store, run);
        let own = &mut self.w.host.handlers[handler.index()].installing;
        (own.run, own.request) = (Some(run), Some(request.id));
        self.issue(thread, request, SimDuration::ZERO);
        self.submit(thread);
        self.block_thread(thread, Then::HandlerInstall);
        Flow::Stopped
    }

    /// The thread sleeps until a timer fires, if that lies ahead, and goes on.
    pub(super) fn sleep_until(&mut self, thread: ThreadId, due: SimTime, then: Then) -> Flow {
        if due <= self.now() {
            return Flow::Spend(SimDuration::ZERO, then);
        }
        self.schedule(due, MachineEvent::ThreadTimer(thread));
        self.block_thread(thread, then);
        Flow::Stopped
    }
}
