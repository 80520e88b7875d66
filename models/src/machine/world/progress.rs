//! Counting steps and interrupts against the bounds of [`super::watchdog`].

use sim_core::{EventQueue, SimDuration};

use super::cx::Cx;
use super::event::MachineEvent;
use super::failure::Failure;
use super::flow::{Then, Under};
use super::next_steps::thread_of;
use super::watchdog::{PREFILL_STEPS, Progress, SPIN_STEP, SPIN_STEPS};
use crate::base::ids::{ThreadId, VcpuId};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The thread gets on: a task of its vCPU has run, or it begins an item.
    pub(in crate::machine) fn note_progress(&mut self, thread: ThreadId) {
        let since = self.now();
        let progress = self.w.watchdog.of(thread);
        (progress.steps, progress.since) = (0, since);
        self.w.watchdog.prefill_steps = 0;
    }

    /// As [`Self::note_progress`], for the thread of a vCPU.
    pub(in crate::machine) fn note_vcpu_progress(&mut self, vcpu: VcpuId) {
        self.note_progress(thread_of(vcpu));
    }

    /// Counts a step of a thread. False: there have been too many.
    pub(in crate::machine) fn count_step(&mut self, thread: ThreadId, then: Then) -> bool {
        let time = self.now();
        let progress = self.w.watchdog.of(thread);
        progress.interrupts = 0;
        if is_visit_of_a_pass(then) {
            return true;
        }
        progress.steps += 1;
        let Progress { steps, since, .. } = *progress;
        if self.w.setup.policy.is_none() {
            self.w.watchdog.prefill_steps += 1;
            if self.w.watchdog.prefill_steps >= PREFILL_STEPS {
                return self.fail(Failure::PrefillWithoutEnd { time, thread, doing: then.doing() });
            }
        }
        if steps < SPIN_STEPS {
            return true;
        }
        if time.saturating_since(since) < SPIN_STEP.times(SPIN_STEPS.into()) {
            return self.fail(Failure::Spins { time, since, thread, doing: then.doing() });
        }
        let progress = self.w.watchdog.of(thread);
        (progress.steps, progress.since) = (0, time);
        true
    }

    /// Counts an interrupt of a stretch of work of which so much is left.
    pub(in crate::machine) fn count_interrupt(
        &mut self,
        thread: ThreadId,
        left: SimDuration,
        doing: Then,
    ) {
        let time = self.now();
        let progress = self.w.watchdog.of(thread);
        if progress.interrupts == 0 {
            progress.left = left;
        }
        progress.interrupts += 1;
        if progress.interrupts < SPIN_STEPS {
            return;
        }
        progress.interrupts = 0;
        if left >= progress.left {
            self.fail(Failure::Starved { time, thread, doing: doing.doing() });
        }
    }
}

/// Whether a step belongs to one of the visits of a pass of reclaim to the lock, which come to an end by themselves.
fn is_visit_of_a_pass(then: Then) -> bool {
    matches!(
        then,
        Then::TakeLock(Under::Reclaim) | Then::LockTaken(Under::Reclaim) | Then::ReclaimUnlocked
    )
}
