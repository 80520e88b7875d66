//! What the protocol sees of a vCPU.

use sim_core::EventQueue;

use crate::apf::{MmuMode, VcpuView};
use crate::base::ids::VcpuId;
use crate::machine::world::{Cx, GuestEntry, MachineEvent};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// What the protocol sees of a vCPU.
    pub(super) fn view(&self, vcpu: VcpuId) -> VcpuView {
        let state = &self.w.kvm.of[vcpu.index()];
        let (cpl, interrupts_on) = match &state.fault {
            Some(fault) => (fault.cpl, fault.interrupts_on),
            None => (self.cpl(vcpu), self.interrupts_on(vcpu)),
        };
        let reinjecting = state.delivering.is_some();
        let mmu = match self.w.host.shadow() {
            Some(_) => MmuMode::Shadow { cr3: u64::from(state.space) + 1 },
            None => MmuMode::Direct,
        };
        VcpuView { cpl, interrupts_on, reinjecting, mmu, ..VcpuView::USER }
    }
}
