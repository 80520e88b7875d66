//! The thread of a VMM that serves its balloon: it sets sizes, and gives back what the guest tells it of.
//!
//! Frames that lie side by side go by one call (as VMMs of microVMs put them together; QEMU makes a call for each
//! page).

use std::collections::VecDeque;

use sim_core::{EventQueue, SimDuration};

use super::duties::{BalloonJob, BalloonThread, Duty};
use super::state::Host;
use crate::base::ids::{Gfn, GuestPage, ReclaimerId, ThreadId, VcpuId, VmId};
use crate::base::record::Event;
use crate::machine::world::{BalloonQueue, Cx, Flow, GuestEntry, MachineEvent, Then};
use crate::parts::memory::give_back::give_back;
use crate::parts::memory::prefetch::PageRun;
use crate::parts::memory::second_stage_lock::PassLocking;

impl Host {
    fn balloon_thread(&mut self, own: ReclaimerId) -> &mut BalloonThread {
        match &mut self.reclaimer(own).duty {
            Duty::Balloon(thread) => thread,
            _ => unreachable!("{own} serves no balloon"),
        }
    }

    /// Who serves the balloon of a virtual machine.
    fn balloon_of(&self, vm: VmId) -> Option<ReclaimerId> {
        let serves =
            |own: &super::duties::Reclaimer| own.vm == vm && matches!(own.duty, Duty::Balloon(_));
        self.reclaimers.iter().position(serves).map(|place| ReclaimerId(place as u16))
    }

