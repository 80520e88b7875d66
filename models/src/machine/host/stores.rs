//! Stores: what has the contents of regions that are nowhere in memory when the guest starts; and the
//! threads of the VMM that bring them.

use std::collections::{BTreeSet, VecDeque};

use sim_core::{DistributionError, RandomStreams, SimTime};

use crate::base::ids::{Gfn, GuestPage, PcpuId, RequestId, StoreId, VcpuId, VmId};
use crate::config::{DeviceConfig, FileMapping, MachineConfig, Process, StoreConfig};
use crate::parts::device::Device;
use crate::parts::memory::asked::{Asked, Requests};
use crate::parts::memory::file_windows::FileAccesses;
use crate::parts::memory::prefetch::{PageRun, Prefetcher};
use crate::parts::memory::userfault::{Messages, Role};
use crate::parts::memory::wait_queues::WaitQueues;

/// A store.
#[derive(Clone, Debug)]
pub(super) struct Store {
    /// The device that it is on; none: that of the store that it shares, or the swap device.
    pub(super) device: Option<Device>,
    /// The store of another virtual machine that is the same image.
    pub(super) shares: Option<StoreId>,
    /// Pages that the device has.
    pub(super) pages: u32,
    /// All stores that are the same image, this one too; empty: it is the only one.
    pub(super) same: Vec<(StoreId, VmId)>,
    /// Where threads of the VMM bring its pages.
    pub(super) messages: Option<Messages>,
    /// The wait queues of its descriptors; empty: nobody can meet anybody there.
    pub(super) queues: Vec<WaitQueues>,
    /// What they bring without being asked.
    pub(super) prefetcher: Option<Prefetcher>,
    /// Faults that they are asked to answer.
    pub(super) requests: Option<Requests>,
    /// Pages that it does not give.
    pub(super) unreadable: BTreeSet<GuestPage>,
    /// Pages that were given back since, so that they hold zeros; and those of which the handler knows it.
    pub(super) discarded: BTreeSet<GuestPage>,
    pub(super) removed: BTreeSet<GuestPage>,
    /// How the VMM maps it, and what the kernel knows of its accesses.
    pub(super) mapping: FileMapping,
    pub(super) accesses: FileAccesses,
    /// Pages that call for the next window (PG_readahead), of all that map the image.
    pub(super) marks: BTreeSet<Gfn>,
}

/// The stores of a machine. Each holds an image of its guest's memory, frame by frame; those of several virtual
/// machines may be the same image.
pub(super) fn stores(
    config: &MachineConfig,
    streams: &RandomStreams,
) -> Result<Vec<Store>, DistributionError> {
    let all = || (0..).map(StoreId).zip(&config.host.stores);
    let store = |(id, store): (StoreId, &StoreConfig)| {
        let first = store.shares.unwrap_or(id);
        let same = all().filter(|(it, store)| store.shares.unwrap_or(*it) == first);
        let same: Vec<_> = same.map(|(it, store)| (it, store.vm)).collect();
        let image = same.iter().map(|(_, vm)| config.guest_of(*vm).memory_pages).max();
        let image = u32::try_from(image.unwrap_or(0)).unwrap_or(u32::MAX);
        let has_device = config.host.stores[first.index()].device.is_some();
        let pages = if has_device { image } else { config.host.swap_pages.max(1) };
        let draws = streams.label(&format!("store {}", store.name));
        let device = store.device.as_ref().map(|device| Device::new(device, pages, draws));
        let messages = store.handler.clone().map(Messages::new);
        let queues = store.handler.iter().flat_map(|handler| 0..handler.descriptors);
        let queues = queues.filter(|_| config.host.cpus > 1);
        let queues = queues.map(|_| WaitQueues::new(config.host.cpus)).collect();
        let prefetch = store.handler.as_ref().and_then(|handler| handler.prefetch.as_ref());
        let prefetcher = prefetch.map(Prefetcher::new);
        let requests = store.handler.as_ref();
        let requests = requests.map(|it| Requests::new(it.readers, config.vm_count()));
        let (device, shares) = (device.transpose()?, store.shares);
        let same = if same.len() > 1 { same } else { Vec::new() };
        let unreadable = BTreeSet::new();
        Ok(Store {
            device,
            shares,
            pages,
            same,
            messages,
            queues,
            prefetcher,
            requests,
            unreadable,
            discarded: BTreeSet::new(),
            removed: BTreeSet::new(),
            mapping: store.mapping,
            accesses: FileAccesses::default(),
            marks: BTreeSet::new(),
        })
    };
    let sinks = config.host.memory_control.protections.iter();
    let sinks = sinks.filter_map(|it| Some((it.vm, it.sink.as_ref()?)));
    all().map(store).chain(sinks.map(|(vm, sink)| self::sink(config, streams, vm, sink))).collect()
}

