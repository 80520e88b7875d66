//! Compressed memory as a block device. Its law is in `parts/device/zram.rs`.

use serde::Deserialize;
use sim_core::Distribution;

/// Memory of the host that keeps pages compressed (zram). It has no queue: the thread that reads
/// decompresses, the thread that writes compresses, and each request is over when its submission is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZramConfig {
    /// Processor time to decompress a page, in picoseconds.
    pub decompress: Distribution,
    /// Processor time to compress a page and to store it.
    pub compress: Distribution,
    /// Pages over the pages that hold them, in thousandths (`orig_data_size / mem_used_total` of
    /// `mm_stat`).
    pub ratio_milli: u32,
    /// Pages of the host's memory that it may take (`mem_limit`), if that is limited.
    #[serde(default)]
    pub limit_pages: Option<u64>,
}

impl ZramConfig {
    /// Pages that find room, of those that would like to.
    pub fn holds(&self, pages: u32) -> u32 {
        let Some(limit) = self.limit_pages else { return pages };
        let room = u128::from(limit) * u128::from(self.ratio_milli) / 1000;
        u32::try_from(room).unwrap_or(u32::MAX).min(pages)
    }
}
