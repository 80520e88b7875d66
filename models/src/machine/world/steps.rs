//! When the running stretch of each host thread ends.
//!
//! The earliest end that an event schedules is kept out of the queue: as a rule it is what happens
//! next.

use sim_core::{EventHandle, EventKey, EventQueue, SimTime};

use super::cx::Cx;
use super::event::MachineEvent;
use crate::base::ids::{ThreadId, VcpuId};

/// The ends of stretches that are scheduled.
#[derive(Clone, Debug, Default)]
pub(in crate::machine) struct Steps {
    /// The earliest one that the event at hand scheduled; none between events.
    ahead: Option<(ThreadId, EventKey)>,
    /// Those in the queue, by thread.
    queued: Vec<Option<EventHandle>>,
    /// Steps carried out without going through the queue.
    carried_out: u64,
}

impl Steps {
    /// Steps carried out without going through the queue.
    pub(in crate::machine) fn carried_out(&self) -> u64 {
        self.carried_out
    }

    fn is_ahead(&self, thread: ThreadId) -> bool {
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

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Lets a thread's stretch end at `time`.
    pub(in crate::machine) fn schedule_step(&mut self, thread: ThreadId, time: SimTime) {
        let mut step = (thread, self.key_at(time, MachineEvent::ThreadStep(thread)));
        if self.w.setup.skip {
            match &mut self.w.steps.ahead {
                None => {
                    self.w.steps.ahead = Some(step);
                    return;
                }
                Some(ahead) if step.1 < ahead.1 => std::mem::swap(ahead, &mut step),
                Some(_) => {}
            }
        }
        self.queue_step(step);
    }

    fn queue_step(&mut self, (thread, key): (ThreadId, EventKey)) {
        let handle = self.queue.schedule(key, MachineEvent::ThreadStep(thread));
        let queued = &mut self.w.steps.queued;
        if queued.len() <= thread.index() {
            queued.resize(thread.index() + 1, None);
        }
        queued[thread.index()] = Some(handle);
    }

    /// Whether the end of a thread's stretch is known.
    pub(in crate::machine) fn has_step(&self, thread: ThreadId) -> bool {
        self.w.steps.is_ahead(thread)
            || self.w.steps.queued.get(thread.index()).is_some_and(Option::is_some)
    }

    /// The thread's stretch does not end when it was to.
    pub(in crate::machine) fn cancel_step(&mut self, thread: ThreadId) {
        if self.w.steps.is_ahead(thread) {
            self.w.steps.ahead = None;
        } else if let Some(queued) = self.w.steps.queued.get_mut(thread.index())
            && let Some(handle) = queued.take()
        {
            self.queue.cancel(handle);
        }
    }

    /// Goes on to the step that was kept out of the queue, if it comes before everything that is
    /// queued. That is what the queue would hand out next; it only does not go through it.
    pub(in crate::machine) fn step_ahead(&mut self) -> Option<ThreadId> {
        let step = self.w.steps.ahead.take()?;
        let (thread, key) = step;
        let first = self.queue.peek().is_none_or(|queued| key < queued);
        if !first || self.w.must_stop() {
            self.queue_step(step);
            return None;
        }
        self.key = key;
        self.w.steps.carried_out += 1;
        Some(thread)
    }
}
