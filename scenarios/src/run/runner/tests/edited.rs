//! Stored files that somebody edited: what does not come from this very experiment is refused with
//! its place or run again, and never believed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use models::machine;
use sim_core::QueueKind;

use super::super::part::PartWork;
use super::super::work::Chain;
use super::*;
use crate::experiments::crossover::{CrossoverQuestion, find_crossover};
use crate::experiments::sweep::{Sweep, SweepOverrides, run_sweep};
use crate::run::folder::RUNS_FILE;
use crate::run::plan::replication_seed;
use crate::run::replay::{ReplayError, ReplayFile};
use crate::run::results::{FindingSummary, FindingVerdict};
use crate::run::store::RunText;
use crate::run::stored::StoredRun;
use crate::run::summary;
use crate::scenario::canonical;

const FLIPS: u32 = 200;

/// Texts that differ from `text` by one digit, by a fixed seed.
fn flipped(text: &str) -> impl Iterator<Item = (usize, String)> {
    let digits: Vec<usize> =
        text.bytes().zip(0..).filter(|(b, _)| b.is_ascii_digit()).map(|(_, at)| at).collect();
    assert!(digits.len() > 200, "{} digits", digits.len());
    (0..FLIPS).map(move |number| {
        let drawn = replication_seed(2026, number);
        let at = digits[(drawn % digits.len() as u64) as usize];
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] = b'0' + (bytes[at] - b'0' + 1 + (drawn >> 32) as u8 % 9) % 10;
        (at, String::from_utf8(bytes).expect("a digit for a digit"))
    })
}

