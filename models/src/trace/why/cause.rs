//! Who or what is behind a link.

use std::collections::BTreeMap;

use sim_core::{SimDuration, SimTime};

use super::scene::{Held, Reclaimed, Scene};
use crate::base::ids::{Gfn, GroupId, ItemId, PcpuId, SyncId, TaskId, ThreadId, VcpuId, WorkerId};
use crate::base::record::{BlockReason, Event, ExitReason, IoKind};
use crate::trace::anatomy::{Actor, Anatomy, Part, Step};
use crate::trace::requests::RequestPart;

/// What happens in a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// A part of a request.
    Request(RequestPart),
    /// A part of a fault, by its number in [`Chain::faults`](super::Chain::faults).
    Fault(usize, Part),
}

/// Who or what is behind a link, with the time of it that falls into the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A task of the same group served another request.
    Serves {
        /// The task.
        task: TaskId,
        /// For how long.
        span: SimDuration,
    },
    /// Another task had the vCPU.
    Task {
        /// The task.
        task: TaskId,
        /// For how long.
        span: SimDuration,
    },
    /// The thread of the vCPU slept.
    Asleep {
        /// Why.
        reason: BlockReason,
        /// For which page.
        page: Option<Gfn>,
        /// Of which task.
        task: Option<TaskId>,
        /// For how long.
        span: SimDuration,
    },
    /// The page was read by this request.
    Read {
        /// Pages that it read.
        pages: u32,
        /// How long it waited in the device's queue.
        queued: SimDuration,
        /// How long the device had it.
        service: SimDuration,
    },
    /// Requests that the device completed meanwhile.
    Ahead {
        /// Direction.
        op: IoKind,
        /// How many.
        requests: u32,
        /// Their pages.
        pages: u64,
    },
    /// A worker was at other work.
    Worker {
        /// The worker.
        worker: WorkerId,
        /// The work.
        item: ItemId,
        /// For how long.
        span: SimDuration,
    },
    /// Passes of reclaim by the thread that is waited for.
    Reclaim {
        /// How many.
        passes: u32,
        /// What they did.
        done: Reclaimed,
        /// For how long.
        span: SimDuration,
    },
    /// Somebody had the lock of the VMM's memory map.
    MapLock {
        /// Who; nobody: a thread outside the machine.
        thread: Option<ThreadId>,
        /// For writing.
        write: bool,
        /// For how long.
        span: SimDuration,
    },
    /// The task slept for a lock, a barrier or a signal of the guest.
    Sync {
        /// Which.
        on: SyncId,
    },
    /// Another thread had the processor.
    Thread {
        /// The thread.
        thread: ThreadId,
        /// The processor.
        processor: PcpuId,
        /// For how long.
        span: SimDuration,
    },
    /// A thread of the VMM slept for the contents of a page: for the latency of its store.
    Handler {
        /// The thread.
        thread: ThreadId,
        /// For how long.
        span: SimDuration,
    },
    /// The vCPU left guest mode.
    Exit {
        /// Why.
        reason: ExitReason,
        /// How often.
        times: u32,
    },
}

/// What is asked for causes.
pub(super) struct Causes<'a> {
    pub(super) scene: &'a Scene,
    pub(super) task: TaskId,
    pub(super) group: Option<GroupId>,
    pub(super) faults: &'a [Anatomy],
}

fn ps(ps: u64) -> SimDuration {
    SimDuration::from_ps(ps)
}

