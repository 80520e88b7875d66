//! Scenarios that are run to see whether what they expect comes true.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use models::trace::digest::DigestValue;

use super::{Judgement, judge};
use crate::canonical;
use crate::error::{RunnerError, ScenarioError};
use crate::resolve::{self, Scenario};
use crate::runner::{Batch, Part, Progress, RunOptions, run_batch};

/// Files, in the order in which they are told of.
#[derive(Debug)]
pub struct Suite {
    cases: Vec<Case>,
}

#[derive(Debug)]
struct Case {
    file: String,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Scenario(Box<Scenario>),
    Skipped(&'static str),
    Broken(ScenarioError),
}

/// How one file came out.
#[derive(Debug)]
pub struct CaseResult {
    /// The file, or the name of a built-in scenario.
    pub file: String,
    /// How.
    pub outcome: CaseOutcome,
}

/// How one file came out.
#[derive(Debug)]
pub enum CaseOutcome {
    /// It was run.
    Run {
        /// Digest of all its runs.
        digest: DigestValue,
        /// What was expected and what was found; nothing need have been met.
        judgements: Vec<Judgement>,
    },
    /// It was not run.
    Skipped(&'static str),
    /// It is no scenario that can be run.
    Broken(ScenarioError),
}

impl CaseResult {
    /// Whether it was run and something was not as expected.
    pub fn has_failed(&self) -> bool {
        match &self.outcome {
            CaseOutcome::Run { judgements, .. } => judgements.iter().any(|line| !line.met),
            _ => false,
        }
    }
}

/// Why there is no suite.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// A folder cannot be read.
    #[error("cannot read the folder `{path}`: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Nothing was found.
    #[error(
        "there is no scenario file in {places}\n  help: names of scenario files end in `.json`"
    )]
    Empty {
        /// Where was looked.
        places: String,
    },
}

impl Suite {
    /// The scenarios of some files, folders (with the folders in them) and built-in names. Files in
    /// folders are those whose names end in `.json`, in order of their paths.
    ///
    /// # Errors
    /// When a folder cannot be read, or holds no such file. What is wrong with a file is told with
    /// its result.
    pub fn find(places: &[String]) -> Result<Self, SuiteError> {
        let mut cases = Vec::new();
        for place in places {
            let path = Path::new(place);
            let built_in = crate::library::find(place).is_some();
            if !path.is_dir() || built_in {
                cases.push(Case { file: place.clone(), content: named(place) });
                continue;
            }
            let mut files = Vec::new();
            collect(path, &mut files)?;
            if files.is_empty() {
                return Err(SuiteError::Empty { places: format!("`{place}`") });
            }
            files.sort();
            cases.extend(files.iter().map(|path| {
                let file = path.display().to_string();
                let content = in_folder(path, &file);
                Case { file, content }
            }));
        }
        Ok(Self { cases })
    }

    /// Runs all that can be run, on the threads of `options`, and judges it.
    ///
    /// # Errors
    /// When a run fails, as [`run_comparison`](crate::run_comparison).
    pub fn run(
        self,
        options: &RunOptions,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Vec<CaseResult>, RunnerError> {
        let parts = self.cases.iter().filter_map(|case| match &case.content {
            Content::Scenario(scenario) => Some(Part {
                scenario,
                setup: canonical::setup_hash(scenario),
                label: Some(case.file.clone()),
            }),
            _ => None,
        });
        let batch =
            Batch { parts: parts.collect(), content: String::new(), seed: 0, keep_latency: false };
        let options = RunOptions { out: None, trace: None, ..options.clone() };
        let mut comparisons = run_batch(&batch, &options, progress)?.into_iter();
        let result = |case: Case| {
            let outcome = match case.content {
                Content::Skipped(reason) => CaseOutcome::Skipped(reason),
                Content::Broken(error) => CaseOutcome::Broken(error),
                Content::Scenario(scenario) => {
                    let Some(comparison) = comparisons.next() else {
                        unreachable!("a batch has a result a part")
                    };
                    let judgements = judge(&scenario.expect, &comparison);
                    CaseOutcome::Run { digest: comparison.digest, judgements }
                }
            };
            CaseResult { file: case.file, outcome }
        };
        Ok(self.cases.into_iter().map(result).collect())
    }
}

/// All files below a folder whose names end in `.json`. Links to folders are not followed, so that
/// none is met twice.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), SuiteError> {
    let fail = |source| SuiteError::Folder { path: folder.into(), source };
    for entry in fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(fail)?);
        if kind.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "json") && !path.is_dir() {
            files.push(path);
        }
    }
    Ok(())
}

/// What was asked for by its name is meant to be a scenario.
fn named(place: &str) -> Content {
    Scenario::load(place).map_or_else(Content::Broken, expecting)
}

/// Folders hold other files too: sweeps, and results of other commands.
fn in_folder(path: &Path, file: &str) -> Content {
    let document = resolve::read(path).and_then(|text| resolve::document(file, &text));
    let document = match document {
        Ok(document) => document,
        Err(error) => return Content::Broken(error),
    };
    if document.root.get("format").is_none() {
        return Content::Skipped("no scenario: it has no `format`");
    }
    if document.root.get("scenario").is_some() {
        return Content::Skipped("a sweep");
    }
    Scenario::from_document(&document).map_or_else(Content::Broken, expecting)
}

fn expecting(scenario: Scenario) -> Content {
    match scenario.expect.is_empty() {
        true => Content::Skipped("it expects nothing"),
        false => Content::Scenario(Box::new(scenario)),
    }
}
