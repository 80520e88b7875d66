//! How experiments came out, and the rule by which they are judged.
//!
//! - A row is *within* when its error is at most 20 % of the published number (or what the row says), or at
//!   most the published error where that is larger. A published zero is met by less than 0.005.
//! - A ratio that stands for an effect has also to have the effect: from half of it to twice as much. Where the
//!   published ratio lies within its error, or 2 %, of 1, there is none, and the simulated one must lie
//!   within 5 % of 1.
//! - The direction of an effect is wrong when both ratios are more than 2 % from 1, on different sides.
//! - An experiment is within when two thirds of its predictions are, no direction is wrong, and no run broke
//!   an invariant. Rows of which a parameter was taken do not count.

use super::definition::{Experiment, Kind, Measured, Row};

/// From what distance to 1 on a ratio is an effect, where no error was published.
const NO_EFFECT: f64 = 0.02;
/// How far from 1 a simulated ratio may be where nothing was published to happen.
const STILL_NO_EFFECT: f64 = 0.05;
/// What part of a published effect there must be, and how many times as much there may be.
const PART_OF_EFFECT: [f64; 2] = [0.5, 2.0];
/// A number below this is zero, as published ones are rounded.
const ZERO: f64 = 0.005;

/// How a row came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowVerdict {
    /// The error is small enough.
    Within,
    /// It is not, or the simulated number is not defined.
    Outside,
    /// A parameter was taken from it.
    Calibration,
    /// It is not simulated.
    NotModelled,
}

impl RowVerdict {
    /// In results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Within => "within",
            Self::Outside => "outside",
            Self::Calibration => "calibration",
            Self::NotModelled => "not modelled",
        }
    }
}

/// How an experiment came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As published.
    Within,
    /// Otherwise.
    Outside,
    /// It is not simulated.
    NotModelled,
}

impl Verdict {
    /// In results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Within => "within",
            Self::Outside => "outside",
            Self::NotModelled => "not modelled",
        }
    }
}

/// A row with what was simulated.
#[derive(Clone, Debug, PartialEq)]
pub struct RowResult {
    /// What was published.
    pub row: Row,
    /// The simulated number; none where it is not simulated, or not defined.
    pub simulated: Option<f64>,
}

impl RowResult {
    /// Simulated over published, less one; none where there is no such number.
    pub fn error(&self) -> Option<f64> {
        let simulated = self.simulated?;
        (self.row.published != 0.0).then(|| simulated / self.row.published - 1.0)
    }

    /// How it came out.
    pub fn verdict(&self) -> RowVerdict {
        match (&self.row.measured, self.row.calibration) {
            (Measured::NotModelled(_), _) => RowVerdict::NotModelled,
            (Measured::By(_), true) => RowVerdict::Calibration,
            (Measured::By(_), false) if self.is_within() => RowVerdict::Within,
            (Measured::By(_), false) => RowVerdict::Outside,
        }
    }

    /// Whether it is a prediction, which counts.
    pub fn counts(&self) -> bool {
        matches!(self.verdict(), RowVerdict::Within | RowVerdict::Outside)
    }

    fn is_within(&self) -> bool {
        let Some(simulated) = self.simulated else { return false };
        let Row { published, stderr, tolerance, effect, .. } = self.row;
        let allowed = (tolerance * published.abs()).max(stderr.unwrap_or(0.0));
        if published == 0.0 {
            return simulated.abs() <= allowed.max(ZERO);
        }
        // As much as a rounded quotient may be off, for rows that allow no error.
        let near = (simulated - published).abs() <= allowed + 1e-9 * published.abs();
        near && (!effect || self.has_effect(simulated))
    }

    fn has_effect(&self, simulated: f64) -> bool {
        let (there, here) = (self.row.published - 1.0, simulated - 1.0);
        let noise = self.row.stderr.unwrap_or(0.0).max(NO_EFFECT);
        if there.abs() <= noise {
            return here.abs() <= noise.max(STILL_NO_EFFECT);
        }
        (PART_OF_EFFECT[0]..=PART_OF_EFFECT[1]).contains(&(here / there))
    }

    /// Whether the effect is one in the other direction.
    pub fn has_wrong_direction(&self) -> bool {
        let Some(simulated) = self.simulated.filter(|_| self.row.effect && self.counts()) else {
            return false;
        };
        let (there, here) = (self.row.published - 1.0, simulated - 1.0);
        let noise = self.row.stderr.unwrap_or(0.0).max(NO_EFFECT);
        there * here < 0.0 && there.abs() > noise && here.abs() > NO_EFFECT
    }
}

/// An experiment with what was simulated.
#[derive(Clone, Debug, PartialEq)]
pub struct ExperimentResult {
    /// What was published.
    pub experiment: Experiment,
    /// Its rows, in order.
    pub rows: Vec<RowResult>,
    /// Invariants that a run broke although its generation is not known for it.
    pub violations: Vec<String>,
}

