//! Who makes the steps of a trace.

use crate::base::ids::VcpuId;

/// Who does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    /// What runs in the guest on this vCPU.
    Guest(VcpuId),
    /// The vCPU's thread in the host.
    Thread(VcpuId),
    /// A worker.
    Worker,
    /// The VMM's thread that answers the faults of this vCPU.
    Vmm(VcpuId),
    /// The VMM, or the world outside.
    Outside,
}

impl Actor {
    /// A short name.
    pub fn name(self) -> String {
        match self {
            Self::Guest(vcpu) => format!("g{}", vcpu.0),
            Self::Thread(vcpu) => format!("v{}", vcpu.0),
            Self::Worker => "w".to_owned(),
            Self::Vmm(vcpu) => format!("u{}", vcpu.0),
            Self::Outside => "out".to_owned(),
        }
    }
}
