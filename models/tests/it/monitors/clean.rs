//! Legal traces, which no monitor may flag, and traces that cannot be decided.

use super::kit::*;
use models::apf;
use models::base::ids::{Gfn, GuestPage, Gva, VcpuId, VmId};
use models::base::record::{BlockReason, Event, FaultPath, Phase};
use models::monitors::{CATALOGUE, Family, InTrace, InvariantId, Verdict};

#[test]
fn legal_traces_pass() {
    let sync = [
        exit(V0),
        fault(V0, G1),
        major(V0, G1, FaultPath::Sync),
        block(V0, BlockReason::Fetch),
        unblock(V0, BlockReason::Fetch),
        map(V0, G1),
        entry(V0),
    ];
    let wake_all = [done(V0, ALL), entry(V0), exit(V0), ready(V0, ALL), unlink(V0, ALL), entry(V0)];
    for (name, events) in [
        ("nothing", vec![]),
        ("delivered", delivered()),
        ("halted", halted()),
        ("synchronous", sync.to_vec()),
        ("wake-all at enable", followed(wake_all.to_vec(), &delivered())),
        // The item is taken from its lists before page ready is queued.
        ("unlink first", swapped(delivered(), ready(V0, T1), unlink(V0, T1))),
        (
            "major fault first",
            swapped(delivered(), major(V0, G1, FaultPath::Async), link(V0, T1, G1)),
        ),
        // The same token and frame may come again once they are free.
        (
            "twice",
            followed(delivered(), &{
                let mut again = delivered();
                again.insert(0, Event::EptUnmap { page: GuestPage::new(VmId(0), G1) });
                again
            }),
        ),
        (
            "a stall may pass over completed items",
            after(
                delivered(),
                done(V0, T1),
                &[block(V0, BlockReason::Fetch), unblock(V0, BlockReason::Fetch)],
            ),
        ),
    ] {
        check(name, Family::Int, &events, LONG, &[]);
        check(name, Family::V7, &with_exceptions(&events), LONG, &[]);
    }
}

#[test]
fn legal_interleavings_pass() {
    // Own page ready is dequeued before own #PF is injected, and both arrive.
    let own_first = [
        fault(V0, G1),
        link(V0, T1, G1),
        announced(V0, T1),
        told(V0, T1),
        done(V0, T1),
        map(V0, G1),
        ready(V0, T1),
        unlink(V0, T1),
        inject(V0, T1),
        entry(V0),
    ];
    check("own ready first", Family::Int, &own_first, LONG, &[]);
    // Another token's page ready is dequeued between not present and its injection.
    let other_between = after(
        followed(delivered(), &[exit(V0), fault(V0, G2), link(V0, T2, G2), told(V0, T2)]),
        told(V0, T2),
        &[],
    );
    let other_between = followed(
        without(without(other_between, ready(V0, T1)), unlink(V0, T1)),
        &[ready(V0, T1), unlink(V0, T1), inject(V0, T2), entry(V0)],
    );
    // The item of T1 is dequeued one exit later than in the base trace, which is fine too.
    check("other ready between", Family::Int, &other_between, LONG, &[]);
    // One frame is outstanding on two vCPUs under different tokens; the first page serves both.
    let two = [
        fault(V0, G1),
        fault(V1, G1),
        link(V0, T1, G1),
        link(V1, T2, G1),
        halt(V0, G1),
        halt(V1, G1),
        done(V1, T2),
        done(V0, T1),
        unhalt(V0),
        map(V0, G1),
        unlink(V0, T1),
        entry(V0),
        unhalt(V1),
        unlink(V1, T2),
        entry(V1),
    ];
    check("one frame, two vCPUs", Family::Int, &two, LONG, &[]);
    // While the vCPU has another reason to run, a halt returns at once.
    let spin = [fault(V0, G1), again(V0, G1), halt(V0, G1), unhalt(V0), entry(V0), exit(V0)];
    let spinning = [&[link(V0, T1, G1)][..], &spin, &spin, &spin].concat();
    check("spinning halt", Family::Int, &spinning, LONG, &[]);
    // Another vCPU maps the frame before this one handles its own fault on it.
    let raced = [exit(V0), exit(V1), map(V1, G1), entry(V1), fault(V0, G1), entry(V0)];
    check("mapped by another", Family::Int, &raced, LONG, &[]);
    // The #PF of a not present is injected again, and so is an interrupt before the next one.
    let twice = after(delivered(), inject(V0, T1), &[reinject(V0, 14)]);
    check("#PF again", Family::Int, &twice, LONG, &[]);
    let twice = followed(vec![entry(V0), exit(V0), reinject(V0, 0xef)], &delivered());
    check("interrupt again", Family::Int, &twice, LONG, &[]);
    // Pages are taken away meanwhile, so the fault begins again; so does a mapping before page ready.
    let again = [fault(V0, G1), reclaim(), retry(V0, G1), entry(V0), exit(V0), fault(V0, G1)];
    let again =
        [&again[..], &[map(V0, G1), entry(V0), exit(V0), retry(V0, G2), entry(V0)]].concat();
    check("begun again", Family::Int, &again, LONG, &[]);
    let raced = [
        fault(V0, G1),
        map(V1, G1),
        Event::EptUnmap { page: GuestPage::new(VmId(0), G1) },
        entry(V0),
    ];
    check("mapped and taken away", Family::Int, &raced, LONG, &[]);
    // The page is still under way when the trace ends.
    let cut = &delivered()[..10];
    check("under way", Family::Int, cut, LONG, &[]);
    check("under way, halted", Family::Int, &halted()[..6], LONG, &[]);
    // The guest turns the mechanism off, which drops its queue before the write is traced.
    let off =
        followed(delivered()[..9].to_vec(), &[exit(V0), unlink(V0, T1), enable(V0, 0), entry(V0)]);
    check("turned off", Family::Int, &off, LONG, &[]);
    let off =
        followed(delivered()[..9].to_vec(), &[exit(V0), enable(V0, 1), unlink(V0, T1), entry(V0)]);
    check("turned off, as bit 0 alone does with a new host", Family::Int, &off, LONG, &[]);
    // The VM is taken down.
    let down = followed(
        delivered()[..9].to_vec(),
        &[Event::PhaseBegin { phase: Phase::End }, unlink(V0, T1), entry(V0)],
    );
    check("taken down", Family::Int, &down, LONG, &[]);
    // Wake-all stands in for page ready; the item's own may follow.
    let woken = swapped(
        after(delivered(), done(V0, T1), &[done(V0, ALL), ready(V0, ALL), unlink(V0, ALL)]),
        ready(V0, T1),
        map(V0, G1),
    );
    check("wake-all and page ready", Family::Int, &woken, LONG, &[]);
    check("wake-all only", Family::Int, &without(woken, ready(V0, T1)), LONG, &[]);
    // With the 2010 series both notices are exceptions, and frames may be outstanding twice.
    let series = followed(
        vec![link(V0, T1, G1), told(V0, T1), inject(V0, T1), link(V0, T2, G1)],
        &[done(V0, T1), ready(V0, T1), unlink(V0, T1), inject(V0, T1), entry(V0)],
    );
    check("series of 2010", Family::V5, &series, LONG, &[]);
}

