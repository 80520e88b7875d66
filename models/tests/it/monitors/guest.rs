//! Complete traces, with the records of the guest, and mutations of them that the monitors of the
//! shared area, the interrupt, the sleepers, the workers and the accesses must catch.

use super::kit::*;
use models::base::abi::{MSR_ASYNC_PF_ACK as MSR_ACK, MSR_ASYNC_PF_INT as MSR_INT};
use models::base::ids::{GuestPage, ItemId, TaskId, Token, VcpuId, VmId, WorkerId};
use models::base::record::{
    ApfReason, BlockReason, DisturbanceName, DummyAction, Event, ExitReason, FaultPath,
};
use models::monitors::{Family, InvariantId, Losses, MonitorConfig, MonitorSet, Verdict};
use sim_core::SimDuration;

const TASK: TaskId = TaskId(7);
const OTHER: TaskId = TaskId(8);
const ITEM: ItemId = ItemId(3);
const WORKER: WorkerId = WorkerId(1);
const ON: u64 = 0x1000 | 0b1001;
const OFF: u64 = 0;

fn written(old: ApfReason, reason: ApfReason) -> Event {
    Event::SharedWordWrite { vcpu: V0, old, reason }
}
fn wrote(reason: ApfReason) -> Event {
    written(ApfReason::None, reason)
}
fn read(reason: ApfReason) -> Event {
    Event::SharedWordRead { vcpu: V0, reason }
}
fn waits(task: TaskId, token: Token) -> Event {
    Event::ApfWait { vcpu: V0, task, token }
}
fn wakes(task: TaskId, token: Token) -> Event {
    Event::ApfWake { vcpu: V0, task, token }
}
fn dummy(token: Token, action: DummyAction) -> Event {
    Event::ApfDummy { vcpu: V0, token, action }
}
fn virq(vector: u8) -> Event {
    Event::KvmInjVirq { vcpu: V0, vector }
}
fn ack() -> Event {
    Event::KvmMsrWrite { vcpu: V0, ecx: MSR_ACK, data: 1 }
}
fn vector(data: u64) -> Event {
    Event::KvmMsrWrite { vcpu: V0, ecx: MSR_INT, data }
}
fn queued(item: ItemId) -> Event {
    Event::WorkqueueQueueWork { item }
}
fn started(item: ItemId) -> Event {
    Event::WorkqueueExecuteStart { worker: WORKER, item }
}
fn ended(item: ItemId) -> Event {
    Event::WorkqueueExecuteEnd { worker: WORKER, item }
}
fn retired() -> Event {
    Event::MajorFaultEnd { vcpu: V0, task: TASK, gfn: G1 }
}
fn began() -> Event {
    Event::MajorFaultBegin { vcpu: V0, task: TASK, gfn: G1, path: FaultPath::Async }
}
fn ran(span: SimDuration) -> Event {
    Event::TaskRun { vcpu: V0, task: TASK, span }
}

/// How the guest turns notices on, and takes the wake-all.
fn enabling(family: Family) -> Vec<Event> {
    let wake_all = [enable(V0, ON), done(V0, ALL), exit(V0), wrote(ApfReason::Ready)];
    match family {
        Family::Int => [
            &[vector(0xf3)][..],
            &wake_all,
            &[ready(V0, ALL), unlink(V0, ALL), entry(V0), virq(0xf3)],
            &[read(ApfReason::Ready), exit(V0), ack(), entry(V0)],
        ]
        .concat(),
        Family::V5 | Family::V7 => [
            &wake_all[..],
            &[ready(V0, ALL), unlink(V0, ALL), inject(V0, ALL), entry(V0)],
            &[read(ApfReason::Ready)],
        ]
        .concat(),
    }
}

/// One fault from not present to the access that goes through.
fn fault_told() -> Vec<Event> {
    vec![
        exit(V0),
        fault(V0, G1),
        link(V0, T1, G1),
        queued(ITEM),
        announced(V0, T1),
        wrote(ApfReason::NotPresent),
        told(V0, T1),
        began(),
        inject(V0, T1),
        entry(V0),
        read(ApfReason::NotPresent),
        waits(TASK, T1),
        started(ITEM),
        done(V0, T1),
        ended(ITEM),
        exit(V0),
        map(V0, G1),
        wrote(ApfReason::Ready),
        ready(V0, T1),
        unlink(V0, T1),
    ]
}

