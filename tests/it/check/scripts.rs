//! What people write to look at traces of real hosts reads ours without noticing.
//!
//! The reader here is such a script: it knows the columns of tracefs, splits at spaces as `awk`
//! does, and takes the words after `token`, `gva` and the like. It shares nothing with the reader of
//! `apfsim check`, and is held against it on a real log and on a run of ours.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use flate2::read::GzDecoder;
use serde_json::Value;

use crate::kit::program;

/// What the script prints.
#[derive(Debug, Default, PartialEq)]
struct Numbers {
    /// `cut -d: ... | sort | uniq -c`
    events: BTreeMap<String, u64>,
    /// Lines per vCPU thread of not present and of ready, wake-alls left out.
    threads: BTreeMap<u64, (u64, u64)>,
    /// Not present to completed by address, in microseconds.
    fetches: Vec<u64>,
    /// Exceptions that told a not present.
    told: u64,
    /// Exits by reason.
    exits: BTreeMap<String, u64>,
    /// Acknowledgements: writes of the register.
    acks: u64,
    /// Threads that were switched to.
    switched: BTreeSet<String>,
    /// The first and the last time, in microseconds.
    span: (u64, u64),
}

/// The word after a word.
fn after<'a>(words: &[&'a str], name: &str) -> &'a str {
    let at = words.iter().position(|word| *word == name).unwrap_or_else(|| panic!("{words:?}"));
    words[at + 1]
}

fn script(text: &str) -> Numbers {
    let mut numbers = Numbers::default();
    let mut begun: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        // $1 is comm-pid, $2 [cpu], $3 flags, $4 time and $5 event.
        let pid: u64 = words[0].rsplit('-').next().unwrap().parse().unwrap();
        assert!(words[1].starts_with('[') && words[1].ends_with(']') && words[1].len() == 5);
        assert_eq!(words[2].len(), 5, "{line}");
        let time = words[3].strip_suffix(':').unwrap();
        let (seconds, fraction) = time.split_once('.').unwrap();
        assert_eq!(fraction.len(), 6, "{line}");
        let us = seconds.parse::<u64>().unwrap() * 1_000_000 + fraction.parse::<u64>().unwrap();
        if numbers.events.is_empty() {
            numbers.span.0 = us;
        }
        numbers.span.1 = us;
        let event = words[4].strip_suffix(':').unwrap();
        *numbers.events.entry(event.to_owned()).or_default() += 1;
        let rest = &words[5..];
        match event {
            "kvm_async_pf_not_present" => {
                assert!(after(rest, "token").starts_with("0x"), "{line}");
                numbers.threads.entry(pid).or_default().0 += 1;
                begun.entry(after(rest, "gva")).or_default().push(us);
            }
            "kvm_async_pf_ready" if after(rest, "token") != "0xffffffff" => {
                numbers.threads.entry(pid).or_default().1 += 1;
            }
            "kvm_async_pf_completed" => {
                assert!(after(rest, "address").starts_with("0x7f"), "{line}");
                let waiting = begun.get_mut(after(rest, "gva"));
                if let Some(waiting) = waiting.filter(|waiting| !waiting.is_empty()) {
                    numbers.fetches.push(us - waiting.remove(0));
                }
            }
            "kvm_inj_exception" => numbers.told += u64::from(rest == ["#PF", "(0x0)"]),
            "kvm_exit" => {
                assert_eq!(rest[0], "vcpu");
                *numbers.exits.entry(after(rest, "reason").to_owned()).or_default() += 1;
                for field in ["rip", "info1", "info2", "intr_info", "error_code"] {
                    assert!(after(rest, field).starts_with("0x"), "{line}");
                }
            }
            "kvm_msr" => {
                assert!(["msr_write", "msr_read"].contains(&rest[0]), "{line}");
                numbers.acks += u64::from(rest == ["msr_write", "4b564d07", "=", "0x1"]);
            }
            "sched_switch" => {
                let next = rest.iter().find_map(|word| word.strip_prefix("next_comm=")).unwrap();
                numbers.switched.insert(next.to_owned());
                assert!(rest.contains(&"==>"), "{line}");
            }
            "block_rq_issue" => assert_eq!((rest[0], rest[1]), ("254,0", rest[1]), "{line}"),
            _ => {}
        }
    }
    numbers.fetches.sort_unstable();
    numbers
}

