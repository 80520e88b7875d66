//! Zipf's law over up to 2^48 ranks from a table of a few hundred entries.
//!
//! The first ranks have an entry each. Beyond, an entry covers a run of ranks one sixteenth as
//! long as its start is large, as if all were as likely as its first rank; a rank drawn from it
//! is then accepted with the ratio of the two likelihoods, or everything is drawn again. So the
//! law is exact up to the rounding of fixed-point numbers, for any `n` and any exponent.

use crate::fixed;
use crate::random::Stream;

/// Ranks with a table entry of their own.
const SINGLES: u64 = 64;
/// A longer run covers this part of its start: at exponent one, 94 draws in 100 are accepted.
const RUN_DIVISOR: u64 = 16;

#[derive(Clone, Debug)]
pub(super) struct ZipfTable {
    exponent_milli: u128,
    runs: Vec<Run>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    /// The likelihood of all runs up to and including this one, as a Q64 part of the whole.
    cumulative: u64,
    start: u64,
    length: u64,
}

impl ZipfTable {
    pub(super) fn new(n: u64, exponent_milli: u32) -> Self {
        let exponent_milli = u128::from(exponent_milli);
        let mut sums = Vec::new();
        let mut runs = Vec::new();
        let (mut start, mut sum) = (1, 0u128);
        while start <= n {
            let length = (if start < SINGLES { 1 } else { start / RUN_DIVISOR }).min(n - start + 1);
            sum += u128::from(likelihood_q63(exponent_milli, 1, start)) * u128::from(length);
            sums.push(sum);
            runs.push(Run { cumulative: 0, start, length });
            start += length;
        }
        // At most 2^(48 + 63), so that scaling to Q64 takes two steps.
        let total = (sum >> 48).max(1);
        for (run, sum) in runs.iter_mut().zip(sums) {
            run.cumulative = u64::try_from((sum << 16) / total).unwrap_or(u64::MAX);
        }
        Self { exponent_milli, runs }
    }

    pub(super) fn sample(&self, stream: &mut Stream) -> u64 {
        loop {
            let u = stream.unit_q64();
            let found = self.runs.partition_point(|run| run.cumulative <= u);
            let run = self.runs[found.min(self.runs.len() - 1)];
            if run.length == 1 {
                return run.start;
            }
            let rank = run.start + stream.below(run.length);
            let accepted = likelihood_q63(self.exponent_milli, run.start, rank);
            if stream.unit_q64() >> 1 < accepted {
                return rank;
            }
        }
    }
}

/// (rank / base)^-exponent in Q63.
fn likelihood_q63(exponent_milli: u128, base: u64, rank: u64) -> u64 {
    let doublings = (fixed::log2_q64(rank) - fixed::log2_q64(base)) * exponent_milli / 1_000;
    // Below 2^6 * 20 * 2^64, so the cast keeps the value.
    fixed::mul_exp2(1 << 63, -(doublings as i128))
}
