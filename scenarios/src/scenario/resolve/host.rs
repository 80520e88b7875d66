//! The host: processor, memory limit, swap.

use models::config::{
    GuestConfig, GuestPaging, HostConfig, HostPaging, MemoryControl, Region, RegionBacking,
    TablePages, TaskGroup,
};
use sim_core::SimDuration;

use super::at::{At, MAX_MEMORY};
use super::device;
use super::host_kernel::{self as kernel, HostIdentity};
use super::sched::sched;
use super::zswap;
use crate::scenario::file::HostFile;
use crate::syntax::error::ScenarioError;
use crate::syntax::units::Bytes;

/// Pages that the container must have beyond what is never reclaimed, besides twice what may be
/// under way at once (see [`Inside::in_flight`]). With much less, tasks take each other's pages away before
/// they are used, and nothing goes on.
const MIN_RECLAIMABLE_PAGES: u64 = 256;

/// A gibibyte.
const MAX_WRITE_PAGES: u64 = 1 << 18;
/// Frames of the host, and slots of a swap area, are numbered in 32 bits; what is left out of 16 TiB is
/// a cluster of slots.
const MAX_HOST_PAGES: u64 = (1 << 32) - 256;
const DEFAULT_READ_AHEAD: u64 = 8;
const DEFAULT_RECLAIM_BATCH: u64 = 32;

pub(super) fn host(
    at: &At<'_>,
    file: &HostFile,
    (guest_pages, shared_pages): (u64, u64),
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
        None if guest_pages > MAX_HOST_PAGES => {
            let message = format!(
                "as much swap as the guests have memory ({}) is more than is supported",
                size(guest_pages)
            );
            return Err(swap_at.fail(message, format!("add a `size`, at most {MAX_MEMORY}")));
        }
        None => guest_pages,
    };
    let ahead_at = swap_at.field("read_ahead");
    let ahead = file.swap.read_ahead.unwrap_or(DEFAULT_READ_AHEAD);
    let read_ahead_pages: u32 = ahead_at.number(ahead, 1..=256)?;
    if !read_ahead_pages.is_power_of_two() {
        let message = format!("{ahead} is not a power of two");
        return Err(ahead_at.fail(message, "1, 2, 4, 8, ... 256"));
    }
    let write_pages = match file.swap.max_write {
        None => named.max_write_pages(),
        Some(size) => {
            let at = swap_at.field("max_write");
            at.number(at.pages(size)?, 1..=MAX_WRITE_PAGES)?
        }
    };
    let device = device::device(&swap_at.field("device"), &file.swap.device)?;
    let zswap_at = swap_at.field("zswap");
    let zswap = file.swap.zswap.as_ref().map(|file| zswap::zswap(&zswap_at, file)).transpose()?;
    let config = HostConfig {
        cpus,
        sched: sched(&at.field("sched"), file.sched.as_ref(), named.name(), cpus, tick)?,
        tick: at.field("tick").span(tick, tick_range)?,
        memory_limit_pages: match file.memory_limit {
            Some(limit) => at.field("memory_limit").pages(limit)?,
            None => shared_pages,
        },
        other_resident_pages: at.field("other_resident").pages(other_resident)?,
        // They are those of containers, which are read first.
        memory_control: MemoryControl::default(),
        read_ahead_pages,
        write_pages,
        reclaim_batch_pages: at.field("reclaim_batch").number(batch, 1..=1024)?,
        swap_pages: swap_at.field("size").number(swap_pages, 0..=MAX_HOST_PAGES)?,
        kernel: named.resolve(&at.field("kernel"), &device)?,
        device,
        zswap,
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
    zswap::goes_with(&zswap_at, &config)?;
    let identity = named.identity(&config);
    Ok((config, identity))
}

