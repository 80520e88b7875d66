//! Logs of real kernels, one thing in them changed at a time: does the check notice?
//!
//! The suite tries a sample. All candidates, with the rates by kind:
//! `cargo test --release -p scenarios --test it logs::mutations -- --ignored --nocapture`

#![expect(clippy::print_stdout, reason = "the rates are what the long run is for")]

use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::GzDecoder;
use models::monitors::Verdict;
use scenarios::{CheckOptions, CheckReport, check};

const LOGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/logs");
/// More requests than a vCPU may have.
const MANY: usize = 70;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    RemoveReady,
    RemoveNotPresent,
    DuplicateReady,
    DuplicateNotPresent,
    Swap,
    OtherTokenReady,
    OtherTokenNotPresent,
    ZeroReady,
    ZeroNotPresent,
    WakeAllReady,
    WakeAllNotPresent,
    OtherVcpu,
    OverCap,
    RemoveException,
    RemoveCompleted,
    DuplicateCompleted,
}

use Kind::*;

const KINDS: [(Kind, &[&str]); 16] = [
    (RemoveReady, &["INV-13"]),
    (RemoveNotPresent, &["INV-12"]),
    (DuplicateReady, &["INV-14"]),
    (DuplicateNotPresent, &["INV-01", "INV-02"]),
    (Swap, &["INV-12"]),
    (OtherTokenReady, &["INV-12", "INV-13"]),
    (OtherTokenNotPresent, &["INV-12", "INV-13"]),
    (ZeroReady, &["INV-04"]),
    (ZeroNotPresent, &["INV-04"]),
    (WakeAllReady, &["INV-03"]),
    (WakeAllNotPresent, &["INV-03"]),
    (OtherVcpu, &["INV-12"]),
    (OverCap, &["INV-05"]),
    (RemoveException, &["INV-12", "INV-13"]),
    (RemoveCompleted, &["INV-06"]),
    (DuplicateCompleted, &["INV-06"]),
];

struct Log {
    name: String,
    lines: Vec<String>,
    /// Beginnings of lines (thread and processor) of vCPUs.
    vcpus: Vec<String>,
    baseline: CheckReport,
}

fn checked(lines: &[String]) -> CheckReport {
    let mut text = lines.join("\n");
    text.push('\n');
    check(text.as_bytes(), "a log", &CheckOptions::default()).unwrap()
}

fn logs() -> Vec<Log> {
    let mut paths: Vec<_> =
        std::fs::read_dir(LOGS).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let log = |path: std::path::PathBuf| {
        let mut text = String::new();
        GzDecoder::new(std::fs::File::open(&path).unwrap()).read_to_string(&mut text).unwrap();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut vcpus: Vec<String> = Vec::new();
        for line in lines.iter().filter(|line| line.contains("kvm_async_pf_not_present:")) {
            let thread = line.split_whitespace().next().unwrap_or_default().to_owned();
            if !vcpus.contains(&thread) {
                vcpus.push(thread);
            }
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        Log { name, baseline: checked(&lines), lines, vcpus }
    };
    paths.into_iter().map(log).collect()
}

fn is(line: &str, event: &str) -> bool {
    line.contains(&format!(": kvm_async_pf_{event}: "))
}

/// The word after `name`, as the kernel prints it.
fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let after = line.split(&format!("{name} ")).nth(1).unwrap_or("");
    after.split_whitespace().next().unwrap_or("")
}

fn with_token(line: &str, token: u32) -> String {
    let old = format!("token {}", field(line, "token"));
    line.replace(&old, &format!("token {token:#x}"))
}

fn token(line: &str) -> u32 {
    u32::from_str_radix(field(line, "token").trim_start_matches("0x"), 16).unwrap()
}

/// Whether a line is a candidate of a kind.
fn candidate(log: &Log, kind: Kind, line: &str) -> bool {
    let request = |event| is(line, event) && !line.contains("token 0xffffffff");
    match kind {
        RemoveReady | DuplicateReady | OtherTokenReady | ZeroReady | WakeAllReady => {
            request("ready")
        }
        OtherVcpu => request("ready") && log.vcpus.len() > 1,
        Swap => request("ready"),
        RemoveNotPresent | DuplicateNotPresent | OtherTokenNotPresent | ZeroNotPresent
        | WakeAllNotPresent => request("not_present"),
        OverCap => request("not_present"),
        RemoveException => {
            log.name.contains("-pv-")
                && log.name.contains("-detail")
                && line.contains("kvm_inj_exception: #PF (0x0)")
                && !line.contains("[reinjected]")
        }
        RemoveCompleted | DuplicateCompleted => is(line, "completed"),
    }
}

