//! The two arms: a log as it was recorded, and the trace of a run as a kernel would print it.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::ops::ControlFlow;
use std::sync::{Mutex, OnceLock};

use models::base::record::{Event, Phase, Record};
use models::machine::{RunSettings, prefill, run_observed};
use models::presets;
use models::trace::kernel::{KernelEvent, KernelWriter, Line, parse_event, split};
use scenarios::Scenario;

/// A line of a trace.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// In nanoseconds; kernels print microseconds.
    pub ns: u64,
    pub pid: u32,
    pub comm: String,
    pub what: What,
}

/// What it says.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// An event that `check` knows.
    Kernel(KernelEvent),
    /// A thread gives up its processor: the letter of its state.
    Switch { prev: u32, state: char },
    /// `handle_userfault`, without waiting or not.
    Userfault { address: u64, waits: bool },
    /// So many messages were read.
    Read(u64),
    /// A page is about to be installed.
    Copy { address: u64 },
    /// It is, or it was there.
    Copied,
}

/// Lines in their order.
#[derive(Debug)]
pub(super) struct Trace {
    pub entries: Vec<Entry>,
}

impl Trace {
    /// Events that `check` knows, with their lines.
    pub(super) fn events(&self) -> impl Iterator<Item = (&Entry, KernelEvent)> {
        self.entries.iter().filter_map(|entry| match entry.what {
            What::Kernel(event) => Some((entry, event)),
            _ => None,
        })
    }

    /// How many events are as wanted.
    pub(super) fn count(&self, wanted: impl Fn(&KernelEvent) -> bool) -> usize {
        self.events().filter(|(_, event)| wanted(event)).count()
    }
}

/// A run: a built-in scenario, a policy, the costs of its host, and whether it is looked at from the begin of its
/// tasks on or from the measured window on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Run {
    pub scenario: &'static str,
    pub policy: &'static str,
    /// With the costs of a host whose log has all events.
    pub traced: bool,
    pub settled: bool,
    /// What is changed of the scenario: a path and its value, as `--set` takes it.
    pub set: &'static [&'static str],
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.scenario)?;
        self.set.iter().try_for_each(|change| write!(f, ", {change}"))?;
        write!(f, ", {}", self.policy)
    }
}

/// Something made once, however many tests look at it.
fn once<K: Ord + Clone>(
    all: &Mutex<BTreeMap<K, &'static OnceLock<Trace>>>,
    key: K,
    make: impl FnOnce() -> Trace,
) -> &'static Trace {
    let mut held = all.lock().unwrap();
    let trace = *held.entry(key).or_insert_with(|| Box::leak(Box::default()));
    // Others go on meanwhile.
    drop(held);
    let trace = trace.get_or_init(make);
    assert!(trace.entries.len() > 100, "a fact of next to nothing");
    trace
}

/// A log of `tests/data`, by the beginning of its path.
pub(super) fn recorded(log: &'static str) -> &'static Trace {
    static LOGS: Mutex<BTreeMap<&str, &'static OnceLock<Trace>>> = Mutex::new(BTreeMap::new());
    once(&LOGS, log, || {
        let (folder, name) = log.split_once('/').unwrap();
        let folder = format!("{}/tests/data/{folder}", env!("CARGO_MANIFEST_DIR"));
        let mut files = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
        let is = |path: &std::path::PathBuf| {
            path.file_name().unwrap().to_str().unwrap().starts_with(&format!("{name}-"))
        };
        let file = std::fs::File::open(files.find(is).unwrap()).unwrap();
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(file).read_to_end(&mut text).unwrap();
        read(&text)
    })
}

/// The trace of the first replication of a run.
pub(super) fn simulated(run: &Run) -> &'static Trace {
    static RUNS: Mutex<BTreeMap<Run, &'static OnceLock<Trace>>> = Mutex::new(BTreeMap::new());
    once(&RUNS, *run, || read(&text_of(run)))
}

fn text_of(run: &Run) -> Vec<u8> {
    let set: Vec<String> = run.set.iter().map(|&change| change.to_owned()).collect();
    let mut scenario = Scenario::load_with(run.scenario, &set).unwrap();
    if run.traced {
        let cpu = &mut scenario.machine.cpu;
        assert_eq!(*cpu, presets::cpu("lab-1gips").unwrap().config);
        *cpu = presets::cpu("lab-1gips-traced").unwrap().config;
    }
    let warmup = if run.settled { scenario.warmup } else { sim_core::SimDuration::ZERO };
    let settings = RunSettings { warmup, duration: scenario.duration, ..RunSettings::default() };
    let policy = presets::policies::policy(run.policy).unwrap();
    let prefix = prefill(&scenario.machine, 1, &settings).unwrap();
    let mut writer = KernelWriter::new(prefix.setting(&policy));
    let (mut text, mut unseen, mut measured) = (Vec::new(), Vec::new(), false);
    let mut observer = |records: &[Record]| {
        for record in records {
            measured |= matches!(record.event, Event::PhaseBegin { phase: Phase::Measure });
            unseen.clear();
            writer.record(record, if measured { &mut text } else { &mut unseen });
        }
        ControlFlow::Continue(())
    };
    run_observed(&prefix, &policy, &settings, Some(&mut observer)).unwrap();
    text
}

fn read(text: &[u8]) -> Trace {
    let mut entries = Vec::new();
    for line in text.split(|&byte| byte == b'\n') {
        let Line::Event(header, fields) = split(line) else { continue };
        let fields_text = std::str::from_utf8(fields).unwrap();
        let what = match header.name {
            b"sched_switch" => switch(fields_text),
            b"uffd_fault" => {
                // `FAULT_FLAG_RETRY_NOWAIT`
                let waits = number(fields_text, "flags") & 1 << 3 == 0;
                What::Userfault { address: number(fields_text, "addr"), waits }
            }
            b"uffd_read" => What::Read(number(fields_text, "ret") / 32),
            b"uffd_copy" => What::Copy { address: number(fields_text, "addr") },
            b"uffd_copied" => What::Copied,
            name => match parse_event(name, fields) {
                Ok(Some(event)) => What::Kernel(event),
                _ => continue,
            },
        };
        let comm = String::from_utf8(header.comm.to_vec()).unwrap();
        let (ns, pid) = (header.ns, header.thread.pid);
        entries.push(Entry { ns, pid, comm, what });
    }
    Trace { entries }
}

fn switch(fields: &str) -> What {
    let state = value(fields, "prev_state").chars().next().unwrap();
    What::Switch { prev: value(fields, "prev_pid").parse().unwrap(), state }
}

fn value<'a>(fields: &'a str, name: &str) -> &'a str {
    let of = |word: &'a str| word.strip_prefix(name)?.strip_prefix('=');
    fields.split_ascii_whitespace().find_map(of).unwrap()
}

fn number(fields: &str, name: &str) -> u64 {
    let text = value(fields, name);
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).unwrap(),
        None => text.parse().unwrap(),
    }
}
