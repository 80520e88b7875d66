//! Page ready: INV-12 to INV-14, and what only page readies confirm.

use super::ledger::About;
use super::vcpu::{Request, Told, Unfinished, VcpuLog, after, counter, owner};
use super::{Counted, Deferred, LogEvent, LogMonitors, Needs};
use crate::base::ids::{Gfn, Gva, PAGE_SIZE, Token};
use crate::monitors::catalogue::{INV_03, INV_05, INV_12, INV_13, INV_14};

/// Why a missing page ready may be no breach where `kvm_msr` is not recorded.
pub(super) const OFF: &str =
    "the guest may have turned notices off (kvm_msr would show it), or its vCPU been reset";
const WANDERING: &str = "a vCPU of this log is run by several threads";
const VAIN: &str = "its frame was tried in this log and no not present followed; unless repeated \
                    faults are not recorded (kvm_async_pf_repeated_fault), not present is missing";

impl LogMonitors {
    pub(super) fn ready(&mut self, at: usize, event: LogEvent, token: Token, gva: Gva) {
        self.seen.ready = true;
        self.vcpus[at].ready_ns = Some(event.ns);
        self.ready_after_ack(at, event);
        // Old kernels print the item's own token, which is 0, before they make it all ones.
        let zero = token.0 == 0 && self.vcpus[at].place_of(token).is_none();
        if gva.0 == 0 && (token == Token::WAKE_ALL || zero) {
            self.wake_all(at, event);
            return;
        }
        let own = &mut self.vcpus[at];
        own.counts.ready += 1;
        self.survey.course.count(at, event.ns, Counted::Ready);
        let own = &mut self.vcpus[at];
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
        self.note_order(at, place);
        let request = self.dequeued(at, place);
        self.time_ready(at, event, &request);
        self.vcpus[at].watch.ready(event, token, request.gfn());
        let seq = self.seq;
        let own = &mut self.vcpus[at];
        own.answer(token, event);
        own.last_ready = Some((event, Some(request)));
        if let Some(untold) = own.untold.as_mut().filter(|untold| untold.token == token) {
            untold.readied = Some(event);
            untold.begun = Some(request.tried.unwrap_or(request.announced.ns));
        } else if request.told == Told::Yes {
            own.raise(event, Some(token));
        }
        if request.completed.is_none() && !request.doubtful && !request.shared {
            own.unfinished.push(Unfinished { request, ready: event, seq, overdue: None });
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
        } else if token.0 == 0 && self.vcpus[at].place_of(token).is_none() {
            let text =
                format!("page ready of {label} has token 0, which the guest takes for a free slot");
            self.token_zero(at, event, text, false);
        }
    }

    fn time_ready(&mut self, at: usize, event: LogEvent, request: &Request) {
        let latencies = self.survey.course.latencies(at);
        if let Some(completed) = request.completed {
            latencies.completed_to_ready.record(event.ns.saturating_sub(completed.ns));
        }
        let begun = request.tried.unwrap_or(request.announced.ns);
        match request.told {
            Told::Yes => latencies.told.record(event.ns.saturating_sub(begun)),
            Told::No if request.uncounted => self.unsure(at, request.token, event, begun),
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
        if self.came_after_all(at, token, gva) {
            self.vcpus[at].answer(token, event);
            return;
        }
        let own = &self.vcpus[at];
        let label = own.label();
        let frame = Gfn(gva.0 / PAGE_SIZE);
        let before = own.answered.iter().find(|&(other, _)| other == token);
        if let Some((_, before)) = before {
            let text = format!("page ready {token} of {label} comes a second time");
            self.say(at, INV_14, event, text, &[before]);
            return;
        }
        let why = match self.seen.wandering {
            // It may have been announced in another thread.
            true => None,
            false => self.never_announced(at, token, gva),
        };
        let (sure, unsure) = if self.seen.announced { (why, None) } else { (None, why) };
        if let Some((why, before)) = sure {
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
        if let Some((why, before)) = unsure {
            let text = format!("page ready {token} of {label} has no not present: {why}");
            let story = before.into_iter().chain(self.vcpus[at].recent()).collect();
            let needs = Needs::Announcements;
            self.defer(Deferred { id: INV_12, needs, event, text, story });
        }
        self.survey.from_before += 1;
        if self.seen.wandering {
            self.ledger.unjudged(INV_12, WANDERING, 1);
        }
        let own = &mut self.vcpus[at];
        if own.vain_try(frame).is_some() {
            self.ledger.unjudged(INV_12, VAIN, 1);
        }
        own.early(token, event);
        own.answer(token, event);
        self.unseen_request(gva);
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
        let of_frame = own.requests.iter().find(same).filter(|_| !self.seen.translated);
        if let Some(request) = of_frame {
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
        // The same vCPU in another thread is no other vCPU.
        let same_vcpu = |other: &VcpuLog| own.id.is_some() && own.id == other.id;
        let elsewhere = self.vcpus.iter().enumerate().find_map(|(number, other)| {
            let place = other.place_of(token).filter(|_| number != at)?;
            Some((other.requests[place], same_vcpu(other)))
                .filter(|(request, _)| request.gva == gva)
        });
        if elsewhere.is_some_and(|(_, same)| same) {
            return None;
        }
        let elsewhere = elsewhere.map(|(request, _)| request);
        if let Some(request) = elsewhere {
            return Some(("it was announced to another vCPU", vec![request.announced]));
        }
        if token == Token::WAKE_ALL || token.0 == 0 {
            return None;
        }
        if own.token_id.or(own.id).is_some_and(|id| id != owner(token)) {
            return Some(("the token is that of another vCPU", Vec::new()));
        }
        let vain = own.vain_try(frame).filter(|_| !self.seen.translated);
        if let Some(told) = vain.and_then(|attempt| attempt.told) {
            return Some((
                "the guest was told of a fault on its frame, and no not present was printed",
                vec![told],
            ));
        }
        // Otherwise it may have been a repeated fault on a request from before.
        let repeated = self.seen.repeated || self.seen.old_name;
        if repeated && own.first.is_some() && vain.is_some() {
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
        own.raise(event, None);
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

    /// Requests that were completed before this one was begun, and are not ready yet.
    fn find_overtaken(&mut self, at: usize, event: LogEvent, request: &Request) {
        let overtaken = |own: &VcpuLog, other: &Request| {
            own.surely_completed(other).is_some_and(|done| done.seq < request.begun)
        };
        let own = &self.vcpus[at];
        let count = own.requests.iter().filter(|other| overtaken(own, other)).count();
        let all = count > 1 && !self.seen.registers;
        for _ in 0..count {
            let own = &self.vcpus[at];
            let Some(place) = own.requests.iter().position(|other| overtaken(own, other)) else {
                break;
            };
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
        self.miss(at, &request);
        let own = &mut self.vcpus[at];
        if request.told == Told::Yes {
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
        let story = [request.announced].into_iter().chain(self.vcpus[at].recent()).collect();
        self.ledger.breach_about(
            About { gva: request.gva, seq: request.seq },
            INV_13,
            event,
            text,
            story,
        );
    }
}
