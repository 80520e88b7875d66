//! How a plan is run, and what is told of it meanwhile.

use std::path::PathBuf;

use models::machine::Stop;
use sim_core::QueueKind;

/// How a plan is run. Nothing here changes a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunOptions {
    /// Threads; 0 for one a processor.
    pub jobs: usize,
    /// Event queue of the machine.
    pub queue: QueueKind,
    /// Whether bursts without interaction are skipped in one event.
    pub skip: bool,
    /// Directory to which finished runs are written, and from which they are taken when they are
    /// there.
    pub out: Option<PathBuf>,
    /// File to which runs write their records, as a kernel prints its tracepoints or as a timeline; of
    /// several runs each has its own, named by policy and replication. No run is taken from `out` then.
    pub trace: Option<PathBuf>,
    /// By which whoever asked for the runs ends them. Those that are finished stay on the disk.
    pub stop: Option<Stop>,
    /// Whether it is told how far each run is, for people who wait for one.
    pub within: bool,
}

impl Default for RunOptions {
    fn default() -> Self {
        let queue = QueueKind::default();
        Self { jobs: 0, queue, skip: true, out: None, trace: None, stop: None, within: false }
    }
}

/// What a batch is about to do or has done. Calls come from several threads, one at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The batch begins.
    Begin {
        /// Runs of the batch.
        total: u32,
        /// Runs of these that were finished before and are taken over.
        resumed: u32,
    },
    /// A replication begins with its prefill.
    Prefill {
        /// Which, from 0.
        replication: u32,
    },
    /// A run is so far, where [`RunOptions::within`] asks for it.
    Within {
        /// Number of the run in the batch.
        number: u32,
        /// Hundredths of its simulated time.
        percent: u32,
    },
    /// A run is finished.
    Finished {
        /// Number of the run in the batch.
        number: u32,
        /// Its policy.
        policy: String,
        /// Its replication, from 0.
        replication: u32,
        /// Runs finished so far, those taken over among them.
        done: u32,
        /// Runs of the batch.
        total: u32,
    },
}
