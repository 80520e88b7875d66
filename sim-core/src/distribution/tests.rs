//! Moments and quantiles of large samples, stability of values, messages.

use super::*;
use crate::random::{RandomStreams, Stream};

fn law(json: &str) -> Distribution {
    serde_json::from_str(json).unwrap()
}

fn stream() -> Stream {
    RandomStreams::new(2010).stream("distribution tests")
}

/// A sorted sample.
fn sample(law: &Distribution, n: usize) -> Vec<u64> {
    let (sampler, mut stream) = (law.sampler().unwrap(), stream());
    let mut values: Vec<_> = (0..n).map(|_| sampler.sample(&mut stream)).collect();
    values.sort_unstable();
    values
}

fn mean(values: &[u64]) -> f64 {
    values.iter().map(|v| *v as f64).sum::<f64>() / values.len() as f64
}

#[track_caller]
fn assert_near(value: f64, expected: f64, relative: f64) {
    let error = (value - expected).abs() / expected;
    assert!(error <= relative, "{value} is not within {relative} of {expected}");
}

/// Checks quantiles, given as (probability, expected value), and the mean hint.
#[track_caller]
fn check(json: &str, quantiles: &[(f64, f64)], tolerance: f64) {
    let law = law(json);
    let values = sample(&law, 100_000);
    for (p, expected) in quantiles {
        assert_near(values[(p * 100_000.0) as usize] as f64, *expected, tolerance);
    }
    if let Some(hint) = law.mean_hint() {
        assert_near(mean(&values), hint as f64, tolerance);
    }
}

