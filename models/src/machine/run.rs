//! Running a machine: the prefill once, then any number of policies from its end.

use std::ops::ControlFlow;
use std::sync::Arc;

use sim_core::{
    EventQueue, Histogram, HybridQueue, QueueKind, ReferenceQueue, RunLimit, SimDuration, SimTime,
    Simulation, StdHeapQueue, StopReason,
};

use super::afterwards;
use super::event::MachineEvent;
use super::progress::{EndOfTime, PREFILL_STEPS, SPIN_STEPS};
use super::world::{Failure, World};
use crate::apf::Defects;
use crate::apf::rules::{
    Announce, CannotInject, PageReady, PageReadyTold, PagingToggle, ReadyWakes, Rules, SetupOrder,
    TokenZero,
};
use crate::base::ids::ThreadId;
use crate::base::record::Record;
use crate::config::{MachineConfig, Policy};
use crate::monitors::catalogue::{INV_04, INV_10, INV_12, INV_16, InvariantId};
use crate::monitors::{Family, Finding, MonitorConfig, MonitorSet};
use crate::trace::anatomy::{Excerpts, FaultLog, Faults};
use crate::trace::digest::DigestValue;
use crate::trace::kernel::Setting;
use crate::trace::metrics::MetricValues;
use crate::trace::series::SeriesValues;

/// How to run, besides what.
#[derive(Clone, Debug)]
pub struct RunSettings {
    /// The event queue.
    pub queue: QueueKind,
    /// Whether vCPUs run ahead; off, every operation is an event of its own.
    pub skip: bool,
    /// Time between the start barrier and the measured phase.
    pub warmup: SimDuration,
    /// Length of the measured phase.
    pub duration: SimDuration,
    /// Mistakes to be made by the protocol, besides those of the policy.
    pub defects: Defects,
    /// Whether to keep every record, 48 bytes each.
    pub keep_records: bool,
    /// Whether to follow the measured phase over time.
    pub series: bool,
    /// What else to look at.
    pub watch: Watch,
    /// Most events of the prefill, and most of the run after it; none for no bound. A run that needs
    /// more has no result. What follows the end of a run is held to the same number; see
    /// [`RunOutput::afterwards_cut`].
    pub events: Option<u64>,
}

/// What a run is to tell about single faults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Watch {
    /// Nothing.
    #[default]
    Nothing,
    /// Which major faults there were.
    Faults,
    /// The records of these spans, both ends included.
    Excerpts(Vec<(SimTime, SimTime)>),
}

impl Default for RunSettings {
    fn default() -> Self {
        Self {
            queue: QueueKind::default(),
            skip: true,
            warmup: SimDuration::ZERO,
            duration: SimDuration::from_secs(1),
            defects: Defects::none(),
            keep_records: false,
            series: false,
            watch: Watch::Nothing,
            events: None,
        }
    }
}

/// Why a run has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The limit is too small for what the workload needs at one time.
    #[error(
        "at {0} the memory limit was reached and nothing could be reclaimed; \
         raise host.memory_limit or host.swap.size"
    )]
    OutOfMemory(SimTime),
    /// The regions do not fit into the guest.
    #[error("at {0} the guest had no free memory left; raise guest.memory or shrink the regions")]
    GuestOutOfMemory(SimTime),
    /// A service-time law is not a distribution.
    #[error("a service-time law of the swap device is not valid: {0}")]
    Distribution(sim_core::DistributionError),
    /// Nothing in the scenario takes time.
    #[error(
        "at {time} time stands still: {what} and what it causes go on happening without taking \
         any; give the swap device a latency or the processor costs"
    )]
    TimeStandsStill {
        /// When.
        time: SimTime,
        /// One of the things that go on happening.
        what: String,
    },
    /// A thread goes round and round in next to no time.
    #[error(
        "at {time} {who} spins: {SPIN_STEPS} steps since {since}, and no operation of a task \
         among them; the last was {doing}. Give the processor costs of exits (`host.cpu`, \
         `host.costs`), or take away what makes it spin, such as a `kick`"
    )]
    Spins {
        /// When it was stopped.
        time: SimTime,
        /// When it last got on.
        since: SimTime,
        /// The vCPU with its task, or the worker.
        who: String,
        /// What it did last.
        doing: &'static str,
    },
    /// Interrupts take all the time of a thread.
    #[error(
        "at {time} {who} gets nothing done: {SPIN_STEPS} interrupts came while it was {doing}, \
         and each cost more than the time to the next; raise `host.tick`, or lower `host_tick`, \
         `timer_interrupt` and `exit_interrupt` of `host.costs`"
    )]
    Starved {
        /// When it was stopped.
        time: SimTime,
        /// The vCPU with its task, or the worker.
        who: String,
        /// What it was interrupted in.
        doing: &'static str,
    },
    /// The prefill has no end.
    #[error(
        "at {time} the prefill gets nowhere: {PREFILL_STEPS} steps since the last page was filled, \
         the last by {who} {doing}; compare `host.tick` and `guest.hz` with what a tick costs \
         (`host.costs`)"
    )]
    PrefillWithoutEnd {
        /// When it was stopped.
        time: SimTime,
        /// Who did the last step.
        who: String,
        /// And which.
        doing: &'static str,
    },
    /// A span ends after the end of simulated time.
    #[error(
        "at {time} begins what would be over only after the end of simulated time ({EndOfTime} \
         after power-on): {what}; shorten that, or bound the law that it is drawn from"
    )]
    BeyondTime {
        /// When it began.
        time: SimTime,
        /// What takes so long.
        what: String,
    },
    /// The machine stood still before its time.
    #[error("at {0} nothing was left to happen before the end of the run")]
    StoodStill(SimTime),
    /// Who watches the records wants no more of them.
    #[error("stopped by who watches its records")]
    Stopped,
    /// [`RunSettings::events`] were not enough.
    #[error("at {0} the run had used up the number of events that it was given")]
    OutOfEvents(SimTime),
    /// Something that cannot happen.
    #[error("internal error: {0}")]
    Internal(&'static str),
}

