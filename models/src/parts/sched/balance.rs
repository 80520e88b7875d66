//! Load balancing between processors that share a cache (`sched_balance_rq`, kernel/sched/fair.c of 6.12.117): how
//! loaded each of them was lately, when it looks around, and whether it may take something.

use sim_core::{SimDuration, SimTime};

use super::loads::Loads;

/// One that ran so lately stays where its caches are (`sysctl_sched_migration_cost`).
const MIGRATION_COST: SimDuration = SimDuration::from_us(500);

/// The load of one that always wants a processor (`NICE_0_LOAD`, scaled down).
pub const ENTITY_LOAD: u64 = 1024;

/// Failures beyond which one that ran lately is taken all the same (`cache_nice_tries` of a domain that shares a
/// cache).
const CACHE_NICE_TRIES: u32 = 1;
/// How many per cent of the own load the other one must have (`imbalance_pct` of such a domain).
const IMBALANCE_PERCENT: u64 = 117;
/// How much more rarely a busy processor looks around (`busy_factor`).
const BUSY_FACTOR: u64 = 16;
/// Failures beyond which a load is not halved any more.
const MOST_HALVINGS: u32 = 10;

const MS: u64 = SimDuration::from_ms(1).as_ps();

/// By how much a load has decayed after so many 32nds of its half-life of 32 ms, in parts of 2^32
/// (kernel/sched/pelt.c).
const DECAY: [u64; 32] = decay();

const fn decay() -> [u64; 32] {
    // 2^(-1/32).
    const STEP: u64 = 4_202_935_003;
    let mut table = [1 << 32; 32];
    let mut at = 1;
    while at < 32 {
        table[at] = (table[at - 1] * STEP + (1 << 31)) >> 32;
        at += 1;
    }
    table
}

/// A load, by a low and by a high estimate: the average lags behind what has just come or gone. Others' are taken
/// low, and the own one high, so that nothing is moved for what is over (`source_load` and `target_load` of kernels
/// before 5.4, from memory; later ones add and take away the load of whoever moves, with the same effect).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// The low estimate.
    pub low: u64,
    /// The high one.
    pub high: u64,
}

/// How many wanted a processor lately: an average in which each millisecond counts half as much as that 32 ms later.
#[derive(Clone, Copy, Debug, Default)]
struct LoadAverage {
    wants: u64,
    /// Until when all is counted.
    until: SimTime,
    average: u64,
    /// What is not in the average yet, as load times picoseconds, and of how long.
    area: u128,
    window: u64,
}

impl LoadAverage {
    /// So many want the processor from now on.
    #[inline]
    fn set(&mut self, now: SimTime, wants: usize) {
        self.count(now);
        self.wants = wants as u64;
    }

    /// The average up to now, [`ENTITY_LOAD`] for each, and what there is now: the lower and the higher one.
    fn at(&mut self, now: SimTime) -> Load {
        self.count(now);
        let present = self.wants * ENTITY_LOAD;
        Load { low: self.average.min(present), high: self.average.max(present) }
    }

    fn count(&mut self, now: SimTime) {
        let span = now.saturating_since(self.until).as_ps();
        self.until = now;
        self.area += u128::from(self.wants * ENTITY_LOAD) * u128::from(span);
        self.window += span;
        if self.window >= MS {
            self.fold();
        }
    }

    fn fold(&mut self) {
        // Below 2^64, as no load is above the number of threads times 1024.
        let mean = (self.area / u128::from(self.window)) as u64;
        let ms = self.window / MS;
        let left = DECAY[(ms % 32) as usize].checked_shr((ms / 32).min(64) as u32).unwrap_or(0);
        let part = |of: u64| ((u128::from(of) * u128::from(left)) >> 32) as u64;
        self.average = match self.average >= mean {
            true => mean + part(self.average - mean),
            false => mean - part(mean - self.average),
        };
        (self.area, self.window) = (0, 0);
    }
}

/// What came of looking around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balanced {
    /// Nobody has much more.
    Even,
    /// Something was taken.
    Moved,
    /// Nothing could be taken.
    Failed,
}

/// When a processor looks around, and how hard it tries.
#[derive(Clone, Copy, Debug)]
pub struct Balancer {
    /// Times in a row that it found too much elsewhere and could take nothing (`nr_balance_failed`).
    failed: u32,
    /// Milliseconds between two looks of an idle one.
    interval: u64,
    last: SimTime,
}

impl Balancer {
    /// One of so many processors.
    fn new(processors: u64) -> Self {
        Self { failed: 0, interval: processors, last: SimTime::ZERO }
    }

    /// Whether it is to look around, a busy one more rarely, where ticks are so far apart (`get_sd_balance_interval`).
    pub fn is_due(&self, now: SimTime, busy: bool, tick: SimDuration) -> bool {
        let ms = if busy { self.interval * BUSY_FACTOR } else { self.interval };
        let ticks = (ms * MS).div_ceil(tick.as_ps().max(1)) - u64::from(busy);
        now >= self.last + tick.times(ticks.max(1))
    }

    /// It has looked around, one of so many processors.
    fn looked(&mut self, now: SimTime, result: Balanced, processors: u64) {
        match result {
            Balanced::Even => {
                self.failed = 0;
                self.interval = (self.interval * 2).min(2 * processors);
            }
            Balanced::Moved => (self.failed, self.interval) = (0, processors),
            Balanced::Failed => (self.failed, self.interval) = (self.failed + 1, processors),
        }
        self.last = now;
    }

    /// Whether it takes one that ran that long ago (`can_migrate_task`).
    pub fn takes(&self, ran_ago: SimDuration) -> bool {
        ran_ago >= MIGRATION_COST || self.failed > CACHE_NICE_TRIES
    }

