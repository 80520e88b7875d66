//! Hosts that are used in ways that others are not, recordings with holes that nobody marked, and kernels
//! that break what a log shows only in part. None of the first two accuses the kernel; the third do.

use std::fmt::Write as _;
use std::io::Read as _;

use flate2::read::GzDecoder;
use models::monitors::Verdict;
use scenarios::{CheckOptions, CheckReport, check};
use xxhash_rust::xxh64::xxh64;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data");

fn text(path: &str) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(format!("{DATA}/{path}.txt.gz")).unwrap();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

fn checked(text: &str, rules: Option<&str>) -> CheckReport {
    let options = CheckOptions { rules: rules.map(str::to_owned) };
    check(text.as_bytes(), "a log", &options).unwrap()
}

fn irregular(name: &str) -> CheckReport {
    checked(&text(&format!("irregular/{name}")), None)
}

fn violations(report: &CheckReport) -> Vec<String> {
    let bad = report.findings.iter().filter(|one| one.verdict == Verdict::Violation);
    bad.map(|one| one.id.to_string()).collect()
}

fn count(report: &CheckReport, id: &str) -> u64 {
    report.findings.iter().find(|one| one.id.to_string() == id).unwrap().count
}

fn open(report: &CheckReport, id: &str) -> u64 {
    let one = report.findings.iter().find(|one| one.id.to_string() == id).unwrap();
    one.unjudged.iter().map(|one| one.count).sum()
}

fn is_quiet(report: &CheckReport) -> bool {
    violations(report).is_empty() && report.survey.stalls.is_empty()
}

/// A log of tracefs that is made line by line.
#[derive(Default)]
struct Lines(Vec<(u64, String)>);

impl Lines {
    fn add(&mut self, us: u64, thread: &str, cpu: u32, event: &str) {
        let (seconds, rest) = (us / 1_000_000, us % 1_000_000);
        self.0.push((us, format!(" {thread} [{cpu:03}] ..... {seconds:4}.{rest:06}: {event}\n")));
    }

    /// A request of a vCPU thread of that number, told at once and answered half a millisecond later.
    fn request(&mut self, us: u64, (thread, vcpu, cpu): (&str, u32, u32), number: u64, frame: u64) {
        self.begin(us, (thread, vcpu, cpu), number, frame);
        self.complete(us + 500, cpu, frame);
        self.ready(us + 510, (thread, vcpu, cpu), number, frame);
        self.add(us + 525, thread, cpu, "kvm_msr: msr_write 4b564d07 = 0x1");
    }

    fn begin(&mut self, us: u64, (thread, vcpu, cpu): (&str, u32, u32), number: u64, frame: u64) {
        let (token, gva) = ((number << 12) | u64::from(vcpu), frame << 12);
        self.add(
            us,
            thread,
            cpu,
            &format!("kvm_try_async_get_page: gva = {gva:#x}, gfn = {frame:#x}"),
        );
        self.add(
            us + 1,
            thread,
            cpu,
            &format!("kvm_async_pf_not_present: token {token:#x} gva {gva:#x}"),
        );
        self.add(us + 10, thread, cpu, "kvm_inj_exception: #PF (0x0)");
    }

    fn complete(&mut self, us: u64, cpu: u32, frame: u64) {
        let (gva, host) = (frame << 12, 0x7f00_0000_0000 + (frame << 12));
        let event = format!("kvm_async_pf_completed: gva {gva:#x} address {host:#x}");
        self.add(us, "kworker/9:1-20", cpu, &event);
    }

    fn ready(&mut self, us: u64, (thread, vcpu, cpu): (&str, u32, u32), number: u64, frame: u64) {
        let (token, gva) = ((number << 12) | u64::from(vcpu), frame << 12);
        self.add(us, thread, cpu, &format!("kvm_async_pf_ready: token {token:#x} gva {gva:#x}"));
    }

    fn text(&self) -> String {
        let mut all = self.0.clone();
        all.sort_by_key(|line| line.0);
        all.into_iter().map(|line| line.1).collect()
    }

    fn checked(&self) -> CheckReport {
        checked(&self.text(), None)
    }
}

