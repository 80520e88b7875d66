//! Workers of the host, by the policy's mechanism: the four threads of `slow_work`, the per-CPU
//! pools of the workqueue, in which one worker runs at a time and one that sleeps is replaced
//! by another one (`kernel/workqueue.c` of 6.12.117; since 2.6.36), or a thread for each item. Items without a worker
//! are in `native`.

use sim_core::{EventQueue, SimDuration};

use super::state::Job;
use super::thread::{FetchGoal, Thread, ThreadKind};
use crate::apf::rules::Workers;
use crate::base::ids::{ItemId, PcpuId, ThreadId, WorkerId};
use crate::base::record::Event;
use crate::machine::world::{Cx, Flow, MachineEvent, Then};
use crate::parts::sched::Entity;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    fn workers(&self) -> Workers {
        self.w.setup.workers()
    }

    /// Hands an item over to whoever brings its page. Returns what that costs the vCPU thread.
    pub(in crate::machine) fn queue_work(&mut self, item: ItemId) -> SimDuration {
        match self.workers() {
            Workers::FourThreads => self.queue_for_threads(item),
            Workers::Workqueue => self.queue_in_workqueue(self.pcpu_of(item), Job::Item(item)),
            Workers::ThreadPerFault => {
                self.w.host.pcpus[0].queued_work.push_back(Job::Item(item));
                let worker = self.w.host.pcpus[0].idle_workers.pop();
                let worker = worker.unwrap_or_else(|| self.new_worker(self.pcpu_of(item)));
                self.wake_thread(worker);
                return self.w.setup.prices.thread_create.time;
            }
            Workers::NativeIo => self.begin_native(item),
        }
        self.w.setup.prices.apf_queued.time
    }

    /// `slow_work_enqueue`: one queue, kept with the first processor, and few threads.
    fn queue_for_threads(&mut self, item: ItemId) {
        self.w.host.pcpus[0].queued_work.push_back(Job::Item(item));
        let worker = match self.w.host.pcpus[0].idle_workers.pop() {
            Some(worker) => worker,
            None if self.has_all_workers() => return,
            None => self.new_worker(self.pcpu_of(item)),
        };
        self.wake_thread(worker);
    }

    fn has_all_workers(&self) -> bool {
        let is_worker = |thread: &&Thread| matches!(thread.kind, ThreadKind::Worker(_));
        let workers = self.w.host.threads.iter().filter(is_worker).count();
        workers >= self.w.setup.config.host.kernel.slow_work_threads as usize
    }

    /// `queue_work`: the pool of the processor at hand, up to `max_active` works at once.
    pub(super) fn queue_in_workqueue(&mut self, pcpu: PcpuId, job: Job) {
        let pool = &mut self.w.host.pcpus[pcpu.index()];
        if pool.active_work >= self.w.setup.config.host.kernel.workqueue_max_active {
            pool.inactive_work.push_back(job);
            return;
        }
        pool.active_work += 1;
        pool.queued_work.push_back(job);
        self.kick_pool(pcpu);
    }

    /// If items wait and no worker of the pool runs, the worker that went idle last is woken (`kick_pool`). It
    /// stays among the idle ones until it runs, so that items that come before then wake nobody else.
    fn kick_pool(&mut self, pcpu: PcpuId) {
        let pool = &self.w.host.pcpus[pcpu.index()];
        if pool.queued_work.is_empty() || pool.running_workers > 0 {
            return;
        }
        let idle = pool.idle_workers.last().copied();
        let worker = idle.unwrap_or_else(|| {
            let worker = self.new_worker(pcpu);
            self.w.host.pcpus[pcpu.index()].idle_workers.push(worker);
            worker
        });
        self.wake_thread(worker);
    }

    /// A worker that was woken runs (`worker_thread`). In a pool it works only if it is still needed.
    pub(in crate::machine) fn worker_woken(&mut self, thread: ThreadId, worker: WorkerId) -> Flow {
        if self.workers() == Workers::Workqueue {
            let pcpu = self.pool_of(thread);
            let pool = &mut self.w.host.pcpus[pcpu.index()];
            pool.idle_workers.retain(|&idle| idle != thread);
            if pool.queued_work.is_empty() || pool.running_workers > 0 {
                return self.worker_idle(thread);
            }
            pool.running_workers += 1;
        }
        self.work_begin(thread, worker)
    }

    fn worker_idle(&mut self, thread: ThreadId) -> Flow {
        let pcpu = self.pool_of(thread);
        self.w.host.pcpus[pcpu.index()].idle_workers.push(thread);
        self.block_thread(thread, Then::WorkBegin);
        Flow::Stopped
    }

    /// A worker goes to sleep in its item: another one of its pool takes over what waits (`wq_worker_sleeping`).
    pub(super) fn worker_sleeps(&mut self, thread: ThreadId) {
        if self.workers() == Workers::Workqueue {
            let pcpu = self.pool_of(thread);
            self.w.host.pcpus[pcpu.index()].running_workers -= 1;
            self.kick_pool(pcpu);
        }
    }

    /// A worker that slept in its item runs again (`wq_worker_running`).
    pub(super) fn worker_wakes(&mut self, thread: ThreadId) {
        if self.workers() == Workers::Workqueue {
            let pcpu = self.pool_of(thread);
            self.w.host.pcpus[pcpu.index()].running_workers += 1;
        }
    }

    /// An active item of a workqueue is done or cancelled: the next one becomes active.
    pub(super) fn activate_next(&mut self, pcpu: PcpuId) {
        let pool = &mut self.w.host.pcpus[pcpu.index()];
        match pool.inactive_work.pop_front() {
            Some(next) => pool.queued_work.push_back(next),
            None => pool.active_work -= 1,
        }
    }

    /// Where a worker takes its items from: only a workqueue has a queue for each processor.
    pub(super) fn pool_of(&self, worker: ThreadId) -> PcpuId {
        match self.workers() {
            Workers::Workqueue => self.w.host.threads[worker.index()].pcpu,
            _ => PcpuId(0),
        }
    }

    pub(in crate::machine) fn cancel_item(&mut self, item: ItemId) {
        for at in 0..self.w.setup.config.host.cpus {
            let pool = &mut self.w.host.pcpus[usize::from(at)];
            pool.inactive_work.retain(|&waiting| waiting != Job::Item(item));
            let queued = pool.queued_work.len();
            pool.queued_work.retain(|&waiting| waiting != Job::Item(item));
            let cancelled = pool.queued_work.len() < queued;
            if cancelled && self.workers() == Workers::Workqueue {
                self.activate_next(PcpuId(at));
            }
        }
    }

    fn new_worker(&mut self, pcpu: PcpuId) -> ThreadId {
        let id = ThreadId(self.w.host.threads.len() as u32);
        let worker = WorkerId(id.0 - self.w.setup.vms.len() as u32);
        let floor = self.w.host.pcpus[pcpu.index()].queue.min_vruntime();
        self.w.host.entities.push(Entity { vruntime: floor, ..Entity::default() });
        let bound = self.workers() == Workers::Workqueue;
        let thread = Thread::new(ThreadKind::Worker(worker), pcpu, self.now(), Then::WorkBegin);
        self.w.host.threads.push(Thread { bound, ..thread });
        id
    }

    pub(super) fn work_begin(&mut self, thread: ThreadId, worker: WorkerId) -> Flow {
        let pcpu = self.pool_of(thread);
        let in_pool = self.workers() == Workers::Workqueue;
        let pool = &mut self.w.host.pcpus[pcpu.index()];
        // One that runs is enough for all that waits (`keep_working`).
        let goes_on = !in_pool || pool.running_workers <= 1;
        let Some(job) = goes_on.then(|| pool.queued_work.pop_front()).flatten() else {
            pool.running_workers -= u32::from(in_pool);
            return self.worker_idle(thread);
        };
        self.note_progress(thread);
        let item = match job {
            Job::Item(item) => item,
            Job::Answers(vcpu) => {
                return Flow::Spend(self.w.setup.prices.vmm_work.time, Then::AnswersRead(vcpu));
            }
        };
        self.emit(Event::WorkqueueExecuteStart { worker, item });
        match self.start_work(item, worker) {
            Some(gfn) => {
                let guest_page = self.w.setup.page(self.w.protocol.vcpu_of(item), gfn);
                self.w.host.set_fetch(thread, guest_page, FetchGoal::Item(item));
                Flow::Spend(self.w.setup.prices.apf_worker.time, Then::Fetch)
            }
            None => Flow::Spend(SimDuration::ZERO, Then::WorkStep(item)),
        }
    }

    pub(in crate::machine) fn work_step(
        &mut self,
        thread: ThreadId,
        worker: WorkerId,
        item: ItemId,
    ) -> Flow {
        let done = self.advance_work(item);
        if !done {
            return Flow::Spend(SimDuration::ZERO, Then::WorkStep(item));
        }
        self.emit(Event::WorkqueueExecuteEnd { worker, item });
        match self.workers() {
            Workers::Workqueue => self.activate_next(self.pool_of(thread)),
            // The thread ends; its place in the tables is taken by the next one that is made.
            Workers::ThreadPerFault => {
                self.w.host.pcpus[0].idle_workers.push(thread);
                self.block_thread(thread, Then::WorkBegin);
                return Flow::Stopped;
            }
            Workers::FourThreads | Workers::NativeIo => {}
        }
        self.work_begin(thread, worker)
    }
}
