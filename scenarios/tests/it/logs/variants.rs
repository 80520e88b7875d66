//! Logs of real kernels in other forms, cut, joined and incomplete: none of these may look like a
//! broken promise.
//!
//! The suite tries a sample. Many more:
//! `cargo test --release -p scenarios --test it logs::variants -- --ignored --nocapture`

#![expect(clippy::print_stdout, reason = "the numbers are what the long run is for")]

use std::collections::BTreeSet;
use std::io::Read as _;

use flate2::read::GzDecoder;
use models::monitors::Verdict;
use scenarios::{CheckOptions, CheckReport, check};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data");

struct Log {
    name: String,
    lines: Vec<String>,
}

fn logs() -> Vec<Log> {
    logs_of("logs")
}

fn logs_of(folder: &str) -> Vec<Log> {
    let folder = format!("{DATA}/{folder}");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let log = |path: std::path::PathBuf| {
        let mut text = String::new();
        GzDecoder::new(std::fs::File::open(&path).unwrap()).read_to_string(&mut text).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        Log { name, lines: text.lines().map(str::to_owned).collect() }
    };
    paths.into_iter().map(log).collect()
}

fn checked(lines: &[String]) -> CheckReport {
    let mut text = lines.join("\n");
    text.push('\n');
    check(text.as_bytes(), "a log", &CheckOptions::default()).unwrap()
}

/// Holds that nothing is violated, and gives the report.
fn quiet(what: &str, lines: &[String]) -> CheckReport {
    let report = checked(lines);
    let mut findings = report.findings.iter();
    if let Some(finding) = findings.find(|one| one.verdict == Verdict::Violation) {
        let first = finding.first.as_ref().unwrap();
        let story: Vec<_> =
            first.story.iter().map(|one| format!("{:>7} {}", one.line, one.text)).collect();
        panic!(
            "{what}: {} at line {}: {}\n{}",
            finding.id,
            first.line,
            first.message,
            story.join("\n")
        );
    }
    report
}

/// What must not depend on the form of a log.
fn facts(report: &CheckReport) -> String {
    let verdicts: Vec<_> = report.findings.iter().map(|one| (one.id, one.verdict)).collect();
    let survey = &report.survey;
    let vcpus: Vec<_> = survey
        .vcpus
        .iter()
        .map(|one| (one.tries, one.told, one.halted, one.repeated, one.at_cap, one.ready))
        .filter(|one| *one != Default::default())
        .collect();
    let times: Vec<_> =
        survey.course.total.latencies.named().map(|(_, times)| times.count()).into();
    format!("{verdicts:?} {vcpus:?} {times:?} {}", survey.completed)
}

fn is_event(line: &str) -> bool {
    !line.starts_with('#') && !line.is_empty()
}

fn cpu_of(line: &str) -> &str {
    line.split('[').nth(1).and_then(|rest| rest.split(']').next()).unwrap_or("")
}

fn thread_of(line: &str) -> &str {
    line.split(" [").next().unwrap_or("").trim()
}

/// The name of the event of a line.
fn name_of(line: &str) -> &str {
    let after = line.split("] ").nth(1).unwrap_or("");
    after.split(": ").nth(1).unwrap_or("").trim_end_matches(':')
}

/// Where the time begins and ends.
fn time_at(line: &str) -> Option<(usize, usize)> {
    let end = line.find(": kvm_").or_else(|| {
        [": sched_", ": block_", ": workqueue_"].iter().find_map(|name| line.find(name))
    })?;
    let begin = line[..end].rfind(' ')? + 1;
    Some((begin, end))
}

fn us_of(line: &str) -> Option<u64> {
    let (begin, end) = time_at(line)?;
    let (seconds, fraction) = line[begin..end].split_once('.')?;
    Some(seconds.parse::<u64>().ok()? * 1_000_000 + fraction.parse::<u64>().ok()?)
}

fn with_us(line: &str, us: u64) -> String {
    let (begin, end) = time_at(line).unwrap();
    format!("{}{}.{:06}{}", &line[..begin], us / 1_000_000, us % 1_000_000, &line[end..])
}

/// Numbers that look random and are always the same.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end.max(1)
    }
}

