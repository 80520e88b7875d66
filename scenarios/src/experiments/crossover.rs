//! At which value of a field two policies are equal in a metric, by bisection.
//!
//! Two policies run at both ends of a range. When the metric is larger for the one here and for the
//! other there, the range is halved until it is narrow. The random numbers of both policies are the
//! same, so that the sign of their difference is known far better than either value.

use models::trace::digest::DigestValue;
use sim_core::{Estimate, PairedDifferences, Replications};
use xxhash_rust::xxh3::xxh3_128;

use crate::experiments::sweep::range::{self, Kind, Quantity};
use crate::experiments::sweep::{Base, Patch, words};
use crate::run::error::RunnerError;
use crate::run::results::Note;
use crate::run::results::{Comparison, MetricSummary};
use crate::run::runner::{Batch, Part, Progress, RunOptions, run_batch};
use crate::run::summary;
use crate::scenario::canonical;
use crate::scenario::patch::Target;
use crate::scenario::resolve::{Scenario, ScenarioOverrides};
use crate::syntax::error::{ScenarioError, help_for_unknown};

/// Digits of the values that are tried.
const DIGITS: i32 = 6;
/// Most steps, whatever the tolerance.
const MAX_STEPS: usize = 60;

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct CrossoverQuestion {
    /// Path of a scenario, or name of a built-in one.
    pub scenario: String,
    /// Paths of the fields that have the value, between commas.
    pub fields: String,
    /// The lowest value, as a scenario file has it.
    pub from: String,
    /// The highest value.
    pub to: String,
    /// The policy in question; the scenario's last one that is not `against` where none is named.
    pub policy: Option<String>,
    /// The policy that it is compared with; the scenario's baseline where none is named.
    pub against: Option<String>,
    /// The metric; the scenario's measure where none is named.
    pub metric: Option<String>,
    /// How narrow the bracket is made, as a part of the value.
    pub tolerance: f64,
    /// Other fields as `FIELD=VALUE`.
    pub set: Vec<String>,
    /// Another seed.
    pub seed: Option<u64>,
    /// Another number of replications.
    pub replications: Option<u32>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CrossoverError {
    /// The scenario, the range or a value is wrong.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// A run failed.
    #[error(transparent)]
    Runner(#[from] RunnerError),
    /// The metric does not exist there.
    #[error("at {value} the policy `{policy}` has no metric `{metric}`\n  help: {help}")]
    Metric {
        /// The value of the field.
        value: String,
        /// The policy.
        policy: String,
        /// The metric.
        metric: String,
        /// What there is.
        help: String,
    },
}

/// Which policy has the larger metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Larger {
    /// The one in question.
    Policy,
    /// The one that it is compared with.
    Against,
}

impl Larger {
    fn of(difference: f64) -> Self {
        if difference > 0.0 { Self::Policy } else { Self::Against }
    }
}

/// One value that was tried.
#[derive(Clone, Debug, PartialEq)]
pub struct CrossoverStep {
    /// The value, as a scenario file has it.
    pub value: String,
    /// The value in seconds, bytes, hertz, cycles or as it is.
    pub amount: f64,
    /// The metric of the policy in question.
    pub policy: Estimate,
    /// The metric of the policy that it is compared with.
    pub against: Estimate,
    /// The first less the second, by replication.
    pub difference: Estimate,
    /// Which mean is larger.
    pub larger: Larger,
    /// Whether the interval of the difference leaves that beyond doubt. Without an interval (one
    /// replication) nothing is in doubt.
    pub clear: bool,
    /// Hash of the setup at that value: its stored runs have it, too.
    pub setup: String,
    /// What is degenerate about the runs at that value.
    pub notes: Vec<Note>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq)]
