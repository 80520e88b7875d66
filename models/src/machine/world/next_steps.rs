//! When the running stretch of each host thread ends.
//!
//! The earliest end that an event schedules is kept out of the queue: as a rule it is what happens
//! next.

use sim_core::{EventHandle, EventKey};

use crate::base::ids::{ThreadId, VcpuId};

/// The ends of stretches that are scheduled.
#[derive(Clone, Debug, Default)]
pub(in crate::machine) struct Steps {
    /// The earliest one that the event at hand scheduled; none between events.
    pub(super) ahead: Option<(ThreadId, EventKey)>,
    /// Those in the queue, by thread.
    pub(super) queued: Vec<Option<EventHandle>>,
    /// Steps carried out without going through the queue.
    pub(super) carried_out: u64,
}

impl Steps {
    /// Steps carried out without going through the queue.
    pub(in crate::machine) fn carried_out(&self) -> u64 {
        self.carried_out
    }

    pub(super) fn is_ahead(&self, thread: ThreadId) -> bool {
        self.ahead.is_some_and(|(ahead, _)| ahead == thread)
    }

    /// The end of the thread's stretch has come.
    pub(in crate::machine) fn passed(&mut self, thread: ThreadId) {
        if let Some(queued) = self.queued.get_mut(thread.index()) {
            *queued = None;
        }
    }
}

/// The thread of a vCPU: they are the first ones, in the order of the vCPUs.
pub(in crate::machine) const fn thread_of(vcpu: VcpuId) -> ThreadId {
    ThreadId(vcpu.0 as u32)
}
