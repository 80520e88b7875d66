//! Which axes of a sweep its result hangs on, by the elementary effects of Morris (Factorial sampling plans for
//! preliminary computational experiments, Technometrics 33, 1991).
//!
//! A trajectory begins at a random point of the grid and moves each axis once, in random order, by half of its
//! values; so k axes take k + 1 points where a grid takes the product of all lengths. The mean of the absolute
//! effects (Campolongo and others, An effective screening design, 2007) says how much an axis moves the result, their
//! spread how much that depends on the other axes or is no straight line.

use std::collections::BTreeMap;

use sim_core::stats::student_t_975;
use sim_core::{Estimate, RandomStreams, Replications};

use super::definition::{MAX_POINTS, Sweep, SweepOverrides};
use super::results::{PointResult, SweepResult};
use super::run::run_sweep;
use super::spec::Spec;
use crate::run::error::RunnerError;
use crate::run::results::Comparison;
use crate::run::runner::{Progress, RunOptions};
use crate::syntax::error::ScenarioError;

/// Trajectories where nobody says how many: 10 to 20 are usual in the literature.
pub const TRAJECTORIES: u32 = 10;
/// Fewer have no spread worth the name.
pub const FEWEST_TRAJECTORIES: u32 = 4;

/// The points of some trajectories through a grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Screening {
    /// The points, each once.
    pub sweep: Sweep,
    /// Of each trajectory its points, by number, in order; neighbours differ in one axis.
    pub trajectories: Vec<Vec<usize>>,
    /// Points of the whole grid.
    pub grid: u128,
}

/// What an axis does to a quantity of a policy. Effects are logarithms of ratios: moving the axis up by half of its
/// values multiplies the quantity by the exponential of one.
#[derive(Clone, Debug, PartialEq)]
pub struct AxisEffect {
    /// The axis, by its place in the sweep.
    pub axis: usize,
    /// Effects that could be told: one a trajectory, but where the quantity was zero or not defined.
    pub count: usize,
    /// Mean of the absolute effects, with its interval where there are several.
    pub size: Estimate,
    /// Mean effect: above zero, the quantity rises along the axis.
    pub mean: f64,
    /// Standard deviation of the effects.
    pub spread: f64,
}

/// What the axes do to one quantity of a policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Sensitivity {
    /// The policy.
    pub policy: String,
    /// A metric; none: the ratio of the measure to the baseline's.
    pub metric: Option<String>,
    /// Least and largest value at any point.
    pub range: (f64, f64),
    /// The axes, the largest effect first.
    pub effects: Vec<AxisEffect>,
    /// What chance does to the quantity at a point: twice its standard error, pooled over all points, as a logarithm.
    /// Only ratios of several replications have it.
    pub noise: Option<f64>,
}

/// A screening that was run.
#[derive(Clone, Debug, PartialEq)]
pub struct SensitivityResult {
    /// The points.
    pub sweep: SweepResult,
    /// As in [`Screening`].
    pub trajectories: Vec<Vec<usize>>,
    /// As in [`Screening`].
    pub grid: u128,
    /// For each policy but the baseline the ratio of the measure; or each policy's metrics, where the sweep names some.
    pub sensitivities: Vec<Sensitivity>,
}

