//! What the VMM can do.

use crate::base::ids::{Gfn, VcpuId};

/// What no VMM should do to a shared page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Abuse {
    /// The head of the ring of answers goes further than the ring is long.
    CompleteHeadFar,
    /// An answer for a frame that is not outstanding.
    CompleteUnknown,
    /// An answer with an address that is not aligned, or unknown flags.
    CompleteInvalid,
    /// The tail of the ring of faults overtakes its head.
    NotifyTailFar,
    /// The head of the ring of faults, which is the kernel's, is set back.
    NotifyHeadBack,
    /// The wish for a signal is taken back without a look.
    Disarm,
    /// The kernel is signalled for nothing.
    Signal,
}

impl Abuse {
    /// All of it.
    pub const ALL: [Self; 7] = [
        Self::CompleteHeadFar,
        Self::CompleteUnknown,
        Self::CompleteInvalid,
        Self::NotifyTailFar,
        Self::NotifyHeadBack,
        Self::Disarm,
        Self::Signal,
    ];
}

/// Whose store becomes visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Storer {
    /// The vCPU thread in the kernel.
    Kernel,
    /// The VMM's thread.
    Vmm,
}

/// Something that the VMM does, or a store of either side that becomes visible. Each is one atomic
/// section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VmmInput {
    /// The vCPU thread, which left the kernel with a fault, passes it on. `plain` says that it will
    /// wait for the answer before it runs the vCPU again.
    Ask {
        /// The vCPU.
        vcpu: VcpuId,
        /// The frame.
        gfn: Gfn,
        /// Whether nothing of the fault is left in the kernel.
        plain: bool,
    },
    /// The same, and it does not arrive: the socket is full or broken.
    AskInVain {
        /// The vCPU.
        vcpu: VcpuId,
        /// The frame.
        gfn: Gfn,
    },
    /// The vCPU thread tells the kernel that the fault will be answered (`KVM_ASYNC_PF` ACCEPT).
    Accept {
        /// The vCPU.
        vcpu: VcpuId,
        /// The frame.
        gfn: Gfn,
    },
    /// The vCPU thread runs the vCPU again (`KVM_RUN`).
    Run {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The next section of the loop that reads the ring of faults.
    Read {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The next section of answering a request: see [`Apf::may_answer`].
    ///
    /// [`Apf::may_answer`]: crate::apf::Apf::may_answer
    Answer {
        /// The vCPU.
        vcpu: VcpuId,
        /// Which of its requests.
        index: usize,
        /// Whether it will be answered again, as if it had never been.
        again: bool,
    },
    /// The kernel's own work for the ring of answers (`complete_work`).
    Complete {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// A store becomes visible: see [`Apf::may_become_visible`].
    ///
    /// [`Apf::may_become_visible`]: crate::apf::Apf::may_become_visible
    Visible {
        /// The vCPU.
        vcpu: VcpuId,
        /// Whose it is.
        storer: Storer,
        /// Which of those in its buffer.
        index: usize,
    },
    /// The VMM's thread ends, or hangs for good.
    Die {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The page is abused.
    Abuse {
        /// The vCPU.
        vcpu: VcpuId,
        /// How.
        how: Abuse,
    },
}
