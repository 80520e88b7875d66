//! A signal to the threads of a VMM that run vCPUs.

use sim_core::EventQueue;

use crate::base::ids::VmId;
use crate::base::record::{BlockReason, ExitReason};
use crate::machine::world::{Cx, MachineEvent, thread_of};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The threads of all vCPUs get a signal: none enters the guest or stays in it, and a halt ends.
    pub(super) fn signal_vcpus(&mut self, vm: VmId) {
        for vcpu in self.w.setup.vcpus_of(vm) {
            self.cancel_entry(vcpu);
            self.force_exit(vcpu, ExitReason::Kick);
            let blocked = self.w.kvm.of[vcpu.index()].blocked;
            if matches!(blocked, Some((BlockReason::Hlt | BlockReason::ApfHalt, _))) {
                self.wake_thread(thread_of(vcpu));
            }
        }
    }
}
