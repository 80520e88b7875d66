//! Faults that the VMM answers: exits to it, its rings and handlers, and what becomes of memory that it serves.

use std::collections::BTreeMap;

use sim_core::SimTime;

use super::totals::Counts;
use crate::base::ids::{ThreadId, VmId};
use crate::base::record::Event;

/// Threads that give memory back of which somebody is told, and since when.
#[derive(Clone, Debug, Default)]
pub(super) struct UserFaults {
    removing: BTreeMap<ThreadId, SimTime>,
    /// Virtual machines that are stopped, and those whose snapshot is not complete, and since when.
    stopped: BTreeMap<VmId, SimTime>,
    saving: BTreeMap<VmId, SimTime>,
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
            Event::VmStop { vm } => {
                self.stopped.insert(vm, now);
            }
            Event::VmResume { vm } => {
                if let Some(since) = self.stopped.remove(&vm) {
                    counts.stopped_ps += u128::from(measuring * now.since(since).as_ps());
                }
            }
            Event::UffdProtect { vm, pages, .. } => {
                counts.protected_pages += measuring * pages;
                self.saving.insert(vm, now);
            }
            Event::UffdWpMessage { .. } => counts.write_messages += measuring,
            Event::UffdSaved { page, left } => {
                counts.saved_pages += measuring;
                if left == 0
                    && let Some(since) = self.saving.remove(&page.vm())
                {
                    let took = measuring * now.since(since).as_ps();
                    counts.snapshot_ps = Some(counts.snapshot_ps.unwrap_or(0).max(took));
                }
            }
            Event::MadviseDontneed { thread, .. } => {
                if let Some(since) = self.removing.remove(&thread) {
                    counts.remove_wait_ps += u128::from(measuring * now.since(since).as_ps());
                }
            }
            _ => {}
        }
    }
}
