//! The wait queues of a userfaultfd descriptor (fs/userfaultfd.c, 6.12): their two locks, and what whoever has
//! one reads and writes there.
//!
//! `fault_pending_wqh.lock` is taken for the queue of messages that nobody has read and for that of those which were
//! (the lock of the latter is only ever taken under it), `fd_wqh.lock` for that of the readers. A `read` takes the
//! second, and then the first. Both are fair, and who waits spins (`queued_spin_lock_slowpath`).
//!
//! An entry lies on the stack of who waits. Whoever walks a queue brings the line of each entry that another processor
//! has written since he last had it; whoever adds or removes one writes those beside it. Caches are large enough
//! here to keep what was walked.

use std::collections::VecDeque;

use sim_core::{SimDuration, SimTime};

use crate::base::ids::{GuestPage, PcpuId, ThreadId};

/// A lock of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueueLock {
    /// Of messages (`fault_pending_wqh.lock`).
    Messages,
    /// Of readers (`fd_wqh.lock`).
    Readers,
}

/// What a visit to a queue meets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Met {
    /// Entries that it looks at.
    pub entries: u32,
    /// Lines that come from another processor.
    pub lines: u32,
    /// Threads that it wakes.
    pub woken: u32,
}

/// A spin lock and its queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct SpinLock {
    holder: Option<ThreadId>,
    waiters: VecDeque<ThreadId>,
}

impl SpinLock {
    fn take(&mut self, thread: ThreadId) -> bool {
        match self.holder {
            None => self.holder = Some(thread),
            Some(_) => self.waiters.push_back(thread),
        }
        self.holder == Some(thread)
    }

    fn release(&mut self) -> Option<ThreadId> {
        self.holder = self.waiters.pop_front();
        self.holder
    }
}

/// An entry: whose, for which page, and who wrote it when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    thread: ThreadId,
    page: Option<GuestPage>,
    by: PcpuId,
    at: u64,
}

/// Entries, the oldest first. The head of the list in memory is the newest one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Queue {
    entries: Vec<Entry>,
    /// When each processor last walked all of it.
    seen: Vec<u64>,
    now: u64,
}

impl Queue {
    fn new(cpus: u16) -> Self {
        Self { seen: vec![0; cpus.into()], ..Self::default() }
    }

    /// A processor writes an entry. Returns the lines that it brings for that.
    fn write(&mut self, place: usize, by: PcpuId) -> u32 {
        self.now += 1;
        let at = self.now;
        match self.entries.get_mut(place) {
            Some(entry) => {
                let lines = u32::from(entry.by != by);
                (entry.by, entry.at) = (by, at);
                lines
            }
            None => 0,
        }
    }

    /// `list_add`: it writes the entry that was first.
    fn add(&mut self, thread: ThreadId, page: Option<GuestPage>, by: PcpuId) -> u32 {
        let lines = self.entries.len().checked_sub(1).map_or(0, |last| self.write(last, by));
        self.now += 1;
        self.entries.push(Entry { thread, page, by, at: self.now });
        lines
    }

    /// `list_del`: it writes both beside it.
    fn remove(&mut self, place: usize, by: PcpuId) -> u32 {
        let before = place.checked_sub(1).map_or(0, |before| self.write(before, by));
        let lines = before + self.write(place + 1, by);
        self.entries.remove(place);
        lines
    }

    fn place_of(&self, thread: ThreadId) -> Option<usize> {
        self.entries.iter().position(|entry| entry.thread == thread)
    }

    /// A processor looks at all entries (`__wake_up_common`).
    fn walk(&mut self, by: PcpuId) -> Met {
        let seen = self.seen[by.index()];
        let foreign = self.entries.iter().filter(|entry| entry.by != by && entry.at > seen).count();
        self.seen[by.index()] = self.now;
        Met { entries: self.entries.len() as u32, lines: foreign as u32, woken: 0 }
    }

    /// Takes out the entries for pages, as who walks it wakes them.
    fn wake(&mut self, by: PcpuId, is_meant: impl Fn(GuestPage) -> bool) -> Met {
        let mut met = self.walk(by);
        let mut place = 0;
        while let Some(&entry) = self.entries.get(place) {
            match entry.page.is_some_and(&is_meant) {
                true => {
                    met.lines += self.remove(place, by);
                    met.woken += 1;
                }
                false => place += 1,
            }
        }
        met
    }
}

/// The queues and locks of a descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WaitQueues {
    messages: SpinLock,
    readers: SpinLock,
    /// The processor that the line of both locks goes to last, and when it is there. They lie side by side at the
    /// begin of the descriptor's context, 24 bytes each.
    line: Option<(PcpuId, SimTime)>,
    /// Messages that nobody has read, and those that somebody has.
    pending: Queue,
    read: Queue,
    /// Readers that are in `poll`.
    polling: Queue,
}

