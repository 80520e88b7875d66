//! `apfsim completions`: a script for a shell.

use clap::CommandFactory as _;

use crate::cli::{Cli, CompletionsArgs};
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::output;

pub(super) fn execute(args: &CompletionsArgs) -> Result<Outcome, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "apfsim", &mut script);
    output::result(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Fine)
}
