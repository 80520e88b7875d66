//! Memory that a VMM write-protects while its guest runs: a live snapshot over userfaultfd (fs/userfaultfd.c,
//! mm/userfaultfd.c, mm/mprotect.c of 6.12).
//!
//! The VMM protects all pages that the guest has, in memory or in swap, and from then on one thread of it takes pages,
//! asked for or not: it saves one, lifts its protection, and wakes who sleeps for it. These are sections of their own,
//! whether one call lifts and wakes or two do (`UFFDIO_WRITEPROTECT_MODE_DONTWAKE`, `UFFDIO_WAKE`). A worker looks the
//! page up for writing, links its message, looks at the entry once more (`userfaultfd_must_wait`) and sleeps, each of
//! which is a section, too. Every access of a task is a write.

use crate::apf::{Defect, Defects};
use crate::base::ids::{ItemId, VcpuId};
use crate::base::invariant::InvariantId;

use super::check::{Kind, Log};
use super::protection::{ProtectMove, Protection, Wait};
use super::setup::{Disturbance, MAX_PAGES};
use super::world::{Move, World};

const UNSAVED: Kind =
    Kind::violation(InvariantId(51), "the guest writes a page that the snapshot does not have");

/// What the VMM's thread does with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Save,
    Lift,
    Wake,
}

/// What is done with a page, in order.
fn acts(defects: Defects) -> &'static [Act] {
    use Act::{Lift, Save, Wake};
    if defects.has(Defect::SaveAfterLift) {
        &[Lift, Wake, Save]
    } else if defects.has(Defect::LiftWithoutWake) {
        &[Save, Lift]
    } else if defects.has(Defect::WakeBeforeLift) {
        &[Save, Wake, Lift]
    } else {
        &[Save, Lift, Wake]
    }
}

impl World {
    fn is_marked(&self, page: u8) -> bool {
        self.protection.marked & (1 << page) != 0
    }

    /// Whether a write to the page needs nobody.
    pub(super) fn may_write(&self, page: u8) -> bool {
        self.is_resident(page) && !self.is_marked(page)
    }

    /// A page comes into memory. Its entry keeps its mark (`pte_swp_uffd_wp`).
    pub(super) fn bring(&mut self, page: u8) {
        let bit = 1 << page;
        if !self.is_resident(page) && self.apf.defects.has(Defect::SwapLosesMark) {
            self.protection.marked &= !bit;
        }
        self.resident |= bit;
        if self.budget.left(Disturbance::WriteProtect) > 0 {
            self.protection.had |= bit;
        }
    }

    /// The VMM protects what the guest has.
    pub(super) fn protect(&mut self) {
        let had = self.protection.had;
        self.protection = Protection { had: 0, marked: had, wanted: had, saved: 0, at: None };
    }

    /// The guest writes to a page.
    pub(super) fn written(&self, page: u8, log: &mut Log) {
        let Protection { wanted, saved, .. } = self.protection;
        if wanted & !saved & (1 << page) != 0 {
            log.find(UNSAVED, || format!("page {page}"));
        }
    }

    /// What the VMM's thread may do.
    pub(super) fn moves_of_protector(&self, moves: &mut Vec<Move>) {
        let Protection { marked, wanted, saved, at, .. } = self.protection;
        if wanted == 0 || self.handler_gone {
            return;
        }
        if at.is_some() {
            moves.push(Move::Protect(ProtectMove::Act));
            return;
        }
        let skips = self.apf.defects.has(Defect::WakeBeforeLift);
        for page in (0..MAX_PAGES).filter(|page| wanted & (1 << page) != 0) {
            let asks = |vcpu| self.cpu(vcpu).waits[usize::from(page)] >= Wait::Linked;
            let answered = skips && saved & (1 << page) != 0;
            if (marked & (1 << page) != 0 || self.vcpus().any(asks)) && !answered {
                moves.push(Move::Protect(ProtectMove::Take(page)));
            }
        }
    }

