//! Random choices by place: every field of a scenario draws from a stream of its own, so that a new
//! field moves none of the others.

use serde_json::Value;
use sim_core::{RandomStreams, SimDuration, Stream};

/// The choices of one place of a scenario.
pub(super) struct Draw {
    streams: RandomStreams,
    place: String,
    stream: Stream,
    /// How many of a hundred optional fields are given.
    fullness: u64,
}

/// Numbers that people write, and at which things fall on one instant.
const ROUND: [u64; 9] = [1, 2, 5, 10, 20, 25, 50, 100, 500];

impl Draw {
    /// The choices of a whole scenario.
    pub(super) fn new(seed: u64) -> Self {
        let streams = RandomStreams::new(seed);
        let mut draw =
            Self { streams, place: "fuzz".to_owned(), stream: streams.stream("fuzz"), fullness: 0 };
        // Most scenarios say little: a failure that needs one field is easier to see in them.
        draw.fullness = *draw.pick(&[3, 10, 10, 20, 20, 35, 60]);
        draw
    }

    /// The choices of a field or element.
    pub(super) fn at(&self, name: &str) -> Self {
        let place = format!("{}.{name}", self.place);
        let stream = self.streams.stream(&place);
        Self { streams: self.streams, place, stream, fullness: self.fullness }
    }

    /// The choices of an element of a list.
    pub(super) fn index(&self, index: usize) -> Self {
        self.at(&index.to_string())
    }

    /// A number below `n`.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.stream.below(n)
    }

    /// True in so many of a hundred.
    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.stream.chance(chance, 100)
    }

    /// Whether an optional field is given.
    pub(super) fn given(&mut self) -> bool {
        self.percent(self.fullness)
    }

    /// One of several.
    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }

    /// A number of a range, each equally likely.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        match (high - low).checked_add(1) {
            Some(width) => low + self.below(width),
            None => self.stream.next_u64(),
        }
    }

    /// A number of a range, each order of magnitude equally likely. The ends come up often.
    pub(super) fn magnitude(&mut self, low: u64, high: u64) -> u64 {
        match self.below(24) {
            0 => return low,
            1 => return high,
            _ => {}
        }
        let bits = |n: u64| u64::from(u64::BITS - n.leading_zeros());
        let width = self.between(bits(low), bits(high));
        let (from, to) = match width {
            0 => (0, 0),
            width => (1 << (width - 1), u64::MAX >> (u64::from(u64::BITS) - width)),
        };
        self.between(from.clamp(low, high), to.clamp(low, high))
    }

    /// A span of a range in picoseconds, each order of magnitude equally likely; mostly a round one.
    pub(super) fn span(&mut self, low: u64, high: u64) -> SimDuration {
        let any = self.magnitude(low, high);
        if self.percent(25) {
            return SimDuration::from_ps(any);
        }
        let unit = [1, 1_000, 1_000_000, 1_000_000_000, 1_000_000_000_000];
        let unit = unit.into_iter().rev().find(|unit| *unit <= any).unwrap_or(1);
        let round = ROUND.into_iter().rev().find(|n| n * unit <= any).unwrap_or(0);
        SimDuration::from_ps((round * unit).clamp(low, high))
    }

    /// [`Self::span`] as it is written.
    pub(super) fn written_span(&mut self, low: u64, high: u64) -> Value {
        written(self.span(low, high))
    }
}

/// A span as it is written.
pub(super) fn written(span: SimDuration) -> Value {
    Value::String(span.to_string())
}

/// A number of pages as a size is written.
pub(super) fn pages(pages: u64) -> Value {
    let kib = pages * 4;
    Value::String(match kib.is_multiple_of(1024) && kib > 0 {
        true => format!("{}MiB", kib / 1024),
        false => format!("{kib}KiB"),
    })
}

pub(super) const NS: u64 = 1_000;
pub(super) const US: u64 = 1_000_000;
pub(super) const MS: u64 = 1_000_000_000;
pub(super) const SEC: u64 = 1_000_000_000_000;
