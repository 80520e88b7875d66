//! Completions, and whose they are: INV-06.
//!
//! A completion names no vCPU and no token. It may belong to any request for its address whose VM
//! may have its page at that host address. Where that is one request, it is its own. Where there
//! are several, they are counted: as many completions as requests complete all of them, and a
//! request that is ready takes one with it. So nothing is concluded that depends on which is
//! which.

use std::collections::{BTreeMap, VecDeque};

use super::deferred::SOME_WORKERS;
use super::event::LogEvent;
use super::request::{Place, Request, Unfinished};
use super::state::LogState;
use super::vcpu::VcpuLog;
use super::{begins, early_readies};
use crate::base::ids::{Gva, Hva, PAGE_SIZE};
use crate::monitors::catalogue::{Family, INV_06, INV_13};
use crate::trace::kernel::KernelEvent;

/// How long a worker may take from publishing a page to saying so, in nanoseconds. An assumption:
/// longer than a scheduler leaves a runnable kernel thread waiting on a busy processor.
const LATE: u64 = 10_000_000;
/// How long a worker that was late may come in the way of the next request for its address.
const FORGOTTEN: u64 = 100_000_000;
/// Completions of unknown requests that are remembered.
const STRAYS: usize = 512;
/// Late completions that are remembered a vCPU.
const MAX_UNFINISHED: usize = 512;
/// So many missing completions in a hundred page readies are no loss of single ones.
const MANY: u64 = 5;
/// Completed requests that are remembered to recognise a second completion.
const REMEMBERED: usize = 512;
const PARTLY: &str = "many completions are missing: recorded on some processors only?";
const UNSEEN: &str = "a request of which the log has no not present was for the same address";
const UNANNOUNCED: &str = "the series of 2010 does not announce what is completed before the entry";
const LOST: &str = "events were lost at that time";

/// A request that is not completed, by address and place in the log, and its vCPU.
type Running = ((u64, u64), usize);

/// A completion that belongs to no known request.
#[derive(Clone, Debug)]
struct Orphan {
    event: LogEvent,
    done: Waiting,
    /// vCPUs on which a request announced later was ready since.
    passed: Vec<usize>,
    /// All vCPUs have passed it. Only the page ready of a request from before the log would
    /// explain it now.
    certain: bool,
}

/// A completion that is not known to be one request's.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    gva: Gva,
    /// Host address of guest address 0 by it.
    base: u64,
    event: LogEvent,
    seq: u64,
}

/// A completion that is remembered.
#[derive(Clone, Copy, Debug)]
struct Done {
    gva: u64,
    address: Hva,
}

/// All completions, as far as they may still say something, and the requests that wait for one.
#[derive(Clone, Debug, Default)]
pub(super) struct Completions {
    /// Requests not completed yet: address and place in the log, and whose they are.
    running: BTreeMap<(u64, u64), usize>,
    done: VecDeque<Done>,
    orphans: Vec<Orphan>,
    /// Completions that may belong to several requests, by address.
    waiting: BTreeMap<u64, Vec<Waiting>>,
    /// Completions of requests that the log does not have.
    strays: VecDeque<Waiting>,
    /// Place in the log of the last completion.
    last_completed: u64,
    /// Requests that were dequeued and never completed, besides those that vCPUs remember.
    overdue: u64,
}

impl Completions {
    /// A request of a vCPU waits for its completion from now on.
    pub(super) fn begin(&mut self, at: usize, gva: Gva, seq: u64) {
        self.running.insert((gva.0, seq), at);
    }

    /// A request is off the list, and was not completed.
    pub(super) fn end(&mut self, request: &Request) {
        self.running.remove(&(request.gva.0, request.seq));
    }

    /// Events were lost, completions maybe among them.
    pub(super) fn forget(&mut self) {
        self.done.clear();
        self.waiting.clear();
        self.strays.clear();
    }

