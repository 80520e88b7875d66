//! The host: processor, memory limit, swap.

use models::config::{
    GuestConfig, GuestPaging, HostConfig, HostPaging, Region, RegionBacking, TablePages, Workload,
};
use sim_core::SimDuration;

use super::at::At;
use super::device;
use super::host_kernel::{self as kernel, HostIdentity};
use super::sched::sched;
use crate::scenario::file::HostFile;
use crate::syntax::error::ScenarioError;
use crate::syntax::units::Bytes;

/// Pages that the container must have beyond what is never reclaimed, besides twice what may be
/// under way at once (see [`in_flight`]). With much less, tasks take each other's pages away before
/// they are used, and nothing goes on.
const MIN_RECLAIMABLE_PAGES: u64 = 256;

/// A gibibyte.
const MAX_WRITE_PAGES: u64 = 1 << 18;
const DEFAULT_READ_AHEAD: u64 = 8;
const DEFAULT_RECLAIM_BATCH: u64 = 32;

pub(super) fn host(
    at: &At<'_>,
    file: &HostFile,
    guest: &GuestConfig,
) -> Result<(HostConfig, HostIdentity), ScenarioError> {
    let cpus = at.field("cpus").number(file.cpus, 1..=4096)?;
    let named = kernel::named(&at.field("kernel"), file.kernel.as_ref())?;
    let tick = file.tick.map_or(named.tick(), |tick| tick.0);
    let tick_range = SimDuration::from_us(1)..=SimDuration::from_secs(1);
    let other_resident = file.other_resident.unwrap_or(Bytes(0));
    let batch = file.reclaim_batch.unwrap_or(DEFAULT_RECLAIM_BATCH);
    let swap_at = at.field("swap");
    let swap_pages = match file.swap.size {
        Some(size) => swap_at.field("size").pages(size)?,
        None => guest.memory_pages,
    };
    let ahead_at = swap_at.field("read_ahead");
    let ahead = file.swap.read_ahead.unwrap_or(DEFAULT_READ_AHEAD);
    let read_ahead_pages: u32 = ahead_at.number(ahead, 1..=256)?;
    if !read_ahead_pages.is_power_of_two() {
        let message = format!("{ahead} is not a power of two");
        return Err(ahead_at.fail(message, "1, 2, 4, 8, ... 256"));
    }
    let write_pages = match file.swap.max_write {
        None => u32::MAX,
        Some(size) => {
            let at = swap_at.field("max_write");
            at.number(at.pages(size)?, 1..=MAX_WRITE_PAGES)?
        }
    };
    let device = device::device(&swap_at.field("device"), &file.swap.device)?;
    let config = HostConfig {
        cpus,
        sched: sched(&at.field("sched"), file.sched.as_ref(), named.name(), cpus, tick)?,
        tick: at.field("tick").span(tick, tick_range)?,
        memory_limit_pages: at.field("memory_limit").pages(file.memory_limit)?,
        other_resident_pages: at.field("other_resident").pages(other_resident)?,
        read_ahead_pages,
        write_pages,
        reclaim_batch_pages: at.field("reclaim_batch").number(batch, 1..=1024)?,
        swap_pages: swap_at.field("size").number(swap_pages, 0..=u32::MAX.into())?,
        kernel: named.resolve(&at.field("kernel"), &device)?,
        device,
        // They are named by regions, which are read first.
        stores: Vec::new(),
        allocation_failure_ppm: at
            .field("allocation_failure_ppm")
            .number(file.allocation_failure_ppm.unwrap_or(0), 0..=1_000_000)?,
        second_stage_levels: at
            .field("second_stage_levels")
            .number(file.second_stage_levels.unwrap_or(4), 4..=5)?,
        thp: file.thp.unwrap_or(false),
        paging: file.paging.unwrap_or_default(),
    };
    let identity = named.identity(&config);
    Ok((config, identity))
}

