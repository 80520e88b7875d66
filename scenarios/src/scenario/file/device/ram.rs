//! Kind `ram`.

use super::fields::fields;
use crate::syntax::units::Span;

fields! {
    /// Memory behind a copy (brd, pmem, CXL memory as a block device): nothing waits for a place, copies share one
    /// bandwidth.
    RamFile, RamChanges {
        /// Time of a request besides its copy.
        latency: Span,
        /// Time to copy one page; copies go one after the other.
        copy_per_page: Span,
    }
    optional {
        /// Whether the thread that submits a request copies, so that it is over at once and no fault is
        /// asynchronous (`SWP_SYNCHRONOUS_IO`). Default: false.
        synchronous: bool,
    }
}
