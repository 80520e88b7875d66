//! Every schedule of a small world.
//!
//! A world ([`Setup`]) is a guest of a few vCPUs, whose tasks each touch a few pages that are not
//! there, under the rules of one kernel. [`explore`] lets vCPU threads, workers and guests make
//! their steps in every order that can happen, disturbed so often as the setup allows, and checks
//! every step and every state: no invariant may break, and from every state everybody must still
//! be able to come through. What it finds comes with the shortest way there, as a [`Trace`].

mod canon;
mod check;
mod disturb;
mod drive;
mod guest;
mod liveness;
mod moves;
mod reduce;
mod search;
mod setup;
mod step;
mod store;
mod trace;
mod witness;
mod world;

pub use check::{Kind, Severity, checked};
pub use drive::{Shows, drive};
pub use search::Limit;
pub use setup::{
    Bounds, Budget, Disturbance, MAX_PAGES, MAX_TASKS, MAX_TOKEN_BITS, MAX_VCPUS, Scope, Setup,
    SetupError, UnknownDisturbance,
};
pub use trace::{Actor, Line, Trace};
pub use witness::witness;

use search::Search;

/// Something that was found, with the shortest way to it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// Whom it concerns.
    pub detail: String,
    /// The way there.
    pub trace: Trace,
}

/// What a search found.
#[derive(Clone, Debug)]
pub struct Explored {
    /// Different states.
    pub states: u64,
    /// Moves made from them.
    pub transitions: u64,
    /// Moves to the state farthest from the beginning.
    pub depth: u32,
    /// The bound that ended the search, if it is not exhaustive.
    pub limit: Option<Limit>,
    /// What was found, violations first.
    pub findings: Vec<Finding>,
}

impl Explored {
    /// The violations.
    pub fn violations(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.kind.severity == Severity::Violation)
    }
}

/// Explores a world; or until `wanted`, an invariant's number, is violated.
///
/// # Errors
///
/// When the world is empty or too large.
pub fn explore(
    setup: &Setup,
    bounds: &Bounds,
    wanted: Option<&str>,
) -> Result<Explored, SetupError> {
    setup.check()?;
    let mut search = Search::run(setup, bounds, wanted);
    let answered =
        wanted.is_some_and(|id| search.found.iter().any(|found| found.kind.violates(id)));
    if search.limit.is_none() && !answered {
        liveness::check(&mut search);
    }
    let mut findings: Vec<Finding> = search
        .found
        .iter()
        .map(|sighting| {
            let mut way = search.way_to(sighting.from);
            way.extend(sighting.chosen);
            let trace = Trace::replay(setup, &way);
            Finding { kind: sighting.kind, detail: sighting.detail.clone(), trace }
        })
        .collect();
    findings.sort_by_key(|finding| finding.kind);
    Ok(Explored {
        states: search.nodes.len() as u64,
        transitions: search.transitions,
        depth: search.nodes.last().map_or(0, |node| node.depth),
        limit: search.limit,
        findings,
    })
}
