//! Values of options that are more than a word or a number.

use std::ops::Range;

use scenarios::scenario::resolve::MAX_DURATION;
use sim_core::SimDuration;

/// A measured time as it may stand in a scenario.
pub(crate) fn duration(text: &str) -> Result<SimDuration, String> {
    let duration: SimDuration = text.parse().map_err(|error| format!("{error}"))?;
    if duration.is_zero() || duration > MAX_DURATION {
        return Err(format!("it must be longer than 0 and at most {MAX_DURATION}"));
    }
    Ok(duration)
}

/// `A..B`, or `A..` for no end.
pub(crate) fn seeds(text: &str) -> Result<Range<u64>, String> {
    let wrong = || "seeds such as `0..1000`, the last one not included, or `0..`".to_owned();
    let (first, end) = text.split_once("..").ok_or_else(wrong)?;
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong());
    let first = number(first)?;
    let end = if end.trim().is_empty() { u64::MAX } else { number(end)? };
    if first >= end {
        return Err(wrong());
    }
    Ok(first..end)
}

/// A share as a percentage: `2%`, `0.5 %`.
pub(crate) fn percent(text: &str) -> Result<f64, String> {
    let wrong = || "a percentage above 0 and up to 100, such as `2%`".to_owned();
    let number = text.trim().strip_suffix('%').ok_or_else(wrong)?;
    let share = number.trim().parse::<f64>().map_err(|_| wrong())? / 100.0;
    if (1e-6..=1.0).contains(&share) { Ok(share) } else { Err(wrong()) }
}
