//! Write-back throttling of the block layer (`block/blk-wbt.c`, `block/blk-rq-qos.c`, Linux 6.12, as
//! read there): reads should not suffer from writes, so that the writes in flight are few while the
//! shortest read of a window takes longer than a target, 2 ms where the device does not rotate.
//!
//! The comparison is with the *shortest* read: a device whose every read takes longer than the target
//! has its writes throttled to one at a time, whether or not the writes are to blame.
//!
//! Left out: discards, the whole depth that `kswapd` is allowed until 6.10 (`get_limit` of 5.10.262 and 6.1.192;
//! 6.12.117 allows it to all who write swap), writers that `balance_dirty_pages` slows down (swap is not written
//! through it), and devices with a volatile cache, whose writers wake up when nothing is in flight. Time is exact, not
//! in jiffies.

use std::collections::VecDeque;

use sim_core::fixed::isqrt_u64;
use sim_core::{SimDuration, SimTime};

use crate::base::ids::{RequestId, ThreadId};
use crate::base::record::IoKind;
use crate::config::SwapWriteLimit;

/// Writes in flight before anything is known of the device (`RWB_DEF_DEPTH`).
const DEFAULT_DEPTH: u32 = 16;
/// Length of a window of observation (`RWB_WINDOW_NSEC`).
const WINDOW: SimDuration = SimDuration::from_ms(100);
/// Writes that a window must have seen to say something (`RWB_MIN_WRITE_SAMPLES`).
const MIN_WRITES: u32 = 3;
/// Windows without knowledge before the limits go back to the middle (`RWB_UNKNOWN_BUMP`).
const UNKNOWN_WINDOWS: u32 = 5;
/// For how long after a read background writes keep to their quarter (`close_io`: HZ / 10).
const READS_ARE_NEAR: SimDuration = SimDuration::from_ms(100);

/// What a window showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Latency {
    Fine,
    Unknown,
    OnlyWrites,
    Exceeded,
}

/// Limits on writes in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// For who must not wait long.
    pub max: u32,
    /// While no reads are near.
    pub normal: u32,
    /// While reads are near.
    pub background: u32,
}

impl Limits {
    fn of(max: u32) -> Self {
        match max {
            0..=2 => Self { max, normal: max, background: 1 },
            _ => Self { max, normal: max.div_ceil(2), background: max.div_ceil(4) },
        }
    }
}

/// The state of a throttled device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WriteThrottle {
    target: SimDuration,
    limit_of_swap: SwapWriteLimit,
    queue_depth: u32,
    /// Halvings of the depth; negative: doublings.
    step: i32,
    at_most: bool,
    limits: Limits,
    unknown: u32,
    /// Whether a window is open, and its length.
    open: bool,
    window: SimDuration,
    shortest_read: Option<SimDuration>,
    writes_seen: u32,
    in_flight: u32,
    last_read: Option<SimTime>,
    /// The read that is watched while it is under way.
    watched: Option<(RequestId, SimTime)>,
    /// When each request went to the driver.
    issued: Vec<SimTime>,
    /// Threads that wait to write, the first one first.
    waiting: VecDeque<ThreadId>,
    /// Threads that no longer wait and have not written yet.
    admitted: Vec<ThreadId>,
}

