//! The numbers that monitors speak of, each with the invariant in a few words.

use crate::base::invariant::InvariantId;

/// One outstanding item per frame and vCPU.
pub const INV_01: InvariantId = InvariantId(1);
/// Outstanding tokens differ in the whole VM.
pub const INV_02: InvariantId = InvariantId(2);
/// The token of wake-all is given to no item.
pub const INV_03: InvariantId = InvariantId(3);
/// No token is zero where a slot holds it.
pub const INV_04: InvariantId = InvariantId(4);
/// The cap holds.
pub const INV_05: InvariantId = InvariantId(5);
/// Items pass through their lists in order.
pub const INV_06: InvariantId = InvariantId(6);
/// Not present only to a guest that can take it.
pub const INV_07: InvariantId = InvariantId(7);
/// The shared word is free when it is written.
pub const INV_09: InvariantId = InvariantId(9);
/// The token slot is free when it is written.
pub const INV_10: InvariantId = InvariantId(10);
/// One synthetic exception at a time.
pub const INV_11: InvariantId = InvariantId(11);
/// Page ready only after not present.
pub const INV_12: InvariantId = InvariantId(12);
/// Not present is followed by page ready.
pub const INV_13: InvariantId = InvariantId(13);
/// Page ready comes once.
pub const INV_14: InvariantId = InvariantId(14);
/// Completed items are dequeued.
pub const INV_15: InvariantId = InvariantId(15);
/// An artificial halt ends.
pub const INV_16: InvariantId = InvariantId(16);
/// No sleep over completed items.
pub const INV_17: InvariantId = InvariantId(17);
/// Halts do not spin.
pub const INV_19: InvariantId = InvariantId(19);
/// Page ready's interrupt arrives.
pub const INV_21: InvariantId = InvariantId(21);
/// Silence after notices are turned off.
pub const INV_22: InvariantId = InvariantId(22);
/// Workers run what was queued, once.
pub const INV_24: InvariantId = InvariantId(24);
/// One entry per token in the guest's table.
pub const INV_26: InvariantId = InvariantId(26);
/// A sleeper is unlinked once, by its waker.
pub const INV_27: InvariantId = InvariantId(27);
/// A dummy is used up.
pub const INV_28: InvariantId = InvariantId(28);
/// A word is read by the exception it came with.
pub const INV_31: InvariantId = InvariantId(31);
/// The token is that of the exception.
pub const INV_32: InvariantId = InvariantId(32);
/// One acknowledgement per page ready.
pub const INV_33: InvariantId = InvariantId(33);
/// No sleeper stays on a vCPU that left.
pub const INV_34: InvariantId = InvariantId(34);
/// An access ends on a page that is there.
pub const INV_35: InvariantId = InvariantId(35);
/// A fault never disappears.
pub const INV_37: InvariantId = InvariantId(37);
/// Wake-all comes first.
pub const INV_38: InvariantId = InvariantId(38);
/// Who sleeps for an installed page is woken.
pub const INV_48: InvariantId = InvariantId(48);
/// A message that was read is answered.
pub const INV_49: InvariantId = InvariantId(49);
