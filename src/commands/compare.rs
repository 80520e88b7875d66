//! `apfsim compare`: the policies of a scenario side by side.

use reports::Compared;
use scenarios::{Scenario, ScenarioOverrides};

use super::simulate;
use crate::cli::CompareArgs;
use crate::error::CliError;
use crate::outcome::Outcome;

pub(super) fn execute(args: &CompareArgs) -> Result<Outcome, CliError> {
    let overrides = ScenarioOverrides {
        policies: args.policies.clone(),
        seed: args.run.seed,
        replications: args.replications,
    };
    let scenario =
        Scenario::load_with(&args.scenario, &args.change.settings())?.with_overrides(&overrides)?;
    simulate::execute(&scenario, &args.run, args.trace.as_deref(), |it| Compared::brief(it))
}
