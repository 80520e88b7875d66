//! What lines have and records do not: made up, always alike.

use crate::base::abi::{PF_GUEST_TABLE, PF_USER, PF_WRITE};
use crate::base::ids::{PAGE_SECTORS, SwapSlot};

/// Number of the swap device.
pub(super) const SWAP_DEVICE: u32 = 254 << 20;
/// Stands for the hashed address that the kernel prints for the lock of the second-stage tables.
pub(super) const MMU_LOCK: &str = "000000005d3c1a7e";
/// The same for the locks of a userfaultfd descriptor: of messages, and of readers.
pub(super) const UFFD_LOCKS: [&str; 2] = ["00000000a11f0c40", "00000000a11f0c70"];
/// Where the guest is in a user program.
pub(super) const USER_RIP: u64 = 0x40_1d85;
/// Where the guest is in its kernel.
pub(super) const KERNEL_RIP: u64 = 0xffff_ffff_8109_d6e8;
/// In `info1` of a nested fault, as on AMD: the final address is meant.
pub(super) const NESTED_FINAL: u64 = 1 << 32;

/// Error code of a nested fault: the guest itself meant the access; our bit of a write is the same.
pub(super) fn nested_error(error_code: u64) -> u64 {
    let stage = match error_code & PF_GUEST_TABLE {
        0 => NESTED_FINAL,
        table => table,
    };
    stage | u64::from(PF_USER) | error_code & u64::from(PF_WRITE)
}

/// The device and sector of a slot.
pub(super) fn sector_of(slot: SwapSlot) -> (u32, u64) {
    (SWAP_DEVICE, u64::from(slot.0) * u64::from(PAGE_SECTORS))
}

/// Stands for the hashed address that the kernel prints for a work item.
pub(super) fn address_of(number: u32) -> u64 {
    // An odd factor keeps different items different in 32 bits.
    u64::from(number.wrapping_add(1).wrapping_mul(0x9e37_79b1))
}
