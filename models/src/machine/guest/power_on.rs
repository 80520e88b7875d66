//! What a guest has at power-on, from its configuration.

use crate::base::ids::{Gfn, VmId};
use crate::config::{GuestConfig, GuestPaging, HostPaging, MachineConfig, Region};
use crate::parts::mmu::GuestTables;
use crate::parts::mmu::walk::Levels;

/// Frames at the bottom of guest memory that belong to its kernel and hold no task's pages. An
/// assumption without effect on results: it only has to be left over.
pub const KERNEL_FRAMES: u64 = 256;

/// Levels of the tables that the processor walks for a guest. Under shadow paging these are the host's mirror
/// alone, as many as the guest has; where there is nothing to mirror, tables with three levels whose top one is
/// in registers (`PT32E_ROOT_LEVEL` in `kvm_init_shadow_mmu`).
pub(super) fn levels(config: &MachineConfig, own: &GuestConfig) -> Levels {
    let (guest, host) = (own.table_levels, config.host.second_stage_levels);
    match (own.paging, config.host.paging) {
        (GuestPaging::On, HostPaging::Tdp) => Levels { guest, host },
        (GuestPaging::Off, HostPaging::Tdp) => Levels { guest: 0, host },
        (GuestPaging::On, HostPaging::Shadow) => Levels { guest, host: 0 },
        (GuestPaging::Off, HostPaging::Shadow) => Levels { guest: 0, host: 2 },
    }
}

/// The page tables of a virtual machine. Regions of others have no pages there.
pub(super) fn tables_of(config: &MachineConfig, vm: VmId) -> GuestTables {
    let own = config.regions_of(vm);
    let pages = |(at, region): (usize, &Region)| if own.contains(&at) { region.pages } else { 0 };
    let regions: Vec<u64> = config.workload.regions.iter().enumerate().map(pages).collect();
    let GuestConfig { memory_pages: memory, table_levels, paging, .. } = *config.guest_of(vm);
    let tables =
        GuestTables::new(&regions, table_levels, Gfn(KERNEL_FRAMES.min(memory)), Gfn(memory))
            .with_paging(paging);
    let balloons = &config.host.memory_control.balloons;
    let balloon = balloons.iter().find(|balloon| balloon.vm == vm);
    match balloon.and_then(|balloon| balloon.reporting) {
        Some(reporting) => tables.with_reporting(reporting.order),
        None => tables,
    }
}

/// By how many picoseconds the tick periods of a guest's vCPU begin later than those of its first one. The kernel
/// of 2010 spreads the ticks of its processors over half a period (`tick_setup_sched_timer`).
pub(super) fn tick_offset(own: &GuestConfig, place: u16) -> u64 {
    own.tick.as_ps() / 2 / u64::from(own.vcpus) * u64::from(place)
}
