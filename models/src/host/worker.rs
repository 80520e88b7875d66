//! Workers of the host: the per-CPU pools of the kernel's workqueue, in which a worker that sleeps
//! is replaced by another one (`kernel/workqueue.c` since 2.6.36).

use sim_core::{EventQueue, SimDuration};

use crate::apf::HostInput;
use crate::apf::rules::{PageReference, Workers};
use crate::host::scheduler::Flow;
use crate::ids::{Gfn, ItemId, PcpuId, ThreadId, WorkerId};
use crate::machine::Cx;
use crate::machine::event::MachineEvent;
use crate::machine::world::{
    Fetch, FetchGoal, PendingReclaim, Then, Thread, ThreadKind, ThreadState,
};
use crate::sched::Entity;
use crate::trace::Event;

/// Threads of `slow_work` (`slow_work_max_threads` in kernel/slow-work.c).
const SLOW_WORK_THREADS: usize = 4;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Puts an item on the pool of the processor on which the vCPU thread runs.
    pub(crate) fn queue_work(&mut self, item: ItemId) {
        let vcpu = self.w.apf.host.items.item(item).vcpu;
        let thread = self.w.vcpus[vcpu.index()].thread;
        let pcpu = self.w.threads[thread.index()].pcpu;
        let pool = self.pool_of(pcpu);
        self.w.pcpus[pool.index()].queued_work.push_back(item);
        let worker = match self.w.pcpus[pool.index()].idle_workers.pop() {
            Some(worker) => worker,
            None if self.has_all_workers() => return,
            None => self.new_worker(pcpu),
        };
        self.wake_thread(worker);
    }

    /// Where the work of a processor is queued: `slow_work` has one queue, kept with the first.
    fn pool_of(&self, pcpu: PcpuId) -> PcpuId {
        match self.w.apf.rules.workers {
            Workers::Workqueue => pcpu,
            Workers::FourThreads => PcpuId(0),
        }
    }

    fn has_all_workers(&self) -> bool {
        match self.w.apf.rules.workers {
            Workers::Workqueue => false,
            Workers::FourThreads => {
                let is_worker = |thread: &&Thread| matches!(thread.kind, ThreadKind::Worker(_));
                self.w.threads.iter().filter(is_worker).count() >= SLOW_WORK_THREADS
            }
        }
    }

    pub(crate) fn cancel_work(&mut self, item: ItemId) {
        for pcpu in &mut self.w.pcpus {
            pcpu.queued_work.retain(|&queued| queued != item);
        }
    }

    fn new_worker(&mut self, pcpu: PcpuId) -> ThreadId {
        let id = ThreadId(self.w.threads.len() as u32);
        let worker = WorkerId(id.0 - u32::from(self.w.config.guest.vcpus));
        let floor = self.w.pcpus[pcpu.index()].queue.min_vruntime();
        self.w.threads.push(Thread {
            kind: ThreadKind::Worker(worker),
            state: ThreadState::Blocked,
            pcpu,
            bound: self.w.apf.rules.workers == Workers::Workqueue,
            entity: Entity { vruntime: floor, ..Entity::default() },
            charged_since: self.now(),
            remaining: SimDuration::ZERO,
            since: self.now(),
            then: Then::WorkBegin,
            event: None,
            fetch: None,
            waits_for: None,
            reclaim: PendingReclaim::default(),
            read: None,
        });
        id
    }

    pub(crate) fn perform_worker(
        &mut self,
        thread: ThreadId,
        worker: WorkerId,
        then: Then,
    ) -> Flow {
        match then {
            Then::WorkBegin => self.work_begin(thread, worker),
            Then::WorkStep(item) => self.work_step(thread, worker, item),
            Then::Fetch => self.fetch_step(thread),
            Then::FetchAwake(reason) => self.fetch_awake(thread, reason),
            Then::FetchSubmit => self.fetch_submit(thread),
            Then::ReclaimDone => self.reclaim_done(thread),
            other => unreachable!("{thread} is no vCPU thread, but is to do {other:?}"),
        }
    }

    fn work_begin(&mut self, thread: ThreadId, worker: WorkerId) -> Flow {
        let pcpu = self.pool_of(self.w.threads[thread.index()].pcpu);
        let Some(item) = self.w.pcpus[pcpu.index()].queued_work.pop_front() else {
            self.w.pcpus[pcpu.index()].idle_workers.push(thread);
            self.block_thread(thread, Then::WorkBegin);
            return Flow::Stopped;
        };
        self.emit(Event::WorkqueueExecuteStart { worker, item });
        match self.protocol(HostInput::WorkerStart { item, worker }).fetch {
            Some(gfn) => {
                let fetch = Fetch { gfn, goal: FetchGoal::Item(item) };
                self.w.threads[thread.index()].fetch = Some(fetch);
                Flow::Spend(self.w.prices.apf_worker.time, Then::Fetch)
            }
            None => Flow::Spend(SimDuration::ZERO, Then::WorkStep(item)),
        }
    }

    /// The worker has its page, and keeps a reference to it where the rules say so.
    pub(crate) fn item_fetched(&mut self, item: ItemId, gfn: Gfn) -> Flow {
        self.map_in_vmm(gfn);
        if self.holds_pages() {
            let page = self.w.memory.page_mut(gfn);
            page.pins = page.pins.saturating_add(1);
            self.w.pinned += 1;
        }
        self.protocol(HostInput::WorkerFetched { item });
        Flow::Spend(SimDuration::ZERO, Then::WorkStep(item))
    }

    /// Whether an item keeps a reference to its page until its page ready.
    pub(crate) fn holds_pages(&self) -> bool {
        let policy = self.w.policy.as_ref();
        policy.is_some_and(|p| p.rules.page_reference == PageReference::HeldUntilReady)
    }

    fn work_step(&mut self, thread: ThreadId, worker: WorkerId, item: ItemId) -> Flow {
        let done = self.protocol(HostInput::WorkerAdvance { item }).worker_done;
        if !done {
            return Flow::Spend(SimDuration::ZERO, Then::WorkStep(item));
        }
        self.emit(Event::WorkqueueExecuteEnd { worker, item });
        self.work_begin(thread, worker)
    }
}
