//! Quantities as a scenario writes them: a number and its unit in one string.
//!
//! | type | examples | units |
//! | --- | --- | --- |
//! | [`Bytes`] | `"512MiB"`, `"1.5GiB"`, `"4096B"` | `B`, `KiB`, `MiB`, `GiB`, `TiB` |
//! | [`Span`] | `"60s"`, `"500us"`, `"8.33ms"` | `ps`, `ns`, `us`, `ms`, `s`, `min` |
//! | [`Rate`] | `"2.93GHz"` | `Hz`, `kHz`, `MHz`, `GHz` |
//!
//! A value must be a whole number of the smallest unit. White space before the unit is allowed.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use sim_core::{Frequency, ParseUnitError, SimDuration};

use crate::syntax::de::custom;
use crate::syntax::suggest::suggestion;

/// A size of memory in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// A size of memory, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// So many bytes.
    Size(Bytes),
    /// A part in millionths: `"60%"`.
    Part(u32),
}

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub SimDuration);

/// A clock rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(pub Frequency);

const BYTE_UNITS: [(&str, u64); 5] =
    [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
const BYTE_NAMES: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
const TIME_NAMES: [&str; 6] = ["ps", "ns", "us", "ms", "s", "min"];
const RATE_NAMES: [&str; 4] = ["Hz", "kHz", "MHz", "GHz"];

/// Spellings that people use for a unit, with the one that is meant.
const ALIASES: [(&str, &str); 26] = [
    ("k", "KiB"),
    ("K", "KiB"),
    ("kb", "KiB"),
    ("KB", "KiB"),
    ("kB", "KiB"),
    ("m", "MiB"),
    ("M", "MiB"),
    ("mb", "MiB"),
    ("MB", "MiB"),
    ("g", "GiB"),
    ("G", "GiB"),
    ("gb", "GiB"),
    ("GB", "GiB"),
    ("T", "TiB"),
    ("TB", "TiB"),
    ("b", "B"),
    ("byte", "B"),
    ("bytes", "B"),
    ("sec", "s"),
    ("seconds", "s"),
    ("msec", "ms"),
    ("usec", "us"),
    // The micro sign, and the Greek letter that keyboards have.
    ("\u{b5}s", "us"),
    ("\u{3bc}s", "us"),
    ("nsec", "ns"),
    ("minutes", "min"),
];

/// What is wrong with a quantity, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}; {help}")]
pub struct QuantityError {
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: String,
}

impl FromStr for Bytes {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = (&text[..end], text[end..].trim_start());
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() || fraction.contains('.') || number.ends_with('.') {
            return Err(no_number("a size", text, "512MiB"));
        }
        let Some((_, scale)) = BYTE_UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(bad_unit("a size", number, unit, &BYTE_NAMES));
        };
        let too_large = || QuantityError {
            message: format!("the size \"{text}\" is too large"),
            help: "sizes end at 16777215TiB".into(),
        };
        let whole: u64 = whole.parse().map_err(|_| too_large())?;
        let whole = whole.checked_mul(*scale).ok_or_else(too_large)?;
        let fraction = fraction_of(fraction, *scale).ok_or_else(|| QuantityError {
            message: format!("the size \"{text}\" is not a whole number of bytes"),
            help: "use fewer decimals or a smaller unit".into(),
        })?;
        whole.checked_add(fraction).map(Self).ok_or_else(too_large)
    }
}

/// `0.<digits>` of `scale`, when that is a whole number.
fn fraction_of(digits: &str, scale: u64) -> Option<u64> {
    if digits.is_empty() {
        return Some(0);
    }
    let denominator = 10u128.checked_pow(u32::try_from(digits.len()).ok()?)?;
    let scaled = digits.parse::<u128>().ok()?.checked_mul(u128::from(scale))?;
    (scaled % denominator == 0).then(|| u64::try_from(scaled / denominator).ok())?
}

impl FromStr for Extent {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(percent) = text.trim().strip_suffix('%').map(str::trim_end) else {
            return text.parse().map(Self::Size);
        };
        let (whole, fraction) = percent.split_once('.').unwrap_or((percent, ""));
        let digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
        if whole.is_empty() || percent.ends_with('.') || !digits(whole) || !digits(fraction) {
            return Err(no_number("a part", text, "60%"));
        }
        let ppm = || {
            let whole = whole.parse::<u32>().ok()?.checked_mul(10_000)?;
            let fraction = u32::try_from(fraction_of(fraction, 10_000)?).ok()?;
            whole.checked_add(fraction).filter(|ppm| *ppm <= 1_000_000)
        };
        ppm().map(Self::Part).ok_or_else(|| QuantityError {
            message: format!("\"{text}\" is no part of a whole"),
            help: "from \"0%\" to \"100%\", with four decimals at most".into(),
        })
    }
}

