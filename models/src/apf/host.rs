//! The host's half: what KVM keeps per vCPU, and the sections of its code.
//!
//! The life of an item, section by section:
//!
//! 1. `Try`: gate, lookup of the frame, cap, allocation.
//! 2. `Advance`, two or three times: schedule the work, link the item, announce it (order by rule;
//!    some announce at the next entry only).
//! 3. A worker: `WorkerStart`, `WorkerFetched`, then `WorkerAdvance` to publish, request and kick,
//!    trace, wake.
//! 4. `CheckCompletion` pops the item, `Deliver` does the rest. Where the host looks only when it
//!    is asked, `Requests` and `WriteAck` begin that with `Effect::Scan`.
//!
//! Around it: `Requests` turns a halt request into the artificial halt, `Block` and `Unblock` are
//! the two ends of `kvm_vcpu_block`, `Inject` and `InjectInterrupt` are the entry, `WriteEn`,
//! `WriteInt` and `WriteAck` are the guest's registers, and `SetPaging` to `Destroy` is what else
//! happens to a vCPU or a VM.

mod area;
mod clear;
mod delivery;
mod destroy;
mod fault;
mod gate;
mod halt;
mod input;
mod interrupt;
mod registers;
mod state;
#[cfg(test)]
mod tests;
mod worker;

pub use input::{FaultMemory, HostInput, MmuMode, SetupFailure, VcpuView};
pub use state::{AreaCache, Halt, HostHalf, HostVcpu, Lapic, Life, Operation, Scan};

use crate::apf::effect::Effects;
use crate::apf::rules::Drain;
use crate::apf::{Apf, Notice};
use crate::base::ids::VcpuId;

/// The register that enables notices (`MSR_KVM_ASYNC_PF_EN`).
pub const MSR_EN: u32 = 0x4b56_4d02;
/// The register with the vector of page ready (`MSR_KVM_ASYNC_PF_INT`).
pub const MSR_INT: u32 = 0x4b56_4d06;
/// The register that acknowledges page ready (`MSR_KVM_ASYNC_PF_ACK`).
pub const MSR_ACK: u32 = 0x4b56_4d07;
/// The bit of EN that enables notices.
pub const EN_ENABLED: u64 = 1 << 0;
/// The bit of EN that asks for notices at CPL 0 too.
pub const EN_SEND_ALWAYS: u64 = 1 << 1;
/// The bit of EN that asks for notices in a nested guest, as exits to the guest.
pub const EN_NESTED_EXIT: u64 = 1 << 2;
/// The bit of EN that asks for page ready as interrupt.
pub const EN_INTERRUPT: u64 = 1 << 3;

impl Apf {
    /// Does one section of the host; see [`Apf::step`].
    pub fn host_step(&mut self, input: HostInput, effects: &mut Effects) {
        match input {
            HostInput::Try { vcpu, view, gva, gfn, hva, failure } => {
                self.try_async(vcpu, view, (gva, gfn, hva), failure, effects);
            }
            HostInput::Advance { vcpu, view } => self.advance(vcpu, view, effects),
            HostInput::RefuseWork { vcpu } => self.refuse_work(vcpu, effects),
            HostInput::Requests { vcpu } => self.requests(vcpu, effects),
            HostInput::Inject { vcpu } => self.inject(vcpu, effects),
            HostInput::InjectInterrupt { vcpu } => self.inject_interrupt(vcpu, effects),
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
            HostInput::PvKick { vcpu } => self.pv_kick(vcpu, effects),
            HostInput::WorkerStart { item, worker } => self.worker_start(item, worker, effects),
            HostInput::WorkerFetched { item } => self.worker_fetched(item, false),
            HostInput::WorkerFailed { item } => self.worker_fetched(item, true),
            HostInput::VmmResolved { item } => self.vmm_resolved(item),
            HostInput::WorkerAdvance { item } => self.worker_advance(item, effects),
            other => self.change_of_vcpu(other, effects),
        }
    }

    /// Inputs that are no part of an item's life.
    fn change_of_vcpu(&mut self, input: HostInput, effects: &mut Effects) {
        match input {
            HostInput::WriteEn { vcpu, value } => self.write_en(vcpu, value, true, effects),
            HostInput::WriteEnNoMemory { vcpu, value } => {
                self.write_en(vcpu, value, false, effects);
            }
            HostInput::WriteInt { vcpu, value } => self.write_int(vcpu, value, effects),
            HostInput::WriteAck { vcpu, value } => self.write_ack(vcpu, value, effects),
            HostInput::MapWord { vcpu, writable } => self.map_word(vcpu, writable),
            HostInput::MemslotChange { moves } => self.memslot_change(moves),
            HostInput::SetPaging { vcpu, on } => self.set_paging(vcpu, on, effects),
            HostInput::EnterSmm { vcpu } => self.enter_smm(vcpu, effects),
            HostInput::LeaveSmm { vcpu } => self.leave_smm(vcpu, effects),
            HostInput::SetLapic { vcpu, enabled } => self.set_lapic(vcpu, enabled),
            HostInput::SetIrqchip { vcpu, in_kernel } => {
                self.vcpu_mut(vcpu).lapic.in_kernel = in_kernel;
            }
            HostInput::Reset { vcpu } => self.reset(vcpu, effects),
            HostInput::VmmReset { vcpu } => self.vmm_reset(vcpu, effects),
            HostInput::Restore => self.restore(effects),
            HostInput::Destroy => self.destroy(effects),
            other => unreachable!("{other:?} is a part of an item's life"),
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

    /// The vector of the page ready interrupt that an entry can inject once the guest lets
    /// interrupts in.
    pub fn ready_interrupt(&self, vcpu: VcpuId) -> Option<u8> {
        let lapic = self.vcpu(vcpu).lapic;
        lapic.requested.filter(|_| lapic.in_service.is_none() && lapic.enabled)
    }

    /// Whether the host would look for completed items now: `CheckCompletion` may follow. The gate
    /// may still be closed.
    pub fn may_check_completion(&self, vcpu: VcpuId) -> bool {
        let vcpu = self.vcpu(vcpu);
        match self.rules.drain {
            Drain::OneAtEntry => !vcpu.done.is_empty() || vcpu.deferred.is_some(),
            Drain::OnePerTurn | Drain::AllAtEachTurn => !vcpu.done.is_empty(),
            Drain::AllOnRequestAndAck => matches!(vcpu.operation, Some(Operation::Scan(_))),
        }
    }
}
