//! Follows the requests that are open.

use std::collections::BTreeMap;

use sim_core::{SimDuration, SimTime};

use super::part::{RequestPart, RequestParts};
use super::seen::{RequestKey, RequestSeen, RequestStretch};
use crate::base::ids::{GroupId, TaskId, VcpuId};
use crate::base::record::Event;
use crate::trace::metrics::clock::{STATES, Spent, State, VcpuClocks};

/// What the task of a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// It is the current one of its vCPU.
    Current,
    /// It is runnable and not the current one.
    Runnable,
    /// It is not the current one. Only what comes next tells why: a wake-up shows that it slept, a switch
    /// without one that it had been preempted.
    Away {
        /// What it sleeps for, if it sleeps.
        sleeps: RequestPart,
    },
}

/// A request that is not over.
#[derive(Clone, Debug)]
struct Open {
    group: GroupId,
    begin: SimTime,
    waited: SimDuration,
    vcpu: VcpuId,
    doing: Doing,
    /// Its task waits for page ready.
    waits_page: bool,
    /// Its task is about to sleep for another task.
    waits_lock: bool,
    /// What the vCPU had spent by state when the parts were last brought up to date.
    at: Spent,
    /// The task's own processor time since then.
    own_ps: u64,
    parts: RequestParts,
    /// What the time away is if the task did not sleep.
    preempted: RequestParts,
    major_faults: u32,
    /// Where it is watched.
    stretches: Option<Vec<RequestStretch>>,
    /// Since when its task is away.
    away: SimTime,
}

/// Follows the requests of all tasks. Costs next to nothing while none is open.
#[derive(Clone, Debug, Default)]
pub(in crate::trace) struct Tracker {
    open: BTreeMap<TaskId, Open>,
    watched: Vec<RequestKey>,
}

impl Tracker {
    /// A tracker that also says what happened when, of these requests.
    pub(in crate::trace) fn watching(watched: Vec<RequestKey>) -> Self {
        Self { open: BTreeMap::new(), watched }
    }

    /// Takes in a record that `clocks` has taken in, too. The request that it ends, if it ends one.
    #[inline(always)]
    pub(in crate::trace) fn observe(
        &mut self,
        now: SimTime,
        event: &Event,
        clocks: &VcpuClocks,
    ) -> Option<RequestSeen> {
        if self.open.is_empty() && !matches!(event, Event::RequestBegin { .. }) {
            return None;
        }
        self.follow(now, *event, clocks)
    }

    /// Takes in a record while there are requests. Apart, as most runs have none.
    #[inline(never)]
    fn follow(&mut self, now: SimTime, event: Event, clocks: &VcpuClocks) -> Option<RequestSeen> {
        let seen = self.step(now, event, clocks);
        if !self.watched.is_empty() {
            self.note_stretches(now, clocks);
        }
        seen
    }

    fn step(&mut self, now: SimTime, event: Event, clocks: &VcpuClocks) -> Option<RequestSeen> {
        match event {
            Event::RequestBegin { vcpu, task, group, waited } => {
                let watched = self.watched.contains(&RequestKey { task, begin: now });
                let mut parts = RequestParts::default();
                parts.add(RequestPart::Queue, waited.as_ps());
                let open = Open {
                    group,
                    begin: now,
                    waited,
                    vcpu,
                    doing: Doing::Current,
                    waits_page: false,
                    waits_lock: false,
                    at: clocks.spent_of(vcpu, now),
                    own_ps: 0,
                    parts,
                    preempted: RequestParts::default(),
                    major_faults: 0,
                    stretches: watched.then(Vec::new),
                    away: now,
                };
                self.open.insert(task, open);
            }
            Event::RequestEnd { task, .. } => {
                let mut open = self.open.remove(&task)?;
                open.settle(now, clocks);
                return Some(RequestSeen {
                    key: RequestKey { task, begin: open.begin },
                    group: open.group,
                    waited: open.waited,
                    end: now,
                    parts: open.parts,
                    major_faults: open.major_faults,
                    stretches: open.stretches.unwrap_or_default(),
                });
            }
            Event::TaskRun { task, span, .. } | Event::TaskKernelRun { task, span, .. } => {
                self.on(task, |open| open.own_ps += span.as_ps());
            }
            Event::MajorFaultBegin { task, .. } => self.on(task, |open| open.major_faults += 1),
            Event::ApfWait { task, .. } => self.on(task, |open| open.waits_page = true),
            Event::ApfWake { task, .. } => self.on(task, |open| open.waits_page = false),
            Event::GuestSyncWait { task, .. } => self.on(task, |open| open.waits_lock = true),
            Event::GuestSchedSwitch { vcpu, prev, next } => {
                if let Some(prev) = prev {
                    self.on(prev, |open| open.leaves(now, clocks));
                }
                if let Some(next) = next {
                    self.on(next, |open| open.comes(vcpu, now, clocks));
                }
            }
            Event::GuestSchedWakeup { task, vcpu } => {
                self.on(task, |open| open.wakes(vcpu, now, clocks));
            }
            Event::GuestMigrateTask { task, to, .. } => {
                self.on(task, |open| open.moves(to, now, clocks));
            }
            _ => {}
        }
        None
    }

    fn on(&mut self, task: TaskId, change: impl FnOnce(&mut Open)) {
        if let Some(open) = self.open.get_mut(&task) {
            change(open);
        }
    }

