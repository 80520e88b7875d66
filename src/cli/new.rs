//! What is typed to begin with a scenario of one's own.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use scenarios::Bytes;
use scenarios::scenario::start::Kind;

/// `apfsim new`
#[derive(Args, Debug)]
pub(crate) struct NewArgs {
    /// The file to be made; one that is there is never overwritten; - is standard output
    pub(crate) file: PathBuf,
    /// What the guest runs
    #[arg(long, value_enum)]
    pub(crate) kind: Option<KindArg>,
    /// Memory of the guest, such as 2GiB
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<Bytes>,
    /// How much of it may stay in memory
    #[arg(long, value_name = "SIZE")]
    pub(crate) limit: Option<Bytes>,
    /// What the guest touches; by default twice the limit, or a tenth of the memory where the guest is restored
    #[arg(long, value_name = "SIZE")]
    pub(crate) working_set: Option<Bytes>,
    /// Virtual processors
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub(crate) vcpus: Option<u64>,
    /// The swap device, or that of the snapshot: a preset (apfsim presets) or a file of apfsim fit device
    #[arg(long, value_name = "NAME")]
    pub(crate) device: Option<String>,
    /// The host's kernel: a preset
    #[arg(long, value_name = "NAME")]
    pub(crate) host_kernel: Option<String>,
    /// The processor: a preset; by default one of the time of the kernel
    #[arg(long, value_name = "NAME")]
    pub(crate) cpu: Option<String>,
    /// A policy to compare, the baseline first; repeat for more, or between commas
    #[arg(long = "policy", value_name = "NAME", value_delimiter = ',')]
    pub(crate) policies: Vec<String>,
    /// Name of the scenario; by default that of the file
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Ask nothing: what is not given is the usual
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// What a guest runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindArg {
    /// Tasks that touch an array too large for memory, beside tasks that count
    Compute,
    /// A server whose requests arrive from outside; its 99th percentile counts
    Requests,
    /// A guest restored from a snapshot, whose pages the VMM brings on demand
    Restore,
}

impl From<KindArg> for Kind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Compute => Self::Compute,
            KindArg::Requests => Self::Requests,
            KindArg::Restore => Self::Restore,
        }
    }
}
