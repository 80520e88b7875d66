//! zswap before the swap device.

use schemars::JsonSchema;
use serde::Deserialize;

use super::device::ServiceTime;
use crate::syntax::units::Bytes;

/// Compressed pages in memory before the swap device.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes zswap")]
pub struct ZswapFile {
    /// Name of the preset that times and ratio are taken from. Default: "lzo".
    pub compressor: Option<String>,
    /// Processor time to bring a page from the pool, of the thread that faults. Default: the preset's.
    pub load: Option<ServiceTime>,
    /// Processor time to compress a page and to store it, of the thread that reclaims. Default: the preset's.
    pub store: Option<ServiceTime>,
    /// Pages over the pages that hold them, in thousandths: 1000 to 1000000. Default: the preset's.
    pub ratio_milli: Option<u64>,
    /// Memory that the pool may take, 20 % of the host's unless its administrator says otherwise. Default: it
    /// is never full.
    pub max_pool: Option<Bytes>,
    /// Below which part of that, in percent, a pool that was full accepts pages again: 1 to 100. Default: 90.
    pub accept_percent: Option<u64>,
}
