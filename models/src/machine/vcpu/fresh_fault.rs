//! The usual fault at a frame that was never touched, from its exit to its entry in one go.
//!
//! What the stages of [`super::fault_path`] and of the run loop do is done here at the times at which they
//! would do it. Whatever could make a difference to them makes this refuse: a request to the vCPU, an event
//! to be injected, no room, a lock that another one has.

use sim_core::{EventQueue, SimDuration, SimTime};

use crate::base::abi::PF_WRITE;
use crate::base::ids::{Gfn, VcpuId};
use crate::base::record::{Event, ExitReason};
use crate::machine::world::{Cx, FreshFault, GuestEntry, MachineEvent, thread_of};
use crate::parts::memory::second_stage_lock::Visit;
use crate::parts::memory::shadow::Side;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Whether the run loop of a vCPU has nothing to do between an exit and the next entry.
    fn loop_is_quiet(&self, vcpu: VcpuId) -> bool {
        let (state, apf) = (&self.w.kvm.of[vcpu.index()], self.w.protocol.apf(vcpu));
        let own = apf.vcpu(vcpu);
        !state.flush_tlb
            && !state.in_msr_write
            && state.delivering.is_none()
            && own.halt_request.is_none()
            && !own.ready_request
            && !apf.must_block(vcpu)
            && !apf.may_check_completion(vcpu)
            && apf.pending_exception(vcpu).is_none()
    }

    /// What a fault at a frame that exits at `exits` takes, if it is the usual one.
    pub(super) fn plan_usual_fault(
        &self,
        vcpu: VcpuId,
        gfn: Gfn,
        exits: SimTime,
    ) -> Option<FreshFault> {
        let (host, thread, page) = (&self.w.host, thread_of(vcpu), self.w.setup.page(vcpu, gfn));
        let usual = !self.w.setup.is_shadow()
            && self.loop_is_quiet(vcpu)
            && host.gives_at_once(thread, page, &self.w.setup);
        if !usual {
            return None;
        }
        let prices = &self.w.setup.prices;
        let exit = prices.exit_hw.time + prices.apf_detect.time;
        let clear = prices.zero_page.time;
        let map = prices.kvm_fault.time.saturating_sub(prices.apf_detect.time);
        if !host.keeps_lock() {
            return Some(FreshFault { exit, clear, map, locked: SimDuration::ZERO, lock: None });
        }
        let held = prices.lock_fault.time.min(map);
        let map = map.saturating_sub(held);
        let line = prices.lock_line.time;
        let visit = Visit { write: false, pcpu: None, span: held, line };
        let (turn, lock) = host.free_turn(thread, page, visit, exits + exit + clear + map)?;
        Some(FreshFault { exit, clear, map, locked: turn.span, lock: Some(lock) })
    }

    /// The fault that was planned, from now to the entry.
    pub(super) fn usual_fault(&mut self, vcpu: VcpuId, gfn: Gfn, fault: FreshFault) {
        let (thread, page) = (thread_of(vcpu), self.w.setup.page(vcpu, gfn));
        self.emit(Event::KvmExit { vcpu, reason: ExitReason::EptViolation });
        let error_code = PF_WRITE.into();
        self.emit(Event::KvmPageFault { vcpu, address: gfn.gpa(), error_code, cpl: 0 });
        for span in [fault.exit, fault.clear, fault.map, fault.locked] {
            self.pass(thread, span);
        }
        self.w.host.give_at_once(page, fault.lock);
        self.map_page(vcpu, (page, Side::Program), true);
        self.w.kvm.of[vcpu.index()].injection_prepared = false;
        self.end_hlt(vcpu);
        self.emit(Event::KvmEntry { vcpu });
    }
}
