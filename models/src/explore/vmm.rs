//! A VMM that answers faults, in a small world: what it may do next, and what comes of it.

use crate::apf::rules::ResolvedBy;
use crate::apf::vmm::{Abuse, Progress, Storer};
use crate::apf::{Defect, Effect, Effects, HostInput, Input, SetupFailure, VmmEffect, VmmInput};
use crate::base::ids::{Gva, Hva, VcpuId};

use super::check::Log;
use super::outside::{Outside, VmmMove};
use super::setup::{Disturbance, Setup};
use super::world::{At, Move, Then, World, frame_of};

impl World {
    /// Everything that the VMM may do next for one vCPU.
    pub(super) fn moves_of_vmm(&self, vcpu: VcpuId, setup: &Setup, moves: &mut Vec<Move>) {
        if !setup.by_vmm() {
            if setup.by_uffd() && !self.handler_gone && self.may_disturb(vcpu, VmmMove::Die) {
                moves.push(Move::Vmm(vcpu, VmmMove::Die));
            }
            return;
        }
        let mut add = |chosen| moves.push(Move::Vmm(vcpu, chosen));
        for storer in [Storer::Kernel, Storer::Vmm] {
            let count = self.apf.stores(vcpu, storer).iter().count();
            let may = |&index: &usize| self.apf.may_become_visible(vcpu, storer, index);
            (0..count).filter(may).for_each(|index| add(VmmMove::Visible(storer, index as u8)));
        }
        if self.apf.may_read(vcpu) {
            add(VmmMove::Read);
        }
        if self.apf.may_complete(vcpu) {
            add(VmmMove::Complete);
        }
        self.answers(vcpu, &mut add);
        if self.may_disturb(vcpu, VmmMove::Die) && self.apf.vmm(vcpu).alive {
            add(VmmMove::Die);
        }
        if let At::Outside(_, Outside::Send { plain: false }) = self.cpu(vcpu).at {
            let ways = [VmmMove::SendFails, VmmMove::Ignore, VmmMove::WaitForAnswer];
            ways.into_iter().filter(|&way| self.may_disturb(vcpu, way)).for_each(&mut add);
        }
        let ring = setup.rules.resolved_by == ResolvedBy::Ring;
        if ring && self.cpu(vcpu).budget.left(Disturbance::RingAbuse) > 0 {
            Abuse::ALL.into_iter().for_each(|how| add(VmmMove::Abuse(how)));
        }
    }

    fn may_disturb(&self, vcpu: VcpuId, chosen: VmmMove) -> bool {
        chosen.disturbance().is_some_and(|which| self.cpu(vcpu).budget.left(which) > 0)
    }

    fn answers(&self, vcpu: VcpuId, add: &mut dyn FnMut(VmmMove)) {
        let requests = &self.apf.vmm(vcpu).requests;
        let two = self.apf.defects.has(Defect::TwoProducers);
        for (index, request) in requests.iter().enumerate() {
            if !self.apf.may_answer(vcpu, index) {
                continue;
            }
            let begun = request.progress != Progress::Asked;
            let index = index as u8;
            if index == 0 || begun || two {
                add(VmmMove::Answer(index));
            } else if self.may_disturb(vcpu, VmmMove::AnswerEarly(index)) {
                add(VmmMove::AnswerEarly(index));
            }
            if self.ends_answer(vcpu, index) && self.may_disturb(vcpu, VmmMove::AnswerTwice(index))
            {
                add(VmmMove::AnswerTwice(index));
            }
        }
    }

    /// Whether the next section of answering is the last one.
    fn ends_answer(&self, vcpu: VcpuId, index: u8) -> bool {
        use crate::apf::vmm::Channel;
        let request = self.apf.vmm(vcpu).requests[usize::from(index)];
        match request.channel {
            Channel::Ring => request.progress == Progress::Written,
            Channel::Exit => request.progress == Progress::Installed,
            // The thread goes on when it is answered; nothing is answered twice to it.
            Channel::Plain => false,
        }
    }

    pub(super) fn vmm(&mut self, vcpu: VcpuId, input: VmmInput, log: &mut Log) -> Effects {
        let effects = self.input(vcpu, Input::Vmm(input), log);
        for effect in &effects {
            match *effect {
                Effect::Vmm(VmmEffect::BitCleared { gfn }) => {
                    // One bit a page.
                    let page = 1_u8 << gfn.0;
                    self.bits &= !page;
                    self.resident |= page;
                }
                Effect::Vmm(VmmEffect::Replied { vcpu, .. }) => {
                    if let At::Outside(page, Outside::Wait) = self.cpu(vcpu).at {
                        self.cpu_mut(vcpu).at = At::Outside(page, Outside::Run);
                    }
                }
                _ => {}
            }
        }
        effects
    }