pub enum CrossoverAnswer {
    /// The policies are equal somewhere in the range.
    Crossing {
        /// Where, interpolated between the last two values.
        at: String,
        /// The same in seconds, bytes, hertz, cycles or as it is.
        amount: f64,
        /// The last bracket.
        bracket: (String, String),
        /// The nearest values on both sides at which the difference is beyond doubt.
        clear: (String, String),
        /// Which metric is larger below.
        below: Larger,
    },
    /// The same policy has the larger metric at both ends, beyond doubt.
    None {
        /// Which.
        larger: Larger,
    },
    /// At one end or at both the difference is within the noise.
    Unclear,
}

/// What was tried and what was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Crossover {
    /// Name of the scenario.
    pub scenario: String,
    /// Version of the program.
    pub version: String,
    /// The fields.
    pub fields: String,
    /// The policy in question.
    pub policy: String,
    /// The policy that it was compared with.
    pub against: String,
    /// The metric.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// Seed of the scenario.
    pub seed: u64,
    /// Runs of each policy at each value.
    pub replications: u32,
    /// What was tried, in the order in which it was tried.
    pub steps: Vec<CrossoverStep>,
    /// What was found.
    pub answer: CrossoverAnswer,
    /// Digest over the digests of the steps, in order.
    pub digest: DigestValue,
    /// Whether any run broke an invariant that its policy is not known to break.
    pub violation: bool,
}

/// Looks for the value. Finished runs are kept and taken over as in a comparison.
///
/// # Errors
/// When the scenario, the range or a value is wrong, when a run fails, or when the metric does not
/// exist.
pub fn find_crossover(
    question: &CrossoverQuestion,
    options: &RunOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Crossover, CrossoverError> {
    let mut search = Search::new(question, options, progress)?;
    let answer = search.answer()?;
    let Search { steps, digests, unit, last, violation, sides, .. } = search;
    Ok(Crossover {
        scenario: last.0,
        version: crate::version::VERSION.into(),
        fields: question.fields.clone(),
        policy: sides.policy,
        against: sides.against,
        metric: sides.metric,
        unit,
        seed: last.1,
        replications: last.2,
        steps,
        answer,
        digest: summary::digest_of(digests.into_iter()),
        violation,
    })
}

/// What is compared, in what.
struct Sides {
    policy: String,
    against: String,
    metric: String,
}

impl Sides {
    /// As asked, and as the scenario has it where nothing is said.
    fn of(question: &CrossoverQuestion, scenario: &Scenario) -> Result<Self, ScenarioError> {
        let names: Vec<String> =
            scenario.policies.iter().map(|policy| policy.name.clone()).collect();
        let last_but = |one: &str| names.iter().rfind(|name| *name != one).cloned();
        let baseline = Some(scenario.baseline.clone());
        let other = |name: &String| last_but(name);
        let against = question.against.clone().or_else(|| {
            let named = question.policy.as_ref().filter(|policy| **policy == scenario.baseline);
            named.map_or(baseline, other)
        });
        let policy = question.policy.clone();
        let policy = policy.or_else(|| against.as_deref().and_then(last_but));
        let metric = question.metric.clone().unwrap_or_else(|| scenario.measure.clone());
        let (Some(policy), Some(against)) = (policy, against) else {
            return Err(ScenarioError::Override {
                message: format!("`{}` is the only policy of the scenario", scenario.baseline),
                help: "name another one with `--policy` or `--against`".into(),
            });
        };
        Ok(Self { policy, against, metric })
    }
}

struct Search<'a> {
    question: &'a CrossoverQuestion,
    options: &'a RunOptions,
    progress: &'a (dyn Fn(Progress) + Sync),
    base: Base,
    sides: Sides,
    set: Vec<Patch>,
    targets: Vec<Target>,
    ends: (Quantity, Quantity),
    overrides: ScenarioOverrides,
    steps: Vec<CrossoverStep>,
    digests: Vec<DigestValue>,
    unit: String,
    /// Name, seed and replications of the scenario.
    last: (String, u64, u32),
    violation: bool,
}

