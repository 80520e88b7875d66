//! What is typed to run scenarios and sweeps, and to look at what there is to run.

use super::format::{Format, format, usual};
use clap::{Args, Subcommand, ValueEnum};
use scenarios::Shard;
use sim_core::{QueueKind, SimDuration};
use std::path::PathBuf;

/// `apfsim presets`
#[derive(Args, Debug)]
pub(crate) struct PresetsArgs {
    /// Name of a processor, swap device or guest kernel: print its values, what they mean and where
    /// they come from
    pub(crate) name: Option<String>,
}

/// `apfsim compare`
#[derive(Args, Debug)]
pub(crate) struct CompareArgs {
    /// Name of a built-in scenario, or path of a scenario file; - is standard input
    pub(crate) scenario: String,
    /// Compare this policy instead of the scenario's; repeat for more, or between commas
    ///
    /// When the scenario's baseline is not among them, the first one becomes the baseline.
    #[arg(long = "policy", value_name = "NAME", value_delimiter = ',')]
    pub(crate) policies: Vec<String>,
    /// Runs of each policy, with different random numbers, instead of the scenario's number
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) replications: Option<u32>,
    /// Add replications until half of each ratio's 95 % interval is at most so much of the ratio: `2%`
    ///
    /// The ratios are those of the measure. At most 256 replications; a note says what was reached. The scenario's
    /// number, or that of --replications, is the least.
    #[arg(long, value_name = "PERCENT", value_parser = crate::values::percent)]
    pub(crate) precision: Option<f64>,
    /// Write what each run does as a kernel prints its tracepoints, as trace.dat of trace-cmd if FILE ends in
    /// .dat, or as a timeline for Perfetto if it ends in .perfetto-trace; compressed if .gz follows
    ///
    /// Each run has its own file: policy and replication are put before the extension, so that
    /// `trace.txt` becomes `trace.sync.0.txt`. Runs kept in --out are run again. Changes no result.
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    #[command(flatten)]
    pub(crate) run: RunningArgs,
}

/// `apfsim run`
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// Name of a built-in scenario, or path of a scenario file; - is standard input
    pub(crate) scenario: String,
    /// The policy to run; by default the last one that the scenario lists
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Option<String>,
    /// Runs with different random numbers
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) replications: u32,
    /// Write what the run does as a kernel prints its tracepoints, as trace.dat of trace-cmd if FILE ends in
    /// .dat, or as a timeline for Perfetto if it ends in .perfetto-trace; compressed if .gz follows
    ///
    /// Of several replications each has its own file: policy and replication are put before the
    /// extension, so that `trace.txt` becomes `trace.sync.0.txt`. Runs kept in --out are run again.
    /// Changes no result.
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    #[command(flatten)]
    pub(crate) run: RunningArgs,
}

/// What is changed of a scenario, for one command.
#[derive(Args, Debug)]
pub(crate) struct ChangeArgs {
    /// Give a field of the scenario this value, such as host.swap.read_ahead=1; repeat for more
    #[arg(long, value_name = "FIELD=VALUE")]
    set: Vec<String>,
    /// Measured time, instead of the scenario's: `5s`; the same as --set duration=5s
    #[arg(long, value_name = "TIME", value_parser = crate::values::duration)]
    duration: Option<SimDuration>,
}

impl ChangeArgs {
    /// As settings.
    pub(crate) fn settings(&self) -> Vec<String> {
        let duration = self.duration.map(|it| format!("duration={}ps", it.as_ps()));
        self.set.iter().cloned().chain(duration).collect()
    }
}

