//! Breadth first through all states of a world.

use crate::base::ids::VcpuId;
use crate::base::invariant::InvariantId;

use super::canon::Canon;
use super::check::{Found, Kind, Log};
use super::setup::{Bounds, Disturbance, Setup};
use super::store::{Seen, StateId};
use super::world::{Move, World};

/// Which bound ended a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Moves from the beginning.
    Depth,
    /// Different states.
    States,
    /// Memory.
    Memory,
}

/// A move between two states.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub(super) from: StateId,
    pub(super) to: StateId,
    pub(super) by: By,
    pub(super) change: Change,
}

/// Who makes a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// Who is followed.
    Inside,
    /// Who is followed, by something that need not happen.
    Disturbance,
    /// An interrupt from outside while the vCPU thread sleeps.
    Interrupt,
    /// A vCPU that is not followed.
    Others,
    /// The VM as a whole, by something that need not happen.
    Vm,
}

impl By {
    /// Whether it may be counted on to happen.
    pub(super) fn is_certain(self) -> bool {
        matches!(self, Self::Inside | Self::Interrupt)
    }
}

/// What other vCPUs see of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// A page is there now.
    Brings(u8),
    /// A page is reclaimed.
    Evicts(u8),
    /// The VMM takes a page back.
    Rearms(u8),
    /// Something happens to the whole VM.
    Happens(Disturbance),
}

/// What is kept of a state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) parent: StateId,
    /// Which of the parent's moves led here.
    pub(super) chosen: u16,
    pub(super) depth: u32,
    pub(super) marks: Marks,
}

/// What a state is like, for liveness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// Everybody is through, or the search goes no further here.
    pub(super) end: bool,
    /// The search goes no further here: what follows would mean nothing.
    pub(super) broken: bool,
    pub(super) sleeps: bool,
    pub(super) halted: bool,
    pub(super) done: bool,
}

/// A finding with the state that shows it first.
#[derive(Clone, Debug)]
pub(super) struct Sighting {
    pub(super) kind: Kind,
    pub(super) detail: String,
    pub(super) from: StateId,
    /// Which of its moves; none if the state itself is meant.
    pub(super) chosen: Option<u16>,
}

/// A search, under way or over.
pub(super) struct Search<'a> {
    pub(super) setup: &'a Setup,
    pub(super) nodes: Vec<Node>,
    pub(super) edges: Vec<Edge>,
    pub(super) found: Vec<Sighting>,
    pub(super) limit: Option<Limit>,
    pub(super) transitions: u64,
    canon: Canon,
    seen: Seen,
    reduces: bool,
    wanted: Option<InvariantId>,
}

type Frontier = Vec<(StateId, World)>;

impl<'a> Search<'a> {
    /// Searches until every state was seen, a bound is met, or the invariant `wanted` is violated.
    pub(super) fn run(setup: &'a Setup, bounds: &Bounds, wanted: Option<InvariantId>) -> Self {
        let reduces = setup.whole
            && !setup.may(Disturbance::FetchFailure)
            && !setup.may(Disturbance::WriteProtect)
            && !setup.by_vmm();
        Self::with_method(setup, bounds, wanted, (Canon::new(setup), reduces))
    }

    /// Leaves no order out, and takes no vCPU or page for another.
    #[cfg(test)]
    pub(super) fn plain(setup: &'a Setup) -> Self {
        let method = (Canon::with_names(setup), false);
        Self::with_method(setup, &Bounds::default(), None, method)
    }

    fn with_method(
        setup: &'a Setup,
        bounds: &Bounds,
        wanted: Option<InvariantId>,
        (canon, reduces): (Canon, bool),
    ) -> Self {
        let mut search = Self {
            setup,
            nodes: Vec::new(),
            edges: Vec::new(),
            found: Vec::new(),
            limit: None,
            transitions: 0,
            canon,
            seen: Seen::new(),
            reduces,
            wanted,
        };
        let first = World::new(setup);
        let (id, _) = search.seen.insert(search.canon.fingerprint(&first));
        let marks = search.marks(&first, false);
        search.nodes.push(Node { parent: id, chosen: 0, depth: 0, marks });
        search.levels(first, bounds);
        search
    }

    fn levels(&mut self, first: World, bounds: &Bounds) {
        let mut frontier = vec![(0, first)];
        let mut depth = 0;
        while !frontier.is_empty() {
            if depth == bounds.depth {
                self.limit = Some(Limit::Depth);
                return;
            }
            depth += 1;
            let mut next = Vec::new();
            for (id, world) in frontier {
                self.expand(id, &world, depth, &mut next);
                self.limit = self.exceeded(bounds, next.len());
                if self.limit.is_some() || self.is_answered() {
                    return;
                }
            }
            frontier = next;
        }
    }

    pub(super) fn is_answered(&self) -> bool {
        self.wanted.is_some_and(|wanted| self.found.iter().any(|found| found.kind.violates(wanted)))
    }

    fn exceeded(&self, bounds: &Bounds, frontier: usize) -> Option<Limit> {
        /// Bytes of a world in the frontier with all its lists, as measured with two vCPUs.
        const WORLD: u64 = 1 << 10;
        let lists =
            self.nodes.capacity() * size_of::<Node>() + self.edges.capacity() * size_of::<Edge>();
        let memory = self.seen.bytes() + lists as u64 + 2 * frontier as u64 * WORLD;
        if self.seen.len() > bounds.states as usize {
            Some(Limit::States)
        } else if memory > bounds.memory {
            Some(Limit::Memory)
        } else {
            None
        }
    }

