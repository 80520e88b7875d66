//! Getting a page in: charge, reclaim, read, wait. The same code runs in vCPU threads (synchronous
//! faults) and in workers.

use sim_core::{EventQueue, SimDuration};

use super::thread::{Fetch, FetchGoal, ThreadKind};
use crate::base::ids::{GuestPage, ItemId, ThreadId};
use crate::base::record::{BlockReason, Event};
use crate::machine::world::{Cx, Flow, MachineEvent, Then, Under};
use crate::parts::memory::blocks::HUGE_PAGES;
use crate::parts::memory::pages::Backing;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Looks at the page again and does the next thing that it needs.
    pub(in crate::machine) fn fetch_step(&mut self, thread: ThreadId) -> Flow {
        let Fetch { guest_page, goal, .. } = self.w.host.fetch_of(thread);
        if self.is_killed(thread) {
            self.unlock_map(thread);
            self.w.host.threads[thread.index()].fetch = None;
            return Flow::Spend(SimDuration::ZERO, Then::TurnEnd);
        }
        if goal == FetchGoal::WriteBack {
            return self.write_back(thread, guest_page);
        }
        if !self.lock_map(thread) {
            return self.sleep_in_fetch(thread, BlockReason::MapLock);
        }
        if goal == FetchGoal::Install {
            return self.install(thread, guest_page);
        }
        if self.w.host.is_orphaned(guest_page) {
            return self.give_orphan(thread, guest_page);
        }
        if let Some(flow) = self.find_in_file(thread) {
            return flow;
        }
        match self.w.host.memory.page(guest_page).backing {
            Backing::Resident | Backing::Writeback
                if goal != FetchGoal::StartRead && self.wants_lift(thread) =>
            {
                self.map_protected(guest_page);
                self.ask_vmm(thread)
            }
            Backing::Resident | Backing::Writeback => self.fetch_done(thread),
            Backing::Poisoned => self.fetch_fails(thread),
            Backing::Reading if goal == FetchGoal::StartRead => self.fetch_done(thread),
            Backing::Reading => {
                self.w.host.wait_for_page(thread, guest_page);
                self.unlock_map_for_io(thread);
                self.sleep_in_fetch(thread, BlockReason::Fetch)
            }
            Backing::Untouched => {
                let memory = self.w.host.memory.of_vm(guest_page.vm());
                if self.w.setup.config.host.thp && memory.may_be_huge(guest_page) {
                    let first = memory.make_huge(guest_page);
                    self.emit(Event::HostHugePage { page: first });
                    return Flow::Spend(
                        self.w.setup.prices.zero_page.time.times(HUGE_PAGES),
                        Then::Fetch,
                    );
                }
                if self.w.host.memory.room(guest_page.vm()) == 0 {
                    return self.direct_reclaim(thread);
                }
                self.w.host.give_fresh_frame(guest_page);
                Flow::Spend(self.w.setup.prices.zero_page.time, Then::Fetch)
            }
            Backing::Swapped => {
                if self.w.host.memory.room(guest_page.vm()) == 0 {
                    return self.direct_reclaim(thread);
                }
                self.prepare_read(thread, guest_page)
            }
            Backing::Stored if self.w.host.is_served_by_vmm(guest_page) => self.ask_vmm(thread),
            Backing::Stored => {
                if self.w.host.memory.room(guest_page.vm()) == 0 {
                    return self.direct_reclaim(thread);
                }
                self.prepare_store_read(thread, guest_page)
            }
        }
    }

    /// Issues the reads one after the other, and waits for them.
    pub(in crate::machine) fn fetch_submit(&mut self, thread: ThreadId) -> Flow {
        match self.w.host.threads[thread.index()].reads.pop_front() {
            Some(request) if self.is_work_of_thread(&request) => {
                let span = self.computed(thread, &[request]);
                self.w.host.threads[thread.index()].copying = Some(request);
                Flow::Spend(span, Then::FetchCopied)
            }
            Some(request) => {
                let copying = self.w.setup.prices.block_copy.time.times(request.pages.into());
                self.issue(thread, request, copying);
                Flow::Spend(copying, Then::FetchCopied)
            }
            None if self.polls(thread) => {
                let Fetch { guest_page, .. } = self.w.host.fetch_of(thread);
                self.w.host.polling.insert((guest_page, thread));
                Flow::Spend(SimDuration::ZERO, Then::FetchPoll)
            }
            None => Flow::Spend(SimDuration::ZERO, Then::Fetch),
        }
    }

    pub(in crate::machine) fn fetch_copied(&mut self, thread: ThreadId) -> Flow {
        self.submit(thread);
        Flow::Spend(SimDuration::ZERO, Then::FetchSubmit)
    }

    /// Whether a thread polls for the read that it has submitted: it is to wait for it, and the read
    /// has no neighbours (`do_poll` of `swap_cluster_readahead`).
    fn polls(&self, thread: ThreadId) -> bool {
        let host = &self.w.setup.config.host;
        let Fetch { guest_page, goal, alone, .. } = self.w.host.fetch_of(thread);
        host.kernel.polled_reads
            && !host.device.is_work_of_submitter()
            && alone
            && !self.w.host.is_coming_from_store(guest_page)
            && goal != FetchGoal::StartRead
            // What came from the pool is there.
            && (host.zswap.is_none()
                || self.w.host.memory.page(guest_page).backing == Backing::Reading)
    }

    /// Looks whether the read is over. If not, the thread keeps its processor until it is
    /// (`end_polling`), or until somebody else takes it.
    pub(in crate::machine) fn fetch_poll(&mut self, thread: ThreadId) -> Flow {
        let Fetch { guest_page, .. } = self.w.host.fetch_of(thread);
        match self.w.host.memory.page(guest_page).backing {
            Backing::Reading => {
                self.w.host.polling.insert((guest_page, thread));
                let now = self.now();
                let state = &mut self.w.host.threads[thread.index()];
                (state.then, state.remaining, state.since) =
                    (Then::FetchPoll, SimDuration::ZERO, now);
                Flow::Stopped
            }
            _ => Flow::Spend(self.w.setup.prices.block_complete.time, Then::Fetch),
        }
    }

    /// The page is there (or its read has begun, when only that was wanted).
    fn fetch_done(&mut self, thread: ThreadId) -> Flow {
        self.unlock_map(thread);
        let wants_lift = self.wants_lift(thread);
        let Some(Fetch { guest_page, goal, .. }) = self.w.host.threads[thread.index()].fetch.take()
        else {
            unreachable!("{thread} fetches nothing");
        };
        let map =
            self.w.setup.prices.kvm_fault.time.saturating_sub(self.w.setup.prices.apf_detect.time);
        match goal {
            FetchGoal::Fault => self.under_lock(thread, map, Under::Map),
            FetchGoal::StartRead => match self.w.host.memory.page(guest_page).backing {
                // The page came while the read was being prepared.
                Backing::Resident | Backing::Writeback if !wants_lift => {
                    self.under_lock(thread, map, Under::Map)
                }
                _ => Flow::Spend(SimDuration::ZERO, Then::FaultTry),
            },
            FetchGoal::Prefault => {
                Flow::Spend(SimDuration::ZERO, Then::PrefaultMap(guest_page.gfn()))
            }
            FetchGoal::GuestTable => Flow::Spend(SimDuration::ZERO, Then::ShadowWalk),
            FetchGoal::Item(item) => self.item_fetched(item, guest_page),
            FetchGoal::Save => self.page_to_save(guest_page),
            FetchGoal::Install | FetchGoal::WriteBack => {
                unreachable!("{thread} does not wait for its page")
            }
        }
    }

    /// There is a marker in place of the page (-EHWPOISON): a vCPU thread gets the signal, the item of a worker is
    /// completed like others.
    fn fetch_fails(&mut self, thread: ThreadId) -> Flow {
        self.unlock_map(thread);
        let Fetch { guest_page, goal, .. } = self.w.host.fetch_of(thread);
        self.w.host.threads[thread.index()].fetch = None;
        match (goal, self.w.host.kind_of(thread)) {
            (FetchGoal::Item(item), _) => {
                self.work_fetched(item);
                Flow::Spend(SimDuration::ZERO, Then::WorkStep(item))
            }
            (FetchGoal::Prefault, _) => {
                Flow::Spend(SimDuration::ZERO, Then::PrefaultMap(guest_page.gfn()))
            }
            (_, ThreadKind::Vcpu(vcpu)) => {
                self.send_hwpoison_signal(vcpu, guest_page.gfn());
                Flow::Spend(SimDuration::ZERO, Then::TurnEnd)
            }
            _ => unreachable!("{thread} does not want its page"),
        }
    }

    /// The worker has its page, and keeps a reference to it where the rules say so. It asked for
    /// writing, whatever the guest's access was (`async_pf_execute`, FOLL_WRITE, all releases).
    pub(super) fn item_fetched(&mut self, item: ItemId, guest_page: GuestPage) -> Flow {
        self.map_in_vmm(guest_page, true);
        self.hold_page(item, guest_page);
        self.work_fetched(item);
        Flow::Spend(SimDuration::ZERO, Then::WorkStep(item))
    }
}
