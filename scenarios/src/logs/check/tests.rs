//! Logs in every form, whole and broken.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use models::monitors::{InvariantId, Verdict};
use proptest::prelude::*;

use super::*;

/// One request, told and answered, as tracefs prints it.
const WHOLE: &str = "\
 vcpu0-10 [000] .....  1.000100: kvm_try_async_get_page: gva = 0x8000, gfn = 0x8
 vcpu0-10 [000] .....  1.000101: kvm_async_pf_not_present: token 0x1000 gva 0x8000
 vcpu0-10 [000] .....  1.000110: kvm_inj_exception: #PF (0x0)
 kworker/0:1-7 [000] .....  1.000600: kvm_async_pf_completed: gva 0x8000 address 0x7f0000008000
 vcpu0-10 [000] .....  1.000610: kvm_async_pf_ready: token 0x1000 gva 0x8000
";

fn checked(text: &[u8]) -> Result<CheckReport, CheckError> {
    check(text, "a log", &CheckOptions::default())
}

fn verdict(report: &CheckReport, number: u8) -> Verdict {
    let id = InvariantId(number);
    report.findings.iter().find(|finding| finding.id == id).expect("it is held").verdict
}

/// Removes the lines that hold a word.
fn without(text: &str, word: &str) -> String {
    text.lines().filter(|line| !line.contains(word)).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_whole_request_is_clean() {
    let report = checked(WHOLE.as_bytes()).expect("reads");
    assert!(!report.is_violated());
    assert_eq!(verdict(&report, 13), Verdict::Clean);
    assert_eq!((report.survey.told, report.survey.completed), (1, 1));
}

#[test]
fn compressed_logs_and_their_beginnings_are_read() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..2000 {
        gzip.write_all(WHOLE.replace("0x1000", "0x2000").as_bytes()).expect("memory");
    }
    let bytes = gzip.finish().expect("memory");
    assert_eq!(checked(&bytes).expect("reads").events, 10_000);
    let report = checked(&bytes[..bytes.len() - 20]).expect("reads what is there");
    assert!(report.events > 0 && report.skipped.iter().any(|one| one.count > 0));
}

#[test]
fn a_ready_without_not_present_is_a_violation_only_when_it_is_not_from_before() {
    let second = WHOLE.replace("0x1000", "0x2000").replace("8000", "9000").replace("0x8", "0x9");
    let orphan = without(&second, "not_present").replace(" 1.000", " 1.001");
    let log = format!("{WHOLE}{orphan}");
    assert_eq!(verdict(&checked(log.as_bytes()).expect("reads"), 12), Verdict::Violation);
    // A lone one at the beginning may be the answer to what came before.
    let report = checked(without(WHOLE, "not_present").as_bytes()).expect("reads");
    assert!(!report.is_violated());
    assert_eq!(report.survey.from_before, 1);
}

#[test]
fn what_a_loss_may_hold_is_not_missed() {
    let second = WHOLE.replace("0x1000", "0x2000").replace(" 1.000", " 1.001");
    let orphan = without(&second, "not_present");
    let begun = without(&orphan, "try_async");
    let log = format!("{WHOLE}CPU:0 [LOST 12 EVENTS]\n{begun}");
    let report = checked(log.as_bytes()).expect("reads");
    assert!(!report.is_violated(), "{:?}", report.findings);
    assert_eq!(report.losses, (1, 12));
    // A fault tried after the loss was announced after it, or never.
    let log = format!("{WHOLE}CPU:0 [LOST 12 EVENTS]\n{orphan}");
    assert_eq!(verdict(&checked(log.as_bytes()).expect("reads"), 12), Verdict::Violation);
}

/// Two vCPUs wait for the same page: whose worker prints first, nobody knows.
#[test]
fn completions_of_one_address_on_two_vcpus_are_not_told_apart() {
    let line = |thread: &str, micros: u32, event: &str| {
        format!(" {thread} [000] .....  1.{micros:06}: kvm_async_pf_{event}\n")
    };
    let done = "completed: gva 0x8000 address 0x7f0000008000";
    let log = [
        line("vcpu0-10", 100, "not_present: token 0x1000 gva 0x8000"),
        line("vcpu1-11", 110, "not_present: token 0x1001 gva 0x8000"),
        line("kworker/0:1-7", 600, done),
        line("vcpu1-11", 610, "ready: token 0x1001 gva 0x8000"),
        line("vcpu0-10", 620, "not_present: token 0x2000 gva 0x9000"),
        line("kworker/0:2-8", 900, "completed: gva 0x9000 address 0x7f0000009000"),
        line("vcpu0-10", 910, "ready: token 0x2000 gva 0x9000"),
        line("kworker/0:1-7", 20_600, done),
        line("vcpu0-10", 20_610, "ready: token 0x1000 gva 0x8000"),
        line("vcpu1-11", 30_000, "not_present: token 0x2001 gva 0xa000"),
        line("kworker/0:1-7", 30_500, "completed: gva 0xa000 address 0x7f000000a000"),
        line("vcpu1-11", 30_510, "ready: token 0x2001 gva 0xa000"),
    ]
    .concat();
    let report = checked(log.as_bytes()).expect("reads");
    assert!(!report.is_violated(), "{:?}", report.findings);
}

#[test]
fn what_is_no_log_says_so() {
    assert!(matches!(checked(b""), Err(CheckError::Empty { .. })));
    assert!(matches!(checked(b"# tracer: nop\n#\n"), Err(CheckError::Empty { .. })));
    assert!(matches!(checked(b"PERFILE2\0\0\0\0"), Err(CheckError::Binary { .. })));
    assert!(matches!(checked(b"hello\nworld\n"), Err(CheckError::NoEvents { .. })));
    assert!(matches!(checked(&[0xff; 3000]), Err(CheckError::NoEvents { .. })));
}

proptest! {
    #[test]
    fn bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..4000)) {
        let _ = checked(&bytes);
    }

    /// Real lines with bytes changed, cut, joined and out of order.
    #[test]
    fn broken_lines_never_panic(
        picks in proptest::collection::vec((0usize..5, 0usize..200, any::<u8>(), 0u8..4), 1..60),
    ) {
        let lines: Vec<&str> = WHOLE.lines().collect();
        let mut log = Vec::new();
        for (pick, at, byte, how) in picks {
            let mut line = lines[pick].as_bytes().to_vec();
            let at = at.min(line.len() - 1);
            match how {
                0 => line[at] = byte,
                1 => line.truncate(at),
                2 => line.insert(at, byte),
                _ => {}
            }
            log.extend(line);
            if how != 1 || byte > 40 {
                log.push(b'\n');
            }
        }
        if let Ok(report) = checked(&log) {
            prop_assert!(!report.counts.is_empty());
        }
    }
}
