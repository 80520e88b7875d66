//! The loop of a vCPU thread (`__vcpu_run`): enter the guest or block, handle the exit, look at
//! completed items, again.

use sim_core::{Cycles, EventQueue, SimDuration};

use crate::apf::host::{EN_ENABLED, EN_INTERRUPT, EN_NESTED_EXIT, EN_SEND_ALWAYS};
use crate::apf::rules::{Drain, GuestEnables};
use crate::apf::{Decision, GuestInput, HostInput, VcpuView};
use crate::base::ids::{Gfn, PAGE_SIZE, ThreadId, VcpuId};
use crate::base::record::{BlockReason, Event};
use crate::config::StealClock;
use crate::machine::Cx;
use crate::machine::event::MachineEvent;
use crate::machine::host::scheduler::Flow;
use crate::machine::world::{Fetch, FetchGoal, GuestThen, Then, ThreadKind};
use crate::parts::memory::pages::Backing;

/// Where the guest keeps its shared words; the first page of its memory is as good as any.
const SHARED_AREA: u64 = PAGE_SIZE;

/// An address bit beyond all memory.
const NOWHERE: u64 = 1 << 60;

/// The vector of Linux guests for page ready (`HYPERVISOR_CALLBACK_VECTOR`).
pub(crate) const READY_VECTOR: u8 = 0xf3;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// What the protocol sees of a vCPU.
    pub(crate) fn view(&self, vcpu: VcpuId) -> VcpuView {
        let state = &self.w.vcpus[vcpu.index()];
        let (cpl, interrupts_on) = match &state.fault {
            Some(fault) => (fault.cpl, fault.interrupts_on),
            None => {
                let user = state.frames.is_empty()
                    && self.current_task(vcpu).is_some_and(|task| !self.in_syscall(task));
                (if user { 3 } else { 0 }, self.interrupts_on(vcpu))
            }
        };
        let reinjecting = state.delivering.is_some();
        VcpuView { cpl, interrupts_on, reinjecting, ..VcpuView::USER }
    }

    /// Does what a thread's finished stretch was for.
    pub(crate) fn perform(&mut self, thread: ThreadId, then: Then) -> Flow {
        match self.w.threads[thread.index()].kind {
            ThreadKind::Vcpu(vcpu) => self.perform_vcpu(thread, vcpu, then),
            ThreadKind::Worker(worker) => self.perform_worker(thread, worker, then),
        }
    }

    fn perform_vcpu(&mut self, thread: ThreadId, vcpu: VcpuId, then: Then) -> Flow {
        match then {
            Then::Enter => self.turn(vcpu),
            Then::EnterInjected => self.enter_injected(vcpu),
            Then::InGuest => self.guest_stretch_over(vcpu),
            Then::FaultLookup => self.fault_lookup(vcpu),
            Then::FaultTry => self.fault_try(vcpu),
            Then::SetupStep => self.setup_step(vcpu),
            Then::MapFault => self.map_fault(vcpu),
            Then::TurnEnd => self.turn_end(vcpu),
            Then::PrefaultMap(gfn) => self.prefault_map(vcpu, gfn),
            Then::Deliver => self.deliver(vcpu),
            Then::HaltPoll => {
                self.block_thread(thread, Then::Unblocked);
                Flow::Stopped
            }
            Then::Unblocked => self.unblocked(vcpu),
            Then::WriteEn => self.write_en(vcpu),
            Then::WriteAck => self.write_ack(vcpu),
            Then::SendCalls => {
                self.send_calls(vcpu);
                Flow::Spend(SimDuration::ZERO, Then::TurnEnd)
            }
            Then::ClearEn => self.clear_en(vcpu),
            Then::RefusedEn => self.write_en_nowhere(vcpu),
            Then::LeaveSmm => self.leave_smm(vcpu),
            Then::ArmTimer => self.write_deadline(vcpu),
            Then::Fetch => self.fetch_step(thread),
            Then::FetchAwake(reason) => self.fetch_awake(thread, reason),
            Then::FetchSubmit => self.fetch_submit(thread),
            Then::FetchCopied => self.fetch_copied(thread),
            Then::FetchPoll => self.fetch_poll(thread),
            Then::ReclaimDone => self.reclaim_done(thread),
            Then::WorkBegin | Then::WorkStep(_) => unreachable!("{thread} is no worker"),
        }
    }

    /// The top of the loop.
    fn turn(&mut self, vcpu: VcpuId) -> Flow {
        if self.w.apf.must_block(vcpu) {
            return self.block(vcpu);
        }
        // vcpu_enter_guest
        let outcome = self.protocol(HostInput::Requests { vcpu });
        if outcome.halted || outcome.scan {
            return Flow::Spend(SimDuration::ZERO, Then::TurnEnd);
        }
        if self.looks_at_entry()
            && let Some(flow) = self.look_for_completed(vcpu)
        {
            return flow;
        }
        if let Some(flow) = self.prepare_injection(vcpu) {
            return flow;
        }
        self.w.vcpus[vcpu.index()].fault = None;
        self.w.vcpus[vcpu.index()].hlt_over = true;
        if std::mem::take(&mut self.w.vcpus[vcpu.index()].flush_tlb) {
            self.w.vcpus[vcpu.index()].tlb.flush();
        }
        self.inject_and_enter(vcpu)
    }

    /// `kvm_vcpu_block`, for both halts.
    fn block(&mut self, vcpu: VcpuId) -> Flow {
        let (view, interrupt) = (self.view(vcpu), self.interrupt_pending(vcpu));
        let reason = self.halt_reason(vcpu);
        let outcome = self.protocol(HostInput::Block { vcpu, view, interrupt });
        if !outcome.blocked {
            return Flow::Spend(SimDuration::ZERO, Then::TurnEnd);
        }
        let thread = self.w.vcpus[vcpu.index()].thread;
        self.vcpu_sleeps(vcpu, reason);
        if reason == BlockReason::Hlt
            && let Some(flow) = self.poll_in_halt(vcpu, thread)
        {
            return flow;
        }
        self.block_thread(thread, Then::Unblocked);
        Flow::Stopped
    }

    /// Which of the two halts a blocking vCPU is in.
    fn halt_reason(&self, vcpu: VcpuId) -> BlockReason {
        if self.w.apf.is_halted(vcpu) { BlockReason::ApfHalt } else { BlockReason::Hlt }
    }

    fn unblocked(&mut self, vcpu: VcpuId) -> Flow {
        let (view, interrupt) = (self.view(vcpu), self.interrupt_pending(vcpu));
        let outcome = self.protocol(HostInput::Unblock { vcpu, view, interrupt });
        if outcome.blocked {
            let thread = self.w.vcpus[vcpu.index()].thread;
            self.block_thread(thread, Then::Unblocked);
            return Flow::Stopped;
        }
        self.vcpu_wakes(vcpu);
        Flow::Spend(SimDuration::ZERO, Then::TurnEnd)
    }

    /// A vCPU thread is about to sleep in the host.
    pub(crate) fn vcpu_sleeps(&mut self, vcpu: VcpuId, reason: BlockReason) {
        let now = self.now();
        self.w.vcpus[vcpu.index()].blocked = Some((reason, now));
        self.emit(Event::VcpuBlock { vcpu, reason });
    }

    /// A vCPU thread runs again after sleeping in the host.
    pub(crate) fn vcpu_wakes(&mut self, vcpu: VcpuId) {
        let now = self.now();
        let every = self.w.config.guest.steal_clock == StealClock::Every;
        let state = &mut self.w.vcpus[vcpu.index()];
        let Some((reason, since)) = state.blocked.take() else { return };
        if every && reason != BlockReason::Hlt {
            state.stolen += now.since(since);
        }
        self.emit(Event::VcpuUnblock { vcpu, reason });
        if reason == BlockReason::Hlt {
            self.learn_from_halt(vcpu, now.since(since));
        }
    }

    /// Whether completed items are looked for at entries only.
    fn looks_at_entry(&self) -> bool {
        self.w.apf.rules.drain == Drain::OneAtEntry
    }

    /// The bottom of the loop.
    fn turn_end(&mut self, vcpu: VcpuId) -> Flow {
        let found = if self.looks_at_entry() { None } else { self.look_for_completed(vcpu) };
        found.unwrap_or_else(|| self.leave_exit(vcpu))
    }

    /// The exit is handled. Behind an MSR write a part of it is still to come, in which more items may
    /// be completed.
    fn leave_exit(&mut self, vcpu: VcpuId) -> Flow {
        match std::mem::take(&mut self.w.vcpus[vcpu.index()].in_msr_write) {
            true => Flow::Spend(self.w.prices.msr_return.time, Then::TurnEnd),
            false => Flow::Spend(SimDuration::ZERO, Then::Enter),
        }
    }

    /// Is an item completed that may be delivered? Then it is.
    fn look_for_completed(&mut self, vcpu: VcpuId) -> Option<Flow> {
        if !self.w.apf.may_check_completion(vcpu) {
            return None;
        }
        let view = self.view(vcpu);
        let outcome = self.protocol(HostInput::CheckCompletion { vcpu, view });
        if !outcome.popped {
            return None;
        }
        Some(match outcome.prefault {
            Some(gfn) => {
                self.begin_mapping(vcpu);
                let prices = &self.w.prices;
                let mapping = prices.kvm_fault.time.saturating_sub(prices.prefault_saves.time);
                let cost = mapping + self.lookup_without_worker();
                Flow::Spend(cost, Then::PrefaultMap(gfn))
            }
            None => Flow::Spend(self.w.prices.apf_ready.time, Then::Deliver),
        })
    }

    /// Maps the page of a completed item; sleeps for it if it was evicted again. An entry that must
    /// not be made is left to the fault that follows.
    pub(crate) fn prefault_map(&mut self, vcpu: VcpuId, gfn: Gfn) -> Flow {
        if self.must_retry(vcpu, gfn) {
            return Flow::Spend(self.w.prices.apf_ready.time, Then::Deliver);
        }
        match self.w.memory.page(gfn).backing {
            Backing::Resident | Backing::Writeback => self.map_page(vcpu, gfn),
            Backing::Untouched | Backing::Reading | Backing::Swapped => {
                let thread = self.w.vcpus[vcpu.index()].thread;
                let fetch = Fetch { gfn, goal: FetchGoal::Prefault };
                self.w.threads[thread.index()].fetch = Some(fetch);
                return Flow::Spend(SimDuration::ZERO, Then::Fetch);
            }
        }
        Flow::Spend(self.w.prices.apf_ready.time, Then::Deliver)
    }

    fn deliver(&mut self, vcpu: VcpuId) -> Flow {
        let view = self.view(vcpu);
        let outcome = self.protocol(HostInput::Deliver { vcpu, view });
        if outcome.wait_worker.is_some() {
            return self.next_section(vcpu, outcome.wait_worker);
        }
        match outcome.drain_more {
            true => Flow::Spend(SimDuration::ZERO, Then::TurnEnd),
            false => self.leave_exit(vcpu),
        }
    }

    fn write_en(&mut self, vcpu: VcpuId) -> Flow {
        let interrupt = match self.w.apf.rules.guest_enables {
            GuestEnables::KernelIfPreemptible => false,
            GuestEnables::UserWithInterrupt => true,
        };
        if interrupt && self.w.apf.vcpu(vcpu).vector == 0 {
            // The vector first; the guest comes back for the other register.
            let value = u64::from(READY_VECTOR);
            self.protocol(HostInput::WriteInt { vcpu, value });
            self.push_frame(vcpu, Cycles::ZERO, GuestThen::EnableApf);
            return Flow::Spend(SimDuration::ZERO, Then::TurnEnd);
        }
        let how = match interrupt {
            // Hosts since 4.13 offer the second one, and guests take it.
            true => EN_INTERRUPT | EN_NESTED_EXIT,
            false if self.w.config.guest.send_always => EN_SEND_ALWAYS,
            false => 0,
        };
        self.protocol(GuestInput::BeforeEnable { vcpu });
        let value = (SHARED_AREA + 64 * u64::from(vcpu.0)) | EN_ENABLED | how;
        let mut outcome = match std::mem::take(&mut self.w.vcpus[vcpu.index()].wake_all_fails) {
            true => self.protocol(HostInput::WriteEnNoMemory { vcpu, value }),
            false => self.protocol(HostInput::WriteEn { vcpu, value }),
        };
        while outcome.decision == Some(Decision::Continue) {
            let view = self.view(vcpu);
            outcome = self.protocol(HostInput::Advance { vcpu, view });
        }
        self.protocol(GuestInput::SetEnabled { vcpu, on: true });
        Flow::Spend(SimDuration::ZERO, Then::TurnEnd)
    }

    /// The guest writes EN with an address at which it has no memory. It takes the #GP and goes on
    /// (`wrmsr_safe`, or the kernel's fixup with a warning).
    fn write_en_nowhere(&mut self, vcpu: VcpuId) -> Flow {
        let value = self.w.apf.vcpu(vcpu).en | NOWHERE;
        self.protocol(HostInput::WriteEn { vcpu, value });
        Flow::Spend(SimDuration::ZERO, Then::TurnEnd)
    }

    /// The guest acknowledges a page ready; the host looks for the next one at once.
    fn write_ack(&mut self, vcpu: VcpuId) -> Flow {
        self.protocol(HostInput::WriteAck { vcpu, value: 1 });
        self.w.vcpus[vcpu.index()].in_msr_write = !self.w.prices.msr_return.time.is_zero();
        Flow::Spend(SimDuration::ZERO, Then::TurnEnd)
    }
}