/// `apfsim test`
#[derive(Args, Debug)]
pub(crate) struct TestArgs {
    /// Scenario files, folders with such files, or names of built-in scenarios
    #[arg(required = true, value_name = "DIR|FILE")]
    pub(crate) places: Vec<String>,
    /// Write the results into this file, as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// What to print
    #[arg(long, value_parser = format(), default_value = usual())]
    pub(crate) format: Format,
    /// Runs at a time; by default as many as there are processors. Changes no result
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// Print what failed and the count only: no progress, no line for what is as expected
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// `apfsim validate`
#[derive(Args, Debug)]
pub(crate) struct ValidateArgs {
    /// Names of built-in experiments, or paths of files; by default all built-in ones
    #[arg(value_name = "NAME|FILE")]
    pub(crate) names: Vec<String>,
    /// List the experiments and run none
    #[arg(long)]
    pub(crate) list: bool,
    /// Exit with status 1 when an experiment or a row is outside
    #[arg(long)]
    pub(crate) strict: bool,
    /// What to print
    #[arg(long, value_parser = format(), default_value = usual())]
    pub(crate) format: Format,
    /// Runs at a time; by default as many as there are processors. Changes no result
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// Print the result and errors only: no progress
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// `apfsim sweep`
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct SweepArgs {
    #[command(subcommand)]
    pub(crate) command: Option<SweepCommand>,
    /// Name of a built-in sweep, path of a sweep file, or a scenario to be swept along `--axis`; - is standard
    /// input
    #[arg(required = true)]
    pub(crate) scenario: Option<String>,
    /// Vary these fields of a scenario; repeat for a grid
    ///
    /// In results an axis has the name of its field's last word, or what stands as `NAME:` before the field.
    #[arg(long = "axis", value_name = "FIELD[,FIELD]=VALUES")]
    pub(crate) axes: Vec<String>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// Compare this policy instead of the scenario's; repeat for more, or between commas
    ///
    /// When the scenario's baseline is not among them, the first one becomes the baseline.
    #[arg(long = "policy", value_name = "NAME", value_delimiter = ',')]
    pub(crate) policies: Vec<String>,
    /// Show this metric in the table instead of the median latency; repeat for more
    #[arg(long = "metric", value_name = "NAME")]
    pub(crate) metrics: Vec<String>,
    /// Runs of each policy at each point, instead of the scenario's number
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) replications: Option<u32>,
    /// Screen the axes instead of running their whole grid: which of them does the result hang on?
    ///
    /// Morris' elementary effects: TRAJECTORIES (10 if not said) walks through the grid, each of which moves every axis
    /// once by half of its values. Prints the change that each axis makes to the ratio of every policy, or to each
    /// --metric, and names the largest three.
    #[arg(long, value_name = "TRAJECTORIES", num_args = 0..=1, require_equals = true, default_missing_value = "10", conflicts_with = "shard")]
    pub(crate) sensitivity: Option<u32>,
    /// Run part K of N into --out, on this machine; `apfsim sweep merge` joins all parts
    ///
    /// Parts have equal numbers of runs, and no run is in two of them. K counts from 1.
    #[arg(long, value_name = "K/N", requires = "out")]
    pub(crate) shard: Option<Shard>,
    #[command(flatten)]
    pub(crate) run: RunningArgs,
}

/// What is done with a sweep but to run it.
#[derive(Debug, Subcommand)]
pub(crate) enum SweepCommand {
    /// Join the parts of a sweep that ran on several machines: the same bytes as in one piece
    #[command(after_help = "\
Refuses folders that are not those of all parts of one sweep, each once and finished, run by this
build. The files of the sweep are read again, by the names that --shard was given.

Examples:
  apfsim sweep device-latency --shard 1/2 --out part-1
  apfsim sweep device-latency --shard 2/2 --out part-2
  apfsim sweep merge part-1 part-2 --out results/latency")]
    Merge(MergeArgs),
}

/// `apfsim sweep merge`
#[derive(Args, Debug)]
pub(crate) struct MergeArgs {
    /// The folders that --out named where the parts were run, in any order
    #[arg(required = true, value_name = "DIR")]
    pub(crate) folders: Vec<PathBuf>,
    /// Write the results as table, as JSON, as CSV and as plots into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// What to print
    #[arg(long, value_parser = format(), default_value = usual())]
    pub(crate) format: Format,
    /// Print the result and errors only: no notes
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// `apfsim crossover`
#[derive(Args, Debug)]
pub(crate) struct CrossoverArgs {
    /// Name of a built-in scenario, or path of a scenario file; - is standard input
    pub(crate) scenario: String,
    /// The fields that have the value, between commas
    #[arg(long, value_name = "FIELD[,FIELD]")]
    pub(crate) field: String,
    /// The lowest value, such as `2us`
    #[arg(long, value_name = "VALUE")]
    pub(crate) from: String,
    /// The highest value, such as `20ms`
    #[arg(long, value_name = "VALUE")]
    pub(crate) to: String,
    /// The policy in question. By default the scenario's last one
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Option<String>,
    /// The policy that it is compared with. By default the scenario's baseline
    #[arg(long, value_name = "NAME")]
    pub(crate) against: Option<String>,
    /// The metric; `apfsim metrics` lists them. By default the scenario's measure
    #[arg(long, value_name = "NAME")]
    pub(crate) metric: Option<String>,
    /// Relative width of the bracket at which bisection stops
    #[arg(long, value_name = "PERCENT", default_value = "1%", value_parser = percent)]
    pub(crate) tolerance: f64,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// Runs of each policy at each value, instead of the scenario's number
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) replications: Option<u32>,
    #[command(flatten)]
    pub(crate) run: RunningArgs,
}

/// `1%` or `1` as 0.01.
fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_end_matches('%').trim_end().parse::<f64>();
    match number {
        Ok(percent) if (0.001..=50.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("a part from 0.001% to 50%, such as `1%`".to_owned()),
    }
}

/// `apfsim schema`
#[derive(Args, Debug)]
pub(crate) struct SchemaArgs {
    /// The schema of sweep files instead of scenario files
    #[arg(long, conflicts_with = "validation")]
    pub(crate) sweep: bool,
    /// The schema of files of published experiments instead of scenario files
    #[arg(long)]
    pub(crate) validation: bool,
}

/// `apfsim anatomy`
#[derive(Args, Debug)]
pub(crate) struct AnatomyArgs {
    /// Name of a built-in scenario, or path of a scenario file; - is standard input
    pub(crate) scenario: String,
    /// Show this policy; repeat for more. By default `sync`, `halt` and the last asynchronous one
    /// of the scenario's policies
    #[arg(long = "policy", value_name = "NAME", value_delimiter = ',')]
    pub(crate) policies: Vec<String>,
    /// Show requests of the application instead of faults: what their latency consists of
    #[arg(long)]
    pub(crate) request: bool,
    /// Which one to show; repeat for more. By default `median`, `p99` and `worst`
    #[arg(long = "pick", value_name = "RANK", value_enum)]
    pub(crate) picks: Vec<PickArg>,
    /// Seed of all random numbers, instead of the scenario's
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// Write the text, JSON and pictures into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// What to print
    #[arg(long, value_parser = format(), default_value = usual())]
    pub(crate) format: Format,
    /// Print the result and errors only: no progress, no notes
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// A fault or request to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PickArg {
    /// Half of them are not slower
    Median,
    /// 90 % of them are not slower
    P90,
    /// 99 % of them are not slower
    P99,
    /// 99.9 % of them are not slower
    P999,
    /// The slowest
    Worst,
}

/// How to run, whatever is run.
#[derive(Args, Debug)]
pub(crate) struct RunningArgs {
    /// Seed of all random numbers, instead of the scenario's
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,
    /// Runs at a time; by default as many as there are processors. Changes no result
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// Write the results as table, as JSON, as CSV and as plots into this directory
    ///
    /// Finished runs are kept there too, so that the same command goes on where an interrupted
    /// one stopped.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Begin anew: remove the runs that are kept in --out and the results of earlier commands, whatever they are of
    #[arg(long, requires = "out")]
    pub(crate) overwrite: bool,
    /// What to print
    #[arg(long, value_parser = format(), default_value = usual())]
    pub(crate) format: Format,
    /// Print the result and errors only: no progress, no notes
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// The event queue: `hybrid`, `std` or `reference`. Changes no result
    #[arg(long, value_name = "KIND", default_value_t = QueueKind::default())]
    pub(crate) queue: QueueKind,
    /// Simulate every access as an event of its own. Slower, and changes no result
    #[arg(long)]
    pub(crate) no_skip: bool,
}

/// `apfsim report`
#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// Folder that `--out` of another command has filled
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Do not say what was written
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// `apfsim show`
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// Name of a built-in scenario, sweep or experiment, or path of a scenario file
    pub(crate) name: String,
    /// Print every value with which the scenario is run, and where each comes from: a line of the file,
    /// --set, a preset, or the default
    #[arg(long)]
    pub(crate) resolved: bool,
    /// With --resolved: this policy instead of the scenario's; repeat for more
    #[arg(long = "policy", value_name = "NAME", value_delimiter = ',', requires = "resolved")]
    pub(crate) policies: Vec<String>,
    /// With --resolved: give a field this value, such as host.swap.read_ahead=1; repeat for more
    #[arg(long, value_name = "FIELD=VALUE", requires = "resolved")]
    pub(crate) set: Vec<String>,
    /// With --resolved: what to print
    #[arg(long, value_parser = format(), default_value = usual(), requires = "resolved")]
    pub(crate) format: Format,
}
