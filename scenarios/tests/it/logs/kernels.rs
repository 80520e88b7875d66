//! What kernels, hosts and guests do that looks like a broken promise in a log and is none, and what
//! is one that looks almost the same.

use models::monitors::Verdict;
use scenarios::{CheckOptions, CheckReport, check};

/// A log of events: thread, microseconds, and what is printed.
fn log(events: &[(&str, u64, &str)]) -> CheckReport {
    let mut text = String::new();
    for (thread, us, event) in events {
        let event = event
            .replace("try ", "kvm_try_async_get_page: gva = ")
            .replace("np ", "kvm_async_pf_not_present: token ")
            .replace("ready ", "kvm_async_pf_ready: token ")
            .replace("done ", "kvm_async_pf_completed: gva ")
            .replace("told", "kvm_inj_exception: #PF (0x0)");
        let (seconds, us) = (us / 1_000_000, us % 1_000_000);
        text.push_str(&format!(" {thread} [000] ..... {seconds:>5}.{us:06}: {event}\n"));
    }
    let report = check(text.as_bytes(), "a log", &CheckOptions::default()).unwrap();
    assert!(report.skipped.is_empty(), "{:?}", report.skipped);
    report
}

fn violations(report: &CheckReport) -> Vec<String> {
    let bad = report.findings.iter().filter(|one| one.verdict == Verdict::Violation);
    bad.map(|one| one.id.to_string()).collect()
}

fn open(report: &CheckReport, id: &str) -> u64 {
    let one = report.findings.iter().find(|one| one.id.to_string() == id).unwrap();
    one.unjudged.iter().map(|one| one.count).sum()
}

const V: &str = "vcpu0-10";
const W: &str = "kworker/0:1-7";

