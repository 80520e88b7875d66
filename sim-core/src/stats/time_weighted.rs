//! Means over time.

use serde::{Deserialize, Serialize};

use crate::time::SimTime;

/// The mean over time of a level that changes in steps (a queue's length, busy servers).
///
/// Exact: the integral is a 128-bit integer, so how a run is cut into observations changes
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeWeightedMean {
    level: u64,
    start: SimTime,
    changed: SimTime,
    /// Level times picoseconds, up to `changed`; in two halves, which any format can store.
    integral: (u64, u64),
}

impl TimeWeightedMean {
    /// Observes a level from `now` on.
    pub const fn new(now: SimTime, level: u64) -> Self {
        Self { level, start: now, changed: now, integral: (0, 0) }
    }

    /// The level now.
    pub const fn level(&self) -> u64 {
        self.level
    }

    /// The level becomes `level`.
    ///
    /// # Panics
    /// When `now` lies before the last change.
    pub fn set(&mut self, now: SimTime, level: u64) {
        let integral = self.integral(now);
        self.integral = ((integral >> 64) as u64, integral as u64);
        self.changed = now;
        self.level = level;
    }

    /// The level rises by `by`.
    ///
    /// # Panics
    /// When `now` lies before the last change, or the level exceeds 64 bits.
    pub fn raise(&mut self, now: SimTime, by: u64) {
        let Some(level) = self.level.checked_add(by) else { panic!("level exceeds 64 bits") };
        self.set(now, level);
    }

    /// The level falls by `by`.
    ///
    /// # Panics
    /// When `now` lies before the last change, or the level would fall below zero.
    pub fn lower(&mut self, now: SimTime, by: u64) {
        let Some(level) = self.level.checked_sub(by) else { panic!("level falls below zero") };
        self.set(now, level);
    }

    /// Forgets what was before `now` (the end of a warm-up); the level stays.
    pub const fn restart(&mut self, now: SimTime) {
        *self = Self::new(now, self.level);
    }

    /// Level times picoseconds from the start up to `now`.
    ///
    /// # Panics
    /// When `now` lies before the last change.
    pub fn integral(&self, now: SimTime) -> u128 {
        let before = u128::from(self.integral.0) << 64 | u128::from(self.integral.1);
        before + u128::from(self.level) * u128::from(now.since(self.changed).as_ps())
    }

    /// The mean from the start up to `now`; the level itself when no time has passed.
    ///
    /// # Panics
    /// When `now` lies before the last change.
    pub fn mean(&self, now: SimTime) -> f64 {
        let span = now.since(self.start).as_ps();
        if span == 0 { self.level as f64 } else { self.integral(now) as f64 / span as f64 }
    }
}
