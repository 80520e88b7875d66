//! Faults that the VMM answers: exits to it, its rings and handlers, and what becomes of memory that it serves.

use std::collections::BTreeMap;

use sim_core::SimTime;

use super::totals::Counts;
use crate::base::ids::ThreadId;
use crate::base::record::Event;

/// Threads that give memory back of which somebody is told, and since when.
#[derive(Clone, Debug, Default)]
pub(super) struct UserFaults {
    removing: BTreeMap<ThreadId, SimTime>,
}

impl UserFaults {
    /// Takes in a record of the VMM; `measuring` is 1 in the measured phase, which began at `measured`.
    pub(super) fn observe(
        &mut self,
        now: SimTime,
        event: &Event,
        (counts, measuring): (&mut Counts, u64),
        measured: Option<SimTime>,
    ) {
        match *event {
            Event::KvmUserspaceExit { plain, .. } => {
                counts.user_exits += measuring;
                counts.user_waits += measuring * u64::from(plain);
            }
            Event::KvmAsyncPfExitlessNotify { .. } => counts.ring_requests += measuring,
            Event::VmmSignal { .. } => counts.ring_signals += measuring,
            Event::VmmAwake { .. } => counts.handler_wakeups += measuring,
            Event::VmmEnd { .. } => {
                let lived = measured.map(|begin| now.saturating_since(begin).as_ps());
                counts.vmm_lived_ps = counts.vmm_lived_ps.or(lived);
            }
            Event::UffdLost { .. } => counts.lost_pages += measuring,
            Event::UffdPoisoned { .. } => counts.poisoned_pages += measuring,
            Event::UffdRemove { thread, .. } => {
                counts.remove_events += measuring;
                self.removing.insert(thread, now);
            }
            Event::UffdAgain { .. } => counts.uffd_again += measuring,
            Event::MadviseDontneed { thread, .. } => {
                if let Some(since) = self.removing.remove(&thread) {
                    counts.remove_wait_ps += u128::from(measuring * now.since(since).as_ps());
                }
            }
            _ => {}
        }
    }
}
