//! What an access costs in a machine of a preset, by how many pages the program goes round.

use models::machine::{self, RunSettings};
use scenarios::Scenario;

use crate::machines::WorldError;

/// Accesses of a run: some rounds of the largest footprint.
const ACCESSES: u64 = 400_000;

/// Nanoseconds an access of a program that goes round so many pages of 4 KiB, all resident, one access
/// a page.
///
/// # Errors
/// When there is no such preset, or the workload does not fit into the machine.
pub fn access_time(preset: &str, pages: usize) -> Result<f64, WorldError> {
    let text = format!(
        r#"{{
  "format": 1,
  "name": "tlb-reach",
  "title": "What does the translation of an address cost?",
  "host": {{ "cpu": "{preset}", "cpus": 2, "kernel": "linux-6.12", "memory_limit": "256MiB",
    "swap": {{ "device": "nvme-tlc-gen3" }} }},
  "guest": {{ "kernel": "linux-6.12", "vcpus": 1, "memory": "256MiB" }},
  "workload": {{
    "regions": [{{ "name": "array", "size": "{}KiB", "prefill": true }}],
    "tasks": [{{ "name": "walker", "role": "faulter", "passes": {ACCESSES}, "program": [
      {{ "op": "access", "region": "array", "pattern": {{ "kind": "chase" }}, "write": false, "cost": "1ns" }}
    ] }}]
  }},
  "policies": ["sync"],
  "duration": "100ms"
}}"#,
        4 * pages
    );
    let scenario = Scenario::from_str("tlb-reach", &text)?;
    let settings = RunSettings { duration: scenario.duration, ..RunSettings::default() };
    let prefix = machine::prefill(&scenario.machine, scenario.seed, &settings)?;
    let policy = scenario.policies.first().ok_or(WorldError::NoPolicy)?;
    let output = machine::run(&prefix, policy, &settings)?;
    let seconds = output.metrics.get("completion_time").ok_or(WorldError::NotComplete)?;
    Ok(seconds * 1e9 / ACCESSES as f64)
}