/// Flips digits of stored runs, and sees what a command makes of them.
fn all_refused<R>(folder: &Path, again: impl Fn() -> Result<R, RunnerError>) {
    let path = folder.join(RUNS_FILE);
    let text = fs::read_to_string(&path).expect("written");
    let mut lines = BTreeSet::new();
    for (at, flipped) in flipped(&text) {
        fs::write(&path, &flipped).expect("written");
        let place = text[..at].matches('\n').count() as u64 + 1;
        match again().map(|_| ()).expect_err("a digit was changed") {
            RunnerError::Broken { line, .. } => assert_eq!(line, place),
            RunnerError::OtherRuns { .. } => assert_eq!(place, 1),
            other => panic!("{other}"),
        }
        assert_eq!(fs::read_to_string(&path).expect("there"), flipped, "nothing is thrown away");
        lines.insert(place);
    }
    assert!(lines.len() > 3, "{lines:?}");
    fs::write(&path, &text).expect("written");
    again().map(|_| ()).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn no_flipped_digit_of_stored_runs_is_believed() {
    let folder = tempfile::tempdir().expect("a directory");
    let (scenario, options) = (scenario(), options(1, Some(folder.path())));
    run(&scenario, &options);
    all_refused(folder.path(), || run_comparison(&scenario, &options, &|_| {}));
}

#[test]
fn no_flipped_digit_of_the_stored_runs_of_a_sweep_is_believed() {
    let folder = tempfile::tempdir().expect("a directory");
    let overrides = SweepOverrides {
        axes: vec!["guest.hz=100,1000".into()],
        set: vec!["duration=40ms".into()],
        ..SweepOverrides::default()
    };
    let sweep = Sweep::load("smoke", &overrides).expect("valid");
    let options = options(1, Some(folder.path()));
    run_sweep(&sweep, &options, &|_| {}).unwrap_or_else(|error| panic!("{error}"));
    all_refused(folder.path(), || run_sweep(&sweep, &options, &|_| {}));
}

#[test]
fn no_flipped_digit_of_the_stored_runs_of_a_search_is_believed() {
    let folder = tempfile::tempdir().expect("a directory");
    let question = CrossoverQuestion {
        scenario: "smoke".into(),
        fields: "host.swap.device.read_latency".into(),
        from: "20us".into(),
        to: "2ms".into(),
        policy: Some("halt".into()),
        against: Some("sync".into()),
        metric: Some("major_faults".into()),
        tolerance: 0.5,
        set: vec!["duration=40ms".into()],
        seed: None,
        replications: None,
    };
    let options = options(1, Some(folder.path()));
    let again = || match find_crossover(&question, &options, &|_| {}) {
        Err(crate::experiments::crossover::CrossoverError::Runner(error)) => Err(error),
        other => Ok(other.unwrap_or_else(|error| panic!("{error}"))),
    };
    again().map(|_| ()).unwrap_or_else(|error| panic!("{error}"));
    all_refused(folder.path(), again);
}

/// A replay file of a run that broke an invariant by order.
fn replay(folder: &Path) -> PathBuf {
    let (scenario, options) = (scenario(), options(1, Some(folder)));
    let batch = Batch::of_one(&scenario);
    let work = Work::new(&batch, &options, &|_| {}, None, &StoredRuns::new(), Shard::WHOLE);
    let part = &work.parts[0];
    let run = part.plan.runs()[2];
    let prefix = work.prefill(&Chain { part: 0, runs: vec![run] }).expect("prefilled");
    let policy = &scenario.policies[run.policy];
    let output = machine::run(&prefix, policy, &part.settings).expect("runs");
    let named = (policy.name.as_str(), part.policy_hashes[run.policy].as_str());
    let mut stored = StoredRun::new(run, named, &scenario.machine, &output);
    part.write_replay(folder, &options, run, &stored).expect("written");
    assert!(fs::read_dir(folder).expect("there").next().is_none(), "nothing to replay");
    stored.findings.push(FindingSummary {
        invariant: "INV-01".into(),
        verdict: FindingVerdict::Violation,
        count: 1,
        replication: run.replication,
        seed: run.seed,
        message: "made up".into(),
        story: vec!["0.0 kvm_entry: vcpu=0".into()],
    });
    part.write_replay(folder, &options, run, &stored).expect("written");
    folder.join("replay-apf-v7-2010-0.json")
}

#[test]
fn a_violation_leaves_a_replay_file() {
    let folder = tempfile::tempdir().expect("a directory");
    let replay = ReplayFile::load(&replay(folder.path())).expect("readable");
    let seed = replication_seed(1, 0);
    assert_eq!((replay.policy.as_str(), replay.seed), ("apf-v7-2010", seed));
    assert_eq!((replay.scenario_seed, replay.replication), (1, 0));
    assert_eq!(replay.violation.message, "made up");
    let again = replay.scenario().expect("valid");
    assert_eq!(again.machine, scenario().machine);
    assert_eq!(again.policies.len(), 1);
    // The replayed run is the same run.
    let settings =
        PartWork::new(&Batch::of_one(&again).parts[0], &options(1, None), 0, 0, Shard::WHOLE)
            .settings;
    let prefix = machine::prefill(&again.machine, replay.seed, &settings).expect("prefilled");
    let repeated = machine::run(&prefix, &again.policies[0], &settings).expect("runs");
    let original = run(&Scenario { replications: 1, ..scenario() }, &options(1, None));
    let original = original.policy("apf-v7-2010").expect("it is compared").digest;
    assert_eq!(summary::digest_of([repeated.digest].into_iter()), original);
}

#[test]
fn no_flipped_digit_of_a_replay_file_is_believed() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = replay(folder.path());
    let text = fs::read_to_string(&path).expect("written");
    for (at, flipped) in flipped(&text) {
        fs::write(&path, flipped).expect("written");
        let error = ReplayFile::load(&path).map(|_| ()).expect_err("a digit was changed");
        // A number that begins with 0 is no JSON.
        let told = matches!(
            error,
            ReplayError::Changed { .. } | ReplayError::Format { .. } | ReplayError::Broken { .. }
        );
        assert!(told, "byte {at}: {error}");
    }
    fs::write(&path, text.replace('\n', "\r\n")).expect("written");
    ReplayFile::load(&path).expect("line ends are no content");
}

