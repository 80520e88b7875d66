//! Completions, and whose they are: INV-06, and INV-01 where one confirms it.
//!
//! A completion names no vCPU and no token. It belongs to the oldest request for its address whose
//! VM has its page at that host address.

use super::vcpu::{Place, Request, Unfinished, VcpuLog};
use super::{Done, LogEvent, LogMonitors, Orphan, REMEMBERED};
use crate::ids::{Gva, Hva, PAGE_SIZE};
use crate::monitors::catalogue::{INV_01, INV_06};

/// How long a worker may take from publishing a page to saying so, in nanoseconds. An assumption:
/// longer than a scheduler leaves a runnable kernel thread waiting on a busy processor.
const LATE: u64 = 10_000_000;
/// Host addresses of guest address 0 that are kept a vCPU: one a memory slot.
const SLOTS: usize = 32;
/// How long a worker that was late may come in the way of the next request for its address.
const FORGOTTEN: u64 = 100_000_000;
/// Completions of unknown requests that are remembered.
const STRAYS: usize = 512;
/// Late completions that are remembered a vCPU.
const MOST_UNFINISHED: usize = 512;
/// So many missing completions in a hundred page readies are no loss of single ones.
const MANY: u64 = 5;
const PARTLY: &str = "many completions are missing: recorded on some processors only?";
const LOST: &str = "events were lost at that time";

/// A request that is not completed, by address and place in the log, and its vCPU.
type Running = ((u64, u64), usize);

impl LogMonitors {
    pub(super) fn completed(&mut self, event: LogEvent, gva: Gva, address: Hva) {
        let base = address.0.wrapping_sub(gva.0 & !(PAGE_SIZE - 1));
        if self.late_worker(event, gva, address) {
            return;
        }
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
        own.learn(base, !self.seen.translated && !own.requests[place].shared);
        let overtook = own.requests[..place].iter().any(|r| r.completed.is_none() && !r.doubtful);
        self.survey.completed += 1;
        self.survey.completed_out_of_order += u64::from(overtook);
        let request = &mut own.requests[place];
        let events = own.events;
        request.completed =
            Some(Place { line: event.line, ns: event.ns, seq, events, base, own: !request.shared });
        let latency = event.ns.saturating_sub(request.announced.ns);
        self.survey.course.latencies(at).not_present_to_completed.record(latency);
    }

    /// A worker says so only after it has published the page. If page ready came first, and the
    /// address is requested again already, the completion is the older request's.
    fn late_worker(&mut self, event: LogEvent, gva: Gva, address: Hva) -> bool {
        let recent = |unfinished: &Unfinished| {
            unfinished.request.gva == gva
                && event.ns.saturating_sub(unfinished.ready.ns) < FORGOTTEN
        };
        let running = self.running.range((gva.0, 0)..=(gva.0, u64::MAX)).next().is_some();
        if !running {
            return false;
        }
        let found =
            self.vcpus.iter().enumerate().find_map(|(at, own)| {
                own.unfinished.iter().position(recent).map(|place| (at, place))
            });
        let Some((at, place)) = found else { return false };
        self.vcpus[at].unfinished.remove(place);
        self.survey.ready_before_completed += 1;
        self.remember(gva, address);
        self.share(gva);
        true
    }

