//! Where the time of a vCPU thread goes.

use sim_core::SimTime;

use crate::trace::record::BlockReason;

/// What a vCPU thread does at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// In guest mode.
    Guest,
    /// In the host, working for the vCPU.
    Host,
    /// Runnable without a physical processor.
    Steal,
    /// Blocked for a synchronous fetch.
    Fetch,
    /// Blocked for write-back in direct reclaim.
    Reclaim,
    /// Blocked by the artificial halt.
    ApfHalt,
    /// Blocked because the guest executed HLT.
    Hlt,
}

/// Number of states.
pub(super) const STATES: usize = State::Hlt as usize + 1;

/// Time spent by state, in picoseconds.
pub(super) type Spent = [u64; STATES];

/// Follows one vCPU thread and adds up its time by state.
#[derive(Clone, Debug)]
pub(super) struct VcpuClock {
    in_guest: bool,
    on_cpu: bool,
    blocked: Option<BlockReason>,
    since: SimTime,
    spent: Spent,
}

impl VcpuClock {
    /// A thread that runs in the host, at the start of time. Traces without a host scheduler
    /// leave it on its processor for ever.
    pub(super) fn new() -> Self {
        Self {
            in_guest: false,
            on_cpu: true,
            blocked: None,
            since: SimTime::ZERO,
            spent: [0; STATES],
        }
    }

    /// What the thread does. Being blocked goes before waiting for a processor, and that before
    /// everything that needs one.
    fn state(&self) -> State {
        match self.blocked {
            Some(BlockReason::Fetch) => State::Fetch,
            Some(BlockReason::Reclaim) => State::Reclaim,
            Some(BlockReason::ApfHalt) => State::ApfHalt,
            Some(BlockReason::Hlt) => State::Hlt,
            None if !self.on_cpu => State::Steal,
            None if self.in_guest => State::Guest,
            None => State::Host,
        }
    }

    /// Adds the time up to `now` to the present state.
    fn settle(&mut self, now: SimTime) {
        self.spent[self.state() as usize] += now.saturating_since(self.since).as_ps();
        self.since = now;
    }

    pub(super) fn enter(&mut self, now: SimTime) {
        self.settle(now);
        self.in_guest = true;
        self.on_cpu = true;
    }

    pub(super) fn exit(&mut self, now: SimTime) {
        self.settle(now);
        self.in_guest = false;
    }

    pub(super) fn block(&mut self, now: SimTime, reason: BlockReason) {
        self.settle(now);
        self.blocked = Some(reason);
    }

    pub(super) fn unblock(&mut self, now: SimTime) {
        self.settle(now);
        self.blocked = None;
    }

    pub(super) fn switch(&mut self, now: SimTime, on_cpu: bool) {
        self.settle(now);
        self.on_cpu = on_cpu;
    }

    /// A host scheduler has appeared in the trace: whoever it has not named runs only if it is
    /// in guest mode.
    pub(super) fn first_switch(&mut self, now: SimTime) {
        self.switch(now, self.in_guest);
    }

    /// Forgets the time spent before `now`.
    pub(super) fn restart(&mut self, now: SimTime) {
        self.settle(now);
        self.spent = [0; STATES];
    }

    /// The time spent up to `now`, which must not lie before what was observed.
    pub(super) fn spent(&self, now: SimTime) -> Spent {
        let mut settled = self.clone();
        settled.settle(now);
        settled.spent
    }
}
