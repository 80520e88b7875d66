//! Which moves need not be tried in every order.
//!
//! A vCPU and its workers touch nothing of another vCPU but the pages: items, lists, halts, the
//! shared area and the sleepers of its notices are its own. A move that neither reads nor changes
//! whether a page is there, as far as that still matters to another vCPU, therefore leads to the
//! same whatever the other vCPUs do before it, and changes nothing for them. If all moves of one
//! vCPU are of this kind, it is enough to try these alone in that state, and those of the others
//! later (an ample set): every state of each vCPU by itself, and every state in which nothing can
//! happen any more, is still found. All invariants here speak of one vCPU, but for the uniqueness
//! of tokens, which between vCPUs follows from their lowest bits.
//!
//! Where one vCPU is followed and the others may bring any page at any time, every state of a vCPU
//! among others is found for the same reason: pages are all that it sees of them. Nobody may count
//! on them, so a way to the end must need none of their pages.
//!
//! Two conditions keep moves from being put off for ever: a state that the chosen moves lead to
//! must be new (the search looks to that), and one of the moves must need no interrupt from
//! outside. A disturbance of the whole VM touches every vCPU, so nothing is left out while one may
//! still come.

use crate::base::ids::VcpuId;

use super::setup::Setup;
use super::world::{At, Move, World, pages_mask};

impl World {
    /// Whether moves of a single vCPU may stand for all in this state.
    pub(super) fn may_reduce(&self) -> bool {
        self.apf.host.life == crate::apf::host::Life::Used
            && self.budget.iter().next().is_none()
            && self.cpus.len() > 1
            && self.protection.wanted == 0
    }

    /// Whether these moves of a vCPU may stand for all: see the module's description.
    pub(super) fn is_ample(&self, vcpu: VcpuId, moves: &[Move], setup: &Setup) -> bool {
        let from_inside = |chosen: &Move| !matches!(chosen, Move::Interrupt(_));
        moves.iter().any(from_inside)
            && moves.iter().all(|&chosen| self.is_local(vcpu, chosen, setup))
    }

    fn is_local(&self, vcpu: VcpuId, chosen: Move, setup: &Setup) -> bool {
        match chosen {
            Move::Access { page, .. } => {
                self.is_resident(page) || !self.is_shared(vcpu, page, setup)
            }
            Move::Fetch(item) => match self.page_of(item) {
                Some(page) => self.is_resident(page) || !self.is_shared(vcpu, page, setup),
                None => false,
            },
            // The refused fault fetches the page itself.
            Move::RefuseWork(_) => false,
            Move::Evict(_)
            | Move::Rearm(_)
            | Move::Protect(_)
            | Move::Vmm(..)
            | Move::Arrive(_)
            | Move::DisturbVm(_)
            | Move::GoOnDestroying => false,
            _ => true,
        }
    }

    /// Whether another vCPU still looks for this page, or brings it.
    fn is_shared(&self, vcpu: VcpuId, page: u8, setup: &Setup) -> bool {
        let all = pages_mask(setup.pages);
        let mut others = self.vcpus().filter(|&other| other != vcpu);
        others.any(|other| {
            let cpu = self.cpu(other);
            let misses = cpu.tasks.iter().any(|task| (all & !task.touched) & (1 << page) != 0);
            let mut works = self.apf.host.items.works();
            let comes =
                works.any(|(_, work)| work.vcpu == other && work.gva.page() == u64::from(page));
            cpu.at != At::Dead && misses || comes
        })
    }
}