fn apfsim(args: &[&str]) -> String {
    let mut command = program();
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Holds the script's numbers against those of `apfsim check`.
fn compare(text: &str, path: &str) -> Numbers {
    let numbers = script(text);
    let report: Value =
        serde_json::from_str(&apfsim(&["check", path, "--format", "json"])).unwrap();
    let counts = report["counts"].as_array().unwrap().iter();
    let counts: BTreeMap<String, u64> = counts
        .map(|one| (one["event"].as_str().unwrap().to_owned(), one["count"].as_u64().unwrap()))
        .collect();
    assert_eq!(numbers.events, counts, "{path}");
    assert_eq!(report["skipped"], Value::Array(Vec::new()), "{path}");
    let mut told = 0;
    for vcpu in report["vcpus"].as_array().unwrap().iter().filter(|one| one["tries"] != 0) {
        let number = |name: &str| vcpu[name].as_u64().unwrap();
        let (not_present, ready) = numbers.threads[&number("thread")];
        assert_eq!(number("ready"), ready, "{path}");
        // One may be neither at the end of the log.
        assert!(not_present - number("told") - number("halted") <= 1, "{path}: {vcpu}");
        told += number("told");
    }
    assert_eq!(told, numbers.told, "{path}");
    let latencies = report["latencies"].as_array().unwrap();
    let one = |name: &str| latencies.iter().find(|one| one["name"] == name).unwrap();
    let fetch = one("not present to completed");
    let count = numbers.fetches.len();
    assert!(fetch["count"].as_u64().unwrap().abs_diff(count as u64) <= 1, "{path}");
    let (median, ours) = (numbers.fetches[count / 2], fetch["p50_ns"].as_u64().unwrap() / 1000);
    assert!(median.abs_diff(ours) <= median / 100, "{path}: {median} us, {ours} us");
    let span = (numbers.span.1 - numbers.span.0) * 1000;
    assert_eq!(report["span_ns"].as_u64(), Some(span), "{path}");
    numbers
}

#[test]
fn a_script_for_real_logs_reads_ours() {
    let real_path = "tests/data/logs/tr24-pv-2cpu-4f4w-500us-detail.txt.gz";
    let mut real = String::new();
    let file = std::fs::File::open(format!("{}/{real_path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    GzDecoder::new(file).read_to_string(&mut real).unwrap();
    let real = compare(&real, real_path);

    let folder = tempfile::tempdir().unwrap();
    let scenario = apfsim(&["show", "smoke"]);
    let short = scenario.replace("\"duration\": \"1s\"", "\"duration\": \"40ms\"");
    let path = folder.path().join("short.json");
    std::fs::write(&path, short).unwrap();
    let trace = folder.path().join("ours.txt");
    let (path, trace) = (path.to_str().unwrap(), trace.to_str().unwrap());
    apfsim(&["run", path, "-q", "--policy", "apf-v6.12", "--trace", trace]);
    let ours = compare(&std::fs::read_to_string(trace).unwrap(), trace);

    // Nothing in ours has a name that the real log does not know, but for events that its host did not
    // record.
    const NOT_RECORDED: [&str; 2] = ["contention_begin", "contention_end"];
    let unknown = |ours: &BTreeMap<String, u64>, real: &BTreeMap<String, u64>| {
        let known = |name: &str| real.contains_key(name) || NOT_RECORDED.contains(&name);
        ours.keys().filter(|name| !known(name)).cloned().collect::<Vec<_>>()
    };
    assert_eq!(unknown(&ours.events, &real.events), [] as [String; 0]);
    assert_eq!(unknown(&ours.exits, &real.exits), [] as [String; 0]);
    assert!(ours.acks > 50 && real.acks > 50, "{} {}", ours.acks, real.acks);
    let workers =
        |numbers: &Numbers| numbers.switched.iter().any(|name| name.starts_with("kworker/"));
    assert!(workers(&ours) && workers(&real));
}
