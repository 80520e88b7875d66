//! Workers of the host, by the policy's mechanism: the four threads of `slow_work`, the per-CPU
//! pools of the workqueue, in which a worker that sleeps is replaced by another one
//! (`kernel/workqueue.c` since 2.6.36), or a thread for each item. Items without a worker are in
//! `interrupt`.

use std::collections::VecDeque;

use sim_core::{EventQueue, SimDuration};

use crate::apf::HostInput;
use crate::apf::rules::{PageReference, Workers};
use crate::base::ids::{Gfn, ItemId, PcpuId, ThreadId, WorkerId};
use crate::base::record::Event;
use crate::machine::Cx;
use crate::machine::event::MachineEvent;
use crate::machine::host::scheduler::Flow;
use crate::machine::progress::Progress;
use crate::machine::world::{
    Fetch, FetchGoal, PendingReclaim, Then, Thread, ThreadKind, ThreadState,
};
use crate::parts::sched::Entity;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    fn workers(&self) -> Workers {
        self.w.apf.rules.workers
    }

    /// Hands an item over to whoever brings its page. Returns what that costs the vCPU thread.
    pub(crate) fn queue_work(&mut self, item: ItemId) -> SimDuration {
        match self.workers() {
            Workers::FourThreads => self.queue_for_threads(item),
            Workers::Workqueue => self.queue_in_workqueue(item),
            Workers::ThreadPerFault => {
                self.w.pcpus[0].queued_work.push_back(item);
                let worker = self.w.pcpus[0].idle_workers.pop();
                let worker = worker.unwrap_or_else(|| self.new_worker(self.pcpu_of(item)));
                self.wake_thread(worker);
                return self.w.prices.thread_create.time;
            }
            Workers::NativeIo => self.begin_native(item),
        }
        self.w.prices.apf_queued.time
    }

    /// The processor on which the vCPU thread of an item runs.
    pub(crate) fn pcpu_of(&self, item: ItemId) -> PcpuId {
        let vcpu = self.w.apf.host.items.item(item).vcpu;
        let thread = self.w.vcpus[vcpu.index()].thread;
        self.w.threads[thread.index()].pcpu
    }

    /// `slow_work_enqueue`: one queue, kept with the first processor, and few threads.
    fn queue_for_threads(&mut self, item: ItemId) {
        self.w.pcpus[0].queued_work.push_back(item);
        let worker = match self.w.pcpus[0].idle_workers.pop() {
            Some(worker) => worker,
            None if self.has_all_workers() => return,
            None => self.new_worker(self.pcpu_of(item)),
        };
        self.wake_thread(worker);
    }

    fn has_all_workers(&self) -> bool {
        let is_worker = |thread: &&Thread| matches!(thread.kind, ThreadKind::Worker(_));
        let workers = self.w.threads.iter().filter(is_worker).count();
        workers >= self.w.config.host.kernel.slow_work_threads as usize
    }

    /// `queue_work`: the pool of the processor at hand, up to `max_active` items at once.
    fn queue_in_workqueue(&mut self, item: ItemId) {
        let pcpu = self.pcpu_of(item);
        let pool = &mut self.w.pcpus[pcpu.index()];
        if pool.active_work >= self.w.config.host.kernel.workqueue_max_active {
            pool.inactive_work.push_back(item);
            return;
        }
        pool.active_work += 1;
        pool.queued_work.push_back(item);
        let worker = pool.idle_workers.pop().unwrap_or_else(|| self.new_worker(pcpu));
        self.wake_thread(worker);
    }

    /// An active item of a workqueue is done or cancelled: the next one becomes active.
    fn activate_next(&mut self, pcpu: PcpuId) {
        let pool = &mut self.w.pcpus[pcpu.index()];
        match pool.inactive_work.pop_front() {
            Some(next) => pool.queued_work.push_back(next),
            None => pool.active_work -= 1,
        }
    }

    /// Where a worker takes its items from: only a workqueue has a queue for each processor.
    fn pool_of(&self, worker: ThreadId) -> PcpuId {
        match self.workers() {
            Workers::Workqueue => self.w.threads[worker.index()].pcpu,
            _ => PcpuId(0),
        }
    }

    pub(crate) fn cancel_work(&mut self, item: ItemId) {
        for at in 0..self.w.config.host.cpus {
            let pool = &mut self.w.pcpus[usize::from(at)];
            pool.inactive_work.retain(|&waiting| waiting != item);
            let queued = pool.queued_work.len();
            pool.queued_work.retain(|&waiting| waiting != item);
            let cancelled = pool.queued_work.len() < queued;
            if cancelled && self.workers() == Workers::Workqueue {
                self.activate_next(PcpuId(at));
            }
        }
    }

    fn new_worker(&mut self, pcpu: PcpuId) -> ThreadId {
        let id = ThreadId(self.w.threads.len() as u32);
        let worker = WorkerId(id.0 - u32::from(self.w.config.guest.vcpus));
        let floor = self.w.pcpus[pcpu.index()].queue.min_vruntime();
        self.w.thread_entities.push(Entity { vruntime: floor, ..Entity::default() });
        self.w.threads.push(Thread {
            kind: ThreadKind::Worker(worker),
            state: ThreadState::Blocked,
            pcpu,
            bound: self.workers() == Workers::Workqueue,
            charged_since: self.now(),
            remaining: SimDuration::ZERO,
            since: self.now(),
            then: Then::WorkBegin,
            event: None,
            fetch: None,
            progress: Progress::default(),
            waits_for: None,
            reclaim: PendingReclaim::default(),
            reads: VecDeque::new(),
            copying: None,
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
            Then::FetchCopied => self.fetch_copied(thread),
            Then::FetchPoll => self.fetch_poll(thread),
            Then::ReclaimDone => self.reclaim_done(thread),
            other => unreachable!("{thread} is no vCPU thread, but is to do {other:?}"),
        }
    }

    fn work_begin(&mut self, thread: ThreadId, worker: WorkerId) -> Flow {
        let pcpu = self.pool_of(thread);
        let Some(item) = self.w.pcpus[pcpu.index()].queued_work.pop_front() else {
            self.w.pcpus[pcpu.index()].idle_workers.push(thread);
            self.block_thread(thread, Then::WorkBegin);
            return Flow::Stopped;
        };
        self.gets_on(thread);
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
        self.hold_page(item, gfn);
        self.protocol(HostInput::WorkerFetched { item });
        Flow::Spend(SimDuration::ZERO, Then::WorkStep(item))
    }

    /// Takes the reference that an item keeps to its page, where the rules say so.
    pub(crate) fn hold_page(&mut self, item: ItemId, gfn: Gfn) {
        if self.holds_pages() {
            let page = self.w.memory.page_mut(gfn);
            page.pins = page.pins.saturating_add(1);
            self.w.pinned += 1;
            let needed = item.index() + 1;
            if self.w.pinning.len() < needed {
                self.w.pinning.resize(needed, false);
            }
            self.w.pinning[item.index()] = true;
        }
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
        match self.workers() {
            Workers::Workqueue => self.activate_next(self.pool_of(thread)),
            // The thread ends; its place in the tables is taken by the next one that is made.
            Workers::ThreadPerFault => {
                self.w.pcpus[0].idle_workers.push(thread);
                self.block_thread(thread, Then::WorkBegin);
                return Flow::Stopped;
            }
            Workers::FourThreads | Workers::NativeIo => {}
        }
        self.work_begin(thread, worker)
    }
}
