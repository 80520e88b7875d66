//! What a run costs by how much there is of one thing.

pub mod fit;
pub mod plot;
pub mod worlds;

use std::time::Duration;

use cpu_time::ProcessTime;
use models::machine::{self, RunSettings};
use scenarios::{RunOptions, Scenario, run_comparison};

use self::worlds::Axis;
use crate::machines::WorldError;

/// What one point cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// How much there was.
    pub size: u64,
    /// Processor time of building the machine and filling its memory.
    pub prefill: f64,
    /// Processor time of the run.
    pub run: f64,
    /// Events of both.
    pub events: u64,
    /// The most memory that the process has had, in bytes; 0 where the kernel does not say.
    pub memory: u64,
}

impl Cost {
    /// All processor time, in seconds.
    pub fn total(&self) -> f64 {
        self.prefill + self.run
    }

    /// Processor time an event, in nanoseconds.
    pub fn per_event(&self) -> f64 {
        self.total() * 1e9 / self.events as f64
    }
}

/// A point is measured until it has taken so long, or so often; the least counts.
const ENOUGH: Duration = Duration::from_millis(1500);
const RUNS: usize = 7;

/// Measures one point of an axis.
///
/// # Errors
/// When its scenario is wrong or its run fails.
pub fn measure(axis: &Axis, size: u64) -> Result<Cost, WorldError> {
    let scenario = Scenario::from_str("scaling", &(axis.text)(size))?;
    let start = ProcessTime::now();
    let mut best = once(axis, &scenario, size)?;
    for _ in 1..RUNS {
        if start.elapsed() >= ENOUGH {
            break;
        }
        let next = once(axis, &scenario, size)?;
        best.prefill = best.prefill.min(next.prefill);
        best.run = best.run.min(next.run);
    }
    best.memory = peak().unwrap_or(0);
    Ok(best)
}

fn once(axis: &Axis, scenario: &Scenario, size: u64) -> Result<Cost, WorldError> {
    let settings = RunSettings { duration: scenario.duration, ..RunSettings::default() };
    let policy = scenario.policies.first().ok_or(WorldError::NoPolicy)?;
    let start = ProcessTime::now();
    let prefix = machine::prefill(&scenario.machine, scenario.seed, &settings)?;
    let prefill = start.elapsed().as_secs_f64();
    let start = ProcessTime::now();
    let output = machine::run(&prefix, policy, &settings)?;
    let run = start.elapsed().as_secs_f64();
    let cost = Cost { size, prefill, run, events: output.handled_events, memory: 0 };
    if !axis.replications {
        return Ok(cost);
    }
    // Replications are much alike: the events of one stand for those of each.
    let options = RunOptions { jobs: 1, ..RunOptions::default() };
    let start = ProcessTime::now();
    run_comparison(scenario, &options, &|_| ())?;
    let run = start.elapsed().as_secs_f64();
    Ok(Cost { prefill: 0.0, run, events: cost.events * size, ..cost })
}

/// The most memory that this process has had, in bytes.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}
