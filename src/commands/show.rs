//! `apfsim show`: the text of a scenario, sweep or experiment, comments included, or all of its values.

use reports::resolved::ResolvedReport;
use scenarios::experiments::validate::library as experiments;
use scenarios::scenario::library;
use scenarios::{Scenario, ScenarioOverrides};

use super::common::print;
use crate::cli::ShowArgs;
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::output;

pub(super) fn execute(args: &ShowArgs) -> Result<Outcome, CliError> {
    if args.resolved {
        let policies = args.policies.clone();
        let overrides = ScenarioOverrides { policies, ..ScenarioOverrides::default() };
        let values = Scenario::resolved_with(&args.name, &args.set, &overrides)?;
        print(&ResolvedReport { values: &values }, args.format)?;
        return Ok(Outcome::Fine);
    }
    let entry = library::find(&args.name).or_else(|| library::find_sweep(&args.name));
    let text = entry.map(|entry| entry.text);
    match text.or_else(|| experiments::find(&args.name).map(|entry| entry.text)) {
        Some(text) => output::result(text)?,
        // A path of a valid file does as well; anything else has its error from here.
        None => output::result(&Scenario::load(&args.name)?.text)?,
    }
    Ok(Outcome::Fine)
}
