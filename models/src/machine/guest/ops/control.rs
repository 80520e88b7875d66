//! Where a program goes on: repetitions, choices, phases. None of these takes time.

use sim_core::{EventQueue, SimDuration};

use super::begin::Begin;
use crate::base::ids::{LawId, TaskId};
use crate::machine::world::{Cx, MachineEvent};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Sets a counter and goes on, or passes over what is repeated no time.
    pub(super) fn begin_repeat(&mut self, task: TaskId, times: u64, skip: u32, slot: u8) -> Begin {
        let state = &mut self.w.guest.tasks[task.index()];
        state.counters[usize::from(slot)] = times;
        state.pc += if times == 0 { skip } else { 1 };
        Begin::Reschedule
    }

    /// The same for a drawn number of times.
    pub(super) fn begin_drawn_repeat(
        &mut self,
        task: TaskId,
        law: LawId,
        skip: u32,
        slot: u8,
    ) -> Begin {
        let times = self.draw(task, law);
        self.begin_repeat(task, times, skip, slot)
    }

    /// Goes back until the counter is down.
    pub(super) fn again(&mut self, task: TaskId, back: u32, slot: u8) -> Begin {
        let state = &mut self.w.guest.tasks[task.index()];
        let counter = &mut state.counters[usize::from(slot)];
        *counter = counter.saturating_sub(1);
        match *counter {
            0 => state.pc += 1,
            _ => state.pc -= back,
        }
        Begin::Reschedule
    }

    /// Passes over what the task has done before.
    pub(super) fn once(&mut self, task: TaskId, flag: u8, skip: u32) -> Begin {
        let state = &mut self.w.guest.tasks[task.index()];
        let bit = 1_u64 << flag;
        state.pc += if state.done & bit == 0 { 1 } else { skip };
        state.done |= bit;
        Begin::Reschedule
    }

    /// Goes on in `part` of `whole` times, else further ahead.
    pub(super) fn branch(&mut self, task: TaskId, part: u32, whole: u32, skip: u32) -> Begin {
        let state = &mut self.w.guest.tasks[task.index()];
        let goes_on = state.numbers.below(whole.into()) < part.into();
        state.pc += if goes_on { 1 } else { skip };
        Begin::Reschedule
    }

    /// Goes on further ahead.
    pub(super) fn jump(&mut self, task: TaskId, skip: u32) -> Begin {
        self.w.guest.tasks[task.index()].pc += skip;
        Begin::Reschedule
    }

    /// Goes back before a time after the start barrier.
    pub(super) fn until(&mut self, task: TaskId, at: SimDuration, back: u32) -> Begin {
        let over = self.now().saturating_since(self.w.guest.started) >= at;
        let state = &mut self.w.guest.tasks[task.index()];
        match over {
            true => state.pc += 1,
            false => state.pc -= back,
        }
        Begin::Reschedule
    }
}
