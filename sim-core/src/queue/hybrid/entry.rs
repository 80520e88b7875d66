//! Entries of the hybrid queue.

/// A key and the number of the node that holds its event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    // Two halves, because a `u128` would pad the entry to 32 bytes.
    high: u64,
    low: u64,
    pub(super) slot: u32,
}

impl Entry {
    #[inline]
    pub(super) fn new(key: u128, slot: u32) -> Self {
        Self { high: (key >> 64) as u64, low: key as u64, slot }
    }

    #[inline]
    pub(super) fn key(&self) -> u128 {
        u128::from(self.high) << 64 | u128::from(self.low)
    }
}
