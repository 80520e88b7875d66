//! The host's state: threads on processors, guest memory, the swap device.

use std::collections::{BTreeSet, VecDeque};

use sim_core::{DistributionError, RandomStreams, SimTime};

use super::accounts::High;
use super::compression::Compression;
use super::duties::{Reclaimer, reclaimers};
use super::power_on::{containers_of, map_lock, mirrors};
use super::protected::{Protection, protections};
use super::stores::{Handler, Installing, Store, handlers, stores};
use super::thread::{Fetch, FetchGoal, Thread, ThreadKind};
use crate::base::ids::{
    Gfn, GuestPage, HandlerId, ItemId, PcpuId, Pfn, ReclaimerId, RequestId, ThreadId, VcpuId, VmId,
};
use crate::base::page_size::PageSize;
use crate::config::{HostKernel, MachineConfig};
use crate::machine::world::Then;
use crate::parts::device::{Device, QUEUE_DEPTH, Request};
use crate::parts::memory::containers::Containers;
use crate::parts::memory::map_lock::MapLock;
use crate::parts::memory::pages::{Backing, Entry};
use crate::parts::memory::pass::ReclaimPass;
use crate::parts::memory::read_ahead::ReadAheadState;
use crate::parts::memory::second_stage_lock::Turnstile;
use crate::parts::memory::shadow::{Shadow, Side};
use crate::parts::memory::swap::SwapArea;
use crate::parts::memory::throttle::WriteThrottle;
use crate::parts::memory::userfault::Role;
use crate::parts::sched::{Balance, Entity, RunQueue};

/// What a worker of the kernel does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// Gets the page of an item.
    Item(ItemId),
    /// Reads the ring in which the VMM answers faults of a vCPU.
    Answers(VcpuId),
}

/// A physical processor.
#[derive(Clone, Debug, Default)]
pub(super) struct Pcpu {
    pub queue: RunQueue,
    pub tick: Option<sim_core::EventHandle>,
    /// Idle workers of the processor's pool, the last one used last.
    pub idle_workers: Vec<ThreadId>,
    /// Workers of the pool that work and do not sleep (`nr_running`).
    pub running_workers: u32,
    /// Work that no worker has begun.
    pub queued_work: VecDeque<Job>,
    /// Work that a workqueue has begun, or is about to begin.
    pub active_work: u32,
    /// Work that waits because so much is active already, the first one first.
    pub inactive_work: VecDeque<Job>,
}

/// The host.
#[derive(Clone, Debug)]
pub(in crate::machine) struct Host {
    pub(super) threads: Vec<Thread>,
    /// How many of them are those of vCPUs.
    pub(super) vcpus: u32,
    /// Those that answer page faults; their threads come next.
    pub(super) handlers: Vec<Handler>,
    /// By vCPU: what its thread installs itself.
    pub(super) vcpu_installs: Vec<Installing>,
    /// Background reclaimers; they come behind the worker of zswap.
    pub(super) reclaimers: Vec<Reclaimer>,
    /// The thread that keeps pages free could take none, and nobody has since.
    pub(super) hopeless: bool,
    /// Threads that wait for a locked page.
    pub(super) page_waiters: BTreeSet<(GuestPage, ThreadId)>,
    /// Threads of the VMM that wait until others have answered a vCPU.
    pub(super) answer_waiters: BTreeSet<(VcpuId, ThreadId)>,
    /// Threads that poll for a page, and some that did.
    pub(super) polling: BTreeSet<(GuestPage, ThreadId)>,
    /// What the scheduler keeps of each thread.
    pub(super) entities: Vec<Entity>,
    pub(super) pcpus: Vec<Pcpu>,
    /// How loaded each processor is.
    pub(super) balance: Balance,
    /// Processors on which another thread should run.
    pub(super) resched: Vec<PcpuId>,
    pub(super) memory: Containers,
    /// What is kept where containers have a `memory.high`.
    pub(super) high: Option<Box<High>>,
    /// The mirror of the guest's tables, under shadow paging, which one virtual machine alone has.
    pub(super) shadow: Option<Shadow>,
    pub(super) swap: SwapArea,
    pub(super) device: Device,
    /// Compressed pages before it.
    pub(super) zswap: Option<Compression>,
    /// What keeps the contents of stored regions.
    pub(super) stores: Vec<Store>,
    /// Memory that VMMs write-protect.
    pub(super) protections: Vec<Protection>,
    /// Requests at the device, by number; freed numbers are used again.
    pub(super) requests: Vec<Option<Request>>,
    pub(super) free_requests: Vec<RequestId>,
    /// The processor that each request interrupts when it is complete.
    pub(super) interrupts: Vec<PcpuId>,
    /// References that items hold on pages of each container.
    pub(super) pinned: Vec<u32>,
    /// The page on which each item holds a reference, if it does.
    pub(super) pinning: Vec<Option<GuestPage>>,
    /// How often the host has taken mappings of each VM away (`mmu_notifier_seq`).
    pub(super) invalidations: Vec<u64>,
    /// Items without a worker, each with the page whose read ends it.
    pub(super) native: Vec<(GuestPage, ItemId)>,
    /// By virtual machine; what is kept of the whole host, with the first one.
    read_ahead: Vec<ReadAheadState>,
    /// Write-back throttling, where the host's kernel does it.
    pub(super) throttle: Option<WriteThrottle>,
    /// The locks of the VMMs' memory maps, where somebody writes them.
    pub(super) map_locks: Vec<Option<MapLock>>,
    /// The locks of the second-stage tables of each VM, where they are kept.
    pub(super) second_stage_locks: Vec<Option<Turnstile>>,
    /// Threads that wait for room in each container.
    pub(super) room_waiters: Vec<Vec<ThreadId>>,
    /// Writes that the block layer has, and threads that wait until it takes another one.
    pub(super) writes_in_flight: usize,
    pub(super) tag_waiters: Vec<ThreadId>,
    /// A reused buffer.
    pub(super) pass: ReclaimPass,
}

