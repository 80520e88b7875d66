//! `apfsim`: the command line of the simulator.
//!
//! [`cli`] says what can be typed, [`commands`] does it, one file a command, and [`output`] is
//! the only place that prints. Exit status: 0 fine, 1 an invariant was violated, an expectation not
//! met, or two runs differ, 2 bad usage, bad
//! input, or a failure of the machine (or of this program).

mod cli;
mod commands;
mod effort;
mod error;
mod outcome;
mod output;
mod progress;
mod values;

use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::{env, panic};

use clap::Parser as _;

use crate::cli::Cli;
use crate::outcome::Outcome;

const STATUS_NOT_FINE: u8 = 1;
const STATUS_ERROR: u8 = 2;
const REPORT_BUG: &str = concat!(
    "  help: this is a bug of apfsim ",
    env!("CARGO_PKG_VERSION"),
    "; please report it with the scenario and the command"
);

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    if env::var_os("RUST_BACKTRACE").is_none() {
        // The runner turns panics of runs into errors of its own: only one that ends the program
        // is shown, and by then the place would be lost.
        panic::set_hook(Box::new(|panic| keep(internal_error(panic))));
    }
    match panic::catch_unwind(|| commands::execute(&cli)) {
        Ok(Ok(Outcome::Fine)) => ExitCode::SUCCESS,
        Ok(Ok(Outcome::Violation | Outcome::Different)) => ExitCode::from(STATUS_NOT_FINE),
        Ok(Err(error)) => {
            output::note(&format!("error: {}", error.render()));
            ExitCode::from(STATUS_ERROR)
        }
        Err(_) => {
            output::note(&kept().unwrap_or_else(|| "internal error".to_owned()));
            output::note(REPORT_BUG);
            ExitCode::from(STATUS_ERROR)
        }
    }
}

/// Prints help with status 0, and an error of usage with status 2.
fn usage(error: &clap::Error) -> ExitCode {
    match error.print() {
        // A reader that has seen enough, such as `head`, is no failure.
        Err(source) if source.kind() != std::io::ErrorKind::BrokenPipe => {
            output::note(&format!("error: cannot print: {source}"));
            ExitCode::from(STATUS_ERROR)
        }
        _ => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(STATUS_ERROR)),
    }
}

/// The last panic.
static LAST_PANIC: Mutex<Option<String>> = Mutex::new(None);

fn keep(message: String) {
    *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(message);
}

fn kept() -> Option<String> {
    LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// What a user is told when this program is wrong.
fn internal_error(panic: &panic::PanicHookInfo<'_>) -> String {
    let payload = panic.payload();
    let message = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    let place = panic.location().map(|place| format!(" ({}:{})", place.file(), place.line()));
    format!("internal error: {message}{}", place.unwrap_or_default())
}
