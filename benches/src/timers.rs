//! Timers that are nearly always re-armed before they expire.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::{BuildHasherDefault, DefaultHasher};

use priority_queue::PriorityQueue;
use sim_core::{EventHandle, EventKey, EventQueue, SimTime};

use crate::Contender;
use crate::workload::{Digest, Increments, Mix, Xorshift};

/// Numbered timers; equal times in the order of arming.
pub trait Timers {
    /// With `timers` timers, none of them armed.
    fn new(timers: u32) -> Self;

    /// Arms a timer, or arms it again for another time.
    fn arm(&mut self, timer: u32, time: u64);

    /// Takes the timer that expires next, with its time.
    fn expire(&mut self) -> Option<(u64, u32)>;
}

/// Timers on one of our queues: a re-arm moves the event.
#[derive(Clone, Debug)]
pub struct Ours<Q> {
    queue: Q,
    handles: Vec<Option<EventHandle>>,
    ordinal: u32,
}

impl<Q: EventQueue<u32> + Default> Timers for Ours<Q> {
    fn new(timers: u32) -> Self {
        Self { queue: Q::default(), handles: vec![None; timers as usize], ordinal: 0 }
    }

    #[inline]
    fn arm(&mut self, timer: u32, time: u64) {
        self.ordinal = self.ordinal.wrapping_add(1);
        let key = EventKey::new(SimTime::from_ps(time), 0, 0, self.ordinal);
        let handle = &mut self.handles[timer as usize];
        match *handle {
            Some(armed) if self.queue.reschedule(armed, key) => {}
            _ => *handle = Some(self.queue.schedule(key, timer)),
        }
    }

    #[inline]
    fn expire(&mut self) -> Option<(u64, u32)> {
        self.queue.pop().map(|(key, timer)| (key.time().as_ps(), timer))
    }
}

/// The standard heap: entries of re-armed timers stay and are passed over.
#[derive(Clone, Debug)]
pub struct LazyHeap {
    heap: BinaryHeap<Reverse<(u64, u64, u32)>>,
    /// The sequence number of each timer's valid entry.
    valid: Vec<u64>,
    sequence: u64,
}

impl Timers for LazyHeap {
    fn new(timers: u32) -> Self {
        Self { heap: BinaryHeap::new(), valid: vec![0; timers as usize], sequence: 0 }
    }

    #[inline]
    fn arm(&mut self, timer: u32, time: u64) {
        self.sequence += 1;
        self.valid[timer as usize] = self.sequence;
        self.heap.push(Reverse((time, self.sequence, timer)));
    }

    #[inline]
    fn expire(&mut self) -> Option<(u64, u32)> {
        loop {
            let Reverse((time, sequence, timer)) = self.heap.pop()?;
            if self.valid[timer as usize] == sequence {
                return Some((time, timer));
            }
        }
    }
}

/// The `priority-queue` crate, which changes a priority in place.
#[derive(Clone, Debug)]
pub struct Indexed {
    queue: PriorityQueue<u32, Reverse<(u64, u64)>, BuildHasherDefault<DefaultHasher>>,
    sequence: u64,
}

impl Timers for Indexed {
    fn new(_timers: u32) -> Self {
        Self { queue: PriorityQueue::with_default_hasher(), sequence: 0 }
    }

    #[inline]
    fn arm(&mut self, timer: u32, time: u64) {
        self.sequence += 1;
        self.queue.push(timer, Reverse((time, self.sequence)));
    }

    #[inline]
    fn expire(&mut self) -> Option<(u64, u32)> {
        self.queue.pop().map(|(timer, Reverse((time, _)))| (time, timer))
    }
}

/// Re-arms of random timers for each one that expires.
const REARMS: u64 = 9;

/// A timer expires and is armed again, nine others are re-armed, and so on.
#[derive(Clone, Debug)]
pub struct TimerLoop<T> {
    timers: T,
    count: u32,
    random: Xorshift,
    increments: Increments,
    digest: Digest,
}

impl<T: Timers> TimerLoop<T> {
    /// So many timers, all armed.
    pub fn new(count: u32) -> Self {
        let (mut random, increments) = (Xorshift::new(3), Increments::new(Mix::Exponential));
        let mut timers = T::new(count);
        for timer in 0..count {
            timers.arm(timer, increments.draw(random.draw()));
        }
        Self { timers, count, random, increments, digest: Digest::default() }
    }

    #[inline]
    fn arm(&mut self, now: u64, timer: u32) {
        let random = self.random.draw();
        self.timers.arm(timer, now + self.increments.draw(random));
    }
}

impl<T: Timers> Contender for TimerLoop<T> {
    /// An event is a re-arm.
    fn run(&mut self, events: u64) -> u64 {
        for _ in 0..events / REARMS {
            let Some((now, timer)) = self.timers.expire() else { return 0 };
            self.digest.event(now, timer);
            self.arm(now, timer);
            for _ in 0..REARMS {
                let picked = ((self.random.draw() >> 32) * u64::from(self.count)) >> 32;
                self.arm(now, picked as u32);
            }
        }
        events / REARMS * REARMS
    }

    fn digest(&self) -> u64 {
        self.digest.value()
    }
}
