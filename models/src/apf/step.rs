//! One step of the protocol.

use crate::apf::effect::Effects;
use crate::apf::guest::GuestInput;
use crate::apf::host::HostInput;
use crate::apf::state::Apf;
use crate::apf::vmm::VmmInput;

/// Something that happens to the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// In the host.
    Host(HostInput),
    /// In the guest.
    Guest(GuestInput),
    /// In the VMM, or at its call.
    Vmm(VmmInput),
}

impl From<HostInput> for Input {
    fn from(input: HostInput) -> Self {
        Self::Host(input)
    }
}

impl From<GuestInput> for Input {
    fn from(input: GuestInput) -> Self {
        Self::Guest(input)
    }
}

impl From<VmmInput> for Input {
    fn from(input: VmmInput) -> Self {
        Self::Vmm(input)
    }
}

impl Apf {
    /// Does one atomic section and appends what happened to `effects`.
    ///
    /// # Panics
    ///
    /// When the input cannot happen in this state: an unknown vCPU or item, `Advance` or `Deliver`
    /// with no operation under way, a worker's section out of order. That is a mistake of the
    /// driver, never of the protocol.
    pub fn step(&mut self, input: Input, effects: &mut Effects) {
        match input {
            Input::Host(input) => self.host_step(input, effects),
            Input::Guest(input) => self.guest_step(input, effects),
            Input::Vmm(input) => self.vmm_step(input, effects),
        }
    }
}
