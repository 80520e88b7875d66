//! The lock of a VM's second-stage tables (`kvm->mmu_lock`), followed by the times at which it is let go.
//!
//! Who has it neither sleeps nor loses its processor, and knows how long it works when it gets it; whoever
//! comes waits in line (`queued_spin_lock_slowpath`, `queued_read_lock_slowpath`: both fair). So the turn of
//! a thread is known when it comes, nothing that comes later changes it, and no queue is kept: a thread that
//! wants the lock alone begins when all before it have ended, one that shares it when the last of those that
//! want it alone has. `wait for` is then a maximum.
//!
//! Threads that share the lock still meet at its cache line, which both taking and leaving it write. The line
//! goes from one processor to the next, one transfer at a time. What leaving costs is charged when the lock is
//! taken, so that the end of a hold stays known.

use sim_core::{SimDuration, SimTime};

use crate::base::ids::PcpuId;
use crate::config::SecondStageLock;

/// What a thread wants with the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Visit {
    /// Whether it wants to be alone, where the lock can be shared at all.
    pub write: bool,
    /// Its processor; none: one that is not the machine's.
    pub pcpu: Option<PcpuId>,
    /// How long it works under the lock.
    pub span: SimDuration,
    /// What one transfer of the cache line takes.
    pub line: SimDuration,
}

/// When a thread has the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// How long it spins for others to let go.
    pub wait: SimDuration,
    /// How long it takes from there to the end of its work, transfers of the line included.
    pub span: SimDuration,
}

/// The lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Turnstile {
    shares: bool,
    /// Whether asking for an entry's age takes it.
    ages: bool,
    /// When the last of those that want it alone lets go.
    alone_until: SimTime,
    /// When the last of those that share it lets go.
    shared_until: SimTime,
    /// The processor that the cache line goes to last, and when it is there.
    line: Option<(Option<PcpuId>, SimTime)>,
}

impl Turnstile {
    /// The lock of a host's kernel at power-on, if it is kept. With one processor it is not: who has it is
    /// not preempted, so that nobody could ever come to it meanwhile.
    pub(crate) fn new(kind: SecondStageLock, cpus: u16) -> Option<Self> {
        let (shares, ages) = match kind {
            SecondStageLock::None => return None,
            SecondStageLock::OneHolder => (false, true),
            SecondStageLock::Readers => (true, true),
            SecondStageLock::ReadersAgeFreely => (true, false),
        };
        let (alone_until, shared_until) = (SimTime::ZERO, SimTime::ZERO);
        (cpus > 1).then_some(Self { shares, ages, alone_until, shared_until, line: None })
    }

    /// Whether asking whether a page was used takes the lock.
    pub(crate) fn is_taken_for_ageing(&self) -> bool {
        self.ages
    }

    /// Whether a visit has the lock alone.
    pub(crate) fn is_alone(&self, write: bool) -> bool {
        write || !self.shares
    }

    /// A thread comes to the lock at `now`, which is not before anybody else came.
    pub(crate) fn enter(&mut self, now: SimTime, visit: Visit) -> Turn {
        let alone = self.is_alone(visit.write);
        let before = if alone { self.shared_until } else { SimTime::ZERO };
        let turn = now.max(self.alone_until).max(before);
        let reached = match self.line {
            Some((last, there)) if last != visit.pcpu || last.is_none() => {
                // A line that is alone goes over once, a shared one for taking and for leaving.
                turn.max(there) + visit.line.times(if alone { 1 } else { 2 })
            }
            _ => turn,
        };
        self.line = Some((visit.pcpu, reached));
        let end = reached + visit.span;
        match alone {
            true => self.alone_until = end,
            false => self.shared_until = self.shared_until.max(end),
        }
        Turn { wait: turn.since(now), span: end.since(turn) }
    }
}

/// How one pass of reclaim takes the lock: once for each entry that it asks for or takes away, at equal
/// distances over its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PassLocking {
    aged: u32,
    age: SimDuration,
    unmapped: u32,
    unmap: SimDuration,
    /// What lies before each time.
    gap: SimDuration,
    /// What lies behind the last.
    rest: SimDuration,
}

impl PassLocking {
    /// For a pass of `cost` that asks for entries and takes some away, each so often and for so long.
    pub(crate) fn new(
        cost: SimDuration,
        (aged, age): (u32, SimDuration),
        (unmapped, unmap): (u32, SimDuration),
    ) -> Self {
        let visits = u64::from(aged) + u64::from(unmapped);
        if visits == 0 {
            return Self { rest: cost, ..Self::default() };
        }
        let each = SimDuration::from_ps(cost.as_ps() / visits);
        // What is done under the lock is part of the cost.
        let (age, unmap) = (age.min(each), unmap.min(each));
        let under = age.times(aged.into()) + unmap.times(unmapped.into());
        let left = cost.saturating_sub(under);
        let gap = SimDuration::from_ps(left.as_ps() / visits);
        let rest = left.saturating_sub(gap.times(visits));
        Self { aged, age, unmapped, unmap, gap, rest }
    }