const V: (&str, u32, u32) = ("vcpu0-100", 0, 0);

/// So many requests, a millisecond apart, from one second on.
fn regular(requests: u64) -> Lines {
    let mut lines = Lines::default();
    for number in 0..requests {
        lines.request(1_000_000 + number * 1000, V, number + 1, 0x100 + number);
    }
    lines
}

/// `kvm_vcpu_ioctl` takes the vCPU's mutex and asks for nothing else: any thread may run any vCPU.
#[test]
fn a_vcpu_may_be_run_by_any_thread() {
    let turns = irregular("one-vcpu-in-two-threads");
    assert_eq!((violations(&turns), open(&turns, "INV-12")), (vec![], 3));
    assert_eq!(turns.survey.vcpus.iter().map(|one| one.vm).max(), Some(1), "one VM");
    let once = irregular("a-vcpu-is-handed-over");
    assert_eq!((violations(&once), open(&once, "INV-12")), (vec![], 1));
    // Threads in turn, one of them for each request and one for its answer.
    for threads in 2..6 {
        for recorded in [false, true] {
            let mut lines = Lines::default();
            for number in 0..40_u64 {
                let us = 1_000_000 + number * 1000;
                let name = |at: u64| format!("vcpu-{}", 100 + at % threads);
                let (asks, answers) = (name(number), name(number + 1 + number % 3));
                lines.begin(us, (&asks, 0, 0), number + 1, 0x100 + number);
                lines.complete(us + 400, 0, 0x100 + number);
                lines.ready(us + 500, (&answers, 0, 0), number + 1, 0x100 + number);
                lines.add(us + 510, &answers, 0, "kvm_msr: msr_write 4b564d07 = 0x1");
                if recorded {
                    lines.add(us - 3, &asks, 0, "kvm_exit: vcpu 0 reason npf rip 0x1");
                    lines.add(us + 20, &asks, 0, "kvm_entry: vcpu 0, rip 0x1");
                    lines.add(us + 450, &asks, 0, "kvm_exit: vcpu 0 reason interrupt rip 0x1");
                    lines.add(us + 505, &answers, 0, "kvm_entry: vcpu 0, rip 0x1");
                    lines.add(us + 508, &answers, 0, "kvm_exit: vcpu 0 reason msr rip 0x1");
                    lines.add(us + 512, &answers, 0, "kvm_entry: vcpu 0, rip 0x1");
                }
            }
            let report = lines.checked();
            assert!(is_quiet(&report), "{threads} {recorded}: {:?}", report.findings);
        }
    }
}

/// The answer of a vCPU's request by another vCPU's thread stays one.
#[test]
fn a_page_ready_on_another_vcpu_is_a_violation() {
    let mut lines = regular(30);
    for number in 0..30 {
        lines.request(1_000_300 + number * 1000, ("vcpu1-101", 1, 1), number + 1, 0x800 + number);
    }
    lines.begin(1_040_000, V, 31, 0x900);
    lines.complete(1_040_500, 0, 0x900);
    lines.ready(1_040_600, ("vcpu1-101", 0, 1), 31, 0x900);
    assert!(violations(&lines.checked()).contains(&"INV-12".to_owned()));
}

/// With shadow paging two tasks fault on one address, and nothing but tries says the frames.
#[test]
fn an_address_is_no_frame_where_tries_are_not_recorded() {
    let report = irregular("two-frames-of-one-address");
    assert_eq!((violations(&report), open(&report, "INV-01")), (vec![], 1));
    let one = report.findings.iter().find(|one| one.id.to_string() == "INV-01").unwrap();
    assert_eq!(one.verdict, Verdict::Undecided { missing: "kvm_try_async_get_page" });
    // Where tries show that addresses are those of frames, twice is twice.
    let mut lines = regular(5);
    lines.begin(1_010_000, V, 6, 0x900);
    lines.begin(1_010_100, V, 7, 0x900);
    lines.complete(1_010_500, 0, 0x900);
    lines.ready(1_010_510, V, 6, 0x900);
    assert_eq!(violations(&lines.checked()), ["INV-01"]);
}

