//! Where an axis has its ticks and what they are called.

/// Round values from zero up to at least `max`, about `count` of them, and the count of decimals
/// that tells them apart.
pub(super) fn linear_ticks(max: f64, count: u32) -> (Vec<f64>, usize) {
    let max = if max.is_finite() && max > 0.0 { max } else { 1.0 };
    let rough = max / f64::from(count.max(1));
    let power = rough.log10().floor();
    let unit = 10_f64.powf(power);
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * unit)
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(rough);
    let last = (max / step - 1e-9).ceil().max(1.0) as u32;
    let ticks = (0..=last).map(|index| f64::from(index) * step).collect();
    let quarter = (step / unit - 2.5).abs() < 1e-9;
    let tenfold = step / unit > 9.0;
    let power = if tenfold { power + 1.0 } else { power };
    let decimals = (-power + if quarter { 1.0 } else { 0.0 }).max(0.0) as usize;
    (ticks, decimals)
}

/// A logarithmic axis of times in nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LogAxis {
    /// Ends of the axis, as decimal logarithms.
    pub(super) from: f64,
    pub(super) to: f64,
}

/// A place on a logarithmic axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LogTick {
    /// The decimal logarithm of the value.
    pub(super) at: f64,
    /// The value with its unit, or nothing for a fine grid line.
    pub(super) label: Option<String>,
}

impl LogAxis {
    /// An axis that shows all values from `min` to `max` with some room at both ends.
    pub(super) fn covering(min_ns: u64, max_ns: u64) -> Self {
        let low = (min_ns.max(1) as f64).log10();
        let high = (max_ns.max(1) as f64).log10().max(low);
        let room = ((high - low) * 0.04).max(0.15);
        let (from, to) = ((low - room).max(0.0), high + room);
        // Values in a narrow band are drawn in a whole decade, or they would look far apart.
        let missing = (1.0 - (to - from)).max(0.0) / 2.0;
        let from = (from - missing).max(0.0);
        Self { from, to: (to + missing).max(from + 1.0) }
    }

    /// The ticks: decades, with 2 and 5 between them where there is room.
    pub(super) fn ticks(&self) -> Vec<LogTick> {
        let span = self.to - self.from;
        let labelled: &[u32] = if span <= 3.2 { &[1, 2, 5] } else { &[1] };
        let mut ticks = Vec::new();
        for decade in self.from.floor() as i32..=self.to.ceil() as i32 {
            for digit in 1..10 {
                let at = f64::from(decade) + f64::from(digit).log10();
                if at < self.from || at > self.to {
                    continue;
                }
                let label = labelled.contains(&digit).then(|| time_label(digit, decade));
                ticks.push(LogTick { at, label });
            }
        }
        ticks
    }
}

/// `digit * 10^decade` nanoseconds with its unit.
fn time_label(digit: u32, decade: i32) -> String {
    let (unit, below) = match decade {
        ..3 => ("ns", 0),
        3..6 => ("µs", 3),
        6..9 => ("ms", 6),
        9.. => ("s", 9),
    };
    let zeros = usize::try_from(decade - below).unwrap_or(0);
    format!("{digit}{} {unit}", "0".repeat(zeros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_linear(max: f64, expect: &[f64], decimals: usize) {
        let (ticks, found) = linear_ticks(max, 5);
        assert_eq!(ticks.len(), expect.len(), "{ticks:?}");
        assert!(
            ticks.iter().zip(expect).all(|(a, b)| (a - b).abs() < 1e-9 * max.max(1.0)),
            "{ticks:?}"
        );
        assert_eq!(found, decimals);
    }

    #[test]
    fn linear_ticks_are_round() {
        check_linear(244.0, &[0.0, 50.0, 100.0, 150.0, 200.0, 250.0], 0);
        check_linear(1.0, &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0], 1);
        check_linear(1.2, &[0.0, 0.25, 0.5, 0.75, 1.0, 1.25], 2);
        check_linear(9.0, &[0.0, 2.0, 4.0, 6.0, 8.0, 10.0], 0);
        check_linear(4.9, &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 0);
    }

    #[test]
    fn linear_ticks_of_nothing_go_to_one() {
        check_linear(0.0, &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0], 1);
        assert_eq!(linear_ticks(f64::NAN, 5), linear_ticks(1.0, 5));
    }

    #[track_caller]
    fn check_log(min_ns: u64, max_ns: u64, expect: &str) {
        let labels: Vec<_> =
            LogAxis::covering(min_ns, max_ns).ticks().into_iter().filter_map(|t| t.label).collect();
        assert_eq!(labels.join(", "), expect);
    }

    #[test]
    fn log_ticks_have_units() {
        check_log(900_000, 100_000_000, "1 ms, 2 ms, 5 ms, 10 ms, 20 ms, 50 ms, 100 ms");
        check_log(300, 5_000_000_000, "1 µs, 10 µs, 100 µs, 1 ms, 10 ms, 100 ms, 1 s");
        check_log(500_000, 500_000, "200 µs, 500 µs, 1 ms");
        check_log(0, 0, "1 ns, 2 ns, 5 ns, 10 ns");
        check_log(
            1_000_000_000,
            u64::MAX / 1_000,
            "1 s, 10 s, 100 s, 1000 s, 10000 s, 100000 s, 1000000 s, 10000000 s",
        );
    }
}
