//! Why a file cannot be made a device.

use std::io;

use sim_core::DistributionError;

use crate::logs::check::CheckError;
use crate::syntax::error::ScenarioError;

/// A file, or an option, from which no device can be made.
#[derive(Debug, thiserror::Error)]
pub enum DeviceFitError {
    /// The file cannot be read.
    #[error("cannot read `{file}`: {source}")]
    Read {
        /// The file.
        file: String,
        /// The system's reason.
        source: io::Error,
    },
    /// It is larger than what is read.
    #[error(
        "`{file}` has more than {most} bytes\n  help: cut it, or leave out the logs of single \
         requests that fio keeps beside its result"
    )]
    TooLarge {
        /// The file.
        file: String,
        /// What is read.
        most: u64,
    },
    /// There is nothing of a known form in it.
    #[error(
        "`{file}` has no times of a device: it is no JSON of fio, no text of blkparse and no trace \
         with block_rq_issue and block_rq_complete\n  help: fio --output-format=json, blkparse, or \
         trace-cmd record -e block_rq_issue -e block_rq_complete"
    )]
    Unknown {
        /// The file.
        file: String,
    },
    /// It is fio's output in a form without what is needed.
    #[error(
        "`{file}` is fio's {form}, which has too little of the times\n  \
         help: run fio with --output-format=json, or json+ for every bin"
    )]
    OtherForm {
        /// The file.
        file: String,
        /// Which form.
        form: &'static str,
    },
    /// The JSON ends too early.
    #[error(
        "`{file}` ends within fio's JSON, at line {line}: it was cut off\n  help: wait until fio has \
         ended, or copy the whole file"
    )]
    Truncated {
        /// The file.
        file: String,
        /// Its last line.
        line: usize,
    },
    /// The JSON is broken.
    #[error(
        "`{file}`, line {line}: fio's JSON is broken: {message}\n  help: run fio again, with --output=FILE, so that nothing else is written into it"
    )]
    Json {
        /// The file.
        file: String,
        /// Where.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A trace cannot be read.
    #[error(transparent)]
    Trace(#[from] CheckError),
    /// A time that no request takes.
    #[error(
        "`{file}` has a request that took {hours:.1} hours; a device is fitted to times of up to {most} hours\n  \
         help: are its times in another unit? fio 3 and traces have nanoseconds, fio 2 microseconds"
    )]
    TooLong {
        /// The file.
        file: String,
        /// The time.
        hours: f64,
        /// The longest.
        most: u64,
    },
    /// A trace that goes on for longer than simulated time does.
    #[error(
        "`{file}` has requests that lie {days} days apart, of at most {most}\n  \
         help: give a part of it, or look at its clock"
    )]
    TooFarApart {
        /// The file.
        file: String,
        /// From the first request to the last completion.
        days: u64,
        /// How far apart they may be.
        most: u64,
    },
    /// Nothing is left of what was measured.
    #[error(
        "{files}: nothing that was measured can be used{why}\n  help: fio --rw=randread --bs=4k --direct=1 --iodepth=1 --output-format=json"
    )]
    Nothing {
        /// The files.
        files: String,
        /// What each job lacks.
        why: String,
    },
    /// Only deep queues were measured.
    #[error(
        "{files}: {what} were measured at depth {depths} only. At depth {first} a request waits for \
         others, in the queue and within the device: its latency is no service time, and one depth \
         does not say how much of it is waiting{why}\n  help: measure at depth 1 too \
         (fio --iodepth=1 --numjobs=1) and give both files: apfsim fit device DEPTH-1 DEPTH-{first}"
    )]
    OnlyDeep {
        /// The files.
        files: String,
        /// Reads, writes or both.
        what: &'static str,
        /// The depths.
        depths: String,
        /// The first of them.
        first: u32,
        /// What there is to say of the runs.
        why: String,
    },
    /// A trace never shows a request alone.
    #[error(
        "{files}: too few requests had the device to themselves: {alone} of {requests} were issued while no \
         other was under way, and a law takes {least}. What others share with a request is no service \
         time{why}\n  help: trace a load with one request at a time too, such as fio --iodepth=1, and \
         with larger buffers where events were lost"
    )]
    NeverAlone {
        /// The files.
        files: String,
        /// Requests.
        requests: usize,
        /// Those that were alone.
        alone: usize,
        /// How many are needed.
        least: usize,
        /// What was left out.
        why: String,
    },
    /// An option is out of range.
    #[error("{option} {value} is out of range\n  help: {help}")]
    Range {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
        /// What would be right.
        help: String,
    },
    /// The device that was made is refused.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// A law that was made is none.
    #[error(transparent)]
    Law(#[from] DistributionError),
}
