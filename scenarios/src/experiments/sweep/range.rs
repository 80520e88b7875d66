//! Values between two ends: of times, sizes, rates, cycles and plain numbers.

use models::base::ids::PAGE_SIZE;
use sim_core::{Frequency, SimDuration};

use super::file::ScaleFile;
use crate::scenario::patch::PathError;
use crate::syntax::tree::NodeValue;
use crate::syntax::units::{Bytes, Rate, Span};

/// Most values of a range.
pub(super) const MAX_STEPS: u64 = 1000;

/// What a quantity counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Picoseconds.
    Time,
    /// Bytes, in whole pages.
    Size,
    /// Hertz.
    Rate,
    /// Cycles of a processor.
    Cycles,
    /// A whole number.
    Number,
}

impl Kind {
    /// The base unit in words that a name may hold; of a time the second, in which results have it.
    pub(super) fn unit(self) -> Option<&'static str> {
        match self {
            Self::Time => Some("s"),
            Self::Size => Some("bytes"),
            Self::Rate => Some("hz"),
            Self::Cycles => Some("cycles"),
            Self::Number => None,
        }
    }
}

/// A value with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quantity {
    pub(crate) kind: Kind,
    pub(crate) amount: u64,
}

impl Quantity {
    /// The value of a field as a quantity, if it is one.
    pub(crate) fn of(value: &NodeValue) -> Option<Self> {
        let quantity = |kind, amount| Some(Self { kind, amount });
        match value {
            NodeValue::Number(text) => quantity(Kind::Number, text.parse().ok()?),
            NodeValue::String(text) => {
                if let Ok(Span(span)) = text.parse() {
                    return quantity(Kind::Time, span.as_ps());
                }
                if let Ok(Bytes(bytes)) = text.parse() {
                    return quantity(Kind::Size, bytes);
                }
                if let Ok(Rate(rate)) = text.parse() {
                    return quantity(Kind::Rate, rate.hz());
                }
                let cycles = text.trim().strip_suffix("cycles")?.trim_end();
                quantity(Kind::Cycles, cycles.parse().ok()?)
            }
            _ => None,
        }
    }

    /// The value as a scenario file has it.
    pub(crate) fn value(self) -> NodeValue {
        match self.kind {
            Kind::Number => NodeValue::Number(self.amount.to_string()),
            _ => NodeValue::String(self.text()),
        }
    }

    /// The value as it is written in tables.
    pub(crate) fn text(self) -> String {
        let amount = self.amount;
        match self.kind {
            Kind::Time => SimDuration::from_ps(amount).to_string(),
            Kind::Size => Bytes(amount).to_string(),
            Kind::Rate => {
                Frequency::from_hz(amount).map_or_else(|| "0Hz".into(), |rate| rate.to_string())
            }
            Kind::Cycles => format!("{amount} cycles"),
            Kind::Number => amount.to_string(),
        }
    }

    /// A value of the same kind, to so many significant digits.
    pub(crate) fn near(self, amount: f64, digits: i32) -> Self {
        let amount = match self.kind {
            Kind::Size => (amount / PAGE_SIZE as f64).round() * PAGE_SIZE as f64,
            _ if amount >= 1.0 => {
                let unit = 10_f64.powi((libm::log10(amount).floor() as i32 + 1 - digits).max(0));
                (amount / unit).round() * unit
            }
            _ => amount.round(),
        };
        Self { kind: self.kind, amount: amount as u64 }
    }
}

/// The two ends of a range, which must be quantities of one kind.
pub(crate) fn ends(from: &NodeValue, to: &NodeValue) -> Result<(Quantity, Quantity), PathError> {
    let help = "two times, sizes, rates, numbers of cycles or plain whole numbers";
    let fail = |message: &str| PathError { message: message.into(), help: help.into() };
    let (Some(low), Some(high)) = (Quantity::of(from), Quantity::of(to)) else {
        return Err(fail("a range needs two quantities"));
    };
    if low.kind != high.kind {
        return Err(fail("the ends of a range are of different kinds"));
    }
    if low.amount >= high.amount {
        let (message, help) = ("the range does not rise", "the smaller value comes first");
        return Err(PathError { message: message.into(), help: help.into() });
    }
    Ok((low, high))
}

