//! Scenarios that are run to see whether what they expect comes true.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use models::trace::digest::DigestValue;

use super::judge::{Judgement, judge};
use crate::run::error::RunnerError;
use crate::run::runner::{Batch, Part, Progress, RunOptions, run_each};
use crate::scenario::canonical;
use crate::scenario::resolve::Scenario;
use crate::scenario::source;
use crate::syntax::error::ScenarioError;

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
    /// A run of it failed.
    Failed(RunnerError),
}

impl CaseResult {
    /// Whether it was run and something was not as expected.
    pub fn has_failed(&self) -> bool {
        match &self.outcome {
            CaseOutcome::Run { judgements, .. } => judgements.iter().any(|line| !line.met),
            _ => false,
        }
    }

    /// Why there is nothing to judge, when that is a mistake.
    pub fn error(&self) -> Option<String> {
        match &self.outcome {
            CaseOutcome::Broken(error) => Some(error.render()),
            CaseOutcome::Failed(error) => Some(format!("{}: {error}", self.file)),
            CaseOutcome::Run { .. } | CaseOutcome::Skipped(_) => None,
        }
    }
}

/// Why there is no suite.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
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
    /// When a folder holds no such file. What is wrong with a file, or with a folder in the folder,
    /// is told with its result.
    pub fn find(places: &[String]) -> Result<Self, SuiteError> {
        let mut cases = Vec::new();
        for place in places {
            let path = Path::new(place);
            let built_in = crate::scenario::library::find(place).is_some();
            if !path.is_dir() || built_in {
                cases.push(Case { file: place.clone(), content: named(place) });
                continue;
            }
            let mut found = Vec::new();
            collect(path, &mut found);
            if found.is_empty() {
                return Err(SuiteError::Empty { places: format!("`{place}`") });
            }
            found.sort_by(|(one, _), (other, _)| one.cmp(other));
            cases.extend(found.into_iter().map(|(path, unreadable)| {
                let file = path.display().to_string();
                let content = match unreadable {
                    Some(source) => Content::Broken(ScenarioError::Read { path, source }),
                    None => in_folder(&path, &file),
                };
                Case { file, content }
            }));
        }
        Ok(Self { cases })
    }

    /// Runs all that can be run, on the threads of `options`, and judges it. A file whose run fails
    /// says so in its result.
    ///
    /// # Errors
    /// When threads cannot be started.
    pub fn run(
        self,
        options: &RunOptions,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Vec<CaseResult>, RunnerError> {
        let parts = self.cases.iter().filter_map(|case| match &case.content {
            Content::Scenario(scenario) => Some(Part {
                scenario,
                setup: canonical::setup_hash(scenario),
                point: None,
                label: None,
            }),
            _ => None,
        });
        let batch =
            Batch { parts: parts.collect(), content: String::new(), seed: 0, keep_latency: false };
        let options = RunOptions { out: None, trace: None, ..options.clone() };
        let mut comparisons = run_each(&batch, &options, progress)?.into_iter();
        let result = |case: Case| {
            let outcome = match case.content {
                Content::Skipped(reason) => CaseOutcome::Skipped(reason),
                Content::Broken(error) => CaseOutcome::Broken(error),
                Content::Scenario(scenario) => {
                    let Some(comparison) = comparisons.next() else {
                        unreachable!("a batch has a result a part")
                    };
                    match comparison {
                        Ok(comparison) => CaseOutcome::Run {
                            digest: comparison.digest,
                            judgements: judge(&scenario.expect, &comparison),
                        },
                        Err(error) => CaseOutcome::Failed(error),
                    }
                }
            };
            CaseResult { file: case.file, outcome }
        };
        Ok(self.cases.into_iter().map(result).collect())
    }
}

/// All files below a folder whose names end in `.json`, and what cannot be read there, with the
/// reason. Links to folders are not followed, so that none is met twice.
fn collect(folder: &Path, found: &mut Vec<(PathBuf, Option<io::Error>)>) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return found.push((folder.into(), Some(error))),
    };
    for entry in entries {
        let kind = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)));
        match kind {
            Ok((path, kind)) if kind.is_dir() => collect(&path, found),
            Ok((path, _)) if path.extension().is_some_and(|it| it == "json") && !path.is_dir() => {
                found.push((path, None));
            }
            Ok(_) => {}
            Err(error) => found.push((folder.into(), Some(error))),
        }
    }
}

/// What was asked for by its name is meant to be a scenario.
fn named(place: &str) -> Content {
    Scenario::load(place).map_or_else(Content::Broken, expecting)
}

/// Folders hold other files too: sweeps, and results of other commands.
fn in_folder(path: &Path, file: &str) -> Content {
    let document = source::read(path).and_then(|text| source::document(file, &text));
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The smoke scenario, cut to a fraction of a second.
    fn smoke() -> Scenario {
        let text = crate::scenario::library::find("smoke").expect("built in").text;
        let text = text.replace("\"duration\": \"1s\"", "\"duration\": \"40ms\"");
        Scenario::from_str("smoke", &text).unwrap_or_else(|error| panic!("{}", error.render()))
    }

    #[test]
    fn a_run_that_fails_spoils_only_its_own_file() {
        let mut broken = smoke();
        // The region does not fit in the guest: no scenario file can say so.
        broken.machine.guest.memory_pages = 100;
        let case = |file: &str, scenario| Case {
            file: file.into(),
            content: Content::Scenario(Box::new(scenario)),
        };
        let run = |jobs| {
            let cases = vec![case("a", smoke()), case("b", broken.clone()), case("c", smoke())];
            let options = RunOptions { jobs, ..RunOptions::default() };
            Suite { cases }.run(&options, &|_| {}).unwrap_or_else(|error| panic!("{error}"))
        };
        let (one, two) = (run(1), run(2));
        assert_eq!(format!("{one:?}"), format!("{two:?}"));
        let [a, b, c] = one.as_slice() else { panic!("{one:?}") };
        assert!(matches!(b.outcome, CaseOutcome::Failed(RunnerError::Run { replication: 0, .. })));
        assert!(b.error().is_some_and(|told| told.starts_with("b: policy")), "{b:?}");
        let digest = |case: &CaseResult| match &case.outcome {
            CaseOutcome::Run { digest, .. } => *digest,
            other => panic!("{other:?}"),
        };
        assert_eq!(digest(a), digest(c));
    }
}
