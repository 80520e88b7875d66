//! The virtual machines of a host: one, or several with what each says itself.

use std::ops::Range;

use models::base::ids::VmId;
use models::base::record::MemcgFile;
use models::config::{
    Balloon, Container, GuestConfig, GuestPaging, HostConfig, HostPaging, MAX_VMS, Policy,
    Processes, Region, StoreConfig, TaskGroup, VmConfig, Workload,
};
use sim_core::SimDuration;

use super::at::{At, MAX_DURATION};
use super::guest::MAX_VCPUS;
use super::host::Inside;
use super::images::{self, Image};
use super::workload::{MAX_GROUPS, MAX_REGIONS};
use super::{arrivals, balloon, disturbance, guest, policy, workload};
use crate::scenario::file::{GuestFile, ScenarioFile, VmFile, WorkloadFile};
use crate::scenario::op::{Place, Tables};
use crate::syntax::error::ScenarioError;

/// One virtual machine as far as it is read.
struct Vm<'a> {
    at: At<'a>,
    guest_at: At<'a>,
    workload_at: At<'a>,
    guest: GuestConfig,
    first_vcpu: u16,
    regions: Range<usize>,
    groups: Range<usize>,
}

/// All of them, with what they run.
pub(super) struct Vms<'a> {
    root: At<'a>,
    of: Vec<Vm<'a>>,
    /// What there is of each besides its guest; empty: there is one that says nothing itself.
    named: Vec<VmConfig>,
    /// `memory.high` of containers of their own.
    highs: Vec<(VmId, u64)>,
    /// Their balloons, each with its place.
    pub(super) balloons: Vec<(At<'a>, Balloon)>,
    workload: Workload,
}

/// Reads them in their order.
struct Reading<'a, 's> {
    vms: Vms<'a>,
    tables: Tables,
    stores: &'s [String],
}

pub(super) fn vms<'a>(
    root: &At<'a>,
    file: &ScenarioFile,
    stores: &[String],
) -> Result<Vms<'a>, ScenarioError> {
    let vms = Vms {
        root: root.clone(),
        of: Vec::new(),
        named: Vec::new(),
        highs: Vec::new(),
        balloons: Vec::new(),
        workload: Workload::default(),
    };
    let mut reading = Reading { vms, tables: Tables::default(), stores };
    if file.vms.is_empty() {
        let place = Place::default();
        reading.add(root, (&file.guest, &root.field("guest")), file, None, place)?;
        return Ok(reading.finish());
    }
    let at = root.field("vms");
    at.distinct(file.vms.iter().map(|vm| vm.name.as_str()), Some("name"))?;
    for (index, vm) in file.vms.iter().enumerate() {
        reading.some(&at.index(index), vm, file)?;
    }
    let Reading { vms, .. } = &reading;
    at.distinct(vms.named.iter().map(|vm| vm.name.as_str()), None)?;
    Ok(reading.finish())
}