/// Windows of a log, some that begin or end with it.
fn windows(length: usize, count: usize, dice: &mut Dice) -> Vec<(usize, usize)> {
    let mut all = Vec::new();
    for number in 0..count {
        let from = dice.below(length);
        let to = match number % 3 {
            0 => length,
            1 => (from + 1 + dice.below(300)).min(length),
            _ => from + 1 + dice.below(length - from),
        };
        all.push((from, to));
    }
    all
}

fn cut(most: usize) -> u64 {
    let mut tried = 0;
    let mut dice = Dice(1);
    for log in logs() {
        for (from, to) in windows(log.lines.len(), most, &mut dice) {
            if !log.lines[from..to.max(from + 1)].iter().any(|line| is_event(line)) {
                continue;
            }
            quiet(
                &format!("{} lines {from} to {to}", log.name),
                &log.lines[from..to.max(from + 1)],
            );
            tried += 1;
        }
    }
    tried
}

/// Several hosts' logs as if one host had recorded them: other threads and processors each, joined
/// by time. Guests are alike, so that the same addresses are outstanding in several VMs.
fn joined(logs: &[&Log]) -> Vec<String> {
    let mut all: Vec<(u64, usize, String)> = Vec::new();
    for (number, log) in logs.iter().enumerate() {
        let first = log.lines.iter().find_map(|line| us_of(line)).unwrap();
        for line in log.lines.iter().filter(|line| is_event(line)) {
            let Some(us) = us_of(line) else { continue };
            let us = us - first + 1_000_000;
            let thread = thread_of(line);
            let (comm, pid) = thread.rsplit_once('-').unwrap();
            let pid = pid.trim().parse::<usize>().unwrap() + 10_000 * number;
            let cpu: usize = cpu_of(line).parse().unwrap();
            let rest = line.split_once("] ").unwrap().1;
            let line = format!("{comm:>16}-{pid:<7} [{:03}] {rest}", cpu + 2 * number);
            // Each host has given its guest other addresses.
            let base = format!("address 0x7{number:x}");
            let line = line.replace("address 0x7f", &base);
            all.push((us, all.len(), with_us(&line, us)));
        }
    }
    all.sort();
    all.into_iter().map(|(_, _, line)| line).collect()
}

fn join(most: usize) -> u64 {
    let logs = logs();
    let with_faults: Vec<&Log> = logs
        .iter()
        .filter(|log| !log.name.contains("tr13") && !log.name.contains("tr44"))
        .collect();
    let mut tried = 0;
    let mut dice = Dice(2);
    for first in 0..with_faults.len() {
        let some = [0, 1, 3].map(|step| with_faults[(first + step) % with_faults.len()]);
        let lines = joined(&some);
        let names = some.map(|log| log.name.as_str()).join(" ");
        let report = quiet(&names, &lines);
        let sum: u64 = some.iter().map(|log| checked(&log.lines).survey.told).sum();
        assert_eq!(report.survey.told, sum, "{names}");
        // The same log twice is two VMs whose guests do the same at the same time.
        quiet(&names, &joined(&[some[0], some[0]]));
        for (from, to) in windows(lines.len(), most, &mut dice) {
            quiet(&format!("{names} lines {from} to {to}"), &lines[from..to.max(from + 1)]);
            tried += 1;
        }
    }
    tried
}

/// Every set of up to two kinds of events that are not recorded; each thread, and each processor.
fn unrecorded(pairs: bool) -> u64 {
    let mut tried = 0;
    for log in logs() {
        let kvm = |name: &&&str| name.starts_with("kvm_") || **name == "sched_switch";
        let names: BTreeSet<&str> = log.lines.iter().map(|line| name_of(line)).collect();
        let names: Vec<&str> = names.iter().filter(kvm).copied().collect();
        for (at, one) in names.iter().enumerate() {
            let others = if pairs { &names[at..] } else { &names[at..=at] };
            for other in others {
                let keep = |line: &&String| ![*one, *other].contains(&name_of(line));
                let lines: Vec<String> = log.lines.iter().filter(keep).cloned().collect();
                if lines.iter().any(|line| is_event(line)) {
                    quiet(&format!("{} without {one} {other}", log.name), &lines);
                    tried += 1;
                }
            }
        }
    }
    tried
}

