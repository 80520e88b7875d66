//! How threads of the VMM hear of faults that it answers, and answer them: by requests of vCPU threads that are out
//! of the kernel, and by rings.
//!
//! A reader belongs to some vCPUs. It waits for requests and for signals in one `poll`, and serves what it finds in a
//! ring before it asks for another signal. Whoever has installed a page answers all faults on it that were read of.
//! Where the handler is a process of its own, the VMM's main thread passes on what a vCPU thread waits for, and
//! carries replies out; rings are in both.

use sim_core::{EventQueue, SimDuration};

use super::state::{Host, Job};
use crate::apf::vmm::Channel;
use crate::base::ids::{GuestPage, HandlerId, StoreId, ThreadId, VcpuId, VmId, WorkerId};
use crate::base::record::Event;
use crate::config::Process;
use crate::machine::protocol::Answering;
use crate::machine::world::{Cx, Flow, MachineEvent, Then, thread_of};
use crate::parts::memory::asked::{Asked, Post, Requests};
use crate::parts::memory::pages::Backing;
use crate::parts::memory::userfault::Role;

impl Host {
    /// Faults on pages of a store that the VMM is asked to answer.
    pub(super) fn requests_mut(&mut self, store: StoreId) -> &mut Requests {
        match &mut self.stores[store.index()].requests {
            Some(requests) => requests,
            None => unreachable!("nobody answers faults for {store}"),
        }
    }

