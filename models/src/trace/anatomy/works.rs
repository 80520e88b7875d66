//! Which work items are those of a fault. The record of an item's queueing has no vCPU, and items of several vCPUs
//! are set up at the same time, before or after they are linked; the one that completes a page is known.

use std::collections::BTreeMap;

use super::faults::FaultSeen;
use crate::base::ids::ItemId;
use crate::base::record::{Event, Record};

/// The places in the records where work for the page of a fault is queued on a vCPU that its task has been on.
pub(super) fn queued_for(fault: &FaultSeen, records: &[Record]) -> Vec<usize> {
    let mut vcpus = vec![fault.vcpu];
    let mut queued: BTreeMap<ItemId, usize> = BTreeMap::new();
    let mut begun = BTreeMap::new();
    let mut own = Vec::new();
    for (at, record) in records.iter().enumerate() {
        match record.event {
            Event::GuestMigrateTask { task, to, .. } if task == fault.task => vcpus.push(to),
            Event::WorkqueueQueueWork { item } => {
                queued.insert(item, at);
            }
            Event::WorkqueueExecuteStart { worker, item } => {
                begun.insert(worker, queued.get(&item).copied());
            }
            Event::KvmAsyncPfCompleted { worker, vcpu, gva, .. }
                if vcpus.contains(&vcpu) && gva.0 == fault.gfn.gpa().0 =>
            {
                own.extend(begun.get(&worker).copied().flatten());
            }
            _ => {}
        }
    }
    own
}
