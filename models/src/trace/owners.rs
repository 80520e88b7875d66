//! Whose a record is, where the host has several virtual machines.

use std::collections::BTreeMap;

use crate::base::ids::{GroupId, ItemId, TaskId, ThreadId, VcpuId, VmId, WorkerId};
use crate::base::record::Event;
use crate::config::MachineConfig;

/// The virtual machine behind every number that records name. Has to see all records in their order, as
/// workers serve now this and now that one.
#[derive(Clone, Debug)]
pub struct Owners {
    /// By vCPU.
    vcpus: Vec<VmId>,
    /// By group of tasks.
    groups: Vec<VmId>,
    tasks: BTreeMap<TaskId, VmId>,
    /// Whose item each worker had last.
    workers: BTreeMap<WorkerId, VmId>,
    count: u32,
    named: bool,
    pcpus: u16,
    /// The host's scheduler has been seen.
    switches: bool,
}

/// Which virtual machines a record says something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// These, none twice.
    Few([Option<VmId>; 2]),
    /// All.
    All,
}

impl Owners {
    /// At power-on.
    pub fn new(config: &MachineConfig) -> Self {
        let groups = |vm| config.groups_of(vm).map(move |_| vm);
        Self {
            vcpus: config.vm_of_each_vcpu(),
            groups: config.vm_ids().flat_map(groups).collect(),
            tasks: BTreeMap::new(),
            workers: BTreeMap::new(),
            count: config.vm_count() as u32,
            named: !config.vms.is_empty(),
            pcpus: config.host.cpus,
            switches: false,
        }
    }

    /// How many virtual machines there are.
    pub fn count(&self) -> usize {
        self.count as usize
    }

    /// Whether they have names; a machine that was described as the only one has none.
    pub fn are_named(&self) -> bool {
        self.named
    }

    /// Physical processors of the host.
    pub fn pcpus(&self) -> u16 {
        self.pcpus
    }

    /// The virtual machine of each vCPU.
    pub fn vcpus(&self) -> &[VmId] {
        &self.vcpus
    }

    /// Which virtual machines a record says something about, so that what happens often need not be told to all.
    /// A switch of the host is of those whose vCPU threads it names, but the first says to all that there is a
    /// scheduler; a request to a device is nobody's, as the device is not.
    pub fn audience(&mut self, event: &Event) -> Audience {
        match *event {
            Event::HostSchedSwitch { prev, next, .. } => {
                if !std::mem::replace(&mut self.switches, true) {
                    return Audience::All;
                }
                let of = |thread: Option<ThreadId>| self.vcpus.get(thread?.index()).copied();
                let (from, to) = (of(prev), of(next));
                Audience::Few([from, to.filter(|_| to != from)])
            }
            Event::BlockRqIssue { .. } | Event::BlockRqComplete { .. } => Audience::Few([None; 2]),
            _ => self.observe(event).map_or(Audience::All, |vm| Audience::Few([Some(vm), None])),
        }
    }