    /// Whether a page is nowhere but in a store.
    fn is_stored(&self, page: GuestPage) -> bool {
        self.memory.page(page).backing == Backing::Stored
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Whether the VMM of a thread answers faults, so that its threads have more to do than to install pages.
    pub(super) fn answers_with(&self, handler: HandlerId) -> bool {
        let (store, _) = self.w.host.handler(handler);
        self.w.setup.answers_faults(self.w.setup.config.host.stores[store.index()].vm)
    }

    /// The store whose handler reads the rings of a virtual machine: a scenario gives it one at most.
    fn store_of_rings(&self, vm: VmId) -> Option<StoreId> {
        let config = &self.w.setup.config;
        let stores =
            config.workload.regions[config.regions_of(vm)].iter().filter_map(|it| it.store);
        stores.into_iter().find(|store| self.w.host.stores[store.index()].requests.is_some())
    }

    /// A thread that waits for faults runs.
    pub(super) fn show_awake(&mut self, thread: ThreadId, handler: HandlerId) {
        let role = self.w.host.handlers[handler.index()].role;
        if role == Role::Main || self.answers_with(handler) {
            self.emit(Event::VmmAwake { thread });
        }
    }

    /// A reader is back from `poll`.
    pub(super) fn begin_read(&self, handler: HandlerId) -> Flow {
        let prices = &self.w.setup.prices;
        let cost = match self.answers_with(handler) {
            true => prices.vmm_read.time,
            false => self.outside_lock(prices.uffd_read.time, self.w.host.handler(handler).0),
        };
        Flow::Spend(cost, Then::HandlerRead)
    }

    /// The eventfd of a vCPU's ring is signalled.
    pub(in crate::machine) fn signal_reader(&mut self, vcpu: VcpuId) {
        let Some(store) = self.store_of_rings(self.w.setup.vm(vcpu)) else { return };
        let requests = self.w.host.requests_mut(store);
        requests.signal(vcpu);
        let reader = requests.reader_of(vcpu);
        self.wake_reader(store, reader);
    }

    fn wake_reader(&mut self, store: StoreId, reader: u16) {
        if self.w.host.messages_mut(store).wake_reader(reader) {
            let thread = self.w.host.thread_of_handler(store, Role::Reader, reader);
            self.wake_thread(thread);
        }
    }

    /// A vCPU thread that is out of the kernel sends its request.
    pub(in crate::machine) fn send_request(&mut self, vcpu: VcpuId, page: GuestPage, plain: bool) {
        let Some(store) = self.w.host.memory.page(page).store else {
            unreachable!("{vcpu} asks for no stored page");
        };
        self.emit(Event::UffdMessage { thread: thread_of(vcpu), page });
        let channel = if plain { Channel::Plain } else { Channel::Exit };
        let asked = Asked { vcpu, page, channel };
        // What a thread waits for goes through the main thread, as that takes all replies.
        match plain && self.is_apart(store) {
            true => self.post(store, Post::Request(asked)),
            false => self.send(store, asked),
        }
    }

    fn send(&mut self, store: StoreId, asked: Asked) {
        let requests = self.w.host.requests_mut(store);
        requests.send(asked);
        let reader = requests.reader_of(asked.vcpu);
        self.wake_reader(store, reader);
    }

    /// Whether the threads of a store's handler are a process of their own.
    fn is_apart(&mut self, store: StoreId) -> bool {
        self.w.host.messages_mut(store).config().process == Process::Other
    }

    /// Something is sent to the main thread of the VMM.
    fn post(&mut self, store: StoreId, post: Post) {
        let (Post::Request(Asked { page, .. }) | Post::Reply(Asked { page, .. })) = post;
        let vm = page.vm();
        self.w.host.requests_mut(store).post(vm.index(), post);
        let thread = self.w.host.thread_of_handler(store, Role::Main, vm.0);
        self.wake_thread(thread);
    }

    /// A reader takes what it was woken for, if that is no message of userfaultfd.
    pub(super) fn read_requests(&mut self, thread: ThreadId, handler: HandlerId) -> Option<Flow> {
        let (store, number) = self.w.host.handler(handler);
        if self.w.host.handlers[handler.index()].role == Role::Main {
            return Some(self.pass_on(handler));
        }
        if let Some(vcpu) = self.w.host.requests_mut(store).take_signal(number) {
            self.note_progress(thread);
            self.w.host.handlers[handler.index()].ring = Some(vcpu);
            return Some(Flow::Spend(self.w.setup.prices.vmm_look.time, Then::HandlerRing));
        }
        let most = self.w.host.messages_mut(store).config().batch;
        let mut read = 0;
        while read < most
            && let Some((page, is_first)) = self.w.host.requests_mut(store).take(number)
        {
            self.fault_is_read(thread, handler, (page, is_first));
            read += 1;
        }
        let further = u64::from(read.checked_sub(1)?);
        self.note_progress(thread);
        Some(Flow::Spend(self.w.setup.prices.uffd_message.time.times(further), Then::HandlerServe))
    }

    /// A thread has read of a fault. If the page is there, or another thread brings it, it has nothing to bring.
    fn fault_is_read(
        &mut self,
        thread: ThreadId,
        handler: HandlerId,
        (page, is_first): (GuestPage, bool),
    ) {
        self.emit(Event::UffdRead { thread, page });
        let (store, _) = self.w.host.handler(handler);
        if !self.w.host.is_stored(page) {
            let read = self.w.host.requests_mut(store).take_read(page);
            self.w.host.handlers[handler.index()].answers.extend(read);
        } else if is_first {
            self.w.host.handlers[handler.index()].taken.push_back(page);
        }
    }

    /// The next section of a reader's loop over the ring of a vCPU: drain and serve, ask for a signal, look again.
    pub(super) fn look_into_ring(&mut self, thread: ThreadId, handler: HandlerId) -> Flow {
        let Some(vcpu) = self.w.host.handlers[handler.index()].ring else {
            unreachable!("{thread} reads no ring");
        };
        if self.ring_is_quiet(vcpu) {
            self.w.host.handlers[handler.index()].ring = None;
            return Flow::Spend(self.w.setup.prices.uffd_poll.time, Then::HandlerPoll);
        }
        let Some(found) = self.read_ring_of(vcpu) else {
            return self.wait_for_answers_of(vcpu, thread, Then::HandlerRing);
        };
        let (store, _) = self.w.host.handler(handler);
        for &gfn in &found {
            let asked = Asked { vcpu, page: self.w.setup.page(vcpu, gfn), channel: Channel::Ring };
            let is_first = self.w.host.requests_mut(store).found(asked);
            self.fault_is_read(thread, handler, (asked.page, is_first));
        }
        match found.len().checked_sub(1) {
            None => Flow::Spend(self.w.setup.prices.vmm_look.time, Then::HandlerRing),
            Some(further) => {
                let cost = self.w.setup.prices.uffd_message.time.times(further as u64);
                Flow::Spend(cost, Then::HandlerServe)
            }
        }
    }

    /// A thread waits until another one is through with an answer to the same vCPU, or the ring of answers has
    /// room.
    fn wait_for_answers_of(&mut self, vcpu: VcpuId, thread: ThreadId, then: Then) -> Flow {
        self.w.host.answer_waiters.insert((vcpu, thread));
        self.block_thread(thread, then);
        Flow::Stopped
    }

    fn wake_answer_waiters(&mut self, vcpu: VcpuId) {
        let all = (vcpu, ThreadId(0))..=(vcpu, ThreadId(u32::MAX));
        let waiters: Vec<_> = self.w.host.answer_waiters.range(all).copied().collect();
        for (vcpu, thread) in waiters {
            self.w.host.answer_waiters.remove(&(vcpu, thread));
            self.wake_thread(thread);
        }
    }

    /// How a thread answers: by itself, or through the VMM's main thread.
    fn answers_itself(&mut self, handler: HandlerId, channel: Channel) -> bool {
        let (store, _) = self.w.host.handler(handler);
        let is_main = self.w.host.handlers[handler.index()].role == Role::Main;
        is_main || channel == Channel::Ring || !self.is_apart(store)
    }

    /// The thread prepares its next answer, if there is one.
    pub(super) fn begin_answer(&mut self, handler: HandlerId) -> Flow {
        let Some(&Asked { channel, .. }) = self.w.host.handlers[handler.index()].answers.front()
        else {
            return self.next_of(handler);
        };
        let own = self.answers_itself(handler, channel);
        let prices = &self.w.setup.prices;
        let cost = match channel {
            Channel::Ring => prices.vmm_entry.time,
            Channel::Exit if own => prices.vmm_ready.time,
            Channel::Exit | Channel::Plain => prices.vmm_reply.time,
        };
        Flow::Spend(cost, Then::HandlerAnswered)
    }

    /// The answer is made.
    pub(super) fn make_answer(&mut self, thread: ThreadId, handler: HandlerId) -> Flow {
        let Some(&asked) = self.w.host.handlers[handler.index()].answers.front() else {
            unreachable!("{thread} answers nothing");
        };
        let Asked { vcpu, page, channel } = asked;
        let (store, _) = self.w.host.handler(handler);
        if !self.answers_itself(handler, channel) {
            self.w.host.handlers[handler.index()].answers.pop_front();
            self.post(store, Post::Reply(asked));
            return Flow::Spend(SimDuration::ZERO, Then::HandlerAnswer);
        }
        let gfn = page.gfn();
        let answering = match channel {
            Channel::Ring => self.write_answer_of(vcpu, gfn),
            Channel::Exit => self.ready_fault(vcpu, gfn),
            Channel::Plain => self.reply_to_fault(vcpu, gfn),
        };
        if answering == Answering::Waits {
            return self.wait_for_answers_of(vcpu, thread, Then::HandlerAnswered);
        }
        self.emit(Event::VmmAnswer { thread, vcpu, gfn });
        if channel == Channel::Ring {
            return Flow::Spend(self.w.setup.prices.vmm_tell.time, Then::HandlerToldKernel);
        }
        self.w.host.handlers[handler.index()].answers.pop_front();
        Flow::Spend(SimDuration::ZERO, Then::HandlerAnswer)
    }

    /// The kernel is told of an answer in its ring, and a worker of it is to read that.
    pub(super) fn answer_is_told(&mut self, thread: ThreadId, handler: HandlerId) -> Flow {
        let Some(Asked { vcpu, page, .. }) =
            self.w.host.handlers[handler.index()].answers.pop_front()
        else {
            unreachable!("{thread} answers nothing");
        };
        if self.tell_kernel(vcpu, page.gfn()) {
            let pcpu = self.w.host.threads[thread.index()].pcpu;
            self.queue_in_workqueue(pcpu, Job::Answers(vcpu));
        }
        self.wake_answer_waiters(vcpu);
        Flow::Spend(SimDuration::ZERO, Then::HandlerAnswer)
    }

    /// A worker of the kernel reads the ring of answers (`complete_work`).
    pub(in crate::machine) fn answers_read(
        &mut self,
        thread: ThreadId,
        worker: WorkerId,
        vcpu: VcpuId,
    ) -> Flow {
        self.complete_answers(vcpu);
        self.wake_answer_waiters(vcpu);
        self.activate_next(self.pool_of(thread));
        self.work_begin(thread, worker)
    }

    /// The main thread takes what comes next of what it was sent.
    pub(super) fn pass_on(&mut self, handler: HandlerId) -> Flow {
        let (store, vm) = self.w.host.handler(handler);
        if let Some(asked) = self.w.host.handlers[handler.index()].post.take() {
            self.send(store, asked);
        }
        match self.w.host.requests_mut(store).take_post(vm.into()) {
            Some(Post::Request(asked)) => {
                self.w.host.handlers[handler.index()].post = Some(asked);
                Flow::Spend(self.w.setup.prices.vmm_ask.time, Then::HandlerPassedOn)
            }
            Some(Post::Reply(asked)) => {
                self.w.host.handlers[handler.index()].answers.push_back(asked);
                Flow::Spend(SimDuration::ZERO, Then::HandlerAnswer)
            }
            None => Flow::Spend(self.w.setup.prices.uffd_poll.time, Then::HandlerPoll),
        }
    }

    /// The main thread goes to sleep in `poll`, unless it was sent something.
    pub(super) fn poll_posts(&mut self, thread: ThreadId, handler: HandlerId) -> Flow {
        let (store, vm) = self.w.host.handler(handler);
        if self.w.host.requests_mut(store).has_posts(vm.into()) {
            return self.begin_read(handler);
        }
        self.block_thread(thread, Then::HandlerPolled);
        Flow::Stopped
    }

    /// What a thread does when it is through with a run of pages.
    pub(super) fn next_of(&self, handler: HandlerId) -> Flow {
        let handler = &self.w.host.handlers[handler.index()];
        let next = match handler.role {
            Role::Reader => Then::HandlerServe,
            Role::Installer => Then::HandlerLook,
            Role::Prefetcher => Then::HandlerPrefetch,
            Role::Main => Then::HandlerPassedOn,
        };
        match handler.taken.is_empty() && handler.role == Role::Reader {
            // The reader pays for going back when it has served all.
            true => Flow::Spend(SimDuration::ZERO, next),
            false => Flow::Spend(self.w.setup.prices.uffd_next.time, next),
        }
    }
}
