//! Stores: what has the contents of regions that are nowhere in memory when the guest starts; and the
//! threads of the VMM that bring them.

use std::collections::VecDeque;

use sim_core::{DistributionError, RandomStreams};

use crate::base::ids::{GuestPage, PcpuId, RequestId, StoreId};
use crate::config::{MachineConfig, StoreConfig};
use crate::parts::device::Device;
use crate::parts::memory::prefetch::{PageRun, Prefetcher};
use crate::parts::memory::userfault::{Messages, Role};

/// A store.
#[derive(Clone, Debug)]
pub(super) struct Store {
    /// The device that it is on; none: the swap device.
    pub(super) device: Option<Device>,
    /// Pages that the device has.
    pub(super) pages: u32,
    /// Where threads of the VMM bring its pages.
    pub(super) messages: Option<Messages>,
    /// What they bring without being asked.
    pub(super) prefetcher: Option<Prefetcher>,
}

/// The stores of a machine. Each holds an image of the guest's memory, frame by frame.
pub(super) fn stores(
    config: &MachineConfig,
    streams: &RandomStreams,
) -> Result<Vec<Store>, DistributionError> {
    let image = u32::try_from(config.guest.memory_pages).unwrap_or(u32::MAX);
    let store = |store: &StoreConfig| {
        let pages = if store.device.is_some() { image } else { config.host.swap_pages.max(1) };
        let draws = streams.label(&format!("store {}", store.name));
        let device = store.device.as_ref().map(|device| Device::new(device, pages, draws));
        let messages = store.handler.clone().map(Messages::new);
        let prefetch = store.handler.as_ref().and_then(|handler| handler.prefetch.as_ref());
        let prefetcher = prefetch.map(Prefetcher::new);
        Ok(Store { device: device.transpose()?, pages, messages, prefetcher })
    };
    config.host.stores.iter().map(store).collect()
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
    /// The pages that it is about to install, or installs.
    pub current: Option<PageRun>,
    /// How many of them it has been through.
    pub copied: u32,
    /// The read that it waits for.
    pub request: Option<RequestId>,
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
        for (role, number) in readers.chain(installers).chain(prefetchers) {
            let place = all.len();
            let pcpu = match handler.cpus.len() {
                0 => PcpuId((place % usize::from(config.host.cpus)) as u16),
                pinned => handler.cpus[place % pinned],
            };
            let (taken, current, copied, request) = (VecDeque::new(), None, 0, None);
            let thread = Handler { store, role, number, taken, current, copied, request };
            all.push((thread, pcpu, !handler.cpus.is_empty()));
        }
    }
    all
}
