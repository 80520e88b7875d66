//! Timelines by the schema of Perfetto's own Python package, and by its trace processor where that can
//! be had: `target/perfetto` is a virtual environment with the package, or `python3` has it.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::kit::PROGRAM;

const TOOL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/perfetto_facts.py");

fn printed(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn python() -> &'static str {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/target/perfetto/bin/python");
    if Path::new(own).exists() { own } else { "python3" }
}

/// A run, and what Perfetto's package reads in its timeline.
struct Seen {
    run: Value,
    facts: Value,
    trace: String,
    _folder: TempDir,
}

impl Seen {
    fn of(args: &[&str], file: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let trace = folder.path().join(file).to_str().unwrap().to_owned();
        let more = ["-q", "--format", "json", "--trace", &trace];
        let run = printed(PROGRAM, &[&["run"], args, &more[..]].concat());
        let facts = printed(python(), &[TOOL, &trace]);
        let parse = |text: &str| serde_json::from_str(text).unwrap();
        Self { run: parse(&run), facts: parse(&facts), trace, _folder: folder }
    }

    fn metric(&self, name: &str) -> u64 {
        let mean = &self.run["policies"][0]["metrics"][name]["mean"];
        mean.as_f64().unwrap_or_else(|| panic!("{name}: {}", self.run)) as u64
    }

    fn count(&self, what: &str, name: &str) -> u64 {
        self.facts[what][name].as_u64().unwrap_or(0)
    }

    /// Counts are those of the run, slices of a track do not overlap, flows are connected.
    #[track_caller]
    fn check(&self) {
        assert_eq!(self.facts["wrong"], serde_json::json!({}), "{}", self.facts);
        let told = self.metric("not_present_injected");
        assert_eq!(self.count("measured_instants", "not present"), told);
        let ready: u64 =
            ["page ready", "wake all"].map(|it| self.count("measured_instants", it)).iter().sum();
        assert_eq!(ready, self.metric("page_ready_delivered"));
        assert_eq!(self.count("measured_slices", "major fault"), self.metric("major_faults"));
    }

    /// What the trace processor says of it, if there is one.
    #[expect(clippy::print_stderr, reason = "a part that was skipped is told")]
    fn sql(&self) {
        let text = printed(python(), &[TOOL, &self.trace, "--sql"]);
        let last = text.lines().last().unwrap_or_default();
        if last.starts_with("no trace processor") {
            eprintln!("skipped: {last}");
            return;
        }
        let facts: Value = serde_json::from_str(last).unwrap();
        assert_eq!(facts["errors"], serde_json::json!({}), "{facts}");
        assert_eq!(facts["slices"]["not present"], self.facts["slices"]["not present"]);
        assert!(facts["flows"].as_u64() >= self.facts["flows"]["through"].as_u64(), "{facts}");
    }
}

#[test]
fn a_minute_of_the_2010_benchmark() {
    let seen = Seen::of(&["natapov-2010"], "run.perfetto-trace");
    seen.check();
    // The benchmark has no warm-up, and no fault is announced too late for the guest.
    let told = seen.metric("not_present_injected");
    assert!(told > 9_000, "{told}");
    assert_eq!(seen.count("slices", "not present"), told);
    let through = seen.count("flows", "through");
    assert!(through + 16 >= told, "{through} of {told}");
    seen.sql();
}

#[test]
fn other_hosts_and_policies() {
    for (args, track) in [
        (&["smoke", "--policy", "halt"][..], "host/worker 0"),
        (&["smoke", "--policy", "sync"], "guest/vcpu0/task"),
        (&["kv-tail", "--duration", "1s"], "guest/tasks/server 0/requests"),
        (&["zram-laptop", "--duration", "1s"], "host/memory: vcpu0"),
        (&["snapshot-restore"], "host/handler 0"),
    ] {
        let seen = Seen::of(args, "run.pftrace.gz");
        seen.check();
        let tracks = seen.facts["tracks"].as_array().unwrap();
        assert!(tracks.iter().any(|it| it == track), "{args:?}: {tracks:?}");
        seen.sql();
    }
}
