//! Every queue against a sorted list: any sequence of calls, small, middle and large populations.

use proptest::prelude::*;
use sim_core::{
    EventHandle, EventKey, EventQueue, HybridQueue, RandomStreams, ReferenceQueue, SimTime,
    StdHeapQueue, Stream,
};

/// One call; numbers pick a time increment or one of the handles given out so far.
#[derive(Clone, Debug)]
enum Call {
    Schedule(u64),
    /// Before the last event popped, if possible: allowed, though no simulation does it.
    ScheduleEarly(u64),
    Cancel(usize),
    Reschedule(usize, u64),
    Peek,
    Pop,
}

/// The queue under test beside a plain list that does the same.
struct Pair<Q> {
    queue: Q,
    /// Pending events in rising order of keys; the event is its own serial number.
    list: Vec<(EventKey, usize)>,
    /// All handles ever given out, by serial number.
    handles: Vec<EventHandle>,
    now: SimTime,
    ordinal: u32,
}

impl<Q: EventQueue<usize> + Clone> Pair<Q> {
    fn new(queue: Q) -> Self {
        Self { queue, list: Vec::new(), handles: Vec::new(), now: SimTime::ZERO, ordinal: 0 }
    }

    /// A fresh key; class and actor fall on purpose as the ordinal rises.
    fn key(&mut self, increment: u64) -> EventKey {
        self.ordinal += 1;
        let time = SimTime::from_ps(self.now.as_ps().saturating_add(increment));
        let mixed = self.ordinal.wrapping_mul(0x9E37_79B9);
        EventKey::new(time, (mixed >> 30) as u8, mixed >> 28, self.ordinal)
    }

    fn insert(&mut self, key: EventKey, serial: usize) {
        let at = self.list.partition_point(|(other, _)| *other < key);
        self.list.insert(at, (key, serial));
    }

    fn position(&self, serial: usize) -> Option<usize> {
        let key = self.queue.key_of(self.handles[serial]);
        let at = self.list.iter().position(|(_, other)| *other == serial);
        assert_eq!(key, at.map(|at| self.list[at].0), "key of event {serial}");
        at
    }

    fn schedule(&mut self, key: EventKey) {
        let serial = self.handles.len();
        let handle = self.queue.schedule(key, serial);
        assert!(!self.handles.contains(&handle), "a handle came twice");
        self.handles.push(handle);
        self.insert(key, serial);
    }

    fn call(&mut self, call: &Call) {
        match *call {
            Call::Schedule(increment) => {
                let key = self.key(increment);
                self.schedule(key);
            }
            Call::ScheduleEarly(decrement) => {
                let now = self.now;
                self.now = SimTime::from_ps(now.as_ps().saturating_sub(decrement));
                let key = self.key(0);
                self.now = now;
                self.schedule(key);
            }
            Call::Cancel(pick) if !self.handles.is_empty() => {
                let serial = pick % self.handles.len();
                let expected = self.position(serial).map(|at| self.list.remove(at).1);
                assert_eq!(self.queue.cancel(self.handles[serial]), expected);
            }
            Call::Reschedule(pick, increment) if !self.handles.is_empty() => {
                let serial = pick % self.handles.len();
                let key = self.key(increment);
                let at = self.position(serial);
                assert_eq!(self.queue.reschedule(self.handles[serial], key), at.is_some());
                if let Some(at) = at {
                    self.list.remove(at);
                    self.insert(key, serial);
                }
            }
            Call::Cancel(_) | Call::Reschedule(..) => {}
            Call::Peek => {
                assert_eq!(self.queue.peek(), self.list.first().map(|(key, _)| *key));
            }
            Call::Pop => {
                let expected = (!self.list.is_empty()).then(|| self.list.remove(0));
                assert_eq!(self.queue.pop(), expected);
                if let Some((key, _)) = expected {
                    self.now = key.time();
                }
            }
        }
        assert_eq!(self.queue.len(), self.list.len());
        assert_eq!(self.queue.is_empty(), self.list.is_empty());
    }

    /// A clone pops the same as the original would.
    fn check_drained(self) {
        let mut clone = self.queue.clone();
        let popped: Vec<_> = std::iter::from_fn(|| clone.pop()).collect();
        assert_eq!(popped, self.list);
        assert_eq!(self.queue.len(), self.list.len());
    }
}

fn check<Q: EventQueue<usize> + Default + Clone>(calls: &[Call]) {
    let mut pair = Pair::new(Q::default());
    for call in calls {
        pair.call(call);
    }
    pair.check_drained();
}

fn check_all(calls: &[Call]) {
    check::<ReferenceQueue<usize>>(calls);
    check::<StdHeapQueue<usize>>(calls);
    check::<HybridQueue<usize>>(calls);
}

/// Short increments collide often, long ones test every digit of the time.
fn increment() -> impl Strategy<Value = u64> {
    prop_oneof![3 => 0..4u64, 2 => 0..1_000u64, 1 => 0..10_000_000u64, 1 => any::<u64>()]
}

