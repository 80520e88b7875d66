//! Small traces of the protocol written by hand, and what to expect of monitors.

use models::base::ids::{Gfn, Gva, Hva, Pfn, TaskId, ThreadId, Token, VcpuId, WorkerId};
use models::base::record::{BlockReason, Event, ExitReason, FaultPath, Record};
use models::monitors::{Family, Finding, Losses, MonitorConfig, MonitorSet, Verdict};
use sim_core::{SimDuration, SimTime};

pub(crate) const V0: VcpuId = VcpuId(0);
pub(crate) const V1: VcpuId = VcpuId(1);
pub(crate) const T1: Token = Token(0x1000);
pub(crate) const T2: Token = Token(0x2000);
pub(crate) const ALL: Token = Token::WAKE_ALL;
pub(crate) const G1: Gfn = Gfn(0x11);
pub(crate) const G2: Gfn = Gfn(0x22);
pub(crate) const MSR_EN: u32 = 0x4b56_4d02;
pub(crate) const BOUND: SimDuration = SimDuration::from_ms(1);

pub(crate) fn config(family: Family) -> MonitorConfig {
    MonitorConfig {
        vcpus: 2,
        family,
        cap: Some(2),
        schedules_first: family != Family::Int,
        known: Vec::new(),
        loses: Losses::default(),
        liveness_bound: BOUND,
        rsm_drops_items: false,
        looks_before_halt: false,
    }
}

/// Gives the events times 1 us apart.
pub(crate) fn timed(events: &[Event]) -> Vec<Record> {
    let record = |(n, &event): (u64, &Event)| Record {
        time: SimTime::from_ps(SimDuration::from_us(n + 1).as_ps()),
        event,
    };
    (0..).zip(events).map(record).collect()
}

pub(crate) fn findings(
    config: &MonitorConfig,
    events: &[Event],
    after: SimDuration,
) -> Vec<Finding> {
    let records = timed(events);
    let end = records.last().map_or(SimTime::ZERO, |record| record.time) + after;
    let mut whole = MonitorSet::new(config);
    whole.observe(&records);
    let found = whole.finish(end);
    // Neither batches nor snapshots matter, except that a story is cut where memory ends.
    let mut cut = MonitorSet::new(config);
    for record in &records {
        cut.observe(std::slice::from_ref(record));
        cut = cut.clone();
    }
    assert_eq!(cut.finish(end), found);
    found
}

pub(crate) fn broken(found: &[Finding]) -> Vec<String> {
    let decided = |finding: &&Finding| !matches!(finding.verdict, Verdict::Undecided { .. });
    let broken = found.iter().filter(decided).filter(|finding| finding.verdict != Verdict::Clean);
    broken.map(|finding| finding.id.to_string()).collect()
}

/// Page ready as an exception: it is injected before anything else is queued.
pub(crate) fn with_exceptions(events: &[Event]) -> Vec<Event> {
    let mut all = Vec::new();
    for &event in events {
        all.push(event);
        if let Event::PageReadyQueued { vcpu, token } = event {
            all.push(inject(vcpu, token));
        }
    }
    all
}

/// Asserts that exactly the invariants `expected` are broken in a trace, which goes on for a
/// while after its last event.
#[track_caller]
pub(crate) fn check(
    name: &str,
    family: Family,
    events: &[Event],
    after: SimDuration,
    expected: &[&str],
) {
    let found = findings(&config(family), events, after);
    assert_eq!(broken(&found), expected, "{name}: {found:#?}");
    for finding in found {
        match finding.verdict {
            // Most traces here have the records of the host only.
            Verdict::Clean | Verdict::Undecided { .. } => {
                assert_eq!((finding.count, finding.first), (0, None), "{name}");
            }
            Verdict::Violation | Verdict::Weakness => {
                let first = finding.first.expect("a violation has a witness");
                assert!(finding.count > 0 && !first.message.is_empty(), "{name}");
                assert!(!first.story.is_empty(), "{name}: {} has no story", finding.id);
                let times: Vec<_> = first.story.iter().map(|record| record.time).collect();
                assert!(times.is_sorted(), "{name}: {first:#?}");
            }
            other => panic!("{name}: {} is {other:?}", finding.id),
        }
    }
}

pub(crate) const SOON: SimDuration = SimDuration::from_us(1);
pub(crate) const LONG: SimDuration = SimDuration::from_ms(5);

