//! Formulas: how a number is made of the results of setups.
//!
//! Words stand between spaces, as names of metrics and policies have signs in them:
//! `major_faults@four/sync / ( duration@four * 2 )`.

use std::collections::BTreeMap;

use models::base::page_size::PageSize;
use models::parts::mmu::walk::warm_references;
use models::trace::metrics;

use super::quantity::Quantity;
use crate::run::results::Comparison;
use crate::scenario::resolve::Scenario;
use crate::syntax::error::help_for_unknown;

/// A formula over the results of setups.
#[derive(Clone, Debug, PartialEq)]
pub struct Formula {
    text: String,
    root: Term,
}

#[derive(Clone, Debug, PartialEq)]
enum Term {
    Number(f64),
    /// Of a setup, by name, under a policy.
    Of {
        quantity: Quantity,
        setup: String,
        policy: String,
    },
    Pair(Sign, Box<(Term, Term)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Plus,
    Minus,
    Times,
    Over,
}

/// What is wrong with a formula, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FormulaError {
    pub(super) message: String,
    pub(super) help: String,
}

fn fail<T>(message: impl Into<String>, help: impl Into<String>) -> Result<T, FormulaError> {
    Err(FormulaError { message: message.into(), help: help.into() })
}

/// Words of a formula: each may be a level of its tree, which is walked by recursion.
const MOST_WORDS: usize = 256;

const SHAPE: &str =
    "METRIC@SETUP or METRIC@SETUP/POLICY, numbers, and `+ - * / ( )`, all between spaces";

/// The setups of an experiment, by name.
pub(super) type Setups<'a> = BTreeMap<&'a str, &'a Scenario>;

impl Formula {
    /// Reads a formula over these setups.
    pub(super) fn parse(text: &str, setups: &Setups<'_>) -> Result<Self, FormulaError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.len() > MOST_WORDS {
            let message = format!("the formula has {} words", words.len());
            return fail(message, format!("at most {MOST_WORDS}"));
        }
        let mut reader = Reader { words, next: 0, setups };
        let root = reader.sum()?;
        match reader.peek() {
            None => Ok(Self { text: text.into(), root }),
            Some(word) => fail(format!("`{word}` is not expected here"), SHAPE),
        }
    }

    /// The formula that is one metric of a setup under a policy.
    pub(super) fn of_metric(metric: &str, setup: &str, policy: &str) -> Self {
        let (text, quantity) =
            (format!("{metric}@{setup}/{policy}"), Quantity::Metric(metric.into()));
        let root = Term::Of { quantity, setup: setup.into(), policy: policy.into() };
        Self { text, root }
    }

    /// As it is written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its value; none where a metric is not defined, or something is divided by nothing.
    pub(super) fn value(&self, results: &BTreeMap<&str, &Comparison>) -> Option<f64> {
        self.root.value(results).filter(|value| value.is_finite())
    }

    /// Whether it asks for the distribution of latencies.
    pub(super) fn wants_latency(&self) -> bool {
        self.root.any(&Quantity::is_of_latency)
    }
}

impl Term {
    fn value(&self, results: &BTreeMap<&str, &Comparison>) -> Option<f64> {
        match self {
            Self::Number(value) => Some(*value),
            Self::Of { quantity, setup, policy } => {
                quantity.value(results.get(setup.as_str())?, policy)
            }
            Self::Pair(sign, pair) => {
                let (one, other) = (pair.0.value(results)?, pair.1.value(results)?);
                Some(match sign {
                    Sign::Plus => one + other,
                    Sign::Minus => one - other,
                    Sign::Times => one * other,
                    Sign::Over => one / other,
                })
            }
        }
    }

    fn any(&self, is: &dyn Fn(&Quantity) -> bool) -> bool {
        match self {
            Self::Number(_) => false,
            Self::Of { quantity, .. } => is(quantity),
            Self::Pair(_, pair) => pair.0.any(is) || pair.1.any(is),
        }
    }
}