fn call(schedule: u32, pop: u32) -> impl Strategy<Value = Call> {
    prop_oneof![
        schedule => increment().prop_map(Call::Schedule),
        1 => increment().prop_map(Call::ScheduleEarly),
        2 => any::<usize>().prop_map(Call::Cancel),
        3 => (any::<usize>(), increment()).prop_map(|(pick, by)| Call::Reschedule(pick, by)),
        1 => Just(Call::Peek),
        pop => Just(Call::Pop),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn small_populations(calls in prop::collection::vec(call(4, 4), 0..200)) {
        check_all(&calls);
    }

    #[test]
    fn middle_populations(calls in prop::collection::vec(call(12, 3), 400..1_500)) {
        check_all(&calls);
    }
}

/// How far ahead events of a large population are scheduled, in picoseconds.
#[derive(Clone, Copy, Debug)]
enum Mix {
    Uniform,
    /// Nearly exponential: the shape of timers and service times.
    Exponential,
    /// Nine in ten short, one in ten long: steps mixed with timers and requests.
    Bimodal,
    /// One in a thousand far out, all others in a cluster: hard on calendars and ladders.
    Skewed,
}

impl Mix {
    fn draw(self, stream: &mut Stream) -> u64 {
        match self {
            Self::Uniform => stream.below(2_000_000),
            Self::Exponential => {
                let halvings = stream.next_u64().leading_zeros();
                (stream.below(1_000_000) + 1_000_000 * u64::from(halvings)) * 7 / 10
            }
            Self::Bimodal if stream.chance(9, 10) => stream.below(400),
            Self::Bimodal => stream.below(2_000_000),
            Self::Skewed if stream.chance(1_023, 1_024) => stream.below(100),
            Self::Skewed => stream.below(20_000_000),
        }
    }
}

/// Fills up to `population`, then holds it there while cancelling and moving, then drains.
///
/// A sorted list is too slow at this size, so the queue is held against a `BTreeMap`.
fn check_large<Q: EventQueue<usize> + Default>(population: usize, turns: usize, mix: Mix) {
    let mut stream = RandomStreams::new(population as u64).stream("large populations");
    let mut queue = Q::default();
    let mut expected = std::collections::BTreeMap::new();
    let mut handles = Vec::new();
    let (mut now, mut ordinal) = (0, 0);
    for turn in 0..population + turns {
        let mut fresh = |now: u64, stream: &mut Stream| {
            ordinal += 1;
            EventKey::new(SimTime::from_ps(now + mix.draw(stream)), 0, ordinal % 64, ordinal)
        };
        if turn >= population {
            if stream.chance(1, 8) {
                queue.peek();
            }
            let popped = queue.pop();
            assert_eq!(popped, expected.pop_first(), "{mix:?}, turn {turn}");
            if let Some((key, _)) = popped {
                now = now.max(key.time().as_ps());
            }
        }
        // Now and then before the last event popped.
        let from = if stream.chance(1, 64) { now - stream.below(now.min(4_000) + 1) } else { now };
        let key = fresh(from, &mut stream);
        handles.push(queue.schedule(key, turn));
        expected.insert(key, turn);
        if stream.chance(1, 4) {
            let serial = stream.below(handles.len() as u64) as usize;
            let old = queue.key_of(handles[serial]);
            assert_eq!(old.and_then(|old| expected.remove(&old)), old.map(|_| serial));
            if stream.chance(1, 3) {
                // A cancelled event is replaced, so that the population holds.
                assert_eq!(queue.cancel(handles[serial]), old.map(|_| serial));
                if old.is_some() {
                    let key = fresh(now, &mut stream);
                    handles[serial] = queue.schedule(key, serial);
                    expected.insert(key, serial);
                }
            } else {
                let key = fresh(now, &mut stream);
                assert_eq!(queue.reschedule(handles[serial], key), old.is_some());
                if old.is_some() {
                    expected.insert(key, serial);
                }
            }
        }
        assert_eq!(queue.len(), expected.len());
    }
    while let Some(next) = expected.pop_first() {
        assert_eq!(queue.pop(), Some(next));
    }
    assert_eq!(queue.pop(), None);
}

const MIXES: [Mix; 4] = [Mix::Uniform, Mix::Exponential, Mix::Bimodal, Mix::Skewed];

#[test]
fn large_populations() {
    for mix in MIXES {
        for population in [300, 3_000, 20_000] {
            check_large::<ReferenceQueue<usize>>(population, 30_000, mix);
            check_large::<StdHeapQueue<usize>>(population, 30_000, mix);
            check_large::<HybridQueue<usize>>(population, 60_000, mix);
        }
        check_large::<HybridQueue<usize>>(100_000, 200_000, mix);
    }
}

/// Models may store handles, so these may not depend on the queue.
#[test]
fn all_queues_give_the_same_handles() {
    fn handles<Q: EventQueue<u32>>(mut queue: Q) -> Vec<EventHandle> {
        let mut given = Vec::new();
        for i in 0..100 {
            let time = SimTime::from_ps(u64::from(i * 7 % 13));
            given.push(queue.schedule(EventKey::new(time, 0, 0, i), i));
            if i % 3 == 0 {
                queue.pop();
            }
            if i % 5 == 0 {
                queue.cancel(given[i as usize / 2]);
            }
        }
        given
    }
    let reference = handles(ReferenceQueue::new());
    assert_eq!(handles(StdHeapQueue::new()), reference);
    assert_eq!(handles(HybridQueue::new()), reference);
}