    /// The request that a completion is for, and whether it can be no other vCPU's.
    fn whose(&self, gva: Gva, base: u64) -> Option<(Running, bool)> {
        let candidates = || {
            let range = self.running.range((gva.0, 0)..=(gva.0, u64::MAX));
            range.map(|(&key, &at)| (key, at))
        };
        let fits = |&(_, at): &(_, usize)| self.vcpus[at].has_base(base);
        let translated = self.seen.translated;
        let may_fit = |&(_, at): &(_, usize)| {
            // A VM of one slot shows its address again and again.
            translated || self.vcpus[at].bases.len() <= SLOTS
        };
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
            // In the order of requests, as workers go.
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
            let seq = self.seq;
            self.orphans.push(Orphan { event, seq, passed: Vec::new(), certain: false });
        } else {
            self.survey.foreign_completions += 1;
            if self.strays.len() == STRAYS {
                self.strays.pop_front();
            }
            self.strays.push_back((gva.0, event.ns));
        }
    }

    /// A second completion is certain when every vCPU has dequeued past it.
    pub(super) fn pass_orphans(&mut self, at: usize, request: &Request) {
        if self.orphans.is_empty() {
            return;
        }
        let active = self.vcpus.iter().filter(|own| own.counts.ready > 0).count();
        for orphan in &mut self.orphans {
            if request.seq > orphan.seq && !orphan.passed.contains(&at) {
                orphan.passed.push(at);
            }
            orphan.certain |= orphan.passed.len() >= active;
        }
    }

    /// Requests that were ready long ago and never completed.
    pub(super) fn find_unfinished(&mut self, at: usize, event: LogEvent, request: &Request) {
        let own = &mut self.vcpus[at];
        if own.unfinished.is_empty() || !self.seen.completed {
            return;
        }
        let late = |unfinished: &Unfinished| {
            unfinished.overdue.is_none()
                && unfinished.seq < request.seq
                && event.ns.saturating_sub(unfinished.ready.ns) > LATE
        };
        for unfinished in own.unfinished.iter_mut().filter(|one| late(one)) {
            unfinished.overdue = Some(event.ns);
        }
        let strays = &self.strays;
        // A clock that goes wrong may put a completion before its request.
        own.unfinished.retain(|one| {
            let near = |&&(gva, ns): &&(u64, u64)| {
                gva == one.request.gva.0 && one.request.announced.ns.saturating_sub(ns) < LATE
            };
            one.overdue.is_none() || !strays.iter().any(|stray| near(&stray))
        });
        if own.unfinished.len() > MOST_UNFINISHED {
            own.unfinished.remove(0);
            self.overdue += 1;
        }
    }

    /// Judges what was late before events were lost, and leaves open what may be among them.
    pub(super) fn settle_overdue(&mut self, since: u64) {
        let ready: u64 = self.vcpus.iter().map(|own| own.counts.ready).sum();
        let late = |one: &Unfinished| one.overdue.is_some_and(|ns| ns < since);
        let count = self.vcpus.iter().flat_map(|own| &own.unfinished).filter(|one| late(one));
        let certain = |orphan: &&Orphan| orphan.certain && orphan.event.ns < since;
        let count = count.count() as u64
            + self.overdue
            + self.orphans.iter().filter(certain).count() as u64;
        let partly = count > 3 && count * 100 > ready * MANY;
        for at in 0..self.vcpus.len() {
            let own = &mut self.vcpus[at];
            for unfinished in std::mem::take(&mut own.unfinished) {
                if partly || !late(&unfinished) {
                    let why = if partly { PARTLY } else { LOST };
                    self.ledger.unjudged(INV_06, why, 1);
                    continue;
                }
                let Unfinished { request, ready, .. } = unfinished;
                let text = format!(
                    "request {} of {} was dequeued, and no worker completed it",
                    request.token,
                    self.vcpus[at].label()
                );
                self.ledger.breach(INV_06, ready, text, vec![request.announced]);
            }
        }
        for orphan in std::mem::take(&mut self.orphans) {
            if partly || !(orphan.certain && orphan.event.ns < since) {
                self.ledger.unjudged(INV_06, if partly { PARTLY } else { LOST }, 1);
                continue;
            }
            let text = "a page is completed a second time, and no other request for it is \
                        outstanding";
            self.ledger.breach(INV_06, orphan.event, text.to_owned(), Vec::new());
        }
        if self.overdue > 0 {
            self.ledger.unjudged(INV_06, PARTLY, std::mem::take(&mut self.overdue));
        }
    }
}

impl VcpuLog {
    /// Notes a host address of guest address 0.
    fn learn(&mut self, base: u64, certain: bool) {
        if let Some((_, times)) = self.bases.iter_mut().find(|(known, _)| *known == base) {
            *times = times.saturating_add(1);
        } else if certain && self.bases.len() < SLOTS {
            self.bases.push((base, 1));
        }
    }
}