#[test]
fn a_replay_file_is_of_the_policy_that_was_run() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = replay(folder.path());
    let replay = ReplayFile::load(&path).expect("readable");
    // A program in which the name stands for other rules.
    let other = ReplayFile { policy_hash: "0".repeat(32), ..replay.clone() };
    let error = other.scenario().map(|_| ()).expect_err("another policy").to_string();
    assert!(error.contains("`apf-v7-2010` is another one"), "{error}");
    let other = ReplayFile { scenario: replay.scenario.replace("60ms", "61ms"), ..replay };
    let error = other.scenario().map(|_| ()).expect_err("another scenario").to_string();
    assert!(error.contains("the scenario is another one"), "{error}");
    // A stored breach whose file went astray has it again.
    let dir = Some(folder.path());
    let scenario = scenario();
    let (batch, options) = (Batch::of_one(&scenario), options(1, dir));
    let header = Header::new(batch.content.clone(), batch.seed, options.queue.name(), true);
    let (mut store, _) = Store::open(folder.path(), &header).expect("opened");
    let plain = run_part(&scenario);
    let broken = FindingSummary {
        invariant: "INV-01".into(),
        verdict: FindingVerdict::Violation,
        count: 1,
        replication: plain.replication,
        seed: plain.seed,
        message: "stored".into(),
        story: Vec::new(),
    };
    let stored = StoredRun { findings: vec![broken], ..plain };
    store.append(&stored, &RunText::of(&stored)).expect("written");
    drop(store);
    fs::remove_file(&path).expect("removed");
    assert!(run(&scenario, &options).has_violation());
    let file = folder.path().join(format!("replay-{}-0.json", stored.policy));
    assert_eq!(ReplayFile::load(&file).expect("there again").violation.message, "stored");
}

/// The first run of a scenario as it is stored.
fn run_part(scenario: &Scenario) -> StoredRun {
    let folder = tempfile::tempdir().expect("a directory");
    let options = options(1, Some(folder.path()));
    run(scenario, &options);
    let header =
        Header::new(canonical::setup_hash(scenario), scenario.seed, options.queue.name(), true);
    let (_, runs) = Store::open(folder.path(), &header).expect("opened");
    runs.into_values().find(|run| run.replication == 0).expect("a run")
}

/// A folder with the runs of a scenario, and what an edit of its lines leads to.
struct Edited {
    folder: tempfile::TempDir,
    scenario: Scenario,
    text: String,
    whole: Comparison,
}

impl Edited {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let scenario = scenario();
        let whole = run(&scenario, &options(2, Some(folder.path())));
        let text = fs::read_to_string(folder.path().join(RUNS_FILE)).expect("written");
        Self { folder, scenario, text, whole }
    }

    fn lines(&self) -> Vec<&str> {
        self.text.split_inclusive('\n').collect()
    }

    fn write(&self, text: &str) {
        fs::write(self.folder.path().join(RUNS_FILE), text).expect("written");
    }

    /// The edit changes no result; so many runs are taken over.
    #[track_caller]
    fn taken(&self, text: &str, expected: u32) {
        self.write(text);
        let options = options(2, Some(self.folder.path()));
        let (again, resumed, finished) = counted(&self.scenario, &options);
        assert_eq!((resumed, finished), (expected, 8 - expected));
        assert_eq!(again, self.whole);
        let (again, resumed, _) = counted(&self.scenario, &options);
        assert_eq!((again, resumed), (self.whole.clone(), 8), "and then they are all there");
    }

    /// The edit is refused at that line, with that word, and the file stays as it is.
    #[track_caller]
    fn refused(&self, text: &str, at: u64, word: &str) {
        self.write(text);
        let options = options(2, Some(self.folder.path()));
        let error = run_comparison(&self.scenario, &options, &|_| {}).expect_err("refused");
        assert!(error.to_string().contains(word), "no `{word}` in: {error}");
        assert!(matches!(error, RunnerError::Broken { line, .. } if line == at), "{error}");
        let there = fs::read_to_string(self.folder.path().join(RUNS_FILE)).expect("there");
        assert_eq!(there, text, "nothing is thrown away");
    }
}

