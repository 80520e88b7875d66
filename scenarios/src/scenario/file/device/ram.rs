//! Kind `ram`.

use super::fields::fields;
use crate::syntax::units::Span;

fields! {
    /// Memory behind a copy (brd, pmem): nothing waits for a place, copies share one bandwidth.
    RamFile, RamChanges {
        /// Time of a request besides its copy.
        latency: Span,
        /// Time to copy one page; copies go one after the other.
        copy_per_page: Span,
    }
    optional {}
}