impl From<&Failure> for RunError {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::OutOfMemory(time) => Self::OutOfMemory(*time),
            Failure::GuestOutOfMemory(time) => Self::GuestOutOfMemory(*time),
            Failure::TimeStandsStill { time, what } => {
                Self::TimeStandsStill { time: *time, what: what.clone() }
            }
            Failure::Spins { time, since, who, doing } => {
                Self::Spins { time: *time, since: *since, who: who.clone(), doing }
            }
            Failure::Starved { time, who, doing } => {
                Self::Starved { time: *time, who: who.clone(), doing }
            }
            Failure::PrefillWithoutEnd { time, who, doing } => {
                Self::PrefillWithoutEnd { time: *time, who: who.clone(), doing }
            }
            Failure::BeyondTime { time, what } => {
                Self::BeyondTime { time: *time, what: what.clone() }
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Engine {
    Hybrid(Simulation<World, HybridQueue<MachineEvent>>),
    Std(Simulation<World, StdHeapQueue<MachineEvent>>),
    Reference(Simulation<World, ReferenceQueue<MachineEvent>>),
}

/// The world at the start barrier, after the simulated prefill. Policies part here: faults before
/// it are first touches, which need no I/O and so never reach the protocol.
#[derive(Clone, Debug)]
pub struct Prefix {
    engine: Engine,
}

/// What a run leaves.
#[derive(Clone, Debug)]
pub struct RunOutput {
    /// Digest of all records, the prefill's included.
    pub digest: DigestValue,
    /// The metrics of the measured phase.
    pub metrics: MetricValues,
    /// What the invariants say: trace monitors and state invariants.
    pub findings: Vec<Finding>,
    /// Latencies of the major faults, in nanoseconds.
    pub latency: Histogram,
    /// Events of the prefill and the run, those among them that never went through the queue.
    pub handled_events: u64,
    /// What waited at the end of the run was followed no longer than [`RunSettings::events`] allows,
    /// so that findings about it may be missing.
    pub afterwards_cut: bool,
    /// Every record, where [`RunSettings::keep_records`] asked for them.
    pub records: Option<Vec<Record>>,
    /// The measured phase over time, where [`RunSettings::series`] asked for it.
    pub series: Option<SeriesValues>,
    /// The major faults, for [`Watch::Faults`].
    pub faults: Option<Faults>,
    /// The records of each span of [`Watch::Excerpts`].
    pub excerpts: Option<Vec<Vec<Record>>>,
}

/// Simulates from power-on to the start barrier.
///
/// # Errors
/// When the workload does not fit into the machine.
pub fn prefill(
    config: &MachineConfig,
    seed: u64,
    settings: &RunSettings,
) -> Result<Prefix, RunError> {
    let world = World::new(config, seed, settings)?;
    let bound = settings.events;
    let engine = match settings.queue {
        QueueKind::Hybrid => Engine::Hybrid(prefill_with(world, HybridQueue::default(), bound)?),
        QueueKind::Std => Engine::Std(prefill_with(world, StdHeapQueue::default(), bound)?),
        QueueKind::Reference => {
            Engine::Reference(prefill_with(world, ReferenceQueue::default(), bound)?)
        }
    };
    Ok(Prefix { engine })
}

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
            ahead: events.map_or(u64::MAX, |n| simulation.model.steps_ahead.saturating_add(n)),
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
        let reason = simulation.run_while(limit, |world| go_on(world) && world.steps_ahead < ahead);
        match reason {
            StopReason::Events => true,
            StopReason::Predicate => go_on(&simulation.model),
            StopReason::Time | StopReason::Drained => false,
        }
    }
}