impl Extent {
    /// The size; a part is one of so many bytes, in whole pages, rounded down.
    pub fn bytes(self, of: u64) -> Bytes {
        match self {
            Self::Size(size) => size,
            Self::Part(ppm) => {
                let pages = u128::from(of / 4096) * u128::from(ppm) / 1_000_000;
                Bytes(u64::try_from(pages).unwrap_or(0) * 4096)
            }
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, scale): &&(&str, u64)| self.0 >= *scale && self.0.is_multiple_of(*scale);
        let (name, scale) = BYTE_UNITS.iter().rev().find(fits).unwrap_or(&BYTE_UNITS[0]);
        write!(f, "{}{name}", self.0 / scale)
    }
}

impl FromStr for Span {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.parse().map(Self);
        parsed.map_err(|error| explain(error, "a time", text, "60s", &TIME_NAMES))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Rate {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.parse().map(Self);
        parsed.map_err(|error| explain(error, "a clock rate", text, "2.93GHz", &RATE_NAMES))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn explain(
    error: ParseUnitError,
    what: &str,
    text: &str,
    example: &str,
    units: &[&str],
) -> QuantityError {
    match error {
        ParseUnitError::NoNumber(..) => no_number(what, text, example),
        ParseUnitError::Unit(..) => {
            let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
            bad_unit(what, &text[..end], text[end..].trim(), units)
        }
        ParseUnitError::Range(_, why) => QuantityError {
            message: format!("\"{text}\" is out of range: {why}"),
            help: format!("a value such as \"{example}\""),
        },
    }
}

fn no_number(what: &str, text: &str, example: &str) -> QuantityError {
    let negative = text.trim_start().starts_with('-');
    let why = if negative { "must not be negative" } else { "does not begin with a number" };
    QuantityError {
        message: format!("{what} {why}: \"{text}\""),
        help: format!("write for example \"{example}\""),
    }
}

fn bad_unit(what: &str, number: &str, unit: &str, units: &[&str]) -> QuantityError {
    let list = units.join(", ");
    if unit.is_empty() {
        return QuantityError {
            message: format!("{what} needs a unit: \"{number}\""),
            help: format!("units: {list}"),
        };
    }
    if unit.starts_with(',') {
        return QuantityError {
            message: format!("{what} has a comma: \"{number}{unit}\""),
            help: "decimals begin with a point, as in \"1.5ms\", and nothing sets thousands apart"
                .into(),
        };
    }
    let alias = ALIASES.iter().find(|(alias, meant)| *alias == unit && units.contains(meant));
    let near = alias.map(|(_, meant)| *meant).or_else(|| suggestion(unit, units));
    let help = match near {
        Some(near) => format!("did you mean \"{number}{near}\"? units: {list}"),
        None => format!("units: {list}"),
    };
    QuantityError { message: format!("unknown unit `{unit}` of {what}"), help }
}

macro_rules! as_string {
    ($($type:ident, $expecting:literal, $pattern:literal, $description:literal;)*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl Visitor<'_> for Text {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(|e: QuantityError| custom(&e.message, &e.help))
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "description": $description,
                    "pattern": $pattern,
                })
            }
        }
    )*};
}

