//! Mutated traces, each of which its monitor must catch.

use super::kit::*;
use models::base::ids::{Gfn, GuestPage, Token, VmId};
use models::base::record::{BlockReason, Event, FaultPath};
use models::monitors::{Family, InvariantId, MonitorConfig, MonitorSet, Verdict};
use sim_core::{SimDuration, SimTime};

#[test]
fn mutated_traces_are_caught() {
    let cases: Vec<(&str, Vec<Event>, SimDuration, &[&str])> = vec![
        (
            "second item for a frame",
            after(delivered(), link(V0, T1, G1), &[link(V0, T2, G1)]),
            SOON,
            &["INV-01"],
        ),
        (
            "equal tokens on two vCPUs",
            after(delivered(), link(V0, T1, G1), &[link(V1, T1, G2)]),
            SOON,
            &["INV-02"],
        ),
        (
            "over the cap",
            after(
                delivered(),
                link(V0, T1, G1),
                &[link(V0, T2, G2), done(V0, ALL), link(V0, Token(0x3000), Gfn(0x33))],
            ),
            SOON,
            &["INV-05"],
        ),
        ("completed twice", after(delivered(), done(V0, T1), &[done(V0, T1)]), SOON, &["INV-06"]),
        ("freed twice", after(delivered(), unlink(V0, T1), &[unlink(V0, T1)]), SOON, &["INV-06"]),
        (
            "completed, never queued",
            followed(delivered(), &[done(V0, T2), entry(V0)]),
            SOON,
            &["INV-06"],
        ),
        (
            "completed after it was freed",
            followed(delivered(), &[done(V0, T1), entry(V0)]),
            SOON,
            &["INV-06"],
        ),
        ("freed before completion", without(delivered(), done(V0, T1)), SOON, &["INV-06"]),
        (
            "wake-all freed, never made",
            followed(delivered(), &[unlink(V0, ALL)]),
            SOON,
            &["INV-06"],
        ),
        (
            "two exceptions",
            after(delivered(), told(V0, T1), &[link(V0, T2, G2), told(V0, T2)]),
            SOON,
            &["INV-11"],
        ),
        ("not told, but ready", without(delivered(), told(V0, T1)), SOON, &["INV-12"]),
        ("told to another vCPU", followed(delivered(), &[ready(V1, T1)]), SOON, &["INV-12"]),
        ("page ready lost", without(delivered(), ready(V0, T1)), SOON, &["INV-13"]),
        (
            "page ready lost, never entered again",
            without(delivered(), ready(V0, T1))[..14].to_vec(),
            LONG,
            &["INV-13"],
        ),
        (
            "page ready twice",
            after(delivered(), ready(V0, T1), &[ready(V0, T1)]),
            SOON,
            &["INV-14"],
        ),
        (
            "stuck",
            without(without(delivered(), ready(V0, T1)), unlink(V0, T1)),
            LONG,
            &["INV-13", "INV-15"],
        ),
        ("stuck wake-all", vec![done(V0, ALL), entry(V0)], LONG, &["INV-15"]),
        (
            "halt without an item",
            vec![fault(V0, G1), halt(V0, G1), map(V0, G1), unhalt(V0), entry(V0)],
            SOON,
            &["INV-16"],
        ),
        (
            "halt for another frame",
            vec![link(V0, T1, G1), halt(V0, G2), unhalt(V0)],
            SOON,
            &["INV-16"],
        ),
        ("halt not cleared", halted()[..15].to_vec(), LONG, &["INV-16"]),
        (
            "halt outlives its item",
            vec![
                link(V0, T1, G1),
                halt(V0, G1),
                done(V0, T1),
                unlink(V0, T1),
                block(V0, BlockReason::ApfHalt),
            ],
            SOON,
            &["INV-16"],
        ),
        (
            "halted over a completed item",
            after(halted(), again(V0, G1), &[done(V0, T1), block(V0, BlockReason::ApfHalt)])[..15]
                .to_vec(),
            SOON,
            &["INV-17"],
        ),
        (
            "told while an interrupt is delivered",
            after(delivered(), told(V0, T1), &[reinject(V0, 0xef)]),
            SOON,
            &["INV-07"],
        ),
        (
            "fault that begins again for nothing",
            vec![map(V1, G2), fault(V0, G1), retry(V0, G1), entry(V0)],
            SOON,
            &["INV-37"],
        ),
        (
            "fault that begins again for a reclaim before it",
            vec![reclaim(), map(V1, G2), fault(V0, G1), retry(V0, G1), entry(V0)],
            SOON,
            &["INV-37"],
        ),
        (
            "fault for which the host forgot to begin again",
            vec![fault(V0, G1), reclaim(), entry(V0), map(V0, G2)],
            SOON,
            &["INV-37"],
        ),
        (
            "HLT over a completed item",
            after(delivered(), done(V0, T1), &[block(V0, BlockReason::Hlt)]),
            SOON,
            &["INV-17"],
        ),
        (
            "fault disappears",
            followed(delivered(), &[exit(V0), fault(V0, G2), entry(V0)]),
            SOON,
            &["INV-37"],
        ),
        (
            "page taken away before the fault",
            followed(
                delivered(),
                &[
                    Event::EptUnmap { page: GuestPage::new(VmId(0), G1) },
                    exit(V0),
                    fault(V0, G1),
                    map(V0, G2),
                    entry(V0),
                ],
            ),
            SOON,
            &["INV-37"],
        ),
        (
            "synchronous fault disappears",
            followed(delivered(), &[major(V0, G2, FaultPath::Sync), entry(V0)]),
            SOON,
            &["INV-37"],
        ),
        (
            "another vCPU's item is no end",
            followed(delivered(), &[fault(V0, G2), link(V1, T2, G2), entry(V0)]),
            SOON,
            &["INV-37"],
        ),
    ];
    for (name, events, after, expected) in cases {
        check(name, Family::Int, &events, after, expected);
    }
}

