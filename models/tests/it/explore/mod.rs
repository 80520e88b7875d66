//! The protocol in every schedule of small worlds.

mod combinations;
mod findings;
mod host;
mod protect;
mod schedules;
mod steps;
mod tokens;
mod vmm;

use models::base::invariant::InvariantId;
use models::explore::{Bounds, Explored, Setup, explore};

/// All that there is to find in a world, wholly explored.
fn all(setup: &Setup) -> Explored {
    let explored = explore(setup, &Bounds::default(), None).expect("a world of sound size");
    assert_eq!(explored.limit, None);
    explored
}

/// The invariants that are broken in a world.
fn violated(setup: &Setup) -> Vec<InvariantId> {
    let mut ids: Vec<InvariantId> = all(setup).violations().map(|found| found.kind.id).collect();
    ids.dedup();
    ids
}
