//! A disk: one arm, seek, rotation, transfer, and the deadline elevator in front of it.
//!
//! Seek time is `base + c sqrt(x)` over the fraction x of the full stroke (Ruemmler and Wilkes,
//! *An introduction to disk drive modeling*, 1994); the rotational wait is uniform over one turn.
//! A request that begins where the last one ended pays neither. The elevator follows
//! `block/deadline-iosched.c`: batches of requests in one direction of travel, reads before
//! writes, each with a deadline.

use std::collections::BTreeMap;

use sim_core::{DistributionError, KeyedStreams, SimDuration, SimTime, fixed};

use super::kind::SwapDevice;
use super::request::{Request, draw};
use crate::base::record::IoKind;
use crate::config::HddConfig;

/// Requests of one direction, by position and by age.
#[derive(Clone, Debug, Default)]
struct Sorted {
    by_slot: BTreeMap<(u32, u32), Request>,
    /// Request numbers are used again, so age is the time of submission.
    by_age: BTreeMap<(SimTime, u32), (u32, u32)>,
}

impl Sorted {
    fn insert(&mut self, request: Request) {
        let key = (request.slot.0, request.id.0);
        self.by_slot.insert(key, request);
        self.by_age.insert((request.submitted, request.id.0), key);
    }

    fn is_empty(&self) -> bool {
        self.by_slot.is_empty()
    }

    fn oldest(&self) -> Option<&Request> {
        self.by_age.first_key_value().and_then(|(_, key)| self.by_slot.get(key))
    }

    fn at_or_after(&self, slot: u32) -> Option<&Request> {
        self.by_slot.range((slot, 0)..).next().map(|(_, request)| request)
    }

    fn take(&mut self, request: Request) -> Request {
        self.by_slot.remove(&(request.slot.0, request.id.0));
        self.by_age.remove(&(request.submitted, request.id.0));
        request
    }
}

/// State of the disk.
#[derive(Clone, Debug)]
pub(super) struct Hdd {
    config: HddConfig,
    swap_pages: u32,
    head: u32,
    busy: bool,
    reads: Sorted,
    writes: Sorted,
    /// Direction of the batch under way.
    direction: IoKind,
    batched: u32,
    starved: u32,
}

impl SwapDevice for Hdd {
    /// Takes the arm for a request, if nobody has it.
    fn issue(&mut self, now: SimTime, request: Request) -> bool {
        if self.busy {
            return false;
        }
        self.submit(now, request).is_some()
    }

    /// The arm goes to the request that has it. Returns how long that is served.
    fn begin(&mut self, request: &Request, draws: &KeyedStreams) -> SimDuration {
        let service = self.service(request, draws);
        self.head = request.slot.0 + request.pages;
        service
    }

    /// A request comes into the elevator. It is returned if it has the arm now.
    fn submit(&mut self, now: SimTime, request: Request) -> Option<Request> {
        match request.op {
            IoKind::Read => self.reads.insert(request),
            IoKind::Write => self.writes.insert(request),
        }
        if self.busy { None } else { self.next(now) }
    }

    /// The arm is free. Returns the request that has it next.
    fn completed(&mut self, now: SimTime) -> Option<Request> {
        self.busy = false;
        self.next(now)
    }
}

impl Hdd {
    pub(super) fn new(config: &HddConfig, swap_pages: u32) -> Result<Self, DistributionError> {
        Ok(Self {
            config: config.clone(),
            // A host without a swap area may read a store from the disk that it names for swap.
            swap_pages: swap_pages.max(1),
            head: 0,
            busy: false,
            reads: Sorted::default(),
            writes: Sorted::default(),
            direction: IoKind::Read,
            batched: 0,
            starved: 0,
        })
    }

    fn next(&mut self, now: SimTime) -> Option<Request> {
        let request = self.choose(now)?;
        self.busy = true;
        Some(request)
    }

    fn queue(&mut self, direction: IoKind) -> &mut Sorted {
        match direction {
            IoKind::Read => &mut self.reads,
            IoKind::Write => &mut self.writes,
        }
    }

