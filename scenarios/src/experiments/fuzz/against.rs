//! Another build of the program, such as one with checks of arithmetic, given the same scenarios.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs, process};

use models::machine::RunError;
use serde_json::Value;

use super::draw::Draw;
use super::outcome::{Failure, FailureKind};
use super::ran::Ran;
use crate::run::summary::digest_of;
use crate::scenario::resolve::Scenario;

/// Another build and how many of a hundred scenarios it gets.
#[derive(Clone, Debug)]
pub struct Against {
    /// The program.
    pub program: PathBuf,
    /// Of a hundred scenarios, how many.
    pub percent: u64,
}

impl Against {
    /// Whether the scenario of a seed is given to it.
    pub(super) fn takes(&self, seed: u64) -> bool {
        Draw::new(seed).at("against").percent(self.percent)
    }

    /// What it says differently.
    pub(super) fn differs(
        &self,
        text: &str,
        scenario: &Scenario,
        results: &[Result<Ran, RunError>],
    ) -> Option<Failure> {
        // It knows no bound.
        if results.iter().flatten().any(|ran| ran.cut) {
            return None;
        }
        let failed = |message: String| {
            Some(Failure::new(FailureKind::Build, format!("{}: {message}", self.program.display())))
        };
        let output = match self.run(text, scenario) {
            Ok(output) => output,
            Err(error) => return failed(format!("cannot be run: {error}")),
        };
        let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if let Some(error) = results.iter().find_map(|result| result.as_ref().err()) {
            let same = output.status.code() == Some(2) && told.contains(&error.to_string());
            return if same { None } else { failed(format!("`{told}` instead of `{error}`")) };
        }
        if !matches!(output.status.code(), Some(0 | 1)) {
            return failed(told);
        }
        let value: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let expected = expected(results, scenario.policies.len());
        let found = value["digest"].as_str().unwrap_or("none");
        (found != expected)
            .then(|| failed(format!("digest {found} instead of {expected}")))
            .flatten()
    }

    fn run(&self, text: &str, scenario: &Scenario) -> std::io::Result<process::Output> {
        let thread = format!("{:?}", std::thread::current().id());
        let thread: String = thread.chars().filter(char::is_ascii_digit).collect();
        let name = format!("apfsim-{}-{thread}-{}.json", process::id(), scenario.name);
        let path = env::temp_dir().join(name);
        fs::write(&path, text)?;
        let output = Command::new(&self.program)
            .arg("compare")
            .arg(&path)
            .args(["--quiet", "--format", "json", "--jobs", "1"])
            .output();
        let _ = fs::remove_file(&path);
        output
    }
}

/// The digest that a comparison shows.
fn expected(results: &[Result<Ran, RunError>], policies: usize) -> String {
    let of = |policy: usize| {
        let runs = results.iter().flatten().skip(policy).step_by(policies.max(1));
        digest_of(runs.map(|ran| ran.stored.digest))
    };
    digest_of((0..policies).map(of)).to_string()
}