impl WriteThrottle {
    pub(crate) fn new(
        target: SimDuration,
        limit_of_swap: SwapWriteLimit,
        queue_depth: u32,
    ) -> Self {
        Self {
            target,
            limit_of_swap,
            queue_depth,
            step: 0,
            at_most: false,
            limits: Limits::of(DEFAULT_DEPTH.min(queue_depth)),
            unknown: 0,
            open: false,
            window: WINDOW,
            shortest_read: None,
            writes_seen: 0,
            in_flight: 0,
            last_read: None,
            watched: None,
            issued: Vec::new(),
            waiting: VecDeque::new(),
            admitted: Vec::new(),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// `get_limit`, for writes of reclaim.
    fn limit(&self, now: SimTime) -> u32 {
        if self.limit_of_swap == SwapWriteLimit::WholeDepth {
            return self.limits.max;
        }
        let near = self.last_read.is_some_and(|read| now.since(read) < READS_ARE_NEAR);
        if near { self.limits.background } else { self.limits.normal }
    }

    /// Whether a thread may hand in a write now; otherwise it has to wait (`wbt_wait`).
    pub(crate) fn admit(&mut self, thread: ThreadId, now: SimTime) -> bool {
        if let Some(at) = self.admitted.iter().position(|&admitted| admitted == thread) {
            self.admitted.swap_remove(at);
            return true;
        }
        if !self.waiting.is_empty() || self.in_flight >= self.limit(now) {
            self.waiting.push_back(thread);
            return false;
        }
        self.in_flight += 1;
        true
    }

    /// Opens a window of observation, if none is open. Returns its length.
    pub(crate) fn observe(&mut self) -> Option<SimDuration> {
        if self.open {
            return None;
        }
        self.open = true;
        self.window = match u64::try_from(self.step) {
            Ok(step @ 1..) => (WINDOW.times(16)).divided_by(isqrt_u64((step + 1) << 8)),
            _ => WINDOW,
        };
        self.shortest_read = None;
        self.writes_seen = 0;
        Some(self.window)
    }

    /// A request goes to the driver.
    pub(crate) fn issue(&mut self, id: RequestId, op: IoKind, now: SimTime) {
        if self.issued.len() <= id.index() {
            self.issued.resize(id.index() + 1, SimTime::ZERO);
        }
        self.issued[id.index()] = now;
        if op == IoKind::Read {
            self.last_read = Some(now);
            self.watched.get_or_insert((id, now));
        }
    }

    /// The device has completed a request. Returns the threads that need wait no longer.
    pub(crate) fn complete(&mut self, id: RequestId, op: IoKind, now: SimTime) -> Vec<ThreadId> {
        let latency = now.since(self.issued[id.index()]);
        match op {
            IoKind::Read => {
                self.last_read = Some(now);
                if self.watched.is_some_and(|(watched, _)| watched == id) {
                    self.watched = None;
                }
                let shortest = self.shortest_read.map_or(latency, |known| known.min(latency));
                self.shortest_read = Some(shortest);
                Vec::new()
            }
            IoKind::Write => {
                self.writes_seen += 1;
                self.in_flight -= 1;
                let (left, normal) = (self.in_flight, self.limits.normal);
                let enough = normal.saturating_sub(left) >= self.limits.background / 2;
                if left == 0 || (left < normal && enough) { self.wake(now) } else { Vec::new() }
            }
        }
    }

    /// Those that wait go on, the first one first, as far as the limit goes (`rq_qos_wait`).
    fn wake(&mut self, now: SimTime) -> Vec<ThreadId> {
        let mut woken = Vec::new();
        while self.in_flight < self.limit(now)
            && let Some(thread) = self.waiting.pop_front()
        {
            self.in_flight += 1;
            self.admitted.push(thread);
            woken.push(thread);
        }
        woken
    }

    /// `latency_exceeded`.
    fn judge(&self, now: SimTime) -> Latency {
        let under_way = self.watched.map_or(SimDuration::ZERO, |(_, since)| now.since(since));
        let none_read = self.shortest_read.is_none();
        if under_way > self.window || (under_way > self.target && none_read) {
            return Latency::Exceeded;
        }
        match self.shortest_read {
            Some(shortest) if self.writes_seen >= MIN_WRITES => {
                if shortest > self.target {
                    Latency::Exceeded
                } else {
                    Latency::Fine
                }
            }
            _ if self.writes_seen > 0 || self.in_flight > 0 => Latency::OnlyWrites,
            _ => Latency::Unknown,
        }
    }

    /// A window is over (`wb_timer_fn`). Returns the threads that need wait no longer; whether
    /// another window begins is for [`Self::goes_on`].
    pub(crate) fn judge_window(&mut self, now: SimTime) -> Vec<ThreadId> {
        self.open = false;
        match self.judge(now) {
            Latency::Exceeded => self.scale_down(true),
            Latency::Fine | Latency::OnlyWrites => return self.scale_up(now),
            Latency::Unknown => {
                self.unknown += 1;
                if self.unknown >= UNKNOWN_WINDOWS {
                    match self.step {
                        1.. => return self.scale_up(now),
                        0 => {}
                        _ => self.scale_down(false),
                    }
                }
            }
        }
        Vec::new()
    }

    pub(crate) fn goes_on(&self) -> bool {
        self.step != 0 || self.in_flight > 0
    }

    fn scale_up(&mut self, now: SimTime) -> Vec<ThreadId> {
        if self.at_most {
            return Vec::new();
        }
        self.step -= 1;
        self.at_most = self.set_depth();
        self.unknown = 0;
        self.wake(now)
    }

    fn scale_down(&mut self, hard: bool) {
        if self.limits.max == 1 {
            return;
        }
        self.step = if self.step < 0 && hard { 0 } else { self.step + 1 };
        self.at_most = false;
        self.set_depth();
        self.unknown = 0;
    }

    /// `rq_depth_calc_max_depth`. Whether it is as deep as can be.
    fn set_depth(&mut self) -> bool {
        let middle = DEFAULT_DEPTH.min(self.queue_depth);
        let most = 3 * self.queue_depth / 4;
        let shift = self.step.unsigned_abs().min(20);
        let depth = match self.step {
            1.. => 1 + ((middle - 1) >> shift),
            0 => middle,
            _ => 1 + ((middle - 1) << shift),
        };
        let at_most = self.step < 0 && depth > most;
        self.limits = Limits::of(if at_most { most } else { depth });
        at_most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: SimDuration = SimDuration::from_ms(2);

    /// A window in which reads take so long, with enough writes.
    fn window(throttle: &mut WriteThrottle, now: &mut SimTime, read: SimDuration) {
        let length = throttle.observe().expect("none is open");
        for at in 0..MIN_WRITES {
            assert!(throttle.admit(ThreadId(at), *now));
            throttle.issue(RequestId(0), IoKind::Write, *now);
            throttle.complete(RequestId(0), IoKind::Write, *now);
        }
        throttle.issue(RequestId(1), IoKind::Read, *now);
        throttle.complete(RequestId(1), IoKind::Read, *now + read);
        *now = *now + length;
        throttle.judge_window(*now);
    }

    #[test]
    fn slow_reads_halve_the_depth_down_to_one_write() {
        let mut throttle = WriteThrottle::new(TARGET, SwapWriteLimit::AsOthers, 128);
        let mut now = SimTime::ZERO;
        let mut depths = vec![throttle.limits().max];
        let mut lengths = Vec::new();
        for _ in 0..5 {
            window(&mut throttle, &mut now, TARGET + SimDuration::from_ns(1));
            depths.push(throttle.limits().max);
            lengths.push(throttle.window.as_ns() / 1000);
        }
        assert_eq!(depths, [16, 8, 4, 2, 1, 1]);
        // 100 ms / sqrt(step + 1), by integers.
        assert_eq!(lengths, [100_000, 72_727, 59_259, 50_000, 45_714]);
        assert_eq!(throttle.limits(), Limits { max: 1, normal: 1, background: 1 });
    }

    #[test]
    fn reads_at_the_target_are_fine() {
        let mut throttle = WriteThrottle::new(TARGET, SwapWriteLimit::AsOthers, 128);
        let mut now = SimTime::ZERO;
        for _ in 0..6 {
            window(&mut throttle, &mut now, TARGET);
        }
        assert_eq!(throttle.limits(), Limits { max: 96, normal: 48, background: 24 });
        // One slow window brings it back to the middle at once.
        window(&mut throttle, &mut now, TARGET + SimDuration::from_ns(1));
        assert_eq!(throttle.limits().max, 16);
    }

    #[test]
    fn writes_wait_in_order_and_leave_when_one_is_through() {
        let mut throttle = WriteThrottle::new(TARGET, SwapWriteLimit::AsOthers, 1);
        throttle.limits = Limits::of(1);
        let now = SimTime::from_ps(5);
        assert!(throttle.admit(ThreadId(0), now));
        assert!(!throttle.admit(ThreadId(1), now) && !throttle.admit(ThreadId(2), now));
        throttle.issue(RequestId(0), IoKind::Write, now);
        assert_eq!(throttle.complete(RequestId(0), IoKind::Write, now), [ThreadId(1)]);
        assert!(throttle.admit(ThreadId(1), now));
        // Who comes later goes behind the second.
        assert!(!throttle.admit(ThreadId(3), now));
        throttle.issue(RequestId(0), IoKind::Write, now);
        assert_eq!(throttle.complete(RequestId(0), IoKind::Write, now), [ThreadId(2)]);
    }

    #[test]
    fn a_read_that_never_ends_counts_as_slow() {
        let mut throttle = WriteThrottle::new(TARGET, SwapWriteLimit::AsOthers, 128);
        let length = throttle.observe().expect("none is open");
        throttle.issue(RequestId(0), IoKind::Read, SimTime::ZERO);
        throttle.judge_window(SimTime::ZERO + length);
        assert_eq!(throttle.limits().max, 8);
    }

    #[test]
    fn without_reads_near_writes_have_half_the_depth() {
        let mut throttle = WriteThrottle::new(TARGET, SwapWriteLimit::AsOthers, 128);
        throttle.issue(RequestId(0), IoKind::Read, SimTime::ZERO);
        let later = SimTime::ZERO + READS_ARE_NEAR;
        assert_eq!((throttle.limit(SimTime::ZERO), throttle.limit(later)), (4, 8));
    }

    #[test]
    fn limits_go_back_to_the_middle_when_nothing_happens() {
        let mut throttle = WriteThrottle::new(TARGET, SwapWriteLimit::AsOthers, 128);
        let mut now = SimTime::ZERO;
        for _ in 0..2 {
            window(&mut throttle, &mut now, TARGET + SimDuration::from_ns(1));
        }
        for _ in 0..UNKNOWN_WINDOWS {
            assert!(throttle.goes_on());
            now = now + throttle.observe().expect("none is open");
            throttle.judge_window(now);
        }
        assert_eq!(throttle.step, 1);
    }
}
