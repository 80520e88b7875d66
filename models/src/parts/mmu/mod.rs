//! Address translation: gva -> gpa -> hpa.
//!
//! The guest's tables map a gva to a gpa; the second-stage (EPT) tables map the gpa to a host
//! frame; the TLB keeps the combination. Guest tables and the guest kernel are part of the
//! container's memory that is never reclaimed, so a walk's own references do not fault.

pub mod guest_tables;
pub mod tlb;

pub use guest_tables::GuestTables;
pub use tlb::{Tlb, TlbLevel};

/// Result of looking up a translation for one access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Translation {
    /// In the TLB.
    Hit(TlbLevel),
    /// Found by a walk; the TLB now has it.
    Walked,
    /// The guest's tables have no entry: a page fault of the guest's own.
    GuestFault,
    /// The second-stage tables have no entry for this frame: the vCPU exits.
    EptViolation(crate::base::ids::Gfn),
}