struct Reader<'a> {
    words: Vec<&'a str>,
    next: usize,
    setups: &'a Setups<'a>,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.next).copied()
    }

    /// Terms with these signs between them, the first first.
    fn chain(
        &mut self,
        signs: [(&str, Sign); 2],
        part: fn(&mut Self) -> Result<Term, FormulaError>,
    ) -> Result<Term, FormulaError> {
        let mut term = part(self)?;
        while let Some((_, sign)) =
            signs.into_iter().find(|(written, _)| self.peek() == Some(*written))
        {
            self.next += 1;
            term = Term::Pair(sign, Box::new((term, part(self)?)));
        }
        Ok(term)
    }

    fn sum(&mut self) -> Result<Term, FormulaError> {
        self.chain([("+", Sign::Plus), ("-", Sign::Minus)], Self::product)
    }

    fn product(&mut self) -> Result<Term, FormulaError> {
        self.chain([("*", Sign::Times), ("/", Sign::Over)], Self::single)
    }

    fn single(&mut self) -> Result<Term, FormulaError> {
        let Some(word) = self.peek() else {
            return fail("the formula ends where a number or a metric is expected", SHAPE);
        };
        self.next += 1;
        if word == "(" {
            let inner = self.sum()?;
            if self.peek() != Some(")") {
                return fail("a parenthesis is not closed", "add ` )`");
            }
            self.next += 1;
            return Ok(inner);
        }
        if let Ok(number) = word.parse::<f64>()
            && number.is_finite()
        {
            return Ok(Term::Number(number));
        }
        if let Some(inner) = word.strip_prefix("walk[").and_then(|it| it.strip_suffix(']')) {
            return references(inner);
        }
        self.quantity(word)
    }

    fn quantity(&self, word: &str) -> Result<Term, FormulaError> {
        let Some((name, place)) = word.split_once('@') else {
            return fail(format!("`{word}` is neither a number nor a metric of a setup"), SHAPE);
        };
        let (setup, policy) = match place.split_once('/') {
            Some((setup, policy)) => (setup, Some(policy)),
            None => (place, None),
        };
        let Some(scenario) = self.setups.get(setup) else {
            let names: Vec<&str> = self.setups.keys().copied().collect();
            return fail(format!("there is no setup `{setup}`"), help_for_unknown(setup, &names));
        };
        let Some(quantity) = Quantity::of_name(name, scenario) else {
            let mut names = metrics::names();
            names.extend(Quantity::NAMES);
            let message = format!("there is no metric `{name}`");
            return fail(message, help_for_unknown(name, &names));
        };
        let policies: Vec<&str> =
            scenario.policies.iter().map(|policy| policy.name.as_str()).collect();
        let policy = match (policy, policies.as_slice()) {
            (Some(policy), known) if known.contains(&policy) => policy,
            (Some(policy), known) => {
                let message = format!("the setup `{setup}` has no policy `{policy}`");
                return fail(message, help_for_unknown(policy, known));
            }
            (None, [first, ..]) if policies.len() == 1 || quantity.is_of_all_policies() => first,
            (None, _) => {
                let message = format!("`{word}` does not say under which policy");
                return fail(message, format!("{word}/POLICY, one of: {}", policies.join(", ")));
            }
        };
        Ok(Term::Of { quantity, setup: setup.into(), policy: policy.to_owned() })
    }
}

/// `SIZE,ROW,COLUMN`: the references of a walk, by what is cached of both stages.
fn references(inner: &str) -> Result<Term, FormulaError> {
    let wrong = || FormulaError {
        message: format!("`walk[{inner}]` is no place of the table of references"),
        help: "walk[4KiB,ROW,COLUMN] with both from 0 to 5, or walk[2MiB,ROW,COLUMN], from 0 to 4"
            .into(),
    };
    let mut parts = inner.split(',');
    let size = match parts.next() {
        Some("4KiB") => PageSize::Small,
        Some("2MiB") => PageSize::Large,
        _ => return Err(wrong()),
    };
    let mut number = || parts.next()?.parse::<u32>().ok();
    let (Some(row), Some(column)) = (number(), number()) else { return Err(wrong()) };
    if parts.next().is_some() {
        return Err(wrong());
    }
    let row = warm_references(size, row).ok_or_else(wrong)?;
    let count = usize::try_from(column).ok().and_then(|column| row.get(column).copied());
    Ok(Term::Number(f64::from(count.ok_or_else(wrong)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setups(scenario: &Scenario) -> Setups<'_> {
        BTreeMap::from([("s", scenario)])
    }

    #[test]
    fn signs_bind_as_in_arithmetic() {
        let scenario = Scenario::load("smoke").expect("built in");
        let value = |text: &str| {
            Formula::parse(text, &setups(&scenario)).map(|it| it.value(&BTreeMap::new()))
        };
        assert_eq!(value("2 + 3 * 4"), Ok(Some(14.0)));
        assert_eq!(value("( 2 + 3 ) * 4"), Ok(Some(20.0)));
        assert_eq!(value("1 - 2 - 3"), Ok(Some(-4.0)));
        assert_eq!(value("12 / 3 / 2"), Ok(Some(2.0)));
        assert_eq!(value("1 / 0"), Ok(None));
        assert_eq!(value("walk[4KiB,0,0]"), Ok(Some(24.0)));
    }

    #[test]
    fn mistakes_are_named() {
        let scenario = Scenario::load("smoke").expect("built in");
        for (text, part) in [
            ("work_total@t/sync", "no setup `t`"),
            ("work_totl@s/sync", "no metric `work_totl`"),
            ("work_total@s", "under which policy"),
            ("work_total@s/syn", "no policy `syn`"),
            ("work_total", "neither a number"),
            ("( 1 + 2", "not closed"),
            ("1 +", "ends where"),
            ("1 2", "`2` is not expected"),
            ("walk[4KiB,6,0]", "no place of the table"),
        ] {
            let error = Formula::parse(text, &setups(&scenario)).expect_err(text);
            assert!(error.message.contains(part), "{text}: {}", error.message);
        }
        let nested = "( ".repeat(100_000);
        let error = Formula::parse(&nested, &setups(&scenario)).expect_err("too deep");
        assert!(error.message.contains("100000 words") && error.help.contains("256"));
    }
}
