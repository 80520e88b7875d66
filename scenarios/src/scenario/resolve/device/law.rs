//! Laws of service times.

use models::config::Law;
use sim_core::{Distribution, DistributionError, SimDuration};

use super::MILLION;
use crate::scenario::file::{
    LawFile, NumberLawFile, NumberQuantileFile, PartFile, QuantileFile, ServiceTime,
};
use crate::scenario::resolve::at::At;
use crate::syntax::error::ScenarioError;
use crate::syntax::units::Span;

/// Largest number of a law.
const MAX_NUMBER: u64 = 1_000_000_000_000;

/// A law of times of a program, in picoseconds.
pub(in crate::scenario) fn time_law(at: &At<'_>, file: &ServiceTime) -> Result<Law, ScenarioError> {
    let ServiceTime::Inline(LawFile::Zipf { unit, n, exponent_milli }) = file else {
        return Ok(Law { law: law(at, file)?, unit: 1 });
    };
    let unit = at.field("unit").some_time(unit.0)?.as_ps();
    let ranks = NumberLawFile::Zipf { n: *n, exponent_milli: *exponent_milli };
    Ok(Law { unit, ..number_law(at, &ranks)? })
}

/// A law of whole numbers of a program.
pub(in crate::scenario) fn number_law(
    at: &At<'_>,
    file: &NumberLawFile,
) -> Result<Law, ScenarioError> {
    let number = |field: &str, value: u64| at.field(field).number(value, 0..=MAX_NUMBER);
    let milli = |field: &str, value: u64| at.field(field).number(value, 0..=u32::MAX.into());
    let law = match file {
        NumberLawFile::Constant { value } => {
            Distribution::Constant { value: number("value", *value)? }
        }
        NumberLawFile::Uniform { low, high } => {
            Distribution::Uniform { low: number("low", *low)?, high: number("high", *high)? }
        }
        NumberLawFile::Exponential { mean } => {
            Distribution::Exponential { mean: number("mean", *mean)? }
        }
        NumberLawFile::LogNormal { median, sigma_milli } => Distribution::LogNormal {
            median: number("median", *median)?,
            sigma_milli: milli("sigma_milli", *sigma_milli)?,
        },
        NumberLawFile::Pareto { scale, shape_milli } => Distribution::Pareto {
            scale: number("scale", *scale)?,
            shape_milli: milli("shape_milli", *shape_milli)?,
        },
        NumberLawFile::Zipf { n, exponent_milli } => Distribution::Zipf {
            n: number("n", *n)?,
            exponent_milli: milli("exponent_milli", *exponent_milli)?,
        },
        NumberLawFile::Empirical { points } => {
            let at = at.field("points");
            let point = |(index, point): (usize, &NumberQuantileFile)| {
                let at = at.index(index);
                let ppm = at.field("ppm").number(point.ppm, 0..=MILLION)?;
                Ok((ppm, at.field("value").number(point.value, 0..=MAX_NUMBER)?))
            };
            let points = points.iter().enumerate().map(point).collect::<Result<_, _>>()?;
            Distribution::Empirical { points }
        }
    };
    let help = "see `docs/scenario-format.md` for the laws and their parameters";
    law.validate().map_err(|error| at.fail(error.to_string(), help))?;
    Ok(Law { law, unit: 1 })
}

/// What is wrong with a law of times.
fn in_times(error: &DistributionError) -> String {
    let time = SimDuration::from_ps;
    match error {
        DistributionError::EmptyRange { low, high } => {
            format!("uniform: low ({}) exceeds high ({})", time(*low), time(*high))
        }
        // Exponents and numbers of ranks are no times.
        DistributionError::TooLarge { kind, field, value, max }
            if !field.ends_with("_milli") && *field != "n" =>
        {
            format!("{kind}: {field} is {}, more than {}", time(*value), time(*max))
        }
        DistributionError::Falling { index, ppm, value } => format!(
            "empirical: point {index} ({ppm} ppm, {}) lies below the one before it",
            time(*value)
        ),
        DistributionError::Part { index, source } => {
            format!("mixture: part {index}: {}", in_times(source))
        }
        other => other.to_string(),
    }
}

