//! Numbers as people read them.

use std::fmt::Display;

/// The one value that there is, or the least and the largest: `4`, `1 to 4`.
pub(crate) fn range<T: Ord + Display>(values: impl Iterator<Item = T> + Clone) -> String {
    match (values.clone().min(), values.max()) {
        (Some(least), Some(most)) if least == most => most.to_string(),
        (Some(least), Some(most)) => format!("{least} to {most}"),
        _ => String::new(),
    }
}

/// A whole number with its thousands set apart by spaces: `122 789 420 615`.
pub(crate) fn grouped(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    if value < 0.0 && digits != "0" {
        text.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A value to four significant digits, or to the whole number where it has more.
pub(crate) fn significant(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    let magnitude = value.abs();
    match magnitude {
        0.0 => "0".to_owned(),
        1000.0.. => grouped(value),
        1e-3.. => {
            // How many digits stand before the point is asked of the rounded value.
            let before = magnitude.log10().floor() as i32 + 1;
            let decimals = usize::try_from((4 - before).max(0)).unwrap_or(0);
            format!("{value:.decimals$}")
        }
        _ => format!("{value:.3e}"),
    }
}

/// The largest power of a thousand not above `value`, as exponent of ten: 9 for 234e9.
pub(crate) fn thousands_exponent(value: f64) -> i32 {
    if !value.is_finite() || value < 1000.0 {
        return 0;
    }
    (value.log10() / 3.0 + 1e-12).floor() as i32 * 3
}

/// A span of nanoseconds in the unit that suits it, to three significant digits: `4.20 ms`.
pub(crate) fn span_ns(ns: f64) -> String {
    let (unit, factor) = match ns {
        1e9.. => ("s", 1e9),
        1e6.. => ("ms", 1e6),
        1e3.. => ("us", 1e3),
        _ => ("ns", 1.0),
    };
    let value = ns / factor;
    let decimals = match value {
        100.0.. => 0,
        10.0.. => 1,
        _ if factor > 1.0 => 2,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_three() {
        for (value, expect) in [
            (122_789_420_615.4, "122 789 420 615"),
            (999.6, "1 000"),
            (12.0, "12"),
            (-1234.0, "-1 234"),
            (-0.1, "0"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(grouped(value), expect);
        }
    }

    #[test]
    fn four_digits() {
        for (value, expect) in [
            (0.0, "0"),
            (12.3456, "12.35"),
            (0.12345, "0.1235"),
            (123_456.7, "123 457"),
            (0.000_012_34, "1.234e-5"),
            (-3.5, "-3.500"),
            (f64::INFINITY, "-"),
        ] {
            assert_eq!(significant(value), expect);
        }
    }

    #[test]
    fn spans_have_units() {
        for (ns, expect) in [
            (0.0, "0 ns"),
            (999.0, "999 ns"),
            (1_500.0, "1.50 us"),
            (4_200_000.0, "4.20 ms"),
            (31_000_000.0, "31.0 ms"),
            (2.5e9, "2.50 s"),
        ] {
            assert_eq!(span_ns(ns), expect);
        }
    }

    #[test]
    fn exponents_are_multiples_of_three() {
        for (value, expect) in
            [(0.0, 0), (999.0, 0), (1000.0, 3), (234e9, 9), (1e12, 12), (f64::NAN, 0)]
        {
            assert_eq!(thousands_exponent(value), expect);
        }
    }
}