fn mutant(log: &Log, kind: Kind, at: usize) -> Option<Vec<String>> {
    let mut lines = log.lines.clone();
    let line = lines[at].clone();
    match kind {
        RemoveReady | RemoveNotPresent | RemoveException | RemoveCompleted => {
            lines.remove(at);
        }
        DuplicateReady | DuplicateNotPresent | DuplicateCompleted => lines.insert(at, line),
        Swap => {
            let of = format!("token {} ", field(&line, "token"));
            let own = |other: &String| is(other, "not_present") && other.contains(&of);
            let begun = lines[..at].iter().rposition(own)?;
            // Events change places, times stay.
            let split = |line: &str| {
                let place = line.find(": kvm_async_pf_").unwrap();
                (line[..place].to_owned(), line[place..].to_owned())
            };
            let ((first, announced), (second, ready)) = (split(&lines[begun]), split(&line));
            lines[begun] = first + &ready;
            lines[at] = second + &announced;
        }
        OtherTokenReady | OtherTokenNotPresent => {
            lines[at] = with_token(&line, token(&line).wrapping_add(0x1000));
        }
        ZeroReady | ZeroNotPresent => lines[at] = with_token(&line, 0),
        WakeAllReady | WakeAllNotPresent => lines[at] = with_token(&line, u32::MAX),
        OtherVcpu => {
            let own = line.split_whitespace().next()?;
            let other = log.vcpus.iter().find(|vcpu| *vcpu != own)?;
            lines[at] = line.replacen(own, other, 1);
        }
        OverCap => {
            let fresh = |count: usize| {
                let gva = 0x40_0000_0000_u64 + (count as u64) * 0x1000;
                let old = format!("gva {}", field(&line, "gva"));
                let token = token(&line).wrapping_add(0x4000_0000 + (count as u32) * 0x1000);
                with_token(&line, token).replace(&old, &format!("gva {gva:#x}"))
            };
            let time = |line: &str| {
                let end = line.find(": kvm_async_pf_").unwrap();
                line[..end].rsplit(' ').next().unwrap_or_default().to_owned()
            };
            let end = lines.iter().rfind(|line| line.contains(": kvm_async_pf_"));
            let (now, end) = (time(&line), time(end?));
            for count in 0..MANY {
                let ready = fresh(count).replace("_not_present", "_ready").replace(&now, &end);
                lines.push(ready);
            }
            for count in 0..MANY {
                lines.insert(at + 1 + count, fresh(count));
            }
        }
    }
    Some(lines)
}

#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    tried: u64,
    /// By an invariant that the table of kinds names.
    caught: u64,
    /// By another one.
    otherwise: u64,
    /// The report says that something is left open which the whole log decides.
    open: u64,
    silent: u64,
}

fn open_cases(report: &CheckReport) -> u64 {
    report.findings.iter().flat_map(|finding| &finding.unjudged).map(|one| one.count).sum()
}

fn judge(log: &Log, expected: &[&str], report: &CheckReport, rate: &mut Rate) {
    let violated = || report.findings.iter().filter(|one| one.verdict == Verdict::Violation);
    rate.tried += 1;
    if violated().any(|one| expected.contains(&one.id.to_string().as_str())) {
        rate.caught += 1;
    } else if violated().next().is_some() {
        rate.otherwise += 1;
    } else if open_cases(report) > open_cases(&log.baseline) {
        rate.open += 1;
    } else {
        rate.silent += 1;
    }
}

