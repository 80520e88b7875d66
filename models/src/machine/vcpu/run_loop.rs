//! The loop of a vCPU thread (`__vcpu_run`): enter the guest or block, handle the exit, look at
//! completed items, again.

use sim_core::{EventQueue, SimDuration};

use crate::apf::rules::Drain;
use crate::base::abi::KERNEL_MAP;
use crate::base::ids::{Gfn, Gva, VcpuId};
use crate::base::record::BlockReason;
use crate::machine::host::FetchGoal;
use crate::machine::protocol::Completed;
use crate::machine::world::{Cx, Flow, GuestEntry, MachineEvent, Then, Under, thread_of};
use crate::parts::memory::pages::Backing;
use crate::parts::memory::shadow::Side;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The top of the loop.
    pub(in crate::machine) fn turn(&mut self, vcpu: VcpuId) -> Flow {
        if self.has_ended(vcpu) {
            return self.vcpu_thread_ends(vcpu);
        }
        if self.is_to_stop(vcpu) {
            return Flow::Spend(self.w.setup.prices.vmm_exit.time, Then::Stop);
        }
        // Before it enters or blocks (`xfer_to_guest_mode_handle_work`).
        if self.w.host.owes(thread_of(vcpu)) {
            return Flow::Spend(SimDuration::ZERO, Then::PayHigh);
        }
        if self.w.protocol.apf(vcpu).must_block(vcpu) {
            return self.block(vcpu);
        }
        // vcpu_enter_guest
        if self.handle_requests(vcpu) {
            return Flow::Spend(SimDuration::ZERO, Then::TurnEnd);
        }
        if self.looks_at_entry(vcpu)
            && let Some(flow) = self.look_for_completed(vcpu)
        {
            return flow;
        }
        if let Some(flow) = self.prepare_injection(vcpu) {
            return flow;
        }
        self.w.kvm.of[vcpu.index()].fault = None;
        self.end_hlt(vcpu);
        if std::mem::take(&mut self.w.kvm.of[vcpu.index()].flush_tlb) {
            self.flush_tlb(vcpu);
        }
        self.inject_and_enter(vcpu)
    }

    /// `kvm_vcpu_block`, for both halts.
    fn block(&mut self, vcpu: VcpuId) -> Flow {
        let (view, interrupt) = (self.view(vcpu), self.interrupt_pending(vcpu));
        let reason = self.halt_reason(vcpu);
        if !self.begin_block(vcpu, view, interrupt) {
            return Flow::Spend(SimDuration::ZERO, Then::TurnEnd);
        }
        self.vcpu_sleeps(vcpu, reason);
        if reason == BlockReason::Hlt
            && let Some(flow) = self.poll_in_halt(vcpu)
        {
            return flow;
        }
        self.block_thread(thread_of(vcpu), Then::Unblocked);
        Flow::Stopped
    }

    /// Which of the two halts a blocking vCPU is in.
    fn halt_reason(&self, vcpu: VcpuId) -> BlockReason {
        if self.w.protocol.apf(vcpu).is_halted(vcpu) {
            BlockReason::ApfHalt
        } else {
            BlockReason::Hlt
        }
    }

    pub(in crate::machine) fn unblocked(&mut self, vcpu: VcpuId) -> Flow {
        let (view, interrupt) = (self.view(vcpu), self.interrupt_pending(vcpu));
        let is_left_alone = !self.has_ended(vcpu) && !self.is_to_stop(vcpu);
        if self.stays_blocked(vcpu, view, interrupt) && is_left_alone {
            self.block_thread(thread_of(vcpu), Then::Unblocked);
            return Flow::Stopped;
        }
        self.vcpu_wakes(vcpu);
        Flow::Spend(SimDuration::ZERO, Then::TurnEnd)
    }

    /// Whether completed items are looked for at entries only.
    fn looks_at_entry(&self, vcpu: VcpuId) -> bool {
        self.w.protocol.rules(vcpu).drain == Drain::OneAtEntry
    }

    /// The bottom of the loop.
    pub(in crate::machine) fn turn_end(&mut self, vcpu: VcpuId) -> Flow {
        let found = if self.looks_at_entry(vcpu) { None } else { self.look_for_completed(vcpu) };
        found.unwrap_or_else(|| self.leave_exit(vcpu))
    }

    /// The exit is handled. Behind an MSR write a part of it is still to come, in which more items may
    /// be completed.
    fn leave_exit(&mut self, vcpu: VcpuId) -> Flow {
        match std::mem::take(&mut self.w.kvm.of[vcpu.index()].in_msr_write) {
            true => Flow::Spend(self.w.setup.prices.msr_return.time, Then::TurnEnd),
            false => Flow::Spend(SimDuration::ZERO, Then::Enter),
        }
    }

    /// Is an item completed that may be delivered? Then it is.
    fn look_for_completed(&mut self, vcpu: VcpuId) -> Option<Flow> {
        if !self.w.protocol.apf(vcpu).may_check_completion(vcpu) {
            return None;
        }
        let view = self.view(vcpu);
        Some(match self.check_completion(vcpu, view) {
            Completed::Nothing => return None,
            Completed::Prefault(gfn, gva) => {
                let side = if gva.0 >= KERNEL_MAP { Side::Kernel } else { Side::Program };
                self.w.kvm.of[vcpu.index()].prefault = Some((gva, side));
                self.begin_mapping(vcpu);
                let prices = &self.w.setup.prices;
                let mapping = prices.kvm_fault.time.saturating_sub(prices.prefault_saves.time);
                let cost = mapping + self.lookup_without_worker(vcpu);
                self.under_lock(thread_of(vcpu), cost, Under::Prefault(gfn))
            }
            Completed::Popped => Flow::Spend(self.w.setup.prices.apf_ready.time, Then::Deliver),
        })
    }

    /// Maps the page of a completed item; sleeps for it if it was evicted again. An entry that must
    /// not be made is left to the fault that follows.
    pub(in crate::machine) fn prefault_map(&mut self, vcpu: VcpuId, gfn: Gfn) -> Flow {
        if self.must_retry(vcpu, gfn, false) {
            return Flow::Spend(self.w.setup.prices.apf_ready.time, Then::Deliver);
        }
        let mut told = SimDuration::ZERO;
        match self.w.host.backing(self.w.setup.page(vcpu, gfn)) {
            Backing::Resident | Backing::Writeback => {
                // Without the access's error code (`kvm_arch_async_page_ready` before 6.10), so for
                // reading; the worker mapped the page for writing in the VMM.
                let prefault = self.w.kvm.of[vcpu.index()].prefault;
                let (gva, side) = prefault.unwrap_or((Gva(gfn.gpa().0), Side::Program));
                self.map_page(vcpu, (self.w.setup.page(vcpu, gfn), side), false);
                if side == Side::Program && self.w.host.shadow().is_some() {
                    told = self.mirror_tables(vcpu, gva);
                }
            }
            Backing::Poisoned => self.send_hwpoison_signal(vcpu, gfn),
            // A frame whose bit is set again, or still, is left alone: the guest will fault.
            Backing::Stored if self.w.setup.answers_faults(self.w.setup.vm(vcpu)) => {}
            Backing::Untouched | Backing::Reading | Backing::Swapped | Backing::Stored => {
                self.w.host.set_fetch(
                    thread_of(vcpu),
                    self.w.setup.page(vcpu, gfn),
                    FetchGoal::Prefault,
                );
                return Flow::Spend(SimDuration::ZERO, Then::Fetch);
            }
        }
        Flow::Spend(self.w.setup.prices.apf_ready.time + told, Then::Deliver)
    }

    pub(in crate::machine) fn deliver(&mut self, vcpu: VcpuId) -> Flow {
        let view = self.view(vcpu);
        let delivered = self.deliver_item(vcpu, view);
        if delivered.wait_worker.is_some() {
            return self.next_section(vcpu, delivered.wait_worker);
        }
        match delivered.drain_more {
            true => Flow::Spend(SimDuration::ZERO, Then::TurnEnd),
            false => self.leave_exit(vcpu),
        }
    }
}
