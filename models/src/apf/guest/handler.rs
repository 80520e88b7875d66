//! The guest's handlers, and the end of a guest's kernel.

use crate::apf::defect::Defect;
use crate::apf::effect::{Effect, Effects};
use crate::apf::guest::{GuestHalf, Takeover};
use crate::apf::notice::SharedArea;
use crate::apf::rules::{GuestTeardown, NmiFault, SlotAtEnable};
use crate::apf::state::Apf;
use crate::base::ids::{Token, VcpuId};
use crate::base::record::{ApfReason, Event};

/// The processor that boots the guest.
const BOOT: VcpuId = VcpuId(0);

impl Apf {
    /// CR2 is read before anything that may fault, so that this changes nothing.
    pub(super) fn tracer_fault(&mut self, vcpu: VcpuId, address: Token) {
        let reads_late = self.has(Defect::LateCr2Read);
        if let Some(notice) = self.guest.cr2[vcpu.index()].as_mut().filter(|_| reads_late) {
            notice.token = address;
        }
    }

    /// The fault of an NMI is told apart from a notice by the kernel mode that it interrupted. Who
    /// does not look takes the word, which says not present, where nobody can wait: since 5.8 the
    /// kernel panics, before that the interrupt waits for a token that is its own fault's address.
    pub(super) fn nmi_fault(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        if self.rules.nmi_fault == NmiFault::LeavesWord && !self.has(Defect::NmiTakesWord) {
            return;
        }
        let shared = &mut self.areas[vcpu.index()];
        let reason = std::mem::replace(&mut shared.word, ApfReason::None);
        if reason != ApfReason::None {
            effects.push(Effect::Emit(Event::SharedWordRead { vcpu, reason }));
            effects.push(Effect::WordTaken { vcpu });
        }
    }

    pub(super) fn before_enable(&mut self, vcpu: VcpuId) {
        if self.rules.slot_at_enable == SlotAtEnable::Cleared {
            self.areas[vcpu.index()].token = Token::NONE;
        }
    }

    pub(super) fn pf_entry(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        // What it reads from an encrypted page means nothing to it, and it writes nothing there
        // that means anything to the host.
        let garbled = self.has(Defect::EncryptedWord);
        let shared = &mut self.areas[vcpu.index()];
        let reason = match garbled {
            false => std::mem::replace(&mut shared.word, ApfReason::None),
            true => ApfReason::None,
        };
        if reason != ApfReason::None {
            effects.push(Effect::Emit(Event::SharedWordRead { vcpu, reason }));
        }
        effects.push(Effect::Word(reason));
        if let Some(notice) = self.guest.cr2[vcpu.index()] {
            effects.push(Effect::Cr2(notice.token));
        }
    }

    pub(super) fn ready_eoi(&mut self, vcpu: VcpuId) {
        if !self.has(Defect::NoEoi) {
            self.vcpu_mut(vcpu).lapic.in_service = None;
        }
    }

    pub(super) fn ready_read(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        if !self.guest.enabled[vcpu.index()] {
            self.guest.in_handler[vcpu.index()] = false;
            effects.push(Effect::Ignored);
            return;
        }
        let token = self.areas[vcpu.index()].token;
        let reason = ApfReason::Ready;
        effects.push(Effect::Emit(Event::SharedWordRead { vcpu, reason }));
        effects.push(Effect::Slot(token));
    }

    pub(super) fn ready_clear(&mut self, vcpu: VcpuId) {
        self.areas[vcpu.index()].token = Token::NONE;
        self.guest.in_handler[vcpu.index()] = false;
    }

    pub(super) fn teardown(&mut self, vcpu: VcpuId, takeover: Takeover, effects: &mut Effects) {
        if self.keeps_notices(vcpu, takeover) {
            return;
        }
        self.guest.enabled[vcpu.index()] = false;
        effects.push(Effect::WritesEn { value: 0 });
    }

    fn keeps_notices(&self, vcpu: VcpuId, takeover: Takeover) -> bool {
        let forgotten = match (self.rules.guest_teardown, takeover) {
            (GuestTeardown::OnRestartSuspendAndCrash, _) | (_, Takeover::Restart) => false,
            (GuestTeardown::OnRestart, Takeover::Hibernation) => vcpu == BOOT,
            (GuestTeardown::OnRestart, Takeover::Crash) => true,
        };
        forgotten || (vcpu == BOOT && self.has(Defect::KeepBootProcessor))
    }

    pub(super) fn restart(&mut self) {
        self.guest = GuestHalf::new(self.vcpus());
        for shared in &mut self.areas {
            let SharedArea { writable, moved, .. } = *shared;
            *shared = SharedArea { writable, moved, foreign: true, ..SharedArea::FREE };
        }
    }
}
