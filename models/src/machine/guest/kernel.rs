//! The guest kernel on one vCPU: interrupt handlers, the tick, first touches of memory, and the
//! guest's side of page not present and page ready.
//!
//! Kernel stages are frames on a stack; interrupts are off while one runs, except in the HLT of a
//! not-present handler that cannot sleep. A stage acts when its time is over.

use sim_core::{Cycles, EventQueue};

use super::stage::GuestThen;
use super::state::Running;
use crate::base::ids::{TaskId, VcpuId};
use crate::base::record::TlbFlushReason;
use crate::machine::world::{Cx, Flow, GuestExit, Hypervisor, MachineEvent};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Goes on with whatever the guest has to do next on this vCPU.
    pub(super) fn guest_run(&mut self, vcpu: VcpuId) -> Flow {
        loop {
            if let Some(flow) = self.apic_exit(vcpu) {
                return flow;
            }
            let state = &mut self.w.guest.cpus[vcpu.index()];
            if let Some(frame) = state.frames.last().copied() {
                match frame.then {
                    GuestThen::WaitHalted { token, task } => {
                        if !std::mem::take(&mut state.hlt_over) {
                            return self.hlt(vcpu);
                        }
                        state.frames.pop();
                        self.wait_test(vcpu, task, token);
                        continue;
                    }
                    GuestThen::Offline if self.stays_offline(vcpu) => return self.hlt(vcpu),
                    GuestThen::Offline => continue,
                    GuestThen::CallWait => match self.call_wait(vcpu) {
                        Some(flow) => return flow,
                        None => continue,
                    },
                    _ => {}
                }
                if frame.remaining > Cycles::ZERO {
                    self.start_guest_stretch(vcpu, frame.remaining, Running::Kernel);
                    return Flow::Stopped;
                }
                self.w.guest.cpus[vcpu.index()].frames.pop();
                if let Some(flow) = self.guest_act(vcpu, frame.then) {
                    return flow;
                }
                continue;
            }
            if self.any_interrupt_pending(vcpu) && self.takes_interrupts(vcpu) {
                return self.exit(vcpu, GuestExit::InterruptWindow);
            }
            let state = &self.w.guest.cpus[vcpu.index()];
            if let Some(current) = state.queue.current.map(TaskId)
                && (!state.need_resched || !self.may_be_switched(current))
            {
                match self.user_run(vcpu, current) {
                    Some(flow) => return flow,
                    None => continue,
                }
            }
            if !self.reschedule(vcpu) {
                return self.hlt(vcpu);
            }
        }
    }

    fn hlt(&mut self, vcpu: VcpuId) -> Flow {
        if let Some(flow) = self.stop_idle_tick(vcpu) {
            return flow;
        }
        self.exit(vcpu, GuestExit::Hlt)
    }

    /// Does what a finished kernel stage is for; a flow when the vCPU cannot simply go on.
    fn guest_act(&mut self, vcpu: VcpuId, then: GuestThen) -> Option<Flow> {
        match then {
            GuestThen::Tick { periods } => self.guest_tick(vcpu, periods),
            GuestThen::Reschedule => self.w.guest.cpus[vcpu.index()].need_resched = true,
            GuestThen::PageFault { token } => self.apf_page_fault(vcpu, token),
            GuestThen::WaitTest { token, task } => self.wait_test(vcpu, task, token),
            GuestThen::WaitHalted { .. } | GuestThen::CallWait | GuestThen::Offline => {
                unreachable!("{then:?} is no stage that ends by itself")
            }
            GuestThen::Answer { call } => self.answer_call(vcpu, call),
            GuestThen::FlushTlb { range } => self.flush_own(vcpu, range, TlbFlushReason::LocalMm),
            GuestThen::Timers { .. } => self.wake_expired(vcpu),
            GuestThen::Wake { token } => self.wake_waiter(vcpu, token),
            GuestThen::ReadyInterrupt => return self.ready_interrupt_handler(vcpu),
            GuestThen::Switched => {
                let state = &mut self.w.guest.cpus[vcpu.index()];
                if let Some(current) = state.queue.current {
                    let frames = std::mem::take(&mut self.w.guest.tasks[current as usize].frames);
                    self.w.guest.cpus[vcpu.index()].frames = frames;
                }
                return self.load_space(vcpu);
            }
            GuestThen::FirstTouch { gva } => return self.first_touch(vcpu, gva),
            GuestThen::ClearTable { .. } => return self.clear_table(vcpu, then),
            GuestThen::LinkTable { .. } => return self.link_table(vcpu, then),
            GuestThen::ClearPage { .. } => return self.clear_page(vcpu, then),
            GuestThen::MapFresh { .. } => return self.map_fresh(vcpu, then),
            GuestThen::ClearLarge { .. } => return self.clear_large(vcpu, then),
            GuestThen::EnableApf => {
                return Some(self.exit(vcpu, GuestExit::WriteEn));
            }
            GuestThen::RefusedEn => {
                // A guest whose notices are off has nothing to write.
                if !self.w.protocol.apf(vcpu).notices_on(vcpu) {
                    return None;
                }
                return Some(self.exit(vcpu, GuestExit::RefusedEn));
            }
            GuestThen::LeaveSmm => {
                return Some(self.exit(vcpu, GuestExit::Rsm));
            }
            GuestThen::NoticesOff => return self.notices_off(vcpu),
            GuestThen::Depart => self.depart(vcpu),
            GuestThen::Eoi => return Some(self.exit(vcpu, GuestExit::ApicWrite)),
            GuestThen::Driver { work } => self.drive(vcpu, work),
            GuestThen::BalloonTell { queue } => return Some(self.tell_balloon(vcpu, queue)),
            GuestThen::BalloonSize => return Some(self.write_balloon_size(vcpu)),
            GuestThen::BalloonNext => self.resize_balloon(vcpu),
            GuestThen::WaitForFrame => return self.waited_for_frame(vcpu),
            GuestThen::Return => {}
        }
        None
    }
}
