//! A device under a load, without a machine around it: how long its requests take when so many are
//! always under way, or when they come at given times.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use sim_core::{
    DistributionError, Histogram, KeyedStreams, RandomStreams, SimDuration, SimTime, Stream,
};

use super::kinds::Device;
use super::request::{Request, Started};
use crate::base::ids::{GuestPage, RequestId, SwapSlot};
use crate::base::record::IoKind;
use crate::config::DeviceConfig;

/// Slots of the area over which requests are spread.
const AREA: u32 = 1 << 20;

/// A load of single pages that always has the same number of requests under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedLoad {
    /// Requests under way.
    pub depth: u32,
    /// Requests in all.
    pub requests: u64,
    /// How many of a million are reads.
    pub reads_ppm: u32,
    /// Seed of all random numbers.
    pub seed: u64,
}

/// A request that comes at a given time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it is submitted.
    pub at: SimTime,
    /// Direction.
    pub op: IoKind,
    /// Pages.
    pub pages: u32,
}

/// What a device made of a load.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadResult {
    /// Times of reads from submission to completion, in nanoseconds.
    pub read: Histogram,
    /// The same of writes.
    pub write: Histogram,
    /// Sums of both in picoseconds, of which means are made.
    pub sums: [u128; 2],
    /// From the first submission to the last completion.
    pub span: SimDuration,
}

impl LoadResult {
    /// Mean time of a read and of a write in nanoseconds; zero where there was none.
    pub fn means(&self) -> [f64; 2] {
        let counts = [self.read.count(), self.write.count()];
        std::array::from_fn(|at| self.sums[at] as f64 / 1000.0 / counts[at].max(1) as f64)
    }

    /// Requests a second.
    pub fn rate(&self) -> f64 {
        let requests = self.read.count() + self.write.count();
        requests as f64 * 1e12 / self.span.as_ps().max(1) as f64
    }
}

/// Keeps a number of requests under way until all have been submitted, and waits for the last.
///
/// # Errors
/// When a law of the device is no distribution.
pub fn closed_load(
    config: &DeviceConfig,
    load: &ClosedLoad,
) -> Result<LoadResult, DistributionError> {
    let mut bench = Bench::new(config, load.seed)?;
    let mut directions = RandomStreams::new(load.seed).stream("directions");
    let mut next = |bench: &mut Bench, now| {
        let read = directions.chance(load.reads_ppm.into(), 1_000_000);
        bench.submit(now, if read { IoKind::Read } else { IoKind::Write }, 1);
    };
    for _ in 0..u64::from(load.depth).min(load.requests) {
        next(&mut bench, SimTime::ZERO);
    }
    while let Some(now) = bench.complete() {
        if bench.submitted < load.requests {
            next(&mut bench, now);
        }
    }
    Ok(bench.result)
}

/// Submits requests at their times, which must not fall, and waits for the last.
///
/// # Errors
/// When a law of the device is no distribution.
pub fn replayed_load(
    config: &DeviceConfig,
    arrivals: &[Arrival],
    seed: u64,
) -> Result<LoadResult, DistributionError> {
    let mut bench = Bench::new(config, seed)?;
    for arrival in arrivals {
        while bench.next_completion().is_some_and(|at| at <= arrival.at) {
            bench.complete();
        }
        bench.submit(arrival.at, arrival.op, arrival.pages);
    }
    while bench.complete().is_some() {}
    Ok(bench.result)
}

/// A device, what it serves, and what it has served.
struct Bench {
    device: Device,
    served: BinaryHeap<Reverse<(SimTime, u64)>>,
    /// Requests in service, by number.
    requests: std::collections::BTreeMap<u64, Request>,
    places: Stream,
    submitted: u64,
    result: LoadResult,
}

