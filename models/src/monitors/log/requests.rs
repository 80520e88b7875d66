//! Requests from their try to their announcement: INV-01 to INV-05, and the list of those that are
//! outstanding.

use super::vcpu::{Attempt, Over, Request, Told, Untold, VcpuLog, after, counter, owner};
use super::{Counted, Deferred, LogEvent, LogMonitors, Needs};
use crate::base::ids::{Gfn, Gva, PAGE_SIZE, Token};
use crate::monitors::catalogue::{INV_01, INV_02, INV_03, INV_04, INV_12, InvariantId};
use crate::trace::kernel::KernelExit;

pub(super) const OLD: &str = "a vCPU's first token in the log is 0, as before Linux 5.17; say which kernel it \
                   is with --rules";
/// Requests that are followed on a vCPU; a correct kernel has no more than the cap.
const MOST_REQUESTS: usize = 512;

impl LogMonitors {
    pub(super) fn tried(&mut self, at: usize, event: LogEvent, gva: Gva, gfn: Gfn) {
        self.seen.tries = true;
        self.seen.translated |= gva.0 / PAGE_SIZE != gfn.0;
        let own = &mut self.vcpus[at];
        own.counts.tries += 1;
        if let Some((exit, ns)) = own.last_exit
            && exit == KernelExit::NestedFault
        {
            self.survey.course.latencies(at).exit_to_try.record(event.ns.saturating_sub(ns));
        }
        for request in own.requests.iter_mut().filter(|request| request.gfn() == gfn) {
            request.again = true;
        }
        self.settle_attempt(at);
        self.settle_told(at);
        let own = &mut self.vcpus[at];
        let outstanding = own.requests.len();
        own.attempt = Some(Attempt { outstanding, told: None, gva, gfn, ns: event.ns });
        own.watch.progress();
        own.halted_for = Some((gfn, event));
    }

    /// A try that led to neither a request nor a halt was served in the vCPU thread.
    pub(super) fn settle_attempt(&mut self, at: usize) {
        let cap = self.config.cap as usize;
        let own = &mut self.vcpus[at];
        let Some(attempt) = own.attempt.take() else { return };
        own.in_vain(attempt);
        self.survey.course.count(at, attempt.ns, Counted::Sync);
        if attempt.outstanding >= cap {
            own.counts.at_cap += 1;
        } else {
            own.counts.refused += 1;
        }
    }

    /// The vCPU went on: a request that it was not told of before now is not told any more.
    pub(super) fn settle_told(&mut self, at: usize) {
        let own = &mut self.vcpus[at];
        let Some(untold) = own.untold.take() else { return };
        // Who is told does not sleep before it goes on.
        let recorded = self.seen.exceptions || own.slept;
        if let Some(place) = own.place_of(untold.token) {
            own.requests[place].told = Told::No;
            own.requests[place].uncounted = !recorded;
        }
        if recorded {
            own.counts.halted += 1;
            self.survey.course.count(at, self.now, Counted::Halted);
        } else if let Some(ready) = untold.readied {
            self.unsure(at, untold.token, ready, untold.begun.unwrap_or(ready.ns));
            if untold.interrupts.is_some() {
                self.told_by_interrupt(at, untold.token);
                return;
            }
        }
        if let Some(event) = untold.interrupts.filter(|_| !self.seen.nested) {
            let own = &self.vcpus[at];
            let (token, label) = (untold.token, own.label());
            let text =
                format!("page ready {token} interrupts {label}, which was not told not present");
            let story = own.recent().collect();
            let needs = Needs::Exceptions;
            self.defer(Deferred { id: INV_12, needs, event, text, story });
        }
        if let Some((ready, begun)) = untold.readied.zip(untold.begun).filter(|_| recorded) {
            self.survey.course.latencies(at).halted.record(ready.ns.saturating_sub(begun));
        }
    }

