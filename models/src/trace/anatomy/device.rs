//! Which request of the swap device a fault waits for.
//!
//! Requests name slots, not pages, so a request is known by its surroundings: it is the one that
//! a thread submits right before it sleeps, or whose completion wakes that thread at the same
//! instant. A thread that had to wait for a processor in between is taken to have waited for the
//! last read before.

use sim_core::SimTime;

use super::lane::Lane;
use crate::base::ids::RequestId;
use crate::base::record::{Event, IoKind};

/// What the swap device does about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceState {
    /// The request waits in the device's queue.
    Queued,
    /// The request is in service.
    InService,
}

impl DeviceState {
    /// Every state.
    pub const ALL: [Self; 2] = [Self::Queued, Self::InService];

    /// What it is called in legends and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "request queued",
            Self::InService => "request in service",
        }
    }
}

/// A request that was in service in the span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) id: RequestId,
    pub(super) op: Option<IoKind>,
    /// None when it was issued before the span.
    pub(super) issued: Option<SimTime>,
    pub(super) completed: Option<SimTime>,
    /// When the thread that waits for it began to wait or handed it in.
    wanted: Option<SimTime>,
}

/// All requests of the span, and which of them the fault waits for.
#[derive(Clone, Debug)]
pub(super) struct Requests {
    from: SimTime,
    all: Vec<Request>,
    /// Places of requests that completed, and of the last one issued, at the present instant.
    now: SimTime,
    issued_now: Option<usize>,
    completed_now: Option<usize>,
    /// Since when the fetching thread sleeps, and the request that it handed in then.
    asleep: Option<(SimTime, Option<usize>)>,
}

impl Requests {
    pub(super) fn new(from: SimTime) -> Self {
        Self {
            from,
            all: Vec::new(),
            now: from,
            issued_now: None,
            completed_now: None,
            asleep: None,
        }
    }

    /// The requests that the fault waited for.
    pub(super) fn own(&self) -> impl Iterator<Item = &Request> {
        self.all.iter().filter(|request| request.wanted.is_some())
    }

    pub(super) fn observe(&mut self, now: SimTime, event: Event) {
        if now > self.now {
            (self.now, self.issued_now, self.completed_now) = (now, None, None);
        }
        match event {
            Event::BlockRqIssue { request: id, op, .. } => {
                let (issued, op) = (Some(now), Some(op));
                self.all.push(Request { id, op, issued, completed: None, wanted: None });
                // One that a completion made room for was handed in earlier by somebody.
                self.issued_now = self.completed_now.is_none().then_some(self.all.len() - 1);
            }
            Event::BlockRqComplete { request: id } => {
                let mut open = self.all.iter().rposition(|r| r.id == id && r.completed.is_none());
                let place = *open.get_or_insert_with(|| {
                    let (issued, completed, wanted, op) = (None, None, None, None);
                    self.all.push(Request { id, op, issued, completed, wanted });
                    self.all.len() - 1
                });
                self.all[place].completed = Some(now);
                self.completed_now = Some(place);
            }
            _ => {}
        }
    }

    fn want(&mut self, place: usize, since: SimTime) {
        self.all[place].wanted.get_or_insert(since);
    }

    /// The vCPU thread has begun the read of the page, if it handed in one at this instant.
    pub(super) fn submitted(&mut self, now: SimTime) {
        if let Some(place) = self.issued_now.filter(|_| now == self.now)
            && self.all[place].op == Some(IoKind::Read)
        {
            self.want(place, now);
        }
    }

    /// The fetching thread leaves its processor.
    pub(super) fn sleeps(&mut self, now: SimTime) {
        let handed_in = self.issued_now.filter(|_| now == self.now);
        self.asleep.get_or_insert((now, handed_in));
    }

    /// The fetching thread is back on a processor. Gives when it left, and when it could have gone
    /// on: at once when it had not slept but lost its processor.
    pub(super) fn wakes(&mut self, now: SimTime) -> Option<(SimTime, SimTime)> {
        let (slept, handed_in) = self.asleep.take()?;
        let last_read = || {
            let of_sleep = |r: &Request| {
                r.op != Some(IoKind::Write) && r.completed.is_some_and(|at| at > slept && at <= now)
            };
            let ends = self.all.iter().enumerate().filter(|(_, request)| of_sleep(request));
            ends.max_by_key(|(_, request)| request.completed).map(|(place, _)| place)
        };
        let completed_now = self.completed_now.filter(|_| now == self.now);
        let place = completed_now.or(handed_in).or_else(last_read);
        let woken = place.and_then(|place| self.all[place].completed);
        if let (Some(place), Some(_)) = (place, woken) {
            self.want(place, slept);
        }
        Some((slept, woken.unwrap_or(slept).clamp(slept, now)))
    }

    /// The device's lane: each request of the fault from the wish for it to its completion.
    pub(super) fn lane(&self, from: SimTime, to: SimTime) -> Lane<DeviceState> {
        let mut own: Vec<&Request> = self.own().collect();
        own.sort_by_key(|request| request.wanted);
        let mut lane = Lane::default();
        let mut free = from;
        for request in own {
            let issued = request.issued.unwrap_or(self.from);
            let wanted = request.wanted.unwrap_or(issued);
            let completed = request.completed.unwrap_or(to);
            lane.push(wanted.max(free), issued, DeviceState::Queued);
            lane.push(issued.max(free), completed, DeviceState::InService);
            free = free.max(completed);
        }
        lane
    }
}