impl Bench {
    fn new(config: &DeviceConfig, seed: u64) -> Result<Self, DistributionError> {
        let streams = RandomStreams::new(seed);
        let draws: KeyedStreams = streams.label("device");
        Ok(Self {
            device: Device::new(config, AREA, draws)?,
            served: BinaryHeap::new(),
            requests: std::collections::BTreeMap::new(),
            places: streams.stream("places"),
            submitted: 0,
            result: LoadResult::default(),
        })
    }

    fn submit(&mut self, now: SimTime, op: IoKind, pages: u32) {
        let number = self.submitted;
        self.submitted += 1;
        let room = u64::from(AREA.saturating_sub(pages).max(1));
        let request = Request {
            id: RequestId(number as u32),
            op,
            slot: SwapSlot(self.places.below(room) as u32),
            pages,
            guest_page: GuestPage(number),
            occurrence: 0,
            store: None,
            submitted: now,
        };
        let started = match self.device.issue(now, request) {
            true => Some(self.device.begin(request)),
            false => self.device.submit(now, request),
        };
        self.begin(now, started);
    }

    fn begin(&mut self, now: SimTime, started: Option<Started>) {
        if let Some(Started { request, service }) = started {
            let number = request.guest_page.0;
            self.served.push(Reverse((now + service, number)));
            self.requests.insert(number, request);
        }
    }

    fn next_completion(&self) -> Option<SimTime> {
        self.served.peek().map(|Reverse((at, _))| *at)
    }

    /// Lets the next request complete, and says when.
    fn complete(&mut self) -> Option<SimTime> {
        let Reverse((now, number)) = self.served.pop()?;
        if let Some(request) = self.requests.remove(&number) {
            let took = now.since(request.submitted);
            let result = &mut self.result;
            let times = match request.op {
                IoKind::Read => &mut result.read,
                IoKind::Write => &mut result.write,
            };
            times.record(took.as_ns());
            result.sums[usize::from(request.op == IoKind::Write)] += u128::from(took.as_ps());
            result.span = now.since(SimTime::ZERO);
        }
        let started = self.device.completed(now);
        self.begin(now, started);
        Some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConstantConfig;
    use crate::presets;

    /// Little's law: so many under way, each for so long, is so many a second.
    #[test]
    fn a_closed_load_has_the_rate_of_its_depth() {
        let us = SimDuration::from_us;
        let config: DeviceConfig =
            ConstantConfig { read_latency: us(10), write_latency: us(30) }.into();
        let load = ClosedLoad { depth: 4, requests: 10_000, reads_ppm: 500_000, seed: 1 };
        let result = closed_load(&config, &load).unwrap();
        assert_eq!(result.means(), [10_000.0, 30_000.0]);
        assert!((result.rate() - 200_000.0).abs() < 4_000.0, "{}", result.rate());
    }

    /// More under way than there are channels only wait.
    #[test]
    fn requests_beyond_the_channels_wait() {
        let config = presets::device("nvme-tlc-gen3").unwrap().config;
        let answer = |depth| {
            let load = ClosedLoad { depth, requests: 50_000, reads_ppm: 1_000_000, seed: 1 };
            closed_load(&config, &load).unwrap()
        };
        let (full, over) = (answer(64), answer(128));
        assert!((over.means()[0] / full.means()[0] - 2.0).abs() < 0.02);
        assert!((over.rate() / full.rate() - 1.0).abs() < 0.02);
    }

    #[test]
    fn requests_come_at_their_times() {
        let us = SimDuration::from_us;
        let config: DeviceConfig =
            crate::config::RamConfig { latency: us(3), copy_per_page: us(2), synchronous: false }
                .into();
        let at = |time, pages| Arrival { at: SimTime::ZERO + us(time), op: IoKind::Read, pages };
        let result = replayed_load(&config, &[at(0, 1), at(0, 4), at(100, 1)], 1).unwrap();
        assert_eq!(result.means()[0], (5_000.0 + 13_000.0 + 5_000.0) / 3.0);
        assert_eq!(result.span, us(105));
    }
}