#[test]
fn lines_that_are_cut_off_or_taken_out_are_run_again() {
    let edited = Edited::new();
    let lines = edited.lines();
    edited.taken(&edited.text, 8);
    edited.taken(&edited.text.replace('\n', "\r\n"), 8);
    edited.taken(&edited.text.replace('\n', "\n\n"), 8);
    edited.taken(edited.text.trim_end(), 7);
    for cut in [1, 8, 100, lines[8].len() - 2] {
        edited.taken(&format!("{}{}", lines[..8].concat(), &lines[8][..cut]), 7);
    }
    edited.taken(&[&lines[..3], &lines[4..]].concat().concat(), 7);
    edited.taken(&[&lines[..1], &lines[5..]].concat().concat(), 4);
    for cut in [0, 1, 5, 40, lines[0].len() - 1] {
        edited.taken(&lines[0][..cut], 0);
    }
}

#[test]
fn lines_that_were_moved_copied_or_pasted_are_refused_with_their_place() {
    let edited = Edited::new();
    let lines = edited.lines();
    let swapped = [&lines[..3], &[lines[4], lines[3]], &lines[5..]].concat().concat();
    edited.refused(&swapped, 5, "moved or copied");
    edited.refused(&[&lines[..], &lines[2..3]].concat().concat(), 10, "moved or copied");
    edited.refused(&[edited.text.as_str(), &edited.text].concat(), 10, "header of another file");
    edited.refused(&lines[1..].concat(), 1, "not the header");
    edited.refused(
        &edited.text.replacen("{\"line\":3", "\u{1b}{\"line\":3", 1),
        3,
        "changed after",
    );
    edited.refused("somebody's notes", 1, "no line of stored runs");
    edited.refused("somebody's notes\n", 1, "not the header");
    edited.refused(&format!("{}not a run", edited.text), 10, "no line of stored runs");
    let cut = format!("{}{}\n{}", lines[..3].concat(), &lines[3][..50], lines[4..].concat());
    edited.refused(&cut, 4, "no stored run");

    // Runs of another seed, and of another scenario.
    let mut other = scenario();
    other.machine.host.cpus += 1;
    for other in [other, Scenario { seed: 9, ..scenario() }] {
        let folder = tempfile::tempdir().expect("a directory");
        run(&other, &options(2, Some(folder.path())));
        let foreign = fs::read_to_string(folder.path().join(RUNS_FILE)).expect("written");
        let foreign: Vec<&str> = foreign.split_inclusive('\n').collect();
        let pasted = [&lines[..8], &foreign[8..9]].concat().concat();
        edited.refused(&pasted, 9, "is of another file");
    }
}

#[test]
fn runs_of_another_build_are_refused() {
    let edited = Edited::new();
    // Whatever digits it has.
    let flipped = edited.text.replacen(crate::version::BUILD, &"2".repeat(32), 1);
    edited.refused(&flipped, 1, "checksum");
    // Written so by another build.
    let header =
        Header::new(canonical::setup_hash(&edited.scenario), 1, QueueKind::default().name(), true);
    let other = serde_json::to_string(&header)
        .expect("JSON")
        .replace(crate::version::BUILD, &"0".repeat(32));
    edited.write(&(crate::run::checksum::seal_line(RUNS_FILE, &other) + "\n"));
    let options = options(2, Some(edited.folder.path()));
    let error = run_comparison(&edited.scenario, &options, &|_| {}).expect_err("refused");
    assert!(matches!(error, RunnerError::OtherRuns { .. }), "{error}");
    assert!(error.to_string().contains("another build"), "{error}");
    // Of the format without checksums.
    edited.write("{\"format\":1,\"version\":\"0.1.0\",\"setup\":\"\",\"seed\":1,\"queue\":\"std\",\"skip\":true}\n");
    let error = run_comparison(&edited.scenario, &options, &|_| {}).expect_err("refused");
    assert!(error.to_string().contains("file format 1 instead of 2"), "{error}");
}

#[test]
fn runs_that_are_traced_again_are_stored_once() {
    let edited = Edited::new();
    let trace = Some(edited.folder.path().join("trace.txt"));
    let options = RunOptions { trace, ..options(2, Some(edited.folder.path())) };
    assert_eq!(run(&edited.scenario, &options), edited.whole);
    edited.taken(&fs::read_to_string(edited.folder.path().join(RUNS_FILE)).expect("there"), 8);
    assert_eq!(
        fs::read_to_string(edited.folder.path().join(RUNS_FILE)).expect("there"),
        edited.text
    );
}
