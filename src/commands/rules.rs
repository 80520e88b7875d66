//! `apfsim rules`: what the kernels do, mechanism by mechanism.

use ::scenarios::help_for_unknown;
use models::apf::rules::{Generation, generations, named_generation};
use reports::rules::{Differences, Generations, Mechanisms};

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

fn known(name: &str) -> Result<&'static Generation, CliError> {
    named_generation(name).ok_or_else(|| unknown(name))
}

/// What is said of a generation that does not exist.
pub(super) fn unknown(name: &str) -> CliError {
    let names: Vec<&str> = generations().iter().map(|generation| generation.name).collect();
    CliError::Generation { name: name.to_owned(), help: help_for_unknown(name, &names) }
}
