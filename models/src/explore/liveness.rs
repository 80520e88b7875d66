//! From every state, can everybody still come through?
//!
//! Workers end, pages come, vCPU threads that can run do so, and an interrupt comes now and then:
//! under this fairness a guest that is never stuck is one that can come through from every state
//! that it reaches. The question is answered backwards over the stored graph.

use super::check::Kind;
use super::search::{By, Edge, Marks, Search, Sighting};
use super::store::StateId;

const TASK: Kind = Kind::violation("INV-13", "a task sleeps, and from here on nothing can wake it");
const HALT: Kind =
    Kind::violation("INV-16", "a vCPU is halted, and from here on nothing can end the halt");
const ITEM: Kind =
    Kind::violation("INV-15", "an item is completed, and from here on nothing can dequeue it");
const STUCK: Kind =
    Kind::violation("INV-37", "from here on not everybody can come through any more");
const NEEDS_INTERRUPT: Kind = Kind::weakness(
    "INV-16",
    "from here on somebody goes on only if an interrupt comes that has nothing to do with it",
);

/// Finds what can never happen any more.
pub(super) fn check(search: &mut Search) {
    let ends = |marks: Marks| marks.end;
    let all = |edge: &Edge| edge.by != By::Others;
    let through = reaching(search, &ends, &all);
    if let Some(doomed) = through.iter().position(|&reaches| !reaches) {
        let kind = label(search, doomed, &through);
        push(search, kind, doomed);
        return;
    }
    let alone = reaching(search, &ends, &|edge: &Edge| edge.by == By::Inside);
    if let Some(waits) = alone.iter().position(|&reaches| !reaches) {
        push(search, NEEDS_INTERRUPT, waits);
    }
}

/// What is stuck in a state from which nobody comes through.
fn label(search: &Search, doomed: usize, through: &[bool]) -> Kind {
    type Question = (Kind, fn(Marks) -> bool);
    let questions: [Question; 3] =
        [(TASK, |marks| !marks.sleeps), (ITEM, |marks| !marks.done), (HALT, |marks| !marks.halted)];
    // What holds for ever shows somewhere behind the first such state.
    for (kind, free) in questions {
        let reach = reaching(search, &free, &|edge: &Edge| edge.by != By::Others);
        let never = |state: usize| !through[state] && !reach[state];
        if never(doomed) || (0..through.len()).any(never) {
            return kind;
        }
    }
    STUCK
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