impl<'a> Search<'a> {
    fn new(
        question: &'a CrossoverQuestion,
        options: &'a RunOptions,
        progress: &'a (dyn Fn(Progress) + Sync),
    ) -> Result<Self, CrossoverError> {
        let wrong = |error: crate::scenario::patch::PathError| ScenarioError::Override {
            message: error.message,
            help: error.help,
        };
        let (from, to) = (words::value_of(&question.from), words::value_of(&question.to));
        let set = question.set.iter().map(|text| words::setting(text));
        let set: Vec<Patch> = set.collect::<Result<_, _>>()?;
        let base = Base::load(&question.scenario)?;
        let (scenario, _) = base.with(&set.iter().collect::<Vec<_>>(), "the scenario")?;
        let sides = Sides::of(question, &scenario)?;
        Ok(Self {
            question,
            options,
            progress,
            base,
            set,
            targets: words::targets(&question.fields).map_err(wrong)?,
            ends: range::ends(&from.map_err(wrong)?, &to.map_err(wrong)?).map_err(wrong)?,
            overrides: ScenarioOverrides {
                policies: vec![sides.against.clone(), sides.policy.clone()],
                seed: question.seed,
                replications: question.replications,
            },
            sides,
            steps: Vec::new(),
            digests: Vec::new(),
            unit: String::new(),
            last: (String::new(), 0, 0),
            violation: false,
        })
    }

    fn answer(&mut self) -> Result<CrossoverAnswer, CrossoverError> {
        let (mut low, mut high) = self.ends;
        // Both ends are resolved before anything runs, as most mistakes show there.
        self.scenario(low)?;
        self.scenario(high)?;
        let (mut at_low, mut at_high) = (self.try_value(low)?, self.try_value(high)?);
        if !(at_low.clear && at_high.clear) {
            return Ok(CrossoverAnswer::Unclear);
        }
        if at_low.larger == at_high.larger {
            return Ok(CrossoverAnswer::None { larger: at_low.larger });
        }
        let below = at_low.larger;
        let (mut clear_low, mut clear_high) = (low, high);
        while self.steps.len() < MAX_STEPS {
            let Some(middle) = self.middle(low, high) else { break };
            let step = self.try_value(middle)?;
            if step.larger == below {
                (low, at_low) = (middle, step);
                if at_low.clear {
                    clear_low = low;
                }
            } else {
                (high, at_high) = (middle, step);
                if at_high.clear {
                    clear_high = high;
                }
            }
        }
        let (d_low, d_high) = (at_low.difference.mean.abs(), at_high.difference.mean.abs());
        let share = if d_low + d_high > 0.0 { d_low / (d_low + d_high) } else { 0.5 };
        let at = between(low, high, share);
        Ok(CrossoverAnswer::Crossing {
            at: at.near(at.amount as f64, 4).text(),
            amount: amount(at),
            bracket: (low.text(), high.text()),
            clear: (clear_low.text(), clear_high.text()),
            below,
        })
    }

    /// A value between the two, when they are farther apart than the tolerance.
    fn middle(&self, low: Quantity, high: Quantity) -> Option<Quantity> {
        let (from, to) = (low.amount as f64, high.amount as f64);
        if to - from <= to * self.question.tolerance {
            return None;
        }
        Some(between(low, high, 0.5)).filter(|middle| *middle != low && *middle != high)
    }

    fn scenario(&self, value: Quantity) -> Result<Scenario, ScenarioError> {
        let own = self.targets.iter().map(|target| words::put(target, value));
        let own: Vec<Patch> = own.collect();
        let patches: Vec<&Patch> = self.set.iter().chain(&own).collect();
        let label = format!("at {}", value.text());
        self.base.point(&patches, own.len(), &self.overrides, &label)
    }

