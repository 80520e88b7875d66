//! Where the time of a vCPU thread goes.

use sim_core::SimTime;

use crate::base::ids::{ThreadId, VcpuId};
use crate::base::record::{BlockReason, Event};

/// What a vCPU thread does at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::trace) enum State {
    /// In guest mode.
    Guest,
    /// In the host, working for the vCPU.
    Host,
    /// In the host, spinning for the lock of the second-stage tables or of a userfaultfd descriptor.
    SpinLock,
    /// Runnable without a physical processor.
    Steal,
    /// Blocked for a synchronous fetch.
    Fetch,
    /// Blocked in a fetch for the lock of the VMM's memory map.
    MapLock,
    /// Blocked for write-back in direct reclaim.
    Reclaim,
    /// Blocked because it has charged pages beyond `memory.high`.
    High,
    /// Blocked by the artificial halt.
    ApfHalt,
    /// Blocked because the guest executed HLT.
    Hlt,
}

/// Number of states.
pub(in crate::trace) const STATES: usize = State::Hlt as usize + 1;

/// Time spent by state, in picoseconds.
pub(in crate::trace) type Spent = [u64; STATES];

/// Follows one vCPU thread and adds up its time by state.
#[derive(Clone, Debug)]
pub(in crate::trace) struct VcpuClock {
    in_guest: bool,
    on_cpu: bool,
    spins: bool,
    blocked: Option<BlockReason>,
    since: SimTime,
    spent: Spent,
}

impl VcpuClock {
    /// A thread that runs in the host, at the start of time. Traces without a host scheduler
    /// leave it on its processor for ever.
    pub(in crate::trace) fn new() -> Self {
        Self {
            in_guest: false,
            on_cpu: true,
            spins: false,
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
            Some(BlockReason::MapLock) => State::MapLock,
            Some(BlockReason::Reclaim | BlockReason::Throttle) => State::Reclaim,
            Some(BlockReason::High) => State::High,
            Some(BlockReason::ApfHalt) => State::ApfHalt,
            Some(BlockReason::Hlt) => State::Hlt,
            // Its thread is out of the kernel, and waits there.
            Some(BlockReason::Stopped) => State::Host,
            None if !self.on_cpu => State::Steal,
            None if self.in_guest => State::Guest,
            None if self.spins => State::SpinLock,
            None => State::Host,
        }
    }

    /// Adds the time up to `now` to the present state.
    fn settle(&mut self, now: SimTime) {
        self.spent[self.state() as usize] += now.saturating_since(self.since).as_ps();
        self.since = now;
    }

    pub(in crate::trace) fn enter(&mut self, now: SimTime) {
        self.settle(now);
        self.in_guest = true;
        self.on_cpu = true;
    }

    pub(in crate::trace) fn exit(&mut self, now: SimTime) {
        self.settle(now);
        self.in_guest = false;
    }

    pub(in crate::trace) fn block(&mut self, now: SimTime, reason: BlockReason) {
        self.settle(now);
        self.blocked = Some(reason);
    }

    pub(in crate::trace) fn unblock(&mut self, now: SimTime) {
        self.settle(now);
        self.blocked = None;
    }

    fn spin(&mut self, now: SimTime, spins: bool) {
        self.settle(now);
        self.spins = spins;
    }

    pub(in crate::trace) fn switch(&mut self, now: SimTime, on_cpu: bool) {
        self.settle(now);
        self.on_cpu = on_cpu;
    }

    /// A host scheduler has appeared in the trace: whoever it has not named runs only if it is
    /// in guest mode.
    fn first_switch(&mut self, now: SimTime) {
        self.switch(now, self.in_guest);
    }

    /// Forgets the time spent before `now`.
    pub(in crate::trace) fn restart(&mut self, now: SimTime) {
        self.settle(now);
        self.spent = [0; STATES];
    }

    /// The time spent up to `now`, which must not lie before what was observed.
    pub(in crate::trace) fn spent(&self, now: SimTime) -> Spent {
        let mut settled = self.clone();
        settled.settle(now);
        settled.spent
    }
}

/// Follows the threads of all vCPUs.
#[derive(Clone, Debug)]
pub(in crate::trace) struct VcpuClocks {
    clocks: Vec<VcpuClock>,
    /// Which of them count; all, if it is empty.
    own: Vec<bool>,
    scheduler_seen: bool,
}