pub(crate) fn entry(vcpu: VcpuId) -> Event {
    Event::KvmEntry { vcpu }
}
pub(crate) fn exit(vcpu: VcpuId) -> Event {
    Event::KvmExit { vcpu, reason: ExitReason::ExternalInterrupt }
}
pub(crate) fn fault(vcpu: VcpuId, gfn: Gfn) -> Event {
    Event::KvmPageFault { vcpu, address: gfn.gpa(), error_code: 2, cpl: 3 }
}
pub(crate) fn link(vcpu: VcpuId, token: Token, gfn: Gfn) -> Event {
    Event::ItemLink { vcpu, token, gfn }
}
pub(crate) fn done(vcpu: VcpuId, token: Token) -> Event {
    Event::ItemDone { vcpu, token }
}
pub(crate) fn unlink(vcpu: VcpuId, token: Token) -> Event {
    Event::ItemUnlink { vcpu, token }
}
pub(crate) fn told(vcpu: VcpuId, token: Token) -> Event {
    Event::NotPresentQueued { vcpu, token, cpl: 3, interrupts_on: true, send_always: false }
}
pub(crate) fn ready(vcpu: VcpuId, token: Token) -> Event {
    Event::PageReadyQueued { vcpu, token }
}
pub(crate) fn inject(vcpu: VcpuId, token: Token) -> Event {
    Event::KvmInjException { vcpu, vector: 14, error_code: 0, cr2: token.0.into() }
}
pub(crate) fn map(vcpu: VcpuId, gfn: Gfn) -> Event {
    Event::EptMap { vcpu, gfn, pfn: Pfn(gfn.0) }
}
pub(crate) fn retry(vcpu: VcpuId, gfn: Gfn) -> Event {
    Event::MmuNotifierRetry { vcpu, gfn }
}
pub(crate) fn reinject(vcpu: VcpuId, vector: u8) -> Event {
    Event::KvmReinject { vcpu, vector }
}
pub(crate) fn reclaim() -> Event {
    Event::MemcgReclaimBegin { thread: ThreadId(0) }
}
pub(crate) fn announced(vcpu: VcpuId, token: Token) -> Event {
    Event::KvmAsyncPfNotPresent { vcpu, token, gva: Gva(0) }
}
pub(crate) fn block(vcpu: VcpuId, reason: BlockReason) -> Event {
    Event::VcpuBlock { vcpu, reason }
}
pub(crate) fn unblock(vcpu: VcpuId, reason: BlockReason) -> Event {
    Event::VcpuUnblock { vcpu, reason }
}
pub(crate) fn halt(vcpu: VcpuId, gfn: Gfn) -> Event {
    Event::ApfHalt { vcpu, gfn }
}
pub(crate) fn unhalt(vcpu: VcpuId) -> Event {
    Event::ApfUnhalt { vcpu }
}
pub(crate) fn again(vcpu: VcpuId, gfn: Gfn) -> Event {
    Event::KvmAsyncPfDoublefault { vcpu, gva: Gva(0), gfn }
}
pub(crate) fn major(vcpu: VcpuId, gfn: Gfn, path: FaultPath) -> Event {
    Event::MajorFaultBegin { vcpu, task: TaskId(0), gfn, path }
}
pub(crate) fn enable(vcpu: VcpuId, data: u64) -> Event {
    Event::KvmMsrWrite { vcpu, ecx: MSR_EN, data }
}

/// One fault told to the guest, from the fault to the retried access; page ready is an interrupt.
pub(crate) fn delivered() -> Vec<Event> {
    vec![
        entry(V0),
        exit(V0),
        fault(V0, G1),
        link(V0, T1, G1),
        announced(V0, T1),
        told(V0, T1),
        major(V0, G1, FaultPath::Async),
        inject(V0, T1),
        entry(V0),
        Event::KvmAsyncPfCompleted { worker: WorkerId(0), vcpu: V0, gva: Gva(0), address: Hva(0) },
        done(V0, T1),
        exit(V0),
        map(V0, G1),
        ready(V0, T1),
        unlink(V0, T1),
        entry(V0),
    ]
}

/// One fault for which the vCPU is halted, woken once by an interrupt, then by the page.
pub(crate) fn halted() -> Vec<Event> {
    vec![
        exit(V0),
        fault(V0, G1),
        link(V0, T1, G1),
        announced(V0, T1),
        halt(V0, G1),
        block(V0, BlockReason::ApfHalt),
        unblock(V0, BlockReason::ApfHalt),
        unhalt(V0),
        entry(V0),
        exit(V0),
        fault(V0, G1),
        again(V0, G1),
        halt(V0, G1),
        block(V0, BlockReason::ApfHalt),
        done(V0, T1),
        unblock(V0, BlockReason::ApfHalt),
        map(V0, G1),
        unhalt(V0),
        unlink(V0, T1),
        entry(V0),
    ]
}

pub(crate) fn without(mut events: Vec<Event>, event: Event) -> Vec<Event> {
    let before = events.len();
    events.retain(|&other| other != event);
    assert!(events.len() < before, "{event:?} is not in the trace");
    events
}

pub(crate) fn after(mut events: Vec<Event>, event: Event, then: &[Event]) -> Vec<Event> {
    let place = events.iter().position(|&other| other == event).expect("in the trace");
    events.splice(place + 1..place + 1, then.iter().copied());
    events
}

pub(crate) fn followed(mut events: Vec<Event>, then: &[Event]) -> Vec<Event> {
    events.extend_from_slice(then);
    events
}

pub(crate) fn swapped(mut events: Vec<Event>, one: Event, other: Event) -> Vec<Event> {
    let place = |event| events.iter().position(|&e| e == event).expect("in the trace");
    let (one, other) = (place(one), place(other));
    events.swap(one, other);
    events
}
