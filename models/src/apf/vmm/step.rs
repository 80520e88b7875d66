//! Which section of the VMM, or of the kernel at its call, an input is.

use crate::apf::effect::Effects;
use crate::apf::state::Apf;
use crate::apf::vmm::VmmInput;

impl Apf {
    /// Does one section of the VMM; see [`Apf::step`].
    pub fn vmm_step(&mut self, input: VmmInput, effects: &mut Effects) {
        match input {
            VmmInput::Ask { vcpu, gfn, plain } => self.ask(vcpu, gfn, plain, effects),
            VmmInput::AskInVain { vcpu, gfn } => self.ask_in_vain(vcpu, gfn, effects),
            VmmInput::Accept { vcpu, gfn } => self.accept(vcpu, gfn, effects),
            VmmInput::Run { vcpu } => self.run_again(vcpu, effects),
            VmmInput::Read { vcpu } => self.read_ring(vcpu, effects),
            VmmInput::Answer { vcpu, index, again } => {
                self.answer(vcpu, index, again, effects);
            }
            VmmInput::Complete { vcpu } => self.complete_work(vcpu, effects),
            VmmInput::Visible { vcpu, storer, index } => {
                self.visible(vcpu, storer, index, effects);
            }
            VmmInput::Die { vcpu } => self.vmm[vcpu.index()].alive = false,
            VmmInput::Abuse { vcpu, how } => self.abuse(vcpu, how, effects),
        }
    }
}
