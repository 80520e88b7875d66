//! The host's half: what KVM keeps per vCPU, and the sections of its code.
//!
//! The life of an item, section by section:
//!
//! 1. `Try`: gate, lookup of the frame, cap, allocation.
//! 2. `Advance`, three times: schedule the work, link the item, announce it (order by rule).
//! 3. A worker: `WorkerStart`, `WorkerFetched`, then `WorkerAdvance` to publish, trace, kick.
//! 4. The run loop's `CheckCompletion` pops the item, `Deliver` does the rest.
//!
//! Around it: `Requests` turns a halt request into the artificial halt, `Block` and `Unblock` are
//! the two ends of `kvm_vcpu_block`, `Inject` is the entry with a pending exception, and `WriteEn`
//! is the register that switches notices on and off.

mod delivery;
mod enable;
mod fault;
mod halt;
#[cfg(test)]
mod tests;
mod worker;

use crate::apf::Apf;
use crate::apf::effect::Effects;
use crate::apf::gfn_table::{GfnTable, MAX_SLOTS};
use crate::apf::item::Items;
use crate::apf::{Notice, rules::Rules};
use crate::ids::{Gfn, Gva, Hva, ItemId, VcpuId, WorkerId};

/// The register that enables notices (`MSR_KVM_ASYNC_PF_EN`).
pub const MSR_EN: u32 = 0x4b56_4d02;
/// Its bit that enables notices.
pub const EN_ENABLED: u64 = 1 << 0;
/// Its bit that asks for notices at CPL 0 too.
pub const EN_SEND_ALWAYS: u64 = 1 << 1;
/// Its bits that must be zero.
pub const EN_RESERVED: u64 = 0x3c;

/// How the second-stage tables of a vCPU are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MmuMode {
    /// KVM owns tables from gpa to hpa (EPT, NPT, or paging off in the guest).
    Direct,
    /// KVM mirrors the guest's tables.
    Shadow {
        /// The guest's page-table root.
        cr3: u64,
    },
}

/// What the protocol sees of a vCPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VcpuView {
    /// Privilege level of the guest.
    pub cpl: u8,
    /// Whether the guest lets interrupts in.
    pub interrupts_on: bool,
    /// Whether an event was being delivered at the exit and has to be injected again. A synthetic
    /// exception of the protocol's own is known to the protocol and not meant here.
    pub reinjecting: bool,
    /// The MMU.
    pub mmu: MmuMode,
}

/// Something that happens in the host. Each is one atomic section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostInput {
    /// A fault's lookup said that the page needs I/O: may it go asynchronous (`try_async_pf`)?
    Try {
        /// The vCPU.
        vcpu: VcpuId,
        /// What the gate sees.
        view: VcpuView,
        /// The fault address.
        gva: Gva,
        /// The frame.
        gfn: Gfn,
        /// The page in the address space of the VMM.
        hva: Hva,
    },
    /// The next section of the operation that the vCPU thread is in.
    Advance {
        /// The vCPU.
        vcpu: VcpuId,
        /// What the announcement sees.
        view: VcpuView,
    },
    /// The requests that are looked at before an entry (top of `vcpu_enter_guest`).
    Requests {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The entry: a pending exception is put into the guest.
    Inject {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The run loop looks for a completed item (`kvm_check_async_pf_completion`).
    CheckCompletion {
        /// The vCPU.
        vcpu: VcpuId,
        /// What the gate sees.
        view: VcpuView,
    },
    /// The item that was popped is delivered (`kvm_arch_async_page_present`) and freed.
    Deliver {
        /// The vCPU.
        vcpu: VcpuId,
        /// The vCPU as it is now.
        view: VcpuView,
    },
    /// The guest executed HLT (`kvm_emulate_halt`).
    Hlt {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The run loop found the vCPU in a halt: does its thread sleep (`kvm_vcpu_block`)?
    Block {
        /// The vCPU.
        vcpu: VcpuId,
        /// The vCPU as it is now.
        view: VcpuView,
        /// Whether an interrupt waits for the guest.
        interrupt: bool,
    },
    /// The sleeping thread runs again, woken by a worker or by an interrupt.
    Unblock {
        /// The vCPU.
        vcpu: VcpuId,
        /// The vCPU as it is now.
        view: VcpuView,
        /// Whether an interrupt waits for the guest.
        interrupt: bool,
    },
    /// A worker begins an item (`async_pf_execute`).
    WorkerStart {
        /// The item.
        item: ItemId,
        /// The worker.
        worker: WorkerId,
    },
    /// The worker has the page.
    WorkerFetched {
        /// The item.
        item: ItemId,
    },
    /// The worker's next section: publish, trace, kick.
    WorkerAdvance {
        /// The item.
        item: ItemId,
    },
    /// The guest writes the EN register (`kvm_pv_enable_async_pf`).
    WriteEn {
        /// The vCPU.
        vcpu: VcpuId,
        /// What it writes.
        value: u64,
    },
    /// The memory of the shared word is taken from the guest, or given back.
    MapWord {
        /// The vCPU.
        vcpu: VcpuId,
        /// Whether the host can write the word from now on.
        writable: bool,
    },
}

/// The artificial halt (`vcpu->arch.apf.halted`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Halt {
    /// The frame that the vCPU waits for.
    pub gfn: Gfn,
    /// Whether the item of the frame was delivered between the request and the halt, so that
    /// nothing but an interrupt or another item ends the halt. Kernels that look for completions
    /// after each turn of the run loop, before the request is consumed, have this race.
    pub outlived: bool,
}

/// The operation of several sections that a vCPU thread is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// An item is being set up; `step` sections are done.
    Setup {
        /// The item.
        item: ItemId,
        /// Sections that are done.
        step: u8,
    },
    /// An item was popped and is not delivered yet.
    Delivery {
        /// The item.
        item: ItemId,
    },
    /// Notices are being switched off; the thread waits for workers.
    Clear,
}

