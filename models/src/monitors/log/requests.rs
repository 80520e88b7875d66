//! Requests from their try to their page ready: INV-01 to INV-06 and INV-12 to INV-15.

use super::vcpu::{
    Attempt, Over, Place, Request, Told, Unfinished, Untold, VcpuLog, after, counter, owner,
};
use super::{Done, LogEvent, LogMonitors, Orphan, REMEMBERED};
use crate::ids::{Gfn, Gva, Hva, PAGE_SIZE, Token};
use crate::monitors::catalogue::{
    Family, INV_01, INV_02, INV_03, INV_04, INV_05, INV_06, INV_12, INV_13, INV_14, INV_15,
    InvariantId,
};
use crate::trace::kernel::{KernelEvent, KernelExit};

/// How long a worker may take from publishing a page to saying so, in nanoseconds. An assumption:
/// longer than a scheduler leaves a runnable kernel thread waiting on a busy processor.
const LATE: u64 = 10_000_000;
/// Requests that are followed on a vCPU; a correct kernel has no more than the cap.
const MOST_REQUESTS: usize = 512;
/// Host addresses of guest address 0 that are kept a vCPU: one a memory slot.
const SLOTS: usize = 4;

const OFF: &str = "the guest may have turned notices off, or its vCPU been reset; record kvm_msr";
const VAIN: &str = "its frame was tried in this log and no not present followed; unless repeated \
                    faults are not recorded (kvm_async_pf_repeated_fault), not present is missing";
const END: &str = "the log ends first";

/// A request that is not completed, by address and place in the log, and its vCPU.
type Running = ((u64, u64), usize);

impl LogMonitors {
    pub(super) fn tried(&mut self, at: usize, event: LogEvent, gfn: Gfn) {
        self.seen.tries = true;
        let own = &mut self.vcpus[at];
        own.counts.tries += 1;
        if let Some((exit, ns)) = own.last_exit
            && exit == KernelExit::NestedFault
        {
            self.survey.latencies.exit_to_try.record(event.ns.saturating_sub(ns));
        }
        for request in own.requests.iter_mut().filter(|request| request.gfn() == gfn) {
            request.again = true;
        }
        self.settle_attempt(at);
        self.settle_told(at);
        self.vcpus[at].attempt = Some(Attempt { gfn, ns: event.ns });
    }

    /// A try that led to neither a request nor a halt was served in the vCPU thread.
    pub(super) fn settle_attempt(&mut self, at: usize) {
        let cap = self.config.cap as usize;
        let own = &mut self.vcpus[at];
        let Some(attempt) = own.attempt.take() else { return };
        own.in_vain(attempt.gfn);
        if own.requests.len() >= cap {
            own.counts.at_cap += 1;
        } else {
            own.counts.refused += 1;
        }
    }

    /// The vCPU went on: a request that it was not told of before now is not told any more.
    pub(super) fn settle_told(&mut self, at: usize) {
        let own = &mut self.vcpus[at];
        let Some(untold) = own.untold.take() else { return };
        own.counts.halted += 1;
        if let Some(place) = own.place_of(untold.token) {
            own.requests[place].told = Told::No;
        }
        if let Some((ready, begun)) = untold.readied.zip(untold.begun) {
            self.survey.latencies.halted.record(ready.saturating_sub(begun));
        }
    }

    pub(super) fn announced(&mut self, at: usize, event: LogEvent, token: Token, gva: Gva) {
        self.seen.announced = true;
        self.settle_told(at);
        let attempt = self.vcpus[at].attempt.take();
        self.name_is_free(at, event, token, gva);
        let seq = self.seq;
        let own = &mut self.vcpus[at];
        let count = counter(token);
        if own.first.is_none() {
            own.first = Some(count);
        }
        own.token_id = own.token_id.or(Some(owner(token)));
        let frame = Gfn(gva.0 / PAGE_SIZE);
        let tried = attempt.filter(|attempt| attempt.gfn == frame).map(|attempt| attempt.ns);
        own.requests.push(Request {
            token,
            gva,
            announced: event,
            seq,
            tried,
            completed: None,
            told: Told::Open,
            went_on: false,
            again: false,
            doubtful: false,
            shared: false,
            doubled: None,
        });
        own.untold = Some(Untold { token, readied: None, begun: None, crossed: false });
        own.slept = false;
        self.running.insert((gva.0, seq), at);
        if self.vcpus[at].requests.len() > MOST_REQUESTS {
            // Their page readies are not recorded, or were lost.
            let doubtful = self.vcpus[at].requests.iter().position(|request| request.doubtful);
            self.drop_request(at, doubtful.unwrap_or(0));
        }
        self.check_cap(at, event);
        self.check_early(at, event, token);
        let total: usize = self.survey.outstanding_now + 1;
        self.survey.outstanding_now = total;
        self.survey.outstanding.set(event.ns, total);
    }