    fn try_value(&mut self, value: Quantity) -> Result<CrossoverStep, CrossoverError> {
        let scenario = self.scenario(value)?;
        let batch = Batch {
            parts: vec![Part {
                scenario: &scenario,
                setup: canonical::setup_hash(&scenario),
                point: None,
                label: Some(format!("at {}", value.text())),
            }],
            content: self.content()?,
            seed: scenario.seed,
            keep_latency: false,
        };
        let comparison = run_batch(&batch, self.options, self.progress)?;
        let Some(comparison) = comparison.into_iter().next() else {
            unreachable!("a batch of one has one result")
        };
        let step = self.step(value, &comparison, canonical::setup_hash(&scenario))?;
        self.last = (comparison.scenario.clone(), comparison.seed, comparison.replications);
        self.violation |= comparison.has_violation();
        self.digests.push(comparison.digest);
        self.steps.push(step.clone());
        Ok(step)
    }

    /// The hash of what all values have in common, for stored runs: a search in another range, to
    /// another tolerance or for another metric goes on with them.
    fn content(&self) -> Result<String, ScenarioError> {
        let patches: Vec<&Patch> = self.set.iter().collect();
        let (scenario, _) = self.base.with(&patches, "the scenario")?;
        let text = format!("{} {}", canonical::setup_hash(&scenario), self.question.fields);
        Ok(format!("{:032x}", xxh3_128(text.as_bytes())))
    }

    fn step(
        &mut self,
        value: Quantity,
        comparison: &Comparison,
        setup: String,
    ) -> Result<CrossoverStep, CrossoverError> {
        let policy = self.metric(value, comparison, &self.sides.policy)?;
        let against = self.metric(value, comparison, &self.sides.against)?;
        self.unit = policy.unit.clone();
        let missing = |name: &str| CrossoverError::Metric {
            value: value.text(),
            policy: name.into(),
            metric: self.sides.metric.clone(),
            help: "some replications do not define it: simulate longer".into(),
        };
        let estimate = |metric: &MetricSummary, name: &str| {
            let values: Replications = metric.values.iter().copied().collect();
            values.estimate().ok_or_else(|| missing(name))
        };
        if policy.values.len() != against.values.len() {
            return Err(missing(&self.sides.policy));
        }
        let difference = PairedDifferences::of(&against.values, &policy.values).estimate();
        let difference = difference.ok_or_else(|| missing(&self.sides.policy))?;
        let clear = difference.ci95.is_none_or(|(low, high)| low > 0.0 || high < 0.0);
        Ok(CrossoverStep {
            value: value.text(),
            amount: amount(value),
            policy: estimate(policy, &self.sides.policy)?,
            against: estimate(against, &self.sides.against)?,
            larger: Larger::of(difference.mean),
            difference,
            clear,
            setup,
            notes: comparison.notes.clone(),
        })
    }

    fn metric<'c>(
        &self,
        value: Quantity,
        comparison: &'c Comparison,
        policy: &str,
    ) -> Result<&'c MetricSummary, CrossoverError> {
        let result = comparison.policy(policy);
        let metric = result.and_then(|result| result.metric(&self.sides.metric));
        metric.ok_or_else(|| {
            let metrics = result.map_or(&[][..], |result| &result.metrics);
            let names: Vec<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
            CrossoverError::Metric {
                value: value.text(),
                policy: policy.into(),
                metric: self.sides.metric.clone(),
                help: help_for_unknown(&self.sides.metric, &names),
            }
        })
    }
}

/// The value at that share of the way: by ratio for quantities, by difference for plain numbers.
fn between(low: Quantity, high: Quantity, share: f64) -> Quantity {
    let (from, to) = (low.amount as f64, high.amount as f64);
    if low.kind == Kind::Number || low.amount == 0 {
        return low.near(from + (to - from) * share, DIGITS);
    }
    low.near(from * libm::pow(to / from, share), DIGITS)
}

fn amount(quantity: Quantity) -> f64 {
    let amount = quantity.amount as f64;
    if quantity.kind == Kind::Time { amount / 1e12 } else { amount }
}

#[cfg(test)]
mod tests;
