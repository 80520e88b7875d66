//! Liveness check after the run.
//!
//! What must happen in the end is taken for broken when it has not happened within the bound of
//! liveness, and a run may be shorter than that. So if anything waits at its end that should have
//! happened, the machine goes on, and nothing but the monitors watches: until nothing of it waits any
//! more, or until the bound is over. No metric, digest, kept record or other result hears of it.

use sim_core::{EventQueue, SimDuration, SimTime, Simulation};

use super::bound::EventBound;
use super::promises::liveness_bound;
use super::world::{MachineEvent, World};
use crate::base::ids::VmId;
use crate::base::record::Phase;
use crate::machine::sink::TraceSink;
use crate::machine::watching::Watching;
use crate::monitors::Finding;

/// The first look, after so much time; each further one after twice as much.
const FIRST_LOOK: SimDuration = SimDuration::from_us(500);

/// What the monitors say of a run that has come to its end, when what waits there has had its time.
/// Nobody else hears of the machine any more. Also says whether the bound ended it too early to know.
pub(super) fn findings<Q: EventQueue<MachineEvent>>(
    simulation: &mut Simulation<World, Q>,
    mut monitors: Watching,
    bound: EventBound,
) -> (Vec<Finding>, bool) {
    let world = &mut simulation.model;
    // A VMM that is dead is promised nothing of what it owes itself.
    let config = &world.setup.config;
    let is_dead =
        |&vm: &VmId| world.kvm.has_ended(vm) || world.host.waits_for_dead_handler(vm, config);
    for vm in config.vm_ids().filter(is_dead) {
        monitors.expect_nothing_of(vm);
    }
    let end = world.reached;
    let at_end = monitors.finish(end);
    if !monitors.anything_waits(end, SimDuration::ZERO) {
        return (at_end, false);
    }
    world.trace = TraceSink::new().with_monitors(monitors);
    // The bound of liveness is long, and how the machine gets there makes no difference.
    world.setup.skip = true;
    match watch(simulation, end, bound) {
        Outcome::BoundReached(findings) => (findings, false),
        Outcome::AllHappened => (at_end, false),
        Outcome::OutOfEvents => (at_end, true),
    }
}

/// How the check ended.
enum Outcome {
    /// What waited had the whole bound of liveness; these are the findings.
    BoundReached(Vec<Finding>),
    /// All that waited has happened, or the machine cannot go on.
    AllHappened,
    /// The bound on events was met before that was known.
    OutOfEvents,
}

/// Lets the machine go on.
fn watch<Q: EventQueue<MachineEvent>>(
    simulation: &mut Simulation<World, Q>,
    end: SimTime,
    bound: EventBound,
) -> Outcome {
    let most = liveness_bound(&simulation.model.setup.config.host.memory_control);
    let mut waited = FIRST_LOOK;
    loop {
        waited = waited.min(most);
        let now = end + waited;
        simulation.model.finished = false;
        simulation.model.trace.resume_monitors();
        let event = MachineEvent::Phase(Phase::End);
        simulation.queue.schedule(event.key(now), event);
        if bound.run_while(simulation, |world| !world.is_over()) {
            return Outcome::OutOfEvents;
        }
        let world = &mut simulation.model;
        if world.failure.is_some() || !world.finished {
            return Outcome::AllHappened;
        }
        let Some(monitors) = world.trace.monitors() else { return Outcome::AllHappened };
        if waited == most {
            // What began to wait at the very end has had the whole bound, too.
            return Outcome::BoundReached(monitors.finish(now + FIRST_LOOK));
        }
        if !monitors.anything_waits(now, waited) {
            return Outcome::AllHappened;
        }
        waited = waited.times(2);
    }
}
