//! Kind `constant`.

use models::config::ConstantConfig;
use sim_core::SimDuration;

use super::{Kind, Lines, some};
use crate::scenario::file::{ConstantChanges, ConstantFile};
use crate::scenario::resolve::at::At;
use crate::syntax::error::ScenarioError;

impl Kind for ConstantConfig {
    const NAME: &'static str = "constant";
    type Whole = ConstantFile;
    type Changes = ConstantChanges;

    fn base() -> Self {
        Self { read_latency: SimDuration::ZERO, write_latency: SimDuration::ZERO }
    }

    fn changed(self, at: &At<'_>, file: ConstantChanges) -> Result<Self, ScenarioError> {
        Ok(Self {
            read_latency: some(at, "read_latency", file.read_latency, self.read_latency)?,
            write_latency: some(at, "write_latency", file.write_latency, self.write_latency)?,
        })
    }

    fn lines(&self) -> Lines {
        let Self { read_latency, write_latency } = self;
        vec![
            ("read_latency", read_latency.as_ps().to_string()),
            ("write_latency", write_latency.as_ps().to_string()),
        ]
    }
}
