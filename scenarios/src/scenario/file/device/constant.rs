//! Kind `constant`.

use super::fields::fields;
use crate::syntax::units::Span;

fields! {
    /// The same latency for every request, without queueing.
    ConstantFile, ConstantChanges {
        /// Time from submission to completion of a read.
        read_latency: Span,
        /// Time from submission to completion of a write.
        write_latency: Span,
    }
    optional {}
}
