//! Scenarios that are run together.

use crate::scenario::canonical;
use crate::scenario::resolve::Scenario;

/// Scenarios that are run together.
#[derive(Clone, Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) parts: Vec<Part<'a>>,
    /// Hash of what the batch is of, for the header of stored runs.
    pub(crate) content: String,
    /// Seed for that header.
    pub(crate) seed: u64,
    /// Whether comparisons keep the distributions of latencies, which take much memory.
    pub(crate) keep_latency: bool,
}

impl<'a> Batch<'a> {
    /// A scenario by itself.
    pub(super) fn of_one(scenario: &'a Scenario) -> Self {
        Self {
            parts: vec![Part { scenario, setup: String::new(), point: None, label: None }],
            content: canonical::setup_hash(scenario),
            seed: scenario.seed,
            keep_latency: true,
        }
    }
}

/// One scenario of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Part<'a> {
    pub(crate) scenario: &'a Scenario,
    /// Hash of its setup, by which stored runs are told apart; empty in a batch of one.
    pub(crate) setup: String,
    /// Its number, of a sweep.
    pub(crate) point: Option<u32>,
    /// What it is called in errors, when it is one of several.
    pub(crate) label: Option<String>,
}
