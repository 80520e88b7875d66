//! What every room speaks of: typed records, numbers of things, and a table indexed by them.

pub mod abi;
pub mod ids;
pub mod invariant;
pub mod named;
pub mod page_size;
pub mod radix;
pub mod record;