impl Causes<'_> {
    /// What is behind a link, the longest first.
    pub(super) fn of(&self, from: SimTime, to: SimTime, doing: Doing) -> Vec<Cause> {
        let at = (from, to);
        match doing {
            Doing::Request(RequestPart::Queue) => self.served(at),
            Doing::Request(RequestPart::RunQueue) | Doing::Fault(_, Part::Turn) => self.tasks(at),
            Doing::Request(RequestPart::Stall | RequestPart::Halt) => {
                let mut causes = self.asleep(at);
                causes.extend(self.ahead(at, &[]));
                causes
            }
            Doing::Request(RequestPart::Device) => self.asleep(at),
            Doing::Request(RequestPart::Reclaim) => {
                let mut causes = self.own_reclaim(at);
                causes.extend(self.ahead(at, &[]));
                causes
            }
            Doing::Request(RequestPart::Lock) => self.locks(at),
            Doing::Request(RequestPart::Steal) => self.processor(self.vcpu_thread(from), at),
            Doing::Request(RequestPart::Host) => self.exits(at),
            Doing::Request(RequestPart::Cpu | RequestPart::Kernel | RequestPart::Sleep) => {
                Vec::new()
            }
            Doing::Fault(number, part) => self.of_fault(&self.faults[number], part, at),
        }
    }

    fn of_fault(&self, fault: &Anatomy, part: Part, at: (SimTime, SimTime)) -> Vec<Cause> {
        let worker = worker_of(fault);
        let worker_thread = worker.map(|worker| self.thread_of(worker));
        match part {
            Part::WorkerWait => {
                // A worker runs on the processor on which its item was queued: it waits for that, or is at other work.
                let mut causes = self.processor(worker_thread, at);
                causes.extend(self.other_work(worker, at));
                causes
            }
            Part::Worker => worker_thread.map_or_else(Vec::new, |it| self.reclaim(it, at)),
            Part::Device => {
                let (own, mut causes) = self.reads(fault, at);
                if causes.is_empty() {
                    causes = worker_thread
                        .map_or_else(|| self.own_reclaim(at), |it| self.reclaim(it, at));
                }
                causes.extend(self.ahead(at, &own));
                causes
            }
            Part::Contents => {
                let (own, mut causes) = self.reads(fault, at);
                causes.extend(self.handler(fault, at).filter(|_| own.is_empty()));
                causes
            }
            Part::Processor => self.processor(worker_thread.or_else(|| self.vcpu_thread(at.0)), at),
            Part::Delivery => {
                let mut causes = self.asleep(at);
                causes.extend(self.tasks(at));
                causes
            }
            Part::Turn => self.tasks(at),
            Part::Host => self.own_reclaim(at),
            Part::Message | Part::Install | Part::Guest => Vec::new(),
        }
    }

    /// For how long the thread that installs the page of a fault was on no processor.
    fn handler(&self, fault: &Anatomy, (from, to): (SimTime, SimTime)) -> Option<Cause> {
        let installs = |step: &Step| match step.event {
            Event::UffdCopy { thread, .. } | Event::UffdPoisoned { thread, .. } => Some(thread),
            _ => None,
        };
        let thread = fault.steps.iter().find_map(installs)?;
        let held = self.scene.threads.iter().filter(|held| held.what.1 == Some(thread));
        let ran: u64 = held.map(|held| held.within(from, to)).sum();
        let span = ps(to.saturating_since(from).as_ps().saturating_sub(ran));
        (!span.is_zero()).then_some(Cause::Handler { thread, span })
    }

    fn thread_of(&self, worker: WorkerId) -> ThreadId {
        ThreadId(u32::from(self.scene.vcpus) + worker.0)
    }

    fn vcpu_thread(&self, at: SimTime) -> Option<ThreadId> {
        self.scene.home(at).map(|vcpu| ThreadId(vcpu.0.into()))
    }

    /// The pieces of a link in which the task belongs to one vCPU.
    fn homes(&self, (from, to): (SimTime, SimTime)) -> Vec<(VcpuId, (SimTime, SimTime))> {
        let pieces = self.scene.home.iter().filter(|held| held.within(from, to) > 0);
        pieces.map(|held| (held.what.1, (held.from.max(from), held.to.min(to)))).collect()
    }

    fn served(&self, (from, to): (SimTime, SimTime)) -> Vec<Cause> {
        let same = |held: &&Held<(TaskId, GroupId)>| Some(held.what.1) == self.group;
        let spans = self.scene.serving.iter().filter(same);
        let sums = sums(spans.map(|held| (held.what.0, held.within(from, to))));
        sums.into_iter().map(|(task, span)| Cause::Serves { task, span }).collect()
    }

    fn tasks(&self, at: (SimTime, SimTime)) -> Vec<Cause> {
        let mut spans = Vec::new();
        for (vcpu, (from, to)) in self.homes(at) {
            for held in self.scene.tasks.iter().filter(|held| held.what.0 == vcpu) {
                if let Some(task) = held.what.1.filter(|task| *task != self.task) {
                    spans.push((task, held.within(from, to)));
                }
            }
        }
        sums(spans).into_iter().map(|(task, span)| Cause::Task { task, span }).collect()
    }

    fn asleep(&self, at: (SimTime, SimTime)) -> Vec<Cause> {
        let mut found = Vec::new();
        for (vcpu, (from, to)) in self.homes(at) {
            for held in self.scene.sleeps.iter().filter(|held| held.what.0 == vcpu) {
                let (sleep, within) = (held.what.1, held.within(from, to));
                let (page, task) = sleep.page.map_or((None, None), |(gfn, task)| (Some(gfn), task));
                if within > 0 {
                    found.push(Cause::Asleep {
                        reason: sleep.reason,
                        page,
                        task,
                        span: ps(within),
                    });
                }
            }
        }
        found
    }

    /// The reads of a fault that were under way, and their places among the requests of the device.
    fn reads(&self, fault: &Anatomy, (from, to): (SimTime, SimTime)) -> (Vec<usize>, Vec<Cause>) {
        let (mut own, mut causes) = (Vec::new(), Vec::new());
        for step in fault.steps.iter().filter(|step| step.actor == Actor::Device) {
            let Event::BlockRqComplete { request } = step.event else { continue };
            let is = |held: &Held<(_, _)>| held.what.0 == request && held.to == step.time;
            let Some(place) = self.scene.device.iter().position(is) else { continue };
            let held = &self.scene.device[place];
            if held.to <= from || held.from >= to || held.what.1.op == IoKind::Write {
                continue;
            }
            own.push(place);
            causes.push(Cause::Read {
                pages: held.what.1.pages,
                queued: held.from.saturating_since(from),
                service: held.to.saturating_since(held.from.max(from)),
            });
        }
        (own, causes)
    }

    /// What the device completed in the link, but for these.
    fn ahead(&self, (from, to): (SimTime, SimTime), own: &[usize]) -> Vec<Cause> {
        let mut counts = BTreeMap::new();
        for (place, held) in self.scene.device.iter().enumerate() {
            if held.to > from && held.to < to && !own.contains(&place) {
                let io = held.what.1;
                let count: &mut (u32, u64) = counts.entry(io.op).or_default();
                *count = (count.0 + 1, count.1 + u64::from(io.pages));
            }
        }
        let cause = |(op, (requests, pages))| Cause::Ahead { op, requests, pages };
        counts.into_iter().map(cause).collect()
    }

    fn other_work(&self, own: Option<WorkerId>, (from, to): (SimTime, SimTime)) -> Vec<Cause> {
        // What other workers do keeps nobody: one that sleeps makes place for the next.
        let work = self.scene.work.iter().filter(|held| Some(held.what.0) == own);
        let sums = sums(work.map(|held| (held.what, held.within(from, to))));
        let cause = |((worker, item), span)| Cause::Worker { worker, item, span };
        sums.into_iter().map(cause).collect()
    }

    fn own_reclaim(&self, at: (SimTime, SimTime)) -> Vec<Cause> {
        self.vcpu_thread(at.0).map_or_else(Vec::new, |thread| self.reclaim(thread, at))
    }

    fn reclaim(&self, thread: ThreadId, (from, to): (SimTime, SimTime)) -> Vec<Cause> {
        let (mut passes, mut done, mut span) = (0, Reclaimed::default(), 0);
        for held in self.scene.reclaim.iter().filter(|held| held.what.0 == thread) {
            let within = held.within(from, to);
            if within > 0 {
                let Reclaimed { scanned, freed, written } = held.what.1;
                passes += 1;
                span += within;
                done.scanned += scanned;
                done.freed += freed;
                done.written += written;
            }
        }
        if passes == 0 { Vec::new() } else { vec![Cause::Reclaim { passes, done, span: ps(span) }] }
    }

    fn locks(&self, (from, to): (SimTime, SimTime)) -> Vec<Cause> {
        let own = self.vcpu_thread(from);
        let others = self.scene.map_lock.iter().filter(|held| held.what.0 != own);
        let sums = sums(others.map(|held| (held.what, held.within(from, to))));
        let map = |((thread, write), span)| Cause::MapLock { thread, write, span };
        let waits = self.scene.sync.iter();
        let waits = waits.filter(|it| it.what.0 == self.task && it.within(from, to) > 0);
        let waits: Vec<Cause> = waits.map(|held| Cause::Sync { on: held.what.1 }).collect();
        // The thread of a vCPU waits for the map only while its task does not sleep.
        if waits.is_empty() { sums.into_iter().map(map).collect() } else { waits }
    }

    /// Who had the processor on which a thread runs next.
    fn processor(&self, thread: Option<ThreadId>, (from, to): (SimTime, SimTime)) -> Vec<Cause> {
        // A worker has its processor before it begins its work.
        let next = |held: &&Held<(_, Option<ThreadId>)>| held.what.1 == thread && held.to > to;
        let Some(pcpu) = self.scene.threads.iter().find(next).map(|held| held.what.0) else {
            return Vec::new();
        };
        let there = self.scene.threads.iter().filter(|held| held.what.0 == pcpu);
        let spans = there.filter_map(|held| Some((held.what.1?, held.within(from, to))));
        let others = spans.filter(|(other, _)| Some(*other) != thread);
        let cause = |(thread, span)| Cause::Thread { thread, processor: pcpu, span };
        sums(others).into_iter().map(cause).collect()
    }

    fn exits(&self, (from, to): (SimTime, SimTime)) -> Vec<Cause> {
        let mut counts: Vec<(ExitReason, u32)> = Vec::new();
        for &(time, vcpu, reason) in &self.scene.exits {
            if time < from || time >= to || self.scene.home(time) != Some(vcpu) {
                continue;
            }
            match counts.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, times)) => *times += 1,
                None => counts.push((reason, 1)),
            }
        }
        counts.into_iter().map(|(reason, times)| Cause::Exit { reason, times }).collect()
    }
}

/// The worker that fetches the page of a fault.
fn worker_of(fault: &Anatomy) -> Option<WorkerId> {
    fault.steps.iter().find_map(|step| match step.event {
        Event::WorkqueueExecuteStart { worker, .. } => Some(worker),
        _ => None,
    })
}

/// Times by whom they are of, the longest first; those of equal length in the order of their names.
fn sums<K: Ord + Copy>(spans: impl IntoIterator<Item = (K, u64)>) -> Vec<(K, SimDuration)> {
    let mut sums: BTreeMap<K, u64> = BTreeMap::new();
    for (key, span) in spans {
        if span > 0 {
            *sums.entry(key).or_default() += span;
        }
    }
    let mut sums: Vec<(K, u64)> = sums.into_iter().collect();
    sums.sort_by_key(|(_, span)| std::cmp::Reverse(*span));
    sums.into_iter().map(|(key, span)| (key, ps(span))).collect()
}
