//! Who takes the events of a log.

use models::monitors::log::LogEvent;

use super::order::Entry;

/// Who is told of the events of a log, in the order of time.
pub(crate) trait LogConsumer {
    /// An event.
    fn event(&mut self, event: LogEvent);

    /// An event of another kind: its thread, time, name and fields as text. Binary files have only probes of them.
    fn other(&mut self, _line: u64, _thread: u32, _ns: u64, _name: &[u8], _fields: &[u8]) {}

    /// Events were lost since that time.
    fn lost(&mut self, since: u64);

    /// Times are numbers of whose unit the log says nothing.
    fn ticks(&mut self) {}

    /// The last line, of that number, has no end: it may be cut within its last word.
    fn doubt(&mut self, _line: u64) {}

    /// The head of the log names the generation that wrote it, as our own traces do. Says whether
    /// there is one of that name.
    fn written_by(&mut self, _rules: &str) -> bool {
        false
    }
}

/// Gives an entry to whom it is for.
pub(super) fn deliver(consumer: &mut impl LogConsumer, entry: Entry) {
    match entry {
        Entry::Event(event) | Entry::Again(event) => consumer.event(event),
        Entry::Lost { since, .. } => consumer.lost(since),
    }
}
