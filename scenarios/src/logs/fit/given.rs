//! What is given, and where each number of a fitted scenario comes from.

use std::fmt::Display;

use sim_core::SimDuration;

/// What the log cannot tell, and what is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FitOptions {
    /// A policy by name, instead of the one that the log shows.
    pub policy: Option<String>,
    /// A preset processor, instead of the nearest.
    pub cpu: Option<String>,
    /// The swap device: a preset, or a constant latency.
    pub device: Option<String>,
    /// Threads of the guest that fault.
    pub faulters: Option<u32>,
    /// Threads of the guest that compute.
    pub workers: Option<u32>,
    /// The guest's time for a touch.
    pub touch: Option<SimDuration>,
    /// Seed of the scenario.
    pub seed: u64,
    /// Whether the scenario is run.
    pub run: bool,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self {
            policy: None,
            cpu: None,
            device: None,
            faulters: None,
            workers: None,
            touch: None,
            seed: 1,
            run: true,
        }
    }
}

/// A number of the scenario and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The field of the scenario.
    pub field: String,
    /// Its value.
    pub value: String,
    /// How many of which events show it, or that it is an assumption.
    pub source: String,
}

impl Given {
    pub(in crate::logs) fn say(
        given: &mut Vec<Self>,
        field: impl Display,
        value: impl Display,
        source: impl Display,
    ) {
        given.push(Self {
            field: field.to_string(),
            value: value.to_string(),
            source: source.to_string(),
        });
    }
}
