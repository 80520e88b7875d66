//! Worlds that keep one part of the machine busy each.
//!
//! All run with what a user's run has: digest, metrics, monitors and state invariants.

use models::base::record::TaskRole;
use models::config::{Op, Policy};
use models::machine::{self, Prefix, RunError, RunOutput, RunSettings};
use scenarios::{RunnerError, Scenario, ScenarioError};
use sim_core::SimDuration;

/// Name and scenario file of a world.
const WORLDS: [(&str, &str); 4] = [
    ("tlb-hits", include_str!("../worlds/tlb-hits.json")),
    ("stlb-hits", include_str!("../worlds/stlb-hits.json")),
    ("walks", include_str!("../worlds/walks.json")),
    ("faults", include_str!("../worlds/faults.json")),
];

/// A machine after its prefill, ready to be run again and again.
pub struct World {
    /// Its name in tables.
    pub name: &'static str,
    scenario: Scenario,
    policy: Policy,
    settings: RunSettings,
    prefix: Prefix,
}

/// Why a world could not be made.
#[derive(Debug)]
pub enum WorldError {
    /// Its scenario file is wrong.
    Scenario(ScenarioError),
    /// Its prefill failed.
    Run(RunError),
    /// Its comparison failed.
    Runner(RunnerError),
    /// Its scenario has no policy.
    NoPolicy,
    /// Its program did not come to its end.
    NotComplete,
}

impl From<ScenarioError> for WorldError {
    fn from(error: ScenarioError) -> Self {
        Self::Scenario(error)
    }
}

impl From<RunError> for WorldError {
    fn from(error: RunError) -> Self {
        Self::Run(error)
    }
}

impl From<RunnerError> for WorldError {
    fn from(error: RunnerError) -> Self {
        Self::Runner(error)
    }
}

impl World {
    fn new(name: &'static str, scenario: Scenario) -> Result<Self, WorldError> {
        let policy = scenario.policies.last().ok_or(WorldError::NoPolicy)?.clone();
        let settings = RunSettings { duration: scenario.duration, ..RunSettings::default() };
        let prefix = machine::prefill(&scenario.machine, scenario.seed, &settings)?;
        Ok(Self { name, scenario, policy, settings, prefix })
    }

    /// Simulates the prefill anew.
    ///
    /// # Errors
    /// When the workload does not fit into the machine.
    pub fn prefill(&self) -> Result<Prefix, RunError> {
        machine::prefill(&self.scenario.machine, self.scenario.seed, &self.settings)
    }

    /// Runs the measured phase once.
    ///
    /// # Errors
    /// When the workload does not fit into the machine.
    pub fn run(&self) -> Result<RunOutput, RunError> {
        machine::run(&self.prefix, &self.policy, &self.settings)
    }

    /// A run of no length: what it counts belongs to the prefill.
    ///
    /// # Errors
    /// When the workload does not fit into the machine.
    pub fn run_nothing(&self) -> Result<RunOutput, RunError> {
        let settings = RunSettings { duration: SimDuration::from_ps(1), ..self.settings.clone() };
        machine::run(&self.prefix, &self.policy, &settings)
    }

    /// Price of the translation in an access, where it is nearly always the same.
    pub fn translation(&self) -> Option<SimDuration> {
        let cpu = &self.scenario.machine.cpu;
        let prices = cpu.costs.at(cpu.frequency);
        match self.name {
            "tlb-hits" => Some(SimDuration::ZERO),
            "stlb-hits" => Some(prices.stlb_hit.time),
            // Its walks are free.
            "walks" => Some(SimDuration::ZERO),
            _ => None,
        }
    }

    /// Simulated time of one run, summed over the vCPUs.
    pub fn vcpu_time(&self) -> SimDuration {
        let vcpus = u64::from(self.scenario.machine.vcpus());
        SimDuration::from_ps(self.settings.duration.as_ps() * vcpus)
    }

    /// Pages that the prefill writes.
    pub fn prefilled_pages(&self) -> u64 {
        let regions = &self.scenario.machine.workload.regions;
        regions.iter().filter(|region| region.prefill).map(|region| region.pages).sum()
    }

    /// Accesses of a run whose only tasks do nothing but access: their user time over the time of
    /// one access, which contains `extra` for the translation.
    pub fn accesses(&self, output: &RunOutput, extra: SimDuration) -> Option<f64> {
        let tasks = &self.scenario.machine.workload.tasks;
        let [Op::Access { cost, .. }] = tasks.first()?.program[..] else { return None };
        let one = (cost + extra).as_secs_f64();
        let busy = output.metrics.per_task.iter().filter(|task| task.role == TaskRole::Faulter);
        Some(busy.map(|task| task.user_time.as_secs_f64()).sum::<f64>() / one)
    }
}

/// The 2010 experiment, one run of `apf-v7-2010`.
///
/// # Errors
/// When a built-in scenario is broken.
pub fn natapov_2010() -> Result<World, WorldError> {
    World::new("natapov-2010", Scenario::load("natapov-2010")?)
}

/// The worlds in `benches/worlds`.
///
/// # Errors
/// When one of them is broken.
pub fn worlds() -> Result<Vec<World>, WorldError> {
    let world = |(name, text)| World::new(name, Scenario::from_str(name, text)?);
    WORLDS.into_iter().map(world).collect()
}
