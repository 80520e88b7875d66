//! `apfsim anatomy`: single major faults or requests in detail.

use std::path::Path;

use models::trace::anatomy::Pick;
use reports::html::SCENARIO;
use scenarios::{
    FolderLock, KeptScenario, Scenario, ScenarioOverrides, run_anatomy, run_request_anatomy,
};

use super::common::publish_of;
use crate::cli::{AnatomyArgs, PickArg};
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::progress::Display;

pub(super) fn execute(args: &AnatomyArgs) -> Result<Outcome, CliError> {
    let scenario = Scenario::load_for(&args.scenario, &args.change.settings(), &args.policies)?;
    let policies = match args.policies.is_empty() {
        true => usual(&scenario),
        false => args.policies.clone(),
    };
    let overrides = ScenarioOverrides { policies, seed: args.seed, replications: Some(1) };
    let scenario = scenario.with_overrides(&overrides)?;
    let _held = FolderLock::hold(args.out.as_deref(), &[])?;
    let of_seed = ScenarioOverrides { seed: args.seed, ..ScenarioOverrides::default() };
    let text = scenario.as_run(&of_seed)?;
    let text = match args.out.as_deref() {
        Some(folder) => kept_scenario(folder, &scenario)?.unwrap_or(text),
        None => text,
    };
    let display = Display::new(&scenario.name, args.quiet);
    let (picks, progress) = (picks(&args.picks), |progress| display.update(&progress));
    if args.request {
        let report = run_request_anatomy(&scenario, &picks, &progress)?;
        drop(display);
        publish_of(&report, &text, args.format, args.out.as_deref(), args.quiet)?;
        return Ok(Outcome::Fine);
    }
    let report = run_anatomy(&scenario, &picks, &progress)?;
    drop(display);

    publish_of(&report, &text, args.format, args.out.as_deref(), args.quiet)?;
    Ok(Outcome::Fine)
}

/// The scenario whose results a folder has, if it has some; they must be of the same runs.
fn kept_scenario(folder: &Path, scenario: &Scenario) -> Result<Option<KeptScenario>, CliError> {
    let path = folder.join(SCENARIO);
    if !path.is_file() {
        return Ok(None);
    }
    let kept = path.to_str().and_then(|path| Scenario::load(path).ok());
    match kept.filter(|kept| kept.has_runs_of(scenario)) {
        Some(kept) => Ok(Some(kept.kept()?)),
        None => Err(CliError::Mixed { path: folder.to_owned() }),
    }
}

/// Of the scenario's policies `sync`, `halt` and the last asynchronous one: one of each kind is
/// enough to see the difference. All, where there is none of these.
fn usual(scenario: &Scenario) -> Vec<String> {
    let names = || scenario.policies.iter().map(|policy| policy.name.to_string());
    let last = names().rfind(|name| name.starts_with("apf-"));
    let chosen = |name: &String| name == "sync" || name == "halt" || Some(name) == last.as_ref();
    let some: Vec<String> = names().filter(chosen).collect();
    if some.is_empty() { names().collect() } else { some }
}

/// What was asked for, by rising latency and each once; the usual ones when nothing was.
fn picks(args: &[PickArg]) -> Vec<Pick> {
    if args.is_empty() {
        return Pick::USUAL.into();
    }
    let asked = |pick: &Pick| args.iter().any(|&arg| Pick::from(arg) == *pick);
    Pick::ALL.into_iter().filter(asked).collect()
}

impl From<PickArg> for Pick {
    fn from(arg: PickArg) -> Self {
        match arg {
            PickArg::Median => Self::Median,
            PickArg::P90 => Self::P90,
            PickArg::P99 => Self::P99,
            PickArg::P999 => Self::P999,
            PickArg::Worst => Self::Worst,
        }
    }
}
