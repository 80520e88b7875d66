//! Laws of service times.

use sim_core::Distribution;

use super::MILLION;
use crate::scenario::file::{LawFile, PartFile, QuantileFile, ServiceTime};
use crate::scenario::resolve::at::At;
use crate::syntax::error::ScenarioError;
use crate::syntax::units::Span;

/// A law of service times in picoseconds.
pub(super) fn law(at: &At<'_>, file: &ServiceTime) -> Result<Distribution, ScenarioError> {
    let law = unchecked_law(at, file)?;
    law.validate().map_err(|error| {
        let help = "see `docs/scenario-format.md` for the laws and their parameters; times are \
                    given in picoseconds here";
        at.fail(error.to_string(), help)
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
pub(super) fn law_line(law: &Distribution) -> String {
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
