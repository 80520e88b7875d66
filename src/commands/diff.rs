//! `apfsim diff`: where two runs part.

use scenarios::experiments::diff::{DiffOptions, Side, find_difference};
use scenarios::{Scenario, ScenarioOverrides};

use super::common::print;
use crate::cli::DiffArgs;
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::progress::Counter;

pub(super) fn execute(args: &DiffArgs) -> Result<Outcome, CliError> {
    let b = args.scenario_b.as_ref().unwrap_or(&args.scenario_a);
    let a = Side {
        replication: args.replication_a.unwrap_or(args.replication),
        queue: args.queue_a,
        skip: !args.no_skip_a,
        scenario: scenario(args, &args.scenario_a, &args.set_a, &args.policy_a, args.seed_a)?,
    };
    let b = Side {
        replication: args.replication_b.unwrap_or(args.replication),
        queue: args.queue_b,
        skip: !args.no_skip_b,
        scenario: scenario(args, b, &args.set_b, &args.policy_b, args.seed_b)?,
    };
    let options = DiffOptions { history: args.history.into(), more: args.more.into() };
    let counter = Counter::new("records", None, args.quiet);
    let report = find_difference(&[a, b], options, &|same| counter.update(same))?;
    drop(counter);
    print(&report, args.format)?;
    Ok(if report.parting.is_some() { Outcome::Different } else { Outcome::Fine })
}

/// One of the two, with what is given for it before what is given for both.
fn scenario(
    args: &DiffArgs,
    name: &str,
    own: &[String],
    policy: &Option<String>,
    seed: Option<u64>,
) -> Result<Scenario, CliError> {
    let mut settings: Vec<String> = args.set.iter().chain(own).cloned().collect();
    settings.extend(args.duration.map(|it| format!("duration={}ps", it.as_ps())));
    let chosen: Vec<String> = policy.clone().or(args.policy.clone()).into_iter().collect();
    let scenario = Scenario::load_for(name, &settings, &chosen)?;
    let last = scenario.policies.last().map(|policy| policy.name.to_string());
    let overrides = ScenarioOverrides {
        policies: policy.clone().or(args.policy.clone()).or(last).into_iter().collect(),
        seed: seed.or(args.seed),
        replications: None,
    };
    Ok(scenario.with_overrides(&overrides)?)
}
