//! Scheduling the ends of stretches, and going on to the earliest one without the queue.

use sim_core::{EventKey, EventQueue, SimDuration, SimTime};

use super::cx::Cx;
use super::event::MachineEvent;
use super::watchdog::END_OF_TIME;
use crate::base::ids::ThreadId;

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

    /// Whether nothing but the thread that acts can happen up to `end`: then its stretches until there need
    /// not be scheduled, and [`Self::pass`] goes to the end of each.
    #[inline]
    pub(in crate::machine) fn nothing_until(&mut self, thread: ThreadId, end: SimTime) -> bool {
        let last = MachineEvent::ThreadStep(thread).key(end);
        self.w.setup.skip
            && self.w.steps.ahead.is_none()
            && end <= END_OF_TIME
            && self.queue.peek().is_none_or(|queued| last < queued)
            && !self.w.must_stop()
    }

    /// Goes to the end of a stretch of the thread that acts, which [`Self::nothing_until`] allows. One that
    /// takes no time has no end of its own.
    #[inline]
    pub(in crate::machine) fn pass(&mut self, thread: ThreadId, span: SimDuration) {
        if !span.is_zero() {
            self.key = MachineEvent::ThreadStep(thread).key(self.now() + span);
            self.w.steps.carried_out += 1;
        }
    }

    /// As [`Self::step_ahead`], if that step is one of this thread; otherwise nothing is done.
    #[inline]
    pub(in crate::machine) fn step_of(&mut self, thread: ThreadId) -> bool {
        let Some((_, key)) = self.w.steps.ahead.filter(|&(ahead, _)| ahead == thread) else {
            return false;
        };
        if self.queue.peek().is_some_and(|queued| queued <= key) || self.w.must_stop() {
            return false;
        }
        self.w.steps.ahead = None;
        self.key = key;
        self.w.steps.carried_out += 1;
        true
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