    /// `deadline_dispatch_requests`: go on with the batch, or choose a direction and begin one.
    fn choose(&mut self, now: SimTime) -> Option<Request> {
        let head = self.head;
        if self.batched < self.config.elevator.fifo_batch
            && let Some(&next) = self.queue(self.direction).at_or_after(head)
        {
            self.batched += 1;
            return Some(self.queue(self.direction).take(next));
        }
        let direction = self.choose_direction()?;
        let expire = match direction {
            IoKind::Read => self.config.elevator.read_expire,
            IoKind::Write => self.config.elevator.write_expire,
        };
        let same_direction = direction == self.direction;
        let queue = self.queue(direction);
        let oldest = *queue.oldest()?;
        let expired = now.since(oldest.submitted) >= expire;
        // A batch goes on upwards from the head; at the end of travel, after an expiry or a
        // change of direction it begins with the oldest request.
        let next = match queue.at_or_after(head) {
            Some(&next) if same_direction && !expired => next,
            _ => oldest,
        };
        self.direction = direction;
        self.batched = 1;
        Some(self.queue(direction).take(next))
    }

    fn choose_direction(&mut self) -> Option<IoKind> {
        if !self.reads.is_empty() {
            if self.writes.is_empty() {
                return Some(IoKind::Read);
            }
            if self.starved < self.config.elevator.writes_starved {
                self.starved += 1;
                return Some(IoKind::Read);
            }
        } else if self.writes.is_empty() {
            return None;
        }
        self.starved = 0;
        Some(IoKind::Write)
    }

    fn service(&self, request: &Request, draws: &KeyedStreams) -> SimDuration {
        let transfer = self.config.transfer_per_page.times(u64::from(request.pages));
        let fixed = self.config.controller + transfer;
        let distance = self.head.abs_diff(request.slot.0);
        if distance == 0 {
            return fixed;
        }
        let turn = draw(draws, request).below(self.config.rotation.as_ps());
        fixed + self.seek(distance) + SimDuration::from_ps(turn)
    }

