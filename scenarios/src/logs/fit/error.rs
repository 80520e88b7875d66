//! Why a log cannot be made a scenario.

use crate::logs::check::CheckError;
use crate::run::error::RunnerError;
use crate::syntax::error::ScenarioError;

/// A log, or an option, from which no scenario can be made.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// The log cannot be read, or is none.
    #[error(transparent)]
    Log(#[from] CheckError),
    /// Times have no unit.
    #[error(
        "the times of {name} are ticks whose length the log does not say\n  \
         help: record with `trace_clock` mono (`trace-cmd record -C mono`)"
    )]
    Ticks {
        /// The log.
        name: String,
    },
    /// The host is no x86.
    #[error(
        "{name} is a log of an s390 host, whose guests are told of missing pages by another \
         protocol (pfault)\n  help: scenarios are of x86 hosts; `apfsim check` pairs its faults"
    )]
    S390 {
        /// The log.
        name: String,
    },
    /// Nothing is of KVM.
    #[error(
        "{name} has no event of KVM\n  \
         help: record kvm:*, block:block_rq_issue, block:block_rq_complete and \
         sched:sched_switch; see docs/fit-scenario.md"
    )]
    NoKvm {
        /// The log.
        name: String,
    },
    /// Two threads run a vCPU of the same number, each with faults of its own.
    #[error(
        "{name} shows more than one guest: two threads run a vCPU of the same number, each with faults of its own\n  \
         help: trace one VMM only (`set_event_pid`, `trace-cmd record -P`), or keep its threads, \
         kworkers and the swap device's lines"
    )]
    SeveralGuests {
        /// The log.
        name: String,
    },
    /// No read of the swap device belongs to a fault.
    #[error(
        "{name} does not show the swap device: no read was issued by a vCPU thread that handles a \
         fault, or by its worker, and completed\n  \
         help: record {missing} too, or say what the device is: --device 500us, --device nvme-tlc-gen3. If they are \
         recorded, no page came from a device: the swap is compressed memory (zram, zswap), or the VMM answers the \
         faults (userfaultfd); `apfsim show lab-zram-lz4-4f4w`, `lab-zswap-lzo-4f4w` and `lab-uffd-100us-4f4w` are \
         scenarios to begin with; see docs/fit-scenario.md, Hosts without a device"
    )]
    NoDevice {
        /// The log.
        name: String,
        /// The events that it has none of.
        missing: String,
    },
    /// The VMM answers the faults.
    #[error(
        "in {name} the VMM answers the faults: {messages} messages of userfaultfd, and {reads} reads of a device by vCPU \
         threads and their workers; a scenario with swap would be another host\n  \
         help: `apfsim check` says where the handler's time goes, and `apfsim show lab-uffd-100us-4f4w` is a scenario \
         with a `handler` to begin with; or say how long a page takes: --device 100us fits all the rest, with a device in \
         the handler's place; see docs/fit-scenario.md, Hosts without a device"
    )]
    Handler {
        /// The log.
        name: String,
        /// Messages about missing pages.
        messages: u64,
        /// Reads that belong to faults.
        reads: u64,
    },
    /// Its times are none of a host.
    #[error(
        "{name} has {faults} faults that needed I/O within {seconds} s: its times are too coarse, or in another \
         unit\n  help: record with `trace_clock` mono; times are seconds, with six or nine digits behind the point"
    )]
    NoTimes {
        /// The log.
        name: String,
        /// How many there are.
        faults: u64,
        /// Its length.
        seconds: f64,
    },
    /// The run of the scenario would take for ever.
    #[error(
        "the run of the fitted scenario has more than {most} records: costs that come out of the log are far too \
         low\n  help: look at them with --no-run; is the log in another unit of time?"
    )]
    TooMany {
        /// How many it may have.
        most: u64,
    },
    /// No fault needed I/O.
    #[error(
        "{name} shows no fault that needed I/O\n  \
         help: record while the guest faults. If it did, its pages came from memory: the swap is compressed (zram, \
         zswap), whose times are in no event; `apfsim show lab-zram-lz4-4f4w` and `lab-zswap-lzo-4f4w` are \
         scenarios to begin with; see docs/fit-scenario.md, Hosts without a device"
    )]
    NoFaults {
        /// The log.
        name: String,
    },
    /// There is too little to conclude anything from.
    #[error(
        "{name} shows {faults} faults that needed I/O, of at least {least}\n  \
         help: record for longer, while the guest faults"
    )]
    TooFew {
        /// The log.
        name: String,
        /// How many there are.
        faults: u64,
        /// How many are needed.
        least: u64,
    },
    /// An option names something that does not exist.
    #[error("{option} `{value}`: there is no {what} of that name\n  help: {help}")]
    Unknown {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
        /// What it should name.
        what: &'static str,
        /// The likeliest name and the names there are.
        help: String,
    },
    /// An option is out of range.
    #[error("{option} {value} is out of range\n  help: {help}")]
    Range {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
        /// What would be right.
        help: &'static str,
    },
    /// The scenario is refused, as an option gives it what it cannot have.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The scenario's run failed.
    #[error(transparent)]
    Runner(#[from] RunnerError),
}
