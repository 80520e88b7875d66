//! `memory.high` of a container: pages that processors charge in advance, and how long a thread sleeps that has
//! charged beyond it (`try_charge_memcg`, `calculate_high_delay` of mm/memcontrol.c, 6.12.117 and 5.10).

use sim_core::{SimDuration, SimTime};

use crate::base::ids::PcpuId;

/// Pages that a processor charges at once (`MEMCG_CHARGE_BATCH`).
pub(crate) const CHARGE_BATCH: u32 = 64;
/// `MEMCG_DELAY_PRECISION_SHIFT`.
const PRECISION_SHIFT: u32 = 20;
/// `MEMCG_DELAY_SCALING_SHIFT`.
const SCALING_SHIFT: u32 = 14;
/// Longest sleep in seconds (`MEMCG_MAX_HIGH_DELAY_JIFFIES`).
const MAX_DELAY_SECONDS: u64 = 2;
/// Levels of the timer wheel have so many bits, and each is so much coarser (`LVL_BITS`, `LVL_CLK_SHIFT` of
/// kernel/time/timer.c).
const LEVEL_BITS: u32 = 6;
const LEVEL_SHIFT: u32 = 3;

/// What each processor has charged in advance: of one container at a time.
#[derive(Clone, Debug)]
pub(crate) struct Stocks {
    of: Vec<(usize, u32)>,
    /// By container.
    sums: Vec<u64>,
}

impl Stocks {
    pub(crate) fn new(pcpus: u16, containers: usize) -> Self {
        Self { of: vec![(0, 0); pcpus.into()], sums: vec![0; containers] }
    }

    /// Pages of a container that are charged and in no use.
    pub(crate) fn of(&self, container: usize) -> u64 {
        self.sums[container]
    }

    /// A thread on a processor charges a page of a container that has room for so many more: from the stock, or
    /// else so many pages at once, which the caller holds against the limit (`consume_stock`, `refill_stock`).
    pub(crate) fn charge(&mut self, pcpu: PcpuId, container: usize, room: u64) -> Option<u32> {
        let stock = &mut self.of[pcpu.index()];
        if stock.0 == container && stock.1 > 0 {
            stock.1 -= 1;
            self.sums[container] -= 1;
            return None;
        }
        self.sums[stock.0] -= u64::from(stock.1);
        let more = CHARGE_BATCH - 1;
        let batch = if room >= u64::from(more) + self.sums[container] { CHARGE_BATCH } else { 1 };
        *stock = (container, batch - 1);
        self.sums[container] += u64::from(batch - 1);
        Some(batch)
    }

    /// All processors give back what they have of a container (`drain_all_stock`).
    pub(crate) fn drain(&mut self, container: usize) {
        for stock in self.of.iter_mut().filter(|stock| stock.0 == container) {
            stock.1 = 0;
        }
        self.sums[container] = 0;
    }
}

/// Ticks for which a thread sleeps that has charged so many pages, if it does not reclaim better (before it is
/// asked whether that is worth it).
pub(crate) fn penalty(pages: u32, usage: u64, high: u64, hz: u64) -> u64 {
    if usage <= high {
        return 0;
    }
    let overage = (u128::from(usage - high) << PRECISION_SHIFT) / u128::from(high.max(1));
    let ticks = (overage * overage * u128::from(hz)) >> (PRECISION_SHIFT + SCALING_SHIFT);
    let ticks = ticks * u128::from(pages) / u128::from(CHARGE_BATCH);
    u64::try_from(ticks).unwrap_or(u64::MAX).min(MAX_DELAY_SECONDS * hz)
}

/// When a timer of so many ticks fires that is set now: never early, and the later the coarser
/// (`calc_wheel_index`).
pub(crate) fn fires(now: SimTime, ticks: u64, tick: SimDuration) -> SimTime {
    let expires = now.as_ps() / tick.as_ps() + ticks;
    let starts = |level: u32| ((1u64 << LEVEL_BITS) - 1) << (level * LEVEL_SHIFT);
    let level = (0..8).find(|&level| ticks < starts(level)).unwrap_or(8);
    let shift = level * LEVEL_SHIFT;
    SimTime::from_ps((((expires >> shift) + 1) << shift) * tick.as_ps())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table above the constants in mm/memcontrol.c: usage in MiB and milliseconds, for a `memory.high` of
    /// 100 MiB and 64 pages.
    #[test]
    fn the_delays_are_those_of_the_kernel() {
        let table = [
            (100, 0),
            (101, 6),
            (102, 25),
            (103, 57),
            (104, 102),
            (105, 159),
            (107, 313),
            (110, 639),
            (113, 1081),
            (117, 1849),
            (118, 2000),
            (120, 2000),
        ];
        for (usage, ms) in table {
            assert_eq!(penalty(64, usage * 256, 100 * 256, 1000), ms, "{usage} MiB");
        }
        assert_eq!(penalty(32, 110 * 256, 100 * 256, 1000), 319);
        assert_eq!(penalty(64, 110 * 256, 100 * 256, 250), 159);
    }

    #[test]
    fn one_charge_in_64_is_held_against_the_limit() {
        let mut stocks = Stocks::new(2, 2);
        let (here, there) = (PcpuId(0), PcpuId(1));
        let held: Vec<_> = (0..130).map(|_| stocks.charge(here, 0, 1000)).collect();
        assert_eq!(held.iter().filter(|batch| **batch == Some(64)).count(), 3);
        assert_eq!((held[0], held[64], held[128]), (Some(64), Some(64), Some(64)));
        assert_eq!(stocks.of(0), 3 * 64 - 130);
        // Another processor has a stock of its own, and another container takes it over.
        assert_eq!(stocks.charge(there, 0, 1000), Some(64));
        assert_eq!(stocks.charge(here, 1, 1000), Some(64));
        assert_eq!((stocks.of(0), stocks.of(1)), (63, 63));
        stocks.drain(0);
        assert_eq!((stocks.of(0), stocks.of(1)), (0, 63));
        // Near the limit one page at a time.
        assert_eq!(stocks.charge(there, 0, 62), Some(1));
        assert_eq!(stocks.charge(there, 0, 63), Some(64));
    }

    #[test]
    fn timers_fire_late_and_never_early() {
        let tick = SimDuration::from_ms(4);
        let now = SimTime::from_ps(SimDuration::from_ms(41).as_ps());
        let at = |ticks| fires(now, ticks, tick).as_ps() / tick.as_ps();
        assert_eq!((at(3), at(62)), (14, 73));
        // The second level has steps of 8 ticks, the third of 64.
        assert_eq!((at(63), at(500)), (80, 512));
        assert_eq!(at(504), 576);
    }
}
