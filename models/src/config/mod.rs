//! What a machine is made of, resolved to plain values: one file a part of the machine. Scenario
//! files are turned into this; nothing here is read from a file or has a default.

mod address_trace;
mod balloon;
use std::ops::Range;

use crate::base::ids::{VcpuId, VmId};
use crate::base::record::MemcgFile;

pub mod costs;
mod cpu;
mod device;
mod disturbance;
mod guest;
mod host;
mod memory_control;
mod op;
mod paging;
mod policy;
mod protection;
mod sched;
mod store;
mod translation;
mod vms;
mod workload;
mod zswap;

pub use address_trace::{
    AddressRecorder, AddressTrace, PassedOver, TraceCursor, TracePlacement, Visit,
};
pub use balloon::{BALLOON_BATCH, Balloon, BalloonTarget, Reporting};
pub use cpu::CpuConfig;
pub use device::{
    AtDepth, ChannelsConfig, ConstantConfig, DeviceConfig, ElevatorConfig, HddConfig, RamConfig,
    VolumeConfig, ZramConfig,
};
pub use disturbance::{Disturbance, DisturbanceKind};
pub use guest::{
    ApicConfig, EventPages, GuestConfig, Preemption, StealClock, TablePages, TimerKind, WakeTime,
};
pub use host::{
    Cgroup, DirectReclaim, FileWindows, HostConfig, HostKernel, Lru, MmapMiss, MmuRetry, ReadAhead,
    ReadFaults, SecondStageLock, SwapWriteLimit, WrittenPages,
};
pub use memory_control::{Kswapd, LimitChange, MemoryControl, ProactiveReclaim, ReclaimAsk};
pub use op::Op;
pub use paging::{GuestPaging, HostPaging, Processes};
pub use policy::Policy;
pub use protection::{Lift, WriteProtection};
pub use sched::{EevdfParams, FairParams, SchedParams};
pub use store::{
    Advice, FileMapping, HandlerConfig, Install, PlainExits, Prefetch, PrefetchRun, Process,
    StoreConfig, Waking,
};
pub use translation::{PagingCaches, Replacement, SetFunction, TlbArray, TranslationConfig};
pub use vms::{Container, MAX_VMS, VmConfig};
pub use workload::{
    Arrivals, GATHERED_PAGES, Law, PageLaw, PageWalk, Pattern, Region, RegionBacking,
    RegionContent, Section, SyncKind, SyncObject, TaskGroup, Workload,
};
pub use zswap::{ZswapConfig, ZswapKernel};

/// A whole simulated machine with its workload: one host with one virtual machine or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineConfig {
    /// The processor and its costs.
    pub cpu: CpuConfig,
    /// The host.
    pub host: HostConfig,
    /// The guest; of several virtual machines, that of the first one.
    pub guest: GuestConfig,
    /// The guests of the other virtual machines.
    pub other_guests: Vec<GuestConfig>,
    /// Several virtual machines: what each one is besides its guest, the first one too. Empty: there is one,
    /// which has the whole workload and the host's container.
    pub vms: Vec<VmConfig>,
    /// What the guests do: that of the first virtual machine, then that of the next one, and so on.
    pub workload: Workload,
    /// What happens to its vCPUs meanwhile.
    pub disturbances: Vec<Disturbance>,
}

impl MachineConfig {
    /// How many virtual machines the host has.
    pub fn vm_count(&self) -> usize {
        1 + self.other_guests.len()
    }

    /// Threads of VMMs that bring pages; they come behind those of the vCPUs.
    pub fn handler_threads(&self) -> u16 {
        let handlers = self.host.stores.iter().filter_map(|store| store.handler.as_ref());
        handlers.map(|handler| handler.threads()).sum()
    }

    /// Names of the host's threads behind those of the vCPUs and before the workers, in order.
    pub fn thread_names(&self) -> Vec<String> {
        let of = |what: &str, vm| match self.vm_name(vm) {
            Some(name) => format!("{what} of {name}"),
            None => what.to_owned(),
        };
        let control = &self.host.memory_control;
        let mut names: Vec<String> =
            (0..self.handler_threads()).map(|number| format!("handler {number}")).collect();
        names.extend(self.host.zswap.is_some().then(|| "zswap".to_owned()));
        names.extend(control.written().map(|vm| of("limits", vm)));
        names.extend(control.proactive.iter().map(|agent| of("agent", agent.vm)));
        names.extend(control.kswapd.is_some().then(|| "kswapd".to_owned()));
        names.extend(control.balloons.iter().map(|balloon| of("balloon", balloon.vm)));
        let protectors = |it: &WriteProtection| std::iter::repeat_n(it.vm, it.threads.into());
        let protectors = control.protections.iter().flat_map(protectors);
        names.extend(protectors.map(|vm| of("protector", vm)));
        names
    }

