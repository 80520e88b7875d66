//! Whose a folder is in which only results are written.

use std::path::Path;

use super::batch::Batch;
use super::header;
use super::options::RunOptions;
use crate::run::error::RunnerError;
use crate::run::store::{Header, Store};
use crate::scenario::resolve::Scenario;

/// What results are of, as the runs of a folder say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim(Header);

impl Claim {
    /// Of the results of a scenario.
    pub fn of(scenario: &Scenario) -> Self {
        Self::of_batch(&Batch::of_one(scenario))
    }

    pub(crate) fn of_batch(batch: &Batch<'_>) -> Self {
        Self(header(batch, &RunOptions::default()))
    }

    /// Makes a folder one for these results, in which others will be refused; the folder may have runs of them.
    ///
    /// # Errors
    /// When the folder is one of other results, or cannot be written to.
    pub fn take(&self, folder: &Path) -> Result<(), RunnerError> {
        Store::open(folder, &self.0)?.0.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::runner::run_comparison;
    use crate::scenario::library;

    #[test]
    fn a_folder_is_of_one_scenario() {
        let text = library::find("smoke").expect("built in").text.replace("\"1s\"", "\"10ms\"");
        let one = Scenario::from_str("one", &text).expect("a scenario");
        let other = Scenario { seed: 7, ..one.clone() };
        let folder = tempfile::tempdir().expect("a folder");
        Claim::of(&one).take(folder.path()).expect("free");
        Claim::of(&one).take(folder.path()).expect("of the same");
        let refused = Claim::of(&other).take(folder.path());
        assert!(matches!(refused, Err(RunnerError::OtherRuns { .. })), "{refused:?}");
        let out = Some(folder.path().to_owned());
        let options = RunOptions { out, ..RunOptions::default() };
        run_comparison(&one, &options, &|_| {}).expect("goes on in it");
        assert!(run_comparison(&other, &options, &|_| {}).is_err());
    }
}
