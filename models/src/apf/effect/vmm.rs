//! What happened between the kernel and a VMM that answers faults.

use crate::apf::host::CompletedBy;
use crate::apf::vmm::{Abuse, Channel, Storer};
use crate::base::ids::{Gfn, VcpuId};

/// Something between the kernel and the VMM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VmmEffect {
    /// The vCPU thread leaves the kernel with a fault; then `Ask`. If it is not plain, an item is
    /// set up.
    Exit {
        /// The vCPU.
        vcpu: VcpuId,
        /// The frame.
        gfn: Gfn,
        /// Whether nothing of the fault is left in the kernel.
        plain: bool,
    },
    /// The frame is outstanding already: the vCPU will be halted.
    Repeated {
        /// The vCPU.
        vcpu: VcpuId,
        /// The frame.
        gfn: Gfn,
    },
    /// The kernel wrote an entry into the ring of faults.
    EntryWritten {
        /// The vCPU.
        vcpu: VcpuId,
        /// The frame.
        gfn: Gfn,
    },
    /// The ring of faults has no room.
    RingFull {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// Whether the kernel saw that the VMM wants a signal.
    ArmedSeen {
        /// The vCPU.
        vcpu: VcpuId,
        /// Whether it does.
        armed: bool,
    },
    /// The kernel signals the VMM.
    Notified {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The VMM knows of a fault.
    Asked {
        /// The vCPU.
        vcpu: VcpuId,
        /// The frame.
        gfn: Gfn,
        /// How it came.
        channel: Channel,
    },
    /// The VMM was to be told of a fault, and nobody there reads of it.
    Unheard {
        /// The vCPU.
        vcpu: VcpuId,
        /// The frame.
        gfn: Gfn,
    },
    /// The item waits for its answer.
    Accepted {
        /// The vCPU.
        vcpu: VcpuId,
        /// The frame.
        gfn: Gfn,
    },
    /// The VMM's thread runs: it was signalled.
    Awake {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The VMM asks for a signal, or takes that back.
    Arms {
        /// The vCPU.
        vcpu: VcpuId,
        /// Whether it asks.
        armed: bool,
    },
    /// The VMM looked into the ring again.
    Looked {
        /// The vCPU.
        vcpu: VcpuId,
        /// Whether there was an entry.
        seen: bool,
    },
    /// The VMM installs a page.
    Installs {
        /// The vCPU.
        vcpu: VcpuId,
        /// The frame.
        gfn: Gfn,
    },
    /// The frame is an ordinary one from now on.
    BitCleared {
        /// The frame.
        gfn: Gfn,
    },
    /// The VMM writes an answer into the ring.
    Answers {
        /// The vCPU.
        vcpu: VcpuId,
        /// The frame.
        gfn: Gfn,
    },
    /// The VMM signals the kernel.
    Signals {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The vCPU thread that waits in the VMM has its answer.
    Replied {
        /// The vCPU.
        vcpu: VcpuId,
        /// The frame.
        gfn: Gfn,
    },
    /// An item is completed.
    Completed {
        /// The vCPU.
        vcpu: VcpuId,
        /// The frame.
        gfn: Gfn,
        /// By whom.
        by: CompletedBy,
    },
    /// An answer changes nothing: no such item waits for one, or it is malformed (ENOENT, EALREADY,
    /// EBUSY).
    AnswerIgnored {
        /// The vCPU.
        vcpu: VcpuId,
        /// The frame.
        gfn: Gfn,
    },
    /// The head of the ring of answers cannot be: all that is in it is thrown away.
    BatchDropped {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The page is abused.
    Abused {
        /// The vCPU.
        vcpu: VcpuId,
        /// How.
        how: Abuse,
    },
    /// An entry was written over one that nobody had read.
    Overwritten {
        /// The vCPU.
        vcpu: VcpuId,
        /// Who wrote it.
        by: Storer,
        /// The frame of the entry that is lost.
        gfn: Gfn,
    },
    /// A consumer read an entry that is not written, or not visible yet.
    Unwritten {
        /// The vCPU.
        vcpu: VcpuId,
        /// The number of the entry.
        number: u8,
    },
    /// The rings are registered no more, and the VMM was not asked.
    RingsRemoved {
        /// The vCPU.
        vcpu: VcpuId,
    },
}
