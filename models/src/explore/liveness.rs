//! Liveness: from every state, can every task still make progress?
//!
//! Workers end, pages come, vCPU threads that can run do so, and an interrupt comes now and then:
//! under this fairness a guest that is never stuck is one that can reach its end from every state
//! that it reaches. Nobody may count on a page that a vCPU brings that is not followed, nor on a
//! disturbance, which need not happen. The question is answered backwards over the stored graph.

use super::check::Kind;
use super::search::{By, Edge, Marks, Search, Sighting};
use super::store::StateId;
use crate::base::invariant::InvariantId;

const TASK: Kind =
    Kind::violation(InvariantId(13), "a task sleeps, and from here on nothing can wake it");
const HALT: Kind =
    Kind::violation(InvariantId(16), "a vCPU is halted, and from here on nothing can end the halt");
const ITEM: Kind = Kind::violation(
    InvariantId(15),
    "an item is completed, and from here on nothing can dequeue it",
);
const SPINS: Kind = Kind::violation(
    InvariantId(19),
    "from here on every halt ends at once: an item that nothing can dequeue is completed",
);
const STUCK: Kind =
    Kind::violation(InvariantId(37), "from here on some task can no longer make progress");
const NEEDS_INTERRUPT: Kind = Kind::weakness(
    InvariantId(16),
    "from here on somebody goes on only if an interrupt comes that has nothing to do with it",
);

/// Finds what can never happen any more.
pub(super) fn check(search: &mut Search) {
    let ends = |marks: Marks| marks.end;
    let all = |edge: &Edge| edge.by.is_certain();
    let through = reaching(search, &ends, &all);
    if let Some(doomed) = through.iter().position(|&reaches| !reaches) {
        push_stuck(search, doomed, &through);
        return;
    }
    let alone = reaching(search, &ends, &|edge: &Edge| edge.by == By::Inside);
    if let Some(waits) = alone.iter().position(|&reaches| !reaches) {
        push(search, NEEDS_INTERRUPT, waits);
    }
}

/// Reports what is stuck in states from which the end is unreachable. The first finding's trace
/// ends at the first such state, unless that is the initial one, which would show nothing.
fn push_stuck(search: &mut Search, doomed: usize, through: &[bool]) {
    type Question = (Kind, fn(Marks) -> bool);
    // A completed item makes a vCPU runnable, under the rules of every kernel.
    let questions: [Question; 4] = [
        (TASK, |marks| !marks.sleeps),
        (ITEM, |marks| !marks.done),
        (HALT, |marks| !marks.halted),
        (SPINS, |marks| !marks.done),
    ];
    let mut first = Some(doomed);
    for (kind, free) in questions {
        if let Some(state) = for_ever(search, through, &free) {
            push(search, kind, first.take().filter(|&doomed| doomed > 0).unwrap_or(state));
        }
    }
    if let Some(doomed) = first {
        push(search, STUCK, doomed);
    }
}

/// The first state from which the end and whatever is `free` cannot be reached any more.
fn for_ever(search: &Search, through: &[bool], free: &dyn Fn(Marks) -> bool) -> Option<usize> {
    let reach = reaching(search, free, &|edge: &Edge| edge.by.is_certain());
    (0..through.len()).find(|&state| !through[state] && !reach[state])
}

fn push(search: &mut Search, kind: Kind, state: usize) {
    let detail = "no way on leads to the end".to_owned();
    search.found.push(Sighting { kind, detail, from: state as StateId, chosen: None });
}

/// By state, whether one that is `wanted` can be reached by the edges that are `allowed`.
fn reaching(
    search: &Search,
    wanted: &dyn Fn(Marks) -> bool,
    allowed: &dyn Fn(&Edge) -> bool,
) -> Vec<bool> {
    let states = search.nodes.len();
    let edges = || search.edges.iter().filter(|edge| allowed(edge));
    // The edges into each state lie together.
    let mut first = vec![0_u32; states + 1];
    edges().for_each(|edge| first[edge.to as usize + 1] += 1);
    for state in 0..states {
        first[state + 1] += first[state];
    }
    let mut place = first.clone();
    let mut sources = vec![0 as StateId; first[states] as usize];
    for edge in edges() {
        let slot = &mut place[edge.to as usize];
        sources[*slot as usize] = edge.from;
        *slot += 1;
    }
    let mut reaches: Vec<bool> = search.nodes.iter().map(|node| wanted(node.marks)).collect();
    let mut left: Vec<usize> = (0..states).filter(|&state| reaches[state]).collect();
    while let Some(state) = left.pop() {
        for &source in &sources[first[state] as usize..first[state + 1] as usize] {
            if !std::mem::replace(&mut reaches[source as usize], true) {
                left.push(source as usize);
            }
        }
    }
    reaches
}