/// What throttles writes, where the kernel does that.
fn throttle_of(kernel: &HostKernel) -> Option<WriteThrottle> {
    let throttle = |target| WriteThrottle::new(target, kernel.swap_write_limit, QUEUE_DEPTH as u32);
    kernel.writeback_throttling.map(throttle)
}

impl Host {
    /// The host at power-on: a thread for each vCPU, and nothing in memory.
    pub(in crate::machine) fn new(
        config: &MachineConfig,
        streams: &RandomStreams,
    ) -> Result<Self, DistributionError> {
        let host = &config.host;
        let (vcpus, vms) = (config.vcpus(), config.vm_count());
        let memory = containers_of(config);
        let thread = |v: u16| {
            let pcpu = PcpuId(v % host.cpus);
            Thread::new(ThreadKind::Vcpu(VcpuId(v)), pcpu, SimTime::ZERO, Then::Enter)
        };
        let of_vmm = handlers(config);
        let handler = |(number, (handler, pcpu, bound)): (u16, &(Handler, PcpuId, bool))| {
            let then = match handler.role {
                Role::Reader | Role::Main => Then::HandlerPolled,
                Role::Installer => Then::HandlerTold,
                Role::Prefetcher => Then::HandlerPrefetch,
            };
            let kind = ThreadKind::Handler(HandlerId(number));
            Thread { bound: *bound, ..Thread::new(kind, *pcpu, SimTime::ZERO, then) }
        };
        let of_handlers = (0u16..).zip(&of_vmm).map(handler);
        let second_stage_lock = || Turnstile::new(host.kernel.second_stage_lock, host.cpus);
        let mut threads: Vec<Thread> = (0..vcpus).map(thread).chain(of_handlers).collect();
        let worker = ThreadId(threads.len() as u32);
        let compression = |zswap| Compression::new(zswap, streams.label("zswap"), worker);
        let zswap = host.zswap.as_ref().map(compression).transpose()?;
        threads.extend(zswap.is_some().then(|| {
            Thread::new(ThreadKind::Shrinker, PcpuId(0), SimTime::ZERO, Then::ShrinkBegin)
        }));
        let first_reclaimer = ThreadId(threads.len() as u32);
        let reclaimers = reclaimers(config, first_reclaimer);
        threads.extend((0u16..).zip(&reclaimers).map(|(number, own)| {
            let kind = ThreadKind::Reclaimer(ReclaimerId(number));
            let kswapd = host.memory_control.kswapd.as_ref();
            let bound = kswapd.filter(|_| own.is_kswapd()).and_then(|kswapd| kswapd.cpu);
            let pcpu = bound.unwrap_or_default();
            let thread = Thread::new(kind, pcpu, SimTime::ZERO, Then::ReclaimerWoken);
            Thread { bound: bound.is_some(), ..thread }
        }));
        debug_assert_eq!(threads.len(), usize::from(vcpus) + config.thread_names().len());
        Ok(Self {
            vcpus: vcpus.into(),
            handlers: of_vmm.into_iter().map(|(handler, ..)| handler).collect(),
            vcpu_installs: vec![Installing::default(); vcpus.into()],
            reclaimers,
            hopeless: false,
            page_waiters: BTreeSet::new(),
            answer_waiters: BTreeSet::new(),
            polling: BTreeSet::new(),
            entities: vec![Entity::default(); threads.len()],
            threads,
            pcpus: (0..host.cpus).map(|_| Pcpu::default()).collect(),
            balance: Balance::new(host.cpus.into()),
            resched: Vec::new(),
            shadow: mirrors(config).then(|| Shadow::new(config.guest.memory_pages)),
            swap: SwapArea::new(host.slots()),
            device: Device::new(&host.device, host.swap_pages, streams.label("swap"))?,
            zswap,
            stores: stores(config, streams)?,
            protections: protections(config),
            requests: Vec::new(),
            free_requests: Vec::new(),
            interrupts: Vec::new(),
            pinned: vec![0; memory.count()],
            pinning: Vec::new(),
            invalidations: vec![0; vms],
            native: Vec::new(),
            read_ahead: vec![ReadAheadState::default(); vms],
            throttle: throttle_of(&host.kernel),
            map_locks: config.vm_ids().map(|vm| map_lock(config, vm)).collect(),
            second_stage_locks: (0..vms).map(|_| second_stage_lock()).collect(),
            room_waiters: vec![Vec::new(); memory.count()],
            writes_in_flight: 0,
            tag_waiters: Vec::new(),
            high: High::new(config, &memory).map(Box::new),
            memory,
            pass: ReclaimPass::default(),
        })
    }

