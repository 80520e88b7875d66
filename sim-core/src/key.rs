//! The structural order of events.
//!
//! Events that fall on one instant need an order, and insertion order is the wrong one: it
//! depends on how the run was executed (an actor that runs ahead inserts earlier than one that
//! is stepped). So the order is part of the event itself: its time, then its class, then the
//! actor it belongs to, then that actor's own count. Two executions that schedule the same
//! events in any order therefore handle them in the same order.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::SimTime;

const ORDINAL_BITS: u32 = 32;
const ACTOR_BITS: u32 = 24;
const CLASS_BITS: u32 = 8;
const ACTOR_SHIFT: u32 = ORDINAL_BITS;
const CLASS_SHIFT: u32 = ACTOR_SHIFT + ACTOR_BITS;
const TIME_SHIFT: u32 = CLASS_SHIFT + CLASS_BITS;

/// When an event happens, and before which others of the same instant.
///
/// One 128-bit integer, most significant first: time (64 bits of picoseconds), class (8),
/// actor (24), ordinal (32). Comparison is one integer comparison.
///
/// Keys must be unique among pending events. The usual recipe is one class for a kind of event,
/// one actor for the component that owns it, and an ordinal counted up (wrapping) by that
/// actor; an actor that has at most one pending event of a class may leave its ordinal at zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "KeyParts", try_from = "KeyParts")]
pub struct EventKey(u128);

impl EventKey {
    /// The lowest key.
    pub const MIN: Self = Self(0);
    /// The highest key.
    pub const MAX: Self = Self(u128::MAX);
    /// The highest actor number that a key can hold.
    pub const ACTOR_MAX: u32 = (1 << ACTOR_BITS) - 1;

    /// The key of `actor`'s event number `ordinal` of `class` at `time`.
    ///
    /// # Panics
    /// When `actor` exceeds [`Self::ACTOR_MAX`].
    #[inline]
    pub const fn new(time: SimTime, class: u8, actor: u32, ordinal: u32) -> Self {
        assert!(actor <= Self::ACTOR_MAX, "event key: actor number exceeds 24 bits");
        // `From` is not const; these widen.
        Self(
            (time.as_ps() as u128) << TIME_SHIFT
                | (class as u128) << CLASS_SHIFT
                | (actor as u128) << ACTOR_SHIFT
                | ordinal as u128,
        )
    }

    /// The lowest key of an instant: every event at `time` has this key or a higher one.
    #[inline]
    pub const fn at(time: SimTime) -> Self {
        Self((time.as_ps() as u128) << TIME_SHIFT)
    }

    /// The key as the integer it is.
    #[inline]
    pub(crate) const fn bits(self) -> u128 {
        self.0
    }

    /// The key whose [`Self::bits`] these are.
    #[inline]
    pub(crate) const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The instant of the event.
    #[inline]
    pub const fn time(self) -> SimTime {
        SimTime::from_ps((self.0 >> TIME_SHIFT) as u64)
    }

    /// The class: the order among kinds of events at one instant.
    #[inline]
    pub const fn class(self) -> u8 {
        (self.0 >> CLASS_SHIFT) as u8
    }

    /// The actor: the order among components within a class.
    #[inline]
    pub const fn actor(self) -> u32 {
        (self.0 >> ACTOR_SHIFT) as u32 & Self::ACTOR_MAX
    }

    /// The actor's own count: the order among events of one actor.
    #[inline]
    pub const fn ordinal(self) -> u32 {
        self.0 as u32
    }
}

impl fmt::Debug for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/c{}/a{}/#{}", self.time(), self.class(), self.actor(), self.ordinal())
    }
}

/// The stored form: fields rather than a 128-bit number, which many formats cannot hold.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyParts {
    time: SimTime,
    class: u8,
    actor: u32,
    ordinal: u32,
}

impl From<EventKey> for KeyParts {
    fn from(key: EventKey) -> Self {
        Self { time: key.time(), class: key.class(), actor: key.actor(), ordinal: key.ordinal() }
    }
}

impl TryFrom<KeyParts> for EventKey {
    type Error = String;
    fn try_from(parts: KeyParts) -> Result<Self, String> {
        if parts.actor > Self::ACTOR_MAX {
            return Err(format!("actor {} exceeds 24 bits", parts.actor));
        }
        Ok(Self::new(parts.time, parts.class, parts.actor, parts.ordinal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(ps: u64, class: u8, actor: u32, ordinal: u32) -> EventKey {
        EventKey::new(SimTime::from_ps(ps), class, actor, ordinal)
    }

    #[test]
    fn parts_survive_packing() {
        for (ps, class, actor, ordinal) in
            [(0, 0, 0, 0), (u64::MAX, 255, EventKey::ACTOR_MAX, u32::MAX), (7, 3, 0xABCDEF, 9)]
        {
            let k = key(ps, class, actor, ordinal);
            assert_eq!(k.time().as_ps(), ps);
            assert_eq!((k.class(), k.actor(), k.ordinal()), (class, actor, ordinal));
        }
        assert_eq!(key(u64::MAX, 255, EventKey::ACTOR_MAX, u32::MAX), EventKey::MAX);
    }

    #[test]
    fn order_is_time_class_actor_ordinal() {
        let rising = [key(1, 9, 9, 9), key(2, 0, 9, 9), key(2, 1, 0, 9), key(2, 1, 1, 0)];
        assert!(rising.is_sorted());
        assert!(EventKey::at(SimTime::from_ps(2)) > rising[0]);
        assert!(EventKey::at(SimTime::from_ps(2)) < rising[1]);
    }

    #[test]
    #[should_panic(expected = "actor number exceeds 24 bits")]
    fn an_actor_beyond_24_bits_is_refused() {
        key(0, 0, 1 << 24, 0);
    }

    #[test]
    fn the_stored_form_is_checked() {
        let k = key(5, 1, 2, 3);
        let text = serde_json::to_string(&k).unwrap();
        assert_eq!(text, r#"{"time":5,"class":1,"actor":2,"ordinal":3}"#);
        assert_eq!(serde_json::from_str::<EventKey>(&text).unwrap(), k);
        let bad = r#"{"time":5,"class":1,"actor":16777216,"ordinal":3}"#;
        assert!(serde_json::from_str::<EventKey>(bad).is_err());
    }
}
