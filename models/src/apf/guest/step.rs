//! Which section of the guest an input is.

use crate::apf::effect::Effects;
use crate::apf::guest::GuestInput;
use crate::apf::state::Apf;

impl Apf {
    /// Does one section of the guest; see [`Apf::step`].
    pub fn guest_step(&mut self, input: GuestInput, effects: &mut Effects) {
        match input {
            GuestInput::TracerFault { vcpu, address } => self.tracer_fault(vcpu, address),
            GuestInput::NmiFault { vcpu } => self.nmi_fault(vcpu, effects),
            GuestInput::BeforeEnable { vcpu } => self.before_enable(vcpu),
            GuestInput::PfEntry { vcpu } => self.pf_entry(vcpu, effects),
            GuestInput::WaitLink { vcpu, task, token } => {
                self.wait_link(vcpu, task, token, effects);
            }
            GuestInput::WaitTest { vcpu, task, token, ctx } => {
                self.wait_test(vcpu, (task, token), ctx, effects);
            }
            GuestInput::WaitHlt { vcpu, task, token } => {
                self.wait_hlt(vcpu, task, token, effects);
            }
            GuestInput::Wake { vcpu, token } => self.wake(vcpu, token, true, effects),
            GuestInput::WakeNoMemory { vcpu, token } => self.wake(vcpu, token, false, effects),
            GuestInput::WakeInsert { vcpu, token } => self.wake_insert(vcpu, token, effects),
            GuestInput::ReadyEoi { vcpu } => self.ready_eoi(vcpu),
            GuestInput::ReadyRead { vcpu } => self.ready_read(vcpu, effects),
            GuestInput::ReadyClear { vcpu } => self.ready_clear(vcpu),
            GuestInput::SetEnabled { vcpu, on } => self.guest.enabled[vcpu.index()] = on,
            GuestInput::Teardown { vcpu, takeover } => self.teardown(vcpu, takeover, effects),
            GuestInput::WakeOwn { vcpu } => self.wake_all(vcpu, effects),
            GuestInput::Restart => self.restart(),
        }
    }
}