impl<'a> Reading<'a, '_> {
    /// Some equal virtual machines.
    fn some(&mut self, at: &At<'a>, vm: &VmFile, file: &ScenarioFile) -> Result<(), ScenarioError> {
        let name = at.field("name").name(&vm.name)?;
        let count: u64 = at.field("count").number(vm.count.unwrap_or(1), 1..=MAX_VMS as u64)?;
        let policy = vm.policy.as_ref().map(|file| policy::policy(&at.field("policy"), file));
        let policy = policy.transpose()?.map(|(_, policy)| policy);
        let start = vm.start.map_or(SimDuration::ZERO, |start| start.0);
        let start = at.field("start").span(start, SimDuration::ZERO..=MAX_DURATION)?;
        let container = container(at, vm)?;
        let high = vm.memory_high.map(|size| at.field("memory_high").pages(size)).transpose()?;
        if high.is_some() && container.is_none() {
            let message = "this virtual machine has no container of its own";
            let help = "add `memory_limit`, or say it of the host: `host.memory_high`";
            return Err(at.field("memory_high").fail(message, help));
        }
        for number in 1..=count {
            if self.vms.of.len() == MAX_VMS {
                let help = format!("at most {MAX_VMS}");
                return Err(at.fail("there are too many virtual machines", help));
            }
            let place = VmId(self.vms.of.len() as u16);
            self.vms.highs.extend(high.map(|high| (place, high)));
            let name = if count == 1 { name.clone() } else { format!("{name}-{number}") };
            let place = Place { prefix: format!("{name}:"), start, ..self.place() };
            let root = &self.vms.root;
            let guest = match &vm.guest {
                Some(guest) => (guest, at.field("guest")),
                None => (&file.guest, root.field("guest")),
            };
            let policy = policy.clone();
            let named = VmConfig { name, regions: 0, groups: 0, container, policy };
            self.add(at, (guest.0, &guest.1), file, Some((vm, named)), place)?;
        }
        Ok(())
    }

    /// Where the next one begins.
    fn place(&self) -> Place {
        let first_vcpu = self.vms.of.iter().map(|vm| vm.guest.vcpus).sum();
        let first_region = self.vms.workload.regions.len() as u16;
        Place { first_region, first_vcpu, ..Place::default() }
    }

    fn add(
        &mut self,
        at: &At<'a>,
        (guest, guest_at): (&GuestFile, &At<'a>),
        file: &ScenarioFile,
        named: Option<(&VmFile, VmConfig)>,
        place: Place,
    ) -> Result<(), ScenarioError> {
        let balloon = guest.balloon.as_ref();
        let guest = guest::guest(guest_at, guest)?;
        let before: usize = self.vms.of.iter().map(|vm| usize::from(vm.guest.vcpus)).sum();
        if before + usize::from(guest.vcpus) > MAX_VCPUS as usize {
            let help = format!("at most {MAX_VCPUS} of all virtual machines together");
            return Err(guest_at.field("vcpus").fail("there are too many vCPUs", help));
        }
        let own = named.as_ref().and_then(|(vm, _)| vm.workload.as_ref());
        let (workload, workload_at): (&WorkloadFile, At<'a>) = match own {
            Some(own) => (own, at.field("workload")),
            None => (&file.workload, self.vms.root.field("workload")),
        };
        let (stores, tables) = (self.stores, &mut self.tables);
        let (regions, groups) =
            workload::workload(&workload_at, workload, &guest, stores, &place, tables)?;
        if let Some(file) = balloon {
            let (at, vm) = (guest_at.field("balloon"), VmId(self.vms.of.len() as u16));
            let own = balloon::balloon(&at, file, vm, (&guest, &regions, &groups))?;
            self.vms.balloons.push((at, own));
        }
        let Workload { regions: all_regions, tasks, .. } = &mut self.vms.workload;
        let (region, group) = (all_regions.len(), tasks.len());
        all_regions.extend(regions);
        tasks.extend(groups);
        let (regions, groups) = (region..all_regions.len(), group..tasks.len());
        for (all, most, what) in
            [(regions.end, MAX_REGIONS, "regions"), (groups.end, MAX_GROUPS, "groups of tasks")]
        {
            if all > most {
                let message = format!("there are {all} {what} up to here");
                let help = format!("at most {most} of all virtual machines together");
                return Err(at.fail(message, help));
            }
        }
        if let Some((_, named)) = named {
            let (regions, groups) = (regions.len() as u16, groups.len() as u16);
            self.vms.named.push(VmConfig { regions, groups, ..named });
        }
        let (at, guest_at, first_vcpu) = (at.clone(), guest_at.clone(), place.first_vcpu);
        self.vms.of.push(Vm { at, guest_at, workload_at, guest, first_vcpu, regions, groups });
        Ok(())
    }

    fn finish(self) -> Vms<'a> {
        let Self { mut vms, tables: Tables { laws, walks, addresses, syncs }, .. } = self;
        let Workload { regions, tasks, .. } = std::mem::take(&mut vms.workload);
        vms.workload = Workload { regions, tasks, laws, walks, addresses, syncs };
        vms
    }
}

