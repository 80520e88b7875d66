//! `apfsim rules`: what the kernels do, mechanism by mechanism.

use ::scenarios::help_for_unknown;
use models::apf::rules::{Generation, Release, Rules, generations, named_generation, release};
use reports::rules::{Differences, Generations, Kernel, Mechanisms};

use super::common::print;
use crate::cli::RulesArgs;
use crate::error::CliError;
use crate::outcome::Outcome;

pub(super) fn execute(args: &RulesArgs) -> Result<Outcome, CliError> {
    match (&args.generation, args.diff.as_deref()) {
        (_, Some([old, new])) => {
            print(&Differences { old: known(old)?, new: known(new)? }, args.format)?;
        }
        (Some(name), _) => print(&Mechanisms(known(name)?), args.format)?,
        (None, _) => print(&Generations, args.format)?,
    }
    Ok(Outcome::Fine)
}

/// A generation by its name, or that of a kernel release, as 5.10 and v6.6.
fn known(name: &str) -> Result<Kernel, CliError> {
    let of_release = || Some(Kernel::of_release(name, released(name)?));
    named_generation(name).map(Kernel::from).or_else(of_release).ok_or_else(|| unknown(name))
}

/// The rules of a generation, or of a kernel release with what it has from later ones.
pub(super) fn rules_of(name: &str) -> Result<Rules, CliError> {
    let of_release = || Some(released(name)?.rules());
    let named = named_generation(name).map(Generation::rules);
    named.or_else(of_release).ok_or_else(|| unknown(name))
}

fn released(name: &str) -> Option<Release> {
    release(name.strip_prefix('v').unwrap_or(name))
}

/// What is said of a generation that does not exist.
pub(super) fn unknown(name: &str) -> CliError {
    let names: Vec<&str> = generations().iter().map(|generation| generation.name).collect();
    CliError::Generation { name: name.to_owned(), help: help_for_unknown(name, &names) }
}
