//! What a check finds, and what a vCPU thread is in the middle of.

use crate::apf::Apf;
use crate::apf::host::Operation;
use crate::base::ids::{ItemId, VcpuId};

/// What is wrong, in words that name the vCPU and the item.
pub type Finding = Result<(), String>;

/// The item that a vCPU thread is setting up.
pub(super) fn in_setup(apf: &Apf, vcpu: VcpuId) -> Option<ItemId> {
    match apf.vcpu(vcpu).operation {
        Some(Operation::Setup { item, .. } | Operation::UserSetup { item, .. }) => Some(item),
        _ => None,
    }
}

/// The item that a vCPU thread is about to put into a list or to free.
pub(super) fn in_between(apf: &Apf, vcpu: VcpuId) -> Option<ItemId> {
    match apf.vcpu(vcpu).operation {
        Some(Operation::WakeAll { item, .. } | Operation::Freeing { item, .. }) => Some(item),
        _ => None,
    }
}

/// The item that a vCPU thread has popped.
pub(super) fn in_delivery(apf: &Apf, vcpu: VcpuId) -> Option<ItemId> {
    match apf.vcpu(vcpu).operation {
        Some(Operation::Delivery { item, .. }) => Some(item),
        _ => None,
    }
}
