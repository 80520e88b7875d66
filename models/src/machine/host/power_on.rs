//! What the host has at power-on, from its configuration.

use crate::base::ids::VmId;
use crate::config::{
    Container, Disturbance, DisturbanceKind, GuestPaging, HostPaging, MachineConfig,
};
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
    let (host, mut limits, mut shared) = (&config.host, Vec::new(), None);
    let container = |vm: VmId| {
        let own = config.vms.get(vm.index()).and_then(|own| own.container);
        let (limit, other) = match own {
            Some(Container { limit_pages, other_resident_pages }) => {
                (limit_pages, other_resident_pages)
            }
            None => (host.memory_limit_pages, host.other_resident_pages),
        };
        match shared.filter(|_| own.is_none()) {
            Some(place) => place,
            None => {
                limits.push(limit.saturating_sub(other));
                let place = limits.len() - 1;
                shared = shared.or(own.is_none().then_some(place));
                place
            }
        }
    };
    let by_vm: Vec<usize> = config.vm_ids().map(container).collect();
    let pages: Vec<u64> = config.vm_ids().map(|vm| config.guest_of(vm).memory_pages).collect();
    Containers::new(&pages, by_vm, &limits, host.kernel.lru)
        .with_zswap(host.zswap.as_ref(), host.kernel.zswap)
}
