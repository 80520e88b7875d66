//! What becomes of a virtual machine whose handler dies, as fs/userfaultfd.c of 6.12 has it. While anybody has the
//! descriptor open, nothing happens: who misses a page links a message and sleeps. A new process that is given the
//! descriptor reads messages which nobody has read; of those that the dead one had read it knows nothing, so that
//! it wakes all who sleep (`UFFDIO_WAKE`), and they ask again. When the last reference is closed
//! (`userfaultfd_release`), all who sleep are woken, and the memory is like any other: `do_anonymous_page` gives
//! zeros, `shmem_fault` what the page cache has.

use sim_core::{EventQueue, SimDuration};

use super::state::Host;
use super::stores::Handler;
use super::thread::{ThreadKind, ThreadState};
use crate::base::ids::{GuestPage, HandlerId, StoreId, ThreadId, VmId};
use crate::base::record::Event;
use crate::config::{Install, MachineConfig};
use crate::machine::world::{Cx, Errand, Flow, MachineEvent, Then, Visit};
use crate::parts::memory::pages::Backing;
use crate::parts::memory::userfault::{Messages, Role};

/// Whether a thread that waits for a page does so in `handle_userfault`: it sleeps, or is about to.
fn is_asleep(then: Then) -> bool {
    match then {
        Then::UffdAwake => true,
        Then::QueueVisit(Errand { visit, .. })
        | Then::QueueAwaited(Errand { visit, .. })
        | Then::QueueLeft(Errand { visit, .. }) => visit == Visit::WakeReaders,
        _ => false,
    }
}

