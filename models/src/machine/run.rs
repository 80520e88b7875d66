//! Running a machine: the prefill once, then any number of policies from its end.

use std::ops::ControlFlow;
use std::sync::Arc;

use sim_core::{
    EventQueue, Histogram, HybridQueue, QueueKind, ReferenceQueue, SimTime, Simulation,
    StdHeapQueue,
};

use super::bound::EventBound;
use super::error::RunError;
use super::guest::Stuck;
use super::liveness_check::{self, AtTheEnd};
use super::promises::monitor_config;
use super::settings::{RunSettings, Watch};
use super::watching::Watching;
use super::world::{MachineEvent, World};
use crate::apf::rules::PageReady;
use crate::base::record::Record;
use crate::config::{MachineConfig, Policy};
use crate::monitors::{Finding, MonitorSet};
use crate::trace::anatomy::{Excerpts, FaultLog, Faults};
use crate::trace::digest::DigestValue;
use crate::trace::kernel::Setting;
use crate::trace::metrics::MetricValues;
use crate::trace::owners::Owners;
use crate::trace::requests::{RequestLog, Requests};
use crate::trace::series::SeriesValues;
use crate::trace::timeline::Cast;

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
    /// Tasks that sleep at the end though their pages have been in memory for longer than what must happen in
    /// the end may take: nothing wakes them.
    pub asleep: usize,
    /// Tasks that wait for each other at the end, and for nobody else.
    pub stuck: Vec<Stuck>,
    /// Every record, where [`RunSettings::keep_records`] asked for them.
    pub records: Option<Vec<Record>>,
    /// The measured phase over time, where [`RunSettings::series`] asked for it.
    pub series: Option<SeriesValues>,
    /// The major faults, for [`Watch::Faults`].
    pub faults: Option<Faults>,
    /// The requests, for [`Watch::Requests`].
    pub requests: Option<Requests>,
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
    prefill_observed(config, seed, settings, None)
}

/// As [`prefill`], with somebody who watches the records from power-on to the start barrier. Changes no
/// result.
///
/// # Errors
/// As [`prefill`], and when the observer stops it.
pub fn prefill_observed(
    config: &MachineConfig,
    seed: u64,
    settings: &RunSettings,
    observer: Option<Observer<'_>>,
) -> Result<Prefix, RunError> {
    let mut world = World::new(config, seed, settings)?;
    if observer.is_some() {
        world.trace = std::mem::take(&mut world.trace).with_tap();
    }
    let bound = settings.events;
    let engine = match settings.queue {
        QueueKind::Hybrid => {
            Engine::Hybrid(prefill_with(world, HybridQueue::default(), bound, observer)?)
        }
        QueueKind::Std => {
            Engine::Std(prefill_with(world, StdHeapQueue::default(), bound, observer)?)
        }
        QueueKind::Reference => {
            Engine::Reference(prefill_with(world, ReferenceQueue::default(), bound, observer)?)
        }
    };
    Ok(Prefix { engine })
}

fn prefill_with<Q: EventQueue<MachineEvent>>(
    world: World,
    queue: Q,
    bound: Option<u64>,
    observer: Option<Observer<'_>>,
) -> Result<Simulation<World, Q>, RunError> {
    let mut simulation = Simulation::new(world, queue);
    simulation.model.start(&mut simulation.queue);
    let bound = EventBound::new(bound, &simulation);
    let go_on = |world: &World| !world.at_barrier() && !world.is_over();
    let stopped = observed(&mut simulation, &bound, observer, go_on)?;
    simulation.model.trace.remove_tap();
    match &simulation.model.failure {
        Some(failure) => Err(RunError::of(failure, &simulation.model)),
        None if simulation.model.is_stopped() => Err(RunError::Stopped),
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
        let running = world.host.running();
        // Virtual machines with asynchronous page faults agree in it, as the host has one kernel.
        let config = &world.setup.config;
        let mut policies = config.vm_ids().map(|vm| config.policy_of(vm, policy));
        let policy = policies.find(|policy| policy.host_async).unwrap_or(policy);
        let ready_by_interrupt = policy.rules.page_ready == PageReady::Interrupt;
        let (vcpus, handlers) = (config.vcpus(), config.handler_threads());
        Setting { vcpus, handlers, running, ready_by_interrupt }
    }

    /// What a timeline is to know of the machine.
    pub fn cast(&self) -> Cast {
        let world = self.world();
        let config = &world.setup.config;
        let mapped = config.vm_ids().flat_map(|vm| world.host.mapped(vm)).collect();
        Cast::new(config, world.host.running(), mapped)
    }
}

