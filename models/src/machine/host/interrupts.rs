//! Interrupts of the host's processors.

use sim_core::{EventQueue, SimDuration};

use crate::base::ids::{PcpuId, ThreadId};
use crate::base::record::ExitReason;
use crate::machine::world::{Cx, MachineEvent, Then};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// An interrupt takes time from whoever runs on a processor.
    pub(in crate::machine) fn interrupt_processor(&mut self, pcpu: PcpuId, cost: SimDuration) {
        let Some(current) = self.w.host.pcpus[pcpu.index()].queue.current.map(ThreadId) else {
            return;
        };
        if self.w.host.threads[current.index()].then == Then::InGuest {
            self.force_exit_of_thread(current, ExitReason::ExternalInterrupt);
        }
        self.cancel_step(current);
        let now = self.now();
        let thread = &self.w.host.threads[current.index()];
        let left = thread.remaining.saturating_sub(now.since(thread.since));
        let then = thread.then;
        self.count_interrupt(current, left, then);
        self.start_stretch(current, left + cost, then);
    }

    /// An interrupt takes time from whoever runs where a thread runs or ran last.
    pub(in crate::machine) fn interrupt_processor_of(
        &mut self,
        thread: ThreadId,
        cost: SimDuration,
    ) {
        self.interrupt_processor(self.w.host.threads[thread.index()].pcpu, cost);
    }
}
