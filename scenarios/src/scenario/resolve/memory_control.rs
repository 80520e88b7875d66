//! What is done to memory containers during a run.

use std::collections::{BTreeMap, BTreeSet};

use models::base::ids::{PcpuId, VmId};
use models::base::record::MemcgFile;
use models::config::{
    Cgroup, HostConfig, Kswapd, LimitChange, MemoryControl, ProactiveReclaim, ReclaimAsk,
};
use sim_core::SimDuration;

use super::at::{At, MAX_DURATION, MAX_SPAN};
use super::vms::Vms;
use crate::scenario::file::{KswapdFile, MemoryLimitFile, ProactiveReclaimFile, ScenarioFile};
use crate::syntax::error::ScenarioError;

const MAX_CHANGES: usize = 1024;
/// More often than this an agent would do nothing else.
const SHORTEST_EVERY: SimDuration = SimDuration::from_us(100);

/// The limits that containers get, in the order of the file. Whether there is room under each is seen with
/// that under the first ones.
pub(super) fn limits(
    at: &At<'_>,
    files: &[MemoryLimitFile],
    vms: &Vms<'_>,
    end: SimDuration,
) -> Result<Vec<LimitChange>, ScenarioError> {
    if files.len() > MAX_CHANGES {
        let message = format!("there are {} changes of limits", files.len());
        return Err(at.fail(message, format!("at most {MAX_CHANGES}")));
    }
    let mut last: BTreeMap<VmId, SimDuration> = BTreeMap::new();
    let read = |(index, file): (usize, &MemoryLimitFile)| {
        let at = at.index(index);
        let vm = vms.container_named(&at.field("vm"), file.vm.as_deref())?;
        let time = at.field("at");
        let when = time.span(file.at.0, SimDuration::ZERO..=MAX_DURATION)?;
        if when >= end {
            let message = format!("the run is over after {end}");
            return Err(time.fail(message, "a time before `warmup` and `duration` are over"));
        }
        if last.insert(vm, when).is_some_and(|before| before >= when) {
            let message = "the container has a later limit before, or another one at this time";
            return Err(time.fail(message, "limits of a container in the order of their times"));
        }
        let (file, limit_pages) = match (file.limit, file.high) {
            (Some(limit), None) => (MemcgFile::Max, at.field("limit").pages(limit)?),
            (None, Some(high)) => (MemcgFile::High, at.field("high").pages(high)?),
            _ => {
                let help = "one `limit`, or one `high`; a second entry for the other";
                return Err(at.fail("one file of the container is written at a time", help));
            }
        };
        Ok(LimitChange { at: when, vm, file, limit_pages })
    };
    files.iter().enumerate().map(read).collect()
}

/// Containers that have a `memory.high` from the beginning: that of the host, and those of virtual machines.
pub(super) fn highs(
    root: &At<'_>,
    file: &ScenarioFile,
    vms: &Vms<'_>,
) -> Result<Vec<(VmId, u64)>, ScenarioError> {
    let mut highs = Vec::new();
    if let Some(high) = file.host.memory_high {
        let at = root.field("host").field("memory_high");
        highs.push((vms.container_named(&at, None)?, at.pages(high)?));
    }
    for (place, high) in vms.named_highs() {
        highs.push((place, high));
    }
    Ok(highs)
}

