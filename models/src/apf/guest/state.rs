//! What the guest keeps.

use crate::apf::notice::Notice;
use crate::base::ids::{TaskId, Token, VcpuId};

/// An entry of the table (`struct kvm_task_sleep_node`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sleeper {
    /// What it waits for.
    pub token: Token,
    /// Where not present was taken.
    pub vcpu: VcpuId,
    /// Who waits; nobody when it is the dummy of a wake that came first.
    pub task: Option<TaskId>,
    /// Whether the vCPU waits in HLT with it.
    pub in_hlt: bool,
}

/// The guest's half.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GuestHalf {
    /// The table, ordered by token and then by age. (The kernel's 256 buckets make no difference
    /// that could be seen.)
    pub sleepers: Vec<Sleeper>,
    /// By vCPU, the synthetic #PF that was injected and has not been handled yet.
    pub cr2: Vec<Option<Notice>>,
    /// By vCPU, whether the guest notes that it takes part. Only page ready interrupts look.
    pub enabled: Vec<bool>,
    /// By vCPU, whether a page ready interrupt was injected and its token not cleared yet.
    pub in_handler: Vec<bool>,
}

impl GuestHalf {
    pub(in crate::apf) fn new(vcpus: u16) -> Self {
        let vcpus = usize::from(vcpus);
        Self {
            sleepers: Vec::new(),
            cr2: vec![None; vcpus],
            enabled: vec![false; vcpus],
            in_handler: vec![false; vcpus],
        }
    }
}