    /// What a token and its frame must not be when they are announced.
    fn name_is_free(&mut self, at: usize, event: LogEvent, token: Token, gva: Gva) {
        let frame = Gfn(gva.0 / PAGE_SIZE);
        let label = self.vcpus[at].label();
        match token {
            Token::WAKE_ALL => self.say(
                at,
                INV_03,
                event,
                format!("a request of {label} has token {token}, which means wake-all"),
                &[],
            ),
            Token(0) if self.family().0 == Family::Int => self.say(
                at,
                INV_04,
                event,
                format!("a request of {label} has token 0, which means a free slot"),
                &[],
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
        let same_frame = |own: &VcpuLog| own.requests.iter().position(|r| r.gfn() == frame);
        if let Some(place) = same_frame(&self.vcpus[at]) {
            let other = self.vcpus[at].requests[place];
            if other.doubtful {
                self.drop_request(at, place);
            } else if other.completed.is_some() {
                // The frame is taken out of the hash when the request is dequeued.
                self.missing_ready(at, place, event);
            } else {
                self.vcpus[at].requests[place].doubled = Some(event);
            }
        }
    }

    /// A token with the number of another vCPU.
    fn foreign_token(&mut self, at: usize, event: LogEvent, token: Token) {
        let same_vm = |own: &VcpuLog, other: &VcpuLog| {
            (own.tgid.is_some() && own.tgid == other.tgid)
                || own.bases.iter().any(|base| other.bases.contains(base))
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
        self.survey.latencies.not_present_to_completed.record(latency);
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
    fn confirm_double(&mut self, at: usize, place: usize, event: LogEvent) {
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
    fn pass_orphans(&mut self, at: usize, request: &Request) {
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

    pub(super) fn ready(&mut self, at: usize, event: LogEvent, token: Token, gva: Gva) {
        self.seen.ready = true;
        if token == Token::WAKE_ALL && gva.0 == 0 {
            self.wake_all(at, event);
            return;
        }
        let own = &mut self.vcpus[at];
        own.counts.ready += 1;
        own.readies_since_ack += 1;
        if let Some(untold) = &mut own.untold {
            untold.crossed |= untold.token != token;
        }
        self.nothing_reserved(at, event, token);
        let found = self.vcpus[at].place_of(token);
        let Some(place) = found.filter(|&place| self.vcpus[at].requests[place].gva == gva) else {
            self.unknown_ready(at, event, token, gva);
            return;
        };
        self.confirm_double(at, place, event);
        let request = self.vcpus[at].requests[place];
        self.time_ready(event, &request);
        self.note_order(at, place);
        self.drop_request(at, place);
        let seq = self.seq;
        let own = &mut self.vcpus[at];
        own.answer(token, event);
        own.last_ready = Some((event, Some(request)));
        if let Some(untold) = own.untold.as_mut().filter(|untold| untold.token == token) {
            untold.readied = Some(event.ns);
            untold.begun = Some(request.tried.unwrap_or(request.announced.ns));
        } else if request.told == Told::Yes {
            own.raise(event.ns);
        }
        if request.completed.is_none() && !request.doubtful && !request.shared {
            own.unfinished.push(Unfinished { request, ready: event, seq });
        }
        self.count_over(at, event, &request);
        self.find_overtaken(at, event, &request);
        self.find_unfinished(at, event, &request);
        self.pass_orphans(at, &request);
    }

    fn nothing_reserved(&mut self, at: usize, event: LogEvent, token: Token) {
        let label = self.vcpus[at].label();
        if token == Token::WAKE_ALL {
            let text = format!(
                "page ready of a request of {label} has token {token}, which is wake-all's"
            );
            self.say(at, INV_03, event, text, &[]);
        } else if token.0 == 0 && self.family().0 == Family::Int {
            let text =
                format!("page ready of {label} has token 0, which the guest takes for a free slot");
            self.say(at, INV_04, event, text, &[]);
        }
    }

    fn time_ready(&mut self, event: LogEvent, request: &Request) {
        let latencies = &mut self.survey.latencies;
        if let Some(completed) = request.completed {
            latencies.completed_to_ready.record(event.ns.saturating_sub(completed.ns));
        }
        let begun = request.tried.unwrap_or(request.announced.ns);
        match request.told {
            Told::Yes => latencies.told.record(event.ns.saturating_sub(begun)),
            Told::No => latencies.halted.record(event.ns.saturating_sub(begun)),
            // Its own exception is still to come.
            Told::Open => {}
        }
    }

    fn note_order(&mut self, at: usize, place: usize) {
        let requests = &self.vcpus[at].requests;
        let Some(completed) = requests[place].completed else { return };
        let before = |r: &Request| r.completed.is_some_and(|other| other.seq < completed.seq);
        self.survey.ready_out_of_order +=
            u64::from(requests.iter().any(|request| !request.doubtful && before(request)));
    }

    /// A page ready for no outstanding request of its vCPU and frame.
    fn unknown_ready(&mut self, at: usize, event: LogEvent, token: Token, gva: Gva) {
        let own = &self.vcpus[at];
        let label = own.label();
        let frame = Gfn(gva.0 / PAGE_SIZE);
        let before = own.answered.iter().find(|&(other, _)| other == token);
        if let Some((_, before)) = before {
            let text = format!("page ready {token} of {label} comes a second time");
            self.say(at, INV_14, event, text, &[before]);
            return;
        }
        let why = self.never_announced(at, token, gva);
        if let Some((why, before)) = why {
            let text = format!("page ready {token} of {label} has no not present: {why}");
            self.say(at, INV_12, event, text, &before);
            // What it was meant for is answered, however wrongly.
            let own = &self.vcpus[at];
            if let Some(place) = own.requests.iter().position(|r| r.gfn() == frame) {
                self.drop_request(at, place);
            }
            self.vcpus[at].answer(token, event);
            return;
        }
        self.survey.from_before += 1;
        let own = &mut self.vcpus[at];
        if own.vain.iter().any(|other| other == frame) {
            self.ledger.unjudged(INV_12, VAIN, 1);
        }
        own.early(token, event);
        own.answer(token, event);
        // Its completion may have been one that seemed to be a second one.
        self.orphans.retain(|orphan| {
            !matches!(orphan.event.event,
            KernelEvent::Completed { gva: other, .. } if other == gva)
        });
    }

    /// Why a token was surely not announced before the log began; nothing when it may have been.
    fn never_announced(
        &self,
        at: usize,
        token: Token,
        gva: Gva,
    ) -> Option<(&'static str, Vec<LogEvent>)> {
        let own = &self.vcpus[at];
        let frame = Gfn(gva.0 / PAGE_SIZE);
        let same = |r: &&Request| r.gfn() == frame && !r.doubtful;
        if let Some(request) = own.requests.iter().find(same) {
            return Some((
                "the outstanding request for its frame has another token",
                vec![request.announced],
            ));
        }
        if let Some(place) = own.place_of(token).filter(|&at| !own.requests[at].doubtful) {
            return Some((
                "the request of that token is for another frame",
                vec![own.requests[place].announced],
            ));
        }
        let elsewhere = self.vcpus.iter().enumerate().find_map(|(number, other)| {
            let place = other.place_of(token).filter(|_| number != at)?;
            Some(other.requests[place]).filter(|request| request.gva == gva)
        });
        if let Some(request) = elsewhere {
            return Some(("it was announced to another vCPU", vec![request.announced]));
        }
        if token == Token::WAKE_ALL || token.0 == 0 {
            return None;
        }
        if own.token_id.or(own.id).is_some_and(|id| id != owner(token)) {
            return Some(("the token is that of another vCPU", Vec::new()));
        }
        // Otherwise it may have been a repeated fault on a request from before.
        let repeated = self.seen.repeated || self.seen.old_name;
        if repeated && own.vain.iter().any(|other| other == frame) {
            return Some((
                "its frame was tried in this log, and no request came of it",
                Vec::new(),
            ));
        }
        let first = own.first?;
        (counter(token) == first || after(counter(token), first))
            .then(|| ("its token is younger than the first one in this log", Vec::new()))
    }

    fn wake_all(&mut self, at: usize, event: LogEvent) {
        self.wake_all_spins(at, event);
        let own = &mut self.vcpus[at];
        own.counts.wake_alls += 1;
        own.readies_since_ack += 1;
        own.takes_part = true;
        own.raise(event.ns);
        // It answers whatever was told before, and what was cleared before it needs no answer.
        for request in &mut own.requests {
            request.doubtful = true;
        }
        own.suspects.clear();
        own.over = None;
        own.last_ready = Some((event, None));
    }

    fn count_over(&mut self, at: usize, event: LogEvent, request: &Request) {
        let cap = self.config.cap;
        let own = &mut self.vcpus[at];
        let Some(over) = &mut own.over else { return };
        if request.seq > over.seq {
            return;
        }
        over.readied += 1;
        // Requests that a guest has dropped silently are never ready: most of them were real.
        if over.readied > cap * 3 / 4 {
            let over = *over;
            own.over = None;
            let text = format!(
                "{} had {} requests outstanding at line {}; the cap is {cap}",
                own.label(),
                over.count,
                over.event.line
            );
            self.say(at, INV_05, event, text, &[over.event]);
        }
    }

    /// Requests that were completed before this one was announced, and are not ready yet.
    fn find_overtaken(&mut self, at: usize, event: LogEvent, request: &Request) {
        let overtaken = |other: &Request| {
            !other.doubtful && other.completed.is_some_and(|done| done.seq < request.seq)
        };
        let own = &self.vcpus[at];
        let count = own.requests.iter().filter(|other| overtaken(other)).count();
        if count == 0 {
            return;
        }
        let all = count > 1 && !self.seen.registers;
        while let Some(place) = self.vcpus[at].requests.iter().position(overtaken) {
            if all {
                // A queue that is cleared loses all at once, a lost page ready goes alone.
                self.ledger.unjudged(INV_13, OFF, 1);
                self.drop_request(at, place);
            } else {
                self.missing_ready(at, place, event);
            }
        }
    }

    /// A page ready did not come, and will not any more.
    pub(super) fn missing_ready(&mut self, at: usize, place: usize, event: LogEvent) {
        let request = self.vcpus[at].requests[place];
        self.drop_request(at, place);
        let own = &mut self.vcpus[at];
        if request.told == Told::Yes && !self.seen.registers {
            own.suspects.push((request, event));
            return;
        }
        self.unanswered(at, &request, event);
    }

    pub(super) fn unanswered(&mut self, at: usize, request: &Request, event: LogEvent) {
        let done = request.completed.map_or(0, |done| done.line);
        let text = format!(
            "not present {} of {}, completed at line {done}, got no page ready: later requests \
             were dequeued past it",
            request.token,
            self.vcpus[at].label(),
        );
        self.say(at, INV_13, event, text, &[request.announced]);
    }

    /// Requests that were ready long ago and never completed.
    fn find_unfinished(&mut self, at: usize, event: LogEvent, request: &Request) {
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

    /// Takes a request off the list.
    pub(super) fn drop_request(&mut self, at: usize, place: usize) {
        let request = self.vcpus[at].requests.remove(place);
        if request.completed.is_none() {
            self.running.remove(&(request.gva.0, request.seq));
        }
        let total = self.survey.outstanding_now.saturating_sub(1);
        self.survey.outstanding_now = total;
        self.survey.outstanding.set(self.now, total);
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
