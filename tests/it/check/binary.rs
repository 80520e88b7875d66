//! Binary files of trace-cmd and perf, read without these programs: the facts are those of the
//! plain log. `tests/tools/mkdat.py` wrote the samples; that of version 7 with zstd is by
//! `trace-cmd convert`.

use std::io::Read as _;

use flate2::read::GzDecoder;
use scenarios::{CheckOptions, check};
use serde_json::{Value, json};

use crate::kit::{program, with_input};

const TOLD: &str = "forms/tracefs-told.txt.gz";
const TWO_VCPUS: &str = "logs/tr24-pv-2cpu-4f4w-500us-detail.txt.gz";

/// The samples, and the logs that they were made of.
const SAMPLES: [(&str, &str); 8] = [
    ("told-v6.dat", TOLD),
    ("told-v6-big-endian.dat", TOLD),
    ("told-v6-instance.dat", TOLD),
    ("told-v7.dat", TOLD),
    ("told.perf.data", TOLD),
    ("told-stream.perf.data", TOLD),
    ("pv-2cpu-v7-zlib.dat", TWO_VCPUS),
    ("pv-2cpu-v7-zstd.dat", TWO_VCPUS),
];
/// Of the log of two vCPUs 40 events of processor 0 are lost in these.
const LOST: [&str; 3] =
    ["pv-2cpu-lost-v6.dat.gz", "pv-2cpu-lost-v7-zlib.dat", "pv-2cpu-lost.perf.data.gz"];

fn path(name: &str) -> String {
    format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(path(&format!("binary/{name}"))).unwrap()
}

fn text(name: &str) -> String {
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(path(name)).unwrap()).read_to_string(&mut text).unwrap();
    text
}

