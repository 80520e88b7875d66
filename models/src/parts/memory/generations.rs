//! Reclaim by generations, in the manner of the multi-generational LRU (`mm/vmscan.c`,
//! `CONFIG_LRU_GEN`) for anonymous memory: the oldest generation is reclaimed; when too few are left,
//! ageing walks the page tables, moves what was used since to the youngest one and begins a new one.
//!
//! A page that is found used when its turn comes has its neighbours in the page table asked too
//! (`lru_gen_look_around`), so that most of what a batch finds is unused: recorded bursts on 6.12 evict 29 to 62 pages
//! of 64, and pass over groups of used ones.
//!
//! Simplifications: one type of pages and one tier; a walk covers all tables, whatever the kernel's Bloom filters would
//! leave out, at once, and entries without a page cost nothing in it.

use crate::base::ids::GuestPage;
use crate::parts::memory::blocks::HUGE_PAGES;
use crate::parts::memory::call::DEF_PRIORITY;
use crate::parts::memory::pages::{
    Entry, Flight, HostMemory, LruList, MIN_GENERATIONS, generation,
};
use crate::parts::memory::pass::{Enough, ReclaimPass, YoungTest, evict, test_and_clear_young};
use crate::parts::memory::swap::SwapArea;

/// Pages that reclaim takes off the lists at once, to ask each whether it was used: `MIN_LRU_BATCH`,
/// the bits of a word.
const ISOLATED: u32 = 64;
/// Pages about which page tables are asked when one was used (`MIN_LRU_BATCH`).
const AROUND: u64 = 64;

/// Whether there are so few generations that none may be reclaimed.
fn must_age(memory: &HostMemory) -> bool {
    let (oldest, youngest) = memory.generations();
    oldest + MIN_GENERATIONS > youngest
}

/// Whether ageing is due before that (`should_run_aging`): the youngest generation is too large, or
/// the one to be reclaimed too small.
fn should_age(memory: &HostMemory) -> bool {
    let (oldest, youngest) = memory.generations();
    let total = memory.on_lists();
    oldest + MIN_GENERATIONS == youngest
        && (memory.generation_len(youngest) * MIN_GENERATIONS > total
            || memory.generation_len(oldest) * (MIN_GENERATIONS + 2) < total)
}

/// Whether a page was used, as far as the walk can see.
fn walk_finds_used(
    memory: &mut HostMemory,
    guest_page: GuestPage,
    (test, sees_guest): (YoungTest, bool),
    pass: &mut ReclaimPass,
) -> bool {
    let in_vmm = std::mem::take(&mut memory.page_mut(guest_page).young_in_vmm);
    let in_guest = sees_guest && test_and_clear_young(memory, guest_page, test, pass);
    pass.asked += u32::from(sees_guest && memory.page(guest_page).vmm != Entry::None);
    in_vmm || in_guest
}

/// Ageing (`try_to_inc_max_seq`).
fn age(memory: &mut HostMemory, how: (YoungTest, bool), pass: &mut ReclaimPass) {
    let (oldest, youngest) = memory.generations();
    // The youngest first, so that what moves there is not asked twice.
    for number in (oldest..=youngest).rev() {
        let mut next = memory.generation_head(number);
        while let Some(guest_page) = next {
            next = memory.lru_next(guest_page);
            if walk_finds_used(memory, guest_page, how, pass) {
                go_to(memory, guest_page, youngest);
            }
        }
    }
    memory.new_generation();
}

/// Moves a page to a generation, if it is in another one.
fn go_to(memory: &mut HostMemory, guest_page: GuestPage, number: u64) {
    let list = memory.page(guest_page).list;
    if matches!(list, LruList::Generation(_)) && list != generation(number) {
        memory.lru_remove(guest_page);
        memory.lru_add(guest_page, generation(number));
    }
}