#[test]
fn liveness_is_decided_by_the_bound() {
    let stuck = without(without(delivered(), ready(V0, T1)), unlink(V0, T1));
    check("not long ago", Family::Int, &stuck, SOON, &[]);
    check("not cleared, not long ago", Family::Int, &halted()[..15], SOON, &[]);
}

#[test]
fn a_family_is_held_to_its_own_promises() {
    let ids = |family| {
        let found = findings(&config(family), &[], SOON);
        found.iter().map(|finding| finding.id.0).collect::<Vec<_>>()
    };
    let v5 =
        [2, 3, 5, 6, 7, 9, 11, 13, 14, 15, 17, 22, 24, 26, 27, 28, 31, 32, 34, 35, 37, 38, 48, 49];
    assert_eq!(ids(Family::V5), v5);
    let merged = |family| ids(family).into_iter().filter(|id| !v5.contains(id)).collect::<Vec<_>>();
    assert_eq!(merged(Family::V7), [1, 12, 16]);
    assert_eq!(merged(Family::Int), [1, 4, 10, 12, 16, 19, 21, 33]);
    assert!(!ids(Family::Int).contains(&9), "the area has another form");
}

#[test]
fn a_log_of_a_real_kernel_says_what_it_lacks() {
    let events = [
        exit(V0),
        fault(V0, G1),
        announced(V0, T1),
        inject(V0, T1),
        entry(V0),
        Event::KvmAsyncPfReady { vcpu: V0, token: T1, gva: Gva(0) },
        entry(V0),
    ];
    let found = findings(&config(Family::Int), &events, LONG);
    let missing = |id| {
        found.iter().find(|finding| finding.id == InvariantId(id)).map(|finding| finding.verdict)
    };
    for (id, name) in [
        (1, "item_link"),
        (5, "item_link"),
        (7, "not_present_queued"),
        (13, "not_present_queued"),
        (15, "item_done"),
        (16, "apf_halt"),
        (17, "item_done"),
        (37, "ept_map"),
        (10, "shared_word_write"),
        (21, "page_ready_queued"),
        (22, "not_present_queued"),
        (24, "workqueue_queue_work"),
        (26, "apf_wait"),
        (31, "shared_word_read"),
        (33, "kvm_inj_virq"),
        (34, "apf_wait"),
        (35, "major_fault_end"),
        (38, "not_present_queued"),
    ] {
        assert_eq!(missing(id), Some(Verdict::Undecided { missing: name }), "INV-{id:02}");
    }
}

#[test]
fn vcpus_and_frames_beyond_the_machine_do_no_harm() {
    let far = VcpuId(u16::MAX);
    let gfn = Gfn(u64::MAX >> 12);
    let events = [fault(far, gfn), map(far, gfn), link(far, T1, Gfn(u64::MAX)), entry(far)];
    check("far away", Family::Int, &events, SOON, &[]);
}

#[test]
fn the_catalogue_knows_the_state_invariants() {
    let of_states: Vec<_> = apf::invariants::all().iter().map(|one| one.id).collect();
    let listed = CATALOGUE.iter().filter(|line| line.state).map(|line| line.id);
    assert_eq!(listed.collect::<Vec<_>>(), of_states);
}

#[test]
fn the_catalogue_is_sorted_and_complete() {
    assert!(CATALOGUE.is_sorted_by_key(|line| line.id));
    for line in CATALOGUE {
        assert_eq!(line.id.to_string().parse(), Ok(line.id));
        for text in [line.sentence, line.why, line.breach] {
            assert!(text.ends_with('.'), "{}: {text}", line.id);
        }
        assert!(!line.title.ends_with('.') && !line.families.is_empty());
        assert!(line.has_monitor() || matches!(line.trace, InTrace::Undecidable(_)));
    }
    assert!(CATALOGUE.iter().map(|line| line.id.0).eq(1..=51));
    assert!("INV-7".parse::<InvariantId>().is_err());
    assert!("07".parse::<InvariantId>().is_err());
}
