//! Holds results against what is expected of them.

use models::trace::metrics::Unit;
use sim_core::paired_ratio;

use crate::run::results::{Comparison, FindingSummary, FindingVerdict, PolicyResult};
use crate::scenario::expect::{Claim, Expectation};

/// How one line of `expect` came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What was expected, as it is written.
    pub expected: String,
    /// What was found instead, or as expected.
    pub measured: String,
    /// Whether it is as expected.
    pub met: bool,
}

/// Judges a result. After the lines of `expect` there is one for each violation that none of them
/// speaks of, and that one has failed: a scenario that says nothing of invariants does not allow
/// them to be broken.
pub fn judge(expectations: &[Expectation], comparison: &Comparison) -> Vec<Judgement> {
    let mut judgements: Vec<Judgement> = expectations
        .iter()
        .map(|expectation| {
            let (met, measured) = of_claim(&expectation.claim, comparison);
            Judgement { expected: expectation.text.clone(), measured, met }
        })
        .collect();
    let cleanliness =
        expectations.iter().any(|line| matches!(line.claim, Claim::Clean { policy: None }));
    let spoken_of = |result: &PolicyResult, finding: &FindingSummary| {
        expectations.iter().any(|line| match &line.claim {
            Claim::Clean { policy } => policy.as_ref().is_none_or(|name| *name == result.policy),
            Claim::Breaks { invariant, weakness: false, policy } => {
                *policy == result.policy && *invariant == finding.invariant
            }
            _ => false,
        })
    };
    if !cleanliness {
        for result in &comparison.policies {
            for finding in &result.findings {
                if finding.verdict == FindingVerdict::Violation && !spoken_of(result, finding) {
                    let expected = "no unexpected violation".to_owned();
                    judgements.push(Judgement {
                        expected,
                        measured: told(result, finding),
                        met: false,
                    });
                }
            }
        }
    }
    judgements
}

fn told(result: &PolicyResult, finding: &FindingSummary) -> String {
    let FindingSummary { invariant, count, message, seed, .. } = finding;
    let policy = &result.policy;
    format!("{invariant} violated by {policy}, {count} times, first with seed {seed}: {message}")
}

fn is_violation(finding: &FindingSummary) -> bool {
    matches!(finding.verdict, FindingVerdict::Violation | FindingVerdict::KnownViolation)
}

fn of_claim(claim: &Claim, comparison: &Comparison) -> (bool, String) {
    match claim {
        Claim::Clean { policy } => {
            let concerned =
                |result: &&PolicyResult| policy.as_ref().is_none_or(|name| *name == result.policy);
            let broken: Vec<String> = comparison
                .policies
                .iter()
                .filter(concerned)
                .flat_map(|result| result.findings.iter().map(move |finding| (result, finding)))
                .filter(|(_, finding)| is_violation(finding))
                .map(|(result, finding)| told(result, finding))
                .collect();
            match broken.is_empty() {
                true => (true, "no violation".into()),
                false => (false, broken.join("; ")),
            }
        }
        Claim::Breaks { invariant, weakness, policy } => {
            breaks(comparison, invariant, *weakness, policy)
        }
        Claim::Digest(digest) => {
            (*digest == comparison.digest, format!("digest {}", comparison.digest))
        }
        Claim::Number { metric, unit, policy, against, bound } => {
            let (value, told) = match against {
                None => {
                    let value = measured(comparison, metric, policy);
                    (value, value.map(|value| with_unit(value, *unit)))
                }
                Some(against) => {
                    let value = ratio(comparison, metric, policy, against);
                    (value, value.map(|value| format!("{value:.6}")))
                }
            };
            match (value, told) {
                (Some(value), Some(told)) => (bound.holds(value), told),
                _ => (false, format!("`{metric}` is not defined in every replication")),
            }
        }
    }
}

fn breaks(
    comparison: &Comparison,
    invariant: &str,
    weakness: bool,
    policy: &str,
) -> (bool, String) {
    let Some(result) = comparison.policy(policy) else {
        return (false, format!("`{policy}` was not run"));
    };
    let wanted = |finding: &&FindingSummary| {
        let same = match weakness {
            true => finding.verdict == FindingVerdict::Weakness,
            false => is_violation(finding),
        };
        same && finding.invariant == invariant
    };
    match result.findings.iter().find(wanted) {
        Some(finding) => (true, format!("{} times", finding.count)),
        None => {
            let others: Vec<&str> =
                result.findings.iter().map(|finding| finding.invariant.as_str()).collect();
            let others = match others.as_slice() {
                [] => String::new(),
                others => format!("; found: {}", others.join(", ")),
            };
            let what = if weakness { "no such weakness" } else { "no such violation" };
            (false, format!("{what}{others}"))
        }
    }
}

/// The mean over replications, when each of them defines the metric.
fn measured(comparison: &Comparison, metric: &str, policy: &str) -> Option<f64> {
    let metric = comparison.policy(policy)?.metric(metric)?;
    (metric.values.len() == comparison.replications as usize).then_some(metric.mean)
}

/// The mean of the ratios of each replication.
fn ratio(comparison: &Comparison, metric: &str, policy: &str, against: &str) -> Option<f64> {
    let above = comparison.policy(policy)?.metric(metric)?;
    let below = comparison.policy(against)?.metric(metric)?;
    let whole = comparison.replications as usize;
    if above.values.len() != whole || below.values.len() != whole {
        return None;
    }
    Some(paired_ratio(&below.values, &above.values)?.mean)
}

/// A value for people, with as many digits as tell it from a limit nearby.
fn with_unit(value: f64, unit: Unit) -> String {
    let scaled = |scale: f64, name: &str| format!("{:.6}{name}", value * scale);
    match unit {
        Unit::Seconds if value == 0.0 => "0s".into(),
        Unit::Seconds if value.abs() < 1e-3 => scaled(1e6, "us"),
        Unit::Seconds if value.abs() < 1.0 => scaled(1e3, "ms"),
        Unit::Seconds => scaled(1.0, "s"),
        Unit::Work | Unit::Pages | Unit::Rate => format!("{value} {}", unit.name()),
        Unit::Count | Unit::Number | Unit::Share => format!("{value}"),
    }
}

#[cfg(test)]
mod tests;
