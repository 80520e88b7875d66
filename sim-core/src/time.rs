//! Simulated time: integer picoseconds, no floats, nothing wraps.
//!
//! A `u64` of picoseconds spans 213 days. Frequencies convert between cycles and time with
//! 128-bit integers, so that the same burst has the same length on every machine.
//!
//! Sums, products and conversions that leave the range stay at its end, [`SimTime::MAX`] or
//! [`SimDuration::MAX`]: an instant there means "never". A model must not let anything happen so
//! late; it refuses an event beyond a horizon of its own when it is scheduled, where it still
//! knows the cause. Differences that would be negative are a lost order, and panic.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Picoseconds in one second.
pub const PS_PER_SEC: u64 = 1_000_000_000_000;

/// An instant of simulated time, in picoseconds since the start of the run.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct SimTime(u64);

/// A span of simulated time, in picoseconds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct SimDuration(u64);

/// A count of processor cycles; meaningful only together with a [`Frequency`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Cycles(pub u64);

/// A clock rate in hertz; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Frequency(u64);

impl SimTime {
    /// The start of every run.
    pub const ZERO: Self = Self(0);
    /// The last representable instant.
    pub const MAX: Self = Self(u64::MAX);

    /// The instant `ps` picoseconds after the start.
    pub const fn from_ps(ps: u64) -> Self {
        Self(ps)
    }

    /// Picoseconds since the start.
    pub const fn as_ps(self) -> u64 {
        self.0
    }

    /// Seconds since the start, for display and plots only.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / PS_PER_SEC as f64
    }

    /// The span since `earlier`.
    ///
    /// # Panics
    /// When `earlier` lies after `self`: a model that asks this has lost its order.
    pub fn since(self, earlier: Self) -> SimDuration {
        match self.0.checked_sub(earlier.0) {
            Some(ps) => SimDuration(ps),
            None => panic!("time runs backwards: {self} is before {earlier}"),
        }
    }

    /// The span since `earlier`, or zero when `earlier` lies after `self`.
    pub fn saturating_since(self, earlier: Self) -> SimDuration {
        SimDuration(self.0.saturating_sub(earlier.0))
    }

    /// The instant `span` later, or `None` past the end of time.
    pub fn checked_add(self, span: SimDuration) -> Option<Self> {
        self.0.checked_add(span.0).map(Self)
    }
}

impl SimDuration {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest span.
    pub const MAX: Self = Self(u64::MAX);

    /// A span of `ps` picoseconds.
    pub const fn from_ps(ps: u64) -> Self {
        Self(ps)
    }

    /// A span of `ns` nanoseconds.
    ///
    /// # Panics
    /// When the span exceeds 213 days.
    pub const fn from_ns(ns: u64) -> Self {
        Self(checked_mul(ns, 1_000))
    }

    /// A span of `us` microseconds (same limits as [`Self::from_ns`]).
    pub const fn from_us(us: u64) -> Self {
        Self(checked_mul(us, 1_000_000))
    }

    /// A span of `ms` milliseconds (same limits as [`Self::from_ns`]).
    pub const fn from_ms(ms: u64) -> Self {
        Self(checked_mul(ms, 1_000_000_000))
    }

    /// A span of `s` seconds (same limits as [`Self::from_ns`]).
    pub const fn from_secs(s: u64) -> Self {
        Self(checked_mul(s, PS_PER_SEC))
    }

    /// The span in picoseconds.
    pub const fn as_ps(self) -> u64 {
        self.0
    }

    /// The span in whole nanoseconds, rounded down.
    pub const fn as_ns(self) -> u64 {
        self.0 / 1_000
    }

    /// The span in seconds, for display and plots only.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / PS_PER_SEC as f64
    }

    /// Whether the span is empty.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// `self - other`, or zero when `other` is longer.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// `self + other`, or `None` past 213 days.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The span `n` times over, or `None` past 213 days.
    pub fn checked_mul(self, n: u64) -> Option<Self> {
        self.0.checked_mul(n).map(Self)
    }

    /// The span `n` times over; [`Self::MAX`] when that is longer.
    pub const fn times(self, n: u64) -> Self {
        Self(self.0.saturating_mul(n))
    }

    /// The span divided by `n`, rounded down.
    ///
    /// # Panics
    /// When `n` is zero.
    pub const fn divided_by(self, n: u64) -> Self {
        Self(self.0 / n)
    }
}