fn prefill_with<Q: EventQueue<MachineEvent>>(
    world: World,
    queue: Q,
    bound: Option<u64>,
) -> Result<Simulation<World, Q>, RunError> {
    let mut simulation = Simulation::new(world, queue);
    simulation.model.start(&mut simulation.queue);
    let bound = EventBound::new(bound, &simulation);
    let go_on = |world: &World| !world.at_barrier() && !world.is_over();
    let stopped = bound.run_while(&mut simulation, go_on);
    match simulation.model.failure() {
        Some(failure) => Err(failure.into()),
        None if stopped => Err(RunError::OutOfEvents(simulation.model.reached)),
        None if !simulation.model.at_barrier() => {
            Err(RunError::StoodStill(simulation.model.reached))
        }
        None => {
            simulation.model.freeze();
            Ok(simulation)
        }
    }
}

/// Simulates the workload under a policy, from the start barrier to the end of the measured phase.
///
/// # Errors
/// When the workload does not fit into the machine.
pub fn run(
    prefix: &Prefix,
    policy: &Policy,
    settings: &RunSettings,
) -> Result<RunOutput, RunError> {
    run_observed(prefix, policy, settings, None)
}

/// Is shown the records of a run as it goes on, in order; the run stops when it says so.
pub type Observer<'a> = &'a mut dyn FnMut(&[Record]) -> ControlFlow<()>;

/// As [`run`], with somebody who watches the records from the start barrier on. Changes no result.
///
/// # Errors
/// As [`run`], and when the observer stops the run.
pub fn run_observed(
    prefix: &Prefix,
    policy: &Policy,
    settings: &RunSettings,
    observer: Option<Observer<'_>>,
) -> Result<RunOutput, RunError> {
    match prefix.engine.clone() {
        Engine::Hybrid(simulation) => run_with(simulation, policy, settings, observer),
        Engine::Std(simulation) => run_with(simulation, policy, settings, observer),
        Engine::Reference(simulation) => run_with(simulation, policy, settings, observer),
    }
}

impl Prefix {
    /// When the start barrier is reached.
    pub fn barrier(&self) -> SimTime {
        self.world().reached
    }

    fn world(&self) -> &World {
        match &self.engine {
            Engine::Hybrid(simulation) => &simulation.model,
            Engine::Std(simulation) => &simulation.model,
            Engine::Reference(simulation) => &simulation.model,
        }
    }

    /// What a writer of kernel text is to know of the machine under a policy.
    pub fn setting(&self, policy: &Policy) -> Setting {
        let world = self.world();
        let running = world.pcpus.iter().map(|pcpu| pcpu.queue.current.map(ThreadId)).collect();
        let ready_by_interrupt = policy.rules.page_ready == PageReady::Interrupt;
        Setting { vcpus: world.config.guest.vcpus, running, ready_by_interrupt }
    }
}

