//! Faults that the VMM answers: a frame whose bit is set leaves the kernel by an exit, or goes into the ring of its
//! vCPU (`kvm_async_pf_setup_userfault` of the patches that Firecracker's branch `feature/secret-hiding` carries on
//! 6.18, as read in June 2026).

use sim_core::{EventQueue, SimDuration};

use crate::apf::SetupFailure;
use crate::apf::rules::ResolvedBy;
use crate::base::ids::{Gfn, VcpuId};
use crate::base::record::{BlockReason, Event, FaultPath};
use crate::machine::protocol::UserFault;
use crate::machine::world::{Cx, Flow, MachineEvent, Then, thread_of};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The bit of the fault's frame is set. Without asynchronous faults the exit is a plain one.
    pub(in crate::machine) fn user_fault(&mut self, vcpu: VcpuId) -> Flow {
        match self.has_async_faults(vcpu) {
            true => {
                let prices = &self.w.setup.prices;
                let ring = self.w.protocol.rules(vcpu).resolved_by == ResolvedBy::Ring;
                let entry = if ring { prices.vmm_entry.time } else { SimDuration::ZERO };
                Flow::Spend(prices.apf_setup.time + entry, Then::UserSetup)
            }
            false => {
                let gfn = self.fault_gfn(vcpu);
                self.emit(Event::KvmUserspaceExit { vcpu, gfn, plain: true });
                self.leave_kernel(vcpu, true)
            }
        }
    }

    /// An item is set up for the fault, and the guest told or to be halted.
    pub(in crate::machine) fn user_fault_set_up(&mut self, vcpu: VcpuId) -> Flow {
        let (gfn, gva) = (self.fault_gfn(vcpu), self.fault_of(vcpu).gva);
        if !self.w.host.is_served_by_vmm(self.w.setup.page(vcpu, gfn)) {
            // Its bit was cleared before the kernel read it.
            return self.fault_lookup(vcpu);
        }
        // Another vCPU may have been quicker meanwhile.
        self.note_joining(vcpu);
        // A registration brings a pool of items.
        let ring = self.w.protocol.rules(vcpu).resolved_by == ResolvedBy::Ring;
        let fails = !ring && self.allocation_fails(vcpu, gfn);
        let failure = fails.then_some(SetupFailure::Allocation);
        let view = self.view(vcpu);
        match self.set_up_user_fault(vcpu, view, (gva, gfn), failure) {
            UserFault::Repeated => {
                self.begin_major_fault(vcpu, FaultPath::Repeated);
                self.back_to_loop()
            }
            UserFault::Exit { plain } => self.leave_kernel(vcpu, plain),
            UserFault::Ring { signal } => {
                self.begin_major_fault(vcpu, FaultPath::Async);
                match signal {
                    true => Flow::Spend(self.w.setup.prices.vmm_signal.time, Then::UserSignalled),
                    false => self.back_to_loop(),
                }
            }
        }
    }

    /// The VMM's eventfd is signalled: who polls it is woken.
    pub(in crate::machine) fn user_signalled(&mut self, vcpu: VcpuId) -> Flow {
        self.signal_reader(vcpu);
        self.back_to_loop()
    }

    fn leave_kernel(&mut self, vcpu: VcpuId, plain: bool) -> Flow {
        let path = if plain { FaultPath::Sync } else { FaultPath::Async };
        self.begin_major_fault(vcpu, path);
        let gfn = self.fault_gfn(vcpu);
        self.w.kvm.of[vcpu.index()].outside = Some((gfn, plain));
        Flow::Spend(self.w.setup.prices.vmm_exit.time, Then::OutsideAsk)
    }

    fn outside(&self, vcpu: VcpuId) -> (Gfn, bool) {
        match self.w.kvm.of[vcpu.index()].outside {
            Some(outside) => outside,
            None => unreachable!("{vcpu} is in the kernel"),
        }
    }

    /// The thread is out of the kernel, and sends its request, or brings the page itself.
    pub(in crate::machine) fn outside_ask(&mut self, vcpu: VcpuId) -> Flow {
        let (gfn, plain) = self.outside(vcpu);
        match plain.then(|| self.store_that_vcpus_read(self.w.setup.page(vcpu, gfn))).flatten() {
            Some(store) => self.bring_outside(vcpu, self.w.setup.page(vcpu, gfn), store),
            None => Flow::Spend(self.w.setup.prices.vmm_ask.time, Then::OutsideAsked),
        }
    }

    /// The thread has brought the page.
    pub(in crate::machine) fn outside_brought(&mut self, vcpu: VcpuId) -> Flow {
        let (gfn, _) = self.outside(vcpu);
        self.emit(Event::VmmAnswer { thread: thread_of(vcpu), vcpu, gfn });
        Flow::Spend(self.w.setup.prices.vmm_run.time, Then::OutsideRun)
    }

    /// The request is sent. The thread says that it will be answered, or waits until it is.
    pub(in crate::machine) fn outside_asked(&mut self, vcpu: VcpuId) -> Flow {
        let (gfn, plain) = self.outside(vcpu);
        self.ask_vmm_outside(vcpu, gfn, plain);
        self.send_request(vcpu, self.w.setup.page(vcpu, gfn), plain);
        if !plain {
            return Flow::Spend(self.w.setup.prices.vmm_accept.time, Then::OutsideAccepted);
        }
        self.vcpu_sleeps(vcpu, BlockReason::Fetch);
        self.block_thread(thread_of(vcpu), Then::OutsideReplied);
        Flow::Stopped
    }

    pub(in crate::machine) fn outside_accepted(&mut self, vcpu: VcpuId) -> Flow {
        let (gfn, _) = self.outside(vcpu);
        self.accept_fault(vcpu, gfn);
        Flow::Spend(self.w.setup.prices.vmm_run.time, Then::OutsideRun)
    }

    /// The thread has waited, and has its answer.
    pub(in crate::machine) fn outside_replied(&mut self, vcpu: VcpuId) -> Flow {
        self.vcpu_wakes(vcpu);
        Flow::Spend(self.w.setup.prices.vmm_run.time, Then::OutsideRun)
    }

    /// KVM_RUN: what the VMM has neither accepted nor answered is over.
    pub(in crate::machine) fn outside_run(&mut self, vcpu: VcpuId) -> Flow {
        self.w.kvm.of[vcpu.index()].outside = None;
        self.run_again(vcpu);
        Flow::Spend(SimDuration::ZERO, Then::Enter)
    }
}
