//! Every recorded log, and the trace of every library scenario, through the programs with which
//! people record: `trace-cmd report` and `perf script` as text, `trace.dat` and `perf.data` as they
//! are. The facts are those of the plain log.
//!
//! `tests/tools/mkdat.py` writes the files in the layout of Linux 6.12, and the real programs print
//! them.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::kit::PROGRAM;

/// Whose names of exits are tried.
const VENDORS: [&str; 2] = ["amd", "intel"];
/// Lines that are taken of a trace of ours: the longest has more than a million.
const MAX_LINES: usize = 2_000;
/// And so many at least.
const MIN_LINES: usize = 100;

/// Runs a program; what it prints, and whether it did not fail.
fn run(program: &str, args: &[&str]) -> (Vec<u8>, bool) {
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    (output.stdout, output.status.success())
}

fn ran(program: &str, args: &[&str]) -> Vec<u8> {
    let (out, fine) = run(program, args);
    assert!(fine, "{program} {args:?}");
    out
}

fn apfsim(args: &[&str]) -> (Vec<u8>, bool) {
    run(PROGRAM, args)
}

/// What must not depend on who printed a log.
fn facts(path: &Path) -> Value {
    let (out, _) = apfsim(&["check", path.to_str().unwrap(), "--format", "json"]);
    let report: Value = serde_json::from_slice(&out).unwrap_or_else(|error| {
        panic!("{}: {error}: {}", path.display(), String::from_utf8_lossy(&out))
    });
    let of = |list: &str, fields: &[&str]| -> Vec<Value> {
        let all = report[list].as_array().unwrap().iter();
        let busy = |one: &&Value| list != "vcpus" || one["tries"] != 0 || one["ready"] != 0;
        all.filter(busy)
            .map(|one| fields.iter().map(|field| one[*field].clone()).collect())
            .collect()
    };
    let vcpus = [
        "thread",
        "tries",
        "told",
        "halted",
        "repeated",
        "at_cap",
        "other_sync",
        "ready",
        "wake_alls",
        "most_outstanding",
    ];
    let times = ["name", "count", "min_ns", "p50_ns", "p99_ns", "max_ns"];
    json!({
        "verdict": report["verdict"],
        "events": report["events"],
        "kernels": report["kernels"],
        "invariants": of("invariants", &["invariant", "verdict", "record", "count", "open"]),
        "vcpus": of("vcpus", &vcpus),
        "latencies": of("latencies", &times),
        "spins": of("spins", &["cause", "spins", "turns"]),
        "order": report["order"],
        "lost": report["lost"],
        "userfaultfd": handler(&report["userfaultfd"]),
        "skipped": report["skipped"],
    })
}

/// What probes of userfaultfd show, but for the line of its oldest message.
fn handler(userfaultfd: &Value) -> Value {
    let mut shown = userfaultfd.clone();
    if let Some(oldest) = shown.pointer_mut("/oldest_open").and_then(Value::as_object_mut) {
        oldest.remove("line");
    }
    shown
}

/// A folder with a log in it, and its forms.
struct Forms {
    folder: TempDir,
    log: PathBuf,
}

