//! Who is on a timeline.

use crate::base::ids::{GuestPage, ThreadId, VmId};
use crate::base::record::MemcgFile;
use crate::config::{MachineConfig, TaskGroup};

/// What a timeline is told of the machine at its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cast {
    /// The virtual machine of each vCPU.
    pub vcpus: Vec<VmId>,
    /// Names of the virtual machines, each with the names of its tasks in the order in which they come
    /// into being.
    pub vms: Vec<(String, Vec<String>)>,
    /// Processors of the host.
    pub pcpus: u16,
    /// Names of the threads between those of vCPUs and workers.
    pub threads: Vec<String>,
    /// Limits of containers that are controlled during the run, by their first virtual machine, each with its first
    /// value in pages; none: there is no such limit at first.
    pub limits: Vec<(VmId, MemcgFile, Option<u64>)>,
    /// Who has each processor of the host.
    pub running: Vec<Option<ThreadId>>,
    /// Pages that the second stage maps.
    pub mapped: Vec<GuestPage>,
}

impl Cast {
    /// That of a machine, some of whose state is as given.
    pub fn new(
        config: &MachineConfig,
        running: Vec<Option<ThreadId>>,
        mapped: Vec<GuestPage>,
    ) -> Self {
        let vm_of = |vm: VmId| {
            let name = config.vm_name(vm);
            let groups = &config.workload.tasks[config.groups_of(vm)];
            (name.unwrap_or("guest").to_owned(), tasks_of(groups, name.unwrap_or("")))
        };
        Self {
            vcpus: config.vm_of_each_vcpu(),
            vms: config.vm_ids().map(vm_of).collect(),
            pcpus: config.host.cpus,
            threads: config.thread_names(),
            limits: limits_of(config),
            running,
            mapped,
        }
    }
}

/// The limits that are controlled.
fn limits_of(config: &MachineConfig) -> Vec<(VmId, MemcgFile, Option<u64>)> {
    let control = &config.host.memory_control;
    let has = |vm: VmId| {
        let limit = Some(config.container_of(vm).limit_pages);
        let high = control.highs.iter().find(|high| high.0 == vm).map(|high| high.1);
        let gets = control.limits.iter().any(|own| own.vm == vm && own.file == MemcgFile::High);
        let high = (gets || high.is_some()).then_some((vm, MemcgFile::High, high));
        [Some((vm, MemcgFile::Max, limit)), high].into_iter().flatten()
    };
    config.vm_ids().filter(|vm| control.concerns(*vm)).flat_map(has).collect()
}

/// The names of the tasks of some groups, of a virtual machine whose name theirs begin with.
fn tasks_of(groups: &[TaskGroup], vm: &str) -> Vec<String> {
    let tasks = groups.iter().flat_map(|group| {
        let own = group.name.strip_prefix(vm).unwrap_or(&group.name);
        let own = own.strip_prefix(':').unwrap_or(own);
        (0..group.count).map(move |number| match group.count {
            1 => own.to_owned(),
            _ => format!("{own} {number}"),
        })
    });
    tasks.collect()
}
