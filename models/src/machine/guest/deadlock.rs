//! Tasks that wait for each other, and for nobody else.

use super::state::Guest;
use super::task::{Program, Task};
use crate::base::ids::{SyncId, TaskId};
use crate::config::{Op, SyncKind};

/// A task that waits for a lock, a barrier or a signal that no other task can give any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// The task.
    pub task: TaskId,
    /// What it waits for.
    pub on: SyncId,
    /// Who has it, of a lock.
    pub held_by: Option<TaskId>,
}

impl Task {
    fn ops(&self) -> &[Op] {
        match &self.program {
            Program::Loop { ops } => ops,
            Program::Fill { .. } => &[],
        }
    }

    fn is_over(&self) -> bool {
        self.program.passes().is_some_and(|passes| self.passes >= passes)
    }

    fn holds(&self, lock: SyncId) -> bool {
        let ops = self.ops();
        let is_enter = |op: &Op| matches!(op, Op::LockEnter { lock: own } if *own == lock);
        let is_exit = |op: &Op| matches!(op, Op::LockExit { lock: own } if *own == lock);
        // Sections of one lock are not inside each other.
        let before = ops.get(..self.pc as usize).unwrap_or_default();
        match before.iter().rposition(is_enter) {
            Some(enter) => !before[enter..].iter().any(is_exit),
            None => false,
        }
    }

    fn has(&self, is: impl Fn(&Op) -> bool) -> bool {
        self.ops().iter().any(is)
    }
}

impl Guest {
    /// Tasks that wait for each other and for nobody else. Who does anything else, or may be woken by somebody who
    /// does, is taken to go on, and so is whoever waits for the same: none of these tasks ever does.
    pub(in crate::machine) fn stuck(&self) -> Vec<Stuck> {
        // What is waited for, with who holds it; few of them for any number of tasks.
        let mut open: Vec<(SyncId, Option<TaskId>)> = Vec::new();
        for (on, sync) in (0..).map(SyncId).zip(&self.syncs) {
            if !sync.waiting.is_empty() {
                let mut tasks = (0..).map(TaskId).zip(&self.tasks);
                open.push((on, tasks.find(|(_, task)| task.holds(on)).map(|(id, _)| id)));
            }
        }
        let mut waits = vec![false; self.tasks.len()];
        let of = |on: SyncId| self.syncs[on.index()].waiting.iter();
        open.iter().for_each(|(on, _)| of(*on).for_each(|task| waits[task.index()] = true));
        // Whoever can be woken goes on, and may wake others.
        while let Some(place) = open.iter().position(|given| self.may_be_given(*given, &waits)) {
            let (on, _) = open.remove(place);
            of(on).for_each(|task| waits[task.index()] = false);
        }
        let mut stuck: Vec<Stuck> = open
            .iter()
            .flat_map(|&(on, held_by)| of(on).map(move |&task| Stuck { task, on, held_by }))
            .collect();
        stuck.sort_by_key(|stuck| stuck.task);
        stuck
    }

    /// Whether a task that goes on may give what others wait for.
    fn may_be_given(&self, (on, held_by): (SyncId, Option<TaskId>), waits: &[bool]) -> bool {
        let sync = &self.syncs[on.index()];
        let going_on = |is: &dyn Fn(&Op) -> bool| {
            let all = self.tasks.iter().zip(waits);
            all.filter(|(task, waits)| !**waits && !task.is_over() && task.has(is)).count() as u64
        };
        match sync.kind {
            // Given up, and somebody who was woken is about to take it; or its holder goes on.
            SyncKind::Lock => held_by.is_none_or(|holder| !waits[holder.index()]),
            SyncKind::Barrier { parties } => {
                let comes = |op: &Op| matches!(op, Op::Barrier { barrier } if *barrier == on);
                sync.count + going_on(&comes) >= parties.into()
            }
            SyncKind::Semaphore => {
                let wakes = |op: &Op| matches!(op, Op::Wake { semaphore, .. } if *semaphore == on);
                sync.count > 0 || going_on(&wakes) > 0
            }
        }
    }
}