    fn expand(&mut self, id: StateId, world: &World, depth: u32, next: &mut Frontier) {
        if self.nodes[id as usize].marks.broken {
            return;
        }
        if self.reduces && world.may_reduce() {
            let mut before = 0;
            for vcpu in world.vcpus() {
                let moves = moves_of(world, vcpu, self.setup);
                let count = moves.len();
                if world.is_ample(vcpu, &moves, self.setup)
                    && self.follow(id, world, (&moves, before), (depth, true), next)
                {
                    return;
                }
                before += count;
            }
        }
        let moves = all_moves(world, self.setup);
        self.follow(id, world, (&moves, 0), (depth, false), next);
    }

    /// Makes these moves. If something new is demanded and there is nothing, does nothing.
    fn follow(
        &mut self,
        from: StateId,
        world: &World,
        (moves, first): (&[Move], usize),
        (depth, demands_new): (u32, bool),
        next: &mut Frontier,
    ) -> bool {
        let mut made: Vec<(u16, Move, World, u128, Vec<Found>)> = Vec::with_capacity(moves.len());
        for (index, &chosen) in moves.iter().enumerate() {
            let mut after = world.clone();
            let mut log = Log::default();
            after.make(chosen, self.setup, &mut log);
            let fingerprint = self.canon.fingerprint(&after);
            made.push(((first + index) as u16, chosen, after, fingerprint, log.found));
        }
        if demands_new && made.iter().all(|(.., fingerprint, _)| self.seen.contains(*fingerprint)) {
            return false;
        }
        for (chosen, which, after, fingerprint, found) in made {
            self.transitions += 1;
            let ends = found.iter().any(|found| found.kind.is_end());
            self.note(found, (from, chosen));
            let (to, new) = self.seen.insert(fingerprint);
            let (by, change) = (by(world, which), change(world, which, &after));
            self.edges.push(Edge { from, to, by, change });
            if new {
                let marks = self.marks(&after, ends);
                self.nodes.push(Node { parent: from, chosen, depth, marks });
                if !marks.broken {
                    next.push((to, after));
                }
            } else if ends {
                let marks = &mut self.nodes[to as usize].marks;
                (marks.end, marks.broken) = (true, true);
            }
        }
        true
    }

    fn note(&mut self, found: Vec<Found>, (from, chosen): (StateId, u16)) {
        for Found { kind, detail } in found {
            if self.found.iter().all(|sighting| sighting.kind != kind) {
                self.found.push(Sighting { kind, detail, from, chosen: Some(chosen) });
            }
        }
    }

    fn marks(&self, world: &World, ends: bool) -> Marks {
        let halted = |vcpu: VcpuId| {
            let state = world.apf.vcpu(vcpu);
            state.halted.is_some() || state.blocked
        };
        Marks {
            end: ends || world.is_final(self.setup),
            broken: ends,
            sleeps: world.cpus.iter().any(|cpu| cpu.tasks.iter().any(|task| task.sleeps)),
            halted: world.vcpus().any(halted),
            done: world.vcpus().any(|vcpu| !world.apf.vcpu(vcpu).done.is_empty()),
        }
    }

    /// The moves that lead to a state, from the beginning.
    pub(super) fn way_to(&self, state: StateId) -> Vec<u16> {
        let mut way = Vec::new();
        let mut at = state;
        while at != 0 {
            let Node { parent, chosen, .. } = self.nodes[at as usize];
            way.push(chosen);
            at = parent;
        }
        way.reverse();
        way
    }
}

fn by(world: &World, chosen: Move) -> By {
    match chosen {
        Move::Interrupt(_) => By::Interrupt,
        Move::Arrive(_) => By::Others,
        Move::Evict(_) | Move::Rearm(_) | Move::DisturbVm(_) | Move::MigrateNoMemory(..) => By::Vm,
        // Where no page can be read, a worker fails, and counts on nothing else.
        Move::Fail(_) if world.reads_fail() => By::Inside,
        Move::Vmm(_, chosen) if chosen.is_disturbance() => By::Disturbance,
        Move::Disturb(..) | Move::Fail(_) | Move::RefuseWork(_) => By::Disturbance,
        Move::Access { vcpu, task, context, failure, .. } => {
            let usual = world.cpu(vcpu).tasks[usize::from(task)].context == context;
            if usual && !failure { By::Inside } else { By::Disturbance }
        }
        _ => By::Inside,
    }
}

fn change(world: &World, chosen: Move, after: &World) -> Change {
    match chosen {
        Move::Evict(page) => Change::Evicts(page),
        Move::Rearm(page) => Change::Rearms(page),
        Move::DisturbVm(which) | Move::MigrateNoMemory(which, _) => Change::Happens(which),
        _ => match after.resident & !world.resident {
            0 => Change::None,
            // A move brings one page at most.
            brought => Change::Brings(brought.trailing_zeros() as u8),
        },
    }
}

fn moves_of(world: &World, vcpu: VcpuId, setup: &Setup) -> Vec<Move> {
    let mut moves = Vec::new();
    world.moves_of(vcpu, setup, &mut moves);
    moves
}

/// Everything that may happen next, in an order that a trace can name.
pub(super) fn all_moves(world: &World, setup: &Setup) -> Vec<Move> {
    let mut moves = Vec::new();
    for vcpu in world.vcpus() {
        world.moves_of(vcpu, setup, &mut moves);
    }
    world.moves_of_vm(setup, &mut moves);
    moves
}
