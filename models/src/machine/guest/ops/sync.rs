//! Tasks that wait for each other: locks, barriers, semaphores.
//!
//! Whoever gives a lock up wakes the first that waits, which then tries again: another task may have taken it
//! meanwhile, as with a futex. The operations themselves cost nothing; what their system calls cost is
//! for the program to say.

use sim_core::EventQueue;

use super::begin::Begin;
use crate::base::ids::{SyncId, TaskId, VcpuId};
use crate::base::record::Event;
use crate::config::SyncKind;
use crate::machine::world::{Cx, MachineEvent};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The current task sleeps until it is woken here.
    fn wait_for(&mut self, vcpu: VcpuId, task: TaskId, on: SyncId) -> Begin {
        self.w.guest.syncs[on.index()].waiting.push_back(task);
        self.note_vcpu_progress(vcpu);
        self.emit(Event::GuestSyncWait { vcpu, task, on });
        self.sleep_current(vcpu, task);
        Begin::Reschedule
    }

    /// Wakes so many that wait, the first first.
    fn wake_waiting(&mut self, on: SyncId, most: usize) {
        for _ in 0..most {
            let Some(task) = self.w.guest.syncs[on.index()].waiting.pop_front() else { return };
            self.wake_task(task);
        }
    }

    /// Takes a lock, or waits to try again.
    pub(super) fn take_lock(&mut self, vcpu: VcpuId, task: TaskId, lock: SyncId) -> Begin {
        let state = &mut self.w.guest.syncs[lock.index()];
        if state.count > 0 {
            return self.wait_for(vcpu, task, lock);
        }
        state.count = 1;
        self.w.guest.tasks[task.index()].pc += 1;
        Begin::Reschedule
    }

    /// Gives a lock up.
    pub(super) fn give_lock(&mut self, task: TaskId, lock: SyncId) -> Begin {
        self.w.guest.tasks[task.index()].pc += 1;
        self.w.guest.syncs[lock.index()].count = 0;
        self.wake_waiting(lock, 1);
        Begin::Reschedule
    }

    /// Waits for the others, or wakes them as the last one.
    pub(super) fn reach_barrier(&mut self, vcpu: VcpuId, task: TaskId, barrier: SyncId) -> Begin {
        self.w.guest.tasks[task.index()].pc += 1;
        let state = &mut self.w.guest.syncs[barrier.index()];
        let SyncKind::Barrier { parties } = state.kind else {
            unreachable!("a barrier is one in all programs")
        };
        state.count += 1;
        if state.count < u64::from(parties) {
            return self.wait_for(vcpu, task, barrier);
        }
        state.count = 0;
        self.wake_waiting(barrier, usize::MAX);
        Begin::Reschedule
    }

    /// Lowers a semaphore, or waits to try again.
    pub(super) fn lower(&mut self, vcpu: VcpuId, task: TaskId, semaphore: SyncId) -> Begin {
        let state = &mut self.w.guest.syncs[semaphore.index()];
        if state.count == 0 {
            return self.wait_for(vcpu, task, semaphore);
        }
        state.count -= 1;
        self.w.guest.tasks[task.index()].pc += 1;
        Begin::Reschedule
    }

    /// Raises a semaphore.
    pub(super) fn raise(&mut self, task: TaskId, semaphore: SyncId, count: u32) -> Begin {
        self.w.guest.tasks[task.index()].pc += 1;
        let state = &mut self.w.guest.syncs[semaphore.index()];
        state.count = state.count.saturating_add(count.into());
        self.wake_waiting(semaphore, count as usize);
        Begin::Reschedule
    }
}
