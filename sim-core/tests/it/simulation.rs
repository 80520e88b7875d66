//! The run loop: limits, stop reasons, snapshots, lost order.

use sim_core::{
    EventKey, EventQueue, Model, RandomStreams, ReferenceQueue, RunLimit, SimDuration, SimTime,
    Simulation, StdHeapQueue, StopReason, Stream,
};

/// Messages that hop among sites at random, some of them cancelled on the way.
#[derive(Clone, Debug, PartialEq)]
struct Hops {
    stream: Stream,
    ordinal: u32,
    log: Vec<(EventKey, u32)>,
    last: Option<sim_core::EventHandle>,
}

impl Model for Hops {
    type Event = u32;

    fn handle<Q: EventQueue<u32>>(&mut self, key: EventKey, message: u32, queue: &mut Q) {
        self.log.push((key, message));
        for _ in 0..=self.stream.below(2) {
            self.ordinal += 1;
            let time = key.time() + SimDuration::from_ps(1 + self.stream.below(5));
            let next = EventKey::new(time, 0, self.stream.below(4) as u32, self.ordinal);
            let handle = queue.schedule(next, message + 1);
            if let Some(old) = self.last.replace(handle)
                && self.stream.chance(1, 2)
                && queue.len() > 2
            {
                queue.cancel(old);
            }
        }
    }
}

fn hops<Q: EventQueue<u32> + Default>() -> Simulation<Hops, Q> {
    let stream = RandomStreams::new(11).stream("hops");
    let model = Hops { stream, ordinal: 0, log: Vec::new(), last: None };
    let mut run = Simulation::new(model, Q::default());
    run.queue.schedule(EventKey::at(SimTime::ZERO), 0);
    run
}

#[test]
fn a_run_in_pieces_from_snapshots_equals_a_run_straight_through() {
    let mut straight = hops::<StdHeapQueue<u32>>();
    straight.run(RunLimit::events(2_000));
    let mut pieces = hops::<StdHeapQueue<u32>>();
    for _ in 0..20 {
        let mut snapshot = pieces.clone();
        // What the original does after the snapshot has no effect on it.
        pieces.run(RunLimit::events(317));
        snapshot.run(RunLimit::events(100));
        pieces = snapshot;
    }
    assert_eq!(pieces.model, straight.model);
    assert_eq!((pieces.now(), pieces.handled()), (straight.now(), straight.handled()));
    assert_eq!(pieces.queue.peek(), straight.queue.peek());
}

#[test]
fn the_queue_does_not_change_a_run() {
    let mut std = hops::<StdHeapQueue<u32>>();
    let mut reference = hops::<ReferenceQueue<u32>>();
    std.run(RunLimit::events(5_000));
    reference.run(RunLimit::events(5_000));
    assert_eq!(std.model, reference.model);
}

#[test]
fn time_limits_cut_a_run_without_a_trace() {
    let end = SimTime::from_ps(1_000);
    let mut straight = hops::<StdHeapQueue<u32>>();
    assert_eq!(straight.run(RunLimit::until(end)), StopReason::Time);
    let mut pieces = hops::<StdHeapQueue<u32>>();
    for ps in (0..=1_000).step_by(7).chain([1_000]) {
        let limit = SimTime::from_ps(ps);
        assert_eq!(pieces.run(RunLimit::until(limit)), StopReason::Time);
        assert_eq!(pieces.now(), limit);
        assert!(pieces.model.log.iter().all(|(key, _)| key.time() < limit));
    }
    assert_eq!(pieces.model, straight.model);
}

/// Counts; events do nothing else.
#[derive(Clone, Default)]
struct Count(u64);

impl Model for Count {
    type Event = ();
    fn handle<Q: EventQueue<()>>(&mut self, _key: EventKey, _event: (), _queue: &mut Q) {
        self.0 += 1;
    }
}

fn count_at(times: &[u64]) -> Simulation<Count, StdHeapQueue<()>> {
    let mut run = Simulation::new(Count::default(), StdHeapQueue::new());
    for ps in times {
        run.queue.schedule(EventKey::at(SimTime::from_ps(*ps)), ());
    }
    run
}

#[test]
fn an_event_at_the_limit_waits() {
    let mut run = count_at(&[1, 2, 3]);
    assert_eq!(run.run(RunLimit::until(SimTime::from_ps(2))), StopReason::Time);
    assert_eq!((run.model.0, run.now()), (1, SimTime::from_ps(2)));
    assert_eq!(run.run(RunLimit::until(SimTime::from_ps(1))), StopReason::Time);
    assert_eq!(run.now(), SimTime::from_ps(2), "an earlier limit does not turn the clock back");
}

#[test]
fn each_reason_to_stop() {
    let mut run = count_at(&[1, 2, 3, 4]);
    assert_eq!(run.run(RunLimit::events(0)), StopReason::Events);
    assert_eq!(run.run(RunLimit::events(1)), StopReason::Events);
    assert_eq!(run.run_while(RunLimit::NONE, |model| model.0 < 2), StopReason::Predicate);
    let both = RunLimit::until(SimTime::from_ps(4)).and_events(1);
    assert_eq!(run.run(both), StopReason::Events);
    assert_eq!(run.run(both), StopReason::Time);
    assert_eq!(run.run(RunLimit::NONE), StopReason::Drained);
    assert_eq!((run.now(), run.handled()), (SimTime::from_ps(4), 4));
    assert!(!run.step());
}

#[test]
#[should_panic(expected = "the model lost its order")]
fn an_event_before_the_last_one_is_refused() {
    let mut run = count_at(&[5]);
    run.step();
    run.queue.schedule(EventKey::at(SimTime::from_ps(4)), ());
    run.step();
}

#[test]
#[should_panic(expected = "the model lost its order")]
fn an_event_before_a_time_limit_that_was_reached_is_refused() {
    let mut run = count_at(&[5, 50]);
    run.run(RunLimit::until(SimTime::from_ps(20)));
    run.queue.schedule(EventKey::at(SimTime::from_ps(19)), ());
    run.step();
}

#[test]
#[should_panic(expected = "the model lost its order")]
fn order_is_lost_within_an_instant_too() {
    let mut run = Simulation::new(Count::default(), StdHeapQueue::new());
    run.queue.schedule(EventKey::new(SimTime::ZERO, 1, 0, 0), ());
    run.step();
    run.queue.schedule(EventKey::new(SimTime::ZERO, 0, 0, 0), ());
    run.step();
}
