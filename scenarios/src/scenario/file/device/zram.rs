//! Kind `zram`.

use super::fields::fields;
use super::law::ServiceTime;
use crate::syntax::units::Bytes;

fields! {
    /// Compressed memory: the thread that reads decompresses, the thread that reclaims compresses, and no
    /// fault is asynchronous.
    ZramFile, ZramChanges {
        /// Processor time to decompress a page.
        decompress: ServiceTime,
        /// Processor time to compress a page and to store it.
        compress: ServiceTime,
        /// Pages over the pages that hold them, in thousandths: 1000 to 1000000.
        ratio_milli: u64,
    }
    optional {
        /// Memory of the host that it may take (`mem_limit`); what does not fit finds no room. Default: no
        /// limit.
        mem_limit: Bytes,
    }
}