/// Lines of one processor are lost, and the log says so.
fn lost(most: usize) -> u64 {
    let mut tried = 0;
    let mut dice = Dice(3);
    for log in logs() {
        for number in 0..most {
            let from = dice.below(log.lines.len());
            let to = (from + 1 + dice.below(200)).min(log.lines.len());
            let cpu = cpu_of(&log.lines[from]).to_owned();
            let gone = |at: usize, line: &str| {
                (from..to).contains(&at) && is_event(line) && cpu_of(line) == cpu
            };
            // The mark stands before the next line of that processor.
            let mut lines = Vec::new();
            let mut told = false;
            for (at, line) in log.lines.iter().enumerate() {
                if gone(at, line) {
                    continue;
                }
                if at >= to && !told && cpu_of(line) == cpu {
                    let mark = match (number % 2, cpu.parse::<u32>()) {
                        (0, Ok(cpu)) => format!("CPU:{cpu} [LOST {} EVENTS]", to - from),
                        (_, Ok(cpu)) => format!("CPU:{cpu} [LOST EVENTS]"),
                        _ => continue,
                    };
                    lines.push(mark);
                    told = true;
                }
                lines.push(line.clone());
            }
            quiet(&format!("{} without {from} to {to} of {cpu}", log.name), &lines);
            tried += 1;
        }
    }
    tried
}

/// A buffer that was overwritten begins later on each processor.
fn overwritten(most: usize) -> u64 {
    let mut tried = 0;
    let mut dice = Dice(4);
    for log in logs().iter().filter(|log| log.name.contains("2cpu")) {
        for _ in 0..most {
            let late = dice.below(log.lines.len() * 3 / 4);
            let cpu = ["000", "001"][dice.below(2)];
            let mut lines = Vec::new();
            let mut begun = false;
            for (at, line) in log.lines.iter().enumerate() {
                if cpu_of(line) == cpu && is_event(line) {
                    if at < late {
                        continue;
                    }
                    if !begun {
                        lines.push(format!("##### CPU {} buffer started ####", &cpu[2..]));
                        begun = true;
                    }
                }
                lines.push(line.clone());
            }
            quiet(&format!("{} from {late} of {cpu}", log.name), &lines);
            tried += 1;
        }
    }
    tried
}

