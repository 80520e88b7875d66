//! Breaches that are none if an event is not recorded which the log has not shown yet.

use std::collections::BTreeMap;

use super::event::LogEvent;
use super::ledger::Ledger;
use crate::monitors::catalogue::InvariantId;

pub(super) const SOME_WORKERS: &str = "the log leaves out workers that other lines speak of: a filter of threads or \
                                       processors?";
/// Breaches that wait.
const MAX_DEFERRED: usize = 16;

/// What the log must show for a breach to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Needs {
    /// `kvm_async_pf_not_present`
    Announcements,
    /// `kvm_inj_exception`
    Exceptions,
    /// A kernel whose page ready is an exception.
    ReadyByException,
    /// One whose page ready is an interrupt.
    ReadyByInterrupt,
    /// All workers, as far as it has any.
    AllWorkers,
}

/// A breach that waits for the end of the log.
#[derive(Clone, Debug)]
pub(super) struct Deferred {
    pub(super) id: InvariantId,
    pub(super) needs: Needs,
    pub(super) event: LogEvent,
    pub(super) text: String,
    pub(super) story: Vec<LogEvent>,
}

/// All breaches that wait.
#[derive(Clone, Debug, Default)]
pub(super) struct Deferrals {
    kept: Vec<Deferred>,
    /// More of them than are kept.
    more: BTreeMap<(InvariantId, Needs), u64>,
}

impl Deferrals {
    /// Keeps a breach until the end of the log.
    pub(super) fn keep(&mut self, breach: Deferred) {
        if self.kept.len() < MAX_DEFERRED {
            self.kept.push(breach);
        } else {
            *self.more.entry((breach.id, breach.needs)).or_default() += 1;
        }
    }

    /// Events were lost since that time, among which may be those that excuse them.
    pub(super) fn forget(&mut self, since: u64) {
        self.kept.retain(|one| one.needs == Needs::AllWorkers && one.event.ns < since);
        self.more.clear();
    }

    /// Those that wait for one kind are none.
    pub(super) fn forget_those(&mut self, needs: Needs) {
        self.kept.retain(|one| one.needs != needs);
        self.more.retain(|(_, of), _| *of != needs);
    }

    /// The log is over: notes those that depend on nothing but what it `shows`.
    pub(super) fn settle(self, shows: impl Fn(Needs) -> bool, ledger: &mut Ledger) {
        for Deferred { id, needs, event, text, story } in self.kept {
            if shows(needs) {
                ledger.breach(id, event, text, story);
            } else if needs == Needs::AllWorkers {
                ledger.unjudged(id, SOME_WORKERS, 1);
            }
        }
        for ((id, needs), count) in self.more {
            if shows(needs) {
                ledger.more(id, count);
            }
        }
    }
}