/// The whole life of a guest with one fault.
fn life(family: Family) -> Vec<Event> {
    let wake = match family {
        Family::Int => vec![entry(V0), virq(0xf3), read(ApfReason::Ready)],
        Family::V5 | Family::V7 => vec![inject(V0, T1), entry(V0), read(ApfReason::Ready)],
    };
    let woken = [wakes(TASK, T1), retired(), exit(V0)];
    let acknowledged = if family == Family::Int { vec![ack()] } else { Vec::new() };
    let rest = [entry(V0), exit(V0), entry(V0), exit(V0), entry(V0)];
    [&enabling(family)[..], &fault_told(), &wake, &woken, &acknowledged, &rest].concat()
}

/// Swaps the first occurrence of an event for others.
#[track_caller]
fn instead(mut events: Vec<Event>, event: Event, others: &[Event]) -> Vec<Event> {
    let place = events.iter().rposition(|&other| other == event).expect("in the trace");
    events.splice(place..=place, others.iter().copied());
    events
}

#[test]
fn complete_traces_are_clean_and_decided() {
    for family in [Family::V5, Family::V7, Family::Int] {
        for after in [SOON, LONG] {
            for finding in findings(&config(family), &life(family), after) {
                assert_eq!(finding.verdict, Verdict::Clean, "{family:?} {finding:#?}");
            }
        }
        // Turned off, the tasks woken by hand, and on again.
        let off = [exit(V0), enable(V0, OFF), entry(V0)];
        let again = followed(followed(life(family), &off), &life(family));
        let again =
            after(again, enable(V0, OFF), &[Event::EptUnmap { page: GuestPage::new(VmId(0), G1) }]);
        check("again", family, &again, LONG, &[]);
    }
}

/// Every mutation for all families; the expectations for exceptions and for the interrupt.
#[test]
fn mutations_of_the_area_are_caught() {
    use ApfReason::{None, NotPresent, Ready};
    for (name, mutate, by_exception, by_interrupt) in [
        (
            "word not free",
            (|all| instead(all, wrote(NotPresent), &[written(Ready, NotPresent)])) as Mutation,
            &["INV-09"][..],
            &["INV-10"][..],
        ),
        (
            "written twice",
            |all| instead(all, wrote(NotPresent), &[wrote(NotPresent); 2]),
            &["INV-09"],
            &["INV-10"],
        ),
        (
            "page ready twice over",
            |all| instead(all, wrote(Ready), &[wrote(Ready); 2]),
            &["INV-09"],
            &["INV-10"],
        ),
        (
            "withdrawn",
            |all| instead(all, wrote(Ready), &[written(NotPresent, None), wrote(Ready)]),
            &[],
            &[],
        ),
        (
            "read by a fault of the guest's own",
            |all| after(all, read(NotPresent), &[read(NotPresent)]),
            &["INV-31"],
            &["INV-31"],
        ),
        (
            "written after notices are off",
            |all| followed(all, &[enable(V0, OFF), wrote(Ready)]),
            &["INV-22"],
            &["INV-22"],
        ),
        (
            "told after notices are off",
            |all| followed(all, &[enable(V0, OFF), ready(V0, ALL)]),
            &["INV-22"],
            &["INV-22"],
        ),
        (
            "told before the wake-all",
            |all| followed(all, &[exit(V0), enable(V0, ON), told(V0, T2)]),
            &["INV-38"],
            &["INV-38"],
        ),
        (
            "told after the wake-all",
            |all| followed(all, &[exit(V0), enable(V0, ON), done(V0, ALL), told(V0, T2)]),
            &[],
            &[],
        ),
    ] {
        for family in [Family::V5, Family::V7, Family::Int] {
            let expected = if family == Family::Int { by_interrupt } else { by_exception };
            check(name, family, &mutate(life(family)), SOON, expected);
        }
    }
}

type Mutation = fn(Vec<Event>) -> Vec<Event>;

#[test]
fn a_word_that_is_never_read_is_seen_at_the_next_exception() {
    // Page ready is an exception too: the word of not present was never looked at.
    let events = instead(life(Family::V7), read(ApfReason::NotPresent), &[]);
    check("never read", Family::V7, &events, SOON, &["INV-09", "INV-31"]);
}

