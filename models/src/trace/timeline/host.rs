//! The tracks of the host: its processors, its workers, the threads of the VMM, the devices.

use std::collections::BTreeMap;

use sim_core::SimTime;

use super::board::{Board, Gauge};
use super::cast::Cast;
use super::flows::Flows;
use super::items::Items;
use super::lane::{Lane, Pool};
use super::mark::{Label, Slice, TrackId};
use crate::base::ids::{GuestPage, PcpuId, RequestId, ThreadId, VcpuId, VmId, WorkerId};
use crate::base::record::{Event, IoKind, MemcgFile};

/// Places of tracks under the host's.
mod rank {
    pub(super) const PCPUS: i32 = 10;
    pub(super) const DEVICES: i32 = 100_000;
    pub(super) const HANDLERS: i32 = 200_000;
    pub(super) const WORKERS: i32 = 300_000;
    pub(super) const RECLAIM: i32 = 400_000;
}

/// The host.
#[derive(Clone, Debug)]
pub(super) struct Host {
    track: TrackId,
    vcpus: Vec<VmId>,
    vms: Vec<Label>,
    threads: Vec<Label>,
    pcpus: Vec<Lane>,
    workers: BTreeMap<WorkerId, Lane>,
    vmm: BTreeMap<ThreadId, Lane>,
    /// Direct reclaim, by the thread that pays for it.
    reclaim: BTreeMap<ThreadId, Lane>,
    requests: Pool<RequestId>,
    in_flight: Gauge,
    executed: Gauge,
    limits: BTreeMap<(VmId, MemcgFile), Gauge>,
}

impl Host {
    pub(super) fn new(board: &mut Board, cast: &Cast, track: TrackId, begin: SimTime) -> Self {
        let mut pcpus = Vec::with_capacity(cast.pcpus.into());
        for number in 0..cast.pcpus {
            let name = Label::made(PcpuId(number).to_string());
            let rank = rank::PCPUS + i32::from(number);
            pcpus.push(Lane::new(board.slices(track, name, rank)));
        }
        let requests = Pool::new(track, "device request", rank::DEVICES);
        let mut host = Self {
            track,
            vcpus: cast.vcpus.clone(),
            vms: cast.vms.iter().map(|(name, _)| Label::made(name)).collect(),
            threads: cast.threads.iter().map(Label::made).collect(),
            pcpus,
            workers: BTreeMap::new(),
            vmm: BTreeMap::new(),
            reclaim: BTreeMap::new(),
            requests,
            in_flight: Gauge::new(board, track, "device requests in flight", 1, begin),
            executed: Gauge::new(board, track, "works executed", 2, begin),
            limits: BTreeMap::new(),
        };
        for (&(vm, file, pages), rank) in cast.limits.iter().zip(3..) {
            let file_name = file.name();
            let name = match host.vms.get(vm.index()).filter(|_| host.vms.len() > 1) {
                Some(name) => Label::made(format!("{file_name} of {name} (pages)")),
                None => Label::made(format!("{file_name} (pages)")),
            };
            let gauge = Gauge::starting(board, track, name, rank, (begin, pages.unwrap_or(0)));
            host.limits.insert((vm, file), gauge);
        }
        for (at, &thread) in cast.running.iter().enumerate() {
            host.runs(board, begin, at, thread);
        }
        host
    }

    pub(super) fn observe(
        &mut self,
        board: &mut Board,
        (items, flows): (&mut Items, &Flows),
        now: SimTime,
        event: &Event,
    ) {
        match *event {
            Event::HostSchedSwitch { pcpu, next, .. } => {
                self.runs(board, now, pcpu.index(), next);
            }
            Event::WorkqueueExecuteStart { worker, item } => {
                let slice = Slice::new("fetches").number("item", item.0);
                self.worker(board, worker).begin(board, now, slice);
                self.executed.add(board, now, 1);
            }
            Event::KvmAsyncPfCompleted { worker, vcpu, gva, .. } => {
                if let Some((token, flow)) = items.flow_at(flows, vcpu, gva)
                    && let Some(slice) = self.workers.get_mut(&worker).and_then(Lane::open_mut)
                {
                    let vcpu_number = u64::from(vcpu.0);
                    *slice =
                        slice.clone().number("vcpu", vcpu_number).hex("token", token.0).on(flow);
                }
            }
            Event::WorkqueueExecuteEnd { worker, .. } => {
                self.worker(board, worker).end(board, now);
                self.executed.add(board, now, -1);
            }
            Event::BlockRqIssue { request, op, slot, pages } => {
                let slice = Slice::new(word_of(op)).number("pages", pages).number("slot", slot.0);
                self.requests.begin(board, now, request, slice);
                self.in_flight.add(board, now, 1);
            }
            Event::BlockRqComplete { request } => {
                // One that was issued before the first record has no slice.
                let ended = self.requests.end(board, now, |&own| own == request).is_some();
                self.in_flight.add(board, now, -i64::from(ended));
            }
            Event::MemcgReclaimBegin { thread } => {
                self.reclaim(board, thread).begin(board, now, Slice::new("reclaims"));
            }
            Event::MemcgReclaimEnd { thread, scanned, freed, written } => {
                let lane = self.reclaim(board, thread);
                if let Some(slice) = lane.open_mut() {
                    let told = slice.clone().number("scanned", scanned).number("freed", freed);
                    *slice = told.number("written", written);
                }
                lane.end(board, now);
            }
            Event::SwapCompute { thread, op, pages, span } => {
                let name = match op {
                    IoKind::Read => "decompresses",
                    IoKind::Write => "compresses",
                };
                let slice = Slice::new(name).number("pages", pages).number("ns", span.as_ns());
                let track = self.reclaim(board, thread).track;
                board.instant(track, now, slice);
            }
            Event::MemcgLimit { vm, file, pages } => {
                if let Some(limit) = self.limits.get_mut(&(vm, file)) {
                    limit.set(board, now, pages);
                }
            }
            Event::MemcgWrite { thread, file, pages, .. } => {
                let slice = Slice::new(file.name()).number("pages", pages);
                self.handler(board, thread).begin(board, now, slice);
            }
            Event::MemcgWritten { thread, .. } | Event::KswapdSleep { thread } => {
                self.handler(board, thread).end(board, now);
            }
            Event::KswapdWake { thread } => {
                self.handler(board, thread).begin(board, now, Slice::new("balances memory"));
            }
            Event::UffdRead { thread, page } => {
                self.serves(board, now, thread, "brings a page", page);
            }
            Event::UffdCopy { thread, page } => {
                self.serves(board, now, thread, "installs a page", page);
            }
            Event::UffdSave { thread, page } => {
                self.serves(board, now, thread, "saves a page", page);
            }
            Event::UffdProtect { thread, pages, .. } => {
                let slice = Slice::new("has protected memory").number("pages", pages);
                let track = self.handler(board, thread).track;
                board.instant(track, now, slice);
            }
            Event::UffdLift { thread, .. } => self.handler(board, thread).end(board, now),
            Event::UffdCopied { thread, .. } | Event::UffdAgain { thread, .. } => {
                self.handler(board, thread).end(board, now);
            }
            _ => {}
        }
    }

