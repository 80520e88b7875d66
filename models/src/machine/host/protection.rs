//! Memory that a VMM write-protects while its guest runs (`UFFDIO_WRITEPROTECT`; `userfaultfd_writeprotect` of
//! fs/userfaultfd.c and `mwriteprotect_range` of mm/userfaultfd.c, 6.12.117): a live snapshot, as QEMU's
//! background-snapshot takes it, or the tracking of writes.
//!
//! The vCPUs are stopped, all memory is protected by one call, they run again. Each thread then does, again and again,
//! the first of these that there is to do: lift the protection of a page that the sink has; read a message; begin to
//! save the page of a message, and then, in order of address, one that nobody has asked for. Where nothing is saved a
//! message is answered by lifting. A page that lies in the swap area is read for it like for anybody who reads it.

use sim_core::{EventQueue, SimDuration};

use super::duties::{Duty, Protector};
use super::protected::{Protection, Stage};
use super::state::Host;
use super::waiters::take_threads;
use crate::base::ids::{GuestPage, ReclaimerId, ThreadId};
use crate::base::invariant::InvariantId;
use crate::base::record::{Event, IoKind};
use crate::config::Lift;
use crate::machine::host::FetchGoal;
use crate::machine::world::{Cx, Flow, GuestEntry, MachineEvent, Then};
use crate::parts::device::Request;
use crate::parts::memory::protect::{lift, protect, protectable};
use crate::parts::memory::userfault::Message;

impl Host {
    fn protector(&mut self, own: ReclaimerId) -> &mut Protector {
        match &mut self.reclaimer(own).duty {
            Duty::Protect(thread) => thread,
            _ => unreachable!("{own} protects nothing"),
        }
    }

