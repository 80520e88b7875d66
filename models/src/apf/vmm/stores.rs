//! Stores that become visible, and the abuse of a page.

use crate::apf::defect::Defect;
use crate::apf::effect::{Effect, Effects, VmmEffect};
use crate::apf::ring::{Entry, Store, StoreBuffer};
use crate::apf::rules::ResolvedBy;
use crate::apf::state::Apf;
use crate::apf::vmm::{Abuse, Storer};
use crate::base::ids::{Gfn, VcpuId};

/// A frame that no guest of a small world has.
const NO_FRAME: Gfn = Gfn(u32::MAX as u64);

impl Apf {
    /// The stores of a processor that are not visible.
    pub fn stores(&self, vcpu: VcpuId, storer: Storer) -> &StoreBuffer {
        match storer {
            Storer::Kernel => &self.vcpu(vcpu).stores,
            Storer::Vmm => &self.vmm[vcpu.index()].stores,
        }
    }

    /// Whether this store may become visible next.
    pub fn may_become_visible(&self, vcpu: VcpuId, storer: Storer, index: usize) -> bool {
        let plain = storer == Storer::Kernel && self.has(Defect::PlainHead);
        self.stores(vcpu, storer).may_leave(index, self.rules.stores, plain)
    }

    pub(super) fn visible(
        &mut self,
        vcpu: VcpuId,
        storer: Storer,
        index: usize,
        effects: &mut Effects,
    ) {
        assert!(self.may_become_visible(vcpu, storer, index), "{vcpu}: a store before its turn");
        let store = match storer {
            Storer::Kernel => self.vcpu_mut(vcpu).stores.take(index),
            Storer::Vmm => self.vmm[vcpu.index()].stores.take(index),
        };
        let page = &mut self.pages[vcpu.index()];
        let overwritten = match store {
            Store::NotifyEntry(number, entry) => page.notify.put(number, entry),
            Store::CompleteEntry(number, entry) => page.complete.put(number, entry),
            _ => None,
        };
        match store {
            Store::NotifyHead(head) => page.notify.head = head,
            Store::NotifyTail(tail) => page.notify.tail = tail,
            Store::CompleteHead(head) => page.complete.head = head,
            Store::Armed(armed) => page.armed = armed,
            Store::ClearBit(gfn) => effects.push(Effect::Vmm(VmmEffect::BitCleared { gfn })),
            Store::NotifyEntry(..) | Store::CompleteEntry(..) => {}
        }
        if let Some(Entry { gfn, .. }) = overwritten {
            effects.push(Effect::Vmm(VmmEffect::Overwritten { vcpu, by: storer, gfn }));
        }
    }

    /// Another thread of the VMM, or one that has lost its mind, writes into the page.
    pub(super) fn abuse(&mut self, vcpu: VcpuId, how: Abuse, effects: &mut Effects) {
        assert_eq!(self.rules.resolved_by, ResolvedBy::Ring, "there is no page to abuse");
        self.vmm[vcpu.index()].abused = true;
        let page = &mut self.pages[vcpu.index()];
        let ring = &mut page.complete;
        match how {
            Abuse::CompleteHeadFar => ring.head = ring.tail.wrapping_add(ring.size() + 1),
            Abuse::CompleteUnknown | Abuse::CompleteInvalid => {
                let valid = how == Abuse::CompleteUnknown;
                ring.put(ring.head, Entry { gfn: NO_FRAME, valid });
                ring.head = ring.head.wrapping_add(1);
            }
            Abuse::NotifyTailFar => page.notify.tail = page.notify.head.wrapping_add(1),
            Abuse::NotifyHeadBack => page.notify.head = page.notify.head.wrapping_sub(1),
            Abuse::Disarm => page.armed = false,
            Abuse::Signal => self.vcpu_mut(vcpu).complete.queued = true,
        }
        effects.push(Effect::Vmm(VmmEffect::Abused { vcpu, how }));
    }
}
