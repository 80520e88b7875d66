//! What is typed to make a shell and `man` know the program.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// `apfsim completions`
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// `apfsim man`
#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// The directory, which is made if there is none
    pub(crate) folder: PathBuf,
}