/// Gives up empty generations, as long as enough are left (`try_to_inc_min_seq`).
fn drop_empty(memory: &mut HostMemory) {
    let (mut oldest, youngest) = memory.generations();
    while oldest + MIN_GENERATIONS <= youngest && memory.generation_len(oldest) == 0 {
        memory.drop_oldest_generation();
        oldest += 1;
    }
}

/// One pass of direct reclaim: a batch of pages of the oldest generation (`evict_folios`), and further
/// ones until something goes. Gives up after all pages have been scanned twice.
pub(super) fn reclaim(
    memory: &mut HostMemory,
    swap: &mut SwapArea,
    batch: u32,
    how: (YoungTest, bool),
    pass: &mut ReclaimPass,
) {
    let most = 2 * memory.on_lists();
    drop_empty(memory);
    if should_age(memory) {
        age(memory, how, pass);
    }
    while u64::from(pass.scanned) < most && memory.on_lists() > 0 {
        drop_empty(memory);
        if pass.freed > 0 || !pass.written.is_empty() {
            return;
        }
        // Nothing that ageing moves is found used again, so this ends.
        while must_age(memory) {
            age(memory, how, pass);
            drop_empty(memory);
        }
        evict_batch(memory, swap, batch.max(ISOLATED), how, pass);
    }
}

/// One round of a call at a priority (`try_to_shrink_lruvec`): batches of pages until as many are scanned as the
/// priority stands for. At the first priority nothing ages; at later ones a round that ages takes nothing. Reclaim of a
/// host as a whole ends once it has enough (`should_abort_scan`).
pub(super) fn reclaim_at(
    memory: &mut HostMemory,
    swap: &mut SwapArea,
    (priority, enough): (u32, Enough),
    how: (YoungTest, bool),
    pass: &mut ReclaimPass,
) {
    let mut scanned = 0;
    loop {
        drop_empty(memory);
        let to_scan = memory.on_lists() >> priority;
        if to_scan == 0 {
            return;
        }
        if priority < DEF_PRIORITY && (must_age(memory) || should_age(memory)) {
            age(memory, how, pass);
            return;
        }
        let looked = evict_batch(memory, swap, ISOLATED, how, pass);
        scanned += looked;
        if looked == 0 || scanned >= to_scan || enough.has(pass) {
            return;
        }
    }
}

/// Pages that were taken off their list together, to be looked at one after the other.
struct Isolated {
    pages: Vec<GuestPage>,
    /// Those that a look around one before them has found used: a mark each (PG_referenced).
    used: Vec<bool>,
}

impl Isolated {
    /// Takes so many pages off the old end of a generation, or all that it has (`isolate_folios`), and how many these
    /// are: a huge page counts with all that it has.
    fn take(memory: &mut HostMemory, number: u64, most: u32) -> (Self, u64) {
        let (mut pages, mut taken) = (Vec::new(), 0);
        while taken < u64::from(most)
            && let Some(page) = memory.lru_tail(generation(number))
        {
            memory.lru_remove(page);
            taken += if memory.is_huge(page) { HUGE_PAGES } else { 1 };
            pages.push(page);
        }
        (Self { used: vec![false; pages.len()], pages }, taken)
    }

    /// Marks a page if it is one of them; one whose turn has been is not helped by it.
    fn mark(&mut self, page: GuestPage) -> bool {
        let at = self.pages.iter().position(|&one| one == page);
        at.is_some_and(|at| !std::mem::replace(&mut self.used[at], true))
    }
}

/// A batch of pages of the oldest generation (`evict_folios`): all are taken off their list before the first is looked
/// at, so that those which a look around finds used are part of it all the same. How many it took; 0, too, when too few
/// generations are left then.
fn evict_batch(
    memory: &mut HostMemory,
    swap: &mut SwapArea,
    batch: u32,
    how: (YoungTest, bool),
    pass: &mut ReclaimPass,
) -> u64 {
    if must_age(memory) {
        return 0;
    }
    let (mut isolated, taken) = Isolated::take(memory, memory.generations().0, batch);
    drop_empty(memory);
    let goes_on = !must_age(memory);
    for at in 0..isolated.pages.len() {
        pass.scanned += 1;
        scan_one(memory, swap, at, &mut isolated, how, pass);
    }
    if goes_on { taken } else { 0 }
}