impl Screening {
    /// Loads a sweep as [`Sweep::load`] does, of which only some points are made.
    ///
    /// # Errors
    /// As [`Sweep::load`]; and where there is nothing to screen.
    pub fn load(
        path_or_name: &str,
        overrides: &SweepOverrides,
        trajectories: u32,
    ) -> Result<Self, ScenarioError> {
        let mut spec = Spec::load(path_or_name, &overrides.chosen())?;
        spec.add(overrides)?;
        let lengths = spec.axis_lengths();
        let fail = |message: String, help: &str| {
            Err(ScenarioError::Override { message, help: help.into() })
        };
        if lengths.is_empty() {
            let help = "a sweep with `axes` instead of `variations`, or a scenario with --axis";
            return fail("only axes can be screened".into(), help);
        }
        if lengths.iter().any(|&length| length < 2) {
            let help =
                "give each axis at least two values: those between which its true one may lie";
            return fail("an axis has one value only".into(), help);
        }
        if trajectories < FEWEST_TRAJECTORIES {
            let help = format!("{TRAJECTORIES} is usual");
            return fail(format!("at least {FEWEST_TRAJECTORIES} trajectories are needed"), &help);
        }
        let wanted = (lengths.len() + 1).saturating_mul(trajectories as usize);
        if wanted > MAX_POINTS {
            let message =
                format!("{trajectories} trajectories of {} points are too many", lengths.len() + 1);
            return fail(message, &format!("at most {MAX_POINTS} points"));
        }
        let walks = walks(&lengths, trajectories, overrides.scenario.seed.unwrap_or(1));
        let (points, trajectories) = numbered(&walks);
        let sweep = spec.sweep_of(&overrides.scenario, points)?;
        let grid = lengths.iter().map(|&length| length as u128).product();
        Ok(Self { sweep, trajectories, grid })
    }
}

/// The points of each trajectory, as the place of each axis's value.
fn walks(lengths: &[usize], trajectories: u32, seed: u64) -> Vec<Vec<Vec<usize>>> {
    let streams = RandomStreams::new(seed).label("screening");
    let walk = |number: u64| {
        let mut draw = streams.draw([number, 0, 0]);
        let mut at: Vec<usize> =
            lengths.iter().map(|&length| draw.below(length as u64) as usize).collect();
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, draw.below(last as u64 + 1) as usize);
        }
        let mut points = vec![at.clone()];
        for axis in order {
            at[axis] = moved(at[axis], lengths[axis]);
            points.push(at.clone());
        }
        points
    };
    (0..trajectories.into()).map(walk).collect()
}

/// Half of an axis's values further, to whichever side there are as many.
fn moved(from: usize, length: usize) -> usize {
    let half = (length / 2).max(1);
    if from + half < length { from + half } else { from - half }
}

/// Each point once, in order of first appearance, and the trajectories by their numbers.
fn numbered(walks: &[Vec<Vec<usize>>]) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
    let (mut points, mut known) = (Vec::new(), BTreeMap::new());
    let mut number = |point: &Vec<usize>| {
        *known.entry(point.clone()).or_insert_with(|| {
            points.push(point.clone());
            points.len() - 1
        })
    };
    let trajectories = walks.iter().map(|walk| walk.iter().map(&mut number).collect()).collect();
    (points, trajectories)
}

