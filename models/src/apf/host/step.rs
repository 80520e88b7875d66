//! Which section of the host an input is.

use crate::apf::effect::Effects;
use crate::apf::host::{HostInput, Operation, VcpuView};
use crate::apf::state::Apf;
use crate::base::ids::VcpuId;

impl Apf {
    /// Does one section of the host; see [`Apf::step`].
    pub fn host_step(&mut self, input: HostInput, effects: &mut Effects) {
        match input {
            HostInput::Try { vcpu, view, gva, gfn, hva, failure } => {
                self.try_async(vcpu, view, (gva, gfn, hva), failure, effects);
            }
            HostInput::UserFault { vcpu, view, gva, gfn, hva, failure } => {
                self.user_fault(vcpu, view, (gva, gfn, hva), failure, effects);
            }
            HostInput::Advance { vcpu, view } => self.advance(vcpu, view, effects),
            HostInput::RefuseWork { vcpu } => self.refuse_work(vcpu, effects),
            HostInput::Requests { vcpu } => {
                if !self.looks_before_halt(vcpu, effects) {
                    self.requests(vcpu, effects);
                }
            }
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

    fn advance(&mut self, vcpu: VcpuId, view: VcpuView, effects: &mut Effects) {
        match self.vcpu(vcpu).operation {
            Some(Operation::Setup { item, step }) => {
                self.advance_setup(vcpu, view, (item, step), effects);
            }
            Some(Operation::UserSetup { item, next }) => {
                self.advance_user_setup(vcpu, view, (item, next), effects);
            }
            Some(Operation::WakeAll { item, seen }) => {
                self.append_wake_all(vcpu, item, seen, effects);
            }
            Some(Operation::Freeing { item, within }) => {
                self.free_when_worker_is_done(vcpu, item, within, effects);
            }
            Some(Operation::Clear) => self.advance_clear(vcpu, effects),
            other => panic!("{vcpu} advances, but is in {other:?}"),
        }
    }
}
