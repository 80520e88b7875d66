//! Schedulers.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::syntax::units::Span;

/// A fair scheduler: that of a kernel, with changes. Values hold for the number of processors at
/// hand; nothing is scaled.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a scheduler")]
pub struct SchedFile {
    /// Kernel whose scheduler it is: the name of a guest kernel preset. Default: in the guest its
    /// kernel's, in the host that of Linux 2.6.36.
    pub kernel: Option<String>,
    /// CFS: period in which every runnable entity should run once.
    pub latency: Option<Span>,
    /// CFS: shortest slice.
    pub min_granularity: Option<Span>,
    /// CFS: lead in virtual runtime that a waking entity needs to preempt.
    pub wakeup_granularity: Option<Span>,
    /// CFS: how far behind the queue's minimum a waking sleeper may be placed.
    pub sleeper_credit: Option<Span>,
    /// EEVDF: what an entity may run until its next virtual deadline.
    pub base_slice: Option<Span>,
    /// EEVDF: whether the running entity is left alone until it has had its share or its slice is
    /// over.
    pub run_to_parity: Option<bool>,
    /// EEVDF: whether what an entity is owed is kept while it sleeps.
    pub place_lag: Option<bool>,
    /// EEVDF: whether a sleeper that has had more than its share stays in the queue until it has
    /// not.
    pub delay_dequeue: Option<bool>,
    /// EEVDF: whether who runs on after its slice is over gives way as soon as it is seen to have had more than its
    /// share.
    pub preempt_short: Option<bool>,
    /// Whether a wake-up may preempt the running entity at all.
    pub wakeup_preemption: Option<bool>,
}
