//! Guest pages and the pool of compressed ones before the swap device.

use super::containers::Containers;
use super::page::Backing;
use super::pages::HostMemory;
use super::zswap::{Manner, Shrinking, Verdict, Zswap};
use crate::base::ids::{Gfn, GuestPage, VmId};
use crate::config::{ZswapConfig, ZswapKernel};

impl HostMemory {
    /// Whether the contents of a page's swap slot are compressed in memory, and not on the device.
    #[inline]
    fn is_compressed(&self, page: GuestPage) -> bool {
        self.zswap.as_ref().is_some_and(|zswap| zswap.holds(self.index(page)))
    }

    /// Pages of the pool that its entries take.
    fn pool_pages(&self) -> u64 {
        self.zswap.as_ref().map_or(0, |zswap| zswap.pages())
    }

    /// Whether it has entries in the pool.
    fn has_compressed(&self) -> bool {
        self.zswap.as_ref().is_some_and(|zswap| !zswap.is_empty())
    }

    /// The worker looks at the oldest entry: its page, if it goes.
    fn look_at_oldest(&mut self, spares: bool) -> Option<GuestPage> {
        let mut zswap = self.zswap.take()?;
        let in_swap_cache = |place| self.page(self.page_at(place)).backing != Backing::Swapped;
        let place = zswap.look_at_oldest(spares, in_swap_cache);
        self.zswap = Some(zswap);
        place.map(|place| self.page_at(place))
    }

    /// The page at a place of the tables.
    fn page_at(&self, place: u64) -> GuestPage {
        let vm = self.begins.partition_point(|&begin| begin <= place).saturating_sub(1);
        GuestPage::new(VmId(vm as u16), Gfn(place - self.begins[vm]))
    }
}

impl Containers {
    /// The same with a pool of compressed pages before the swap device.
    #[must_use]
    pub(crate) fn with_zswap(self, config: Option<&ZswapConfig>, kernel: ZswapKernel) -> Self {
        let of = self.of.into_iter().map(|memory| memory.with_zswap(config, kernel)).collect();
        Self { of, ..self }
    }

    /// Whether the contents of a page's swap slot are compressed in memory, and not on the device.
    #[inline]
    pub(crate) fn is_compressed(&self, page: GuestPage) -> bool {
        self.of[self.container(page.vm())].is_compressed(page)
    }

    /// A page is swapped out to its slot: it is compressed, or goes to the device. None: there is no pool.
    pub(crate) fn store_compressed(&mut self, page: GuestPage) -> Option<Verdict> {
        let taken = self.pool_pages();
        let memory = &mut self.of[self.by_vm[page.vm().index()]];
        let place = memory.index(page);
        memory.zswap.as_mut().map(|zswap| zswap.store(place, taken, &mut self.pool))
    }

    /// A page has been brought from the pool. It is dirty if no copy is left there.
    pub(crate) fn load_compressed(&mut self, page: GuestPage) {
        let memory = self.of_vm(page.vm());
        let place = memory.index(page);
        let dirty = memory.zswap.as_mut().is_some_and(|zswap| zswap.load(place));
        memory.page_mut(page).dirty |= dirty;
    }

    /// As [`HostMemory::forget_compressed`].
    pub(crate) fn forget_compressed(&mut self, page: GuestPage) {
        self.of_vm(page.vm()).forget_compressed(page);
    }

    /// Pages that the pool takes.
    fn pool_pages(&self) -> u64 {
        self.of.iter().map(HostMemory::pool_pages).sum()
    }

    fn zswap(&self) -> Option<&Zswap> {
        self.of.first().and_then(|memory| memory.zswap.as_deref())
    }

    /// A run of the worker that makes room in the pool begins.
    pub(crate) fn begin_shrinking(&self) -> Shrinking {
        Shrinking { began_with: self.pool_pages(), ..Shrinking::default() }
    }

