//! `--trace`: what it writes, and that it changes nothing.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Output;

use flate2::read::GzDecoder;
use tempfile::TempDir;

use crate::kit::program;

fn apfsim(args: &[&str]) -> Output {
    program().args(args).output().unwrap()
}

#[track_caller]
fn fine(args: &[&str]) -> String {
    let output = apfsim(args);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*error), (Some(0), ""), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The smoke scenario, cut to a fraction of a second.
fn short(folder: &TempDir) -> String {
    let text = fine(&["show", "smoke"]);
    let short = text.replace("\"duration\": \"1s\"", "\"duration\": \"40ms\"");
    assert_ne!(text, short);
    let path = folder.path().join("short.json");
    fs::write(&path, short).unwrap();
    path.to_str().unwrap().to_owned()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_trace_changes_nothing_and_does_not_depend_on_jobs() {
    let folder = TempDir::new().unwrap();
    let scenario = short(&folder);
    let policies = ["--policy", "halt", "--policy", "apf-v6.12"];
    let compare = |jobs: &str, more: &[&str]| {
        let base =
            ["compare", &scenario, "-q", "--format", "json", "--replications", "2", "-j", jobs];
        fine(&[&base[..], &policies, more].concat())
    };
    let plain = compare("2", &[]);
    let traces = TempDir::new().unwrap();
    let path = |name: &str| traces.path().join(name).to_str().unwrap().to_owned();
    assert_eq!(compare("1", &["--trace", &path("one.txt")]), plain);
    assert_eq!(compare("3", &["--trace", &path("three.txt.gz")]), plain);
    assert_eq!(compare("1", &["--no-skip", "--trace", &path("step.txt")]), plain);
    let mut expected = Vec::new();
    for (stem, extension) in [("one", "txt"), ("step", "txt"), ("three", "txt.gz")] {
        for policy in ["apf-v6.12", "halt"] {
            for replication in ["0", "1"] {
                expected.push(format!("{stem}.{policy}.{replication}.{extension}"));
            }
        }
    }
    assert_eq!(names(traces.path()), expected);
    for run in ["apf-v6.12.0", "apf-v6.12.1", "halt.0", "halt.1"] {
        let one = fs::read_to_string(path(&format!("one.{run}.txt"))).unwrap();
        let packed = fs::File::open(path(&format!("three.{run}.txt.gz"))).unwrap();
        let mut three = String::new();
        GzDecoder::new(packed).read_to_string(&mut three).unwrap();
        assert!(one == three, "{run}: jobs change the trace");
        let step = fs::read_to_string(path(&format!("step.{run}.txt"))).unwrap();
        assert!(one == step, "{run}: skipping changes the trace");
        assert!(one.starts_with("# tracer: nop\n# run=smoke policy="), "{run}");
        let ready = one.lines().filter(|line| line.contains(": kvm_async_pf_ready: ")).count();
        assert!(ready > 50, "{run}: {ready}");
    }
}

#[test]
fn a_single_run_has_the_file_that_was_named_even_if_it_is_stored() {
    let folder = TempDir::new().unwrap();
    let scenario = short(&folder);
    let out = folder.path().join("out");
    let trace = folder.path().join("trace.txt");
    let args = ["run", &scenario, "-q", "--out", out.to_str().unwrap()];
    let first = fine(&args);
    let with_trace = fine(&[&args[..], &["--trace", trace.to_str().unwrap()]].concat());
    assert_eq!(first, with_trace);
    let text = fs::read_to_string(&trace).unwrap();
    // Time never goes back, and every line has the width of a real one.
    let mut last = String::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert_eq!(line.as_bytes()[25], b'[', "{line}");
        let time = &line[38..50];
        assert!(*time >= *last, "{line}");
        last = time.to_owned();
    }
    // The run that was stored before is still there, and can be taken over.
    assert_eq!(fine(&args), first);
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let folder = TempDir::new().unwrap();
    let scenario = short(&folder);
    for (path, reason) in [
        (folder.path().join("no/such/trace.txt"), "No such file or directory"),
        (folder.path().to_owned(), "Is a directory"),
    ] {
        let path = path.to_str().unwrap();
        let output = apfsim(&["run", &scenario, "-q", "--trace", path]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(path) && error.contains(reason), "{error}");
        assert!(output.stdout.is_empty());
    }
    if Path::new("/dev/full").exists() {
        let output = apfsim(&["run", &scenario, "-q", "--trace", "/dev/full"]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("cannot write the trace `/dev/full`: No space left"), "{error}");
    }
}