/// What is in one memory container.
pub(super) struct Inside<'a> {
    /// Where its limit is said, and what the guests' memory is called.
    pub(super) at: At<'a>,
    pub(super) limit: u64,
    pub(super) other: u64,
    /// It may be larger than all that is in it: of several virtual machines more or fewer may be there.
    pub(super) roomy: bool,
    /// Limits that it gets later, each with its place.
    pub(super) later: Vec<(At<'a>, u64)>,
    /// Whether an agent has memory of it reclaimed.
    pub(super) proactive: bool,
    /// Which of the guests have balloons, by which any frame of their memory may come into use.
    pub(super) balloons: Vec<bool>,
    /// The guests, each with its part of the workload.
    pub(super) guests: Vec<(&'a GuestConfig, &'a [Region], &'a [TaskGroup])>,
}

/// Whether limits, swap and workload go together.
pub(super) fn fits(
    at: &At<'_>,
    host: &HostConfig,
    containers: &[Inside<'_>],
) -> Result<(), ScenarioError> {
    let mut swapped = 0;
    let mut under_way = 0;
    let mut frames = 0;
    for inside in containers {
        frames += inside.later.iter().map(|(_, limit)| *limit).fold(inside.limit, u64::max);
        if frames > MAX_HOST_PAGES {
            let message =
                format!("the limits of all containers up to here are {} together", size(frames));
            return Err(inside.at.fail(message, "less than 16TiB for all of them"));
        }
        let mut more = inside.swapped(at, host, (&inside.at, inside.limit))?;
        if inside.proactive {
            // An agent may have all of it reclaimed.
            more = inside.touched();
        }
        for (place, limit) in &inside.later {
            more = more.max(inside.swapped(at, host, (place, *limit))?);
        }
        swapped += more;
        under_way += if more == 0 { 0 } else { inside.in_flight(host) };
    }
    // Pages that are on their way in or out have both a frame and a slot.
    let least = swapped + under_way;
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
    regions: &[Region],
) -> Result<(), ScenarioError> {
    let private = |region: &&Region| region.backing == RegionBacking::GuestMemfd;
    let Some(region) = regions.iter().find(private) else { return Ok(()) };
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
    regions: &[Region],
) -> Result<(), ScenarioError> {
    let private = |region: &Region| region.backing == RegionBacking::GuestMemfd;
    let stays = match guest.table_pages {
        TablePages::Resident => Some("`guest.table_pages` is `resident`"),
        TablePages::Reclaimable if regions.iter().any(private) => {
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

fn size(pages: u64) -> Bytes {
    Bytes(pages * models::base::ids::PAGE_SIZE)
}

impl Inside<'_> {
    /// Pages that a limit keeps out of memory.
    fn swapped(
        &self,
        host_at: &At<'_>,
        host: &HostConfig,
        (at, limit): (&At<'_>, u64),
    ) -> Result<u64, ScenarioError> {
        let other = self.other;
        let memory: u64 = self.guests.iter().map(|(guest, ..)| guest.memory_pages).sum();
        if limit > memory && !self.roomy {
            let message = format!(
                "the limit ({}) is larger than the guest's memory ({})",
                size(limit),
                size(memory)
            );
            return Err(at.fail(message, "at most `guest.memory`"));
        }
        for (guest, regions, _) in &self.guests {
            private_memory(host_at, host, guest, regions)?;
            huge_pages(host_at, host, guest, regions)?;
        }
        let touched = self.touched();
        let kept = other + self.pages_in(RegionBacking::GuestMemfd);
        let least = kept + MIN_RECLAIMABLE_PAGES + 2 * self.in_flight(host);
        let compressed = zswap::charged_pages(host, touched);
        if limit >= least && limit < least + compressed {
            let message = format!(
                "the limit ({}) leaves the guest no memory beside the compressed pages of zswap, which \
                 are charged to the container (up to {})",
                size(limit),
                size(compressed)
            );
            let help = format!("at least {}, or a smaller `max_pool`", size(least + compressed));
            return Err(at.fail(message, help));
        }
        if limit < least {
            let message = format!("the limit ({}) leaves the guest no memory to run", size(limit));
            let help = format!(
                "at least {}: `other_resident`, {}{}, and twice a read-ahead window for each task \
                 and a reclaim batch",
                size(least),
                if kept == other { "" } else { "regions in guest_memfd, " },
                size(MIN_RECLAIMABLE_PAGES)
            );
            return Err(at.fail(message, help));
        }
        Ok(touched.saturating_sub(limit - kept - compressed))
    }

    fn pages_in(&self, backing: RegionBacking) -> u64 {
        let regions = self.guests.iter().flat_map(|(_, regions, _)| *regions);
        regions.filter(|region| region.backing == backing).map(|region| region.pages).sum()
    }

    /// Pages that can be reclaimed, once all is touched.
    fn touched(&self) -> u64 {
        let of_guest = |((guest, regions, groups), balloon): (
            &(&GuestConfig, &[Region], &[TaskGroup]),
            &bool,
        )| {
            if *balloon {
                return guest.memory_pages;
            }
            let of_vmm = |region: &&Region| region.backing == RegionBacking::Vmm;
            let own: u64 = regions.iter().filter(of_vmm).map(|region| region.pages).sum();
            let all = regions.iter().map(|region| region.pages).sum();
            let discarded: u64 = groups.iter().map(TaskGroup::most_discarded).sum();
            own + guest.reclaimable_tables(all) + discarded
        };
        self.guests.iter().zip(&self.balloons).map(of_guest).sum()
    }

    /// Pages that may be under way at once: a read-ahead window for each task, and a batch that is
    /// being reclaimed.
    fn in_flight(&self, host: &HostConfig) -> u64 {
        let groups = self.guests.iter().flat_map(|(.., groups)| *groups);
        let tasks: u64 = groups.map(|group| u64::from(group.count)).sum();
        tasks * u64::from(host.read_ahead_pages) + u64::from(host.reclaim_batch_pages)
    }
}
