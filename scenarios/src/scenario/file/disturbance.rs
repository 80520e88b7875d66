//! What happens to vCPUs meanwhile.

use models::base::record::DisturbanceName;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::syntax::units::Span;

/// Something that happens to a vCPU at a given time.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a disturbance")]
pub struct DisturbanceFile {
    /// Time after the start barrier. What happens at "0s" happens before the guest enables notices.
    pub at: Span,
    /// What happens.
    pub kind: DisturbanceName,
    /// To which of several virtual machines.
    pub vm: Option<String>,
    /// To which of its vCPUs; kind `map_write` has none, nor have those of handlers.
    pub vcpu: Option<u64>,
    /// Kind `smi`: time that the handler takes. Kind `map_write`: time that the lock is held.
    pub span: Option<Span>,
    /// Time from one occurrence to the next: at least "1us". Default: it happens once.
    pub every: Option<Span>,
}
