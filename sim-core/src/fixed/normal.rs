//! The quantile of the normal distribution in fixed point.
//!
//! Algorithm AS 241, PPND7 (M. J. Wichura, "The percentage points of the normal distribution",
//! Applied Statistics 37, 1988): three rational approximations, relative error about 10^-7.

use super::{isqrt_u128, log2_q64, scale_by_ln_2};

/// Units of 2^-40: fine against the approximation's own error, and products stay within 128 bits.
const Q: u32 = 40;

/// A decimal constant of the paper, given in units of 10^-10, in Q40.
const fn c(e10: i128) -> i128 {
    ((e10 << Q) + 5_000_000_000) / 10_000_000_000
}

const SPLIT: i128 = c(4_250_000_000);
const CENTRE_NUMERATOR: [i128; 4] =
    [c(33_871_327_179), c(504_342_719_380), c(1_592_911_320_200), c(591_093_743_720)];
const CENTRE_DENOMINATOR: [i128; 4] =
    [c(10_000_000_000), c(178_951_694_690), c(787_577_576_640), c(671_875_636_000)];
const NEAR_NUMERATOR: [i128; 4] =
    [c(14_234_372_777), c(27_568_153_900), c(13_067_284_816), c(1_702_382_110)];
const NEAR_DENOMINATOR: [i128; 3] = [c(10_000_000_000), c(7_370_016_425), c(1_202_113_298)];
const FAR_NUMERATOR: [i128; 4] =
    [c(66_579_051_150), c(30_812_263_860), c(4_286_829_434), c(173_372_040)];
const FAR_DENOMINATOR: [i128; 3] = [c(10_000_000_000), c(2_419_789_423), c(122_582_026)];

/// The standard normal quantile of `(u + 1/2) / 2^64`, in units of 2^-40; within +-9.2.
///
/// Of a uniform `u` this is a standard normal variate. Exactly antisymmetric: the values of `u`
/// and of `u` with all bits flipped differ in sign alone.
pub fn normal_quantile_q40(u: u64) -> i64 {
    let above = u >> 63 == 1;
    // Distance from the median in units of 2^-64, a half left out.
    let h = if above { u - (1 << 63) } else { (1 << 63) - 1 - u };
    let q = i128::from(h >> (64 - Q));
    let magnitude = if q <= SPLIT {
        let r = c(1_806_250_000) - ((q * q) >> Q);
        (q * ratio(&CENTRE_NUMERATOR, &CENTRE_DENOMINATOR, r)) >> Q
    } else {
        // The tail's probability is t / 2^65.
        let t = u64::MAX - 2 * h;
        let minus_ln = scale_by_ln_2((65 << 64) - log2_q64(t));
        // sqrt(x / 2^64) in Q40 is sqrt(x * 2^16).
        let r = isqrt_u128(minus_ln << (2 * Q - 64)) as i128;
        if r <= c(50_000_000_000) {
            ratio(&NEAR_NUMERATOR, &NEAR_DENOMINATOR, r - c(16_000_000_000))
        } else {
            ratio(&FAR_NUMERATOR, &FAR_DENOMINATOR, r - c(50_000_000_000))
        }
    };
    // Below 10 * 2^40 by the ranges above.
    let magnitude = magnitude as i64;
    if above { magnitude } else { -magnitude }
}

fn ratio(numerator: &[i128], denominator: &[i128], r: i128) -> i128 {
    (polynomial(numerator, r) << Q) / polynomial(denominator, r)
}

/// Coefficients from the constant term up.
fn polynomial(coefficients: &[i128], r: i128) -> i128 {
    coefficients.iter().rev().fold(0, |sum, c| ((sum * r) >> Q) + c)
}
