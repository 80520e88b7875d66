//! Distributions of whole numbers, described as data and sampled without floating point.
//!
//! A [`Distribution`] is what a user writes; a [`Sampler`] is the same with its tables worked
//! out. Values are `u64` without a unit: a model that wants time gives picoseconds. Shape
//! parameters are integers in thousandths, so that they are exact and hash well. Continuous laws
//! are rounded to the nearest integer and end at 2^64-1.

mod empirical;
mod law;
mod sampler;
mod zipf;

pub use law::{
    Distribution, DistributionError, PPM, SIGMA_MILLI_MAX, ZIPF_EXPONENT_MILLI_MAX, ZIPF_N_MAX,
};
pub use sampler::Sampler;

use crate::fixed;

impl Distribution {
    /// Whether the parameters make sense.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), DistributionError> {
        match self {
            Self::Constant { .. } | Self::Exponential { .. } => Ok(()),
            &Self::Uniform { low, high } if low > high => {
                Err(DistributionError::EmptyRange { low, high })
            }
            Self::Uniform { .. } => Ok(()),
            &Self::LogNormal { sigma_milli, .. } => {
                at_most("log_normal", "sigma_milli", sigma_milli.into(), SIGMA_MILLI_MAX.into())
            }
            &Self::Pareto { scale, shape_milli } => {
                not_zero("pareto", "scale", scale)?;
                not_zero("pareto", "shape_milli", shape_milli.into())
            }
            &Self::Zipf { n, exponent_milli } => {
                not_zero("zipf", "n", n)?;
                at_most("zipf", "n", n, ZIPF_N_MAX)?;
                let max = ZIPF_EXPONENT_MILLI_MAX.into();
                at_most("zipf", "exponent_milli", exponent_milli.into(), max)
            }
            Self::Empirical { points } => empirical::validate(points),
            Self::Mixture { parts } => {
                if parts.iter().all(|(weight, _)| *weight == 0) {
                    return Err(DistributionError::NoParts);
                }
                for (index, (_, part)) in parts.iter().enumerate() {
                    let wrap = |e| DistributionError::Part { index, source: Box::new(e) };
                    part.validate().map_err(wrap)?;
                }
                Ok(())
            }
        }
    }

    /// The same law with its tables worked out.
    ///
    /// # Errors
    /// As [`Self::validate`].
    pub fn sampler(&self) -> Result<Sampler, DistributionError> {
        self.validate()?;
        Ok(Sampler::new(self))
    }

    /// The mean, rounded, where there is a formula: not for Zipf, nor for a Pareto law without a
    /// mean, nor for a mixture with such a part, nor for an invalid law. At most 2^64-1.
    pub fn mean_hint(&self) -> Option<u64> {
        self.validate().ok()?;
        match self {
            &Self::Constant { value } => Some(value),
            &Self::Uniform { low, high } => Some(low + (high - low) / 2),
            &Self::Exponential { mean } => Some(mean),
            &Self::LogNormal { median, sigma_milli } => {
                // median * e^(sigma^2 / 2)
                let half_square = i128::from(sigma_milli).pow(2) * fixed::LOG2_E_Q64 / 2_000_000;
                Some(fixed::mul_exp2(median, half_square))
            }
            &Self::Pareto { scale, shape_milli } => {
                let excess = shape_milli.checked_sub(1_000).filter(|excess| *excess > 0)?;
                let mean = u128::from(scale) * u128::from(shape_milli) / u128::from(excess);
                Some(u64::try_from(mean).unwrap_or(u64::MAX))
            }
            Self::Zipf { .. } => None,
            Self::Empirical { points } => Some(empirical::mean(points)),
            Self::Mixture { parts } => {
                let (mut sum, mut weights) = (0, 0);
                for (weight, part) in parts {
                    if *weight > 0 {
                        sum += u128::from(*weight) * u128::from(part.mean_hint()?);
                        weights += u128::from(*weight);
                    }
                }
                u64::try_from((sum + weights / 2) / weights).ok()
            }
        }
    }
}

fn not_zero(kind: &'static str, field: &'static str, value: u64) -> Result<(), DistributionError> {
    if value == 0 { Err(DistributionError::Zero { kind, field }) } else { Ok(()) }
}

fn at_most(
    kind: &'static str,
    field: &'static str,
    value: u64,
    max: u64,
) -> Result<(), DistributionError> {
    if value > max {
        return Err(DistributionError::TooLarge { kind, field, value, max });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
