//! Logs of hosts whose processors' clocks differ, and of workers that are done before the vCPU thread
//! says that it has asked them.

use models::monitors::Verdict;
use scenarios::{CheckOptions, CheckReport, check};

/// A line: thread, processor, microseconds, event.
type Line = (&'static str, u32, u64, String);

const VCPU: &str = "CPU 0/KVM-10";
const WORKER: &str = "kworker/2:1-7";

fn text(mut lines: Vec<Line>, behind: u64) -> String {
    for line in lines.iter_mut().filter(|line| line.1 == 3) {
        line.2 -= behind;
    }
    lines.sort_by_key(|line| line.2);
    let print = |(thread, cpu, us, event): &Line| {
        format!(" {thread} [{cpu:03}] ..... 1000.{us:06}: {event}\n")
    };
    lines.iter().map(print).collect()
}

fn checked(text: &str) -> CheckReport {
    check(text.as_bytes(), "a log", &CheckOptions::default()).unwrap()
}

fn violations(report: &CheckReport) -> Vec<String> {
    let bad = report.findings.iter().filter(|one| one.verdict == Verdict::Violation);
    bad.map(|one| one.id.to_string()).collect()
}

/// Requests one after the other, each begun and answered on the processors that `places` says.
fn requests(places: &[(u32, u32)]) -> Vec<Line> {
    let mut lines = Vec::new();
    for (number, &(first, second)) in places.iter().enumerate() {
        let us = 20_000 + 4000 * number as u64;
        let (token, page) = ((7 + number) << 12, 0x5000 + 7 * number);
        let gva = page << 12;
        let host = 0x7f3c_0000_0000_usize + gva;
        let mut line = |thread, cpu, after, event: String| {
            lines.push((thread, cpu, us + after, event));
        };
        line(VCPU, first, 0, format!("kvm_try_async_get_page: gva = {gva:#x}, gfn = {page:#x}"));
        line(VCPU, first, 1, format!("kvm_async_pf_not_present: token {token:#x} gva {gva:#x}"));
        line(VCPU, first, 2, "kvm_inj_exception: #PF (0x0)".to_owned());
        line(VCPU, first, 3, "kvm_entry: vcpu 0, rip 0x401d85".to_owned());
        line(WORKER, 2, 400, format!("kvm_async_pf_completed: gva {gva:#x} address {host:#x}"));
        line(VCPU, second, 404, format!("kvm_async_pf_ready: token {token:#x} gva {gva:#x}"));
        line(VCPU, second, 405, "kvm_apic_accept_irq: apicid 0 vec 243 (Fixed|edge)".to_owned());
        line(VCPU, second, 407, "kvm_entry: vcpu 0, rip 0x401c82".to_owned());
        line(VCPU, second, 413, "kvm_msr: msr_write 4b564d07 = 0x1".to_owned());
    }
    lines
}

#[test]
fn clocks_that_differ_are_no_violation_and_are_named() {
    let moves = [(2, 2), (2, 3), (3, 2), (2, 3), (2, 2), (3, 3), (2, 3), (3, 2), (2, 2), (2, 2)];
    for behind in [0, 100, 300, 405, 800, 2500, 9000] {
        let report = checked(&text(requests(&moves), behind));
        assert_eq!(violations(&report), [] as [&str; 0], "{behind}: {:?}", report.findings);
        let clocks = report.survey.clocks;
        assert_eq!(clocks.is_some(), behind > 403, "{behind}: {clocks:?}");
        if let Some(clocks) = clocks {
            assert_eq!((clocks.behind, clocks.ahead), (3, 2), "{behind}");
            assert!(clocks.ns <= behind * 1000, "{clocks:?}");
            assert_eq!(report.survey.told, 10, "{behind}");
        }
    }
}

/// The same order on one processor, or much later, no clock explains.
#[test]
fn one_processor_has_one_clock() {
    let mut lines = requests(&[(2, 2); 8]);
    let place = lines.iter().rposition(|line| line.3.contains("kvm_async_pf_ready")).unwrap();
    lines[place].2 -= 1500;
    let report = checked(&text(lines, 0));
    assert!(report.survey.clocks.is_none());
    assert!(violations(&report).contains(&"INV-12".to_owned()), "{:?}", report.findings);
}

/// A worker that runs at once on the vCPU thread's processor is done before the announcement.
#[test]
fn a_worker_may_be_done_before_the_announcement() {
    let base = text(requests(&[(2, 2); 6]), 0);
    let more = "\
 CPU 0/KVM-10 [002] ..... 1001.000000: kvm_try_async_get_page: gva = 0x8000, gfn = 0x8
 CPU 0/KVM-10 [002] ..... 1001.000010: kvm_async_pf_not_present: token 0xd000 gva 0x8000
 CPU 0/KVM-10 [002] ..... 1001.000020: kvm_inj_exception: #PF (0x0)
 CPU 0/KVM-10 [002] ..... 1001.000030: kvm_try_async_get_page: gva = 0x9000, gfn = 0x9
 kworker/2:2-8 [002] ..... 1001.000040: kvm_async_pf_completed: gva 0x9000 address 0x7f3c00009000
 kworker/2:1-7 [002] ..... 1001.000050: kvm_async_pf_completed: gva 0x8000 address 0x7f3c00008000
 CPU 0/KVM-10 [002] ..... 1001.000060: kvm_async_pf_not_present: token 0xe000 gva 0x9000
 CPU 0/KVM-10 [002] ..... 1001.000070: kvm_inj_exception: #PF (0x0)
 CPU 0/KVM-10 [002] ..... 1001.000080: kvm_async_pf_ready: token 0xe000 gva 0x9000
 CPU 0/KVM-10 [002] ..... 1001.000090: kvm_async_pf_ready: token 0xd000 gva 0x8000
 CPU 0/KVM-10 [002] ..... 1001.000100: kvm_try_async_get_page: gva = 0xa000, gfn = 0xa
 CPU 0/KVM-10 [002] ..... 1001.000110: kvm_async_pf_not_present: token 0xf000 gva 0xa000
 CPU 0/KVM-10 [002] ..... 1001.000120: kvm_inj_exception: #PF (0x0)
";
    let report = checked(&(base.clone() + more));
    assert_eq!(violations(&report), [] as [&str; 0], "{:?}", report.findings);
    assert_eq!((report.survey.completed, report.survey.foreign_completions), (8, 0));
    // Without its page ready the first one is missed all the same, once one overtakes it that was
    // tried after its completion.
    let line =
        |part: &str| more.lines().find(|line| line.contains(part)).unwrap().to_owned() + "\n";
    let lost = more.replace(&line("ready: token 0xd000"), "");
    let last = "\
 kworker/2:1-7 [002] ..... 1001.000500: kvm_async_pf_completed: gva 0xa000 address 0x7f3c0000a000
 CPU 0/KVM-10 [002] ..... 1001.000510: kvm_async_pf_ready: token 0xf000 gva 0xa000
 CPU 0/KVM-10 [002] ..... 1001.000600: kvm_try_async_get_page: gva = 0xb000, gfn = 0xb
 CPU 0/KVM-10 [002] ..... 1001.000610: kvm_async_pf_not_present: token 0x10000 gva 0xb000
 CPU 0/KVM-10 [002] ..... 1001.000620: kvm_inj_exception: #PF (0x0)
";
    assert_eq!(violations(&checked(&(base + &lost + last))), ["INV-13"]);
}
