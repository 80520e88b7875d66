//! The M/M/1 example against theory, on every queue.

#[path = "../../examples/mm1/model.rs"]
mod model;

use model::Event;
use sim_core::{ReferenceQueue, Replications, StdHeapQueue};

#[track_caller]
fn assert_agrees(runs: &Replications, theory: f64) {
    let (Some(mean), Some(error)) = (runs.mean(), runs.std_error()) else {
        panic!("no estimate from {} runs", runs.n());
    };
    assert!(error < 0.02 * theory, "standard error {error} tells nothing");
    assert!((mean - theory).abs() < 4.0 * error, "{mean} +- {error}, theory {theory}");
}

#[test]
fn simulation_agrees_with_theory() {
    let (number, sojourn) = model::replicate::<StdHeapQueue<Event>>(10);
    assert_agrees(&number, model::NUMBER);
    assert_agrees(&sojourn, model::SOJOURN_MS);
}

#[test]
fn the_queue_changes_nothing() {
    let std = model::replicate::<StdHeapQueue<Event>>(2);
    assert_eq!(std, model::replicate::<ReferenceQueue<Event>>(2));
}