    /// Makes clones cheap from here on.
    pub(in crate::machine) fn freeze(&mut self) {
        self.memory.freeze();
        if let Some(shadow) = &mut self.shadow {
            shadow.freeze();
        }
        self.swap.freeze();
    }

    /// The queue of a processor has changed.
    #[inline]
    pub(super) fn note_load(&mut self, now: SimTime, pcpu: PcpuId) {
        let queue = &self.pcpus[pcpu.index()].queue;
        self.balance.set(now, pcpu.index(), queue.running(), !queue.nobody_waits());
    }

    /// What a thread is.
    pub(in crate::machine) fn kind_of(&self, thread: ThreadId) -> ThreadKind {
        self.threads[thread.index()].kind
    }

    /// Whether a thread serves a balloon.
    pub(super) fn serves_balloon(&self, thread: ThreadId) -> bool {
        match self.kind_of(thread) {
            ThreadKind::Reclaimer(own) => self.reclaimers[own.index()].serves_balloon(),
            _ => false,
        }
    }

    /// What a thread does when its stretch is over.
    pub(in crate::machine) fn then_of(&self, thread: ThreadId) -> Then {
        self.threads[thread.index()].then
    }

    /// Who has each processor.
    pub(in crate::machine) fn running(&self) -> Vec<Option<ThreadId>> {
        self.pcpus.iter().map(|pcpu| pcpu.queue.current.map(ThreadId)).collect()
    }

    /// Pages that the second stage of a virtual machine maps.
    pub(in crate::machine) fn mapped(&self, vm: VmId) -> impl Iterator<Item = GuestPage> {
        self.memory.of(self.memory.container(vm)).mapped(vm)
    }

    /// Whether a thread that runs has its processor for itself.
    pub(in crate::machine) fn is_alone(&self, thread: ThreadId) -> bool {
        let pcpu = self.threads[thread.index()].pcpu;
        self.pcpus[pcpu.index()].queue.is_of_one()
    }

    /// Whether another thread should have the processor of this one.
    pub(in crate::machine) fn is_to_give_way(&self, thread: ThreadId) -> bool {
        self.resched.contains(&self.threads[thread.index()].pcpu)
    }

    /// What backs a frame.
    pub(in crate::machine) fn backing(&self, guest_page: GuestPage) -> Backing {
        self.memory.page(guest_page).backing
    }

    /// Whether the second stage lets the guest read a frame, or write it.
    #[inline]
    pub(in crate::machine) fn maps(&self, guest_page: GuestPage, write: bool) -> bool {
        self.memory.second_stage(guest_page).allows(write)
    }

    /// The size of the second stage's entry for a frame, if there is one that lets the guest read it, or
    /// write it.
    #[inline]
    pub(in crate::machine) fn mapping(
        &self,
        guest_page: GuestPage,
        write: bool,
    ) -> Option<PageSize> {
        if !self.maps(guest_page, write) {
            return None;
        }
        let large = self.memory.is_huge(guest_page) && self.shadow.is_none();
        Some(if large { PageSize::Large } else { PageSize::Small })
    }

    /// Whether the guest may read a frame by an address of a side, or write it.
    #[inline]
    pub(in crate::machine) fn reaches(
        &self,
        guest_page: GuestPage,
        side: Side,
        write: bool,
    ) -> bool {
        let allows = |shadow: &Shadow| shadow.allows(guest_page.gfn(), side, write);
        self.maps(guest_page, write) && self.shadow.as_ref().is_none_or(allows)
    }

