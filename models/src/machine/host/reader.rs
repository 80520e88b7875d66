//! A reader of messages on its way into `poll` and out of it.

use sim_core::{EventQueue, SimDuration};

use crate::base::ids::ThreadId;
use crate::config::Waking;
use crate::machine::world::{Cx, Errand, Flow, MachineEvent, Then, Visit};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Where a reader's next visit on its way into `poll`, or out of it, leads.
    pub(super) fn visit_next(&mut self, thread: ThreadId, from: u16, visit: Visit) -> Option<Flow> {
        let (store, number) = self.w.host.handler(self.w.host.handler_of(thread));
        let polls = self.w.host.keeps_queues(store)
            && !self.answers_with(self.w.host.handler_of(thread))
            && self.w.host.messages_mut(store).config().waking == Waking::All;
        if !polls {
            return None;
        }
        let descriptor = self.w.host.messages_mut(store).next_descriptor(number, from)?;
        let errand = Errand { store, descriptor, visit };
        Some(Flow::Spend(SimDuration::ZERO, Then::QueueVisit(errand)))
    }

    /// Whether a thread is one of a process that has ended, which it is about to notice.
    pub(super) fn is_of_ended(&mut self, thread: ThreadId) -> bool {
        let handler = self.w.host.handler_of(thread);
        self.is_of_ended_process(handler, Then::HandlerPoll)
    }
}