    /// Gives up second completions that are not certain, and says how many they were.
    pub(super) fn drop_uncertain(&mut self) -> u64 {
        let before = self.orphans.len();
        self.orphans.retain(|orphan| orphan.certain);
        (before - self.orphans.len()) as u64
    }

    /// A worker says that a page is there.
    pub(super) fn completed(
        &mut self,
        log: &mut LogState,
        event: LogEvent,
        gva: Gva,
        address: Hva,
    ) {
        let base = address.0.wrapping_sub(gva.0 & !(PAGE_SIZE - 1));
        self.last_completed = log.seq;
        let done = Waiting { gva, base, event, seq: log.seq };
        if self.late_worker(log, done, address) {
            return;
        }
        if self.members(log, gva, base).is_empty() {
            self.orphaned(log, done, address);
            return;
        }
        self.remember(gva, address);
        self.waiting.entry(gva.0).or_default().push(done);
        self.settle_waiting(log, gva);
    }

    /// A worker says so only after it has published the page. If page ready came first, and the
    /// address is requested again already, the completion counts for the older request: if it is
    /// not its own, that one is still to come, and takes the other's place.
    fn late_worker(&mut self, log: &mut LogState, done: Waiting, address: Hva) -> bool {
        let Waiting { gva, base, event, .. } = done;
        let running = self.members(log, gva, base);
        if running.is_empty() {
            return false;
        }
        let known = running.iter().any(|&(_, at)| log.vcpus[at].has_base(base));
        let recent = |own: &VcpuLog, unfinished: &Unfinished| {
            unfinished.request.gva == gva
                && event.ns.saturating_sub(unfinished.ready.ns) < FORGOTTEN
                && (!known || own.has_base(base))
        };
        let found = log.vcpus.iter().enumerate().find_map(|(at, own)| {
            let place = own.unfinished.iter().position(|one| recent(own, one));
            place.map(|place| (at, place))
        });
        let Some((at, place)) = found else { return false };
        log.vcpus[at].unfinished.remove(place);
        log.survey.ready_before_completed += 1;
        log.survey.completed += 1;
        self.remember(gva, address);
        true
    }

    /// The requests that a completion may be for.
    fn members(&self, log: &LogState, gva: Gva, base: u64) -> Vec<Running> {
        let range = self.running.range((gva.0, 0)..=(gva.0, u64::MAX));
        let all = range.map(|(&key, &at)| (key, at));
        all.filter(|&(_, at)| may_be(log, at, gva, base)).collect()
    }

    /// Gives completions to requests where there are as many of them as requests that they may be
    /// for: which is which does not matter then, all are completed by the last of them.
    pub(super) fn settle_waiting(&mut self, log: &mut LogState, gva: Gva) {
        loop {
            let Some(all) = self.waiting.get(&gva.0) else { return };
            let enough = |one: &Waiting| {
                let members = self.members(log, gva, one.base);
                let count = all.iter().filter(|other| other.base == one.base).count();
                (members.len() <= count).then_some((one.base, members))
            };
            let Some((base, members)) = all.iter().find_map(enough) else { return };
            let (done, rest) = all.iter().partition(|one: &&Waiting| one.base == base);
            let done: Vec<Waiting> = done;
            if rest.is_empty() {
                self.waiting.remove(&gva.0);
            } else {
                self.waiting.insert(gva.0, rest);
            }
            let by = done.last().map_or(0, |last| last.seq);
            // What is left over may be another vCPU's, whose request is announced later.
            for &left in done.iter().skip(members.len()) {
                self.stray(log, left);
            }
            for (&member, one) in members.iter().zip(&done) {
                self.complete(log, member, one, by, members.len() == 1);
            }
        }
    }

