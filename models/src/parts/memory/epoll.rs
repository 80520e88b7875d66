//! Instances of epoll that the readers of a handler wait in (fs/eventpoll.c, 6.12).
//!
//! A message calls `ep_poll_callback` of the instances that have its descriptor, in the order in which they were
//! added: it puts the descriptor on the ready list, wakes one who waits in the instance, and with `EPOLLEXCLUSIVE` ends
//! there; an instance in which nobody waits is passed over, but has the descriptor on its list from then on.
//! `epoll_wait` passes over its list (`ep_send_events`): a descriptor with messages is delivered and, being
//! level-triggered, put on the list again, so that the next call looks at it once more; others leave it. Only when the
//! list is empty does it sleep.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::ids::PcpuId;
use crate::config::Waking;

/// Lines beside that of the lock: one with the mutex and the queue of an instance, one with the item's link
/// (`struct eventpoll`, `struct epitem`).
const BESIDE: u32 = 2;

/// What a pass over a ready list finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harvest {
    /// A descriptor with something to read.
    Something,
    /// Descriptors, and nothing to read.
    Nothing,
    /// No descriptor.
    Empty,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Instance {
    /// Descriptors on the ready list.
    ready: BTreeSet<u16>,
    /// The processor that took its lock last, in the line of which the list is.
    lock: Option<PcpuId>,
    /// Who wrote the lines beside it last, how often they were written, and what each processor has seen of that.
    writer: Option<PcpuId>,
    written: u32,
    seen: BTreeMap<PcpuId, u32>,
    /// Where a reader came to it last.
    reader: Option<PcpuId>,
}

impl Instance {
    /// A processor takes the lock and reads the other lines, or writes them. Returns how many lines come from another
    /// processor.
    fn lines(&mut self, by: PcpuId, writes: bool) -> u32 {
        let lock = self.lock.replace(by).is_some_and(|last| last != by);
        let seen = self.seen.insert(by, self.written);
        let beside = self.writer.is_some_and(|last| last != by) && seen != Some(self.written);
        if writes {
            self.written += 1;
            self.writer = Some(by);
            self.seen.insert(by, self.written);
        }
        u32::from(lock) + if beside { BESIDE } else { 0 }
    }
}

/// The instances of a handler's readers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instances {
    all: Vec<Instance>,
}

impl Instances {
    /// One a reader, or one that all readers of a descriptor share; none where readers do not use epoll.
    pub(crate) fn new(waking: Waking, readers: u16, descriptors: u16) -> Self {
        let count = match waking {
            Waking::All => 0,
            Waking::One => readers,
            Waking::Shared => readers.min(descriptors),
        };
        Self { all: vec![Instance::default(); count.into()] }
    }

    /// The instance that a reader waits in.
    pub(crate) fn of(&self, reader: u16) -> u16 {
        reader % (self.all.len() as u16).max(1)
    }

    /// Of so many readers those that wait in an instance.
    pub(crate) fn readers(&self, instance: u16, readers: u16) -> impl Iterator<Item = u16> + use<> {
        (instance..readers).step_by(self.all.len().max(1))
    }

    /// All of them.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u16> + use<> {
        0..self.all.len() as u16
    }

    /// A descriptor goes on the ready list.
    pub(crate) fn mark(&mut self, instance: u16, descriptor: u16) {
        self.all[usize::from(instance)].ready.insert(descriptor);
    }

    /// A process that ends leaves no lists, and one that begins adds its descriptors anew.
    pub(crate) fn clear(&mut self) {
        for instance in &mut self.all {
            instance.ready.clear();
        }
    }

    /// A processor calls back: the descriptor is to be on the list, and `wakes` says whether somebody waits, whose
    /// entry goes out of the queue. Returns how many lines come from other processors.
    pub(crate) fn called_back(
        &mut self,
        instance: u16,
        by: PcpuId,
        descriptor: u16,
        wakes: bool,
    ) -> u32 {
        let instance = &mut self.all[usize::from(instance)];
        let writes = wakes || !instance.ready.contains(&descriptor);
        // The entry of who waits is on a stack that a reader wrote.
        let entry = wakes && instance.reader.is_some_and(|reader| reader != by);
        instance.lines(by, writes) + u32::from(entry)
    }

    /// A reader comes to the list, and if it was woken looks at its entry. Returns how many lines come from others.
    pub(crate) fn comes(&mut self, instance: u16, by: PcpuId, woken: bool) -> u32 {
        let instance = &mut self.all[usize::from(instance)];
        let entry = woken && instance.writer.is_some_and(|last| last != by);
        instance.reader = Some(by);
        u32::from(entry) + instance.lines(by, true)
    }

    /// A pass over a ready list, until something can be read.
    pub(crate) fn harvest(&mut self, instance: u16, has: impl Fn(u16) -> bool) -> Harvest {
        let ready = &mut self.all[usize::from(instance)].ready;
        let mut found = Harvest::Empty;
        while let Some(&descriptor) = ready.first() {
            if has(descriptor) {
                return Harvest::Something;
            }
            ready.remove(&descriptor);
            found = Harvest::Nothing;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_have_an_instance_each_or_share_that_of_their_descriptor() {
        let of = |waking, readers, descriptors| {
            let instances = Instances::new(waking, readers, descriptors);
            (0..readers).map(|reader| instances.of(reader)).collect::<Vec<_>>()
        };
        assert_eq!(of(Waking::One, 3, 1), [0, 1, 2]);
        assert_eq!(of(Waking::Shared, 3, 1), [0, 0, 0]);
        assert_eq!(of(Waking::Shared, 4, 2), [0, 1, 0, 1]);
        assert_eq!(of(Waking::Shared, 2, 4), [0, 1]);
        assert_eq!(Instances::new(Waking::All, 8, 1).numbers().count(), 0);
    }

    #[test]
    fn what_was_delivered_is_looked_at_again() {
        let mut instances = Instances::new(Waking::One, 2, 2);
        assert_eq!(instances.harvest(1, |_| true), Harvest::Empty);
        instances.mark(1, 0);
        instances.mark(1, 1);
        // The first has nothing and leaves the list, the second stays on it while it is read.
        assert_eq!(instances.harvest(1, |it| it == 1), Harvest::Something);
        assert_eq!(instances.harvest(1, |_| false), Harvest::Nothing);
        assert_eq!(instances.harvest(1, |_| true), Harvest::Empty);
        instances.mark(0, 0);
        instances.clear();
        assert_eq!(instances.harvest(0, |_| true), Harvest::Empty);
    }

    #[test]
    fn lines_go_to_and_fro() {
        let mut instances = Instances::new(Waking::Shared, 2, 1);
        let (reader, one, other) = (PcpuId(9), PcpuId(1), PcpuId(2));
        assert_eq!(instances.comes(0, reader, false), 0);
        // The lock's, both beside it, and the entry of who waits; and all of them back.
        assert_eq!(instances.called_back(0, one, 0, true), 4);
        instances.mark(0, 0);
        assert_eq!(instances.comes(0, reader, true), 4);
        assert_eq!(instances.comes(0, reader, false), 0);
        // Who passes over a list that has the descriptor reads what the reader wrote, once, and writes the lock's.
        let passed = [one, one, other, one].map(|by| instances.called_back(0, by, 0, false));
        assert_eq!(passed, [3, 0, 3, 1]);
        assert_eq!(instances.comes(0, reader, false), 1);
    }
}
