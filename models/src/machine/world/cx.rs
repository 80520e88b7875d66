//! The world while one event happens to it.

use sim_core::{EventHandle, EventKey, EventQueue, Frequency, SimDuration, SimTime};

use super::event::MachineEvent;
use super::failure::Failure;
use super::state::World;
use super::watchdog::END_OF_TIME;
use crate::base::record::Event;

/// The world while one event happens to it.
pub(in crate::machine) struct Cx<'a, Q> {
    pub w: &'a mut World,
    pub queue: &'a mut Q,
    /// The event's place in the total order.
    pub key: EventKey,
    pub frequency: Frequency,
}

impl<Q> Cx<'_, Q> {
    pub(in crate::machine) fn now(&self) -> SimTime {
        self.key.time()
    }

    pub(in crate::machine) fn emit(&mut self, event: Event) {
        let now = self.key.time();
        self.w.trace.emit(now, event);
    }

    /// The run cannot go on; what came first is told. False, for callers that ask.
    pub(in crate::machine) fn fail(&mut self, failure: Failure) -> bool {
        self.w.failure.get_or_insert(failure);
        false
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Lets an event happen at `time`, after all that caused it.
    pub(in crate::machine) fn schedule(
        &mut self,
        time: SimTime,
        event: MachineEvent,
    ) -> EventHandle {
        let key = self.key_at(time, event);
        self.queue.schedule(key, event)
    }

    /// The place of an event that the one at hand causes. Most callers know the kind of event, which
    /// makes the rest of this a few instructions.
    #[inline(always)]
    pub(super) fn key_at(&mut self, time: SimTime, event: MachineEvent) -> EventKey {
        if time > END_OF_TIME {
            self.beyond_time(event);
        }
        event.key_after(time, self.key).unwrap_or_else(|| self.time_stands_still(time, event))
    }

    #[cold]
    fn beyond_time(&mut self, event: MachineEvent) {
        self.fail(Failure::BeyondTime { time: self.now(), event });
    }

    #[cold]
    fn time_stands_still(&mut self, time: SimTime, event: MachineEvent) -> EventKey {
        self.fail(Failure::TimeStandsStill { time, event });
        event.key(time + SimDuration::from_ps(1))
    }
}