    /// What the VMM's own table has of a page.
    pub(in crate::machine) fn entry_in_vmm(&self, guest_page: GuestPage) -> Entry {
        self.memory.page(guest_page).vmm
    }

    /// The accessed bit of the VMM's own table is set.
    pub(in crate::machine) fn set_young_in_vmm(&mut self, guest_page: GuestPage) {
        let stands = self.memory.representative(guest_page);
        self.memory.page_mut(stands).young_in_vmm = true;
    }

    /// The mirror of the guest's tables, where the host translates by one.
    #[inline]
    pub(in crate::machine) fn shadow(&self) -> Option<&Shadow> {
        self.shadow.as_ref()
    }

    /// The same, to be changed.
    pub(in crate::machine) fn shadow_mut(&mut self) -> Option<&mut Shadow> {
        self.shadow.as_mut()
    }

    /// A frame is backed by guest_memfd from now on.
    pub(in crate::machine) fn make_private(&mut self, guest_page: GuestPage) {
        self.memory.page_mut(guest_page).in_guest_memfd = true;
    }

    /// A frame is part of what the container never gives up, and mapped until a
    /// memory slot goes.
    pub(in crate::machine) fn keep_resident(&mut self, guest_page: GuestPage) {
        let page = self.memory.page_mut(guest_page);
        page.backing = Backing::Resident;
        page.vmm = Entry::Writable;
        self.memory.second_stage_mut(guest_page).entry = Entry::Writable;
        if let Some(shadow) = &mut self.shadow {
            shadow.map(guest_page.gfn(), Side::Kernel, Entry::Writable, true);
        }
    }

    /// Whether a frame is backed by guest_memfd.
    pub(in crate::machine) fn is_private(&self, guest_page: GuestPage) -> bool {
        self.memory.page(guest_page).in_guest_memfd
    }

    /// The accessed bits of second-stage entries are set.
    pub(in crate::machine) fn set_accessed(&mut self, vm: VmId, frames: &[Gfn]) {
        self.memory.of_vm(vm).set_young(vm, frames);
    }

    /// The host's frame of a page, if it has one.
    pub(in crate::machine) fn pfn(&self, guest_page: GuestPage) -> Option<Pfn> {
        self.memory.page(guest_page).pfn()
    }

    /// How often I/O was begun for a page.
    pub(in crate::machine) fn io_count(&self, guest_page: GuestPage) -> u32 {
        self.memory.page(guest_page).io_count
    }

    /// How often mappings of a VM were taken away (`mmu_notifier_seq`).
    pub(in crate::machine) fn invalidations(&self, vm: VmId) -> u64 {
        self.invalidations[vm.index()]
    }

    /// What read-ahead has learnt: of the address space of a VM, or in the whole host.
    pub(super) fn read_ahead_mut(&mut self, of: Option<VmId>) -> &mut ReadAheadState {
        &mut self.read_ahead[of.map_or(0, VmId::index)]
    }

    /// A request at the device.
    pub(in crate::machine) fn request(&self, id: RequestId) -> Option<Request> {
        self.requests.get(id.index()).copied().flatten()
    }

    /// What a thread fetches.
    pub(super) fn fetch_of(&self, thread: ThreadId) -> Fetch {
        match self.threads[thread.index()].fetch {
            Some(fetch) => fetch,
            None => unreachable!("{thread} fetches nothing"),
        }
    }

    /// The same, to be changed.
    pub(super) fn fetch_mut(&mut self, thread: ThreadId) -> &mut Fetch {
        match &mut self.threads[thread.index()].fetch {
            Some(fetch) => fetch,
            None => unreachable!("{thread} fetches nothing"),
        }
    }

    /// A thread is to fetch a page when it comes to [`Then::Fetch`].
    pub(in crate::machine) fn set_fetch(
        &mut self,
        thread: ThreadId,
        guest_page: GuestPage,
        goal: FetchGoal,
    ) {
        // A worker asks for writing, whatever the guest does.
        let write = matches!(goal, FetchGoal::Item(_));
        let fetch = Fetch { guest_page, goal, alone: false, inside: false, write, tried: false };
        self.threads[thread.index()].fetch = Some(fetch);
    }

    /// What a thread is to fetch is to be written to, or not.
    pub(in crate::machine) fn set_fetch_writes(&mut self, thread: ThreadId, write: bool) {
        self.fetch_mut(thread).write = write;
    }

    /// A number for a request.
    pub(super) fn new_request(&mut self, mut request: Request) -> Request {
        let id = self.free_requests.pop().unwrap_or_else(|| {
            self.requests.push(None);
            RequestId(self.requests.len() as u32 - 1)
        });
        request.id = id;
        self.requests[id.index()] = Some(request);
        request
    }
}
