//! How many pages the second stage maps, over time.

use std::collections::BTreeMap;

use sim_core::{SimDuration, SimTime};

use super::board::Board;
use super::cast::Cast;
use super::mark::{TrackId, TrackKind};
use crate::base::ids::{Gfn, GuestPage, VcpuId, VmId};
use crate::base::record::Event;

/// The counter is told no more often: pages come and go by the thousand.
const EVERY: SimDuration = SimDuration::from_us(100);
/// Pages in a block of the set.
const BLOCK: u64 = 64;

#[derive(Clone, Debug)]
struct Vm {
    track: TrackId,
    value: i64,
    told: i64,
    next: SimTime,
}

/// The entries of the second stages: of 4 KiB, or of a huge page.
#[derive(Clone, Debug)]
pub(super) struct Mapped {
    owners: Vec<VmId>,
    vms: Vec<Vm>,
    /// The pages that are mapped, a bit each. An entry may be made again, with other rights.
    pages: BTreeMap<u64, u64>,
}

impl Mapped {
    pub(super) fn new(board: &mut Board, cast: &Cast, tracks: &[TrackId], begin: SimTime) -> Self {
        let of_vm = |&track: &TrackId| Vm {
            track: board.track(Some(track), "second-stage entries", TrackKind::Counter, -1),
            value: 0,
            told: -1,
            next: begin,
        };
        let vms = tracks.iter().map(of_vm).collect();
        let mut mapped = Self { owners: cast.vcpus.clone(), vms, pages: BTreeMap::new() };
        for &page in &cast.mapped {
            mapped.set(page, true);
        }
        mapped.close(board, begin);
        mapped
    }

    pub(super) fn observe(&mut self, board: &mut Board, now: SimTime, event: &Event) {
        let page = match *event {
            Event::EptMap { vcpu, gfn, .. } => {
                let Some(page) = self.page_of(vcpu, gfn) else { return };
                self.set(page, true);
                page
            }
            Event::EptUnmap { page } => {
                self.set(page, false);
                page
            }
            _ => return,
        };
        if let Some(vm) = self.vms.get_mut(page.vm().index())
            && now >= vm.next
        {
            vm.tell(board, now);
        }
    }

    fn page_of(&self, vcpu: VcpuId, gfn: Gfn) -> Option<GuestPage> {
        self.owners.get(vcpu.index()).map(|&vm| GuestPage::new(vm, gfn))
    }

    fn set(&mut self, page: GuestPage, is: bool) {
        let (block, bit) = (page.0 / BLOCK, 1 << (page.0 % BLOCK));
        let bits = self.pages.entry(block).or_default();
        let was = *bits & bit != 0;
        *bits = if is { *bits | bit } else { *bits & !bit };
        if let Some(vm) = self.vms.get_mut(page.vm().index()) {
            vm.value += i64::from(is) - i64::from(was);
        }
    }

    /// Tells the values at the end.
    pub(super) fn close(&mut self, board: &mut Board, now: SimTime) {
        for vm in &mut self.vms {
            vm.tell(board, now);
        }
    }
}

impl Vm {
    fn tell(&mut self, board: &mut Board, now: SimTime) {
        if self.value != self.told {
            board.counter(self.track, now, self.value);
            self.told = self.value;
        }
        self.next = SimTime::from_ps(now.as_ps().saturating_add(EVERY.as_ps()));
    }
}
