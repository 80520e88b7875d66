//! The steps of the protocol in the host, each with its own answer.

use sim_core::EventQueue;

use crate::apf::{Decision, HostInput, SetupFailure, VcpuView};
use crate::base::ids::Gva;
use crate::base::ids::{Gfn, ItemId, Token, VcpuId, WorkerId};
use crate::config::GuestPaging;
use crate::machine::world::{Cx, MachineEvent};

/// What a section of setting an item up, or of freeing one, leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::machine) struct Section {
    pub decision: Option<Decision>,
    /// The item whose work is to be done by somebody.
    pub queued: Option<ItemId>,
    /// The vCPU thread waits for this item's worker, then advances.
    pub wait_worker: Option<ItemId>,
}

impl Section {
    /// Whether another section follows.
    pub(in crate::machine) fn continues(self) -> bool {
        self.decision == Some(Decision::Continue)
    }
}

/// What a look for a completed item found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::machine) enum Completed {
    Nothing,
    /// An item whose page is mapped before it is delivered.
    Prefault(Gfn, Gva),
    /// An item that is delivered at once.
    Popped,
}

/// What follows a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::machine) struct Delivered {
    pub wait_worker: Option<ItemId>,
    /// The next completed item is looked for at once.
    pub drain_more: bool,
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    fn section(&mut self, vcpu: VcpuId, input: HostInput) -> Section {
        let left = self.step(vcpu, input);
        Section { decision: left.decision, queued: left.queued, wait_worker: left.wait_worker }
    }

    /// `try_async_pf`: may the fault go asynchronous?
    pub(in crate::machine) fn try_async(
        &mut self,
        vcpu: VcpuId,
        view: VcpuView,
        (gva, gfn): (Gva, Gfn),
        failure: Option<SetupFailure>,
    ) -> Option<Decision> {
        let hva = gfn.hva();
        self.step(vcpu, HostInput::Try { vcpu, view, gva, gfn, hva, failure }).decision
    }

    /// The next section of the operation that the vCPU thread is in.
    pub(in crate::machine) fn advance(&mut self, vcpu: VcpuId, view: VcpuView) -> Section {
        self.section(vcpu, HostInput::Advance { vcpu, view })
    }

    /// The requests before an entry. True: the loop begins again.
    pub(in crate::machine) fn handle_requests(&mut self, vcpu: VcpuId) -> bool {
        let own = self.w.protocol.apf(vcpu).vcpu(vcpu);
        // As a rule there is none, and the step would do nothing.
        if own.halt_request.is_none() && !own.ready_request {
            return false;
        }
        let left = self.step(vcpu, HostInput::Requests { vcpu });
        left.halted || left.scan
    }

    /// The pending exception is put into the guest.
    pub(in crate::machine) fn inject_exception(&mut self, vcpu: VcpuId) -> Option<Token> {
        self.step(vcpu, HostInput::Inject { vcpu }).injected
    }

    /// The interrupt of a page ready is put into the guest.
    pub(in crate::machine) fn inject_ready_interrupt(&mut self, vcpu: VcpuId) {
        self.step(vcpu, HostInput::InjectInterrupt { vcpu });
    }

    /// Looks for a completed item that may be delivered.
    pub(in crate::machine) fn check_completion(
        &mut self,
        vcpu: VcpuId,
        view: VcpuView,
    ) -> Completed {
        let left = self.step(vcpu, HostInput::CheckCompletion { vcpu, view });
        match (left.popped, left.prefault) {
            (false, _) => Completed::Nothing,
            (true, Some((gfn, gva))) => Completed::Prefault(gfn, gva),
            (true, None) => Completed::Popped,
        }
    }

    /// The popped item is delivered and freed.
    pub(in crate::machine) fn deliver_item(&mut self, vcpu: VcpuId, view: VcpuView) -> Delivered {
        let left = self.step(vcpu, HostInput::Deliver { vcpu, view });
        Delivered { wait_worker: left.wait_worker, drain_more: left.drain_more }
    }

    /// The guest has executed HLT.
    pub(in crate::machine) fn emulate_halt(&mut self, vcpu: VcpuId) {
        self.step(vcpu, HostInput::Hlt { vcpu });
    }

    /// Whether the thread of a halted vCPU sleeps.
    pub(in crate::machine) fn begin_block(
        &mut self,
        vcpu: VcpuId,
        view: VcpuView,
        interrupt: bool,
    ) -> bool {
        self.step(vcpu, HostInput::Block { vcpu, view, interrupt }).blocked
    }

    /// Whether the thread of a halted vCPU, which is awake, sleeps on.
    pub(in crate::machine) fn stays_blocked(
        &mut self,
        vcpu: VcpuId,
        view: VcpuView,
        interrupt: bool,
    ) -> bool {
        self.step(vcpu, HostInput::Unblock { vcpu, view, interrupt }).blocked
    }

    /// A write to `MSR_KVM_ASYNC_PF_EN`.
    pub(in crate::machine) fn write_msr_en(&mut self, vcpu: VcpuId, value: u64) -> Section {
        self.section(vcpu, HostInput::WriteEn { vcpu, value })
    }

    /// As [`Self::write_msr_en`], where there is no memory for the wake-all.
    pub(in crate::machine) fn write_msr_en_without_memory(
        &mut self,
        vcpu: VcpuId,
        value: u64,
    ) -> Section {
        self.section(vcpu, HostInput::WriteEnNoMemory { vcpu, value })
    }

    /// A write to `MSR_KVM_ASYNC_PF_INT`.
    pub(in crate::machine) fn write_msr_int(&mut self, vcpu: VcpuId, vector: u8) {
        self.step(vcpu, HostInput::WriteInt { vcpu, value: u64::from(vector) });
    }

    /// A write to `MSR_KVM_ASYNC_PF_ACK`.
    pub(in crate::machine) fn write_msr_ack(&mut self, vcpu: VcpuId) {
        self.step(vcpu, HostInput::WriteAck { vcpu, value: 1 });
    }

    /// A worker begins an item. The page that it is to get, if any.
    pub(in crate::machine) fn start_work(&mut self, item: ItemId, worker: WorkerId) -> Option<Gfn> {
        let (vm, item) = self.w.protocol.within(item);
        self.step_in(vm, HostInput::WorkerStart { item, worker }).fetch
    }

    /// The page of an item is there.
    pub(in crate::machine) fn work_fetched(&mut self, item: ItemId) {
        let (vm, item) = self.w.protocol.within(item);
        self.step_in(vm, HostInput::WorkerFetched { item });
    }

    /// The next section of a worker. True: it is done.
    pub(in crate::machine) fn advance_work(&mut self, item: ItemId) -> bool {
        let (vm, item) = self.w.protocol.within(item);
        self.step_in(vm, HostInput::WorkerAdvance { item }).worker_done
    }

    /// A system management interrupt begins.
    pub(in crate::machine) fn enter_smm(&mut self, vcpu: VcpuId) {
        self.step(vcpu, HostInput::EnterSmm { vcpu });
    }

    /// RSM, which writes CR0.
    pub(in crate::machine) fn leave_smm_section(&mut self, vcpu: VcpuId) -> Section {
        self.section(vcpu, HostInput::LeaveSmm { vcpu })
    }

    /// A vCPU that was started again comes out of its reset with paging and its local APIC on.
    pub(in crate::machine) fn restart_vcpu(&mut self, vcpu: VcpuId) {
        let reset = self.section(vcpu, HostInput::Reset { vcpu });
        debug_assert!(!reset.continues(), "no item is left");
        self.set_paging(vcpu);
        self.step(vcpu, HostInput::SetLapic { vcpu, enabled: true });
    }

    /// The guest has paging on, or leaves it off, after a reset or from power-on.
    pub(in crate::machine) fn set_paging(&mut self, vcpu: VcpuId) {
        let on = self.w.setup.guest(vcpu).paging == GuestPaging::On;
        self.step(vcpu, HostInput::SetPaging { vcpu, on });
    }

    /// The guest switches its local APIC on or off.
    pub(in crate::machine) fn set_lapic(&mut self, vcpu: VcpuId, enabled: bool) {
        self.step(vcpu, HostInput::SetLapic { vcpu, enabled });
    }

    /// The paravirtual KICK_CPU call reaches a vCPU.
    pub(in crate::machine) fn pv_kick(&mut self, vcpu: VcpuId) {
        self.step(vcpu, HostInput::PvKick { vcpu });
    }

    /// The VMM changes its memory slots; the shared area of a vCPU moves.
    pub(in crate::machine) fn change_memslots(&mut self, moves: VcpuId) {
        self.step(moves, HostInput::MemslotChange { moves: Some(moves) });
    }
}
