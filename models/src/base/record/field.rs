//! Fields of events as numbers.

use sim_core::SimDuration;

use crate::base::ids::{
    Gfn, Gpa, GroupId, GuestPage, Gva, Hva, ItemId, PcpuId, Pfn, RequestId, SwapSlot, SyncId,
    TaskId, ThreadId, Token, VcpuId, VmId, WorkerId,
};

/// A field of a record as a number, for the digest and for generic printing.
pub trait Field {
    /// The value, widened; distinct values of one type give distinct numbers.
    fn as_u64(&self) -> u64;

    /// The value in words: a number, or the word of an enum.
    fn text(&self) -> String {
        self.as_u64().to_string()
    }
}

macro_rules! field_by_cast {
    ($($t:ty),*) => {$(impl Field for $t { fn as_u64(&self) -> u64 { u64::from(*self) } })*};
}
field_by_cast!(u8, u16, u32, u64);

impl Field for bool {
    fn as_u64(&self) -> u64 {
        u64::from(*self)
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

macro_rules! field_by_inner {
    ($($t:ty),*) => {$(impl Field for $t { fn as_u64(&self) -> u64 { self.0.into() } })*};
}
field_by_inner!(
    Gfn, Gpa, GroupId, GuestPage, Gva, Hva, ItemId, PcpuId, Pfn, RequestId, SwapSlot, SyncId,
    TaskId, ThreadId, Token, VcpuId, VmId, WorkerId
);

impl Field for SimDuration {
    fn as_u64(&self) -> u64 {
        self.as_ps()
    }
}

impl<T: Field> Field for Option<T> {
    fn as_u64(&self) -> u64 {
        // Identifiers are far below 2^63, so the shift loses nothing.
        self.as_ref().map_or(0, |v| (v.as_u64() << 1) | 1)
    }

    fn text(&self) -> String {
        self.as_ref().map_or_else(|| "-".into(), Field::text)
    }
}