fn run_with<Q: EventQueue<MachineEvent>>(
    mut simulation: Simulation<World, Q>,
    policy: &Policy,
    settings: &RunSettings,
    mut observer: Option<Observer<'_>>,
) -> Result<RunOutput, RunError> {
    let world = &mut simulation.model;
    let now = world.reached;
    world.apf.adopt(policy.rules, settings.defects.and(policy.defects));
    world.policy = Some(Arc::new(policy.clone()));
    (world.warmup, world.duration) = (settings.warmup, settings.duration);
    let monitors = MonitorSet::new(&monitor_config(world, policy));
    world.trace = std::mem::take(&mut world.trace).with_monitors(monitors);
    world.trace.set_series_span(settings.duration);
    match &settings.watch {
        Watch::Nothing => {}
        Watch::Faults => {
            let log = FaultLog::new(world.config.guest.vcpus);
            world.trace = std::mem::take(&mut world.trace).with_faults(log);
        }
        Watch::Excerpts(spans) => {
            let excerpts = Excerpts::new(spans);
            world.trace = std::mem::take(&mut world.trace).with_excerpts(excerpts);
        }
    }
    if observer.is_some() {
        world.trace = std::mem::take(&mut world.trace).with_tap();
    }
    let event = MachineEvent::Barrier;
    simulation.queue.schedule(event.key(now), event);
    let bound = EventBound::new(settings.events, &simulation);
    loop {
        let go_on = |world: &World| !world.is_over() && !world.trace.tap_is_full();
        if bound.run_while(&mut simulation, go_on) {
            return Err(RunError::OutOfEvents(simulation.model.reached));
        }
        let more = simulation.model.trace.tap_is_full();
        if let Some(observer) = &mut observer {
            let records = simulation.model.trace.take_tapped();
            if observer(&records).is_break() {
                return Err(RunError::Stopped);
            }
        }
        if !more || simulation.model.is_over() {
            break;
        }
    }
    if let Some(failure) = simulation.model.failure() {
        return Err(failure.into());
    }
    if !simulation.model.is_over() {
        return Err(RunError::StoodStill(simulation.model.reached));
    }
    output(simulation, settings.events)
}

/// What must happen in the end has to happen within this time: far above any queueing at a disk,
/// far below the length of an experiment.
pub(super) const LIVENESS_BOUND: SimDuration = SimDuration::from_secs(2);

/// Which invariants a generation promises.
pub fn family_of(rules: &Rules) -> Family {
    match (rules.page_ready, rules.announce) {
        (PageReady::Interrupt, _) => Family::Int,
        (PageReady::Exception, Announce::AtSetup) => Family::V7,
        (PageReady::Exception, Announce::AtEntryIfMissing) => Family::V5,
    }
}

/// Invariants that a generation is known to break.
pub fn known_violations(rules: &Rules) -> Vec<InvariantId> {
    // Page ready without not present is what kernels before 5.9 do when a fault only halted.
    let mut known = match rules.page_ready_told {
        PageReadyTold::Always => vec![INV_12],
        PageReadyTold::OnlyIfNotPresentTold => Vec::new(),
    };
    // The counter of tokens starts at zero before 5.17, and a slot that holds zero looks free.
    if rules.token_zero == TokenZero::Possible {
        known.extend([INV_04, INV_10]);
    }
    // In v7 of the series page ready leaves the artificial halt set: where the item is delivered in
    // the turn that sets it, only an interrupt ends the halt.
    if rules.cannot_inject == CannotInject::Halt && rules.ready_wakes == ReadyWakes::Nothing {
        known.push(INV_16);
    }
    known
}

fn monitor_config(world: &World, policy: &Policy) -> MonitorConfig {
    MonitorConfig {
        vcpus: world.config.guest.vcpus,
        family: family_of(&policy.rules),
        cap: Some(policy.rules.cap),
        schedules_first: policy.rules.setup_order == SetupOrder::ScheduleFirst,
        known: known_violations(&policy.rules),
        liveness_bound: LIVENESS_BOUND,
        rsm_drops_items: policy.rules.paging_toggle == PagingToggle::DropsItems,
    }
}

fn output<Q>(
    mut simulation: Simulation<World, Q>,
    events: Option<u64>,
) -> Result<RunOutput, RunError>
where
    Q: EventQueue<MachineEvent>,
{
    let handled_events = simulation.handled() + simulation.model.steps_ahead;
    let world = &mut simulation.model;
    let broken = world.state_findings();
    // The records are those of the run; what comes afterwards goes elsewhere.
    let monitors = world.trace.take_monitors().ok_or(RunError::Internal("no monitors"))?;
    let outcome = std::mem::take(&mut world.trace).finish(world.reached);
    let bound = EventBound::new(events, &simulation);
    let (mut findings, afterwards_cut) = afterwards::findings(&mut simulation, monitors, bound);
    findings.extend(broken);
    let metrics = outcome.metrics.ok_or(RunError::Internal("no metrics"))?;
    Ok(RunOutput {
        digest: outcome.digest.ok_or(RunError::Internal("no digest"))?,
        latency: metrics.fault_latency.clone(),
        metrics,
        findings,
        handled_events,
        afterwards_cut,
        records: outcome.records,
        series: outcome.series,
        faults: outcome.faults,
        excerpts: outcome.excerpts,
    })
}
