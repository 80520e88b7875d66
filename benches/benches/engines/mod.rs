//! Engines of others, each in the cheapest way of use that its examples show.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use apfsim_benches::{Contender, Event, Hold, Load};
use nexosim::model::{Context, Model, schedulable};
use nexosim::ports::EventSource;
use nexosim::simulation::{Mailbox, SimInit, Simulation};
use nexosim::time::MonotonicTime;

/// desque: boxed events, each of which schedules itself again.
pub(crate) struct Desque<L: Load + 'static> {
    simulation: desque::serial::Simulation<DesqueState<L>, u64>,
}

struct DesqueState<L> {
    load: L,
    done: u64,
    stop_at: u64,
}

impl<L> desque::SimState<u64> for DesqueState<L> {
    fn is_complete(&self, _now: &u64) -> bool {
        self.done >= self.stop_at
    }
}

#[derive(Debug)]
struct DesqueEvent(Event);

impl<L: Load + 'static> desque::serial::Event<DesqueState<L>, u64> for DesqueEvent {
    fn execute(
        &mut self,
        simulation: &mut desque::serial::Simulation<DesqueState<L>, u64>,
    ) -> desque::Result {
        let now = *simulation.current_time();
        let state = simulation.state_mut();
        state.done += 1;
        let (after, next) = state.load.event(now, self.0);
        simulation.schedule(DesqueEvent(next), now + after)
    }
}

impl<L: Load + 'static> Desque<L> {
    /// A simulation with the load's first events pending.
    pub(crate) fn new(mut load: L) -> Self {
        let initial = load.initial();
        let state = DesqueState { load, done: 0, stop_at: 0 };
        let mut simulation = desque::serial::Simulation::new(state, 0);
        for (time, event) in initial {
            simulation.schedule(DesqueEvent(event), time).expect("not before now");
        }
        Self { simulation }
    }
}

impl<L: Load + 'static> Contender for Desque<L> {
    fn run(&mut self, events: u64) -> u64 {
        self.simulation.state_mut().stop_at += events;
        self.simulation.run().expect("no event fails");
        events
    }

    fn digest(&self) -> u64 {
        self.simulation.state().load.digest()
    }
}

/// nexosim on one thread: one model whose input schedules itself again.
pub(crate) struct Nexosim {
    simulation: Simulation,
    done: Arc<AtomicU64>,
    digest: Arc<AtomicU64>,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct HoldModel {
    #[serde(skip)]
    state: Option<HoldState>,
}

struct HoldState {
    load: Hold,
    now: u64,
    done: Arc<AtomicU64>,
    digest: Arc<AtomicU64>,
}

#[Model]
impl HoldModel {
    #[nexosim(schedulable)]
    fn step(&mut self, entity: u32, cx: &Context<Self>) {
        let state = self.state.as_mut().expect("set when it was made");
        let time = cx.time();
        state.now = time.as_secs() as u64 * 1_000_000_000 + u64::from(time.subsec_nanos());
        let (after, next) = state.load.event(state.now, Event::Step(entity));
        cx.schedule_event(Duration::from_nanos(after), schedulable!(Self::step), next.entity())
            .expect("not for now");
        let done = state.done.load(Ordering::Relaxed) + 1;
        state.done.store(done, Ordering::Relaxed);
        if done == apfsim_benches::workload::DIGESTED {
            state.digest.store(state.load.digest(), Ordering::Relaxed);
        }
    }
}

impl Nexosim {
    /// A simulation with the load's first events pending; a tick of the load is a nanosecond.
    pub(crate) fn new(mut load: Hold) -> Self {
        let initial = load.initial();
        let (done, digest) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let state = HoldState { load, now: 0, done: done.clone(), digest: digest.clone() };
        let model = HoldModel { state: Some(state) };
        let (mailbox, mut bench) = (Mailbox::new(), SimInit::with_num_threads(1));
        let input = EventSource::new().connect(HoldModel::step, &mailbox).register(&mut bench);
        let bench = bench.add_model(model, mailbox, "hold");
        let simulation = bench.init(MonotonicTime::EPOCH).expect("one model, no cycle");
        let scheduler = simulation.scheduler();
        for (time, event) in initial {
            let time = Duration::from_nanos(time);
            scheduler.schedule_event(time, &input, event.entity()).expect("not for now");
        }
        Self { simulation, done, digest }
    }
}

impl Contender for Nexosim {
    fn run(&mut self, events: u64) -> u64 {
        let before = self.done.load(Ordering::Relaxed);
        let mut done = before;
        while done < before + events {
            self.simulation.step().expect("no model panics");
            done = self.done.load(Ordering::Relaxed);
        }
        done - before
    }

    fn digest(&self) -> u64 {
        self.digest.load(Ordering::Relaxed)
    }
}
