//! Which vCPU threads make a VM.
//!
//! The process says so where it is printed. Otherwise the host addresses of completions do: the
//! difference between host and guest address is the same for all vCPUs of a VM (one a memory
//! slot), and host addresses are randomised. Two threads with the same vCPU number are of one VM where
//! a request crossed between them (any thread may run a vCPU), and otherwise are not. What nothing
//! tells is put together.

use super::vcpu::VcpuLog;

/// The VM of each thread, numbered from 0 in the order of the log.
pub(super) fn vms(vcpus: &[VcpuLog]) -> Vec<usize> {
    let mut vms: Vec<Vec<usize>> = Vec::new();
    let mut own = vec![0; vcpus.len()];
    for (at, vcpu) in vcpus.iter().enumerate() {
        let joins = |vm: &Vec<usize>| vm.iter().all(|&other| may_share(vcpu, &vcpus[other]));
        let kin = |one: usize, other: usize| vcpus[one].kin == Some(other);
        let sure = |vm: &Vec<usize>| {
            vm.iter()
                .any(|&other| surely_share(vcpu, &vcpus[other]) || kin(at, other) || kin(other, at))
        };
        let found =
            vms.iter().position(sure).or_else(|| vms.iter().position(joins)).unwrap_or(vms.len());
        if found == vms.len() {
            vms.push(Vec::new());
        }
        vms[found].push(at);
        own[at] = found;
    }
    own
}

fn surely_share(one: &VcpuLog, other: &VcpuLog) -> bool {
    match (one.tgid, other.tgid) {
        (Some(one), Some(other)) => one == other,
        _ => one.bases.iter().any(|base| other.has_base(base.host)),
    }
}

fn may_share(one: &VcpuLog, other: &VcpuLog) -> bool {
    let apart = matches!((one.tgid, other.tgid), (Some(one), Some(other)) if one != other);
    let number = VcpuLog::vcpu_number;
    let same_number = number(one).is_some() && number(one) == number(other);
    // Both have told their memory, and have none in common.
    let other_memory = !one.bases.is_empty() && !other.bases.is_empty();
    !apart && !same_number && !other_memory
}
