//! `apfsim run`: one policy in full detail.

use reports::Compared;
use scenarios::{Scenario, ScenarioOverrides};

use super::simulate;
use crate::cli::RunArgs;
use crate::error::CliError;
use crate::outcome::Outcome;

pub(super) fn execute(args: &RunArgs) -> Result<Outcome, CliError> {
    let chosen: Vec<String> = args.policy.iter().cloned().collect();
    let scenario = Scenario::load_for(&args.scenario, &args.change.settings(), &chosen)?;
    // Scenarios list the plain policy first and the one they are about last.
    let last = scenario.policies.last().map(|policy| policy.name.to_string());
    let overrides = ScenarioOverrides {
        policies: args.policy.clone().or(last).into_iter().collect(),
        seed: args.run.seed,
        replications: Some(args.replications),
    };
    let scenario = scenario.with_overrides(&overrides)?;
    simulate::execute(&scenario, (&overrides, &args.run), args.trace.as_deref(), |it| {
        Compared::detailed(it)
    })
}