    /// Time to move the arm over a number of slots.
    fn seek(&self, distance: u32) -> SimDuration {
        // sqrt(x) in units of 10^-9, from x in units of 10^-18.
        let x = u128::from(distance) * u128::from(self.config.swap_span_ppm) * 1_000_000_000_000
            / u128::from(self.swap_pages);
        let root = fixed::isqrt_u128(x);
        let ps = root * u128::from(self.config.seek_sqrt.as_ps()) / 1_000_000_000;
        self.config.seek_base + SimDuration::from_ps(u64::try_from(ps).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{GuestPage, RequestId, SwapSlot};
    use crate::presets;
    use sim_core::RandomStreams;

    const SWAP_PAGES: u32 = 1 << 20;

    fn disk(name: &str) -> Hdd {
        match presets::device(name).unwrap().config {
            crate::config::DeviceConfig::Hdd(config) => {
                Hdd::new(&config, SWAP_PAGES).expect("has no law")
            }
            other => panic!("{other:?} is no disk"),
        }
    }

    fn request(id: u32, op: IoKind, slot: u32) -> Request {
        Request {
            id: RequestId(id),
            op,
            slot: SwapSlot(slot),
            pages: 1,
            guest_page: GuestPage(u64::from(slot)),
            occurrence: 0,
            store: None,
            submitted: SimTime::ZERO,
        }
    }

    fn serve(disk: &mut Hdd, request: Option<Request>) -> Option<SimDuration> {
        let draws = RandomStreams::new(7).label("disk");
        request.map(|request| disk.begin(&request, &draws))
    }

    fn order(disk: &mut Hdd, requests: &[Request]) -> Vec<u32> {
        let mut order = Vec::new();
        for &r in requests {
            let begun = disk.submit(SimTime::ZERO, r);
            serve(disk, begun);
            order.extend(begun.map(|r| r.id.0));
        }
        while let Some(next) = disk.completed(SimTime::ZERO) {
            serve(disk, Some(next));
            order.push(next.id.0);
        }
        order
    }

    /// Stores without a device of their own are read from the swap device, of which nothing else may be used.
    #[test]
    fn a_disk_without_a_swap_area_seeks_all_the_same() {
        let config = disk("hdd-7200-swap").config;
        let disk = Hdd::new(&config, 0).unwrap();
        assert!(disk.seek(1) >= config.seek_base);
    }

    #[test]
    fn random_reads_take_the_mean_of_the_data_sheet() {
        // The mean of sqrt|x - y| over two uniform positions is 8/15. With half a turn, one page
        // and the controller that makes 0.8 + 14.5 * 8/15 + 4.167 + 0.037 + 0.2 = 12.94 ms over
        // the whole stroke, and a tenth of the square-root term less over 1 % of it: 5.98 ms.
        for (name, low, high) in [("hdd-7200-swap", 5.93, 6.03), ("hdd-7200", 12.87, 13.01)] {
            let mut disk = disk(name);
            let mut slots = RandomStreams::new(7).stream("slots");
            let mut now = SimTime::ZERO;
            let count = 100_000;
            for id in 0..count {
                let r = request(id, IoKind::Read, slots.below(u64::from(SWAP_PAGES)) as u32);
                let begun = disk.submit(now, r);
                now = now + serve(&mut disk, begun).expect("nobody has the arm");
                assert_eq!(disk.completed(now), None);
            }
            let mean_ms = now.as_secs_f64() * 1e3 / f64::from(count);
            assert!(mean_ms > low && mean_ms < high, "{name}: {mean_ms} ms");
        }
    }

    #[test]
    fn the_elevator_sorts_by_position() {
        let reads: Vec<_> = [500, 900, 100, 700]
            .iter()
            .zip(0..)
            .map(|(&slot, id)| request(id, IoKind::Read, slot))
            .collect();
        // The first is served at once; the others by position upwards, then from the oldest.
        assert_eq!(order(&mut disk("hdd-7200-swap"), &reads), [0, 3, 1, 2]);
    }

    #[test]
    fn reads_pass_writes_but_not_for_ever() {
        let mut requests = vec![request(0, IoKind::Read, 10), request(1, IoKind::Write, 5)];
        requests.extend((2..102).map(|id| request(id, IoKind::Read, 20 * id)));
        let order = order(&mut disk("hdd-7200-swap"), &requests);
        let write = order.iter().position(|&id| id == 1).unwrap();
        // Batches of 16; reads pass twice, so the write waits for three batches at the most.
        assert!((16..=48).contains(&write), "the write is number {write}: {order:?}");
    }

    /// Request numbers are used again: the oldest request need not have the lowest.
    #[test]
    fn the_oldest_request_is_served_at_the_end_of_travel() {
        let mut disk = disk("hdd-7200-swap");
        let first = disk.submit(SimTime::ZERO, request(5, IoKind::Read, 5000));
        serve(&mut disk, first);
        assert_eq!(disk.submit(SimTime::ZERO, request(9, IoKind::Read, 10)), None);
        let later = Request { submitted: SimTime::from_ps(1), ..request(1, IoKind::Read, 20) };
        assert_eq!(disk.submit(SimTime::from_ps(1), later), None);
        let next = disk.completed(SimTime::from_ps(2));
        assert_eq!(next.map(|request| request.id), Some(RequestId(9)));
    }

    /// The driver copies the pages of a request that has the arm: nobody else gets it meanwhile.
    #[test]
    fn an_issued_request_keeps_the_arm() {
        let mut disk = disk("hdd-7200-swap");
        let first = request(1, IoKind::Read, 5000);
        assert!(disk.issue(SimTime::ZERO, first));
        assert!(!disk.issue(SimTime::ZERO, request(2, IoKind::Read, 0)));
        assert_eq!(disk.submit(SimTime::ZERO, request(2, IoKind::Read, 0)), None);
        serve(&mut disk, Some(first));
        assert_eq!(disk.head, 5001);
        let next = disk.completed(SimTime::from_ps(2));
        assert_eq!(next.map(|request| request.id), Some(RequestId(2)));
    }

    #[test]
    fn sequential_requests_pay_no_seek() {
        let mut disk = disk("hdd-7200-swap");
        let draws = RandomStreams::new(1).label("disk");
        disk.head = 100;
        let service = disk.service(&request(0, IoKind::Write, 100), &draws);
        assert_eq!(service, SimDuration::from_us(237));
    }
}
