//! The hybrid queue beside a map, and its invariants after every call.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::time::SimTime;

impl<E> HybridQueue<E> {
    /// Holds every invariant of the queue.
    fn check(&self) {
        for pair in self.near.windows(2) {
            assert!(pair[0].key() > pair[1].key(), "the near array is not sorted");
        }
        for entry in &self.near {
            assert!(entry.key() <= self.horizon, "{entry:?} is near and after the horizon");
            assert_eq!(self.nodes.pending_in(entry.slot), Some((entry.key(), Place::Near)));
        }
        self.wheel.check(|entry, position| {
            assert!(entry.key() > self.horizon, "{entry:?} is far and not after the horizon");
            let Some((key, Place::Wheel(noted))) = self.nodes.pending_in(entry.slot) else {
                panic!("{entry:?} is not known to be in the wheel");
            };
            assert_eq!(key, entry.key());
            assert!(position < wheel::UNRECORDED || position == noted, "{entry:?} at {noted}?");
        });
        assert!(self.wheel.cursor() <= self.horizon.saturating_add(1), "what is between them?");
        assert_eq!(self.nodes.pending(), self.len());
    }
}

fn key(ps: u64, ordinal: u32) -> EventKey {
    EventKey::new(SimTime::from_ps(ps), 0, 0, ordinal)
}

/// Pops everything, checking on the way, and compares with what was expected.
fn drain<E: PartialEq + std::fmt::Debug>(
    queue: &mut HybridQueue<E>,
    expected: BTreeMap<EventKey, E>,
) {
    for next in expected {
        assert_eq!(queue.pop(), Some(next));
        queue.check();
    }
    assert_eq!(queue.pop(), None);
}

/// A queue with `count` events from `first_ps` on, `step_ps` apart, and the same in a map.
fn filled(count: u32, first_ps: u64, step_ps: u64) -> (HybridQueue<u32>, BTreeMap<EventKey, u32>) {
    let (mut queue, mut expected) = (HybridQueue::new(), BTreeMap::new());
    for i in 0..count {
        let at = key(first_ps + u64::from(i) * step_ps, i);
        queue.schedule(at, i);
        expected.insert(at, i);
    }
    queue.check();
    (queue, expected)
}

#[test]
fn few_events_stay_in_the_near_array() {
    let (mut queue, mut expected) = filled(FEW_MAX as u32, 10, 1 << 40);
    assert!(queue.wheel.is_empty());
    queue.schedule(key(3, 0), 99);
    expected.insert(key(3, 0), 99);
    assert!(!queue.wheel.is_empty());
    drain(&mut queue, expected);
    assert_eq!(queue.horizon, u128::MAX);
}

#[test]
fn many_events_of_one_instant_do_not_pile_up_in_the_near_array() {
    let (mut queue, mut expected) = filled(10_000, 77, 0);
    for i in 0..10_000 {
        let (at, event) = queue.pop().unwrap();
        assert_eq!(expected.remove(&at), Some(event));
        // Behind all that is left of this instant.
        queue.schedule(key(77, 10_000 + i), i);
        expected.insert(key(77, 10_000 + i), i);
        assert!(queue.near.len() <= NEAR_MAX);
    }
    queue.check();
    drain(&mut queue, expected);
}

/// Thousands of late events, the earliest of which were popped or wait in the near array, and the
/// cursor at the latter's slot.
fn with_late_cursor() -> (HybridQueue<u32>, BTreeMap<EventKey, u32>) {
    let (mut queue, mut expected) = filled(3_000, 1 << 50, 1 << 20);
    while !queue.near.is_empty() {
        assert_eq!(queue.pop(), expected.pop_first());
    }
    assert_eq!(queue.peek(), expected.first_key_value().map(|(key, _)| *key));
    assert!(queue.wheel.cursor() >= 1 << 50);
    (queue, expected)
}

/// Peeking raises the cursor to the start of a slot that nothing was popped from yet. What is
/// scheduled then may lie before it, and there may be enough of it to spill.
#[test]
fn a_spill_stops_at_the_cursor() {
    let (mut queue, mut expected) = with_late_cursor();
    let cursor = queue.wheel.cursor();
    for i in 0..=NEAR_MAX as u32 {
        let at = key(u64::from(i % 7), 10_000 + i);
        assert!(at.bits() < cursor);
        queue.schedule(at, i);
        expected.insert(at, i);
        queue.check();
    }
    // Nothing but entries at or after the cursor went back to the wheel.
    assert!(queue.near.len() > NEAR_MAX);
    assert_eq!(queue.wheel.cursor(), cursor);
    drain(&mut queue, expected);
}

#[test]
fn a_crowd_before_the_cursor_moves_it_back() {
    let (mut queue, mut expected) = with_late_cursor();
    let cursor = queue.wheel.cursor();
    for i in 0..3 * NEAR_CROWDED as u32 {
        let at = key(u64::from(i.wrapping_mul(0x9E37_79B9)), i);
        queue.schedule(at, i);
        expected.insert(at, i);
        assert!(queue.near.len() <= NEAR_CROWDED);
    }
    assert!(queue.wheel.cursor() < cursor);
    queue.check();
    drain(&mut queue, expected);
}

