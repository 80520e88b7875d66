//! The lock of the VMM's memory map while pages are fetched and while somebody changes the map.

use sim_core::{EventQueue, SimDuration};

use crate::apf::rules::MmapLock;
use crate::base::ids::{ThreadId, VmId};
use crate::base::record::Event;
use crate::machine::world::{Cx, MachineEvent};
use crate::parts::memory::map_lock::Granted;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Takes the lock for a thread that gets a page in. False: it has to wait.
    pub(in crate::machine) fn lock_map(&mut self, thread: ThreadId) -> bool {
        let vm = self.w.host.fetch_of(thread).guest_page.vm();
        let Some(lock) = &mut self.w.host.map_locks[vm.index()] else { return true };
        if lock.is_read_by(thread) {
            return true;
        }
        let (thread, write) = (Some(thread), false);
        let free = thread.is_some_and(|thread| lock.read(thread));
        self.emit(match free {
            true => Event::MmapLockAcquired { thread, write },
            false => Event::MmapLockStartLocking { thread, write },
        });
        free
    }

    /// A thread lets go of the lock, if it has it.
    pub(in crate::machine) fn unlock_map(&mut self, thread: ThreadId) {
        let vm = self.w.host.fetch_of(thread).guest_page.vm();
        let Some(lock) = &mut self.w.host.map_locks[vm.index()] else { return };
        if !lock.is_read_by(thread) {
            return;
        }
        let granted = lock.end_reading(thread);
        self.emit(Event::MmapLockReleased { thread: Some(thread), write: false });
        self.map_lock_granted(vm, granted);
    }

    /// A thread that waits for a page lets go of the lock first, where it can
    /// (`FAULT_FLAG_ALLOW_RETRY`). Its own read that is waited for inside the lookup (`swap_readpage`) is waited
    /// for under the lock.
    pub(in crate::machine) fn unlock_map_for_io(&mut self, thread: ThreadId) {
        let vm = self.w.host.fetch_of(thread).guest_page.vm();
        let rules = self.w.protocol.rules_of(vm);
        if rules.mmap_lock == MmapLock::DroppedForIo && !self.w.host.fetch_of(thread).inside {
            self.unlock_map(thread);
        }
    }

    /// Another thread of the VMM changes the map, and holds the lock for `span`. It is not one of the
    /// machine's threads and takes no processor.
    pub(in crate::machine) fn write_map(&mut self, vm: VmId, span: SimDuration) {
        let Some(lock) = &mut self.w.host.map_locks[vm.index()] else { return };
        let (thread, write) = (None, true);
        if lock.write(span) {
            self.begin_writing(vm, span);
        } else {
            self.emit(Event::MmapLockStartLocking { thread, write });
        }
    }

    fn begin_writing(&mut self, vm: VmId, span: SimDuration) {
        self.emit(Event::MmapLockAcquired { thread: None, write: true });
        let end = self.now() + span;
        self.schedule(end, MachineEvent::MapWritten(vm));
    }

    /// The writer is through.
    pub(in crate::machine) fn map_written(&mut self, vm: VmId) {
        let Some(lock) = &mut self.w.host.map_locks[vm.index()] else { return };
        let granted = lock.end_writing();
        self.emit(Event::MmapLockReleased { thread: None, write: true });
        self.map_lock_granted(vm, granted);
    }

    fn map_lock_granted(&mut self, vm: VmId, granted: Granted) {
        for thread in granted.readers {
            self.emit(Event::MmapLockAcquired { thread: Some(thread), write: false });
            self.wake_thread(thread);
        }
        if let Some(span) = granted.writer {
            self.begin_writing(vm, span);
        }
    }
}
