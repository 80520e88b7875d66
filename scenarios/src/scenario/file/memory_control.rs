//! What is done to memory containers during a run.

use models::config::Lift;
use schemars::JsonSchema;
use serde::Deserialize;

use super::device::DeviceRef;
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

/// A VMM stops its guest, write-protects all of its memory (UFFDIO_WRITEPROTECT) and runs it again: a live snapshot, or
/// the tracking of writes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that says when memory is protected")]
pub struct WriteProtectFile {
    /// Time after the start barrier.
    pub at: Span,
    /// The device that every page is saved to. Default: nothing is saved, and each first write is only noticed.
    pub sink: Option<DeviceRef>,
    /// Threads that read messages, save pages and lift the protection: 1 to 64. Default: 1.
    pub threads: Option<u64>,
    /// Writes to the sink that are under way at one time, at most: 1 to 1024. Default: 32.
    pub depth: Option<u64>,
    /// Bytes a second that are saved, at most, without being asked for. Default: no limit.
    pub rate: Option<Bytes>,
    /// When the protection of a page is lifted. Default: "saved".
    pub lift: Option<Lift>,
    /// The virtual machine, where there are several.
    pub vm: Option<String>,
}
