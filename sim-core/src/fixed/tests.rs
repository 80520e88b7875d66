//! Accuracy against slower integers and against floats, which tests may use.

use super::*;
use crate::random::RandomStreams;

const TWO_64: f64 = 18_446_744_073_709_551_616.0;

/// log2 in Q64 one bit after the other: slow, plain, good to 2^-61.
fn slow_log2_q64(x: u64) -> u128 {
    let exponent = x.ilog2();
    let mut y = u128::from(x << (63 - exponent));
    let mut bits = u128::from(exponent);
    for _ in 0..64 {
        y = (y * y + (1 << 62)) >> 63;
        bits <<= 1;
        if y >= 1 << 64 {
            bits |= 1;
            y >>= 1;
        }
    }
    bits
}

fn awkward_numbers() -> impl Iterator<Item = u64> {
    let mut stream = RandomStreams::new(0).stream("awkward numbers");
    let edges = (0..64).flat_map(|bit| [1u64 << bit, (1 << bit) + 1, u64::MAX >> bit]);
    let random = (0..20_000).map(move |i| (stream.next_u64() >> (i % 64)).max(1));
    edges.chain(random)
}

#[test]
fn log2_keeps_its_promise() {
    let worst = awkward_numbers().map(|x| log2_q64(x).abs_diff(slow_log2_q64(x))).max().unwrap();
    assert!(worst < 1 << 6, "off by {worst} units of 2^-64");
    for (power, x) in (0..64).map(|power| (power, 1u64 << power)) {
        assert_eq!(log2_q64(x), u128::from(power as u64) << 64);
    }
}

#[test]
fn log2_agrees_with_floats() {
    for x in awkward_numbers() {
        let ours = log2_q64(x) as f64 / TWO_64;
        assert!((ours - (x as f64).log2()).abs() < 1e-13, "log2({x})");
    }
}

#[test]
fn exp2_undoes_log2() {
    for x in awkward_numbers() {
        let back = mul_exp2(1 << 40, log2_q64(x) as i128 - (40 << 64));
        assert!(back.abs_diff(x) <= x >> 56, "2^log2({x}) is {back}");
    }
}

#[test]
fn exp2_agrees_with_floats() {
    for x in awkward_numbers() {
        let exponent = x as f64 / TWO_64;
        let ours = mul_exp2(1 << 62, i128::from(x)) as f64 / (1u64 << 62) as f64;
        assert!((ours - exponent.exp2()).abs() < 1e-15 * 4.0, "2^{exponent}");
        let ours = mul_exp2(1 << 63, -i128::from(x)) as f64 / (1u64 << 63) as f64;
        assert!((ours - (-exponent).exp2()).abs() < 1e-15 * 4.0, "2^-{exponent}");
    }
}

#[test]
fn powers_of_two_are_exact_and_ends_are_safe() {
    assert_eq!(mul_exp2(5, 3 << 64), 40);
    assert_eq!(mul_exp2(5, -(1 << 64)), 3, "2.5 rounds up");
    assert_eq!(mul_exp2(5, -(4 << 64)), 0);
    assert_eq!(mul_exp2(5, -(400 << 64)), 0);
    assert_eq!(mul_exp2(1, 63 << 64), 1 << 63);
    assert_eq!(mul_exp2(1, 64 << 64), u64::MAX);
    assert_eq!(mul_exp2(1, 4_000 << 64), u64::MAX);
    assert_eq!(mul_exp2(0, 4_000 << 64), 0);
    assert_eq!(mul_exp2(u64::MAX, 0), u64::MAX);
}

#[test]
fn exp2_never_falls() {
    let mut last = 0;
    for part in 0..PARTS as u64 {
        let edge = part << (64 - PART_BITS);
        for f in [edge.wrapping_sub(2), edge.wrapping_sub(1), edge, edge + 1, edge + 2] {
            if part > 0 || f < 3 {
                let power = mul_exp2(1 << 55, i128::from(f));
                assert!(power >= last, "2^({f}/2^64)");
                last = power;
            }
        }
    }
}

#[test]
fn minus_ln_agrees_with_floats() {
    assert_eq!(minus_ln_q64(0), minus_ln_q64(1));
    assert_eq!(minus_ln_q64(1) >> 64, 44);
    for u in awkward_numbers() {
        let ours = minus_ln_q64(u) as f64 / TWO_64;
        assert!((ours + (u as f64 / TWO_64).ln()).abs() < 1e-14, "-ln({u}/2^64)");
    }
}

#[test]
fn products_are_rounded_and_cut() {
    assert_eq!(mul_q64(1 << 63, 3), 2, "1.5 rounds up");
    assert_eq!(mul_q64((1 << 63) - 1, 3), 1);
    assert_eq!(mul_q64(7 << 64, 6), 42);
    assert_eq!(mul_q64(u128::MAX, u64::MAX), u64::MAX);
}

#[test]
fn square_roots_round_down() {
    for n in [0u64, 1, 2, 3, 4, 99, 100, u64::MAX] {
        let root = isqrt_u128(n.into());
        assert!(root * root <= n.into() && (root + 1) * (root + 1) > n.into());
        assert_eq!(u128::from(isqrt_u64(n)), root);
    }
}

/// The probability beyond z > 0, by Laplace's continued fraction or the series of erf.
fn normal_tail(z: f64) -> f64 {
    let density = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    if z > 3.0 {
        return density / (1..200).rev().fold(z, |rest, k| z + f64::from(k) / rest);
    }
    let (mut term, mut sum) = (z, z);
    for k in 1..100 {
        term *= z * z / f64::from(2 * k + 1);
        sum += term;
    }
    0.5 - density * sum
}

#[test]
fn normal_quantiles_are_good_to_seven_digits() {
    let check = |u: u64| {
        let z = normal_quantile_q40(u) as f64 / (1u64 << 40) as f64;
        let tail = ((u64::MAX - u) as f64 + 0.5) / TWO_64;
        // One Newton step from our value to the true one.
        let density = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let error = (normal_tail(z) - tail) / density;
        assert!(error.abs() < 4e-7 * z.max(1.0), "quantile of {u}: {z}, off by {error}");
    };
    for u in awkward_numbers().map(|x| u64::MAX - x).filter(|u| u >> 63 == 1) {
        check(u);
    }
}

#[test]
fn normal_quantiles_are_antisymmetric_and_rise() {
    assert_eq!(normal_quantile_q40(1 << 63), 0);
    for u in awkward_numbers() {
        assert_eq!(normal_quantile_q40(u), -normal_quantile_q40(!u));
    }
    let steps: Vec<i64> = (0..10_000u64).map(|i| normal_quantile_q40(i << 50)).collect();
    assert!(steps.is_sorted());
    let edge = normal_quantile_q40(u64::MAX) as f64 / (1u64 << 40) as f64;
    assert!((edge - 9.16).abs() < 0.01, "{edge}");
}