impl Forms {
    fn of(text: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let log = folder.path().join("plain.txt");
        std::fs::write(&log, text).unwrap();
        Self { folder, log }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Files by our own tool, each with its options. One call, since Python takes longer to start than to write.
    fn made(&self, files: &[(&str, &[&str])]) -> Vec<String> {
        let tool = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/mkdat.py");
        let paths: Vec<String> = files.iter().map(|(name, _)| self.path(name)).collect();
        let jobs = paths.iter().zip(files).enumerate();
        let words = jobs.flat_map(|(number, (path, (_, options)))| {
            let and = (number > 0).then_some("and");
            and.into_iter().chain([path.as_str()]).chain(options.iter().copied())
        });
        let words: Vec<&str> =
            [tool, self.log.to_str().unwrap()].into_iter().chain(words).collect();
        ran("python3", &words);
        paths
    }

    /// The text that a program prints, as a file.
    fn printed(&self, name: &str, program: &str, args: &[&str]) -> String {
        let path = self.path(name);
        // perf fails at its end on files that it did not record; what it printed is whole.
        let (text, _) = run(program, args);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The log in every form, as processors of these vendors name exits.
    fn all(&self, vendors: &[&str]) -> Vec<String> {
        let dats: Vec<(String, [&str; 2])> =
            vendors.iter().map(|vendor| (format!("{vendor}.dat"), ["--vendor", vendor])).collect();
        let mut files: Vec<(&str, &[&str])> =
            dats.iter().map(|(name, options)| (name.as_str(), &options[..])).collect();
        files.extend([
            ("own-none.dat", &["--kind", "dat7", "--compression", "none"][..]),
            ("own-zlib.dat", &["--kind", "dat7", "--compression", "zlib"]),
            ("stream.perf", &["--kind", "perf-stream"]),
            ("file.perf", &["--kind", "perf", "--vendor", "intel"]),
        ]);
        let mut forms = self.made(&files);
        for vendor in vendors {
            let dat = self.path(&format!("{vendor}.dat"));
            for (name, more) in [("", &[][..]), ("-N", &["-N"]), ("-R", &["-R"]), ("-l", &["-l"])] {
                let args = [&["report", "-t", "-i", &dat], more].concat();
                forms.push(self.printed(&format!("{vendor}{name}.txt"), "trace-cmd", &args));
            }
        }
        let dat = self.path(&format!("{}.dat", vendors[0]));
        for compression in ["none", "zstd"] {
            let path = self.path(&format!("{compression}.dat"));
            let version = ["--file-version", "7", "--compression", compression];
            ran("trace-cmd", &[&["convert", "-i", &dat, "-o", &path], &version[..]].concat());
            forms.push(path);
        }
        let (perf, fields) = (self.path("file.perf"), ["-F", "comm,pid,tid,cpu,time,event,trace"]);
        for (name, more) in [("perf.txt", &fields[..]), ("default.txt", &[])] {
            let args = ["script", "--ns", "--show-lost-events", "-i", &perf];
            forms.push(self.printed(name, "perf", &[&args, more].concat()));
        }
        forms
    }
}

#[track_caller]
fn same_in_every_form(name: &str, text: &str, vendors: &[&str]) {
    let forms = Forms::of(text);
    let expected = facts(&forms.log);
    assert!(expected["events"].as_u64() > Some(10), "{name}: {expected}");
    for form in forms.all(vendors) {
        assert_eq!(facts(Path::new(&form)), expected, "{name} as {form}");
    }
}

/// Lines of events alone: the head of a trace of ours names its generation, which files do not.
fn events(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#'))
}

#[test]
fn recorded_logs() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data"));
    let mut count = 0;
    let all = std::fs::read_dir(folder.join("logs")).unwrap().map(|entry| entry.unwrap().path());
    let with_probes = ["u09-pv-1cpu-4f4w-restore-uffd-100us-detail.txt.gz"];
    let with_probes = with_probes.map(|name| folder.join("userfaultfd").join(name));
    for path in all.chain(with_probes) {
        let mut text = String::new();
        GzDecoder::new(std::fs::File::open(&path).unwrap()).read_to_string(&mut text).unwrap();
        let text: String = events(&text).map(|line| format!("{line}\n")).collect();
        same_in_every_form(&path.display().to_string(), &text, &VENDORS);
        count += 1;
    }
    assert!(count >= 13, "{count}");
}

/// The same time with the number of the line among those of the same microsecond, so that files that
/// are sorted by time keep the order.
fn in_order(text: &str) -> String {
    let mut last = ("", 0_u32);
    let mut out = String::new();
    // The tool that makes the files has the events of KVM, block devices and the scheduler, not those of locks.
    let known = events(text).filter(|line| !line.contains(": contention_"));
    for line in known.take(MAX_LINES) {
        let end = line.find(": ").unwrap();
        let begin = line[..end].rfind(' ').unwrap() + 1;
        let time = &line[begin..end];
        last = if last.0 == time { (time, last.1 + 1) } else { (time, 0) };
        assert!(last.1 < 1000, "{line}");
        out.push_str(&format!("{}{time}{:03}{}\n", &line[..begin], last.1, &line[end..]));
    }
    out
}

/// The library scenarios, cut to the shortest time in which enough happens, by turns on either vendor's processors.
#[test]
fn traces_of_every_library_scenario() {
    let (list, _) = apfsim(&["scenarios"]);
    let list = String::from_utf8(list).unwrap();
    // A name begins its line; what follows the empty line are sweeps.
    let own = list.split("\n\n").next().unwrap().lines();
    let names = own.filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
    let names: Vec<&str> = names.map(|line| line.split(' ').next().unwrap()).collect();
    // The labs differ in numbers and not in events: every third of them.
    let (labs, others): (Vec<&str>, Vec<&str>) =
        names.into_iter().partition(|name| name.starts_with("lab-"));
    let names: Vec<&str> = others.into_iter().chain(labs.into_iter().step_by(3)).collect();
    assert!(names.len() > 30, "{names:?}");
    for (name, vendor) in names.into_iter().zip(VENDORS.iter().cycle()) {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (whole, _) = apfsim(&["show", name]);
        let whole = String::from_utf8(whole).unwrap();
        let at = whole.find("\"duration\": \"").unwrap() + "\"duration\": \"".len();
        let end = at + whole[at..].find('"').unwrap();
        let (scenario, trace) = (path("short.json"), path("trace.txt"));
        let ran = ["2ms", "30ms", "150ms", "4s"].iter().any(|duration| {
            let short = format!("{}{duration}{}", &whole[..at], &whole[end..]);
            std::fs::write(&scenario, short).unwrap();
            let (_, fine) = apfsim(&["run", &scenario, "-q", "--trace", &trace]);
            let lines = |text: String| text.lines().take(MIN_LINES).count();
            fine && std::fs::read_to_string(&trace).map_or(0, lines) == MIN_LINES
        });
        assert!(ran, "{name}");
        let text = in_order(&std::fs::read_to_string(&trace).unwrap());
        same_in_every_form(name, &text, &[vendor]);
    }
}

/// What trace-cmd prints of our trace.dat is what it is.
#[test]
fn our_own_trace_dat_is_printed() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for policy in ["sync", "halt", "apf-v6.12"] {
        let run = ["run", "smoke", "-q", "--duration", "100ms", "--policy", policy, "--trace"];
        for name in ["trace.dat", "trace.txt"] {
            ran(PROGRAM, &[&run[..], &[&path(name)]].concat());
        }
        let expected = facts(Path::new(&path("trace.dat")));
        assert!(expected["events"].as_u64() > Some(1000), "{policy}: {expected}");
        for more in [&[][..], &["-N"], &["-R"], &["-l"]] {
            let text =
                ran("trace-cmd", &[&["report", "-t", "-i", &path("trace.dat")], more].concat());
            std::fs::write(path("printed.txt"), text).unwrap();
            assert_eq!(facts(Path::new(&path("printed.txt"))), expected, "{policy} {more:?}");
        }
        // As many lines of each event as the text has.
        let count = |name: &str| {
            let text = std::fs::read_to_string(path(name)).unwrap();
            let mut counts = std::collections::BTreeMap::<String, u32>::new();
            for line in events(&text) {
                let name = line.split(": ").nth(1).unwrap_or("").trim().to_owned();
                *counts.entry(name).or_default() += 1;
            }
            counts.retain(|name, _| name.contains('_'));
            counts
        };
        let text = ran("trace-cmd", &["report", "-t", "-i", &path("trace.dat")]);
        std::fs::write(path("printed.txt"), text).unwrap();
        assert_eq!(count("printed.txt"), count("trace.txt"), "{policy}");
    }
}