    /// Whether a busy one with the load `own` is to take one that always wants a processor from one with the load
    /// `busiest`, where the mean of all is `mean` (`calculate_imbalance`, `detach_tasks`); none: nobody has much more.
    pub fn wants(&self, own: u64, busiest: u64, mean: u64) -> Option<bool> {
        if busiest * 100 <= own * IMBALANCE_PERCENT || own >= mean {
            return None;
        }
        let imbalance = busiest.saturating_sub(mean).min(mean - own);
        Some(ENTITY_LOAD >> self.failed.min(MOST_HALVINGS) <= imbalance)
    }
}

/// How loaded the processors of a machine are and were, and when each looks around.
#[derive(Clone, Debug)]
pub struct Balance {
    loads: Loads,
    averages: Vec<LoadAverage>,
    balancers: Vec<Balancer>,
    /// When they last did.
    last: SimTime,
}

impl Balance {
    /// Nobody wants one of so many processors yet.
    pub fn new(processors: usize) -> Self {
        Self {
            loads: Loads::new(processors),
            averages: vec![LoadAverage::default(); processors],
            balancers: vec![Balancer::new(processors as u64); processors],
            last: SimTime::ZERO,
        }
    }

    /// How many want each processor now.
    pub fn loads(&self) -> &Loads {
        &self.loads
    }

    /// When a processor looks around, and how hard it tries.
    pub fn balancer(&self, at: usize) -> &Balancer {
        &self.balancers[at]
    }

    /// So many want a processor from now on, and somebody waits for it or nobody does.
    #[inline]
    pub fn set(&mut self, now: SimTime, at: usize, running: usize, waits: bool) {
        self.loads.set(at, running, waits);
        self.averages[at].set(now, running);
    }

    /// The load of a processor up to now.
    pub fn load(&mut self, at: usize, now: SimTime) -> Load {
        self.averages[at].at(now)
    }

    /// The loads of all processors up to now, where somebody waits for one of them. Ticks of all processors come
    /// together, so that there is no answer when it was asked for at the same time already.
    pub fn look_around(&mut self, now: SimTime) -> Option<Vec<Load>> {
        if self.last == now || self.loads.busiest_first(2).next().is_none() {
            return None;
        }
        self.last = now;
        Some(self.averages.iter_mut().map(|average| average.at(now)).collect())
    }

    /// A processor has looked around.
    pub fn looked(&mut self, at: usize, now: SimTime, result: Balanced) {
        let processors = self.balancers.len() as u64;
        self.balancers[at].looked(now, result, processors);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_ms(ms)
    }

    #[test]
    fn a_load_is_half_there_after_32_ms() {
        let mut load = LoadAverage::default();
        load.set(SimTime::ZERO, 2);
        let half = load.at(at(32)).low;
        assert!((1020..=1026).contains(&half), "{half}");
        assert!((2040..=2048).contains(&load.at(at(2000)).low));
        // However often it is asked.
        let mut often = LoadAverage::default();
        often.set(SimTime::ZERO, 2);
        (1..=320).for_each(|tenth| {
            often.at(SimTime::ZERO + SimDuration::from_us(100 * tenth));
        });
        assert!(often.at(at(32)).low.abs_diff(half) <= 32, "{half}");
        load.set(at(2000), 0);
        assert!((1020..=1026).contains(&load.at(at(2032)).high));
        assert_eq!(load.at(at(100_000)), Load { low: 0, high: 0 });
    }

    /// Half of the time is half of the load.
    #[test]
    fn short_spans_count_by_their_length() {
        let mut load = LoadAverage::default();
        for us in (0..1_000_000).step_by(100) {
            load.set(SimTime::ZERO + SimDuration::from_us(us), usize::from(us % 200 == 0));
        }
        let last = load.at(at(1000)).high;
        assert!((500..=520).contains(&last), "{last}");
    }

    #[test]
    fn an_imbalance_of_one_is_moved_after_a_failure() {
        let mut balancer = Balancer::new(2);
        // Two against one on two processors.
        assert_eq!(balancer.wants(1024, 2048, 1536), Some(false));
        balancer.looked(at(0), Balanced::Failed, 2);
        assert_eq!(balancer.wants(1024, 2048, 1536), Some(true));
        assert_eq!(Balancer::new(2).wants(1024, 3072, 2048), Some(true));
        assert_eq!(balancer.wants(1024, 1100, 1062), None);
        assert_eq!(balancer.wants(2048, 1024, 1536), None);
    }

    #[test]
    fn who_ran_lately_is_taken_after_two_failures() {
        let mut balancer = Balancer::new(4);
        let lately = SimDuration::from_us(499);
        assert!(balancer.takes(MIGRATION_COST));
        for _ in 0..2 {
            assert!(!balancer.takes(lately));
            balancer.looked(at(0), Balanced::Failed, 4);
        }
        assert!(balancer.takes(lately));
    }

    #[test]
    fn a_busy_processor_looks_around_16_times_more_rarely() {
        let (tick, mut balancer) = (SimDuration::from_ms(4), Balancer::new(4));
        let due = |balancer: &Balancer, ms: u64, busy: bool| balancer.is_due(at(ms), busy, tick);
        balancer.looked(at(0), Balanced::Moved, 4);
        assert!(!due(&balancer, 59, true) && due(&balancer, 60, true));
        // One that has become idle meanwhile looks at once.
        assert!(!due(&balancer, 3, false) && due(&balancer, 4, false));
        balancer.looked(at(60), Balanced::Even, 4);
        assert!(!due(&balancer, 183, true) && due(&balancer, 184, true));
        assert!(!due(&balancer, 67, false) && due(&balancer, 68, false));
    }
}
