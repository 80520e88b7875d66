//! What is typed to read logs, and to draw random scenarios.

use super::format::{Format, format, usual};
use clap::{Args, Subcommand, ValueEnum};
use scenarios::Bytes;
use sim_core::SimDuration;
use std::ops::Range;
use std::path::PathBuf;

/// `apfsim fuzz`
#[derive(Args, Debug)]
pub(crate) struct FuzzArgs {
    /// The seeds, without the last: A.. goes on until --minutes are over
    #[arg(long, value_name = "A..B", default_value = "0..1000", value_parser = crate::values::seeds)]
    pub(crate) seeds: Range<u64>,
    /// Begin no further scenario after so many minutes
    #[arg(long, value_name = "N")]
    pub(crate) minutes: Option<u64>,
    /// Scenarios at a time; by default one a processor. Changes no result
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// Give scenarios to this apfsim, too, such as a build with checks of arithmetic
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) against: Option<PathBuf>,
    /// Of a hundred scenarios, how many are given to the program of --against
    #[arg(long, value_name = "N", default_value_t = 100, requires = "against", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) share: u8,
    /// Most events of a run; scenarios that need more are made shorter
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1000..))]
    pub(crate) events: u64,
    /// Directory for scenarios that fail
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,
    /// Print the scenario of a seed and run nothing
    #[arg(long, value_name = "SEED", conflicts_with_all = ["minutes", "against"])]
    pub(crate) print: Option<u64>,
    /// What to print
    #[arg(long, value_parser = format(), default_value = usual())]
    pub(crate) format: Format,
    /// Print the result and errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// `apfsim fit-scenario`
#[derive(Args, Debug)]
pub(crate) struct FitArgs {
    /// The log, or - for standard input
    pub(crate) log: String,
    /// Write the scenario into this file
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Replace the file of -o if it is there already
    #[arg(long, requires = "output")]
    pub(crate) overwrite: bool,
    /// Do not run it: nothing is compared, and the number of computing threads is assumed
    #[arg(long)]
    pub(crate) no_run: bool,
    /// Threads of the guest that fault; by default as many as the log shows at least
    #[arg(long, value_name = "N")]
    pub(crate) faulters: Option<u32>,
    /// Threads of the guest that compute; by default the number with the log's fault rate
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<u32>,
    /// The guest's time for a touch of a page, such as 180ns; by default what is between faults
    #[arg(long, value_name = "TIME")]
    pub(crate) touch: Option<SimDuration>,
    /// The swap device, for logs that do not show it: a preset, or a latency such as 500us
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: Option<String>,
    /// The preset processor whose costs hold where the log shows none; by default the nearest
    #[arg(long, value_name = "NAME")]
    pub(crate) cpu: Option<String>,
    /// The policy, instead of the one that the log shows
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Option<String>,
    /// Seed of the scenario
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Write table, JSON, CSV, plot and scenario into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// What to print
    #[arg(long, value_parser = format(), default_value = usual())]
    pub(crate) format: Format,
    /// Print the result and errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// What `apfsim fit` makes.
#[derive(Debug, Subcommand)]
pub(crate) enum FitCommand {
    /// Make a swap device of measurements: fio's JSON, blkparse's text, or a trace of block_rq_*
    #[command(after_help = "\
Files of fio (--output-format=json or json+), of blkparse, and logs with block_rq_issue and
block_rq_complete. Latency at depth 1 is service time. Latency in a deeper queue is the law at that depth,
and needs a measurement at depth 1 beside it, in the same file or in another one: alone it is refused.
The device runs under the load of the file; docs/fit-device.md says what comes of what.

Examples:
  fio --name=swap --filename=/dev/nvme0n1 --rw=randread --bs=4k --direct=1 --ioengine=psync \\
    --time_based --runtime=30 --output-format=json+ --output=depth-1.json
  apfsim fit device depth-1.json -o my-nvme.json         \"device\": \"my-nvme.json\" in a scenario
  apfsim fit device depth-1.json depth-32.json -o my-nvme.json
  apfsim fit device depth-1.json --channels 64 --format json | jq '.rows[] | select(.error > 0.05)'
  blkparse -i sda | apfsim fit device - -o sda.json")]
    Device(FitDeviceArgs),
    /// Make the list of pages that a handler brings ahead, and a trace to replay, of a log with kvm_page_fault
    #[command(after_help = "\
Each page of the guest whose first touch exits has a kvm_page_fault with its guest-physical address. In their
order these are what a recorded working set is made of: --output writes the list that `prefetch` of a handler reads,
--trace the touches that `replay` with \"placement\": \"recorded\" goes through. docs/vmm-builders.md has a scenario with both.

Examples:
  trace-cmd record -e kvm:kvm_page_fault -e kvm:kvm_entry -e kvm:kvm_exit     until the guest has answered
  apfsim fit pages trace.dat -o recorded.pages --trace recorded.trace
  apfsim fit pages trace.txt.gz --order address --until 2s -o recorded.pages")]
    Pages(FitPagesArgs),
}

/// In which order pages are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListOrder {
    /// As they were touched
    Recorded,
    /// By their addresses, so that neighbours come with one read
    Address,
}