/// Runs the points of a screening and sums up.
///
/// # Errors
/// As [`run_sweep`].
pub fn run_screening(
    screening: &Screening,
    options: &RunOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<SensitivityResult, RunnerError> {
    let sweep = run_sweep(&screening.sweep, options, progress)?;
    let trajectories = screening.trajectories.clone();
    let sensitivities = quantities(&sweep)
        .into_iter()
        .filter_map(|(policy, metric)| sensitivity(&sweep, &trajectories, policy, metric))
        .collect();
    Ok(SensitivityResult { sweep, trajectories, grid: screening.grid, sensitivities })
}

/// What is looked at.
fn quantities(sweep: &SweepResult) -> Vec<(String, Option<String>)> {
    let mut all = Vec::new();
    for policy in sweep.policies() {
        match sweep.metrics.is_empty() {
            true if sweep.points.iter().all(|it| it.comparison.baseline == policy) => {}
            true => all.push((policy.to_owned(), None)),
            false => {
                let metrics = sweep.metrics.iter();
                all.extend(metrics.map(|metric| (policy.to_owned(), Some(metric.clone()))));
            }
        }
    }
    all
}

fn value(comparison: &Comparison, policy: &str, metric: Option<&str>) -> Option<f64> {
    let value = match metric {
        Some(metric) => comparison.policy(policy)?.metric(metric)?.mean,
        None => comparison.ratio(policy, &comparison.measure)?.mean,
    };
    Some(value).filter(|value| value.is_finite())
}

fn sensitivity(
    sweep: &SweepResult,
    trajectories: &[Vec<usize>],
    policy: String,
    metric: Option<String>,
) -> Option<Sensitivity> {
    let of = |point: usize| value(&sweep.points[point].comparison, &policy, metric.as_deref());
    let values: Vec<f64> = (0..sweep.points.len()).filter_map(of).collect();
    let low = values.iter().copied().reduce(f64::min)?;
    let high = values.iter().copied().reduce(f64::max)?;
    let mut effects: Vec<Vec<f64>> = vec![Vec::new(); sweep.axes.len()];
    for pair in trajectories.iter().flat_map(|walk| walk.windows(2)) {
        let (before, after) = (&sweep.points[pair[0]].values, &sweep.points[pair[1]].values);
        let moved = before.iter().zip(after).position(|(before, after)| before != after);
        let log = |point: usize| of(point).filter(|&value| value > 0.0).map(f64::ln);
        let (Some(axis), Some(from), Some(to)) = (moved, log(pair[0]), log(pair[1])) else {
            continue;
        };
        let up = if after[axis] > before[axis] { 1.0 } else { -1.0 };
        effects[axis].push(up * (to - from));
    }
    let mut effects: Vec<AxisEffect> =
        effects.iter().enumerate().filter_map(|(axis, all)| effect(axis, all)).collect();
    effects.sort_by(|a, b| b.size.mean.total_cmp(&a.size.mean).then(a.axis.cmp(&b.axis)));
    let noise = match metric {
        None => noise(sweep, &policy),
        Some(_) => None,
    };
    Some(Sensitivity { policy, metric, range: (low, high), effects, noise })
}

/// Twice the standard error of a ratio's logarithm, pooled over all points: with two replications the interval of one
/// point says next to nothing.
fn noise(sweep: &SweepResult, policy: &str) -> Option<f64> {
    let error = |point: &PointResult| {
        let comparison = &point.comparison;
        let (low, high) = comparison.ratio(policy, &comparison.measure)?.ci95?;
        let quantile = student_t_975(comparison.replications.checked_sub(1)? as usize)?;
        Some((high - low) / 2.0 / quantile / comparison.ratio(policy, &comparison.measure)?.mean)
    };
    let errors: Vec<f64> =
        sweep.points.iter().filter_map(error).filter(|it| it.is_finite()).collect();
    let squares: f64 = errors.iter().map(|error| error * error).sum();
    (!errors.is_empty()).then(|| 2.0 * (squares / errors.len() as f64).sqrt())
}

fn effect(axis: usize, effects: &[f64]) -> Option<AxisEffect> {
    let (mut sizes, mut signed) = (Replications::default(), Replications::default());
    for effect in effects {
        sizes.push(effect.abs());
        signed.push(*effect);
    }
    Some(AxisEffect {
        axis,
        count: effects.len(),
        size: sizes.estimate()?,
        mean: signed.mean()?,
        spread: signed.std_deviation().unwrap_or(0.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trajectory_moves_every_axis_once_by_half_of_its_values() {
        let lengths = [2, 3, 4, 7];
        let walks = walks(&lengths, 50, 1);
        assert_eq!(walks.len(), 50);
        for walk in &walks {
            assert_eq!(walk.len(), lengths.len() + 1);
            let mut moved = Vec::new();
            for pair in walk.windows(2) {
                let differ = |&axis: &usize| pair[0][axis] != pair[1][axis];
                let axes: Vec<usize> = (0..lengths.len()).filter(differ).collect();
                assert_eq!(axes.len(), 1, "{pair:?}");
                let axis = axes[0];
                assert_eq!(pair[0][axis].abs_diff(pair[1][axis]), (lengths[axis] / 2).max(1));
                assert!(pair[1][axis] < lengths[axis]);
                moved.push(axis);
            }
            moved.sort_unstable();
            assert_eq!(moved, [0, 1, 2, 3]);
        }
        // Other seeds go elsewhere, the same one nowhere else.
        assert_eq!(walks, super::walks(&lengths, 50, 1));
        assert_ne!(walks, super::walks(&lengths, 50, 2));
        // Every value of an axis is met.
        for (axis, &length) in lengths.iter().enumerate() {
            let met = |value: usize| walks.iter().flatten().any(|point| point[axis] == value);
            assert!((0..length).all(met), "{axis}");
        }
    }

    #[test]
    fn a_point_of_two_trajectories_is_run_once() {
        let walks = vec![
            vec![vec![0, 0], vec![1, 0], vec![1, 1]],
            vec![vec![1, 1], vec![1, 0], vec![0, 0]],
        ];
        let (points, trajectories) = numbered(&walks);
        assert_eq!(points, [[0, 0], [1, 0], [1, 1]]);
        assert_eq!(trajectories, [[0, 1, 2], [2, 1, 0]]);
    }

    #[test]
    fn effects_have_size_direction_and_spread() {
        let found = effect(3, &[0.1, -0.1, 0.1, 0.3]).unwrap();
        assert_eq!((found.axis, found.count), (3, 4));
        assert!((found.size.mean - 0.15).abs() < 1e-12 && (found.mean - 0.1).abs() < 1e-12);
        assert!((found.spread - 0.163_299).abs() < 1e-5, "{}", found.spread);
        assert_eq!(effect(0, &[]), None);
    }

    /// What a fault costs the vCPU on a slow device: its latency decides it, the costs of an exit do not.
    #[test]
    fn what_a_result_hangs_on_is_named_first() {
        let axes = ["host.costs.exit_light=1us,3us", "workload.tasks[faulter].count=1,3"];
        let overrides = SweepOverrides {
            axes: axes.map(str::to_owned).to_vec(),
            set: vec!["duration=40ms".into(), "warmup=0s".into()],
            ..SweepOverrides::default()
        };
        let screening = Screening::load("lab-500us-4f4w", &overrides, 4).unwrap();
        assert_eq!((screening.grid, screening.trajectories.len()), (4, 4));
        let result = run_screening(&screening, &RunOptions::default(), &|_| {}).unwrap();
        let of = |policy: &str| {
            result.sensitivities.iter().find(|found| found.policy == policy).unwrap()
        };
        let notified = of("apf-v6.12");
        let names = notified.effects.iter().map(|effect| &*result.sweep.axes[effect.axis].name);
        assert_eq!(names.collect::<Vec<_>>(), ["count", "exit_light"]);
        assert!(notified.range.0 < notified.range.1 && notified.effects[0].size.mean > 0.02);
        assert!(result.sensitivities.iter().all(|found| found.policy != "sync"));
    }

    #[test]
    fn what_cannot_be_screened_is_refused() {
        let told = |axes: &[&str], trajectories| {
            let axes = axes.iter().map(|&axis| axis.to_owned()).collect();
            let overrides = SweepOverrides { axes, ..SweepOverrides::default() };
            Screening::load("smoke", &overrides, trajectories).unwrap_err().to_string()
        };
        assert!(told(&["guest.hz=100,1000"], 2).contains("at least 4 trajectories"));
        assert!(told(&["guest.hz=100"], 10).contains("one value only"));
        assert!(told(&["guest.hz=100,1000"], 6000).contains("too many"));
        let none = SweepOverrides::default();
        let variations = Screening::load("natapov-2010-sensitivity", &none, 10).unwrap_err();
        assert!(variations.to_string().contains("only axes can be screened"), "{variations}");
    }
}
