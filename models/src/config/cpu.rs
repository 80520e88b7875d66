//! The processor.

use sim_core::Frequency;

use super::costs::Costs;
use super::translation::TranslationConfig;

/// A processor model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuConfig {
    /// Rate of the core and of its time-stamp counter.
    pub frequency: Frequency,
    /// What it keeps of address translation.
    pub translation: TranslationConfig,
    /// Whether the second-stage tables have accessed and dirty bits. Without them the host's
    /// young test unmaps the entry (`kvm_age_rmapp` in 2.6.3x).
    pub ept_accessed_dirty: bool,
    /// Costs of steps, in cycles or time.
    pub costs: Costs,
}
