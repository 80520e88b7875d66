//! Reads a line of `expect`.
//!
//! ```text
//! line    = "invariants clean" [ "in" POLICY ]
//!         | INVARIANT "violated by" POLICY
//!         | INVARIANT "weak in" POLICY
//!         | "digest" 32 hexadecimal digits
//!         | METRIC POLICY [ "/" POLICY ] bound
//!         | METRIC POLICY "better than" POLICY
//! bound   = ( "<" | "<=" | ">" | ">=" | "==" | "!=" ) value
//!         | "in" value ".." value
//! value   = number [ unit ]
//! ```
//!
//! Words are parted by spaces; around the signs there may be none.

use models::monitors::{CATALOGUE, InvariantId};
use models::trace::metrics::{self, Better, MetricKind, Unit};
use sim_core::SimDuration;

use super::{Bound, Claim, Expectation};
use crate::syntax::error::help_for_unknown;

/// Forms that are shown to people who wrote something else.
const FORMS: &str = "such as `work_total halt/sync >= 1.5`, `fault_latency_p99 halt < 30ms`, \
                     `request_latency_p99 pv better than sync`, \
                     `async_faults sync == 0`, `invariants clean`, `INV-13 violated by halt`, \
                     `INV-19 weak in halt` or `digest` with 32 digits";

/// What is wrong with a line, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParseError {
    pub(crate) message: String,
    pub(crate) help: String,
    /// It is of a policy that the scenario does not have.
    pub(crate) lacks_policy: bool,
}

fn fail<T>(message: impl Into<String>, help: impl Into<String>) -> Result<T, ParseError> {
    Err(ParseError { message: message.into(), help: help.into(), lacks_policy: false })
}

/// Reads a line; `policies` and named virtual machines are those of the scenario.
pub(crate) fn parse(
    text: &str,
    policies: &[&str],
    vms: &[&str],
) -> Result<Expectation, ParseError> {
    let words = words(text);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let claim = match words.as_slice() {
        [] => return fail("this expects nothing", FORMS),
        ["invariants", "clean"] => Claim::Clean { policy: None },
        ["invariants", "clean", "in", policy] => {
            Claim::Clean { policy: Some(known(policy, policies)?) }
        }
        ["invariants", ..] => {
            return fail(format!("`{text}` says nothing of invariants"), "`invariants clean`");
        }
        ["digest", digest] => Claim::Digest(digest.parse().map_err(|error| ParseError {
            message: format!("{error}"),
            help: "the last line of `apfsim compare` has it".into(),
            lacks_policy: false,
        })?),
        ["digest", ..] => return fail("this is not one digest", FORMS),
        [invariant, rest @ ..] if invariant.starts_with("INV") => {
            breaks(invariant, rest, policies)?
        }
        [metric, rest @ ..] => number(metric, rest, policies, vms)?,
    };
    Ok(Expectation { text: text.trim().into(), claim })
}

/// Parts a line at spaces and around signs.
fn words(text: &str) -> Vec<String> {
    let mut spaced = String::with_capacity(text.len() + 8);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '/' => spaced.push_str(" / "),
            '<' | '>' | '=' | '!' => {
                spaced.push(' ');
                spaced.push(c);
                while let Some(sign) = chars.next_if(|c| matches!(c, '<' | '>' | '=' | '!')) {
                    spaced.push(sign);
                }
                spaced.push(' ');
            }
            c => spaced.push(c),
        }
    }
    spaced.replace("..", " .. ").split_whitespace().map(str::to_owned).collect()
}

fn known(policy: &str, policies: &[&str]) -> Result<String, ParseError> {
    if policies.contains(&policy) {
        return Ok(policy.into());
    }
    let message = format!("`{policy}` is not among the scenario's policies");
    Err(ParseError { message, help: help_for_unknown(policy, policies), lacks_policy: true })
}

fn breaks(invariant: &str, rest: &[&str], policies: &[&str]) -> Result<Claim, ParseError> {
    let id = invariant.parse::<InvariantId>().ok();
    if !id.is_some_and(|id| CATALOGUE.iter().any(|line| line.id == id)) {
        let help = "`INV-01` and so on; `apfsim invariants` lists them";
        return fail(format!("there is no invariant `{invariant}`"), help);
    }
    let (weakness, policy) = match rest {
        ["violated", "by", policy] => (false, policy),
        ["weak", "in", policy] => (true, policy),
        _ => {
            let help = format!("`{invariant} violated by POLICY` or `{invariant} weak in POLICY`");
            return fail(format!("it is not said how `{invariant}` fares"), help);
        }
    };
    Ok(Claim::Breaks { invariant: invariant.into(), weakness, policy: known(policy, policies)? })
}