#[test]
fn mutations_of_the_interrupt_are_caught() {
    let all = || life(Family::Int);
    let unread = instead(all(), read(ApfReason::Ready), &[]);
    // The acknowledgement of a token that nobody looked at.
    check("not read", Family::Int, &unread, SOON, &["INV-33"]);
    let never = without(all(), ack());
    check("never acknowledged", Family::Int, &never, SOON, &["INV-33"]);
    let cut = instead(all(), ack(), &[]);
    check("the last is not acknowledged", Family::Int, &cut, LONG, &["INV-33"]);
    check("or not yet", Family::Int, &cut, SOON, &[]);
    check("twice", Family::Int, &after(all(), ack(), &[ack()]), SOON, &["INV-33"]);
    let begun = followed(vec![ack()], &all());
    check("a trace may begin before an acknowledgement", Family::Int, &begun, SOON, &[]);

    let lost =
        instead(instead(instead(all(), virq(0xf3), &[]), read(ApfReason::Ready), &[]), ack(), &[]);
    check("lost", Family::Int, &lost, LONG, &["INV-21"]);
    check("on its way", Family::Int, &lost, SOON, &[]);
    let none = without(all(), vector(0xf3));
    check("no vector", Family::Int, &none, SOON, &["INV-21"]);
    let low = instead(all(), vector(0xf3), &[vector(3)]);
    check("a vector that no local APIC takes", Family::Int, &low, SOON, &["INV-21"]);
}

#[test]
fn tokens_with_a_meaning_are_caught() {
    let named = |token| [link(V0, token, G2)];
    check("all ones", Family::V7, &named(ALL), SOON, &["INV-03"]);
    check("zero", Family::Int, &named(Token(0)), SOON, &["INV-04"]);
    check("zero is fine in CR2", Family::V7, &named(Token(0)), SOON, &[]);
    // A log of a real kernel has no links.
    let logged = [announced(V0, ALL), announced(V0, Token(0))];
    check("announced", Family::Int, &logged, SOON, &["INV-03", "INV-04"]);
}

#[test]
fn mutations_of_the_table_are_caught() {
    use DummyAction::{Added, Consumed, Dropped};
    for family in [Family::V7, Family::Int] {
        let all = || life(family);
        let twice = after(all(), waits(TASK, T1), &[waits(OTHER, T1)]);
        // The first sleeper's entry is gone, so that its wake is wrong too.
        check("two sleepers", family, &twice, SOON, &["INV-26"]);
        let blind = instead(all(), wakes(TASK, T1), &[dummy(T1, Added)]);
        check("a dummy beside the sleeper", family, &blind, SOON, &["INV-26"]);
        let again = after(all(), wakes(TASK, T1), &[wakes(TASK, T1)]);
        check("woken twice", family, &again, SOON, &["INV-27"]);
        let wrong = instead(all(), wakes(TASK, T1), &[wakes(OTHER, T1)]);
        check("woken instead of another", family, &wrong, SOON, &["INV-27"]);
        let freed = after(all(), waits(TASK, T1), &[dummy(T1, Consumed)]);
        check("sleeper freed", family, &freed, SOON, &["INV-27"]);
        let awake = after(all(), done(V0, T1), &[ran(SimDuration::from_ns(100))]);
        check("goes on linked", family, &awake, SOON, &["INV-27"]);
        let before = after(all(), waits(TASK, T1), &[ran(SimDuration::from_us(5))]);
        check("ran before it slept", family, &before, SOON, &[]);
        let cr2 = instead(all(), waits(TASK, T1), &[waits(TASK, T2)]);
        let expected: &[&str] = &["INV-27", "INV-32"];
        check("another token", family, &cr2, SOON, expected);

        let first = [dummy(T2, Added), dummy(T2, Consumed)];
        check("wake before wait", family, &followed(all(), &first), LONG, &[]);
        let dropped = [dummy(T2, Added), dummy(T2, Dropped)];
        check("dropped", family, &followed(all(), &dropped), LONG, &[]);
        let unknown = [dummy(T2, Dropped)];
        check("no such dummy", family, &followed(all(), &unknown), SOON, &["INV-27"]);
        let left = followed(all(), &[dummy(T2, Added)]);
        check("immortal", family, &left, LONG, &["INV-28"]);
        check("young", family, &left, SOON, &[]);

        let gone = instead(all(), wakes(TASK, T1), &[]);
        let gone = followed(gone, &[exit(V0), enable(V0, OFF), entry(V0)]);
        check("left behind", family, &gone, LONG, &["INV-34"]);
        check("not woken yet", family, &gone, SOON, &[]);
    }
    let immortal = followed(life(Family::V7), &[dummy(T2, Added)]);
    let found = findings(&config(Family::V7), &immortal, LONG);
    let of = |id| found.iter().find(|finding| finding.id == InvariantId(id)).map(|f| f.verdict);
    assert_eq!(of(28), Some(Verdict::Weakness));
}

fn other_ran() -> Event {
    Event::TaskRun { vcpu: V0, task: OTHER, span: SimDuration::from_us(1) }
}

