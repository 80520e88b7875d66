//! KVM's side of the virtual processors: what the thread of each one knows.

use std::collections::BTreeSet;

use sim_core::{KeyedStreams, RandomStreams, SimDuration, SimTime};

use crate::base::ids::{Gfn, Gva, ItemId, VcpuId, VmId};
use crate::base::record::BlockReason;
use crate::parts::memory::shadow::Side;

/// A second-stage fault that is being handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub gfn: Gfn,
    /// The address at which the access was made: a place in the guest's memory where the host translates
    /// those, the guest's own address where the host mirrors its tables.
    pub gva: Gva,
    pub side: Side,
    pub write: bool,
    pub cpl: u8,
    pub interrupts_on: bool,
    /// The page is already being read from its store, for somebody else.
    pub joins: bool,
}

/// A #PF under shadow paging whose walk of the guest's tables is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SoftwareWalk {
    pub gva: Gva,
    /// The frame of an address in the kernel's map of all memory; of a program's, the tables say it.
    pub kernel: Option<Gfn>,
    pub write: bool,
    pub cpl: u8,
    pub interrupts_on: bool,
}

/// A virtual processor, as its thread in the host sees it.
#[derive(Clone, Debug, Default)]
pub(super) struct VcpuThread {
    pub in_guest: bool,
    pub blocked: Option<(BlockReason, SimTime)>,
    /// For how long the thread polls in the next HLT.
    pub halt_poll: SimDuration,
    pub fault: Option<Fault>,
    pub walk: Option<SoftwareWalk>,
    /// The number of the guest's address space, as far as the host sees it.
    pub space: u32,
    /// What the guest is about to write to CR3, and whether translations of it stay.
    pub writes_cr3: Option<(u32, bool)>,
    /// At which address the page of a completed item is mapped.
    pub prefault: Option<(Gva, Side)>,
    /// How often mappings had been taken away when the one at hand began to be made.
    pub invalidations: u64,
    pub flush_tlb: bool,
    /// Stalled and halted time since the guest last asked.
    pub stolen: SimDuration,
    /// The event that the next entry delivers, or that was not delivered and is to be injected again.
    pub delivering: Option<u8>,
    /// Somebody wants something of the vCPU, or its processor, since the injection.
    pub cancel_entry: bool,
    /// The host has prepared what the next entry injects.
    pub injection_prepared: bool,
    /// An MSR write has taken effect and its exit is not over.
    pub in_msr_write: bool,
    /// A disturbance: the next wake-all finds no memory.
    pub wake_all_fails: bool,
    /// The thread is out of the kernel with a fault on this frame, and whether it waits there for the answer.
    pub outside: Option<(Gfn, bool)>,
    /// The item for whose worker the thread waits.
    pub waits_for_worker: Option<ItemId>,
    /// The thread has ended with its VMM.
    pub exited: bool,
    /// The thread is out of the kernel, as its VMM has stopped the virtual machine.
    pub stopped: bool,
}

/// The threads of all virtual processors.
#[derive(Clone, Debug)]
pub(in crate::machine) struct VcpuThreads {
    pub(super) of: Vec<VcpuThread>,
    /// How many of them wait for a worker.
    waiting_for_workers: u32,
    /// Decide which items find no memory.
    pub(super) allocations: KeyedStreams,
    /// Virtual machines whose VMMs have ended.
    ended: BTreeSet<VmId>,
    /// Virtual machines that their VMMs have stopped.
    stopped: BTreeSet<VmId>,
}

impl VcpuThreads {
    /// At power-on.
    pub(in crate::machine) fn new(vcpus: u16, streams: &RandomStreams) -> Self {
        let of = (0..vcpus).map(|_| VcpuThread::default()).collect();
        let (ended, stopped) = (BTreeSet::new(), BTreeSet::new());
        let allocations = streams.label("allocation");
        Self { of, waiting_for_workers: 0, allocations, ended, stopped }
    }

    /// The vCPUs of a virtual machine are to stop.
    pub(super) fn stop(&mut self, vm: VmId) {
        self.stopped.insert(vm);
    }

    /// They run again.
    pub(super) fn resume(&mut self, vm: VmId) {
        self.stopped.remove(&vm);
    }

    /// Whether they are to stop, or have.
    #[inline]
    pub(super) fn is_stopped(&self, vm: VmId) -> bool {
        !self.stopped.is_empty() && self.stopped.contains(&vm)
    }

    /// The VMM of a virtual machine ends.
    pub(super) fn end(&mut self, vm: VmId) {
        self.ended.insert(vm);
    }

    /// Whether that of a virtual machine has ended.
    pub(in crate::machine) fn has_ended(&self, vm: VmId) -> bool {
        !self.ended.is_empty() && self.ended.contains(&vm)
    }

    /// Whether the fault that a vCPU handles, if it does, is one for writing.
    pub(in crate::machine) fn fault_writes(&self, vcpu: VcpuId) -> bool {
        self.of[vcpu.index()].fault.is_some_and(|fault| fault.write)
    }

    /// How long a vCPU was kept from running.
    pub(in crate::machine) fn add_stolen(&mut self, vcpu: VcpuId, span: SimDuration) {
        self.of[vcpu.index()].stolen += span;
    }

    /// There is no memory for the next wake-all of a vCPU.
    pub(in crate::machine) fn let_wake_all_fail(&mut self, vcpu: VcpuId) {
        self.of[vcpu.index()].wake_all_fails = true;
    }

    /// A vCPU's thread waits for the worker of an item, if for any.
    pub(super) fn wait_for_worker(&mut self, vcpu: VcpuId, item: Option<ItemId>) {
        let before = std::mem::replace(&mut self.of[vcpu.index()].waits_for_worker, item);
        self.waiting_for_workers -= u32::from(before.is_some());
        self.waiting_for_workers += u32::from(item.is_some());
    }

    /// The vCPUs whose threads wait for the worker of an item; they wait no more.
    pub(in crate::machine) fn take_waiters(&mut self, item: ItemId) -> Vec<VcpuId> {
        let mut waiters = Vec::new();
        if self.waiting_for_workers == 0 {
            return waiters;
        }
        for (thread, vcpu) in self.of.iter_mut().zip((0..).map(VcpuId)) {
            if thread.waits_for_worker == Some(item) {
                thread.waits_for_worker = None;
                self.waiting_for_workers -= 1;
                waiters.push(vcpu);
            }
        }
        waiters
    }
}
