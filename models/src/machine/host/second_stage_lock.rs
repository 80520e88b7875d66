//! Threads at the lock of the second-stage tables: faults that make entries, reclaim that takes them away.

use sim_core::{EventQueue, SimDuration};

use super::thread::ThreadKind;
use crate::base::ids::{ThreadId, VmId};
use crate::base::record::Event;
use crate::machine::world::{Cx, Flow, MachineEvent, Then, Under};
use crate::parts::memory::pass::ReclaimPass;
use crate::parts::memory::second_stage_lock::{PassLocking, Visit};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// A stretch of work whose end is under the lock.
    pub(in crate::machine) fn under_lock(
        &mut self,
        thread: ThreadId,
        cost: SimDuration,
        under: Under,
    ) -> Flow {
        if self.w.host.second_stage_locks[0].is_none() {
            return Flow::Spend(cost, under.then());
        }
        let held = self.w.setup.prices.lock_fault.time.min(cost);
        self.w.host.threads[thread.index()].locked.span = held;
        Flow::Spend(cost.saturating_sub(held), Then::TakeLock(under))
    }

    /// A thread comes to the lock.
    pub(in crate::machine) fn take_second_stage_lock(
        &mut self,
        thread: ThreadId,
        under: Under,
    ) -> Flow {
        let state = &mut self.w.host.threads[thread.index()];
        let (write, span, vm) = match (under, state.kind) {
            // Faults share it under the TDP MMU only.
            (Under::Map | Under::Prefault(_), ThreadKind::Vcpu(vcpu)) => {
                (self.w.setup.is_shadow(), state.locked.span, self.w.setup.vm(vcpu))
            }
            (
                Under::Map | Under::Prefault(_),
                ThreadKind::Worker(_)
                | ThreadKind::Handler(_)
                | ThreadKind::Shrinker
                | ThreadKind::Reclaimer(_),
            ) => {
                unreachable!("only threads of vCPUs make second-stage entries")
            }
            (Under::Reclaim, _) => (true, state.reclaim.locking.next(), state.reclaim.vm),
        };
        let pcpu = Some(state.pcpu);
        let line = self.w.setup.prices.lock_line.time;
        let now = self.now();
        let Some(lock) = &mut self.w.host.second_stage_locks[vm.index()] else {
            return Flow::Spend(span, under.then());
        };
        let alone = lock.is_alone(write);
        let turn = lock.enter(now, Visit { write, pcpu, span, line });
        let locked = &mut self.w.host.threads[thread.index()].locked;
        if turn.wait.is_zero() {
            locked.holds(turn.span);
            return Flow::Spend(turn.span, under.then());
        }
        locked.holds(turn.wait);
        locked.span = turn.span;
        self.emit(Event::ContentionBegin { thread, write: alone });
        Flow::Spend(turn.wait, Then::LockTaken(under))
    }

    /// The thread has waited and has the lock.
    pub(in crate::machine) fn second_stage_lock_taken(
        &mut self,
        thread: ThreadId,
        under: Under,
    ) -> Flow {
        self.emit(Event::ContentionEnd { thread });
        let locked = &mut self.w.host.threads[thread.index()].locked;
        locked.holds(locked.span);
        Flow::Spend(locked.span, under.then())
    }

    /// How a pass of reclaim takes the lock.
    pub(super) fn locking_of(&self, pass: &ReclaimPass, cost: SimDuration) -> PassLocking {
        let Some(lock) = &self.w.host.second_stage_locks[0] else {
            return PassLocking::new(cost, (0, SimDuration::ZERO), (0, SimDuration::ZERO));
        };
        let prices = &self.w.setup.prices;
        let aged = if lock.is_taken_for_ageing() { pass.aged } else { 0 };
        let unmapped = pass.zapped;
        let (age, unmap) = (prices.lock_age.time, prices.lock_unmap.time);
        PassLocking::new(cost, (aged, age), (unmapped, unmap))
    }

    /// Somebody who is none of the machine's threads takes every entry away at once: it has the lock alone
    /// while it does so to the root (`kvm_mmu_zap_all_fast`); the tables below go while others may take
    /// the lock.
    pub(super) fn lock_to_zap_all(&mut self, vm: VmId) {
        let (now, prices) = (self.now(), &self.w.setup.prices);
        let (span, line) = (prices.lock_unmap.time, prices.lock_line.time);
        if let Some(lock) = &mut self.w.host.second_stage_locks[vm.index()] {
            lock.enter(now, Visit { write: true, pcpu: None, span, line });
        }
    }

    /// The next stretch of a pass of reclaim.
    pub(in crate::machine) fn go_on_with_pass(&mut self, thread: ThreadId) -> Flow {
        match self.w.host.threads[thread.index()].reclaim.locking.before_next() {
            (span, true) => Flow::Spend(span, Then::TakeLock(Under::Reclaim)),
            (span, false) if self.w.host.serves_balloon(thread) => {
                Flow::Spend(span, Then::BalloonAdvised)
            }
            (span, false) => Flow::Spend(span, Then::ReclaimDone),
        }
    }
}
