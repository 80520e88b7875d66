//! What the host has at power-on, from its configuration.

use crate::base::ids::VmId;
use crate::config::{Disturbance, DisturbanceKind, GuestPaging, HostPaging, MachineConfig};
use crate::parts::memory::containers::Containers;
use crate::parts::memory::map_lock::MapLock;

/// Whether the host mirrors the guest's tables. A guest without paging has none.
pub(super) fn mirrors(config: &MachineConfig) -> bool {
    config.host.paging == HostPaging::Shadow && config.guest.paging == GuestPaging::On
}

/// The lock of a VMM's memory map, if anybody ever takes it for writing.
pub(super) fn map_lock(config: &MachineConfig, vm: VmId) -> Option<MapLock> {
    let vms = config.vm_of_each_vcpu();
    let is_map_write = |d: &&Disturbance| matches!(d.kind, DisturbanceKind::MapWrite { .. });
    let mut writes = config.disturbances.iter().filter(is_map_write);
    writes.any(|d| vms[d.vcpu.index()] == vm).then(MapLock::default)
}

/// The host's container and those of virtual machines that have their own.
pub(super) fn containers_of(config: &MachineConfig) -> Containers {
    let (host, mut firsts, mut shared) = (&config.host, Vec::new(), None);
    let container = |vm: VmId| {
        let own = config.vms.get(vm.index()).is_some_and(|own| own.container.is_some());
        match shared.filter(|_| !own) {
            Some(place) => place,
            None => {
                firsts.push(vm);
                let place = firsts.len() - 1;
                shared = shared.or((!own).then_some(place));
                place
            }
        }
    };
    let by_vm: Vec<usize> = config.vm_ids().map(container).collect();
    let limits = firsts.iter().map(|&vm| config.room(vm, config.container_of(vm).limit_pages));
    let limits: Vec<u64> = limits.collect();
    let largest = firsts.iter().map(|&vm| config.room(vm, config.largest_limit(vm)));
    let largest: Vec<u64> = largest.collect();
    let pages: Vec<u64> = config.vm_ids().map(|vm| config.guest_of(vm).memory_pages).collect();
    Containers::new(&pages, by_vm, &limits, host.kernel.lru)
        .with_frames_for(&largest)
        .with_reserve(config.first_of_host(), host.memory_control.kswapd.as_ref())
        .with_zswap(host.zswap.as_ref(), host.kernel.zswap)
}
