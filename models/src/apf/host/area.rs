//! The area that host and guest share, written through a host address that the host remembers
//! (`apf_put_user`, `kvm_write_guest_cached`).

use crate::apf::defect::Defect;
use crate::apf::effect::{Effect, Effects};
use crate::apf::host::AreaCache;
use crate::apf::rules::{NoticesOn, RefusedArea, WordCache, WordWriteFailure};
use crate::apf::state::Apf;
use crate::base::ids::{Token, VcpuId};
use crate::base::record::{ApfReason, Event};

/// No guest has memory at an address of more bits than x86 has for physical ones.
const ADDRESS_BITS: u32 = 52;

/// What a write finds.
enum Found {
    /// The area.
    Area,
    /// Memory that is not the area any more, though the host does not know.
    Elsewhere,
    /// Nothing.
    Nothing,
}

impl Apf {
    pub(super) fn map_word(&mut self, vcpu: VcpuId, writable: bool) {
        self.areas[vcpu.index()].writable = writable;
        self.vcpu_mut(vcpu).area.current = false;
    }

    pub(super) fn memslot_change(&mut self, moves: Option<VcpuId>) {
        for state in &mut self.host.vcpus {
            state.area.current = false;
        }
        if let Some(vcpu) = moves {
            let shared = &mut self.areas[vcpu.index()];
            shared.moved = !shared.moved;
        }
    }

    /// Looks up the address that a write of EN names. False when there is no memory.
    pub(super) fn find_area(&mut self, vcpu: VcpuId, value: u64) -> bool {
        let shared = self.areas[vcpu.index()];
        let found = shared.writable && value >> ADDRESS_BITS == 0;
        let refused = self.rules.refused_area;
        let area = &mut self.vcpu_mut(vcpu).area;
        *area = match (found, refused) {
            (true, _) => {
                AreaCache { valid: true, current: true, spoilt: false, moved: shared.moved }
            }
            (false, RefusedArea::Forgotten) => AreaCache::default(),
            (false, RefusedArea::Kept) => *area,
            (false, RefusedArea::SpoiltUntilSlotsChange) => {
                AreaCache { current: true, spoilt: true, ..*area }
            }
        };
        found
    }

    /// Notices are off: only where the address says so is it forgotten.
    pub(super) fn forget_area(&mut self, vcpu: VcpuId) {
        if self.rules.notices_on == NoticesOn::AreaMapped {
            self.vcpu_mut(vcpu).area = AreaCache::default();
        }
    }

    /// Writes the reason, whatever it was. False when the host cannot reach the area.
    pub(super) fn write_word(
        &mut self,
        vcpu: VcpuId,
        reason: ApfReason,
        effects: &mut Effects,
    ) -> bool {
        match self.reach(vcpu, effects) {
            Found::Nothing => return false,
            Found::Elsewhere => {}
            Found::Area => {
                let shared = &mut self.areas[vcpu.index()];
                let old = std::mem::replace(&mut shared.word, reason);
                effects.push(Effect::Emit(Event::SharedWordWrite { vcpu, old, reason }));
            }
        }
        true
    }

    /// Writes the token slot, whatever it held. False when the host cannot reach the area.
    pub(super) fn write_slot(&mut self, vcpu: VcpuId, token: Token, effects: &mut Effects) -> bool {
        match self.reach(vcpu, effects) {
            Found::Nothing => return false,
            Found::Elsewhere => {}
            Found::Area => {
                let shared = &mut self.areas[vcpu.index()];
                let old = std::mem::replace(&mut shared.token, token);
                let old = if old == Token::NONE { ApfReason::None } else { ApfReason::Ready };
                let reason = ApfReason::Ready;
                effects.push(Effect::Emit(Event::SharedWordWrite { vcpu, old, reason }));
                if old == ApfReason::Ready {
                    effects.push(Effect::SlotOverwritten { vcpu });
                }
            }
        }
        true
    }

    /// Whether the host can read the token slot and finds it free.
    pub(super) fn slot_is_free(&self, vcpu: VcpuId) -> bool {
        let (area, shared) = (self.vcpu(vcpu).area, self.areas[vcpu.index()]);
        let reached = if area.current { !area.spoilt } else { shared.writable };
        area.valid && reached && shared.token == Token::NONE
    }

    fn reach(&mut self, vcpu: VcpuId, effects: &mut Effects) -> Found {
        let shared = self.areas[vcpu.index()];
        let never_compares = self.has(Defect::StaleTranslation);
        let rules = self.rules;
        // `apf_put_user` of 2010 compares versions before it looks at the address that it has.
        let forgets = rules.word_write_failure == WordWriteFailure::NoticesOff;
        let looks_anew = forgets && self.vcpu(vcpu).enabled() && !never_compares;
        let area = &mut self.vcpu_mut(vcpu).area;
        if area.current && area.spoilt || !area.valid && !looks_anew {
            return Found::Nothing;
        }
        if !area.current && !never_compares {
            effects.push(Effect::Emit(Event::AreaTranslated { vcpu }));
            if !shared.writable {
                if rules.word_write_failure == WordWriteFailure::NoticesOff {
                    *area = AreaCache::default();
                }
                return Found::Nothing;
            }
            (area.valid, area.spoilt, area.moved) = (true, false, shared.moved);
            area.current = rules.word_cache == WordCache::Refreshed;
        }
        if area.moved != shared.moved || !shared.writable {
            effects.push(Effect::StaleWrite { vcpu });
            return Found::Elsewhere;
        }
        if shared.foreign {
            effects.push(Effect::ForeignWrite { vcpu });
            return Found::Elsewhere;
        }
        Found::Area
    }
}
