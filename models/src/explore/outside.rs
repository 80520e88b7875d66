//! What happens outside the kernel where the VMM answers faults.

use crate::apf::vmm::{Abuse, Storer};

use super::setup::Disturbance;

/// Where a vCPU thread is that has left the kernel with a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Outside {
    /// Before it passes the fault on.
    Send {
        /// Whether it waits for the answer then.
        plain: bool,
    },
    /// Before it accepts.
    Accept,
    /// Waiting for the answer.
    Wait,
    /// Before it runs the vCPU again.
    Run,
}

/// Something that the VMM of one vCPU may do, or a store that becomes visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum VmmMove {
    Visible(Storer, u8),
    Read,
    Answer(u8),
    /// A later request first.
    AnswerEarly(u8),
    /// And once more later.
    AnswerTwice(u8),
    Complete,
    Abuse(Abuse),
    /// The fault is not passed on: the socket is full.
    SendFails,
    /// The fault is not looked at: the vCPU is run again at once.
    Ignore,
    /// The thread waits for the answer though it need not, and says nothing to the kernel.
    WaitForAnswer,
    Die,
}

impl VmmMove {
    /// Whether it need not happen.
    pub(super) fn is_disturbance(self) -> bool {
        self.disturbance().is_some()
    }

    pub(super) fn disturbance(self) -> Option<Disturbance> {
        Some(match self {
            Self::Visible(..) | Self::Read | Self::Answer(_) | Self::Complete => return None,
            Self::AnswerEarly(_) => Disturbance::VmmOrder,
            Self::AnswerTwice(_) => Disturbance::VmmTwice,
            Self::Abuse(_) => Disturbance::RingAbuse,
            Self::SendFails => Disturbance::VmmSendFails,
            Self::Ignore => Disturbance::VmmIgnores,
            Self::WaitForAnswer => Disturbance::VmmWaits,
            Self::Die => Disturbance::VmmDies,
        })
    }
}