    fn runs(&mut self, board: &mut Board, now: SimTime, at: usize, thread: Option<ThreadId>) {
        let slice =
            thread.map(|thread| Slice::new(self.name_of(thread)).number("thread", thread.0));
        let Some(lane) = self.pcpus.get_mut(at) else { return };
        match slice {
            Some(slice) => lane.begin(board, now, slice),
            None => lane.end(board, now),
        }
    }

    /// A thread; of one of several virtual machines it says which.
    fn name_of(&self, thread: ThreadId) -> Label {
        let vcpus = self.vcpus.len();
        let number = thread.index();
        match self.vcpus.get(number) {
            Some(vm) if self.vms.len() > 1 => {
                let vcpu = VcpuId(u16::try_from(number).unwrap_or(u16::MAX));
                Label::made(format!("{} {vcpu}", self.vms[vm.index()]))
            }
            Some(_) => Label::made(format!("vcpu{number}")),
            None => match self.threads.get(number - vcpus) {
                Some(name) => name.clone(),
                None => Label::made(format!("worker {}", number - vcpus - self.threads.len())),
            },
        }
    }

    fn thread_of(&self, worker: WorkerId) -> ThreadId {
        // Work that needs no thread has numbers from above.
        let vcpus = u32::try_from(self.vcpus.len()).unwrap_or(u32::MAX);
        ThreadId(worker.0.saturating_add(vcpus))
    }

    fn worker(&mut self, board: &mut Board, worker: WorkerId) -> &mut Lane {
        let name = self.name_of(self.thread_of(worker));
        let (track, rank) = (self.track, ranked(rank::WORKERS, worker.0));
        self.workers.entry(worker).or_insert_with(|| Lane::new(board.slices(track, name, rank)))
    }

    fn handler(&mut self, board: &mut Board, thread: ThreadId) -> &mut Lane {
        let name = self.name_of(thread);
        let (track, rank) = (self.track, ranked(rank::HANDLERS, thread.0));
        self.vmm.entry(thread).or_insert_with(|| Lane::new(board.slices(track, name, rank)))
    }

    fn reclaim(&mut self, board: &mut Board, thread: ThreadId) -> &mut Lane {
        let name = Label::made(format!("memory: {}", self.name_of(thread)));
        let (track, rank) = (self.track, ranked(rank::RECLAIM, thread.0));
        self.reclaim.entry(thread).or_insert_with(|| Lane::new(board.slices(track, name, rank)))
    }

    fn serves(
        &mut self,
        board: &mut Board,
        now: SimTime,
        thread: ThreadId,
        what: &'static str,
        page: GuestPage,
    ) {
        let slice = Slice::new(what).number("vm", page.vm().0).hex("gfn", page.gfn().0);
        self.handler(board, thread).begin(board, now, slice);
    }

    pub(super) fn close(&mut self, board: &mut Board, now: SimTime) {
        let threads = self.workers.values_mut().chain(self.vmm.values_mut());
        for lane in self.pcpus.iter_mut().chain(threads).chain(self.reclaim.values_mut()) {
            lane.end(board, now);
        }
        self.requests.close(board, now);
    }
}

fn ranked(first: i32, number: u32) -> i32 {
    first.saturating_add(i32::try_from(number).unwrap_or(i32::MAX))
}

fn word_of(op: IoKind) -> &'static str {
    match op {
        IoKind::Read => "reads",
        IoKind::Write => "writes",
    }
}