/// Workers and handlers that a filter of threads leaves out, where other lines speak of what they do.
#[test]
fn threads_that_are_left_out_accuse_nobody() {
    let all = ["logs", "two-vms", "userfaultfd"].into_iter().flat_map(logs_of);
    let tells = |log: &Log| {
        let names: BTreeSet<&str> = log.lines.iter().map(|line| name_of(line)).collect();
        names.contains("workqueue_execute_start") || names.contains("uffd_fault")
    };
    let mut tried = 0;
    for log in all.filter(tells) {
        let runs_vcpu = |line: &&String| line.contains(": kvm_async_pf_not_present:");
        let of = |line: &String| thread_of(line).to_owned();
        let vcpus: BTreeSet<String> = log.lines.iter().filter(runs_vcpu).map(of).collect();
        let events = log.lines.iter().filter(|line| is_event(line));
        let threads: BTreeSet<String> = events.map(of).collect();
        for thread in threads.difference(&vcpus) {
            let keep = |line: &&String| thread_of(line) != thread;
            let lines: Vec<String> = log.lines.iter().filter(keep).cloned().collect();
            let report = quiet(&format!("{} without {thread}", log.name), &lines);
            let stalls: Vec<&str> =
                report.survey.stalls.iter().map(|one| one.message.as_str()).collect();
            assert!(stalls.is_empty(), "{} without {thread}: {stalls:?}", log.name);
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried}");
}

/// Lines of different processors change places, as where buffers are joined badly.
#[test]
fn processors_that_are_joined_badly_change_nothing() {
    for log in logs() {
        let before = quiet(&log.name, &log.lines);
        let mut dice = Dice(5);
        let mut lines = log.lines.clone();
        for _ in 0..lines.len() * 4 {
            let at = dice.below(lines.len() - 1);
            let apart = cpu_of(&lines[at]) != cpu_of(&lines[at + 1]);
            let times = (us_of(&lines[at]), us_of(&lines[at + 1]));
            if apart && matches!(times, (Some(a), Some(b)) if a < b) {
                lines.swap(at, at + 1);
            }
        }
        let after = quiet(&log.name, &lines);
        assert_eq!(facts(&before), facts(&after), "{}", log.name);
        assert!(after.reordered > 0 || !log.name.contains("2cpu"), "{}", log.name);
        // A processor after the other, within the window of the reader.
        let mut whole = Vec::new();
        for part in log.lines.chunks(2000) {
            let mut part = part.to_vec();
            part.sort_by(|a, b| cpu_of(a).cmp(cpu_of(b)));
            whole.extend(part);
        }
        assert_eq!(facts(&before), facts(&quiet(&log.name, &whole)), "{}", log.name);
    }
}

/// What other kernels and other settings of the tracer print.
#[test]
fn other_kernels_and_clocks_print_the_same_story() {
    type Change = fn(&str) -> String;
    let changes: [(&str, Change); 8] = [
        ("before 6.1", |line| {
            line.replace("kvm_async_pf_repeated_fault", "kvm_async_pf_doublefault")
        }),
        ("Intel", |line| {
            line.replace("reason npf ", "reason EPT_VIOLATION ")
                .replace("reason interrupt ", "reason EXTERNAL_INTERRUPT ")
                .replace("reason hlt ", "reason HLT ")
                .replace("reason msr ", "reason MSR_WRITE ")
        }),
        ("with requests", |line| match line.contains(": kvm_exit: ") {
            true => format!("{line} requests 0x0000000000000000"),
            false => line.to_owned(),
        }),
        ("5.9", |line| match (line.find(" info1 0x"), line.contains(": kvm_exit: ")) {
            (Some(at), true) => format!("{} info 181 0", &line[..at]),
            _ => line.to_owned(),
        }),
        ("nanoseconds", |line| match time_at(line) {
            Some((_, end)) => format!("{}000{}", &line[..end], &line[end..]),
            None => line.to_owned(),
        }),
        ("a TSC of 3 GHz", |line| match time_at(line) {
            Some((begin, end)) => {
                let ticks = us_of(line).unwrap() * 3000;
                format!("{}{ticks}{}", &line[..begin], &line[end..])
            }
            None => line.to_owned(),
        }),
        ("without flags", |line| match (line.find("] "), time_at(line)) {
            (Some(at), Some((begin, _))) => format!("{} {}", &line[..=at], &line[begin..]),
            _ => line.to_owned(),
        }),
        ("with processes", |line| match line.find(" [") {
            Some(at) if is_event(line) => format!("{} (  77777){}", &line[..at], &line[at..]),
            _ => line.to_owned(),
        }),
    ];
    for log in logs() {
        let before = facts(&quiet(&log.name, &log.lines));
        for (name, change) in changes {
            let lines: Vec<String> = log.lines.iter().map(|line| change(line)).collect();
            let report = quiet(&format!("{} {name}", log.name), &lines);
            assert!(report.skipped.is_empty(), "{} {name}: {:?}", log.name, report.skipped);
            // The vCPU is not printed by the oldest forms; nothing is concluded from it here.
            assert_eq!(before, facts(&report), "{} {name}", log.name);
        }
    }
}

#[test]
fn a_sample_of_windows_joins_and_losses_is_quiet() {
    cut(12);
    join(4);
    unrecorded(false);
    lost(8);
    overwritten(8);
}

#[test]
#[ignore = "minutes; prints how many were tried: cargo test --release -p scenarios --test it logs::variants -- --ignored --nocapture"]
fn many_windows_joins_and_losses_are_quiet() {
    println!("windows of one log     {:>6}", cut(1500));
    println!("windows of joined logs {:>6}", join(400));
    println!("events not recorded    {:>6}", unrecorded(true));
    println!("losses that are marked {:>6}", lost(1000));
    println!("buffers that overwrote {:>6}", overwritten(1000));
}
