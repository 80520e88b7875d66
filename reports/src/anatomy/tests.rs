//! How faults are told.

use models::base::ids::{Gfn, TaskId, VcpuId};
use models::trace::anatomy::{FaultSeen, Lanes, Parts};

use super::*;

const V0: VcpuId = VcpuId(0);

fn at(us: u64) -> SimTime {
    SimTime::from_ps(us * 1_000_000)
}

/// A fault from 100 us on with steps at these times: even ones enter, odd ones leave the guest.
fn fault(times: &[u64]) -> Anatomy {
    let event = |&us: &u64| match us % 2 {
        0 => Event::KvmEntry { vcpu: V0 },
        _ => Event::ApfUnhalt { vcpu: V0 },
    };
    let step = |us: &u64| Step { time: at(*us), actor: Actor::Vcpu(V0), event: event(us) };
    let (begin, end) = (at(times[0]), at(times[times.len() - 1]));
    let (task, gfn, path) = (TaskId(1), Gfn(7), FaultPath::Sync);
    Anatomy {
        fault: FaultSeen { vcpu: V0, task, gfn, path, in_walk: false, begin, known: begin, end },
        lanes: Lanes::default(),
        steps: times.iter().map(step).collect(),
        chain: Lane::default(),
        parts: Parts::default(),
    }
}

/// 0 or 1, in an order in which nothing ever happens three times in a row (Thue and Morse).
fn turn(n: u64) -> u64 {
    u64::from(n.count_ones() % 2)
}

/// The axis in microseconds; breaks are marked by a minus.
fn axis(breaks: Breaks, fault: &Anatomy) -> Vec<(bool, f64, f64)> {
    let us = |ps: Offset| ps as f64 / 1e6;
    let pieces = breaks.axis(fault);
    pieces.iter().map(|piece| (piece.is_break, us(piece.from), us(piece.to))).collect()
}

#[test]
fn long_waits_are_compressed() {
    let fault = fault(&[98, 101, 104, 1100, 1103, 9000]);
    let breaks = Breaks { threshold: 10 * PS_A_US, most: 5 };
    let expect = [
        (false, -2.0, 8.0),
        (true, 8.0, 1000.0),
        (false, 1000.0, 1007.0),
        (true, 1007.0, 8900.0),
        (false, 8900.0, 8904.0),
    ];
    assert_eq!(axis(breaks, &fault), expect);
    // Nothing is a long wait.
    let breaks = Breaks { threshold: 10_000 * PS_A_US, most: 5 };
    assert_eq!(axis(breaks, &fault), [(false, -3.0, 8905.0)]);
}

#[test]
fn too_many_breaks_are_put_together() {
    let times: Vec<u64> = (0..20).map(|n| 100 + n * n * 100 + turn(n)).collect();
    let fault = fault(&times);
    let breaks = Breaks { threshold: 10 * PS_A_US, most: 4 };
    let axis = axis(breaks, &fault);
    let count = axis.iter().filter(|piece| piece.0).count();
    assert_eq!(count, 4);
    assert!(axis.windows(2).all(|pair| pair[0].2 == pair[1].1 && pair[0].0 != pair[1].0));
    assert_eq!((axis[0].1, axis[axis.len() - 1].2), (-2.0, 36_103.0));
}

#[test]
fn the_threshold_is_the_smallest_that_is_worth_while() {
    let chosen = |least| Breaks::choose(3, |_| least).threshold;
    assert_eq!(chosen(0), PS_A_US / 10);
    assert_eq!(chosen(PS_A_US), PS_A_US);
    assert_eq!(chosen(300 * PS_A_US), 500 * PS_A_US);
    assert!(chosen(Offset::MAX) > 0);
}

#[test]
fn repetitions_are_told_once() {
    let group = |row: &Row<'_>| row.group().is_some();
    // Even and odd in turn, seven times, then twice the same.
    let times: Vec<u64> = (0..14).map(|n| 100 + 11 * n).chain([300, 302]).collect();
    let fault = fault(&times);
    let rows = rows(&fault);
    let shape: Vec<bool> = rows.iter().map(group).collect();
    assert_eq!(shape, [true, true, false, true, true]);
    assert_eq!(rows[2], Row::Again { groups: 2, times: 6 });
    assert_eq!(rows[2].remark(), "the last 2 steps 6 times more");
}

#[test]
fn long_stories_lose_their_middle() {
    let times: Vec<u64> = (0..60).map(|n| 100 + n * 40 + turn(n)).collect();
    let fault = fault(&times);
    let rows = rows(&fault);
    assert!(rows.len() <= MAX_GROUPS + 1, "{}", rows.len());
    assert!(rows.iter().any(|row| row.group().is_none()));
    assert!(rows[0].group().is_some() && rows[rows.len() - 1].group().is_some());
}

#[test]
fn offsets_are_written_in_microseconds() {
    for (ps, expect) in [
        (0, "0.00"),
        (-1_060_000, "-1.06"),
        (-4_000, "0.00"),
        (22_401_254_999, "22 401.25"),
        (22_401_255_000, "22 401.26"),
    ] {
        assert_eq!(microseconds(ps), expect);
    }
}

#[test]
fn the_state_with_most_of_the_time_is_shown() {
    let fault = fault(&[100, 101]);
    let lane = Lane {
        spans: vec![(at(100), at(103), 'a'), (at(103), at(107), 'b'), (at(107), at(109), 'a')],
    };
    let shown = |from: Offset, to: Offset| dominant(&fault, &lane, from * PS_A_US, to * PS_A_US);
    assert_eq!(shown(0, 9), Some('a'));
    assert_eq!(shown(1, 7), Some('b'));
    assert_eq!(shown(8, 10), Some('a'));
    assert_eq!(shown(8, 11), None);
    assert_eq!(shown(20, 30), None);
}
