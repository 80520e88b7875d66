//! Every schedule of a small world.
//!
//! A world ([`Setup`]) is a guest of a few vCPUs, whose tasks each touch a few pages that are not
//! there, under the rules of one kernel. [`explore`] lets vCPU threads, workers and guests make
//! their steps in every order that can happen, disturbed so often as the setup allows, and checks
//! every step and every state: no invariant may break, and from every state everybody must still
//! be able to come through. What it finds comes with the shortest way there, as a [`Trace`].

mod actor;
mod canon;
mod check;
mod disturb;
mod drive;
mod guest;
mod liveness;
mod moves;
mod names;
mod outside;
mod product;
mod protect;
mod protection;
mod reduce;
mod script;
mod search;
mod setup;
mod step;
mod store;
mod thread;
mod trace;
mod vmm;
mod vmm_check;
mod vmm_names;
mod vmm_trace;
mod witness;
mod world;

pub use crate::base::invariant::{InvariantId, Severity};
pub use actor::Actor;
pub use check::{Kind, checked};
pub use drive::{Shows, drive};
pub use product::Product;
pub use search::Limit;
pub use setup::{
    Bounds, Budget, Disturbance, MAX_PAGES, MAX_TASKS, MAX_TOKEN_BITS, MAX_VCPUS, Scope, Setup,
    SetupError, UnknownDisturbance,
};
pub use trace::{Line, Trace};
pub use witness::witness;

use search::{Search, Sighting};

use crate::apf::rules::TokenZero;

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
    /// Different states: of one vCPU, or of all vCPUs together with [`Setup::whole`]. Where vCPUs
    /// differ from each other, the states of each of them.
    pub states: u64,
    /// The states of the VM, if one vCPU was followed at a time and they can be told.
    pub product: Option<Product>,
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
    wanted: Option<InvariantId>,
) -> Result<Explored, SetupError> {
    setup.check()?;
    let alone = setup.is_whole() || setup.interchangeable();
    let last = if alone { 0 } else { setup.vcpus - 1 };
    let setups: Vec<Setup> = (0..=last).map(|followed| Setup { followed, ..*setup }).collect();
    let mut searches = Vec::with_capacity(setups.len());
    let mut findings: Vec<Finding> = Vec::new();
    for setup in &setups {
        let search = search(setup, bounds, wanted);
        for found in &search.found {
            add(&mut findings, finding(setup, &search, found));
        }
        searches.push(search);
    }
    findings.sort_by_key(|finding| finding.kind);
    let sum = |of: fn(&Search) -> u64| searches.iter().map(of).sum();
    Ok(Explored {
        states: sum(|search| search.nodes.len() as u64),
        product: product(setup, &searches),
        transitions: sum(|search| search.transitions),
        depth: searches.iter().filter_map(|s| Some(s.nodes.last()?.depth)).max().unwrap_or(0),
        limit: searches.iter().find_map(|search| search.limit),
        findings,
    })
}

fn search<'a>(setup: &'a Setup, bounds: &Bounds, wanted: Option<InvariantId>) -> Search<'a> {
    let mut search = Search::run(setup, bounds, wanted);
    if search.limit.is_none() && !search.is_answered() {
        liveness::check(&mut search);
    }
    search
}

fn finding(setup: &Setup, search: &Search, found: &Sighting) -> Finding {
    let mut way = search.way_to(found.from);
    way.extend(found.chosen);
    let trace = Trace::replay(setup, &way, found.kind.is_end());
    Finding { kind: found.kind, detail: found.detail.clone(), trace }
}

/// Of findings of one kind on several vCPUs the one with the shortest way is kept.
fn add(findings: &mut Vec<Finding>, new: Finding) {
    match findings.iter_mut().find(|old| old.kind == new.kind) {
        Some(old) if old.trace.moves > new.trace.moves => *old = new,
        Some(_) => {}
        None => findings.push(new),
    }
}

fn product(setup: &Setup, searches: &[Search]) -> Option<Product> {
    let complete = searches.iter().all(|search| search.limit.is_none() && !search.is_answered());
    use Disturbance::{Crash, Destroy, Hibernation, Kexec, MapWrite};
    let apart = [Destroy, Kexec, Hibernation, Crash, MapWrite];
    // Token 0 of vCPU 0 may look like none there, and a state have two names.
    let two_names = setup.rules.token_zero == TokenZero::Possible && !setup.zero_matters();
    if two_names || !setup.has_others() || !complete || apart.iter().any(|&which| setup.may(which))
    {
        return None;
    }
    let of = |vcpu: u16| searches.get(usize::from(vcpu)).or(searches.first());
    let all: Option<Vec<&Search>> = (0..setup.vcpus).map(of).collect();
    product::compose(&all?)
}
