//! Liveness check after the run.
//!
//! What must happen in the end is taken for broken when it has not happened within the bound of
//! liveness, and a run may be shorter than that. So if anything waits at its end that should have
//! happened, the machine goes on, and nothing but the monitors watches: until nothing of it waits any
//! more, or until the bound is over. No metric, digest, kept record or other result hears of it.

use std::cmp::Ordering;

use sim_core::{EventQueue, SimDuration, SimTime, Simulation};

use super::bound::EventBound;
use super::promises::liveness_bound;
use super::world::{MachineEvent, World};
use crate::base::ids::VmId;
use crate::base::record::Phase;
use crate::machine::sink::TraceSink;
use crate::machine::watching::Watching;
use crate::monitors::catalogue::{Invariant, InvariantId, Kind};
use crate::monitors::{Finding, Verdict};

/// The first look, after so much time; each further one after twice as much.
const FIRST_LOOK: SimDuration = SimDuration::from_us(500);

/// What is known of a run when what waited at its end has had its time.
pub(super) struct AtTheEnd {
    pub(super) findings: Vec<Finding>,
    /// Tasks that sleep though their pages have been there for longer than the bound of liveness.
    pub(super) asleep: usize,
    /// The bound on events ended it too early to know.
    pub(super) cut: bool,
}

/// What the monitors say of a run that has come to its end, when what waits there has had its time.
/// Nobody else hears of the machine any more.
pub(super) fn findings<Q: EventQueue<MachineEvent>>(
    simulation: &mut Simulation<World, Q>,
    mut monitors: Watching,
    bound: EventBound,
) -> AtTheEnd {
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
        let asleep = monitors.sleep_for_good(end);
        return AtTheEnd { findings: at_end, asleep, cut: false };
    }
    world.trace = TraceSink::new().with_monitors(monitors);
    // The bound of liveness is long, and how the machine gets there makes no difference.
    world.setup.skip = true;
    let in_time = watch(simulation, end, bound);
    let Some(monitors) = simulation.model.trace.monitors() else {
        return AtTheEnd { findings: at_end, asleep: 0, cut: true };
    };
    AtTheEnd {
        findings: worse_of(at_end, monitors.finish(in_time.until)),
        asleep: monitors.sleep_for_good(in_time.until),
        cut: in_time.cut,
    }
}

/// How the check ended.
struct Watched {
    /// As if the trace ended here, it is to be judged.
    until: SimTime,
    /// The bound on events was met before it was known whether all that waited happens.
    cut: bool,
}

/// Lets the machine go on, until all that waited has happened or is broken, or it cannot go on.
fn watch<Q: EventQueue<MachineEvent>>(
    simulation: &mut Simulation<World, Q>,
    end: SimTime,
    bound: EventBound,
) -> Watched {
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
            return Watched { until: simulation.model.reached, cut: true };
        }
        let world = &mut simulation.model;
        if world.failure.is_some() || !world.finished || world.is_stopped() {
            return Watched { until: world.reached, cut: false };
        }
        if waited == most {
            // What began to wait at the very end has had the whole bound, too.
            return Watched { until: now + FIRST_LOOK, cut: false };
        }
        let waits = world.trace.monitors().is_some_and(|it| it.anything_waits(now, waited));
        if !waits {
            return Watched { until: now, cut: false };
        }
        waited = waited.times(2);
    }
}

/// The findings at the end of the run, but for those that are worse later: what was promised there has
/// been broken since, or more of it. How often something is broken that is over at once is a count of the
/// run alone.
fn worse_of(at_end: Vec<Finding>, later: Vec<Finding>) -> Vec<Finding> {
    // Each has one line of every invariant that its virtual machine is promised.
    debug_assert_eq!(at_end.len(), later.len());
    let worse = |old: &Finding, new: &Finding| match weight(new.verdict).cmp(&weight(old.verdict)) {
        Ordering::Less => false,
        Ordering::Equal => is_of_the_end(new.id) && new.count > old.count,
        Ordering::Greater => true,
    };
    let pairs = at_end.into_iter().zip(later);
    pairs.map(|(old, new)| if worse(&old, &new) { new } else { old }).collect()
}

/// How bad a verdict is.
fn weight(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Clean | Verdict::Undecided { .. } => 0,
        Verdict::Weakness => 1,
        Verdict::KnownViolation => 2,
        Verdict::Violation => 3,
    }
}

/// Whether an invariant promises what happens in the end, which is judged when its time is over.
fn is_of_the_end(id: InvariantId) -> bool {
    Invariant::find(id).is_some_and(|line| line.kind == Kind::Liveness)
}