    /// The page that the worker writes back next; none: it is through, or gives up. It takes containers in turn,
    /// and passes over pages that are in the swap cache, too.
    pub(crate) fn next_to_write_back(&mut self, run: &mut Shrinking) -> Option<GuestPage> {
        let Manner { batch, spares, most_failures } = self.zswap()?.manner();
        loop {
            if run.looked_at == batch {
                run.failures += u32::from(run.gone == 0);
                let taken = self.pool_pages();
                if run.failures >= most_failures || self.zswap()?.is_shrunk(run, taken) {
                    return None;
                }
                (run.looked_at, run.gone) = (0, 0);
            }
            if run.looked_at == 0 || !self.of[self.pool.cursor].has_compressed() {
                run.looked_at = 0;
                let places = self.of.len();
                let mut others = (1..=places).map(|step| (self.pool.cursor + step) % places);
                self.pool.cursor = others.find(|&at| self.of[at].has_compressed())?;
            }
            run.looked_at += 1;
            if let Some(page) = self.of[self.pool.cursor].look_at_oldest(spares) {
                run.gone += 1;
                return Some(page);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::SwapSlot;
    use crate::config::Lru;
    use sim_core::Distribution;

    /// Virtual machines of so many pages in containers of a thousand.
    fn memory(
        (kernel, most, ratio_milli): (ZswapKernel, u64, u32),
        pages: &[u64],
        by_vm: Vec<usize>,
    ) -> Containers {
        let law = Distribution::Constant { value: 1 };
        let config = ZswapConfig {
            load: law.clone(),
            store: law,
            ratio_milli,
            max_pool_pages: Some(most),
            accept_percent: 90,
        };
        let limits = vec![1000; 1 + by_vm.iter().max().unwrap()];
        Containers::new(pages, by_vm, &limits, Lru::TwoLists).with_zswap(Some(&config), kernel)
    }

    fn store(memory: &mut Containers, pages: impl Iterator<Item = GuestPage>) {
        for page in pages {
            memory.page_mut(page).backing = Backing::Swapped;
            assert_eq!(memory.store_compressed(page), Some(Verdict::Stored));
        }
    }

    /// What a run of the worker writes back.
    fn write_back(memory: &mut Containers) -> Vec<GuestPage> {
        let mut run = memory.begin_shrinking();
        let mut gone = Vec::new();
        while let Some(page) = memory.next_to_write_back(&mut run) {
            memory.forget_compressed(page);
            gone.push(page);
        }
        gone
    }

    #[test]
    fn compressed_pages_take_room_in_their_container() {
        for (kernel, room) in [(ZswapKernel::Frontswap, 1000), (ZswapKernel::SecondChance, 999)] {
            let mut memory = memory((kernel, 10, 2000), &[8, 8], vec![0, 1]);
            let page = GuestPage::new(VmId(1), Gfn(3));
            assert!(!memory.is_compressed(page));
            store(&mut memory, [page].into_iter());
            assert!(memory.is_compressed(page) && !memory.is_compressed(GuestPage(3)));
            assert_eq!([0, 1].map(|vm| memory.room(VmId(vm))), [1000, room]);
            // A slot that is given up takes the copy with it.
            memory.set_slot(page, Some(SwapSlot(0)));
            assert!(memory.is_compressed(page));
            memory.set_slot(page, None);
            assert!(!memory.is_compressed(page) && memory.room(VmId(1)) == 1000);
        }
    }

    /// Each kernel's worker from a full pool of 100: what goes in its first and in its second run.
    #[test]
    fn what_the_worker_writes_back_is_the_kernels() {
        let runs = |kernel| {
            let mut memory = memory((kernel, 100, 1000), &[100], vec![0]);
            store(&mut memory, (0..100).map(GuestPage));
            [(); 2].map(|()| write_back(&mut memory))
        };
        let first = |pages: u64| (0..pages).map(GuestPage).collect::<Vec<_>>();
        assert_eq!(runs(ZswapKernel::Frontswap), [vec![GuestPage(0)], vec![GuestPage(1)]]);
        assert_eq!(runs(ZswapKernel::OldestFirst)[0], first(10));
        // One by one, and none of the first 16 may go yet.
        assert_eq!(runs(ZswapKernel::SecondChance), [vec![], vec![]]);
        // Of four batches of 32, the last one comes to the first 28 again, and is not broken off.
        assert_eq!(runs(ZswapKernel::SecondChanceBatch)[0], first(28));
    }

    #[test]
    fn the_seventh_run_finds_entries_that_had_their_chance() {
        let mut memory = memory((ZswapKernel::SecondChance, 100, 1000), &[100], vec![0]);
        store(&mut memory, (0..100).map(GuestPage));
        let runs: Vec<usize> = (0..7).map(|_| write_back(&mut memory).len()).collect();
        assert_eq!(runs, [0, 0, 0, 0, 0, 0, 10]);
    }

    #[test]
    fn pages_in_the_swap_cache_are_passed_over_and_the_worker_gives_up() {
        let mut memory = memory((ZswapKernel::OldestFirst, 100, 1000), &[100], vec![0]);
        store(&mut memory, (0..100).map(GuestPage));
        for page in (0..3).map(GuestPage) {
            memory.page_mut(page).backing = Backing::Reading;
        }
        let mut run = memory.begin_shrinking();
        assert_eq!(memory.next_to_write_back(&mut run), Some(GuestPage(3)));
        for page in (0..100).map(GuestPage) {
            memory.page_mut(page).backing = Backing::Reading;
        }
        let mut run = memory.begin_shrinking();
        assert_eq!(memory.next_to_write_back(&mut run), None);
        assert_eq!(run.failures, 16);
    }

    /// Containers share the size, and the worker takes them in turn, those without entries left out.
    #[test]
    fn the_worker_takes_containers_in_turn() {
        let mut memory = memory((ZswapKernel::OldestFirst, 20, 1000), &[16, 16, 16], vec![0, 1, 2]);
        let [first, third] = [0, 2].map(|vm| move |gfn: u64| GuestPage::new(VmId(vm), Gfn(gfn)));
        store(&mut memory, (0..10).map(first));
        store(&mut memory, (0..10).map(third));
        assert_eq!(memory.store_compressed(first(11)), Some(Verdict::Refused { shrink: true }));
        assert_eq!(write_back(&mut memory), [third(0), first(0)]);
    }
}
