//! Value stability, independence, and the arithmetic on top.

use super::*;

fn first(mut stream: Stream, n: usize) -> Vec<u64> {
    (0..n).map(|_| stream.next_u64()).collect()
}

#[test]
fn values_are_stable() {
    let streams = RandomStreams::new(42);
    assert_eq!(
        first(streams.stream("arrivals"), 3),
        [8_728_049_430_990_195_920, 13_186_277_380_221_126_947, 17_402_267_135_971_446_630]
    );
    assert_eq!(
        first(streams.stream(""), 2),
        [12_619_033_483_390_353_504, 4_817_023_644_286_740_872]
    );
    assert_eq!(
        first(RandomStreams::new(0).stream("arrivals"), 2),
        [11_204_607_067_540_815_571, 10_825_727_543_131_900_352]
    );
    assert_eq!(
        first(streams.keyed("service", [1, 7, 0]), 3),
        [14_240_924_453_350_652_944, 14_066_317_755_235_414_228, 16_039_575_554_317_025_204]
    );
    assert_eq!(
        first(streams.keyed("service", [u64::MAX; 3]), 2),
        [17_275_200_078_629_557_320, 6_935_999_715_616_839_020]
    );
}

#[test]
fn streams_of_different_owners_differ() {
    let streams = RandomStreams::new(1);
    let keyed = |label, key| streams.keyed(label, key).next_u64();
    let firsts = [
        streams.stream("a").next_u64(),
        streams.stream("b").next_u64(),
        RandomStreams::new(2).stream("a").next_u64(),
        keyed("a", [0, 0, 0]),
        keyed("b", [0, 0, 0]),
        keyed("a", [1, 0, 0]),
        keyed("a", [0, 1, 0]),
        keyed("a", [0, 0, 1]),
    ];
    for (i, a) in firsts.iter().enumerate() {
        assert!(!firsts[..i].contains(a), "{i}");
    }
}

#[test]
fn keyed_draws_do_not_depend_on_order() {
    let label = RandomStreams::new(7).label("service");
    let keys: Vec<_> = (0..100).map(|i| [i % 3, i, i * i]).collect();
    let forwards: Vec<_> = keys.iter().map(|key| first(label.draw(*key), 2)).collect();
    let backwards: Vec<_> = keys.iter().rev().map(|key| first(label.draw(*key), 2)).collect();
    assert!(forwards.iter().eq(backwards.iter().rev()));
}

#[test]
fn first_draws_of_neighbouring_keys_are_uniform() {
    let label = RandomStreams::new(3).label("service");
    let mut counts = [0u32; 16];
    for gfn in 0..16_000 {
        counts[(label.draw([0, gfn, 0]).next_u64() >> 60) as usize] += 1;
    }
    // Chi-square with 15 degrees of freedom: 37.7 at 0.1 %.
    let chi2: f64 = counts.iter().map(|c| (f64::from(*c) - 1000.0).powi(2) / 1000.0).sum();
    assert!(chi2 < 37.7, "{chi2}");
}

#[test]
fn below_is_uniform_and_within_bounds() {
    let mut stream = RandomStreams::new(5).stream("below");
    for n in [1, 2, 3, 1 << 32, (1 << 63) + 1, u64::MAX] {
        for _ in 0..100 {
            assert!(stream.below(n) < n);
        }
    }
    let mut counts = [0u32; 7];
    for _ in 0..70_000 {
        counts[stream.below(7) as usize] += 1;
    }
    let chi2: f64 = counts.iter().map(|c| (f64::from(*c) - 10_000.0).powi(2) / 10_000.0).sum();
    assert!(chi2 < 22.5, "{chi2}"); // 6 degrees of freedom, 0.1 %
    // Two thirds of 2^64: without rejection, even results would come twice as often.
    let n = u64::MAX / 3 * 2;
    let even = (0..10_000).filter(|_| stream.below(n).is_multiple_of(2)).count();
    assert!((4_800..5_200).contains(&even), "{even}");
}

#[test]
fn blocks_give_what_single_draws_give() {
    // Of numbers below the last bound, a third of all words is rejected.
    for n in [1, 7, 1 << 40, u64::MAX / 3 * 2] {
        let mut single = RandomStreams::new(5).stream("below");
        let mut blocks = single.clone();
        let mut out = Vec::new();
        for count in [1, 64, 3, 100] {
            blocks.extend_below(n, count, &mut out);
        }
        assert_eq!(out, (0..168).map(|_| single.below(n)).collect::<Vec<_>>(), "{n}");
        assert_eq!(blocks, single);
    }
}

#[test]
fn chance_is_a_ratio() {
    let mut stream = RandomStreams::new(5).stream("chance");
    assert!((0..100).all(|_| stream.chance(1, 1) && !stream.chance(0, 1)));
    let hits = (0..10_000).filter(|_| stream.chance(1, 4)).count();
    assert!((2_350..2_650).contains(&hits), "{hits}");
}

#[test]
fn a_stored_stream_goes_on_where_it_was() {
    for mut stream in
        [RandomStreams::new(5).stream("s"), RandomStreams::new(5).keyed("s", [1, 2, 3])]
    {
        for _ in 0..37 {
            stream.next_u64();
        }
        let text = serde_json::to_string(&stream).unwrap();
        let restored: Stream = serde_json::from_str(&text).unwrap();
        assert_eq!(restored, stream);
        assert_eq!(first(restored, 40), first(stream, 40));
    }
}

#[test]
#[should_panic(expected = "no number is below zero")]
fn below_zero_is_refused() {
    RandomStreams::new(0).stream("x").below(0);
}
