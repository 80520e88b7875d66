//! Regions and tasks.

use models::base::ids::{PAGE_SIZE, VcpuId};
use models::config::{GuestConfig, Region, RegionBacking, TaskGroup, Workload};
use models::machine::KERNEL_FRAMES;

use super::at::At;
use crate::scenario::file::{RegionFile, Requests, TaskFile, WorkloadFile};
use crate::scenario::op::{OpFile, Passes, program};
use crate::syntax::error::ScenarioError;
use crate::syntax::units::Bytes;

const MAX_REGIONS: usize = 256;
/// With the bound of a group, all tasks of a scenario are numbered below 2^20, as event keys need.
const MAX_GROUPS: usize = 255;
const MAX_TASKS_IN_GROUP: u64 = 4096;
const MAX_PASSES: u64 = 1_000_000_000_000;

pub(super) fn workload(
    at: &At<'_>,
    file: &WorkloadFile,
    guest: &GuestConfig,
) -> Result<Workload, ScenarioError> {
    let regions = regions(&at.field("regions"), &file.regions, guest)?;
    let at = at.field("tasks");
    if file.tasks.is_empty() {
        return Err(at.fail("there are no tasks", "give at least one group of tasks"));
    }
    if file.tasks.len() > MAX_GROUPS {
        let message = format!("there are {} groups of tasks", file.tasks.len());
        return Err(at.fail(message, format!("at most {MAX_GROUPS}")));
    }
    at.distinct(file.tasks.iter().map(|group| group.name.as_str()), Some("name"))?;
    let group =
        |(index, file): (usize, &TaskFile)| task_group(&at.index(index), file, &regions, guest);
    let tasks = file.tasks.iter().enumerate().map(group).collect::<Result<_, _>>()?;
    Ok(Workload { regions, tasks })
}

fn regions(
    at: &At<'_>,
    files: &[RegionFile],
    guest: &GuestConfig,
) -> Result<Vec<Region>, ScenarioError> {
    if files.len() > MAX_REGIONS {
        let message = format!("there are {} regions", files.len());
        return Err(at.fail(message, format!("at most {MAX_REGIONS}")));
    }
    at.distinct(files.iter().map(|region| region.name.as_str()), Some("name"))?;
    let mut regions = Vec::new();
    let mut total = 0;
    for (index, file) in files.iter().enumerate() {
        let at = at.index(index);
        let name = at.field("name").name(&file.name)?;
        let at = at.field("size");
        let pages = at.pages(file.size)?;
        if pages == 0 {
            return Err(at.fail("the region has no pages", "at least one page, \"4KiB\""));
        }
        total += pages;
        let memfd = files.iter().any(|file| file.backing == RegionBacking::GuestMemfd);
        let kept = guest.own_frames(KERNEL_FRAMES, total, if memfd { 2 } else { 1 });
        if total > guest.memory_pages.saturating_sub(kept) {
            let memory = Bytes(guest.memory_pages * PAGE_SIZE);
            let kernel = Bytes(kept * PAGE_SIZE);
            let sum = Bytes(total * PAGE_SIZE);
            let message = format!("the regions up to here ({sum}) exceed the guest's memory");
            return Err(at.fail(
                message,
                format!("`guest.memory` is {memory}, of which the guest's kernel keeps {kernel}"),
            ));
        }
        let &RegionFile { prefill, backing, .. } = file;
        regions.push(Region { name, pages, prefill, backing });
    }
    Ok(regions)
}

fn task_group(
    at: &At<'_>,
    file: &TaskFile,
    regions: &[Region],
    guest: &GuestConfig,
) -> Result<TaskGroup, ScenarioError> {
    let name = at.field("name").name(&file.name)?;
    let count = at.field("count").number(file.count.unwrap_or(1), 1..=MAX_TASKS_IN_GROUP)?;
    let start_on = start_on(&at.field("start_on"), file.start_on.as_deref(), guest)?;
    let number = file.passes.map(|passes| at.field("passes").number(passes, 1..=MAX_PASSES));
    let are_requests = file.requests == Requests::Passes;
    let passes = Passes { number: number.transpose()?, are_requests };
    let whole = at;
    let at = at.field("program");
    if file.program.is_empty() {
        let help = "give at least one operation, such as { \"op\": \"count\", ... }";
        return Err(at.fail("the program is empty", help));
    }
    let program = program(&at, &file.program, regions, passes)?;
    let endless = file.program.iter().position(|op| matches!(op, OpFile::Count(_)));
    if let Some(after) = endless.map(|index| index + 1).filter(|&after| after < file.program.len())
    {
        let message = "this operation is never reached: `count` before it has no end";
        return Err(at.index(after).fail(message, "put `count` last"));
    }
    if endless.is_some() && passes.number.is_some() {
        let message = "the program never gets to the end of a pass: `count` has no end";
        return Err(whole.field("passes").fail(message, "use `compute`, or leave `passes` out"));
    }
    Ok(TaskGroup { name, count, role: file.role, start_on, program })
}

fn start_on(
    at: &At<'_>,
    places: Option<&[u64]>,
    guest: &GuestConfig,
) -> Result<Vec<VcpuId>, ScenarioError> {
    let vcpus = guest.vcpus;
    let place = |(index, &place): (usize, &u64)| {
        let found = u16::try_from(place).ok().filter(|place| *place < vcpus);
        found.map(VcpuId).ok_or_else(|| {
            let message = format!("there is no vCPU {place}");
            at.index(index).fail(message, format!("they are numbered 0 to {}", vcpus - 1))
        })
    };
    places.unwrap_or_default().iter().enumerate().map(place).collect()
}
