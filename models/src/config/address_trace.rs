//! The pages that a real program touched, recorded: what an operation `replay` goes through.
//!
//! Accesses to one page that follow one another are one *visit*, which keeps what they need of the
//! machine: a translation, whether one of them writes, and the instructions meanwhile. A store after loads begins a
//! visit of its own, since a host may let the guest read a page and not write it. A visit takes a byte
//! or two: programs go to and fro between few pages.

use std::fmt;
use std::sync::Arc;

use crate::base::named::named;

named! {
    /// Which page of its region a page of a trace is.
    TracePlacement {
        /// In the order of their first touch, from the region's first page on: addresses of a process lie far apart.
        FirstTouch => "first-touch",
        /// The one of the same number: of guest-physical pages, which neighbours they have matters.
        Recorded => "recorded",
    }
}

/// Pages that a byte can name: those visited last.
const RECENT: usize = 15;
/// Set in the first byte of a visit that writes.
const WRITES: u8 = 1 << 3;
/// In the first byte: the instructions, of which so many or more stand behind it.
const MANY: u64 = 7;
/// Instructions of a visit at most; more of them are several visits.
const MOST_INSTRUCTIONS: u64 = (1 << 30) - 1;

/// Accesses to one page, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The page of the region, from 0.
    pub page: u32,
    /// Whether it is written.
    pub write: bool,
    /// Instructions that are executed meanwhile: fewer than 2^30.
    pub instructions: u32,
    /// Whether it is the last one of the trace.
    pub last: bool,
}

/// A recorded trace of addresses, by page.
#[derive(Clone, PartialEq, Eq)]
pub struct AddressTrace {
    /// The visits, one after the other.
    bytes: Arc<[u8]>,
    /// Visits.
    visits: u64,
    /// The last page, plus one.
    pages: u32,
    /// Loads, stores and fetches of instructions that were recorded.
    accesses: u64,
    /// Lines of its text that are no accesses.
    passed_over: PassedOver,
}

/// Lines of a recorded text that are no accesses, nor anything else that belongs there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassedOver {
    /// How many.
    pub lines: u64,
    /// The number of the first one, from 1.
    pub first: u64,
}

impl fmt::Debug for AddressTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { visits, pages, accesses, .. } = self;
        write!(f, "AddressTrace({visits} visits to pages below {pages} in {accesses} accesses)")
    }
}

impl AddressTrace {
    /// Visits, at least one.
    pub fn visits(&self) -> u64 {
        self.visits
    }

    /// The last page, plus one: how many there are, where they are numbered by first touch.
    pub fn pages(&self) -> u32 {
        self.pages
    }

    /// Loads, stores and fetches of instructions that were recorded.
    pub fn accesses(&self) -> u64 {
        self.accesses
    }

    /// Lines of its text that were passed over.
    pub fn passed_over(&self) -> PassedOver {
        self.passed_over
    }

    /// The same, of a text with these lines besides.
    #[must_use]
    pub fn with_passed_over(self, passed_over: PassedOver) -> Self {
        Self { passed_over, ..self }
    }

    /// The visits in their packed form, which is the same for the same visits.
    pub fn packed(&self) -> &[u8] {
        &self.bytes
    }

    /// The next visit, after the last one the first one again.
    pub fn next(&self, cursor: &mut TraceCursor) -> Visit {
        if cursor.at == self.bytes.len() {
            *cursor = TraceCursor::default();
        }
        let first = self.byte(cursor);
        let place = usize::from(first >> 4);
        let page = match place {
            RECENT => self.number(cursor) as u32,
            place => cursor.recent[place],
        };
        to_front(&mut cursor.recent, page, place);
        let few = u64::from(first & 7);
        let instructions = if few == MANY { MANY + self.number(cursor) } else { few };
        Visit {
            page,
            write: first & WRITES != 0,
            instructions: instructions as u32,
            last: cursor.at == self.bytes.len(),
        }
    }

    fn byte(&self, cursor: &mut TraceCursor) -> u8 {
        cursor.at += 1;
        self.bytes[cursor.at - 1]
    }

    /// A number in pieces of seven bits, the low ones first.
    fn number(&self, cursor: &mut TraceCursor) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte(cursor);
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return number;
            }
            shift += 7;
        }
    }
}

/// Where a task is in a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceCursor {
    at: usize,
    recent: [u32; RECENT],
}

