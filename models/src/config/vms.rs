//! Several virtual machines on one host: which guest, which part of the workload, which memory container
//! and which policy each one has.
//!
//! vCPUs, tasks, regions and groups are numbered over all of them, those of the first one first.

use super::policy::Policy;

/// Most virtual machines of a host.
pub const MAX_VMS: usize = 64;

/// One of several virtual machines, besides its guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VmConfig {
    /// Its name; those of its regions and of its groups of tasks begin with it.
    pub name: String,
    /// How many regions of the workload are its own.
    pub regions: u16,
    /// How many groups of tasks are.
    pub groups: u16,
    /// A memory container of its own; none: it shares the host's with others that have none.
    pub container: Option<Container>,
    /// The policy that it has whatever is compared; none: the one that is compared.
    pub policy: Option<Policy>,
}

/// The memory container of one virtual machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Container {
    /// Pages that it may hold.
    pub limit_pages: u64,
    /// Pages of it that are never reclaimed.
    pub other_resident_pages: u64,
}