    /// The guest puts frames, in order, into a queue of its balloon's device.
    pub(in crate::machine) fn put_into_balloon_queue(
        &mut self,
        vm: VmId,
        queue: BalloonQueue,
        frames: &[Gfn],
    ) {
        let Some(own) = self.balloon_of(vm) else { return };
        let mut runs: VecDeque<PageRun> = VecDeque::new();
        for &gfn in frames.iter().filter(|_| queue != BalloonQueue::Deflate) {
            match runs.back_mut() {
                Some(last) if last.first.gfn().0 + u64::from(last.pages) == gfn.0 => {
                    last.pages += 1;
                }
                _ => runs.push_back(PageRun { first: GuestPage::new(vm, gfn), pages: 1 }),
            }
        }
        self.balloon_thread(own).jobs.push_back(BalloonJob { queue, runs });
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The device is notified: the thread has something to do.
    pub(in crate::machine) fn balloon_notified(&mut self, vcpu: VcpuId) -> Flow {
        if let Some(own) = self.w.host.balloon_of(self.w.setup.vm(vcpu)) {
            let thread = self.w.host.reclaimer(own).thread;
            self.wake_thread(thread);
        }
        Flow::Spend(self.w.setup.prices.vmm_signal.time, Then::TurnEnd)
    }

    /// The thread is back from its wait.
    pub(in crate::machine) fn balloon_woken(&mut self) -> Flow {
        Flow::Spend(self.w.setup.prices.vmm_read.time, Then::ReclaimerNext)
    }

    /// The next thing that the thread has to do.
    pub(in crate::machine) fn balloon_next(&mut self, thread: ThreadId, own: ReclaimerId) -> Flow {
        let now = self.now();
        let served = self.w.host.reclaimer(own);
        let (vm, began) = (served.vm, served.began);
        let state = self.w.host.balloon_thread(own);
        if let Some(target) = state.targets.pop_if(|target| began + target.at <= now) {
            if let Some(next) = state.targets.last().map(|next| began + next.at)
                && next > now
            {
                self.schedule(next, MachineEvent::ThreadTimer(thread));
            }
            self.note_progress(thread);
            self.emit(Event::BalloonTarget { vm, pages: target.pages });
            self.balloon_target(vm, target.pages);
            return Flow::Spend(self.w.setup.prices.vmm_tell.time, Then::ReclaimerNext);
        }
        match state.jobs.front() {
            None => {
                self.block_thread(thread, Then::ReclaimerWoken);
                Flow::Stopped
            }
            Some(job) if job.runs.is_empty() => {
                Flow::Spend(self.w.setup.prices.vmm_tell.time, Then::BalloonTold)
            }
            Some(job) => {
                let told = job.runs.front().map(|run| run.first);
                let told = told.map_or(SimDuration::ZERO, |page| self.cost_of_telling(page));
                let call = self.w.setup.prices.madvise_call.time;
                Flow::Spend(call + told, Then::BalloonAdvise)
            }
        }
    }

    /// The pages of a run go (`madvise` with MADV_DONTNEED), when who serves them knows of it.
    pub(in crate::machine) fn balloon_advises(
        &mut self,
        thread: ThreadId,
        own: ReclaimerId,
    ) -> Flow {
        let next = self.w.host.balloon_thread(own).jobs.front_mut();
        let Some(run) = next.and_then(|job| job.runs.pop_front()) else {
            unreachable!("{thread} has nothing to give back");
        };
        let (run, rest) = self.w.host.registered_alike(run);
        if let Some(job) = self.w.host.balloon_thread(own).jobs.front_mut() {
            rest.into_iter().for_each(|rest| job.runs.push_front(rest));
        }
        self.w.host.balloon_thread(own).at = Some(run);
        self.note_progress(thread);
        self.tell_of_removal(thread, run).unwrap_or_else(|| self.balloon_zaps(thread, own))
    }

    /// If the event was read, and nothing else has woken the thread, it goes on.
    pub(in crate::machine) fn balloon_removed(
        &mut self,
        thread: ThreadId,
        own: ReclaimerId,
    ) -> Flow {
        let at = self.w.host.balloon_thread(own).at;
        if at.is_some_and(|run| self.removal_waits(thread, run)) {
            self.block_thread(thread, Then::BalloonRemoved);
            return Flow::Stopped;
        }
        if let Some(run) = at {
            self.removal_is_over(run);
        }
        Flow::Spend(self.w.setup.prices.uffd_awake.time, Then::BalloonZap)
    }

    /// The pages go.
    pub(in crate::machine) fn balloon_zaps(&mut self, thread: ThreadId, own: ReclaimerId) -> Flow {
        let vm = self.w.host.reclaimer(own).vm;
        let Some(run) = self.w.host.balloon_thread(own).at.take() else {
            unreachable!("{thread} gives nothing back");
        };
        let registered = self.w.host.registered_of(run);
        self.cut_all_bursts();
        let Host { memory, swap, .. } = &mut self.w.host;
        let pages = (0..run.pages).filter_map(|at| run.page(at));
        let back = give_back(memory.of_vm(vm), swap, pages);
        self.w.host.misses_what_has_gone(&registered);
        for &page in &back.unmapped {
            self.emit(Event::EptUnmap { page });
        }
        let mut kicked = 0;
        if !back.unmapped.is_empty() {
            self.w.host.invalidations[vm.index()] += 1;
            kicked = self.flush_remote_tlbs(vm);
        }
        let (page, frames, slots) = (run.first, back.frames, back.slots);
        self.emit(Event::MadviseDontneed { thread, page, pages: run.pages, frames, slots });
        let prices = &self.w.setup.prices;
        let unmap = prices.lock_unmap.time;
        let unmapped = back.unmapped.len() as u64;
        let cost = prices.madvise_page.time.times((frames + slots).into())
            + unmap.times(unmapped)
            + prices.shootdown_vcpu.time.times(kicked);
        let locks = self.w.host.keeps_lock();
        let times = if locks { u32::try_from(unmapped).unwrap_or(u32::MAX) } else { 0 };
        let reclaim = &mut self.w.host.threads[thread.index()].reclaim;
        reclaim.vm = vm;
        reclaim.locking = PassLocking::new(cost, (0, SimDuration::ZERO), (times, unmap));
        self.go_on_with_pass(thread)
    }

    /// A call is over: who waits for room finds it.
    pub(in crate::machine) fn balloon_advised(&mut self, own: ReclaimerId) -> Flow {
        let vm = self.w.host.reclaimer(own).vm;
        let container = self.w.host.memory.container(vm);
        if self.w.host.memory.of(container).room() > 0 {
            self.wake_room_waiters(container);
        }
        Flow::Spend(SimDuration::ZERO, Then::ReclaimerNext)
    }

    /// The guest is told that the device is through with what was in a queue.
    pub(in crate::machine) fn balloon_told(&mut self, own: ReclaimerId) -> Flow {
        let vm = self.w.host.reclaimer(own).vm;
        if let Some(job) = self.w.host.balloon_thread(own).jobs.pop_front() {
            self.balloon_is_done(vm, job.queue);
        }
        Flow::Spend(SimDuration::ZERO, Then::ReclaimerNext)
    }
}