#[test]
fn the_gate_of_not_present_is_held() {
    for (cpl, interrupts_on, send_always, expected) in [
        (3, true, false, &[][..]),
        (3, true, true, &[]),
        (0, true, true, &[]),
        (0, true, false, &["INV-07"]),
        (0, false, true, &["INV-07"]),
        (3, false, false, &["INV-07"]),
    ] {
        let told = Event::NotPresentQueued { vcpu: V0, token: T1, cpl, interrupts_on, send_always };
        let events = [link(V0, T1, G1), told, inject(V0, T1), entry(V0)];
        check("gate", Family::Int, &events, SOON, expected);
    }
    // The series of 2010 looks at interrupts only where the guest asked for notices at CPL 0.
    for (cpl, expected) in [(3, &[][..]), (0, &["INV-07"])] {
        let (interrupts_on, send_always) = (false, cpl == 0);
        let told = Event::NotPresentQueued { vcpu: V0, token: T1, cpl, interrupts_on, send_always };
        let events = [link(V0, T1, G1), told, inject(V0, T1), entry(V0)];
        check("gate of 2010", Family::V5, &events, SOON, expected);
    }
}

#[test]
fn with_exceptions_for_both_a_ready_must_wait() {
    let events = [
        link(V0, T1, G1),
        told(V0, T1),
        done(V0, T1),
        ready(V0, T1),
        unlink(V0, T1),
        inject(V0, T1),
        entry(V0),
    ];
    check("two exceptions", Family::V7, &events, SOON, &["INV-11"]);
    check("an exception and an interrupt", Family::Int, &events, SOON, &[]);
}

#[test]
fn a_late_dequeue_is_a_breach_only_of_a_vcpu_that_runs() {
    let config = config(Family::Int);
    let run = |entered: bool| {
        let mut monitors = MonitorSet::new(&config);
        let mut records = timed(&[link(V0, T1, G1), done(V0, T1), entry(V0), unlink(V0, T1)]);
        records[3].time = records[3].time + LONG;
        if !entered {
            records.remove(2);
        }
        monitors.observe(&records);
        broken(&monitors.finish(SimTime::from_ps(LONG.as_ps() * 2)))
    };
    assert_eq!(run(true), ["INV-15"]);
    assert!(run(false).is_empty());
}