as_string! {
    Bytes, "a size with its unit, such as \"512MiB\"",
        r"^\s*[0-9]+(\.[0-9]+)?\s*(B|KiB|MiB|GiB|TiB)\s*$",
        "A size: a number and one of B, KiB, MiB, GiB, TiB.";
    Extent, "a size with its unit, such as \"512MiB\", or a part, such as \"60%\"",
        r"^\s*[0-9]+(\.[0-9]+)?\s*(B|KiB|MiB|GiB|TiB|%)\s*$",
        "A size: a number and one of B, KiB, MiB, GiB, TiB; or a part of a whole in percent.";
    Span, "a time with its unit, such as \"60s\"",
        r"^\s*[0-9]+(\.[0-9]+)?\s*(ps|ns|us|ms|s|min)\s*$",
        "A span of time: a number and one of ps, ns, us, ms, s, min.";
    Rate, "a clock rate with its unit, such as \"2.93GHz\"",
        r"^\s*[0-9]+(\.[0-9]+)?\s*(Hz|kHz|MHz|GHz)\s*$",
        "A clock rate: a number and one of Hz, kHz, MHz, GHz.";
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    /// The pattern that the schema gives texts of a kind.
    fn pattern<T: JsonSchema>() -> Regex {
        let schema = T::json_schema(&mut SchemaGenerator::default());
        let pattern = schema.get("pattern").and_then(|pattern| pattern.as_str()).expect("a text");
        Regex::new(pattern).expect("a pattern")
    }

    /// What is taken has the pattern, and what has it is taken or has a value that there is not.
    fn agree<T: JsonSchema + FromStr<Err = QuantityError>>(text: &str) {
        let has_pattern = pattern::<T>().is_match(text);
        match text.parse::<T>() {
            Ok(_) => assert!(has_pattern, "the schema refuses {text:?}"),
            Err(QuantityError { message, .. }) => {
                let of_value =
                    ["out of range", "too large", "not a whole number", "is no part of a whole"];
                let is_of_value = of_value.iter().any(|part| message.contains(part));
                assert_eq!(has_pattern, is_of_value, "the schema takes {text:?}: {message}");
            }
        }
    }

    /// Nearly a quantity: a number as people write them, and something like a unit.
    fn nearly() -> impl Strategy<Value = String> {
        let unit = "(ps|ns|us|ms|s|min|B|KiB|MiB|GiB|TiB|Hz|kHz|MHz|GHz|%|[a-zA-Zµ]{0,3})";
        proptest::string::string_regex(&format!(
            "[ \\t-]?[0-9]{{0,4}}[.]?[0-9]{{0,4}}[.]?[ ]?{unit}[ .]?"
        ))
        .expect("a pattern")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn the_schema_takes_the_texts_that_are_read(text in nearly()) {
            agree::<Bytes>(&text);
            agree::<Extent>(&text);
            agree::<Span>(&text);
            agree::<Rate>(&text);
        }
    }

    #[test]
    fn a_number_does_not_end_in_a_point() {
        for text in ["5.us", "5. us", "5.", ".5us", "1.2.3s"] {
            agree::<Span>(text);
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        assert!("5.GHz".parse::<Rate>().is_err() && "5.MiB".parse::<Bytes>().is_err());
    }

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("512MiB", 512 << 20),
            ("1GiB", 1 << 30),
            ("2 GiB", 2 << 30),
            (" 4096B ", 4096),
            ("1.5GiB", 3 << 29),
            ("0.5KiB", 512),
            ("0B", 0),
            ("1TiB", 1 << 40),
        ] {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
    }

    #[test]
    fn parts_are_read() {
        let part = |text: &str| text.parse::<Extent>().unwrap();
        assert_eq!(part("60%"), Extent::Part(600_000));
        assert_eq!(part(" 0.5 % "), Extent::Part(5_000));
        assert_eq!(part("4KiB"), Extent::Size(Bytes(4096)));
        assert_eq!(part("50%").bytes(7 * 4096), Bytes(3 * 4096));
        for wrong in ["101%", "%", ".5%", "5.%", "-1%", "1.00001%"] {
            assert!(wrong.parse::<Extent>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_print_as_they_are_read() {
        for text in ["512MiB", "1GiB", "4097B", "107MiB", "0B", "3TiB"] {
            assert_eq!(text.parse::<Bytes>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_wrong_with_a_quantity_is_said() {
        fn check<T: FromStr<Err = QuantityError> + fmt::Debug>(text: &str, expect: &str) {
            assert_eq!(text.parse::<T>().unwrap_err().to_string(), expect, "{text}");
        }
        let units = "units: B, KiB, MiB, GiB, TiB";
        check::<Bytes>("512", &format!("a size needs a unit: \"512\"; {units}"));
        check::<Bytes>(
            "512MB",
            &format!("unknown unit `MB` of a size; did you mean \"512MiB\"? {units}"),
        );
        check::<Bytes>(
            "1mib",
            &format!("unknown unit `mib` of a size; did you mean \"1MiB\"? {units}"),
        );
        check::<Bytes>("7apples", &format!("unknown unit `apples` of a size; {units}"));
        check::<Bytes>(
            "",
            "a size does not begin with a number: \"\"; write for example \"512MiB\"",
        );
        check::<Bytes>("-1B", "a size must not be negative: \"-1B\"; write for example \"512MiB\"");
        check::<Bytes>(
            "0.3B",
            "the size \"0.3B\" is not a whole number of bytes; use fewer decimals or a smaller unit",
        );
        check::<Bytes>(
            "99999999999999999999B",
            "the size \"99999999999999999999B\" is too large; sizes end at 16777215TiB",
        );
        check::<Bytes>(
            "16777216TiB",
            "the size \"16777216TiB\" is too large; sizes end at 16777215TiB",
        );
        let units = "units: ps, ns, us, ms, s, min";
        check::<Span>("60", &format!("a time needs a unit: \"60\"; {units}"));
        check::<Span>(
            "5µs",
            &format!("unknown unit `µs` of a time; did you mean \"5us\"? {units}"),
        );
        check::<Span>(
            "20\u{3bc}s",
            &format!("unknown unit `\u{3bc}s` of a time; did you mean \"20us\"? {units}"),
        );
        check::<Span>(
            "1,5ms",
            "a time has a comma: \"1,5ms\"; decimals begin with a point, as in \"1.5ms\", and nothing sets thousands \
             apart",
        );
        check::<Span>(
            "9999999999s",
            "\"9999999999s\" is out of range: too large; a value such as \"60s\"",
        );
        check::<Rate>(
            "0GHz",
            "\"0GHz\" is out of range: must not be zero; a value such as \"2.93GHz\"",
        );
        check::<Rate>(
            "3ghz",
            "unknown unit `ghz` of a clock rate; did you mean \"3GHz\"? units: Hz, kHz, MHz, GHz",
        );
    }
}
