//! `apfsim man`: man pages.

use std::fs;
use std::io;
use std::path::Path;

use clap::CommandFactory as _;
use clap_mangen::Man;

use super::common::{tell, write};
use crate::cli::{Cli, ManArgs};
use crate::error::CliError;
use crate::outcome::Outcome;

pub(super) fn execute(args: &ManArgs) -> Result<Outcome, CliError> {
    let folder = args.folder.as_path();
    let failed = |source| CliError::Write { path: folder.to_owned(), source };
    fs::create_dir_all(folder).map_err(failed)?;
    let mut whole = Cli::command().disable_help_subcommand(true);
    whole.build();
    let mut written = Vec::new();
    pages(&whole, folder, &mut written)?;
    tell(&written, false);
    Ok(Outcome::Fine)
}

/// The page of a command, and those of the commands in it.
fn pages(
    command: &clap::Command,
    folder: &Path,
    written: &mut Vec<std::path::PathBuf>,
) -> Result<(), CliError> {
    // A command in another one is named after both.
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let mut page = Vec::new();
    let path = folder.join(format!("{name}.1"));
    let failed = |source: io::Error| CliError::Write { path: path.clone(), source };
    Man::new(command.clone()).render(&mut page).map_err(failed)?;
    write(&path, &String::from_utf8_lossy(&page))?;
    written.push(path);
    command.get_subcommands().try_for_each(|inner| pages(inner, folder, written))
}