    /// All virtual machines.
    pub fn vm_ids(&self) -> impl Iterator<Item = VmId> + use<> {
        (0..self.vm_count() as u16).map(VmId)
    }

    /// The guest of a virtual machine.
    #[inline]
    pub fn guest_of(&self, vm: VmId) -> &GuestConfig {
        match vm.index() {
            0 => &self.guest,
            other => &self.other_guests[other - 1],
        }
    }

    /// vCPUs of all virtual machines.
    pub fn vcpus(&self) -> u16 {
        self.vm_ids().map(|vm| self.guest_of(vm).vcpus).sum()
    }

    /// The virtual machine of each vCPU.
    pub fn vm_of_each_vcpu(&self) -> Vec<VmId> {
        let of = |vm| std::iter::repeat_n(vm, self.guest_of(vm).vcpus.into());
        self.vm_ids().flat_map(of).collect()
    }

    /// The vCPUs of a virtual machine.
    pub fn vcpus_of(&self, vm: VmId) -> impl Iterator<Item = VcpuId> + use<> {
        let first: u16 = (0..vm.0).map(|before| self.guest_of(VmId(before)).vcpus).sum();
        (first..first + self.guest_of(vm).vcpus).map(VcpuId)
    }

    /// The regions of a virtual machine, as places in the workload.
    pub fn regions_of(&self, vm: VmId) -> Range<usize> {
        self.part(vm, |own| own.regions, self.workload.regions.len())
    }

    /// The groups of tasks of a virtual machine, as places in the workload.
    pub fn groups_of(&self, vm: VmId) -> Range<usize> {
        self.part(vm, |own| own.groups, self.workload.tasks.len())
    }

    fn part(&self, vm: VmId, count: fn(&VmConfig) -> u16, all: usize) -> Range<usize> {
        let Some(own) = self.vms.get(vm.index()) else { return 0..all };
        let before = &self.vms[..vm.index()];
        let first: usize = before.iter().map(|other| usize::from(count(other))).sum();
        first..first + usize::from(count(own))
    }

    /// The memory container of a virtual machine: its own, or that of the host.
    pub fn container_of(&self, vm: VmId) -> Container {
        let own = self.vms.get(vm.index()).and_then(|own| own.container);
        own.unwrap_or(Container {
            limit_pages: self.host.memory_limit_pages,
            other_resident_pages: self.host.other_resident_pages,
        })
    }

    /// The first virtual machine of the host's container.
    pub fn first_of_host(&self) -> Option<VmId> {
        let own = |vm: &VmId| self.vms.get(vm.index()).is_some_and(|own| own.container.is_some());
        self.vm_ids().find(|vm| !own(vm))
    }

    /// Pages of the container of a virtual machine that are left for virtual machines under a limit.
    pub fn room(&self, vm: VmId, limit_pages: u64) -> u64 {
        limit_pages.saturating_sub(self.container_of(vm).other_resident_pages)
    }

    /// The largest limit that the container of a virtual machine ever has.
    pub fn largest_limit(&self, vm: VmId) -> u64 {
        let changes = self.host.memory_control.limits.iter();
        let own = |vm: VmId| self.vms.get(vm.index()).is_some_and(|own| own.container.is_some());
        let same = |other: VmId| other == vm || !(own(vm) || own(other));
        let limit = |change: &&LimitChange| change.file == MemcgFile::Max && same(change.vm);
        let later = changes.filter(limit).map(|change| change.limit_pages);
        later.fold(self.container_of(vm).limit_pages, u64::max)
    }

    /// The name of a virtual machine, where there are several.
    pub fn vm_name(&self, vm: VmId) -> Option<&str> {
        self.vms.get(vm.index()).map(|own| own.name.as_str())
    }

    /// The policy that a virtual machine has while this one is compared.
    pub fn policy_of<'a>(&'a self, vm: VmId, compared: &'a Policy) -> &'a Policy {
        self.vms.get(vm.index()).and_then(|own| own.policy.as_ref()).unwrap_or(compared)
    }
}