fn run_with<Q: EventQueue<MachineEvent>>(
    mut simulation: Simulation<World, Q>,
    policy: &Policy,
    settings: &RunSettings,
    observer: Option<Observer<'_>>,
) -> Result<RunOutput, RunError> {
    let world = &mut simulation.model;
    let now = world.reached;
    world.setup.adopt(policy);
    let policies = &world.setup.policies;
    world.protocol.adopt(policies, settings.defects);
    world.stop.clone_from(&settings.stop);
    (world.setup.warmup, world.setup.duration) = (settings.warmup, settings.duration);
    let vcpus = world.setup.config.vcpus();
    let control = &world.setup.config.host.memory_control;
    let of_vm = |policy: &Arc<Policy>| MonitorSet::new(&monitor_config(vcpus, policy, control));
    let monitors = world.setup.policies.iter().map(of_vm).collect();
    let monitors = Watching::new(monitors, Owners::new(&world.setup.config));
    world.trace = std::mem::take(&mut world.trace).with_monitors(monitors);
    world.trace.set_series_span(settings.duration);
    match &settings.watch {
        Watch::Nothing => {}
        Watch::Faults => {
            let log = FaultLog::new(world.setup.config.vcpus());
            world.trace = std::mem::take(&mut world.trace).with_faults(log);
        }
        Watch::Requests(watched) => {
            let log = RequestLog::new(world.setup.config.vcpus(), watched.clone());
            world.trace = std::mem::take(&mut world.trace).with_requests(log);
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
    if observed(&mut simulation, &bound, observer, |world| !world.is_over())? {
        return Err(RunError::OutOfEvents(simulation.model.reached));
    }
    if let Some(failure) = &simulation.model.failure {
        return Err(RunError::of(failure, &simulation.model));
    }
    if simulation.model.is_stopped() {
        return Err(RunError::Stopped);
    }
    if !simulation.model.is_over() {
        return Err(RunError::StoodStill(simulation.model.reached));
    }
    output(simulation, settings.events)
}

/// Goes on as long as `go_on` holds, and shows the observer the records on the way. True when the bound
/// ended it.
fn observed<Q: EventQueue<MachineEvent>>(
    simulation: &mut Simulation<World, Q>,
    bound: &EventBound,
    mut observer: Option<Observer<'_>>,
    go_on: impl Fn(&World) -> bool,
) -> Result<bool, RunError> {
    loop {
        let until_full = |world: &World| go_on(world) && !world.trace.tap_is_full();
        let stopped = bound.run_while(simulation, until_full);
        let more = simulation.model.trace.tap_is_full();
        if let Some(observer) = &mut observer {
            let records = simulation.model.trace.take_tapped();
            if observer(&records).is_break() {
                return Err(RunError::Stopped);
            }
        }
        if stopped || !more || !go_on(&simulation.model) {
            return Ok(stopped);
        }
    }
}

fn output<Q>(
    mut simulation: Simulation<World, Q>,
    events: Option<u64>,
) -> Result<RunOutput, RunError>
where
    Q: EventQueue<MachineEvent>,
{
    let handled_events = simulation.handled() + simulation.model.steps.carried_out();
    let world = &mut simulation.model;
    let broken = world.protocol.findings();
    let stuck = world.guest.stuck();
    // The records are those of the run; what comes afterwards goes elsewhere.
    let monitors = world.trace.take_monitors().ok_or(RunError::Internal("no monitors"))?;
    let outcome = std::mem::take(&mut world.trace).finish(world.reached);
    let bound = EventBound::new(events, &simulation);
    let AtTheEnd { mut findings, asleep, cut: afterwards_cut } =
        liveness_check::findings(&mut simulation, monitors, bound);
    if simulation.model.is_stopped() {
        return Err(RunError::Stopped);
    }
    findings.extend(simulation.model.protocol.findings().into_iter().map(|later| {
        // How often is a count of the run.
        let known =
            broken.iter().find(|at_end| at_end.id == later.id && at_end.first == later.first);
        known.cloned().unwrap_or(later)
    }));
    let metrics = outcome.metrics.ok_or(RunError::Internal("no metrics"))?;
    Ok(RunOutput {
        digest: outcome.digest.ok_or(RunError::Internal("no digest"))?,
        latency: metrics.fault_latency.clone(),
        metrics,
        findings,
        handled_events,
        afterwards_cut,
        asleep,
        stuck,
        records: outcome.records,
        series: outcome.series,
        faults: outcome.faults,
        requests: outcome.requests,
        excerpts: outcome.excerpts,
    })
}