    pub(super) fn make_vmm(&mut self, vcpu: VcpuId, chosen: VmmMove, setup: &Setup, log: &mut Log) {
        if let Some(which) = chosen.disturbance() {
            self.cpu_mut(vcpu).budget.take(which);
        }
        let answer = |index: u8, again| VmmInput::Answer { vcpu, index: index.into(), again };
        let input = match chosen {
            VmmMove::Visible(storer, index) => {
                VmmInput::Visible { vcpu, storer, index: index.into() }
            }
            VmmMove::Read => VmmInput::Read { vcpu },
            VmmMove::Answer(index) | VmmMove::AnswerEarly(index) => answer(index, false),
            VmmMove::AnswerTwice(index) => answer(index, true),
            VmmMove::Complete => VmmInput::Complete { vcpu },
            VmmMove::Abuse(how) => VmmInput::Abuse { vcpu, how },
            VmmMove::Die if setup.by_uffd() => {
                self.handler_gone = true;
                return;
            }
            VmmMove::Die => VmmInput::Die { vcpu },
            VmmMove::SendFails | VmmMove::Ignore | VmmMove::WaitForAnswer => {
                self.leave_otherwise(vcpu, chosen, log);
                return;
            }
        };
        self.vmm(vcpu, input, log);
    }

    /// What a vCPU thread does with an exit that is not as it should be.
    fn leave_otherwise(&mut self, vcpu: VcpuId, chosen: VmmMove, log: &mut Log) {
        let At::Outside(page, Outside::Send { .. }) = self.cpu(vcpu).at else { return };
        let gfn = frame_of(page);
        let next = match chosen {
            VmmMove::WaitForAnswer => {
                self.vmm(vcpu, VmmInput::Ask { vcpu, gfn, plain: true }, log);
                Outside::Wait
            }
            VmmMove::SendFails => {
                self.vmm(vcpu, VmmInput::AskInVain { vcpu, gfn }, log);
                let accepts = self.apf.defects.has(Defect::AcceptUnsent);
                if accepts { Outside::Accept } else { Outside::Run }
            }
            _ => Outside::Run,
        };
        self.cpu_mut(vcpu).at = At::Outside(page, next);
    }

    /// A fault on a page whose bit is set.
    pub(super) fn user_fault(
        &mut self,
        vcpu: VcpuId,
        page: u8,
        failure: Option<SetupFailure>,
        setup: &Setup,
        log: &mut Log,
    ) {
        let (view, gfn) = (self.view(vcpu, setup), frame_of(page));
        let (gva, hva) = (Gva(gfn.gpa().0), Hva(gfn.gpa().0));
        let input = HostInput::UserFault { vcpu, view, gva, gfn, hva, failure };
        let effects = self.host(vcpu, input, log);
        self.follow(vcpu, Then::Top, &effects);
    }

    /// The next section of a vCPU thread that is outside the kernel.
    pub(super) fn go_outside(&mut self, vcpu: VcpuId, (page, at): (u8, Outside), log: &mut Log) {
        let gfn = frame_of(page);
        let next = match at {
            Outside::Send { plain } => {
                self.vmm(vcpu, VmmInput::Ask { vcpu, gfn, plain }, log);
                if plain { Outside::Wait } else { Outside::Accept }
            }
            Outside::Accept => {
                self.vmm(vcpu, VmmInput::Accept { vcpu, gfn }, log);
                Outside::Run
            }
            Outside::Wait => Outside::Wait,
            Outside::Run => {
                self.vmm(vcpu, VmmInput::Run { vcpu }, log);
                self.cpu_mut(vcpu).at = self.after_exit(vcpu);
                return;
            }
        };
        self.cpu_mut(vcpu).at = At::Outside(page, next);
    }

    /// Notes that the VMM has taken a page back.
    pub(super) fn take_back(&mut self, page: u8) {
        self.budget.take(Disturbance::Rearm);
        self.resident &= !(1 << page);
        self.bits |= 1 << page;
        self.taken_back = true;
    }
}