/// Why a change at a line may go unnoticed, as far as the lines around it tell.
fn cause(log: &Log, kind: Kind, at: usize) -> &'static str {
    let line = &log.lines[at];
    let own = line.split(" [").next().unwrap_or("");
    let of_thread = |line: &&String| line.starts_with(own);
    let wake_all = |lines: &[String]| {
        lines.iter().filter(of_thread).any(|line| line.contains("ready: token 0xffffffff"))
    };
    let named = |event: &str, name: &str, lines: &[String]| {
        let wanted = format!("{name} {} ", field(line, name));
        lines.iter().any(|line| is(line, event) && format!("{line} ").contains(&wanted))
    };
    let (before, after) = log.lines.split_at(at);
    let after = &after[1..];
    let begun = before
        .iter()
        .rposition(|other| is(other, "not_present") && field(other, "gva") == field(line, "gva"));
    if let Some(begun) = begun
        && before[begun..].iter().any(|other| other.contains("ready: token 0xffffffff"))
    {
        return "a wake-all came while it was outstanding";
    }
    let answered =
        |other: &&String| is(other, "ready") && field(other, "gva") == field(line, "gva");
    if kind == RemoveCompleted
        && after
            .iter()
            .take_while(|other| !answered(other))
            .any(|other| other.contains("ready: token 0xffffffff"))
    {
        return "a wake-all came while it was outstanding";
    }
    let begun_here = begun.is_some_and(|begun| {
        let token = field(&before[begun], "token");
        !is(line, "ready") || field(line, "token") == token
    });
    if (is(line, "ready") || is(line, "completed")) && !begun_here {
        return "its request is from before the log";
    }
    let any_before = |event: &str| before.iter().any(|line| is(line, event));
    match kind {
        RemoveReady if !any_before("ready") => {
            "the first of the log: the next one may be the first that is recorded"
        }
        RemoveCompleted if !any_before("completed") => {
            "the first of the log: the next one may be the first that is recorded"
        }
        RemoveReady | OtherTokenReady => {
            let gva = format!("gva {} ", field(line, "gva"));
            let done = before
                .iter()
                .rposition(|line| is(line, "completed") && format!("{line} ").contains(&gva));
            let Some(done) = done else { return "its completion is not in the log" };
            // A request that was announced after the completion, and answered after the change.
            let mut later = log.lines[done..].iter().filter(of_thread);
            let overtaken = later.find_map(|line| {
                let ready = |other: &String| {
                    is(other, "ready") && field(other, "token") == field(line, "token")
                };
                let place = || after.iter().position(|other| of_thread(&other) && ready(other));
                is(line, "not_present").then(place).flatten()
            });
            let Some(overtaken) = overtaken else {
                return "the log ends before a later request is answered";
            };
            let mut rest = after[overtaken..].iter().filter(of_thread);
            match rest.any(|line| line.contains("kvm_inj_exception: #PF (0x0)")) {
                false => {
                    "the guest is told of no further one, without which it may have been reset"
                }
                true if wake_all(after) => "a wake-all follows",
                true => "not explained",
            }
        }
        RemoveNotPresent | OtherTokenNotPresent | ZeroNotPresent => {
            if !named("ready", "token", after) {
                "the log ends before its page ready"
            } else if !before.iter().filter(of_thread).any(|line| is(line, "not_present")) {
                "the first of its vCPU: as if from before the log"
            } else {
                "not explained"
            }
        }
        OverCap if wake_all(after) => "a wake-all follows",
        RemoveException => {
            let exception = |line: &&String| line.contains("kvm_inj_exception: #PF (0x0)");
            let entered = |line: &&String| line.contains(": kvm_entry: ");
            match (before.iter().any(|l| exception(&l)), before.iter().any(|l| entered(&l))) {
                (false, _) => "none before it: as if they were not recorded",
                (true, false) => "no entry before it",
                (true, true) => {
                    let told = before.iter().filter(of_thread).rfind(|l| is(l, "not_present"));
                    let token = told.map_or("", |told| field(told, "token"));
                    let answered = |l: &String| is(l, "ready") && field(l, "token") == token;
                    match after.iter().any(answered) {
                        true => "not explained",
                        false => "the log ends before its page ready",
                    }
                }
            }
        }
        RemoveCompleted | DuplicateCompleted => {
            let us = |line: &String| -> u64 {
                let end = line.find(": kvm_").unwrap_or(0);
                let time = line[..end].rsplit(' ').next().unwrap_or("");
                time.replace('.', "").parse().unwrap_or(0)
            };
            // The last page ready of the vCPU that the completion is for.
            let answer = after.iter().find(answered).map_or("", |l| l.split(" [").next().unwrap());
            let of_vcpu = |l: &&String| is(l, "ready") && l.starts_with(answer);
            let last = after.iter().rfind(of_vcpu).map_or(0, us);
            let count = |event: &str| {
                let same =
                    |other: &&String| is(other, event) && field(other, "gva") == field(line, "gva");
                before.iter().filter(same).count()
            };
            if !named("ready", "gva", after) {
                "the log ends before its page ready"
            } else if count("not_present") > count("ready") + 1 {
                "another vCPU waits for the same address"
            } else if last < us(line) + 11_000 {
                "no page ready of its vCPU comes 10 ms later, when it would be late"
            } else if kind == DuplicateCompleted && !passed_by_all(before, after) {
                "a vCPU's later requests are not answered any more"
            } else {
                "not explained"
            }
        }
        _ => "not explained",
    }
}