/// `steps` values from `low` to `high`, both among them, the others to three significant digits.
pub(crate) fn spread(
    (low, high): (Quantity, Quantity),
    steps: u64,
    scale: ScaleFile,
) -> Result<Vec<Quantity>, PathError> {
    let fail = |message: String, help: String| Err(PathError { message, help });
    if !(2..=MAX_STEPS).contains(&steps) {
        return fail(format!("{steps} steps are out of range"), format!("from 2 to {MAX_STEPS}"));
    }
    if scale == ScaleFile::Log && low.amount == 0 {
        let help = "begin above zero, or use the scale `linear`";
        return fail("a logarithmic range cannot begin at zero".into(), help.into());
    }
    let (from, to) = (low.amount as f64, high.amount as f64);
    let mut values = Vec::new();
    for step in 0..steps {
        let share = step as f64 / (steps - 1) as f64;
        let value = match scale {
            _ if step == 0 => low,
            _ if step == steps - 1 => high,
            ScaleFile::Log => low.near(from * libm::pow(to / from, share), 3),
            ScaleFile::Linear => low.near(from + (to - from) * share, 3),
        };
        if values.last() == Some(&value) {
            let message =
                format!("{steps} steps from {} to {}: two are equal", low.text(), high.text());
            return fail(message, "take fewer steps".into());
        }
        values.push(value);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spaced(from: &str, to: &str, steps: u64, scale: ScaleFile) -> Result<String, String> {
        let node = |text: &str| match text.parse::<u64>() {
            Ok(_) => NodeValue::Number(text.into()),
            Err(_) => NodeValue::String(text.into()),
        };
        let values = ends(&node(from), &node(to)).and_then(|ends| spread(ends, steps, scale));
        let texts = values.map(|values| values.into_iter().map(Quantity::text).collect::<Vec<_>>());
        texts.map(|texts| texts.join(" ")).map_err(|error| error.message)
    }

    #[test]
    fn ranges_are_spaced_and_rounded() {
        use ScaleFile::{Linear, Log};
        for (from, to, steps, scale, expect) in [
            ("2us", "20ms", 5, Log, "2us 20us 200us 2ms 20ms"),
            ("2us", "20us", 4, Log, "2us 4.31us 9.28us 20us"),
            ("1", "8", 4, Log, "1 2 4 8"),
            ("1", "5", 5, Linear, "1 2 3 4 5"),
            ("24MiB", "48MiB", 3, Linear, "24MiB 36MiB 48MiB"),
            ("1000 cycles", "4000cycles", 3, Log, "1000 cycles 2000 cycles 4000 cycles"),
            ("1GHz", "4GHz", 3, Log, "1GHz 2GHz 4GHz"),
            ("0", "10", 3, Linear, "0 5 10"),
        ] {
            assert_eq!(spaced(from, to, steps, scale).as_deref(), Ok(expect), "{from} {to}");
        }
    }

    #[test]
    fn what_is_no_range_is_said() {
        use ScaleFile::Log;
        for (from, to, steps, expect) in [
            ("2us", "20MiB", 5, "the ends of a range are of different kinds"),
            ("20us", "2us", 5, "the range does not rise"),
            ("a", "b", 5, "a range needs two quantities"),
            ("1", "8", 1, "1 steps are out of range"),
            ("1", "3", 9, "9 steps from 1 to 3: two are equal"),
            ("0", "3", 2, "a logarithmic range cannot begin at zero"),
        ] {
            assert_eq!(spaced(from, to, steps, Log), Err(expect.into()), "{from} {to}");
        }
    }
}