    pub(super) fn announced(&mut self, at: usize, event: LogEvent, token: Token, gva: Gva) {
        self.seen.announced = true;
        self.settle_told(at);
        let begun = self.vcpus[at].before_last;
        let attempt = self.vcpus[at].attempt.take().filter(|attempt| attempt.gva == gva);
        if self.clocks_differ(at, event, token, gva) {
            // It is answered already, and its exception is still to come.
            let (readied, begun, crossed, interrupts) = (None, None, false, None);
            self.vcpus[at].untold = Some(Untold { token, readied, begun, crossed, interrupts });
            return;
        }
        let frame = attempt.map(|attempt| attempt.gfn);
        self.name_is_free(at, event, token, gva, frame);
        let seq = self.seq;
        let own = &mut self.vcpus[at];
        let count = counter(token);
        let zero = own.zero.take_if(|_| token.0 != 0);
        if own.first.is_none() {
            own.first = Some(count);
        }
        if own.token_id.is_none() {
            own.token_id = Some(owner(token));
            self.foreign_early(at, event, token);
        }
        let own = &mut self.vcpus[at];
        let tried = attempt.map(|attempt| attempt.ns);
        own.requests.push(Request {
            token,
            gva,
            frame,
            announced: event,
            seq,
            begun,
            tried,
            completed: None,
            told: Told::Open,
            went_on: false,
            again: false,
            uncounted: false,
            doubtful: false,
            shared: false,
            doubled: None,
            read: own.watch.read.take(),
            work: own.watch.work.take(),
        });
        own.watch.announced(event, frame.unwrap_or(Gfn(gva.0 / PAGE_SIZE)));
        own.watch.progress();
        own.halted_for = Some((frame.unwrap_or(Gfn(gva.0 / PAGE_SIZE)), event));
        own.untold =
            Some(Untold { token, readied: None, begun: None, crossed: false, interrupts: None });
        (own.slept, own.interrupted) = (false, false);
        self.running.insert((gva.0, seq), at);
        self.claim_early(at, gva, begun);
        if self.vcpus[at].requests.len() > MOST_REQUESTS {
            // Their page readies are not recorded, or were lost.
            let doubtful = self.vcpus[at].requests.iter().position(|request| request.doubtful);
            self.drop_request(at, doubtful.unwrap_or(0));
        }
        if let Some(zero) = zero {
            self.after_zero(at, zero, count);
        }
        self.check_cap(at, event);
        self.check_early(at, event, token);
        self.survey.course.outstanding(at, event.ns, true);
    }

    /// What a token and its frame must not be when they are announced.
    fn name_is_free(
        &mut self,
        at: usize,
        event: LogEvent,
        token: Token,
        gva: Gva,
        tried: Option<Gfn>,
    ) {
        let frame = tried.unwrap_or(Gfn(gva.0 / PAGE_SIZE));
        let label = self.vcpus[at].label();
        match token {
            Token::WAKE_ALL => self.say(
                at,
                INV_03,
                event,
                format!("a request of {label} has token {token}, which means wake-all"),
                &[],
            ),
            Token(0) => self.token_zero(
                at,
                event,
                format!("a request of {label} has token 0, which means a free slot"),
                true,
            ),
            _ => {}
        }
        if let Some(place) = self.vcpus[at].place_of(token) {
            let other = self.vcpus[at].requests[place];
            if other.doubtful {
                self.drop_request(at, place);
            } else {
                let text = format!("token {token} of {label} is announced while it is outstanding");
                self.say(at, INV_02, event, text, &[other.announced]);
                if other.gfn() == frame {
                    let text = format!(
                        "frame {frame} of {label} is announced while a request for it is \
                         outstanding"
                    );
                    self.say(at, INV_01, event, text, &[other.announced]);
                }
                // The second one takes the place of the first, so that it is told of once.
                self.drop_request(at, place);
            }
        } else if self.vcpus[at].token_id.is_some_and(|id| id != owner(token)) {
            self.foreign_token(at, event, token);
        }
        // Where addresses are translated, only tries tell frames.
        let translated = self.seen.translated;
        let comparable = |r: &Request| !translated || (tried.is_some() && r.frame.is_some());
        let same_frame =
            |own: &VcpuLog| own.requests.iter().position(|r| r.gfn() == frame && comparable(r));
        if let Some(place) = same_frame(&self.vcpus[at]) {
            let other = self.vcpus[at].requests[place];
            if other.doubtful {
                self.drop_request(at, place);
            } else if self.vcpus[at].surely_completed(&other).is_some()
                && self.vcpus[at].counts.ready > 0
            {
                // The frame is taken out of the hash when the request is dequeued.
                self.missing_ready(at, place, event);
            } else if other.completed.is_some() {
                self.drop_request(at, place);
            } else {
                self.vcpus[at].requests[place].doubled = Some(event);
            }
        }
    }

    /// A token with the number of another vCPU.
    fn foreign_token(&mut self, at: usize, event: LogEvent, token: Token) {
        let same_vm = |own: &VcpuLog, other: &VcpuLog| {
            (own.tgid.is_some() && own.tgid == other.tgid)
                || own.bases.iter().any(|base| other.has_base(base.host))
        };
        let own = &self.vcpus[at];
        let held = self.vcpus.iter().enumerate().find_map(|(number, other)| {
            let place = other.place_of(token).filter(|_| number != at && same_vm(own, other))?;
            Some((number, other.requests[place].announced))
        });
        if let Some((other, announced)) = held {
            let text = format!(
                "token {token} of {} is outstanding on {} already",
                self.vcpus[at].label(),
                self.vcpus[other].label()
            );
            self.say(at, INV_02, event, text, &[announced]);
        } else if token.0 != 0 && token != Token::WAKE_ALL {
            self.becomes_another(at);
        }
    }

