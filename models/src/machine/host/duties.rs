//! What is kept of threads that take pages for nobody's fault. What they do is in `reclaimers`.

use sim_core::SimTime;

use crate::base::ids::{ThreadId, VmId};
use crate::config::{LimitChange, MachineConfig};

/// A thread that takes pages for nobody's fault.
#[derive(Clone, Debug)]
pub(super) struct Reclaimer {
    pub(super) thread: ThreadId,
    /// The first virtual machine of its container.
    pub(super) vm: VmId,
    /// The limits that it writes, the next one last.
    pub(super) changes: Vec<LimitChange>,
    /// What it writes at the moment, in pages of the virtual machines.
    pub(super) writes: Option<u64>,
    /// When the start barrier was passed.
    pub(super) began: SimTime,
    /// Passes without success that are left.
    pub(super) tries: u32,
}

impl Reclaimer {
    /// When it writes the next limit.
    pub(super) fn due(&self) -> Option<SimTime> {
        self.changes.last().map(|change| self.began + change.at)
    }
}

/// Those of a machine: one for each container whose limit changes.
pub(super) fn reclaimers(config: &MachineConfig, first: ThreadId) -> Vec<Reclaimer> {
    let mut all: Vec<Reclaimer> = Vec::new();
    for &change in config.host.memory_control.limits.iter().rev() {
        match all.iter_mut().find(|own| own.vm == change.vm) {
            Some(own) => own.changes.push(change),
            None => all.push(Reclaimer {
                thread: first,
                vm: change.vm,
                changes: vec![change],
                writes: None,
                began: SimTime::ZERO,
                tries: 0,
            }),
        }
    }
    all.sort_by_key(|own| own.vm);
    for (own, thread) in all.iter_mut().zip(first.0..) {
        own.thread = ThreadId(thread);
    }
    all
}
