//! Drawing values of a distribution.

use super::empirical::QuantileTable;
use super::law::Distribution;
use super::zipf::ZipfTable;
use crate::fixed;
use crate::random::Stream;

/// A [`Distribution`] ready to be drawn from. Immutable: the stream holds all state.
#[derive(Clone, Debug)]
pub struct Sampler(Law);

#[derive(Clone, Debug)]
enum Law {
    Constant(u64),
    /// `count` of `None` stands for 2^64.
    Uniform {
        low: u64,
        count: Option<u64>,
    },
    Exponential {
        mean: u64,
    },
    /// Sigma times log2(e), in Q64.
    LogNormal {
        median: u64,
        doublings_q64: i128,
    },
    Pareto {
        scale: u64,
        shape_milli: u128,
    },
    Zipf(ZipfTable),
    Empirical(QuantileTable),
    Mixture {
        /// The sum of weights up to and including each part's.
        cumulative: Vec<u64>,
        parts: Vec<Sampler>,
    },
}

impl Sampler {
    /// Expects a valid law.
    pub(super) fn new(law: &Distribution) -> Self {
        Self(match law {
            &Distribution::Constant { value } => Law::Constant(value),
            &Distribution::Uniform { low, high } => {
                Law::Uniform { low, count: (high - low).checked_add(1) }
            }
            &Distribution::Exponential { mean } => Law::Exponential { mean },
            &Distribution::LogNormal { median, sigma_milli } => Law::LogNormal {
                median,
                doublings_q64: i128::from(sigma_milli) * fixed::LOG2_E_Q64 / 1_000,
            },
            &Distribution::Pareto { scale, shape_milli } => {
                Law::Pareto { scale, shape_milli: shape_milli.into() }
            }
            &Distribution::Zipf { n, exponent_milli } => {
                Law::Zipf(ZipfTable::new(n, exponent_milli))
            }
            Distribution::Empirical { points } => Law::Empirical(QuantileTable::new(points)),
            Distribution::Mixture { parts } => {
                let cumulative = parts
                    .iter()
                    .scan(0, |sum, (weight, _)| {
                        *sum += u64::from(*weight);
                        Some(*sum)
                    })
                    .collect();
                Law::Mixture { cumulative, parts: parts.iter().map(|p| Self::new(&p.1)).collect() }
            }
        })
    }

    /// Draws one value. How much is taken from the stream depends on the law and may vary from
    /// value to value; draws that must not shift each other take keyed streams.
    pub fn sample(&self, stream: &mut Stream) -> u64 {
        match &self.0 {
            Law::Constant(value) => *value,
            Law::Uniform { low, count: Some(count) } => low + stream.below(*count),
            Law::Uniform { count: None, .. } => stream.next_u64(),
            Law::Exponential { mean } => {
                fixed::mul_q64(fixed::minus_ln_q64(stream.unit_q64()), *mean)
            }
            Law::LogNormal { median, doublings_q64 } => {
                let z_q40 = i128::from(fixed::normal_quantile_q40(stream.unit_q64()));
                fixed::mul_exp2(*median, (z_q40 * doublings_q64) >> 40)
            }
            Law::Pareto { scale, shape_milli } => {
                // scale * u^(-1/shape); at most 2^80, so the cast keeps the value.
                let doublings = fixed::minus_log2_q64(stream.unit_q64()) * 1_000 / shape_milli;
                fixed::mul_exp2(*scale, doublings as i128)
            }
            Law::Zipf(table) => table.sample(stream),
            Law::Empirical(table) => table.sample(stream),
            Law::Mixture { cumulative, parts } => {
                let total = cumulative.last().copied().unwrap_or(1);
                let ticket = stream.below(total);
                let part = cumulative.partition_point(|sum| *sum <= ticket);
                parts[part].sample(stream)
            }
        }
    }
}