    /// What a worker may do whose page is protected, or was when it looked. None: it goes on as ever.
    pub(super) fn move_of_waiter(&self, vcpu: VcpuId, item: ItemId) -> Option<Option<Move>> {
        let page = self.page_of(item)?;
        let chosen = match self.cpu(vcpu).waits[usize::from(page)] {
            Wait::No if !self.is_marked(page) => return None,
            // It is read from swap first.
            Wait::No if !self.is_resident(page) => Move::Fetch(item),
            Wait::No => Move::Protect(ProtectMove::Find(item)),
            Wait::Seen => Move::Protect(ProtectMove::Link(item)),
            Wait::Linked => Move::Protect(ProtectMove::Sleep(item)),
            Wait::Asleep => return Some(None),
        };
        Some(Some(chosen))
    }

    /// A worker has read a page that is protected: it is not through with it.
    pub(super) fn reads_protected(&mut self, item: ItemId) -> bool {
        let Some(page) = self.page_of(item).filter(|&page| self.is_marked(page)) else {
            return false;
        };
        self.bring(page);
        true
    }

    pub(super) fn make_protect(&mut self, chosen: ProtectMove) {
        match chosen {
            ProtectMove::Take(page) => self.protection.at = Some((page, 0)),
            ProtectMove::Act => self.act(),
            ProtectMove::Find(item) => self.wait(item, Wait::Seen),
            ProtectMove::Link(item) => self.wait(item, Wait::Linked),
            ProtectMove::Sleep(item) => {
                // An entry that is in swap makes nobody wait.
                let must_wait = |page| self.is_marked(page) && self.is_resident(page);
                let waits = self.page_of(item).is_some_and(must_wait);
                self.wait(item, if waits { Wait::Asleep } else { Wait::No });
            }
        }
    }

    fn wait(&mut self, item: ItemId, wait: Wait) {
        if let (Some(vcpu), Some(page)) = (self.vcpu_of(item), self.page_of(item)) {
            self.cpu_mut(vcpu).waits[usize::from(page)] = wait;
        }
    }

    /// What the VMM's thread does next with the page that it has taken.
    fn next_act(&self) -> Option<(u8, Act)> {
        let (page, done) = self.protection.at?;
        Some((page, *acts(self.apf.defects).get(usize::from(done))?))
    }

    fn act(&mut self) {
        let Some((page, act)) = self.next_act() else { return };
        match act {
            Act::Save => {
                // It reads the page, be it from swap.
                self.bring(page);
                self.protection.saved |= 1 << page;
            }
            Act::Lift => self.protection.marked &= !(1 << page),
            Act::Wake => self.wake_waiters(page),
        }
        let done = self.protection.at.map_or(0, |(_, done)| done + 1);
        let over = usize::from(done) >= acts(self.apf.defects).len();
        self.protection.at = (!over).then_some((page, done));
    }

    /// All whose message is linked are woken, be they asleep already or not (`wake_userfault`).
    fn wake_waiters(&mut self, page: u8) {
        for cpu in &mut self.cpus {
            let wait = &mut cpu.waits[usize::from(page)];
            if *wait >= Wait::Linked {
                *wait = Wait::No;
            }
        }
    }
}

/// A move in words.
pub(super) fn title(world: &World, chosen: ProtectMove) -> Option<String> {
    let page = |item| world.page_of(item).map_or_else(String::new, |page| format!(" page {page}"));
    Some(match chosen {
        ProtectMove::Take(page) => format!("the VMM takes page {page}"),
        ProtectMove::Act => {
            let (page, act) = world.next_act()?;
            match act {
                Act::Save => format!("saves page {page}"),
                Act::Lift => format!("lifts the protection of page {page}"),
                Act::Wake => format!("wakes who sleeps for page {page}"),
            }
        }
        ProtectMove::Find(item) => format!("finds{} protected", page(item)),
        ProtectMove::Link(item) => format!("links a message about{}", page(item)),
        ProtectMove::Sleep(item) => format!("looks at the entry of{} again", page(item)),
    })
}