    /// The clocks are about to forget the time before `now`.
    pub(in crate::trace) fn before_restart(&mut self, now: SimTime, clocks: &VcpuClocks) {
        for open in self.open.values_mut() {
            let spent = clocks.spent_of(open.vcpu, now);
            // Modulo 2^64, as later differences are.
            open.at = std::array::from_fn(|state| open.at[state].wrapping_sub(spent[state]));
        }
    }

    /// Adds what watched requests do from now on.
    fn note_stretches(&mut self, now: SimTime, clocks: &VcpuClocks) {
        for open in self.open.values_mut() {
            let part = open.activity(clocks);
            let Some(stretches) = &mut open.stretches else { continue };
            if stretches.last().is_some_and(|last| last.from == now) {
                stretches.pop();
            }
            if stretches.last().is_none_or(|last| last.part != part) {
                stretches.push(RequestStretch { from: now, part });
            }
        }
    }
}

impl Open {
    /// Gives the time since the last change to its parts.
    fn settle(&mut self, now: SimTime, clocks: &VcpuClocks) {
        let spent = clocks.spent_of(self.vcpu, now);
        let passed: Spent = std::array::from_fn(|state| spent[state].wrapping_sub(self.at[state]));
        self.at = spent;
        match self.doing {
            Doing::Current => {
                for (state, ps) in passed.into_iter().enumerate() {
                    self.parts.add(CURRENT[state], ps);
                }
                // What the program did not run of guest mode was the kernel's.
                let own = std::mem::take(&mut self.own_ps);
                let kernel = passed[State::Guest as usize].saturating_sub(own);
                self.parts.move_to_kernel(kernel);
            }
            Doing::Runnable => add_runnable(&mut self.parts, passed),
            Doing::Away { .. } => add_runnable(&mut self.preempted, passed),
        }
    }

    fn follow(&mut self, vcpu: VcpuId, now: SimTime, clocks: &VcpuClocks) {
        self.vcpu = vcpu;
        self.at = clocks.spent_of(vcpu, now);
    }

    fn leaves(&mut self, now: SimTime, clocks: &VcpuClocks) {
        self.settle(now, clocks);
        let sleeps = match (self.waits_page, self.waits_lock) {
            (true, _) => RequestPart::Device,
            (false, true) => RequestPart::Lock,
            (false, false) => RequestPart::Sleep,
        };
        self.doing = Doing::Away { sleeps };
        self.away = now;
    }

    fn comes(&mut self, vcpu: VcpuId, now: SimTime, clocks: &VcpuClocks) {
        self.settle(now, clocks);
        self.parts.merge(&std::mem::take(&mut self.preempted));
        self.follow(vcpu, now, clocks);
        self.doing = Doing::Current;
        self.waits_lock = false;
    }

    fn wakes(&mut self, vcpu: VcpuId, now: SimTime, clocks: &VcpuClocks) {
        let Doing::Away { sleeps } = self.doing else { return };
        self.settle(now, clocks);
        let slept = std::mem::take(&mut self.preempted).total();
        self.parts.add(sleeps, slept.as_ps());
        self.follow(vcpu, now, clocks);
        self.doing = Doing::Runnable;
        if let Some(stretches) = &mut self.stretches {
            stretches.retain(|stretch| stretch.from < self.away);
            stretches.push(RequestStretch { from: self.away, part: sleeps });
        }
    }

    fn moves(&mut self, to: VcpuId, now: SimTime, clocks: &VcpuClocks) {
        self.settle(now, clocks);
        self.follow(to, now, clocks);
    }

    /// What it does at the moment; of a task that is away, what it does if it does not sleep.
    fn activity(&self, clocks: &VcpuClocks) -> RequestPart {
        let state = clocks.state(self.vcpu).map_or(State::Guest as usize, |state| state as usize);
        match self.doing {
            Doing::Current => CURRENT[state],
            Doing::Runnable | Doing::Away { .. } => RUNNABLE[state],
        }
    }
}

fn add_runnable(parts: &mut RequestParts, passed: Spent) {
    for (state, ps) in passed.into_iter().enumerate() {
        parts.add(RUNNABLE[state], ps);
    }
}

/// What a state of the vCPU is to the request of its current task. Guest mode counts as the program's
/// until it is known what the kernel had of it.
const CURRENT: [RequestPart; STATES] = {
    let mut parts = [RequestPart::Device; STATES];
    parts[State::Guest as usize] = RequestPart::Cpu;
    parts[State::Host as usize] = RequestPart::Host;
    parts[State::Steal as usize] = RequestPart::Steal;
    parts[State::MapLock as usize] = RequestPart::Lock;
    parts[State::SpinLock as usize] = RequestPart::Lock;
    parts[State::Reclaim as usize] = RequestPart::Reclaim;
    parts[State::High as usize] = RequestPart::Reclaim;
    parts
};

/// What a state of the vCPU is to the request of a task that waits for its turn.
const RUNNABLE: [RequestPart; STATES] = {
    let mut parts = [RequestPart::RunQueue; STATES];
    parts[State::Steal as usize] = RequestPart::Steal;
    parts[State::Fetch as usize] = RequestPart::Stall;
    parts[State::MapLock as usize] = RequestPart::Lock;
    parts[State::SpinLock as usize] = RequestPart::Lock;
    parts[State::Reclaim as usize] = RequestPart::Reclaim;
    parts[State::High as usize] = RequestPart::Reclaim;
    parts[State::ApfHalt as usize] = RequestPart::Halt;
    parts
};
