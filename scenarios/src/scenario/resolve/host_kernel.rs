//! The host's kernel: a preset by name, which says how all of the host works, and what differs.

use models::config::{DeviceConfig, EevdfParams, HostConfig, HostKernel, SchedParams};
use models::presets::{self, GuestKernelPreset, HostKernelPreset};
use sim_core::SimDuration;

use super::at::At;
use crate::scenario::file::{HostKernelFile, HostKernelRef};
use crate::syntax::error::ScenarioError;

/// Which kernel a host has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostIdentity {
    /// The preset.
    pub kernel: String,
    /// Fields of `host` in which the host is not what that kernel makes of it; empty: none.
    pub differs: Vec<&'static str>,
}

/// The preset of a host's kernel, and what the file changes of it.
pub(super) struct Named<'a> {
    preset: HostKernelPreset,
    /// The kernel whose scheduler it is.
    scheduler: GuestKernelPreset,
    changes: Option<&'a HostKernelFile>,
}

/// Looks the preset up that a file names.
pub(super) fn named<'a>(
    at: &At<'_>,
    file: Option<&'a HostKernelRef>,
) -> Result<Named<'a>, ScenarioError> {
    let (place, name, changes) = match file {
        None => (at.clone(), None, None),
        Some(HostKernelRef::Name(name)) => (at.clone(), Some(name), None),
        Some(HostKernelRef::Inline(file)) => (at.field("preset"), file.preset.as_ref(), Some(file)),
    };
    let name = name.map_or(presets::HOST_KERNEL, String::as_str);
    let found = presets::host_kernel(name).zip(presets::guest_kernel(name));
    let Some((preset, scheduler)) = found else {
        let names = presets::host_kernel_names();
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        return Err(place.unknown("kernel preset of hosts", name, &names));
    };
    Ok(Named { preset, scheduler, changes })
}

impl Named<'_> {
    /// Name of the preset.
    pub(super) fn name(&self) -> &str {
        &self.preset.name
    }

    /// Pages of a write at most, unless the file says so.
    pub(super) fn max_write_pages(&self) -> u32 {
        self.preset.max_write_pages
    }

    /// Tick of its scheduler.
    pub(super) fn tick(&self) -> SimDuration {
        SimDuration::from_secs(1).divided_by(self.scheduler.hz.into())
    }

    /// How the kernel works with a swap device, changes included.
    pub(super) fn resolve(
        &self,
        at: &At<'_>,
        device: &DeviceConfig,
    ) -> Result<HostKernel, ScenarioError> {
        let kernel = self.preset.with(device);
        self.changes.map_or(Ok(kernel), |file| changed(at, kernel, file))
    }

    /// What the host is called, and where it is not what its kernel makes of it.
    pub(super) fn identity(&self, host: &HostConfig) -> HostIdentity {
        let mut differs = kernel_differs(&host.kernel, &self.preset.with(&host.device));
        let sched = match self.scheduler.sched(host.cpus) {
            SchedParams::Eevdf(params) => {
                SchedParams::Eevdf(EevdfParams { tick: host.tick, ..params })
            }
            cfs @ SchedParams::Cfs(_) => cfs,
        };
        differs.extend((host.sched != sched).then_some("sched"));
        differs.extend((host.tick != self.tick()).then_some("tick"));
        HostIdentity { kernel: self.preset.name.clone(), differs }
    }
}

fn changed(
    at: &At<'_>,
    mut kernel: HostKernel,
    file: &HostKernelFile,
) -> Result<HostKernel, ScenarioError> {
    if let Some(threads) = file.slow_work_threads {
        kernel.slow_work_threads = at.field("slow_work_threads").number(threads, 1..=255)?;
    }
    if let Some(active) = file.workqueue_max_active {
        kernel.workqueue_max_active = at.field("workqueue_max_active").number(active, 1..=2048)?;
    }
    kernel.lru = file.lru.unwrap_or(kernel.lru);
    kernel.cgroup = file.cgroup.unwrap_or(kernel.cgroup);
    kernel.direct_reclaim = file.direct_reclaim.unwrap_or(kernel.direct_reclaim);
    kernel.written_pages = file.written_pages.unwrap_or(kernel.written_pages);
    kernel.read_ahead = file.read_ahead.unwrap_or(kernel.read_ahead);
    if let Some(target) = file.writeback_throttling {
        let at = at.field("writeback_throttling");
        let target = at.span(target.0, SimDuration::ZERO..=SimDuration::from_secs(1))?;
        kernel.writeback_throttling = (!target.is_zero()).then_some(target);
    }
    kernel.swap_write_limit = file.swap_write_limit.unwrap_or(kernel.swap_write_limit);
    if let Some(most) = file.halt_poll {
        let range = SimDuration::ZERO..=SimDuration::from_secs(1);
        kernel.halt_poll = at.field("halt_poll").span(most.0, range)?;
    }
    if let Some(shrink) = file.halt_poll_shrink {
        kernel.halt_poll_shrink = at.field("halt_poll_shrink").number(shrink, 0..=1000)?;
    }
    kernel.mmu_retry = file.mmu_retry.unwrap_or(kernel.mmu_retry);
    kernel.read_faults = file.read_faults.unwrap_or(kernel.read_faults);
    kernel.second_stage_lock = file.second_stage_lock.unwrap_or(kernel.second_stage_lock);
    kernel.zswap = file.zswap.unwrap_or(kernel.zswap);
    if let Some(block) = file.fault_around {
        kernel.fault_around_pages = at.field("fault_around").block(block)?;
    }
    kernel.mmap_miss = file.mmap_miss.unwrap_or(kernel.mmap_miss);
    kernel.file_windows = file.file_windows.unwrap_or(kernel.file_windows);
    kernel.polled_reads = file.polled_reads.unwrap_or(kernel.polled_reads);
    Ok(kernel)
}

/// The fields in which two kernels differ.
fn kernel_differs(one: &HostKernel, other: &HostKernel) -> Vec<&'static str> {
    let pairs = one.fields().into_iter().zip(other.fields());
    pairs.filter(|(one, other)| one != other).map(|((name, _), _)| name).collect()
}