fn number(
    metric: &str,
    rest: &[&str],
    policies: &[&str],
    vms: &[&str],
) -> Result<Claim, ParseError> {
    // Whether there is a group of that name is seen by its results.
    let there_is =
        |kind: &&MetricKind| kind.by_group || metrics::find_for(metric, &[], vms).is_some();
    let found = metrics::find(metric).filter(there_is);
    let Some(&MetricKind { unit, better, .. }) = found else {
        let mut names = metrics::names();
        names.extend(["invariants", "digest"]);
        return fail(format!("there is no metric `{metric}`"), help_for_unknown(metric, &names));
    };
    let (policy, against, bound) = match rest {
        [policy, "better", "than", against] => {
            let bound: &[&str] = match better {
                Better::More => &[">", "1"],
                Better::Less => &["<", "1"],
                Better::Neither => {
                    let message = format!("neither more nor less of `{metric}` is better");
                    return fail(message, "compare with `<` or `>`");
                }
            };
            (policy, Some(known(against, policies)?), bound)
        }
        [policy, "/", against, bound @ ..] => (policy, Some(known(against, policies)?), bound),
        [policy, bound @ ..] => (policy, None, bound),
        [] => return fail(format!("`{metric}` of which policy?"), FORMS),
    };
    let policy = known(policy, policies)?;
    if against.as_ref() == Some(&policy) {
        return fail(format!("`{policy}` is compared with itself"), "name two policies");
    }
    // A ratio has no unit.
    let unit_read = against.is_none().then_some(unit);
    let read = |text: &[&str]| value(&text.concat(), unit_read);
    let bound = match bound {
        ["in", range @ ..] => {
            let Some(middle) = range.iter().position(|word| *word == "..") else {
                return fail("this range has no end", "write `in 0.95 .. 1.05`");
            };
            let (low, high) = (read(&range[..middle])?, read(&range[middle + 1..])?);
            if low > high {
                return fail("this range is empty", "the lower value comes first");
            }
            Bound::Between(low, high)
        }
        ["<", text @ ..] => Bound::Below(read(text)?),
        ["<=", text @ ..] => Bound::AtMost(read(text)?),
        [">", text @ ..] => Bound::Above(read(text)?),
        [">=", text @ ..] => Bound::AtLeast(read(text)?),
        ["==", text @ ..] => Bound::Equal(read(text)?),
        ["!=", text @ ..] => Bound::Other(read(text)?),
        [] => return fail(format!("nothing is said of `{metric}`"), FORMS),
        [sign, ..] => {
            let help = "`<`, `<=`, `>`, `>=`, `==`, `!=`, or `in LOW .. HIGH`";
            return fail(format!("`{sign}` is no comparison"), help);
        }
    };
    let metric = metric.to_owned();
    Ok(Claim::Number { metric, unit, policy, against, bound })
}

/// A number in the unit of the metric, if it has one.
fn value(text: &str, unit: Option<Unit>) -> Result<f64, ParseError> {
    let plain = || text.parse::<f64>().ok().filter(|number| number.is_finite());
    let percent = || {
        let number = text.strip_suffix('%')?.parse::<f64>().ok()?;
        number.is_finite().then_some(number / 100.0)
    };
    let (read, help) = match unit {
        Some(Unit::Seconds) => {
            let span = || text.parse::<SimDuration>().ok();
            // Zero has no unit.
            let zero = || plain().filter(|number| *number == 0.0);
            (
                span().map(|span| span.as_ps() as f64 * 1e-12).or_else(zero),
                "a time with its unit, such as `30ms`",
            )
        }
        Some(Unit::Count | Unit::Number | Unit::Share | Unit::Rate) => {
            (plain().or_else(percent), "a number such as `1000`, or a share such as `5%`")
        }
        _ => (plain(), "a number without unit, such as `1.5` or `2.3e11`"),
    };
    read.map_or_else(|| fail(format!("`{text}` is not a value here"), help), Ok)
}
