//! What is known of the kernel that wrote a log.

use crate::monitors::catalogue::{Family, InvariantId};

/// What is known of the kernel that wrote a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// The family of its protocol; found out when not given.
    pub family: Option<Family>,
    /// Requests that a vCPU may have outstanding.
    pub cap: u32,
    /// A request is dequeued only after its worker has ended, which has then said that the page is there.
    pub flushes: bool,
    /// Invariants that it is known to break.
    pub known: Vec<InvariantId>,
    /// How long what must happen in the end may take, in nanoseconds.
    pub liveness_bound: u64,
}

impl Default for LogConfig {
    fn default() -> Self {
        // The cap of all merged kernels; a second is the bound of simulated runs.
        Self {
            family: None,
            cap: 64,
            flushes: false,
            known: Vec::new(),
            liveness_bound: 1_000_000_000,
        }
    }
}
