//! What is typed to explore the protocol, and to ask what it is.

use super::format::{Format, format, usual};
use clap::Args;
use models::apf::rules::Generation;
use std::path::PathBuf;

/// `apfsim zoo`
#[derive(Args, Debug)]
pub(crate) struct ZooArgs {
    /// Id of an entry, such as `H03`: tell its story
    pub(crate) id: Option<String>,
    /// Leave out entries that take long
    #[arg(long, conflicts_with = "id")]
    pub(crate) fast: bool,
    /// Write the shortest way to the mistake as a kernel prints its tracepoints, for `check`
    #[arg(long, value_name = "FILE", requires = "id")]
    pub(crate) trace: Option<PathBuf>,
    /// What to print
    #[arg(long, value_parser = format(), default_value = usual())]
    pub(crate) format: Format,
    /// Entries at a time; default: one a processor. Changes no result
    #[arg(short, long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) jobs: usize,
}

/// `apfsim invariants`
#[derive(Args, Debug)]
pub(crate) struct InvariantsArgs {
    /// Number of an invariant, such as `INV-13`
    pub(crate) id: Option<String>,
    /// What to print
    #[arg(long, value_parser = format(), default_value = usual())]
    pub(crate) format: Format,
}

/// `apfsim metrics`
#[derive(Args, Debug)]
pub(crate) struct MetricsArgs {
    /// What to print
    #[arg(long, value_parser = format(), default_value = usual())]
    pub(crate) format: Format,
}

/// `apfsim explore`
#[derive(Args, Debug)]
pub(crate) struct ExploreArgs {
    /// Name of a generation, or a kernel release as 5.10
    #[arg(long, value_name = "NAME", default_value = Generation::newest().name)]
    pub(crate) rules: String,
    /// Give a mechanism of the rules the value of another generation; repeat for more
    #[arg(long, value_name = "MECHANISM=VALUE")]
    pub(crate) set: Vec<String>,
    /// Switch a mistake on; repeat for more
    #[arg(long = "defect", value_name = "NAME")]
    pub(crate) defects: Vec<String>,
    /// What may happen besides faults, and how often at most (1); repeat for more
    #[arg(long, value_name = "DISTURBANCE[=N]")]
    pub(crate) with: Vec<String>,
    /// vCPUs
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) vcpus: u16,
    /// Follow all vCPUs, not one among others. Finds the same and takes much longer
    #[arg(long)]
    pub(crate) whole: bool,
    /// Tasks of each vCPU
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) tasks: u8,
    /// Pages, each touched once by each task
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) pages: u8,
    /// Items that a vCPU may have outstanding; by default as many as pages
    #[arg(long, value_name = "N")]
    pub(crate) cap: Option<u32>,
    /// Bits of the token counter, which wraps
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) token_bits: u8,
    /// Number the vCPUs from N, in tokens with the kernel's 12 bits for it. Implies --whole
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(..=16_383))]
    pub(crate) first_vcpu: Option<u16>,
    /// Let the token counters begin at N, in tokens as of --first-vcpu
    #[arg(long, value_name = "N")]
    pub(crate) first_counter: Option<u32>,
    /// The guest never switches notices on
    #[arg(long)]
    pub(crate) no_notices: bool,
    /// The guest asks for notices at CPL 0 too
    #[arg(long)]
    pub(crate) send_always: bool,
    /// The local APIC is not in the host kernel
    #[arg(long)]
    pub(crate) no_irqchip: bool,
    /// The host mirrors the guest's page tables, of which each task has its own
    #[arg(long)]
    pub(crate) shadow: bool,
    /// End after so many moves from the beginning
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) depth: Option<u32>,
    /// End after so many different states
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) states: Option<u32>,
    /// End at so much memory, in MiB
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) memory: Option<u64>,
    /// Findings that are known, as written by `--out`: only others lead to exit status 1
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Write the result with all traces into this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Replace the file of --out if it is there already
    #[arg(long, requires = "out")]
    pub(crate) overwrite: bool,
    /// Write the shortest way to each finding as a kernel prints its tracepoints, for `check`
    ///
    /// Of several findings each has its own file: the invariant is put before the extension, so
    /// that `trace.txt` becomes `trace.INV-13.txt`.
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// What to print
    #[arg(long, value_parser = format(), default_value = usual())]
    pub(crate) format: Format,
    /// Print the result and errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// List disturbances and defects
    #[arg(long)]
    pub(crate) list: bool,
}

/// `apfsim rules`
#[derive(Args, Debug)]
pub(crate) struct RulesArgs {
    /// Name of a generation, or a kernel release as 5.10: print every mechanism with its value and source
    pub(crate) generation: Option<String>,
    /// Print in what two generations differ
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"], conflicts_with = "generation")]
    pub(crate) diff: Option<Vec<String>>,
    /// What to print
    #[arg(long, value_parser = format(), default_value = usual())]
    pub(crate) format: Format,
}
