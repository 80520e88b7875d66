//! Kind `ram`.

use models::config::RamConfig;
use sim_core::SimDuration;

use super::{Kind, Lines, some};
use crate::scenario::file::{RamChanges, RamFile};
use crate::scenario::resolve::at::At;
use crate::syntax::error::ScenarioError;

impl Kind for RamConfig {
    const NAME: &'static str = "ram";
    type Whole = RamFile;
    type Changes = RamChanges;

    fn base() -> Self {
        Self { latency: SimDuration::ZERO, copy_per_page: SimDuration::ZERO, synchronous: false }
    }

    fn changed(self, at: &At<'_>, file: RamChanges) -> Result<Self, ScenarioError> {
        Ok(Self {
            latency: some(at, "latency", file.latency, self.latency)?,
            copy_per_page: some(at, "copy_per_page", file.copy_per_page, self.copy_per_page)?,
            synchronous: file.synchronous.unwrap_or(self.synchronous),
        })
    }

    fn lines(&self) -> Lines {
        let Self { latency, copy_per_page, synchronous } = self;
        vec![
            ("latency", latency.as_ps().to_string()),
            ("copy_per_page", copy_per_page.as_ps().to_string()),
            ("synchronous", synchronous.to_string()),
        ]
    }
}