impl ExperimentResult {
    /// How it came out.
    pub fn verdict(&self) -> Verdict {
        let (within, all) = self.predictions();
        if all == 0 {
            return Verdict::NotModelled;
        }
        let right = !self.rows.iter().any(RowResult::has_wrong_direction);
        match 3 * within >= 2 * all && right && self.violations.is_empty() {
            true => Verdict::Within,
            false => Verdict::Outside,
        }
    }

    /// How many predictions are within, of how many.
    pub fn predictions(&self) -> (usize, usize) {
        let verdicts = || self.rows.iter().map(RowResult::verdict);
        let within = verdicts().filter(|verdict| *verdict == RowVerdict::Within).count();
        let outside = verdicts().filter(|verdict| *verdict == RowVerdict::Outside).count();
        (within, within + outside)
    }

    /// The median size of the errors of its predictions.
    pub fn median_error(&self) -> Option<f64> {
        let counted = self.rows.iter().filter(|row| row.counts());
        let mut errors: Vec<f64> = counted.filter_map(|row| Some(row.error()?.abs())).collect();
        errors.sort_by(f64::total_cmp);
        let last = errors.len().checked_sub(1)?;
        Some(f64::midpoint(errors[last / 2], errors[errors.len() / 2]))
    }
}

/// How many came out how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Experiments.
    pub experiments: usize,
    /// Those that are simulated.
    pub judged: usize,
    /// Those that are within.
    pub within: usize,
    /// Rows that are predictions.
    pub rows: usize,
    /// Those that are within.
    pub rows_within: usize,
}

impl Tally {
    /// Of some results, of one kind or of both.
    pub fn of(results: &[ExperimentResult], kind: Option<Kind>) -> Self {
        let mut tally = Self::default();
        let wanted = |one: &&ExperimentResult| kind.is_none_or(|kind| one.experiment.kind == kind);
        for result in results.iter().filter(wanted) {
            let (within, rows) = result.predictions();
            tally.experiments += 1;
            tally.judged += usize::from(result.verdict() != Verdict::NotModelled);
            tally.within += usize::from(result.verdict() == Verdict::Within);
            tally.rows += rows;
            tally.rows_within += within;
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(published: f64, simulated: f64, stderr: Option<f64>, effect: bool) -> RowResult {
        let measured = Measured::By(super::super::formula::Formula::of_metric("m", "s", "p"));
        let row = Row {
            label: "r".into(),
            published,
            stderr,
            unit: String::new(),
            measured,
            tolerance: 0.2,
            effect,
            calibration: false,
        };
        RowResult { row, simulated: Some(simulated) }
    }

    #[test]
    fn a_row_is_within_by_error_and_effect() {
        let within = |published, simulated, stderr, effect| {
            row(published, simulated, stderr, effect).verdict() == RowVerdict::Within
        };
        assert!(within(100.0, 119.0, None, false) && !within(100.0, 121.0, None, false));
        assert!(within(100.0, 135.0, Some(36.0), false));
        assert!(within(0.0, 0.004, None, false) && !within(0.0, 0.01, None, false));
        // 1.13 is an effect that a ratio of 1 has not, near as it is.
        assert!(!within(1.13, 1.0, Some(0.04), true) && within(1.13, 1.0, None, false));
        assert!(within(1.13, 1.07, Some(0.04), true));
        assert!(within(1.01, 0.97, None, true) && !within(1.01, 0.9, None, true));
        assert!(!row(1.13, 1.0, None, true).has_wrong_direction());
        assert!(row(1.13, 0.97, None, true).has_wrong_direction());
    }

    #[test]
    fn a_number_that_is_not_defined_is_outside() {
        let undefined = RowResult { simulated: None, ..row(1.0, 1.0, None, false) };
        assert_eq!(undefined.verdict(), RowVerdict::Outside);
        assert_eq!(undefined.error(), None);
    }

    #[test]
    fn an_experiment_is_within_by_two_thirds_of_its_predictions() {
        let experiment = super::super::library::all().first().map(|entry| {
            Experiment::load(entry.name).unwrap_or_else(|error| panic!("{}", error.render()))
        });
        let of = |simulated: &[f64], effect| ExperimentResult {
            experiment: experiment.clone().expect("there are experiments"),
            rows: simulated.iter().map(|&it| row(1.5, it, None, effect)).collect(),
            violations: Vec::new(),
        };
        assert_eq!(of(&[1.5, 1.4, 3.0], false).verdict(), Verdict::Within);
        assert_eq!(of(&[1.5, 3.0], false).verdict(), Verdict::Outside);
        assert_eq!(of(&[1.5, 1.4, 0.5], true).verdict(), Verdict::Outside);
        assert_eq!(of(&[], false).verdict(), Verdict::NotModelled);
        let broken = ExperimentResult { violations: vec!["INV".into()], ..of(&[1.5], false) };
        assert_eq!(broken.verdict(), Verdict::Outside);
        assert_eq!(of(&[1.5, 1.65, 3.0], false).median_error(), Some(1.65 / 1.5 - 1.0));
    }
}