/// Agents that have memory reclaimed, in the order of the file.
pub(super) fn proactive(
    at: &At<'_>,
    files: &[ProactiveReclaimFile],
    vms: &Vms<'_>,
) -> Result<Vec<ProactiveReclaim>, ScenarioError> {
    let mut seen = BTreeSet::new();
    let read = |(index, file): (usize, &ProactiveReclaimFile)| {
        let at = at.index(index);
        let vm = vms.container_named(&at.field("vm"), file.vm.as_deref())?;
        if !seen.insert(vm) {
            return Err(at.fail("the container has an agent already", "one agent a container"));
        }
        let every = at.field("every").span(file.every.0, SHORTEST_EVERY..=MAX_SPAN)?;
        let first = file.at.map_or(every, |first| first.0);
        let first = at.field("at").span(first, SimDuration::ZERO..=MAX_DURATION)?;
        let ask = match (file.size, file.share_ppm) {
            (Some(size), None) => {
                let at = at.field("size");
                ReclaimAsk::Pages(at.number(at.pages(size)?, 1..=1 << 28)?)
            }
            (None, Some(ppm)) => {
                ReclaimAsk::Share { ppm: at.field("share_ppm").number(ppm, 1..=1_000_000)? }
            }
            _ => {
                let help = "one `size`, or one `share_ppm`";
                return Err(at.fail("how much is to be reclaimed each time?", help));
            }
        };
        Ok(ProactiveReclaim { vm, at: first, every, ask })
    };
    files.iter().enumerate().map(read).collect()
}

/// The marks of the host's memory as a whole.
pub(super) fn kswapd(
    at: &At<'_>,
    file: Option<&KswapdFile>,
    host: &HostConfig,
    vms: &Vms<'_>,
) -> Result<Option<Kswapd>, ScenarioError> {
    let Some(file) = file else { return Ok(None) };
    let MemoryControl { limits, highs, proactive, .. } = &host.memory_control;
    if vms.have_own_containers() || !limits.is_empty() || !highs.is_empty() || !proactive.is_empty()
    {
        let message = "the host's memory as a whole is all there is: no containers, limits or agents beside it";
        return Err(at.fail(message, "leave out either"));
    }
    let min_free = file
        .min_free
        .map(|size| at.field("min_free").number(size.0 / 1024, 128..=host.memory_limit_pages));
    let scale = file.scale_factor.unwrap_or(10);
    let scale = at.field("scale_factor").number(scale, 1..=3000)?;
    let cpu = file.cpu.map(|cpu| {
        let number = at.field("cpu").number::<u16>(cpu, 0..=u64::from(host.cpus) - 1)?;
        Ok(PcpuId(number))
    });
    let marks = Kswapd::marks(host.memory_limit_pages, min_free.transpose()?, scale);
    Ok(Some(Kswapd { cpu: cpu.transpose()?, ..marks }))
}

/// Refuses agents where control groups have no such file.
pub(super) fn proactive_goes_with(at: &At<'_>, host: &HostConfig) -> Result<(), ScenarioError> {
    if host.memory_control.proactive.is_empty() || host.kernel.cgroup == Cgroup::V2 {
        return Ok(());
    }
    let message =
        "the host's kernel has control groups of version 1, which know no `memory.reclaim`";
    let help = "a `host.kernel` from `linux-6.1` on, or its field `cgroup`";
    Err(at.fail(message, help))
}

/// Refuses a `memory.high` where it is not modelled, or the kernel has none.
pub(super) fn high_goes_with(root: &At<'_>, host: &HostConfig) -> Result<(), ScenarioError> {
    if !host.memory_control.has_high() {
        return Ok(());
    }
    let at = root.field("host");
    if host.kernel.cgroup == Cgroup::V1 {
        let message =
            "the host's kernel has control groups of version 1, which know no `memory.high`";
        let help = "a `host.kernel` from `linux-5.10` on, or its field `cgroup`";
        return Err(at.field("kernel").fail(message, help));
    }
    if host.thp {
        let message = "huge pages of the host beside a `memory.high` are not modelled";
        return Err(at.field("thp").fail(message, "one without the other"));
    }
    if let Some(place) = host.stores.iter().position(|store| store.handler.is_some()) {
        // Several virtual machines have images of one store.
        let images = &host.stores[..=place];
        let place = images.iter().filter(|image| image.shares.is_none()).count() - 1;
        let message = "threads of the VMM that bring pages beside a `memory.high` are not modelled";
        return Err(at.field("stores").index(place).fail(message, "one without the other"));
    }
    Ok(())
}