impl Host {
    /// Whether a virtual machine's handler is dead and its descriptor open, so that whoever misses a page sleeps.
    pub(in crate::machine) fn waits_for_dead_handler(
        &self,
        vm: VmId,
        config: &MachineConfig,
    ) -> bool {
        let waits = |messages: &Messages| !messages.is_alive() && !messages.is_closed();
        let stores = config.host.stores.iter().zip(&self.stores);
        let mut own = stores.filter(|(config, _)| config.vm == vm);
        own.any(|(_, store)| store.messages.as_ref().is_some_and(waits))
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The stores of a virtual machine that have handlers.
    fn handled_stores(&self, vm: VmId) -> Vec<StoreId> {
        let stores = (0..).map(StoreId).zip(&self.w.setup.config.host.stores);
        let own = stores.filter(|(_, config)| config.vm == vm && config.handler.is_some());
        own.map(|(store, _)| store).collect()
    }

    /// The process of the handlers ends: each thread at its next step outside the kernel.
    pub(in crate::machine) fn handler_dies(&mut self, vm: VmId) {
        for store in self.handled_stores(vm) {
            self.w.host.messages_mut(store).dies();
            for queues in &mut self.w.host.stores[store.index()].queues {
                queues.readers_die();
            }
        }
    }

    /// Another process begins in its place, where the descriptors are open.
    pub(in crate::machine) fn handler_restarts(&mut self, vm: VmId) {
        for store in self.handled_stores(vm) {
            if !self.w.host.messages_mut(store).restarts() {
                continue;
            }
            for place in 0..self.w.host.handlers.len() {
                let thread = self.w.host.first_handler_thread(place);
                let state = &self.w.host.threads[thread.index()];
                // Others come to their end first: they are in the kernel, or a timer wakes them.
                let idle = matches!(
                    state.then,
                    Then::HandlerPolled | Then::HandlerTold | Then::HandlerGone
                );
                let blocked = state.state == ThreadState::Blocked;
                if self.w.host.handlers[place].store == store && idle && blocked {
                    self.wake_thread(thread);
                }
            }
            self.wake_sleepers_of(store, |_| true);
        }
    }

    /// The last reference to the descriptors is closed, and with it goes the process that had it.
    pub(in crate::machine) fn descriptor_closes(&mut self, vm: VmId) {
        for store in self.handled_stores(vm) {
            for removal in self.w.host.messages_mut(store).take_removals() {
                self.wake_thread(removal.thread);
            }
            self.w.host.messages_mut(store).closes();
            for queues in &mut self.w.host.stores[store.index()].queues {
                queues.readers_die();
            }
            self.wake_sleepers_of(store, |_| true);
        }
    }

    /// The process of a VMM ends, with the threads of its handlers: those of its vCPUs that sleep for a page are
    /// woken, and want it no more. A worker is nobody's whom a signal ends, and sleeps on.
    pub(in crate::machine) fn vmm_dies(&mut self, vm: VmId) {
        self.handler_dies(vm);
        for store in self.handled_stores(vm) {
            self.wake_sleepers_of(store, |kind| matches!(kind, ThreadKind::Vcpu(_)));
        }
    }

    /// Whether a thread is one of a VMM that has ended, which is killed and waits for nothing.
    pub(super) fn is_killed(&self, thread: ThreadId) -> bool {
        match self.w.host.kind_of(thread) {
            ThreadKind::Vcpu(vcpu) => self.w.kvm.has_ended(self.w.setup.vm(vcpu)),
            _ => false,
        }
    }

    /// Those threads are woken that sleep in `handle_userfault`.
    fn wake_sleepers_of(&mut self, store: StoreId, are_meant: impl Fn(ThreadKind) -> bool) {
        let host = &self.w.host;
        let asks = |&(page, thread): &(GuestPage, ThreadId)| {
            host.memory.page(page).store == Some(store)
                && is_asleep(host.then_of(thread))
                && are_meant(host.kind_of(thread))
        };
        let sleepers: Vec<_> = host.page_waiters.iter().copied().filter(asks).collect();
        for (page, thread) in sleepers {
            self.w.host.page_waiters.remove(&(page, thread));
            self.w.host.threads[thread.index()].waits_for = None;
            self.w.host.messages_mut(store).withdraw(thread);
            let pcpu = self.w.host.threads[thread.index()].pcpu;
            for queues in &mut self.w.host.stores[store.index()].queues {
                queues.unlink(thread, pcpu);
            }
            self.wake_thread(thread);
        }
    }

    /// Whether a thread is of a process that has ended. A call that has installed pages wakes before it returns.
    pub(super) fn is_of_ended_process(&mut self, handler: HandlerId, then: Then) -> bool {
        let (store, _) = self.w.host.handler(handler);
        let own = self.w.host.handlers[handler.index()].process;
        own != self.w.host.messages_mut(store).process() && then != Then::HandlerWake
    }

    /// Such a thread ends. If another process runs, its place is that of a thread of it, which begins.
    pub(super) fn end_with_process(&mut self, thread: ThreadId, handler: HandlerId) -> Flow {
        let (store, number) = self.w.host.handler(handler);
        let own = &self.w.host.handlers[handler.index()];
        let (role, before) = (own.role, own.process);
        if own.installing.request.is_some() {
            // In the kernel until its read is over.
            self.block_thread(thread, Then::HandlerInstall);
            return Flow::Stopped;
        }
        let messages = self.w.host.messages_mut(store);
        let process = if messages.is_alive() { messages.process() } else { before };
        self.w.host.handlers[handler.index()] =
            Handler { process, ..Handler::new(store, role, number) };
        let next = match role {
            _ if process == before => Then::HandlerGone,
            Role::Reader => Then::HandlerPoll,
            Role::Installer => Then::HandlerLook,
            // What was brought ahead is not gone on with.
            Role::Prefetcher | Role::Main => Then::HandlerGone,
        };
        if next == Then::HandlerGone {
            self.block_thread(thread, next);
            return Flow::Stopped;
        }
        Flow::Spend(SimDuration::ZERO, next)
    }

    /// A page that nobody brings any more is the kernel's: it has the page cache's where shared memory has it, and
    /// zeros otherwise, which are what a page of zeros is and lose what others were.
    pub(super) fn give_orphan(&mut self, thread: ThreadId, page: GuestPage) -> Flow {
        match self.w.host.install_of(page) {
            Install::Continue => {
                if self.w.host.memory.room(page.vm()) == 0 {
                    return self.direct_reclaim(thread);
                }
                self.w.host.give_installed_frame(page);
            }
            install => {
                self.w.host.memory.page_mut(page).backing = Backing::Untouched;
                if install != Install::Zeropage && !self.w.host.is_discarded(page) {
                    self.emit(Event::UffdLost { thread, page });
                }
            }
        }
        Flow::Spend(SimDuration::ZERO, Then::Fetch)
    }
}