#[test]
fn constant() {
    check(r#"{"kind":"constant","value":7}"#, &[(0.0, 7.0), (0.9999, 7.0)], 0.0);
}

#[test]
fn uniform() {
    let json = r#"{"kind":"uniform","low":1000,"high":2999}"#;
    check(json, &[(0.1, 1200.0), (0.5, 2000.0), (0.9, 2800.0)], 0.01);
    let values = sample(&law(r#"{"kind":"uniform","low":3,"high":5}"#), 1_000);
    assert_eq!((values[0], values[500], values[999]), (3, 4, 5));
    let all = law(r#"{"kind":"uniform","low":0,"high":18446744073709551615}"#);
    assert_near(mean(&sample(&all, 100_000)), 9.223e18, 0.01);
}

#[test]
fn exponential() {
    let quantile = |p: f64| (p, -1e9 * (1.0 - p).ln());
    let json = r#"{"kind":"exponential","mean":1000000000}"#;
    check(json, &[quantile(0.1), quantile(0.5), quantile(0.9), quantile(0.99)], 0.03);
    // Rounded to the nearest, so that small means are not biased.
    let small = sample(&law(r#"{"kind":"exponential","mean":5}"#), 100_000);
    assert_near(mean(&small), 5.0, 0.01);
    assert_eq!(sample(&law(r#"{"kind":"exponential","mean":0}"#), 10), [0; 10]);
}

#[test]
fn log_normal() {
    let json = r#"{"kind":"log_normal","median":100000000,"sigma_milli":500}"#;
    let quantile = |p: f64, z: f64| (p, 1e8 * (0.5 * z).exp());
    let quantiles = [
        quantile(0.01, -2.3263),
        quantile(0.5, 0.0),
        quantile(0.9, 1.2816),
        quantile(0.99, 2.3263),
    ];
    check(json, &quantiles, 0.02);
    assert_near(law(json).mean_hint().unwrap() as f64, 1e8 * 0.125f64.exp(), 1e-7);
    let still = law(r#"{"kind":"log_normal","median":9,"sigma_milli":0}"#);
    assert_eq!(sample(&still, 10), [9; 10]);
}

#[test]
fn pareto() {
    let json = r#"{"kind":"pareto","scale":1000000,"shape_milli":3000}"#;
    let quantile = |p: f64| (p, 1e6 * (1.0 - p).powf(-1.0 / 3.0));
    check(json, &[quantile(0.0), quantile(0.5), quantile(0.9), quantile(0.99)], 0.03);
    assert_eq!(law(json).mean_hint(), Some(1_500_000));
    let heavy = law(r#"{"kind":"pareto","scale":1000000,"shape_milli":1}"#);
    assert_eq!(heavy.mean_hint(), None);
    assert_eq!(*sample(&heavy, 1_000).last().unwrap(), u64::MAX, "cut, not wrapped");
}

/// Chi-square of a Zipf sample over single ranks and, beyond `bins` of them, one common bin.
fn zipf_chi2(n: u64, exponent_milli: u32, bins: usize) -> f64 {
    let values = sample(&Distribution::Zipf { n, exponent_milli }, 100_000);
    assert!(values[0] >= 1 && values[values.len() - 1] <= n);
    let exponent = f64::from(exponent_milli) / 1_000.0;
    let weights: Vec<f64> = (1..=n).map(|k| (k as f64).powf(-exponent)).collect();
    let total: f64 = weights.iter().sum();
    let mut counts = vec![0.0; bins + 1];
    for value in &values {
        counts[(*value as usize - 1).min(bins)] += 1.0;
    }
    let mut expected: Vec<f64> = weights[..bins].iter().map(|w| w / total * 1e5).collect();
    expected.push(1e5 - expected.iter().sum::<f64>());
    counts.iter().zip(expected).filter(|(_, e)| *e > 1.0).map(|(c, e)| (c - e).powi(2) / e).sum()
}

#[test]
fn zipf() {
    // Beyond the first 64 ranks, where runs are drawn with rejection, and well into them.
    // Limits: chi-square at 0.01 %, 200 and 20 degrees of freedom.
    for exponent_milli in [0, 500, 990, 1_000, 1_200] {
        let chi2 = zipf_chi2(100_000, exponent_milli, 200);
        assert!(chi2 < 282.0, "exponent {exponent_milli}: {chi2}");
    }
    let chi2 = zipf_chi2(50, 1_000, 20);
    assert!(chi2 < 53.0, "{chi2}");
    assert_eq!(sample(&law(r#"{"kind":"zipf","n":1,"exponent_milli":1000}"#), 10), [1; 10]);
}

#[test]
fn zipf_over_many_ranks_has_the_right_tail() {
    // With exponent one, P(X <= k) is H(k)/H(n) with H(k) = ln k + 0.5772.
    let n = 1u64 << 40;
    let values = sample(&Distribution::Zipf { n, exponent_milli: 1_000 }, 100_000);
    let harmonic = |k: f64| k.ln() + 0.5772;
    for power in [10, 20, 30, 39] {
        let below = values.partition_point(|v| *v <= 1 << power) as f64 / 1e5;
        let expected = harmonic((1u64 << power) as f64) / harmonic(n as f64);
        assert_near(below, expected, 0.02);
    }
    // With exponent zero, all ranks are equally likely.
    let flat = sample(&Distribution::Zipf { n: ZIPF_N_MAX, exponent_milli: 0 }, 100_000);
    assert_near(mean(&flat), ZIPF_N_MAX as f64 / 2.0, 0.01);
}

#[test]
fn empirical() {
    let json = r#"{"kind":"empirical",
        "points":[[0,100],[500000,200],[500000,1000],[900000,1000],[1000000,11000]]}"#;
    // A straight piece, a gap, a lump, and a tail.
    check(json, &[(0.25, 150.0), (0.45, 190.0), (0.7, 1000.0), (0.95, 6000.0)], 0.03);
    assert_eq!(law(json).mean_hint(), Some(1_075));
    let values = sample(&law(json), 10_000);
    assert!(values.iter().all(|v| *v <= 200 || *v >= 1_000));
}

#[test]
fn mixture() {
    let json = r#"{"kind":"mixture","parts":[
        [9, {"kind":"constant","value":100}],
        [0, {"kind":"constant","value":55}],
        [1, {"kind":"uniform","low":1000,"high":3000}]]}"#;
    check(json, &[(0.5, 100.0), (0.95, 2000.0)], 0.05);
    assert_eq!(law(json).mean_hint(), Some(290));
    assert!(!sample(&law(json), 10_000).contains(&55));
}

#[test]
fn values_are_stable() {
    let laws = [
        r#"{"kind":"uniform","low":10,"high":99}"#,
        r#"{"kind":"exponential","mean":1000000000}"#,
        r#"{"kind":"log_normal","median":1000000000,"sigma_milli":750}"#,
        r#"{"kind":"pareto","scale":1000000000,"shape_milli":1500}"#,
        r#"{"kind":"zipf","n":1000000,"exponent_milli":990}"#,
        r#"{"kind":"empirical","points":[[0,0],[990000,1000],[1000000,1000000]]}"#,
        r#"{"kind":"mixture","parts":[[1,{"kind":"constant","value":1}],[1,{"kind":"exponential","mean":1000}]]}"#,
    ];
    let expected: [[u64; 4]; 7] = [
        [52, 26, 28, 79],
        [757_594_132, 1_715_201_764, 1_560_931_033, 251_894_260],
        [942_962_876, 503_218_263, 546_090_414, 1_772_511_493],
        [1_657_089_507, 3_137_630_329, 2_830_973_623, 1_182_853_224],
        [659, 48_345, 4, 1],
        [474, 182, 212, 785],
        [1, 1, 1, 1_389],
    ];
    for (json, expected) in laws.into_iter().zip(expected) {
        let (sampler, mut stream) = (law(json).sampler().unwrap(), stream());
        assert_eq!([(); 4].map(|()| sampler.sample(&mut stream)), expected, "{json}");
    }
}

#[test]
fn the_stored_form_comes_back() {
    let json = r#"{"kind":"mixture","parts":[[1,{"kind":"log_normal","median":1,"sigma_milli":2}],[3,{"kind":"empirical","points":[[0,1],[1000000,2]]}]]}"#;
    assert_eq!(serde_json::to_string(&law(json)).unwrap(), json);
}

#[test]
fn unknown_fields_are_refused() {
    for json in [
        r#"{"kind":"constant","value":1,"sigma":2}"#,
        r#"{"kind":"gamma","value":1}"#,
        r#"{"kind":"mixture","parts":[[1,{"kind":"constant","valu":1}]]}"#,
    ] {
        assert!(serde_json::from_str::<Distribution>(json).is_err(), "{json}");
    }
}

#[test]
fn messages_name_the_field() {
    for (json, message) in [
        (r#"{"kind":"uniform","low":3,"high":2}"#, "uniform: low (3) exceeds high (2)"),
        (
            r#"{"kind":"log_normal","median":1,"sigma_milli":10001}"#,
            "log_normal: sigma_milli is 10001, more than 10000",
        ),
        (r#"{"kind":"pareto","scale":0,"shape_milli":1}"#, "pareto: scale must not be zero"),
        (r#"{"kind":"pareto","scale":1,"shape_milli":0}"#, "pareto: shape_milli must not be zero"),
        (r#"{"kind":"zipf","n":0,"exponent_milli":1}"#, "zipf: n must not be zero"),
        (
            r#"{"kind":"empirical","points":[[0,1]]}"#,
            "empirical: points must begin at 0 ppm and end at 1000000 ppm",
        ),
        (r#"{"kind":"empirical","points":[]}"#, "empirical: points must begin at 0 ppm"),
        (
            r#"{"kind":"empirical","points":[[0,5],[9,4],[1000000,9]]}"#,
            "empirical: point 1 (9 ppm, 4) lies below the one before it",
        ),
        (r#"{"kind":"mixture","parts":[]}"#, "mixture: there is no part with a weight above zero"),
        (
            r#"{"kind":"mixture","parts":[[1,{"kind":"zipf","n":0,"exponent_milli":1}]]}"#,
            "mixture: part 0: zipf: n must not be zero",
        ),
    ] {
        let error = law(json).sampler().unwrap_err();
        assert!(error.to_string().starts_with(message), "{error}");
        assert_eq!(law(json).mean_hint(), None);
    }
}