    /// What is to be done before the next visit; without one, before the pass is over.
    pub(crate) fn before_next(&self) -> (SimDuration, bool) {
        let more = self.aged > 0 || self.unmapped > 0;
        (if more { self.gap } else { self.rest }, more)
    }

    /// The next visit, and how long it works under the lock.
    pub(crate) fn next(&mut self) -> SimDuration {
        if self.aged > 0 {
            self.aged -= 1;
            return self.age;
        }
        self.unmapped = self.unmapped.saturating_sub(1);
        self.unmap
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::named::Named;

    const NS: fn(u64) -> SimDuration = SimDuration::from_ns;

    fn at(ns: u64) -> SimTime {
        SimTime::ZERO + NS(ns)
    }

    fn visit(pcpu: u16, write: bool, span: u64) -> Visit {
        Visit { write, pcpu: Some(PcpuId(pcpu)), span: NS(span), line: SimDuration::ZERO }
    }

    fn wait(lock: &mut Turnstile, now: u64, pcpu: u16, write: bool, span: u64) -> u64 {
        lock.enter(at(now), visit(pcpu, write, span)).wait.as_ns()
    }

    #[test]
    fn one_holder_lets_one_in_after_the_other() {
        let mut lock = Turnstile::new(SecondStageLock::OneHolder, 9).unwrap();
        assert_eq!(wait(&mut lock, 0, 0, false, 100), 0);
        assert_eq!(wait(&mut lock, 10, 1, false, 100), 90);
        assert_eq!(wait(&mut lock, 20, 2, true, 100), 180);
        assert_eq!(wait(&mut lock, 300, 0, false, 100), 0);
    }

    #[test]
    fn readers_share_and_queue_behind_a_writer_that_waits() {
        let mut lock = Turnstile::new(SecondStageLock::Readers, 9).unwrap();
        assert_eq!(wait(&mut lock, 0, 0, false, 100), 0);
        assert_eq!(wait(&mut lock, 50, 1, false, 100), 0);
        assert_eq!(wait(&mut lock, 60, 2, true, 40), 90, "behind the longest reader");
        assert_eq!(wait(&mut lock, 70, 3, false, 100), 120, "behind the writer");
        assert_eq!(wait(&mut lock, 71, 4, false, 10), 119);
        assert_eq!(wait(&mut lock, 80, 5, true, 1), 210, "behind readers that have yet to begin");
    }

    #[test]
    fn readers_meet_at_the_cache_line() {
        let mut lock = Turnstile::new(SecondStageLock::Readers, 9).unwrap();
        let with_line = |pcpu| Visit { line: NS(30), ..visit(pcpu, false, 100) };
        let spans = [0, 0, 1, 2, 2].map(|pcpu| lock.enter(at(0), with_line(pcpu)).span.as_ns());
        assert_eq!(spans, [100, 100, 160, 220, 100]);
    }

    #[test]
    fn a_line_that_was_elsewhere_comes_over_to_whoever_is_next() {
        let mut lock = Turnstile::new(SecondStageLock::OneHolder, 9).unwrap();
        let with_line = |pcpu: Option<u16>| Visit {
            line: NS(30),
            pcpu: pcpu.map(PcpuId),
            ..visit(0, true, 100)
        };
        let visits = [Some(1), Some(1), None, None, Some(1)];
        let spans = visits.map(|pcpu| lock.enter(at(0), with_line(pcpu)).span.as_ns());
        assert_eq!(spans, [100, 100, 130, 130, 130]);
    }

    #[test]
    fn a_lock_that_two_cannot_meet_at_is_not_kept() {
        for &kind in SecondStageLock::ALL {
            assert_eq!(Turnstile::new(kind, 1), None);
            assert_eq!(Turnstile::new(kind, 2).is_some(), kind != SecondStageLock::None);
        }
    }

    #[test]
    fn a_pass_takes_as_long_as_it_costs() {
        for (cost, aged, unmapped) in [(1000, 3, 4), (7, 3, 4), (50, 0, 0), (1_000_003, 32, 0)] {
            let mut pass = PassLocking::new(NS(cost), (aged, NS(20)), (unmapped, NS(90)));
            let mut spent = SimDuration::ZERO;
            loop {
                let (span, more) = pass.before_next();
                spent += span;
                if !more {
                    break;
                }
                spent += pass.next();
            }
            assert_eq!(spent, NS(cost), "{aged} {unmapped}");
        }
    }
}