const fn checked_mul(a: u64, b: u64) -> u64 {
    match a.checked_mul(b) {
        Some(v) => v,
        None => panic!("span exceeds the range of simulated time"),
    }
}

impl Add<SimDuration> for SimTime {
    type Output = Self;
    /// The instant `span` later; [`Self::MAX`] past the end of time.
    fn add(self, span: SimDuration) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Add for SimDuration {
    type Output = Self;
    /// Both one after the other; [`Self::MAX`] when that is longer.
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for SimDuration {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for SimDuration {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        match self.0.checked_sub(other.0) {
            Some(ps) => Self(ps),
            None => panic!("negative span: {self} - {other}"),
        }
    }
}

impl Cycles {
    /// No cycles.
    pub const ZERO: Self = Self(0);

    /// `self - other`, or zero when `other` is larger.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The cycles `n` times over, at most `u64::MAX`.
    pub const fn times(self, n: u64) -> Self {
        Self(self.0.saturating_mul(n))
    }
}

impl Add for Cycles {
    type Output = Self;
    /// Both, at most `u64::MAX`.
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Cycles {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Frequency {
    /// A rate of `hz` cycles a second, or `None` for zero.
    pub const fn from_hz(hz: u64) -> Option<Self> {
        if hz == 0 { None } else { Some(Self(hz)) }
    }

    /// Cycles in a second.
    pub const fn hz(self) -> u64 {
        self.0
    }

    /// The shortest time in which `cycles` have passed: `ceil(cycles * 10^12 / hz)`;
    /// [`SimDuration::MAX`] when that is longer.
    pub fn time_of(self, cycles: Cycles) -> SimDuration {
        // Milliseconds at a time fit into 64 bits, whose division is far cheaper.
        if let Some(product) = cycles.0.checked_mul(PS_PER_SEC) {
            return SimDuration(product.div_ceil(self.0));
        }
        let ps = (u128::from(cycles.0) * u128::from(PS_PER_SEC)).div_ceil(u128::from(self.0));
        SimDuration(u64::try_from(ps).unwrap_or(u64::MAX))
    }

    /// Whole cycles that have passed after `span`: `floor(span * hz / 10^12)`. The inverse of
    /// [`Self::time_of`]: `cycles_in(time_of(c)) == c` at rates up to 1 THz. At most `u64::MAX`.
    pub fn cycles_in(self, span: SimDuration) -> Cycles {
        if let Some(product) = span.0.checked_mul(self.0) {
            return Cycles(product / PS_PER_SEC);
        }
        let cycles = u128::from(span.0) * u128::from(self.0) / u128::from(PS_PER_SEC);
        Cycles(u64::try_from(cycles).unwrap_or(u64::MAX))
    }
}

/// Why a time or a frequency could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseUnitError {
    /// There is no number in front of the unit.
    #[error("`{0}` does not begin with a number; write for example `{1}`")]
    NoNumber(String, &'static str),
    /// The unit is missing or unknown.
    #[error("`{0}` has no known unit; use one of {1}")]
    Unit(String, &'static str),
    /// The value is zero, too large, or finer than the resolution.
    #[error("`{0}` is out of range: {1}")]
    Range(String, &'static str),
}

const TIME_UNITS: [(&str, u64); 6] = [
    ("ps", 1),
    ("ns", 1_000),
    ("us", 1_000_000),
    ("ms", 1_000_000_000),
    ("s", PS_PER_SEC),
    ("min", 60 * PS_PER_SEC),
];
const HZ_UNITS: [(&str, u64); 4] =
    [("Hz", 1), ("kHz", 1_000), ("MHz", 1_000_000), ("GHz", 1_000_000_000)];

/// Reads `<decimal><unit>` exactly: the value must be a whole number of the smallest unit.
fn parse_scaled(
    text: &str,
    units: &[(&str, u64)],
    names: &'static str,
    example: &'static str,
) -> Result<u64, ParseUnitError> {
    let text = text.trim();
    let digits_end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits_end);
    let is_number = number.starts_with(|c: char| c.is_ascii_digit())
        && !number.ends_with('.')
        && number.matches('.').count() <= 1;
    if !is_number {
        return Err(ParseUnitError::NoNumber(text.into(), example));
    }
    let Some(&(_, scale)) = units.iter().find(|(name, _)| *name == unit.trim()) else {
        return Err(ParseUnitError::Unit(text.into(), names));
    };
    let too_large = || ParseUnitError::Range(text.into(), "too large");
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().map_err(|_| too_large())?;
    let mut value = u128::from(whole) * u128::from(scale);
    if !fraction.is_empty() {
        let fine = || ParseUnitError::Range(text.into(), "more decimals than the resolution holds");
        let denominator = 10u128
            .checked_pow(u32::try_from(fraction.len()).map_err(|_| fine())?)
            .ok_or_else(fine)?;
        let numerator = fraction.parse::<u128>().map_err(|_| fine())?;
        let scaled = numerator.checked_mul(u128::from(scale)).ok_or_else(fine)?;
        if scaled % denominator != 0 {
            return Err(fine());
        }
        value += scaled / denominator;
    }
    u64::try_from(value).map_err(|_| too_large())
}

impl FromStr for SimDuration {
    type Err = ParseUnitError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_scaled(text, &TIME_UNITS, "ps, ns, us, ms, s, min", "5ms").map(Self)
    }
}

impl FromStr for Frequency {
    type Err = ParseUnitError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hz = parse_scaled(text, &HZ_UNITS, "Hz, kHz, MHz, GHz", "2.93GHz")?;
        Self::from_hz(hz).ok_or_else(|| ParseUnitError::Range(text.into(), "must not be zero"))
    }
}

fn fmt_scaled(value: u64, units: &[(&str, u64)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let unit = units.iter().rev().find(|(_, scale)| value >= *scale).unwrap_or(&units[0]);
    let (whole, rest) = (value / unit.1, value % unit.1);
    if rest == 0 {
        return write!(f, "{whole}{}", unit.0);
    }
    let width = unit.1.ilog10() as usize;
    let decimals = format!("{rest:0width$}");
    write!(f, "{whole}.{}{}", decimals.trim_end_matches('0'), unit.0)
}

impl fmt::Display for SimDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_scaled(self.0, &TIME_UNITS[..5], f)
    }
}

impl fmt::Display for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SimDuration(self.0).fmt(f)
    }
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_scaled(self.0, &HZ_UNITS, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_print_as_they_are_read() {
        for text in ["0ps", "5ms", "1.5us", "60s", "8.33ms", "341ps"] {
            let span: SimDuration = text.parse().unwrap();
            assert_eq!(span.to_string(), text);
        }
        assert_eq!("1min".parse::<SimDuration>().unwrap(), SimDuration::from_secs(60));
        assert_eq!("2.93GHz".parse::<Frequency>().unwrap().hz(), 2_930_000_000);
        assert_eq!("2.93GHz".parse::<Frequency>().unwrap().to_string(), "2.93GHz");
    }

    #[test]
    fn bad_units_are_named() {
        assert!(matches!("5".parse::<SimDuration>(), Err(ParseUnitError::Unit(..))));
        assert!(matches!("ms".parse::<SimDuration>(), Err(ParseUnitError::NoNumber(..))));
        assert!(matches!("-5ms".parse::<SimDuration>(), Err(ParseUnitError::NoNumber(..))));
        assert!(matches!("0.5ps".parse::<SimDuration>(), Err(ParseUnitError::Range(..))));
        assert!(matches!("999999999s".parse::<SimDuration>(), Err(ParseUnitError::Range(..))));
        assert!(matches!("0GHz".parse::<Frequency>(), Err(ParseUnitError::Range(..))));
    }

    #[test]
    fn cycles_and_time_are_inverse() {
        for hz in [1, 1_000_000_000, 2_930_000_000, 3_000_000_001] {
            let f = Frequency::from_hz(hz).unwrap();
            for c in [0, 1, 2, 3, 761, 999_983] {
                assert_eq!(f.cycles_in(f.time_of(Cycles(c))), Cycles(c));
            }
        }
    }

    #[test]
    fn time_does_not_wrap() {
        let day = SimDuration::from_secs(24 * 60 * 60);
        assert_eq!(SimTime::MAX + SimDuration::from_ps(1), SimTime::MAX);
        assert_eq!(SimTime::ZERO + day.times(200) + day.times(200), SimTime::MAX);
        assert_eq!(day.times(200) + day.times(200), SimDuration::MAX);
        assert_eq!(day.times(u64::MAX), SimDuration::MAX);
        let slow = Frequency::from_hz(1).unwrap();
        assert_eq!(slow.time_of(Cycles(u64::MAX)), SimDuration::MAX);
        let fast = Frequency::from_hz(u64::MAX).unwrap();
        assert_eq!(fast.cycles_in(SimDuration::MAX), Cycles(u64::MAX));
        assert_eq!(Cycles(u64::MAX) + Cycles(1), Cycles(u64::MAX).times(2));
    }
}
