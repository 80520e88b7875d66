//! How long threads spin for locks that the models have: that of the second-stage tables and those of a userfaultfd
//! descriptor.

use std::collections::BTreeMap;

use sim_core::SimTime;

use super::totals::Counts;
use crate::base::ids::ThreadId;
use crate::base::record::Event;

/// Threads that spin, and since when.
#[derive(Clone, Debug, Default)]
pub(super) struct LockWaits(BTreeMap<ThreadId, SimTime>);

impl LockWaits {
    /// Takes in a record of a lock; `measuring` is 1 in the measured phase.
    pub(super) fn observe(
        &mut self,
        now: SimTime,
        event: &Event,
        (counts, measuring): (&mut Counts, u64),
    ) {
        match *event {
            Event::ContentionBegin { thread, .. } | Event::UffdLockWait { thread, .. } => {
                self.0.insert(thread, now);
            }
            Event::ContentionEnd { thread } => {
                if let Some(span) = self.end(now, thread) {
                    counts.mmu_lock_wait_ps += span * u128::from(measuring);
                    counts.mmu_lock_contentions += measuring;
                }
            }
            Event::UffdLockTaken { thread } => {
                if let Some(span) = self.end(now, thread) {
                    counts.uffd_lock_wait_ps += span * u128::from(measuring);
                    counts.uffd_lock_contentions += measuring;
                }
            }
            _ => {}
        }
    }

    /// How long the thread spun, in picoseconds.
    fn end(&mut self, now: SimTime, thread: ThreadId) -> Option<u128> {
        let since = self.0.remove(&thread)?;
        Some(u128::from(now.saturating_since(since).as_ps()))
    }
}
