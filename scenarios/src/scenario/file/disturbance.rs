//! What happens to vCPUs meanwhile.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::syntax::units::Span;

/// Something that happens to a vCPU at a given time.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a disturbance")]
pub struct DisturbanceFile {
    /// Time after the start barrier. What happens at "0s" happens before the guest enables notices.
    pub at: Span,
    /// What happens.
    pub kind: DisturbanceKindFile,
    /// To which vCPU; kind `map_write` has none.
    pub vcpu: Option<u64>,
    /// Kind `smi`: time that the handler takes. Kind `map_write`: time that the lock is held.
    pub span: Option<Span>,
    /// Time from one occurrence to the next: at least "1us". Default: it happens once.
    pub every: Option<Span>,
}

/// What happens to a vCPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DisturbanceKindFile {
    /// The guest takes it offline: notices off, sleepers woken, tasks elsewhere.
    Offline,
    /// The guest starts it again; it enables notices.
    Online,
    /// A system management interrupt: paging is off in its handler.
    Smi,
    /// Another vCPU kicks it (KICK_CPU), whether or not it is in HLT.
    Kick,
    /// The VMM changes its memory slots; the shared area of the vCPU moves in the VMM.
    MemslotChange,
    /// The guest switches its local APIC off, or has not switched it on yet.
    LapicOff,
    /// The guest switches its local APIC on.
    LapicOn,
    /// Another thread of the VMM changes its memory map, whose lock it holds for writing.
    MapWrite,
    /// The guest writes EN with an address at which it has no memory; the write is refused.
    RefusedEn,
    /// There is no memory for the wake-all of the vCPU's next write of EN.
    WakeAllFails,
}