impl VcpuClocks {
    pub(in crate::trace) fn new(vcpus: u16) -> Self {
        let clocks = vec![VcpuClock::new(); usize::from(vcpus)];
        Self { clocks, own: Vec::new(), scheduler_seen: false }
    }

    /// Only some of them count in what all have spent.
    pub(in crate::trace) fn of_some(own: Vec<bool>) -> Self {
        Self { own: own.clone(), ..Self::new(own.len() as u16) }
    }

    /// Threads that run in guest mode from `now` on, in a machine whose host scheduler is traced.
    pub(in crate::trace) fn in_guest(vcpus: u16, now: SimTime) -> Self {
        let mut clocks = Self { scheduler_seen: true, ..Self::new(vcpus) };
        clocks.clocks.iter_mut().for_each(|clock| clock.enter(now));
        clocks
    }

    /// What the thread of a vCPU does; nothing for a number that no vCPU has.
    pub(in crate::trace) fn state(&self, vcpu: VcpuId) -> Option<State> {
        self.clocks.get(vcpu.index()).map(VcpuClock::state)
    }

    /// Takes in a record; those that say nothing about a vCPU thread change nothing.
    #[inline]
    pub(in crate::trace) fn observe(&mut self, now: SimTime, event: Event) {
        match event {
            Event::KvmEntry { vcpu } => self.on(vcpu, |clock| clock.enter(now)),
            Event::KvmExit { vcpu, .. } => self.on(vcpu, |clock| clock.exit(now)),
            Event::VcpuBlock { vcpu, reason } => self.on(vcpu, |clock| clock.block(now, reason)),
            Event::VcpuUnblock { vcpu, .. } => self.on(vcpu, |clock| clock.unblock(now)),
            Event::HostSchedSwitch { prev, next, .. } => self.host_switch(now, prev, next),
            Event::ContentionBegin { thread, .. } | Event::UffdLockWait { thread, .. } => {
                self.spin(now, thread, true);
            }
            Event::ContentionEnd { thread } | Event::UffdLockTaken { thread } => {
                self.spin(now, thread, false);
            }
            _ => {}
        }
    }

    fn on(&mut self, vcpu: VcpuId, change: impl FnOnce(&mut VcpuClock)) {
        if let Some(clock) = self.clocks.get_mut(vcpu.index()) {
            change(clock);
        }
    }

    fn spin(&mut self, now: SimTime, thread: ThreadId, spins: bool) {
        // The threads of vCPUs have the numbers of their vCPUs.
        if let Some(clock) = self.clocks.get_mut(thread.index()) {
            clock.spin(now, spins);
        }
    }

    fn host_switch(&mut self, now: SimTime, prev: Option<ThreadId>, next: Option<ThreadId>) {
        if !self.scheduler_seen {
            self.scheduler_seen = true;
            self.clocks.iter_mut().for_each(|clock| clock.first_switch(now));
        }
        // The threads of vCPUs have the numbers of their vCPUs.
        for (thread, on_cpu) in [(prev, false), (next, true)] {
            let clock = thread.and_then(|thread| self.clocks.get_mut(thread.index()));
            if let Some(clock) = clock {
                clock.switch(now, on_cpu);
            }
        }
    }

    /// Forgets the time spent before `now`.
    pub(in crate::trace) fn restart(&mut self, now: SimTime) {
        self.clocks.iter_mut().for_each(|clock| clock.restart(now));
    }

    /// Time of one vCPU by state up to `now`; none for a number that no vCPU has.
    pub(in crate::trace) fn spent_of(&self, vcpu: VcpuId, now: SimTime) -> Spent {
        self.clocks.get(vcpu.index()).map_or([0; STATES], |clock| clock.spent(now))
    }

    /// Time by state up to `now`, over all vCPUs.
    pub(in crate::trace) fn spent(&self, now: SimTime) -> [u128; STATES] {
        let mut sum = [0; STATES];
        let counts = |at: usize| self.own.get(at).is_none_or(|own| *own);
        for (_, clock) in self.clocks.iter().enumerate().filter(|(at, _)| counts(*at)) {
            for (sum, own) in sum.iter_mut().zip(clock.spent(now)) {
                *sum += u128::from(own);
            }
        }
        sum
    }
}
