//! Fixed-point mathematics for sampling and service laws.
//!
//! The logarithm of a platform's maths library may differ in its last bit from another's, and
//! one bit is enough to reorder events. Everything here is integer arithmetic, and so gives the
//! same value on every machine. "Q64" means units of 2^-64.

mod normal;

pub use normal::normal_quantile_q40;

/// ln 2 in Q64.
pub const LN_2_Q64: u64 = 0xB172_17F7_D1CF_79AB;
/// log2(e) in Q64.
pub const LOG2_E_Q64: i128 = 0x1_7154_7652_B82F_E177;
/// The same without its leading one.
const LOG2_E_FRACTION_Q64: u64 = LOG2_E_Q64 as u64;

/// One as a Q63 number.
const ONE_Q63: u64 = 1 << 63;
/// Both tables cut [1, 2) in this many parts (a power of two).
const PARTS: usize = 256;
const PART_BITS: u32 = PARTS.trailing_zeros();

/// The integer square root, rounded down.
#[inline]
pub const fn isqrt_u64(n: u64) -> u64 {
    n.isqrt()
}

/// The integer square root, rounded down.
#[inline]
pub const fn isqrt_u128(n: u128) -> u128 {
    n.isqrt()
}

/// The high half of the product: for Q64 fractions, their product.
#[inline]
const fn mul_high(a: u64, b: u64) -> u64 {
    // `u128::from` is not const.
    ((a as u128 * b as u128) >> 64) as u64
}

/// `a` (Q64, of any size) times the integer `b`, rounded to the nearest integer; at most 2^64-1.
#[inline]
pub fn mul_q64(a: u128, b: u64) -> u64 {
    let whole = (a >> 64) * u128::from(b);
    let part = u128::from(a as u64) * u128::from(b);
    let rounded = whole.saturating_add((part + (1 << 63)) >> 64);
    u64::try_from(rounded).unwrap_or(u64::MAX)
}

/// log2(x) in Q64, off by less than 2^-58.
///
/// The leading bits pick a table entry, and what is left of x is close enough to one for seven
/// terms of the series of ln(1+z).
///
/// # Panics
/// When `x` is zero.
pub fn log2_q64(x: u64) -> u128 {
    let exponent = x.ilog2();
    let mantissa = x << (63 - exponent);
    let part = ((mantissa << 1) >> (64 - PART_BITS)) as usize;
    let part_start = ONE_Q63 + ((part as u64) << (63 - PART_BITS));
    // z = mantissa / part_start - 1, below 1/256, in Q64.
    let rest = mantissa - part_start;
    let z = ((rest << PART_BITS) / (PARTS as u64 + part as u64)) << 1;
    let series = z - mul_high(z, mul_high(z, ln_1p_tail(z)));
    let log2_of_rest = series + mul_high(series, LOG2_E_FRACTION_Q64);
    (u128::from(exponent) << 64) + u128::from(LOG2_OF_PART[part]) + u128::from(log2_of_rest)
}

/// 1/2 - z/3 + z^2/4 - ... up to the term of z^5, in Q64.
#[inline]
fn ln_1p_tail(z: u64) -> u64 {
    const ONE_OVER: [u64; 8] = {
        let mut table = [0; 8];
        let mut n = 2;
        while n < 8 {
            table[n] = u64::MAX / n as u64;
            n += 1;
        }
        table
    };
    let mut sum = ONE_OVER[7];
    for n in (2..7).rev() {
        sum = ONE_OVER[n] - mul_high(z, sum);
    }
    sum
}

/// -ln(u / 2^64) in Q64, off by less than 2^-57; `u` of zero counts as one.
///
/// Of a uniform `u` this is an exponential variate of mean one, at most 44.4.
#[inline]
pub fn minus_ln_q64(u: u64) -> u128 {
    scale_by_ln_2(minus_log2_q64(u))
}

/// -log2(u / 2^64) in Q64, off by less than 2^-58; `u` of zero counts as one.
#[inline]
pub fn minus_log2_q64(u: u64) -> u128 {
    (64 << 64) - log2_q64(u.max(1))
}

/// A Q64 number times ln 2.
#[inline]
pub(crate) fn scale_by_ln_2(x: u128) -> u128 {
    (x >> 64) * u128::from(LN_2_Q64) + u128::from(mul_high(x as u64, LN_2_Q64))
}

/// `scale * 2^exponent` with the exponent in Q64, rounded to the nearest integer, at most
/// 2^64-1. The relative error of the power is below 2^-56.
pub fn mul_exp2(scale: u64, exponent_q64: i128) -> u64 {
    let whole = exponent_q64 >> 64;
    let product = u128::from(scale) * u128::from(exp2_q63(exponent_q64 as u64));
    let shift = 63 - whole;
    match shift {
        ..0 if scale == 0 => 0,
        ..0 => u64::MAX,
        0 => u64::try_from(product).unwrap_or(u64::MAX),
        1..=127 => {
            let rounded = (product + (1 << (shift - 1))) >> shift;
            u64::try_from(rounded).unwrap_or(u64::MAX)
        }
        _ => 0,
    }
}

/// 2^f for a Q64 fraction `f`, in Q63: from one to just below two.
fn exp2_q63(f: u64) -> u64 {
    let part = (f >> (64 - PART_BITS)) as usize;
    // Below ln(2) / 256.
    let y = mul_high(f << PART_BITS >> PART_BITS, LN_2_Q64);
    // e^y - 1 = y (1 + y/2 (1 + y/3 (1 + ...))); sums of Q63 hold the one.
    let mut sum = ONE_Q63;
    for n in (2..=6).rev() {
        sum = ONE_Q63 + mul_high(y, sum) / n;
    }
    let table = EXP2_OF_PART[part];
    // table * (1 + y * sum), in Q63.
    let excess = mul_high(y, sum);
    table.saturating_add(mul_high(table, excess) << 1)
}

/// log2(1 + i/256) in Q64, one bit after the other by squaring.
static LOG2_OF_PART: [u64; PARTS] = {
    let mut table = [0; PARTS];
    let mut part = 0;
    while part < PARTS {
        let mut y = (ONE_Q63 as u128) + ((part as u128) << (63 - PART_BITS));
        let mut bits = 0;
        let mut left = 64;
        while left > 0 {
            y = (y * y + (1 << 62)) >> 63;
            bits <<= 1;
            if y >= 1 << 64 {
                bits |= 1;
                y >>= 1;
            }
            left -= 1;
        }
        table[part] = bits;
        part += 1;
    }
    table
};

/// 2^(i/256) in Q63, as a product of repeated square roots of two.
static EXP2_OF_PART: [u64; PARTS] = {
    // roots[k] = 2^(2^-(k+1)), in Q63.
    let mut roots = [0u128; PART_BITS as usize];
    let mut square = 1u128 << 64;
    let mut k = 0;
    while k < roots.len() {
        roots[k] = (square << 63).isqrt();
        square = roots[k];
        k += 1;
    }
    let mut table = [0; PARTS];
    let mut part = 0;
    while part < PARTS {
        let mut power = ONE_Q63 as u128;
        let mut k = 0;
        while k < roots.len() {
            if part >> (roots.len() - 1 - k) & 1 == 1 {
                power = (power * roots[k] + (1 << 62)) >> 63;
            }
            k += 1;
        }
        table[part] = power as u64;
        part += 1;
    }
    table
};

#[cfg(test)]
mod tests;
