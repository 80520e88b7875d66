//! What is typed to ask why: why two runs differ, why a request took so long.

use clap::Args;
use scenarios::experiments::why::Rank;
use sim_core::{QueueKind, SimDuration};

use super::format::{Format, format, usual};
use super::runs::ChangeArgs;

/// `apfsim diff`
#[derive(Args, Debug)]
pub(crate) struct DiffArgs {
    /// The first: name of a built-in scenario, or path of a scenario file; - is standard input
    #[arg(value_name = "A")]
    pub(crate) scenario_a: String,
    /// The second; by default the same scenario
    #[arg(value_name = "B")]
    pub(crate) scenario_b: Option<String>,
    /// The policy of both; by default the last one that each scenario lists
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Option<String>,
    /// The policy of A
    #[arg(long, value_name = "NAME")]
    pub(crate) policy_a: Option<String>,
    /// The policy of B
    #[arg(long, value_name = "NAME")]
    pub(crate) policy_b: Option<String>,
    /// Give a field of both this value, such as host.swap.read_ahead=1; repeat for more
    #[arg(long, value_name = "FIELD=VALUE")]
    pub(crate) set: Vec<String>,
    /// Give a field of A this value
    #[arg(long, value_name = "FIELD=VALUE")]
    pub(crate) set_a: Vec<String>,
    /// Give a field of B this value
    #[arg(long, value_name = "FIELD=VALUE")]
    pub(crate) set_b: Vec<String>,
    /// Measured time of both, instead of the scenario's: `5s`
    #[arg(long, value_name = "TIME", value_parser = crate::values::duration)]
    pub(crate) duration: Option<SimDuration>,
    /// Seed of both, instead of the scenario's
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,
    /// Seed of A
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) seed_a: Option<u64>,
    /// Seed of B
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) seed_b: Option<u64>,
    /// Which replication of both, from 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) replication: u32,
    /// Which replication of A
    #[arg(long, value_name = "N")]
    pub(crate) replication_a: Option<u32>,
    /// Which replication of B
    #[arg(long, value_name = "N")]
    pub(crate) replication_b: Option<u32>,
    /// Simulate every access of A as an event of its own. Changes no result
    #[arg(long)]
    pub(crate) no_skip_a: bool,
    /// Simulate every access of B as an event of its own. Changes no result
    #[arg(long)]
    pub(crate) no_skip_b: bool,
    /// The event queue of A: `hybrid`, `std` or `reference`. Changes no result
    #[arg(long, value_name = "KIND", default_value_t = QueueKind::default())]
    pub(crate) queue_a: QueueKind,
    /// The event queue of B. Changes no result
    #[arg(long, value_name = "KIND", default_value_t = QueueKind::default())]
    pub(crate) queue_b: QueueKind,
    /// Earlier records to show, of each vCPU, token, page and task that the difference is about
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u16).range(..=1000))]
    pub(crate) history: u16,
    /// Records to show that follow the difference, of each run
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(..=1000))]
    pub(crate) more: u16,
    /// What to print
    #[arg(long, value_parser = format(), default_value = usual())]
    pub(crate) format: Format,
    /// Print the result and errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// `apfsim why`
#[derive(Args, Debug)]
pub(crate) struct WhyArgs {
    /// Name of a built-in scenario, or path of a scenario file; - is standard input
    pub(crate) scenario: String,
    /// The policy; by default the last one that the scenario lists
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Option<String>,
    /// Which request: `slowest`, `median`, `p90`, `p99`, `p999`, or N for the N-th slowest
    ///
    /// Without this and --fault: the slowest request where the scenario has some, else the slowest fault.
    #[arg(long, value_name = "RANK", num_args = 0..=1, default_missing_value = "slowest", conflicts_with = "fault")]
    pub(crate) request: Option<Rank>,
    /// Which major fault, in the same words
    #[arg(long, value_name = "RANK", num_args = 0..=1, default_missing_value = "slowest")]
    pub(crate) fault: Option<Rank>,
    /// Seed of all random numbers, instead of the scenario's
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// What to print
    #[arg(long, value_parser = format(), default_value = usual())]
    pub(crate) format: Format,
    /// Print the result and errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}
