//! Completions, and whose they are: INV-06, and INV-01 where one confirms it.
//!
//! A completion names no vCPU and no token. It belongs to the oldest request for its address whose
//! VM has its page at that host address.

use super::vcpu::{Place, Request, Unfinished};
use super::{Done, LogEvent, LogMonitors, Orphan, REMEMBERED};
use crate::ids::{Gva, Hva, PAGE_SIZE};
use crate::monitors::catalogue::{INV_01, INV_06};

/// How long a worker may take from publishing a page to saying so, in nanoseconds. An assumption:
/// longer than a scheduler leaves a runnable kernel thread waiting on a busy processor.
const LATE: u64 = 10_000_000;
/// Host addresses of guest address 0 that are kept a vCPU: one a memory slot.
const SLOTS: usize = 4;

/// A request that is not completed, by address and place in the log, and its vCPU.
type Running = ((u64, u64), usize);

impl LogMonitors {
    pub(super) fn completed(&mut self, event: LogEvent, gva: Gva, address: Hva) {
        let base = address.0.wrapping_sub(gva.0 & !(PAGE_SIZE - 1));
        let Some(((key, at), sure)) = self.whose(gva, base) else {
            self.orphaned(event, gva, address);
            return;
        };
        self.running.remove(&key);
        self.remember(gva, address);
        if !sure {
            self.share(gva);
            return;
        }
        let seq = self.seq;
        let own = &mut self.vcpus[at];
        let Some(place) = own.requests.iter().position(|request| request.seq == key.1) else {
            return;
        };
        let known = own.bases.contains(&base) || own.bases.len() == SLOTS;
        if !known && !own.requests[place].shared {
            own.bases.push(base);
        }
        let overtook = own.requests[..place].iter().any(|r| r.completed.is_none() && !r.doubtful);
        self.survey.completed += 1;
        self.survey.completed_out_of_order += u64::from(overtook);
        let request = &mut own.requests[place];
        request.completed = Some(Place { line: event.line, ns: event.ns, seq });
        let latency = event.ns.saturating_sub(request.announced.ns);
        self.survey.course.latencies(at).not_present_to_completed.record(latency);
        self.confirm_double(at, place, event);
    }

    /// The request that a completion is for, and whether it can be no other vCPU's.
    fn whose(&self, gva: Gva, base: u64) -> Option<(Running, bool)> {
        let candidates = || {
            let range = self.running.range((gva.0, 0)..=(gva.0, u64::MAX));
            range.map(|(&key, &at)| (key, at))
        };
        let fits = |&(_, at): &(_, usize)| self.vcpus[at].bases.contains(&base);
        let may_fit = |&(_, at): &(_, usize)| self.vcpus[at].bases.len() < SLOTS;
        let (chosen, count) = match candidates().find(fits) {
            Some(chosen) => (chosen, candidates().filter(fits).count()),
            None => (candidates().find(may_fit)?, candidates().filter(may_fit).count()),
        };
        Some((chosen, count == 1))
    }

    /// Two vCPUs wait for the same address: which of them a completion is for, the log does not
    /// say.
    fn share(&mut self, gva: Gva) {
        for request in self.vcpus.iter_mut().flat_map(|own| &mut own.requests) {
            request.shared |= request.gva == gva && request.completed.is_none();
        }
    }

    /// A request was completed, or ready, that another one for its frame was announced beside.
    pub(super) fn confirm_double(&mut self, at: usize, place: usize, event: LogEvent) {
        let request = self.vcpus[at].requests[place];
        let Some(second) = request.doubled else { return };
        self.vcpus[at].requests[place].doubled = None;
        let text = format!(
            "frame {} of {} was announced twice: request {} for it was outstanding still",
            request.gfn(),
            self.vcpus[at].label(),
            request.token
        );
        self.say(at, INV_01, event, text, &[request.announced, second]);
    }

    fn remember(&mut self, gva: Gva, address: Hva) {
        if self.done.len() == REMEMBERED {
            self.done.pop_front();
        }
        self.done.push_back(Done { gva: gva.0, address });
    }

    /// A completion of no known request.
    fn orphaned(&mut self, event: LogEvent, gva: Gva, address: Hva) {
        // The worker says so only after it has published the page: page ready may come first.
        for own in &mut self.vcpus {
            let late = own.unfinished.iter().position(|unfinished| unfinished.request.gva == gva);
            if let Some(place) = late {
                own.unfinished.remove(place);
                self.survey.ready_before_completed += 1;
                self.remember(gva, address);
                return;
            }
        }
        let again = self.done.iter().any(|done| done.gva == gva.0 && done.address == address);
        if again && self.orphans.len() < REMEMBERED {
            self.orphans.push(Orphan { event, seq: self.seq, passed: Vec::new() });
        } else {
            self.survey.foreign_completions += 1;
        }
    }

    /// A second completion is certain when every vCPU has dequeued past it.
    pub(super) fn pass_orphans(&mut self, at: usize, request: &Request) {
        let active = self.vcpus.iter().filter(|own| own.counts.ready > 0).count();
        let mut certain = Vec::new();
        self.orphans.retain_mut(|orphan| {
            if request.seq > orphan.seq && !orphan.passed.contains(&at) {
                orphan.passed.push(at);
            }
            let all = orphan.passed.len() >= active;
            if all {
                certain.push(orphan.event);
            }
            !all
        });
        for event in certain {
            let text = "a page is completed a second time, and no other request for it is \
                        outstanding";
            self.ledger.breach(INV_06, event, text.to_owned(), Vec::new());
        }
    }

    /// Requests that were ready long ago and never completed.
    pub(super) fn find_unfinished(&mut self, at: usize, event: LogEvent, request: &Request) {
        if self.vcpus[at].unfinished.is_empty() || !self.seen.completed {
            return;
        }
        let over = |unfinished: &Unfinished| {
            unfinished.seq < request.seq && event.ns.saturating_sub(unfinished.ready.ns) > LATE
        };
        while let Some(place) = self.vcpus[at].unfinished.iter().position(over) {
            let Unfinished { request, ready, .. } = self.vcpus[at].unfinished.remove(place);
            let text = format!(
                "request {} of {} was dequeued, and no worker completed it",
                request.token,
                self.vcpus[at].label()
            );
            self.say(at, INV_06, event, text, &[request.announced, ready]);
        }
    }
}
