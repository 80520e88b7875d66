//! Events in the order of time.
//!
//! Kernels keep a buffer a processor, and what joins the buffers may be a little wrong. Within a
//! processor the order of the log is that of the events. So an event goes before events of other
//! processors that are later, and never before one of its own.

use std::collections::VecDeque;

use models::monitors::log::LogEvent;

/// Events that are held back.
const WINDOW: usize = 4096;

/// So many events that come again are no single lines: their kind was enabled twice, as by patterns
/// that overlap. Nine tenths of a kind do then.
const TWICE: u64 = 4;

/// An event, or a place where events were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// An event.
    Event(LogEvent),
    /// The same event as the one before, at the same time.
    Again(LogEvent),
    /// Events were lost on a processor since that time.
    Lost {
        /// Time of the last event before.
        since: u64,
        /// The processor; unknown to some programs.
        cpu: Option<u32>,
        /// Time of the next event.
        ns: u64,
    },
}

impl Entry {
    fn ns(&self) -> u64 {
        match self {
            Self::Event(event) | Self::Again(event) => event.ns,
            Self::Lost { ns, .. } => *ns,
        }
    }

    fn cpu(&self) -> Option<u32> {
        match self {
            Self::Event(event) | Self::Again(event) => Some(event.cpu),
            Self::Lost { cpu, .. } => *cpu,
        }
    }
}

/// The buffer in which events find their order.
#[derive(Debug, Default)]
pub(super) struct Order {
    waiting: VecDeque<Entry>,
    /// Events that were put before others.
    pub(super) moved: u64,
    /// Events by name, and how many of them come again.
    names: Vec<(&'static str, u64, u64)>,
    /// Events that were recorded twice, and left out.
    pub(super) twice: u64,
}

impl Order {
    /// Takes an event, and gives one that no later one can precede.
    pub(super) fn push(&mut self, entry: Entry) -> Option<Entry> {
        let (ns, cpu) = (entry.ns(), entry.cpu());
        let later = |other: &Entry| other.ns() > ns && other.cpu() != cpu && cpu.is_some();
        let behind = self.waiting.iter().rev().take_while(|other| later(other)).count();
        if behind == 0 {
            self.waiting.push_back(entry);
        } else {
            self.moved += 1;
            self.waiting.insert(self.waiting.len() - behind, entry);
        }
        if self.waiting.len() > WINDOW { self.next() } else { None }
    }

    /// Counts an event by its name.
    pub(super) fn count(&mut self, event: LogEvent, again: bool) {
        let name = event.event.name();
        let at = self.names.iter().position(|known| known.0 == name).unwrap_or_else(|| {
            self.names.push((name, 0, 0));
            self.names.len() - 1
        });
        self.names[at].1 += 1;
        self.names[at].2 += u64::from(again);
    }

    /// The first entry, if it is none that was recorded twice.
    fn next(&mut self) -> Option<Entry> {
        let entry = self.waiting.pop_front()?;
        let Entry::Again(event) = entry else { return Some(entry) };
        let twice = |known: &&(&str, u64, u64)| {
            known.0 == event.event.name() && known.2 >= TWICE && known.2 * 20 >= known.1 * 9
        };
        if self.names.iter().any(|known| twice(&known)) {
            self.twice += 1;
            return None;
        }
        Some(entry)
    }

    /// Gives what is left, in order.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Entry> + '_ {
        std::iter::from_fn(|| (!self.waiting.is_empty()).then(|| self.next())).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use models::trace::kernel::{KernelEvent, Thread};

    fn event(line: u64, cpu: u32, ns: u64) -> Entry {
        let event = KernelEvent::Entry { vcpu: 0 };
        Entry::Event(LogEvent { line, ns, cpu, thread: Thread::default(), event })
    }

    fn ordered(entries: &[Entry]) -> Vec<u64> {
        let mut order = Order::default();
        let mut out: Vec<_> = entries.iter().filter_map(|&entry| order.push(entry)).collect();
        out.extend(order.drain());
        let line = |entry: &Entry| match entry {
            Entry::Event(event) | Entry::Again(event) => event.line,
            Entry::Lost { .. } => 0,
        };
        out.iter().map(line).collect()
    }

    #[test]
    fn processors_are_joined_by_time() {
        let log = [event(1, 0, 10), event(2, 0, 30), event(3, 1, 20), event(4, 1, 30)];
        assert_eq!(ordered(&log), [1, 3, 2, 4]);
    }

    /// A kind that is recorded twice is so throughout; single lines that are the same stay.
    #[test]
    fn what_was_recorded_twice_is_taken_once() {
        let taken = |times: u64, single: u64| {
            let mut order = Order::default();
            for at in 0..times + single {
                let Entry::Event(one) = event(at, 0, at) else { continue };
                order.count(one, false);
                assert_eq!(order.push(Entry::Event(one)), None);
                if at < times {
                    order.count(one, true);
                    assert_eq!(order.push(Entry::Again(one)), None);
                }
            }
            (order.drain().count() as u64, order.twice)
        };
        assert_eq!(taken(10, 0), (10, 10));
        assert_eq!(taken(10, 1), (11, 10));
        assert_eq!(taken(3, 0), (6, 0));
        assert_eq!(taken(10, 10), (30, 0));
    }

    #[test]
    fn a_processor_keeps_its_order() {
        let log = [event(1, 0, 30), event(2, 0, 10), event(3, 0, 20)];
        assert_eq!(ordered(&log), [1, 2, 3]);
    }
}
