//! The guest's side of page not present and page ready.

use sim_core::{Cycles, EventQueue};

use super::stage::{Frame, GuestThen};
use super::task::TaskState;
use crate::apf::WaitContext;
use crate::base::ids::{TaskId, Token, VcpuId};
use crate::base::record::ApfReason;
use crate::config::{Preemption, WakeTime};
use crate::machine::protocol::Waits;
use crate::machine::world::{Cx, Flow, GuestExit, Hypervisor, MachineEvent};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The synthetic #PF: what does the shared word say?
    pub(super) fn apf_page_fault(&mut self, vcpu: VcpuId, token: Token) {
        match self.take_word(vcpu) {
            Some(ApfReason::NotPresent) => {
                let Some(task) = self.w.guest.cpus[vcpu.index()].queue.current.map(TaskId) else {
                    return;
                };
                if self.link_waiter(vcpu, task, token) {
                    let cost = self.w.setup.prices.guest_not_present.cycles;
                    self.push_frame(vcpu, cost, GuestThen::WaitTest { token, task });
                }
            }
            Some(ApfReason::Ready) => {
                let cost = self.w.setup.prices.guest_ready.cycles
                    + self.w.setup.prices.guest_wakeup.cycles;
                self.push_frame(vcpu, cost, GuestThen::Wake { token });
            }
            Some(ApfReason::None) | None => {}
        }
    }

    /// Page ready as interrupt: its end, the token, the wake-up, the free slot; then the
    /// acknowledgement, which exits.
    pub(super) fn ready_interrupt_handler(&mut self, vcpu: VcpuId) -> Option<Flow> {
        self.end_ready_interrupt(vcpu);
        let token = self.read_slot(vcpu)?;
        self.wake_waiter(vcpu, token);
        self.clear_slot(vcpu);
        // The handler is not over: no interrupt comes in before it returns.
        self.push_frame(vcpu, Cycles::ZERO, GuestThen::Return);
        Some(self.exit(vcpu, GuestExit::WriteAck))
    }

    /// The waiter looks whether it is still linked; if so it sleeps, or halts where it may not.
    pub(super) fn wait_test(&mut self, vcpu: VcpuId, task: TaskId, token: Token) {
        let state = &self.w.guest.cpus[vcpu.index()];
        let kernel = self.w.guest.tasks[task.index()].kernel;
        let counts_atomic = self.w.setup.guest(vcpu).preemption == Preemption::Full;
        // A fault inside a kernel stage is atomic, and every kernel counts those. Sections are
        // counted by preemptible kernels only.
        let stages = u32::try_from(state.frames.len()).unwrap_or(u32::MAX);
        let sections = if counts_atomic { kernel.preempt_off } else { 0 };
        let ctx = WaitContext {
            idle: state.queue.current.is_none(),
            preempt_count: stages.saturating_add(sections),
            rcu_reader: kernel.rcu > 0,
            user_mode: stages == 0 && !kernel.syscall,
            counts_atomic,
        };
        let waits = self.test_waiter(vcpu, task, token, ctx);
        if waits == Waits::Sleeps {
            let frames = std::mem::take(&mut self.w.guest.cpus[vcpu.index()].frames);
            let waiter = &mut self.w.guest.tasks[task.index()];
            waiter.frames = frames;
            waiter
                .frames
                .push(Frame { remaining: Cycles::ZERO, then: GuestThen::WaitTest { token, task } });
            waiter.state = TaskState::Sleeping;
            self.w.guest.cpus[vcpu.index()].need_resched = true;
        } else if waits == Waits::Halts {
            self.push_frame(vcpu, Cycles::ZERO, GuestThen::WaitHalted { token, task });
        }
    }

    /// Wakes a sleeper of the protocol, at once or at its vCPU's next tick.
    pub(in crate::machine) fn wake_waiting_task(&mut self, task: TaskId) {
        let vcpu = self.w.guest.tasks[task.index()].vcpu;
        match self.w.setup.guest(vcpu).wake {
            WakeTime::Tick if self.w.guest.cpus[vcpu.index()].hotplug.takes_tasks() => {
                self.w.guest.cpus[vcpu.index()].delayed_wakes.push(task);
                self.restart_tick(vcpu);
            }
            WakeTime::Now if !self.w.setup.guest(vcpu).wake_delay.is_zero() => {
                let at = self.now() + self.w.setup.guest(vcpu).wake_delay;
                self.schedule(at, MachineEvent::DelayedWake(task));
            }
            WakeTime::Now | WakeTime::Tick => self.wake_task(task),
        }
    }
}