fn container(at: &At<'_>, vm: &VmFile) -> Result<Option<Container>, ScenarioError> {
    let other = vm.other_resident.map(|size| at.field("other_resident").pages(size)).transpose()?;
    match (vm.memory_limit, other) {
        (None, Some(_)) => {
            let message = "this virtual machine has no container of its own";
            let help = "add `memory_limit`, or say it of the host: `host.other_resident`";
            Err(at.field("other_resident").fail(message, help))
        }
        (None, None) => Ok(None),
        (Some(limit), other) => Ok(Some(Container {
            limit_pages: at.field("memory_limit").pages(limit)?,
            other_resident_pages: other.unwrap_or(0),
        })),
    }
}

impl<'a> Vms<'a> {
    /// Memory of all guests.
    pub(super) fn memory_pages(&self) -> u64 {
        self.of.iter().map(|vm| vm.guest.memory_pages).sum()
    }

    /// Memory of the guests in the host's container; of all where each has one of its own.
    pub(super) fn shared_pages(&self) -> u64 {
        let own = |place: usize| self.named.get(place).is_some_and(|it| it.container.is_some());
        let shared = self.of.iter().enumerate().filter(|(place, _)| !own(*place));
        match shared.map(|(_, vm)| vm.guest.memory_pages).sum() {
            0 => self.memory_pages(),
            pages => pages,
        }
    }

    /// What they run.
    pub(super) fn workload(&self) -> &Workload {
        &self.workload
    }

