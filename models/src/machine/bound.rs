//! The number of events that a run is given.

use sim_core::{EventQueue, RunLimit, Simulation, StopReason};

use super::world::{MachineEvent, World};

/// How many events a simulation may still handle: those of the queue, and as many steps that never
/// went through it.
#[derive(Clone, Copy, Debug)]
pub(super) struct EventBound {
    events: Option<u64>,
    ahead: u64,
}

impl EventBound {
    /// So many more events from here.
    pub(super) fn new<Q>(events: Option<u64>, simulation: &Simulation<World, Q>) -> Self
    where
        Q: EventQueue<MachineEvent>,
    {
        Self {
            events: events.map(|events| simulation.handled().saturating_add(events)),
            ahead: events
                .map_or(u64::MAX, |n| simulation.model.steps.carried_out().saturating_add(n)),
        }
    }

    /// Goes on as long as `go_on` holds. True when the bound ended it.
    pub(super) fn run_while<Q: EventQueue<MachineEvent>>(
        &self,
        simulation: &mut Simulation<World, Q>,
        go_on: impl Fn(&World) -> bool,
    ) -> bool {
        let left = self.events.map(|end| end.saturating_sub(simulation.handled()));
        let limit = RunLimit { time: None, events: left };
        let ahead = self.ahead;
        let reason =
            simulation.run_while(limit, |world| go_on(world) && world.steps.carried_out() < ahead);
        match reason {
            StopReason::Events => true,
            StopReason::Predicate => go_on(&simulation.model),
            StopReason::Time | StopReason::Drained => false,
        }
    }
}
