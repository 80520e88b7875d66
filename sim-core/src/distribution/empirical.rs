//! Quantile tables with straight lines between the points.

use super::law::{DistributionError, PPM};
use crate::random::Stream;

pub(super) fn validate(points: &[(u32, u64)]) -> Result<(), DistributionError> {
    let ends = (points.first().map(|p| p.0), points.last().map(|p| p.0));
    if ends != (Some(0), Some(PPM)) {
        return Err(DistributionError::Span);
    }
    for (index, pair) in points.windows(2).enumerate() {
        let (before, (ppm, value)) = (pair[0], pair[1]);
        if ppm < before.0 || value < before.1 {
            return Err(DistributionError::Falling { index: index + 1, ppm, value });
        }
    }
    Ok(())
}

/// The mean of a valid table: each segment's middle by its probability.
pub(super) fn mean(points: &[(u32, u64)]) -> u64 {
    let doubled: u128 = points
        .windows(2)
        .map(|pair| {
            let probability = u128::from(pair[1].0 - pair[0].0);
            probability * (u128::from(pair[0].1) + u128::from(pair[1].1))
        })
        .sum();
    // A mean of 64-bit values, so the cast keeps the value.
    ((doubled + u128::from(PPM)) / (2 * u128::from(PPM))) as u64
}

/// A valid table with probabilities scaled to 2^64.
#[derive(Clone, Debug)]
pub(super) struct QuantileTable {
    points: Vec<(u64, u64)>,
}

impl QuantileTable {
    pub(super) fn new(points: &[(u32, u64)]) -> Self {
        let scale = |ppm: u32| {
            let q64 = (u128::from(ppm) << 64) / u128::from(PPM);
            u64::try_from(q64).unwrap_or(u64::MAX)
        };
        Self { points: points.iter().map(|&(ppm, value)| (scale(ppm), value)).collect() }
    }

    pub(super) fn sample(&self, stream: &mut Stream) -> u64 {
        let u = stream.unit_q64();
        let above = self.points.partition_point(|(q, _)| *q <= u);
        // The first point is at zero; a draw of exactly 2^64-1 finds none above.
        let Some(&(q1, v1)) = self.points.get(above) else {
            return self.points[above - 1].1;
        };
        let (q0, v0) = self.points[above - 1];
        let (width, offset) = (u128::from(q1 - q0), u128::from(u - q0));
        let rise = (u128::from(v1 - v0) * offset + width / 2) / width;
        // At most v1 - v0, so the cast keeps the value.
        v0 + rise as u64
    }
}
