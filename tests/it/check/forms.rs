//! `apfsim check` on one real log in every form in which such logs come: other programs' text,
//! compressed, cut, damaged. The verdict and the counts are those of the plain log, or the report
//! says what it lacks.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::kit::{program, with_input};

/// Every event, two vCPUs.
const DETAIL: &str = "tr24-pv-2cpu-4f4w-500us-detail";
/// The logs that are converted: pv, nonpv, boot with spins, every event.
const SOME: [&str; 4] = [
    DETAIL,
    "tr06-pv-1cpu-8f4w-sharedpages-500us",
    "tr12-nonpv-1cpu-4f4w-500us-detail",
    "tr16-pv-1cpu-boot-under-limit-500us",
];

fn text_of(log: &str) -> String {
    let path = format!("{}/tests/data/logs/{log}.txt.gz", env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}

fn run(input: &[u8]) -> (Option<i32>, String, String) {
    let mut command = program();
    let output = with_input(command.args(["check", "-", "--format", "json"]), input);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The report on a log that has no violation.
#[track_caller]
fn fine(input: &[u8]) -> Value {
    let (status, stdout, stderr) = run(input);
    assert_eq!((status, stderr.as_str()), (Some(0), ""), "{stdout}");
    serde_json::from_str(&stdout).unwrap()
}

/// What must not depend on the form: verdicts and counts of every kind.
fn facts(report: &Value) -> Value {
    let verdicts: Vec<_> = report["invariants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| json!([one["invariant"], one["verdict"], one["count"], one["record"]]))
        .collect();
    let vcpus = report["vcpus"].as_array().unwrap().iter();
    let vcpus: Vec<_> = vcpus.filter(|one| one["tries"] != 0).collect();
    let spins = report["spins"].as_array().unwrap().iter();
    let spins: Vec<_> = spins.map(|one| json!([one["cause"], one["turns"]])).collect();
    let times: Vec<_> = report["latencies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| json!([one["name"], one["count"], one["p50_ns"], one["max_ns"]]))
        .collect();
    json!({
        "verdict": report["verdict"],
        "verdicts": verdicts,
        "vcpus": vcpus,
        "spins": spins,
        "times": times,
        "order": report["order"],
        "kernels": report["kernels"],
    })
}

fn skipped(report: &Value) -> Vec<(String, u64)> {
    let all = report["skipped"].as_array().unwrap().iter();
    all.map(|one| (one["kind"].as_str().unwrap().to_owned(), one["count"].as_u64().unwrap()))
        .collect()
}

/// A line of tracefs, taken apart at its columns.
struct Line<'a> {
    comm: &'a str,
    pid: &'a str,
    cpu: &'a str,
    flags: &'a str,
    time: &'a str,
    name: &'a str,
    fields: &'a str,
}

fn line(text: &str) -> Option<Line<'_>> {
    let (thread, rest) = text.split_once(" [").filter(|_| !text.starts_with('#'))?;
    let (comm, pid) = thread.trim().rsplit_once('-')?;
    let (cpu, rest) = rest.split_once("] ")?;
    let (flags, rest) = rest.trim_start().split_once(' ')?;
    let (time, rest) = rest.trim_start().split_once(": ")?;
    let (name, fields) = rest.split_once(": ")?;
    Some(Line { comm, pid, cpu, flags, time, name, fields })
}

/// The fields as libtraceevent's plugins print them, for perf and trace-cmd alike: an exit without
/// its vCPU, threads of a switch in short, and a zero without `0x`.
fn by_plugin(line: &Line<'_>) -> String {
    let word = |name: &str| {
        let rest = line.fields.split(&format!("{name}=")).nth(1).unwrap_or("");
        rest.split(' ').next().unwrap_or("").to_owned()
    };
    match line.name {
        "kvm_exit" => {
            let words: Vec<&str> = line.fields.split(' ').collect();
            format!("reason {} rip {} info 100000006 0", words[3], words[5])
        }
        "sched_switch" => format!(
            "{}:{} [{}] {} ==> {}:{} [{}]",
            word("prev_comm"),
            word("prev_pid"),
            word("prev_prio"),
            word("prev_state"),
            word("next_comm"),
            word("next_pid"),
            word("next_prio")
        ),
        _ => format!("{} ", line.fields).replace(" 0x0 ", " 0 ").trim_end().to_owned(),
    }
}

fn converted(text: &str, each: impl Fn(&Line<'_>) -> String) -> String {
    text.lines().filter_map(line).map(|line| each(&line) + "\n").collect()
}

fn perf(line: &Line<'_>) -> String {
    let group = line.name.split('_').next().unwrap();
    let event = format!("{group}:{}", line.name);
    format!(
        "{:>15} {:>7}/{:<7} [{}] {:>12}: {event:>34}: {}",
        line.comm,
        line.pid,
        line.pid,
        line.cpu,
        line.time,
        by_plugin(line)
    )
}

fn trace_cmd(line: &Line<'_>) -> String {
    let (thread, event) = (format!("{}-{}", line.comm, line.pid), format!("{}:", line.name));
    format!("{thread:>22} [{}] {:>12}: {event:<21} {}", line.cpu, line.time, by_plugin(line))
}

#[test]
fn text_of_perf_and_trace_cmd_says_the_same() {
    for log in SOME {
        let text = text_of(log);
        let expected = facts(&fine(text.as_bytes()));
        let with_flags = |line: &Line<'_>| {
            trace_cmd(line).replace(
                &format!("[{}] ", line.cpu),
                &format!("[{}] {}.. ", line.cpu, &line.flags[..3]),
            )
        };
        for (form, text) in [
            ("perf script", converted(&text, perf)),
            (
                "perf script, no thread group",
                converted(&text, |line| {
                    perf(line).replace(&format!("{:>7}/{:<7}", line.pid, line.pid), line.pid)
                }),
            ),
            ("trace-cmd report", format!("cpus=2\n{}", converted(&text, trace_cmd))),
            ("trace-cmd report, new", format!("cpus=2\n{}", converted(&text, with_flags))),
        ] {
            let report = fine(text.as_bytes());
            let mut found = facts(&report);
            // perf prints the process, which here is each thread's own, so that VMs come apart.
            let own = |value: &mut Value| {
                for vcpu in value["vcpus"].as_array_mut().unwrap() {
                    vcpu["vm"] = Value::Null;
                }
            };
            let mut expected = expected.clone();
            own(&mut found);
            own(&mut expected);
            assert_eq!(found, expected, "{log} as {form}");
            assert_eq!(report["skipped"], json!([]), "{log} as {form}");
            assert_eq!(report["may_hide_losses"], form.starts_with("perf"), "{log} as {form}");
        }
    }
}

#[test]
fn losses_of_every_program_are_heard() {
    let text = text_of(DETAIL);
    let lines: Vec<&str> = text.lines().collect();
    // Without the mark the gap shows in what vCPUs do.
    let gap = 1000..1040;
    let without = |mark: &str| {
        let mut kept: Vec<&str> = lines[..gap.start].to_vec();
        kept.extend(mark.lines());
        kept.extend(&lines[gap.end..]);
        kept.join("\n") + "\n"
    };
    assert_eq!(run(without("").as_bytes()).0, Some(0));
    let both = |one: &str| format!("CPU:0 {one}\nCPU:1 {one}\n");
    for mark in [
        both("[LOST 40 EVENTS]"),
        both("[LOST EVENTS]"),
        both("[EVENTS DROPPED]"),
        "##### CPU 0 buffer started ####\n##### CPU 1 buffer started ####\n".to_owned(),
        "  vcpu0  248/248  [000]  42.757000: PERF_RECORD_LOST lost 20\n  vcpu1  250/250  [001]  \
         42.757000: PERF_RECORD_LOST lost 20\n"
            .to_owned(),
    ] {
        let report = fine(without(&mark).as_bytes());
        assert!(report["lost"]["places"].as_u64() >= Some(1), "{mark}");
        assert_eq!(report["verdict"], "clean", "{mark}");
    }
}

/// Two VMs with two vCPUs each, whose guests do the same at the same time.
#[test]
fn vms_and_vcpus_are_told_apart() {
    let text = text_of(DETAIL);
    let mut all: Vec<String> = Vec::new();
    for (number, pids) in [("0", ["248", "250"]), ("1", ["7248", "7250"])] {
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let moved = line
                .replace("-248 ", &format!("-{} ", pids[0]))
                .replace("-250 ", &format!("-{} ", pids[1]))
                .replace("prev_pid=248 ", &format!("prev_pid={} ", pids[0]))
                .replace("prev_pid=250 ", &format!("prev_pid={} ", pids[1]))
                .replace("address 0x7f", &format!("address 0x7{number}"))
                .replace(" [00", &format!(" [{number}0"));
            all.push(moved);
        }
    }
    all.sort_by_key(|line| self::line(line).map(|line| line.time.to_owned()));
    let report = fine((all.join("\n") + "\n").as_bytes());
    let vcpus: Vec<&Value> =
        report["vcpus"].as_array().unwrap().iter().filter(|one| one["tries"] != 0).collect();
    let names: Vec<_> =
        vcpus.iter().map(|one| json!([one["vm"], one["vcpu"], one["thread"]])).collect();
    let once = fine(text.as_bytes());
    let told = |report: &Value, thread: u64| {
        let all = report["vcpus"].as_array().unwrap().iter();
        all.filter(|one| one["thread"] == thread).map(|one| one["told"].clone()).next().unwrap()
    };
    assert_eq!(names.len(), 4, "{names:?}");
    for (own, other) in [(248, 7248), (250, 7250)] {
        assert_eq!(told(&report, own), told(&once, own));
        assert_eq!(told(&report, other), told(&once, own));
        let vm = |thread| vcpus.iter().find(|one| one["thread"] == thread).unwrap()["vm"].clone();
        assert_ne!(vm(own), vm(other), "{names:?}");
    }
}

#[test]
fn processors_are_put_in_order() {
    let text = text_of(DETAIL);
    let expected = facts(&fine(text.as_bytes()));
    // First one processor's lines, then the other's, as `cat per_cpu/cpu*/trace` gives them.
    let of = |cpu: &str| -> String {
        let own = |line: &&str| line.contains(&format!(" [{cpu}] "));
        text.lines().filter(own).map(|line| format!("{line}\n")).collect()
    };
    let report = fine((of("001") + &of("000")).as_bytes());
    assert_eq!(facts(&report), expected);
    assert!(report["reordered"].as_u64() > Some(100));
}

#[test]
fn what_is_not_recorded_is_asked_for() {
    let text = text_of(DETAIL);
    let without = |name: &str| -> String {
        let other = |line: &&str| !line.contains(&format!(": {name}: "));
        text.lines().filter(other).map(|line| format!("{line}\n")).collect()
    };
    for (name, invariants) in [
        ("kvm_async_pf_ready", &["INV-06", "INV-12", "INV-13", "INV-14", "INV-15"][..]),
        ("kvm_async_pf_not_present", &["INV-01", "INV-02", "INV-05", "INV-06", "INV-12", "INV-13"]),
        ("kvm_async_pf_completed", &["INV-06", "INV-13", "INV-15"]),
        ("kvm_msr", &["INV-33"]),
    ] {
        let report = fine(without(name).as_bytes());
        for invariant in invariants {
            let all = report["invariants"].as_array().unwrap();
            let one = all.iter().find(|one| one["invariant"] == *invariant).unwrap();
            assert_eq!(one["verdict"], "undecided", "{invariant} without {name}");
            assert_eq!(one["record"], name, "{invariant}");
        }
    }
    let report = fine(without("kvm_inj_exception").as_bytes());
    assert_eq!(report["exceptions_recorded"], false);
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(text).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn compressed_logs_whole_joined_and_cut() {
    let text = text_of(DETAIL);
    let expected = facts(&fine(text.as_bytes()));
    let whole = gzip(text.as_bytes());
    assert_eq!(facts(&fine(&whole)), expected);
    // Members that are joined, one of them empty, with a line cut between two.
    let (one, two) = text.as_bytes().split_at(text.len() / 2);
    let members = [gzip(one), gzip(b""), gzip(two)].concat();
    assert_eq!(facts(&fine(&members)), expected);
    // The end is missing, and something that is no gzip follows.
    let cut = fine(&whole[..whole.len() / 2]);
    assert!(cut["events"].as_u64() > Some(500), "{}", cut["events"]);
    assert!(skipped(&cut).iter().any(|(kind, _)| kind == "broken_compression"), "{cut}");
    let trailed = fine(&[&whole[..], b"garbage"].concat());
    assert_eq!(facts(&trailed), expected);
    assert_eq!(skipped(&trailed), [("broken_compression".to_owned(), 1)]);
    // Damage in the middle: nothing is judged, or nothing accused.
    for at in [11, 40, 400, whole.len() / 3] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        let (status, stdout, stderr) = run(&damaged);
        match status {
            Some(0) => {
                let report: Value = serde_json::from_str(&stdout).unwrap();
                assert!(!skipped(&report).is_empty(), "{at}");
            }
            _ => assert!(status == Some(2) && stderr.contains("is damaged"), "{at}: {stderr}"),
        }
    }
}

#[test]
fn line_ends_ends_of_files_and_foreign_lines() {
    let text = text_of(DETAIL);
    let expected = facts(&fine(text.as_bytes()));
    let report = fine(text.replace('\n', "\r\n").as_bytes());
    assert_eq!((facts(&report), &report["skipped"]), (expected.clone(), &json!([])));
    // Cut at any byte: never a violation, and a last line that is no event any more is said to be none.
    for end in (text.len() / 2..text.len()).step_by(text.len() / 40 + 1) {
        let report = fine(&text.as_bytes()[..end]);
        let begun = text[..end].rfind('\n').map_or(0, |at| at + 1);
        let skipped = skipped(&report);
        assert!(skipped.iter().map(|(_, count)| count).sum::<u64>() <= 1, "{end}: {skipped:?}");
        // An event has its name, and more.
        let named = text[begun..end].contains(": ");
        let blank = text[begun..end].trim().is_empty();
        assert!(blank || named || !skipped.is_empty(), "{end}: {}", &text[begun..end]);
    }
    // Lines that are none of a trace, and half-written ones, are counted.
    let mut odd = String::from("Script started\n");
    let mut cut = 0;
    for (at, line) in text.lines().enumerate() {
        odd.push_str(line);
        odd.push('\n');
        if at % 100 == 7 && !line.starts_with('#') {
            odd.push_str(&line[..line.len() / 3]);
            odd.push('\n');
            cut += 1;
        }
    }
    let report = fine(odd.as_bytes());
    assert_eq!(facts(&report), expected);
    let all: u64 = skipped(&report).iter().map(|(_, count)| count).sum();
    assert_eq!(all, cut + 1);
    // A file without its newline at the end, and zeros as after a crash of the host.
    let zeros = [text.as_bytes(), &[0; 5000]].concat();
    assert_eq!(facts(&fine(&zeros)), expected);
}

#[test]
fn a_line_of_a_hundred_megabytes_is_skipped() {
    let text = text_of(DETAIL);
    let expected = facts(&fine(text.as_bytes()));
    let long = [&vec![b'x'; 100_000_000], &b"\n"[..], text.as_bytes()].concat();
    let report = fine(&long);
    assert_eq!(facts(&report), expected);
    assert_eq!(skipped(&report), [("too_long".to_owned(), 1)]);
    // Nothing but such a line, and nothing but binary.
    for input in [&long[..100_000_000], &[0xff; 200_000][..], &[b'\n'; 1000][..]] {
        let (status, stdout, stderr) = run(input);
        assert_eq!((status, stdout.as_str()), (Some(2), ""), "{stderr}");
        assert!(stderr.contains("standard input"), "{stderr}");
    }
}

/// Rows that say little of the protocol make no log clean, and what was not understood is counted.
#[test]
fn what_does_not_decide_whether_requests_are_answered_is_undecided() {
    let text = text_of(DETAIL);
    let without: String = text
        .lines()
        .filter(|line| !line.contains("kvm_async_pf_"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let report = fine(without.as_bytes());
    assert_eq!((&report["verdict"], &report["has_faults"]), (&json!("undecided"), &json!(true)));
    // Tokens with more digits than any kernel prints.
    let report = fine(text.replace("token 0x", "token 0xfffffffffffffffff").as_bytes());
    assert_eq!(report["verdict"], "undecided");
    let of_tokens: Vec<_> = skipped(&report).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(of_tokens, ["bad_fields", "bad_fields"], "{}", report["skipped"]);
    // Page readies that are not recorded, or never came.
    let silent: String = text
        .lines()
        .filter(|line| !line.contains("kvm_async_pf_ready"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut command = program();
    let output = with_input(command.args(["check", "-"]), silent.as_bytes());
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("Verdict: undecided") || stdout.contains("Verdict: stall"), "{stdout}");
    assert!(stdout.contains("kvm_async_pf_ready, or it never came"), "{stdout}");
}

/// What was recorded before the file was cut off is judged, and the verdict says that it is not all.
#[test]
fn a_verdict_of_a_file_that_is_cut_off_says_so() {
    let log =
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/logs/tr01-pv-1cpu-4f4w-500us.txt.gz");
    let whole = std::fs::read(log).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.gz");
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let output = program().args(["check", "-q"]).arg(&cut).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let verdict = text.lines().find(|line| line.starts_with("Verdict: ")).unwrap();
    assert_eq!(verdict, "Verdict: clean, of what is there: the compressed file is cut off");
    let output = program().args(["check", "-q", log]).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("\nVerdict: clean\n"));
}