/// `apfsim fit pages`
#[derive(Args, Debug)]
pub(crate) struct FitPagesArgs {
    /// The log, or - for standard input
    pub(crate) log: String,
    /// Write the list of pages into this file
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Write the touches in their order into this file
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// Replace the files of -o and --trace if they are there already
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// The region of the scenario that stands for the guest's memory
    #[arg(long, value_name = "NAME", default_value = "memory")]
    pub(crate) region: String,
    /// Where the region begins in the guest's memory
    #[arg(long, value_name = "SIZE", default_value = "0B")]
    pub(crate) start: Bytes,
    /// How large it is; by default it has all that follows
    #[arg(long, value_name = "SIZE")]
    pub(crate) size: Option<Bytes>,
    /// Where the hole for devices begins, which ends at 4GiB: 3GiB for QEMU, 3328MiB for older Firecrackers
    #[arg(long, value_name = "SIZE", default_value = "3GiB")]
    pub(crate) hole: Bytes,
    /// Only what was touched so long after the log's first event
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<SimDuration>,
    /// In which order pages are listed: as they were recorded, or by address
    #[arg(long, value_enum, default_value_t = ListOrder::Recorded)]
    pub(crate) order: ListOrder,
    /// Write text, JSON, CSV, list and trace into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// What to print
    #[arg(long, value_parser = format(), default_value = usual())]
    pub(crate) format: Format,
    /// Print the result and errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// `apfsim fit device`
#[derive(Args, Debug)]
pub(crate) struct FitDeviceArgs {
    /// What was measured; - is standard input. Of several files one device is made
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<String>,
    /// Write the device into this file, which scenarios name
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Replace the file of -o if it is there already
    #[arg(long, requires = "output")]
    pub(crate) overwrite: bool,
    /// Requests that the device serves at once; by default the largest depth that was measured, or,
    /// where that is 1, an assumption
    #[arg(long, value_name = "N")]
    pub(crate) channels: Option<u32>,
    /// The device's name; by default that of the first file
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Write text, JSON, CSV and the device into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// What to print
    #[arg(long, value_parser = format(), default_value = usual())]
    pub(crate) format: Format,
    /// Print the result and errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// `apfsim check`
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// The log, or - for standard input
    pub(crate) log: String,
    /// Generation of the kernel that wrote it, as `apfsim rules` lists them; found out by default
    #[arg(long, value_name = "NAME")]
    pub(crate) rules: Option<String>,
    /// Write the result as table, as JSON, as CSV and as plots into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// What to print
    #[arg(long, value_parser = format(), default_value = usual())]
    pub(crate) format: Format,
    /// Print the result and errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}