/// A page was found used: its neighbours are asked too. Those that were used go to the youngest generation, or are
/// marked where they are to be looked at in the same batch (`lru_gen_look_around`).
fn look_around(
    memory: &mut HostMemory,
    used: GuestPage,
    isolated: &mut Isolated,
    how: (YoungTest, bool),
    pass: &mut ReclaimPass,
) {
    let (_, youngest) = memory.generations();
    let start = used.0 / HUGE_PAGES * HUGE_PAGES;
    let first = used.0.saturating_sub(AROUND / 2).clamp(start, start + HUGE_PAGES - AROUND);
    for guest_page in (first..first + AROUND).map(GuestPage) {
        if !memory.has(guest_page) || memory.page(guest_page).vmm == Entry::None {
            continue;
        }
        if walk_finds_used(memory, guest_page, how, pass) && !isolated.mark(guest_page) {
            go_to(memory, guest_page, youngest);
        }
    }
}

/// Tries to reclaim a page of a batch (`shrink_folio_list`).
fn scan_one(
    memory: &mut HostMemory,
    swap: &mut SwapArea,
    at: usize,
    isolated: &mut Isolated,
    how: (YoungTest, bool),
    pass: &mut ReclaimPass,
) {
    let guest_page = isolated.pages[at];
    let (oldest, youngest) = memory.generations();
    if memory.page(guest_page).pins > 0 || memory.page(guest_page).flight != Flight::None {
        // `sort_folio`: busy pages wait one generation on.
        memory.lru_add(guest_page, generation((oldest + 1).min(youngest)));
        return;
    }
    // "folio_update_gen() tried to promote this page?": it is kept, and not asked again.
    if isolated.used[at] {
        memory.lru_add(guest_page, generation(youngest));
        return;
    }
    // A look around from here on comes too late for it.
    isolated.used[at] = true;
    let in_vmm = std::mem::take(&mut memory.page_mut(guest_page).young_in_vmm);
    if test_and_clear_young(memory, guest_page, how.0, pass) || in_vmm {
        // `evict_folios`: what is rejected is activated.
        memory.lru_add(guest_page, generation(youngest));
        if (how.1 || in_vmm) && !memory.is_huge(guest_page) {
            look_around(memory, guest_page, isolated, how, pass);
        }
        return;
    }
    if !evict(memory, swap, guest_page, pass) {
        memory.lru_add(guest_page, generation(youngest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Lru;
    use crate::parts::memory::pages::{Arrival, Backing, Entry, SecondStage};
    use proptest::prelude::*;

    fn resident(pages: u64) -> HostMemory {
        let mut memory = HostMemory::new(&[pages], pages, Lru::GenerationsSecondStage);
        for guest_page in (0..pages).map(GuestPage) {
            memory.charge(guest_page);
            memory.lru_arrive(guest_page, Arrival::Fresh);
            let page = memory.page_mut(guest_page);
            page.backing = Backing::Resident;
            page.dirty = true;
        }
        // They grow old, unused.
        drop_empty(&mut memory);
        while must_age(&memory) {
            let how = (YoungTest::AccessedBit, true);
            age(&mut memory, how, &mut ReclaimPass::default());
            drop_empty(&mut memory);
        }
        memory
    }

    fn pass(memory: &mut HostMemory, swap: &mut SwapArea, sees_guest: bool) -> ReclaimPass {
        let mut pass = ReclaimPass::default();
        reclaim(memory, swap, 8, (YoungTest::AccessedBit, sees_guest), &mut pass);
        pass
    }

    #[test]
    fn what_the_guest_uses_stays_and_the_oldest_of_the_rest_goes() {
        for sees_guest in [true, false] {
            let mut memory = resident(64);
            for guest_page in (0..64).step_by(2).map(GuestPage) {
                *memory.second_stage_mut(guest_page) =
                    SecondStage { entry: Entry::Writable, young: true };
            }
            age(&mut memory, (YoungTest::AccessedBit, sees_guest), &mut ReclaimPass::default());
            // A walk that sees the guest's accesses takes them all at once; otherwise each page is
            // asked when its turn comes.
            assert_eq!(memory.second_stage(GuestPage(62)).young, !sees_guest);
            let pass = pass(&mut memory, &mut SwapArea::new(256), sees_guest);
            let gone: Vec<u64> = pass.written.iter().map(|w| w.0.0).collect();
            assert_eq!(gone, (1..64).step_by(2).collect::<Vec<u64>>());
        }
    }

    #[test]
    fn pages_that_the_vmm_has_just_mapped_get_a_round_more() {
        let mut memory = resident(32);
        memory.page_mut(GuestPage(0)).young_in_vmm = true;
        let pass = pass(&mut memory, &mut SwapArea::new(256), false);
        assert_eq!(pass.written[0].0, GuestPage(1));
        assert_eq!(pass.written.len(), 31);
        assert_eq!(memory.page(GuestPage(0)).backing, Backing::Resident);
    }

    #[test]
    fn a_page_that_was_rotated_is_the_next_to_be_freed() {
        let mut memory = resident(32);
        let mut swap = SwapArea::new(256);
        let written = pass(&mut memory, &mut swap, true).written;
        for &(guest_page, _) in &written {
            memory.page_mut(guest_page).backing = Backing::Resident;
            memory.lru_rotate(guest_page);
        }
        let next = pass(&mut memory, &mut swap, true);
        assert_eq!((next.freed, next.written.len()), (32, 0));
        assert_eq!(memory.charged(), 0);
    }

    #[test]
    fn the_first_pass_of_a_call_never_ages_and_a_pass_that_ages_takes_nothing() {
        let how = (YoungTest::AccessedBit, true);
        let mut memory = HostMemory::new(&[8192], 8192, Lru::GenerationsSecondStage);
        for guest_page in (0..8192).map(GuestPage) {
            memory.charge(guest_page);
            memory.lru_arrive(guest_page, Arrival::Fresh);
            memory.page_mut(guest_page).backing = Backing::Resident;
            memory.page_mut(guest_page).dirty = true;
        }
        let mut swap = SwapArea::new(8192);
        let mut at = |priority| {
            let mut pass = ReclaimPass::default();
            reclaim_at(&mut memory, &mut swap, (priority, Enough::Never), how, &mut pass);
            (pass.scanned, pass.written.len(), memory.generations())
        };
        // All are in the youngest generation; two are left alone.
        assert_eq!(at(12), (0, 0, (2, 3)));
        assert_eq!(at(11), (0, 0, (2, 4)));
        assert_eq!(at(10), (0, 0, (3, 5)));
        // 64 are a batch, and 8 128 >> 7 are 63.
        assert_eq!(at(9), (64, 64, (3, 5)));
        assert_eq!(at(6), (128, 128, (3, 5)));
    }

    #[test]
    fn who_finds_a_used_page_looks_around_in_its_page_table() {
        let used = |lru| {
            let mut memory = HostMemory::new(&[2048], 2048, lru);
            for guest_page in (0..2048).map(GuestPage) {
                memory.charge(guest_page);
                memory.lru_arrive(guest_page, Arrival::Fresh);
                let page = memory.page_mut(guest_page);
                (page.backing, page.vmm) = (Backing::Resident, Entry::Writable);
                let young = guest_page.0 % 2 == 1;
                *memory.second_stage_mut(guest_page) =
                    SecondStage { entry: Entry::Writable, young };
            }
            // The last page of the first table: pages beyond it are in another one.
            let mut pass = ReclaimPass::default();
            let sees_guest = lru == Lru::GenerationsSecondStage;
            let mut isolated = Isolated { pages: Vec::new(), used: Vec::new() };
            let how = (YoungTest::AccessedBit, sees_guest);
            look_around(&mut memory, GuestPage(511), &mut isolated, how, &mut pass);
            let cleared = |at: &u64| *at % 2 == 1 && !memory.second_stage(GuestPage(*at)).young;
            let all: Vec<u64> = (0..2048).filter(cleared).collect();
            (all, pass.asked)
        };
        let odd = (448..512).filter(|at| at % 2 == 1).collect::<Vec<u64>>();
        assert_eq!(used(Lru::GenerationsSecondStage), (odd, 64));
        // Before the second stage was asked, only what the VMM itself used counted.
        assert_eq!(used(Lru::Generations), (Vec::new(), 0));
    }

    /// 64 pages are a batch, whatever a look around finds among them: two of them are kept, and no others take their
    /// place.
    #[test]
    fn what_a_look_around_finds_used_is_part_of_the_batch() {
        let mut memory = resident(256);
        for guest_page in [GuestPage(10), GuestPage(20), GuestPage(100)] {
            memory.page_mut(guest_page).vmm = Entry::Writable;
            *memory.second_stage_mut(guest_page) =
                SecondStage { entry: Entry::Writable, young: true };
        }
        memory.second_stage_mut(GuestPage(100)).young = false;
        let (mut swap, mut pass) = (SwapArea::new(512), ReclaimPass::default());
        let how = (YoungTest::AccessedBit, true);
        assert_eq!(evict_batch(&mut memory, &mut swap, ISOLATED, how, &mut pass), 64);
        let gone: Vec<u64> = pass.written.iter().map(|(page, _)| page.0).collect();
        assert_eq!(gone, (0..64).filter(|page| ![10, 20].contains(page)).collect::<Vec<_>>());
        // The look around page 10 asks 10 and 20; 100 is too far away.
        assert_eq!((pass.scanned, pass.asked), (64, 2));
        assert_eq!(memory.page(GuestPage(20)).list, memory.youngest_generation());
    }

    /// Reclaim of the host as a whole ends with its goal, that of a container does not.
    #[test]
    fn enough_is_enough_for_a_host_as_a_whole() {
        for (enough, expected) in [(Enough::Never, 384), (Enough::Taken, 64), (Enough::Freed, 384)]
        {
            let mut memory = resident(1024);
            let mut swap = SwapArea::new(2048);
            let mut pass = ReclaimPass::default();
            // A batch of 64 at a time, until as many were looked at as half of the rest.
            while pass.scanned == 0 {
                let how = (YoungTest::AccessedBit, true);
                reclaim_at(&mut memory, &mut swap, (1, enough), how, &mut pass);
            }
            assert_eq!(pass.written.len(), expected, "{enough:?}");
        }
    }

    proptest! {
        /// Whatever is used between passes, passes end, every page stays on exactly one list or goes,
        /// and there are two to four generations.
        #[test]
        fn passes_end_and_lose_no_page(used in prop::collection::vec(0u64..40, 0..200)) {
            let mut memory = resident(40);
            let mut swap = SwapArea::new(256);
            let mut gone = 0;
            for chunk in used.chunks(5) {
                for &guest_page in chunk {
                    if memory.page(GuestPage(guest_page)).backing == Backing::Resident {
                        *memory.second_stage_mut(GuestPage(guest_page)) =
                            SecondStage { entry: Entry::Writable, young: true };
                    }
                }
                let pass = pass(&mut memory, &mut swap, gone % 2 == 0);
                gone += pass.written.len() as u64;
                prop_assert_eq!(memory.on_lists() + gone, 40);
                let (oldest, youngest) = memory.generations();
                prop_assert!((1..=3).contains(&(youngest - oldest)) || memory.on_lists() == 0);
            }
        }
    }
}
