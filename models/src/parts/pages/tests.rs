//! Every walk visits what it says, as often as it says.

use sim_core::{RandomStreams, Stream};

use super::{Cursor, Permutation, Walk};
use crate::config::PageLaw;

fn stream() -> Stream {
    RandomStreams::new(7).stream("walks")
}

/// How often each page comes up in so many accesses.
fn visits(law: &PageLaw, pages: u64, accesses: u64) -> Vec<u64> {
    let (walk, mut draws, mut cursor) =
        (Walk::new(law, pages, 99).unwrap(), stream(), Cursor::default());
    let mut visits = vec![0; pages as usize];
    for _ in 0..accesses {
        visits[walk.next(&mut draws, &mut cursor) as usize] += 1;
    }
    visits
}

#[test]
fn a_permutation_has_every_number_once() {
    for len in [1, 2, 3, 4, 5, 63, 64, 65, 1000, 4096, 5000] {
        for key in [0, 1, u64::MAX] {
            let order = Permutation::new(len, key);
            let mut seen = vec![false; len as usize];
            for place in 0..len {
                let number = order.at(place) as usize;
                assert!(!std::mem::replace(&mut seen[number], true), "{number} of {len} twice");
            }
        }
    }
    // It is not the order itself, and keys differ.
    let of = |key| (0..1000).map(|place| Permutation::new(1000, key).at(place)).collect::<Vec<_>>();
    assert_ne!(of(1), of(2));
    let fixed = (0..1000).zip(of(1)).filter(|(place, number)| place == number).count();
    assert!(fixed < 10, "{fixed} numbers in their places");
    // Neighbours are scattered: the mean distance is near a third of the length.
    let distances: u64 = of(1).windows(2).map(|pair| pair[0].abs_diff(pair[1])).sum();
    assert!((280..390).contains(&(distances / 999)), "{}", distances / 999);
}

#[test]
fn zipf_ranks_are_spread_over_the_region() {
    let law = |shuffled| PageLaw::Zipf { exponent_milli: 1000, shuffled };
    let plain = visits(&law(false), 1000, 200_000);
    // P(1) = 1 / H(1000) = 0.1336, P(2) half of it.
    assert!((0.130..0.137).contains(&(plain[0] as f64 / 2e5)), "{}", plain[0]);
    assert!((0.064..0.070).contains(&(plain[1] as f64 / 2e5)), "{}", plain[1]);
    let mut shuffled = visits(&law(true), 1000, 200_000);
    assert_ne!(plain, shuffled);
    let near = (0..10).filter(|page| shuffled[*page] > 4000).count();
    assert!(near <= 1, "the hot pages stand together");
    let mut plain = plain;
    plain.sort_unstable();
    shuffled.sort_unstable();
    assert_eq!(plain, shuffled, "the same draws, of other pages");
}

#[test]
fn a_hot_set_has_its_share_and_drifts() {
    let law = |drift| PageLaw::HotSet { hot: 100, hot_ppm: 900_000, drift, shuffled: false };
    let still = visits(&law(0), 1000, 100_000);
    let hot: u64 = still[..100].iter().sum();
    assert!((0.89..0.91).contains(&(hot as f64 / 1e5)), "{hot}");
    assert!(still[100..].iter().all(|&visits| visits < 40));
    // A page of drift every hundred accesses: after a hundred thousand the set has gone round once.
    let drifting = visits(&law(100), 1000, 100_000);
    assert!(drifting.iter().all(|&visits| (60..150).contains(&visits)), "{drifting:?}");
    let all_hot = PageLaw::HotSet { hot: 5, hot_ppm: 1, drift: 0, shuffled: true };
    assert!(visits(&all_hot, 3, 300).iter().all(|&visits| visits > 50));
}

#[test]
fn a_stride_and_a_chase_visit_every_page_in_turn() {
    for (law, pages) in [
        (PageLaw::Strided { step: 7 }, 100),
        (PageLaw::Strided { step: 10 }, 100),
        (PageLaw::Strided { step: 1 }, 100),
        (PageLaw::Strided { step: 1000 }, 1),
        (PageLaw::Chase, 100),
        (PageLaw::Chase, 1),
    ] {
        let visits = visits(&law, pages, 10 * pages);
        assert!(visits.iter().all(|&visits| visits == 10), "{law:?}: {visits:?}");
    }
    let (walk, mut draws) = (Walk::new(&PageLaw::Strided { step: 10 }, 100, 0).unwrap(), stream());
    let mut cursor = Cursor::default();
    let first: Vec<u64> = (0..12).map(|_| walk.next(&mut draws, &mut cursor)).collect();
    assert_eq!(first, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 1, 11]);
}

#[test]
fn a_working_set_moves_on() {
    let law = PageLaw::Moving { window: 10, every: 50, shuffled: false };
    let (walk, mut draws) = (Walk::new(&law, 100, 0).unwrap(), stream());
    let mut cursor = Cursor::spaced(100, 1, 2);
    for access in 0..5000 {
        let page = walk.next(&mut draws, &mut cursor);
        let begin = 50 + access / 50;
        assert!((page + 100 - begin % 100) % 100 < 10, "{access}: {page}");
    }
}
