//! The guest kernel on one vCPU: interrupt handlers, the tick, first touches of memory, and the
//! guest's side of page not present and page ready.
//!
//! Kernel stages are frames on a stack; interrupts are off while one runs, except in the HLT of a
//! not-present handler that cannot sleep. A stage acts when its time is over.

use sim_core::{Cycles, EventQueue};

use super::state::{GuestThen, Running};
use crate::base::ids::{Gva, TaskId, VcpuId};
use crate::config::RegionBacking;
use crate::machine::world::{Cx, Failure, Flow, GuestExit, Hypervisor, MachineEvent};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Goes on with whatever the guest has to do next on this vCPU.
    pub(super) fn guest_run(&mut self, vcpu: VcpuId) -> Flow {
        loop {
            if let Some(flow) = self.apic_exit(vcpu) {
                return flow;
            }
            let state = &mut self.w.guest.cpus[vcpu.index()];
            if let Some(frame) = state.frames.last().copied() {
                if let GuestThen::WaitHalted { token, task } = frame.then {
                    if !std::mem::take(&mut state.hlt_over) {
                        return self.hlt(vcpu);
                    }
                    state.frames.pop();
                    self.wait_test(vcpu, task, token);
                    continue;
                }
                if frame.then == GuestThen::Offline {
                    if self.stays_offline(vcpu) {
                        return self.hlt(vcpu);
                    }
                    continue;
                }
                if frame.then == GuestThen::CallWait {
                    match self.call_wait(vcpu) {
                        Some(flow) => return flow,
                        None => continue,
                    }
                }
                if frame.remaining > Cycles::ZERO {
                    self.start_guest_stretch(vcpu, frame.remaining, Running::Kernel);
                    return Flow::Stopped;
                }
                state.frames.pop();
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
            GuestThen::Answer { to } => self.answer(to),
            GuestThen::Timers { .. } => self.wake_expired(vcpu),
            GuestThen::Wake { token } => self.wake_waiter(vcpu, token),
            GuestThen::ReadyInterrupt => return self.ready_interrupt_handler(vcpu),
            GuestThen::Switched => {
                let state = &mut self.w.guest.cpus[vcpu.index()];
                if let Some(current) = state.queue.current {
                    let frames = std::mem::take(&mut self.w.guest.tasks[current as usize].frames);
                    self.w.guest.cpus[vcpu.index()].frames = frames;
                }
            }
            GuestThen::FirstTouch { gva } => return self.first_touch(vcpu, gva),
            GuestThen::ClearPage { gva, gfn } => {
                // The kernel clears the page through its own mapping; that may exit first.
                if !self.maps(vcpu, gfn) {
                    self.push_frame(vcpu, Cycles::ZERO, then);
                    return Some(
                        self.exit(vcpu, GuestExit::EptViolation { gfn, write: true, cpl: 0 }),
                    );
                }
                let cost = self.w.setup.prices.zero_page.cycles;
                self.push_frame(vcpu, cost, GuestThen::MapFresh { gva, gfn });
            }
            GuestThen::MapFresh { gva, gfn } => {
                if self.w.guest.tables.translate(gva).is_some() {
                    // Another vCPU was faster (`pte_same`): the frame goes back.
                    self.w.guest.tables.release(gfn, self.is_in_guest_memfd(gva));
                } else {
                    self.w.guest.tables.map(gva, gfn);
                }
            }
            GuestThen::EnableApf => {
                return Some(self.exit(vcpu, GuestExit::WriteEn));
            }
            GuestThen::RefusedEn => {
                // A guest whose notices are off has nothing to write.
                if !self.w.protocol.apf().notices_on(vcpu) {
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
            GuestThen::Return => {}
        }
        None
    }

    fn first_touch(&mut self, vcpu: VcpuId, gva: Gva) -> Option<Flow> {
        if self.w.guest.tables.translate(gva).is_some() {
            // Another vCPU was faster.
            return None;
        }
        let in_memfd = self.is_in_guest_memfd(gva);
        match self.w.guest.tables.allocate(in_memfd) {
            Some(gfn) => {
                if in_memfd {
                    self.make_private(vcpu, gfn);
                }
                self.push_frame(vcpu, Cycles::ZERO, GuestThen::ClearPage { gva, gfn });
                None
            }
            None => {
                let now = self.now();
                self.fail(Failure::GuestOutOfMemory(now));
                Some(Flow::Stopped)
            }
        }
    }

    /// Whether the memory slot of a region is backed by guest_memfd.
    fn is_in_guest_memfd(&self, gva: Gva) -> bool {
        let region = self.w.guest.tables.region_of(gva);
        let regions = &self.w.setup.config.workload.regions;
        regions[region.index()].backing == RegionBacking::GuestMemfd
    }
}