/// A page is the one that was visited last; it was at a place, or in none.
#[inline]
fn to_front(recent: &mut [u32; RECENT], page: u32, place: usize) {
    recent.copy_within(..place.min(RECENT - 1), 1);
    recent[0] = page;
}

/// Makes a trace of accesses in their order.
#[derive(Clone, Debug, Default)]
pub struct AddressRecorder {
    bytes: Vec<u8>,
    recent: [u32; RECENT],
    visits: u64,
    pages: u32,
    accesses: u64,
    /// The visit that may go on.
    open: Option<(u32, bool, u64)>,
}

impl AddressRecorder {
    /// An access to a page of the region, by an instruction that begins or has begun before.
    pub fn access(&mut self, page: u32, write: bool, begins_instruction: bool) {
        self.accesses += 1;
        self.pages = self.pages.max(page + 1);
        let begun = u64::from(begins_instruction);
        if let Some((open, writes, instructions)) = &mut self.open
            && *open == page
            && (*writes || !write)
            && *instructions < MOST_INSTRUCTIONS
        {
            *instructions += begun;
            return;
        }
        self.close();
        self.open = Some((page, write, begun));
    }

    /// Whether nothing was accessed so far.
    pub fn is_empty(&self) -> bool {
        self.accesses == 0
    }

    /// The trace; none if nothing was accessed.
    pub fn finish(mut self) -> Option<AddressTrace> {
        self.close();
        let Self { bytes, visits, pages, accesses, .. } = self;
        (visits > 0).then(|| AddressTrace {
            bytes: bytes.into(),
            visits,
            pages,
            accesses,
            passed_over: PassedOver::default(),
        })
    }

    fn close(&mut self) {
        let Some((page, write, instructions)) = self.open.take() else { return };
        // Nothing has a place until so many pages were visited: zeros at the end are no pages.
        let known = self.recent.iter().take(self.visits.min(RECENT as u64) as usize);
        let place = known.clone().position(|&recent| recent == page).unwrap_or(RECENT);
        to_front(&mut self.recent, page, place);
        self.visits += 1;
        let first = (place as u8) << 4 | if write { WRITES } else { 0 };
        self.bytes.push(first | instructions.min(MANY) as u8);
        if place == RECENT {
            self.number(page.into());
        }
        if instructions >= MANY {
            self.number(instructions - MANY);
        }
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Accesses as the visits that they are, worked out in the plain way.
    fn visits_of(accesses: &[(u32, bool, bool)]) -> Vec<(u32, bool, u32)> {
        let mut visits: Vec<(u32, bool, u32)> = Vec::new();
        for &(page, write, begins) in accesses {
            match visits.last_mut() {
                Some((last, writes, count)) if *last == page && (*writes || !write) => {
                    *count += u32::from(begins);
                }
                _ => visits.push((page, write, u32::from(begins))),
            }
        }
        visits
    }

    proptest! {
        /// What is read back are the visits of what was recorded, again and again.
        #[test]
        fn visits_come_back(
            accesses in prop::collection::vec((0..40u32, any::<bool>(), any::<bool>()), 1..300)
        ) {
            let mut recorder = AddressRecorder::default();
            for &(page, write, begins) in &accesses {
                recorder.access(page, write, begins);
            }
            let trace = recorder.finish().unwrap();
            let expected = visits_of(&accesses);
            prop_assert_eq!(trace.visits(), expected.len() as u64);
            prop_assert_eq!(trace.accesses(), accesses.len() as u64);
            let mut cursor = TraceCursor::default();
            for _ in 0..2 {
                for (n, &(page, write, instructions)) in expected.iter().enumerate() {
                    let last = n + 1 == expected.len();
                    let visit = Visit { page, write, instructions, last };
                    prop_assert_eq!(trace.next(&mut cursor), visit);
                }
            }
        }
    }

    #[test]
    fn many_pages_and_instructions_fit() {
        let mut recorder = AddressRecorder::default();
        for page in [0, 1, 300_000_000] {
            for _ in 0..1000 {
                recorder.access(page, false, true);
            }
        }
        let trace = recorder.finish().unwrap();
        let mut cursor = TraceCursor::default();
        let visits: Vec<Visit> = (0..3).map(|_| trace.next(&mut cursor)).collect();
        assert_eq!(visits[2].page, 300_000_000);
        assert!(visits.iter().all(|visit| visit.instructions == 1000 && !visit.write));
        assert_eq!(trace.pages(), 300_000_001);
    }

    #[test]
    fn nothing_is_no_trace() {
        assert_eq!(AddressRecorder::default().finish(), None);
    }
}