impl WaitQueues {
    /// Those of a descriptor that nobody has used; its readers are in `poll`.
    pub(crate) fn new(cpus: u16) -> Self {
        Self {
            messages: SpinLock::default(),
            readers: SpinLock::default(),
            line: None,
            pending: Queue::new(cpus),
            read: Queue::new(cpus),
            polling: Queue::new(cpus),
        }
    }

    fn lock_mut(&mut self, lock: QueueLock) -> &mut SpinLock {
        match lock {
            QueueLock::Messages => &mut self.messages,
            QueueLock::Readers => &mut self.readers,
        }
    }

    /// Takes a lock, or queues for it.
    pub(crate) fn take(&mut self, lock: QueueLock, thread: ThreadId) -> bool {
        self.lock_mut(lock).take(thread)
    }

    /// Whether a thread has a lock.
    pub(crate) fn is_held_by(&mut self, lock: QueueLock, thread: ThreadId) -> bool {
        self.lock_mut(lock).holder == Some(thread)
    }

    /// Lets go of a lock. Returns who has it now.
    pub(crate) fn release(&mut self, lock: QueueLock) -> Option<ThreadId> {
        self.lock_mut(lock).release()
    }

    /// The line of the locks comes to a processor. Returns how long that takes.
    pub(crate) fn bring_line(
        &mut self,
        now: SimTime,
        by: PcpuId,
        line: SimDuration,
    ) -> SimDuration {
        let there = match self.line {
            Some((last, there)) if last != by => now.max(there) + line,
            Some((_, there)) => now.max(there),
            None => now,
        };
        self.line = Some((by, there));
        there.since(now)
    }

    /// A message is linked.
    pub(crate) fn link(&mut self, thread: ThreadId, page: GuestPage, by: PcpuId) -> Met {
        let lines = self.pending.add(thread, Some(page), by);
        Met { lines, ..Met::default() }
    }

    /// Whether a thread's entry is in one of the queues of messages.
    pub(crate) fn has_entry(&self, thread: ThreadId) -> bool {
        [&self.pending, &self.read].iter().any(|queue| queue.place_of(thread).is_some())
    }

    /// Whether somebody sleeps for one of some pages.
    pub(crate) fn has_entry_for(&self, is_meant: impl Fn(GuestPage) -> bool) -> bool {
        let mut all = self.pending.entries.iter().chain(&self.read.entries);
        all.any(|entry| entry.page.is_some_and(&is_meant))
    }

    /// A thread takes its own entry out, if it is there.
    pub(crate) fn unlink(&mut self, thread: ThreadId, by: PcpuId) -> Met {
        let mut lines = 0;
        for queue in [&mut self.pending, &mut self.read] {
            if let Some(place) = queue.place_of(thread) {
                lines += queue.remove(place, by);
            }
        }
        Met { lines, ..Met::default() }
    }

    /// The oldest message moves from one queue to the other (`userfaultfd_ctx_read`).
    pub(crate) fn refile(&mut self, by: PcpuId) -> Met {
        let Some(&oldest) = self.pending.entries.first() else { return Met::default() };
        let own = u32::from(oldest.by != by);
        let lines =
            own + self.pending.remove(0, by) + self.read.add(oldest.thread, oldest.page, by);
        Met { entries: 1, lines, woken: 0 }
    }

    /// Whether anybody waits (`wake_userfault` looks without the lock).
    pub(crate) fn has_sleepers(&self) -> bool {
        !self.pending.entries.is_empty() || !self.read.entries.is_empty()
    }

    /// Everybody who sleeps for some pages is woken.
    pub(crate) fn wake(&mut self, by: PcpuId, is_meant: impl Fn(GuestPage) -> bool) -> Met {
        let (pending, read) = (self.pending.wake(by, &is_meant), self.read.wake(by, &is_meant));
        Met {
            entries: pending.entries + read.entries,
            lines: pending.lines + read.lines,
            woken: pending.woken + read.woken,
        }
    }

    /// A reader is in `poll` from here on.
    pub(crate) fn polls(&mut self, thread: ThreadId, by: PcpuId) -> Met {
        // That of a thread whose process has ended goes to who takes its place.
        self.polling.entries.retain(|entry| entry.thread != thread);
        Met { lines: self.polling.add(thread, None, by), ..Met::default() }
    }