    /// Refuses what is for a virtual machine that is the only one.
    pub(super) fn fit_beside_each_other(&self, host: &HostConfig) -> Result<(), ScenarioError> {
        if self.named.is_empty() {
            return Ok(());
        }
        let refuse = |at: At<'_>, what: &str| {
            let message = format!("{what}: not with several virtual machines");
            Err(at.fail(message, "leave it out, or `vms`"))
        };
        let at = self.root.field("host");
        if host.paging == HostPaging::Shadow {
            return refuse(at.field("paging"), "shadow paging");
        }
        if host.thp {
            return refuse(at.field("thp"), "huge pages of the host");
        }
        for vm in &self.of {
            if vm.guest.paging == GuestPaging::Off {
                return refuse(vm.guest_at.field("paging"), "a guest without paging");
            }
            if vm.guest.processes != Processes::One {
                return refuse(vm.guest_at.field("processes"), "tasks with processes of their own");
            }
        }
        Ok(())
    }

    /// The images of stores that the virtual machines have, of which there are so many; regions get their numbers.
    pub(super) fn images(&mut self, stores: usize) -> Vec<Image> {
        if self.named.is_empty() {
            return images::of_one(stores, &self.workload.regions);
        }
        let of = self.named.iter().zip(&self.of);
        let vms: Vec<_> = of.map(|(named, vm)| (named.name.clone(), vm.regions.clone())).collect();
        images::of_several(stores, &vms, &mut self.workload.regions)
    }

    /// Where a region stands in the file.
    pub(super) fn region_at(&self, region: usize) -> At<'a> {
        let own = self.of.iter().find(|vm| vm.regions.contains(&region));
        let Some(own) = own else { return self.root.field("workload").field("regions") };
        own.workload_at.field("regions").index(region - own.regions.start)
    }

    /// The guests, each with its place in the file.
    pub(super) fn guests(&self) -> impl Iterator<Item = (&At<'a>, &GuestConfig)> {
        self.of.iter().map(|vm| (&vm.guest_at, &vm.guest))
    }

    fn inside<'s>(&'s self, vm: &'s Vm<'a>) -> (&'s GuestConfig, &'s [Region], &'s [TaskGroup]) {
        let Workload { regions, tasks, .. } = &self.workload;
        (&vm.guest, &regions[vm.regions.clone()], &tasks[vm.groups.clone()])
    }

    /// What is in each memory container: first in that of the host, if anything is.
    pub(super) fn containers(&self, host: &HostConfig) -> Vec<Inside<'_>> {
        let own = |place: usize| self.named.get(place).and_then(|named| named.container);
        let all = || self.of.iter().enumerate();
        let shared: Vec<(usize, _)> = all()
            .filter(|(place, _)| own(*place).is_none())
            .map(|(place, vm)| (place, self.inside(vm)))
            .collect();
        let in_balloons =
            |place: usize| self.balloons.iter().any(|(_, balloon)| balloon.vm.index() == place);
        let agents = &host.memory_control.proactive;
        let has_agent = |is: &dyn Fn(VmId) -> bool| agents.iter().any(|agent| is(agent.vm));
        let mut containers = Vec::new();
        if !shared.is_empty() {
            containers.push(Inside {
                at: self.root.field("host").field("memory_limit"),
                limit: host.memory_limit_pages,
                roomy: !self.named.is_empty(),
                other: host.other_resident_pages
                    + host.memory_control.kswapd.as_ref().map_or(0, |marks| marks.high),
                later: self.later(host, |vm| own(vm.index()).is_none()),
                proactive: has_agent(&|vm| own(vm.index()).is_none()),
                balloons: shared.iter().map(|(place, _)| in_balloons(*place)).collect(),
                guests: shared.into_iter().map(|(_, guest)| guest).collect(),
            });
        }
        containers.extend(all().filter_map(|(place, vm)| {
            let Container { limit_pages, other_resident_pages } = own(place)?;
            Some(Inside {
                at: vm.at.field("memory_limit"),
                limit: limit_pages,
                roomy: false,
                other: other_resident_pages,
                later: self.later(host, |vm| vm.index() == place),
                proactive: has_agent(&|vm| vm.index() == place),
                balloons: vec![in_balloons(place)],
                guests: vec![self.inside(vm)],
            })
        }));
        containers
    }

    /// Whether a virtual machine has a container of its own.
    pub(super) fn have_own_containers(&self) -> bool {
        self.named.iter().any(|named| named.container.is_some())
    }

    /// `memory.high` of containers of their own.
    pub(super) fn named_highs(&self) -> impl Iterator<Item = (VmId, u64)> + '_ {
        self.highs.iter().copied()
    }

    /// Limits that a container gets later, or besides, each with its place.
    fn later(&self, host: &HostConfig, is: impl Fn(VmId) -> bool) -> Vec<(At<'a>, u64)> {
        let at = self.root.field("host").field("memory_limits");
        let all = host.memory_control.limits.iter().enumerate();
        let own = all.filter(|(_, change)| is(change.vm));
        let mut later: Vec<_> = own
            .map(|(place, change)| {
                let field = if change.file == MemcgFile::Max { "limit" } else { "high" };
                (at.index(place).field(field), change.limit_pages)
            })
            .collect();
        for &(vm, pages) in host.memory_control.highs.iter().filter(|high| is(high.0)) {
            let at = match self.named.get(vm.index()).and_then(|named| named.container) {
                Some(_) => self.of[vm.index()].at.field("memory_high"),
                None => self.root.field("host").field("memory_high"),
            };
            later.push((at, pages));
        }
        later
    }

    /// The first virtual machine of the container of the one with this name, or of the host's.
    pub(super) fn container_named(
        &self,
        at: &At<'_>,
        name: Option<&str>,
    ) -> Result<VmId, ScenarioError> {
        let own = |place: usize| self.named.get(place).is_some_and(|vm| vm.container.is_some());
        let names: Vec<&str> = self.named.iter().map(|vm| vm.name.as_str()).collect();
        let Some(name) = name else {
            let first = (0..self.of.len()).find(|&place| !own(place));
            return first.map(|place| VmId(place as u16)).ok_or_else(|| {
                let help = format!("add `\"vm\": ...`, one of {}", names.join(", "));
                at.fail("no virtual machine is in the host's container", help)
            });
        };
        let place = names.iter().position(|other| *other == name);
        let place = place.ok_or_else(|| at.unknown("virtual machine", name, &names))?;
        if !own(place) {
            let message = format!("`{name}` has no container of its own");
            let help = "leave `vm` out for that of the host, or give it a `memory_limit`";
            return Err(at.fail(message, help));
        }
        Ok(VmId(place as u16))
    }

    /// The virtual machine of this name, which may be left out where there is one only.
    pub(super) fn named(&self, at: &At<'_>, name: Option<&str>) -> Result<VmId, ScenarioError> {
        let names: Vec<&str> = self.named.iter().map(|vm| vm.name.as_str()).collect();
        let place = match name {
            Some(name) => names.iter().position(|other| *other == name),
            None if names.len() > 1 => {
                let help = format!("add `\"vm\": ...`, one of {}", names.join(", "));
                return Err(at.fail("of which virtual machine?", help));
            }
            None => Some(0),
        };
        let unknown = || at.field("vm").unknown("virtual machine", name.unwrap_or(""), &names);
        place.map(|place| VmId(place as u16)).ok_or_else(unknown)
    }

    /// The regions of a virtual machine.
    pub(super) fn regions_of(&self, vm: VmId) -> Vec<Region> {
        self.workload.regions[self.of[vm.index()].regions.clone()].to_vec()
    }

    /// Refuses arrivals of requests without end.
    pub(super) fn fit_arrivals(&self, end: SimDuration) -> Result<(), ScenarioError> {
        let Workload { tasks, laws, .. } = &self.workload;
        self.of.iter().try_for_each(|vm| {
            let at = vm.workload_at.field("tasks");
            arrivals::fit(&at, &tasks[vm.groups.clone()], laws, end)
        })
    }

    /// Policies that virtual machines have themselves.
    pub(super) fn own_policies(&self) -> impl Iterator<Item = &Policy> {
        self.named.iter().filter_map(|named| named.policy.as_ref())
    }

    /// What disturbances have to know.
    pub(super) fn for_disturbances(&self, stores: &[StoreConfig]) -> Vec<disturbance::Vm<'_>> {
        let handled = |region: &Region| {
            region.store.is_some_and(|store| stores[store.index()].handler.is_some())
        };
        self.of
            .iter()
            .enumerate()
            .map(|(place, vm)| disturbance::Vm {
                name: self.named.get(place).map(|named| named.name.as_str()),
                guest: &vm.guest,
                first_vcpu: vm.first_vcpu,
                has_handler: self.workload.regions[vm.regions.clone()].iter().any(handled),
            })
            .collect()
    }

    /// Refuses policies that the memory or the host of a virtual machine does not allow.
    pub(super) fn allow(
        &self,
        policies: &[(usize, &Policy)],
        stores: &[StoreConfig],
    ) -> Result<(), ScenarioError> {
        let at = self.root.field("policies");
        for (place, vm) in self.of.iter().enumerate() {
            let regions = &self.workload.regions[vm.regions.clone()];
            let own = self.named.get(place).and_then(|named| named.policy.as_ref());
            let Some(own) = own else {
                for &(index, policy) in policies {
                    if let Some((message, help)) = policy::without_memory(policy, regions, stores) {
                        return Err(at.index(index).fail(message, help));
                    }
                }
                continue;
            };
            let others = self.named[..place].iter().filter_map(|named| named.policy.as_ref());
            let apart = policies
                .iter()
                .map(|(_, policy)| *policy)
                .chain(others)
                .find_map(|it| policy::two_hosts(own, it));
            if let Some((message, help)) = policy::without_memory(own, regions, stores).or(apart) {
                return Err(vm.at.field("policy").fail(message, help));
            }
        }
        Ok(())
    }

    /// The guests, what there is of each besides, and what they run.
    /// Where the program of each group of tasks stands in the file.
    pub(super) fn programs_at(&self) -> Vec<At<'a>> {
        let all = self.of.iter().flat_map(|vm| {
            let at = vm.workload_at.field("tasks");
            (0..vm.groups.len()).map(move |group| at.index(group).field("program"))
        });
        all.collect()
    }

    pub(super) fn into_parts(self) -> (Vec<GuestConfig>, Vec<VmConfig>, Workload) {
        (self.of.into_iter().map(|vm| vm.guest).collect(), self.named, self.workload)
    }
}