/// The sink of a snapshot: a store that nothing is read from.
fn sink(
    config: &MachineConfig,
    streams: &RandomStreams,
    vm: VmId,
    device: &DeviceConfig,
) -> Result<Store, DistributionError> {
    let pages = u32::try_from(config.guest_of(vm).memory_pages).unwrap_or(u32::MAX);
    let draws = streams.label(&format!("sink {vm}"));
    Ok(Store {
        device: Some(Device::new(device, pages, draws)?),
        shares: None,
        pages,
        same: Vec::new(),
        messages: None,
        queues: Vec::new(),
        prefetcher: None,
        requests: None,
        unreadable: BTreeSet::new(),
        discarded: BTreeSet::new(),
        removed: BTreeSet::new(),
        mapping: FileMapping::PAGE_BY_PAGE,
        accesses: FileAccesses::default(),
        marks: BTreeSet::new(),
    })
}

/// What a thread is about to install, or installs.
#[derive(Clone, Debug, Default)]
pub(super) struct Installing {
    /// The pages.
    pub run: Option<PageRun>,
    /// How many of them it has been through.
    pub copied: u32,
    /// The read that it waits for.
    pub request: Option<RequestId>,
    /// When the contents are there for which a vCPU's thread sleeps.
    pub due: Option<SimTime>,
    /// What the call at hand installs.
    pub answer: Answer,
    /// How often memory had been given back when it began.
    pub changes: u64,
}

/// What a call installs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Answer {
    /// What the store has.
    #[default]
    Contents,
    /// The page of zeros: the page was given back (`UFFDIO_ZEROPAGE`).
    Zeros,
    /// A marker: the store does not give the page (`UFFDIO_POISON`).
    Poison,
}

impl Installing {
    /// The next page.
    pub(super) fn page(&self) -> Option<GuestPage> {
        self.run.and_then(|run| run.page(self.copied))
    }
}

/// A thread that answers faults.
#[derive(Clone, Debug)]
pub(super) struct Handler {
    /// What it serves.
    pub store: StoreId,
    pub role: Role,
    /// Its number among those of its store and role.
    pub number: u16,
    /// Pages of messages that it has read and not passed on.
    pub taken: VecDeque<GuestPage>,
    pub installing: Installing,
    /// The process that it is of; see [`Messages::process`].
    pub process: u32,
    /// Faults that it is about to answer.
    pub answers: VecDeque<Asked>,
    /// The vCPU whose ring it reads.
    pub ring: Option<VcpuId>,
    /// What the VMM's main thread is about to pass on.
    pub post: Option<Asked>,
}

impl Handler {
    /// A thread that has nothing to do.
    pub(super) fn new(store: StoreId, role: Role, number: u16) -> Self {
        Self {
            store,
            role,
            number,
            taken: VecDeque::new(),
            installing: Installing::default(),
            process: 0,
            answers: VecDeque::new(),
            ring: None,
            post: None,
        }
    }
}

/// The threads that answer faults, each with its processor and whether it is pinned there.
pub(super) fn handlers(config: &MachineConfig) -> Vec<(Handler, PcpuId, bool)> {
    let mut all = Vec::new();
    for (store, described) in (0..).map(StoreId).zip(&config.host.stores) {
        let Some(handler) = &described.handler else { continue };
        let readers = (0..handler.readers).map(|number| (Role::Reader, number));
        let installers = (0..handler.installers).map(|number| (Role::Installer, number));
        let prefetchers = handler.prefetch.iter().flat_map(|prefetch| 0..prefetch.threads);
        let prefetchers = prefetchers.map(|number| (Role::Prefetcher, number));
        // The main thread of its VMM has the number of the virtual machine.
        let apart = handler.process == Process::Other;
        let main = apart.then_some((Role::Main, described.vm.0));
        for (role, number) in readers.chain(installers).chain(prefetchers).chain(main) {
            let place = all.len();
            // The main thread is none of the handler's.
            let pinned = !handler.cpus.is_empty() && role != Role::Main;
            let pcpu = match pinned {
                false => PcpuId((place % usize::from(config.host.cpus)) as u16),
                true => handler.cpus[place % handler.cpus.len()],
            };
            all.push((Handler::new(store, role, number), pcpu, pinned));
        }
    }
    all
}
