//! The program under test, started as a user starts it.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

/// Where it is.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_apfsim");

/// The program, to which arguments and a folder are added.
pub(crate) fn program() -> Command {
    Command::new(PROGRAM)
}

/// What a command prints that reads this from its standard input.
pub(crate) fn with_input(command: &mut Command, input: &[u8]) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // It may end before it has read everything, and it may print before that.
        scope.spawn(move || stdin.write_all(input).ok());
        child.wait_with_output().unwrap()
    })
}

/// What a command prints that must not fail.
#[track_caller]
pub(crate) fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {error}", output.status);
    String::from_utf8(output.stdout).unwrap()
}
