//! Rings and a VMM that answers faults, written down: counters by their distance from what the
//! consumer has read, frames by the names of their pages.

use crate::apf::host::CompleteWork;
use crate::apf::ring::{Entry, Ring, RingPage, Store, StoreBuffer};
use crate::apf::vmm::{Progress, Request, VmmVcpu};

use super::names::{NONE, Names, of_flags};

/// The numbers of the entries that the consumers read next.
#[derive(Clone, Copy)]
struct Bases {
    notify: u8,
    complete: u8,
}

impl Names<'_> {
    pub(super) fn vmm(&self, text: &mut Vec<u8>) {
        let apf = &self.world.apf;
        if !apf.rules.vmm_answers() {
            return;
        }
        let state = apf.vcpu(self.vcpu);
        let VmmVcpu { alive, reading, tail, requests, stores, signalled, abused } =
            apf.vmm(self.vcpu);
        let RingPage { notify, complete, armed } = &apf.pages[self.vcpu.index()];
        let bases = Bases { notify: *tail, complete: complete.tail };
        let CompleteWork { queued, stage } = state.complete;
        let flags = [*alive, *signalled, *abused, *armed, state.registered, queued];
        text.extend([of_flags(&flags), *reading as u8, stage as u8]);
        self.ring(notify, bases.notify, text);
        self.ring(complete, bases.complete, text);
        text.push(state.notify_head.wrapping_sub(bases.notify));
        text.push(state.known_tail.wrapping_sub(bases.notify));
        self.stores(&state.stores, bases, text);
        self.stores(stores, bases, text);
        text.push(requests.len() as u8);
        for &Request { gfn, channel, progress } in requests {
            text.extend([self.page(gfn), channel as u8]);
            match progress {
                Progress::Asked => text.push(0),
                Progress::Installed => text.push(1),
                Progress::Written => text.push(2),
                Progress::Read(head) => text.extend([3, head.wrapping_sub(bases.complete)]),
            }
        }
    }

    fn ring(&self, ring: &Ring, base: u8, text: &mut Vec<u8>) {
        text.extend([ring.head.wrapping_sub(base), ring.tail.wrapping_sub(base)]);
        let numbers = (0..ring.size()).map(|number| base.wrapping_add(number));
        text.extend(numbers.map(|number| self.entry(ring.entry(number))));
    }

    fn entry(&self, entry: Option<Entry>) -> u8 {
        match entry {
            None => NONE,
            Some(Entry { gfn, valid }) => self.page(gfn) << 1 | u8::from(valid),
        }
    }

    fn stores(&self, stores: &StoreBuffer, bases: Bases, text: &mut Vec<u8>) {
        let Bases { notify, complete } = bases;
        text.push(stores.iter().count() as u8);
        for store in stores.iter() {
            let written = match store {
                Store::NotifyEntry(number, entry) => {
                    [0, number.wrapping_sub(notify), self.entry(Some(entry))]
                }
                Store::NotifyHead(head) => [1, head.wrapping_sub(notify), 0],
                Store::NotifyTail(tail) => [2, tail.wrapping_sub(notify), 0],
                Store::CompleteEntry(number, entry) => {
                    [3, number.wrapping_sub(complete), self.entry(Some(entry))]
                }
                Store::CompleteHead(head) => [4, head.wrapping_sub(complete), 0],
                Store::Armed(armed) => [5, u8::from(armed), 0],
                Store::ClearBit(gfn) => [6, self.page(gfn), 0],
            };
            text.extend(written);
        }
    }
}
