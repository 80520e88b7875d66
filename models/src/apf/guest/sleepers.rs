//! The table of sleepers: waiting for a token, and waking.

use crate::apf::defect::Defect;
use crate::apf::effect::{Effect, Effects};
use crate::apf::guest::{GuestHalf, Sleeper, WaitContext};
use crate::apf::rules::{DummyAllocation, GuestHalt, GuestWait, WakeAllScope, WakeBeforeWait};
use crate::apf::state::Apf;
use crate::base::ids::{TaskId, Token, VcpuId};
use crate::base::record::{DummyAction, Event};

/// How a task that was told not present waits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    Schedule,
    Halt,
    Panic,
}

impl GuestHalf {
    fn find(&self, token: Token) -> Option<usize> {
        let first = self.sleepers.partition_point(|sleeper| sleeper.token < token);
        self.sleepers.get(first).filter(|sleeper| sleeper.token == token).map(|_| first)
    }

    fn insert(&mut self, sleeper: Sleeper) {
        let after = self.sleepers.partition_point(|other| other.token <= sleeper.token);
        self.sleepers.insert(after, sleeper);
    }

    fn own(&mut self, task: TaskId, token: Token) -> Option<&mut Sleeper> {
        let first = self.sleepers.partition_point(|sleeper| sleeper.token < token);
        let mut equal = self.sleepers[first..].iter_mut().take_while(|it| it.token == token);
        equal.find(|sleeper| sleeper.task == Some(task))
    }
}

impl Apf {
    pub(super) fn wait_link(
        &mut self,
        vcpu: VcpuId,
        task: TaskId,
        token: Token,
        effects: &mut Effects,
    ) {
        self.guest.cr2[vcpu.index()] = None;
        let Some(index) = self.guest.find(token) else {
            self.guest.insert(Sleeper { token, vcpu, task: Some(task), in_hlt: false });
            effects.push(Effect::Emit(Event::ApfWait { vcpu, task, token }));
            effects.push(Effect::Linked);
            return;
        };
        let any = self.rules.wake_before_wait == WakeBeforeWait::AnyEntryIsDummy
            || self.has(Defect::StackNodeIsDummy);
        let found = self.guest.sleepers[index];
        if any || found.task.is_none() {
            self.guest.sleepers.remove(index);
            let event = Event::ApfDummy { vcpu, token, action: DummyAction::Consumed };
            effects.push(Effect::Emit(event));
            if let Some(task) = found.task {
                effects.push(Effect::StackNodeFreed { task });
            }
        }
        effects.push(Effect::NoSleep);
    }

    pub(super) fn wait_test(
        &mut self,
        vcpu: VcpuId,
        (task, token): (TaskId, Token),
        ctx: WaitContext,
        effects: &mut Effects,
    ) {
        let wait = self.how_to_wait(ctx);
        let window = self.rules.guest_halt == GuestHalt::WindowBeforeHlt
            || self.has(Defect::WindowBeforeHlt);
        let Some(own) = self.guest.own(task, token) else {
            effects.push(Effect::WaitDone);
            return;
        };
        own.in_hlt = wait == Wait::Halt;
        effects.push(match wait {
            Wait::Schedule => Effect::Sleep,
            Wait::Panic => Effect::GuestPanic { vcpu },
            Wait::Halt if window => Effect::OpenWindow,
            Wait::Halt => Effect::HaltGuest,
        });
    }

    fn how_to_wait(&self, ctx: WaitContext) -> Wait {
        let atomic = ctx.preempt_count > 0 && !self.has(Defect::ScheduleInAtomic);
        let rcu = ctx.rcu_reader && !self.has(Defect::ScheduleInRcuReader);
        let halts = match self.rules.guest_wait {
            GuestWait::HaltIfIdleOrAtomic => ctx.idle || atomic,
            GuestWait::HaltIfNotPreemptible if ctx.counts_atomic => ctx.idle || atomic || rcu,
            GuestWait::HaltIfNotPreemptible => ctx.idle || !ctx.user_mode,
            GuestWait::PanicInKernel if ctx.user_mode => false,
            GuestWait::PanicInKernel => return Wait::Panic,
        };
        if halts { Wait::Halt } else { Wait::Schedule }
    }