    /// The vCPU's number is known by its first token: page readies before it with another number
    /// are another vCPU's.
    fn foreign_early(&mut self, at: usize, event: LogEvent, token: Token) {
        let foreign =
            |early: Token| early != Token::WAKE_ALL && early.0 != 0 && owner(early) != owner(token);
        let found = self.vcpus[at].early.iter().find(|&(early, _)| foreign(early));
        let Some((early, ready)) = found.filter(|_| !self.seen.wandering) else { return };
        let label = self.vcpus[at].label();
        let text = format!(
            "page ready {early} of {label} has no not present: the token is that of another vCPU"
        );
        self.say(at, INV_12, event, text, &[ready]);
    }

    /// Token 0 is announced. Kernels before 5.17 begin with it, and some logs do not show which
    /// kernel it is.
    pub(super) fn token_zero(&mut self, at: usize, event: LogEvent, text: String, announced: bool) {
        let own = &mut self.vcpus[at];
        let first = own.first.is_none() && own.token_id.is_none();
        if !first || self.seen.repeated || self.config.family.is_some() {
            self.say(at, INV_04, event, text, &[]);
        } else if announced {
            own.zero = Some(event);
        } else {
            self.ledger.unjudged(INV_04, OLD, 1);
        }
    }

    /// The first token was 0, and this is the counter of the next one: a kernel that begins with 0
    /// goes on with 1.
    fn after_zero(&mut self, at: usize, zero: LogEvent, next: u32) {
        if next == 1 {
            self.ledger.unjudged(INV_04, OLD, 1);
        } else {
            let label = self.vcpus[at].label();
            let text = format!(
                "a request of {label} has token 0, which means a free slot, and no kernel's \
                 counter goes on from there to {next}"
            );
            self.say(at, INV_04, zero, text, &[]);
        }
    }

    /// A page ready that came before this announcement, and was put down to before the log.
    fn check_early(&mut self, at: usize, event: LogEvent, token: Token) {
        let own = &self.vcpus[at];
        let first = own.first.unwrap_or(0);
        let late = own.early.iter().find(|&(early, _)| {
            early == token || after(counter(early), first) || counter(early) == first
        });
        if let Some((early, ready)) = late {
            self.vcpus[at].early.clear();
            let text = format!(
                "page ready {early} of {} came before its not present",
                self.vcpus[at].label()
            );
            self.say(at, INV_12, event, text, &[ready]);
            if early == token
                && let Some(place) = self.vcpus[at].place_of(token)
            {
                self.drop_request(at, place);
            }
        }
    }

    fn check_cap(&mut self, at: usize, event: LogEvent) {
        let cap = self.config.cap as usize;
        let seq = self.seq;
        let own = &mut self.vcpus[at];
        let count = own.outstanding();
        own.counts.most = own.counts.most.max(count);
        if count > cap && own.over.is_none() {
            own.over = Some(Over { event, seq, count, readied: 0 });
        }
    }

    /// Takes a request off the list.
    pub(super) fn drop_request(&mut self, at: usize, place: usize) {
        let request = self.remove_request(at, place);
        if request.completed.is_none() {
            self.abandon(request.gva);
        }
    }

    pub(super) fn remove_request(&mut self, at: usize, place: usize) -> Request {
        let request = self.vcpus[at].requests.remove(place);
        match request.completed {
            None => _ = self.running.remove(&(request.gva.0, request.seq)),
            Some(done) => self.time_completed(at, &request, done.ns),
        }
        self.survey.course.outstanding(at, self.now, false);
        request
    }

    /// Measures the way to a completion, when it is sure that it stays one.
    pub(super) fn time_completed(&mut self, at: usize, request: &Request, ns: u64) {
        let latency = ns.saturating_sub(request.announced.ns);
        self.survey.completed += 1;
        self.survey.course.latencies(at).not_present_to_completed.record(latency);
    }

    /// Notes a breach with what happened on the vCPU lately.
    pub(super) fn say(
        &mut self,
        at: usize,
        id: InvariantId,
        event: LogEvent,
        text: String,
        before: &[LogEvent],
    ) {
        let story = before.iter().copied().chain(self.vcpus[at].recent()).collect();
        self.ledger.breach(id, event, text, story);
    }
}