/// A guest whose page ready was told, and whose task sleeps on.
fn missed(family: Family) -> Vec<Event> {
    instead(life(family), wakes(TASK, T1), &[])
}

fn in_hlt(events: Vec<Event>) -> Vec<Event> {
    followed(events, &[block(V0, BlockReason::Hlt)])
}

#[test]
fn a_page_ready_that_does_not_reach_its_task_is_caught() {
    for family in [Family::V5, Family::V7, Family::Int] {
        let asleep = in_hlt(missed(family));
        check("lost in HLT", family, &asleep, LONG, &["INV-13"]);
        check("on its way", family, &asleep, SOON, &[]);
        // Neither in HLT nor in user mode: somebody else may have the processor.
        check("starved", family, &missed(family), LONG, &[]);
        let woken = followed(asleep.clone(), &[unblock(V0, BlockReason::Hlt)]);
        check("woken, and starved", family, &woken, LONG, &[]);
        // The guest is in user mode when the bound is over.
        let goes_on = [entry(V0), exit(V0)].repeat(20);
        let runs = followed(followed(missed(family), &goes_on), &[other_ran()]);
        let short = MonitorConfig { liveness_bound: SimDuration::from_us(20), ..config(family) };
        assert_eq!(broken(&findings(&short, &runs, SOON)), ["INV-13"], "{family:?}");
        // Or it executes HLT over and over, and does not sleep.
        let hlt = Event::KvmExit { vcpu: V0, reason: ExitReason::Hlt };
        let spins = followed(followed(missed(family), &goes_on), &[hlt, entry(V0)]);
        assert_eq!(broken(&findings(&short, &spins, SOON)), ["INV-13"], "{family:?}");
        let kernel = followed(followed(missed(family), &[other_ran()]), &goes_on);
        assert!(broken(&findings(&short, &kernel, SOON)).is_empty(), "{family:?}");

        let found = findings(&config(family), &asleep, LONG);
        let lost = found.iter().find(|finding| finding.id == InvariantId(13)).unwrap();
        assert_eq!((lost.verdict, lost.count), (Verdict::Violation, 1));
        let mut monitors = MonitorSet::new(&config(family));
        let records = timed(&asleep);
        monitors.observe(&records);
        let end = records.last().unwrap().time;
        assert_eq!(monitors.sleep_for_good(end + LONG), 1);
        assert_eq!(monitors.sleep_for_good(end + SOON), 0);
        assert!(monitors.anything_waits(end + SOON, SimDuration::ZERO));
        assert!(!monitors.anything_waits(end + LONG, SimDuration::ZERO));
    }
    // Nothing reaches a local APIC that is off.
    let off = Event::Disturbed { vcpu: V0, kind: DisturbanceName::LapicOff };
    let off = in_hlt(followed(missed(Family::Int), &[off]));
    check("local APIC off", Family::Int, &off, LONG, &[]);
    // The task has linked itself after page ready was told, and before that is taken.
    let late =
        after(without(missed(Family::V7), waits(TASK, T1)), unlink(V0, T1), &[waits(TASK, T1)]);
    check("told before the wait", Family::V7, &in_hlt(late), LONG, &["INV-13"]);
}

#[test]
fn what_a_generation_is_known_to_lose_is_told_apart() {
    let told = |family, loses, events: &[Event]| {
        let config = MonitorConfig { loses, ..config(family) };
        let found = findings(&config, events, LONG);
        found.iter().find(|finding| finding.id == InvariantId(13)).unwrap().verdict
    };
    let (in_hlt_only, zero_only) = (
        Losses { in_hlt: true, ..Losses::default() },
        Losses { of_token_zero: true, ..Losses::default() },
    );
    // The exception is queued, and the vCPU is in HLT before its next entry.
    let all = missed(Family::V7);
    let place = all.iter().rposition(|&event| event == inject(V0, T1)).unwrap();
    let queued = in_hlt(all[..place].to_vec());
    assert_eq!(told(Family::V7, in_hlt_only, &queued), Verdict::KnownViolation);
    assert_eq!(told(Family::V7, Losses::default(), &queued), Verdict::Violation);
    assert_eq!(told(Family::V7, in_hlt_only, &in_hlt(all)), Verdict::Violation);
    // A page ready that is not told at all is excused by neither.
    let dropped = without(queued, ready(V0, T1));
    assert_eq!(told(Family::V7, in_hlt_only, &dropped), Verdict::Violation);

    let zero = |event: &Event| match *event {
        Event::ItemLink { vcpu, token: T1, gfn } => link(vcpu, Token(0), gfn),
        Event::NotPresentQueued { vcpu, token: T1, .. } => self::told(vcpu, Token(0)),
        Event::ItemDone { vcpu, token: T1 } => done(vcpu, Token(0)),
        Event::PageReadyQueued { vcpu, token: T1 } => ready(vcpu, Token(0)),
        Event::ItemUnlink { vcpu, token: T1 } => unlink(vcpu, Token(0)),
        Event::ApfWait { token: T1, .. } => waits(TASK, Token(0)),
        Event::KvmInjException { vcpu, cr2: 0x1000, .. } => inject(vcpu, Token(0)),
        event => event,
    };
    let asleep = in_hlt(missed(Family::Int));
    let first: Vec<Event> = asleep.iter().map(zero).collect();
    assert_eq!(told(Family::Int, zero_only, &first), Verdict::KnownViolation);
    assert_eq!(told(Family::Int, Losses::default(), &first), Verdict::Violation);
    assert_eq!(told(Family::Int, zero_only, &asleep), Verdict::Violation);
}

