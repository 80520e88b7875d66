//! A VMM stops the vCPUs of its virtual machine for a while: each thread leaves the kernel, and waits (QEMU:
//! `vm_stop_force_state`, then `vm_start`). A thread that waits for a page, or for a worker, stops when it has it.

use sim_core::{EventQueue, SimDuration};

use crate::base::ids::{VcpuId, VmId};
use crate::base::record::{BlockReason, Event};
use crate::machine::world::{Cx, Flow, MachineEvent, Then, thread_of};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// All threads of vCPUs are signalled.
    pub(in crate::machine) fn stop_vm(&mut self, vm: VmId) {
        self.emit(Event::VmStop { vm });
        self.w.kvm.stop(vm);
        self.signal_vcpus(vm);
    }

    /// Whether the last vCPU has stopped. A thread that has ended with its VMM needs no stopping.
    pub(in crate::machine) fn has_stopped(&self, vm: VmId) -> bool {
        let has = |vcpu: VcpuId| {
            let state = &self.w.kvm.of[vcpu.index()];
            state.stopped || state.exited
        };
        self.w.setup.vcpus_of(vm).all(has)
    }

    /// They run again.
    pub(in crate::machine) fn resume_vm(&mut self, vm: VmId) {
        self.emit(Event::VmResume { vm });
        self.w.kvm.resume(vm);
        for vcpu in self.w.setup.vcpus_of(vm) {
            if self.w.kvm.of[vcpu.index()].stopped {
                self.wake_thread(thread_of(vcpu));
            }
        }
    }

    /// Whether a vCPU is to stop, or has.
    pub(super) fn is_to_stop(&self, vcpu: VcpuId) -> bool {
        self.w.kvm.is_stopped(self.w.setup.vm(vcpu))
    }

    /// The thread is out of the kernel.
    pub(in crate::machine) fn vcpu_stops(&mut self, vcpu: VcpuId) -> Flow {
        if !self.is_to_stop(vcpu) {
            return Flow::Spend(self.w.setup.prices.vmm_run.time, Then::TurnEnd);
        }
        self.w.kvm.of[vcpu.index()].stopped = true;
        self.vcpu_sleeps(vcpu, BlockReason::Stopped);
        self.tell_protector(self.w.setup.vm(vcpu));
        self.block_thread(thread_of(vcpu), Then::Resumed);
        Flow::Stopped
    }

    /// Something has woken the thread.
    pub(in crate::machine) fn vcpu_resumes(&mut self, vcpu: VcpuId) -> Flow {
        if self.is_to_stop(vcpu) && !self.has_ended(vcpu) {
            self.block_thread(thread_of(vcpu), Then::Resumed);
            return Flow::Stopped;
        }
        self.w.kvm.of[vcpu.index()].stopped = false;
        self.vcpu_wakes(vcpu);
        let run = self.w.setup.prices.vmm_run.time;
        Flow::Spend(if self.has_ended(vcpu) { SimDuration::ZERO } else { run }, Then::TurnEnd)
    }
}
