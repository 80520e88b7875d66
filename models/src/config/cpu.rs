//! The processor.

use serde::{Deserialize, Serialize};
use sim_core::Frequency;

use super::costs::Costs;

/// A processor model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuConfig {
    /// Rate of the core and of its time-stamp counter.
    pub frequency: Frequency,
    /// First-level data TLB for 4 KiB pages.
    pub l1_dtlb: TlbGeometry,
    /// Second-level TLB for 4 KiB pages.
    pub stlb: TlbGeometry,
    /// Whether the second-stage tables have accessed and dirty bits. Without them the host's
    /// young test unmaps the entry (`kvm_age_rmapp` in 2.6.3x).
    pub ept_accessed_dirty: bool,
    /// Costs of steps, in cycles or time.
    pub costs: Costs,
}

/// Shape of a set-associative TLB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlbGeometry {
    /// Entries in all; a multiple of `ways`.
    pub entries: u32,
    /// Entries in a set.
    pub ways: u32,
}
