//! Kind `volume`.

use super::fields::fields;
use super::law::ServiceTime;
use crate::syntax::units::Bytes;

fields! {
    /// A block volume of a cloud, whose provider caps requests and bytes a second.
    VolumeFile, VolumeChanges {
        /// Time of a one-page read that is not held back.
        read: ServiceTime,
        /// Time of a one-page write that is not held back.
        write: ServiceTime,
        /// Requests a second for ever: 1 to 100000000.
        iops: u64,
        /// Bytes a second.
        throughput: Bytes,
    }
    optional {
        /// Requests a second while there are credits, at least `iops`. Default: `iops`.
        burst_iops: u64,
        /// Credits that the bucket holds, one a request above `iops`; it fills at `iops`. At most as many as
        /// fill in 1000000 s. Default: 0.
        credits: u64,
        /// Credits at power-on. Default: `credits`.
        credits_at_start: u64,
    }
}
