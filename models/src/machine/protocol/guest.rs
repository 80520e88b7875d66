//! The steps of the protocol in the guest, each with its own answer.

use sim_core::EventQueue;

use crate::apf::{GuestInput, WaitContext};
use crate::base::ids::{TaskId, Token, VcpuId};
use crate::base::record::ApfReason;
use crate::machine::world::{Cx, MachineEvent};

/// What a waiter does that has looked whether it is still linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::machine) enum Waits {
    /// It is not: it goes on.
    No,
    /// It lets another task run.
    Sleeps,
    /// It halts, with interrupts on, where it may not sleep.
    Halts,
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The handler of a #PF reads and clears the shared word.
    pub(in crate::machine) fn take_word(&mut self, vcpu: VcpuId) -> Option<ApfReason> {
        self.step(vcpu, GuestInput::PfEntry { vcpu }).word
    }

    /// A waiter links itself. False: its page ready came first, and it does not wait.
    pub(in crate::machine) fn link_waiter(
        &mut self,
        vcpu: VcpuId,
        task: TaskId,
        token: Token,
    ) -> bool {
        !self.step(vcpu, GuestInput::WaitLink { vcpu, task, token }).no_sleep
    }

    /// A waiter looks whether it is still linked.
    pub(in crate::machine) fn test_waiter(
        &mut self,
        vcpu: VcpuId,
        task: TaskId,
        token: Token,
        ctx: WaitContext,
    ) -> Waits {
        let left = self.step(vcpu, GuestInput::WaitTest { vcpu, task, token, ctx });
        match (left.sleep, left.halt_guest) {
            (true, _) => Waits::Sleeps,
            (false, true) => Waits::Halts,
            (false, false) => Waits::No,
        }
    }

    /// A page ready wakes who waits for it; where nobody does, a dummy waits for who will.
    pub(in crate::machine) fn wake_waiter(&mut self, vcpu: VcpuId, token: Token) {
        if self.step(vcpu, GuestInput::Wake { vcpu, token }).allocate_dummy {
            self.step(vcpu, GuestInput::WakeInsert { vcpu, token });
        }
    }

    /// The handler of a page ready interrupt ends it.
    pub(in crate::machine) fn end_ready_interrupt(&mut self, vcpu: VcpuId) {
        self.step(vcpu, GuestInput::ReadyEoi { vcpu });
    }

    /// The handler of a page ready interrupt reads the token.
    pub(in crate::machine) fn read_slot(&mut self, vcpu: VcpuId) -> Option<Token> {
        self.step(vcpu, GuestInput::ReadyRead { vcpu }).slot
    }

    /// The handler of a page ready interrupt frees the slot of the token.
    pub(in crate::machine) fn clear_slot(&mut self, vcpu: VcpuId) {
        self.step(vcpu, GuestInput::ReadyClear { vcpu });
    }

    /// The guest prepares to switch notices on.
    pub(in crate::machine) fn prepare_notices(&mut self, vcpu: VcpuId) {
        self.step(vcpu, GuestInput::BeforeEnable { vcpu });
    }

    /// The guest takes note that notices are on or off.
    pub(in crate::machine) fn note_notices(&mut self, vcpu: VcpuId, on: bool) {
        self.step(vcpu, GuestInput::SetEnabled { vcpu, on });
    }

    /// Wakes the sleepers of a vCPU that goes offline.
    pub(in crate::machine) fn wake_own(&mut self, vcpu: VcpuId) {
        self.step(vcpu, GuestInput::WakeOwn { vcpu });
    }
}
