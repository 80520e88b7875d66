//! What is done to memory containers during a run.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::syntax::units::{Bytes, Span};

/// Limits that a memory container gets during the run: somebody writes its `memory.max`, or its `memory.high`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a change of a limit")]
pub struct MemoryLimitFile {
    /// Time after the start barrier.
    pub at: Span,
    /// Memory that the container may hold from then on (`memory.max`). Either this or `high`.
    pub limit: Option<Bytes>,
    /// Memory beyond which threads pay for what they charge from then on (`memory.high`).
    pub high: Option<Bytes>,
    /// The virtual machine whose own container it is. Default: the container of `host.memory_limit`.
    pub vm: Option<String>,
}

/// An agent that writes `memory.reclaim` of a container from time to time, as managers of far memory do.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes an agent")]
pub struct ProactiveReclaimFile {
    /// Time from one write to the next: "100us" to "100s".
    pub every: Span,
    /// Time after the start barrier at which it writes first. Default: `every`.
    pub at: Option<Span>,
    /// Memory that it asks for each time. Either this or `share_ppm`.
    pub size: Option<Bytes>,
    /// Memory that it asks for each time, in millionths of what the container holds: 1 to 1000000.
    pub share_ppm: Option<u64>,
    /// The virtual machine whose own container it is. Default: the container of `host.memory_limit`.
    pub vm: Option<String>,
}

/// The host's container is its memory as a whole: its kernel keeps some of it free.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes how memory is kept free")]
pub struct KswapdFile {
    /// Memory at which who wants a page reclaims for himself, in whole KiB (`vm.min_free_kbytes`). Default: the
    /// kernel's formula.
    pub min_free: Option<Bytes>,
    /// How far the marks above it are apart, in ten thousandths of the memory (`vm.watermark_scale_factor`): 1 to
    /// 3000. Default: 10.
    pub scale_factor: Option<u64>,
    /// The processor that the thread is bound to. Default: any.
    pub cpu: Option<u64>,
}