    fn protection(&mut self, own: ReclaimerId) -> &mut Protection {
        let place = self.protector(own).place;
        &mut self.protections[place]
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The time of a protection has come: the vCPUs are stopped.
    pub(in crate::machine) fn protector_woken(
        &mut self,
        thread: ThreadId,
        own: ReclaimerId,
    ) -> Flow {
        if self.w.host.protection(own).stage != Stage::Waits {
            return Flow::Spend(SimDuration::ZERO, Then::ReclaimerNext);
        }
        let vm = self.w.host.reclaimer(own).vm;
        self.note_progress(thread);
        self.w.host.protection(own).stage = Stage::Stops(thread);
        self.stop_vm(vm);
        self.protector_waits(thread, own)
    }

    /// The thread waits until the last vCPU has stopped.
    pub(in crate::machine) fn protector_waits(
        &mut self,
        thread: ThreadId,
        own: ReclaimerId,
    ) -> Flow {
        let vm = self.w.host.reclaimer(own).vm;
        if !self.has_stopped(vm) {
            self.block_thread(thread, Then::ProtectStopped);
            return Flow::Stopped;
        }
        let pages = protectable(self.w.host.memory.of_vm(vm), vm);
        let prices = &self.w.setup.prices;
        Flow::Spend(prices.uffd_protect_page.time.times(pages), Then::ProtectSet)
    }

    /// The call is over: the memory is protected, and the vCPUs run again.
    pub(in crate::machine) fn protection_is_set(
        &mut self,
        thread: ThreadId,
        own: ReclaimerId,
    ) -> Flow {
        let vm = self.w.host.reclaimer(own).vm;
        self.cut_all_bursts();
        let (pages, unmapped) = protect(self.w.host.memory.of_vm(vm), vm);
        for &page in &unmapped {
            self.emit(Event::EptUnmap { page });
        }
        if !unmapped.is_empty() {
            self.flush_remote_tlbs(vm);
        }
        self.w.host.invalidations[vm.index()] += 1;
        self.emit(Event::UffdProtect { thread, vm, pages: pages.len() as u64 });
        let now = self.now();
        let protection = self.w.host.protection(own);
        protection.stage = Stage::Stands;
        protection.due = now;
        if protection.sink.is_some() {
            protection.left = pages.into_iter().collect();
        }
        self.resume_vm(vm);
        let place = self.w.host.protector(own).place;
        for at in 0..self.w.host.reclaimers.len() {
            let other = &self.w.host.reclaimers[at];
            let is_one = matches!(&other.duty, Duty::Protect(it) if it.place == place);
            if is_one && other.thread != thread {
                let other = other.thread;
                self.wake_thread(other);
            }
        }
        Flow::Spend(SimDuration::ZERO, Then::ReclaimerNext)
    }

    /// The next thing that a thread has to do.
    pub(in crate::machine) fn protector_next(
        &mut self,
        thread: ThreadId,
        own: ReclaimerId,
    ) -> Flow {
        let now = self.now();
        let protection = self.w.host.protection(own);
        if let Some(page) = protection.to_lift.pop_front() {
            return self.begin_lift(page);
        }
        if !protection.unread.is_empty() {
            return Flow::Spend(self.w.setup.prices.uffd_read.time, Then::ProtectRead);
        }
        if !protection.has_room() {
            return Flow::Spend(self.w.setup.prices.uffd_poll.time, Then::ProtectSleep);
        }
        let next = protection.asked.pop_front();
        let next = next.or_else(|| {
            let next = (protection.due <= now).then(|| protection.left.pop_first()).flatten();
            if let (Some(_), Some(rate)) = (next, protection.what.rate) {
                protection.due = now + SimDuration::from_secs(1).divided_by(rate);
            }
            next
        });
        match next {
            Some(page) => {
                protection.saving.insert(page);
                self.note_progress(thread);
                self.w.host.set_fetch(thread, page, FetchGoal::Save);
                Flow::Spend(SimDuration::ZERO, Then::Fetch)
            }
            None => Flow::Spend(self.w.setup.prices.uffd_poll.time, Then::ProtectSleep),
        }
    }

    /// A thread goes to sleep, unless there is something to do meanwhile.
    pub(in crate::machine) fn protector_sleeps(
        &mut self,
        thread: ThreadId,
        own: ReclaimerId,
    ) -> Flow {
        let now = self.now();
        let protection = self.w.host.protection(own);
        if protection.has_work(now) {
            return Flow::Spend(SimDuration::ZERO, Then::ReclaimerNext);
        }
        protection.idle.push(thread);
        let due = protection.due;
        let waits = due > now && protection.has_room() && !protection.left.is_empty();
        protection.timers.retain(|&(at, _)| at > now);
        if waits && protection.timers.insert((due, thread)) {
            self.schedule(due, MachineEvent::ThreadTimer(thread));
        }
        self.block_thread(thread, Then::ProtectAwake);
        Flow::Stopped
    }

    pub(in crate::machine) fn protector_awake(
        &mut self,
        thread: ThreadId,
        own: ReclaimerId,
    ) -> Flow {
        self.w.host.protection(own).idle.retain(|&idle| idle != thread);
        Flow::Spend(SimDuration::ZERO, Then::ReclaimerNext)
    }

    /// A message is read, if another thread has not been quicker.
    pub(in crate::machine) fn protector_reads(
        &mut self,
        thread: ThreadId,
        own: ReclaimerId,
    ) -> Flow {
        let protection = self.w.host.protection(own);
        let Some(Message { page, .. }) = protection.unread.pop_front() else {
            return Flow::Spend(SimDuration::ZERO, Then::ReclaimerNext);
        };
        if protection.left.remove(&page) {
            protection.asked.push_back(page);
        }
        let answers = protection.sink.is_none() || protection.what.lift == Lift::First;
        self.note_progress(thread);
        self.emit(Event::UffdWpRead { thread, page });
        match answers {
            true => self.begin_lift(page),
            false => Flow::Spend(SimDuration::ZERO, Then::ReclaimerNext),
        }
    }

    /// Its write to the sink is submitted. What is not copied stays in memory until the write is over.
    pub(in crate::machine) fn protector_submits(
        &mut self,
        thread: ThreadId,
        own: ReclaimerId,
        page: GuestPage,
    ) -> Flow {
        let protection = self.w.host.protection(own);
        let copied = protection.what.lift == Lift::Copied;
        let Some(sink) = protection.sink else { unreachable!("{thread} saves nothing") };
        if copied {
            protection.saved.insert(page);
        }
        let slot = self.w.host.place_in_store(sink, page);
        let write =
            Request { op: IoKind::Write, store: Some(sink), slot, ..self.occurrence_of(page) };
        let write = self.w.host.new_request(write);
        if !copied {
            self.pin(page);
        }
        self.emit(Event::UffdSave { thread, page });
        self.issue(thread, write, SimDuration::ZERO);
        self.submit(thread);
        match copied && self.w.host.memory.page(page).protected {
            true => self.begin_lift(page),
            false => Flow::Spend(SimDuration::ZERO, Then::ReclaimerNext),
        }
    }

    fn pin(&mut self, page: GuestPage) {
        self.w.host.memory.page_mut(page).pins += 1;
        let container = self.w.host.memory.container(page.vm());
        self.w.host.pinned[container] += 1;
    }

    fn begin_lift(&self, page: GuestPage) -> Flow {
        let prices = &self.w.setup.prices;
        let wake = if self.w.host.somebody_waits_for(page) {
            prices.uffd_wake.time
        } else {
            SimDuration::ZERO
        };
        let cost = prices.uffd_lift.time + wake;
        Flow::Spend(cost, Then::ProtectLift(page))
    }

    /// The protection of a page is lifted, and who sleeps for that is woken.
    pub(in crate::machine) fn protector_lifts(
        &mut self,
        thread: ThreadId,
        own: ReclaimerId,
        page: GuestPage,
    ) -> Flow {
        let vm = page.vm();
        self.cut_all_bursts();
        let was_mapped = lift(self.w.host.memory.of_vm(vm), page);
        let mut kicked = 0;
        if was_mapped {
            self.emit(Event::EptUnmap { page });
            kicked = self.flush_remote_tlbs(vm);
        }
        self.w.host.invalidations[vm.index()] += 1;
        self.emit(Event::UffdLift { thread, page });
        let protection = self.w.host.protection(own);
        protection.unread.retain(|message| message.page != page);
        if protection.sink.is_some() && !protection.saved.contains(&page) {
            let message = format!("{page} may be written, and the snapshot does not have it");
            self.note(vm, InvariantId(51), message);
        }
        for sleeper in take_threads(&mut self.w.host.page_waiters, page) {
            self.w.host.threads[sleeper.index()].waits_for = None;
            self.wake_thread(sleeper);
        }
        let kicks = self.w.setup.prices.shootdown_vcpu.time.times(kicked);
        Flow::Spend(kicks, Then::ReclaimerNext)
    }
}
