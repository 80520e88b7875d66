//! The lock of the VMM's memory map (`mmap_lock`, before 5.8 `mmap_sem`), which every thread holds for
//! reading while it gets a page in, and who changes the map for writing.
//!
//! It is kept only where a scenario has somebody who writes: without one no reader ever waits. It is
//! fair: whoever comes while somebody waits queues behind (`down_read` with `RWSEM_FLAG_WAITERS`),
//! and all readers at the head of the queue go together. That a reader may steal the lock from
//! writers that wait (since 5.11), and that readers behind a writer may be taken along, is left out.

use std::collections::VecDeque;

use sim_core::SimDuration;

use crate::base::ids::ThreadId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiter {
    /// A thread that gets a page in.
    Read(ThreadId),
    /// Another thread of the VMM, which will hold the lock for so long.
    Write(SimDuration),
}

/// New holders of the lock after a release.
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
    pub(crate) fn read(&mut self, thread: ThreadId) -> bool {
        if self.written || !self.queue.is_empty() {
            self.queue.push_back(Waiter::Read(thread));
            return false;
        }
        self.readers.push(thread);
        true
    }

    /// Takes the lock for writing, or queues for it.
    pub(crate) fn write(&mut self, span: SimDuration) -> bool {
        let free = !self.written && self.readers.is_empty() && self.queue.is_empty();
        self.written |= free;
        if !free {
            self.queue.push_back(Waiter::Write(span));
        }
        free
    }

    pub(crate) fn end_reading(&mut self, thread: ThreadId) -> Granted {
        self.readers.retain(|&reader| reader != thread);
        self.hand_on()
    }

    pub(crate) fn end_writing(&mut self) -> Granted {
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
