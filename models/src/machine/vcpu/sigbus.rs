//! What becomes of a virtual machine that wants a page in whose place there is a marker (`UFFDIO_POISON`).
//!
//! `handle_pte_marker` (mm/memory.c of 6.12.117) says VM_FAULT_HWPOISON, and with FOLL_HWPOISON the lookup fails by
//! it (EHWPOISON), one that must not wait as well. KVM then sends SIGBUS to the thread of the vCPU and has the access
//! repeated (`kvm_handle_error_pfn`, arch/x86/kvm/mmu/mmu.c); before it enters the guest again the thread leaves the
//! kernel for the signal. A worker that gets no page completes its item like any other (`async_pf_execute` looks at
//! no result), and the signal comes when the page of the completed item is mapped (`kvm_arch_async_page_ready`), or
//! with the next access.
//!
//! The VMM ends: Firecracker's handler of the signal writes its log and exits, and a VMM without one is killed.

use sim_core::EventQueue;

use crate::base::ids::{Gfn, VcpuId, VmId};
use crate::base::record::Event;
use crate::machine::world::{Cx, Flow, MachineEvent, Then, thread_of};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The thread of a vCPU gets SIGBUS for a frame, which ends its VMM.
    pub(in crate::machine) fn send_hwpoison_signal(&mut self, vcpu: VcpuId, gfn: Gfn) {
        self.emit(Event::SignalGenerate { vcpu, gfn });
        self.end_vmm(self.w.setup.vm(vcpu));
    }

    /// All threads of a VMM are killed: each ends when it would enter the guest or block the next time, those of its
    /// handlers at their next step outside the kernel.
    fn end_vmm(&mut self, vm: VmId) {
        if self.w.kvm.has_ended(vm) {
            return;
        }
        self.w.kvm.end(vm);
        self.emit(Event::VmmEnd { vm });
        self.vmm_dies(vm);
        self.signal_vcpus(vm);
    }

    /// Whether the VMM of a vCPU has ended.
    pub(super) fn has_ended(&self, vcpu: VcpuId) -> bool {
        self.w.kvm.has_ended(self.w.setup.vm(vcpu))
    }

    /// The thread of a vCPU ends with its VMM, and never runs again.
    pub(super) fn vcpu_thread_ends(&mut self, vcpu: VcpuId) -> Flow {
        if !std::mem::replace(&mut self.w.kvm.of[vcpu.index()].exited, true) {
            self.emit(Event::SchedProcessExit { vcpu });
        }
        self.block_thread(thread_of(vcpu), Then::Enter);
        Flow::Stopped
    }
}
