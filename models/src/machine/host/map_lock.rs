//! The lock of the VMM's memory map (`mmap_lock`, before 5.8 `mmap_sem`), which every thread holds for
//! reading while it gets a page in, and who changes the map for writing.
//!
//! It is kept only where a scenario has somebody who writes: without one no reader ever waits. It is
//! fair: whoever comes while somebody waits queues behind (`down_read` with `RWSEM_FLAG_WAITERS`),
//! and all readers at the head of the queue go together. That a reader may steal the lock from
//! writers that wait (since 5.11), and that readers behind a writer may be taken along, is left out.

use std::collections::VecDeque;

use sim_core::{EventQueue, SimDuration};

use crate::apf::rules::{FirstLookup, MmapLock};
use crate::base::ids::ThreadId;
use crate::base::record::Event;
use crate::machine::Cx;
use crate::machine::event::MachineEvent;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiter {
    /// A thread that gets a page in.
    Read(ThreadId),
    /// Another thread of the VMM, which will hold the lock for so long.
    Write(SimDuration),
}

/// Who has a lock now that somebody let go of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Granted {
    /// To these threads, for reading.
    pub readers: Vec<ThreadId>,
    /// To somebody who will write for so long.
    pub writer: Option<SimDuration>,
}

/// The lock and its queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MapLock {
    readers: Vec<ThreadId>,
    written: bool,
    queue: VecDeque<Waiter>,
}

impl MapLock {
    pub(crate) fn is_read_by(&self, thread: ThreadId) -> bool {
        self.readers.contains(&thread)
    }

    /// Takes the lock for reading, or queues for it.
    fn read(&mut self, thread: ThreadId) -> bool {
        if self.written || !self.queue.is_empty() {
            self.queue.push_back(Waiter::Read(thread));
            return false;
        }
        self.readers.push(thread);
        true
    }

    /// Takes the lock for writing, or queues for it.
    fn write(&mut self, span: SimDuration) -> bool {
        let free = !self.written && self.readers.is_empty() && self.queue.is_empty();
        self.written |= free;
        if !free {
            self.queue.push_back(Waiter::Write(span));
        }
        free
    }

    fn end_reading(&mut self, thread: ThreadId) -> Granted {
        self.readers.retain(|&reader| reader != thread);
        self.hand_on()
    }

    fn end_writing(&mut self) -> Granted {
        self.written = false;
        self.hand_on()
    }

    fn hand_on(&mut self) -> Granted {
        let mut granted = Granted::default();
        while let (Some(&first), false) = (self.queue.front(), self.written) {
            match first {
                Waiter::Read(thread) => {
                    self.readers.push(thread);
                    granted.readers.push(thread);
                }
                Waiter::Write(span) if self.readers.is_empty() => {
                    self.written = true;
                    granted.writer = Some(span);
                }
                Waiter::Write(_) => break,
            }
            self.queue.pop_front();
        }
        granted
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Takes the lock for a thread that gets a page in. False: it has to wait.
    pub(crate) fn lock_map(&mut self, thread: ThreadId) -> bool {
        let Some(lock) = &mut self.w.map_lock else { return true };
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
    pub(crate) fn unlock_map(&mut self, thread: ThreadId) {
        let Some(lock) = &mut self.w.map_lock else { return };
        if !lock.is_read_by(thread) {
            return;
        }
        let granted = lock.end_reading(thread);
        self.emit(Event::MmapLockReleased { thread: Some(thread), write: false });
        self.map_lock_granted(granted);
    }

    /// A thread that waits for a page lets go of the lock first, where it can
    /// (`FAULT_FLAG_ALLOW_RETRY`). A read that is waited for inside the lookup is waited for under
    /// the lock; so is one that somebody else began meanwhile, which kernels tell apart.
    pub(crate) fn unlock_map_for_io(&mut self, thread: ThreadId) {
        let rules = &self.w.apf.rules;
        let inside = rules.first_lookup == FirstLookup::WaitsWithoutReadAhead
            && self.w.config.host.read_ahead_pages <= 1;
        if rules.mmap_lock == MmapLock::DroppedForIo && !inside {
            self.unlock_map(thread);
        }
    }

    /// Another thread of the VMM changes the map, and holds the lock for `span`. It is not one of the
    /// machine's threads and takes no processor.
    pub(crate) fn write_map(&mut self, span: SimDuration) {
        let Some(lock) = &mut self.w.map_lock else { return };
        let (thread, write) = (None, true);
        if lock.write(span) {
            self.begin_writing(span);
        } else {
            self.emit(Event::MmapLockStartLocking { thread, write });
        }
    }

    fn begin_writing(&mut self, span: SimDuration) {
        self.emit(Event::MmapLockAcquired { thread: None, write: true });
        let end = self.now() + span;
        self.schedule(end, MachineEvent::MapWritten);
    }

    /// The writer is through.
    pub(crate) fn map_written(&mut self) {
        let Some(lock) = &mut self.w.map_lock else { return };
        let granted = lock.end_writing();
        self.emit(Event::MmapLockReleased { thread: None, write: true });
        self.map_lock_granted(granted);
    }

    fn map_lock_granted(&mut self, granted: Granted) {
        for thread in granted.readers {
            self.emit(Event::MmapLockAcquired { thread: Some(thread), write: false });
            self.wake_thread(thread);
        }
        if let Some(span) = granted.writer {
            self.begin_writing(span);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ThreadId = ThreadId(0);
    const B: ThreadId = ThreadId(1);
    const C: ThreadId = ThreadId(2);
    const SPAN: SimDuration = SimDuration::from_us(3);

    #[test]
    fn readers_share_and_a_writer_is_alone() {
        let mut lock = MapLock::default();
        assert!(lock.read(A) && lock.read(B));
        assert!(!lock.write(SPAN));
        // Behind the writer, although readers have the lock.
        assert!(!lock.read(C));
        assert_eq!(lock.end_reading(A), Granted::default());
        let granted = lock.end_reading(B);
        assert_eq!(granted, Granted { readers: vec![], writer: Some(SPAN) });
        assert!(!lock.read(A) && !lock.write(SPAN));
        assert_eq!(lock.end_writing(), Granted { readers: vec![C, A], writer: None });
        assert_eq!(lock.end_reading(C), Granted::default());
        assert_eq!(lock.end_reading(A).writer, Some(SPAN));
        assert_eq!(lock.end_writing(), Granted::default());
        assert!(lock.write(SPAN));
    }
}
