//! The model of the M/M/1 example, which a test shares.

use std::collections::VecDeque;

use sim_core::{
    Distribution, EventKey, EventQueue, Model, RandomStreams, Replications, RunLimit, Sampler,
    SimDuration, SimTime, Simulation, Stream, TimeWeightedMean,
};

/// Mean time between arrivals: lambda = 0.7 per ms (in picoseconds, rounded).
const INTERARRIVAL_PS: u64 = 1_428_571_429;
/// Mean service time: mu = 1 per ms.
const SERVICE_PS: u64 = 1_000_000_000;
/// What theory says of the mean number in the system: rho / (1 - rho).
pub(crate) const NUMBER: f64 = 0.7 / 0.3;
/// What theory says of the mean time in the system: 1 / (mu - lambda), in milliseconds.
pub(crate) const SOJOURN_MS: f64 = 1.0 / 0.3;

/// What can happen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// A customer comes.
    Arrival,
    /// The customer being served leaves.
    Departure,
}

/// A server and its line.
#[derive(Clone)]
pub(crate) struct Mm1 {
    arrivals: (Sampler, Stream),
    services: (Sampler, Stream),
    /// When those present came; the first is being served.
    present: VecDeque<SimTime>,
    number: TimeWeightedMean,
    left: u64,
    sojourn_ps: u128,
}

impl Mm1 {
    fn new(seed: u64) -> Self {
        let streams = RandomStreams::new(seed);
        let law = |mean| match (Distribution::Exponential { mean }).sampler() {
            Ok(sampler) => sampler,
            Err(error) => panic!("{error}"),
        };
        Self {
            arrivals: (law(INTERARRIVAL_PS), streams.stream("arrivals")),
            services: (law(SERVICE_PS), streams.stream("services")),
            present: VecDeque::new(),
            number: TimeWeightedMean::new(SimTime::ZERO, 0),
            left: 0,
            sojourn_ps: 0,
        }
    }

    /// Forgets the warm-up.
    fn restart(&mut self, now: SimTime) {
        self.number.restart(now);
        (self.left, self.sojourn_ps) = (0, 0);
    }
}

/// At most one event of each class is pending, so class and time make the key unique.
fn key_after(now: SimTime, law: &mut (Sampler, Stream), class: u8) -> EventKey {
    let span = SimDuration::from_ps(law.0.sample(&mut law.1));
    EventKey::new(now + span, class, 0, 0)
}

impl Model for Mm1 {
    type Event = Event;

    fn handle<Q: EventQueue<Event>>(&mut self, key: EventKey, event: Event, queue: &mut Q) {
        let now = key.time();
        match event {
            Event::Arrival => {
                self.number.raise(now, 1);
                self.present.push_back(now);
                if self.present.len() == 1 {
                    queue.schedule(key_after(now, &mut self.services, 1), Event::Departure);
                }
                queue.schedule(key_after(now, &mut self.arrivals, 0), Event::Arrival);
            }
            Event::Departure => {
                self.number.lower(now, 1);
                let came = self.present.pop_front();
                self.left += 1;
                self.sojourn_ps += came.map_or(0, |came| u128::from(now.since(came).as_ps()));
                if !self.present.is_empty() {
                    queue.schedule(key_after(now, &mut self.services, 1), Event::Departure);
                }
            }
        }
    }
}

/// Runs of 100 s after 2 s of warm-up each: the mean number in the system, and the mean sojourn
/// in milliseconds.
pub(crate) fn replicate<Q: EventQueue<Event> + Default>(runs: u64) -> (Replications, Replications) {
    let (mut number, mut sojourn) = (Replications::new(), Replications::new());
    for seed in 0..runs {
        let mut run = Simulation::new(Mm1::new(seed), Q::default());
        run.queue.schedule(EventKey::at(SimTime::ZERO), Event::Arrival);
        let warm = SimTime::ZERO + SimDuration::from_secs(2);
        run.run(RunLimit::until(warm));
        run.model.restart(warm);
        let end = warm + SimDuration::from_secs(100);
        run.run(RunLimit::until(end));
        number.push(run.model.number.mean(end));
        sojourn.push(run.model.sojourn_ps as f64 / 1e9 / run.model.left as f64);
    }
    (number, sojourn)
}