#[test]
fn mutations_of_workers_and_accesses_are_caught() {
    let all = || life(Family::Int);
    let other = Event::WorkqueueExecuteEnd { worker: WorkerId(2), item: ITEM };
    for (name, events, expected) in [
        ("queued twice", after(all(), queued(ITEM), &[queued(ITEM)]), &["INV-24"][..]),
        ("queued while it runs", after(all(), started(ITEM), &[queued(ITEM)]), &["INV-24"]),
        ("run twice", after(all(), ended(ITEM), &[started(ITEM)]), &["INV-24"]),
        ("ended by another", instead(all(), ended(ITEM), &[other]), &["INV-24"]),
        ("again", followed(all(), &[queued(ITEM), started(ITEM), ended(ITEM)]), &[]),
        (
            "taken back",
            followed(all(), &[queued(ITEM), enable(V0, OFF), queued(ITEM), started(ITEM)]),
            &[],
        ),
        ("a trace may begin with a running item", vec![ended(ITEM)], &[]),
        ("not mapped", instead(all(), map(V0, G1), &[]), &["INV-35"]),
        (
            "taken away before the access",
            after(all(), wakes(TASK, T1), &[Event::EptUnmap { page: GuestPage::new(VmId(0), G1) }]),
            &["INV-35"],
        ),
        (
            "taken away and brought back",
            after(
                all(),
                map(V0, G1),
                &[Event::EptUnmap { page: GuestPage::new(VmId(0), G1) }, map(V1, G1)],
            ),
            &[],
        ),
    ] {
        check(name, Family::Int, &events, SOON, expected);
    }
}

#[test]
fn a_vcpu_that_spins_is_a_weakness() {
    let hlt = Event::KvmExit { vcpu: V0, reason: ExitReason::Hlt };
    let turns = |turn: &[Event], count: usize| turn.repeat(count);
    let slept = [hlt, block(V0, BlockReason::Hlt), entry(V0)];
    let halted = [exit(V0), again(V0, G1), halt(V0, G1), unhalt(V0), entry(V0)];
    for (name, events, expected) in [
        ("spins", turns(&[hlt, entry(V0)], 140), &["INV-19"][..]),
        ("not for long", turns(&[hlt, entry(V0)], 120), &[]),
        ("interrupted", turns(&[hlt, entry(V0), virq(0xef)], 140), &[]),
        ("sleeps", turns(&slept, 140), &[]),
        (
            "halts that do not halt",
            followed(vec![link(V0, T1, G1)], &turns(&halted, 140)),
            &["INV-19"],
        ),
    ] {
        // A trace without any sleep does not say that there was none.
        let events = followed(slept.to_vec(), &events);
        check(name, Family::Int, &events, SOON, expected);
    }
    check("of no interest before", Family::V7, &turns(&[hlt, entry(V0)], 140), SOON, &[]);
}

#[test]
fn vcpus_that_nobody_announced_are_made_room_for() {
    let far = VcpuId(u16::MAX);
    let events = [
        Event::SharedWordRead { vcpu: far, reason: ApfReason::Ready },
        Event::ApfWait { vcpu: far, task: TaskId(u32::MAX), token: T1 },
        Event::KvmInjVirq { vcpu: far, vector: 0xf3 },
        Event::MajorFaultEnd { vcpu: far, task: TASK, gfn: G1 },
        enable(far, ON),
    ];
    check("far away", Family::Int, &events, SOON, &[]);
}