    /// The virtual machine that a record is of. None: the host's, or nobody's.
    fn observe(&mut self, event: &Event) -> Option<VmId> {
        match *event {
            Event::TaskNew { task, vcpu, .. } => {
                let vm = self.of_vcpu(vcpu)?;
                self.tasks.insert(task, vm);
                Some(vm)
            }
            Event::WorkqueueExecuteStart { worker, item } => {
                let vm = self.of_item(item);
                self.workers.insert(worker, vm);
                Some(vm)
            }
            Event::WorkqueueQueueWork { item } | Event::WorkqueueExecuteEnd { item, .. } => {
                Some(self.of_item(item))
            }
            Event::TaskWork { task, .. } | Event::TaskPasses { task, .. } => {
                self.tasks.get(&task).copied()
            }
            Event::VmmEnd { vm }
            | Event::VmStop { vm }
            | Event::VmResume { vm }
            | Event::UffdProtect { vm, .. }
            | Event::BalloonTarget { vm, .. }
            | Event::BalloonSize { vm, .. } => Some(vm),
            Event::RequestArrive { group } => self.of_group(group),
            Event::EptUnmap { page }
            | Event::HostHugePage { page }
            | Event::HostHugeSplit { page }
            | Event::UffdLookup { page, .. }
            | Event::UffdMessage { page, .. }
            | Event::UffdRead { page, .. }
            | Event::UffdCopy { page, .. }
            | Event::UffdCopied { page, .. }
            | Event::UffdLost { page, .. }
            | Event::UffdPoisoned { page, .. }
            | Event::UffdRemove { page, .. }
            | Event::UffdRemoveRead { page, .. }
            | Event::UffdAgain { page, .. }
            | Event::UffdWpMessage { page, .. }
            | Event::UffdWpRead { page, .. }
            | Event::UffdSave { page, .. }
            | Event::UffdSaved { page, .. }
            | Event::UffdLift { page, .. }
            | Event::MadviseDontneed { page, .. }
            | Event::ZswapWriteback { page, .. }
            | Event::ZswapRefuse { page } => Some(page.vm()),
            Event::MemcgReclaimBegin { thread }
            | Event::MemcgReclaimEnd { thread, .. }
            | Event::MemcgReclaimed { thread, .. }
            | Event::MemcgOverHigh { thread, .. }
            | Event::ContentionBegin { thread, .. }
            | Event::ContentionEnd { thread }
            | Event::UffdLockWait { thread, .. }
            | Event::UffdLockTaken { thread }
            | Event::SwapCompute { thread, .. } => self.of_thread(thread),
            Event::MmapLockStartLocking { thread, .. }
            | Event::MmapLockAcquired { thread, .. }
            | Event::MmapLockReleased { thread, .. } => self.of_thread(thread?),
            Event::PhaseBegin { .. }
            | Event::HostSchedSwitch { .. }
            | Event::BlockRqIssue { .. }
            | Event::BlockRqComplete { .. }
            | Event::MemcgWrite { .. }
            | Event::MemcgWritten { .. }
            | Event::MemcgLimit { .. }
            | Event::VmmAwake { .. }
            | Event::KswapdWake { .. }
            | Event::KswapdSleep { .. }
            | Event::WbtStep { .. } => None,
            Event::KvmEntry { vcpu }
            | Event::KvmUserspaceExit { vcpu, .. }
            | Event::KvmAsyncPfExitlessNotify { vcpu, .. }
            | Event::VmmSignal { vcpu }
            | Event::VmmAnswer { vcpu, .. }
            | Event::KvmExit { vcpu, .. }
            | Event::KvmPageFault { vcpu, .. }
            | Event::KvmTryAsyncGetPage { vcpu, .. }
            | Event::KvmAsyncPfDoublefault { vcpu, .. }
            | Event::KvmAsyncPfNotPresent { vcpu, .. }
            | Event::KvmAsyncPfReady { vcpu, .. }
            | Event::KvmAsyncPfCompleted { vcpu, .. }
            | Event::KvmInjException { vcpu, .. }
            | Event::KvmInjVirq { vcpu, .. }
            | Event::KvmReinject { vcpu, .. }
            | Event::KvmMsrWrite { vcpu, .. }
            | Event::KvmHaltPollNs { vcpu, .. }
            | Event::VcpuBlock { vcpu, .. }
            | Event::VcpuUnblock { vcpu, .. }
            | Event::ItemLink { vcpu, .. }
            | Event::ItemDone { vcpu, .. }
            | Event::ItemUnlink { vcpu, .. }
            | Event::ApfHalt { vcpu, .. }
            | Event::ApfUnhalt { vcpu }
            | Event::NotPresentQueued { vcpu, .. }
            | Event::PageReadyQueued { vcpu, .. }
            | Event::SharedWordWrite { vcpu, .. }
            | Event::SharedWordRead { vcpu, .. }
            | Event::AreaTranslated { vcpu }
            | Event::ApfWait { vcpu, .. }
            | Event::ApfWake { vcpu, .. }
            | Event::ApfDummy { vcpu, .. }
            | Event::EptMap { vcpu, .. }
            | Event::LookupFound { vcpu, .. }
            | Event::MmuNotifierRetry { vcpu, .. }
            | Event::MajorFaultBegin { vcpu, .. }
            | Event::MajorFaultEnd { vcpu, .. }
            | Event::GuestSchedSwitch { vcpu, .. }
            | Event::GuestSchedWakeup { vcpu, .. }
            | Event::GuestMigrateTask { from: vcpu, .. }
            | Event::GuestTick { vcpu, .. }
            | Event::GuestTimerExpire { vcpu, .. }
            | Event::GuestTableNew { vcpu, .. }
            | Event::GuestCpuOffline { vcpu }
            | Event::GuestCpuOnline { vcpu }
            | Event::GuestSyncWait { vcpu, .. }
            | Event::TlbFlush { vcpu, .. }
            | Event::GuestDiscard { vcpu, .. }
            | Event::MajorFaultMoved { vcpu, .. }
            | Event::Disturbed { vcpu, .. }
            | Event::SignalGenerate { vcpu, .. }
            | Event::SchedProcessExit { vcpu }
            | Event::RequestBegin { vcpu, .. }
            | Event::RequestEnd { vcpu, .. }
            | Event::TaskRun { vcpu, .. }
            | Event::TaskKernelRun { vcpu, .. }
            | Event::TaskEnd { vcpu, .. }
            | Event::ShadowFault { vcpu, .. }
            | Event::ShadowWalk { vcpu, .. }
            | Event::ShadowTable { vcpu, .. }
            | Event::ShadowEmulate { vcpu, .. }
            | Event::ShadowSync { vcpu, .. }
            | Event::SchedStatWait { vcpu, .. } => self.of_vcpu(vcpu),
        }
    }

    fn of_vcpu(&self, vcpu: VcpuId) -> Option<VmId> {
        self.vcpus.get(vcpu.index()).copied()
    }

    fn of_group(&self, group: GroupId) -> Option<VmId> {
        self.groups.get(group.index()).copied()
    }

    /// Items of several virtual machines take turns in their numbers.
    fn of_item(&self, item: ItemId) -> VmId {
        VmId((item.0 % self.count) as u16)
    }

    /// The threads of vCPUs have the numbers of their vCPUs, and those of workers follow.
    fn of_thread(&self, thread: ThreadId) -> Option<VmId> {
        match self.vcpus.get(thread.index()) {
            Some(&vm) => Some(vm),
            None => {
                let worker = WorkerId(thread.0 - self.vcpus.len() as u32);
                self.workers.get(&worker).copied()
            }
        }
    }
}
