//! Writes to model-specific registers, and RSM, once their exit has cost what it costs.

use sim_core::{EventQueue, SimDuration};

use crate::apf::rules::GuestEnables;
use crate::base::abi::{CALLBACK, EN_ENABLED, EN_INTERRUPT, EN_NESTED_EXIT, EN_SEND_ALWAYS};
use crate::base::ids::{PAGE_SIZE, VcpuId};
use crate::machine::protocol::Section;
use crate::machine::world::{Cx, Flow, GuestEntry, MachineEvent, Then};

/// Where the guest keeps its shared words; the first page of its memory is as good as any.
const SHARED_AREA: u64 = PAGE_SIZE;

/// An address bit beyond all memory.
const NOWHERE: u64 = 1 << 60;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    pub(in crate::machine) fn write_en(&mut self, vcpu: VcpuId) -> Flow {
        let interrupt = match self.w.protocol.rules(vcpu).guest_enables {
            GuestEnables::KernelIfPreemptible => false,
            GuestEnables::UserWithInterrupt => true,
        };
        if interrupt && self.w.protocol.apf(vcpu).vcpu(vcpu).vector == 0 {
            // The vector first; the guest comes back for the other register.
            self.write_msr_int(vcpu, CALLBACK);
            self.enable_again(vcpu);
            return Flow::Spend(SimDuration::ZERO, Then::TurnEnd);
        }
        let how = match interrupt {
            // Hosts since 4.13 offer the second one, and guests take it.
            true => EN_INTERRUPT | EN_NESTED_EXIT,
            false if self.w.setup.guest(vcpu).send_always => EN_SEND_ALWAYS,
            false => 0,
        };
        self.before_enable(vcpu);
        let value = (SHARED_AREA + 64 * u64::from(vcpu.0)) | EN_ENABLED | how;
        let mut section = match std::mem::take(&mut self.w.kvm.of[vcpu.index()].wake_all_fails) {
            true => self.write_msr_en_without_memory(vcpu, value),
            false => self.write_msr_en(vcpu, value),
        };
        while section.continues() {
            let view = self.view(vcpu);
            section = self.advance(vcpu, view);
        }
        self.after_enable(vcpu);
        Flow::Spend(SimDuration::ZERO, Then::TurnEnd)
    }

    /// The guest writes EN with an address at which it has no memory. It takes the #GP and goes on
    /// (`wrmsr_safe`, or the kernel's fixup with a warning).
    pub(in crate::machine) fn write_en_nowhere(&mut self, vcpu: VcpuId) -> Flow {
        let value = self.w.protocol.apf(vcpu).vcpu(vcpu).en | NOWHERE;
        self.write_msr_en(vcpu, value);
        Flow::Spend(SimDuration::ZERO, Then::TurnEnd)
    }

    /// The guest acknowledges a page ready; the host looks for the next one at once.
    pub(in crate::machine) fn write_ack(&mut self, vcpu: VcpuId) -> Flow {
        self.write_msr_ack(vcpu);
        self.w.kvm.of[vcpu.index()].in_msr_write = !self.w.setup.prices.msr_return.time.is_zero();
        Flow::Spend(SimDuration::ZERO, Then::TurnEnd)
    }

    /// The guest writes zero to the EN register. Items are dropped, for which the thread may have
    /// to wait.
    pub(in crate::machine) fn clear_en(&mut self, vcpu: VcpuId) -> Flow {
        let section = self.write_msr_en(vcpu, 0);
        self.after_drop(vcpu, section)
    }

    /// The handler of a system management interrupt is over: RSM, which writes CR0.
    pub(in crate::machine) fn leave_smm(&mut self, vcpu: VcpuId) -> Flow {
        let section = self.leave_smm_section(vcpu);
        self.after_drop(vcpu, section)
    }

    fn after_drop(&mut self, vcpu: VcpuId, section: Section) -> Flow {
        match section.continues() {
            true => self.next_section(vcpu, section.wait_worker),
            false => Flow::Spend(SimDuration::ZERO, Then::TurnEnd),
        }
    }
}