    pub(super) fn wait_hlt(
        &mut self,
        vcpu: VcpuId,
        task: TaskId,
        token: Token,
        effects: &mut Effects,
    ) {
        if self.guest.own(task, token).is_none() {
            effects.push(Effect::WakeUpLost { vcpu });
        }
        effects.push(Effect::HaltGuest);
    }

    pub(super) fn wake(&mut self, vcpu: VcpuId, token: Token, memory: bool, effects: &mut Effects) {
        self.guest.cr2[vcpu.index()] = None;
        if token == Token::WAKE_ALL {
            self.wake_all(vcpu, effects);
            return;
        }
        let found = if self.has(Defect::BlindDummy) { None } else { self.guest.find(token) };
        match (found, self.rules.dummy_allocation) {
            (Some(index), _) => self.wake_found(vcpu, index, effects),
            (None, _) if !memory => effects.push(Effect::WakeAgain),
            (None, DummyAllocation::UnderLock) => self.insert_dummy(vcpu, token, effects),
            (None, DummyAllocation::OutsideLock) => effects.push(Effect::AllocateDummy),
        }
    }

    /// The table is looked at again: not present may have been handled meanwhile.
    pub(super) fn wake_insert(&mut self, vcpu: VcpuId, token: Token, effects: &mut Effects) {
        let blind = self.has(Defect::BlindDummy) || self.has(Defect::DummyWithoutSecondLook);
        match self.guest.find(token).filter(|_| !blind) {
            Some(index) => self.wake_found(vcpu, index, effects),
            None => self.insert_dummy(vcpu, token, effects),
        }
    }

    fn wake_found(&mut self, vcpu: VcpuId, index: usize, effects: &mut Effects) {
        let sleeper = self.guest.sleepers[index];
        if !self.has(Defect::WakeWithoutUnlink) {
            self.guest.sleepers.remove(index);
        }
        wake_one(vcpu, sleeper, effects);
    }

    fn insert_dummy(&mut self, vcpu: VcpuId, token: Token, effects: &mut Effects) {
        self.guest.insert(Sleeper { token, vcpu, task: None, in_hlt: false });
        let event = Event::ApfDummy { vcpu, token, action: DummyAction::Added };
        effects.push(Effect::Emit(event));
    }

    /// Wakes the sleepers whose not present came on this vCPU (`apf_task_wake_all`). A dummy of
    /// this vCPU is unlinked too, and its memory is lost.
    pub(super) fn wake_all(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        let WakeAllScope::OwnVcpu = self.rules.wake_all_scope;
        let sleepers = std::mem::take(&mut self.guest.sleepers);
        let (here, elsewhere) = sleepers.into_iter().partition(|sleeper| sleeper.vcpu == vcpu);
        self.guest.sleepers = elsewhere;
        let here: Vec<Sleeper> = here;
        for sleeper in here {
            wake_one(vcpu, sleeper, effects);
        }
    }
}

fn wake_one(vcpu: VcpuId, sleeper: Sleeper, effects: &mut Effects) {
    let Sleeper { token, task, .. } = sleeper;
    let Some(task) = task else {
        let event = Event::ApfDummy { vcpu, token, action: DummyAction::Dropped };
        effects.push(Effect::Emit(event));
        return;
    };
    effects.push(Effect::Emit(Event::ApfWake { vcpu, task, token }));
    if sleeper.in_hlt {
        effects.push(Effect::RescheduleIpi { vcpu: sleeper.vcpu });
    } else {
        effects.push(Effect::WakeTask { task, vcpu: sleeper.vcpu });
    }
}
