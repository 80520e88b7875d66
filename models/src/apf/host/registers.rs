//! The guest's registers (`kvm_pv_enable_async_pf`, `kvm_pv_enable_async_pf_int`,
//! `MSR_KVM_ASYNC_PF_ACK`), and the wake-all that switching notices on queues
//! (`kvm_async_pf_wakeup_all`).

use crate::apf::defect::Defect;
use crate::apf::effect::{Decision, Effect, Effects};
use crate::apf::host::{Operation, Scan};
use crate::apf::item::Item;
use crate::apf::rules::{Drain, EnBits, EnCommit, EnWithoutLapic, NoticesOn, WakeAllAppend};
use crate::apf::state::Apf;
use crate::base::abi::{
    ACK_PAGE_READY, EN_ENABLED, EN_INTERRUPT, MSR_ASYNC_PF_ACK, MSR_ASYNC_PF_EN, MSR_ASYNC_PF_INT,
};
use crate::base::ids::{ItemId, Token, VcpuId};
use crate::base::record::Event;

impl EnBits {
    /// Bits that must be zero, below the address.
    pub const fn reserved(self) -> u64 {
        match self {
            Self::SendAlways => 0x3c,
            Self::NestedExit => 0x38,
            Self::Interrupt => 0x30,
        }
    }
}

impl Apf {
    /// `memory` says whether a wake-all can be allocated.
    pub(super) fn write_en(
        &mut self,
        vcpu: VcpuId,
        value: u64,
        memory: bool,
        effects: &mut Effects,
    ) {
        assert!(self.vcpu(vcpu).operation.is_none(), "{vcpu} writes EN inside an operation");
        let reserved = value & self.rules.en_bits.reserved() != 0;
        if reserved || !self.lapic_allows(vcpu, value) {
            effects.push(Effect::GpFault);
            return;
        }
        let commits_first = self.rules.en_commit == EnCommit::BeforeValidation
            || self.has(Defect::CommitBeforeValidation);
        let on = self.switches_on(value);
        if on {
            if commits_first {
                self.vcpu_mut(vcpu).en = value;
            }
            if !self.find_area(vcpu, value) {
                effects.push(Effect::GpFault);
                return;
            }
            self.areas[vcpu.index()].foreign = false;
        }
        let state = self.vcpu_mut(vcpu);
        state.en = value;
        if on || !commits_first {
            state.asked = value;
        }
        emit_write(vcpu, MSR_ASYNC_PF_EN, value, effects);
        if !on {
            self.forget_area(vcpu);
            self.begin_clear(vcpu, effects);
        } else if self.rules.wake_all_on_enable && memory {
            self.wake_all_item(vcpu, effects);
        } else {
            effects.push(Effect::Decide(Decision::Retry));
        }
    }

    fn switches_on(&self, value: u64) -> bool {
        let bits = match self.rules.notices_on {
            NoticesOn::AreaMapped | NoticesOn::EnabledBit => EN_ENABLED,
            NoticesOn::EnabledAndInterruptBits => EN_ENABLED | EN_INTERRUPT,
        };
        value & bits == bits
    }

    fn lapic_allows(&self, vcpu: VcpuId, value: u64) -> bool {
        if self.vcpu(vcpu).lapic.in_kernel || self.has(Defect::SkipLapicTest) {
            return true;
        }
        match self.rules.en_without_lapic {
            EnWithoutLapic::Accepted => true,
            EnWithoutLapic::Refused => false,
            EnWithoutLapic::ZeroOnly => value == 0,
        }
    }

    pub(super) fn write_int(&mut self, vcpu: VcpuId, value: u64, effects: &mut Effects) {
        let known = self.rules.en_bits == EnBits::Interrupt && self.vcpu(vcpu).lapic.in_kernel;
        match u8::try_from(value) {
            Ok(vector) if known => {
                self.vcpu_mut(vcpu).vector = vector;
                emit_write(vcpu, MSR_ASYNC_PF_INT, value, effects);
            }
            _ => effects.push(Effect::GpFault),
        }
    }

    /// The host looks for completed items at once, and has handled the write after that.
    pub(super) fn write_ack(&mut self, vcpu: VcpuId, value: u64, effects: &mut Effects) {
        assert!(self.vcpu(vcpu).operation.is_none(), "{vcpu} writes ACK inside an operation");
        let known = self.rules.drain == Drain::AllOnRequestAndAck;
        if !known || self.has(Defect::RefuseAck) {
            effects.push(Effect::GpFault);
        } else if value & ACK_PAGE_READY == 0 {
            emit_write(vcpu, MSR_ASYNC_PF_ACK, value, effects);
        } else {
            let state = self.vcpu_mut(vcpu);
            state.unacknowledged = false;
            state.operation = Some(Operation::Scan(Scan::Ack));
            effects.push(Effect::Scan);
        }
    }

    /// The end of a scan: an acknowledgement is handled now.
    pub(super) fn end_scan(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        if let Some(Operation::Scan(scan)) = self.vcpu_mut(vcpu).operation.take()
            && scan == Scan::Ack
        {
            emit_write(vcpu, MSR_ASYNC_PF_ACK, ACK_PAGE_READY, effects);
        }
    }

    /// A completed item that wakes everybody, unless a completed item is there already.
    fn wake_all_item(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        let seen = self.vcpu(vcpu).done.len();
        if seen > 0 {
            effects.push(Effect::Decide(Decision::Retry));
            return;
        }
        let token = Token::WAKE_ALL;
        let item = Item { vcpu, token, fault: None, told: false, garbage: false, user: None };
        let item = self.host.items.allocate(item);
        let unlocked = self.rules.wake_all_append == WakeAllAppend::Unlocked
            || self.has(Defect::UnlockedWakeAll);
        if unlocked {
            let operation = Operation::WakeAll { item, seen: Some(0) };
            self.vcpu_mut(vcpu).operation = Some(operation);
            effects.push(Effect::Decide(Decision::Continue));
        } else {
            self.append_wake_all(vcpu, item, None, effects);
        }
    }

    /// Appends a wake-all behind the end that was looked up before, whatever came there since.
    pub(super) fn append_wake_all(
        &mut self,
        vcpu: VcpuId,
        item: ItemId,
        seen: Option<u8>,
        effects: &mut Effects,
    ) {
        let requests = self.rules.drain == Drain::AllOnRequestAndAck;
        let state = self.vcpu_mut(vcpu);
        if let Some(seen) = seen {
            state.done.truncate(usize::from(seen));
        }
        state.done.push(item);
        state.queued += 1;
        state.ready_request |= requests;
        state.operation = None;
        effects.push(Effect::Emit(Event::ItemDone { vcpu, token: Token::WAKE_ALL }));
        effects.push(Effect::Decide(Decision::Retry));
    }
}

fn emit_write(vcpu: VcpuId, ecx: u32, data: u64, effects: &mut Effects) {
    effects.push(Effect::Emit(Event::KvmMsrWrite { vcpu, ecx, data }));
}
