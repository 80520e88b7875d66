//! Threads of the host that take pages for nobody's fault: those that write the limit of a container
//! (`memory_max_write`, mm/memcontrol.c of 6.12.117; `mem_cgroup_resize_max`, mm/memcontrol-v1.c).

use sim_core::{EventQueue, SimDuration};

use super::duties::Reclaimer;
use super::state::Host;
use crate::base::ids::{ReclaimerId, ThreadId, VmId};
use crate::base::record::{Event, MemcgFile};
use crate::config::{Cgroup, LimitChange};
use crate::machine::world::{Cx, Flow, MachineEvent, Outcome, Then};

/// Passes without success after which a writer leaves it to the OOM killer (`MAX_RECLAIM_RETRIES`).
const MAX_RECLAIM_RETRIES: u32 = 16;

impl Host {
    fn reclaimer(&mut self, own: ReclaimerId) -> &mut Reclaimer {
        &mut self.reclaimers[own.index()]
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The start barrier: the times of writers count from here.
    pub(in crate::machine) fn begin_reclaimers(&mut self) {
        let now = self.now();
        for place in 0..self.w.host.reclaimers.len() {
            let own = &mut self.w.host.reclaimers[place];
            own.began = now;
            let (thread, vm, due) = (own.thread, own.vm, own.due());
            let pages = self.w.setup.config.container_of(vm).limit_pages;
            self.emit(Event::MemcgLimit { vm, pages });
            if let Some(due) = due {
                self.schedule(due, MachineEvent::ThreadTimer(thread));
            }
        }
    }

    /// The thread begins to write a limit. That of version 2 is in force at once; version 1 refuses one
    /// that is exceeded (`page_counter_set_max`).
    pub(in crate::machine) fn reclaimer_woken(
        &mut self,
        thread: ThreadId,
        own: ReclaimerId,
    ) -> Flow {
        let writer = self.w.host.reclaimer(own);
        let Some(LimitChange { vm, limit_pages, .. }) = writer.changes.pop() else {
            unreachable!("{thread} has no limit to write");
        };
        let other = self.w.setup.config.container_of(vm).other_resident_pages;
        let limit = limit_pages.saturating_sub(other);
        let writer = self.w.host.reclaimer(own);
        (writer.writes, writer.tries) = (Some(limit), MAX_RECLAIM_RETRIES);
        self.emit(Event::MemcgWrite { thread, vm, file: MemcgFile::Max, pages: limit_pages });
        if self.w.setup.config.host.kernel.cgroup == Cgroup::V2 {
            self.limit_in_force(vm, limit);
        }
        Flow::Spend(SimDuration::ZERO, Then::ReclaimerNext)
    }

    fn limit_in_force(&mut self, vm: VmId, limit: u64) {
        let pages = limit + self.w.setup.config.container_of(vm).other_resident_pages;
        self.emit(Event::MemcgLimit { vm, pages });
        self.w.host.memory.of_vm(vm).set_limit(limit);
        let container = self.w.host.memory.container(vm);
        if self.w.host.memory.of(container).room() > 0 {
            self.wake_room_waiters(container);
        }
    }

    /// The thread takes pages until its limit is not exceeded any more, or somebody writes another one.
    pub(in crate::machine) fn reclaimer_next(
        &mut self,
        thread: ThreadId,
        own: ReclaimerId,
    ) -> Flow {
        let now = self.now();
        let writer = self.w.host.reclaimer(own);
        let (vm, overtaken) = (writer.vm, writer.due().is_some_and(|due| due <= now));
        let Some(limit) = writer.writes else { unreachable!("{thread} writes no limit") };
        let used = self.w.host.memory.of_vm(vm).used();
        if used <= limit && self.w.setup.config.host.kernel.cgroup == Cgroup::V1 {
            self.limit_in_force(vm, limit);
        }
        if used <= limit || overtaken {
            return self.limit_written(thread, own, used <= limit);
        }
        self.note_progress(thread);
        self.reclaim_pass(thread, vm)
    }

    /// A pass of the thread is over.
    pub(in crate::machine) fn reclaimer_pass_done(
        &mut self,
        thread: ThreadId,
        own: ReclaimerId,
        outcome: Outcome,
    ) -> Flow {
        let vm = self.w.host.reclaimer(own).vm;
        match outcome {
            Outcome::Again => {}
            Outcome::Waits => {
                let container = self.w.host.memory.container(vm);
                return self.wait_for_room(thread, container);
            }
            // EBUSY: the old limit stays.
            Outcome::Nothing if self.w.setup.config.host.kernel.cgroup == Cgroup::V1 => {
                return self.limit_written(thread, own, false);
            }
            Outcome::Nothing => {
                let writer = self.w.host.reclaimer(own);
                if writer.tries == 0 {
                    return self.nothing_to_reclaim();
                }
                writer.tries -= 1;
            }
        }
        Flow::Spend(SimDuration::ZERO, Then::ReclaimerNext)
    }

    /// The write returns; the thread sleeps until it is time for the next one.
    fn limit_written(&mut self, thread: ThreadId, own: ReclaimerId, done: bool) -> Flow {
        let writer = self.w.host.reclaimer(own);
        writer.writes = None;
        let (vm, due) = (writer.vm, writer.due());
        self.emit(Event::MemcgWritten { thread, vm, file: MemcgFile::Max, done });
        match due {
            Some(due) => self.sleep_until(thread, due, Then::ReclaimerWoken),
            None => {
                self.block_thread(thread, Then::ReclaimerWoken);
                Flow::Stopped
            }
        }
    }
}
