//! The guest's half: the table of sleepers and the handlers of the synthetic #PF
//! (`arch/x86/kernel/kvm.c`).

#[cfg(test)]
mod tests;

use crate::apf::defect::Defect;
use crate::apf::effect::{CostKey, Effect, Effects};
use crate::apf::rules::{GuestWait, WakeBeforeWait};
use crate::apf::{Apf, Notice};
use crate::ids::{TaskId, Token, VcpuId};
use crate::trace::{ApfReason, DummyAction, Event};

/// What decides whether a task can be scheduled away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WaitContext {
    /// Whether it is the idle task of its vCPU.
    pub idle: bool,
    /// How deep the interrupted code was in atomic sections; 0 is preemptible. The kernel counts
    /// the lock that it holds while it looks, and so compares with 1.
    pub preempt_count: u32,
}

/// Something that happens in the guest. Each is one atomic section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GuestInput {
    /// Entry of the #PF handler: the word is read and cleared (`kvm_read_and_reset_pf_reason`).
    PfEntry {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// Not present: the task looks for its token and links itself (`kvm_async_pf_task_wait`).
    WaitLink {
        /// The vCPU.
        vcpu: VcpuId,
        /// The task.
        task: TaskId,
        /// What CR2 said.
        token: Token,
    },
    /// The task looks whether it was woken, and sleeps if not.
    WaitTest {
        /// The vCPU.
        vcpu: VcpuId,
        /// The task.
        task: TaskId,
        /// What it waits for.
        token: Token,
        /// What it interrupted.
        ctx: WaitContext,
    },
    /// Page ready: the sleeper of the token is woken (`kvm_async_pf_task_wake`).
    Wake {
        /// The vCPU.
        vcpu: VcpuId,
        /// What CR2 said.
        token: Token,
    },
}

/// An entry of the table (`struct kvm_task_sleep_node`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sleeper {
    /// What it waits for.
    pub token: Token,
    /// Where not present was taken.
    pub vcpu: VcpuId,
    /// Who waits; nobody when it is the dummy of a wake that came first.
    pub task: Option<TaskId>,
    /// Whether the vCPU waits in HLT with it.
    pub in_hlt: bool,
}

/// The guest's half.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GuestHalf {
    /// The table, ordered by token and then by age. (The kernel's 256 buckets make no difference
    /// that could be seen.)
    pub sleepers: Vec<Sleeper>,
    /// By vCPU, the synthetic #PF that was injected and has not been handled yet.
    pub cr2: Vec<Option<Notice>>,
}

impl GuestHalf {
    pub(super) fn new(vcpus: u16) -> Self {
        Self { sleepers: Vec::new(), cr2: vec![None; usize::from(vcpus)] }
    }

    fn find(&self, token: Token) -> Option<usize> {
        let first = self.sleepers.partition_point(|sleeper| sleeper.token < token);
        self.sleepers.get(first).filter(|sleeper| sleeper.token == token).map(|_| first)
    }

    fn insert(&mut self, sleeper: Sleeper) {
        let after = self.sleepers.partition_point(|other| other.token <= sleeper.token);
        self.sleepers.insert(after, sleeper);
    }

    fn is_own(sleeper: &Sleeper, task: TaskId, token: Token) -> bool {
        sleeper.token == token && sleeper.task == Some(task)
    }
}

impl Apf {
    /// Does one section of the guest; see [`Apf::step`].
    pub fn guest_step(&mut self, input: GuestInput, effects: &mut Effects) {
        match input {
            GuestInput::PfEntry { vcpu } => self.pf_entry(vcpu, effects),
            GuestInput::WaitLink { vcpu, task, token } => {
                self.wait_link(vcpu, task, token, effects);
            }
            GuestInput::WaitTest { vcpu: _, task, token, ctx } => {
                self.wait_test(task, token, ctx, effects);
            }
            GuestInput::Wake { vcpu, token } => self.wake(vcpu, token, effects),
        }
    }

    fn pf_entry(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        effects.push(Effect::Cost(CostKey::GuestPfEntry));
        let word = &mut self.words[vcpu.index()];
        let reason = std::mem::replace(&mut word.reason, ApfReason::None);
        if reason != ApfReason::None {
            effects.push(Effect::Emit(Event::SharedWordRead { vcpu, reason }));
        }
        effects.push(Effect::Word(reason));
    }

    fn wait_link(&mut self, vcpu: VcpuId, task: TaskId, token: Token, effects: &mut Effects) {
        self.guest.cr2[vcpu.index()] = None;
        effects.push(Effect::Cost(CostKey::GuestNotPresentHandler));
        if let Some(index) = self.guest.find(token) {
            let WakeBeforeWait::AnyEntryIsDummy = self.rules.wake_before_wait;
            self.guest.sleepers.remove(index);
            let event = Event::ApfDummy { vcpu, token, action: DummyAction::Consumed };
            effects.push(Effect::Emit(event));
            effects.push(Effect::NoSleep);
            return;
        }
        self.guest.insert(Sleeper { token, vcpu, task: Some(task), in_hlt: false });
        effects.push(Effect::Emit(Event::ApfWait { vcpu, task, token }));
        effects.push(Effect::Linked);
    }

    fn wait_test(&mut self, task: TaskId, token: Token, ctx: WaitContext, effects: &mut Effects) {
        let mut sleepers = self.guest.sleepers.iter_mut();
        let own = sleepers.find(|sleeper| GuestHalf::is_own(sleeper, task, token));
        let Some(own) = own else {
            effects.push(Effect::WaitDone);
            return;
        };
        own.in_hlt = match self.rules.guest_wait {
            GuestWait::HaltIfIdleOrAtomic => ctx.idle || ctx.preempt_count > 0,
        };
        effects.push(if own.in_hlt { Effect::HaltGuest } else { Effect::Sleep });
    }

    fn wake(&mut self, vcpu: VcpuId, token: Token, effects: &mut Effects) {
        self.guest.cr2[vcpu.index()] = None;
        effects.push(Effect::Cost(CostKey::GuestReadyHandler));
        if token == Token::WAKE_ALL {
            self.wake_all(vcpu, effects);
            return;
        }
        let found = if self.has(Defect::BlindDummy) { None } else { self.guest.find(token) };
        match found {
            Some(index) => {
                let sleeper = self.guest.sleepers[index];
                if !self.has(Defect::WakeWithoutUnlink) {
                    self.guest.sleepers.remove(index);
                }
                wake_one(vcpu, sleeper, effects);
            }
            None => {
                self.guest.insert(Sleeper { token, vcpu, task: None, in_hlt: false });
                let event = Event::ApfDummy { vcpu, token, action: DummyAction::Added };
                effects.push(Effect::Emit(event));
            }
        }
    }

    /// Wakes the sleepers whose not present came on this vCPU (`apf_task_wake_all`). A dummy of
    /// this vCPU is forgotten too.
    fn wake_all(&mut self, vcpu: VcpuId, effects: &mut Effects) {
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
