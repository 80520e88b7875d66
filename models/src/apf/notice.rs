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
pub struct SharedArea {
    /// The word: why the guest got a #PF. The host writes it without looking.
    pub word: ApfReason,
    /// The slot for the token of a page ready interrupt.
    pub token: Token,
    /// Whether the host can reach it; not, when its memory was taken from the guest.
    pub writable: bool,
    /// Whether memory slots put it at the second of two host addresses.
    pub moved: bool,
    /// Whether the guest uses the memory for something else, as after a restart of its kernel.
    pub foreign: bool,
}

impl SharedArea {
    pub(super) const FREE: Self = Self {
        word: ApfReason::None,
        token: Token::NONE,
        writable: true,
        moved: false,
        foreign: false,
    };
}
