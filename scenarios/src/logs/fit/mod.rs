//! From the log of a real host to a scenario, and how its run compares with the log.
//!
//! The log is measured (`measure`, by `observe`, `guest_mode` and `requests`): how long paths take, what
//! the device does, how many faults there are (`readings`). From the paths come costs (`solve`), from the rest the
//! other numbers (`estimate`, `host`), and a scenario file that says where each comes from (`scenario`). Its run
//! is measured as the log was (`simulate`).

mod device;
mod error;
mod estimate;
mod exit;
mod given;
mod guest_mode;
mod host;
mod measure;
mod observe;
mod paths;
mod readings;
mod refuse;
mod requests;
mod samples;
mod scenario;
mod simulate;
mod solve;
#[cfg(test)]
mod tests;

use std::io::Read;

use sim_core::{Histogram, SimDuration};

pub use device::DeviceSeen;
pub use error::FitError;
use estimate::Estimate;
pub use estimate::Mode;
pub use given::{FitOptions, Given};
pub use measure::Counts;
use measure::Measure;
pub use paths::PathId;
pub use samples::Summary;

use crate::logs::check::reader::Session;
use crate::logs::check::{Skipped, read_path, read_stream};
use crate::scenario::resolve::Scenario;

/// Numbers of computing tasks for each vCPU that are tried.
const WORKERS: [u32; 9] = [0, 1, 2, 3, 4, 6, 8, 12, 16];
/// A try is shorter than the run that is shown.
const TRY_SHORTER: u64 = 2;

/// The times of a path in the log and in the run.
#[derive(Clone, Debug, PartialEq)]
pub struct PathRow {
    /// Which path.
    pub path: PathId,
    /// In the log, if it is there.
    pub recorded: Option<Summary>,
    /// In the run, if it is there.
    pub simulated: Option<Summary>,
    /// All times of the log and of the run, in nanoseconds.
    pub times: [Histogram; 2],
}

impl PathRow {
    /// Simulated over recorded, of one quantile.
    pub fn ratio(&self, quantile: fn(&Summary) -> f64) -> Option<f64> {
        let (recorded, simulated) = (quantile(&self.recorded?), quantile(&self.simulated?));
        (recorded > 0.0).then_some(simulated / recorded)
    }
}

/// A rate or share in the log and in the run.
#[derive(Clone, Debug, PartialEq)]
pub struct RateRow {
    /// The name for programs.
    pub name: &'static str,
    /// What it is.
    pub title: &'static str,
    /// In the log.
    pub recorded: f64,
    /// In the run.
    pub simulated: Option<f64>,
}

/// A log as a scenario, and how the two compare.
#[derive(Clone, Debug)]
pub struct FitReport {
    /// The log.
    pub log: String,
    /// Its lines.
    pub lines: u64,
    /// Its length in nanoseconds.
    pub length: u64,
    /// How its host served faults.
    pub mode: Mode,
    /// Whether the log shows of which faults the guest was told; otherwise it is assumed.
    pub says_who_was_told: bool,
    /// What it tells of the device.
    pub device: Option<DeviceSeen>,
    /// How often things happened.
    pub counts: Counts,
    /// What of it was left out.
    pub skipped: Vec<Skipped>,
    /// The scenario, as a file.
    pub scenario: String,
    /// The scenario's name.
    pub name: String,
    /// Where each number of it comes from.
    pub given: Vec<Given>,
    /// Paths that are in the log or in the run.
    pub paths: Vec<PathRow>,
    /// Rates and shares.
    pub rates: Vec<RateRow>,
    /// Simulated time of the run, if there was one.
    pub simulated: Option<SimDuration>,
}

/// Fits a scenario to the log at a path; `-` is standard input.
///
/// # Errors
/// When the log cannot be read, when it shows too little, when an option is wrong, or when the run
/// fails.
pub fn fit_path(path: &str, options: &FitOptions) -> Result<FitReport, FitError> {
    estimate::check_options(options)?;
    let (name, session, lines) = read_path(path, Measure::default())?;
    fit_measured(&name, session, lines, options)
}

/// Fits a scenario to a log that is read from a stream, which may be compressed with gzip.
///
/// # Errors
/// As [`fit_path`].
pub fn fit(source: impl Read, name: &str, options: &FitOptions) -> Result<FitReport, FitError> {
    estimate::check_options(options)?;
    let (session, lines) = read_stream(source, name, Measure::default())?;
    fit_measured(name, session, lines, options)
}

