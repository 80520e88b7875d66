//! `apfsim compare`: the policies of a scenario side by side.

use reports::Compared;
use scenarios::experiments::precision::{Precision, find_replications};
use scenarios::{RunOptions, Scenario, ScenarioOverrides};

use super::simulate;
use crate::cli::{CompareArgs, RunningArgs};
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::output;
use crate::progress::Display;

/// Replications beyond which more precision is not sought.
const MOST: u32 = 256;

pub(super) fn execute(args: &CompareArgs) -> Result<Outcome, CliError> {
    let overrides = ScenarioOverrides {
        policies: args.policies.clone(),
        seed: args.run.seed,
        replications: args.replications,
    };
    let mut scenario = Scenario::load_for(&args.scenario, &args.change.settings(), &args.policies)?
        .with_overrides(&overrides)?;
    if let Some(wanted) = args.precision {
        scenario.replications = replications(&scenario, &args.run, wanted)?;
    }
    let overrides = ScenarioOverrides {
        replications: args.precision.map(|_| scenario.replications).or(args.replications),
        ..overrides
    };
    let trace = args.trace.as_deref();
    simulate::execute(&scenario, (&overrides, &args.run), trace, |it| Compared::brief(it))
}

/// So many replications as make the intervals narrow enough, or the most. Says which of the two.
fn replications(scenario: &Scenario, args: &RunningArgs, wanted: f64) -> Result<u32, CliError> {
    let options = RunOptions { out: None, ..simulate::options(args) };
    let display = Display::new(&scenario.name, args.quiet);
    let progress = |progress| display.update(&progress);
    let most = MOST.max(scenario.replications);
    let found = find_replications(scenario, &options, (wanted, most), &progress)?;
    drop(display);
    let Precision { replications, half_width } = found;
    let told = match half_width {
        None => "no ratio has an interval, so that --precision has nothing to do".to_owned(),
        Some(width) if width <= wanted => {
            format!("{replications} replications: ratios to within {:.2} %", width * 100.0)
        }
        Some(width) => format!(
            "{replications} replications are the most that --precision takes: ratios to within {:.2} %, not {:.2} %",
            width * 100.0,
            wanted * 100.0
        ),
    };
    if !args.quiet {
        output::note(&told);
    }
    Ok(replications)
}