    /// A request is completed, at the latest by the event at `by`.
    fn complete(
        &mut self,
        log: &mut LogState,
        (key, at): Running,
        done: &Waiting,
        by: u64,
        single: bool,
    ) {
        self.running.remove(&key);
        let own = &mut log.vcpus[at];
        let Some(place) = own.requests.iter().position(|request| request.seq == key.1) else {
            return;
        };
        let certain = single && !log.seen.translated && !own.requests[place].shared;
        own.learn(done.base, done.gva, certain);
        let overtook = own.requests[..place].iter().any(|r| r.completed.is_none() && !r.doubtful);
        log.survey.completed_out_of_order += u64::from(overtook && single);
        let (line, ns, base) = (done.event.line, done.event.ns, done.base);
        let (events, entries) = (own.events, own.entries);
        own.requests[place].completed = Some(Place { line, ns, seq: by, events, entries, base });
    }

    /// The oldest completion that may be a request's own, which nobody else has any more.
    pub(super) fn take_waiting(
        &mut self,
        log: &LogState,
        at: usize,
        request: &Request,
    ) -> Option<Place> {
        let all = self.waiting.get(&request.gva.0)?;
        let own = &log.vcpus[at];
        let fits =
            |one: &Waiting| one.seq > request.begun && may_be(log, at, request.gva, one.base);
        let surely = |one: &Waiting| fits(one) && own.has_base(one.base);
        let place = all.iter().position(surely).or_else(|| all.iter().position(fits))?;
        let all = self.waiting.get_mut(&request.gva.0)?;
        let done = all.remove(place);
        if all.is_empty() {
            self.waiting.remove(&request.gva.0);
        }
        let (line, ns, base) = (done.event.line, done.event.ns, done.base);
        let (events, entries) = (own.events, own.entries);
        Some(Place { line, ns, seq: done.seq, events, entries, base })
    }

    /// A request was announced. Its worker may have been done before: completions since the
    /// vCPU's event before may be its own.
    pub(super) fn claim_early(&mut self, log: &mut LogState, at: usize, gva: Gva, begun: u64) {
        // Where clocks go wrong, its completion may have been printed before its try, too.
        let now = log.now;
        let near = |one: &Orphan| one.done.gva == gva && now.saturating_sub(one.event.ns) < LATE;
        for place in (0..self.orphans.len()).rev() {
            if near(&self.orphans[place]) && self.orphans[place].done.seq <= begun {
                let orphan = self.orphans.remove(place);
                self.stray(log, orphan.done);
            }
        }
        if self.last_completed <= begun {
            return;
        }
        let mut early = Vec::new();
        self.strays.retain(|one| {
            let own = one.gva == gva && one.seq > begun;
            early.extend(own.then_some(*one));
            !own
        });
        log.survey.foreign_completions -= early.len() as u64;
        self.orphans.retain(|one| {
            let own = one.done.gva == gva && one.done.seq > begun;
            early.extend(own.then_some(one.done));
            !own
        });
        // It may have been given to another vCPU's request.
        for other in (0..log.vcpus.len()).filter(|&other| other != at) {
            for request in log.vcpus[other].requests.iter_mut().filter(|r| r.gva == gva) {
                let Some(done) = request.completed.filter(|done| done.seq > begun) else {
                    continue;
                };
                let event = LogEvent { line: done.line, ns: done.ns, ..request.announced };
                early.push(Waiting { gva, base: done.base, event, seq: done.seq });
                request.completed = None;
                self.running.insert((gva.0, request.seq), other);
            }
        }
        if !early.is_empty() {
            early.sort_by_key(|one| one.seq);
            self.waiting.entry(gva.0).or_default().extend(early);
            self.settle_waiting(log, gva);
        }
    }

