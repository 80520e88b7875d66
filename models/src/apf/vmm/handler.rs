//! The thread that reads of faults and answers them.

use crate::apf::defect::Defect;
use crate::apf::effect::{Effect, Effects, VmmEffect};
use crate::apf::ring::{Entry, Store};
use crate::apf::rules::{NotifySignal, ResolvedBy, Stores};
use crate::apf::state::Apf;
use crate::apf::vmm::{Channel, Progress, Reading, Request, VmmVcpu};
use crate::base::ids::{Gfn, VcpuId};

impl Apf {
    /// The VMM's side of a vCPU.
    pub fn vmm(&self, vcpu: VcpuId) -> &VmmVcpu {
        &self.vmm[vcpu.index()]
    }

    pub(super) fn ask(&mut self, vcpu: VcpuId, gfn: Gfn, plain: bool, effects: &mut Effects) {
        // With a ring, what falls back to an exit goes another way than all other faults.
        let falls_back = self.rules.resolved_by == ResolvedBy::Ring;
        if falls_back && !plain && self.has(Defect::FallbackUnheard) {
            effects.push(Effect::Vmm(VmmEffect::Unheard { vcpu, gfn }));
            return;
        }
        let channel = if plain { Channel::Plain } else { Channel::Exit };
        let request = Request { gfn, channel, progress: Progress::Asked };
        self.vmm[vcpu.index()].requests.push(request);
        effects.push(Effect::Vmm(VmmEffect::Asked { vcpu, gfn, channel }));
    }

    pub(super) fn ask_in_vain(&mut self, vcpu: VcpuId, gfn: Gfn, effects: &mut Effects) {
        effects.push(Effect::Vmm(VmmEffect::Unheard { vcpu, gfn }));
    }

    /// Whether the loop that reads the ring has a section that can be done now.
    pub fn may_read(&self, vcpu: VcpuId) -> bool {
        let vmm = self.vmm(vcpu);
        let visible = vmm.stores.is_empty();
        // An atomic operation of x86 waits until all earlier stores are visible.
        let atomic = visible || self.rules.stores == Stores::AnyOrder;
        self.rules.resolved_by == ResolvedBy::Ring
            && vmm.alive
            && vmm.busy().is_none()
            && match vmm.reading {
                Reading::Drain => true,
                Reading::Arm | Reading::Disarm => atomic,
                // A full barrier stands before the second look.
                Reading::Look => visible || self.has(Defect::NoArmFence),
                Reading::Sleep => vmm.signalled && visible,
            }
    }

    pub(super) fn read_ring(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        assert!(self.may_read(vcpu), "{vcpu}: the VMM's thread waits");
        let index = vcpu.index();
        let head = self.pages[index].notify.head;
        let seen = head != self.vmm[index].tail;
        let arms = self.rules.notify_signal == NotifySignal::IfArmed;
        let next = match self.vmm[index].reading {
            Reading::Drain => {
                self.drain_ring(vcpu, head, effects);
                if arms { Reading::Arm } else { Reading::Sleep }
            }
            Reading::Arm => {
                self.set_armed(vcpu, true, effects);
                if self.has(Defect::NoSecondLook) { Reading::Sleep } else { Reading::Look }
            }
            Reading::Look => {
                effects.push(Effect::Vmm(VmmEffect::Looked { vcpu, seen }));
                if seen { Reading::Disarm } else { Reading::Sleep }
            }
            Reading::Disarm => {
                self.set_armed(vcpu, false, effects);
                Reading::Drain
            }
            Reading::Sleep => {
                self.vmm[index].signalled = false;
                effects.push(Effect::Vmm(VmmEffect::Awake { vcpu }));
                Reading::Drain
            }
        };
        self.vmm[index].reading = next;
    }

    /// An atomic operation on the flag. Where stores keep no order it is one that returns nothing,
    /// which becomes visible like a store.
    fn set_armed(&mut self, vcpu: VcpuId, armed: bool, effects: &mut Effects) {
        match self.rules.stores {
            Stores::InOrder => self.pages[vcpu.index()].armed = armed,
            Stores::AnyOrder => self.vmm[vcpu.index()].stores.push(Store::Armed(armed)),
        }
        effects.push(Effect::Vmm(VmmEffect::Arms { vcpu, armed }));
    }

    /// Reads all entries up to `head`, at most as many as there is room for.
    fn drain_ring(&mut self, vcpu: VcpuId, head: u8, effects: &mut Effects) {
        let (ring, vmm) = (&mut self.pages[vcpu.index()].notify, &mut self.vmm[vcpu.index()]);
        let count = head.wrapping_sub(vmm.tail).min(ring.size());
        let mut read = Vec::new();
        for number in (0..count).map(|n| vmm.tail.wrapping_add(n)) {
            match ring.take(number) {
                Some(Entry { gfn, .. }) => {
                    let (channel, progress) = (Channel::Ring, Progress::Asked);
                    vmm.requests.push(Request { gfn, channel, progress });
                    read.push(gfn);
                }
                None => effects.push(Effect::Vmm(VmmEffect::Unwritten { vcpu, number })),
            }
        }
        vmm.tail = head;
        if count > 0 {
            vmm.stores.push(Store::NotifyTail(head));
        }
        let asked = |gfn| Effect::Vmm(VmmEffect::Asked { vcpu, gfn, channel: Channel::Ring });
        effects.extend(read.into_iter().map(asked));
    }

