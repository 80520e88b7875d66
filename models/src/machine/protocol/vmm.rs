//! The steps of faults that the VMM answers, each with its own answer. The stores of vCPU threads and of the VMM
//! become visible at once: what takes tens of nanoseconds has no time of its own here, and the explorer has all
//! its orders.

use sim_core::EventQueue;

use crate::apf::item::{UserStage, VMM, Work, WorkStage};
use crate::apf::rules::ResolvedBy;
use crate::apf::vmm::{Channel, Progress, Reading, Storer};
use crate::apf::{Decision, HostInput, SetupFailure, VcpuView, VmmInput};
use crate::base::ids::{Gfn, Gva, ItemId, VcpuId};
use crate::machine::world::{Cx, MachineEvent};

/// What becomes of a fault that the VMM answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::machine) enum UserFault {
    /// The frame is outstanding: the vCPU will be halted.
    Repeated,
    /// It leaves by an exit; plain if nothing of it is left in the kernel.
    Exit { plain: bool },
    /// It is in the ring; whether the VMM is to be signalled.
    Ring { signal: bool },
}

/// How far a thread of the VMM got with a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::machine) enum Answering {
    Done,
    /// Another thread is in the middle of an answer, or the ring of answers has no room.
    Waits,
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// A fault on a frame whose bit is set, and all sections of setting its item up. They hold a lock, or spin
    /// for a barrier: nothing comes between.
    pub(in crate::machine) fn set_up_user_fault(
        &mut self,
        vcpu: VcpuId,
        view: VcpuView,
        (gva, gfn): (Gva, Gfn),
        failure: Option<SetupFailure>,
    ) -> UserFault {
        let hva = gfn.hva();
        let mut left = self.step(vcpu, HostInput::UserFault { vcpu, view, gva, gfn, hva, failure });
        let mut in_ring = false;
        while left.decision == Some(Decision::Continue) {
            in_ring |= self.w.protocol.apf(vcpu).is_list_locked(vcpu);
            self.see_all(vcpu, Storer::Kernel);
            left = self.step(vcpu, HostInput::Advance { vcpu, view });
        }
        match left.user_exit {
            Some(plain) => UserFault::Exit { plain },
            None if in_ring => UserFault::Ring { signal: left.signal },
            None => UserFault::Repeated,
        }
    }

    /// Whether the VMM is to answer for a frame, asked by any vCPU of this one's virtual machine.
    pub(in crate::machine) fn is_with_vmm(&self, vcpu: VcpuId, gfn: Gfn) -> bool {
        let apf = self.w.protocol.apf(vcpu);
        let open = |stage: Option<UserStage>| stage.is_some_and(|it| it != UserStage::Completed);
        apf.rules.vmm_answers()
            && (apf.host.items.iter().any(|(_, item)| open(item.user) && item.gfn() == Some(gfn))
                || apf.vmm.iter().any(|vmm| vmm.requests.iter().any(|it| it.gfn == gfn)))
    }

    /// The stores of one side become visible, the oldest first.
    fn see_all(&mut self, vcpu: VcpuId, storer: Storer) {
        while !self.w.protocol.apf(vcpu).stores(vcpu, storer).is_empty() {
            self.step(vcpu, VmmInput::Visible { vcpu, storer, index: 0 });
        }
    }

    /// A section of the VMM, after which its stores are visible.
    fn vmm_section(&mut self, vcpu: VcpuId, input: VmmInput) {
        self.step(vcpu, input);
        self.see_all(vcpu, Storer::Vmm);
    }

    /// A vCPU thread outside the kernel passes its fault on.
    pub(in crate::machine) fn ask_vmm_outside(&mut self, vcpu: VcpuId, gfn: Gfn, plain: bool) {
        self.step(vcpu, VmmInput::Ask { vcpu, gfn, plain });
    }

    /// It tells the kernel that the fault will be answered.
    pub(in crate::machine) fn accept_fault(&mut self, vcpu: VcpuId, gfn: Gfn) {
        self.step(vcpu, VmmInput::Accept { vcpu, gfn });
    }

    /// It runs the vCPU again.
    pub(in crate::machine) fn run_again(&mut self, vcpu: VcpuId) {
        self.step(vcpu, VmmInput::Run { vcpu });
    }

    /// The VMM has set its rings up, and waits to be signalled.
    pub(in crate::machine) fn arm_rings(&mut self) {
        for vcpu in (0..self.w.setup.vms.len() as u16).map(VcpuId) {
            if self.w.protocol.rules(vcpu).resolved_by == ResolvedBy::Ring {
                while self.w.protocol.apf(vcpu).may_read(vcpu) {
                    self.vmm_section(vcpu, VmmInput::Read { vcpu });
                }
            }
        }
    }

    /// Whether the thread that reads the ring of a vCPU would sleep.
    pub(in crate::machine) fn ring_is_quiet(&self, vcpu: VcpuId) -> bool {
        let vmm = self.w.protocol.apf(vcpu).vmm(vcpu);
        vmm.reading == Reading::Sleep && !vmm.signalled
    }

    /// The next section of reading a ring: the faults found, unless another thread is in the middle of an answer.
    pub(in crate::machine) fn read_ring_of(&mut self, vcpu: VcpuId) -> Option<Vec<Gfn>> {
        if !self.w.protocol.apf(vcpu).may_read(vcpu) {
            return None;
        }
        let known = self.w.protocol.apf(vcpu).vmm(vcpu).requests.len();
        self.vmm_section(vcpu, VmmInput::Read { vcpu });
        let requests = &self.w.protocol.apf(vcpu).vmm(vcpu).requests[known..];
        Some(requests.iter().map(|request| request.gfn).collect())
    }

    /// The place among the VMM's requests of one that it has not answered.
    fn request_at(&self, vcpu: VcpuId, gfn: Gfn, channel: Channel) -> Option<usize> {
        let requests = &self.w.protocol.apf(vcpu).vmm(vcpu).requests;
        requests.iter().position(|request| (request.gfn, request.channel) == (gfn, channel))
    }

    /// The next section of answering a request, if it may be done now.
    fn answer_section(&mut self, vcpu: VcpuId, gfn: Gfn, channel: Channel) -> Answering {
        let Some(index) = self.request_at(vcpu, gfn, channel) else { return Answering::Done };
        if !self.w.protocol.apf(vcpu).may_answer(vcpu, index) {
            return Answering::Waits;
        }
        self.vmm_section(vcpu, VmmInput::Answer { vcpu, index, again: false });
        Answering::Done
    }

    /// An answer is written into the ring.
    pub(in crate::machine) fn write_answer_of(&mut self, vcpu: VcpuId, gfn: Gfn) -> Answering {
        while let Some(index) = self.request_at(vcpu, gfn, Channel::Ring) {
            let requests = &self.w.protocol.apf(vcpu).vmm(vcpu).requests;
            if requests[index].progress == Progress::Written {
                break;
            }
            if self.answer_section(vcpu, gfn, Channel::Ring) == Answering::Waits {
                return Answering::Waits;
            }
        }
        Answering::Done
    }

    /// The kernel is told that there is an answer in the ring. Whether its work is to be queued: it waits for no
    /// worker yet.
    pub(in crate::machine) fn tell_kernel(&mut self, vcpu: VcpuId, gfn: Gfn) -> bool {
        let pending = self.w.protocol.apf(vcpu).vcpu(vcpu).complete.queued;
        self.answer_section(vcpu, gfn, Channel::Ring);
        !pending
    }

    /// The kernel's own work for the ring of answers, from begin to end.
    pub(in crate::machine) fn complete_answers(&mut self, vcpu: VcpuId) {
        while self.w.protocol.apf(vcpu).may_complete(vcpu) {
            self.step(vcpu, VmmInput::Complete { vcpu });
        }
    }

    /// READY: the sections of a worker that has its page follow.
    pub(in crate::machine) fn ready_fault(&mut self, vcpu: VcpuId, gfn: Gfn) -> Answering {
        if self.reply_section(vcpu, gfn, Channel::Exit) == Answering::Waits {
            return Answering::Waits;
        }
        while let Some(item) = self.published(vcpu) {
            self.advance_work(item);
        }
        Answering::Done
    }

    /// The thread of a vCPU that waits outside the kernel has its answer.
    pub(in crate::machine) fn reply_to_fault(&mut self, vcpu: VcpuId, gfn: Gfn) -> Answering {
        self.reply_section(vcpu, gfn, Channel::Plain)
    }

    /// Both sections of an answer that is no entry in a ring.
    fn reply_section(&mut self, vcpu: VcpuId, gfn: Gfn, channel: Channel) -> Answering {
        if self.answer_section(vcpu, gfn, channel) == Answering::Waits {
            return Answering::Waits;
        }
        self.answer_section(vcpu, gfn, channel)
    }

    /// An item of a vCPU that READY has completed, and of which the wake-up is still to come. By its number
    /// outside.
    fn published(&self, vcpu: VcpuId) -> Option<ItemId> {
        let mut works = self.w.protocol.apf(vcpu).host.items.works();
        let of_vmm = |work: &Work| {
            (work.vcpu, work.worker) == (vcpu, Some(VMM)) && work.stage >= WorkStage::Published
        };
        let (item, _) = works.find(|(_, work)| of_vmm(work))?;
        Some(self.w.protocol.outside(self.w.setup.vm(vcpu), item))
    }
}