/// A request from its announcement to its page ready, 600 us long.
fn request(us: u64, counter: u64, page: u64) -> [(&'static str, u64, String); 5] {
    let (gva, token) = (page << 12, counter << 12);
    let host = 0x7f00_0000_0000 + gva;
    [
        (V, us, format!("try {gva:#x}, gfn = {page:#x}")),
        (V, us + 1, format!("np {token:#x} gva {gva:#x}")),
        (V, us + 10, "told".to_owned()),
        (W, us + 500, format!("done {gva:#x} address {host:#x}")),
        (V, us + 600, format!("ready {token:#x} gva {gva:#x}")),
    ]
}

/// Requests one after the other, whose tokens end before 0x900000, then what a test adds, all in the
/// order of time.
fn with(requests: u64, more: &[(&'static str, u64, &str)]) -> CheckReport {
    let mut all: Vec<(&str, u64, String)> =
        (0..requests).flat_map(|n| request(n * 1000, 0x900 - requests + n, 0x50 + n)).collect();
    all.extend(more.iter().map(|&(thread, us, event)| (thread, us, event.to_owned())));
    all.sort_by_key(|&(_, us, _)| us);
    let all: Vec<(&str, u64, &str)> =
        all.iter().map(|(thread, us, event)| (*thread, *us, event.as_str())).collect();
    log(&all)
}

#[test]
fn with_shadow_paging_an_address_is_not_a_frame() {
    let two_processes = [
        (V, 10_000, "try 0x8000, gfn = 0x111"),
        (V, 10_001, "np 0x900000 gva 0x8000"),
        (V, 10_010, "told"),
        (V, 10_100, "try 0x8000, gfn = 0x222"),
        (V, 10_101, "np 0x901000 gva 0x8000"),
        (V, 10_110, "told"),
        (W, 10_500, "done 0x8000 address 0x7f1111111000"),
        (V, 10_510, "ready 0x900000 gva 0x8000"),
        (W, 10_600, "done 0x8000 address 0x7f2222222000"),
        (V, 10_610, "ready 0x901000 gva 0x8000"),
    ];
    assert_eq!(violations(&with(4, &two_processes)), [] as [&str; 0]);
    // One frame twice is a violation there, too.
    let mut twice = two_processes;
    twice[3].2 = "try 0x8000, gfn = 0x111";
    assert_eq!(violations(&with(4, &twice)), ["INV-01"]);
}

#[test]
fn a_vcpu_may_be_run_by_another_thread() {
    let other = "vcpu0b-11";
    let moves = |vcpu: &'static str| {
        [
            (V, 10_000, "kvm_entry: vcpu 0, rip 0x1"),
            (V, 10_001, "np 0x900000 gva 0x8000"),
            (W, 10_500, "done 0x8000 address 0x7f0000008000"),
            (other, 10_501, vcpu),
            (other, 10_510, "ready 0x900000 gva 0x8000"),
        ]
    };
    assert_eq!(violations(&with(4, &moves("kvm_entry: vcpu 0, rip 0x1"))), [] as [&str; 0]);
    assert_eq!(violations(&with(4, &moves("kvm_entry: vcpu 1, rip 0x1"))), ["INV-12"]);
    // A thread that runs one vCPU after the other.
    let turns = [
        (V, 10_000, "kvm_entry: vcpu 0, rip 0x1"),
        (V, 10_001, "np 0x900000 gva 0x8000"),
        (V, 10_100, "kvm_entry: vcpu 1, rip 0x1"),
        (V, 10_101, "np 0x900001 gva 0x8000"),
        (V, 10_510, "ready 0x900001 gva 0x8000"),
    ];
    assert_eq!(violations(&with(4, &turns)), [] as [&str; 0]);
}

#[test]
fn a_worker_may_say_late_that_the_page_is_there() {
    // 30 ms after page ready, while other requests come and go.
    let late = [
        (V, 500, "np 0x900000 gva 0x8000"),
        (V, 700, "ready 0x900000 gva 0x8000"),
        (W, 30_700, "done 0x8000 address 0x7f0000008000"),
    ];
    assert_eq!(violations(&with(40, &late)), [] as [&str; 0]);
    assert_eq!(violations(&with(40, &late[..2])), ["INV-06"]);
    // After the page has gone again and is requested once more: the line is not the new one's.
    let again = [
        (V, 10_100, "np 0x900000 gva 0x8000"),
        (V, 10_200, "ready 0x900000 gva 0x8000"),
        (V, 10_300, "np 0x901000 gva 0x8000"),
        (W, 10_310, "done 0x8000 address 0x7f0000008000"),
        (V, 10_320, "np 0x902000 gva 0x9000"),
        (W, 10_400, "done 0x9000 address 0x7f0000009000"),
        (V, 10_410, "ready 0x902000 gva 0x9000"),
        (W, 10_500, "done 0x8000 address 0x7f0000008000"),
        (V, 10_510, "ready 0x901000 gva 0x8000"),
    ];
    assert_eq!(violations(&with(40, &again)), [] as [&str; 0]);
    // Every third completion is missing: they were not recorded everywhere.
    let mut some: Vec<(&str, u64, String)> =
        (0..60).flat_map(|n| request(n * 1000, 0x100 + n, 0x50 + n)).collect();
    let mut number = 0;
    some.retain(|(thread, _, _)| {
        number += u64::from(*thread == W);
        *thread != W || number % 3 != 0
    });
    let some: Vec<_> = some.iter().map(|(t, us, e)| (*t, *us, e.as_str())).collect();
    let report = log(&some);
    assert_eq!(violations(&report), [] as [&str; 0]);
    assert!(open(&report, "INV-06") > 10);
}

#[test]
fn kernels_before_5_17_begin_with_token_0() {
    let begin = |next: &'static str| {
        log(&[
            (V, 100, "np 0x0 gva 0x8000"),
            (W, 500, "done 0x8000 address 0x7f0000008000"),
            (V, 510, "ready 0x0 gva 0x8000"),
            (V, 600, next),
        ])
    };
    let old = begin("np 0x1000 gva 0x9000");
    assert_eq!((violations(&old), open(&old, "INV-04")), (vec![], 1));
    assert_eq!(violations(&begin("np 0x567000 gva 0x9000")), ["INV-04"]);
    // Old kernels print the wake-all before they give it its token.
    let woken = with(3, &[(V, 50_000, "ready 0x0 gva 0x0")]);
    assert_eq!(violations(&woken), [] as [&str; 0]);
    assert_eq!(woken.survey.vcpus[0].wake_alls, 1);
}

#[test]
fn a_guest_with_guests_is_told_by_an_exit() {
    let raised = [
        (V, 9_000, "kvm_entry: vcpu 0, rip 0x1"),
        (V, 10_000, "np 0x900000 gva 0x8000"),
        (V, 10_100, "kvm_entry: vcpu 0, rip 0x1"),
        (W, 10_500, "done 0x8000 address 0x7f0000008000"),
        (V, 10_510, "ready 0x900000 gva 0x8000"),
        (V, 10_511, "kvm_apic_accept_irq: apicid 0 vec 243 (Fixed|edge)"),
        (V, 10_520, "kvm_entry: vcpu 0, rip 0x1"),
    ];
    assert_eq!(violations(&with(3, &raised)), ["INV-13"]);
    let nested = (V, 10_050, "kvm_nested_vmexit: vcpu 0 reason npf rip 0x1");
    assert_eq!(violations(&with(3, &[&raised[..], &[nested]].concat())), [] as [&str; 0]);
}

#[test]
fn a_reset_drops_requests_and_a_stopped_vm_waits() {
    // Told, completed and never answered, though EN was written: a reset, unless more are told.
    let dropped = [
        (V, 1, "kvm_msr: msr_write 4b564d02 = 0x9"),
        (V, 10_000, "np 0x900000 gva 0x8000"),
        (V, 10_010, "told"),
        (W, 10_500, "done 0x8000 address 0x7f0000008000"),
        (V, 10_999, "try 0x9000, gfn = 0x9"),
        (V, 11_000, "np 0x901000 gva 0x9000"),
        (W, 11_500, "done 0x9000 address 0x7f0000009000"),
        (V, 11_510, "ready 0x901000 gva 0x9000"),
    ];
    let report = with(5, &dropped);
    assert_eq!(violations(&report), [] as [&str; 0]);
    assert!(open(&report, "INV-13") >= 1);
    let more = [(V, 12_000, "np 0x902000 gva 0xa000"), (V, 12_010, "told")];
    assert_eq!(violations(&with(5, &[&dropped[..], &more].concat())), ["INV-13"]);
    // A VM that was stopped for two seconds, and a vCPU that went on for as long.
    let waits = [
        (V, 10_000, "np 0x900000 gva 0x8000"),
        (W, 10_500, "done 0x8000 address 0x7f0000008000"),
        (V, 2_010_500, "kvm_entry: vcpu 0, rip 0x1"),
    ];
    assert_eq!(violations(&with(5, &waits)), [] as [&str; 0]);
    let entries: Vec<_> =
        (0..30).map(|n| (V, 100_000 + n * 100_000, "kvm_entry: vcpu 0, rip 0x1")).collect();
    assert_eq!(violations(&with(5, &[&waits[..2], &entries].concat())), ["INV-15"]);
}

#[test]
fn what_was_told_without_not_present_lacks_it_unless_none_are_recorded() {
    let untold = [
        (V, 10, "try 0x8000, gfn = 0x8"),
        (V, 20, "told"),
        (W, 500, "done 0x8000 address 0x7f0000008000"),
        (V, 510, "ready 0x1000 gva 0x8000"),
    ];
    assert_eq!(violations(&log(&untold)), [] as [&str; 0]);
    let more = [(V, 600, "try 0x9000, gfn = 0x9"), (V, 601, "np 0x2000 gva 0x9000")];
    assert_eq!(violations(&log(&[&untold[..], &more].concat())), ["INV-12"]);
}

#[test]
fn turning_notices_off_excuses_no_worker_that_was_late_before() {
    let silent = [
        (V, 20_000, "np 0x900000 gva 0x8000"),
        (V, 20_010, "told"),
        (V, 20_600, "ready 0x900000 gva 0x8000"),
        (V, 31_000, "np 0x901000 gva 0x9000"),
        (V, 31_010, "told"),
        (W, 31_500, "done 0x9000 address 0x7f0000009000"),
        (V, 31_600, "ready 0x901000 gva 0x9000"),
    ];
    let off = |us| [(V, us, "kvm_msr: msr_write 4b564d02 = 0x0")];
    for events in [&silent[..3], &silent[..]] {
        let report = with(5, &[events, &off(40_000)].concat());
        assert_eq!(violations(&report), ["INV-06"]);
    }
    // Before it was late, the host may have cancelled it.
    let report = with(5, &[&silent[..3], &off(21_000)].concat());
    assert_eq!((violations(&report).len(), open(&report, "INV-06")), (0, 1));
}

/// Two vCPUs wait for one page, and both workers are done before either request is announced.
#[test]
fn a_completion_that_is_left_over_is_the_next_ones() {
    const U: &str = "vcpu1-11";
    let two = |completions: usize| {
        let mut events = vec![
            (V, 9_000, "kvm_entry: vcpu 0, rip 0x1"),
            (U, 9_000, "kvm_entry: vcpu 1, rip 0x1"),
            (U, 10_000, "try 0x8000, gfn = 0x8"),
            (V, 10_001, "try 0x8000, gfn = 0x8"),
        ];
        let done = (W, 10_300, "done 0x8000 address 0x7f0000008000");
        events.extend(std::iter::repeat_n(done, completions));
        events.extend([
            (V, 10_400, "np 0x900000 gva 0x8000"),
            (V, 10_410, "ready 0x900000 gva 0x8000"),
            (U, 10_500, "np 0x900001 gva 0x8000"),
            (U, 10_510, "ready 0x900001 gva 0x8000"),
            // Later requests of both, after which a worker would be late.
            (V, 30_000, "np 0x901000 gva 0x9000"),
            (W, 30_100, "done 0x9000 address 0x7f0000009000"),
            (V, 30_110, "ready 0x901000 gva 0x9000"),
            (U, 31_000, "np 0x901001 gva 0xa000"),
            (W, 31_100, "done 0xa000 address 0x7f000000a000"),
            (U, 31_110, "ready 0x901001 gva 0xa000"),
        ]);
        violations(&with(3, &events))
    };
    assert_eq!(two(2), [] as [&str; 0]);
    assert_eq!(two(1), ["INV-06"]);
}
