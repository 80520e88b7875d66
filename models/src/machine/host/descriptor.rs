//! Threads at the wait queues of a userfaultfd descriptor: those that link messages, read them, and wake who sleeps.
//!
//! What is done under a lock is part of other costs (`uffd_wait`, `uffd_read`, `uffd_message`, `uffd_wake`,
//! `uffd_poll`), but for lines that come from other processors and entries beyond the first. Who waits spins with
//! interrupts off, and who has a lock does not lose its processor. With one processor nobody meets anybody, and
//! the queues are not kept.

use sim_core::{EventQueue, SimDuration};

use super::state::Host;
use super::thread::ThreadState;
use crate::base::ids::ThreadId;
use crate::base::record::Event;
use crate::config::Waking;
use crate::machine::world::{Cx, Errand, Flow, MachineEvent, Then, Visit};
use crate::parts::memory::wait_queues::{Met, QueueLock, WaitQueues};

impl Visit {
    fn lock(self) -> QueueLock {
        match self {
            Self::Link | Self::Unlink | Self::Read | Self::Wake => QueueLock::Messages,
            Self::WakeReaders | Self::Poll | Self::Polled | Self::BeginRead => QueueLock::Readers,
        }
    }
}

impl Host {
    fn queues_of(&mut self, errand: Errand) -> &mut WaitQueues {
        match self.queues_mut(errand.store, errand.descriptor) {
            Some(queues) => queues,
            None => unreachable!("{} has no such descriptor", errand.store),
        }
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// A thread comes to a lock.
    pub(in crate::machine) fn visit_queue(&mut self, thread: ThreadId, errand: Errand) -> Flow {
        let lock = errand.visit.lock();
        if self.w.host.queues_of(errand).take(lock, thread) {
            return self.queue_held(thread, errand);
        }
        self.emit(Event::UffdLockWait { thread, readers: lock == QueueLock::Readers });
        self.spin_for_queue(thread, errand)
    }

    fn spin_for_queue(&mut self, thread: ThreadId, errand: Errand) -> Flow {
        let now = self.now();
        let state = &mut self.w.host.threads[thread.index()];
        state.locked.atomic = true;
        (state.then, state.remaining, state.since) =
            (Then::QueueAwaited(errand), SimDuration::ZERO, now);
        Flow::Stopped
    }

    /// A thread that spins has the lock, or was only interrupted.
    pub(in crate::machine) fn queue_awaited(&mut self, thread: ThreadId, errand: Errand) -> Flow {
        if !self.w.host.queues_of(errand).is_held_by(errand.visit.lock(), thread) {
            return self.spin_for_queue(thread, errand);
        }
        self.emit(Event::UffdLockTaken { thread });
        self.queue_held(thread, errand)
    }

    /// A thread has the lock: what it does under it.
    fn queue_held(&mut self, thread: ThreadId, errand: Errand) -> Flow {
        let (now, pcpu) = (self.now(), self.w.host.threads[thread.index()].pcpu);
        let line = self.w.setup.prices.lock_line.time;
        let brought = self.w.host.queues_of(errand).bring_line(now, pcpu, line);
        let met = self.met(thread, errand);
        let prices = &self.w.setup.prices;
        let own = match errand.visit {
            // One entry goes in or out; a read does its work under the other lock, which it has next.
            Visit::BeginRead | Visit::Poll | Visit::Polled | Visit::WakeReaders => {
                SimDuration::ZERO
            }
            Visit::Link | Visit::Unlink | Visit::Read | Visit::Wake => prices.uffd_locked.time,
        };
        let further = prices.uffd_entry.time.times(met.entries.saturating_sub(1).into());
        let woken = prices.uffd_herd.time.times(met.woken.into());
        let span = brought + own + line.times(met.lines.into()) + further + woken;
        self.w.host.threads[thread.index()].locked.holds(span);
        let then = match errand.visit {
            Visit::BeginRead => Then::QueueVisit(Errand { visit: Visit::Read, ..errand }),
            _ => Then::QueueLeft(errand),
        };
        Flow::Spend(span, then)
    }

    /// What a visit finds and changes in the queues.
    fn met(&mut self, thread: ThreadId, errand: Errand) -> Met {
        let pcpu = self.w.host.threads[thread.index()].pcpu;
        match errand.visit {
            Visit::Link => {
                let (page, _) = self.wanted_page(thread);
                self.w.host.queues_of(errand).link(thread, page, pcpu)
            }
            Visit::Unlink => self.w.host.queues_of(errand).unlink(thread, pcpu),
            Visit::WakeReaders => self.meet_readers(thread, errand),
            Visit::Poll => self.w.host.queues_of(errand).polls(thread, pcpu),
            Visit::Polled => self.w.host.queues_of(errand).polled(thread, pcpu),
            Visit::BeginRead => self.w.host.queues_of(errand).passes_readers(pcpu),
            Visit::Read => self.w.host.queues_of(errand).refile(pcpu),
            Visit::Wake => {
                let run = self.w.host.installing_mut(thread).run;
                let queues = self.w.host.queues_of(errand);
                queues.wake(pcpu, |page| run.is_some_and(|run| run.contains(page)))
            }
        }
    }

    /// `poll` has an entry for each reader in it, all of which are woken. An instance of epoll has its own for good:
    /// each that is asked takes the lock of its instance.
    fn meet_readers(&mut self, thread: ThreadId, errand: Errand) -> Met {
        let (page, store) = self.wanted_page(thread);
        let pcpu = self.w.host.threads[thread.index()].pcpu;
        let messages = self.w.host.messages_mut(store);
        match messages.config().waking {
            Waking::All => {
                let woken = messages.would_wake(page);
                Met { woken, ..self.w.host.queues_of(errand).wake_readers(pcpu) }
            }
            Waking::One | Waking::Shared => messages.call_back(page, pcpu),
        }
    }

    /// A thread lets go of the lock, and does what it took it for.
    pub(in crate::machine) fn queue_left(&mut self, thread: ThreadId, errand: Errand) -> Flow {
        self.let_go(errand, errand.visit.lock());
        if errand.visit == Visit::Read {
            self.let_go(errand, QueueLock::Readers);
        }
        match errand.visit {
            Visit::Link => self.message_linked(thread),
            Visit::Unlink => {
                let awake = self.w.setup.prices.uffd_awake.time;
                Flow::Spend(self.outside_lock(awake, errand.store), Then::Fetch)
            }
            Visit::WakeReaders => self.wake_readers_and_sleep(thread),
            Visit::Poll => self.in_poll(thread, errand.descriptor),
            Visit::Polled => self.out_of_poll(thread, errand.descriptor),
            Visit::BeginRead => unreachable!("{thread} lets go of both locks at once"),
            Visit::Read => self.message_read(thread, errand),
            Visit::Wake => self.wake_sleepers(self.w.host.handler_of(thread)),
        }
    }

    fn let_go(&mut self, errand: Errand, lock: QueueLock) {
        let Some(next) = self.w.host.queues_of(errand).release(lock) else { return };
        let spins = self.w.host.threads[next.index()].state == ThreadState::Running;
        debug_assert!(spins, "{next} lost its processor while it spun");
        // One that an interrupt holds up looks when that is over.
        if !self.has_step(next) {
            let then = self.w.host.then_of(next);
            self.start_stretch(next, SimDuration::ZERO, then);
        }
    }

    fn in_poll(&mut self, thread: ThreadId, descriptor: u16) -> Flow {
        if self.is_of_ended(thread) {
            return Flow::Spend(SimDuration::ZERO, Then::HandlerPoll);
        }
        let next = self.visit_next(thread, descriptor + 1, Visit::Poll);
        next.unwrap_or_else(|| self.look_or_sleep(thread, self.w.host.handler_of(thread)))
    }

    fn out_of_poll(&mut self, thread: ThreadId, descriptor: u16) -> Flow {
        let next = self.visit_next(thread, descriptor + 1, Visit::Polled);
        next.unwrap_or_else(|| self.begin_read(self.w.host.handler_of(thread)))
    }
}