/// A run's trace, read back as a log, has the verdict that the monitors gave while it ran.
#[test]
fn traces_of_runs_are_clean_logs() {
    let folder = TempDir::new().unwrap();
    let scenario = short(&folder);
    for (policy, rules) in [
        ("halt", "v7-2010"),
        ("apf-v7-2010", "v7-2010"),
        ("apf-v2.6.39", "v2.6.39"),
        ("apf-v5.3", "v5.3"),
        ("apf-v5.17", "v5.17"),
        ("apf-v6.12", "v6.12"),
        ("apf-v6.19", "v6.19"),
        ("apf-v7.3", "v7.3"),
    ] {
        let trace = folder.path().join(format!("{policy}.txt.gz"));
        let trace = trace.to_str().unwrap();
        fine(&["run", &scenario, "-q", "--policy", policy, "--trace", trace]);
        // The trace says itself which rules it follows; who says it again, hears the same.
        let mut reports = Vec::new();
        for more in [&[][..], &["--rules", rules]] {
            let report = fine(&[&["check", trace, "--format", "json"], more].concat());
            reports.push(serde_json::from_str::<serde_json::Value>(&report).unwrap());
        }
        let report = &reports[0];
        assert_eq!(*report, reports[1], "{policy}");
        assert_eq!(report["rules"], rules, "{policy}");
        assert_eq!(report["verdict"], "clean", "{policy}: {report}");
        assert_eq!(report["skipped"].as_array().map(Vec::len), Some(0), "{policy}");
    }
}

/// A mistake that the monitors see while the run goes on is in its trace too.
#[test]
fn the_trace_of_a_mistake_is_a_log_with_a_violation() {
    let folder = TempDir::new().unwrap();
    let scenario = short(&folder);
    let text = fs::read_to_string(&scenario).unwrap();
    let faulty = text.replacen(
        "\"policies\": [",
        "\"policies\": [{ \"name\": \"faulty\", \"base\": \"v6.12\", \"defects\": [\"token-zero\"] },",
        1,
    );
    assert_ne!(text, faulty);
    fs::write(&scenario, faulty).unwrap();
    let trace = folder.path().join("faulty.txt");
    let trace = trace.to_str().unwrap();
    let run = apfsim(&["run", &scenario, "-q", "--policy", "faulty", "--trace", trace]);
    assert_eq!(run.status.code(), Some(1), "the monitors see it");
    let output = apfsim(&["check", trace, "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let report = String::from_utf8(output.stdout).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["verdict"], "violation");
    let verdicts = report["invariants"].as_array().unwrap();
    let broken = |verdict: &&serde_json::Value| verdict["verdict"] == "violation";
    assert!(
        verdicts.iter().filter(broken).any(|verdict| verdict["invariant"] == "INV-04"),
        "{report}"
    );
}

/// The same events as trace.dat: what `check` says does not depend on the form, and memory not on the run.
#[test]
fn a_trace_dat_is_read_like_the_text() {
    let folder = TempDir::new().unwrap();
    let scenario = short(&folder);
    for policy in ["sync", "halt", "apf-v2.6.39", "apf-v6.12"] {
        let mut reports = Vec::new();
        for name in ["trace.txt", "trace.dat", "trace.dat.gz"] {
            let trace = folder.path().join(name);
            let trace = trace.to_str().unwrap();
            fine(&["run", &scenario, "-q", "--policy", policy, "--trace", trace]);
            let output = apfsim(&["check", trace, "--format", "json"]);
            let report = String::from_utf8(output.stdout).unwrap();
            reports.push(serde_json::from_str::<serde_json::Value>(&report).unwrap());
        }
        let dat = fs::read(folder.path().join("trace.dat")).unwrap();
        assert!(dat.starts_with(b"\x17\x08\x44tracing6\0"), "{policy}");
        for field in ["verdict", "events", "vcpus", "lost", "skipped"] {
            assert_eq!(reports[0][field], reports[1][field], "{policy}: {field}");
            assert_eq!(reports[1][field], reports[2][field], "{policy}: {field}");
        }
        assert!(reports[1]["events"].as_u64() > Some(100), "{policy}");
    }
    // With what userfaultfd does.
    let trace = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut reports = ["uffd.txt", "uffd.dat"].map(|name| {
        let run =
            ["run", "lab-uffd-100us-4f4w", "-q", "--duration", "20ms", "--policy", "apf-v6.12"];
        fine(&[&run[..], &["--trace", &trace(name)]].concat());
        let output = apfsim(&["check", &trace(name), "--format", "json"]);
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    });
    // The text has microseconds, and other lines before the events.
    for report in &mut reports {
        let seen = report["userfaultfd"].as_object_mut().unwrap();
        seen.remove("times");
        if let Some(oldest) = seen["oldest_open"].as_object_mut() {
            assert!(oldest.remove("age_ns").is_some() && oldest.remove("line").is_some());
        }
    }
    for field in ["verdict", "events", "vcpus", "userfaultfd"] {
        assert_eq!(reports[0][field], reports[1][field], "{field}");
    }
    assert!(reports[1]["userfaultfd"]["installed"].as_u64() > Some(10));
    // Whatever the number of threads and the way of running: the same bytes.
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let run = |name: &str, more: &[&str]| {
        fine(&[&["run", &scenario, "-q", "--trace", &path(name)], more].concat());
        fs::read(path(name)).unwrap()
    };
    assert_eq!(run("one.dat", &["-j", "1"]), run("two.dat", &["-j", "2", "--no-skip"]));
}
