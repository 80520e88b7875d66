//! Regions and tasks.

use models::base::ids::{PAGE_SIZE, VcpuId};
use models::config::{Arrivals, GuestConfig, Law, Region, RegionBacking, TaskGroup};
use models::machine::KERNEL_FRAMES;
use sim_core::{Distribution, SimDuration};

use super::at::{At, MAX_DURATION};
use super::content;
use super::device::law::time_law;
use super::discard;
use crate::scenario::file::{
    ArrivalsFile, RegionFile, Requests, ServiceTime, TaskFile, WorkloadFile,
};
use crate::scenario::op::{OpFile, Passes, Place, Tables, program};
use crate::syntax::error::ScenarioError;
use crate::syntax::units::{Bytes, Span};

pub(super) const MAX_REGIONS: usize = 256;
/// With the bound of a group, all tasks of a scenario are numbered below 2^20, as event keys need.
pub(super) const MAX_GROUPS: usize = 255;
const MAX_TASKS_IN_GROUP: u64 = 4096;
const MAX_PASSES: u64 = 1_000_000_000_000;

/// The parts of one virtual machine's workload; what its programs name by number goes into the tables of all.
pub(super) fn workload(
    at: &At<'_>,
    file: &WorkloadFile,
    guest: &GuestConfig,
    stores: &[String],
    place: &Place,
    tables: &mut Tables,
) -> Result<(Vec<Region>, Vec<TaskGroup>), ScenarioError> {
    let regions = regions(&at.field("regions"), &file.regions, guest, stores)?;
    let at = at.field("tasks");
    if file.tasks.is_empty() {
        return Err(at.fail("there are no tasks", "give at least one group of tasks"));
    }
    if file.tasks.len() > MAX_GROUPS {
        let message = format!("there are {} groups of tasks", file.tasks.len());
        return Err(at.fail(message, format!("at most {MAX_GROUPS}")));
    }
    at.distinct(file.tasks.iter().map(|group| group.name.as_str()), Some("name"))?;
    let mut group = |(index, file): (usize, &TaskFile)| {
        let guest = (guest, &regions[..]);
        let group = task_group(&at.index(index), file, guest, place, tables)?;
        Ok(TaskGroup { name: format!("{}{}", place.prefix, group.name), ..group })
    };
    let tasks: Vec<TaskGroup> =
        file.tasks.iter().enumerate().map(&mut group).collect::<Result<_, _>>()?;
    discard::goes_with_guest(&at, guest, &tasks, regions.iter().map(|region| region.pages).sum())?;
    let named =
        |region: Region| Region { name: format!("{}{}", place.prefix, region.name), ..region };
    Ok((regions.into_iter().map(named).collect(), tasks))
}

fn regions(
    at: &At<'_>,
    files: &[RegionFile],
    guest: &GuestConfig,
    stores: &[String],
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
        let (prefill, store) = content::content(&at, file, stores)?;
        let at = at.field("size");
        let pages = at.pages(file.size.bytes(guest.memory_pages * PAGE_SIZE))?;
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
        regions.push(Region { name, pages, prefill, backing: file.backing, store });
    }
    Ok(regions)
}

fn task_group(
    at: &At<'_>,
    file: &TaskFile,
    (guest, regions): (&GuestConfig, &[Region]),
    place: &Place,
    tables: &mut Tables,
) -> Result<TaskGroup, ScenarioError> {
    let name = at.field("name").name(&file.name)?;
    let count = at.field("count").number(file.count.unwrap_or(1), 1..=MAX_TASKS_IN_GROUP)?;
    let start_on = start_on(&at.field("start_on"), file.start_on.as_deref(), guest, place)?;
    let number = file.passes.map(|passes| at.field("passes").number(passes, 1..=MAX_PASSES));
    let are_requests = file.requests == Requests::Passes;
    let start = file.start.map_or(SimDuration::ZERO, |start| start.0);
    let start = at.field("start").span(start, SimDuration::ZERO..=MAX_DURATION)? + place.start;
    let arrivals = file.arrivals.as_ref();
    let arrivals = arrivals.map(|file| self::arrivals(&at.field("arrivals"), file, tables));
    let arrivals = arrivals.transpose()?;
    let passes =
        Passes { number: number.transpose()?, are_requests, start, arrivals: arrivals.is_some() };
    let whole = at;
    let at = at.field("program");
    if file.program.is_empty() {
        let help = "give at least one operation, such as { \"op\": \"count\", ... }";
        return Err(at.fail("the program is empty", help));
    }
    let program = program(&at, &file.program, (regions, place), passes, tables)?;
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
    Ok(TaskGroup { name, count, role: file.role, start_on, arrivals, program })
}

/// Arrivals of a list, at most.
const MAX_ARRIVALS: usize = 100_000;

fn arrivals(
    at: &At<'_>,
    file: &ArrivalsFile,
    tables: &mut Tables,
) -> Result<Arrivals, ScenarioError> {
    let mut law = |field: &str, file: &ServiceTime| {
        let at = at.field(field);
        tables.law(&at, time_law(&at, file)?)
    };
    Ok(match file {
        ArrivalsFile::Poisson { mean } => {
            let mean = at.field("mean").some_time(mean.0)?.as_ps();
            let law = Law { law: Distribution::Exponential { mean }, unit: 1 };
            Arrivals::Law { gap: tables.law(at, law)?, on_off: None }
        }
        ArrivalsFile::Law { gap } => Arrivals::Law { gap: law("gap", gap)?, on_off: None },
        ArrivalsFile::OnOff { gap, on, off } => Arrivals::Law {
            gap: law("gap", gap)?,
            on_off: Some((law("on", on)?, law("off", off)?)),
        },
        ArrivalsFile::Times { at: times } => {
            let at = at.field("at");
            if !(1..=MAX_ARRIVALS).contains(&times.len()) {
                let message = format!("there are {} times", times.len());
                return Err(at.fail(message, format!("from 1 to {MAX_ARRIVALS}")));
            }
            let range = SimDuration::ZERO..=MAX_DURATION;
            let time = |(index, time): (usize, &Span)| at.index(index).span(time.0, range.clone());
            let times: Vec<SimDuration> =
                times.iter().enumerate().map(time).collect::<Result<_, _>>()?;
            if let Some(place) = times.windows(2).position(|pair| pair[0] > pair[1]) {
                let message = "this is earlier than the time before it";
                return Err(at.index(place + 1).fail(message, "times must not fall"));
            }
            Arrivals::Times(times)
        }
    })
}

fn start_on(
    at: &At<'_>,
    places: Option<&[u64]>,
    guest: &GuestConfig,
    of: &Place,
) -> Result<Vec<VcpuId>, ScenarioError> {
    let vcpus = guest.vcpus;
    let place = |(index, &place): (usize, &u64)| {
        let found = u16::try_from(place).ok().filter(|place| *place < vcpus);
        found.map(|place| VcpuId(of.first_vcpu + place)).ok_or_else(|| {
            let message = format!("there is no vCPU {place}");
            at.index(index).fail(message, format!("they are numbered 0 to {}", vcpus - 1))
        })
    };
    places.unwrap_or_default().iter().enumerate().map(place).collect()
}