    /// A request for an address is given up, and its worker may still say that the page is there:
    /// completions of that address say nothing any more about others that are outstanding.
    pub(super) fn abandon(&mut self, log: &mut LogState, gva: Gva) {
        let waiting = self.waiting.remove(&gva.0).map_or(0, |all| all.len());
        log.survey.foreign_completions += waiting as u64;
        let range = self.running.range((gva.0, 0)..=(gva.0, u64::MAX));
        let others: Vec<Running> = range.map(|(&key, &at)| (key, at)).collect();
        for (key, at) in others {
            let own = &mut log.vcpus[at].requests;
            for request in own.iter_mut().filter(|request| request.seq == key.1) {
                request.shared = true;
            }
        }
    }

    /// There was a request for an address that the log does not have: completions of that address
    /// may have been its own.
    pub(super) fn unseen_request(&mut self, log: &mut LogState, gva: Gva) {
        self.orphans.retain(|orphan| orphan.done.gva != gva);
        log.ledger.excuse(gva, UNSEEN);
        for (at, own) in log.vcpus.iter_mut().enumerate() {
            for request in own.requests.iter_mut().filter(|request| request.gva == gva) {
                request.shared = true;
                if request.completed.take().is_some() {
                    self.running.insert((gva.0, request.seq), at);
                }
            }
            let before = own.suspects.len();
            own.suspects.retain(|(request, _)| request.gva != gva);
            let open = before - own.suspects.len();
            log.ledger.unjudged(INV_13, UNSEEN, open as u64);
        }
        self.waiting.remove(&gva.0);
    }

    fn remember(&mut self, gva: Gva, address: Hva) {
        if self.done.len() == REMEMBERED {
            self.done.pop_front();
        }
        self.done.push_back(Done { gva: gva.0, address });
    }

    /// A completion of no known request.
    fn orphaned(&mut self, log: &mut LogState, done: Waiting, address: Hva) {
        let Waiting { gva, event, .. } = done;
        // The worker says so only after it has published the page: page ready may come first.
        for at in 0..log.vcpus.len() {
            let own = &mut log.vcpus[at];
            // In the order of requests, as workers go.
            let late = own.unfinished.iter().position(|unfinished| unfinished.request.gva == gva);
            if let Some(place) = late {
                let unfinished = own.unfinished.remove(place);
                log.survey.ready_before_completed += 1;
                log.survey.completed += 1;
                self.remember(gva, address);
                early_readies::completed(log, at, &unfinished, event, done.base);
                return;
            }
        }
        let again = self.done.iter().any(|done| done.gva == gva.0 && done.address == address);
        if again && self.orphans.len() < REMEMBERED && !unseen_before(log, gva) {
            self.orphans.push(Orphan { event, done, passed: Vec::new(), certain: false });
        } else {
            self.stray(log, done);
        }
    }

    fn stray(&mut self, log: &mut LogState, done: Waiting) {
        log.survey.foreign_completions += 1;
        if self.strays.len() == STRAYS {
            self.strays.pop_front();
        }
        self.strays.push_back(done);
    }

    /// A second completion is certain when every vCPU has dequeued past it.
    pub(super) fn pass_orphans(&mut self, log: &LogState, at: usize, request: &Request) {
        if self.orphans.is_empty() {
            return;
        }
        // Those that may have a request from before the log, too.
        let takes_part = |own: &&VcpuLog| {
            own.counts.ready > 0 || own.counts.tries > 0 || !own.requests.is_empty()
        };
        let active = log.vcpus.iter().filter(takes_part).count();
        for orphan in &mut self.orphans {
            if request.begun > orphan.done.seq && !orphan.passed.contains(&at) {
                orphan.passed.push(at);
            }
            orphan.certain |= orphan.passed.len() >= active;
        }
    }

