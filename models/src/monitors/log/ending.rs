//! The end of a log: what waits still, and what stays open. INV-15.

use super::LogMonitors;
use super::answers::OFF;
use crate::monitors::catalogue::{INV_05, INV_06, INV_13, INV_15};

const END: &str = "the log ends first";

impl LogMonitors {
    /// The log is over.
    pub(super) fn close(&mut self) {
        let end = self.now;
        let bound = self.config.liveness_bound;
        for at in 0..self.vcpus.len() {
            self.settle_attempt(at);
            let own = &mut self.vcpus[at];
            let suspects = std::mem::take(&mut own.suspects);
            self.ledger.unjudged(INV_13, OFF, suspects.len() as u64);
            let unfinished = std::mem::take(&mut self.vcpus[at].unfinished);
            self.ledger.unjudged(INV_06, END, unfinished.len() as u64);
            if self.vcpus[at].over.is_some() {
                self.ledger.unjudged(INV_05, END, 1);
            }
            let requests = self.vcpus[at].requests.clone();
            let mut open = 0;
            for request in requests.iter().filter(|request| !request.doubtful) {
                open += 1;
                let Some(done) = request.completed else { continue };
                if end.saturating_sub(done.ns) <= bound {
                    continue;
                }
                let active = self.vcpus[at].last_ns.saturating_sub(done.ns) > bound;
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
        self.ledger.unjudged(INV_06, END, self.orphans.len() as u64);
    }
}
