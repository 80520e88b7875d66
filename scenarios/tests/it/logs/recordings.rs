//! Recordings that went wrong, made of logs of real kernels: paused, cut, joined, begun one kind after
//! the other, turned round, recorded twice, damaged. None of them accuses the kernel. And kernels that
//! stop to do what they owe, in logs that are short.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use models::monitors::Verdict;
use scenarios::{CheckError, CheckOptions, CheckReport, check};
use xxhash_rust::xxh64::xxh64;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data");
const TR01: &str = "logs/tr01-pv-1cpu-4f4w-500us";
const TR11: &str = "logs/tr11-pv-1cpu-4f4w-500us-detail";
const TR20: &str = "logs/tr20-pv-2cpu-4f4w-500us";
const TR24: &str = "logs/tr24-pv-2cpu-4f4w-500us-detail";
const TWO_VMS: &str = "two-vms/v1-pv+pv-2vm-4f4w-500us-detail";

fn compressed(log: &str) -> Vec<u8> {
    std::fs::read(format!("{DATA}/{log}.txt.gz")).unwrap()
}

fn lines(log: &str) -> Vec<String> {
    let mut text = String::new();
    GzDecoder::new(compressed(log).as_slice()).read_to_string(&mut text).unwrap();
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

fn try_checked(lines: &[String]) -> Result<CheckReport, CheckError> {
    let mut text = lines.join("\n");
    text.push('\n');
    check(text.as_bytes(), "a log", &CheckOptions::default())
}

fn checked(lines: &[String]) -> CheckReport {
    try_checked(lines).unwrap()
}

/// Violations and stalls, in words.
fn accusations(report: &CheckReport) -> Vec<String> {
    let bad = report.findings.iter().filter(|one| one.verdict == Verdict::Violation);
    let message = |first: &models::monitors::log::LogWitness| first.message.clone();
    let bad = bad.map(|one| format!("{}: {:?}", one.id, one.first.as_ref().map(message)));
    bad.chain(report.survey.stalls.iter().map(|stall| stall.message.clone())).collect()
}

fn violations(report: &CheckReport) -> Vec<String> {
    let bad = report.findings.iter().filter(|one| one.verdict == Verdict::Violation);
    bad.map(|one| one.id.to_string()).collect()
}

/// Open cases of an invariant.
fn open(report: &CheckReport, id: &str) -> u64 {
    let one = report.findings.iter().find(|one| one.id.to_string() == id).unwrap();
    one.unjudged.iter().map(|one| one.count).sum()
}

fn us_at(line: &str) -> (usize, usize) {
    let dot = line.find(": ").unwrap();
    (line[..dot].rfind(' ').unwrap() + 1, dot)
}

fn us_of(line: &str) -> u64 {
    let (from, to) = us_at(line);
    line[from..to].replace('.', "").parse().unwrap()
}

fn later(line: &str, us: u64) -> String {
    let ((from, to), us) = (us_at(line), us_of(line) + us);
    format!("{}{}.{:06}{}", &line[..from], us / 1_000_000, us % 1_000_000, &line[to..])
}

fn has(line: &str, event: &str) -> bool {
    line.contains(&format!(": {event}: "))
}

fn is_ack(line: &str) -> bool {
    line.contains("kvm_msr: msr_write 4b564d07")
}

fn is_page_ready_interrupt(line: &str) -> bool {
    line.contains("IRQ 0xf3") || line.contains("vec 243") || line.contains("vector 243")
}

#[test]
fn a_pause_of_the_recording_accuses_nobody() {
    for log in [TR01, TR11, TR20, TR24, TWO_VMS] {
        let all = lines(log);
        let count = all.len();
        let head = vec!["# tracer: nop".to_owned(), "#".to_owned()];
        for (part, cut) in [(3, 20), (3, 3), (2, 5), (4, 2)] {
            let (one, two) = (&all[..count / part], &all[count / part + count / cut..]);
            let moved: Vec<String> = two.iter().map(|line| later(line, 30_000_000)).collect();
            let what = format!("{log} {part} {cut}");
            let report = checked(&[one, two].concat());
            assert_eq!(accusations(&report), [""; 0], "{what}");
            assert!(report.survey.gap.is_some() || report.survey.pauses.is_some(), "{what}");
            for second in [two, moved.as_slice()] {
                let report = checked(&[one, head.as_slice(), second].concat());
                assert_eq!(accusations(&report), [""; 0], "{what} with a head");
                assert_eq!(report.heads, (1, one.len() as u64 + 1), "{what}");
            }
        }
        let report = checked(&all);
        assert_eq!((report.survey.gap, report.heads.0, report.losses.0), (None, 0, 0), "{log}");
    }
}

#[test]
fn events_that_are_enabled_one_after_the_other_accuse_nobody() {
    let recipe = [
        "kvm_try_async_get_page",
        "kvm_async_pf_not_present",
        "kvm_async_pf_ready",
        "kvm_async_pf_completed",
        "kvm_async_pf_repeated_fault",
        "kvm_inj_exception",
        "kvm_msr",
    ];
    let mut sorted = recipe;
    sorted.sort_unstable();
    let mut turned = recipe;
    turned.reverse();
    for log in [TR01, TR11, TR20, TR24, TWO_VMS] {
        let all = lines(log);
        let (first, last) = (us_of(&all[0]), us_of(all.last().unwrap()));
        for order in [recipe, sorted, turned] {
            for (percent, step) in
                [(5, 100), (5, 500), (30, 500), (30, 1000), (30, 2000), (60, 300)]
            {
                let begin = first + (last - first) * percent / 100;
                let kept = |line: &&String| {
                    let place = order.iter().position(|event| has(line, event));
                    place.is_some_and(|place| us_of(line) >= begin + place as u64 * step)
                };
                let kept: Vec<String> = all.iter().filter(kept).cloned().collect();
                let report = checked(&kept);
                assert_eq!(accusations(&report), [""; 0], "{log} {percent} {step} {order:?}");
            }
        }
    }
}

#[test]
fn page_readies_that_stop_are_noticed_in_a_short_log() {
    for log in [TR11, TR24] {
        let all = lines(log);
        let half = all.len() / 2;
        let gone = |line: &str| {
            has(line, "kvm_async_pf_ready") || is_ack(line) || is_page_ready_interrupt(line)
        };
        let kept = |(at, line): &(usize, &String)| *at <= half || !gone(line);
        let kept: Vec<String> =
            all.iter().enumerate().filter(kept).map(|(_, line)| line.clone()).collect();
        let report = checked(&kept);
        let noticed = violations(&report) == ["INV-15"] || open(&report, "INV-15") > 0;
        assert!(noticed, "{log}: {:?}", accusations(&report));
        assert_eq!(open(&checked(&all), "INV-15"), 0, "{log}");
    }
}

#[test]
fn acknowledgements_that_are_missing_are_noticed() {
    for log in [TR11, TR24] {
        let all = lines(log);
        for from in [0, all.len() / 2] {
            let kept = |(at, line): &(usize, &String)| *at < from || !is_ack(line);
            let kept: Vec<String> =
                all.iter().enumerate().filter(kept).map(|(_, line)| line.clone()).collect();
            assert_eq!(violations(&checked(&kept)), ["INV-33"], "{log} {from}");
            // Registers that are not recorded any more say nothing.
            let kept = |(at, line): &(usize, &String)| *at < from || !has(line, "kvm_msr");
            let kept: Vec<String> =
                all.iter().enumerate().filter(kept).map(|(_, line)| line.clone()).collect();
            assert_eq!(violations(&checked(&kept)), [""; 0], "{log} {from}");
        }
        assert_eq!(open(&checked(&all), "INV-33"), 0, "{log}");
    }
}

#[test]
fn acknowledgements_without_interrupts_are_left_open() {
    let all = lines(TR11);
    let half = all.len() / 2;
    let kept = |(at, line): &(usize, &String)| *at < half || !is_page_ready_interrupt(line);
    let kept: Vec<String> =
        all.iter().enumerate().filter(kept).map(|(_, line)| line.clone()).collect();
    let report = checked(&kept);
    assert_eq!(accusations(&report), [""; 0]);
    assert!(open(&report, "INV-33") > 0);
}

#[test]
fn without_page_readies_no_vcpu_looks_halted() {
    let events = ["kvm_try_async_get_page", "kvm_async_pf_not_present", "kvm_async_pf_completed"];
    for log in [TR11, TR20, TR24] {
        let kept = |line: &String| events.iter().any(|event| has(line, event));
        let kept: Vec<String> = lines(log).into_iter().filter(kept).collect();
        assert_eq!(accusations(&checked(&kept)), [""; 0], "{log}");
    }
}

#[test]
fn time_that_runs_backwards_is_an_error() {
    let all = lines(TR01);
    let turned: Vec<String> = all.iter().rev().cloned().collect();
    let (one, two) = all.split_at(all.len() / 2);
    for wrong in [turned, [two, one].concat(), [all.as_slice(), &all].concat()] {
        let error = try_checked(&wrong).unwrap_err();
        assert!(matches!(error, CheckError::Backwards { .. }), "{error}");
        assert!(error.to_string().contains("tac LOG"), "{error}");
    }
}

#[test]
fn events_that_are_recorded_twice_are_taken_once() {
    for log in [TR11, TR24] {
        let all = lines(log);
        let twice = |line: &String| vec![line.clone(); 1 + usize::from(line.contains("kvm_async"))];
        let report = checked(&all.iter().flat_map(twice).collect::<Vec<_>>());
        let expected = all.iter().filter(|line| line.contains("kvm_async")).count() as u64;
        assert_eq!(accusations(&report), [""; 0], "{log}");
        assert_eq!(report.twice, expected, "{log}");
        assert_eq!(report.survey.told, checked(&all).survey.told, "{log}");
        assert_eq!(checked(&all).twice, 0, "{log}");
    }
}

/// A frame of zstd with blocks that are not compressed.
fn zstd(text: &[u8]) -> Vec<u8> {
    // The magic number, a checksum at the end, and a window of 1 MiB.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x50];
    let blocks: Vec<&[u8]> = text.chunks(100_000).collect();
    for (at, block) in blocks.iter().enumerate() {
        let last = u32::from(at + 1 == blocks.len());
        let head = last | (u32::try_from(block.len()).unwrap() << 3);
        frame.extend(&head.to_le_bytes()[..3]);
        frame.extend(*block);
    }
    frame.extend(&xxh64(text, 0).to_le_bytes()[..4]);
    frame
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(text).unwrap();
    gzip.finish().unwrap()
}

fn read(bytes: &[u8]) -> Result<CheckReport, CheckError> {
    check(bytes, "a log", &CheckOptions::default())
}

#[test]
fn compressed_data_is_read_to_where_it_is_cut() {
    let mut text = String::new();
    for line in lines(TR24) {
        writeln!(text, "{line}").unwrap();
    }
    let events = read(text.as_bytes()).unwrap().events;
    let (one, two) = text.split_at(text.len() / 3);
    for pack in [zstd as fn(&[u8]) -> Vec<u8>, gzip] {
        let whole = pack(text.as_bytes());
        assert_eq!(read(&whole).unwrap().events, events);
        let joined = [pack(one.as_bytes()), pack(two.as_bytes())].concat();
        assert_eq!(read(&joined).unwrap().events, events);
        let trailed = read(&[&whole[..], b"and more"].concat()).unwrap();
        assert_eq!((trailed.events, trailed.skipped.len()), (events, 1));
        for part in [3, 5, 7] {
            let cut = read(&whole[..whole.len() * part / 8]).unwrap();
            assert!((events / 4..events).contains(&cut.events), "{} of {events}", cut.events);
            assert_eq!(accusations(&cut), [""; 0]);
            assert_eq!(cut.skipped.len(), 1);
        }
    }
    // A part that holds no data.
    let skipped = [b"\x5a\x2a\x4d\x18\x03\0\0\0abc", zstd(text.as_bytes()).as_slice()].concat();
    let head = [zstd(one.as_bytes()), skipped].concat();
    assert!(read(&head).unwrap_err().to_string().contains("backwards"));
}

#[test]
fn damaged_data_is_an_error_or_accuses_nobody() {
    let packed = compressed(TR24);
    let mut text = String::new();
    GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
    for whole in [packed, zstd(text.as_bytes())] {
        let mut errors = 0;
        for at in (24..whole.len()).step_by(whole.len() / 25) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            match read(&damaged) {
                Ok(report) => assert_eq!(violations(&report), [""; 0], "{at}"),
                Err(error) => errors += u64::from(matches!(error, CheckError::Damaged { .. })),
            }
        }
        assert!(errors > 20, "{errors}");
    }
}
