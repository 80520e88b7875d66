//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use sim_core::QueueKind;

/// A deterministic simulator of KVM asynchronous page faults.
#[derive(Debug, Parser)]
#[command(name = "apfsim", version, arg_required_else_help = true)]
#[command(after_help = "\
Exit status:
  0  fine
  1  an invariant was violated (known violations do not count)
  2  bad usage, bad input, or a failure to read or write

Examples:
  apfsim scenarios
  apfsim compare natapov-2010 --out results/natapov
  apfsim run my-scenario.json --policy apf-v7-2010 --seed 7")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Compare the policies of a scenario: work, ratios with intervals, faults, invariants
    #[command(after_help = "\
Examples:
  apfsim compare natapov-2010                      all policies, as the scenario says
  apfsim compare smoke --policy sync --policy halt only these two
  apfsim compare natapov-2010 -j 2 --out results/  keep table, JSON, CSV and plots
  apfsim compare smoke --format json | jq .digest")]
    Compare(CompareArgs),
    /// Run one policy once and show every metric, task and finding
    #[command(after_help = "\
Examples:
  apfsim run smoke                        the last policy that the scenario lists
  apfsim run smoke --policy halt --seed 7
  apfsim run my-scenario.json --out results/mine")]
    Run(RunArgs),
    /// List the built-in scenarios
    Scenarios,
    /// Print the file of a built-in scenario, to read or to begin one's own with
    #[command(after_help = "Example:\n  apfsim show natapov-2010 > my-scenario.json")]
    Show(ShowArgs),
    /// Print the JSON Schema of scenario files
    Schema,
    /// List the policies that scenarios can compare
    Policies,
    /// List the presets of processors, swap devices and guest kernels, or every number of one
    /// processor with its source
    Presets(PresetsArgs),
}

/// `apfsim presets`
#[derive(Args, Debug)]
pub(crate) struct PresetsArgs {
    /// Name of a processor preset: print its numbers, what they mean and where they come from
    pub(crate) name: Option<String>,
}

/// `apfsim compare`
#[derive(Args, Debug)]
pub(crate) struct CompareArgs {
    /// Name of a built-in scenario, or path of a scenario file
    pub(crate) scenario: String,
    /// Compare this policy instead of the scenario's; repeat for more
    ///
    /// When the scenario's baseline is not among them, the first one becomes the baseline.
    #[arg(long = "policy", value_name = "NAME")]
    pub(crate) policies: Vec<String>,
    /// Runs of each policy, with different random numbers, instead of the scenario's number
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) replications: Option<u32>,
    #[command(flatten)]
    pub(crate) run: RunningArgs,
}

/// `apfsim run`
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// Name of a built-in scenario, or path of a scenario file
    pub(crate) scenario: String,
    /// The policy to run; by default the last one that the scenario lists
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Option<String>,
    /// Runs with different random numbers
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) replications: u32,
    #[command(flatten)]
    pub(crate) run: RunningArgs,
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
    /// Write table, summary.json, metrics.csv and plots into this directory
    ///
    /// Finished runs are kept there too, so that the same command goes on where an interrupted
    /// one stopped.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Print the result and errors only: no progress, no notes
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// The event queue: `reference` or `std`. Changes no result
    #[arg(long, value_name = "KIND", default_value_t = QueueKind::default())]
    pub(crate) queue: QueueKind,
    /// Simulate every access as an event of its own. Slower, and changes no result
    #[arg(long)]
    pub(crate) no_skip: bool,
}

/// What is printed as result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Text for people, at most 78 columns
    Table,
    /// One JSON object
    Json,
}

/// `apfsim show`
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// Name of a built-in scenario
    pub(crate) name: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn definitions_are_consistent() {
        Cli::command().debug_assert();
    }
}
