//! How a vCPU is told: the synthetic #PF, and the area that host and guest share.

use crate::base::ids::Token;
use crate::base::record::ApfReason;

/// A synthetic #PF: what CR2 says, and what the shared word said when it was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Notice {
    /// The token in CR2.
    pub token: Token,
    /// Not present or ready.
    pub reason: ApfReason,
}

/// The area that host and guest share for one vCPU (`struct kvm_vcpu_pv_apf_data`). It lives in
/// guest memory: the host writes it, the guest reads and clears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SharedWord {
    /// The word: why the guest got a #PF. The host writes it without looking.
    pub reason: ApfReason,
    /// The slot for the token of a page ready interrupt.
    pub token: Token,
    /// Whether the host can reach it; not, when its memory was taken from the guest.
    pub writable: bool,
    /// Its host address, which memory slots decide: one of two.
    pub place: bool,
    /// Whether the guest uses the memory for something else, as after a restart of its kernel.
    pub foreign: bool,
}

impl SharedWord {
    pub(super) const FREE: Self = Self {
        reason: ApfReason::None,
        token: Token::NONE,
        writable: true,
        place: false,
        foreign: false,
    };
}
