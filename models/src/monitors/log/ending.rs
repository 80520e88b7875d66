//! The end of a log: what waits still, and what stays open. INV-15.

use super::answers::OFF;
use super::requests::OLD as OLD_KERNEL;
use super::{Deferred, LogMonitors, MOST_DEFERRED, Needs};
use crate::monitors::catalogue::{Family, INV_04, INV_05, INV_06, INV_13, INV_15};

/// Events after which a vCPU surely goes on: one that was stopped has a few when it goes on again.
const ACTIVE: u64 = 16;
const END: &str = "the log ends first";

impl LogMonitors {
    /// Keeps a breach until the end of the log.
    pub(super) fn defer(&mut self, breach: Deferred) {
        if self.deferred.len() < MOST_DEFERRED {
            self.deferred.push(breach);
        } else {
            *self.deferred_more.entry((breach.id, breach.needs)).or_default() += 1;
        }
    }

    /// Whether the log has shown what a breach depends on.
    fn shows(&self, needs: Needs) -> bool {
        match needs {
            Needs::Announcements => self.seen.announced,
            Needs::Exceptions => self.seen.exceptions,
            Needs::ReadyByException => self.family() == (Family::V7, true),
        }
    }

    /// The log is over.
    pub(super) fn close(&mut self) {
        let end = self.now;
        self.settle_told_by();
        let bound = self.config.liveness_bound;
        for at in 0..self.vcpus.len() {
            self.settle_attempt(at);
            let own = &mut self.vcpus[at];
            let suspects = std::mem::take(&mut own.suspects);
            self.ledger.unjudged(INV_13, OFF, suspects.len() as u64);
            if self.vcpus[at].zero.is_some() {
                self.ledger.unjudged(INV_04, OLD_KERNEL, 1);
            }
            // What is not late yet may still come.
            let own = &mut self.vcpus[at];
            let before = own.unfinished.len();
            own.unfinished.retain(|one| one.overdue.is_some());
            let open = (before - own.unfinished.len()) as u64;
            self.ledger.unjudged(INV_06, END, open);
            if self.vcpus[at].over.is_some() {
                self.ledger.unjudged(INV_05, END, 1);
            }
            let requests = self.vcpus[at].requests.clone();
            for request in &requests {
                if let Some(done) = request.completed {
                    self.time_completed(at, request, done.ns);
                }
            }
            let mut open = 0;
            for request in requests.iter().filter(|request| !request.doubtful) {
                open += 1;
                let Some(done) = request.completed else { continue };
                if end.saturating_sub(done.ns) <= bound || !self.seen.ready {
                    continue;
                }
                let own = &self.vcpus[at];
                let active = own.last_ns.saturating_sub(done.ns) > bound
                    && own.events.saturating_sub(done.events) >= ACTIVE;
                if active {
                    let waited = (self.vcpus[at].last_ns - done.ns) / 1_000_000;
                    let text = format!(
                        "request {} of {} was completed at line {} and is not dequeued, though \
                         the vCPU went on for {waited} ms",
                        request.token,
                        self.vcpus[at].label(),
                        done.line
                    );
                    self.say(at, INV_15, request.announced, text, &[]);
                } else {
                    self.ledger.unjudged(
                        INV_15,
                        "a completed request waits, and its vCPU did nothing any more: hung, \
                         stopped or destroyed; record kvm_entry, kvm_exit and sched_switch",
                        1,
                    );
                }
            }
            self.ledger.unjudged(INV_13, END, open);
        }
        for Deferred { id, needs, event, text, story } in std::mem::take(&mut self.deferred) {
            if self.shows(needs) {
                self.ledger.breach(id, event, text, story);
            }
        }
        for ((id, needs), count) in std::mem::take(&mut self.deferred_more) {
            if self.shows(needs) {
                self.ledger.more(id, count);
            }
        }
        let before = self.orphans.len();
        self.orphans.retain(|orphan| orphan.certain);
        self.ledger.unjudged(INV_06, END, (before - self.orphans.len()) as u64);
        self.settle_overdue(u64::MAX);
    }
}