/// The same situation without the stop: the invariants have to see what that breaks.
#[test]
#[should_panic(expected = "before the")]
fn a_spill_past_the_cursor_is_found() {
    let (mut queue, _) = with_late_cursor();
    for i in 0..FEW_MAX as u32 {
        queue.schedule(key(u64::from(i), 0), i);
    }
    queue.check();
    queue.spill_latest(queue.near.len() - 1);
    queue.check();
}

#[test]
fn the_ends_of_the_key_space_are_in_order() {
    let mut queue = HybridQueue::new();
    let mut expected = BTreeMap::new();
    for shift in 0..128 {
        for bits in [1 << shift, (1 << shift) - 1, !(1 << shift), u128::MAX << shift] {
            let at = EventKey::from_bits(bits);
            if let std::collections::btree_map::Entry::Vacant(vacant) = expected.entry(at) {
                vacant.insert(shift);
                queue.schedule(at, shift);
            }
        }
        queue.check();
    }
    assert!(expected.contains_key(&EventKey::MIN) && expected.contains_key(&EventKey::MAX));
    drain(&mut queue, expected);
}

#[test]
fn a_worn_out_slot_is_retired() {
    let mut queue = HybridQueue::new();
    let first = queue.schedule(key(1, 0), 'a');
    let last = queue.nodes.wear_out(0);
    assert_eq!(queue.key_of(first), None);
    assert_eq!(queue.cancel(last), Some('a'));
    assert_eq!(queue.cancel(last), None);
    assert_ne!(queue.schedule(key(1, 1), 'b').slot, first.slot);
    assert_eq!(queue.len(), 1);
}

#[test]
fn a_clone_is_a_snapshot() {
    let (mut queue, expected) = filled(1_000, 5, 12_345);
    for _ in 0..100 {
        queue.pop();
    }
    let mut snapshot = queue.clone();
    let rest: BTreeMap<_, _> = expected.into_iter().skip(100).collect();
    queue.schedule(key(1, 1), 1);
    drain(&mut snapshot, rest);
}

#[derive(Clone, Debug)]
enum Call {
    /// At any time, also before the last event popped; the second number is how many bits of the
    /// first count.
    Schedule(u64, u32),
    /// From the last event popped on.
    Later(u64, u32),
    Move(usize, u64, u32),
    Cancel(usize),
    Peek,
    Pop,
}

fn call() -> impl Strategy<Value = Call> {
    let time = || (any::<u64>(), 0..64u32);
    prop_oneof![
        1 => time().prop_map(|(ps, bits)| Call::Schedule(ps, bits)),
        8 => time().prop_map(|(ps, bits)| Call::Later(ps, bits)),
        2 => (any::<usize>(), time()).prop_map(|(pick, (ps, bits))| Call::Move(pick, ps, bits)),
        2 => any::<usize>().prop_map(Call::Cancel),
        1 => Just(Call::Peek),
        5 => Just(Call::Pop),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Any calls in any order keep the invariants and the order.
    #[test]
    fn invariants_hold_after_every_call(calls in prop::collection::vec(call(), 0..800)) {
        let (mut queue, mut expected) = (HybridQueue::new(), BTreeMap::new());
        let (mut handles, mut now) = (Vec::new(), 0u64);
        for (i, call) in calls.into_iter().enumerate() {
            let ordinal = i as u32;
            match call {
                Call::Schedule(ps, bits) => {
                    let at = key(ps >> bits, ordinal);
                    handles.push(queue.schedule(at, i));
                    expected.insert(at, i);
                }
                Call::Later(ps, bits) => {
                    let at = key(now.saturating_add(ps >> bits), ordinal);
                    handles.push(queue.schedule(at, i));
                    expected.insert(at, i);
                }
                Call::Move(pick, ps, bits) if !handles.is_empty() => {
                    let handle = handles[pick % handles.len()];
                    let at = key(now.saturating_add(ps >> bits), ordinal);
                    let old = queue.key_of(handle);
                    prop_assert_eq!(queue.reschedule(handle, at), old.is_some());
                    if let Some(event) = old.and_then(|old| expected.remove(&old)) {
                        expected.insert(at, event);
                    }
                }
                Call::Cancel(pick) if !handles.is_empty() => {
                    let handle = handles[pick % handles.len()];
                    let old = queue.key_of(handle);
                    prop_assert_eq!(
                        queue.cancel(handle),
                        old.and_then(|old| expected.remove(&old))
                    );
                }
                Call::Move(..) | Call::Cancel(_) => {}
                Call::Peek => {
                    prop_assert_eq!(queue.peek(), expected.first_key_value().map(|(key, _)| *key));
                }
                Call::Pop => {
                    let popped = queue.pop();
                    prop_assert_eq!(popped, expected.pop_first());
                    if let Some((at, _)) = popped {
                        now = at.time().as_ps();
                    }
                }
            }
            queue.check();
        }
    }
}