    /// Whether the next section of answering this request can be done now. One thread answers: it
    /// ends what it has begun.
    pub fn may_answer(&self, vcpu: VcpuId, index: usize) -> bool {
        let vmm = self.vmm(vcpu);
        let Request { channel, progress, .. } = vmm.requests[index];
        let two = self.has(Defect::TwoProducers) && channel == Channel::Ring;
        if !vmm.alive || (!two && vmm.busy().is_some_and(|busy| busy != index)) {
            return false;
        }
        match (channel, progress) {
            (_, Progress::Asked) => true,
            // The thread waits for room. It does so before it writes, even with a second thread.
            (Channel::Ring, Progress::Installed | Progress::Read(_)) => self.has_room(vcpu),
            // System calls: what was stored before is visible by then.
            (Channel::Ring, Progress::Written) => vmm.stores.is_empty(),
            (Channel::Exit, _) => vmm.stores.is_empty() && !self.is_list_locked(vcpu),
            (Channel::Plain, _) => vmm.stores.is_empty(),
        }
    }

    fn has_room(&self, vcpu: VcpuId) -> bool {
        let ring = &self.pages[vcpu.index()].complete;
        self.own_complete_head(vcpu).wrapping_sub(ring.tail) != ring.size()
    }

    /// The head of the ring of answers as its producer sees it.
    fn own_complete_head(&self, vcpu: VcpuId) -> u8 {
        let own = self.vmm(vcpu).stores.complete_head();
        own.unwrap_or(self.pages[vcpu.index()].complete.head)
    }

    pub(super) fn answer(
        &mut self,
        vcpu: VcpuId,
        index: usize,
        again: bool,
        effects: &mut Effects,
    ) {
        assert!(self.may_answer(vcpu, index), "{vcpu}: the VMM's thread does something else");
        let Request { gfn, channel, progress } = self.vmm(vcpu).requests[index];
        let late_bit = self.has(Defect::CompleteBeforeClear);
        let next = match (channel, progress) {
            (_, Progress::Asked) => {
                effects.push(Effect::Vmm(VmmEffect::Installs { vcpu, gfn }));
                if !late_bit {
                    self.clear_bit(vcpu, gfn);
                }
                Some(Progress::Installed)
            }
            (Channel::Ring, Progress::Installed) if self.has(Defect::TwoProducers) => {
                Some(Progress::Read(self.own_complete_head(vcpu)))
            }
            (Channel::Ring, Progress::Installed) => {
                self.write_answer(vcpu, self.own_complete_head(vcpu), gfn, effects);
                Some(Progress::Written)
            }
            (Channel::Ring, Progress::Read(head)) => {
                self.write_answer(vcpu, head, gfn, effects);
                Some(Progress::Written)
            }
            (Channel::Ring, Progress::Written) => {
                self.vcpu_mut(vcpu).complete.queued = true;
                effects.push(Effect::Vmm(VmmEffect::Signals { vcpu }));
                None
            }
            (Channel::Exit, _) => {
                self.ready(vcpu, gfn, effects);
                None
            }
            (Channel::Plain, _) => {
                effects.push(Effect::Vmm(VmmEffect::Replied { vcpu, gfn }));
                None
            }
        };
        if next.is_none_or(|next| next == Progress::Written) && progress != Progress::Written {
            // Where the bit comes last, it comes behind the answer.
            if late_bit {
                self.clear_bit(vcpu, gfn);
            }
        }
        let requests = &mut self.vmm[vcpu.index()].requests;
        match next {
            Some(progress) => requests[index].progress = progress,
            None => {
                let request = requests.remove(index);
                if again {
                    requests.push(Request { progress: Progress::Asked, ..request });
                }
            }
        }
    }

    fn clear_bit(&mut self, vcpu: VcpuId, gfn: Gfn) {
        self.vmm[vcpu.index()].stores.push(Store::ClearBit(gfn));
    }

    fn write_answer(&mut self, vcpu: VcpuId, head: u8, gfn: Gfn, effects: &mut Effects) {
        let stores = &mut self.vmm[vcpu.index()].stores;
        stores.push(Store::CompleteEntry(head, Entry { gfn, valid: true }));
        stores.push(Store::CompleteHead(head.wrapping_add(1)));
        effects.push(Effect::Vmm(VmmEffect::Answers { vcpu, gfn }));
    }
}
