//! Address translation: gva -> gpa -> hpa.
//!
//! The guest's tables map a gva to a gpa, the second-stage tables the gpa to a host frame; the TLB keeps
//! the combination. Tables of the guest lie in its own frames, so that a walk may fault on its way.

pub mod array;
pub mod far;
pub mod frames;
pub mod guest_tables;
pub mod lines;
pub mod replacement;
pub mod small;
mod spaces;
pub mod store;
pub mod tlb;
mod translation;
pub mod unit;
pub mod walk;
mod ways;

pub use guest_tables::GuestTables;
pub use spaces::SpaceTags;
pub use store::{Mark, Store};
pub use tlb::TlbLevel;
pub use translation::Translation;
pub use unit::Mmu;
