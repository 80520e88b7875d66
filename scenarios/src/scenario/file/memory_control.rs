//! What is done to memory containers during a run.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::syntax::units::{Bytes, Span};

/// A limit that a memory container gets during the run: somebody writes its `memory.max`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a change of a limit")]
pub struct MemoryLimitFile {
    /// Time after the start barrier.
    pub at: Span,
    /// Memory that the container may hold from then on.
    pub limit: Bytes,
    /// The virtual machine whose own container it is. Default: the container of `host.memory_limit`.
    pub vm: Option<String>,
}
