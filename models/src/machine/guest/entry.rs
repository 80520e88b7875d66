//! What the host half does to the guest and asks of it.

use sim_core::{Cycles, EventQueue};

use super::balloon_state::DriverWork;
use super::stage::GuestThen;
use super::state::Running;
use crate::base::ids::{Gfn, Gva, TaskId, Token, VcpuId, VmId};
use crate::base::record::{Event, FaultPath};
use crate::machine::world::{BalloonQueue, Cx, Flow, GuestEntry, MachineEvent};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The scheduled end of a guest stretch has come.
    fn guest_stretch_over(&mut self, vcpu: VcpuId) -> Flow {
        let position = self.guest_cycles(vcpu);
        let state = &mut self.w.guest.cpus[vcpu.index()];
        state.cycles = position;
        match std::mem::replace(&mut state.running, Running::Nothing) {
            Running::User => self.finish_burst(vcpu),
            Running::Kernel => {
                if let Some(frame) = state.frames.last_mut() {
                    frame.remaining = Cycles::ZERO;
                }
            }
            Running::Nothing => {}
        }
        self.guest_run(vcpu)
    }

    /// Stops the guest's stretch in the middle: what was done counts, the rest waits.
    fn pause_guest(&mut self, vcpu: VcpuId) {
        let position = self.guest_cycles(vcpu);
        let state = &mut self.w.guest.cpus[vcpu.index()];
        match std::mem::replace(&mut state.running, Running::Nothing) {
            Running::User => {
                self.cut_burst(vcpu);
                self.end_user(vcpu);
            }
            Running::Kernel => {
                let done = position.saturating_sub(state.cycles);
                if let Some(frame) = state.frames.last_mut() {
                    frame.remaining = frame.remaining.saturating_sub(done);
                }
            }
            Running::Nothing => {}
        }
    }
}

impl<Q: EventQueue<MachineEvent>> GuestEntry for Cx<'_, Q> {
    fn enter(&mut self, vcpu: VcpuId) -> Flow {
        self.begin_epoch(vcpu);
        self.guest_run(vcpu)
    }

    fn stretch_over(&mut self, vcpu: VcpuId) -> Flow {
        self.guest_stretch_over(vcpu)
    }

    fn pause(&mut self, vcpu: VcpuId) {
        self.pause_guest(vcpu);
    }

    fn leaves(&mut self, vcpu: VcpuId) {
        self.end_user(vcpu);
    }

    fn is_executing(&self, vcpu: VcpuId) -> bool {
        self.w.guest.cpus[vcpu.index()].running != Running::Nothing
    }

    fn cpl(&self, vcpu: VcpuId) -> u8 {
        match self.w.guest.cpus[vcpu.index()].frames.is_empty() {
            true => self.program_cpl(vcpu),
            false => 0,
        }
    }

    fn program_cpl(&self, vcpu: VcpuId) -> u8 {
        let user = self.w.guest.current(vcpu).is_some_and(|task| !self.in_syscall(task));
        if user { 3 } else { 0 }
    }

    fn interrupts_on(&self, vcpu: VcpuId) -> bool {
        self.takes_interrupts(vcpu)
    }

    fn interrupt_pending(&self, vcpu: VcpuId) -> bool {
        self.any_interrupt_pending(vcpu)
    }

    fn inject_interrupt(&mut self, vcpu: VcpuId) -> Option<u8> {
        self.take_interrupt(vcpu)
    }

    fn inject_page_fault(&mut self, vcpu: VcpuId, token: Token) {
        let prices = &self.w.setup.prices;
        let cost = prices.inject_event.cycles + prices.guest_exception.cycles;
        self.push_frame(vcpu, cost, GuestThen::PageFault { token });
    }

    fn flush_tlb(&mut self, vcpu: VcpuId) {
        self.w.guest.cpus[vcpu.index()].mmu.invalidate_second_stage();
    }

    fn tables_of(&self, vcpu: VcpuId, gva: Gva) -> Vec<(u32, Gfn)> {
        self.w.guest.tables[self.w.setup.vm(vcpu).index()].tables_of(gva)
    }

    fn translation_of(&self, vcpu: VcpuId, gva: Gva) -> Option<Gfn> {
        self.w.guest.tables[self.w.setup.vm(vcpu).index()].translate(gva)
    }

    fn table_is_read(&mut self, vcpu: VcpuId, gfn: Gfn) {
        let Some(task) = self.w.guest.current(vcpu) else { return };
        if self.w.guest.tasks[task.index()].majors.contains(&gfn) {
            self.emit(Event::ShadowTable { vcpu, gfn });
            self.pass_major(vcpu, gfn);
        }
    }

    fn inject_own_fault(&mut self, vcpu: VcpuId, gva: Gva) {
        let prices = &self.w.setup.prices;
        let cost = prices.inject_event.cycles
            + prices.guest_exception.cycles
            + prices.guest_minor_fault.cycles;
        self.push_frame(vcpu, cost, GuestThen::FirstTouch { gva });
    }

    fn write_is_done(&mut self, vcpu: VcpuId, gfn: Gfn) {
        self.w.guest.cpus[vcpu.index()].written_for = Some(gfn);
    }

    fn end_hlt(&mut self, vcpu: VcpuId) {
        self.w.guest.cpus[vcpu.index()].hlt_over = true;
    }

    fn cut_all_bursts(&mut self) {
        self.cut_bursts();
    }

    fn begin_major(&mut self, vcpu: VcpuId, gfn: Gfn, path: FaultPath) {
        self.begin_major_of_current(vcpu, gfn, path);
    }

    fn before_enable(&mut self, vcpu: VcpuId) {
        self.prepare_notices(vcpu);
    }

    fn after_enable(&mut self, vcpu: VcpuId) {
        self.note_notices(vcpu, true);
    }

    fn enable_again(&mut self, vcpu: VcpuId) {
        self.push_frame(vcpu, Cycles::ZERO, GuestThen::EnableApf);
    }

    fn write_deadline(&mut self, vcpu: VcpuId) {
        self.deadline_written(vcpu);
    }

    fn balloon_target(&mut self, vm: VmId, pages: u64) {
        self.set_balloon_target(vm, pages);
    }

    fn balloon_is_done(&mut self, vm: VmId, queue: BalloonQueue) {
        self.post_to_driver(vm, DriverWork::Done(queue));
    }

    fn send_calls(&mut self, vcpu: VcpuId) {
        self.deliver_calls(vcpu);
    }

    fn timer_expired(&mut self, vcpu: VcpuId) {
        self.timer_has_expired(vcpu);
    }

    fn task_timer_expired(&mut self, task: TaskId) -> Option<VcpuId> {
        self.time_of_task(task)
    }
}
