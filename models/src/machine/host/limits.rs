//! The thread that writes limits of a container (`memory_max_write`, `memory_high_write`, mm/memcontrol.c of 6.12.117;
//! `mem_cgroup_resize_max`, mm/memcontrol-v1.c).

use sim_core::{EventQueue, SimDuration};

use super::duties::{Duty, LimitWriter};
use crate::base::ids::{ReclaimerId, ThreadId, VmId};
use crate::base::record::{Event, MemcgFile};
use crate::config::{Cgroup, LimitChange};
use crate::machine::world::{Cx, Flow, MachineEvent, Outcome, Then};
use crate::parts::memory::MAX_RECLAIM_RETRIES;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    fn limit_writer(&mut self, own: ReclaimerId) -> &mut LimitWriter {
        match &mut self.w.host.reclaimer(own).duty {
            Duty::Limits(writer) => writer,
            _ => unreachable!("{own} writes no limits"),
        }
    }

    /// The thread begins to write a limit. That of version 2 is in force at once; version 1 refuses one
    /// that is exceeded (`page_counter_set_max`).
    pub(in crate::machine) fn write_limit(&mut self, thread: ThreadId, own: ReclaimerId) -> Flow {
        let Some(LimitChange { vm, file, limit_pages, .. }) = self.limit_writer(own).changes.pop()
        else {
            unreachable!("{thread} has no limit to write");
        };
        let limit = self.w.setup.config.room(vm, limit_pages);
        self.limit_writer(own).writes = Some((file, limit));
        self.w.host.reclaimer(own).tries = MAX_RECLAIM_RETRIES;
        self.emit(Event::MemcgWrite { thread, vm, file, pages: limit_pages });
        if self.w.setup.config.host.kernel.cgroup == Cgroup::V2 {
            self.limit_in_force(vm, (file, limit));
        }
        Flow::Spend(SimDuration::ZERO, Then::ReclaimerNext)
    }

    fn limit_in_force(&mut self, vm: VmId, (file, limit): (MemcgFile, u64)) {
        let pages = limit + self.w.setup.config.container_of(vm).other_resident_pages;
        self.emit(Event::MemcgLimit { vm, file, pages });
        match file {
            MemcgFile::High => self.w.host.set_high(vm, limit),
            _ => self.w.host.memory.of_vm(vm).set_limit(limit),
        }
        let container = self.w.host.memory.container(vm);
        if self.w.host.memory.of(container).room() > 0 {
            self.wake_room_waiters(container);
        }
    }

    /// The thread takes pages until its limit is not exceeded any more, or somebody writes another one.
    pub(in crate::machine) fn limit_next(&mut self, thread: ThreadId, own: ReclaimerId) -> Flow {
        let now = self.now();
        let writer = self.w.host.reclaimer(own);
        let (vm, overtaken) = (writer.vm, writer.due().is_some_and(|due| due <= now));
        let Some((file, limit)) = self.limit_writer(own).writes else {
            unreachable!("{thread} writes no limit");
        };
        let met = match file {
            MemcgFile::High => self.w.host.beyond_high(self.w.host.memory.container(vm)) == 0,
            _ => self.w.host.memory.of_vm(vm).used() <= limit,
        };
        if met && self.w.setup.config.host.kernel.cgroup == Cgroup::V1 {
            self.limit_in_force(vm, (file, limit));
        }
        if met || overtaken {
            return self.limit_written(thread, own, met);
        }
        self.note_progress(thread);
        self.reclaim_pass(thread, vm)
    }

    /// A pass of the thread is over.
    pub(in crate::machine) fn limit_pass_done(
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
                // `memory_high_write` gives up when it has none left, `memory_max_write` when it has used the last.
                let left = self.w.host.reclaimer(own).tries.checked_sub(1);
                match (left, self.limit_writer(own).writes) {
                    (None, Some((MemcgFile::High, _))) => {
                        return self.limit_written(thread, own, false);
                    }
                    (None | Some(0), Some((MemcgFile::Max, _))) => {
                        return self.nothing_to_reclaim();
                    }
                    _ => self.w.host.reclaimer(own).tries = left.unwrap_or(0),
                }
            }
        }
        Flow::Spend(SimDuration::ZERO, Then::ReclaimerNext)
    }

    /// The write returns; the thread sleeps until it is time for the next one.
    fn limit_written(&mut self, thread: ThreadId, own: ReclaimerId, done: bool) -> Flow {
        let vm = self.w.host.reclaimer(own).vm;
        let Some((file, _)) = self.limit_writer(own).writes.take() else {
            unreachable!("{thread} writes no limit");
        };
        self.emit(Event::MemcgWritten { thread, vm, file, done });
        self.until_due(thread, own)
    }
}