/// `tracing_on` was 0 for a moment, which leaves no mark.
#[test]
fn a_pause_shows_in_what_a_vcpu_cannot_do() {
    let report = irregular("paused-for-a-moment");
    assert!(is_quiet(&report), "{:?}", report.findings);
    assert_eq!(report.survey.pauses.map(|(_, count)| count), Some(1));
    // Whole logs have none.
    for name in ["logs/tr11-pv-1cpu-4f4w-500us-detail", "two-vms/v1-pv+pv-2vm-4f4w-500us-detail"] {
        let report = checked(&text(name), None);
        assert_eq!((report.survey.pauses, report.losses.0), (None, 0), "{name}");
    }
}

/// Pauses of 10 us to 20 ms anywhere in logs of real kernels: before entries and exits, tries and
/// acknowledgements were held against each other, one in nine ended in an accusation.
#[test]
fn pauses_seldom_look_like_a_broken_promise() {
    let logs = [
        "logs/tr11-pv-1cpu-4f4w-500us-detail",
        "logs/tr12-nonpv-1cpu-4f4w-500us-detail",
        "logs/tr24-pv-2cpu-4f4w-500us-detail",
        "two-vms/v1-pv+pv-2vm-4f4w-500us-detail",
    ];
    let (mut accused, mut tried) = (0, 0);
    for name in logs {
        let text = text(name);
        let lines: Vec<(u64, &str)> =
            text.lines().filter_map(|one| Some((time(one)?, one))).collect();
        let (first, last) = (lines[0].0, lines[lines.len() - 1].0);
        for trial in 0..12_u64 {
            let random = xxh64(name.as_bytes(), trial);
            let from = first + random % (last - first);
            // Lengths that are as often short as long.
            let length = 10 << ((random >> 40) % 12);
            let cut = |us: u64| (from..from + length).contains(&us);
            let mut log = String::new();
            for (_, line) in lines.iter().filter(|(us, _)| !cut(*us)) {
                writeln!(log, "{line}").unwrap();
            }
            tried += 1;
            accused += u64::from(!is_quiet(&checked(&log, None)));
        }
    }
    assert!(accused * 24 <= tried, "{accused} of {tried}");
}

/// Microseconds of a line.
fn time(line: &str) -> Option<u64> {
    let word = line.split_once("] ")?.1.split_whitespace().nth(1)?.strip_suffix(':')?;
    let (seconds, micros) = word.split_once('.')?;
    Some(seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?)
}

/// A buffer that does not overwrite is full: all of a processor is missing from one moment on.
#[test]
fn a_processor_that_falls_silent_is_no_stall() {
    let report = irregular("one-processor-ends-early");
    assert!(is_quiet(&report), "{:?}", report.survey.stalls);
    assert!(open(&report, "INV-13") > 0);
    // What hangs while its processor goes on is a stall.
    let mut lines = regular(150);
    lines.begin(1_200_000, V, 151, 0x900);
    for number in 0..60 {
        lines.request(1_201_000 + number * 10_000, V, 152 + number, 0xa00 + number);
    }
    assert_eq!(lines.checked().survey.stalls.len(), 1);
}

/// With `sched_switch` a processor that runs a thread and says nothing is cut; one that idles is not.
#[test]
fn a_processor_that_idles_is_not_cut() {
    let switched = |next: &str| {
        let mut lines = regular(150);
        let switch = format!(
            "sched_switch: prev_comm=a prev_pid=7 prev_prio=120 prev_state=R ==> next_comm=b next_pid={next} \
             next_prio=120"
        );
        lines.begin(1_200_000, V, 151, 0x900);
        lines.add(1_200_020, "a-7", 0, &switch);
        for number in 0..60 {
            lines.request(
                1_201_000 + number * 10_000,
                ("vcpu1-101", 1, 1),
                1 + number,
                0xa00 + number,
            );
        }
        let report = lines.checked();
        (report.survey.ends_early.map(|cut| cut.cpu), report.survey.stalls.len())
    };
    assert_eq!(switched("100"), (Some(0), 0));
    assert_eq!(switched("0"), (None, 1));
}