fn apfsim(args: &[&str], input: &[u8]) -> (Option<i32>, String, String) {
    let output = with_input(program().args(args), input);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn checked(log: &str, input: &[u8]) -> Value {
    let (status, stdout, stderr) = apfsim(&["check", log, "--format", "json"], input);
    assert_eq!((status, stderr.as_str()), (Some(0), ""), "{log}: {stdout}");
    serde_json::from_str(&stdout).unwrap()
}

/// What must not depend on the file. Lines of a text and events of a file have different numbers.
fn facts(report: &Value) -> Value {
    let mut facts = report.clone();
    for field in ["log", "lines", "source", "not_read", "reordered", "overwritten"] {
        facts.as_object_mut().unwrap().remove(field);
    }
    for spins in facts["spins"].as_array_mut().unwrap() {
        spins["line"] = Value::Null;
    }
    facts
}

#[test]
fn files_have_the_facts_of_their_logs() {
    for (sample, log) in SAMPLES {
        let plain = checked(&path(log), b"");
        let report = checked(&path(&format!("binary/{sample}")), b"");
        assert_eq!(report["skipped"], json!([]), "{sample}");
        let (mut found, mut expected) = (facts(&report), facts(&plain));
        // perf says which process a thread belongs to; an event that is not written is not there.
        for facts in [&mut found, &mut expected] {
            for vcpu in facts["vcpus"].as_array_mut().unwrap() {
                vcpu["vm"] = Value::Null;
            }
            for vcpu in facts["course"]["vcpus"].as_array_mut().unwrap() {
                vcpu["name"] = Value::Null;
            }
        }
        assert_eq!(found, expected, "{sample}");
        // From standard input as well.
        let piped = checked("-", &bytes(sample));
        assert_eq!(facts(&piped), facts(&report), "{sample}");
    }
    let source = |sample: &str| checked(&path(&format!("binary/{sample}")), b"")["source"].clone();
    assert_eq!(source("told-v6.dat"), "trace.dat version 6");
    assert_eq!(source("told-v6-instance.dat"), "trace.dat version 6, the instance `vm`");
    assert_eq!(source("pv-2cpu-v7-zstd.dat"), "trace.dat version 7, zstd");
    assert_eq!(source("told-stream.perf.data"), "perf.data, written as a stream");
}

/// The events that are lost in the samples. Where nothing says that they are, what vCPUs do shows it.
#[test]
fn losses_are_seen() {
    let plain = text(TWO_VCPUS);
    let lines: Vec<&str> = plain.lines().filter(|line| !line.starts_with('#')).collect();
    let own: Vec<usize> = (0..lines.len()).filter(|&at| lines[at].contains(" [000] ")).collect();
    let gap = &own[own.len() / 2..own.len() / 2 + 40];
    let with = |mark: &str| -> String {
        let mut out = String::new();
        for (at, line) in lines.iter().enumerate() {
            if at == gap[0] {
                out.push_str(mark);
            }
            if !gap.contains(&at) {
                out.push_str(&format!("{line}\n"));
            }
        }
        out
    };
    let (status, ..) = apfsim(&["check", "-"], with("").as_bytes());
    assert_eq!(status, Some(0));
    let expected = checked("-", with("CPU:0 [LOST 40 EVENTS]\n").as_bytes());
    for sample in LOST {
        let report = checked(&path(&format!("binary/{sample}")), b"");
        assert_eq!(report["lost"], json!({"places": 1, "events": 40}), "{sample}");
        for field in ["verdict", "invariants", "latencies", "order"] {
            assert_eq!(report[field], expected[field], "{sample} {field}");
        }
    }
}

#[test]
fn a_fit_of_a_file_is_that_of_its_log() {
    let fit = |log: &str| {
        let (status, stdout, stderr) =
            apfsim(&["fit-scenario", log, "--no-run", "--format", "json"], b"");
        assert_eq!(status, Some(0), "{stderr}");
        let report: Value = serde_json::from_str(&stdout).unwrap();
        json!([report["mode"], report["counts"], report["device"], report["paths"]])
    };
    let expected = fit(&path(TWO_VCPUS));
    for sample in ["pv-2cpu-v7-zlib.dat", "pv-2cpu-v7-zstd.dat"] {
        assert_eq!(fit(&path(&format!("binary/{sample}"))), expected, "{sample}");
    }
}

fn error_of(bytes: &[u8]) -> String {
    check(bytes, "a file", &CheckOptions::default()).unwrap_err().to_string()
}

#[test]
fn what_is_not_read_is_said_with_the_way_out() {
    let mut version = bytes("told-v6.dat");
    version[10] = b'9';
    assert!(error_of(&version).contains("trace.dat of version 9"), "{}", error_of(&version));
    let replaced = |sample: &str, from: &[u8], to: &[u8]| {
        let mut bytes = bytes(sample);
        let at = bytes.windows(from.len()).position(|part| part == from).unwrap();
        bytes[at..at + to.len()].copy_from_slice(to);
        bytes
    };
    let other = error_of(&replaced("pv-2cpu-v7-zlib.dat", b"zlib\0", b"lzma\0"));
    assert!(other.contains("`lzma`") && other.contains("trace-cmd convert"), "{other}");
    let latency = error_of(&replaced("told-v6.dat", b"flyrecord\0", b"latency  \0"));
    assert!(latency.contains("latency tracer"), "{latency}");
    // A compressed record in the place of the first.
    let mut perf = bytes("told.perf.data");
    let data = u64::from_le_bytes(perf[40..48].try_into().unwrap()) as usize;
    perf[data..data + 4].copy_from_slice(&81_u32.to_le_bytes());
    assert!(error_of(&perf).contains("perf record -z"), "{}", error_of(&perf));
    let mut unfinished = bytes("told.perf.data");
    unfinished[48..56].fill(0);
    assert!(error_of(&unfinished).contains("not finished"), "{}", error_of(&unfinished));
    let mut no_formats = bytes("told.perf.data");
    no_formats[72..104].fill(0);
    assert!(error_of(&no_formats).contains("formats of tracepoints"), "{}", error_of(&no_formats));
}

#[test]
fn a_file_that_is_cut_is_an_error_with_its_place_or_a_shorter_log() {
    for (sample, _) in SAMPLES {
        let whole = bytes(sample);
        for part in 1..16 {
            let end = whole.len() * part / 16;
            match check(&whole[..end], "a file", &CheckOptions::default()) {
                Ok(report) => assert!(!report.is_violated(), "{sample} cut at {end}"),
                Err(error) => {
                    let error = error.to_string();
                    assert!(
                        error.contains("byte ") || error.contains("empty"),
                        "{sample}: {error}"
                    );
                }
            }
        }
    }
}

/// Whatever is changed in a file: a report or an error, and the end of it in good time.
#[test]
fn damage_never_panics() {
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let (mut read, mut refused) = (0, 0);
    for (sample, _) in SAMPLES {
        let whole = bytes(sample);
        for _ in 0..150 {
            let mut damaged = whole.clone();
            for _ in 0..1 + random(4) {
                // Half of them where the file says what is where.
                let within = if random(2) == 0 { whole.len().min(400) } else { whole.len() };
                let at = random(within);
                match random(4) {
                    0 => damaged[at] ^= 1 << random(8),
                    1 => damaged[at] = 0xff,
                    2 => {
                        let end = (at + 1 + random(64)).min(whole.len());
                        damaged[at..end].fill(0);
                    }
                    _ => damaged.truncate(at.max(16)),
                }
                if damaged.len() < whole.len() {
                    break;
                }
            }
            match check(damaged.as_slice(), "a file", &CheckOptions::default()) {
                Ok(_) => read += 1,
                Err(_) => refused += 1,
            }
        }
    }
    assert!(read > 100 && refused > 100, "{read} {refused}");
}
