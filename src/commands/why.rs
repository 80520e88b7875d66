//! `apfsim why`: why one request, or one fault, took so long.

use scenarios::experiments::why::{Question, find_why};
use scenarios::{Scenario, ScenarioOverrides};

use super::common::print;
use crate::cli::WhyArgs;
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::progress::Display;

pub(super) fn execute(args: &WhyArgs) -> Result<Outcome, CliError> {
    let chosen: Vec<String> = args.policy.iter().cloned().collect();
    let scenario = Scenario::load_for(&args.scenario, &args.change.settings(), &chosen)?;
    // Scenarios list the plain policy first and the one they are about last.
    let last = scenario.policies.last().map(|policy| policy.name.to_string());
    let overrides = ScenarioOverrides {
        policies: args.policy.clone().or(last).into_iter().collect(),
        seed: args.seed,
        replications: Some(1),
    };
    let scenario = scenario.with_overrides(&overrides)?;
    let question = match (args.request, args.fault) {
        (Some(rank), _) => Question::Request(rank),
        (None, Some(rank)) => Question::Fault(rank),
        (None, None) => Question::Any,
    };
    let display = Display::new(&scenario.name, args.quiet);
    let report = find_why(&scenario, question, &|progress| display.update(&progress))?;
    drop(display);
    print(&report, args.format)?;
    Ok(Outcome::Fine)
}