#[test]
fn a_vm_that_is_destroyed_while_another_goes_on_is_no_stall() {
    let other = ("vcpuB-200", 0, 1);
    let log = |after: &dyn Fn(&mut Lines)| {
        let mut lines = regular(30);
        for number in 0..30 {
            let host = 0x100 + number;
            lines.request(1_000_300 + number * 1000, other, number + 1, host);
        }
        lines.begin(1_040_100, V, 31, 0x201);
        for number in 0..60 {
            lines.request(2_000_000 + number * 10_000, other, 31 + number, 0x300 + number);
        }
        after(&mut lines);
        lines.checked()
    };
    let destroyed = log(&|_| {});
    assert!(is_quiet(&destroyed), "{:?}", destroyed.survey.stalls);
    assert_eq!(open(&destroyed, "INV-13"), 1);
    // One that goes on itself is none that was destroyed.
    let hangs = log(&|lines| lines.request(2_500_000, V, 32, 0x400));
    assert_eq!(hangs.survey.stalls.len(), 1);
}

/// Before 5.8 page ready is an exception: without it nobody hears of the page.
#[test]
fn a_page_ready_without_its_exception_is_missed_before_5_8() {
    let report = irregular("page-ready-without-its-exception");
    assert_eq!((violations(&report), count(&report, "INV-13")), (vec!["INV-13".to_owned()], 1));
    // A kernel that notifies by interrupt, held against rules of one that does not.
    let newer = text("logs/tr24-pv-2cpu-4f4w-500us-detail");
    assert_eq!(violations(&checked(&newer, Some("v5.3"))), ["INV-13"]);
    assert_eq!(violations(&checked(&newer, None)), [] as [&str; 0]);
}

/// `kvm_can_deliver_async_pf` looks for both bits.
#[test]
fn who_turned_notices_off_is_not_told() {
    let report = irregular("told-after-turning-off");
    assert_eq!((violations(&report), count(&report, "INV-22")), (vec!["INV-22".to_owned()], 5));
    let written = |data: &str, with: &dyn Fn(&mut Lines)| {
        let mut lines = regular(5);
        lines.add(1_500_000, V.0, 0, &format!("kvm_msr: msr_write 4b564d02 = {data}"));
        with(&mut lines);
        for number in 0..5 {
            lines.request(2_000_000 + number * 1000, V, 6 + number, 0x400 + number);
        }
        violations(&lines.checked())
    };
    assert_eq!(written("0x7f00d", &|_| {}), [] as [&str; 0]);
    // Without the bit of page ready by interrupt, which this kernel is seen to have.
    let interrupt = |lines: &mut Lines| {
        lines.add(900_000, V.0, 0, "kvm_msr: msr_write 4b564d06 = 0xf3");
    };
    assert_eq!(written("0x7f005", &interrupt), ["INV-22"]);
    // A VMM that restores a state turns them on without a line; KVM queues a wake-all then.
    let restored = |lines: &mut Lines| {
        lines.add(1_600_000, V.0, 0, "kvm_async_pf_ready: token 0xffffffff gva 0x0");
        lines.add(1_600_010, V.0, 0, "kvm_msr: msr_write 4b564d07 = 0x1");
    };
    assert_eq!(written("0x0", &restored), [] as [&str; 0]);
    assert_eq!(written("0x0 (#GP)", &|_| {}), [] as [&str; 0]);
}

#[test]
fn a_page_is_ready_after_its_worker() {
    // Each of them, on one processor: no worker loses it so often between two instructions.
    assert_eq!(violations(&irregular("ready-before-completed")), ["INV-06"]);
    let first = |entry: bool, cpu: u32, rules: Option<&str>| {
        let mut lines = regular(30);
        lines.begin(1_050_000, V, 31, 0x900);
        lines.ready(1_050_100, V, 31, 0x900);
        if entry {
            lines.add(1_050_120, V.0, 0, "kvm_entry: vcpu 0, rip 0x1");
        }
        lines.complete(1_050_500, cpu, 0x900);
        let report = checked(&lines.text(), rules);
        (violations(&report), open(&report, "INV-06"))
    };
    assert_eq!(first(true, 0, None), (vec![], 0), "a worker may lose its processor once");
    assert_eq!(first(false, 0, Some("v6.12")), (vec![], 0), "before the entry");
    assert_eq!(first(true, 0, Some("v6.12")), (vec!["INV-06".to_owned()], 0));
    assert_eq!(first(true, 1, Some("v6.12")), (vec![], 1), "the clocks may differ");
    assert_eq!(first(true, 0, Some("v6.1")), (vec![], 0), "it does not wait for its worker");
}

