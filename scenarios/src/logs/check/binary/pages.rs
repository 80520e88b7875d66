//! Pages of the kernel's ring buffer, as trace.dat keeps them.

use super::bytes::Endian;
use super::head::PageLayout;

/// Bits of the delta in the head of an event.
const DELTA: u32 = 27;
/// A padding, a longer delta, and an absolute time.
const PADDING: u64 = 29;
const TIME_EXTEND: u64 = 30;
const TIME_STAMP: u64 = 31;
/// Bits of an absolute time; those above are those of the time before.
const STAMP_BITS: u32 = 59;
/// Events were lost before this page, and their number stands behind its events.
const MISSED: u64 = 1 << 31;
const MISSED_STORED: u64 = 1 << 30;
/// Bits of the number of bytes in use.
const COMMIT: u64 = (1 << 27) - 1;

/// An event in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InPage {
    /// Its time by the clock of the trace.
    pub(super) time: u64,
    /// Where its record is in the page.
    pub(super) from: usize,
    pub(super) to: usize,
}

/// A page that is being read.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    at: usize,
    end: usize,
    time: u64,
    /// Events were lost before it; how many, if known.
    pub(super) lost: Option<Option<u64>>,
    /// What it holds is no sequence of events.
    pub(super) damaged: bool,
}

impl Page {
    /// Begins to read a page.
    pub(super) fn new(bytes: &[u8], layout: PageLayout, endian: Endian) -> Self {
        let number = |at: usize, size| bytes.get(at..).and_then(|rest| endian.number(rest, size));
        let (at, size) = layout.commit;
        let (Some(time), Some(commit)) = (number(0, 8), number(at, size)) else {
            return Self { damaged: true, ..Self::default() };
        };
        let used = usize::try_from(commit & COMMIT).unwrap_or(usize::MAX);
        let end = layout.data.saturating_add(used);
        let damaged = end > bytes.len();
        let end = end.min(bytes.len());
        let lost = (commit & MISSED != 0).then(|| {
            let stored = commit & MISSED_STORED != 0;
            stored.then(|| number(end, size)).flatten()
        });
        Self { at: layout.data.min(end), end, time, lost, damaged }
    }

    /// The next event.
    pub(super) fn next(&mut self, bytes: &[u8], endian: Endian) -> Option<InPage> {
        while self.at < self.end {
            let Some(head) = self.word(bytes, endian, self.at) else { break };
            let (kind, delta) = match endian {
                Endian::Little => (head & 0x1f, head >> 5),
                Endian::Big => (head >> DELTA, head & ((1 << DELTA) - 1)),
            };
            let body = self.at + 4;
            match kind {
                // The rest of the page is empty.
                PADDING if delta == 0 => return self.done(),
                PADDING => {
                    let Some(length) = self.word(bytes, endian, body) else { break };
                    self.time = self.time.wrapping_add(delta);
                    self.at = body.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
                }
                TIME_EXTEND | TIME_STAMP => {
                    let Some(above) = self.word(bytes, endian, body) else { break };
                    let long = above << DELTA | delta;
                    self.time = match kind {
                        TIME_EXTEND => self.time.wrapping_add(long),
                        _ => self.time >> STAMP_BITS << STAMP_BITS | long & ((1 << STAMP_BITS) - 1),
                    };
                    self.at = body + 4;
                }
                _ => return self.event(bytes, endian, kind, delta),
            }
        }
        self.damaged |= self.at != self.end;
        self.done()
    }

    fn event(&mut self, bytes: &[u8], endian: Endian, kind: u64, delta: u64) -> Option<InPage> {
        let body = self.at + 4;
        let (from, length) = match kind {
            // The length is too large for the head; its own four bytes count.
            0 => (body + 4, self.word(bytes, endian, body).and_then(|all| all.checked_sub(4))),
            words => (body, Some(words * 4)),
        };
        let length = length.and_then(|length| usize::try_from(length).ok());
        let to = length.and_then(|length| from.checked_add(length)).filter(|to| *to <= self.end);
        let Some(to) = to else {
            self.damaged = true;
            return self.done();
        };
        self.time = self.time.wrapping_add(delta);
        self.at = to.next_multiple_of(4).min(self.end);
        Some(InPage { time: self.time, from, to })
    }

    fn word(&self, bytes: &[u8], endian: Endian, at: usize) -> Option<u64> {
        endian.number(bytes.get(at..self.end)?, 4)
    }

    fn done<T>(&mut self) -> Option<T> {
        self.at = self.end;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(endian: Endian, commit: u64, words: &[u32]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let long = |value: u64| match endian {
            Endian::Little => value.to_le_bytes(),
            Endian::Big => value.to_be_bytes(),
        };
        bytes.extend(long(1000));
        bytes.extend(long(commit));
        for word in words {
            bytes.extend(match endian {
                Endian::Little => word.to_le_bytes(),
                Endian::Big => word.to_be_bytes(),
            });
        }
        bytes
    }

    fn head(endian: Endian, kind: u32, delta: u32) -> u32 {
        match endian {
            Endian::Little => delta << 5 | kind,
            Endian::Big => kind << 27 | delta,
        }
    }

    #[test]
    fn events_times_and_losses() {
        for endian in [Endian::Little, Endian::Big] {
            let h = |kind, delta| head(endian, kind, delta);
            let words = [
                h(2, 5),
                7,
                8,
                // 2^27 + 1 later.
                h(30, 1),
                1,
                h(0, 0),
                9,
                1,
                2,
                // At the time 2^27 * 3 + 4.
                h(31, 4),
                3,
                h(1, 1),
                6,
                // Something discarded of eight bytes behind its length.
                h(29, 2),
                8,
                0,
                h(1, 1),
                6,
                // Nothing more; a number of lost events behind the end.
                17,
                0,
            ];
            let used = (words.len() as u64 - 2) * 4;
            let bytes = page(endian, used | MISSED | MISSED_STORED, &words);
            let bytes = match endian {
                Endian::Little => bytes,
                // The number is eight bytes wide.
                Endian::Big => {
                    let mut bytes = bytes;
                    let end = bytes.len();
                    bytes[end - 8..].copy_from_slice(&17_u64.to_be_bytes());
                    bytes
                }
            };
            let mut read = Page::new(&bytes, PageLayout::default(), endian);
            let mut all = Vec::new();
            while let Some(event) = read.next(&bytes, endian) {
                all.push((event.time, event.to - event.from));
            }
            let far = (3 << 27) + 4;
            assert_eq!(
                all,
                [(1005, 8), (1005 + (1 << 27) + 1, 5), (far + 1, 4), (far + 4, 4)],
                "{endian:?}"
            );
            assert_eq!((read.lost, read.damaged), (Some(Some(17)), false), "{endian:?}");
        }
    }

    #[test]
    fn damage_is_noticed() {
        let endian = Endian::Little;
        for (commit, words) in [
            // More bytes than there are; an event beyond the end; a length below its own size.
            (4000, vec![1 << 5 | 1, 7]),
            (8, vec![28, 7]),
            (8, vec![0, 3]),
            (8, vec![29 | 1 << 5, u32::MAX]),
        ] {
            let bytes = page(endian, commit, &words);
            let mut read = Page::new(&bytes, PageLayout::default(), endian);
            for _ in 0..10 {
                read.next(&bytes, endian);
            }
            assert!(read.damaged, "{commit} {words:?}");
        }
        let mut read = Page::new(b"short", PageLayout::default(), endian);
        assert!(read.damaged && read.next(b"short", endian).is_none());
    }
}
