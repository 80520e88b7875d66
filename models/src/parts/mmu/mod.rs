//! Address translation: gva -> gpa -> hpa.
//!
//! The guest's tables map a gva to a gpa; the second-stage (EPT) tables map the gpa to a host
//! frame; the TLB keeps the combination. Guest tables and the guest kernel are part of the
//! container's memory that is never reclaimed, so a walk's own references do not fault.

pub mod guest_tables;
pub mod tlb;
mod translation;

pub use guest_tables::GuestTables;
pub use tlb::{Tlb, TlbLevel};
pub use translation::Translation;