/// What the host keeps for one vCPU (`vcpu->async_pf`, `vcpu->arch.apf`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostVcpu {
    /// The EN register.
    pub en: u64,
    /// The counter of tokens.
    pub next_id: u32,
    /// Items that are outstanding, completed ones among them; oldest first.
    pub queue: Vec<ItemId>,
    /// Completed items, oldest first.
    pub done: Vec<ItemId>,
    /// Items outstanding, as the kernel counts them.
    pub queued: u32,
    /// Frames of announced items.
    pub gfns: GfnTable,
    /// A request for the artificial halt (`KVM_REQ_APF_HALT`), and for which frame.
    pub halt_request: Option<Gfn>,
    /// The artificial halt.
    pub halted: Option<Halt>,
    /// Whether the guest is in HLT (`mp_state`).
    pub hlt: bool,
    /// Whether the thread sleeps in `kvm_vcpu_block`.
    pub blocked: bool,
    /// Whether a worker woke the sleeping thread and it has not run yet.
    pub woken: bool,
    /// Synthetic exceptions to be injected at the next entry. The kernel has room for one.
    pub pending: Vec<Notice>,
    /// What the thread is in the middle of.
    pub operation: Option<Operation>,
}

impl HostVcpu {
    fn new(rules: &Rules) -> Self {
        Self {
            en: 0,
            next_id: 0,
            queue: Vec::new(),
            done: Vec::new(),
            queued: 0,
            gfns: GfnTable::new(rules.cap.min(MAX_SLOTS)),
            halt_request: None,
            halted: None,
            hlt: false,
            blocked: false,
            woken: false,
            pending: Vec::new(),
            operation: None,
        }
    }

    /// Whether the guest enabled notices.
    pub fn enabled(&self) -> bool {
        self.en & EN_ENABLED != 0
    }

    /// Whether the guest asked for notices at CPL 0 too.
    pub fn send_always(&self) -> bool {
        self.en & EN_SEND_ALWAYS != 0
    }
}

/// The host's half.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostHalf {
    /// By vCPU.
    pub vcpus: Vec<HostVcpu>,
    /// The items of all vCPUs.
    pub items: Items,
}

impl HostHalf {
    pub(super) fn new(vcpus: u16, rules: &Rules) -> Self {
        let vcpus = (0..vcpus).map(|_| HostVcpu::new(rules)).collect();
        Self { vcpus, items: Items::default() }
    }
}

impl Apf {
    /// Does one section of the host; see [`Apf::step`].
    pub fn host_step(&mut self, input: HostInput, effects: &mut Effects) {
        match input {
            HostInput::Try { vcpu, view, gva, gfn, hva } => {
                self.try_async(vcpu, view, (gva, gfn, hva), effects);
            }
            HostInput::Advance { vcpu, view } => self.advance(vcpu, view, effects),
            HostInput::Requests { vcpu } => self.requests(vcpu, effects),
            HostInput::Inject { vcpu } => self.inject(vcpu, effects),
            HostInput::CheckCompletion { vcpu, view } => {
                self.check_completion(vcpu, view, effects);
            }
            HostInput::Deliver { vcpu, view } => self.deliver(vcpu, view, effects),
            HostInput::Hlt { vcpu } => self.vcpu_mut(vcpu).hlt = true,
            HostInput::Block { vcpu, view, interrupt } => {
                self.block(vcpu, view, interrupt, effects);
            }
            HostInput::Unblock { vcpu, view, interrupt } => {
                self.unblock(vcpu, view, interrupt, effects);
            }
            HostInput::WorkerStart { item, worker } => self.worker_start(item, worker, effects),
            HostInput::WorkerFetched { item } => self.worker_fetched(item),
            HostInput::WorkerAdvance { item } => self.worker_advance(item, effects),
            HostInput::WriteEn { vcpu, value } => self.write_en(vcpu, value, effects),
            HostInput::MapWord { vcpu, writable } => {
                self.words[vcpu.index()].writable = writable;
            }
        }
    }

    /// What the host keeps for a vCPU.
    pub fn vcpu(&self, vcpu: VcpuId) -> &HostVcpu {
        &self.host.vcpus[vcpu.index()]
    }

    pub(super) fn vcpu_mut(&mut self, vcpu: VcpuId) -> &mut HostVcpu {
        &mut self.host.vcpus[vcpu.index()]
    }

    /// Whether the artificial halt is set.
    pub fn is_halted(&self, vcpu: VcpuId) -> bool {
        self.vcpu(vcpu).halted.is_some()
    }

    /// Whether the run loop blocks instead of entering: the artificial halt, or HLT if the driver
    /// reports it.
    pub fn must_block(&self, vcpu: VcpuId) -> bool {
        let vcpu = self.vcpu(vcpu);
        vcpu.halted.is_some() || vcpu.hlt
    }

    /// Items outstanding, as the kernel counts them.
    pub fn outstanding(&self, vcpu: VcpuId) -> u32 {
        self.vcpu(vcpu).queued
    }

    /// Completed items that wait to be dequeued.
    pub fn done_len(&self, vcpu: VcpuId) -> usize {
        self.vcpu(vcpu).done.len()
    }

    /// The synthetic exception that the next entry injects.
    pub fn pending_exception(&self, vcpu: VcpuId) -> Option<Notice> {
        self.vcpu(vcpu).pending.first().copied()
    }

    /// Whether `CheckCompletion` could find anything; the gate may still be closed.
    pub fn may_check_completion(&self, vcpu: VcpuId) -> bool {
        !self.vcpu(vcpu).done.is_empty()
    }
}