    /// Requests that were ready long ago and never completed, of those that became ready before a
    /// place in the log.
    pub(super) fn find_unfinished(
        &mut self,
        log: &mut LogState,
        at: usize,
        event: LogEvent,
        before: u64,
    ) {
        let own = &mut log.vcpus[at];
        if own.unfinished.is_empty() || !log.seen.completed {
            return;
        }
        let late = |unfinished: &Unfinished| {
            unfinished.overdue.is_none()
                && unfinished.seq < before
                && event.ns.saturating_sub(unfinished.ready.ns) > LATE
        };
        for unfinished in own.unfinished.iter_mut().filter(|one| late(one)) {
            unfinished.overdue = Some(event.ns);
        }
        let strays = &self.strays;
        // A clock that goes wrong may put a completion before its request.
        own.unfinished.retain(|one| {
            let near = |stray: &Waiting| {
                let before = one.request.announced.ns.saturating_sub(stray.event.ns);
                stray.gva == one.request.gva && before < LATE
            };
            one.overdue.is_none() || !strays.iter().any(near)
        });
        if own.unfinished.len() > MAX_UNFINISHED {
            own.unfinished.remove(0);
            self.overdue += 1;
        }
    }

    /// Judges what was late before events were lost, and leaves open what may be among them.
    pub(super) fn settle_overdue(&mut self, log: &mut LogState, since: u64) {
        let ready: u64 = log.vcpus.iter().map(|own| own.counts.ready).sum();
        let late = |one: &Unfinished| {
            let excused = one.request.early || (one.unseen_worker && log.seen.begun);
            !excused && one.overdue.is_some_and(|ns| ns < since)
        };
        let count = log.vcpus.iter().flat_map(|own| &own.unfinished).filter(|one| late(one));
        let certain = |orphan: &&Orphan| orphan.certain && orphan.event.ns < since;
        let count = count.count() as u64
            + self.overdue
            + self.orphans.iter().filter(certain).count() as u64;
        let partly = count > 3 && count * 100 > ready * MANY;
        for at in 0..log.vcpus.len() {
            let own = &mut log.vcpus[at];
            for unfinished in std::mem::take(&mut own.unfinished) {
                if partly || !late(&unfinished) {
                    let why = match unfinished {
                        Unfinished { request: Request { early: true, .. }, .. } => {
                            begins::COMPLETIONS
                        }
                        Unfinished { unseen_worker: true, .. } if log.seen.begun => SOME_WORKERS,
                        _ if partly => PARTLY,
                        _ => LOST,
                    };
                    log.ledger.unjudged(INV_06, why, 1);
                    continue;
                }
                let Unfinished { request, ready, .. } = unfinished;
                let text = format!(
                    "request {} of {} was dequeued, and no worker completed it",
                    request.token,
                    log.vcpus[at].label()
                );
                log.ledger.breach(INV_06, ready, text, vec![request.announced]);
            }
        }
        // The series of 2010 announces at the entry what is not completed before it.
        let unannounced = log.family().0 == Family::V5;
        for orphan in std::mem::take(&mut self.orphans) {
            if unannounced {
                log.ledger.unjudged(INV_06, UNANNOUNCED, 1);
                continue;
            }
            if partly || !(orphan.certain && orphan.event.ns < since) {
                log.ledger.unjudged(INV_06, if partly { PARTLY } else { LOST }, 1);
                continue;
            }
            let text = "a page is completed a second time, and no other request for it is \
                        outstanding";
            log.ledger.breach(INV_06, orphan.event, text.to_owned(), Vec::new());
        }
        if self.overdue > 0 {
            log.ledger.unjudged(INV_06, PARTLY, std::mem::take(&mut self.overdue));
        }
    }
}

fn may_be(log: &LogState, at: usize, gva: Gva, base: u64) -> bool {
    log.seen.translated || !log.vcpus[at].excludes(gva, base)
}

/// A request for that address, of which the log has page ready alone, was there before.
fn unseen_before(log: &LogState, gva: Gva) -> bool {
    let of = |event: LogEvent| matches!(event.event, KernelEvent::Ready { gva: other, .. } | KernelEvent::SendAsyncPf { gva: other, .. } if other == gva);
    log.vcpus.iter().any(|own| own.early.values().any(|(_, event)| of(event)))
}