/// Whether every vCPU that had a page ready before a place has one of a request that was announced
/// after it.
fn passed_by_all(before: &[String], after: &[String]) -> bool {
    let thread = |line: &String| line.split(" [").next().unwrap_or("").to_owned();
    let all = before.iter().filter(|line| is(line, "ready")).map(thread);
    let own = |vcpu: &str, line: &&String| thread(line) == vcpu;
    all.collect::<std::collections::BTreeSet<_>>().iter().all(|vcpu| {
        let announced: Vec<&str> = after
            .iter()
            .filter(|line| own(vcpu, line) && is(line, "not_present"))
            .map(|line| field(line, "token"))
            .collect();
        let mut readies = after.iter().filter(|line| own(vcpu, line) && is(line, "ready"));
        readies.any(|line| announced.contains(&field(line, "token")))
    })
}

/// `APFSIM_KINDS` names those that are tried in the long run; all without it.
fn wanted(kind: Kind) -> bool {
    let kinds = std::env::var("APFSIM_KINDS").ok();
    kinds.is_none_or(|kinds| kinds.split(',').any(|name| name == format!("{kind:?}")))
}

/// Tries of each kind and log at most `most` candidates, evenly spread.
fn rates(most: usize) -> BTreeMap<Kind, Rate> {
    let mut rates: BTreeMap<Kind, Rate> = BTreeMap::new();
    // By kind, whether it is left open or silent, and why.
    let mut causes: BTreeMap<(Kind, &str, &str), Vec<String>> = BTreeMap::new();
    for log in logs() {
        for (kind, expected) in KINDS.into_iter().filter(|(kind, _)| wanted(*kind)) {
            let lines = log.lines.iter().enumerate();
            let places: Vec<usize> =
                lines.filter(|(_, line)| candidate(&log, kind, line)).map(|(at, _)| at).collect();
            let stride = places.len().div_ceil(most).max(1);
            for &at in places.iter().step_by(stride) {
                let Some(lines) = mutant(&log, kind, at) else { continue };
                let rate = rates.entry(kind).or_default();
                let before = *rate;
                judge(&log, expected, &checked(&lines), rate);
                let how = match (rate.silent > before.silent, rate.open > before.open) {
                    (true, _) => "silent",
                    (_, true) => "open",
                    _ => continue,
                };
                let why = cause(&log, kind, at);
                let place = format!("{}:{}", &log.name[..4], at + 1);
                causes.entry((kind, how, why)).or_default().push(place);
            }
        }
    }
    println!(
        "{:22}{:>8}{:>8}{:>8}{:>8}{:>8}",
        "kind", "tried", "caught", "other", "open", "silent"
    );
    for (kind, rate) in &rates {
        println!(
            "{:22}{:>8}{:>8}{:>8}{:>8}{:>8}",
            format!("{kind:?}"),
            rate.tried,
            rate.caught,
            rate.otherwise,
            rate.open,
            rate.silent
        );
    }
    for ((kind, how, why), places) in &causes {
        let mut of_logs: BTreeMap<&str, usize> = BTreeMap::new();
        for place in places {
            *of_logs.entry(&place[..4]).or_default() += 1;
        }
        let some = places.iter().take(6).cloned().collect::<Vec<_>>().join(" ");
        println!("{kind:?} {how}: {} {why} {of_logs:?} ({some})", places.len());
    }
    rates
}

fn hold(rates: &BTreeMap<Kind, Rate>) {
    for (kind, _) in KINDS.into_iter().filter(|(kind, _)| wanted(*kind)) {
        let rate = rates[&kind];
        let noticed = rate.caught + rate.otherwise + rate.open;
        let share = noticed as f64 / rate.tried as f64;
        // What is not noticed at all is argued in docs/validation.md.
        let least = match kind {
            RemoveException => 0.7,
            RemoveCompleted => 0.8,
            RemoveNotPresent => 0.85,
            OtherVcpu | ZeroReady | ZeroNotPresent | WakeAllReady | WakeAllNotPresent => 1.0,
            _ => 0.9,
        };
        assert!(share >= least, "{kind:?}: {rate:?}");
    }
}

#[test]
fn a_sample_of_changes_is_noticed() {
    hold(&rates(5));
}

#[test]
#[ignore = "minutes; prints the rates of docs/validation.md: cargo test --release -p scenarios --test it logs::mutations -- --ignored --nocapture"]
fn every_change_is_tried() {
    hold(&rates(usize::MAX));
}
