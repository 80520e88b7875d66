//! Asynchronous I/O without threads: an item is begun by the vCPU thread, and the interrupt of its
//! completed read publishes it. No kernel does this.
//!
//! The interrupt is handled on the processor on which the vCPU thread of the item runs or ran last,
//! as block layers complete a request where it was submitted. Whoever has that processor pays; an
//! idle one only takes the time. The lookup of the page, which a worker would have made, is left to
//! the vCPU thread (see `look_for_completed`).

use sim_core::{EventQueue, SimDuration};

use crate::apf::HostInput;
use crate::apf::rules::Workers;
use crate::base::ids::{Gfn, ItemId, PcpuId, ThreadId, WorkerId};
use crate::base::record::ExitReason;
use crate::machine::Cx;
use crate::machine::event::MachineEvent;
use crate::machine::world::Then;
use crate::parts::memory::pages::Backing;

/// Stands for the interrupt where a worker is named.
const INTERRUPT: WorkerId = WorkerId(u32::MAX - 1);

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Begins an item without a worker: its read is under way, or over already.
    pub(crate) fn begin_native(&mut self, item: ItemId) {
        let input = HostInput::WorkerStart { item, worker: INTERRUPT };
        let Some(gfn) = self.protocol(input).fetch else { return };
        match self.w.memory.page(gfn).backing {
            Backing::Reading => self.w.native.push((gfn, item)),
            // A page that came and went again meanwhile is left to the guest's next access.
            Backing::Resident | Backing::Writeback | Backing::Untouched | Backing::Swapped => {
                self.hold_page(item, gfn);
                self.complete_native(item);
            }
        }
    }

    /// A page was read: the interrupt handles the items that wait for it, one after the other.
    pub(crate) fn interrupt_for_items(&mut self, gfn: Gfn) {
        if self.w.native.is_empty() {
            return;
        }
        let mut waiting = std::mem::take(&mut self.w.native);
        let mut cost = SimDuration::ZERO;
        waiting.retain(|&(page, item)| {
            if page == gfn {
                self.hold_page(item, gfn);
                cost += self.w.prices.block_complete.time;
                self.interrupt_processor(self.pcpu_of(item), self.w.prices.block_complete.time);
                let at = self.now() + cost;
                self.schedule(at, MachineEvent::ItemRead(item));
            }
            page != gfn
        });
        self.w.native = waiting;
    }

    /// The sections of a worker, in an interrupt: one atomic section.
    pub(crate) fn complete_native(&mut self, item: ItemId) {
        self.protocol(HostInput::WorkerFetched { item });
        while !self.protocol(HostInput::WorkerAdvance { item }).worker_done {}
    }

    /// An interrupt takes time from whoever runs on a processor.
    pub(crate) fn interrupt_processor(&mut self, pcpu: PcpuId, cost: SimDuration) {
        let Some(current) = self.w.pcpus[pcpu.index()].queue.current.map(ThreadId) else { return };
        if self.w.threads[current.index()].then == Then::InGuest {
            self.force_exit_of_thread(current, ExitReason::ExternalInterrupt);
        }
        self.cancel_stretch(current);
        let now = self.now();
        let thread = &self.w.threads[current.index()];
        let left = thread.remaining.saturating_sub(now.since(thread.since));
        let then = thread.then;
        self.count_interrupt(current, left);
        self.start_stretch(current, left + cost, then);
    }

    /// What finding the page costs the vCPU thread because no worker did.
    pub(crate) fn lookup_without_worker(&self) -> SimDuration {
        match self.w.apf.rules.workers {
            Workers::NativeIo => self.w.prices.apf_worker.time,
            _ => SimDuration::ZERO,
        }
    }
}