/// Whether limit, swap and workload go together.
pub(super) fn fits(
    at: &At<'_>,
    host: &HostConfig,
    guest: &GuestConfig,
    workload: &Workload,
) -> Result<(), ScenarioError> {
    let size = |pages: u64| Bytes(pages * models::base::ids::PAGE_SIZE);
    let (limit, other) = (host.memory_limit_pages, host.other_resident_pages);
    if limit > guest.memory_pages {
        let message = format!(
            "the limit ({}) is larger than the guest's memory ({})",
            size(limit),
            size(guest.memory_pages)
        );
        return Err(at.field("memory_limit").fail(message, "at most `guest.memory`"));
    }
    private_memory(at, host, guest, workload)?;
    huge_pages(at, host, guest, workload)?;
    let in_flight = in_flight(host, workload);
    let of = |backing: RegionBacking| -> u64 {
        let regions = workload.regions.iter().filter(|region| region.backing == backing);
        regions.map(|region| region.pages).sum()
    };
    let pages = workload.regions.iter().map(|region| region.pages).sum();
    let touched = of(RegionBacking::Vmm) + guest.reclaimable_tables(pages);
    let kept = other + of(RegionBacking::GuestMemfd);
    let least = kept + MIN_RECLAIMABLE_PAGES + 2 * in_flight;
    if limit < least {
        let message = format!("the limit ({}) leaves the guest no memory to run", size(limit));
        let help = format!(
            "at least {}: `other_resident`, {}{}, and twice a read-ahead window for each task and a \
             reclaim batch",
            size(least),
            if kept == other { "" } else { "regions in guest_memfd, " },
            size(MIN_RECLAIMABLE_PAGES)
        );
        return Err(at.field("memory_limit").fail(message, help));
    }
    let swapped = touched.saturating_sub(limit - kept);
    // Pages that are on their way in or out have both a frame and a slot.
    let least = if swapped == 0 { 0 } else { swapped + in_flight };
    if u64::from(host.slots()) < least {
        let message = format!(
            "the swap ({}) cannot hold what does not fit in memory ({})",
            size(host.slots().into()),
            size(swapped)
        );
        let help = format!(
            "at least {}, with a read-ahead window for each task and a reclaim batch; leave `size` \
             out for as much swap as the guest has memory",
            size(least)
        );
        return Err(at.field("swap").field("size").fail(message, help));
    }
    Ok(())
}

/// Private memory is for guests whose tables the processor walks (`kvm_is_vm_type_supported`: types other than
/// the default need the TDP MMU).
fn private_memory(
    at: &At<'_>,
    host: &HostConfig,
    guest: &GuestConfig,
    workload: &Workload,
) -> Result<(), ScenarioError> {
    let private = |region: &&Region| region.backing == RegionBacking::GuestMemfd;
    let Some(region) = workload.regions.iter().find(private) else { return Ok(()) };
    let field = match (host.paging, guest.paging) {
        (HostPaging::Tdp, GuestPaging::On) => return Ok(()),
        (HostPaging::Shadow, _) => "host.paging",
        (HostPaging::Tdp, GuestPaging::Off) => "guest.paging",
    };
    let message = format!(
        "the region `{}` is in guest_memfd, which is for guests with paging on a host with `tdp`",
        region.name
    );
    Err(at.field("paging").fail(message, format!("a region without `backing`, or no `{field}`")))
}

/// Huge pages are memory that reclaim may take: not where something of 2 MiB must stay.
fn huge_pages(
    at: &At<'_>,
    host: &HostConfig,
    guest: &GuestConfig,
    workload: &Workload,
) -> Result<(), ScenarioError> {
    let private = |region: &Region| region.backing == RegionBacking::GuestMemfd;
    let stays = match guest.table_pages {
        TablePages::Resident => Some("`guest.table_pages` is `resident`"),
        TablePages::Reclaimable if workload.regions.iter().any(private) => {
            Some("a region is in guest_memfd")
        }
        TablePages::Reclaimable => None,
    };
    match stays.filter(|_| host.thp) {
        None => Ok(()),
        Some(why) => {
            let message = format!("{why}, and huge pages of the host may be reclaimed whole");
            Err(at.field("thp").fail(message, "one without the other"))
        }
    }
}

/// Pages that may be under way at once: a read-ahead window for each task, and a batch that is
/// being reclaimed.
fn in_flight(host: &HostConfig, workload: &Workload) -> u64 {
    let tasks: u64 = workload.tasks.iter().map(|group| u64::from(group.count)).sum();
    tasks * u64::from(host.read_ahead_pages) + u64::from(host.reclaim_batch_pages)
}