#[test]
fn a_page_is_not_ready_before_its_worker_begins() {
    let started = |us: u64, cpu: u32| {
        let mut lines = regular(30);
        let work = "00000000aef80567";
        lines.begin(1_050_000, V, 31, 0x900);
        let queued = format!(
            "workqueue_queue_work: work struct={work} function=async_pf_execute [kvm] workqueue=events \
             req_cpu=8192 cpu=0"
        );
        lines.add(1_050_002, V.0, 0, &queued);
        lines.ready(1_050_100, V, 31, 0x900);
        let begun =
            format!("workqueue_execute_start: work struct {work}: function async_pf_execute [kvm]");
        lines.add(us, "kworker/9:1-20", cpu, &begun);
        lines.complete(us + 50, cpu, 0x900);
        let report = lines.checked();
        (violations(&report), open(&report, "INV-06"))
    };
    assert_eq!(started(1_050_050, 0), (vec![], 0));
    assert_eq!(started(1_050_300, 0), (vec!["INV-06".to_owned()], 0));
    assert_eq!(started(1_050_300, 1), (vec![], 1), "the clocks may differ");
    assert_eq!(started(1_061_000, 1).0, ["INV-06"], "not by more than a tick");
}

#[test]
fn a_guest_that_never_acknowledges_is_noticed() {
    assert_eq!(violations(&irregular("never-acknowledged")), ["INV-33"]);
    let acknowledged = |event: &str| {
        let mut lines = regular(12);
        lines.0.retain(|line| !line.1.contains("4b564d07"));
        for number in 0..12 {
            let us = 1_000_000 + number * 1000;
            lines.add(us + 525, V.0, 0, event);
            lines.add(us + 600, V.0, 0, "kvm_msr: msr_write 6e0 = 0x118a6523f");
        }
        violations(&lines.checked())
    };
    assert_eq!(acknowledged("kvm_msr: msr_write 4b564d07 = 0x1"), [] as [&str; 0]);
    for wrong in [
        "msr_write 4b564d07 = 0x0",
        "msr_write 4b564d07 = 0x2",
        "msr_write 4b564d07 = 0x1 (#GP)",
        "msr_read 4b564d07 = 0x1",
    ] {
        assert_eq!(acknowledged(&format!("kvm_msr: {wrong}")), ["INV-33"], "{wrong}");
    }
}

/// The page of invariants names those that a log of a kernel decides.
#[test]
fn the_documents_name_what_logs_decide() {
    let page = include_str!("../../../../docs/invariants.md");
    let ids: Vec<String> =
        regular(1).checked().findings.iter().map(|one| one.id.to_string()).collect();
    let (last, before) = ids.split_last().unwrap();
    let listed = format!("against {} and {last}, each in part", before.join(", "));
    assert!(page.contains(&listed), "docs/invariants.md lacks: {listed}");
}

/// A last line without its end is read; what it seems to say may be cut.
#[test]
fn the_last_line_may_lack_its_end() {
    let whole = regular(5).text();
    let ready = whole.lines().rfind(|line| line.contains("_ready")).unwrap();
    let until = whole.find(ready).unwrap() + ready.len();
    let report = checked(&whole[..until], None);
    assert_eq!((report.survey.told, report.skipped.len()), (5, 0));
    assert_eq!(open(&report, "INV-13"), 0, "the last page ready is read");
    // Cut within the address: as if it were another page's.
    let report = checked(&whole[..until - 3], None);
    assert_eq!((violations(&report), open(&report, "INV-12")), (vec![], 1));
    // Cut within the name: malformed.
    let report = checked(&whole[..until - 30], None);
    assert!(!report.skipped.is_empty(), "{:?}", report.skipped);
}