/// A law of service times in picoseconds.
pub(in crate::scenario) fn law(
    at: &At<'_>,
    file: &ServiceTime,
) -> Result<Distribution, ScenarioError> {
    let law = unchecked_law(at, file)?;
    law.validate().map_err(|error| {
        let help = "see `docs/scenario-format.md` for the laws and their parameters";
        at.fail(in_times(&error), help)
    })?;
    Ok(law)
}

fn unchecked_law(at: &At<'_>, file: &ServiceTime) -> Result<Distribution, ScenarioError> {
    let time = |field: &str, span: Span| Ok(at.field(field).some_time(span.0)?.as_ps());
    let number = |field: &str, value: u64| at.field(field).number(value, 0..=u32::MAX.into());
    let file = match file {
        ServiceTime::Name(span) => {
            return Ok(Distribution::Constant { value: at.some_time(span.0)?.as_ps() });
        }
        ServiceTime::Inline(file) => file,
    };
    Ok(match file {
        LawFile::Constant { value } => Distribution::Constant { value: time("value", *value)? },
        LawFile::Uniform { low, high } => {
            Distribution::Uniform { low: time("low", *low)?, high: time("high", *high)? }
        }
        LawFile::Exponential { mean } => Distribution::Exponential { mean: time("mean", *mean)? },
        LawFile::LogNormal { median, sigma_milli } => Distribution::LogNormal {
            median: time("median", *median)?,
            sigma_milli: number("sigma_milli", *sigma_milli)?,
        },
        LawFile::Pareto { scale, shape_milli } => Distribution::Pareto {
            scale: time("scale", *scale)?,
            shape_milli: number("shape_milli", *shape_milli)?,
        },
        LawFile::Zipf { .. } => {
            let help = "`zipf` is a law of programs, and not within a mixture";
            return Err(at.fail("there is no law `zipf` here", help));
        }
        LawFile::Empirical { points } => {
            let at = at.field("points");
            let point = |(index, point): (usize, &QuantileFile)| {
                let at = at.index(index);
                let ppm = at.field("ppm").number(point.ppm, 0..=MILLION)?;
                Ok((ppm, at.field("value").some_time(point.value.0)?.as_ps()))
            };
            let points = points.iter().enumerate().map(point).collect::<Result<_, _>>()?;
            Distribution::Empirical { points }
        }
        LawFile::Mixture { parts } => {
            let at = at.field("parts");
            let part = |(index, part): (usize, &PartFile)| {
                let at = at.index(index);
                let weight = at.field("weight").number(part.weight, 0..=u32::MAX.into())?;
                Ok((weight, law(&at.field("law"), &part.law)?))
            };
            let parts = parts.iter().enumerate().map(part).collect::<Result<_, _>>()?;
            Distribution::Mixture { parts }
        }
    })
}

/// A law as it goes into the hash of a scenario.
pub(in crate::scenario) fn law_line(law: &Distribution) -> String {
    match law {
        Distribution::Constant { value } => format!("constant({value})"),
        Distribution::Uniform { low, high } => format!("uniform({low},{high})"),
        Distribution::Exponential { mean } => format!("exponential({mean})"),
        Distribution::LogNormal { median, sigma_milli } => {
            format!("log_normal({median},{sigma_milli})")
        }
        Distribution::Pareto { scale, shape_milli } => format!("pareto({scale},{shape_milli})"),
        Distribution::Zipf { n, exponent_milli } => format!("zipf({n},{exponent_milli})"),
        Distribution::Empirical { points } => {
            let points = points.iter().map(|(ppm, value)| format!("{ppm}:{value}"));
            format!("empirical({})", points.collect::<Vec<_>>().join(","))
        }
        Distribution::Mixture { parts } => {
            let parts = parts.iter().map(|(weight, part)| format!("{weight}:{}", law_line(part)));
            format!("mixture({})", parts.collect::<Vec<_>>().join(","))
        }
    }
}