#[test]
fn known_violations_are_told_apart() {
    let mut config = config(Family::V7);
    config.known = vec![InvariantId(12)];
    let found = findings(&config, &without(delivered(), told(V0, T1)), SOON);
    let verdicts: Vec<_> = found
        .iter()
        .filter(|finding| finding.count > 0)
        .map(|finding| (finding.id, finding.verdict, finding.count))
        .collect();
    assert_eq!(verdicts, [(InvariantId(12), Verdict::KnownViolation, 1)]);
}

#[test]
fn corners_that_kernels_show_are_weaknesses() {
    // The item is delivered between the decision to halt and the halt.
    let late = [
        fault(V0, G1),
        link(V0, T1, G1),
        done(V0, T1),
        map(V0, G1),
        unlink(V0, T1),
        halt(V0, G1),
        block(V0, BlockReason::ApfHalt),
        unblock(V0, BlockReason::ApfHalt),
        unhalt(V0),
        entry(V0),
    ];
    let verdicts = |family, events: &[Event]| {
        let found = findings(&config(family), events, LONG);
        let broken = found.iter().filter(|finding| finding.count > 0);
        broken.map(|finding| (finding.id.0, finding.verdict, finding.count)).collect::<Vec<_>>()
    };
    assert_eq!(verdicts(Family::V7, &late), [(16, Verdict::Weakness, 1)]);
    // But not when it lasts.
    assert_eq!(verdicts(Family::V7, &late[..7]), [(16, Verdict::Violation, 1)]);
    // The worker is through before the item is linked: fine if the work is scheduled first.
    let early = [
        fault(V0, G1),
        done(V0, T1),
        link(V0, T1, G1),
        halt(V0, G1),
        map(V0, G1),
        unhalt(V0),
        unlink(V0, T1),
        entry(V0),
    ];
    assert_eq!(verdicts(Family::V7, &early), []);
    assert_eq!(verdicts(Family::Int, &early), [(6, Verdict::Violation, 1)]);
    // What counts is the order of the setup, not how page ready comes (5.8).
    let interrupts = MonitorConfig { schedules_first: true, ..config(Family::Int) };
    let found = findings(&interrupts, &early, LONG);
    assert!(found.iter().all(|finding| finding.id.0 != 6 || finding.count == 0), "{found:?}");
    // It has to be linked all the same.
    assert_eq!(
        verdicts(Family::V7, &[&early[..2], &[entry(V0)]].concat()),
        [(6, Verdict::Violation, 1)]
    );
}

#[test]
fn a_story_tells_the_life_of_the_item() {
    let mut events = delivered()[..9].to_vec();
    // So much happens on the vCPU in between that the item's beginning is out of sight.
    for _ in 0..400 {
        events.extend([exit(V0), entry(V0)]);
    }
    events.extend([done(V0, T1), exit(V0), unlink(V0, T1), entry(V0)]);
    let found = findings(&config(Family::Int), &events, SOON);
    let broken = found.iter().find(|finding| finding.id == InvariantId(13)).expect("listed");
    let story: Vec<_> = broken.first.iter().flat_map(|first| &first.story).collect();
    assert_eq!(story.first().map(|record| record.event), Some(told(V0, T1)));
    assert_eq!(story.last().map(|record| record.event), Some(entry(V0)));
    assert!(story.iter().any(|record| record.event == unlink(V0, T1)));
    assert!(story.len() < 20, "{story:#?}");
}

/// The other vCPUs were busy for so long that what was before is not kept, wherever batches were cut.
#[test]
fn a_story_does_not_depend_on_where_batches_are_cut() {
    let mut events = delivered();
    for _ in 0..400 {
        events.extend([exit(V1), entry(V1)]);
    }
    events.extend([done(V0, T2), entry(V0)]);
    // Compares one batch with batches of one record.
    let found = findings(&config(Family::Int), &events, SOON);
    let broken = found.iter().find(|finding| finding.id == InvariantId(6)).expect("listed");
    let first = broken.first.as_ref().expect("broken");
    assert!(first.story.iter().all(|record| !matches!(record.event, Event::KvmExit { .. })));
}