fn fit_measured(
    name: &str,
    session: Session<Measure>,
    lines: u64,
    options: &FitOptions,
) -> Result<FitReport, FitError> {
    if session.is_s390() {
        return Err(FitError::S390 { name: name.to_owned() });
    }
    let skipped = session.left_out().to_vec();
    let mut measure = session.consumer;
    measure.conclude();
    let mut estimate = estimate::estimate(name, &measure, options)?;
    if estimate.load.workers_open {
        find_workers(name, &measure, &mut estimate)?;
    }
    let text = scenario::text(name, &measure, &estimate);
    let own = scenario::name_of(name);
    let scenario = Scenario::from_str(&own, &text)?;
    let simulated = match options.run {
        true => Some(simulate::simulate(&scenario)?),
        false => None,
    };
    Ok(FitReport {
        log: name.to_owned(),
        lines,
        length: measure.length(),
        mode: estimate.mode,
        device: measure.device(),
        counts: Counts { told: measure.told(), ..measure.counts },
        says_who_was_told: measure.says_who_was_told(),
        skipped,
        scenario: text,
        name: own,
        given: estimate.given,
        paths: paths(&measure, simulated.as_ref()),
        rates: rates(&measure, simulated.as_ref()),
        simulated: simulated.map(|_| scenario.duration),
    })
}

/// The number of computing tasks with which the run has the fault rate that is nearest to the
/// log's. More of them leave fewer turns to those that fault.
fn find_workers(name: &str, measure: &Measure, estimate: &mut Estimate) -> Result<(), FitError> {
    let wanted = per_second(measure.faults(), measure);
    let vcpus = u32::try_from(estimate.vcpus).unwrap_or(1);
    let own = scenario::name_of(name);
    let whole = estimate.duration;
    estimate.duration = whole.divided_by(TRY_SHORTER);
    let mut tried: Vec<(u32, f64)> = Vec::new();
    let mut attempt = |at: usize, estimate: &mut Estimate| -> Result<f64, FitError> {
        let workers = WORKERS[at] * vcpus;
        estimate.load.workers = workers;
        let text = scenario::text(name, measure, estimate);
        let run = simulate::simulate(&Scenario::from_str(&own, &text)?)?;
        let rate = per_second(run.faults(), &run);
        tried.push((workers, rate));
        Ok(rate)
    };
    // A guest that is told of its pages runs something else, or executes HLT.
    let least = usize::from(estimate.mode == Mode::Told);
    let (mut low, mut high) = (least, WORKERS.len() - 1);
    while low < high {
        let middle = usize::midpoint(low, high);
        match attempt(middle, estimate)? > wanted {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    attempt(low, estimate)?;
    let far = |rate: f64| (rate.max(1e-3) / wanted).max(wanted / rate.max(1e-3));
    tried.sort_by(|a, b| far(a.1).total_cmp(&far(b.1)).then(a.0.cmp(&b.0)));
    let (workers, rate) = tried[0];
    estimate.load.workers = workers;
    estimate.duration = whole;
    let always = match estimate.mode {
        Mode::Told => "no HLT exit: something always ran; ",
        _ => "",
    };
    let source = format!(
        "not in the log: {always}of the numbers tried the one whose run is nearest to its {wanted:.0} faults \
         a second ({rate:.0}) (--workers)"
    );
    Given::say(&mut estimate.given, "workload.tasks[worker].count", workers, source);
    Ok(())
}

fn per_second(count: u64, measure: &Measure) -> f64 {
    count as f64 * 1e9 / measure.length().max(1) as f64
}

fn paths(recorded: &Measure, simulated: Option<&Measure>) -> Vec<PathRow> {
    let row = |&path: &PathId| PathRow {
        path,
        recorded: recorded.path(path),
        simulated: simulated.and_then(|run| run.path(path)),
        times: [recorded.times(path), simulated.map_or_else(Histogram::new, |run| run.times(path))],
    };
    let rows = PathId::ALL.iter().map(row);
    rows.filter(|row| row.recorded.is_some() || row.simulated.is_some()).collect()
}

fn rates(recorded: &Measure, simulated: Option<&Measure>) -> Vec<RateRow> {
    type Rate = fn(&Measure) -> f64;
    let rows: [(&'static str, &'static str, Rate); 9] = [
        ("faults_per_second", "faults that needed I/O, a second", |m| per_second(m.faults(), m)),
        ("host_us_per_fault", "us in exits without sleep, a fault", |m| {
            m.awake as f64 / 1000.0 / m.faults().max(1) as f64
        }),
        ("told_share", "share of requests that were told", |m| {
            m.told() as f64 / m.counts.announced.max(1) as f64
        }),
        ("repeated_share", "share of tries that were repeated", |m| {
            m.counts.repeated as f64 / m.counts.tries.max(1) as f64
        }),
        ("outstanding_p50", "outstanding at an announcement, p50", |m| {
            m.outstanding.quantile(0.5, false)
        }),
        ("outstanding_max", "outstanding at once, most", |m| m.most_outstanding as f64),
        ("pages_per_read", "pages of most reads", |m| {
            m.device().map_or(0.0, |device| device.pages.0 as f64)
        }),
        ("pages_written_per_fault", "pages written for each fault", |m| {
            let written = m.device().map_or(0, |device| device.written_pages);
            written as f64 / m.faults().max(1) as f64
        }),
        ("hlt_per_second", "HLT exits a second", |m| per_second(m.counts.hlt, m)),
    ];
    let row = |(name, title, rate): (&'static str, &'static str, Rate)| RateRow {
        name,
        title,
        recorded: rate(recorded),
        simulated: simulated.map(rate),
    };
    rows.map(row).to_vec()
}