    /// A reader leaves `poll`.
    pub(crate) fn polled(&mut self, thread: ThreadId, by: PcpuId) -> Met {
        let place = self.polling.place_of(thread);
        let lines = place.map_or(0, |place| self.polling.remove(place, by));
        Met { lines, ..Met::default() }
    }

    /// The first in the queue of readers is changed and changed back (`read`, which has its entry there while it
    /// runs).
    pub(crate) fn passes_readers(&mut self, by: PcpuId) -> Met {
        let last = self.polling.entries.len().checked_sub(1);
        let lines = last.map_or(0, |last| self.polling.write(last, by));
        Met { lines, ..Met::default() }
    }

    /// Readers are woken: whoever does so looks at all entries.
    pub(crate) fn wake_readers(&mut self, by: PcpuId) -> Met {
        self.polling.walk(by)
    }

    /// The process of the readers has ended.
    pub(crate) fn readers_die(&mut self) {
        self.polling.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{Gfn, VmId};

    const LINE: SimDuration = SimDuration::from_ns(100);

    fn page(gfn: u64) -> GuestPage {
        GuestPage::new(VmId(0), Gfn(gfn))
    }

    fn at(ns: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_ns(ns)
    }

    /// `count` sleepers, each on a processor of its own, for a page of its own.
    fn with_sleepers(count: u16) -> WaitQueues {
        let mut queues = WaitQueues::new(64);
        for own in 0..count {
            queues.link(ThreadId(own.into()), page(own.into()), PcpuId(own));
        }
        queues
    }

    #[test]
    fn whoever_answers_walks_all_who_sleep() {
        let mut queues = with_sleepers(10);
        let first = queues.wake(PcpuId(20), |it| it == page(3));
        // All ten lines come, and two beside the one that goes are written.
        assert_eq!(first, Met { entries: 10, lines: 10 + 2, woken: 1 });
        // Those are there for the same processor, and not for another one.
        assert_eq!(queues.wake(PcpuId(20), |it| it == page(99)).lines, 0);
        assert_eq!(queues.wake(PcpuId(21), |it| it == page(99)).lines, 9);
        assert!(queues.has_entry(ThreadId(4)) && !queues.has_entry(ThreadId(3)));
    }

    #[test]
    fn what_was_written_meanwhile_comes_again() {
        let mut queues = with_sleepers(4);
        queues.wake(PcpuId(20), |_| false);
        // A new entry, and the one that was first before.
        assert_eq!(queues.link(ThreadId(9), page(9), PcpuId(9)).lines, 1);
        assert_eq!(queues.wake(PcpuId(20), |_| false), Met { entries: 5, lines: 2, woken: 0 });
        assert_eq!(queues.unlink(ThreadId(9), PcpuId(9)).lines, 0);
        assert_eq!(queues.unlink(ThreadId(9), PcpuId(9)), Met::default());
    }

    #[test]
    fn a_read_takes_the_oldest_message() {
        let mut queues = with_sleepers(2);
        // Its line, the next one's, and nobody else's.
        assert_eq!(queues.refile(PcpuId(5)), Met { entries: 1, lines: 2, woken: 0 });
        assert_eq!(queues.refile(PcpuId(5)), Met { entries: 1, lines: 0, woken: 0 });
        assert_eq!(queues.refile(PcpuId(5)), Met::default());
        assert!(queues.has_sleepers());
        assert_eq!(queues.wake(PcpuId(5), |_| true), Met { entries: 2, lines: 0, woken: 2 });
        assert!(!queues.has_sleepers());
    }

    #[test]
    fn locks_are_fair() {
        let mut queues = WaitQueues::new(4);
        let lock = QueueLock::Messages;
        let taken = [1, 2, 3].map(|thread| queues.take(lock, ThreadId(thread)));
        assert_eq!(taken, [true, false, false]);
        assert!(queues.take(QueueLock::Readers, ThreadId(2)));
        assert_eq!(queues.release(lock), Some(ThreadId(2)));
        assert!(queues.is_held_by(lock, ThreadId(2)) && !queues.is_held_by(lock, ThreadId(3)));
        assert_eq!([queues.release(lock), queues.release(lock)], [Some(ThreadId(3)), None]);
    }

    #[test]
    fn the_line_of_the_locks_goes_from_one_to_the_next() {
        let mut queues = WaitQueues::new(4);
        let mut bring = |ns: u64, by: u16| queues.bring_line(at(ns), PcpuId(by), LINE).as_ns();
        assert_eq!([bring(0, 1), bring(5, 1), bring(10, 2), bring(10, 3)], [0, 0, 100, 200]);
        assert_eq!([bring(500, 3), bring(500, 1)], [0, 100]);
    }
}
